//! A request as the service reads it.

use axum::{
    body::{Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, Method, header},
};
use countersign::TokenRefusal;

use super::{Fault, Faults};

/// The longest body that is read: 64 KiB.
const LONGEST_BODY: usize = 64 * 1024;

/// What is asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) place: Option<Place>,
    /// How the path was written.
    pub(super) spelling: Spelling,
    pub(super) headers: HeaderMap,
    query: String,
    /// `None` if it was too long.
    pub(super) body: Option<Bytes>,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Document,
    Health,
    Invoice(String),
    Invoices,
    Project(String),
    Projects,
    Usage,
}

/// How a path was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As documented.
    Exact,
    /// With `/v1/` for `/v2/`.
    OldVersion,
    /// With a slash at its end.
    TrailingSlash,
}

impl Asked {
    pub(super) async fn read(request: Request, faults: &Faults) -> Self {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let (place, spelling) = match Place::at(path) {
            Some(place) => (Some(place), Spelling::Exact),
            None => Place::written_otherwise(path, faults),
        };
        Self {
            method: parts.method,
            place,
            spelling,
            headers: parts.headers,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            body: to_bytes(body, LONGEST_BODY).await.ok(),
        }
    }

    /// A parameter of the query, as it stands there.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// A header field that is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The token, from the one place where it may be, and from where a fault looks.
    pub(super) fn token(&self, faults: &Faults) -> Result<&str, TokenRefusal> {
        let from_header = self.authorization(faults);
        if from_header != Err(TokenRefusal::TokenMissing) {
            return from_header;
        }
        if faults.has(Fault::TokenInQueryAccepted)
            && let Some(token) = self.parameter("access_token")
        {
            return Ok(token);
        }
        if faults.has(Fault::CookieAccepted)
            && let Some(token) = self.cookie("access_token")
        {
            return Ok(token);
        }
        from_header
    }

    fn authorization(&self, faults: &Faults) -> Result<&str, TokenRefusal> {
        let mut values = self.headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().ok_or(TokenRefusal::TokenMissing)?;
        if values.next().is_some() {
            return Err(TokenRefusal::TokenAmbiguous);
        }
        let value = value.to_str().map_err(|_| TokenRefusal::TokenMalformed)?;
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        if faults.has(Fault::AnyScheme) {
            return Ok(if token.is_empty() { scheme } else { token.trim() });
        }
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(TokenRefusal::TokenMissing);
        }
        Ok(token.trim())
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        let mut pairs = self.header("cookie")?.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}

impl Place {
    fn at(path: &str) -> Option<Self> {
        let mut segments = path.strip_prefix('/')?.split('/');
        let named = |id: &str| (!id.is_empty()).then(|| id.to_owned());
        let place = match (segments.next()?, segments.next(), segments.next()) {
            ("health", None, None) => Self::Health,
            ("openapi.json", None, None) => Self::Document,
            ("v2", Some("invoices"), None) => Self::Invoices,
            ("v2", Some("invoices"), Some(id)) => Self::Invoice(named(id)?),
            ("v2", Some("projects"), None) => Self::Projects,
            ("v2", Some("projects"), Some(id)) => Self::Project(named(id)?),
            ("v2", Some("reports"), Some("usage")) => Self::Usage,
            _ => return None,
        };
        segments.next().is_none().then_some(place)
    }

    /// Spellings that only a fault understands.
    fn written_otherwise(path: &str, faults: &Faults) -> (Option<Self>, Spelling) {
        if faults.has(Fault::TrailingSlashOpen)
            && let Some(path) = path.strip_suffix('/')
        {
            return (Self::at(path), Spelling::TrailingSlash);
        }
        if faults.has(Fault::OldVersionOpen)
            && let Some(rest) = path.strip_prefix("/v1/")
        {
            return (Self::at(&format!("/v2/{rest}")), Spelling::OldVersion);
        }
        (None, Spelling::Exact)
    }

    /// Whether nobody needs a token.
    pub(super) const fn is_public(&self) -> bool {
        matches!(self, Self::Document | Self::Health)
    }

    /// The methods that the document knows, besides HEAD.
    pub(super) const fn methods(&self) -> &'static str {
        match self {
            Self::Document | Self::Health | Self::Invoice(_) | Self::Usage => "GET",
            Self::Invoices | Self::Projects => "GET, POST",
            Self::Project(_) => "DELETE, GET, PUT",
        }
    }
}
