use std::time::Duration;

use http::Request;
use serde_json::json;

use super::{DpopPolicy, DpopPolicyError, ProofRequest, Scheme};
use crate::{
    Clock as _, KeyId, Secret, TokenRefusal, VerifiedClaims, Verifier, VerifierError,
    jws::Algorithm,
    testkit::{TestIssuer, TestKey, TestProof},
};

const ORIGIN: &str = "https://orders.test";
const ADDRESS: &str = "https://orders.test/orders/7";

fn policy() -> DpopPolicy {
    DpopPolicy::new(ORIGIN)
}

fn verifier(issuer: &TestIssuer, policy: DpopPolicy) -> Verifier {
    issuer.verifier_builder().dpop(policy).build().unwrap()
}

fn request(method: &str, path: &str, proofs: &[&str]) -> ProofRequest {
    let mut request = Request::builder().method(method).uri(path).header("host", "evil.test");
    for proof in proofs {
        request = request.header("DPoP", *proof);
    }
    ProofRequest::of(&request.body(()).unwrap())
}

fn ask(verifier: &Verifier, token: &str, proof: TestProof<'_>) -> Result<VerifiedClaims, TokenRefusal> {
    verifier.verify_with_proof(token, &request("GET", "/orders/7", &[&proof.sign()]))
}

/// The proofs of RFC 9449 §4.1 and §7.1, with the key of §4.2 and the thumbprint of §6.1.
#[test]
fn the_proofs_of_the_rfc_are_good() {
    use super::{proof, uri};
    use crate::UnixTime;
    const HEADER: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19";
    const PROTECTED: &str = "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    const TOKEN_REQUEST: &str = "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
    let key = KeyId::from("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    let judge = |proof: &str, method: http::Method, address: &str, now: u64| {
        let expected = proof::Expected {
            algorithms: &[Algorithm::Es256],
            bound_to: &key,
            token: b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
            method: &method,
            addresses: &[uri::Address::read(address).unwrap()],
            max_age: DpopPolicy::DEFAULT_AGE,
            leeway: DpopPolicy::DEFAULT_LEEWAY,
            now: UnixTime::from_secs(now),
        };
        proof::judge(format!("{HEADER}.{proof}").as_bytes(), &expected).map(|judged| judged.id)
    };
    let resource = "https://resource.example.org/protectedresource";
    assert_eq!(
        judge(PROTECTED, http::Method::GET, resource, 1_562_262_618),
        Ok("e1j3V_bKic8-LAEB".to_owned())
    );
    assert_eq!(
        judge(PROTECTED, http::Method::GET, resource, 1_562_262_678),
        Ok("e1j3V_bKic8-LAEB".to_owned())
    );
    assert_eq!(judge(PROTECTED, http::Method::GET, resource, 1_562_262_679), Err(TokenRefusal::ProofExpired));
    assert_eq!(
        judge(PROTECTED, http::Method::HEAD, resource, 1_562_262_618),
        Err(TokenRefusal::ProofForOtherMethod)
    );
    // For a token request, so that it has no `ath`; its signature holds.
    assert_eq!(
        judge(TOKEN_REQUEST, http::Method::POST, "https://server.example.com/token", 1_562_262_616),
        Err(TokenRefusal::ProofClaimMalformed(crate::ClaimName::TokenHash))
    );
}

#[test]
fn a_bound_token_counts_with_its_proof_and_each_proof_once() {
    let issuer = TestIssuer::new("orders");
    let verifier = verifier(&issuer, policy());
    let token = issuer.token().subject("ada").bound_to(TestKey::CLIENT).sign();
    let proof = issuer.proof("GET", ADDRESS, &token).sign();
    let asked = request("GET", "/orders/7?page=2", &[&proof]);
    let claims = verifier.verify_with_proof(&token, &asked).unwrap();
    assert_eq!(claims.subject().as_str(), "ada");
    assert_eq!(claims.bound_to(), TestKey::CLIENT.thumbprint().as_ref());
    // The token has been seen before; the proof is looked at all the same.
    assert_eq!(verifier.verify_with_proof(&token, &asked).unwrap_err(), TokenRefusal::ProofReplayed);
    assert_eq!(verifier.verify(&token).unwrap_err(), TokenRefusal::TokenNeedsProof);
    let bare = request("GET", "/orders/7", &[]);
    assert_eq!(verifier.verify_with_proof(&token, &bare).unwrap_err(), TokenRefusal::ProofMissing);
    for _ in 0..3 {
        ask(&verifier, &token, issuer.proof("GET", ADDRESS, &token)).unwrap();
    }
    // One that is still in its window at the last moment, and one that no longer is.
    let late = issuer.proof("GET", ADDRESS, &token);
    issuer.clock().advance(Duration::from_secs(60));
    assert!(ask(&verifier, &token, late.clone()).is_ok());
    assert_eq!(ask(&verifier, &token, late.clone()).unwrap_err(), TokenRefusal::ProofReplayed);
    issuer.clock().advance(Duration::from_secs(1));
    assert_eq!(ask(&verifier, &token, late).unwrap_err(), TokenRefusal::ProofExpired);
}

#[test]
fn how_a_token_is_sent_must_be_how_it_is_bound() {
    let issuer = TestIssuer::new("orders");
    let (unbound, bound) = (issuer.token().sign(), issuer.token().bound_to(TestKey::CLIENT).sign());
    let both = verifier(&issuer, policy());
    both.verify(&unbound).unwrap();
    let refused = ask(&both, &unbound, issuer.proof("GET", ADDRESS, &unbound)).unwrap_err();
    assert_eq!(refused, TokenRefusal::TokenNotBound);
    let only = verifier(&issuer, policy().bound_only());
    for _ in 0..2 {
        assert_eq!(only.verify(&unbound).unwrap_err(), TokenRefusal::TokenNotBound);
    }
    ask(&only, &bound, issuer.proof("GET", ADDRESS, &bound)).unwrap();
    // Without a policy nothing has changed.
    let neither = issuer.verifier();
    assert_eq!(neither.verify(&bound).unwrap_err(), TokenRefusal::TokenBound);
    let refused = ask(&neither, &bound, issuer.proof("GET", ADDRESS, &bound)).unwrap_err();
    assert_eq!(refused, TokenRefusal::TokenBound);
    assert!(ask(&neither, &unbound, issuer.proof("GET", ADDRESS, &unbound)).is_err());
    // Bound in any other way is refused by name, with or without a policy.
    let thumbprint = TestKey::CLIENT.thumbprint().unwrap();
    for cnf in [
        json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        json!({"jkt": thumbprint, "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        json!({"jkt": thumbprint, "other": 1}),
        json!({"jkt": "short"}),
        json!({"jkt": [thumbprint]}),
        json!({"jkt": null}),
        json!({}),
        json!(null),
        json!("jkt"),
    ] {
        let token = issuer.token().claim("cnf", cnf.clone()).sign();
        assert_eq!(both.verify(&token).unwrap_err(), TokenRefusal::TokenBound, "{cnf}");
        let refused = ask(&both, &token, issuer.proof("GET", ADDRESS, &token)).unwrap_err();
        assert_eq!(refused, TokenRefusal::TokenBound, "{cnf}");
    }
}

#[test]
fn the_token_is_judged_before_the_proof() {
    let issuer = TestIssuer::new("orders");
    let verifier = verifier(&issuer, policy());
    let token = issuer.token().bound_to(TestKey::CLIENT).sign();
    let proof = issuer.proof("GET", ADDRESS, &token).sign();
    issuer.clock().advance(TestIssuer::LIFETIME + Verifier::DEFAULT_LEEWAY);
    let asked = request("GET", "/orders/7", &[&proof]);
    assert_eq!(verifier.verify_with_proof(&token, &asked).unwrap_err(), TokenRefusal::TokenExpired);
    assert_eq!(verifier.verify_with_proof("rubbish", &asked).unwrap_err(), TokenRefusal::TokenMalformed);
}

#[test]
fn the_address_is_the_configured_one() {
    let issuer = TestIssuer::new("orders");
    let token = issuer.token().bound_to(TestKey::CLIENT).sign();
    let policy = DpopPolicy::new("https://shop.test/orders").also_at("http://orders.internal:8080");
    let verifier = verifier(&issuer, policy);
    let asked = |address: &str, path: &str| {
        let proof = issuer.proof("GET", address, &token).sign();
        verifier.verify_with_proof(&token, &request("GET", path, &[&proof])).map(drop)
    };
    for (address, path) in [
        ("https://shop.test/orders/7", "/7"),
        ("HTTPS://SHOP.TEST:443/%6frders/./7?x#y", "/7?z"),
        ("http://orders.internal:8080/7", "/7"),
        ("https://shop.test/orders/", "/"),
        ("https://shop.test/orders/7", "https://other.test/7"),
        ("https://shop.test/orders/7", "/8/../7"),
        ("https://shop.test/orders/7", "/../orders/7"),
    ] {
        assert_eq!(asked(address, path), Ok(()), "{address} {path}");
    }
    for (address, path) in [
        ("https://evil.test/orders/7", "/7"),
        ("https://evil.test/7", "https://evil.test/7"),
        ("https://shop.test/7", "/7"),
        ("http://shop.test/orders/7", "/7"),
        ("https://orders.internal:8080/7", "/7"),
        ("http://orders.internal/7", "/7"),
        ("https://shop.test/orders/8", "/7"),
        ("/7", "/7"),
        ("", "/7"),
        // Whatever stands in front of the service would not have taken the prefix off these.
        ("https://shop.test/notes/7", "/../notes/7"),
        ("https://shop.test/notes/7", "/%2e%2e/notes/7"),
        ("https://shop.test/notes/7", "/7/../../notes/7"),
        ("https://shop.test/orders-of-all/7", "/../orders-of-all/7"),
        ("https://shop.test/", "/.."),
    ] {
        assert_eq!(asked(address, path), Err(TokenRefusal::ProofForOtherUri), "{address} {path}");
    }
}

#[test]
fn a_nonce_is_demanded_given_out_and_renewed() {
    let issuer = TestIssuer::new("orders");
    let policy = policy().require_nonce(Secret::new(vec![7; 32]));
    let verifier = verifier(&issuer, policy);
    let token = issuer.token().bound_to(TestKey::CLIENT).sign();
    let proof = || issuer.proof("GET", ADDRESS, &token);
    assert_eq!(ask(&verifier, &token, proof()).unwrap_err(), TokenRefusal::ProofNonceRequired);
    assert_eq!(ask(&verifier, &token, proof().nonce("x")).unwrap_err(), TokenRefusal::ProofNonceRequired);
    let malformed = ask(&verifier, &token, proof().claim("nonce", 1)).unwrap_err();
    assert_eq!(malformed, TokenRefusal::ProofClaimMalformed(crate::ClaimName::Nonce));
    let nonce = verifier.proof_nonce().unwrap();
    let nonce = nonce.to_str().unwrap();
    let prove = |nonce: &str| {
        let asked = request("GET", "/orders/7", &[&proof().nonce(nonce).sign()]);
        verifier.prove(token.as_bytes(), &asked, issuer.clock().now()).map(|(_, proved)| proved.fresh_nonce)
    };
    assert_eq!(prove(nonce), Ok(None));
    issuer.clock().advance(Duration::from_secs(120));
    let fresh = prove(nonce).unwrap().unwrap();
    assert_eq!(Some(&fresh), verifier.proof_nonce().as_ref());
    assert_eq!(prove(fresh.to_str().unwrap()), Ok(None));
    issuer.clock().advance(Duration::from_secs(120));
    assert_eq!(prove(nonce), Err(TokenRefusal::ProofNonceRequired));
}

#[test]
fn a_full_memory_is_not_the_callers_fault() {
    let issuer = TestIssuer::new("orders");
    let verifier = verifier(&issuer, policy().remember(2));
    let token = issuer.token().bound_to(TestKey::CLIENT).sign();
    let prove = || ask(&verifier, &token, issuer.proof("GET", ADDRESS, &token)).map(drop);
    assert_eq!((prove(), prove()), (Ok(()), Ok(())));
    assert_eq!(prove(), Err(TokenRefusal::ProofMemoryFull));
    assert_eq!(TokenRefusal::ProofMemoryFull.status().as_u16(), 503);
    issuer.clock().advance(Duration::from_secs(61));
    assert_eq!(prove(), Ok(()));
}

#[test]
fn a_challenge_names_what_would_do() {
    let issuer = TestIssuer::new("orders");
    let es256 = || policy().algorithms([Algorithm::Es256, Algorithm::EdDsa]);
    let (both, only) = (verifier(&issuer, es256()), verifier(&issuer, es256().bound_only()));
    let text = |verifier: &Verifier, refusal, sent| {
        verifier.challenge(refusal, Some("orders:read"), sent).map(|value| value.to_str().unwrap().to_owned())
    };
    let algs = r#"algs="ES256 EdDSA""#;
    for (refusal, sent, by_both, by_only) in [
        (TokenRefusal::TokenMissing, Scheme::Bearer, format!("Bearer, DPoP {algs}"), format!("DPoP {algs}")),
        (
            TokenRefusal::TokenNeedsProof,
            Scheme::Bearer,
            format!(r#"Bearer error="invalid_token", scope="orders:read", DPoP {algs}"#),
            format!(r#"DPoP error="invalid_token", scope="orders:read", {algs}"#),
        ),
        (
            TokenRefusal::TokenExpired,
            Scheme::Dpop,
            format!(r#"DPoP error="invalid_token", scope="orders:read", {algs}"#),
            format!(r#"DPoP error="invalid_token", scope="orders:read", {algs}"#),
        ),
        (
            TokenRefusal::ProofReplayed,
            Scheme::Dpop,
            format!(r#"DPoP error="invalid_dpop_proof", scope="orders:read", {algs}"#),
            format!(r#"DPoP error="invalid_dpop_proof", scope="orders:read", {algs}"#),
        ),
        (
            TokenRefusal::ScopeMissing,
            Scheme::Bearer,
            r#"Bearer error="insufficient_scope", scope="orders:read""#.to_owned(),
            format!(r#"DPoP error="insufficient_scope", scope="orders:read", {algs}"#),
        ),
    ] {
        assert_eq!(text(&both, refusal, sent), Some(by_both), "{refusal}");
        assert_eq!(text(&only, refusal, sent), Some(by_only), "{refusal}");
    }
    assert_eq!(text(&both, TokenRefusal::ProofMemoryFull, Scheme::Dpop), None);
    let nonce = both.challenge(TokenRefusal::ProofNonceRequired, None, Scheme::Dpop).unwrap();
    assert_eq!(nonce, r#"DPoP error="use_dpop_nonce", algs="ES256 EdDSA""#);
    let plain = issuer.verifier().challenge(TokenRefusal::TokenMissing, None, Scheme::Dpop);
    assert_eq!(plain.unwrap(), "Bearer");
}

#[test]
fn a_policy_that_makes_no_sense_makes_no_verifier() {
    let issuer = TestIssuer::new("orders");
    let fault = |policy: DpopPolicy| match issuer.verifier_builder().dpop(policy).build() {
        Err(VerifierError::Proofs(fault)) => fault,
        other => panic!("{other:?}"),
    };
    for origin in ["", "orders.test", "https://orders.test?x", "ftp://orders.test", "https://u@orders.test"] {
        assert_eq!(fault(DpopPolicy::new(origin)), DpopPolicyError::Origin(origin.to_owned()));
        assert_eq!(fault(policy().also_at(origin)), DpopPolicyError::Origin(origin.to_owned()));
    }
    assert_eq!(fault(policy().algorithms([])), DpopPolicyError::Algorithms);
    assert_eq!(fault(policy().algorithms([Algorithm::Es256, Algorithm::Hs256])), DpopPolicyError::Algorithms);
    for seconds in [0, 301] {
        assert_eq!(fault(policy().max_age(Duration::from_secs(seconds))), DpopPolicyError::Age);
    }
    assert_eq!(fault(policy().leeway(Duration::from_secs(61))), DpopPolicyError::Age);
    assert_eq!(fault(policy().remember(0)), DpopPolicyError::Memory);
    assert_eq!(fault(policy().require_nonce(Secret::new(vec![7; 31]))), DpopPolicyError::NonceKey);
    let shown = format!("{:?}", policy().require_nonce(Secret::new(vec![7; 32])));
    assert!(shown.contains("[redacted]") && !shown.contains("7, 7"), "{shown}");
}
