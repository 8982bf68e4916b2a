//! `GET client.js` and `GET banner.js`: the browser client and its bar, for pages without a build step.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, SHA384, digest};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::PREFIX;
use crate::{error::Refusal, http::Fields};

static BANNER_TAG: LazyLock<String> = LazyLock::new(|| tag_of(Script::Banner.content()));
static CLIENT_TAG: LazyLock<String> = LazyLock::new(|| tag_of(Script::Client.content()));

/// A part of `clients/browser`, built, for a script element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// `<countersign-banner>`, the bar that asks to log in again. Needs nothing but a session of the client.
    Banner,
    /// The client: `Countersign.createSession()`.
    Client,
}

impl Script {
    /// In the order in which a page loads them.
    pub const ALL: [Self; 2] = [Self::Client, Self::Banner];

    /// Its name under [`PREFIX`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Banner => "banner.js",
            Self::Client => "client.js",
        }
    }

    const fn content(self) -> &'static [u8] {
        match self {
            Self::Banner => {
                include_bytes!("../../../../../clients/browser/dist/countersign-banner.js")
            }
            Self::Client => include_bytes!("../../../../../clients/browser/dist/countersign.js"),
        }
    }

    fn tag(self) -> &'static str {
        match self {
            Self::Banner => &BANNER_TAG,
            Self::Client => &CLIENT_TAG,
        }
    }

    /// What `integrity` of a script element says about it (Subresource Integrity).
    #[must_use]
    pub fn integrity(self) -> String {
        format!("sha384-{}", STANDARD.encode(digest(&SHA384, self.content())))
    }

    /// The script element that a page of our own origin loads it with.
    #[must_use]
    pub fn element(self) -> String {
        format!("<script src=\"{PREFIX}{}\" integrity=\"{}\"></script>", self.name(), self.integrity())
    }

    /// The script, or 304 if the client has it.
    pub(super) fn answer(self, fields: &Fields) -> Result<Response<Bytes>, Refusal> {
        let own = self.tag();
        let is_known = fields.has_entity_tag(own.as_bytes());
        let body = if is_known { Bytes::new() } else { Bytes::from_static(self.content()) };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::ETAG, HeaderValue::from_str(own).map_err(|_| Refusal::Bug)?);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
        }
        Ok(response)
    }
}

fn tag_of(content: &[u8]) -> String {
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest(&SHA256, content)))
}
