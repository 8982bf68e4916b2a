use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ISSUER, at, cursors, revocations, targets};
use crate::{
    KeySet, SigningKey, TokenId,
    jws::{Algorithm, JwsError},
    revocation::{
        Event, FeedReader, FeedWriter, MAX_EVENT_BYTES, MAX_PAGE_BYTES, MessageError, Revocation,
        SnapshotPage, Stamp, Target, What, WriteError,
    },
    testkit::TestKey,
};

fn key() -> &'static SigningKey {
    TestKey::Ed25519.signing_key()
}

fn keys() -> KeySet {
    TestKey::set(&TestKey::PUBLISHED)
}

fn stamp(token_id: &TokenId) -> Stamp<'_> {
    Stamp { issued_at: at(1_000), token_id, reason: Some("logged out") }
}

fn write(event: &Event) -> String {
    FeedWriter::new(ISSUER).event(event, &stamp(&"m1".into()), key()).unwrap()
}

fn events() -> impl Strategy<Value = Event> {
    let what = prop_oneof![
        Just(What::Heartbeat),
        Just(What::KeysChanged),
        targets().prop_map(What::Lifted),
        revocations().prop_map(What::Revoked),
    ];
    (cursors(), what).prop_map(|(cursor, what)| Event { cursor, what })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_event_is_read_as_it_was_written(event in events()) {
        let read = FeedReader::new(ISSUER).read_event(write(&event).as_bytes(), &keys()).unwrap();
        prop_assert_eq!(&read.content, &event);
        prop_assert_eq!((read.issued_at, read.token_id.as_str()), (at(1_000), "m1"));
    }

    #[test]
    fn pages_are_read_as_they_were_written(
        cursor in cursors(),
        entries in prop::collection::vec(revocations(), 0..30),
    ) {
        let pages = SnapshotPage::pages(&cursor, entries.clone());
        prop_assert_eq!(pages.len(), 1);
        let text = FeedWriter::new(ISSUER).page(&pages[0], &stamp(&"m1".into()), key()).unwrap();
        let read = FeedReader::new(ISSUER).read_page(text.as_bytes(), &keys()).unwrap();
        prop_assert_eq!(&read.content, &pages[0]);
        prop_assert_eq!(&read.content.entries, &entries);
        prop_assert!(FeedReader::new(ISSUER).read_event(text.as_bytes(), &keys()).is_err());
    }

    #[test]
    fn any_changed_byte_is_noticed(event in events(), place in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = write(&event).into_bytes();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != to);
        bytes[place] = to;
        prop_assert!(FeedReader::new(ISSUER).read_event(&bytes, &keys()).is_err());
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(FeedReader::new(ISSUER).read_event(&bytes, &keys()).is_err());
        prop_assert!(FeedReader::new(ISSUER).read_page(&bytes, &keys()).is_err());
    }
}

#[test]
fn a_session_is_revoked_in_the_words_of_the_standards() {
    let event = Event {
        cursor: "e1.7".parse().unwrap(),
        what: What::Revoked(Revocation {
            target: Target::Session("s1".into()),
            at: at(990),
            expires: at(1_290),
        }),
    };
    let text = write(&event);
    let verified = crate::jws::verify(text.as_bytes(), &key().verifying_key().unwrap()).unwrap();
    assert_eq!(verified.header().typ(), Some("secevent+jwt"));
    let payload: Value = serde_json::from_slice(verified.payload()).unwrap();
    assert_eq!(
        payload,
        json!({
            "iss": ISSUER,
            "aud": "https://issuer.test/revocations",
            "iat": 1_000,
            "jti": "m1",
            "events": { "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {
                "epoch": "e1", "seq": 7, "event_timestamp": 990, "expires": 1_290, "reason": "logged out",
            }},
            "sub_id": { "format": "complex", "session": { "format": "opaque", "id": "s1" } },
        })
    );
}

#[test]
fn tokens_that_were_issued_until_then_are_revoked_in_the_words_of_the_standards() {
    let target = Target::IssuedTo("s1".into());
    let revoked = Revocation { target: target.clone(), at: at(990), expires: at(1_290) };
    let name = "https://schemas.openid.net/secevent/caep/event-type/token-claims-change";
    let payload = |what| {
        let text = write(&Event { cursor: "e1.7".parse().unwrap(), what });
        let verified = crate::jws::verify(text.as_bytes(), &key().verifying_key().unwrap()).unwrap();
        serde_json::from_slice::<Value>(verified.payload()).unwrap()
    };
    let mut said = payload(What::Revoked(revoked.clone()));
    let sub_id = json!({ "format": "complex", "session": { "format": "opaque", "id": "s1" } });
    assert_eq!(said["sub_id"], sub_id);
    let body = json!({ "epoch": "e1", "seq": 7, "event_timestamp": 990, "expires": 1_290, "reason": "logged out",
        "claims": { "iat": 991 } });
    assert_eq!(said["events"], json!({ name: body }));
    assert_eq!(read(&said).unwrap().what, What::Revoked(revoked));
    let lifted = payload(What::Lifted(target));
    assert_eq!(lifted["sub_id"], sub_id);
    assert_eq!(
        lifted["events"],
        json!({ "urn:countersign:event:token-claims-change-lifted": { "epoch": "e1", "seq": 7 } })
    );
    said["sub_id"] = json!({ "format": "opaque", "id": "*" });
    assert_eq!(read(&said), Err(MessageError::SubjectIdentifier), "whose tokens it is about");
    said["sub_id"] = sub_id;
    said["events"][name].as_object_mut().unwrap().remove("claims");
    assert_eq!(read(&said), Err(MessageError::Event("claims")));
}

/// A good payload, to be spoiled.
fn payload() -> Value {
    json!({
        "iss": ISSUER,
        "aud": format!("{ISSUER}/revocations"),
        "iat": 1_000,
        "jti": "m1",
        "events": { "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {
            "epoch": "e1", "seq": 7, "event_timestamp": 990, "expires": 1_290,
        }},
        "sub_id": { "format": "complex", "session": { "format": "opaque", "id": "s1" } },
    })
}

fn read(payload: &Value) -> Result<Event, MessageError> {
    let text = key().sign("secevent+jwt", payload).unwrap();
    FeedReader::new(ISSUER).read_event(text.as_bytes(), &keys()).map(|read| read.content)
}

/// `pointer` gets `value`; `null` takes it away.
fn spoiled(pointer: &str, value: Value) -> Value {
    let mut payload = payload();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = payload.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        drop(parent.remove(member))
    } else {
        drop(parent.insert(member.to_owned(), value))
    }
    payload
}

#[test]
fn every_spoiled_envelope_is_refused_by_name() {
    assert!(read(&payload()).is_ok());
    assert!(read(&spoiled("/txn", json!("x"))).is_ok(), "RFC 8417 has other claims");
    for (pointer, value, expected) in [
        ("/iss", json!("https://issuer.test/"), MessageError::Issuer),
        ("/iss", json!(["https://issuer.test"]), MessageError::Envelope("iss")),
        ("/iss", Value::Null, MessageError::Envelope("iss")),
        ("/aud", json!("orders"), MessageError::Audience),
        ("/aud", json!(["https://issuer.test/revocations"]), MessageError::Envelope("aud")),
        ("/iat", Value::Null, MessageError::Envelope("iat")),
        ("/iat", json!("1000"), MessageError::Envelope("iat")),
        ("/iat", json!(-1), MessageError::Envelope("iat")),
        ("/iat", json!(253_402_300_800_u64), MessageError::Envelope("iat")),
        ("/jti", Value::Null, MessageError::Envelope("jti")),
        ("/jti", json!(""), MessageError::Envelope("jti")),
        ("/sub", json!("ann"), MessageError::Envelope("sub")),
        ("/exp", json!(9_999), MessageError::Envelope("exp")),
        ("/nbf", json!(1), MessageError::Envelope("nbf")),
        ("/events", json!([]), MessageError::Envelope("events")),
        ("/events", json!({}), MessageError::EventKind),
        ("/events", json!({ "a": {}, "b": {} }), MessageError::EventKind),
        ("/events", json!({ "urn:countersign:event:heartbeat": [] }), MessageError::EventKind),
        ("/events", json!({ "urn:countersign:event:unheard-of": {} }), MessageError::EventKind),
    ] {
        assert_eq!(read(&spoiled(pointer, value.clone())), Err(expected), "{pointer} {value}");
    }
}

#[test]
fn every_spoiled_event_is_refused_by_name() {
    let event = "/events/https:~1~1schemas.openid.net~1secevent~1caep~1event-type~1session-revoked";
    for (member, value) in [
        ("epoch", Value::Null),
        ("epoch", json!("a b")),
        ("epoch", json!(7)),
        ("seq", Value::Null),
        ("seq", json!("7")),
        ("seq", json!(-7)),
        ("seq", json!(7.5)),
        ("event_timestamp", Value::Null),
        ("event_timestamp", json!("now")),
        ("expires", Value::Null),
        ("expires", json!(989)),
        ("expires", json!(1e300)),
        ("reason", json!(["x"])),
    ] {
        let mut spoiled = payload();
        let body = spoiled.pointer_mut(event).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            drop(body.remove(member))
        } else {
            drop(body.insert(member.into(), value.clone()))
        }
        assert_eq!(read(&spoiled), Err(MessageError::Event(member)), "{value}");
    }
}

#[test]
fn a_target_is_exactly_one_of_this_issuer() {
    for sub_id in [
        Value::Null,
        json!("s1"),
        json!({ "format": "opaque", "id": "s1" }),
        json!({ "format": "opaque", "id": "*", "x": 1 }),
        json!({ "format": "jwt_id", "iss": "https://other.test", "jti": "t" }),
        json!({ "format": "jwt_id", "jti": "t" }),
        json!({ "format": "jwt_id", "iss": ISSUER, "jti": "" }),
        json!({ "format": "complex" }),
        json!({ "format": "complex", "session": "s1" }),
        json!({ "format": "complex", "session": { "format": "opaque", "id": "" } }),
        json!({ "format": "complex", "session": { "format": "opaque", "id": 7 } }),
        json!({ "format": "complex", "session": { "format": "jwt_id", "id": "s1" } }),
        json!({ "format": "complex", "device": { "format": "opaque", "id": "d" } }),
        json!({ "format": "complex", "session": { "format": "opaque", "id": "s1" },
                "user": { "format": "iss_sub", "iss": ISSUER, "sub": "ann" } }),
        json!({ "format": "complex", "user": { "format": "iss_sub", "iss": "https://other.test", "sub": "ann" } }),
        json!({ "format": "complex", "user": { "format": "email", "email": "ann@shop.example" } }),
        json!({ "format": "complex", "tenant": { "format": "opaque", "id": "*" } }),
        json!({ "format": "iss_sub", "iss": ISSUER, "sub": "ann" }),
    ] {
        assert_eq!(
            read(&spoiled("/sub_id", sub_id.clone())),
            Err(MessageError::SubjectIdentifier),
            "{sub_id}"
        );
    }
}

#[test]
fn what_is_signed_but_no_message_of_the_feed_is_refused() {
    let reader = FeedReader::new(ISSUER);
    let read = |text: String| reader.read_event(text.as_bytes(), &keys()).map(|_| ()).unwrap_err();
    for typ in ["at+jwt", "JWT", "logout+jwt"] {
        assert_eq!(read(key().sign(typ, &payload()).unwrap()), MessageError::Type, "{typ}");
    }
    let stranger = SigningKey::generate(Algorithm::Ed25519).unwrap();
    assert_eq!(read(stranger.sign("secevent+jwt", &payload()).unwrap()), MessageError::KeyUnknown);
    assert_eq!(
        read(key().sign_without_key_id("secevent+jwt", &payload()).unwrap()),
        MessageError::KeyUnknown
    );
    let unsigned = format!("{}.{}.", crate::jws::encode(br#"{"alg":"none","typ":"secevent+jwt"}"#), "e30");
    assert_eq!(read(unsigned), MessageError::KeyUnknown);
    let long = spoiled("/x", json!("x".repeat(MAX_EVENT_BYTES)));
    assert_eq!(read(key().sign("secevent+jwt", &long).unwrap()), MessageError::Jws(JwsError::TooLarge));
    assert_eq!(read(key().sign("secevent+jwt", &json!([])).unwrap()), MessageError::Payload);
}

fn page(body: &Value) -> Result<SnapshotPage, MessageError> {
    let payload = json!({ "iss": ISSUER, "aud": format!("{ISSUER}/revocations"), "iat": 1, "jti": "m",
        "events": { "urn:countersign:event:snapshot": body } });
    let text = key().sign("secevent+jwt", &payload).unwrap();
    FeedReader::new(ISSUER).read_page(text.as_bytes(), &keys()).map(|read| read.content)
}

#[test]
fn every_spoiled_page_is_refused() {
    let good =
        json!({ "epoch": "e", "seq": 1, "page": 0, "last": true, "entries": [["session", "s", 1, 2]] });
    assert!(page(&good).is_ok());
    let with = |member: &str, value: Value| {
        let mut body = good.clone();
        body[member] = value;
        page(&body)
    };
    assert_eq!(with("page", json!(u64::MAX)), Err(MessageError::Event("page")));
    assert_eq!(with("last", json!("true")), Err(MessageError::Event("last")));
    for entries in [
        json!({}),
        json!([["session", "s", 1]]),
        json!([["session", "s", 1, 2, 3]]),
        json!([["session", "s", 2, 1]]),
        json!([["session", "", 1, 2]]),
        json!([["device", "s", 1, 2]]),
        json!([["all", "s", 1, 2]]),
        json!([["organisation", "*", 1, 2]]),
        json!([["session", "s", "1", 2]]),
        json!([["session", "s", 1, 2], 7]),
        json!(vec![json!(["session", "s", 1, 2]); SnapshotPage::MAX_ENTRIES + 1]),
    ] {
        assert_eq!(with("entries", entries), Err(MessageError::Event("entries")));
    }
}

#[test]
fn a_snapshot_is_cut_into_pages_that_can_be_read() {
    let cursor = "e.9".parse().unwrap();
    let named = |id: String| Revocation { target: Target::Session(id.into()), at: at(1), expires: at(2) };
    let short = SnapshotPage::pages(&cursor, (0..20_001).map(|n| named(format!("session-{n:040}"))));
    assert_eq!(short.iter().map(|page| page.entries.len()).collect::<Vec<_>>(), [10_000, 10_000, 1]);
    assert_eq!(
        short.iter().map(|page| (page.page, page.last)).collect::<Vec<_>>(),
        [(0, false), (1, false), (2, true)]
    );
    // The worst name there is: every byte of it is escaped.
    let worst = SnapshotPage::pages(&cursor, (0..200).map(|_| named("\u{1}".repeat(Target::MAX_ID_BYTES))));
    assert!(worst.len() > 1);
    for page in [&short[0], &worst[0]] {
        let text = FeedWriter::new(ISSUER).page(page, &stamp(&"m".into()), key()).unwrap();
        assert!(text.len() <= MAX_PAGE_BYTES, "{}", text.len());
        assert_eq!(FeedReader::new(ISSUER).read_page(text.as_bytes(), &keys()).unwrap().content, *page);
    }
}

#[test]
fn what_nobody_could_read_is_not_written() {
    let writer = FeedWriter::new(ISSUER);
    let event =
        |id: String| Event { cursor: "e.1".parse().unwrap(), what: What::Lifted(Target::Session(id.into())) };
    let write = |event: &Event, key: &SigningKey| writer.event(event, &stamp(&"m".into()), key).map(|_| ());
    assert_eq!(write(&event(String::new()), key()), Err(WriteError::TargetName));
    assert_eq!(write(&event("x".repeat(Target::MAX_ID_BYTES + 1)), key()), Err(WriteError::TargetName));
    let longest = event("\u{1}".repeat(Target::MAX_ID_BYTES));
    let text = writer.event(&longest, &stamp(&"m".into()), key()).unwrap();
    assert!(text.len() <= MAX_EVENT_BYTES, "{}", text.len());
    assert!(matches!(write(&event("s".into()), TestKey::Hs256.signing_key()), Err(WriteError::Sign(_))));
}
