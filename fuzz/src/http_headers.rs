//! No spelling of an identity header gets through, and what gets through is what was sent.

use countersign_gateway::{
    config::resolved::Limits,
    http::{
        Fields, Parts,
        headers::{
            CacheRule, CredentialRule, RequestRules, ResponseRules, UpgradeRule, VaryBy, strip_request,
            strip_request_trailers, strip_response, strip_response_trailers,
        },
    },
    server::RequestReader,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Takes the input as lines `name:value`.
pub fn run(input: &[u8]) {
    let mut sent = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n').take(100) {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(halves.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(halves.next().unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            sent.append(name, value);
        }
    }
    let rules = RequestRules {
        allow: &[],
        remove: &[],
        credential: CredentialRule::Remove,
        upgrade: UpgradeRule::Remove,
    };
    let mut kept = sent.clone();
    strip_request_trailers(&mut kept, &rules);
    judge_request(&sent, &kept);
    let once = kept.clone();
    strip_request_trailers(&mut kept, &rules);
    assert_eq!(kept, once, "a second pass changes something");
    let mut fields = Fields::from(sent.clone());
    strip_request(&mut fields, &rules);
    let kept = HeaderMap::from(fields.clone());
    judge_request(&sent, &kept);
    strip_request(&mut fields, &rules);
    assert_eq!(HeaderMap::from(fields), kept, "a second pass changes something");
    if let Some(mut read) = read(&sent) {
        strip_request(&mut read, &rules);
        let mut read = HeaderMap::from(read);
        if !kept.contains_key("host") {
            read.remove("host");
        }
        assert_eq!(read, kept, "HTTP/1.1 lets through something else than HTTP/2");
    }
    let token = HeaderValue::from_static("Bearer eyJ.eyJ.sig");
    let rules = ResponseRules {
        session_cookie: Some("SESSION"),
        token: Some(&token),
        cache: CacheRule::Private,
        vary: VaryBy::Cookie,
        upgrade: UpgradeRule::Remove,
    };
    let mut answer = Fields::from(sent.clone());
    strip_response(&mut answer, &rules);
    let kept = HeaderMap::from(answer);
    judge_response(&kept);
    assert!(kept.get_all("vary").iter().count() == 1 && kept.contains_key("cache-control"));
    let mut kept = sent;
    strip_response_trailers(&mut kept, &rules);
    judge_response(&kept);
}

/// The same fields as HTTP/1.1 brings them, if it does.
fn read(sent: &HeaderMap) -> Option<Fields> {
    let mut reader = RequestReader::new(&Limits::DEFAULT);
    let text = reader.buffer();
    text.extend_from_slice(b"GET / HTTP/1.1\r\n");
    if !sent.contains_key("host") {
        text.extend_from_slice(b"host: shop.example\r\n");
    }
    for (name, value) in sent {
        for part in [name.as_str().as_bytes(), b":", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(b"\r\n");
    let mut parts = Parts::default();
    matches!(reader.next_head(&mut parts), Ok(true)).then_some(parts.fields)
}

fn judge_request(sent: &HeaderMap, kept: &HeaderMap) {
    for (name, value) in kept {
        let read: String = name
            .as_str()
            .chars()
            .map(|character| if character.is_ascii_alphanumeric() { character } else { '-' })
            .collect();
        assert!(!IDENTITY.contains(&&*read), "{name}");
        assert!(!PREFIXES.iter().any(|prefix| read.starts_with(prefix)), "{name}");
        assert_eq!(read, name.as_str(), "an alias");
        assert!(!HOPS.contains(&&*read) && read != "expect" && read != "http2-settings", "{name}");
        let is_sent = sent.get_all(name).iter().any(|one| one == value);
        assert!(is_sent || (name == "te" && value == "trailers"), "{name} was never sent");
    }
}

fn judge_response(kept: &HeaderMap) {
    for (name, value) in kept {
        let (name, value) = (name.as_str(), value.as_bytes());
        assert!(!HOPS.contains(&name) && !name.starts_with("countersign"), "{name}");
        assert!(!value.windows(11).any(|part| part == b"eyJ.eyJ.sig"), "{name} holds the token");
        if name == "set-cookie" {
            let pair = value.split(|byte| *byte == b';').next().unwrap_or_default();
            let cookie =
                pair.split(|byte| *byte == b'=').map(<[u8]>::trim_ascii).find(|part| !part.is_empty());
            assert_ne!(cookie, Some(&b"SESSION"[..]), "the session cookie");
        }
    }
}

const IDENTITY: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "forwarded",
    "x-real-ip",
    "txn-token",
    "x-http-method-override",
];
const PREFIXES: &[&str] = &[
    "x-forwarded-",
    "x-original-",
    "x-rewrite-",
    "x-envoy-",
    "x-user",
    "x-role",
    "x-auth",
    "countersign-",
    "x-countersign",
];
const HOPS: &[&str] = &["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
