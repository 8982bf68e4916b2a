//! The JSON schema for editors, read by a validator of others: it takes what the gateway takes, and finds the faults that
//! an editor should show.

use std::{fs, io::Write, path::Path, process::Stdio};

use serde_json::Value;

use crate::counterpart::python;

/// The thirteen lines with something changed, and the rule of the schema that it breaks.
const FAULTS: &[(&str, &str, &str)] = &[
    ("issuer = \"https://shop.example\"", "", "required"),
    ("issuer = \"https://shop.example\"", "issuer = 7", "type"),
    ("issuer =", "isuer = \"x\"\nissuer =", "additionalProperties"),
    ("cookie = \"SESSION\"", "cookie = \"SESSION\"\nrechek = \"30s\"", "additionalProperties"),
    ("cookie = \"SESSION\"", "cookie = \"SESSION\"\nrecheck = \"half a minute\"", "pattern"),
    ("cookie = \"SESSION\"", "cookie = \"SESSION\"\nclient_auth = \"kerberos\"", "enum"),
    ("[claims]", "[limits]\nheader_count = 7\n[claims]", "minimum"),
    ("[claims]", "[limits]\nheader_count = 101\n[claims]", "maximum"),
    ("[claims]", "[log]\njson = \"yes\"\n[claims]", "type"),
    ("path = \"/orders/\"", "", "required"),
    (
        "audience = \"orders\"",
        "audience = \"orders\"\nrequire = { roels = [\"editor\"] }",
        "additionalProperties",
    ),
];

#[test]
fn every_example_is_valid_and_every_fault_is_found() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut texts = Vec::new();
    for entry in fs::read_dir(docs.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        texts.push((path.display().to_string(), fs::read_to_string(&path).unwrap(), None));
    }
    assert!(texts.len() >= 6);
    let thirteen = fs::read_to_string(docs.join("examples/thirteen-lines.toml")).unwrap();
    for (from, to, rule) in FAULTS {
        assert!(thirteen.contains(from), "{from}");
        let lines = thirteen
            .lines()
            .map(|line| if line.starts_with(from) { line.replacen(from, to, 1) } else { line.to_owned() });
        texts.push((format!("{from} -> {to}"), lines.collect::<Vec<_>>().join("\n"), Some(*rule)));
    }

    let mut command = python("validate_schema.py");
    command.arg(docs.join("reference/countersign.schema.json")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut validator = command.spawn().unwrap();
    let mut input = validator.stdin.take().unwrap();
    for (_, text, _) in &texts {
        writeln!(input, "{}", Value::from(text.as_str())).unwrap();
    }
    drop(input);
    let output = validator.wait_with_output().unwrap();
    assert!(output.status.success());
    let verdicts = String::from_utf8(output.stdout).unwrap();
    assert_eq!(verdicts.lines().count(), texts.len());
    for (verdict, (name, text, rule)) in verdicts.lines().zip(&texts) {
        let verdict: Value = serde_json::from_str(verdict).unwrap();
        let found = verdict["fault"].as_str().map(|fault| fault.rsplit(' ').next().unwrap());
        assert_eq!(found, *rule, "{name}: {verdict}\n{text}");
    }
}
