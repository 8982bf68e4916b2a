//! `GET client.js`: the browser client, for pages without a build step.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::error::Refusal;

/// `clients/browser`, built.
const SCRIPT: &[u8] = include_bytes!("../../../../../clients/browser/dist/countersign.js");

static TAG: LazyLock<String> =
    LazyLock::new(|| format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest(&SHA256, SCRIPT))));

/// What `integrity` of a script element says about it (Subresource Integrity).
#[must_use]
pub fn client_script_integrity() -> String {
    format!("sha384-{}", STANDARD.encode(digest(&SHA384, SCRIPT)))
}

/// The script, or 304 if the client has it.
pub(super) fn answer(headers: &HeaderMap) -> Result<Response<Bytes>, Refusal> {
    let is_known = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        let tags = value.to_str().unwrap_or_default().split(',');
        tags.map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == "*" || tag == *TAG)
    });
    let mut response = Response::new(if is_known { Bytes::new() } else { Bytes::from_static(SCRIPT) });
    let fields = response.headers_mut();
    fields.insert(header::ETAG, HeaderValue::try_from(TAG.as_str()).map_err(|_| Refusal::Bug)?);
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
    }
    Ok(response)
}
