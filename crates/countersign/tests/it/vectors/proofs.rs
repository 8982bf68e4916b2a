//! The catalogue of bad proofs as `vectors/proof.json`: whole requests.

use countersign::{
    Clock, TokenRefusal,
    testkit::{ProofSetup, ProvedRequest, TestIssuer, bad_proofs, odd_proofs},
};
use serde_json::{Value, json};

use super::says_the_same;

pub(super) const FILE: &str = "proof.json";

/// The file.
pub(super) fn file(issuer: &TestIssuer) -> Value {
    let bad = bad_proofs().map(|row| {
        let mut refusal = json!({"code": row.refusal().code(), "status": row.refusal().status().as_u16()});
        if let Some(claim) = row.refusal().claim() {
            refusal["claim"] = claim.name().into();
        }
        json!({
            "name": row.name(),
            "source": row.source(),
            "setup": row.setup().name(),
            "refusal": refusal,
            "request": written(&row.request(issuer)),
            "twin": written(&row.twin(issuer)),
        })
    });
    let odd = odd_proofs().map(|row| {
        json!({
            "name": row.name(),
            "source": row.source(),
            "setup": row.setup().name(),
            "request": written(&row.request(issuer)),
        })
    });
    let setups: serde_json::Map<String, Value> = ProofSetup::ALL
        .into_iter()
        .map(|setup| {
            let algorithms: Vec<&str> = match setup {
                ProofSetup::Es256 => vec!["ES256"],
                _ => vec![
                    "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "PS256", "PS384", "PS512", "RS256",
                    "RS384", "RS512",
                ],
            };
            let nonce = setup.verifier(issuer).proof_nonce();
            let said = json!({
                "bearer": setup != ProofSetup::BoundOnly,
                "algorithms": algorithms,
                "nonce": nonce.map(|nonce| nonce.to_str().unwrap().to_owned()),
            });
            (setup.name().to_owned(), said)
        })
        .collect();
    json!({
        "now": issuer.clock().now().as_secs(),
        "issuer": issuer.issuer(),
        "audience": issuer.audience(),
        "origin": ProofSetup::ORIGIN,
        "max_age": 60,
        "leeway": 5,
        "setups": setups,
        "vectors": bad.chain(odd).collect::<Vec<_>>(),
    })
}

fn written(request: &ProvedRequest) -> Value {
    json!({
        "method": request.method,
        "uri": request.uri,
        "scheme": request.scheme,
        "token": request.token,
        "proofs": request.proofs,
        "sent_before": request.sent_before,
    })
}

/// A committed request, to be sent again.
fn read(value: &Value) -> ProvedRequest {
    let text = |name: &str| value[name].as_str().unwrap().to_owned();
    ProvedRequest {
        method: text("method").leak(),
        uri: text("uri"),
        scheme: text("scheme").leak(),
        token: text("token"),
        proofs: value["proofs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|proof| proof.as_str().unwrap().into())
            .collect(),
        sent_before: value["sent_before"].as_bool().unwrap(),
    }
}

/// What a committed row must do.
pub(super) fn fault(row: &Value, issuer: &TestIssuer) -> Option<String> {
    let name = &row["name"];
    let setup = ProofSetup::ALL.into_iter().find(|setup| row["setup"] == setup.name())?;
    let verdict = |member: &str| read(&row[member]).verdict(&setup.verifier(issuer)).map(drop);
    let is_meant = |refusal: TokenRefusal| {
        row["refusal"]["code"] == refusal.code()
            && row["refusal"]["claim"].as_str() == refusal.claim().map(|claim| claim.name())
    };
    match (verdict("request"), row["refusal"].is_null()) {
        (Ok(()), true) => None,
        (Err(refusal), false) if is_meant(refusal) => {
            verdict("twin").err().map(|refusal| format!("{name}: its twin is refused as {refusal}"))
        }
        (found, _) => Some(format!("{name}: {found:?}")),
    }
}

/// Takes committed requests into the fresh file where nothing but a signature is another one.
pub(super) fn reconcile(fresh: &mut Value, committed: &Value, issuer: &TestIssuer) {
    for row in fresh["vectors"].as_array_mut().unwrap() {
        let name = row["name"].clone();
        let old = committed["vectors"].as_array().into_iter().flatten().find(|old| old["name"] == name);
        let Some(old) = old.filter(|old| same(row, old) && fault(old, issuer).is_none()) else { continue };
        *row = old.clone();
    }
}

/// The same JSON, but for signatures.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => {
            left == right || (is_jws(left) && says_the_same(left, right))
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| same(left, right)))
        }
        (left, right) => left == right,
    }
}

fn is_jws(text: &str) -> bool {
    text.matches('.').count() == 2 && !text.contains([' ', ':'])
}
