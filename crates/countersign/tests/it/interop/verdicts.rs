//! The verdicts of four other verifiers on the whole catalogue, and the reason of each difference.
//!
//! The page is `vectors/VERDICTS.md`. With `UPDATE_VECTORS=1` it is written.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use countersign::{
    Clock,
    testkit::{Setup, TestIssuer, TestKey, bad_tokens, odd_tokens},
};
use serde_json::{Value, json};

use super::{counterpart::Counterpart, hex};

/// What the others accept and we refuse, by our code, and why. Every row must be used.
const STRICTER: &[(&str, &str)] = &[
    (
        "claim_malformed",
        "they look at the types of the claims they check themselves; a claim of another type reaches the service, and what it makes of it is chance",
    ),
    (
        "critical_header",
        "golang-jwt never looks at `crit` (RFC 7515 §4.1.11 demands it); the others implement `b64` (RFC 7797) or pass over `b64` without `crit`, which we refuse because two readers would see two payloads",
    ),
    (
        "header_malformed",
        "of a member that is there twice they take the last; a byte order mark, another encoding or a wrong type of `typ` and `cty` passes",
    ),
    (
        "key_unknown",
        "jose takes the only key of the set that fits the algorithm where `kid` is missing; ours has to be the only key of the set",
    ),
    ("organisation_invalid", "no other verifier knows organisations"),
    (
        "payload_malformed",
        "of a member that is there twice they take the last; other encodings, lone surrogates and, in Go, bytes after the object pass: two readers would see two payloads",
    ),
    (
        "signature_invalid",
        "golang-jwt takes a salt of any length, which RFC 7518 §3.5 fixes to that of the hash",
    ),
    ("token_bound", "they do not look at `cnf`: a token bound to a key is taken as one for whoever has it"),
    ("token_expired", "a fraction of a second of `exp` is kept, or, in Go, an `exp` of 0 is taken as none"),
    ("token_issued_in_future", "jose compares `iat` with the time only where `maxTokenAge` is set"),
    ("token_lives_too_long", "no other verifier bounds the life of a token"),
    (
        "token_malformed",
        "they decode what is not canonical base64url (padding, white space, trailing bits): one token has several spellings, and a list of revoked tokens by their text is evaded",
    ),
    ("token_of_other_type", "PyJWT, joserfc and golang-jwt cannot be told the `typ` (RFC 9068 §4)"),
    (
        "token_status_unchecked",
        "they do not look at `status`: a token that its issuer's list has revoked counts until its end",
    ),
    ("token_too_large", "no other verifier bounds the length of a token"),
];

/// What we accept and another refuses: verifier, row, why. Every row must be used.
const LAXER: &[(&str, &str, &str)] = &[
    (
        "joserfc",
        "good/unknown-header-parameter",
        "refuses header parameters it does not know; RFC 7515 §4 has them ignored",
    ),
    (
        "joserfc",
        "good/roles-in-the-header",
        "the same: a header parameter that it does not know; here it is passed over, and gives no role",
    ),
    (
        "joserfc",
        "good/key-url-of-wrong-type-that-is-not-read",
        "wants `jku` to be a string; we never read it",
    ),
];

/// One token of the catalogue.
struct Row {
    name: &'static str,
    code: Option<&'static str>,
    question: Value,
}

/// Every row that a verifier with one issuer's keys can be asked.
fn rows(issuer: &TestIssuer) -> Vec<Row> {
    let row = |name, setup: Setup, code, token: String| {
        let mut question = json!({
            "token": token, "issuer": issuer.issuer(), "audience": issuer.audience(),
            "now": issuer.clock().now().as_secs(),
        });
        match setup {
            Setup::Keys | Setup::OneKey => question["keys"] = serde_json::to_value(setup.key_set()).unwrap(),
            Setup::SharedSecret => question["secret"] = hex(TestKey::secret().expose()).into(),
            Setup::Revoked | Setup::TwoIssuers => return None,
        }
        Some(Row { name, code, question })
    };
    let bad =
        bad_tokens().map(|bad| row(bad.name(), bad.setup(), Some(bad.refusal().code()), bad.token(issuer)));
    let odd = odd_tokens().map(|odd| row(odd.name(), odd.setup(), None, odd.token(issuer)));
    bad.chain(odd).flatten().collect()
}

/// The rows on which a verifier differs, by our code or `good`.
type Differences = BTreeMap<&'static str, BTreeMap<&'static str, Vec<&'static str>>>;

fn page(asked: usize, good: usize, names: &[&'static str], differences: &Differences) -> String {
    let mut page = format!(
        "# Verdicts of other verifiers\n\n\
         The catalogue ([INDEX.md](INDEX.md)), asked of jose (npm), PyJWT and joserfc (PyPI) and golang-jwt (Debian), each\n\
         told the issuer, the audience, the algorithms, 5 s of leeway where it has one, the claims that must be there and,\n\
         where it can be, the type. PyJWT and golang-jwt are told that `Ed25519` is their `EdDSA`, and for golang-jwt the\n\
         service reads the key set. The programs are in `crates/countersign-cli/tests/e2e/counterparts`. Rows about two\n\
         issuers and about revocation are not asked: there the others have nothing to compare.\n\n\
         Of {asked} tokens {good} are good. A test writes and checks this page; a difference without a reason fails it.\n\n\
         ## What we refuse and others accept\n\n| our code |"
    );
    for name in names {
        write!(page, " {name} |").unwrap();
    }
    page.push_str(" why |\n|---|");
    page.push_str(&"---|".repeat(names.len() + 1));
    page.push('\n');
    let count = |code: &str, name: &str| {
        differences.get(code).map_or(0, |rows| rows.values().filter(|who| who.contains(&name)).count())
    };
    for (code, why) in STRICTER {
        write!(page, "| `{code}` |").unwrap();
        for name in names {
            write!(page, " {} |", count(code, name)).unwrap();
        }
        writeln!(page, " {why} |").unwrap();
    }
    page.push_str("\n## What we accept and others refuse\n\n| verifier | row | why |\n|---|---|---|\n");
    for (name, row, why) in LAXER {
        writeln!(page, "| {name} | {row} | {why} |").unwrap();
    }
    page.push_str("\n## Row by row\n\n| row | our verdict | who says otherwise |\n|---|---|---|\n");
    for (code, rows) in differences {
        for (row, who) in rows {
            writeln!(page, "| {row} | {code} | {} |", who.join(", ")).unwrap();
        }
    }
    page
}

#[test]
fn every_difference_has_its_reason() {
    let issuer = TestIssuer::new("orders");
    let rows = rows(&issuer);
    let mut counterparts = Counterpart::all();
    let names: Vec<&'static str> = counterparts.iter().map(|counterpart| counterpart.name).collect();
    let mut differences = Differences::new();
    for counterpart in &mut counterparts {
        for row in &rows {
            if counterpart.refuses(&row.question) == row.code.is_none() {
                let code = row.code.unwrap_or("good");
                differences.entry(code).or_default().entry(row.name).or_default().push(counterpart.name);
            }
        }
    }
    let mut unexplained = Vec::new();
    for (code, rows) in &differences {
        for (row, who) in rows {
            for name in who {
                let stricter = STRICTER.iter().any(|(known, _)| known == code);
                let laxer = LAXER.iter().any(|(verifier, known, _)| verifier == name && known == row);
                if !(if *code == "good" { laxer } else { stricter }) {
                    unexplained.push(format!("{name}: {row}, which we call {code}"));
                }
            }
        }
    }
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    for (code, _) in STRICTER {
        assert!(differences.contains_key(code), "no difference is about {code} any more");
    }
    for (name, row, _) in LAXER {
        let found =
            differences.get("good").and_then(|rows| rows.get(row)).is_some_and(|who| who.contains(name));
        assert!(found, "{name} accepts {row} by now");
    }
    let good = rows.iter().filter(|row| row.code.is_none()).count();
    let page = page(rows.len(), good, &names, &differences);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/VERDICTS.md");
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::write(file, page).unwrap();
    } else {
        assert_eq!(fs::read_to_string(file).unwrap_or_default(), page, "run the test with UPDATE_VECTORS=1");
    }
}
