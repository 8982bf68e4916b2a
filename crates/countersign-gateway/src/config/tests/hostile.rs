//! Texts that nobody means: nothing panics, and nothing secret is in what is said about them.

use proptest::prelude::*;

use super::{FOUR, FakeEnvironment, table::examples};
use crate::config::{Config, ConfigErrors};

/// Lines that people write when they have not read the manual.
const PLANTED: &[&str] = &[
    "client_secret = \"planted-inline\"",
    "client_secret = 'planted-inline'",
    "client_secret_env = \"planted-inline-value\"",
    "client_secret_file = \"planted-inline-value\"",
    "introspect = \"https://user:planted-inline@sso.example/\"",
    "whoami = \"https://planted-inline@sso.example/\"",
    "upstream = [\"http://user:planted-inline@127.0.0.1:1\"]",
    "issuer = \"https://user:planted-inline@shop.example\"",
    "password = [\"planted-inline\", { a = \"planted-inline\" }]",
    "secret = { value = \"planted-inline\" }",
    "claims.secret = \"planted-inline\"",
    "tls = { key = \"planted-inline\" }",
    "route = \"planted-inline\"",
    "[secrets]\ngateway = \"planted-inline\"",
    "[[secrets]]\ngateway = \"\"\"\nplanted-inline\n\"\"\"",
    "client_secret = planted-inline",
    "client_secret = \"planted-inline",
    "client_secret = \"\"\"planted-inline\nplanted-inline",
    "client_secret: planted-inline",
    "planted-inline",
];

fn refused(text: &str) -> Option<ConfigErrors> {
    Config::from_toml("gateway.toml", text, &FakeEnvironment::usual(), FOUR).err()
}

fn everything_said(errors: &ConfigErrors) -> String {
    let mut said = format!("{errors}\n{errors:?}\n");
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor());
    for report in errors.reports() {
        handler.render_report(&mut said, &report).unwrap();
    }
    said
}

fn check(text: &str) -> Option<String> {
    let errors = refused(text)?;
    assert!(!errors.errors.is_empty());
    assert_eq!(errors.masked_text.len(), text.trim_start_matches('\u{feff}').len());
    for error in &errors.errors {
        assert!(error.line >= 1 && error.column >= 1);
    }
    let said = everything_said(&errors);
    assert!(!said.contains("planted"), "{text}\n---\n{said}");
    Some(said)
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    for (_, example) in examples() {
        let lines: Vec<&str> = example.lines().collect();
        for planted in PLANTED {
            for at in 0..=lines.len() {
                let mut text = lines.clone();
                text.insert(at, planted);
                assert!(
                    check(&text.join("\n")).is_some() || planted.starts_with("client_secret_"),
                    "{planted}"
                );
            }
        }
    }
}

#[test]
fn deep_and_long_texts_are_refused_in_time() {
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        "[a.".repeat(50_000),
        "a.".repeat(100_000),
        (0..20_000).map(|n| format!("k{n} = 1\n")).collect::<String>(),
        "[[route]]\n".repeat(5_000),
        "\u{feff}\u{feff}".to_owned(),
        "\0".repeat(1_000),
        "\r".repeat(1_000),
    ] {
        assert!(refused(&text).is_some());
    }
}

fn mutation() -> impl Strategy<Value = (prop::sample::Index, usize, String)> {
    let fragment = prop_oneof![
        any::<String>(),
        "[\\[\\]{}=\".,\n#'0-9a-z_]{0,12}",
        prop::sample::select(PLANTED).prop_map(|line| format!("\n{}\n", line.replace("planted", "x"))),
        Just("\u{0}".to_owned()),
        Just("\"\"\"".to_owned()),
    ];
    (any::<prop::sample::Index>(), 0..40_usize, fragment)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(check(&text).is_some());
    }

    #[test]
    fn mutated_examples_are_read_without_panic_and_leak(
        which in any::<prop::sample::Index>(),
        mutations in prop::collection::vec(mutation(), 1..6),
    ) {
        let examples = examples();
        let mut text: Vec<char> = which.get(&examples).1.chars().collect();
        for (at, length, fragment) in mutations {
            let start = at.index(text.len() + 1);
            let end = (start + length).min(text.len());
            text.splice(start..end, fragment.chars());
        }
        check(&text.into_iter().collect::<String>());
    }
}
