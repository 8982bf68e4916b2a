//! `check` and `explain` of a guard.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    thread,
};

use countersign::{SigningKey, jws::Algorithm};
use serde_json::json;

use crate::command::{Ran, countersign};

const ISSUER: &str = "https://shop.example";

/// Serves a text to whoever asks. Ends with the test's process.
fn serve(text: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let _ = lines.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).count();
            let length = text.len();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            let _ = stream.write_all(format!("{head}\r\nContent-Length: {length}\r\n\r\n{text}").as_bytes());
        }
    });
    port
}

/// A guard that trusts a key which is served, and that key.
fn prepare(folder: &Path) -> SigningKey {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let port = serve(json!({ "keys": [key.public_jwk().unwrap()] }).to_string());
    let config = format!(
        "issuer = \"https://guard.example\"\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nstate_dir = \"state\"\n[guard]\nissuer = \"{ISSUER}\"\nkeys = \"http://127.0.0.1:{port}/keys\"\n\
         headers = {{ subject = \"X-User-Id\", roles = \"X-Roles\" }}\n\
         [[route]]\npath = \"/orders/\"\nupstream = \"http://127.0.0.1:9001\"\naudience = \"orders\"\nguard = true\n\
         require = {{ roles = [\"editor\"] }}\n\
         [[route]]\npath = \"/mute/\"\nupstream = \"http://127.0.0.1:9001\"\naudience = \"orders\"\nguard = true\n\
         forward_token = false\nrequire = {{ scope = [\"orders:read\"], organisation = true }}\n"
    );
    fs::write(folder.join("gateway.toml"), config).unwrap();
    key
}

fn token(key: &SigningKey, audience: &str, role: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({
        "iss": ISSUER, "aud": audience, "sub": "u-1001", "client_id": "shop-web",
        "iat": now, "exp": now + 300, "jti": "one", "roles": [role],
    });
    key.sign("at+jwt", &claims).unwrap()
}

fn explain(folder: &Path, token: &str) -> Ran {
    explain_at("/orders/7", folder, token)
}

fn explain_at(url: &str, folder: &Path, token: &str) -> Ran {
    let header = format!("Authorization: Bearer {token}");
    countersign(folder, &["explain", "--config", "gateway.toml", "--url", url, "--header", &header], "")
}

#[test]
fn explain_says_what_becomes_of_a_token_at_a_guard() {
    let folder = tempfile::tempdir().unwrap();
    let key = prepare(folder.path());
    let good = explain(folder.path(), &token(&key, "orders", "editor"));
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.output.contains("guarded, a token for `orders` in and out"), "{good:?}");
    assert!(good.output.contains("forwarded, with its token as it came"), "{good:?}");
    assert!(good.output.contains("x-user-id: u-1001; x-roles: editor"), "{good:?}");
    fs::write(folder.path().join("token"), token(&key, "orders", "editor")).unwrap();
    let arguments = ["explain", "--config", "gateway.toml", "--url", "/orders/7", "--token-file", "token"];
    let from_file = countersign(folder.path(), &arguments, "");
    assert_eq!(from_file.output, good.output, "{from_file:?}");
    let mute = explain_at("/mute/", folder.path(), &token(&key, "orders", "editor"));
    assert!(mute.output.contains("a token for `orders` in and none out"), "{mute:?}");
    assert!(mute.output.contains("needs scope `orders:read` and an organisation"), "{mute:?}");
    assert!(mute.output.contains("refused: 403 scope_missing"), "{mute:?}");
    assert!(!good.output.contains("eyJ"), "{good:?}");
    for (token, code) in [
        (token(&key, "notes", "editor"), "401 audience_mismatch"),
        (token(&key, "orders", "viewer"), "403 role_missing"),
        (token(&SigningKey::generate(Algorithm::Es256).unwrap(), "orders", "editor"), "401 key_unknown"),
    ] {
        let ran = explain(folder.path(), &token);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.output.contains(&format!("refused: {code}")), "{code}: {ran:?}");
    }
}

#[test]
fn check_fetches_the_keys_of_a_guard() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let ran = countersign(folder.path(), &["check", "--config", "gateway.toml"], "");
    assert_eq!(ran.code, 0, "{ran:?}");
    for said in [
        "2 guarded",
        "/orders/: needs role `editor`",
        "/mute/: needs scope `orders:read` and an organisation",
        "told who calls by x-roles, x-user-id",
        "no sessions: nobody is asked",
        "the keys of https://shop.example are there",
    ] {
        assert!(ran.output.contains(said), "{said}: {ran:?}");
    }
    assert!(!ran.output.contains("authorization server away"), "{ran:?}");
    // Port 9 of this machine has nobody.
    let file = folder.path().join("gateway.toml");
    let text = fs::read_to_string(&file).unwrap();
    let keys = text.lines().find(|line| line.starts_with("keys = ")).unwrap();
    fs::write(&file, text.replace(keys, "keys = \"http://127.0.0.1:9/keys\"")).unwrap();
    let ran = countersign(folder.path(), &["check", "--config", "gateway.toml"], "");
    assert!(
        ran.code == 1 && ran.output.contains("gives no keys (the endpoint cannot be reached)"),
        "{ran:?}"
    );
}

#[test]
fn check_says_which_keys_of_a_guard_are_not_used_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let key = prepare(folder.path());
    let file = folder.path().join("gateway.toml");
    let text = fs::read_to_string(&file).unwrap();
    let keys = text.lines().find(|line| line.starts_with("keys = ")).unwrap();
    let check = |set: serde_json::Value| {
        let port = serve(set.to_string());
        fs::write(&file, text.replace(keys, &format!("keys = \"http://127.0.0.1:{port}/keys\""))).unwrap();
        // Lines are as long as the screen.
        let ran = countersign(folder.path(), &["check", "--config", "gateway.toml"], "");
        (ran.code, ran.output.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let of_rsa = SigningKey::generate(Algorithm::Rs256).unwrap();
    let mut unnamed = serde_json::to_value(of_rsa.public_jwk().unwrap()).unwrap();
    unnamed.as_object_mut().unwrap().remove("alg");
    let mut encryption = unnamed.clone();
    encryption["use"] = "enc".into();
    let (code, said) = check(json!({ "keys": [key.public_jwk().unwrap(), encryption, unnamed] }));
    assert_eq!(code, 0, "{said}");
    let why = "key 3 of the set is not used, tokens of it are refused: the key does not say its algorithm";
    assert!(said.contains(why) && !said.contains("key 2 of"), "{said}");
    let (code, said) = check(json!({ "keys": [unnamed] }));
    let why = "gives no keys (the key set has no usable key: the key does not say its algorithm)";
    assert!(code == 1 && said.contains(why), "{said}");
    let (code, said) = check(json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "kid": "a" }] }));
    assert!(
        code == 1 && said.contains("gives no keys (the key set holds a key that is not public)"),
        "{said}"
    );
}
