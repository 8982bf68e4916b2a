//! The unencoded payload option (RFC 7797) is not implemented, and never taken for something else.

use countersign::{
    Secret,
    jws::{self, Algorithm, JwsError, SharedSecret},
};

use crate::support::decode;

fn secret() -> SharedSecret {
    let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    SharedSecret::new(Algorithm::Hs256, Secret::new(decode(key))).unwrap()
}

#[test]
fn section_4_1_the_control() {
    let token = "eyJhbGciOiJIUzI1NiJ9.JC4wMg.5mvfOroL-g7HyqJoozehmsaqmvTYGEq5jTI1gVvoEoQ";
    assert_eq!(jws::verify(token.as_bytes(), &secret()).unwrap().payload(), b"$.02");
}

#[test]
fn section_4_2_b64_false_is_refused() {
    let header = "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19";
    let signature = "A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY";
    for payload in ["", "JC4wMg"] {
        let token = format!("{header}.{payload}.{signature}");
        assert_eq!(jws::verify(token.as_bytes(), &secret()).unwrap_err(), JwsError::CriticalHeader);
    }
    // The payload as it is has a dot, and would be a segment more.
    let token = format!("{header}.$.02.{signature}");
    assert_eq!(jws::verify(token.as_bytes(), &secret()).unwrap_err(), JwsError::Segments);
}
