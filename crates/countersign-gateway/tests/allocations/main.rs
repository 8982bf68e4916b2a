//! What a warm request costs in allocations: at most two more than the same request on a `public` route.
//!
//! A binary of its own, because the counting allocator sees every thread: nothing else may run meanwhile. The
//! client and both servers here use buffers that they made before the counting begins.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets what it did not expect fails"
)]

mod http;

use std::{
    alloc::System,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    num::NonZeroUsize,
    sync::Arc,
    thread,
};

use countersign_gateway::{
    clock::SystemClock,
    config::{Environment, FileContent, resolved::Config},
    entropy::SystemEntropy,
    gateway::{Gateway, Surroundings},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Requests over which is averaged: what happens now and then (a timer, a buffer that grows) must not count.
const REQUESTS: usize = 2_000;

#[derive(Debug)]
struct Given;

impl Environment for Given {
    fn variable(&self, _: &str) -> Option<String> {
        Some("secret".to_owned())
    }

    fn read_file(&self, _: &std::path::Path) -> std::io::Result<FileContent> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// Answers every request on every connection with the same bytes.
fn answering(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 8192];
                let mut length = 0;
                while let Ok(read) = socket.read(&mut buffer[length..]) {
                    length += read;
                    if read == 0 {
                        return;
                    }
                    // One request at a time, each in one piece or a few; a form body ends in `token`.
                    if buffer[..length].ends_with(b"\r\n\r\n") || buffer[..4] == *b"POST" {
                        length = 0;
                        socket.write_all(answer).unwrap();
                    }
                }
            });
        }
    });
    address
}

fn gateway(state: &std::path::Path) -> Gateway {
    let server = answering(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 48\r\n\r\n{\"active\":true,\"sub\":\"alice\",\"roles\":[\"editor\"]}",
    );
    let service = answering(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok");
    let text = format!(
        r#"issuer = "https://shop.example"
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
state_dir = "{state}"
workers = 1
[session]
cookie = "SESSION"
introspect = "http://{server}/introspect"
client_id = "gateway"
client_secret_env = "SECRET"
recheck = "1h"
[[route]]
path = "/orders/"
upstream = "http://{service}"
audience = "orders"
[[route]]
path = "/public/"
upstream = "http://{service}"
public = true
"#,
        state = state.display(),
    );
    let config = Config::from_toml("test.toml", &text, &Given, NonZeroUsize::MIN).unwrap();
    let surroundings = Surroundings {
        clock: Arc::new(SystemClock::start()),
        entropy: Arc::new(SystemEntropy),
        listeners: Vec::new(),
        reload: None,
        signals: false,
        log_losses: None,
    };
    Gateway::start(&config, surroundings).unwrap()
}

/// Sends a request and reads its short answer, with the buffer that is there.
fn exchange(socket: &mut TcpStream, request: &[u8], buffer: &mut [u8]) {
    socket.write_all(request).unwrap();
    let mut length = 0;
    while !buffer[..length].ends_with(b"\r\n\r\nok") {
        let read = socket.read(&mut buffer[length..]).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&buffer[..length]));
        length += read;
    }
}

/// Allocations of one warm request, on average.
fn allocations(address: SocketAddr, path: &str) -> f64 {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: test\r\nAccept: */*\r\n\
         Cookie: SESSION=0123456789abcdef0123456789abcdef\r\n\r\n"
    );
    let mut socket = TcpStream::connect(address).unwrap();
    let mut buffer = [0; 4096];
    for _ in 0..100 {
        exchange(&mut socket, request.as_bytes(), &mut buffer);
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..REQUESTS {
        exchange(&mut socket, request.as_bytes(), &mut buffer);
    }
    let change = region.change();
    (change.allocations + change.reallocations) as f64 / REQUESTS as f64
}

#[test]
fn a_translation_allocates_at_most_twice_more_than_a_public_route() {
    http::nothing_is_allocated();
    let state = tempfile::tempdir().unwrap();
    let gateway = gateway(&state.path().join("state"));
    let address = gateway.addresses()[0];
    let public = allocations(address, "/public/");
    let translated = allocations(address, "/orders/");
    println!("allocations of a warm request: public {public:.2}, translated {translated:.2}");
    assert!(translated <= public + 2.0, "public {public:.2}, translated {translated:.2}");
    // The whole way, parsing and both connections included: heads and bodies as long as they are, in place of buffers
    // that every connection would keep. It is 6.00: one more on each request wants a reason.
    assert!(public <= 6.5, "public {public:.2}");
    gateway.drain();
    gateway.wait().unwrap();
}
