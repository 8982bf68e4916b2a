//! The head of a request as a service gets it.

use http::{HeaderName, HeaderValue, header, request};
use http_body::Body as _;

use super::super::Inbound;
use crate::http1::{Encoder, put_field, values};

/// Appends the head of a request in origin form, and says how its body is framed.
///
/// A body of unknown length is sent in chunks whatever the method: left out of a `GET`, the service would answer
/// another request than the client made.
pub(super) fn put_head(
    out: &mut Vec<u8>,
    parts: &mut request::Parts,
    (added, authorization): (&[(HeaderName, HeaderValue)], Option<&HeaderValue>),
    body: &Inbound,
) -> Encoder {
    let encoder = frame(parts, body);
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b' ');
    let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in &parts.headers {
        put_field(out, name, value);
    }
    if let Some(authorization) = authorization {
        debug_assert!(!parts.headers.contains_key(header::AUTHORIZATION), "two tokens");
        put_field(out, &header::AUTHORIZATION, authorization);
    }
    for (name, value) in added {
        debug_assert!(!parts.headers.contains_key(name), "{name} is said twice");
        put_field(out, name, value);
    }
    out.extend_from_slice(b"\r\n");
    encoder
}

/// Makes the head say how long the body is, once.
fn frame(request::Parts { headers, .. }: &mut request::Parts, body: &Inbound) -> Encoder {
    if body.is_end_stream() {
        headers.remove(header::TRANSFER_ENCODING);
        // Whoever promises a body that does not come has the next request taken for it.
        if headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0") {
            headers.remove(header::CONTENT_LENGTH);
        }
        return Encoder::NONE;
    }
    let said = headers.get(header::CONTENT_LENGTH);
    let said = said.and_then(|length| length.to_str().ok()?.parse().ok());
    if let Some(length) = said.or_else(|| body.size_hint().exact()) {
        headers.remove(header::TRANSFER_ENCODING);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        return Encoder::Length(length);
    }
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    Encoder::chunked(values(headers, header::TRAILER))
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::{Encoder, Inbound, put_head};

    #[test]
    fn a_head_is_written_in_origin_form() {
        let request = Request::post("/a?b=c").header("host", "x").header("X-Two", "1").header("x-two", "2");
        let request = request.header("content-length", "0").header("transfer-encoding", "chunked");
        let mut out = Vec::new();
        let (mut parts, body) = request.body(Inbound::none()).unwrap().into_parts();
        let token = HeaderValue::from_static("Bearer x");
        let encoder = put_head(&mut out, &mut parts, (&[], Some(&token)), &body);
        assert_eq!(encoder, Encoder::NONE);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "POST /a?b=c HTTP/1.1\r\nhost: x\r\nx-two: 1\r\nx-two: 2\r\ncontent-length: 0\r\nauthorization: Bearer x\r\n\r\n"
        );
    }
    #[test]
    fn no_length_is_promised_for_a_body_that_is_none() {
        let request = Request::post("/").header("host", "x").header("content-length", "5");
        let mut out = Vec::new();
        let (mut parts, body) = request.body(Inbound::none()).unwrap().into_parts();
        assert_eq!(put_head(&mut out, &mut parts, (&[], None), &body), Encoder::NONE);
        assert_eq!(String::from_utf8(out).unwrap(), "POST / HTTP/1.1\r\nhost: x\r\n\r\n");
    }
}
