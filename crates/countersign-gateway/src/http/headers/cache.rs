//! Who may keep an answer.
//!
//! An answer to a request with a session is for that session. Unless the service says otherwise, no shared cache may
//! give it to the next one: `Vary` by what carries the credential, and `Cache-Control: private, no-cache`.

use bytes::Bytes;
use http::{HeaderValue, header};

use super::list::members;
use crate::http::{Block, Fields};

const VARY: &[u8] = b"vary";
const CACHE_CONTROL: &[u8] = b"cache-control";

/// What is said to caches where the service says nothing.
static BY_COOKIE: Block = Block::of("vary: Cookie\r\ncache-control: private, no-cache\r\n");
static BY_BOTH: Block = Block::of("vary: Cookie, Authorization\r\ncache-control: private, no-cache\r\n");

const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");
const NOT_STORED: HeaderValue = HeaderValue::from_static("private, no-store");

/// What the gateway does to `Vary` and `Cache-Control`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheRule {
    /// A translated request on a route that lets the service say `public` or `s-maxage`.
    MayBePublic,
    /// A translated request.
    Private,
    /// A route without session: nothing.
    Untouched,
}

/// What of a request may carry the credential, as `Vary` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaryBy {
    /// The cookie alone.
    Cookie,
    /// The cookie, or a bearer token.
    CookieAndAuthorization,
}

impl VaryBy {
    const fn text(self) -> &'static str {
        match self {
            Self::Cookie => "Cookie",
            Self::CookieAndAuthorization => "Cookie, Authorization",
        }
    }

    const fn value(self) -> HeaderValue {
        const COOKIE: HeaderValue = HeaderValue::from_static(VaryBy::Cookie.text());
        const BOTH: HeaderValue = HeaderValue::from_static(VaryBy::CookieAndAuthorization.text());
        match self {
            Self::Cookie => COOKIE,
            Self::CookieAndAuthorization => BOTH,
        }
    }

    const fn block(self) -> &'static Block {
        match self {
            Self::Cookie => &BY_COOKIE,
            Self::CookieAndAuthorization => &BY_BOTH,
        }
    }

    fn names(self) -> impl Iterator<Item = &'static [u8]> {
        self.text().split(", ").map(str::as_bytes)
    }
}

/// What an answer says to caches, as far as its names tell: most say nothing, and then nothing is looked up.
#[derive(Debug, Default)]
pub(super) struct Caching {
    varies: bool,
    controls: bool,
    overrules: bool,
}

impl Caching {
    /// Notes one field of the answer.
    pub(super) fn note(&mut self, name: &[u8]) {
        match name {
            VARY => self.varies = true,
            CACHE_CONTROL => self.controls = true,
            _ => self.overrules |= overrules(name),
        }
    }

    /// Makes an answer private unless the service already did, and names what carries the credential in `Vary`, in one
    /// field: some caches read only one.
    ///
    /// Kept, in one field, is a `Cache-Control` with `no-store`, `private` or `no-cache` (without field names) and
    /// without `public` or `s-maxage`. Fields that overrule `Cache-Control` at one kind of cache (`CDN-Cache-Control`,
    /// RFC 9213; `Edge-Control`; `Surrogate-Control`; `X-Accel-Expires`) go with it.
    pub(super) fn apply(&self, fields: &mut Fields, rule: CacheRule, by: VaryBy) {
        if rule == CacheRule::Untouched {
            return;
        }
        if !(self.varies || self.controls || self.overrules) {
            return fields.append_block(by.block());
        }
        if self.varies {
            vary(fields, by);
        } else {
            fields.add(&header::VARY, &by.value());
        }
        let said = if self.controls { directives(fields) } else { Said::default() };
        if said.public && !said.unclear && rule == CacheRule::MayBePublic {
            return;
        }
        if said.public || said.unclear || !said.private {
            let strict = said.no_store || said.unclear;
            let private = if strict { NOT_STORED } else { PRIVATE };
            if self.controls {
                fields.remove(CACHE_CONTROL);
            }
            fields.add(&header::CACHE_CONTROL, &private);
        } else {
            merge(fields);
        }
        if self.overrules {
            fields.retain(|name, _| !overrules(name));
        }
    }
}

fn overrules(name: &[u8]) -> bool {
    name.ends_with(b"-cache-control")
        || matches!(name, b"edge-control" | b"surrogate-control" | b"x-accel-expires")
}

fn vary(fields: &mut Fields, by: VaryBy) {
    let mut values = fields.all(VARY);
    let (first, is_one) = (values.next(), values.next().is_none());
    let has = |member: &[u8]| {
        fields.all(VARY).flat_map(members).any(|found: &[u8]| found.eq_ignore_ascii_case(member))
    };
    let merged = match first {
        None => by.value(),
        Some(_) if has(b"*") => HeaderValue::from_static("*"),
        Some(_) if is_one && by.names().all(has) => return,
        Some(_) => {
            let is_ours = |member: &[u8]| by.names().any(|name| member.eq_ignore_ascii_case(name));
            let mut merged = Vec::new();
            for member in fields.all(VARY).flat_map(members) {
                if !is_ours(member) {
                    merged.extend_from_slice(member);
                    merged.extend_from_slice(b", ");
                }
            }
            merged.extend_from_slice(by.text().as_bytes());
            // What was cut from valid values is valid; should it not be, `*` keeps the answer from being shared.
            HeaderValue::from_maybe_shared(Bytes::from(merged)).unwrap_or(HeaderValue::from_static("*"))
        }
    };
    drop(values);
    fields.set(&header::VARY, &merged);
}

/// What the service said.
#[derive(Default)]
struct Said {
    private: bool,
    public: bool,
    no_store: bool,
    /// It depends on who reads it.
    unclear: bool,
}

fn directives(fields: &Fields) -> Said {
    let mut said = Said::default();
    for directive in fields.all(CACHE_CONTROL).flat_map(split) {
        let Ok(directive) = directive else {
            said.unclear = true;
            continue;
        };
        let mut halves = directive.splitn(2, |byte| *byte == b'=');
        let name = halves.next().unwrap_or_default().trim_ascii();
        let is_bare = halves.next().is_none();
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        // `private="set-cookie"` makes one field private, not the answer.
        said.private |= is_bare && (is("no-store") || is("private") || is("no-cache"));
        said.no_store |= is("no-store");
        // Whoever understands the status may store what says `no-store` (RFC 9111 §5.2.2.3).
        said.unclear |= is("must-understand");
        said.public |= is("public") || is("s-maxage");
    }
    said
}

/// A quoted string has no end.
struct OpenQuote;

/// The directives of one line, trimmed; a comma inside a quoted string divides none (RFC 9111 §5.2).
fn split(line: &[u8]) -> impl Iterator<Item = Result<&[u8], OpenQuote>> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let divides = |byte: &u8| {
            let divides = *byte == b',' && !quoted;
            quoted ^= *byte == b'"' && !escaped;
            escaped = quoted && *byte == b'\\' && !escaped;
            divides
        };
        let end = line.iter().position(divides);
        rest = end.and_then(|end| line.get(end + 1..));
        let directive = line.get(..end.unwrap_or(line.len())).unwrap_or_default();
        Some(if quoted { Err(OpenQuote) } else { Ok(directive.trim_ascii()) })
    })
}

/// Makes one field of several: some caches read only one.
fn merge(fields: &mut Fields) {
    if fields.only(CACHE_CONTROL).is_ok() {
        return;
    }
    let said: Vec<_> = fields.all(CACHE_CONTROL).filter(|line| !line.is_empty()).collect();
    let merged = HeaderValue::from_bytes(&said.join(&b", "[..]));
    fields.set(&header::CACHE_CONTROL, &merged.unwrap_or(NOT_STORED));
}
