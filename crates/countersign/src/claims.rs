//! What one access token says (RFC 7519 §4, RFC 9068 §2.2).

use serde::Serialize;

use crate::{Audience, ClientId, Issuer, OrganisationId, Role, SessionId, Subject, TokenId, UnixTime};

/// The claims of one access token for one audience.
///
/// Members are in the order they are written. Absent optional claims are left out of the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// Who signed.
    pub iss: Issuer,
    /// The one service it is for.
    pub aud: Audience,
    /// Who the caller is.
    pub sub: Subject,
    /// The client of the session.
    pub client_id: ClientId,
    /// When it was signed.
    pub iat: UnixTime,
    /// The first moment at which it is no longer valid.
    pub exp: UnixTime,
    /// Names this token.
    pub jti: TokenId,
    /// Our name for the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// What the caller may do. No claim and an empty list both mean: nothing that needs a role.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// The one organisation whose data the caller may see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<OrganisationId>,
    /// What the client was allowed, space separated (RFC 6749 §3.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The name a person logs in with; only on routes that ask for it.
    #[serde(rename = "preferred_username", skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The caller's e-mail address; only on routes that ask for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}
