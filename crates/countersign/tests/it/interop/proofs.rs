//! Proofs of possession against jose (npm), which has the parts of RFC 9449 §4.3: what we sign it accepts, what it signs
//! we accept, and where it says otherwise of the catalogue, the reason is stated.

use countersign::{
    Clock as _,
    dpop::{DpopPolicy, ProofRequest},
    testkit::{ProvedRequest, TestIssuer, TestKey, bad_proofs, odd_proofs},
};
use serde_json::{Value, json};

use super::counterpart::Counterpart;

const ADDRESS: &str = "https://orders.test/orders/7";

/// What jose, with Node.js' URL class, accepts and we refuse, and why. Every row must be used.
const STRICTER: &[(&str, &str)] = &[
    ("proof/too-long", "the length of a proof is not bounded"),
    ("proof/header-member-doubled", "of a member that is there twice it takes the last"),
    ("proof/method-doubled", "of a member that is there twice it takes the last"),
    ("proof/key-member-doubled", "of a member that is there twice it takes the last"),
    ("proof/unencoded", "`b64` without `crit` is passed over"),
    ("proof/padded", "base64url is decoded leniently"),
    ("proof/id-empty", "any `jti` will do"),
    ("proof/id-number", "any `jti` will do"),
    ("proof/id-too-long", "any `jti` will do"),
    ("proof/address-with-space", "the URL class takes white space off"),
];

/// What we accept and it refuses, and why. Every row must be used.
const LAXER: &[(&str, &str)] = &[
    ("proof/address-encoded", "the URL class leaves encoded what need not be (RFC 3986 §6.2.2.2)"),
    ("proof/address-encoded-in-small-letters", "the URL class does not write hexadecimal digits in capitals"),
];

fn question(request: &ProvedRequest, now: u64) -> Value {
    json!({
        "proof": request.proofs.first(), "method": request.method, "uri": request.uri, "token": request.token,
        "now": now,
    })
}

#[test]
fn what_we_sign_jose_accepts() {
    let mut jose = Counterpart::jose();
    let issuer = TestIssuer::new("orders");
    let now = issuer.clock().now().as_secs();
    for key in TestKey::PUBLISHED.into_iter().chain([TestKey::CLIENT]) {
        let token = issuer.token().bound_to(key).sign();
        let proof = issuer.proof("GET", ADDRESS, &token).key(key).sign();
        let answer =
            jose.ask(&json!({"proof": proof, "method": "GET", "uri": ADDRESS, "token": token, "now": now}));
        assert_eq!(
            answer["thumbprint"].as_str(),
            key.thumbprint().as_ref().map(|id| id.as_str()),
            "{answer}"
        );
        assert_eq!(answer["claims"]["htu"], ADDRESS);
    }
}

#[test]
fn what_jose_signs_we_accept() {
    let mut jose = Counterpart::jose();
    let issuer = TestIssuer::new("orders");
    let verifier = issuer.verifier_builder().dpop(DpopPolicy::new("https://orders.test")).build().unwrap();
    let now = issuer.clock().now().as_secs();
    for algorithm in
        ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519"]
    {
        let thumbprint = jose.ask(&json!({"prove": algorithm, "thumbprint": true}))["thumbprint"].take();
        let token = issuer.token().claim("cnf", json!({"jkt": thumbprint})).sign();
        let hash = issuer.proof("GET", ADDRESS, &token).sign();
        let hash = claim_of(&hash, "ath");
        let claims =
            json!({"jti": format!("of-{algorithm}"), "htm": "GET", "htu": ADDRESS, "iat": now, "ath": hash});
        let answer = jose.ask(&json!({"prove": algorithm, "claims": claims}));
        let proof = answer["proof"].as_str().unwrap_or_else(|| panic!("{algorithm}: {answer}"));
        let request = http::Request::get("/orders/7").header("DPoP", proof).body(()).unwrap();
        let request = ProofRequest::of(&request);
        let verdict = verifier.verify_with_proof(&token, &request);
        assert_eq!(verdict.map(drop), Ok(()), "{algorithm}: {proof}");
        assert!(verifier.verify_with_proof(&token, &request).is_err(), "{algorithm}: twice");
    }
}

fn claim_of(proof: &str, name: &str) -> Value {
    let payload = crate::support::decode(proof.split('.').nth(1).unwrap());
    serde_json::from_slice::<Value>(&payload).unwrap()[name].take()
}

#[test]
fn every_difference_about_proofs_has_its_reason() {
    let mut jose = Counterpart::jose();
    let issuer = TestIssuer::new("orders");
    let now = issuer.clock().now().as_secs();
    let mut differences = Vec::new();
    for row in bad_proofs() {
        let request = row.request(&issuer);
        // What is wrong with the request, the token, the binding or the nonce is not for a reader of proofs to see.
        let of_proof = row.refusal().code().starts_with("proof_")
            && !["proof_of_other_key", "proof_nonce_required", "proof_replayed"]
                .contains(&row.refusal().code())
            && row.name() != "proof/algorithm-not-accepted"
            && row.name() != "proof/nonce-number";
        if of_proof && request.proofs.len() == 1 && !jose.refuses(&question(&request, now)) {
            differences.push(row.name());
        }
    }
    let mut stated: Vec<&str> = STRICTER.iter().map(|(name, _)| *name).collect();
    differences.sort_unstable();
    stated.sort_unstable();
    assert_eq!(differences, stated);
    let refused: Vec<&str> = odd_proofs()
        .filter(|row| jose.refuses(&question(&row.request(&issuer), now)))
        .map(countersign::testkit::OddProof::name)
        .collect();
    let stated: Vec<&str> = LAXER.iter().map(|(name, _)| *name).collect();
    assert_eq!(refused, stated);
}
