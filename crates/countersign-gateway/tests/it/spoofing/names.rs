//! No spelling of an identity header gets through.

use proptest::{collection::vec, prelude::*, sample::select};

use crate::corpus::replay;

#[path = "../../../../../fuzz/src/http_headers.rs"]
#[expect(unreachable_pub, reason = "the fuzz target uses it from outside")]
mod http_headers;

const NAMES: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-user",
    "x-real-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-envoy-peer",
    "txn-token",
    "x-user",
    "x-user-id",
    "x-roles",
    "x-auth-request-user",
    "countersign-decision",
    "x-countersign-sub",
    "x-http-method-override",
    "connection",
    "keep-alive",
    "te",
    "upgrade",
    "transfer-encoding",
    "trailer",
    "set-cookie",
    "cookie",
    "vary",
    "cache-control",
    "accept",
    "host",
    "x-request-id",
];
const SEPARATORS: &[char] = &['-', '_', '.', '~', '!', '+'];
const VALUES: &[&str] = &[
    "a",
    "SESSION=x; Path=/",
    "=SESSION=x",
    "theme=x",
    "authorization, x-user",
    "keep-alive, te",
    "trailers",
    "gzip, trailers",
    "Bearer eyJ.eyJ.sig",
    "public, max-age=5",
    "no-store",
    "accept, cookie",
    "*",
    "websocket",
    "",
];

fn line() -> impl Strategy<Value = String> {
    (select(NAMES), vec(select(SEPARATORS), 4), any::<bool>(), select(VALUES)).prop_map(
        |(name, separators, is_upper, value)| {
            let mut separators = separators.into_iter();
            let name: String = name
                .chars()
                .map(|character| match character {
                    '-' => separators.next().unwrap_or('-'),
                    other if is_upper => other.to_ascii_uppercase(),
                    other => other,
                })
                .collect();
            format!("{name}:{value}\n")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn no_spelling_gets_through(lines in vec(line(), 0..12)) {
        http_headers::run(lines.concat().as_bytes());
    }
}

#[test]
fn the_corpus_gets_nothing_through() {
    assert!(replay("http_headers", http_headers::run) >= 7);
}
