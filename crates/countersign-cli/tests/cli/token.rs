//! `countersign token`.

use std::fs;

use countersign::{SigningKey, jws::Algorithm};
use serde_json::{Value, json};

use crate::command::{countersign, expect};

const ISSUER: &str = "https://shop.example";

/// A key, its key set in a file, and a token signed with it.
fn signed(folder: &std::path::Path, audience: &str, ends: u64) -> String {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let keys = json!({ "keys": [key.public_jwk().unwrap()] });
    fs::write(folder.join("keys.json"), keys.to_string()).unwrap();
    let claims = json!({
        "iss": ISSUER, "aud": audience, "sub": "u-1001", "client_id": "shop-web",
        "iat": ends - 300, "exp": ends, "jti": "one", "roles": ["editor"], "organisation": "acme",
    });
    key.sign("at+jwt", &claims).unwrap()
}

fn soon() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_secs() + 200
}

const KEYS: [&str; 7] = ["token", "--keys", "keys.json", "--issuer", ISSUER, "--audience", "orders"];

#[test]
fn a_good_token_is_0_and_its_signature_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let token = signed(folder.path(), "orders", soon());
    let signature = token.rsplit('.').next().unwrap();
    for input in [token.clone(), format!("Bearer {token}\n")] {
        let ran = countersign(folder.path(), &KEYS, &input);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(
            ran.output.contains("ok    valid for `orders`")
                && ran.output.contains("\"organisation\": \"acme\"")
        );
        assert!(!ran.output.contains(signature) && !ran.output.contains("eyJ"));
    }
    let ran = countersign(folder.path(), &[&KEYS[..], &["--json"]].concat(), &token);
    let printed: Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(printed["verdict"], json!({ "verified": true, "audience": "orders", "revoked": null }));
    assert_eq!(printed["signature_bytes"], 64);
    assert!(!ran.output.contains(signature));
}

#[test]
fn a_bad_token_is_1_with_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let good = signed(folder.path(), "orders", soon());
    let other_key = signed(folder.path(), "orders", soon());
    let other_audience = signed(folder.path(), "notes", soon());
    for (token, code) in
        [(other_audience.as_str(), "audience_mismatch"), (&good, "key_unknown"), (&other_key, "key_unknown")]
    {
        let ran = countersign(folder.path(), &KEYS, token);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.output.contains(&format!("FAIL  {code}: ")), "{ran:?}");
        let names_the_key = ran.output.contains(" is not in the key set (retired, or of another issuer)");
        assert_eq!(names_the_key, code == "key_unknown", "{ran:?}");
    }
    let ended = signed(folder.path(), "orders", 1_800_000_000 - 400_000_000);
    let ran = countersign(folder.path(), &KEYS, &ended);
    assert!(ran.code == 1 && ran.output.contains("FAIL  token_expired"), "{ran:?}");
}

#[test]
fn without_keys_nothing_is_claimed() {
    let folder = tempfile::tempdir().unwrap();
    // RFC 7515 appendix A.1, its signature shortened.
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjf";
    let ran = countersign(folder.path(), &["token", "--json"], token);
    assert_eq!(ran.code, 0);
    expect("token.json", &ran.output);
    let ran = countersign(folder.path(), &["token"], token);
    assert!(ran.output.contains("warn  not verified"), "{ran:?}");
    assert!(!ran.output.contains("dBjf"));
}

#[test]
fn what_is_no_token_is_refused_without_being_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for (input, code) in
        [("", 2), ("  \n", 2), ("planted", 1), ("planted.planted.planted", 1), ("a.b.c.d", 1)]
    {
        let ran = countersign(folder.path(), &["token"], input);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.output.is_empty() && !ran.complaint.contains("planted"), "{ran:?}");
    }
    let ran = countersign(folder.path(), &["token"], &"a".repeat(1 << 20));
    assert_eq!(ran.code, 1);
}
