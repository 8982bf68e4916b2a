//! Reads a payload as issuers mostly write it, at a third of what a general reader needs.
//!
//! 1. An object of names, and of values that are strings, whole numbers or arrays of strings: no white space, no escape,
//!    no control character, nothing nested, nothing twice. Such a text has one meaning, to this reader and to any other.
//! 2. Everything else is not read here, be it good or bad: [`json`](crate::json) decides about it from the start.

use std::borrow::Cow;

use super::members::{Members, Roles};
use crate::json::{Json, Name};

/// Fills the members; `None` if the text is not as rule 1 wants it, and then they are of no use.
pub(super) fn read<'a>(text: &'a str, members: &mut Members<'a>) -> Option<()> {
    // So that every string ends at the next quotation mark.
    if text.bytes().fold(false, |found, byte| found | (byte < b' ') | (byte == b'\\')) {
        return None;
    }
    let mut rest = text.strip_prefix('{')?;
    loop {
        let (name, value) = string(rest)?;
        let value = value.strip_prefix(':')?;
        let (is_new, after) = if members.is_roles(name) {
            let (roles, after) = strings(value, |name| members.role(name))?;
            (members.put_roles(Roles::Names(roles)), after)
        } else {
            let (value, after) = value_of(value)?;
            (members.put(Name(Cow::Borrowed(name)), value), after)
        };
        if !is_new {
            return None;
        }
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return (after == "}").then_some(()),
        }
    }
}

fn value_of(text: &str) -> Option<(Json<'_>, &str)> {
    match text.as_bytes().first()? {
        b'"' => string(text).map(|(text, rest)| (Json::Text(Cow::Borrowed(text)), rest)),
        b'[' => {
            let (texts, rest) = strings(text, |text| Json::Text(Cow::Borrowed(text)))?;
            Some((Json::Array(texts), rest))
        }
        _ => number(text),
    }
}

/// A string, and what follows it.
fn string(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('"')?;
    let (string, rest) = text.split_at_checked(memchr::memchr(b'"', text.as_bytes())?)?;
    Some((string, rest.strip_prefix('"')?))
}

/// An array of strings.
fn strings<'a, T>(text: &'a str, make: impl Fn(&'a str) -> T) -> Option<(Vec<T>, &'a str)> {
    let mut rest = text.strip_prefix('[')?;
    let mut all = Vec::new();
    if let Some(rest) = rest.strip_prefix(']') {
        return Some((all, rest));
    }
    loop {
        let (one, after) = string(rest)?;
        all.push(make(one));
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.strip_prefix(']').map(|rest| (all, rest)),
        }
    }
}

/// A whole number of so few digits that every reader has it exactly.
fn number(text: &str) -> Option<(Json<'_>, &str)> {
    const MOST_DIGITS: usize = 15;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    if !(1..=MOST_DIGITS).contains(&digits) || (digits > 1 && number.starts_with('0')) {
        return None;
    }
    // INVARIANT: so few digits do not overflow.
    let value = number.bytes().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    // What follows a fraction or an exponent is neither a comma nor the end.
    Some((Json::Unsigned(value), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Members, read};
    use crate::json;

    /// True if the text is read here. What both readers read is the same.
    fn is_plain(text: &str) -> bool {
        let (mut here, mut there) = (Members::default(), Members::default());
        let is_plain = read(text, &mut here).is_some();
        let is_json = json::read(text.as_bytes(), &mut there).is_ok();
        assert!(is_json || !is_plain, "{text}");
        assert!(!is_plain || here == there, "{text}");
        is_plain
    }

    #[test]
    fn what_issuers_write_is_plain() {
        for good in [
            r#"{"iss":"https://shop.example","aud":"orders","sub":"ada","client_id":"web","iat":1800000000,"exp":1800000300,"jti":"t1","sid":"s1","roles":["editor","viewer"],"organisation":"acme","scope":"a b"}"#,
            r#"{"aud":["orders","notes"],"derived_from":[],"roles":[]}"#,
            r#"{"x":"","y":0,"é":"Ünï","z":["a",""]}"#,
            r#"{"exp":999999999999999}"#,
        ] {
            assert!(is_plain(good), "{good}");
        }
    }

    #[test]
    fn everything_else_is_left_to_the_general_reader() {
        for other in [
            "",
            "{",
            "{}",
            "[]",
            "null",
            "\"a\"",
            " {\"a\":1}",
            "{\"a\":1}\n",
            "{\"a\": 1}",
            "{\"a\" :1}",
            "{\"a\":1 }",
            "{\"a\":1,}",
            "{,\"a\":1}",
            "{\"a\":1,,\"b\":1}",
            "{\"a\":1}}",
            "{\"a\":1}{}",
            "{\"a\":1",
            "{\"a\":}",
            "{\"a\"}",
            "{a:1}",
            "{'a':1}",
            "{\"a\":01}",
            "{\"a\":00}",
            "{\"a\":-1}",
            "{\"a\":+1}",
            "{\"a\":1.0}",
            "{\"a\":1e3}",
            "{\"a\":1000000000000000}",
            "{\"a\":99999999999999999999}",
            "{\"a\":\"b}",
            "{\"a\":\"b\"c}",
            "{\"a\":\"\\u0062\"}",
            "{\"\\u0061\":1}",
            "{\"a\":\"\t\"}",
            "{\"a\":\"\0\"}",
            "{\"a\":null}",
            "{\"a\":true}",
            "{\"a\":{}}",
            "{\"a\":[1]}",
            "{\"a\":[\"b\",]}",
            "{\"a\":[,\"b\"]}",
            "{\"a\":[\"b\"",
            "{\"a\":[[]]}",
            "{\"a\":[null]}",
            "{\"a\":1,\"a\":1}",
            "{\"sub\":\"a\",\"sub\":\"a\"}",
            "{\"roles\":[],\"roles\":[]}",
            "{\"roles\":\"a\"}",
            "{\"roles\":[1]}",
            "{\"roles\":null}",
            "\u{feff}{\"a\":1}",
            "{\"a\":\u{a0}1}",
        ] {
            assert!(!is_plain(other), "{other}");
        }
    }

    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "\"[a-zé \\[\\]{}:,]{0,8}\"",
            2 => "[0-9]{1,17}",
            2 => prop::collection::vec("\"[a-z,\\]]{0,4}\"", 0..4).prop_map(|texts| format!("[{}]", texts.join(","))),
            1 => prop::sample::select(vec!["null", "true", "-1", "1.5", "{}", "[1]", "\"\\n\"", "[[]]", " 1"])
                .prop_map(str::to_owned),
        ]
    }

    proptest! {
        /// Two readers, one meaning: also of what is nearly an object.
        #[test]
        fn what_is_read_here_is_what_the_general_reader_reads(
            members in prop::collection::vec(("iss|aud|sub|exp|roles|scope|act|x|y|é", value()), 0..8),
            cut in any::<prop::sample::Index>(),
            put in prop::option::of("[\\[\\]{}:,\"\\\\ 0-9a\n]"),
        ) {
            let members: Vec<String> =
                members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let text = format!("{{{}}}", members.join(","));
            is_plain(&text);
            if let Some(put) = put {
                let at = cut.index(text.len());
                if text.is_char_boundary(at) {
                    let (before, after) = text.split_at(at);
                    is_plain(&format!("{before}{put}{after}"));
                    is_plain(before);
                }
            }
        }
    }
}
