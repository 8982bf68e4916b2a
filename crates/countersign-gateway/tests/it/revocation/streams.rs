//! Open streams end with what the service was given for them, whatever revoked it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{JoinHandle, JoinSet, LocalSet},
    time::{Instant, sleep, timeout},
};

use super::{
    ALICE, CLIENTS, FORM, INTERNAL, ask, basic, command,
    log_out_tokens::{LogoutIssuer, post},
    token_in,
};
use crate::{
    proxy::house::{House, claims_in, who},
    server::{
        frames::{Echo, Frames, connect},
        harness::soon,
        recorder::{OK, Recorder},
    },
    sources::fake::{Arrived, json as answer},
};

/// A service that begins to answer and never ends.
pub(crate) async fn endless(head: &'static str) -> Recorder {
    Recorder::start(move |mut socket, _, record| async move {
        while record.take(&mut socket).await.is_some() {
            socket.write_all(head.as_bytes()).await.unwrap();
        }
    })
    .await
}

pub(crate) const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello";

/// What the server says of Alice until something changes.
const EDITOR: &str =
    r#"{"active":true,"sub":"alice","sid":"server-alice","roles":["editor"],"org":{"id":"acme"}}"#;
const BOB: &str =
    r#"{"active":true,"sub":"bob","sid":"server-bob","roles":["editor"],"org":{"id":"globex"}}"#;

/// A stream looks twice a second; a busy machine looks later.
const PATIENCE: Duration = Duration::from_secs(60);

/// How something is revoked that concerns Alice's streams.
#[derive(Debug, Clone, Copy)]
enum Cause {
    /// The server answers otherwise, and Alice's next request after `recheck` finds it.
    Answer(&'static str),
    /// A log-out token of a session that another user has now.
    LogOutToken,
    /// An operator's command, by this member of Alice's token.
    Operator(&'static str, &'static str),
    /// The service gives its token back.
    GivenBack,
}

const CAUSES: [(&str, Cause); 8] = [
    ("an operator ends the session", Cause::Operator("session", "sid")),
    ("an operator ends the user's sessions", Cause::Operator("subject", "sub")),
    ("an operator ends the token", Cause::Operator("token", "jti")),
    ("the service gives its token back", Cause::GivenBack),
    ("the server says no", Cause::Answer(r#"{"active":false}"#)),
    (
        "a role is lost",
        Cause::Answer(r#"{"active":true,"sub":"alice","sid":"server-alice","roles":[],"org":{"id":"acme"}}"#),
    ),
    (
        "another user has the session",
        Cause::Answer(
            r#"{"active":true,"sub":"carol","sid":"server-alice","roles":["editor"],"org":{"id":"acme"}}"#,
        ),
    ),
    ("a log-out of whoever had it before", Cause::LogOutToken),
];

/// An event stream and a WebSocket of Alice's, and of Bob's.
struct Streams {
    house: House,
    issuer: LogoutIssuer,
    /// What the server says of Alice.
    alice: Arc<Mutex<&'static str>>,
    hers: Vec<JoinHandle<Vec<u8>>>,
    his: Vec<JoinHandle<Vec<u8>>>,
    /// What the services were sent for Alice.
    token: String,
    claims: Value,
    _services: [Recorder; 2],
}

impl Streams {
    async fn open() -> Self {
        let services = [endless(EVENTS).await, endless(SWITCHED).await];
        let issuer = LogoutIssuer::start().await;
        let more = format!(
            "{}[[route]]\npath = \"/events/\"\nupstream = \"http://{}\"\naudience = \"orders\"\n{}",
            CLIENTS.replace("SERVICE", &services[1].address.to_string()),
            services[0].address,
            issuer.lines(),
        );
        let alice = Arc::new(Mutex::new(EDITOR));
        let of_alice = Arc::clone(&alice);
        let respond = move |arrived: &Arrived| {
            let is_bob = arrived.form().contains(&("token".to_owned(), "bob-session".to_owned()));
            answer(200, if is_bob { BOB } else { *of_alice.lock().unwrap() })
        };
        let recheck = "recheck = \"1s\"";
        let house = House::asking(recheck, INTERNAL, &more, Recorder::answering(OK).await, respond).await;
        let (mut hers, mut his) = (Vec::new(), Vec::new());
        for (lines, last) in [
            ("GET /events/ HTTP/1.1\r\n", "data: 1\n\n\r\n"),
            (
                "GET /socket/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-Fetch-Site: same-origin\r\n",
                "hello",
            ),
        ] {
            hers.push(opened(&house, lines, "alice", last).await);
            his.push(opened(&house, lines, "bob", last).await);
        }
        let heads = services.each_ref().map(|service| service.record.requests().remove(0).0);
        let (token, claims) = (token_in(&heads[0]), claims_in(&heads[0]));
        assert_eq!(claims_in(&heads[1])["jti"], claims["jti"], "both are of one audience");
        Self { house, issuer, alice, hers, his, token, claims, _services: services }
    }

    async fn revoke(&self, cause: Cause) {
        match cause {
            Cause::Answer(text) => *self.alice.lock().unwrap() = text,
            Cause::GivenBack => {
                let headers = format!("{}{FORM}", basic("orders"));
                let given =
                    ask(&self.house, "POST /revoke", &headers, &format!("token={}", self.token)).await;
                assert!(given.starts_with("HTTP/1.1 200 "), "{given}");
            }
            Cause::LogOutToken => {
                let token = self.issuer.about("1", Some("dora"), Some("server-alice"));
                let ended = post(&self.house, &token).await;
                assert!(ended.starts_with("HTTP/1.1 200 "), "{ended}");
            }
            Cause::Operator(target, member) => {
                let (status, told) = command(&self.house, json!({ target: self.claims[member] })).await;
                assert_eq!(status, 200, "{told}");
            }
        }
    }

    /// A request of Alice's beside her streams.
    async fn request(&self) -> String {
        self.house.send("GET /orders/", &[ALICE]).await
    }

    fn hers_have_ended(&self) -> bool {
        self.hers.iter().all(JoinHandle::is_finished)
    }
}

/// Opens a stream and waits for its first piece; the handle gives what comes after it.
pub(super) async fn opened(house: &House, lines: &str, person: &str, last: &str) -> JoinHandle<Vec<u8>> {
    let mut socket = TcpStream::connect(house.address).await.unwrap();
    let request = format!("{lines}Host: shop.example\r\nCookie: SESSION={person}-session\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut begun = Vec::new();
    while !begun.ends_with(last.as_bytes()) {
        let read = socket.read_buf(&mut begun).await.unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&begun));
    }
    tokio::spawn(async move {
        let mut rest = Vec::new();
        // However it ends.
        let _ = socket.read_to_end(&mut rest).await;
        rest
    })
}

#[tokio::test]
async fn open_streams_end_whatever_revokes_what_they_were_opened_with() {
    let rooms = LocalSet::new();
    rooms
        .run_until(async {
            let mut rows = JoinSet::new();
            for (name, cause) in CAUSES {
                rows.spawn_local(end(name, cause));
            }
            while let Some(row) = rows.join_next().await {
                row.unwrap();
            }
        })
        .await;
}

async fn end(name: &str, cause: Cause) {
    let mut streams = Streams::open().await;
    streams.revoke(cause).await;
    let begin = Instant::now();
    while !streams.hers_have_ended() {
        assert!(begin.elapsed() < PATIENCE, "{name}: a stream goes on");
        if matches!(cause, Cause::Answer(_)) {
            streams.request().await;
        }
        sleep(Duration::from_millis(20)).await;
    }
    for stream in &mut streams.hers {
        // An event stream is broken off, not ended as if it were whole.
        assert!(!stream.await.unwrap().ends_with(b"0\r\n\r\n"), "{name}");
    }
    for stream in &mut streams.his {
        let others = timeout(Duration::from_millis(700), stream).await;
        assert!(others.is_err(), "{name}: another's stream goes on");
    }
}

#[tokio::test]
async fn streams_go_on_when_their_session_can_do_more_than_before() {
    let streams = Streams::open().await;
    let more = r#"{"active":true,"sub":"alice","sid":"server-alice","roles":["admin","editor"],"org":{"id":"acme"}}"#;
    streams.revoke(Cause::Answer(more)).await;
    let begin = Instant::now();
    let is_known = || {
        let heads = streams.house.received();
        heads.last().is_some_and(|head| claims_in(head)["roles"] == json!(["admin", "editor"]))
    };
    while !is_known() {
        assert!(begin.elapsed() < PATIENCE, "the recheck finds nothing");
        assert!(streams.request().await.starts_with("HTTP/1.1 200 "));
        sleep(Duration::from_millis(20)).await;
    }
    // Somebody else's log-out has every stream look.
    let (status, _) = command(&streams.house, json!({ "subject": "carol" })).await;
    assert_eq!(status, 200);
    sleep(Duration::from_millis(1200)).await;
    assert!(streams.hers.iter().all(|stream| !stream.is_finished()));
}

/// As a gRPC client sees it: a call that is open both ways, over HTTP/2 to the gateway and on to the service.
#[tokio::test]
async fn a_grpc_stream_ends_with_the_token_it_was_opened_with() {
    let echo = Echo::start().await;
    let more = format!(
        "{}[[route]]\npath = \"/grpc/\"\nupstream = \"h2c://{}\"\naudience = \"orders\"\n",
        CLIENTS.replace("SERVICE", "127.0.0.1:9"),
        echo.address,
    );
    let house = House::with(INTERNAL, &more, Recorder::answering(OK).await, who).await;
    let mut client = connect(TcpStream::connect(house.address).await.unwrap()).await;
    let (sender, frames) = Frames::channel();
    let request = Request::post("http://shop.example/grpc/")
        .header("cookie", "SESSION=alice-session")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/grpc");
    let response = soon(client.send_request(request.body(frames).unwrap())).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    sender.send(Frame::data(Bytes::from_static(b"hello"))).await.unwrap();
    assert_eq!(soon(body.frame()).await.unwrap().unwrap().into_data().unwrap(), "hello");
    // The session goes on, and so does what it opens with the next token.
    house.send("GET /orders/", &[ALICE]).await;
    let claims = claims_in(&house.received()[0]);
    let (status, told) = command(&house, json!({ "token": claims["jti"] })).await;
    assert_eq!(status, 200, "{told}");
    let broken_off = timeout(PATIENCE, body.frame()).await.expect("the stream goes on");
    assert!(broken_off.unwrap().is_err());
    assert!(house.send("GET /orders/", &[ALICE]).await.starts_with("HTTP/1.1 200 "));
}
