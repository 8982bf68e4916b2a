//! What must not become HTTP/1.1 (RFC 9113 §8), and what it becomes where it may.

use super::frames::{DATA, END_STREAM, End, Field, Raw, field};
use crate::proxy::house::House;

/// Alice's request for `/orders/1` with more fields.
fn request(more: &[Field]) -> Vec<Field> {
    let mut fields = vec![
        field(":method", "GET"),
        field(":scheme", "http"),
        field(":authority", "shop.example"),
        field(":path", "/orders/1"),
        field("cookie", "SESSION=alice-session"),
        field("origin", "https://shop.example"),
    ];
    fields.extend_from_slice(more);
    fields
}

/// The same with another value of a pseudo-header, or without it.
fn with(name: &str, value: Option<&[u8]>) -> Vec<Field> {
    let changed = |(found, old): Field| match value {
        _ if found != name.as_bytes() => Some((found, old)),
        Some(value) => Some((found, value.to_vec())),
        None => None,
    };
    request(&[]).into_iter().filter_map(changed).collect()
}

async fn send(house: &House, fields: &[Field]) -> End {
    let mut raw = Raw::open(house.address).await;
    raw.headers(1, END_STREAM, fields).await;
    raw.end(1).await
}

/// A POST with this length in its head and this body.
async fn post(house: &House, lengths: &[&str], body: &[u8]) -> End {
    let mut fields = with(":method", Some(b"POST"));
    fields.extend(lengths.iter().map(|length| field("content-length", length)));
    let mut raw = Raw::open(house.address).await;
    raw.headers(1, 0, &fields).await;
    raw.frame(DATA, END_STREAM, 1, body).await;
    raw.end(1).await
}

fn is_refused(end: End) -> bool {
    matches!(end, End::Connection | End::Reset | End::Status(400))
}

#[tokio::test]
async fn a_malformed_head_reaches_no_service() {
    let house = House::new().await;
    assert_eq!(send(&house, &request(&[])).await, End::Status(200), "the twin that is well formed");
    let before = house.received().len();
    let early = |name: &str, value: &str| {
        let mut fields = vec![field("x-early", "1")];
        fields.extend(request(&[]));
        fields.push(field(name, value));
        fields
    };
    let rows: Vec<(&str, Vec<Field>)> = vec![
        ("CR LF in a value", request(&[field("x", "a\r\nevil: 1")])),
        ("LF in a value", request(&[field("x", "a\nevil: 1")])),
        ("CR in a value", request(&[field("x", "a\rb")])),
        ("NUL in a value", request(&[field("x", "a\0b")])),
        ("a request in a value", request(&[field("x", "\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n")])),
        ("CR LF in a name", request(&[field("x\r\nevil", "1")])),
        ("a colon in a name", request(&[field("x:evil", "1")])),
        ("a space in a name", request(&[field("x evil", "1")])),
        ("an upper-case name", request(&[field("Authorization", "Bearer x")])),
        ("an empty name", request(&[field("", "x")])),
        ("CR LF in the path", with(":path", Some(b"/orders/1 HTTP/1.1\r\nx: 1"))),
        ("a space in the path", with(":path", Some(b"/orders/1 HTTP/1.1"))),
        ("NUL in the path", with(":path", Some(b"/orders/\0"))),
        ("an empty path", with(":path", Some(b""))),
        ("a path without a slash", with(":path", Some(b"orders/1"))),
        ("another host in the path", with(":path", Some(b"http://evil.example/orders/1"))),
        ("an asterisk as path", with(":path", Some(b"*"))),
        ("CR LF in the method", with(":method", Some(b"GET / HTTP/1.1\r\nx: 1"))),
        ("a space in the method", with(":method", Some(b"GET /admin"))),
        ("an empty method", with(":method", Some(b""))),
        ("CR LF in the authority", with(":authority", Some(b"shop.example\r\nx: 1"))),
        ("user information in the authority", with(":authority", Some(b"user@shop.example"))),
        ("a path in the authority", with(":authority", Some(b"shop.example/orders"))),
        ("no method", with(":method", None)),
        ("no scheme", with(":scheme", None)),
        ("no path", with(":path", None)),
        ("no authority and no host", with(":authority", None)),
        ("two paths", request(&[field(":path", "/admin")])),
        ("two methods", request(&[field(":method", "DELETE")])),
        ("a pseudo-header after a field", early("x", "1")),
        ("an unknown pseudo-header", request(&[field(":role", "editor")])),
        ("a status in a request", request(&[field(":status", "200")])),
        ("transfer-encoding", request(&[field("transfer-encoding", "chunked")])),
        ("connection", request(&[field("connection", "x-keep")])),
        ("keep-alive", request(&[field("keep-alive", "timeout=5")])),
        ("proxy-connection", request(&[field("proxy-connection", "keep-alive")])),
        ("upgrade", request(&[field("upgrade", "websocket")])),
        ("te but for trailers", request(&[field("te", "gzip")])),
    ];
    for (name, fields) in rows {
        let end = send(&house, &fields).await;
        assert!(is_refused(end), "{name}: {end:?}");
        assert_eq!(house.received().len(), before, "{name}: a service has seen it");
    }
}

#[tokio::test]
async fn a_length_that_is_not_the_bodys_is_refused() {
    let house = House::new().await;
    assert_eq!(post(&house, &["4"], b"body").await, End::Status(200), "the twin that is well formed");
    assert_eq!(house.received().len(), 1);
    for (name, lengths, body) in [
        ("more than it says", &["1"][..], &b"bGET /admin HTTP/1.1\r\n\r\n"[..]),
        ("nothing where it says something", &["4"], b""),
        ("two lengths", &["4", "4"], b"body"),
        ("two unequal lengths", &["4", "0"], b"body"),
        ("a sign", &["+4"], b"body"),
        ("a list", &["4, 4"], b"body"),
        ("hexadecimal", &["0x4"], b"body"),
        ("a leading zero", &["04"], b"body"),
        ("negative", &["-1"], b"body"),
        ("too large a number", &["99999999999999999999"], b"body"),
    ] {
        let end = post(&house, lengths, body).await;
        assert!(is_refused(end), "{name}: {end:?}");
        let whole = house.service.record.requests().into_iter().skip(1).collect::<Vec<_>>();
        assert!(whole.is_empty(), "{name}: a service has seen a whole request: {whole:?}");
        for begun in house.service.record.begun() {
            let begun = String::from_utf8_lossy(&begun).into_owned();
            assert!(begun.starts_with("POST /orders/1 HTTP/1.1\r\n"), "{name}: {begun}");
            assert!(!begun.contains("/admin"), "{name}: {begun}");
        }
    }
    let end = post(&house, &["9"], b"body").await;
    assert!(is_refused(end) || matches!(end, End::Status(408 | 502)), "less than it says: {end:?}");
    assert_eq!(house.received().len(), 1, "a request cut short is never whole");
}

/// The bounds of HTTP/1.1 hold here too.
#[tokio::test]
async fn too_many_fields_and_too_long_a_target_are_refused() {
    let house = House::new().await;
    let with_fields = |count: usize| {
        let mut fields = request(&[]);
        // Two of them are no pseudo-headers.
        fields.extend((2..count).map(|n| field(format!("x-{n}"), "1")));
        fields
    };
    assert_eq!(send(&house, &with_fields(100)).await, End::Status(200));
    assert_eq!(send(&house, &with_fields(101)).await, End::Status(431));
    let crumbs: Vec<Field> = (0..120).map(|n| field("cookie", format!("c{n}=1"))).collect();
    assert_eq!(send(&house, &request(&crumbs)).await, End::Status(200), "one cookie in pieces");
    let path = |length: usize| format!("/orders/{}", "a".repeat(length - 8));
    assert_eq!(send(&house, &with(":path", Some(path(8_192).as_bytes()))).await, End::Status(200));
    assert_eq!(send(&house, &with(":path", Some(path(8_193).as_bytes()))).await, End::Status(414));
    assert_eq!(house.received().len(), 3);
    let metrics = house.metrics().await;
    for code in ["header_too_large", "uri_too_long"] {
        assert!(metrics.contains(&format!("countersign_refusals_total{{code=\"{code}\"}} 1\n")), "{metrics}");
    }
}

/// An answer names its refusal by such a field. A client that sends one names none.
#[tokio::test]
async fn nobody_chooses_his_own_refusal() {
    let house = House::new().await;
    for name in ["countersign-refused", "countersign-framing"] {
        for code in ["revoked", "bug", "keys_unavailable"] {
            assert_eq!(send(&house, &request(&[field(name, code)])).await, End::Status(200), "{code}");
        }
    }
    assert!(house.received().iter().all(|request| !format!("{request:?}").contains("countersign-")));
    let metrics = house.metrics().await;
    for code in ["revoked", "bug", "keys_unavailable"] {
        let counted =
            metrics.lines().find(|line| line.contains(&format!("refusals_total{{code=\"{code}\"}}")));
        assert!(counted.is_none_or(|line| line.ends_with(" 0")), "{counted:?}");
    }
    // What is written after it has been written.
    let unsafe_method = with(":method", Some(b"POST")).into_iter().filter(|(name, _)| name != b"origin");
    assert_eq!(send(&house, &unsafe_method.collect::<Vec<_>>()).await, End::Status(403));
    let written = house.audit_holds("csrf").await;
    assert_eq!(written.matches("\"refused\"").count(), 1, "{written}");
}

/// RFC 9113 §8.3.1 would let the authority win; whoever stands before us may have listened to the other one.
#[tokio::test]
async fn a_host_that_contradicts_the_authority_is_refused() {
    let house = House::new().await;
    assert_eq!(send(&house, &request(&[field("host", "evil.example")])).await, End::Status(400));
    assert!(house.received().is_empty());
    assert_eq!(send(&house, &request(&[field("host", "shop.example")])).await, End::Status(200));
    let head = house.received().pop().unwrap().to_ascii_lowercase();
    assert_eq!(head.matches("\r\nhost: shop.example\r\n").count(), 1, "{head}");
}

#[tokio::test]
async fn a_fragment_is_no_part_of_what_is_decided_or_sent() {
    let house = House::new().await;
    assert_eq!(send(&house, &with(":path", Some(b"/orders/1#/../admin"))).await, End::Status(200));
    let head = house.received().pop().unwrap();
    assert!(head.starts_with("GET /orders/1 HTTP/1.1\r\n"), "{head}");
}

#[tokio::test]
async fn a_cookie_in_pieces_is_one_cookie() {
    let house = House::new().await;
    let mut fields = request(&[field("cookie", "theme=dark"), field("cookie", "SESSION=alice-session")]);
    assert_eq!(send(&house, &fields).await, End::Status(200), "the same session twice is one");
    let head = house.received().pop().unwrap().to_ascii_lowercase();
    assert!(head.contains("\r\ncookie: theme=dark\r\n") && !head.contains("alice-session"), "{head}");
    fields.push(field("cookie", "SESSION=bob-session"));
    assert_eq!(send(&house, &fields).await, End::Status(400), "two sessions are none");
    assert_eq!(house.received().len(), 1);
}

#[tokio::test]
async fn identity_headers_do_not_pass_in_http2_either() {
    let house = House::new().await;
    let names = ["x-user", "x_user", "x-forwarded-user", "authorization2", "countersign-subject", "x-roles"];
    let spoofed: Vec<Field> = names.iter().map(|name| field(name, "mallory")).collect();
    assert_eq!(send(&house, &request(&spoofed)).await, End::Status(200));
    let head = house.received().pop().unwrap();
    // The one name of the list that nobody reads as an identity.
    assert_eq!(head.matches("mallory").count(), 1, "{head}");
}

#[tokio::test]
async fn trailers_carry_no_fields_of_a_head() {
    let house = House::new().await;
    let mut raw = Raw::open(house.address).await;
    let mut fields = with(":method", Some(b"POST"));
    fields.push(field("te", "trailers"));
    let announced = "authorization, cookie, x-user, transfer-encoding2, content-length, host, x-checksum";
    fields.push(field("trailer", announced));
    raw.headers(1, 0, &fields).await;
    raw.frame(DATA, 0, 1, b"body").await;
    let trailers =
        ["authorization", "cookie", "x-user", "transfer-encoding2", "content-length", "host", "x-checksum"]
            .map(|name| field(name, "planted"));
    raw.headers(1, END_STREAM, &trailers).await;
    assert_eq!(raw.end(1).await, End::Status(200));
    let (_, body) = house.service.record.requests().pop().unwrap();
    let body = String::from_utf8(body).unwrap();
    let mut passed: Vec<_> = body.lines().filter_map(|line| line.split_once(": planted")).collect();
    passed.sort_unstable();
    assert_eq!(passed, [("transfer-encoding2", ""), ("x-checksum", "")], "{body}");
}

#[tokio::test]
async fn a_pseudo_header_among_trailers_goes_nowhere() {
    let house = House::new().await;
    let mut raw = Raw::open(house.address).await;
    let mut fields = with(":method", Some(b"POST"));
    fields.push(field("trailer", "path, x-checksum"));
    raw.headers(1, 0, &fields).await;
    raw.headers(1, END_STREAM, &[field(":path", "/admin"), field("x-checksum", "1")]).await;
    let end = raw.end(1).await;
    assert!(is_refused(end) || matches!(end, End::Status(200 | 502)), "{end:?}");
    for (head, body) in house.service.record.requests() {
        assert!(head.starts_with("POST /orders/1 HTTP/1.1\r\n"), "{head}");
        assert!(!String::from_utf8(body).unwrap().contains("admin"));
    }
}

#[tokio::test]
async fn no_tunnel_is_opened() {
    let house = House::new().await;
    let connect = [field(":method", "CONNECT"), field(":authority", "shop.example:443")];
    assert_eq!(send(&house, &connect).await, End::Status(405), "as over HTTP/1.1");
    let mut websocket = with(":method", Some(b"CONNECT"));
    websocket.insert(1, field(":protocol", "websocket"));
    let end = send(&house, &websocket).await;
    assert!(matches!(end, End::Reset | End::Connection | End::Status(400 | 405)), "{end:?}");
    assert!(house.received().is_empty());
}
