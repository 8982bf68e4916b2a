//! Why another verifier says otherwise: of each row and each verifier, what it does there.

/// What some verifiers do with some rows.
pub(super) struct Reason {
    /// Their names; `group/name*` is every row whose name begins so.
    pub(super) rows: &'static [&'static str],
    pub(super) who: &'static [&'static str],
    pub(super) why: &'static str,
}

impl Reason {
    pub(super) fn is_about(&self, row: &str, who: &str) -> bool {
        self.who.contains(&who) && self.rows.iter().any(|pattern| is_like(pattern, row))
    }
}

pub(super) fn is_like(pattern: &str, row: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == row, |start| row.starts_with(start))
}

const JOSE: &str = "jose";
const PYJWT: &str = "PyJWT";
const JOSERFC: &str = "joserfc";
const GOLANG: &str = "golang-jwt";
const ALL: &[&str] = &[JOSE, PYJWT, JOSERFC, GOLANG];

/// Every difference has exactly one of them, and each of them is needed.
pub(super) const REASONS: &[Reason] = &[
    // What they do not read.
    Reason {
        rows: &[
            "claims/actor-*",
            "claims/derived-from-*",
            "claims/email-*",
            "claims/preferred_username-*",
            "claims/roles-*",
            "claims/scope-*",
            "claims/sid-*",
        ],
        who: ALL,
        why: "does not read this claim: of whatever type it is, it reaches the service",
    },
    Reason {
        rows: &["claims/organisation-*"],
        who: ALL,
        why: "knows no organisations: this is a rule of ours",
    },
    Reason {
        rows: &["claims/bound-*"],
        who: ALL,
        why: "does not read `cnf`: a token that is bound to a key is good for whoever has it",
    },
    Reason {
        rows: &["claims/status-*"],
        who: ALL,
        why: "does not read `status`: a token that its issuer's list has revoked is good until its end",
    },
    Reason {
        rows: &["header/type-*"],
        who: &[PYJWT, GOLANG],
        why: "does not read `typ` and cannot be told one (RFC 9068 §4)",
    },
    Reason {
        rows: &[
            "header/type-client-authentication",
            "header/type-empty",
            "header/type-introspection",
            "header/type-jwt*",
            "header/type-log-out",
            "header/type-longer",
            "header/type-missing",
            "header/type-of-other-tree",
            "header/type-only-prefix",
            "header/type-prefix-twice",
            "header/type-proof-of-possession",
            "header/type-refresh",
            "header/type-security-event",
            "header/type-status-list",
            "header/type-transaction",
            "header/type-with-*",
        ],
        who: &[JOSERFC],
        why: "wants `typ` to be a string, and cannot be told which (RFC 9068 §4)",
    },
    Reason { rows: &["header/content-type-number"], who: &[JOSE, PYJWT, GOLANG], why: "does not read `cty`" },
    Reason {
        rows: &["header/critical-*", "header/unencoded*"],
        who: &[GOLANG],
        why: "reads neither `crit`, which RFC 7515 §4.1.11 demands, nor `b64`: the payload is decoded all the same",
    },
    // Claims that they want to be there.
    Reason {
        rows: &[
            "claims/client_id-array",
            "claims/client_id-number",
            "claims/client_id-object",
            "claims/client_id-true",
        ],
        who: ALL,
        why: "wants the claim to be there, of whatever type",
    },
    Reason {
        rows: &["claims/client_id-empty*"],
        who: &[JOSE, PYJWT, GOLANG],
        why: "wants the claim to be there, also with nothing in it",
    },
    Reason {
        rows: &[
            "claims/jti-array",
            "claims/jti-empty",
            "claims/jti-empty-array",
            "claims/jti-number",
            "claims/jti-object",
            "claims/jti-true",
            "claims/sub-array",
            "claims/sub-empty",
            "claims/sub-empty-array",
            "claims/sub-number",
            "claims/sub-object",
            "claims/sub-true",
        ],
        who: &[JOSE, GOLANG],
        why: "wants the claim to be there, of whatever type and also with nothing in it",
    },
    Reason {
        rows: &["claims/jti-empty", "claims/sub-empty"],
        who: &[PYJWT],
        why: "wants the claim to be a string, also an empty one",
    },
    Reason {
        rows: &["claims/client_id-null", "claims/jti-null", "claims/sub-null"],
        who: &[JOSE],
        why: "wants the member to be there, and `null` is there",
    },
    Reason {
        rows: &["claims/audience-with-number", "claims/audience-with-null"],
        who: &[JOSE],
        why: "looks for the audience among the members, and not at the others",
    },
    // Moments.
    Reason {
        rows: &["time/exp-after-9999", "time/exp-in-milliseconds"],
        who: ALL,
        why: "compares the moment with the present, however far away it is",
    },
    Reason {
        rows: &["time/exp-beyond-64-bits", "time/exp-huge"],
        who: &[JOSE, PYJWT, JOSERFC],
        why: "compares the moment with the present, however far away it is",
    },
    Reason {
        rows: &["time/iat-negative*", "time/nbf-negative*"],
        who: ALL,
        why: "compares the moment with the present, also one before 1970",
    },
    Reason {
        rows: &["time/exp-string", "time/iat-string", "time/nbf-string"],
        who: &[PYJWT],
        why: "reads the number in a string",
    },
    Reason { rows: &["time/iat-true", "time/nbf-true"], who: &[PYJWT], why: "takes `true` for 1" },
    Reason {
        rows: &["time/iat-beyond-64-bits", "time/iat-huge", "time/nbf-beyond-64-bits", "time/nbf-huge"],
        who: &[GOLANG],
        why: "the moment overflows 64 bits, and is then long past",
    },
    Reason {
        rows: &[
            "time/iat-after-9999",
            "time/iat-beyond-64-bits",
            "time/iat-huge",
            "time/iat-in-milliseconds",
            "time/issued-at-zero",
            "time/issued-five-minutes-ahead",
            "time/issued-in-future*",
        ],
        who: &[JOSE],
        why: "compares `iat` with the present only where `maxTokenAge` is set",
    },
    Reason {
        rows: &["time/issued-at-zero"],
        who: &[PYJWT, JOSERFC, GOLANG],
        why: "does not bound the life of a token",
    },
    Reason {
        rows: &["time/lives-for-ever", "time/lives-too-long"],
        who: ALL,
        why: "does not bound the life of a token",
    },
    Reason {
        rows: &["time/expired-by-a-fraction"],
        who: &[JOSE, JOSERFC],
        why: "keeps the fraction of a second, and is more exact by it: `exp` and leeway end at the same moment",
    },
    Reason {
        rows: &["time/expired-at-zero", "time/expired-at-minus-zero"],
        who: &[GOLANG],
        why: "takes an `exp` of 0 for none",
    },
    // Header parameters.
    Reason {
        rows: &["header/critical-b64"],
        who: &[JOSE, PYJWT, JOSERFC],
        why: "implements `b64` (RFC 7797), so that it may be critical",
    },
    Reason {
        rows: &["header/critical-empty"],
        who: &[JOSERFC],
        why: "finds nothing to check in an empty `crit`",
    },
    Reason {
        rows: &["header/critical-registered"],
        who: &[JOSERFC],
        why: "takes names of RFC 7515 in `crit`, which may not stand there (§4.1.11)",
    },
    Reason {
        rows: &["header/unencoded-not-critical"],
        who: &[JOSE],
        why: "passes over `b64` without `crit`: a reader that does not sees another payload",
    },
    Reason {
        rows: &["header/unencoded-null", "header/unencoded-string", "header/unencoded-zero"],
        who: &[JOSE],
        why: "passes over `b64` without `crit`, of whatever type",
    },
    Reason {
        rows: &["header/unencoded-null", "header/unencoded-string", "header/unencoded-zero"],
        who: &[PYJWT],
        why: "takes everything but `false` for `true`",
    },
    Reason {
        rows: &["key/id-missing"],
        who: &[JOSE],
        why: "without `kid` takes the only key of the set that fits the algorithm; ours has to be the only key of the set",
    },
    // JSON.
    Reason {
        rows: &[
            "json/header-key-id-twice",
            "json/header-same-algorithm-twice",
            "json/header-type-twice",
            "json/actor-twice",
            "json/audience-twice",
            "json/expiry-twice",
            "json/nested-in-array-twice",
            "json/nested-twice",
            "json/organisation-twice",
            "json/roles-twice",
            "json/same-subject-twice",
            "json/subject-twice",
            "json/subject-twice-escaped",
            "json/unknown-claim-twice",
        ],
        who: ALL,
        why: "takes the last of two members of one name; a reader that takes the first sees another token",
    },
    Reason {
        rows: &["json/header-unknown-twice"],
        who: &[JOSE, PYJWT, GOLANG],
        why: "takes the last of two members of one name; a reader that takes the first sees another token",
    },
    Reason {
        rows: &["json/lone-surrogate-in-name", "json/lone-surrogate-in-value", "json/surrogates-swapped"],
        who: &[JOSE, PYJWT, JOSERFC],
        why: "keeps half a character, which cannot be written as UTF-8",
    },
    Reason {
        rows: &["json/lone-surrogate-in-name", "json/lone-surrogate-in-value", "json/surrogates-swapped"],
        who: &[GOLANG],
        why: "puts U+FFFD for half a character: several names become one",
    },
    Reason {
        rows: &[
            "json/header-not-utf-8",
            "json/header-with-overlong-utf-8",
            "json/header-with-surrogate-bytes",
            "json/payload-not-utf-8",
            "json/payload-with-overlong-utf-8",
            "json/payload-with-surrogate-bytes",
        ],
        who: &[GOLANG],
        why: "puts U+FFFD for bytes that are no UTF-8: several names become one",
    },
    Reason {
        rows: &["json/header-with-surrogate-bytes"],
        who: &[PYJWT],
        why: "lets through UTF-8 that spells half a character, as Python's JSON does",
    },
    Reason {
        rows: &["json/payload-with-surrogate-bytes"],
        who: &[PYJWT, JOSERFC],
        why: "lets through UTF-8 that spells half a character, as Python's JSON does",
    },
    Reason {
        rows: &[
            "json/header-in-utf-16",
            "json/header-in-utf-32",
            "json/payload-in-utf-16",
            "json/payload-in-utf-32",
        ],
        who: &[PYJWT, JOSERFC],
        why: "finds out the encoding by itself, as Python's JSON does; RFC 8725 §3.7 wants UTF-8",
    },
    Reason {
        rows: &["json/header-with-byte-order-mark", "json/payload-with-byte-order-mark"],
        who: &[JOSE, PYJWT, JOSERFC],
        why: "takes a byte order mark off, which RFC 8259 §8.1 allows a reader",
    },
    Reason {
        rows: &[
            "json/payload-followed-by-nul",
            "json/payload-followed-by-object",
            "json/payload-followed-by-text",
        ],
        who: &[GOLANG],
        why: "stops at the end of the first object and does not look behind it",
    },
    Reason {
        rows: &["json/nested-too-deep"],
        who: &[JOSE, GOLANG],
        why: "reads 2,500 levels; the payload is read before the signature is checked in Go, and after it in jose",
    },
    Reason {
        rows: &["json/number-too-large"],
        who: &[JOSE],
        why: "reads 1e9999 as infinity: the token never ends",
    },
    // base64url.
    Reason {
        rows: &["form/header-trailing-bits", "form/payload-trailing-bits", "form/signature-trailing-bits"],
        who: &[JOSE, GOLANG],
        why: "passes over the bits to spare in a last character: one token has several spellings",
    },
    Reason {
        rows: &[
            "form/header-with-newline",
            "form/payload-with-newline",
            "form/payload-with-crlf",
            "form/signature-with-newline",
        ],
        who: &[JOSE, GOLANG],
        why: "passes over line breaks: one token has several spellings",
    },
    Reason {
        rows: &[
            "form/header-with-space",
            "form/payload-with-space",
            "form/payload-with-tab",
            "form/signature-with-space",
        ],
        who: &[JOSE],
        why: "passes over white space: one token has several spellings",
    },
    Reason {
        rows: &["form/payload-padded", "form/signature-padded"],
        who: &[JOSE, PYJWT],
        why: "takes padding where it is complete: one token has several spellings",
    },
    Reason {
        rows: &["form/two-thousand-claims"],
        who: ALL,
        why: "reads more than 8 KiB; joserfc alone has a bound, of 128,000 bytes for the payload",
    },
    // Signatures.
    Reason {
        rows: &["signature/ps256-salt-*"],
        who: &[GOLANG],
        why: "finds out the length of the salt by itself; RFC 7518 §3.5 fixes it",
    },
    // What we accept.
    Reason {
        rows: &["good/unknown-header-parameter", "good/roles-in-the-header"],
        who: &[JOSERFC],
        why: "refuses header parameters it does not know; RFC 7515 §4 has them ignored",
    },
    Reason {
        rows: &["good/key-url-of-wrong-type-that-is-not-read"],
        who: &[JOSERFC],
        why: "wants `x5u` to be an address; we never read it",
    },
];
