//! Grades the cookie of the old server, from what it says about itself in `Set-Cookie` (RFC 6265), or its value alone.
//!
//! The grade is that of the worst finding. A: nothing to say. F: the session is open to a stranger.

use std::time::Duration;

use countersign::UnixTime;
use serde::Serialize;

use crate::{
    check::{Item, date},
    moment::span,
    screen::Mark,
};

/// The grade and its reasons. The value of the cookie is in none of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Graded {
    pub(crate) name: String,
    pub(crate) of: Of,
    pub(crate) grade: char,
    pub(crate) reasons: Vec<Item>,
}

/// What there was to grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Of {
    SetCookie,
    Value,
}

/// A `Set-Cookie` header taken apart.
#[derive(Debug)]
struct SetCookie<'a> {
    value: &'a str,
    attributes: Vec<(String, &'a str)>,
}

/// Finds the cookie of that name among `Set-Cookie` lines, with or without the header's name, and grades it.
pub(crate) fn grade<'a>(name: &str, lines: impl Iterator<Item = &'a str>, now: UnixTime) -> Option<Graded> {
    let cookie = lines.filter_map(|line| parse(name, line)).last()?;
    let mut judge = Judge { cookie, worst: 'A', reasons: Vec::new() };
    judge.value();
    judge.transport(name);
    judge.scripts();
    judge.sites();
    judge.hosts(name);
    judge.lifetime(now);
    Some(judge.graded(name, Of::SetCookie))
}

/// Grades a value of which nothing else is known.
pub(crate) fn grade_value(name: &str, value: &str) -> Graded {
    let cookie = SetCookie { value, attributes: Vec::new() };
    let mut judge = Judge { cookie, worst: 'A', reasons: Vec::new() };
    judge.value();
    judge.graded(name, Of::Value)
}

fn parse<'a>(name: &str, line: &'a str) -> Option<SetCookie<'a>> {
    let line = line.trim();
    let header = line.get(..11).filter(|start| start.eq_ignore_ascii_case("set-cookie:"));
    let mut parts = line.get(header.map_or(0, str::len)..)?.split(';');
    let (found, value) = parts.next()?.split_once('=')?;
    if found.trim() != name {
        return None;
    }
    let attributes = parts.map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (key.trim().to_ascii_lowercase(), value.trim())
    });
    Some(SetCookie { value: value.trim().trim_matches('"'), attributes: attributes.collect() })
}

impl SetCookie<'_> {
    /// The last one of that name, as browsers do.
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
    }
}

struct Judge<'a> {
    cookie: SetCookie<'a>,
    worst: char,
    reasons: Vec<Item>,
}

impl Judge<'_> {
    fn graded(self, name: &str, of: Of) -> Graded {
        Graded { name: name.to_owned(), of, grade: self.worst, reasons: self.reasons }
    }

    fn say(&mut self, grade: char, text: impl Into<String>) {
        let mark = match grade {
            'A' => Mark::Fine,
            'B' => Mark::Note,
            'C' => Mark::Warning,
            _ => Mark::Fault,
        };
        self.worst = self.worst.max(grade);
        self.reasons.push(Item::new(mark, text));
    }

    fn value(&mut self) {
        let bits = most_bits(self.cookie.value);
        let length = self.cookie.value.chars().count();
        match bits {
            0..64 => self.say(
                'F',
                format!(
                    "value: {length} characters, at most {bits} bits: it can be guessed; 128 bits are good"
                ),
            ),
            64..112 => self
                .say('B', format!("value: {length} characters, at most {bits} bits: enough, 128 are better")),
            _ => self.say('A', format!("value: {length} characters, up to {bits} bits")),
        }
        if length > countersign_gateway::credential::MAX_CREDENTIAL_BYTES {
            self.say('F', "value: longer than 8 KiB, the gateway refuses it");
        }
    }

    fn transport(&mut self, name: &str) {
        if self.cookie.attribute("secure").is_some() {
            self.say('A', "Secure: sent over TLS only");
        } else if has_prefix(name, "__Host-") || has_prefix(name, "__Secure-") {
            self.say('F', "no Secure: browsers refuse a cookie of this name without it");
        } else {
            self.say('F', "no Secure: one request over plain HTTP shows the session to the network");
        }
    }

    fn scripts(&mut self) {
        if self.cookie.attribute("httponly").is_some() {
            self.say('A', "HttpOnly: no script reads it");
        } else {
            self.say('D', "no HttpOnly: any script on any page reads it and can send it away");
        }
    }

    fn sites(&mut self) {
        match self.cookie.attribute("samesite").map(str::to_ascii_lowercase).as_deref() {
            Some("strict") => self.say('A', "SameSite=Strict: other sites never send it"),
            Some("lax") => self.say('A', "SameSite=Lax: other sites send it with plain links only"),
            Some("none") => self.say(
                'C',
                "SameSite=None: every other site sends it along; only the gateway's CSRF rule stands between",
            ),
            _ => self.say('B', "no SameSite: most browsers take Lax, not all; say it"),
        }
    }

    fn hosts(&mut self, name: &str) {
        let domain = self.cookie.attribute("domain").filter(|domain| !domain.is_empty()).map(str::to_owned);
        let path = self.cookie.attribute("path").map(str::to_owned);
        if has_prefix(name, "__Host-") {
            if domain.is_some() || path.as_deref() != Some("/") {
                self.say('F', "__Host- with Domain or without Path=/: browsers refuse it");
            } else {
                self.say('A', "__Host-: set by this host, over TLS, and by nobody else");
            }
            return;
        }
        match domain {
            Some(domain) => {
                let host = domain.trim_start_matches('.');
                self.say(
                    'C',
                    format!("Domain={host}: every host under it receives the session and can replace it"),
                );
            }
            None => self.say('A', "no Domain: sent to this host only"),
        }
        if has_prefix(name, "__Secure-") {
            self.say('A', "__Secure-: cannot be planted over plain HTTP");
        } else {
            self.say('B', "no __Host- in its name: a neighbouring host or plain HTTP can plant another one");
        }
    }

    fn lifetime(&mut self, now: UnixTime) {
        let max_age = self.cookie.attribute("max-age").and_then(|age| age.parse::<u64>().ok());
        let expires = self.cookie.attribute("expires").and_then(date::parse);
        // Max-Age goes before Expires (RFC 6265 §5.3).
        let left = max_age.map(Duration::from_secs).or_else(|| expires.map(|end| end.saturating_since(now)));
        let Some(left) = left else {
            self.say('A', "no lifetime: ends with the browser's session");
            return;
        };
        let (grade, remark) = match left.as_secs() / 86_400 {
            0..=1 => ('A', ""),
            2..=30 => ('B', ": a stolen one is good for as long, unless the server ends it"),
            _ => ('C', ": a stolen one is good for as long, unless the server ends it"),
        };
        self.say(grade, format!("kept for {}{remark}", span(left)));
    }
}

/// Prefixes are compared without regard to case (RFC 6265bis §4.1.3).
fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The most entropy a value of this length and these kinds of characters can have.
fn most_bits(value: &str) -> u32 {
    let has = |class: fn(&u8) -> bool| value.as_bytes().iter().any(class);
    let hexadecimal = value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let (lower, upper) = (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase));
    let (digits, others) = (has(u8::is_ascii_digit), has(|byte| !byte.is_ascii_alphanumeric()));
    // Bits of one character, in hundredths: log2 of 10, 16, 26, 36, 52, 62 and 64.
    let each: usize = match (lower, upper, digits, others) {
        (false, false, _, _) => 332,
        _ if hexadecimal && !(lower && upper) => 400,
        (true, true, _, true) => 600,
        (true, true, true, _) => 595,
        (true, true, false, _) => 570,
        (_, _, true, _) => 517,
        _ => 470,
    };
    let distinct: std::collections::BTreeSet<u8> = value.bytes().collect();
    if distinct.len() < 2 {
        return 0;
    }
    u32::try_from(value.len().saturating_mul(each) / 100).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use countersign::UnixTime;

    use super::{Graded, Of, grade, grade_value, most_bits};
    use crate::screen::Mark;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
    const VALUE: &str = "7f3a9c1e5b2d8064f1a3c5e7092b4d6f";

    fn graded(name: &str, attributes: &str) -> Graded {
        grade(name, [format!("Set-Cookie: {name}={VALUE}{attributes}").as_str()].into_iter(), NOW).unwrap()
    }

    #[test]
    fn a_careful_cookie_gets_an_a() {
        let found = graded("__Host-s", "; Path=/; Secure; HttpOnly; SameSite=Lax");
        assert_eq!(found.grade, 'A', "{found:#?}");
        assert!(found.reasons.iter().all(|reason| reason.mark == Mark::Fine));
    }

    #[test]
    fn each_weakness_costs_its_grade() {
        for (name, attributes, expected, words) in [
            ("s", "; Secure; HttpOnly; SameSite=Lax", 'B', "plant another"),
            ("__Secure-s", "; Secure; HttpOnly; SameSite=Lax", 'A', "cannot be planted"),
            ("__Host-s", "; Path=/; Secure; HttpOnly", 'B', "no SameSite"),
            ("__Host-s", "; Path=/; Secure; HttpOnly; SameSite=None", 'C', "every other site"),
            ("__Host-s", "; Path=/; Secure; SameSite=Lax", 'D', "no HttpOnly"),
            ("s", "; HttpOnly; SameSite=Lax", 'F', "plain HTTP shows"),
            ("__Host-s", "; Path=/; HttpOnly; SameSite=Lax", 'F', "browsers refuse"),
            ("__Host-s", "; Secure; HttpOnly; SameSite=Lax", 'F', "without Path=/"),
            ("s", "; Secure; HttpOnly; SameSite=Lax; Domain=.shop.example", 'C', "every host under"),
            ("__Host-s", "; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=31536000", 'C', "kept for 365 d"),
            ("__Host-s", "; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=1209600", 'B', "kept for 14 d"),
            ("__Host-s", "; path=/; secure; httponly; samesite=LAX; max-age=28800", 'A', "kept for 8 h"),
            (
                "__Host-s",
                "; Path=/; Secure; HttpOnly; SameSite=Lax; Expires=Fri, 15 Jan 2027 12:00:00 GMT",
                'A',
                "kept for 4 h",
            ),
        ] {
            let found = graded(name, attributes);
            assert_eq!(found.grade, expected, "{attributes} {found:#?}");
            assert!(
                found.reasons.iter().any(|reason| reason.text.contains(words)),
                "{attributes} {found:#?}"
            );
        }
    }

    #[test]
    fn short_values_can_be_guessed() {
        for (value, bits) in
            [("", 0), ("aaaaaaaaaaaaaaaaaaaaaaaa", 0), ("12345678", 26), ("deadbeef01", 40), (VALUE, 128)]
        {
            assert_eq!(most_bits(value), bits, "{value}");
        }
        // A Django session: 32 letters and digits.
        assert_eq!(most_bits("a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6"), 165);
        let found = grade("s", ["s=12345678; Secure"].into_iter(), NOW).unwrap();
        assert_eq!(found.grade, 'F');
        assert!(!format!("{found:?}").contains("12345678"));
    }

    #[test]
    fn a_value_alone_is_graded_as_one() {
        for (value, expected) in [(VALUE, 'A'), ("deadbeefdeadbeef11", 'B'), ("12345678", 'F')] {
            let found = grade_value("s", value);
            assert_eq!((found.of, found.grade, found.reasons.len()), (Of::Value, expected, 1), "{value}");
            assert!(!format!("{found:?}").contains(value));
        }
    }

    #[test]
    fn only_the_cookie_of_that_name_is_graded() {
        let lines =
            ["Set-Cookie: other=1", "set-cookie: s=first", "s=12345678901234567890abcdef; Secure; HttpOnly"];
        let found = grade("s", lines.into_iter(), NOW).unwrap();
        assert!(found.reasons.iter().any(|reason| reason.text.contains("26 characters")));
        assert!(grade("S", lines.into_iter(), NOW).is_none());
        assert!(grade("s", ["", ";", "s", "Set-Cookie:", "ü=1"].into_iter(), NOW).is_none());
    }
}
