//! A refusal as an HTTP answer (RFC 9457).
//!
//! Status, challenge and text come from the one table of [`Refusal`]; nothing of the request is repeated.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, header};

use crate::error::{Challenge, Refusal};

/// The answer to a refused request: `application/problem+json` with `type`, `title`, `status`, `code` and `decision`,
/// `Countersign-Refused: <code>`, `Countersign-Forwarded: 0`, `Countersign-Decision`, `Cache-Control: no-store`, and
/// the challenge (RFC 6750 §3), `Retry-After` or `Allow` where the table has one.
///
/// `Allow` is the list for a route that names no methods; a route that does sets its own. For `HEAD` the caller
/// drops the body.
#[must_use]
pub fn respond(refusal: Refusal, decision: &str) -> Response<Bytes> {
    let row = refusal.row();
    let mut body = Vec::with_capacity(256 + decision.len());
    let rendered = match refusal {
        // What the library says has its codes from another table.
        Refusal::Token(_) => None,
        refusal => RENDERED.get(refusal.place()),
    };
    if let Some(rendered) = rendered {
        body.extend_from_slice(&rendered.opening);
    } else {
        body.extend_from_slice(opening(refusal).as_bytes());
    }
    let mut quoted = String::with_capacity(decision.len() + 2);
    quote(&mut quoted, decision);
    body.extend_from_slice(quoted.as_bytes());
    body.push(b'}');

    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = row.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFUSED.clone(), HeaderValue::from_static(row.code));
    headers.insert(FORWARDED.clone(), HeaderValue::from_static("0"));
    if let Ok(decision) = HeaderValue::from_str(decision) {
        headers.insert(DECISION.clone(), decision);
    }
    let challenge = match rendered {
        Some(rendered) => rendered.challenge.clone(),
        None => challenge(row.challenge),
    };
    if let Some(challenge) = challenge {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = row.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.as_secs()));
    }
    if refusal == Refusal::MethodNotAllowed {
        headers.insert(header::ALLOW, HeaderValue::from_static(ALLOWED));
    }
    response
}

/// The parts of an answer that are the same each time.
struct Rendered {
    opening: Box<[u8]>,
    challenge: Option<HeaderValue>,
}

/// In the order of [`Refusal::ALL`].
static RENDERED: LazyLock<Vec<Rendered>> = LazyLock::new(|| {
    let render = |refusal: &Refusal| Rendered {
        opening: opening(*refusal).into_bytes().into(),
        challenge: challenge(refusal.row().challenge),
    };
    Refusal::ALL.iter().map(render).collect()
});

fn opening(refusal: Refusal) -> String {
    let row = refusal.row();
    let mut title = String::new();
    quote(&mut title, row.text);
    format!(
        r#"{{"type":"urn:countersign:refusal:{code}","title":{title},"status":{status},"code":"{code}","decision":"#,
        code = row.code,
        status = row.status.as_u16(),
    )
}

fn challenge(challenge: Challenge) -> Option<HeaderValue> {
    match challenge {
        Challenge::Bare => Some(HeaderValue::from_static(REALM)),
        Challenge::Error(error) => HeaderValue::from_str(&format!("{REALM}, error=\"{error}\"")).ok(),
        // A gateway checks no proofs, so that none can be wrong.
        Challenge::None | Challenge::Proof(_) => None,
    }
}

/// The challenge of a caller whose scope is too small: it names what is needed (RFC 6750 §3.1). `None`: nothing is.
#[must_use]
pub fn insufficient_scope(needed: &[Box<str>]) -> Option<HeaderValue> {
    let scope = needed.join(" ");
    let value = format!("{REALM}, error=\"insufficient_scope\", scope=\"{scope}\"");
    HeaderValue::try_from(value).ok().filter(|_| !needed.is_empty())
}

/// Appends a JSON string (RFC 8259 §7).
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// RFC 6750 §3 wants at least one parameter after the scheme.
const REALM: &str = "Bearer realm=\"countersign\"";
const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
static REFUSED: HeaderName = HeaderName::from_static("countersign-refused");
/// `0` where nothing of the request reached a service, `1` where some of it may have.
pub static FORWARDED: HeaderName = HeaderName::from_static("countersign-forwarded");
/// Names the decision, for the log.
pub static DECISION: HeaderName = HeaderName::from_static("countersign-decision");

#[cfg(test)]
mod tests {
    use super::respond;
    use crate::error::{Challenge, Refusal};

    #[test]
    fn every_refusal_is_a_problem_of_its_row() {
        for refusal in Refusal::ALL {
            let row = refusal.row();
            let response = respond(*refusal, "d-1");
            let header =
                |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(response.status(), row.status);
            assert_eq!(body["type"], format!("urn:countersign:refusal:{}", row.code));
            assert_eq!(body["title"], row.text);
            assert_eq!(body["status"], row.status.as_u16());
            assert_eq!(body["code"], row.code);
            assert_eq!(body["decision"], "d-1");
            assert_eq!(header("countersign-refused").as_deref(), Some(row.code));
            assert_eq!(header("countersign-forwarded").as_deref(), Some("0"));
            assert_eq!(header("countersign-decision").as_deref(), Some("d-1"));
            assert_eq!(header("cache-control").as_deref(), Some("no-store"));
            assert_eq!(header("content-type").as_deref(), Some("application/problem+json"));
            let seconds = row.retry_after.map(|after| after.as_secs().to_string());
            assert_eq!(header("retry-after"), seconds);
            let challenge = match row.challenge {
                Challenge::Bare => Some("Bearer realm=\"countersign\"".to_owned()),
                Challenge::Error(error) => Some(format!("Bearer realm=\"countersign\", error=\"{error}\"")),
                Challenge::None | Challenge::Proof(_) => None,
            };
            assert_eq!(header("www-authenticate"), challenge);
            assert_eq!(header("allow").is_some(), row.status == 405);
        }
    }

    #[test]
    fn a_strange_decision_id_is_quoted() {
        let response = respond(Refusal::Bug, "a\"b\\c\n");
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["decision"], "a\"b\\c\n");
        assert!(!response.headers().contains_key("countersign-decision"));
    }
}
