//! Real HTTP against an endpoint that misbehaves.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use super::{id, key};
use crate::{
    JwkError, KeySet, KeySetError, KeySource, SystemClock, UnixTime,
    remote::{
        FetchError, RemoteKeys, StartError,
        discovery::{self, Where},
        fetch::{Fetch, Fetched, HttpFetch},
        location::Location,
    },
};

/// Answers each connection by its path; returns the origin.
async fn serve(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    serve_requests(move |request| answer(request.split(' ').nth(1).unwrap_or_default())).await
}

/// Answers each connection by its whole request; returns the origin.
pub(in crate::remote) async fn serve_requests(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let request = whole(&mut socket).await;
            // A client that has seen enough may have left.
            let _ = socket.write_all(answer(&request).as_bytes()).await;
        }
    });
    origin
}

/// One request to the end of its body: what is not read when the connection closes would cost the answer.
async fn whole(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        if socket.read_buf(&mut read).await.unwrap() == 0 {
            return text;
        }
    }
}

fn ok(body: &str) -> String {
    answer("200 OK", "Cache-Control: max-age=60\r\n", body)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn key_set() -> String {
    serde_json::to_string(&KeySet::new([key().verifying_key().unwrap()]).unwrap()).unwrap()
}

async fn fetch(body: String) -> Result<Fetched, FetchError> {
    let origin = serve(move |_| body.clone()).await;
    let location = Location::parse(&format!("{origin}/keys"), false).unwrap();
    HttpFetch::new(Where::Given(location), false).unwrap().fetch().await
}

#[tokio::test]
async fn a_key_set_is_fetched_with_its_life() {
    let fetched = fetch(ok(&key_set())).await.unwrap();
    assert_eq!((fetched.keys.unwrap().len(), fetched.max_age), (1, Some(Duration::from_secs(60))));
}

#[tokio::test]
async fn what_is_no_key_set_is_refused_by_name() {
    let refused = |body| async { fetch(body).await.unwrap_err() };
    assert!(matches!(refused(answer("500 Oops", "", "{}")).await, FetchError::Status(_)));
    assert!(matches!(refused(answer("204 No Content", "", "")).await, FetchError::Status(_)));
    assert!(matches!(refused(ok("<html>log in</html>")).await, FetchError::KeySet(KeySetError::Malformed)));
    assert!(matches!(refused(ok(r#"{"keys":[]}"#)).await, FetchError::NoKeys));
    let other_use = key_set().replace(r#""sig""#, r#""enc""#);
    let refusal = refused(ok(&other_use)).await;
    assert!(matches!(refusal, FetchError::NoUsableKey(JwkError::OtherUse)), "{refusal:?}");
    let huge = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(KeySet::MAX_BYTES));
    assert!(matches!(refused(ok(&huge)).await, FetchError::TooLarge));
    let cut = ok(&key_set());
    assert!(matches!(refused(cut.get(..cut.len() - 9).unwrap().to_owned()).await, FetchError::Body));
    assert!(matches!(refused("rubbish\r\n\r\n".to_owned()).await, FetchError::Unreachable(_)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let keys = key_set();
    let origin = serve(move |path| match path {
        "/good" => ok(&keys),
        _ => answer("302 Found", "Location: /good\r\n", ""),
    })
    .await;
    let location = Location::parse(&format!("{origin}/keys"), false).unwrap();
    let refused = HttpFetch::new(Where::Given(location), false).unwrap().fetch().await;
    assert!(matches!(refused, Err(FetchError::Status(status)) if status == 302));
}

#[tokio::test]
async fn an_endpoint_that_nobody_listens_at_is_unreachable() {
    // Bound, so that nobody else is given the port, and not listened on.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/keys", nobody.local_addr().unwrap());
    let location = Location::parse(&url, false).unwrap();
    let refused = HttpFetch::new(Where::Given(location), false).unwrap().fetch().await;
    assert!(matches!(refused, Err(FetchError::Unreachable(_))));
}

/// An issuer whose `OpenID` metadata does not exist, or is whatever `openid` says about its own origin.
async fn issuer(openid: Option<fn(&str) -> String>) -> String {
    let keys = key_set();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let own = origin.clone();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = socket.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let metadata = format!(r#"{{"issuer":"{own}","jwks_uri":"{own}/keys"}}"#);
            let body = match (request.split(' ').nth(1).unwrap_or_default(), openid) {
                ("/keys", _) => ok(&keys),
                ("/.well-known/openid-configuration", Some(openid)) => openid(&own),
                ("/.well-known/oauth-authorization-server", _) => ok(&metadata),
                _ => answer("404 Not Found", "", ""),
            };
            let _ = socket.write_all(body.as_bytes()).await;
        }
    });
    origin
}

async fn discovered(issuer: &str) -> Result<Fetched, FetchError> {
    let metadata = discovery::metadata_locations(&issuer.into(), false).unwrap();
    let place = Where::Discovered { issuer: issuer.into(), metadata };
    HttpFetch::new(place, false).unwrap().fetch().await
}

#[tokio::test]
async fn the_key_set_is_found_where_the_issuer_says() {
    let origin = issuer(None).await;
    assert_eq!(
        discovered(&origin).await.unwrap().keys.unwrap().len(),
        1,
        "RFC 8414, as there is no OpenID metadata"
    );
    assert!(matches!(discovered(&format!("{origin}/")).await, Err(FetchError::OtherIssuer)));

    let other = issuer(Some(|own| ok(&format!(r#"{{"issuer":"{own}/x","jwks_uri":"{own}/keys"}}"#)))).await;
    assert!(matches!(discovered(&other).await, Err(FetchError::OtherIssuer)), "the other place is not asked");
    let broken = issuer(Some(|_| answer("500 Oops", "", ""))).await;
    assert!(matches!(discovered(&broken).await, Err(FetchError::Status(_))));
    let without: [fn(&str) -> String; 4] = [
        |_| ok("<!doctype html>"),
        |_| answer("302 Found", "Location: /login\r\n", ""),
        |_| answer("403 Forbidden", "", ""),
        |_| ok(r#"{"error":"not found"}"#),
    ];
    for no_document in without {
        let origin = issuer(Some(no_document)).await;
        let found = discovered(&origin).await;
        assert!(found.is_ok(), "{}: {found:?}", no_document(""));
    }
    let nowhere = serve(|path| match path {
        "/.well-known/openid-configuration" => ok("<!doctype html>"),
        _ => answer("404 Not Found", "", ""),
    });
    assert!(matches!(discovered(&nowhere.await).await, Err(FetchError::Metadata)), "not the second's 404");
}

#[tokio::test]
async fn keys_come_over_http_from_start_to_token() {
    let signing = key();
    let set = serde_json::to_string(&KeySet::new([signing.verifying_key().unwrap()]).unwrap()).unwrap();
    let origin = serve(move |_| ok(&set)).await;
    let keys = RemoteKeys::builder().key_set(format!("{origin}/keys")).start().unwrap();
    assert!(timeout(Duration::from_secs(20), keys.ready(Duration::from_secs(10))).await.unwrap());
    let now: UnixTime = crate::Clock::now(&SystemClock);
    assert!(keys.published().current(now).unwrap().find(id(&signing).as_str()).is_some());
}

#[tokio::test]
async fn a_place_that_cannot_be_trusted_is_refused_at_start() {
    let start = |url: &str| RemoteKeys::builder().key_set(url).start().map(|_| ());
    assert!(matches!(start("http://shop.example/keys"), Err(StartError::Location(_))));
    assert!(matches!(RemoteKeys::builder().start(), Err(StartError::Nowhere)));
    let discovered = RemoteKeys::builder().discover("http://shop.example").start();
    assert!(matches!(discovered, Err(StartError::Location(_))));
}

#[test]
fn a_runtime_is_needed() {
    let started = RemoteKeys::builder().key_set("http://127.0.0.1:1/keys").start();
    assert!(matches!(started, Err(StartError::NoRuntime)));
}

#[tokio::test]
async fn a_tag_is_sent_back_and_nothing_new_is_no_body() {
    let keys = key_set();
    let origin = serve_requests(move |request| {
        if request.to_ascii_lowercase().contains("if-none-match: \"v1\"") {
            return answer("304 Not Modified", "Cache-Control: max-age=90\r\n", "");
        }
        answer("200 OK", "ETag: \"v1\"\r\n", &keys)
    })
    .await;
    let location = Location::parse(&format!("{origin}/keys"), false).unwrap();
    let mut fetch = HttpFetch::new(Where::Given(location), false).unwrap();
    assert!(fetch.fetch().await.unwrap().keys.is_some());
    for _ in 0..2 {
        let again = fetch.fetch().await.unwrap();
        assert_eq!((again.keys.is_none(), again.max_age), (true, Some(Duration::from_secs(90))));
    }
}

#[tokio::test]
async fn not_modified_without_having_asked_is_no_answer() {
    assert!(matches!(fetch(answer("304 Not Modified", "", "")).await, Err(FetchError::Status(_))));
}
