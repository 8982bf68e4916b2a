use http::{HeaderMap, HeaderName, HeaderValue, Version};

use super::{
    CacheRule, CredentialRule, Disposition, Pattern, REMOVED, RequestRules, ResponseRules, UpgradeRule,
    VaryBy, asks_for_upgrade, disposition, strip_request, strip_request_trailers, strip_response,
    strip_response_trailers,
};
use crate::{http::Fields, testing::fields as head};

const REQUEST: RequestRules<'_> = RequestRules {
    allow: &[],
    remove: &[],
    credential: CredentialRule::Remove,
    upgrade: UpgradeRule::Remove,
};

const RESPONSE: ResponseRules<'_> = ResponseRules {
    session_cookie: Some("SESSION"),
    token: None,
    cache: CacheRule::Private,
    vary: VaryBy::Cookie,
    upgrade: UpgradeRule::Remove,
};

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers
            .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn text(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    lines
}

fn stripped(fields: &[(&str, &str)], rules: &RequestRules<'_>) -> Vec<String> {
    let (mut read, mut decoded) = (head(fields), Fields::from(map(fields)));
    strip_request(&mut read, rules);
    strip_request(&mut decoded, rules);
    let (read, decoded) = (text(&read.into()), text(&decoded.into()));
    assert_eq!(read, decoded, "over HTTP/1.1 and HTTP/2");
    read
}

fn answered(fields: &[(&str, &str)], rules: &ResponseRules<'_>) -> Vec<String> {
    let mut answer = Fields::from(map(fields));
    strip_response(&mut answer, rules);
    text(&HeaderMap::from(answer))
}

fn name(name: &str) -> HeaderName {
    HeaderName::from_bytes(name.as_bytes()).unwrap()
}

#[test]
fn the_table_is_in_order_and_lower_case_with_dashes() {
    for pattern in REMOVED {
        let (Pattern::Exact(pattern, _) | Pattern::Prefix(pattern, _)) = pattern;
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(pattern.bytes().all(is_plain), "{pattern}");
    }
    let names: Vec<_> =
        REMOVED.iter().map(|(Pattern::Exact(name, _) | Pattern::Prefix(name, _))| name).collect();
    assert!(names.is_sorted(), "the table is divided by first letters");
}

#[test]
fn every_pattern_is_found_in_every_spelling() {
    for pattern in REMOVED {
        let (pattern, expected, is_prefix) = match *pattern {
            Pattern::Exact(name, disposition) => (name, disposition, false),
            Pattern::Prefix(name, disposition) => (name, disposition, true),
        };
        for separator in ["-", "_", ".", "~", "!"] {
            let spelled = pattern.replace('-', separator);
            assert_eq!(disposition(spelled.as_bytes()), expected, "{spelled}");
            assert_eq!(disposition(name(&spelled.to_uppercase()).as_str().as_bytes()), expected, "{spelled}");
            if is_prefix {
                assert_eq!(
                    disposition(format!("{spelled}{separator}more").as_bytes()),
                    expected,
                    "{spelled}"
                );
            }
        }
    }
}

#[test]
fn other_names_pass_or_are_aliases() {
    for kept in
        ["accept", "cookie", "x-request-id", "x-use", "traceparent", "countersign", "content-type", "--x"]
    {
        assert_eq!(disposition(kept.as_bytes()), Disposition::Keep, "{kept}");
    }
    for alias in ["x_request_id", "content.length", "transfer+", "_", "x!y", "cookie_"] {
        assert_eq!(disposition(alias.as_bytes()), Disposition::Alias, "{alias}");
    }
}

#[test]
fn ordinary_fields_pass_untouched() {
    let fields = [
        ("host", "shop.example"),
        ("accept", "*/*"),
        ("cookie", "SESSION=a; theme=dark"),
        ("x-request-id", "7"),
        ("trailer", "checksum"),
        ("te", "trailers"),
        ("content-length", "3"),
    ];
    assert_eq!(stripped(&fields, &REQUEST), text(&map(&fields)));
}

#[test]
fn identity_is_removed_in_all_its_values() {
    let fields = [
        ("authorization", "Bearer a"),
        ("authorization", "Bearer b"),
        ("x_user", "admin"),
        ("X-Roles", "user"),
        ("X-Roles", "admin"),
        ("x.forwarded.user", "admin"),
        ("x-countersign-token", "x"),
        ("countersign-decision", "x"),
        ("Txn-Token", "x"),
        ("x-http-method-override", "DELETE"),
        ("proxy", "http://evil.example"),
        ("odd_name", "x"),
        ("accept", "*/*"),
    ];
    assert_eq!(stripped(&fields, &REQUEST), ["accept: */*"]);
}

#[test]
fn a_legacy_route_keeps_the_credential_alone() {
    let rules = RequestRules { credential: CredentialRule::Keep, ..REQUEST };
    let fields = [
        ("authorization", "Basic a"),
        ("authorization_", "x"),
        ("proxy-authorization", "x"),
        ("x-user", "admin"),
        ("x-http-method-override", "PUT"),
    ];
    assert_eq!(stripped(&fields, &rules), ["authorization: Basic a", "x-http-method-override: PUT"]);
}

#[test]
fn names_are_allowed_and_removed_by_configuration() {
    let (allow, remove) = ([name("odd_name"), name("x_user")], [name("x-tenant")]);
    let rules = RequestRules { allow: &allow, remove: &remove, ..REQUEST };
    let fields = [("odd_name", "1"), ("other_name", "1"), ("x_user", "1"), ("x-tenant", "1")];
    assert_eq!(stripped(&fields, &rules), ["odd_name: 1"]);
}

#[test]
fn connection_removes_what_it_names_and_nothing_of_ours() {
    let fields = [
        ("connection", "keep-alive, X-Trace , authorization"),
        ("connection", "host, content-length,, \"x"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("http2-settings", "x"),
        ("x-trace", "1"),
        ("host", "shop.example"),
        ("content-length", "3"),
        ("transfer-encoding", "chunked"),
        ("expect", "100-continue"),
        ("upgrade", "h2c"),
        ("te", "gzip, Trailers"),
        ("accept", "*/*"),
    ];
    assert_eq!(
        stripped(&fields, &REQUEST),
        ["accept: */*", "content-length: 3", "host: shop.example", "te: trailers"]
    );
    assert_eq!(stripped(&[("te", "gzip")], &REQUEST), [""; 0]);
}

#[test]
fn an_upgrade_passes_only_when_kept() {
    let fields = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket"), ("x-user", "a")];
    assert_eq!(stripped(&fields, &REQUEST), [""; 0]);
    let rules = RequestRules { upgrade: UpgradeRule::Keep, ..REQUEST };
    assert_eq!(stripped(&fields, &rules), ["connection: upgrade", "upgrade: websocket"]);
    assert_eq!(stripped(&[("accept", "*/*")], &rules), ["accept: */*"]);
}

#[test]
fn what_counts_as_an_upgrade() {
    let asks = |fields: &[(&str, &str)], version| asks_for_upgrade(version, &head(fields));
    let upgrade = ("connection", "keep-alive, Upgrade");
    assert!(asks(&[upgrade, ("upgrade", "websocket")], Version::HTTP_11));
    assert!(asks(&[upgrade, ("upgrade", "SPDY/3.1")], Version::HTTP_11));
    assert!(!asks(&[upgrade, ("upgrade", "websocket")], Version::HTTP_10));
    assert!(!asks(&[upgrade, ("upgrade", "websocket")], Version::HTTP_2));
    assert!(!asks(&[("upgrade", "websocket")], Version::HTTP_11));
    assert!(!asks(&[upgrade], Version::HTTP_11));
    for protocol in ["h2c", "H2C", "HTTP/2.0", "TLS/1.2", "websocket, h2c", "h2c,websocket", ""] {
        assert!(!asks(&[upgrade, ("upgrade", protocol)], Version::HTTP_11), "{protocol}");
    }
    assert!(!asks(&[upgrade, ("upgrade", "websocket"), ("upgrade", "h2c")], Version::HTTP_11));
}

#[test]
fn trailers_obey_the_same_rules() {
    let fields = [
        ("authorization", "Bearer a"),
        ("x_user", "admin"),
        ("content-length", "3"),
        ("transfer-encoding", "chunked"),
        ("cookie", "SESSION=x"),
        ("host", "a"),
        ("connection", "checksum2"),
        ("checksum2", "x"),
        ("checksum", "7"),
    ];
    for rules in [REQUEST, RequestRules { credential: CredentialRule::Keep, ..REQUEST }] {
        let mut trailers = map(&fields);
        strip_request_trailers(&mut trailers, &rules);
        assert_eq!(text(&trailers), ["checksum: 7"]);
    }
    let token = HeaderValue::from_static("Bearer eyJ.a.b");
    let mut trailers = map(&[
        ("grpc-status", "0"),
        ("grpc-message", "leaked eyJ.a.b"),
        ("set-cookie", "SESSION=x"),
        ("countersign-refused", "x"),
        ("cache-control", "public"),
    ]);
    strip_response_trailers(&mut trailers, &ResponseRules { token: Some(&token), ..RESPONSE });
    assert_eq!(text(&trailers), ["grpc-status: 0"]);
}

#[test]
fn an_answer_keeps_no_hop_and_no_name_of_ours() {
    let fields = [
        ("connection", "close, X-Internal"),
        ("keep-alive", "timeout=5"),
        ("x-internal", "1"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("proxy-authenticate", "Basic"),
        ("countersign-forwarded", "0"),
        ("x-countersign-x", "1"),
        ("content-type", "text/plain"),
        ("www-authenticate", "Bearer"),
    ];
    let rules = ResponseRules { cache: CacheRule::Untouched, ..RESPONSE };
    assert_eq!(answered(&fields, &rules), ["content-type: text/plain", "www-authenticate: Bearer"]);
    let rules = ResponseRules { upgrade: UpgradeRule::Keep, ..rules };
    let fields = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", "x")];
    assert_eq!(
        answered(&fields, &rules),
        ["connection: upgrade", "sec-websocket-accept: x", "upgrade: websocket"]
    );
}

#[test]
fn only_the_session_cookie_is_removed() {
    let rules = ResponseRules { cache: CacheRule::Untouched, ..RESPONSE };
    for value in [
        "SESSION=a; Path=/",
        " SESSION =a",
        "=SESSION=a",
        "= SESSION=a",
        "==SESSION=a",
        "SESSION",
        "SESSION; Path=/",
        "session=a",
        "=Session=a",
        "%53ESSIO%4e=a",
        "SESSION[0]=a",
        "session%5B0]=a",
        "SESSION%00=a",
        "SESSION%20=a",
        "%20SESSION=a",
        "+SESSION=a",
        "x=1 SESSION=a",
        "x=1, SESSION=a",
        "x=1,SESSION=a",
        "x=\"1\" SESSION=a",
        "x=\"1\"SESSION=a",
        "\u{a0}SESSION=a",
        "SESSION\u{a0}=a",
        "x=1\u{85}SESSION=a",
    ] {
        let fields = [("set-cookie", "theme=dark"), ("set-cookie", value), ("set-cookie", "a=SESSION=1")];
        assert_eq!(
            answered(&fields, &rules),
            ["set-cookie: a=SESSION=1", "set-cookie: theme=dark"],
            "{value}"
        );
    }
    for value in [
        "SESSION2=a",
        "SESSIO=a",
        "SESSION%=a",
        "SESSION_=a",
        "XSESSION=a",
        "a=1; SESSION=b",
        "=",
        "",
        "x=your SESSION has ended",
    ] {
        assert_eq!(answered(&[("set-cookie", value)], &rules), [format!("set-cookie: {value}")], "{value}");
    }
    let rules = ResponseRules { session_cookie: Some("__Host-app.sid"), ..rules };
    for value in ["__host-app_sid=a", "__Host-APP%2Esid=a"] {
        assert_eq!(answered(&[("set-cookie", value)], &rules), Vec::<String>::new(), "{value}");
    }
    let rules = ResponseRules { session_cookie: None, ..rules };
    assert_eq!(answered(&[("set-cookie", "SESSION=a")], &rules), ["set-cookie: SESSION=a"]);
}

#[test]
fn only_the_old_application_clears_what_the_browser_keeps() {
    let fields = [("clear-site-data", "\"cache\", \"cookies\""), ("clear-site-data", "\"*\""), ("x-a", "1")];
    let rules = ResponseRules { cache: CacheRule::Untouched, ..RESPONSE };
    assert_eq!(answered(&fields, &rules), ["x-a: 1"]);
    let rules = ResponseRules { session_cookie: None, ..rules };
    assert_eq!(answered(&fields, &rules).len(), 3);
}

/// What one line says means something else without the others.
#[test]
fn of_several_lines_with_our_token_in_one_none_stays() {
    let token = HeaderValue::from_static("Bearer eyJ.eyJ.sig");
    let rules = ResponseRules { token: Some(&token), cache: CacheRule::MayBePublic, ..RESPONSE };
    let fields = [
        ("cache-control", "public, max-age=60"),
        ("cache-control", "no-store, x=eyJ.eyJ.sig"),
        ("cdn-cache-control", "max-age=60"),
        ("x", "1"),
        ("x", "eyJ.eyJ.sig"),
    ];
    assert_eq!(answered(&fields, &rules), ["cache-control: private, no-cache", "vary: Cookie"]);
}

#[test]
fn a_field_that_holds_our_token_is_removed() {
    let token = HeaderValue::from_static("Bearer eyJ.a.b");
    let rules = ResponseRules { token: Some(&token), cache: CacheRule::Untouched, ..RESPONSE };
    let fields = [
        ("location", "https://shop.example/?token=eyJ.a.b"),
        ("set-cookie", "jwt=eyJ.a.b"),
        ("set-cookie", "theme=dark"),
        ("x-echo", "eyJ.a.b"),
        ("x-other", "eyJ.a."),
        ("x-scheme", "Bearer"),
    ];
    assert_eq!(answered(&fields, &rules), ["set-cookie: theme=dark", "x-other: eyJ.a.", "x-scheme: Bearer"]);
}

#[test]
fn an_answer_is_private_unless_the_service_says_so_itself() {
    let cached = |fields: &[(&str, &str)], cache| answered(fields, &ResponseRules { cache, ..RESPONSE });
    let private = "cache-control: private, no-cache";
    assert_eq!(cached(&[], CacheRule::Untouched), [""; 0]);
    assert_eq!(cached(&[], CacheRule::Private), [private, "vary: Cookie"]);
    for said in ["no-store", "Private, max-age=60", "no-cache", "max-age=0, no-cache"] {
        let kept = [format!("cache-control: {said}"), "vary: Cookie".to_owned()];
        assert_eq!(cached(&[("cache-control", said)], CacheRule::Private), kept);
        assert_eq!(cached(&[("cache-control", said)], CacheRule::MayBePublic), kept);
    }
    for said in ["max-age=60", "private=\"x\"", "no-cache=\"set-cookie\"", "must-revalidate"] {
        for rule in [CacheRule::Private, CacheRule::MayBePublic] {
            assert_eq!(cached(&[("cache-control", said)], rule), [private, "vary: Cookie"], "{said}");
        }
    }
    for said in ["public", "public, max-age=60", "s-maxage=5", "private, s-maxage=5", "PUBLIC, no-cache"] {
        assert_eq!(
            cached(&[("cache-control", said)], CacheRule::Private),
            [private, "vary: Cookie"],
            "{said}"
        );
        assert_eq!(
            cached(&[("cache-control", said)], CacheRule::MayBePublic),
            [format!("cache-control: {said}"), "vary: Cookie".to_owned()]
        );
    }
    let split = [("cache-control", "no-store"), ("cache-control", "public")];
    let strict = "cache-control: private, no-store";
    assert_eq!(cached(&split, CacheRule::Private), [strict, "vary: Cookie"]);
    let several = [("cache-control", "private"), ("cache-control", "max-age=60")];
    assert_eq!(cached(&several, CacheRule::Private), ["cache-control: private, max-age=60", "vary: Cookie"]);
    for with_empty in [["", "private"], ["private", ""]] {
        let with_empty = with_empty.map(|said| ("cache-control", said));
        assert_eq!(cached(&with_empty, CacheRule::Private), ["cache-control: private", "vary: Cookie"]);
    }
    for said in ["a=\"b, private, c\", max-age=9", "a=\"\\\"\", max-age=9, b=\", private\""] {
        assert_eq!(
            cached(&[("cache-control", said)], CacheRule::Private),
            [private, "vary: Cookie"],
            "{said}"
        );
    }
    for said in
        ["a=\"b, private", "a=\"\\\", private", "public, a=\"", "no-store, must-understand, max-age=600"]
    {
        for rule in [CacheRule::Private, CacheRule::MayBePublic] {
            assert_eq!(cached(&[("cache-control", said)], rule), [strict, "vary: Cookie"], "{said}");
        }
    }
    let quoted = "private=\"a, b\", no-store";
    assert_eq!(
        cached(&[("cache-control", quoted)], CacheRule::Private)[0],
        format!("cache-control: {quoted}")
    );
    let overruling = [
        ("cdn-cache-control", "max-age=60"),
        ("edge-control", "max-age=60"),
        ("surrogate-control", "max-age=60"),
        ("x-accel-expires", "60"),
        ("cache-control", "private"),
    ];
    assert_eq!(cached(&overruling, CacheRule::Private), ["cache-control: private", "vary: Cookie"]);
}

#[test]
fn vary_is_merged_into_one_field() {
    let vary = |values: &[&str]| {
        let fields: Vec<_> = values.iter().map(|value| ("vary", *value)).collect();
        answered(&fields, &RESPONSE).into_iter().filter(|line| line.starts_with("vary")).collect::<Vec<_>>()
    };
    assert_eq!(vary(&["accept-encoding", "origin"]), ["vary: accept-encoding, origin, Cookie"]);
    assert_eq!(vary(&["Accept, COOKIE"]), ["vary: Accept, COOKIE"]);
    assert_eq!(vary(&["accept", "cookie", "origin"]), ["vary: accept, origin, Cookie"]);
    assert_eq!(vary(&["*"]), ["vary: *"]);
    assert_eq!(vary(&["accept", "*"]), ["vary: *"]);
    assert_eq!(vary(&[""]), ["vary: Cookie"]);
}

#[test]
fn an_answer_varies_by_everything_that_may_carry_the_credential() {
    let rules = ResponseRules { vary: VaryBy::CookieAndAuthorization, ..RESPONSE };
    let varied = |said: &[&str]| {
        let fields: Vec<_> = said.iter().map(|said| ("vary", *said)).collect();
        let lines = answered(&fields, &rules);
        lines.into_iter().find(|line| line.starts_with("vary")).unwrap()
    };
    assert_eq!(varied(&[]), "vary: Cookie, Authorization");
    assert_eq!(varied(&["cookie"]), "vary: Cookie, Authorization");
    assert_eq!(varied(&["Accept, authorization"]), "vary: Accept, Cookie, Authorization");
    assert_eq!(varied(&["Accept", "Cookie"]), "vary: Accept, Cookie, Authorization");
    assert_eq!(varied(&["authorization, accept, cookie"]), "vary: authorization, accept, cookie");
    assert_eq!(varied(&["Accept", "*"]), "vary: *");
}
