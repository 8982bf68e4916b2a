//! The head of a request as a service gets it.

use http::{HeaderValue, header};
use http_body::Body as _;

use super::super::{Forwarded, Inbound};
use crate::{
    http::{Fields, Parts},
    http1::{Encoder, length},
};

/// Appends the head of a request in origin form, and says how its body is framed.
///
/// A body of unknown length is sent in chunks whatever the method: left out of a `GET`, the service would answer
/// another request than the client made.
pub(super) fn put_head(
    out: &mut Vec<u8>,
    parts: &mut Parts,
    (forwarded, authorization): (Option<&Forwarded>, Option<&HeaderValue>),
    body: &Inbound,
) -> Encoder {
    let encoder = frame(&mut parts.fields, body);
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b' ');
    let target = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    out.extend_from_slice(target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    parts.fields.put(out, |_, _| true);
    if let Some(authorization) = authorization {
        debug_assert!(!parts.fields.has(b"authorization"), "two tokens");
        out.extend_from_slice(b"authorization: ");
        out.extend_from_slice(authorization.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if let Some(forwarded) = forwarded {
        forwarded.put(out, &parts.fields);
    }
    out.extend_from_slice(b"\r\n");
    encoder
}

/// Makes the head say how long the body is, once.
fn frame(fields: &mut Fields, body: &Inbound) -> Encoder {
    let says_chunks = fields.has(TRANSFER_ENCODING);
    let said = fields.first(CONTENT_LENGTH);
    if body.is_end_stream() {
        // Whoever promises a body that does not come has the next request taken for it.
        let promises = said.is_some_and(|length| length != b"0");
        if says_chunks || promises {
            fields.retain(|name, _| name != TRANSFER_ENCODING && !(promises && name == CONTENT_LENGTH));
        }
        return Encoder::NONE;
    }
    let said = said.and_then(length);
    fields.retain(|name, _| name != TRANSFER_ENCODING && name != CONTENT_LENGTH);
    if let Some(length) = said.or_else(|| body.size_hint().exact()) {
        fields.add(&header::CONTENT_LENGTH, &HeaderValue::from(length));
        return Encoder::Length(length);
    }
    fields.add(&header::TRANSFER_ENCODING, &HeaderValue::from_static("chunked"));
    Encoder::chunked(fields.all(b"trailer"))
}

const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::{Encoder, Inbound, put_head};

    #[test]
    fn a_head_is_written_in_origin_form() {
        let request = Request::post("/a?b=c").header("host", "x").header("X-Two", "1").header("x-two", "2");
        let request = request.header("content-length", "0").header("transfer-encoding", "chunked");
        let mut out = Vec::new();
        let (parts, body) = request.body(Inbound::none()).unwrap().into_parts();
        let mut parts = parts.into();
        let token = HeaderValue::from_static("Bearer x");
        let encoder = put_head(&mut out, &mut parts, (None, Some(&token)), &body);
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
        let (parts, body) = request.body(Inbound::none()).unwrap().into_parts();
        let mut parts = parts.into();
        assert_eq!(put_head(&mut out, &mut parts, (None, None), &body), Encoder::NONE);
        assert_eq!(String::from_utf8(out).unwrap(), "POST / HTTP/1.1\r\nhost: x\r\n\r\n");
    }
}
