//! The verdicts of four other verifiers on the whole catalogue, and the reason of each difference.
//!
//! The page is `vectors/VERDICTS.md`. With `UPDATE_VECTORS=1` it is written.

mod reasons;

use std::{collections::BTreeMap, fmt::Write as _, fs};

use countersign::{
    Clock,
    testkit::{Setup, TestIssuer, TestKey, bad_tokens, odd_tokens},
};
use serde_json::{Value, json};

use self::reasons::{REASONS, Reason, is_like};
use super::{counterpart::Counterpart, hex};

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
         ## How many\n\n| our verdict |"
    );
    for name in names {
        write!(page, " {name} |").unwrap();
    }
    page.push_str("\n|---|");
    page.push_str(&"---|".repeat(names.len()));
    page.push('\n');
    for (code, rows) in differences {
        write!(page, "| `{code}` |").unwrap();
        for name in names {
            write!(page, " {} |", rows.values().filter(|who| who.contains(name)).count()).unwrap();
        }
        page.push('\n');
    }
    page.push_str("\n## Why\n\n| number | verifiers | what each of them does there |\n|---|---|---|\n");
    for (number, reason) in (1..).zip(REASONS) {
        writeln!(page, "| {number} | {} | {} |", reason.who.join(", "), reason.why).unwrap();
    }
    page.push_str("\n## Row by row\n\nWith the number of its reason each.\n\n| row | our verdict | who says otherwise |\n|---|---|---|\n");
    for (code, rows) in differences {
        for (row, who) in rows {
            let who: Vec<String> = who
                .iter()
                .flat_map(|who| reasons_of(row, who).map(move |(number, _)| format!("{who} ({number})")))
                .collect();
            writeln!(page, "| {row} | {code} | {} |", who.join(", ")).unwrap();
        }
    }
    page
}

fn reasons_of<'a>(row: &'a str, who: &'a str) -> impl Iterator<Item = (usize, &'static Reason)> + 'a {
    (1..).zip(REASONS).filter(move |(_, reason)| reason.is_about(row, who))
}

/// What is wrong with the reasons: a difference without one, or with two, and a reason that is no longer needed.
fn faults(differences: &Differences) -> Vec<String> {
    let found: Vec<(&str, &str)> = differences
        .values()
        .flatten()
        .flat_map(|(row, who)| who.iter().map(move |who| (*row, *who)))
        .collect();
    let without = found.iter().filter_map(|(row, who)| {
        let count = reasons_of(row, who).count();
        (count != 1).then(|| format!("{who}, {row}: {count} reasons"))
    });
    let unused = REASONS.iter().flat_map(|reason| {
        let pairs = reason.who.iter().flat_map(|who| reason.rows.iter().map(move |pattern| (*who, *pattern)));
        pairs
            .filter(|(who, pattern)| !found.iter().any(|(row, whose)| whose == who && is_like(pattern, row)))
            .map(|(who, pattern)| format!("{who} no longer differs in {pattern}"))
    });
    without.chain(unused).collect()
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
    let faults = faults(&differences);
    assert!(faults.is_empty(), "{faults:#?}");
    let good = rows.iter().filter(|row| row.code.is_none()).count();
    let page = page(rows.len(), good, &names, &differences);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/VERDICTS.md");
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::write(file, page).unwrap();
    } else {
        assert_eq!(fs::read_to_string(file).unwrap_or_default(), page, "run the test with UPDATE_VECTORS=1");
    }
}
