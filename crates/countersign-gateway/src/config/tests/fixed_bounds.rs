//! The page of the reference states the constants of the source.

use std::{fs, path::Path};

use crate::config::reference;

/// What a row says, and what is behind it: file and constant, or the code that takes it from a setting.
const ROWS: &[(&str, &[(&str, &str)])] = &[
    (
        "| request target | 8 KiB |",
        &[("server/head_guard/request_line.rs", "MAX_TARGET_BYTES: usize = 8 * 1024;")],
    ),
    ("| method | 32 bytes |", &[("server/head_guard/request_line.rs", "MAX_METHOD_BYTES: usize = 32;")]),
    (
        "| extensions of one chunk | 256 bytes |",
        &[("server/head_guard/chunked.rs", "MAX_EXTENSION_BYTES: usize = 256;")],
    ),
    (
        "| chunk extensions of one body | 8 KiB |",
        &[("server/head_guard/chunked.rs", "MAX_EXTENSIONS_BYTES: usize = 8 * 1024;")],
    ),
    (
        "| trailers of a request over HTTP/1.1 | 8 KiB |",
        &[("server/head_guard/chunked.rs", "MAX_TRAILER_BYTES: usize = 8 * 1024;")],
    ),
    ("| credential | 8 KiB |", &[("credential.rs", "MAX_CREDENTIAL_BYTES: usize = 8 * 1024;")]),
    (
        "| answer of the authorization server | 64 KiB, 16 KiB of headers |",
        &[
            ("session/source/client.rs", "MAX_ANSWER_BYTES: usize = 64 * 1024;"),
            ("session/source/client.rs", "MAX_ANSWER_HEADER_BYTES: usize = 16 * 1024;"),
        ],
    ),
    (
        "| HTTP/2 streams a client resets before they are taken | 20; 1,000 on a connection of `trusted_proxies` |",
        &[
            ("server/connection.rs", "PENDING_RESETS: usize = 20;"),
            ("server/connection.rs", "PENDING_RESETS_OF_MANY: usize = 1000;"),
        ],
    ),
    (
        "| HTTP/2 streams that end by a client's errors | 1,024 |",
        &[("server/http2.rs", "LOCAL_RESETS: usize = 1024;")],
    ),
    (
        "| HTTP/2 answer waiting for a client, for each stream | 64 KiB |",
        &[("server/http2.rs", "SEND_BUFFER: usize = 64 * 1024;")],
    ),
    (
        "| what a client sends after its last answer over HTTP/1.1 | read away for 2 s, until it closes |",
        &[("server/http1.rs", "LINGER: Duration = Duration::from_secs(2);")],
    ),
    (
        "| first request of a connection that is open when a drain begins | 1 s |",
        &[("server/watch.rs", "LAST_CHANCE: Duration = Duration::from_secs(1);")],
    ),
    (
        "| connections that a worker opens to one upstream at once | 64 |",
        &[("upstream/origin.rs", "CONNECTING: usize = 64;")],
    ),
    (
        "| waiting for one's turn to connect | 15 × `limits.connect_timeout` |",
        &[("upstream/pools.rs", "PATIENCE: u32 = 15;")],
    ),
    (
        "| idle connection to an upstream over HTTP/1.1 | 4 s |",
        &[("upstream/origin.rs", "IDLE_AGE: Duration = Duration::from_secs(4);")],
    ),
    (
        "| addresses of an upstream's name | 30 s |",
        &[("upstream/connect.rs", "NAMES_TTL: Duration = Duration::from_secs(30);")],
    ),
    (
        "| an upstream after 3 failures to connect within 10 s | 10 s |",
        &[
            ("upstream/origin.rs", "EJECT_FAILURES: usize = 3;"),
            ("upstream/origin.rs", "EJECT_WINDOW: Duration = Duration::from_secs(10);"),
            ("upstream/origin.rs", "EJECT_TIME: Duration = Duration::from_secs(10);"),
        ],
    ),
    (
        "| HTTP/2 connections of a worker to one upstream | 4, a new one beyond 100 streams |",
        &[("upstream/http2.rs", "CONNECTIONS: usize = 4;"), ("upstream/http2.rs", "STREAMS: usize = 100;")],
    ),
    (
        "| HTTP/2 upstream that is silent while requests are open | 20 s, then 10 s for the answer to a ping |",
        &[
            ("upstream/http2.rs", "PING_AFTER: Duration = Duration::from_secs(20);"),
            ("upstream/http2.rs", "PING_TIMEOUT: Duration = Duration::from_secs(10);"),
        ],
    ),
    (
        "| head of a service's answer over HTTP/1.1 | 100 fields, 100 options of `Connection`, 256 KiB |",
        &[
            ("http1.rs", "MAX_FIELDS: usize = 100;"),
            ("upstream/http1/answer.rs", "MAX_HEAD_BYTES: usize = 256 * 1024;"),
        ],
    ),
    (
        "| before the head of a service's answer over HTTP/1.1 | 100 informational answers, 16 empty lines |",
        &[
            ("upstream/http1.rs", "MAX_INFORMATIONAL: u8 = 100;"),
            ("upstream/http1/answer.rs", "MAX_EMPTY_LINES: u8 = 16;"),
        ],
    ),
    (
        "| trailers of a service's answer over HTTP/1.1, and the line of a chunk's size | 16 KiB |",
        &[("upstream/http1/answer.rs", "MAX_LINE_BYTES: usize = 16 * 1024;")],
    ),
    (
        "| a client's connection that is to leave HTTP, once the service agreed | 10 s |",
        &[("upstream/tunnel.rs", "SWITCH_TIMEOUT: Duration = Duration::from_secs(10);")],
    ),
    (
        "| RSA signatures at once | one for each of `workers`; 4 for exchanges |",
        &[
            ("gateway/start.rs", "keyring.signing_at_once(config.workers)"),
            ("internal/exchange/pace.rs", "SLOW_AT_ONCE: usize = 4;"),
            ("internal/exchange/pace.rs", "slow: SlowSigning::new(SLOW_AT_ONCE)"),
        ],
    ),
    (
        "each | 64 connections, 16 KiB and 10 s for a head, 30 s for all |",
        &[
            ("admin/serve.rs", "CONNECTIONS: usize = 64;"),
            ("admin/serve.rs", "HEAD_BYTES: usize = 16 * 1024;"),
            ("admin/serve.rs", "HEAD_TIMEOUT: Duration = Duration::from_secs(10);"),
            ("admin/serve.rs", "CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);"),
        ],
    ),
    (
        "| `internal_listen` | 1,024 connections, 32 KiB and 10 s for a head, 64 KiB for a form |",
        &[
            ("internal/serve.rs", "CONNECTIONS: usize = 1024;"),
            ("internal/serve.rs", "HEAD_BYTES: usize = 32 * 1024;"),
            ("internal/serve.rs", "HEAD_TIMEOUT: Duration = Duration::from_secs(10);"),
            ("internal/serve.rs", "FORM_BYTES: usize = 64 * 1024;"),
        ],
    ),
    (
        "| revocation feed | 1,000 streams, 16 pieces and 5 s behind for each |",
        &[
            ("internal/feed.rs", "MAX_STREAMS: usize = 1000;"),
            ("internal/feed.rs", "PIECES: usize = 16;"),
            ("internal/feed.rs", "SLOW: Duration = Duration::from_secs(5);"),
        ],
    ),
];

#[test]
fn every_row_states_the_constants_of_the_source() {
    let page = reference::markdown();
    for (row, constants) in ROWS {
        assert!(page.contains(row), "{row}");
        for (file, declaration) in *constants {
            let text =
                fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)).unwrap();
            let is_constant = declaration.ends_with(';');
            let code = if is_constant { format!("const {declaration}") } else { (*declaration).to_owned() };
            assert!(text.contains(&code), "{file} no longer says `{code}`: {row}");
        }
    }
    let (_, section) = page.split_once("## Fixed bounds").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).count() - 1;
    assert_eq!(rows, ROWS.len(), "a row without a constant");
}
