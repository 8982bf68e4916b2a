//! The fuzz corpora, replayed: each body of `testkit::fuzz` over what its fuzzer has found and over the catalogue.

use std::{collections::BTreeSet, fs, path::Path, sync::LazyLock};

use countersign::testkit::{TestIssuer, bad_proofs, bad_tokens, fuzz, odd_proofs, odd_tokens};
use proptest::{prelude::*, sample::Index, test_runner::Config};

use crate::support::decode_any;

/// The body of a fuzz target.
type Body = fn(&[u8]);

const TARGETS: [(&str, Body); 7] = [
    ("claims", fuzz::claims),
    ("compact_jws", fuzz::compact_jws),
    ("dpop_proof", fuzz::dpop_proof),
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

#[test]
fn the_catalogue_of_proofs_is_a_corpus_too() {
    let issuer = TestIssuer::new("orders");
    let requests = bad_proofs()
        .flat_map(|row| [row.request(&issuer), row.twin(&issuer)])
        .chain(odd_proofs().map(|row| row.request(&issuer)));
    for request in requests {
        fuzz::dpop_proof(request.uri.as_bytes());
        request.proofs.iter().for_each(|proof| fuzz::dpop_proof(proof.as_bytes()));
    }
}

/// Every target's body is replayed by a test: those of the library here, one by itself, and the gateway's in its own.
#[test]
fn every_target_is_replayed() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let names = |folder: &str| -> BTreeSet<String> {
        let files = fs::read_dir(fuzz.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("targets"), names("corpus"), "a target and its corpus have one name");
    let of_gateway =
        ["answer", "config", "credential", "head_guard", "http_headers", "http_path", "source_answer"];
    let mut replayed: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    replayed.insert("against_jsonwebtoken".to_owned());
    replayed.extend(of_gateway.map(str::to_owned));
    assert_eq!(names("targets"), replayed);
    // And each is built: a file that nothing names is none. What it runs is what the tests run, so that a target that
    // no test compiles (it needs a fuzzer's runtime) cannot have gone astray.
    let [manifest, modules] =
        ["Cargo.toml", "src/lib.rs"].map(|file| fs::read_to_string(fuzz.join(file)).unwrap());
    for name in names("targets") {
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name} is not built");
        let run = if TARGETS.iter().any(|(target, _)| *target == name) {
            format!("|bytes: &[u8]| countersign::testkit::fuzz::{name}(bytes)")
        } else {
            assert!(modules.contains(&format!("pub mod {name};")), "{name} is no module");
            format!("|input: &[u8]| countersign_fuzz::{name}::run(input)")
        };
        let target = fs::read_to_string(fuzz.join("targets").join(&name).with_extension("rs")).unwrap();
        assert_eq!(target, format!("#![no_main]\n\nlibfuzzer_sys::fuzz_target!({run});\n"));
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
