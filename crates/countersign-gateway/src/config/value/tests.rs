use std::time::Duration;

use super::*;

#[test]
fn durations_are_one_number_and_one_unit() {
    for (text, milliseconds) in
        [("0s", 0), ("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("8h", 28_800_000), ("7d", 604_800_000)]
    {
        assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
    }
    for bad in [
        "",
        "s",
        "30",
        "30 s",
        " 30s",
        "30s ",
        "1h30m",
        "-1s",
        "+1s",
        "1.5s",
        "30S",
        "1w",
        "٣s",
        "18446744073709551616s",
        "18446744073709551615d",
    ] {
        assert!(duration(bad).is_err(), "{bad}");
    }
}

#[test]
fn sizes_are_one_number_and_one_binary_unit() {
    for (text, bytes) in
        [("0B", 0), ("512B", 512), ("32KiB", 32_768), ("16MiB", 16_777_216), ("1GiB", 1 << 30)]
    {
        assert_eq!(size(text), Ok(bytes), "{text}");
    }
    for bad in ["", "32", "32KB", "32k", "1.5MiB", "-1B", "99999999999GiB"] {
        assert!(size(bad).is_err(), "{bad}");
    }
}

#[test]
fn loopback_is_this_machine_only() {
    for host in ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LOCALHOST", "a.localhost"] {
        assert!(is_loopback(host), "{host}");
    }
    for host in ["127.0.0.1.example", "localhost.example", "notlocalhost", "10.0.0.1", "0.0.0.0", "[::]", ""]
    {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn urls_are_absolute_and_hold_no_password() {
    for good in
        ["https://sso.example", "https://sso.example:8443/a?b=c", "http://127.0.0.1:1/x", "http://[::1]:80/"]
    {
        assert!(url(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "sso.example",
        "/a",
        "//sso.example/",
        "ftp://sso.example/",
        "https://",
        "https:///a",
        "https://u:p@sso.example/",
        "https://u@sso.example/",
        "https://sso.example/#f",
        "https://sso.example/ü",
        "https://sso.example/ a",
        "https://a..b/",
        "https://sso.example:0/",
        "https://sso.example:99999/",
        "https://sso.example:/",
        "https://-a/",
        "https://1.2.3/",
        "https://[::g]/",
    ] {
        assert!(url(bad).is_err(), "{bad}");
    }
}

#[test]
fn origins_are_what_a_browser_sends() {
    for good in [
        "https://shop.example",
        "https://shop.example:8443",
        "http://localhost:3000",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
    ] {
        assert_eq!(origin(good).as_deref(), Ok(good));
    }
    for bad in [
        "https://shop.example/",
        "https://shop.example/a",
        "https://shop.example?x",
        "https://shop.example:443",
        "http://localhost:80",
        "http://shop.example",
        "https://Shop.example",
        "HTTPS://shop.example",
        "null",
        "*",
    ] {
        assert!(origin(bad).is_err(), "{bad}");
    }
}

#[test]
fn upstreams_are_scheme_host_and_port() {
    let read = |text| upstream(text).map(|origin| (origin.protocol, origin.host.to_string(), origin.port));
    assert_eq!(read("http://127.0.0.1:9001"), Ok((UpstreamProtocol::Http1, "127.0.0.1".to_owned(), 9001)));
    assert_eq!(
        read("http://Orders.internal/"),
        Ok((UpstreamProtocol::Http1, "orders.internal".to_owned(), 80))
    );
    assert_eq!(
        read("https://orders.internal"),
        Ok((UpstreamProtocol::Tls, "orders.internal".to_owned(), 443))
    );
    assert_eq!(
        read("h2c://[::1]:50051"),
        Ok((UpstreamProtocol::Http2PriorKnowledge, "::1".to_owned(), 50051))
    );
    for bad in [
        "",
        "127.0.0.1:9001",
        "http://",
        "http://a/b",
        "http://a?b",
        "http://u:p@a",
        "http://a:0",
        "http://a:b",
        "ws://a",
        "HTTP://a",
    ] {
        assert!(upstream(bad).is_err(), "{bad}");
    }
}

#[test]
fn path_prefixes_are_canonical() {
    for good in ["/", "/orders/", "/a/b.c/", "/~x/", "/a..b/", "/.well-known/x/"] {
        assert_eq!(path_prefix(good).as_deref(), Ok(good));
    }
    for bad in [
        "", "orders/", "/orders", "//", "/a//b/", "/./", "/../", "/a/../b/", "/a%2f/", "/a;b/", "/a?/",
        "/a#/", "/a\\b/", "/ü/", "/a b/", "/a\0/", "/a@b/", "/a+b/", "/(a)/", "/a:b/",
    ] {
        assert!(path_prefix(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn claim_paths_begin_at_an_answer() {
    let path = claim_path("session.org.id").unwrap();
    assert_eq!((path.root, path.steps), (ClaimRoot::Session, vec!["org".to_owned(), "id".to_owned()]));
    assert_eq!(claim_path("userinfo.groups").unwrap().root, ClaimRoot::Userinfo);
    for bad in [
        "",
        "session",
        "session.",
        ".session",
        "sub",
        "sessions.sub",
        "session..a",
        "token.sub",
        &format!("session{}", ".a".repeat(17)),
    ] {
        assert!(claim_path(bad).is_err(), "{bad}");
    }
}

#[test]
fn networks_have_no_bits_behind_their_prefix() {
    assert_eq!(network("192.0.2.7").unwrap().to_string(), "192.0.2.7/32");
    assert_eq!(network("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
    assert_eq!(network("fd00::/8").unwrap().to_string(), "fd00::/8");
    for bad in ["", "10.1.0.0/8", "10.0.0.0/33", "localhost", "10.0.0.0/8,::1"] {
        assert!(network(bad).is_err(), "{bad}");
    }
}

#[test]
fn names_are_of_their_grammar() {
    assert!(
        cookie_name("__Host-SESSION").is_ok()
            && cookie_name("a b").is_err()
            && cookie_name("a=b").is_err()
            && cookie_name("").is_err()
    );
    assert!(
        identifier("orders").is_ok()
            && identifier("or ders").is_err()
            && identifier("").is_err()
            && identifier(&"x".repeat(256)).is_err()
    );
    assert!(client_id("my client").is_ok() && client_id("a\nb").is_err());
    assert!(role("Éditeur").is_ok() && role("a\tb").is_err() && role("").is_err());
    assert!(
        method("GET").is_ok()
            && method("get").is_err()
            && method("CONNECT").is_err()
            && method("TRACE").is_err()
    );
    assert!(
        unusual_header_name("x_y").is_ok()
            && unusual_header_name("x-y").is_err()
            && unusual_header_name("x y").is_err()
    );
    assert!(removed_header_name("X-Tenant").is_ok() && removed_header_name("x y").is_err());
    assert!(removed_header_name("Host").is_err() && removed_header_name("content-length").is_err());
    assert!(
        variable_name("A_B1").is_ok()
            && variable_name("1A").is_err()
            && variable_name("a-b").is_err()
            && variable_name("").is_err()
    );
    assert!(
        host("shop.example").is_ok()
            && host("Shop.example").is_err()
            && host("shop.example:80").is_err()
            && host("*.example").is_err()
    );
    assert!(
        redirect_path("/login?next=").is_ok()
            && redirect_path("//evil.example").is_err()
            && redirect_path("login").is_err()
    );
}
