//! The fuzz corpora, replayed: each body of `testkit::fuzz` over what its fuzzer has found and over the catalogue.

use std::{fs, path::Path};

use countersign::testkit::{TestIssuer, bad_tokens, fuzz, odd_tokens};

use crate::support::decode_any;

/// Runs `body` over every file of a corpus; returns how many there are.
fn replay(target: &str, body: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    for file in &files {
        body(&fs::read(file).unwrap());
    }
    files.len()
}

#[test]
fn every_corpus_is_replayed() {
    for (target, body) in [
        ("claims", fuzz::claims as fn(&[u8])),
        ("compact_jws", fuzz::compact_jws),
        ("key_set", fuzz::key_set),
        ("strict_json", fuzz::strict_json),
    ] {
        assert!(replay(target, body) >= 10, "the corpus of {target} is not there");
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
