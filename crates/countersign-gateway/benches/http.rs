//! The price of honest HTTP: following the framing of a head, and taking fields from requests and answers.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up ends")]

use std::{hint::black_box, time::Duration};

use countersign_gateway::{
    config::resolved::Limits,
    http::{
        Fields, Parts,
        headers::{
            CacheRule, CredentialRule, RequestRules, ResponseRules, UpgradeRule, VaryBy, strip_request,
            strip_response,
        },
    },
    server::{RequestReader, head_guard::Follow},
    upstream::AnswerReader,
};
use criterion::Criterion;
use http::HeaderValue;

/// What a browser sends for one request of a page.
const HEAD: &str = "GET /orders/7?include=lines HTTP/1.1\r\n\
    Host: shop.example\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: application/json, text/plain, */*\r\n\
    Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://shop.example/orders\r\n\
    Connection: keep-alive\r\n\
    Cookie: theme=dark; SESSION=4f1c2b7e9a0d4c5e8f6b3a2d1e0c9b8a7f6e5d4c\r\n\
    Sec-Fetch-Dest: empty\r\n\
    Sec-Fetch-Mode: cors\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Priority: u=0\r\n\r\n";

const ANSWER: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 123\r\n\
    Date: Mon, 23 Nov 2026 18:53:26 GMT\r\n\
    ETag: \"7f\"\r\n\
    Cache-Control: private, no-cache\r\n\
    Vary: Cookie\r\n\
    X-Request-Id: 77\r\n\r\n";

fn fields_of_request() -> Fields {
    let (mut reader, mut parts) = (RequestReader::new(&Limits::DEFAULT), Parts::default());
    reader.buffer().extend_from_slice(HEAD.as_bytes());
    assert!(reader.next_head(&mut parts).unwrap());
    parts.fields
}

fn fields_of_answer() -> Fields {
    let mut reader = AnswerReader::default();
    reader.buffer().extend_from_slice(ANSWER.as_bytes());
    reader.next_head(false).unwrap().unwrap().head.fields
}

fn main() {
    let mut criterion = Criterion::default().measurement_time(Duration::from_secs(2)).configure_from_args();
    let mut follow = Follow::new(&Limits::DEFAULT);
    criterion.bench_function("follow a head", |bencher| {
        bencher.iter(|| follow.advance(black_box(HEAD.as_bytes())));
    });

    let rules = RequestRules {
        allow: &[],
        remove: &[],
        credential: CredentialRule::Remove,
        upgrade: UpgradeRule::Remove,
    };
    // After the first time there is nothing left to remove, which is what most requests are like.
    let mut request = fields_of_request();
    criterion.bench_function("strip a request", |bencher| {
        bencher.iter(|| strip_request(black_box(&mut request), &rules));
    });

    let token = HeaderValue::from_str(&format!("Bearer {}", "e".repeat(600))).unwrap();
    let rules = ResponseRules {
        session_cookie: Some("SESSION"),
        token: Some(&token),
        vary: VaryBy::Cookie,
        cache: CacheRule::Private,
        upgrade: UpgradeRule::Remove,
    };
    let mut answer = fields_of_answer();
    criterion.bench_function("strip an answer", |bencher| {
        bencher.iter(|| strip_response(black_box(&mut answer), &rules));
    });
    criterion.final_summary();
}
