//! What can be found: one table, each row with its identifiers in the public catalogues.

use serde::{Deserialize, Serialize};

/// How bad it is. `--fail-on` compares with this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// To be known: stricter than the standards ask for, or advice.
    Note,
    /// A rule is broken; what an attacker gains is small.
    Low,
    /// One more fault and somebody gets in, or data of others can be found out.
    Medium,
    /// Somebody gets in, or sees data of others.
    High,
}

impl Severity {
    /// All of them, the worst last.
    pub const ALL: [Self; 4] = [Self::Note, Self::Low, Self::Medium, Self::High];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// GitHub's `security-severity`, 0 to 10.
    #[must_use]
    pub const fn score(self) -> &'static str {
        match self {
            Self::Note => "1.0",
            Self::Low => "3.5",
            Self::Medium => "6.0",
            Self::High => "8.8",
        }
    }
}

/// One kind of finding. Its id never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FindingKind {
    /// Kebab-case.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The weakness, as CWE numbers it.
    pub cwe: u16,
    /// The requirement of the OWASP ASVS 5.0.
    pub asvs: &'static str,
    /// The risk of the OWASP API Security Top 10, 2023.
    pub owasp: &'static str,
    /// What is wrong, in one line.
    pub title: &'static str,
    /// What to do about it.
    pub advice: &'static str,
    /// Found on the same operation, these explain this one, which is then not reported.
    pub implied_by: &'static [&'static str],
}

/// A fault of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// [`FindingKind::id`].
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// The operation's method, or the one that was tried.
    pub method: String,
    /// The operation's path template.
    pub path: String,
    /// What was seen, for a person.
    pub reason: String,
    /// The cells that showed it, the first [`Self::MAX_CELLS`] of them.
    pub cells: Vec<String>,
    /// How many cells showed it.
    pub count: usize,
    /// Stays the same from run to run: for `--baseline`.
    pub fingerprint: String,
    /// The line of the document that the operation begins at; 0 if there is none.
    pub line: usize,
    /// In the baseline: known, and not counted.
    #[serde(default)]
    pub known: bool,
}

impl Finding {
    /// The most cells that a finding names.
    pub const MAX_CELLS: usize = 12;
}

/// The kind of that id.
#[must_use]
pub fn kind(id: &str) -> Option<&'static FindingKind> {
    KINDS.iter().find(|kind| kind.id == id)
}

const OPEN: &[&str] = &["no-token-accepted", "any-token-accepted"];
const UNSIGNED: &[&str] = &["no-token-accepted", "any-token-accepted", "signature-not-checked"];

macro_rules! kinds {
    ($($id:literal $severity:ident $cwe:literal $asvs:literal $owasp:literal $implied:expr, $title:literal, $advice:literal;)+) => {
        /// Every kind, group by group.
        pub const KINDS: &[FindingKind] = &[$(FindingKind {
            id: $id, severity: Severity::$severity, cwe: $cwe, asvs: $asvs, owasp: $owasp, title: $title,
            advice: $advice, implied_by: $implied,
        }),+];
    };
}

kinds! {
    "no-token-accepted" High 306 "8.2.1" "API2:2023" &[],
        "answers without a token", "demand a verified token for this operation, or list it under [allow] as public";
    "any-token-accepted" High 287 "9.1.1" "API2:2023" &["no-token-accepted"],
        "any text is taken for a token", "verify the token instead of looking whether there is one";
    "signature-not-checked" High 347 "9.1.1" "API2:2023" OPEN,
        "the signature is not checked", "verify the signature with the issuer's published key before reading a claim";
    "signature-check-incomplete" High 347 "9.1.1" "API2:2023" UNSIGNED,
        "some wrong signatures are accepted", "use a maintained implementation of the algorithm";
    "algorithm-none-accepted" High 347 "9.1.2" "API2:2023" UNSIGNED,
        "`alg: none` is accepted", "allow named algorithms only, never the one the header asks for";
    "algorithm-confusion" High 347 "9.1.2" "API2:2023" UNSIGNED,
        "the public key is accepted as an HMAC secret", "bind each key to its one algorithm";
    "algorithm-not-pinned" Medium 347 "9.1.2" "API2:2023" UNSIGNED,
        "the header chooses the algorithm", "bind each key to its one algorithm";
    "weak-secret" High 326 "9.1.2" "API2:2023" UNSIGNED,
        "a token signed with a guessable secret is accepted", "share at least 32 random bytes, or use key pairs";
    "key-from-token" High 347 "9.1.3" "API2:2023" UNSIGNED,
        "the token brings its own key", "take keys from the issuer's key set only; never follow jwk, jku, x5u or x5c";
    "key-id-as-path" High 22 "9.1.3" "API2:2023" UNSIGNED,
        "the key id is used as a path", "look the key id up in a map of the issuer's keys; it is an opaque name";
    "key-id-not-matched" Low 347 "9.1.3" "API2:2023" UNSIGNED,
        "a token is accepted whose key id is not that of the key", "look the key up by its id; refuse an unknown one";
    "key-of-another-issuer" High 346 "9.1.3" "API2:2023" UNSIGNED,
        "another issuer's key is accepted", "keep keys by issuer";
    "expiry-not-checked" High 613 "9.2.1" "API2:2023" OPEN,
        "expired tokens are accepted", "check `exp` on every request";
    "expiry-not-required" Medium 613 "9.2.1" "API2:2023" &["no-token-accepted", "any-token-accepted", "expiry-not-checked"],
        "a token without a readable `exp` never ends", "require `exp`, as a number";
    "expiry-leeway" Note 613 "9.2.1" "API2:2023" &["no-token-accepted", "any-token-accepted", "expiry-not-checked"],
        "a token is accepted some seconds after its end", "a leeway of 5 s is enough where clocks are kept";
    "not-before-not-checked" Medium 613 "9.2.1" "API2:2023" OPEN,
        "tokens are accepted before their time", "check `nbf`";
    "issued-in-future" Low 613 "9.2.1" "API2:2023" OPEN,
        "a token from the future is accepted", "refuse an `iat` that has not come";
    "lifetime-not-limited" Note 613 "9.2.1" "API2:2023" &["no-token-accepted", "any-token-accepted", "expiry-not-checked"],
        "tokens that live for years are accepted", "limit `exp - iat`";
    "issuer-not-checked" High 346 "9.2.3" "API2:2023" OPEN,
        "the issuer is not checked", "compare `iss` byte for byte with the issuer whose keys are used";
    "issuer-compared-loosely" Medium 346 "9.2.3" "API2:2023" &["no-token-accepted", "any-token-accepted", "issuer-not-checked"],
        "an issuer that only looks like ours is accepted", "compare `iss` byte for byte; require it";
    "audience-not-checked" High 346 "9.2.3" "API2:2023" OPEN,
        "tokens for other services are accepted", "require `aud` and compare it with this service's name";
    "audience-compared-loosely" Medium 346 "9.2.3" "API2:2023" &["no-token-accepted", "any-token-accepted", "audience-not-checked"],
        "an audience that only looks like ours is accepted", "compare `aud` byte for byte; require it";
    "subject-not-required" Medium 287 "9.2.2" "API2:2023" OPEN,
        "a token without a subject is accepted", "require `sub`, a non-empty string";
    "type-not-checked" Medium 287 "9.2.2" "API2:2023" OPEN,
        "tokens of another type are accepted", "require `typ: at+jwt` (RFC 9068 §4): ID and log-out tokens are no access tokens";
    "critical-header-ignored" Medium 345 "9.1.1" "API2:2023" OPEN,
        "`crit` is ignored", "refuse a token whose `crit` names what you do not understand (RFC 7515 §4.1.11)";
    "bound-token-accepted" Medium 294 "10.3.5" "API2:2023" OPEN,
        "a token bound to a key is accepted without proof", "refuse `cnf` unless the proof is checked (RFC 9449, RFC 8705)";
    "claims-not-validated" Low 20 "9.2.2" "API2:2023" OPEN,
        "claims that are missing or of the wrong type are accepted", "read claims into types; refuse what does not fit (RFC 9068 §2.2)";
    "duplicate-members-accepted" Low 436 "9.2.2" "API2:2023" UNSIGNED,
        "a token that says a thing twice is accepted", "refuse duplicate members (RFC 7519 §4)";
    "json-read-loosely" Low 20 "9.2.2" "API2:2023" UNSIGNED,
        "a token that is no JSON is accepted", "use a strict JSON parser";
    "token-not-canonical" Low 180 "9.1.1" "API2:2023" UNSIGNED,
        "other spellings of a token are accepted", "refuse padding, white space and loose bits, or key deny-lists by `jti`, never by the token's text";
    "token-size-not-limited" Low 770 "4.2.5" "API4:2023" UNSIGNED,
        "huge tokens are read", "refuse a token over 8 KiB before parsing it";
    "bad-token-accepted" Medium 287 "9.1.1" "API2:2023" OPEN,
        "a bad token is accepted", "see the cell's source";
    "revoked-token-accepted" High 613 "7.4.1" "API2:2023" OPEN,
        "a revoked token is accepted", "read the issuer's revocations";
    "scheme-ignored" Low 287 "8.2.1" "API2:2023" OPEN,
        "a token is accepted under another scheme", "demand `Bearer`";
    "token-in-query" Medium 598 "8.2.1" "API2:2023" OPEN,
        "a token in the query is accepted", "read tokens from the Authorization header only: queries end up in logs";
    "token-in-cookie" Low 287 "8.2.1" "API2:2023" OPEN,
        "a token in a cookie is accepted", "read tokens from the Authorization header only: cookies travel with forged requests";
    "two-credentials-accepted" Low 436 "4.2.1" "API2:2023" OPEN,
        "two Authorization fields are accepted", "refuse a request with two credentials (RFC 6750 §2)";
    "good-token-refused" Note 1288 "9.1.1" "API2:2023" &[],
        "a good token that looks odd is refused", "accept what the standards allow, or say in the documentation that you do not";
    "challenge-missing" Low 287 "8.2.1" "API2:2023" &[],
        "401 without WWW-Authenticate", "answer `WWW-Authenticate: Bearer` with every 401 (RFC 6750 §3)";
    "wrong-status" Low 287 "8.2.1" "API2:2023" &["no-token-accepted", "any-token-accepted", "signature-not-checked", "duplicate-members-accepted", "role-string-accepted"],
        "a bad token is refused with another status than 401", "answer 401: clients renew their token on 401 only";
    "redirect-not-401" Low 287 "8.2.1" "API2:2023" &[],
        "a bad token is answered with a redirect", "answer 401 to programs";
    "input-checked-before-token" Low 696 "8.3.1" "API2:2023" &["no-token-accepted", "any-token-accepted", "undocumented-method"],
        "the request is looked at before the token", "verify the token first: strangers learn nothing about paths, ids and bodies";
    "bad-token-crashes" Medium 755 "16.5.3" "API8:2023" &["error-tells-more"],
        "a bad token makes the service fail", "answer 401; an attacker can fill the log and wake you at night";
    "slow-refusal" Medium 400 "9.1.1" "API4:2023" &[],
        "a refusal takes far longer than an answer", "refuse before doing any work; follow nothing that a token points to";
    "error-tells-more" Medium 209 "16.5.1" "API8:2023" &[],
        "a refusal tells about the inside", "answer a code; keep reasons, stack traces and statements in the log";
    "undeclared-operation" Low 1059 "8.1.1" "API9:2023" &[],
        "the document does not say who may call this", "declare `security`, or list the operation in [expect] or [allow]";
    "public-not-listed" Note 1059 "8.1.1" "API9:2023" &[],
        "public in the document, not confirmed", "list it under [allow] if that is meant";
    "role-not-checked" High 862 "8.2.1" "API5:2023" OPEN,
        "a caller without the role gets in", "demand the role in the handler";
    "role-compared-loosely" High 863 "8.2.1" "API5:2023" &["no-token-accepted", "any-token-accepted", "role-not-checked"],
        "a role that only looks like the right one gets in", "compare roles byte for byte";
    "role-string-accepted" Medium 863 "8.2.1" "API5:2023" &["no-token-accepted", "any-token-accepted", "role-not-checked", "role-compared-loosely"],
        "roles as one string are accepted", "read roles as an array of strings; with a string, `contains` is a search for text";
    "role-wrongly-refused" Low 863 "8.1.1" "API5:2023" &[],
        "a caller with the documented role is refused", "make document and service agree";
    "role-refused-with-401" Note 863 "8.2.1" "API5:2023" &[],
        "a missing role is answered with 401", "answer 403: a new login would not help";
    "foreign-object-readable" High 639 "8.2.2" "API1:2023" OPEN,
        "another organisation's object can be read", "query with the caller's organisation in the same statement";
    "foreign-object-writable" High 639 "8.2.2" "API1:2023" OPEN,
        "another organisation's object can be changed", "change with the caller's organisation in the same statement";
    "foreign-object-exists" Medium 204 "8.2.2" "API1:2023" &["foreign-object-readable", "foreign-object-writable"],
        "the answer tells that another organisation's object exists", "answer as for what does not exist, to the byte";
    "list-not-filtered" High 639 "8.2.2" "API1:2023" OPEN,
        "a list shows other organisations' objects", "filter by the token's organisation in the service that owns the data";
    "filter-crosses-organisations" High 639 "8.2.2" "API1:2023" &["list-not-filtered"],
        "a query parameter chooses the organisation", "take the organisation from the token only";
    "header-crosses-organisations" High 639 "8.2.2" "API1:2023" &["list-not-filtered"],
        "a header chooses the organisation", "take the organisation from the token only";
    "body-sets-organisation" High 915 "8.2.3" "API3:2023" &[],
        "a body chooses the organisation", "take the organisation from the token only; refuse unknown members";
    "organisation-ambiguous" Medium 639 "9.2.2" "API1:2023" OPEN,
        "a token with several organisations, or `*`, is accepted", "accept exactly one organisation, a string";
    "organisation-not-required" High 639 "8.4.1" "API1:2023" &["list-not-filtered", "no-token-accepted", "any-token-accepted"],
        "a token without an organisation sees data", "refuse a caller without an organisation where data belongs to one";
    "undocumented-method" Medium 1059 "4.1.4" "API9:2023" &["undocumented-method-open"],
        "a method answers that the document does not know", "remove it, or document and test it";
    "undocumented-method-open" High 306 "8.2.1" "API9:2023" &[],
        "a method that the document does not know answers without a token", "remove it, or protect it";
    "head-unprotected" Medium 306 "8.2.1" "API2:2023" OPEN,
        "HEAD answers without a token", "protect the route, not one method of it";
    "options-leaks" Medium 200 "4.1.4" "API8:2023" &[],
        "OPTIONS answers with data", "answer OPTIONS without a body";
    "cors-any-origin" Medium 942 "3.4.2" "API8:2023" &[],
        "any origin may read answers with credentials", "allow named origins only";
    "trailing-slash-open" High 306 "8.2.1" "API2:2023" OPEN,
        "the path with or without its last slash answers without a token", "protect both spellings, or have one";
    "old-version-open" High 306 "8.2.1" "API9:2023" OPEN,
        "an older version of the path answers without a token", "switch old versions off, or protect them alike";
    "path-variant-open" High 22 "8.2.1" "API2:2023" OPEN,
        "another spelling of the path answers without a token", "decide on the path that the handler will see";
    "method-override-honoured" High 436 "4.1.4" "API5:2023" &[],
        "a header changes the method after it was checked", "ignore X-HTTP-Method-Override";
    "identity-header-trusted" High 290 "8.2.1" "API2:2023" &["no-token-accepted", "any-token-accepted", "role-not-checked"],
        "a header of the client says who calls", "take the caller from the token only; let the gateway remove such headers";
    "sensitive-answer-cacheable" Low 525 "14.3.2" "API8:2023" &[],
        "an answer for one caller may be kept by shared caches", "answer `Cache-Control: private` or `no-store`";
    "cookie-reaches-service" High 201 "8.3.1" "API8:2023" &[],
        "the session's cookie reaches the service", "let the gateway replace it by a token";
    "service-reachable-past-gateway" High 306 "8.2.1" "API8:2023" &[],
        "the service answers those who go past the gateway", "verify the token in the service; listen where only the gateway can connect";
    "session-garbage-accepted" High 287 "7.2.1" "API2:2023" &[],
        "a cookie that is no session gets in", "refuse what the authorization server does not know";
    "logout-not-effective" High 613 "7.4.1" "API2:2023" &[],
        "a revoked session's token keeps working", "read the issuer's revocations";
    "logout-slow" Medium 613 "7.4.1" "API2:2023" &["logout-not-effective"],
        "a revoked session's token works for too long", "follow the feed of revocations instead of waiting for the token's end";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{KINDS, kind};

    #[test]
    fn ids_are_distinct_and_what_implies_them_exists() {
        let mut seen = HashSet::new();
        for row in KINDS {
            assert!(seen.insert(row.id), "{} is there twice", row.id);
            assert!(
                row.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            );
            for implied in row.implied_by {
                assert!(kind(implied).is_some() && *implied != row.id, "{}: {implied}", row.id);
            }
        }
    }
}
