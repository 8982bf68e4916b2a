//! The session endpoints over HTTP/2, where a browser sends what HTTP/1.1 has no place for.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::{body::Frame, client::conn::http2::SendRequest};
use tokio::net::TcpStream;

use super::{house, house_with};
use crate::{
    proxy::house::House,
    server::{
        frames::{Frames, connect},
        harness::soon,
        tls::{renew, shake_over},
    },
};

const OURS: [(&str, &str); 2] = [("countersign", "1"), ("sec-fetch-site", "same-origin")];
const ALICE: (&str, &str) = ("cookie", "SESSION=alice-session");
/// As browsers send several cookies: a field for each (RFC 9113 §8.2.3).
const CRUMBS: [(&str, &str); 3] = [("cookie", "theme=dark"), ALICE, ("cookie", "x=y")];

/// An answer, whole.
struct Answer {
    head: Response<()>,
    text: String,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name).map(|value| value.to_str().unwrap())
    }

    fn verdict(&self) -> (StatusCode, Option<&str>) {
        (self.head.status(), self.field("countersign-refused"))
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// One connection, as a browser has one.
struct Browser(SendRequest<Frames>);

impl Browser {
    async fn at(house: &House) -> Self {
        Self(connect(TcpStream::connect(house.address).await.unwrap()).await)
    }

    fn send(
        &mut self,
        authority: &str,
        line: &str,
        fields: &[&[(&str, &str)]],
        body: Frames,
    ) -> impl Future<Output = Answer> + use<> {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("https://{authority}{path}"));
        for (name, value) in fields.concat() {
            request = request.header(name, value);
        }
        let answer = self.0.send_request(request.body(body).unwrap());
        async {
            let (head, body) = soon(answer).await.unwrap().into_parts();
            let body = soon(body.collect()).await.unwrap().to_bytes();
            Answer { head: Response::from_parts(head, ()), text: String::from_utf8(body.to_vec()).unwrap() }
        }
    }

    fn ask(&mut self, line: &str, fields: &[&[(&str, &str)]]) -> impl Future<Output = Answer> + use<> {
        self.send("shop.example", line, fields, Frames::none())
    }
}

#[tokio::test]
async fn every_endpoint_answers_on_one_connection() {
    let house = house("").await;
    let mut browser = Browser::at(&house).await;
    for line in ["GET /.countersign/session", "POST /.countersign/renew"] {
        let answer = browser.ask(line, &[&OURS, &CRUMBS]).await;
        assert_eq!(answer.verdict(), (StatusCode::OK, None), "{line} {}", answer.text);
        assert_eq!(answer.json()["user"]["sub"], "alice");
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert_eq!(answer.field("vary"), Some("Cookie, Origin, Sec-Fetch-Site"));
        assert!(answer.field("countersign-decision").is_some());
    }
    let head = browser.ask("HEAD /.countersign/session", &[&OURS, &CRUMBS]).await;
    assert_eq!((head.verdict(), head.text.as_str()), ((StatusCode::OK, None), ""));
    let login = browser.ask("GET /.countersign/login?display=popup&return=%2Fa", &[]).await;
    assert_eq!(login.verdict(), (StatusCode::SEE_OTHER, None));
    assert!(
        login.field("location").unwrap().starts_with("https://sso.example/login?next=https%3A%2F%2Fshop")
    );
    let done = browser.ask("GET /.countersign/done?display=popup&return=%2Fa", &[]).await;
    assert!(done.text.contains("postMessage({t:'login'})"), "{}", done.text);
    for script in ["client.js", "banner.js"] {
        let path = format!("GET /.countersign/{script}");
        let answer = browser.ask(&path, &[]).await;
        assert_eq!(answer.field("content-type"), Some("text/javascript; charset=utf-8"), "{script}");
        let tag = answer.field("etag").unwrap();
        let known = browser.ask(&path, &[&[("if-none-match", tag)]]).await;
        assert_eq!((known.head.status(), known.text.as_str()), (StatusCode::NOT_MODIFIED, ""), "{script}");
    }
    let logged_out = browser.ask("POST /.countersign/logout", &[&OURS, &CRUMBS]).await;
    assert_eq!(logged_out.json()["server_session"], "alive");
    for line in ["GET /.countersign/session", "POST /.countersign/renew", "GET /orders/"] {
        let answer = browser.ask(line, &[&OURS, &CRUMBS]).await;
        assert_eq!(answer.verdict(), (StatusCode::UNAUTHORIZED, Some("revoked")), "{line}");
        assert_eq!(answer.field("countersign-forwarded"), Some("0"), "{line}");
    }
    assert_eq!(house.received().len(), 0);
}

#[tokio::test]
async fn fifty_renewals_on_one_connection_ask_once() {
    let house = house("").await;
    let mut browser = Browser::at(&house).await;
    let all: Vec<_> =
        (0..50).map(|_| tokio::spawn(browser.ask("POST /.countersign/renew", &[&OURS, &[ALICE]]))).collect();
    let mut sessions = std::collections::BTreeSet::new();
    for answer in all {
        let answer = answer.await.unwrap();
        assert_eq!(answer.verdict(), (StatusCode::OK, None));
        sessions.insert(answer.json()["sid"].as_str().unwrap().to_owned());
    }
    assert_eq!((sessions.len(), house.server.arrived().len()), (1, 1));
}

#[tokio::test]
async fn g15_g16_sites_origins_and_names_are_judged_as_over_http1() {
    const APP: (&str, &str) = ("origin", "https://app.example");
    let house = house("").await;
    let mut browser = Browser::at(&house).await;
    let script = ("countersign", "1");
    let csrf = (StatusCode::FORBIDDEN, Some("csrf"));
    let ok = (StatusCode::OK, None);
    for (authority, fields, expected) in [
        ("shop.example", &OURS[..], ok),
        ("SHOP.example:443", &OURS, ok),
        ("app.example", &OURS, ok),
        ("shop.example", &[script, ("origin", "https://shop.example")], ok),
        ("shop.example", &[script, APP, ("sec-fetch-site", "cross-site")], ok),
        ("shop.example", &OURS[1..], (StatusCode::FORBIDDEN, Some("countersign_header_missing"))),
        ("shop.example", &[script], csrf),
        ("shop.example", &[script, ("sec-fetch-site", "same-site")], csrf),
        ("shop.example", &[script, ("sec-fetch-site", "none")], csrf),
        ("shop.example", &[OURS[0], OURS[1], ("origin", "https://evil.example")], csrf),
        ("shop.example", &[OURS[0], OURS[1], ("origin", "null")], csrf),
        ("shop.example", &[OURS[0], OURS[1], OURS[1]], csrf),
        ("shop.example", &[OURS[0], OURS[1], APP, APP], csrf),
        ("evil.example", &OURS, csrf),
        ("shop.example:8443", &OURS, csrf),
        // `:authority` and `Host` must be of one mind (RFC 9113 §8.3.1).
        (
            "shop.example",
            &[OURS[0], OURS[1], ("host", "evil.example")],
            (StatusCode::BAD_REQUEST, Some("host_invalid")),
        ),
    ] {
        for line in ["GET /.countersign/session", "POST /.countersign/renew"] {
            let answer = browser.send(authority, line, &[fields, &[ALICE]], Frames::none()).await;
            assert_eq!(answer.verdict(), expected, "{line} {authority} {fields:?}");
            let readable = fields.contains(&APP) && expected != csrf;
            let allowed = answer.field("access-control-allow-origin");
            assert_eq!(allowed == Some(APP.1), readable, "{line} {fields:?}");
            assert_eq!(answer.field("cache-control"), Some("no-store"), "{line} {fields:?}");
        }
    }
    let preflight =
        [("access-control-request-method", "POST"), ("access-control-request-headers", "countersign")];
    for (origin, expected) in [
        (APP, (StatusCode::NO_CONTENT, None)),
        (("origin", "https://evil.example"), csrf),
        (("origin", "null"), csrf),
    ] {
        let answer = browser.ask("OPTIONS /.countersign/renew", &[&preflight, &[origin]]).await;
        assert_eq!(answer.verdict(), expected, "{origin:?}");
        let allowed = answer.field("access-control-allow-origin");
        assert_eq!(allowed, (origin == APP).then_some(APP.1), "{origin:?}");
    }
    assert_eq!(house.received().len(), 0);
}

#[tokio::test]
async fn cookies_in_pieces_are_one_field() {
    let house = house("").await;
    let mut browser = Browser::at(&house).await;
    let two = [("cookie", "SESSION=alice-session"), ("cookie", "SESSION=bob-session")];
    let answer = browser.ask("GET /.countersign/session", &[&OURS, &two]).await;
    assert_eq!(answer.verdict(), (StatusCode::BAD_REQUEST, Some("ambiguous_credential")));
    let twice = [ALICE, ALICE];
    let answer = browser.ask("GET /.countersign/session", &[&OURS, &twice]).await;
    assert_eq!(answer.verdict(), (StatusCode::OK, None));
}

#[tokio::test]
async fn a_body_without_a_length_is_left_unread() {
    let house = house("").await;
    let mut browser = Browser::at(&house).await;
    // It never ends, and is not waited for.
    let (sender, body) = Frames::channel();
    sender.send(Frame::data(Bytes::from_static(b"{"))).await.unwrap();
    let answer = browser.send("shop.example", "POST /.countersign/renew", &[&OURS, &[ALICE]], body).await;
    assert_eq!(answer.verdict(), (StatusCode::OK, None));
    drop(sender);
    // What says that it is long is refused before it comes.
    let (sender, body) = Frames::channel();
    let long = [("content-length", "4097")];
    let answer =
        browser.send("shop.example", "POST /.countersign/renew", &[&OURS, &[ALICE], &long], body).await;
    assert_eq!(answer.verdict(), (StatusCode::PAYLOAD_TOO_LARGE, Some("body_too_large")));
    drop(sender);
    let answer = browser.ask("POST /.countersign/renew", &[&OURS, &[ALICE]]).await;
    assert_eq!(answer.verdict(), (StatusCode::OK, None), "the connection goes on");
}

#[tokio::test]
async fn by_tls_and_alpn_as_a_browser_comes() {
    let folder = tempfile::tempdir().unwrap();
    let (files, certificate) = renew(folder.path());
    fs::set_permissions(&files.key_file, Permissions::from_mode(0o600)).unwrap();
    let tls = format!(
        "mode = \"bearer\"\n[tls]\ncertificate_file = \"{}\"\nkey_file = \"{}\"\n",
        files.certificate_file.display(),
        files.key_file.display()
    );
    let house = house_with("", &tls).await;
    let socket = TcpStream::connect(house.address).await.unwrap();
    let stream = shake_over(socket, &certificate, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut browser = Browser(connect(stream).await);
    let answer = browser.ask("POST /.countersign/renew", &[&OURS, &CRUMBS]).await;
    assert_eq!(answer.verdict(), (StatusCode::OK, None), "{}", answer.text);
    let authorization = format!("Bearer {}", answer.json()["token"].as_str().unwrap());
    let answer = browser.ask("GET /orders/", &[&[("authorization", &authorization)]]).await;
    assert_eq!(answer.verdict(), (StatusCode::OK, None));
    let answer = browser.ask("POST /.countersign/logout", &[&OURS, &[ALICE]]).await;
    assert_eq!(answer.verdict(), (StatusCode::OK, None));
    let answer = browser.ask("GET /orders/", &[&[("authorization", &authorization)]]).await;
    assert_eq!(answer.verdict(), (StatusCode::UNAUTHORIZED, Some("revoked")));
}
