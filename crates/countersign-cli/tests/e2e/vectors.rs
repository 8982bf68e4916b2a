//! The published vectors, read by verifiers that others wrote: what we call good they accept, and what is wrong with
//! a signature, an algorithm, a key or the time they refuse. (About stricter rules of ours they need not agree.)

use std::{fs, path::Path};

use countersign::TokenRefusal;
use serde_json::{Value, json};

use crate::counterpart::verifier::Verifier;

/// One vector.
struct Vector {
    name: String,
    /// Our code; `None` for a good token.
    refusal: Option<String>,
    /// What a verifier is asked.
    question: Value,
}

/// Every vector of a file that is for the published key set.
fn vectors(name: &str) -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let read =
        |name: &str| -> Value { serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap() };
    let keys = read("setups.json")["keys"]["key_set"].take();
    let file = read(&format!("{name}.json"));
    let of_key_set = file["vectors"].as_array().unwrap().iter().filter(|vector| vector["setup"] == "keys");
    of_key_set
        .map(|vector| {
            let question = json!({
                "token": vector["token"], "keys": keys, "issuer": file["issuer"], "audience": file["audience"],
                "now": file["now"],
            });
            Vector {
                name: vector["name"].as_str().unwrap().to_owned(),
                refusal: vector["refusal"]["code"].as_str().map(str::to_owned),
                question,
            }
        })
        .collect()
}

#[test]
fn what_is_good_is_good_for_jose() {
    let [jose, _] = Verifier::all();
    let good = vectors("good");
    assert!(good.len() >= 40, "{}", good.len());
    for vector in good {
        let answer = jose.ask(&vector.question);
        assert!(answer["claims"].is_object(), "{}: {answer}", vector.name);
    }
}

/// PyJWT does not know `Ed25519`, the name that RFC 9864 gave to what it calls `EdDSA`.
#[test]
fn what_is_good_is_good_for_pyjwt() {
    let [_, pyjwt] = Verifier::all();
    for algorithm in ["es256", "es384", "es512", "rs256", "ps256"] {
        let name = format!("good/{algorithm}");
        let vector = vectors("good").into_iter().find(|vector| vector.name == name).unwrap();
        let answer = pyjwt.ask(&vector.question);
        assert!(answer["claims"].is_object(), "{name}: {answer}");
    }
}

/// What every verifier has to refuse, by our codes; about the shape of claims and the length of lives we are stricter.
const REFUSED_BY_ALL: &[TokenRefusal] = &[
    TokenRefusal::AlgorithmMismatch,
    TokenRefusal::SignatureInvalid,
    TokenRefusal::TokenExpired,
    TokenRefusal::TokenNotYetValid,
];

#[test]
fn what_is_wrong_with_signature_algorithm_or_time_is_wrong_for_jose() {
    let [jose, _] = Verifier::all();
    let mut count = 0;
    for vector in ["algorithm", "key", "signature", "time"].into_iter().flat_map(vectors) {
        let code = vector.refusal.as_deref().unwrap();
        // Others give a fraction of a second the same time; we cut it off.
        let is_fraction = vector.name.ends_with("expired-by-a-fraction");
        if REFUSED_BY_ALL.iter().any(|refusal| refusal.code() == code) && !is_fraction {
            let answer = jose.ask(&vector.question);
            assert!(answer["refused"].is_string(), "{}, {code}: {answer}", vector.name);
            count += 1;
        }
    }
    assert!(count >= 50, "{count}");
}
