//! What the catalogues rest on: each rule of a standard that a row is about, and a row for each of them. This crate's unit
//! tests hold the verifier to the rows.

use std::collections::BTreeSet;

use countersign::testkit::{bad_proofs, bad_tokens};

/// The sections of RFCs that bad tokens and bad proofs cite.
const SECTIONS: &[(u32, &[&str])] = &[
    (3629, &["3"]),
    (3986, &["6.2.2.2"]),
    (4648, &["3.5", "4"]),
    (6750, &["2", "2.1", "3.1"]),
    (
        7515,
        &[
            "2", "4", "4.1.1", "4.1.10", "4.1.11", "4.1.2", "4.1.4", "4.1.6", "5.1", "5.2", "7.1", "7.2",
            "7.2.1", "7.2.2",
        ],
    ),
    (7516, &["3.1"]),
    (7517, &["4", "4.2"]),
    (7518, &["3.2", "3.4", "3.5", "4.1", "4.2", "4.6", "6.2.1"]),
    (7519, &["2", "4", "4.1", "4.1.1", "4.1.3", "4.1.4", "4.1.5", "4.1.6", "7.2"]),
    (7523, &["3"]),
    (7797, &["3", "7"]),
    (7800, &["3"]),
    (8017, &["8.2.2", "9.1.2", "9.2"]),
    (8032, &["5.1.7"]),
    (8259, &["2", "4", "6", "7", "8.1"]),
    (8417, &["2.3"]),
    (8693, &["4.1"]),
    (8705, &["3", "3.1"]),
    (8725, &["2.1", "2.3", "3.1", "3.10", "3.11", "3.3", "3.7", "3.8"]),
    (8812, &["3.2"]),
    (9068, &["2.2", "2.2.3.1", "4"]),
    (9110, &["4.2.4", "9.1"]),
    (9449, &["11.1", "4.2", "4.3", "6", "6.1", "7.1", "7.2", "9"]),
    (9701, &["5", "8"]),
    (9864, &["2.2"]),
    (9901, &["4"]),
    (9964, &["3"]),
];

/// `RFC 9449 §7.1, §7.2: why` cites two sections of one RFC; sections of drafts and of other bodies are passed over.
fn cited(source: &str) -> Vec<(u32, String)> {
    let (mut rfc, mut sections) = (None, Vec::new());
    let mut words = source.split_whitespace().peekable();
    while let Some(word) = words.next() {
        if word == "RFC" {
            rfc = words.peek().and_then(|number| number.trim_end_matches([',', ';', ':']).parse().ok());
        } else if word.starts_with("draft-") || word == "OpenID" {
            rfc = None;
        } else if let (Some(rfc), Some(section)) = (rfc, word.strip_prefix('§')) {
            sections.push((rfc, section.trim_end_matches([',', ';', ':']).to_owned()));
        }
    }
    sections
}

#[test]
fn every_section_has_a_row_and_every_row_a_section_that_is_listed() {
    let sources = bad_tokens().map(|row| row.source()).chain(bad_proofs().map(|row| row.source()));
    let cited: BTreeSet<(u32, String)> = sources.flat_map(cited).collect();
    let listed: BTreeSet<(u32, String)> = SECTIONS
        .iter()
        .flat_map(|(rfc, sections)| sections.iter().map(|section| (*rfc, (*section).to_owned())))
        .collect();
    let unlisted: Vec<_> = cited.difference(&listed).collect();
    let without_row: Vec<_> = listed.difference(&cited).collect();
    assert!(unlisted.is_empty() && without_row.is_empty(), "{unlisted:?}, {without_row:?}");
}

#[test]
fn a_source_is_read_as_people_read_it() {
    let of =
        |source: &str| cited(source).into_iter().map(|(rfc, at)| format!("{rfc} {at}")).collect::<Vec<_>>();
    assert_eq!(of("RFC 9449 §4.3, 10, §9"), ["9449 4.3", "9449 9"]);
    assert_eq!(of("RFC 8725 §3.1, RFC 7515 §5.2: why"), ["8725 3.1", "7515 5.2"]);
    assert_eq!(of("RFC 7516 §3.1, draft-ietf-oauth-rfc8725bis §3.14"), ["7516 3.1"]);
    assert_eq!(of("CVE-2018-0114"), [""; 0]);
}
