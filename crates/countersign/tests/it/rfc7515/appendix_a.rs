//! Appendix A: the examples.

use countersign::{
    Jwk, Secret,
    jws::{self, Algorithm, JwsError, KeyError, SharedSecret, VerifyingKey},
};

use crate::support::decode;

const CLAIMS: &[u8] = b"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";

/// The key of A.1.
fn secret(algorithm: Algorithm) -> Result<SharedSecret, KeyError> {
    let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    SharedSecret::new(algorithm, Secret::new(decode(key)))
}

fn key(jwk: &str) -> VerifyingKey {
    VerifyingKey::from_jwk(Jwk::parse(jwk.as_bytes()).unwrap()).unwrap()
}

#[test]
fn a_1_hmac_sha_256() {
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let verified = jws::verify(token.as_bytes(), &secret(Algorithm::Hs256).unwrap()).unwrap();
    assert_eq!(verified.payload(), CLAIMS);
    assert_eq!(verified.header().typ(), Some("JWT"));
    let other = secret(Algorithm::Hs512).unwrap();
    assert_eq!(jws::verify(token.as_bytes(), &other).unwrap_err(), JwsError::AlgorithmMismatch);
}

#[test]
fn a_2_rsa_pkcs1_sha_256() {
    let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let good = key(&format!(r#"{{"kty":"RSA","alg":"RS256","e":"AQAB","n":"{n}"}}"#));
    assert_eq!(jws::verify(token.as_bytes(), &good).unwrap().payload(), CLAIMS);
    for other in ["RS384", "RS512", "PS256"] {
        let other = key(&format!(r#"{{"kty":"RSA","alg":"{other}","e":"AQAB","n":"{n}"}}"#));
        assert_eq!(jws::verify(token.as_bytes(), &other).unwrap_err(), JwsError::AlgorithmMismatch);
    }
}

#[test]
fn a_3_ecdsa_p_256_sha_256() {
    let key = key(
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
    );
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert_eq!(jws::verify(token.as_bytes(), &key).unwrap().payload(), CLAIMS);
}

#[test]
fn a_4_ecdsa_p_521_sha_512() {
    let key = key(
        r#"{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}"#,
    );
    let token = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
    assert_eq!(jws::verify(token.as_bytes(), &key).unwrap().payload(), b"Payload");
}

#[test]
fn a_5_unsecured_is_never_accepted() {
    let token = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    let refusal = jws::verify(token.as_bytes(), &secret(Algorithm::Hs256).unwrap()).unwrap_err();
    assert_eq!(refusal, JwsError::AlgorithmMismatch);
}

#[test]
fn a_6_the_general_json_form_is_not_accepted() {
    let token = r#"{"payload":"eyJpc3MiOiJqb2UifQ","signatures":[{"protected":"eyJhbGciOiJFUzI1NiJ9","header":{"kid":"e9bc097a-ce51-4036-9562-d2ade882db0d"},"signature":"DtEhU3ljbEg8L38V"}]}"#;
    let refusal = jws::verify(token.as_bytes(), &secret(Algorithm::Hs256).unwrap()).unwrap_err();
    assert_eq!(refusal, JwsError::Segments);
}

#[test]
fn a_7_the_json_form_is_not_accepted() {
    let token = r#"{"payload":"eyJpc3MiOiJqb2UifQ","protected":"eyJhbGciOiJFUzI1NiJ9","signature":"DtEhU3ljbEg8L38V"}"#;
    let refusal = jws::verify(token.as_bytes(), &secret(Algorithm::Hs256).unwrap()).unwrap_err();
    assert_eq!(refusal, JwsError::Segments);
}

#[test]
fn appendix_e_a_critical_header_that_is_not_understood() {
    // {"alg":"none", "crit":["http://example.invalid/UNDEFINED"], "http://example.invalid/UNDEFINED":true}
    let token = "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGxlLmNvbS9VTkRFRklORUQiOnRydWUNCn0.RkFJTA.";
    let refusal = jws::verify(token.as_bytes(), &secret(Algorithm::Hs256).unwrap()).unwrap_err();
    assert_eq!(refusal, JwsError::CriticalHeader);
}

#[test]
fn appendix_c_base64url_without_padding() {
    let token = "eyJhbGciOiJIUzI1NiJ9.A-z_4ME.AA";
    let unverified = jws::Unverified::parse(token.as_bytes(), jws::MAX_BYTES).unwrap();
    assert_eq!(
        unverified.verify(&secret(Algorithm::Hs256).unwrap()).unwrap_err(),
        JwsError::SignatureInvalid
    );
    for other in ["A+z/4ME", "A-z_4ME=", "A-z_4MF"] {
        let token = token.replace("A-z_4ME", other);
        assert_eq!(
            jws::verify(token.as_bytes(), &secret(Algorithm::Hs256).unwrap()).unwrap_err(),
            JwsError::Encoding,
            "{other}"
        );
    }
}

#[test]
fn appendix_f_a_detached_payload_is_not_put_back() {
    // A.1 without its payload.
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9..dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let refusal = jws::verify(token.as_bytes(), &secret(Algorithm::Hs256).unwrap()).unwrap_err();
    assert_eq!(refusal, JwsError::SignatureInvalid);
}
