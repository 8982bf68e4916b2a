//! Which fault an accepted row of the catalogue shows.

/// The finding for an accepted row; every row has one.
pub(crate) fn class_of(row: &str) -> &'static str {
    let (group, name) = row.split_once('/').unwrap_or(("", row));
    match group {
        "form" => form(name),
        "json" => json(name),
        "header" if name.starts_with("type") => "type-not-checked",
        "header" if name.starts_with("content-type") => "claims-not-validated",
        "header" => "critical-header-ignored",
        "algorithm" => algorithm(name),
        "signature" => signature(name),
        "key" => key(name),
        "time" => time(name),
        "claims" => claims(name),
        _ => "bad-token-accepted",
    }
}

fn form(name: &str) -> &'static str {
    match name {
        "empty" | "one-segment" | "one-dot" | "two-dots" | "three-dots" | "saml" | "paseto"
        | "session-identifier" | "header-empty" | "payload-empty" => "any-token-accepted",
        "two-segments" | "signature-empty" => "signature-not-checked",
        "too-large" | "two-thousand-claims" => "token-size-not-limited",
        "huge-key-id" => "signature-not-checked",
        _ => "token-not-canonical",
    }
}

fn json(name: &str) -> &'static str {
    if name.ends_with("twice") || name.ends_with("twice-escaped") {
        "duplicate-members-accepted"
    } else {
        "json-read-loosely"
    }
}

fn algorithm(name: &str) -> &'static str {
    if name.starts_with("none") {
        "algorithm-none-accepted"
    } else if name.ends_with("-as-secret") {
        "algorithm-confusion"
    } else if matches!(name, "empty-secret" | "dictionary-secret" | "zero-secret") {
        "weak-secret"
    } else if name.starts_with("tag-") {
        "signature-check-incomplete"
    } else if name == "another-secret" {
        "signature-not-checked"
    } else {
        "algorithm-not-pinned"
    }
}

fn signature(name: &str) -> &'static str {
    if name.contains("swapped") || name.starts_with("of-another") || name == "first-bit-flipped" {
        "signature-not-checked"
    } else {
        "signature-check-incomplete"
    }
}

fn key(name: &str) -> &'static str {
    match name {
        "id-path-to-empty-secret" | "id-device-of-empty-secret" => "key-id-as-path",
        "not-published" | "only-key-signed-by-another" => "signature-not-checked",
        "of-other-issuer" | "ours-for-other-issuer" | "issuer-not-trusted" => "key-of-another-issuer",
        "only-key-of-another-algorithm" => "algorithm-not-pinned",
        _ if name.starts_with("id-") || name == "only-key-under-another-name" => "key-id-not-matched",
        _ => "key-from-token",
    }
}

fn time(name: &str) -> &'static str {
    match name {
        "expired"
        | "expired-long-ago"
        | "expired-at-zero"
        | "expired-at-minus-zero"
        | "expired-five-minutes-ago"
        | "exp-negative"
        | "exp-negative-fraction" => "expiry-not-checked",
        "expired-at-the-edge" | "expired-by-a-fraction" => "expiry-leeway",
        "exp-after-9999" | "exp-in-milliseconds" | "lives-too-long" | "lives-for-ever" | "issued-at-zero" => {
            "lifetime-not-limited"
        }
        "not-yet-valid" | "valid-in-five-minutes" => "not-before-not-checked",
        "not-yet-valid-at-the-edge" | "issued-in-future-at-the-edge" => "expiry-leeway",
        "issued-in-future" | "issued-five-minutes-ahead" => "issued-in-future",
        _ if name.starts_with("exp") => "expiry-not-required",
        _ => "claims-not-validated",
    }
}

fn claims(name: &str) -> &'static str {
    match name {
        "issuer-of-another" | "issuer-look-alike" => "issuer-not-checked",
        "audience-of-another" | "audience-array-of-others" => "audience-not-checked",
        "sub-missing" | "sub-null" | "sub-empty" => "subject-not-required",
        "organisation-two" | "organisation-star" | "organisation-empty-array" | "organisation-array" => {
            "organisation-ambiguous"
        }
        "roles-string" | "roles-list-in-string" => "role-string-accepted",
        _ if name.starts_with("issuer-") || name.starts_with("iss-") => "issuer-compared-loosely",
        _ if name.starts_with("audience-") || name.starts_with("aud-") => "audience-compared-loosely",
        _ if name.starts_with("bound-") => "bound-token-accepted",
        _ if name.ends_with("-revoked") => "revoked-token-accepted",
        _ => "claims-not-validated",
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use countersign::testkit::bad_tokens;
    use serde_json::Value;

    use super::class_of;
    use crate::findings::kind;

    #[test]
    fn every_row_of_the_catalogue_has_a_finding() {
        for row in bad_tokens() {
            let class = class_of(row.name());
            assert!(kind(class).is_some(), "{}: {class}", row.name());
            assert_ne!(class, "bad-token-accepted", "{} is of a group that has no class yet", row.name());
        }
    }

    /// What others read of the catalogue (`vectors/`) is what an audit tries.
    #[test]
    fn every_published_vector_has_a_finding() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
        let mut published = BTreeSet::new();
        for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.file_stem().unwrap().to_str().unwrap();
            // Setups are no tokens, and a service that checks proofs is audited without them.
            if file.extension().is_none_or(|end| end != "json") || ["setups", "proof"].contains(&name) {
                continue;
            }
            let text: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            for vector in text["vectors"].as_array().unwrap() {
                if vector["refusal"].is_object() {
                    let name = vector["name"].as_str().unwrap().to_owned();
                    assert!(kind(class_of(&name)).is_some(), "{name}");
                    published.insert(name);
                }
            }
        }
        let tried: BTreeSet<String> = bad_tokens().map(|row| row.name().to_owned()).collect();
        assert_eq!(published, tried);
    }
}
