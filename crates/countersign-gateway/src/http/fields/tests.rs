use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use proptest::{collection::vec, prelude::*};

use super::{Fields, LineNumber, Lines};
use crate::http1::{place_of, split};

/// The fields of a head of these lines, line ends included.
fn read(lines: &[String]) -> Fields {
    let text = format!("HTTP/1.1 200 OK\r\n{}\r\n", lines.concat());
    let mut head = BytesMut::from(&*text);
    let mut found = Lines::default();
    for line in text.as_bytes().split(|byte| *byte == b'\n').skip(1) {
        if let Some((name, value)) = split(line.strip_suffix(b"\r").unwrap_or(line)) {
            let place = |part| place_of(part, text.as_bytes());
            found.push(&mut head, place(name), place(value));
        }
    }
    assert_eq!(found.len(), lines.len());
    found.within(head)
}

fn written(fields: &Fields, passes: impl FnMut(&[u8], &[u8]) -> bool) -> String {
    let mut out = Vec::new();
    fields.put(&mut out, passes);
    String::from_utf8(out).unwrap()
}

fn lines(lines: &[&str]) -> Fields {
    read(&lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
}

#[test]
fn lines_are_written_in_one_form() {
    let fields = lines(&["A: 1\r\n", "B:2\r\n", "C:  3 \r\n", "D: 4\n", "E:\r\n", "F: 6\r\n"]);
    let expected = "a: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\ne: \r\nf: 6\r\n";
    assert_eq!(written(&fields, |_, _| true), expected);
    assert_eq!(written(&fields, |name, _| matches!(name, b"a" | b"f")), "a: 1\r\nf: 6\r\n");
    assert_eq!(written(&Fields::default(), |_, _| true), "");
}

#[test]
fn a_field_is_set_in_place_of_all_of_its_name() {
    let mut fields = lines(&["Vary: Accept\r\n", "X: y\r\n", "VARY: Origin\r\n"]);
    assert_eq!(fields.all(b"vary").collect::<Vec<_>>(), [b"Accept", b"Origin"]);
    fields.set(&header::VARY, &HeaderValue::from_static("Cookie"));
    fields.add(&header::SET_COOKIE, &HeaderValue::from_static("a=1"));
    fields.add(&header::SET_COOKIE, &HeaderValue::from_static("b=2"));
    assert_eq!((fields.len(), fields.first(b"vary")), (4, Some(&b"Cookie"[..])));
    assert_eq!(
        written(&fields, |_, _| true),
        "x: y\r\nvary: Cookie\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n"
    );
    fields.remove(b"set-cookie");
    fields.remove(b"x");
    assert!(!fields.has(b"set-cookie") && !fields.is_empty());
    fields.remove(b"vary");
    assert!(fields.is_empty());
}

#[test]
fn a_map_becomes_fields_and_fields_a_map() {
    let mut map = HeaderMap::new();
    for (name, value) in [("x", "1"), ("y", "2"), ("x", "3")] {
        map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let mut fields = Fields::from(map.clone());
    assert_eq!(fields.len(), 3);
    assert_eq!(HeaderMap::from(fields.clone()), map);
    fields.add(&header::ETAG, &HeaderValue::from_static("e"));
    assert_eq!(HeaderMap::from(fields).len(), 4);
}

#[test]
fn what_is_secret_is_marked_for_http2() {
    let mut fields = lines(&["Cookie: a=1 ;b=2\r\n", "Accept: *\r\n"]);
    let (line, _) = fields.only_line(b"cookie").unwrap().unwrap();
    fields.cut(line, 4..8);
    fields.append(b"set-cookie", b"SESSION=2");
    let map = HeaderMap::from(fields);
    assert_eq!(map["cookie"], "a=1", "without white space at the end");
    let marked = |name: &str| map[name].is_sensitive();
    assert!(marked("cookie") && marked("set-cookie") && !marked("accept"));
}

#[test]
fn nothing_shows_a_value() {
    let mut fields = lines(&["Set-Cookie: SECRET\r\n"]);
    fields.add(&header::AUTHORIZATION, &HeaderValue::from_static("SECRET"));
    assert_eq!(format!("{fields:?}"), r#"["set-cookie", "authorization"]"#);
}

proptest! {
    /// What is written is what was read, whatever stands between the parts, and whatever is left out or removed.
    #[test]
    fn what_passes_is_written_in_its_order(
        parts in vec(("[A-Za-z-]{1,6}", "[ \t]{0,2}", "([!-~\u{a0}]([ -~]{0,8}[!-~])?)?", "[ \t]{0,1}", "\r?\n"), 0..12),
        passing in any::<u16>(),
        removed in any::<u16>(),
        cut in any::<(prop::sample::Index, prop::sample::Index, prop::sample::Index)>(),
    ) {
        let texts: Vec<_> =
            parts.iter().map(|(name, before, value, after, end)| format!("{name}:{before}{value}{after}{end}")).collect();
        let mut fields = read(&texts);
        let expected = |bits: u16| {
            let lines = parts.iter().enumerate().filter(move |(at, _)| bits & 1 << at != 0);
            lines.map(|(_, (name, _, value, ..))| format!("{}: {value}\r\n", name.to_ascii_lowercase()))
        };
        let once = |bits: u16| {
            let mut at = 0;
            move |_: &[u8], _: &[u8]| {
                at += 1;
                bits & 1 << (at - 1) != 0
            }
        };
        prop_assert_eq!(written(&fields, once(passing)), expected(passing).collect::<String>());
        fields.retain(once(removed));
        prop_assert_eq!(written(&fields, |_, _| true), expected(removed).collect::<String>());
        let map = HeaderMap::from(fields.clone());
        prop_assert_eq!(map.len(), fields.len());
        for (name, _) in fields.iter() {
            let all: Vec<_> = fields.iter().filter(|(found, _)| *found == name).map(|(_, value)| value).collect();
            prop_assert_eq!(fields.all(name).collect::<Vec<_>>(), &all[..]);
            prop_assert_eq!(fields.first(name), all.first().copied());
            prop_assert_eq!(fields.only(name).ok(), (all.len() == 1).then(|| Some(all[0])));
            let other = [name, b"-longer-"].concat();
            prop_assert!(!fields.has(&other) && fields.only(&other) == Ok(None) && fields.all(&other).next().is_none());
        }
        for (name, value) in fields.iter() {
            let name = std::str::from_utf8(name).unwrap();
            prop_assert!(map.get_all(name).iter().any(|mapped| mapped.as_bytes() == value));
        }
        // A part of one value is cut out where it stands, in the head or behind it, with lines before and after it.
        fields.append(b"own-before", b"1; 2");
        let mut said: Vec<_> = fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        let at = cut.0.index(said.len());
        let line = LineNumber { number: at, of: said.len() };
        let value = &mut said[at].1;
        let (one, other) = (cut.1.index(value.len() + 1), cut.2.index(value.len() + 1));
        let place = one.min(other)..one.max(other);
        value.drain(place.clone());
        fields.cut(line, place);
        prop_assert_eq!(fields.value_in(line, &said[at].0), Some(&said[at].1[..]));
        prop_assert_eq!(fields.value_in(line, b"-other-"), None);
        fields.append(b"own-after", b"3");
        prop_assert_eq!(fields.value_in(line, &said[at].0), None, "a line has come");
        said.push((b"own-after".to_vec(), b"3".to_vec()));
        let lines = said.iter().map(|(name, value)| [&name[..], b": ", value, b"\r\n"].concat());
        let mut out = Vec::new();
        fields.put(&mut out, |_, _| true);
        prop_assert_eq!(out, lines.collect::<Vec<_>>().concat());
    }
}
