//! Judging and taking nothing away allocates nothing.

use countersign_gateway::{
    config::resolved::Limits,
    http::{
        Fields, Parts,
        headers::{
            CacheRule, CredentialRule, RequestRules, ResponseRules, UpgradeRule, VaryBy, strip_request,
            strip_response,
        },
        host, path,
    },
    server::{RequestReader, head_guard::Follow},
    upstream::AnswerReader,
};
use http::{HeaderValue, Uri, Version};
use stats_alloc::Region;

use super::ALLOCATOR;

const HEAD: &[u8] = b"POST /orders/7 HTTP/1.1\r\nHost: shop.example\r\nCookie: SESSION=0123456789abcdef\r\n\
    Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nChecksum: 7\r\n\r\n";

const REQUEST: &[u8] =
    b"GET /orders/7 HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\nCookie: theme=dark\r\n\
    TE: trailers\r\nX-Request-Id: 7\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n\
    Vary: Accept, Cookie\r\n\r\n";

fn request() -> Fields {
    let (mut reader, mut parts) = (RequestReader::new(&Limits::DEFAULT), Parts::default());
    reader.buffer().extend_from_slice(REQUEST);
    assert!(reader.next_head(&mut parts).unwrap());
    parts.fields
}

fn answer() -> Fields {
    let mut reader = AnswerReader::default();
    reader.buffer().extend_from_slice(ANSWER);
    reader.next_head(false).unwrap().unwrap().head.fields
}

/// What a request goes through before and after it is decided, when there is nothing to object to.
pub(super) fn nothing_is_allocated() {
    let (mut request, mut answer) = (request(), answer());
    let token = HeaderValue::from_static("Bearer 0123456789");
    let request_rules = RequestRules {
        allow: &[],
        remove: &[],
        credential: CredentialRule::Remove,
        upgrade: UpgradeRule::Remove,
    };
    let answer_rules = ResponseRules {
        session_cookie: Some("SESSION"),
        token: Some(&token),
        vary: VaryBy::Cookie,
        cache: CacheRule::Private,
        upgrade: UpgradeRule::Remove,
    };
    let uri = Uri::from_static("/orders/7");
    let mut follow = Follow::new(&Limits::DEFAULT);

    let region = Region::new(ALLOCATOR);
    for _ in 0..100 {
        assert_eq!(follow.advance(HEAD).released, HEAD.len());
        assert_eq!(path::check(uri.path()), Ok(()));
        assert!(host::check(&uri, &request, Version::HTTP_11).is_ok());
        strip_request(&mut request, &request_rules);
        strip_response(&mut answer, &answer_rules);
    }
    let judged = region.change();
    // The thread that waits for the test may allocate meanwhile; one allocation per request would be a hundred.
    assert!(judged.allocations + judged.reallocations < 20, "{judged:?}");
    assert_eq!((request.len(), answer.len()), (5, 3));
}
