//! `[[client]]` and `[backchannel_logout]`: who speaks to `internal_listen`.

use std::{num::NonZeroU32, sync::Arc};

use countersign::{Audience, ClientId, Issuer, Secret, jws::VerifyingKey};

use super::Endpoint;

/// `[[client]]`: who may use `internal_listen`, and for what.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Its name.
    pub id: ClientId,
    /// How it proves that it is this client.
    pub known_by: ClientKnownBy,
    /// The service that it is: whose tokens it gets.
    pub audience: Option<Audience>,
    /// Audiences that it may ask tokens for.
    pub exchange: Vec<Audience>,
    /// How many it may ask for in a second. Default 500: enough for the callers of a hundred thousand sessions, each asked
    /// for once in the life of a token, and a fraction of a core where signatures are RSA.
    pub exchanges_per_second: NonZeroU32,
}

/// What a client of `internal_listen` proves itself with.
#[derive(Debug, Clone)]
pub enum ClientKnownBy {
    /// `private_key_jwt` (RFC 7523 §2.2): an assertion that this key verifies.
    Key(Arc<VerifyingKey>),
    /// HTTP basic (RFC 6749 §2.3.1).
    Secret(Secret<String>),
}

/// `[backchannel_logout]`: whose log-out tokens are believed (OpenID Connect Back-Channel Logout 1.0).
#[derive(Debug, Clone)]
pub struct BackchannelLogout {
    /// `iss` of the tokens.
    pub issuer: Issuer,
    /// The issuer's key set.
    pub keys: Endpoint,
    /// `aud` of the tokens: our client at the authorization server.
    pub client: ClientId,
    /// Tokens without `typ` are believed too. Default false.
    pub any_type: bool,
    /// The key set may be fetched over plain HTTP beyond loopback. Default false.
    pub insecure_http: bool,
}
