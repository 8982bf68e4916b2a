//! How the authorization server is asked, whatever it speaks.

mod answer;
mod client;
mod client_auth;
mod combined;
mod discovery;
mod introspection;
mod json;
mod keep_alive;
mod moment;
mod path;
pub mod probe;
mod server;
mod set_cookie;
mod settings;
mod userinfo;
mod whoami;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use countersign::UnixTime;
use serde_json::{Map, Value};

use crate::{
    credential::OwnedCredential,
    error::{Half, Refusal, SourceError},
};

use self::server::Lookup;
pub(crate) use self::{
    answer::text_or_integer, client::bare, client_auth::signing_key, moment::session_began,
};
pub use self::{
    client::{MAX_ANSWER_BYTES, MAX_ANSWER_HEADER_BYTES, Reply},
    combined::combine,
    discovery::{Metadata, process_metadata},
    introspection::{Expected, process_introspection},
    server::{AuthorizationServer, SourceSetupError, from_config},
    set_cookie::{NewCookie, new_cookie},
    settings::settings_bytes,
    userinfo::process_userinfo,
    whoami::process_whoami,
};

/// What the authorization server said about a credential.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is a session.
    Live(Box<Answer>),
    /// It is not, or no longer. Where introspection and userinfo are asked: which of the two says so.
    No(Option<Half>),
    /// It lives, but is nothing that may stand for a session here: a refresh or ID token
    /// ([`Refusal::SessionOfOtherKind`]), or one bound to a key whose proof is not checked here
    /// ([`Refusal::SessionBoundToKey`]). Remembered like a "no"; of a session that was served until then, what was
    /// issued to it is revoked as after one.
    Refused(Refusal),
}

/// A live session, as the server described it.
///
/// `Debug` shows member names only, never values.
#[derive(Clone, PartialEq)]
pub struct Answer {
    /// The object that introspection or whoami answered.
    pub session: Map<String, Value>,
    /// The object that userinfo answered, when it was asked.
    pub userinfo: Option<Map<String, Value>>,
    /// When the session ends, if the server says so (`exp`).
    pub ends: Option<UnixTime>,
    /// The session cookie that the server sets in place of the one that was asked about.
    pub new_cookie: Option<NewCookie>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("session", &self.session.keys().collect::<Vec<_>>())
            .field("userinfo", &self.userinfo.as_ref().map(|u| u.keys().collect::<Vec<_>>()))
            .field("ends", &self.ends)
            .field("new_cookie", &self.new_cookie)
            .finish()
    }
}

/// The future of one look-up.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Result<Verdict, SourceError>> + Send + 'a>>;

/// The future of one request that keeps a session alive.
pub type Touching<'a> = Pin<Box<dyn Future<Output = Result<(), SourceError>> + Send + 'a>>;

/// Asks the authorization server about one credential.
///
/// "It says no" is [`Verdict::No`]; "it cannot be asked" and "it talks nonsense" are errors. The two are never
/// mixed up: the first ends a session, the second never does.
pub trait Source: Send + Sync + fmt::Debug {
    /// One look-up. Ends within the configured time-out, reads no more than its bounds, follows no redirect.
    fn ask<'a>(&'a self, credential: &'a Arc<OwnedCredential>, now: UnixTime) -> Asking<'a>;

    /// Lets the server know that the session is in use, if it is to be told. Ends within the configured time-out.
    fn keep_alive<'a>(&'a self, credential: &'a OwnedCredential) -> Option<Touching<'a>> {
        let _ = credential;
        None
    }
}
