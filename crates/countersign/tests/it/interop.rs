//! Against verifiers that others wrote: jose, PyJWT, joserfc and golang-jwt. What we sign they accept, what they sign we
//! accept, and where the verdicts on the catalogue differ, the reason is stated. `./test` installs them.

mod counterpart;
mod proofs;
mod verdicts;

use countersign::{
    Jwk, KeySet, Secret, SigningKey, UnixTime, Verifier,
    jws::{Algorithm, SharedSecret, VerifyingKey},
};
use serde_json::{Value, json};

use self::counterpart::Counterpart;

const ISSUER: &str = "https://issuer.test";
const NOW: u64 = 1_800_000_000;

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "orders", "sub": "ada", "client_id": "web", "iat": NOW, "exp": NOW + 300,
        "jti": "token-1", "sid": "session-1", "roles": ["editor"], "organisation": "acme",
        "email": "ad\u{e4}@acme.test",
    })
}

fn secret() -> Vec<u8> {
    (0..64).map(|byte: u8| byte.wrapping_mul(37).wrapping_add(11)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn signing_key(algorithm: Algorithm) -> SigningKey {
    if algorithm.is_symmetric() {
        SigningKey::shared_secret(algorithm, Secret::new(secret())).unwrap()
    } else {
        SigningKey::generate(algorithm).unwrap()
    }
}

#[test]
fn what_we_sign_they_accept() {
    let mut counterparts = Counterpart::all();
    for &algorithm in Algorithm::ALL {
        let key = signing_key(algorithm);
        let token = key.sign("at+jwt", &claims()).unwrap();
        let mut question = json!({"token": token, "issuer": ISSUER, "audience": "orders", "now": NOW});
        match key.public_jwk() {
            Some(jwk) => question["keys"] = json!({ "keys": [jwk] }),
            None => question["secret"] = hex(&secret()).into(),
        }
        for counterpart in &mut counterparts {
            let answer = counterpart.ask(&question);
            assert_eq!(answer["claims"], claims(), "{}, {algorithm}: {answer}", counterpart.name);
            let mut other = question.clone();
            other["audience"] = "invoices".into();
            assert!(counterpart.refuses(&other), "{}, {algorithm}: another audience", counterpart.name);
        }
    }
}

#[test]
fn what_they_sign_we_accept() {
    for counterpart in &mut Counterpart::all() {
        let knows = |algorithm: &Algorithm| counterpart.signs_ed25519 || *algorithm != Algorithm::Ed25519;
        let algorithms: Vec<Algorithm> = Algorithm::ALL.iter().copied().filter(knows).collect();
        for algorithm in algorithms {
            let mut question = json!({"sign": algorithm, "claims": claims()});
            if algorithm.is_symmetric() {
                question["secret"] = hex(&secret()).into();
            }
            let answer = counterpart.ask(&question);
            let token = answer["token"].as_str().unwrap_or_else(|| panic!("{}: {answer}", counterpart.name));
            let start = Verifier::builder().issuer(ISSUER).audience("orders");
            let verifier = if algorithm.is_symmetric() {
                start.shared_secret(SharedSecret::new(algorithm, Secret::new(secret())).unwrap()).build()
            } else {
                let jwk = Jwk::parse(answer["key"].to_string().as_bytes())
                    .unwrap_or_else(|error| panic!("{}: {error}: {answer}", counterpart.name));
                assert_eq!(jwk.algorithm(), algorithm);
                start.key_set(KeySet::new([VerifyingKey::from_jwk(jwk).unwrap()]).unwrap()).build()
            }
            .unwrap();
            let verified = verifier.verify_at(token.as_bytes(), UnixTime::from_secs(NOW));
            let verified = verified
                .unwrap_or_else(|refusal| panic!("{}, {algorithm}: {refusal}: {token}", counterpart.name));
            assert_eq!((verified.subject().as_str(), verified.email()), ("ada", Some("ad\u{e4}@acme.test")));
        }
    }
}
