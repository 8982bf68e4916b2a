//! Finds the endpoints in the authorization server's metadata (OpenID Connect Discovery §4, RFC 8414 §3).
//!
//! 1. Nothing is fetched before the first look-up: the gateway starts without the authorization server.
//! 2. The metadata must name exactly the configured issuer, byte for byte (RFC 8414 §3.3).
//! 3. Endpoints must be `https`, on this machine, or on the issuer's own host if the operator gave that as plain
//!    `http` by name.
//! 4. One fetch at a time. A good answer is used for [`FRESH`]; then one look-up refreshes it and the others go on
//!    with what is known. What is known is never forgotten because a refresh failed.
//! 5. After a failure nothing is fetched for 1 s, then 2 s, 4 s, up to [`LONGEST_BACK_OFF`]; look-ups that need the
//!    metadata fail at once with the same reason.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use countersign::Issuer;
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use serde_json::{Map, Value};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, timeout_at},
};

use super::{
    SourceSetupError, answer,
    client::{HttpClient, Reply, is_safe_to_send_to},
};
use crate::error::SourceError;

/// How long metadata is used without asking again.
const FRESH: Duration = Duration::from_secs(3600);

/// Longest pause after failures.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);

/// Which endpoint is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// `introspection_endpoint`
    Introspection,
    /// `userinfo_endpoint`
    Userinfo,
}

/// Where an endpoint is, or how that is found out.
#[derive(Debug, Clone)]
pub(super) enum Located {
    /// Found by discovery.
    Discovered(Arc<Discovery>),
    /// Given.
    Given(Uri),
}

impl Located {
    /// The endpoint, before `deadline`.
    pub(super) async fn resolve(
        &self,
        wanted: Wanted,
        http: &HttpClient,
        deadline: Instant,
    ) -> Result<Uri, SourceError> {
        match self {
            Self::Given(endpoint) => Ok(endpoint.clone()),
            Self::Discovered(discovery) => discovery.metadata(http, deadline).await?.endpoint(wanted),
        }
    }

    /// The server's issuer, if it is known.
    pub(super) fn issuer(&self) -> Option<&Issuer> {
        match self {
            Self::Discovered(discovery) => Some(&discovery.issuer),
            Self::Given(_) => None,
        }
    }
}

/// What the gateway needs of the metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// `introspection_endpoint`
    pub introspection: Option<Uri>,
    /// `userinfo_endpoint`
    pub userinfo: Option<Uri>,
}

impl Metadata {
    fn endpoint(&self, wanted: Wanted) -> Result<Uri, SourceError> {
        let (endpoint, name) = match wanted {
            Wanted::Introspection => (&self.introspection, "introspection_endpoint"),
            Wanted::Userinfo => (&self.userinfo, "userinfo_endpoint"),
        };
        endpoint
            .clone()
            .ok_or_else(|| SourceError::Nonsense(format!("the issuer's metadata name no `{name}`")))
    }
}

/// The metadata of one issuer.
pub(super) struct Discovery {
    issuer: Issuer,
    /// OpenID Connect's place first: more servers have it.
    places: [Uri; 2],
    known: ArcSwapOption<Known>,
    fetching: Mutex<BackOff>,
}

struct Known {
    metadata: Metadata,
    fetched: Instant,
}

/// What the failures so far demand.
#[derive(Default)]
struct BackOff {
    failures: u32,
    until: Option<(Instant, SourceError)>,
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Discovery {
    /// # Errors
    /// When the issuer is no URL with scheme and host.
    pub(super) fn new(issuer: Issuer) -> Result<Self, SourceSetupError> {
        let places = places(&issuer).ok_or(SourceSetupError::Issuer)?;
        Ok(Self { issuer, places, known: ArcSwapOption::empty(), fetching: Mutex::default() })
    }

    async fn metadata(&self, http: &HttpClient, deadline: Instant) -> Result<Metadata, SourceError> {
        if let Some(known) = self.known.load_full() {
            let stale = known.fetched.elapsed() >= FRESH;
            if stale && let Ok(turn) = self.fetching.try_lock() {
                // Half of the time is left for the look-up itself.
                let half = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 2;
                if let Ok(metadata) = self.fetch(turn, http, half).await {
                    return Ok(metadata);
                }
            }
            return Ok(known.metadata.clone());
        }
        let turn = timeout_at(deadline, self.fetching.lock()).await.map_err(|_| SourceError::Timeout)?;
        // Somebody else may have fetched it while we waited.
        if let Some(known) = self.known.load_full() {
            return Ok(known.metadata.clone());
        }
        self.fetch(turn, http, deadline).await
    }

    /// Fetches in turn: the guard is what makes it one at a time.
    async fn fetch(
        &self,
        mut turn: MutexGuard<'_, BackOff>,
        http: &HttpClient,
        deadline: Instant,
    ) -> Result<Metadata, SourceError> {
        if let Some((until, reason)) = &turn.until
            && Instant::now() < *until
        {
            return Err(reason.clone());
        }
        // Written down first: a look-up that is given up midway is a failure too, and cannot say so later.
        let pause = pause(turn.failures);
        turn.failures = turn.failures.saturating_add(1);
        turn.until = Some((deadline + pause, SourceError::Timeout));
        match self.fetch_now(http, deadline).await {
            Ok(metadata) => {
                *turn = BackOff::default();
                let known = Known { metadata: metadata.clone(), fetched: Instant::now() };
                self.known.store(Some(Arc::new(known)));
                Ok(metadata)
            }
            Err(reason) => {
                turn.until = Some((Instant::now() + pause, reason.clone()));
                Err(reason)
            }
        }
    }

    /// From OpenID Connect's place, and where there is no document, from that of RFC 8414: many servers answer what they
    /// do not know with a page, or send it to their log-in.
    async fn fetch_now(&self, http: &HttpClient, deadline: Instant) -> Result<Metadata, SourceError> {
        let [openid, oauth] = &self.places;
        let (document, place) = match document(&self.read(http, openid, deadline).await?) {
            Err(SourceError::Nonsense(first)) => {
                let second = document(&self.read(http, oauth, deadline).await?);
                (second.map_err(|second| neither((openid, &first), (oauth, second)))?, oauth)
            }
            first => (first?, openid),
        };
        judge(&document, &self.issuer).map_err(|error| match error {
            SourceError::Nonsense(why) => SourceError::Nonsense(format!("{why} ({place})")),
            other => other,
        })
    }

    async fn read(&self, http: &HttpClient, place: &Uri, deadline: Instant) -> Result<Reply, SourceError> {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = place.clone();
        http.send(request, deadline).await
    }
}

/// Judges a metadata document.
///
/// # Errors
/// [`SourceError::Nonsense`] when it is not the issuer's, or names an endpoint a credential must not be sent to.
pub fn process_metadata(reply: &Reply, issuer: &Issuer) -> Result<Metadata, SourceError> {
    judge(&document(reply)?, issuer)
}

fn document(reply: &Reply) -> Result<Map<String, Value>, SourceError> {
    answer::outage(reply)?;
    if reply.status != StatusCode::OK {
        return Err(answer::unexpected(reply));
    }
    answer::object(reply)
}

/// Neither place has a document.
fn neither((openid, first): (&Uri, &str), (oauth, second): (&Uri, SourceError)) -> SourceError {
    match second {
        SourceError::Nonsense(second) => {
            SourceError::Nonsense(format!("{first} ({openid}); {second} ({oauth})"))
        }
        other => other,
    }
}

fn judge(document: &Map<String, Value>, issuer: &Issuer) -> Result<Metadata, SourceError> {
    let named = document.get("issuer").and_then(Value::as_str);
    if named != Some(issuer.as_str()) {
        let named =
            named.filter(|named| named.len() <= 256 && named.bytes().all(|byte| byte.is_ascii_graphic()));
        let named = named.map_or_else(String::new, |named| format!("those of `{named}`, "));
        return Err(SourceError::Nonsense(format!(
            "the metadata are {named}not of `{}`, which is configured",
            issuer.as_str()
        )));
    }
    Ok(Metadata {
        introspection: endpoint(document, "introspection_endpoint", issuer)?,
        userinfo: endpoint(document, "userinfo_endpoint", issuer)?,
    })
}

fn endpoint(document: &Map<String, Value>, name: &str, issuer: &Issuer) -> Result<Option<Uri>, SourceError> {
    let refused = |why: &str| Err(SourceError::Nonsense(format!("the metadata's `{name}` is {why}")));
    match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match text.parse::<Uri>() {
            Ok(uri) if is_safe_to_send_to(&uri) || is_of_issuer(&uri, issuer) => Ok(Some(uri)),
            Ok(_) => refused("neither https nor on this machine"),
            Err(_) => refused("no URL"),
        },
        Some(_) => refused("no text"),
    }
}

/// The same scheme and host as the issuer, which the operator allowed.
fn is_of_issuer(uri: &Uri, issuer: &Issuer) -> bool {
    issuer.as_str().parse::<Uri>().is_ok_and(|issuer| {
        issuer.scheme().is_some() && issuer.scheme() == uri.scheme() && issuer.authority() == uri.authority()
    })
}

/// Where the metadata lie: behind the issuer's path (OpenID Connect), or between host and path (RFC 8414 §3.1).
fn places(issuer: &Issuer) -> Option<[Uri; 2]> {
    let uri = issuer.as_str().parse::<Uri>().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    if !["http", "https"].contains(&scheme) {
        return None;
    }
    let path = uri.path().trim_end_matches('/');
    let openid = format!("{scheme}://{authority}{path}/.well-known/openid-configuration");
    let oauth = format!("{scheme}://{authority}/.well-known/oauth-authorization-server{path}");
    Some([openid.parse().ok()?, oauth.parse().ok()?])
}

fn pause(failures: u32) -> Duration {
    Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_BACK_OFF)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign::Issuer;

    use super::{pause, places};

    #[test]
    fn metadata_lie_in_two_places() {
        let at =
            |issuer: &str| places(&Issuer::from(issuer)).map(|places| places.map(|place| place.to_string()));
        let expected = [
            "https://sso.example/.well-known/openid-configuration",
            "https://sso.example/.well-known/oauth-authorization-server",
        ];
        assert_eq!(at("https://sso.example"), Some(expected.map(str::to_owned)));
        assert_eq!(at("https://sso.example/"), Some(expected.map(str::to_owned)));
        let expected = [
            "https://sso.example:8443/realms/a/.well-known/openid-configuration",
            "https://sso.example:8443/.well-known/oauth-authorization-server/realms/a",
        ];
        assert_eq!(at("https://sso.example:8443/realms/a"), Some(expected.map(str::to_owned)));
        assert_eq!(at("sso"), None);
        assert_eq!(at("ftp://sso.example"), None);
    }

    #[test]
    fn the_pause_doubles_up_to_its_bound() {
        let pauses: Vec<_> = (0..7).map(|failures| pause(failures).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause(u32::MAX), Duration::from_secs(30));
    }
}
