//! The fuzz corpora, replayed: each body of `testkit::fuzz` over what its fuzzer has found and over the catalogue.

use std::{fs, path::Path, sync::LazyLock};

use countersign::testkit::{TestIssuer, bad_tokens, fuzz, odd_tokens};
use proptest::{prelude::*, sample::Index, test_runner::Config};

use crate::support::decode_any;

/// The body of a fuzz target.
type Body = fn(&[u8]);

const TARGETS: [(&str, Body); 6] = [
    ("claims", fuzz::claims),
    ("compact_jws", fuzz::compact_jws),
    ("jwk", fuzz::jwk),
    ("key_set", fuzz::key_set),
    ("revocation_event", fuzz::revocation_event),
    ("strict_json", fuzz::strict_json),
];

/// The files of a corpus.
pub(crate) fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    fs::read_dir(&folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn every_corpus_is_replayed() {
    for (target, body) in TARGETS {
        let files = corpus(target);
        assert!(files.len() >= 6, "the corpus of {target} is not there");
        files.iter().for_each(|bytes| body(bytes));
    }
}

#[test]
fn the_catalogue_is_a_corpus_too() {
    let issuer = TestIssuer::new("orders");
    let tokens = bad_tokens()
        .flat_map(|row| [row.token(&issuer), row.twin(&issuer)])
        .chain(odd_tokens().map(|row| row.token(&issuer)));
    for token in tokens {
        fuzz::compact_jws(token.as_bytes());
        for segment in token.split('.') {
            if let Some(bytes) = decode_any(segment) {
                fuzz::strict_json(&bytes);
                fuzz::claims(&bytes);
            }
        }
    }
}

/// A change to some bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Byte(Index, u8),
    Cut(Index, usize),
    Repeat(Index, usize),
    Text(Index, &'static str),
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let text = prop::sample::select(vec![
        ".",
        "=",
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "true",
        "-1",
        "1e999",
        "1e30",
        "\\u0061",
        "\\ud800",
        "\"kid\":\"x\",",
        "\"exp\":1,",
        "\"sub\":\"x\",",
        "\"aud\":[],",
        "\u{feff}",
        "\0",
        "eyJhbGciOiJub25lIn0",
    ]);
    let one = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Byte(at, byte)),
        (any::<Index>(), 1_usize..20).prop_map(|(at, len)| Mutation::Cut(at, len)),
        (any::<Index>(), 1_usize..40).prop_map(|(at, len)| Mutation::Repeat(at, len)),
        (any::<Index>(), text).prop_map(|(at, text)| Mutation::Text(at, text)),
    ];
    prop::collection::vec(one, 1..5)
}

fn mutate(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        let len = bytes.len();
        let place = |at: &Index| if len == 0 { 0 } else { at.index(len) };
        match mutation {
            Mutation::Byte(at, byte) => {
                bytes.iter_mut().skip(place(at)).take(1).for_each(|place| *place = *byte)
            }
            Mutation::Cut(at, cut) => drop(bytes.drain(place(at)..len.min(place(at) + cut))),
            Mutation::Repeat(at, count) => {
                let part = bytes[place(at)..len.min(place(at) + count)].to_vec();
                bytes.splice(place(at)..place(at), part);
            }
            Mutation::Text(at, text) => drop(bytes.splice(place(at)..place(at), text.bytes())),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    /// The bodies hold for what is near the corpora, too.
    #[test]
    fn bytes_near_the_corpora(which in any::<Index>(), mutations in mutations()) {
        static CORPORA: LazyLock<Vec<(Body, Vec<u8>)>> = LazyLock::new(|| {
            TARGETS
                .into_iter()
                .flat_map(|(target, body)| corpus(target).into_iter().map(move |bytes| (body, bytes)))
                .collect()
        });
        let (body, bytes) = which.get(&CORPORA);
        body(&mutate(bytes.clone(), &mutations));
    }
}
