//! The catalogue as files that other languages read: `vectors/*.json` and `vectors/INDEX.md`.
//!
//! With `UPDATE_VECTORS=1` the files are written; otherwise they must say what the catalogue says, and every token in
//! them must get its verdict. Signatures that differ each time (ECDSA, PSS) keep the bytes that are committed.

mod proofs;

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use countersign::{
    Clock, TokenRefusal,
    testkit::{BadToken, OddToken, Setup, TestIssuer, TestKey, bad_tokens, odd_tokens},
};
use serde_json::{Value, json};

const AUDIENCE: &str = "orders";

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors"))
}

fn is_updating() -> bool {
    std::env::var_os("UPDATE_VECTORS").is_some()
}

/// The files, by their names.
fn files(issuer: &TestIssuer) -> BTreeMap<String, Value> {
    let mut groups: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for row in bad_tokens() {
        groups.entry(group(row.name())).or_default().push(bad_row(row, issuer));
    }
    for row in odd_tokens() {
        groups.entry(group(row.name())).or_default().push(odd_row(row, issuer));
    }
    let mut files: BTreeMap<String, Value> = groups
        .into_iter()
        .map(|(group, rows)| {
            let file = json!({
                "now": issuer.clock().now().as_secs(),
                "issuer": issuer.issuer(),
                "audience": issuer.audience(),
                "vectors": rows,
            });
            (format!("{group}.json"), file)
        })
        .collect();
    files.insert("setups.json".to_owned(), setups());
    files.insert(proofs::FILE.to_owned(), proofs::file(issuer));
    files
}

fn group(name: &str) -> String {
    name.split('/').next().unwrap().to_owned()
}

fn bad_row(row: &BadToken, issuer: &TestIssuer) -> Value {
    let mut refusal = json!({"code": row.refusal().code(), "status": row.refusal().status().as_u16()});
    if let Some(claim) = row.refusal().claim() {
        refusal["claim"] = claim.name().into();
    }
    json!({
        "name": row.name(),
        "source": row.source(),
        "setup": row.setup().name(),
        "refusal": refusal,
        "token": row.token(issuer),
        "twin": row.twin(issuer),
    })
}

fn odd_row(row: &OddToken, issuer: &TestIssuer) -> Value {
    json!({
        "name": row.name(),
        "source": row.source(),
        "setup": row.setup().name(),
        "token": row.token(issuer),
    })
}

fn setups() -> Value {
    let setups: serde_json::Map<String, Value> = Setup::ALL
        .into_iter()
        .map(|setup| {
            let mut said = json!({});
            match setup {
                Setup::SharedSecret => {
                    let secret: String =
                        TestKey::secret().expose().iter().map(|byte| format!("{byte:02x}")).collect();
                    said["secret"] = json!({"alg": "HS256", "hex": secret});
                }
                _ => said["key_set"] = serde_json::to_value(setup.key_set()).unwrap(),
            }
            if setup == Setup::TwoIssuers {
                said["other"] = json!({
                    "issuer": "https://other.test",
                    "audience": AUDIENCE,
                    "key_set": TestKey::set(&TestKey::OF_OTHER),
                    "organisations": ["acme"],
                });
            }
            if setup == Setup::Revoked {
                said["revoked"] =
                    json!({"jti": "revoked", "sid": "revoked", "sub": "revoked", "organisation": "revoked"});
            }
            (setup.name().to_owned(), said)
        })
        .collect();
    Value::Object(setups)
}

/// A page for people.
fn index(files: &BTreeMap<String, Value>) -> String {
    let mut page = String::from(
        "# Tokens that a verifier must refuse, and some it must not\n\n\
         Each file holds tokens for the verifier of `setups.json` that `setup` names, at the moment `now`, with 5 s of\n\
         leeway, a life of at most 24 hours, at most 8 KiB, and `typ` `at+jwt`. `twin` is a good token that differs only in\n\
         what is wrong. The rows of `good.json` look odd and are good. The keys are published, private halves included, in\n\
         `crates/countersign/src/testkit/keys`: never trust them.\n\n\
         `proof.json` holds whole requests to a service that checks proofs of possession (RFC 9449) and trusts the keys of\n\
         `keys`; `setup` is one of its own `setups`. A row is asked of a service that has seen no proof yet; where\n\
         `sent_before` is true, the same request was sent once before, and the verdict is on the second.\n",
    );
    for (file, content) in files {
        let Some(rows) = content["vectors"].as_array() else { continue };
        write!(page, "\n## {file}\n\n| name | setup | refused as | source |\n|---|---|---|---|\n").unwrap();
        for row in rows {
            let mut refusal =
                row["refusal"]["code"].as_str().map_or_else(|| "good".to_owned(), |code| format!("`{code}`"));
            if let Some(claim) = row["refusal"]["claim"].as_str() {
                write!(refusal, " ({claim})").unwrap();
            }
            let [name, setup, source] =
                ["name", "setup", "source"].map(|member| row[member].as_str().unwrap());
            let source = source.replace('|', "\\|");
            writeln!(page, "| {name} | {setup} | {refusal} | {source} |").unwrap();
        }
    }
    page
}

/// The same, if what is signed is the same: the signature may differ each time.
fn says_the_same(ours: &str, theirs: &str) -> bool {
    let signed = |token: &str| token.rsplit_once('.').map(|(signed, _)| signed.to_owned());
    ours == theirs || (signed(ours).is_some() && signed(ours) == signed(theirs))
}

fn setup_of(row: &Value) -> Setup {
    Setup::ALL.into_iter().find(|setup| row["setup"] == setup.name()).unwrap()
}

/// What a committed row must do.
fn fault(row: &Value, issuer: &TestIssuer) -> Option<String> {
    let name = &row["name"];
    let verify =
        |member: &str| setup_of(row).verifier(issuer).verify(row[member].as_str().unwrap_or_default());
    let refused = |refusal: TokenRefusal| {
        row["refusal"]["code"] == refusal.code()
            && row["refusal"]["claim"].as_str() == refusal.claim().map(|claim| claim.name())
    };
    match (verify("token"), row["refusal"].is_null()) {
        (Ok(_), true) => None,
        (Err(refusal), true) => Some(format!("{name} is refused as {refusal}")),
        (Ok(_), false) => Some(format!("{name} is accepted")),
        (Err(refusal), false) if !refused(refusal) => Some(format!("{name} is refused as {refusal}")),
        (Err(_), false) => {
            verify("twin").err().map(|refusal| format!("{name}: its twin is refused as {refusal}"))
        }
    }
}

/// Takes committed tokens into the fresh file where they say the same, and reports what differs.
fn reconcile(file: &str, fresh: &mut Value, committed: &Value, issuer: &TestIssuer) -> Vec<String> {
    let mut differences = Vec::new();
    let rows = fresh.get_mut("vectors").and_then(Value::as_array_mut);
    for row in rows.into_iter().flatten() {
        let name = row["name"].clone();
        let old = committed["vectors"].as_array().into_iter().flatten().find(|old| old["name"] == name);
        let Some(old) = old else { continue };
        for member in ["token", "twin"] {
            // Requests are no strings, and reconciled already.
            if let (Some(ours), Some(theirs)) = (row[member].as_str(), old[member].as_str())
                && says_the_same(ours, theirs)
                && fault(old, issuer).is_none()
            {
                row[member] = theirs.into();
            }
        }
    }
    if fresh != committed {
        differences
            .push(format!("{file} is not what the catalogue says; run the tests with UPDATE_VECTORS=1"));
    }
    differences
}

#[test]
fn the_vectors_are_the_catalogue() {
    let issuer = TestIssuer::new(AUDIENCE);
    let mut files = files(&issuer);
    let mut differences = Vec::new();
    for (name, fresh) in &mut files {
        let committed = fs::read_to_string(folder().join(name)).unwrap_or_default();
        let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
        let fault = if name == proofs::FILE { proofs::fault } else { fault };
        if name == proofs::FILE {
            proofs::reconcile(fresh, &committed, &issuer);
        }
        differences.extend(reconcile(name, fresh, &committed, &issuer));
        differences
            .extend(fresh["vectors"].as_array().into_iter().flatten().filter_map(|row| fault(row, &issuer)));
    }
    let page = index(&files);
    if is_updating() {
        fs::create_dir_all(folder()).unwrap();
        for (name, fresh) in &files {
            fs::write(folder().join(name), serde_json::to_string_pretty(fresh).unwrap() + "\n").unwrap();
        }
        fs::write(folder().join("INDEX.md"), page).unwrap();
        return;
    }
    if fs::read_to_string(folder().join("INDEX.md")).unwrap_or_default() != page {
        differences
            .push("INDEX.md is not what the catalogue says; run the tests with UPDATE_VECTORS=1".to_owned());
    }
    assert!(differences.is_empty(), "{differences:#?}");
}
