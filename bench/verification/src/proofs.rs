//! What a proof of possession (DPoP) costs a request whose token was seen before, and prints it as JSON.
//!
//!     proofs [ROUNDS]

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::{
    KeySet, SigningKey, Verifier,
    dpop::{DpopPolicy, ProofRequest},
    jws::Algorithm,
};
use countersign_verification_bench::{AUDIENCE, Case, ISSUER, Table, median, signing_key};
use http::Request;
use serde_json::json;

/// Proofs of one round: each is good once.
const PROOFS: usize = 48;
const ORIGIN: &str = "https://orders.shop.example";
const PATH: &str = "/orders/7";

/// The keys of clients: what browsers make, and what others have.
const CLIENTS: [Algorithm; 5] =
    [Algorithm::Es256, Algorithm::Es384, Algorithm::Ed25519, Algorithm::Ps256, Algorithm::Rs256];

fn main() {
    let rounds = std::env::args().nth(1).map_or(41, |rounds| rounds.parse().unwrap());
    let mut table = Table::new();
    for algorithm in CLIENTS {
        table.insert(algorithm.name().to_owned(), proved(algorithm, rounds));
    }
    println!("{:#}", json!({ "rounds": rounds, "requests": table }));
}

/// Nanoseconds: the check of the proof's signature with a key that has been parsed, and the whole request (token, key,
/// proof and its memory); they take turns with every proof.
fn proved(algorithm: Algorithm, rounds: usize) -> BTreeMap<String, f64> {
    let (issuer, client) = (signing_key(Algorithm::Es256), signing_key(algorithm));
    let token = token(&issuer, &client);
    let verifier = Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .key_set(KeySet::new([issuer.verifying_key().unwrap()]).unwrap())
        .dpop(DpopPolicy::new(ORIGIN))
        .build()
        .unwrap();
    let mut times: [Vec<f64>; 2] = Default::default();
    let mut bytes = 0;
    for round in 0..rounds {
        let proofs: Vec<String> = (0..PROOFS).map(|at| proof(&client, &token, round * PROOFS + at)).collect();
        bytes = proofs[0].len();
        let requests: Vec<Request<()>> =
            proofs.iter().map(|proof| Request::get(PATH).header("DPoP", proof).body(()).unwrap()).collect();
        let mut bare = Case::of(algorithm, signing_key(algorithm), proofs).bare();
        for (at, request) in requests.iter().enumerate() {
            let mut check = |who: usize| {
                let start = Instant::now();
                match who {
                    0 => bare(at),
                    _ => drop(black_box(
                        verifier.verify_with_proof(&token, &ProofRequest::of(request)).unwrap(),
                    )),
                }
                times[who].push(start.elapsed().as_nanos() as f64);
            };
            check((round + at) % 2);
            check((round + at + 1) % 2);
        }
    }
    let [bare, whole] = &times;
    let more: Vec<f64> = whole.iter().zip(bare).map(|(whole, bare)| whole - bare).collect();
    [
        ("bare", median(bare.clone())),
        ("request", median(whole.clone())),
        ("more", median(more)),
        ("proof_bytes", bytes as f64),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// An access token that is bound to the client's key.
fn token(issuer: &SigningKey, client: &SigningKey) -> String {
    let thumbprint = client.public_jwk().unwrap().thumbprint();
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "client_id": "web", "iat": now(), "exp": now() + 3600,
        "jti": "Zk3v9hQ2Tq6x0001", "sid": "s7Jd0a4Lw8Rk2Pz10001", "roles": ["editor", "viewer"],
        "organisation": "acme", "scope": "orders:read orders:write", "cnf": { "jkt": thumbprint },
    });
    issuer.sign("at+jwt", &claims).unwrap()
}

fn proof(client: &SigningKey, token: &str, number: usize) -> String {
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()));
    let claims = json!({
        "jti": format!("b3f1c2d4-0000-4000-8000-{number:012}"), "htm": "GET", "htu": format!("{ORIGIN}{PATH}"),
        "iat": now(), "ath": hash,
    });
    client.sign_embedding_key("dpop+jwt", &claims).unwrap()
}
