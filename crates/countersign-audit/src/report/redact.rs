//! Takes out what must not be kept: signatures, cookies, shared secrets.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header};
use serde_json::{Value, json};

use crate::{
    Evidence,
    client::{Answer, Sent},
    run::Engine,
};

/// Most bytes of a body that are kept.
const MAX_TEXT: usize = 2048;
/// What stands where something was.
const GONE: &str = "[removed]";
/// Fields whose value is never kept.
const HIDDEN: &[&str] = &["cookie", "set-cookie", "proxy-authorization", "x-api-key"];

#[expect(clippy::too_many_arguments, reason = "one place where a record is filled")]
pub(crate) fn evidence(
    engine: &Engine,
    id: &str,
    path: &str,
    reason: &str,
    cell: &str,
    sent: &Sent,
    answer: &Answer,
    operation_method: &str,
) -> Evidence {
    let secrets = engine.cookies();
    let url = text(sent.uri.to_string().as_bytes(), &secrets);
    let body = text(&sent.body, &secrets);
    Evidence {
        finding: id.to_owned(),
        operation_method: operation_method.to_owned(),
        path: path.to_owned(),
        cell: cell.to_owned(),
        reason: reason.to_owned(),
        method: sent.method.to_string(),
        curl: curl(sent, &url, &body, &secrets),
        url,
        request_headers: fields(&sent.headers, &secrets),
        request_body: body,
        token: sent
            .headers
            .get_all(header::AUTHORIZATION)
            .iter()
            .filter_map(|value| value.as_bytes().rsplit(|byte| *byte == b' ').next())
            .find_map(|token| decoded(&String::from_utf8_lossy(token))),
        status: answer.status,
        response_headers: fields(&answer.headers, &secrets),
        response_body: text(&answer.body, &secrets),
    }
}

fn fields(headers: &HeaderMap, secrets: &[String]) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = if HIDDEN.contains(&name.as_str()) {
                cookie_names(value.as_bytes())
            } else if name == header::AUTHORIZATION {
                authorization(value.as_bytes())
            } else {
                text(value.as_bytes(), secrets)
            };
            (name.to_string(), value)
        })
        .collect()
}

fn cookie_names(value: &[u8]) -> String {
    let value = String::from_utf8_lossy(value);
    let names: Vec<String> = value
        .split(';')
        .take(1)
        .map(|pair| format!("{}={GONE}", pair.split('=').next().unwrap_or_default().trim()))
        .collect();
    names.join("; ")
}

/// The scheme and the first two parts; whatever else stands there is gone.
fn authorization(value: &[u8]) -> String {
    let value = String::from_utf8_lossy(value);
    let (scheme, token) = value.split_once(' ').unwrap_or(("", &value));
    let shown = match token.split('.').collect::<Vec<_>>().as_slice() {
        [first, second, ..] if first.starts_with("eyJ") => format!("{first}.{second}.{GONE}"),
        _ if token.starts_with("countersign-audit") || token.is_empty() => token.to_owned(),
        _ => GONE.to_owned(),
    };
    let mut shown = format!("{scheme} {shown}").trim().to_owned();
    if shown.len() > MAX_TEXT {
        shown.truncate(MAX_TEXT);
        shown.push('…');
    }
    shown
}

/// A text without signatures of tokens and without the secrets that are known.
pub(crate) fn text(bytes: &[u8], secrets: &[String]) -> String {
    let mut whole = String::from_utf8_lossy(bytes).into_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        whole = whole.replace(secret.as_str(), GONE);
    }
    let mut result = String::with_capacity(whole.len().min(MAX_TEXT));
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=');
    for word in whole.split_inclusive(|c| !is_part(c)) {
        let kernel = word.trim_end_matches(|c| !is_part(c));
        // A token may follow `name=`.
        let start = kernel.find("eyJ");
        let parts = start.and_then(|start| kernel.split_at_checked(start));
        match parts {
            Some((before, token)) if token.bytes().filter(|byte| *byte == b'.').count() >= 2 => {
                let mut pieces = token.splitn(3, '.');
                let (first, second) = (pieces.next().unwrap_or_default(), pieces.next().unwrap_or_default());
                let after = word.strip_prefix(kernel).unwrap_or_default();
                result.push_str(&format!("{before}{first}.{second}.{GONE}{after}"));
            }
            _ => result.push_str(word),
        }
        if result.len() > MAX_TEXT {
            break;
        }
    }
    if result.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|end| result.is_char_boundary(*end)).unwrap_or(0);
        result.truncate(end);
        result.push('…');
    }
    result
}

/// Header and claims of a token that can be read.
fn decoded(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (header, claims) = (parts.next()?, parts.next()?);
    parts.next()?;
    let read = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
        if bytes.len() > MAX_TEXT {
            return None;
        }
        Some(
            serde_json::from_slice::<Value>(&bytes)
                .unwrap_or_else(|_| json!(String::from_utf8_lossy(&bytes))),
        )
    };
    Some(json!({ "header": read(header)?, "claims": read(claims)? }))
}

/// The token is `$TOKEN`, cookies are `$COOKIE`.
fn curl(sent: &Sent, url: &str, body: &str, secrets: &[String]) -> String {
    let mut line = format!("curl -i --path-as-is -X {} {}", sent.method, quoted(url));
    for (name, value) in &sent.headers {
        let field = if name == header::AUTHORIZATION {
            let scheme =
                String::from_utf8_lossy(value.as_bytes()).split(' ').next().unwrap_or_default().to_owned();
            let scheme = if scheme.starts_with("eyJ") { String::new() } else { scheme + " " };
            format!("\"authorization: {scheme}$TOKEN\"")
        } else if HIDDEN.contains(&name.as_str()) {
            format!("\"{name}: $COOKIE\"")
        } else {
            quoted(&format!("{name}: {}", text(value.as_bytes(), secrets)))
        };
        line.push_str(&format!(" -H {field}"));
    }
    if !body.is_empty() {
        line.push_str(&format!(" --data-binary {}", quoted(body)));
    }
    line
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::{authorization, text};

    #[test]
    fn signatures_and_known_secrets_are_taken_out() {
        let told = text(
            b"{\"t\":\"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl\",\"c\":\"hunter22\"}",
            &["hunter22".to_owned()],
        );
        assert_eq!(told, "{\"t\":\"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.[removed]\",\"c\":\"[removed]\"}");
        assert_eq!(authorization(b"Bearer eyJh.eyJz.abc"), "Bearer eyJh.eyJz.[removed]");
        assert_eq!(authorization(b"Bearer something"), "Bearer [removed]");
        assert!(!text(b"?access_token=eyJh.eyJz.abcdef&x=1", &[]).contains("abcdef"));
    }
}
