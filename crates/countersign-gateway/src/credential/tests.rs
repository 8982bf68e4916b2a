use http::{HeaderMap, HeaderValue, header::COOKIE};
use proptest::prelude::*;

use super::{Credential, CredentialKind, CredentialRules};
use crate::{error::Refusal, http::Fields, testing::fields};

/// As HTTP/1.1 brings them.
fn cookies(lines: &[&str]) -> Fields {
    fields(&lines.iter().map(|line| ("Cookie", *line)).collect::<Vec<_>>())
}

/// As HTTP/2 brings them.
fn cookies_of_http2(lines: &[&str]) -> Fields {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    headers.into()
}

fn rules(bearer: bool) -> CredentialRules {
    CredentialRules::new(Some("SESSION"), bearer)
}

fn found(fields: &Fields) -> Result<Option<&str>, Refusal> {
    Ok(rules(false).find(fields)?.as_ref().map(text))
}

fn text<'a>(credential: &Credential<'a>) -> &'a str {
    std::str::from_utf8(credential.expose()).unwrap()
}

fn left_of(fields: &Fields) -> Vec<&str> {
    fields.all(b"cookie").map(|line| std::str::from_utf8(line).unwrap()).collect()
}

#[test]
fn the_session_cookie_is_found_by_its_exact_name() {
    assert_eq!(found(&cookies(&["SESSION=abc"])), Ok(Some("abc")));
    assert_eq!(found(&cookies(&["a=1; SESSION=abc; b=2"])), Ok(Some("abc")));
    assert_eq!(found(&cookies(&["a=1;SESSION=abc;b=2"])), Ok(Some("abc")));
    assert_eq!(found(&cookies(&["a=1", "SESSION=a=b="])), Ok(Some("a=b=")));
    assert_eq!(found(&cookies(&["session=abc; XSESSION=1; SESSIONX=2; =SESSION; x=SESSION=1"])), Ok(None));
    assert_eq!(found(&cookies(&[])), Ok(None));
}

#[test]
fn two_different_values_are_ambiguous_and_two_equal_ones_are_one() {
    let ambiguous = Err(Refusal::AmbiguousCredential);
    assert_eq!(found(&cookies(&["SESSION=a; SESSION=b"])), ambiguous);
    assert_eq!(found(&cookies(&["SESSION=a", "SESSION=b"])), ambiguous);
    assert_eq!(found(&cookies(&["SESSION=a; x=1; SESSION="])), ambiguous);
    assert_eq!(found(&cookies(&["SESSION=a; SESSION=a", "SESSION=a"])), Ok(Some("a")));
}

#[test]
fn a_value_no_server_sets_is_malformed() {
    for bad in ["SESSION=", "SESSION=\"abc\"", "SESSION=a b", "SESSION=a,b", "SESSION=a\\b", "SESSION=\u{e9}"]
    {
        assert_eq!(found(&cookies(&[bad])), Err(Refusal::CredentialMalformed), "{bad}");
    }
    let long = format!("SESSION={}", "a".repeat(8 * 1024 + 1));
    assert_eq!(found(&cookies(&[&long])), Err(Refusal::CredentialTooLarge));
    let longest = "a".repeat(8 * 1024);
    assert_eq!(found(&cookies(&[&format!("SESSION={longest}")])), Ok(Some(longest.as_str())));
}

#[test]
fn bearer_counts_only_where_it_is_accepted() {
    let bearer = ("authorization", "Bearer opaque-1");
    let alone = fields(&[bearer]);
    assert_eq!(rules(false).find(&alone), Ok(None));
    let credential = rules(true).find(&alone).unwrap().unwrap();
    assert_eq!((credential.kind, text(&credential)), (CredentialKind::Bearer, "opaque-1"));

    let both = fields(&[bearer, ("cookie", "SESSION=abc")]);
    assert_eq!(rules(true).find(&both), Err(Refusal::AmbiguousCredential));
    assert_eq!(rules(false).find(&both).unwrap().as_ref().map(text), Some("abc"));
}

#[test]
fn bearer_has_one_form() {
    for (value, expected) in [
        ("Bearer abc", Ok(Some("abc"))),
        ("bearer abc", Ok(Some("abc"))),
        ("BEARER   abc", Ok(Some("abc"))),
        ("Bearer", Ok(None)),
        ("Bearer ", Ok(None)),
        ("Basic abc", Ok(None)),
        ("Bearerabc", Ok(None)),
        ("Bearer a b", Err(Refusal::CredentialMalformed)),
        ("Bearer a,b", Err(Refusal::CredentialMalformed)),
        ("Bearer \u{e9}", Err(Refusal::CredentialMalformed)),
    ] {
        let fields = fields(&[("Authorization", value)]);
        let rules = rules(true);
        let got = rules.find(&fields).map(|found| found.as_ref().map(text));
        assert_eq!(got, expected, "{value}");
    }
    let twice = fields(&[("authorization", "Bearer abc"), ("authorization", "Bearer abc")]);
    assert_eq!(rules(true).find(&twice), Err(Refusal::AmbiguousCredential));
}

#[test]
fn only_the_session_cookie_is_removed() {
    for (before, after) in [
        (&["SESSION=a"][..], None),
        (&["a=1; SESSION=x; b=2"], Some("a=1; b=2")),
        (&["SESSION=x; SESSION=y", "a=1"], Some("a=1")),
        (&["a=1; SESSION = x"], Some("a=1")),
        (&["a=1;b=2"], Some("a=1;b=2")),
        (&["a=1; SESSION; SESSION=z"], Some("a=1; SESSION")),
        (&["SESSION=x; a=1;b=2"], Some("a=1;b=2")),
        (&["a=1;b=2;SESSION=x;c=3"], Some("a=1;b=2;c=3")),
        (&["a=1;SESSION=x;SESSION=x;c=3"], Some("a=1; c=3")),
        (&["SESSION=x;"], None),
        (&["; ;SESSION=x; ;"], None),
        (&["a=1", "SESSION=x;b=2"], Some("a=1; b=2")),
        (&["a=1", "b=2"], Some("a=1")),
    ] {
        for mut fields in [cookies(before), cookies_of_http2(before)] {
            let known = rules(false).find_cookie(&fields).ok().flatten().and_then(|found| found.place());
            let mut searched = fields.clone();
            rules(false).remove_cookie(&mut searched, None);
            rules(false).remove_cookie(&mut fields, known);
            assert_eq!(left_of(&fields), left_of(&searched), "{before:?}");
            assert_eq!(left_of(&fields).first().copied(), after, "{before:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_header_is_judged_without_a_panic_and_removal_leaves_no_credential(
        lines in proptest::collection::vec("[ -~]{0,40}|(a=b; )?SESSION ?=[ -~]{0,20}(;[ -~]{0,20})?", 0..4),
    ) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        for mut fields in [cookies(&lines), cookies_of_http2(&lines)] {
            let _ = rules(true).find(&fields);
            let known = rules(true).find_cookie(&fields).ok().flatten().and_then(|found| found.place());
            rules(true).remove_cookie(&mut fields, known);
            prop_assert_eq!(rules(true).find(&fields), Ok(None));
            let mut written = Vec::new();
            fields.put(&mut written, |_, _| true);
            let again = String::from_utf8(written).unwrap();
            let again: Vec<_> = again.split_terminator("\r\n").map(|line| line.strip_prefix("cookie: ").unwrap()).collect();
            prop_assert_eq!(again, left_of(&fields));
        }
    }

    /// The rule once more, by another way: pieces between semicolons, a name before the first `=`, white space around both.
    #[test]
    fn the_session_cookie_is_found_as_the_rule_says(
        lines in proptest::collection::vec("([a-b;= \t]|SESSION|=x;){0,12}", 0..3),
    ) {
        let pieces = || lines.iter().flat_map(|line| line.split(';')).map(str::trim_ascii);
        let is_ours = |piece: &&str| piece.split_once('=').is_some_and(|(name, _)| name.trim_ascii() == "SESSION");
        let mut values: Vec<&str> =
            pieces().filter(is_ours).filter_map(|piece| Some(piece.split_once('=')?.1.trim_ascii())).collect();
        let all = values.len();
        values.dedup();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let expected = match values[..] {
            [] => Ok(None),
            [""] => Err(Refusal::CredentialMalformed),
            [value] if value.contains([' ', '\t']) => Err(Refusal::CredentialMalformed),
            [value] => Ok(Some(value)),
            _ => Err(Refusal::AmbiguousCredential),
        };
        for (mut fields, are_trimmed) in [(cookies(&lines), true), (cookies_of_http2(&lines), false)] {
            prop_assert_eq!(found(&fields), expected);
            rules(false).remove_cookie(&mut fields, None);
            let left = left_of(&fields);
            if all == 0 {
                let trimmed = |line: &&str| if are_trimmed { line.trim_matches([' ', '\t']) } else { line }.to_owned();
                prop_assert_eq!(left, lines.iter().map(trimmed).collect::<Vec<_>>());
            } else {
                let kept: Vec<_> = pieces().filter(|piece| !piece.is_empty() && !is_ours(piece)).collect();
                let left: Vec<_> = left.iter().flat_map(|line| line.split(';')).map(str::trim_ascii).collect();
                let left: Vec<_> = left.into_iter().filter(|piece| !piece.is_empty()).collect();
                prop_assert_eq!(left, kept);
            }
        }
    }

    #[test]
    fn nothing_shows_the_value(value in "[a-z]{12}") {
        let fields = cookies(&[&format!("SESSION={value}")]);
        let rules = rules(false);
        let credential = rules.find(&fields).unwrap().unwrap();
        let shown = format!("{credential:?} {:?}", credential.to_owned());
        prop_assert!(!shown.contains(&value));
    }
}

#[test]
fn a_place_that_is_wrong_is_not_believed() {
    let rules = rules(false);
    let place = |line: &str| rules.find_cookie(&cookies(&[line])).unwrap().unwrap().place();
    let places = ["SESSION=abc", "a=1; SESSION=abc", "a=1; SESSION=abc; b=2", "SESSION=abc; b=2"].map(place);
    for line in
        ["x=1; SESSION=secret; yy=2", "SESSION=secret", "a=1;b=2; SESSION=secret", "a=1; SESSION=abcdef"]
    {
        for place in places {
            let mut fields = cookies(&[line]);
            rules.remove_cookie(&mut fields, place);
            assert_eq!(rules.find_cookie(&fields), Ok(None), "{line} {place:?}");
            let mut searched = cookies(&[line]);
            rules.remove_cookie(&mut searched, None);
            assert_eq!(left_of(&fields), left_of(&searched), "{line} {place:?}");
        }
    }
    // The line it stood in is another one, or not the only one.
    for lines in [
        &[("cookie", "SESSION=secret"), ("x", "SESSION=abc")][..],
        &[("x", "SESSION=abc"), ("cookie", "SESSION=secret")],
    ] {
        for place in places {
            let mut fields = fields(lines);
            rules.remove_cookie(&mut fields, place);
            assert_eq!(rules.find_cookie(&fields), Ok(None), "{lines:?} {place:?}");
            assert_eq!(fields.first(b"x"), Some(&b"SESSION=abc"[..]));
        }
    }
    let [place, ..] = places;
    let mut two = cookies(&["SESSION=abc", "SESSION=abc"]);
    rules.remove_cookie(&mut two, place);
    assert_eq!(rules.find_cookie(&two), Ok(None), "two lines, where there was one");
}
