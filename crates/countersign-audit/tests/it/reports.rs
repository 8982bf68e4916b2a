//! Reports keep header and claims, never a signature or a cookie, and have the form that their readers expect.

use axum::{Router, extract::Request, http::header, response::IntoResponse};
use countersign_audit::{
    Baseline, Keys, Options, Quiet, Report, Severity, Supply, parse_routes,
    report::{html, junit, sarif, terminal},
};

use crate::service::{Fault, audited};

const SECRET: &str = "planted-cookie-value-4711";
const PLANTED: &str = "signature-that-must-not-be-kept";

/// Answers everything with all that it got, and with cookies and tokens of its own.
async fn tell(request: Request) -> impl IntoResponse {
    let got: Vec<String> = request
        .headers()
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let token = format!("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.{PLANTED}");
    let cookie = format!("session={SECRET}; HttpOnly");
    ([(header::SET_COOKIE, cookie)], format!("{}\n{token}\n", got.join("\n")))
}

async fn leaky(supply: Supply) -> Report {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(tell)).await });
    let document = parse_routes("routes.txt", "GET /a\nPOST /b/{id} admin\n").unwrap();
    let mut options = Options::for_target(&target).document(document).supply(supply);
    options.environment.insert("COOKIE".to_owned(), SECRET.to_owned());
    countersign_audit::run(options, &mut Quiet).await.unwrap()
}

fn all(report: &Report) -> String {
    [report.json(), junit(report), sarif(report), html(report), terminal(report, true)].concat()
}

/// The signatures of all tokens in a text: the third part after `eyJ….….`.
fn signatures(text: &str) -> Vec<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.[]".contains(c)));
    words
        .filter(|word| word.starts_with("eyJ"))
        .filter_map(|word| word.split('.').nth(2))
        .filter(|signature| !signature.is_empty() && *signature != "[removed]")
        .collect()
}

#[tokio::test]
async fn no_signature_and_no_cookie_is_kept() {
    let report = leaky(Supply::OwnKey { keys: Some(Keys::generate().unwrap()), listen: None }).await;
    assert!(report.findings.iter().any(|finding| finding.id == "no-token-accepted"));
    assert!(!report.evidence.is_empty());
    let text = all(&report);
    for secret in [SECRET, PLANTED] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert_eq!(signatures(&text), Vec::<&str>::new());
    // Where the token matters, it has a place in the line for the shell.
    let text = all(&audited(Fault::ListIsNotFiltered).await);
    assert_eq!(signatures(&text), Vec::<&str>::new());
    assert!(text.contains("$TOKEN"));
}

#[tokio::test]
async fn each_form_is_what_its_readers_expect() {
    let report = audited(Fault::ListIsNotFiltered).await;
    let sarif: serde_json::Value = serde_json::from_str(&sarif(&report)).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(result["ruleId"], "list-not-filtered");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "openapi.yaml");
    assert_eq!(place["region"]["startLine"], 10);
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(rules[index]["id"], "list-not-filtered");
    assert!(
        rules[index]["properties"]["tags"]
            .as_array()
            .unwrap()
            .iter()
            .any(|tag| tag == "external/cwe/cwe-639")
    );

    let xml = junit(&report);
    assert_eq!(
        xml.matches("<testcase").count(),
        report.operations.iter().map(|row| row.cells.len()).sum::<usize>()
    );
    assert!(xml.contains("classname=\"GET /notes\" name=\"organisation/b-in-list-of-a\"><failure"));
    let page = html(&report);
    assert!(
        !page.contains("http-equiv=\"refresh\"") && !page.contains("src=\"http"),
        "the page fetches something"
    );
    assert!(terminal(&report, false).contains("high list-not-filtered"));

    assert_eq!(report.exit_code(Severity::High, 0), 1);
    let known = Baseline::parse(report.json().as_bytes()).unwrap();
    assert!(Baseline::parse(b"{}").is_none());
    drop(known);
}
