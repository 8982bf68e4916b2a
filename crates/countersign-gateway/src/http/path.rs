//! One way to read a path, or none.
//!
//! A path that two programs could understand differently is refused, never rewritten: what is decided here is byte
//! for byte what the service receives. Refused are
//!
//! 1. dot segments, also with `%2e` in any mixture, and every other encoded dot;
//! 2. empty segments (`//`);
//! 3. `\` and `;` and their encoded forms, the encoded slash, encoded control characters;
//! 4. letters, digits, `-`, `_` and `~` that are encoded: the path is the same without (RFC 3986 §6.2.2.2), and a service
//!    decodes it, but a route's path is compared as it is written;
//! 5. the same once more encoded (`%252f`), to any depth;
//! 6. UTF-8 that encodes a character in more bytes than it needs (`%c0%af`), which lax decoders read as ASCII;
//! 7. `%` that is not followed by two hexadecimal digits;
//! 8. control characters, spaces, non-ASCII bytes, `#` and the other characters no client sends unencoded.
//!
//! **What can an attacker do if this is wrong?** Reach `/admin/` through a route that ends at `/public/`.
//!
//! ```
//! use countersign_gateway::http::path::{NotCanonical, check};
//!
//! assert_eq!(check("/orders/7%20a?"), Err(NotCanonical::Character));
//! assert_eq!(check("/orders/caf%C3%A9"), Ok(()));
//! assert_eq!(check("/public/..%2fadmin/"), Err(NotCanonical::DotSegment));
//! ```

use http::Method;

use crate::error::Refusal;

/// Why a path is not canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotCanonical {
    /// A character no client sends unencoded, or one that servers disagree about (`\`, `;`).
    #[error("a character that must be encoded or that servers disagree about")]
    Character,
    /// `.` or `..` as a segment.
    #[error("a segment `.` or `..`")]
    DotSegment,
    /// `//`.
    #[error("an empty segment")]
    EmptySegment,
    /// An encoded character that must not be hidden: slash, backslash, dot, semicolon, control, and what needs no
    /// encoding.
    #[error("an encoded slash, backslash, semicolon or control character, or one that needs no encoding")]
    Encoded,
    /// It does not begin with `/`.
    #[error("it does not begin with `/`")]
    NotRooted,
    /// UTF-8 that is longer than needed.
    #[error("an overlong UTF-8 sequence")]
    Overlong,
    /// `%` without two hexadecimal digits.
    #[error("`%` without two hexadecimal digits")]
    Percent,
}

impl From<NotCanonical> for Refusal {
    fn from(_: NotCanonical) -> Self {
        Self::PathNotCanonical
    }
}

/// Checks the path of a request target: `*` is one for `OPTIONS` alone (RFC 9112 §3.2.4), everything else goes
/// to [`check`].
///
/// # Errors
/// Why the path can be read in more than one way.
pub fn check_target(method: &Method, path: &str) -> Result<(), NotCanonical> {
    if path == "*" && method == Method::OPTIONS { Ok(()) } else { check(path) }
}

/// Checks that a path, without query, has one reading.
///
/// # Errors
/// Why it has more than one.
pub fn check(path: &str) -> Result<(), NotCanonical> {
    let [b'/', rest @ ..] = path.as_bytes() else { return Err(NotCanonical::NotRooted) };
    let mut rest = rest;
    let mut segment = Segment::Empty;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match class(*byte) {
            Class::Plain => segment = Segment::Other,
            Class::Slash => {
                segment.end()?;
                segment = Segment::Empty;
            }
            Class::Dot => segment = segment.with_dot(),
            Class::Percent => {
                rest = escape(rest).map_err(|why| match (why, segment) {
                    // `.%2f`: the segment's dots are what matters to the reader.
                    (NotCanonical::Encoded, Segment::Dots(_)) => NotCanonical::DotSegment,
                    (why, _) => why,
                })?;
                segment = Segment::Other;
            }
            Class::Bad => return Err(NotCanonical::Character),
        }
    }
    // An empty last segment is the `/` at the end.
    if segment == Segment::Empty { Ok(()) } else { segment.end() }
}

/// What has been seen of the segment under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Segment {
    Empty,
    Dots(u8),
    Other,
}

impl Segment {
    fn with_dot(self) -> Self {
        match self {
            Self::Empty => Self::Dots(1),
            Self::Dots(1) => Self::Dots(2),
            Self::Dots(_) | Self::Other => Self::Other,
        }
    }

    fn end(self) -> Result<(), NotCanonical> {
        match self {
            Self::Empty => Err(NotCanonical::EmptySegment),
            Self::Dots(_) => Err(NotCanonical::DotSegment),
            Self::Other => Ok(()),
        }
    }
}

/// Reads what follows a `%` and gives back the rest.
fn escape(after: &[u8]) -> Result<&[u8], NotCanonical> {
    let (byte, rest) = pair(after).ok_or(NotCanonical::Percent)?;
    if hidden(byte) {
        return Err(NotCanonical::Encoded);
    }
    if byte == b'%' && completes_escape(rest) {
        return Err(NotCanonical::Encoded);
    }
    if matches!(byte, 0xC0 | 0xC1 | 0xE0 | 0xF0) {
        let [b'%', next @ ..] = rest else { return Ok(rest) };
        let (next, _) = pair(next).ok_or(NotCanonical::Percent)?;
        let overlong = match byte {
            0xE0 => 0x80..=0x9F,
            0xF0 => 0x80..=0x8F,
            _ => 0x80..=0xBF,
        };
        // An encoded `%` becomes such a byte with the next decoding.
        if overlong.contains(&next) || next == b'%' {
            return Err(NotCanonical::Overlong);
        }
    }
    Ok(rest)
}

/// A byte that must not be written as `%xx`.
const fn hidden(byte: u8) -> bool {
    let is_unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    is_unreserved || matches!(byte, b'/' | b'\\' | b';' | 0..=0x1F | 0x7F)
}

/// Whether what follows an encoded `%` becomes, after any number of further decodings, an escape that must not be:
/// two digits of one, written plainly or encoded, or another encoded `%` in their place.
fn completes_escape(after: &[u8]) -> bool {
    let Some((first, rest)) = character(after) else { return false };
    if first == b'%' {
        return true;
    }
    let (Some(high), Some((second, _))) = (hex(first), character(rest)) else { return false };
    if second == b'%' {
        return true;
    }
    hex(second).is_some_and(|low| {
        let byte = high << 4 | low;
        hidden(byte) || matches!(byte, b'%' | 0xC0 | 0xC1 | 0xE0 | 0xF0)
    })
}

/// The next character, decoded once.
fn character(bytes: &[u8]) -> Option<(u8, &[u8])> {
    match bytes {
        [b'%', escape @ ..] => pair(escape),
        [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

fn pair(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = bytes else { return None };
    Some((hex(*high)? << 4 | hex(*low)?, rest))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Bad,
    Dot,
    Percent,
    Plain,
    Slash,
}

fn class(byte: u8) -> Class {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(Class::Bad)
}

/// RFC 3986 §3.3 `pchar` without `;`, and the four characters `[ ] ^ |` that browsers send as they are.
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Bad; 256];
    let mut byte = 0;
    while byte < 128 {
        #[expect(clippy::cast_possible_truncation, reason = "below 128")]
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; the index is below 128")]
        {
            classes[byte] = match byte as u8 {
                b'/' => Class::Slash,
                b'.' => Class::Dot,
                b'%' => Class::Percent,
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => Class::Plain,
                b'-' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' => Class::Plain,
                b'+' | b',' | b'=' | b':' | b'@' | b'[' | b']' | b'^' | b'|' => Class::Plain,
                _ => Class::Bad,
            };
        }
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use super::{NotCanonical, check, check_target};
    use http::Method;

    #[test]
    fn ordinary_paths_pass() {
        for path in [
            "/",
            "/orders",
            "/orders/",
            "/orders/7",
            "/a.b/c..d/...",
            "/.well-known/jwks.json",
            "/..a/a../.a./",
            "/caf%C3%A9/%E2%82%AC/%F0%9F%98%80",
            "/a%20b/100%25/%2B%3F%23%3D%26",
            "/100%25-off/%25%3a/%25%20/%25/50%25de",
            "/latin1/%E9%C0",
            "/~me/(a)!$&'*+,=:@-_/[1]^2|3",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn two_readings_are_refused() {
        use NotCanonical::{Character, DotSegment, EmptySegment, Encoded, NotRooted, Overlong, Percent};
        for (path, why) in [
            ("", NotRooted),
            ("*", NotRooted),
            ("orders", NotRooted),
            ("http://a/b", NotRooted),
            ("//admin", EmptySegment),
            ("/a//b", EmptySegment),
            ("/a/b//", EmptySegment),
            ("/./a", DotSegment),
            ("/a/.", DotSegment),
            ("/a/..", DotSegment),
            ("/a/../b", DotSegment),
            ("/a/.%2e/b", DotSegment),
            ("/a/%2e./b", Encoded),
            ("/a/%2E%2e/b", Encoded),
            ("/a/..%2fb", DotSegment),
            ("/a/x%2Fb", Encoded),
            ("/a/x%5cb", Encoded),
            ("/a/%00", Encoded),
            ("/a/%0d%0aSet-Cookie", Encoded),
            ("/a/%7f", Encoded),
            ("/%61dmin/", Encoded),
            ("/adm%69n/", Encoded),
            ("/%41dmin/", Encoded),
            ("/a%7eb", Encoded),
            ("/a%2Db%5Fc", Encoded),
            ("/v%31/", Encoded),
            ("/%2561dmin/", Encoded),
            ("/%25%36%31dmin/", Encoded),
            ("/a/..;/b", Character),
            ("/a;v=1/b", Character),
            ("/a/..%3b/b", DotSegment),
            ("/a%3Bv=1", Encoded),
            ("/a\\b", Character),
            ("/a#b", Character),
            ("/a b", Character),
            ("/a\tb", Character),
            ("/a\u{7f}", Character),
            ("/caf\u{e9}", Character),
            ("/a\"b", Character),
            ("/a<b>", Character),
            ("/a%252fb", Encoded),
            ("/a%252e%252e/b", Encoded),
            ("/a%25252fb", Encoded),
            ("/a%2500", Encoded),
            ("/a%25%32%46", Encoded),
            ("/a%252%46", Encoded),
            ("/a%25%2532F", Encoded),
            ("/a%252%2546", Encoded),
            ("/a%25c0%25af", Encoded),
            ("/a%c0%af", Overlong),
            ("/a%c0%ae%c0%ae/b", Overlong),
            ("/a%c0%25af", Overlong),
            ("/a%e0%80%af", Overlong),
            ("/a%f0%80%80%af", Overlong),
            ("/a%", Percent),
            ("/a%2", Percent),
            ("/a%zz", Percent),
            ("/a%u002f", Percent),
            ("/a%c0%", Percent),
        ] {
            assert_eq!(check(path), Err(why), "{path}");
        }
    }

    #[test]
    fn asterisk_belongs_to_options() {
        assert_eq!(check_target(&Method::OPTIONS, "*"), Ok(()));
        assert_eq!(check_target(&Method::GET, "*"), Err(NotCanonical::NotRooted));
        assert_eq!(check_target(&Method::OPTIONS, "/a//b"), Err(NotCanonical::EmptySegment));
    }
}
