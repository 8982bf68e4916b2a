//! The JSON Web Signature and JSON Web Key vectors of Project Wycheproof, read by the JWS layer.
//!
//! The vectors are not part of this repository. Given the folder that has them (`testvectors_v1` of the project),
//!
//! ```sh
//! cargo run -p countersign --example wycheproof -- FOLDER [--write]
//! ```
//!
//! compares every verdict with the reasons below and with `vectors/WYCHEPROOF.md`, or writes that page. It ends with 1
//! when an invalid vector is accepted, a difference has no reason, or the page says something else.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a tool that meets what it did not expect ends"
)]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use countersign::{
    Jwk, KeySet, Secret,
    jws::{self, Algorithm, SharedSecret, VerifyingKey},
};
use serde_json::Value;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

const FILES: [&str; 3] = ["json_web_crypto", "json_web_key", "json_web_signature"];

/// Where our verdict differs from the project's, and why: file, first and last number, reason.
const DIFFERENCES: &[(&str, u64, u64, &str)] = &[
    ("json_web_crypto", 48, 48, IN_A_SET),
    ("json_web_key", 2, 2, IN_A_SET),
    ("json_web_signature", 346, 346, OTHER_PSS),
    ("json_web_signature", 347, 347, NO_ALGORITHM),
    ("json_web_signature", 350, 350, OTHER_PSS),
    ("json_web_signature", 351, 351, NO_ALGORITHM),
    ("json_web_signature", 357, 359, ZEROS),
    ("json_web_signature", 372, 373, STRAY_BYTE),
    ("json_web_signature", 376, 377, ZEROS),
];
const IN_A_SET: &str =
    "two shared secrets stand in a key set; a set with a secret is refused whole, because a set is published";
const OTHER_PSS: &str =
    "the key says `PS256`, the token `PS384`: the key fixes the algorithm (RFC 8725 §3.1)";
const NO_ALGORITHM: &str = "the key says `ES521`, which is no algorithm (RFC 7518 §3.1)";
const ZEROS: &str = "the secret is 32 zero bytes, which is no secret; the rows `form/*` of the catalogue try the same spellings";
const STRAY_BYTE: &str =
    "the secret is 32 zero bytes; with any other the `?` inside a segment would be refused (RFC 7515 §2)";

/// A vector and what became of it.
struct Row {
    file: &'static str,
    id: u64,
    is_valid: bool,
    verdict: Result<(), String>,
}

/// The verdict on one token. A key or a set that cannot be used is a refusal.
fn verdict(keys: &Value, token: &str) -> Result<(), String> {
    // A secret alone in its set was given to us, not published.
    if let Some([only]) = keys["keys"].as_array().map(Vec::as_slice)
        && only["kty"] == "oct"
    {
        return verdict(only, token);
    }
    if keys["keys"].is_array() {
        let set = KeySet::parse(keys.to_string().as_bytes()).map_err(|error| format!("key set: {error}"))?;
        let parsed = jws::Unverified::parse(token.as_bytes(), jws::MAX_BYTES).map_err(|e| e.to_string())?;
        let key = match parsed.header().key_id() {
            Some(id) => set.find(id.as_str()),
            None => set.only(),
        };
        let Some(key) = key else {
            let reasons: Vec<String> = set.skipped().iter().map(|key| key.reason.to_string()).collect();
            return Err(format!("no such key ({})", reasons.join("; ")));
        };
        return parsed.verify(key.as_ref()).map(drop).map_err(|error| error.to_string());
    }
    if keys["kty"] == "oct" {
        let algorithm = keys["alg"].as_str().and_then(Algorithm::from_name).ok_or("key: unknown `alg`")?;
        let secret =
            keys["k"].as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or("key: malformed")?;
        let key =
            SharedSecret::new(algorithm, Secret::new(secret)).map_err(|error| format!("key: {error}"))?;
        return jws::verify(token.as_bytes(), &key).map(drop).map_err(|error| error.to_string());
    }
    let jwk = Jwk::parse(keys.to_string().as_bytes()).map_err(|error| format!("key: {error}"))?;
    let key = VerifyingKey::from_jwk(jwk).map_err(|error| format!("key: {error}"))?;
    jws::verify(token.as_bytes(), &key).map(drop).map_err(|error| error.to_string())
}

fn rows(folder: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    for file in FILES {
        let text = fs::read(folder.join(format!("{file}_test.json"))).unwrap();
        let content: Value = serde_json::from_slice(&text).unwrap();
        for group in content["testGroups"].as_array().unwrap() {
            let keys = if group["public"].is_object() { &group["public"] } else { &group["private"] };
            for test in group["tests"].as_array().unwrap() {
                if test.get("jws").is_none() {
                    continue; // encryption
                }
                let token = test["jws"].as_str().map_or_else(|| test["jws"].to_string(), str::to_owned);
                rows.push(Row {
                    file,
                    id: test["tcId"].as_u64().unwrap(),
                    is_valid: test["result"] == "valid",
                    verdict: verdict(keys, &token),
                });
            }
        }
    }
    rows
}

/// Why the difference is meant.
fn reason(row: &Row) -> Option<&'static str> {
    let stated = DIFFERENCES
        .iter()
        .find(|(file, first, last, _)| *file == row.file && (*first..=*last).contains(&row.id));
    stated.map(|(.., reason)| *reason)
}

/// The page: how many vectors have which verdict, and each difference.
fn page(rows: &[Row]) -> String {
    let mut counts: BTreeMap<(&str, bool, &str), usize> = BTreeMap::new();
    for row in rows {
        let verdict = row.verdict.as_ref().map_or_else(String::as_str, |()| "accepted");
        *counts.entry((row.file, row.is_valid, verdict)).or_default() += 1;
    }
    let mut page = String::from(
        "# Verdicts on the vectors of Project Wycheproof\n\n\
         What the JWS layer says about each vector of `json_web_crypto`, `json_web_key` and `json_web_signature`\n\
         (`testvectors_v1`) that is not about encryption. The vectors are not part of this repository; the example\n\
         `wycheproof` of the library writes and checks this page where they are at hand.\n\n\
         | file | the project says | our verdict | vectors |\n|---|---|---|---|\n",
    );
    let word = |is_valid| if is_valid { "valid" } else { "invalid" };
    for ((file, is_valid, verdict), count) in counts {
        writeln!(page, "| {file} | {} | {verdict} | {count} |", word(is_valid)).unwrap();
    }
    let accepted = rows.iter().filter(|row| !row.is_valid && row.verdict.is_ok()).count();
    write!(
        page,
        "\nOf the vectors that the project calls invalid, {accepted} are accepted.\n\n\
         ## Differences\n\n| file | vectors | the project says | our verdict | why |\n|---|---|---|---|---|\n"
    )
    .unwrap();
    for (file, first, last, reason) in DIFFERENCES {
        let of = |row: &&Row| row.file == *file && (*first..=*last).contains(&row.id);
        let row = rows.iter().find(of).unwrap();
        let ids = if first == last { first.to_string() } else { format!("{first} to {last}") };
        let verdict = row.verdict.clone().err().unwrap_or_else(|| "accepted".to_owned());
        writeln!(page, "| {file} | {ids} | {} | {verdict} | {reason} |", word(row.is_valid)).unwrap();
    }
    page
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(folder) = arguments.next() else {
        eprintln!("which folder has the vectors?");
        return ExitCode::from(2);
    };
    let rows = rows(&PathBuf::from(folder));
    let is_explained = |row: &&Row| (row.is_valid != row.verdict.is_ok()) == reason(row).is_some();
    let is_sound = |row: &&Row| row.is_valid || row.verdict.is_err();
    let bad: Vec<_> = rows.iter().filter(|row| !is_explained(row) || !is_sound(row)).collect();
    for row in &bad {
        eprintln!("{} {}: {:?}", row.file, row.id, row.verdict);
    }
    let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/WYCHEPROOF.md"));
    if arguments.next().is_some_and(|argument| argument == "--write") {
        fs::write(file, page(&rows)).unwrap();
    } else if fs::read_to_string(file).unwrap() != page(&rows) {
        eprintln!("the page says something else: write it with --write");
        return ExitCode::FAILURE;
    }
    println!("{} vectors, {} not as they must be", rows.len(), bad.len());
    if bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
