//! Signed access tokens that say too little, something else, or something that could be read in two ways.

use super::{BadToken, Setup, bad};
use crate::{
    ClaimName::{
        Actor, Audience, ClientId, DerivedFrom, Email, Issuer, Roles, Scope, SessionId, Subject, TokenId,
        Username,
    },
    TokenRefusal::{
        AudienceMismatch, ClaimMalformed, ClaimMissing, IssuerUnknown, OrganisationInvalid, TokenBound,
        TokenRevoked, TokenStatusUnchecked,
    },
    testkit::recipe::Change::{Claim, NoClaim},
};

const REQUIRED: &str = "RFC 9068 §2.2";
const TYPE: &str = "RFC 7519 §4.1, CVE-2026-25537: of another type is not absent";
const EXACT_ISSUER: &str = "RFC 7519 §4.1.1, GHSA-75c5-xw7c-p5pm";
const EXACT_AUDIENCE: &str = "RFC 7519 §4.1.3, RFC 9068 §4";
const ONE_ORGANISATION: &str = "exactly one organisation, or none";
const BOUND: &str = "RFC 7800 §3, RFC 9449 §6, RFC 8705 §3";
const ROLES: &str = "RFC 9068 §2.2.3.1: an array of strings";
const LINEAGE: &str = "an exchanged token names what it was made of: a revocation of that is one of it";
const STATUS: &str = "draft-ietf-oauth-status-list §6, §8.3";
const REVOKED: &str = "a revoked token, session, subject or organisation";

/// Rows about a string claim that is no string.
macro_rules! no_string {
    ($($claim:literal, $name:expr;)+) => { [$(
        bad(concat!("claims/", $claim, "-null"), TYPE, ClaimMalformed($name), &[Claim($claim, "null")]),
        bad(concat!("claims/", $claim, "-number"), TYPE, ClaimMalformed($name), &[Claim($claim, "7")]),
        bad(concat!("claims/", $claim, "-true"), TYPE, ClaimMalformed($name), &[Claim($claim, "true")]),
        bad(concat!("claims/", $claim, "-object"), TYPE, ClaimMalformed($name), &[Claim($claim, "{\"value\":\"x\"}")]),
    )+] };
}

/// Rows about such a claim as an array.
macro_rules! no_single_string {
    ($($claim:literal, $name:expr;)+) => { [$(
        bad(concat!("claims/", $claim, "-array"), TYPE, ClaimMalformed($name), &[Claim($claim, "[\"x\"]")]),
        bad(concat!("claims/", $claim, "-empty-array"), TYPE, ClaimMalformed($name), &[Claim($claim, "[]")]),
    )+] };
}

/// Rows about a claim that is not there.
macro_rules! missing {
    ($($claim:literal, $name:expr;)+) => { [$(
        bad(concat!("claims/", $claim, "-missing"), REQUIRED, ClaimMissing($name), &[NoClaim($claim)]),
    )+] };
}

/// Rows about a name that is empty.
macro_rules! empty {
    ($($claim:literal, $name:expr;)+) => { [$(
        bad(concat!("claims/", $claim, "-empty"), "a name has at least one character", ClaimMalformed($name), &[Claim($claim, "\"\"")]),
    )+] };
}

static NO_STRING: [BadToken; 36] = no_string! {
    "iss", Issuer;
    "aud", Audience;
    "sub", Subject;
    "jti", TokenId;
    "client_id", ClientId;
    "sid", SessionId;
    "scope", Scope;
    "preferred_username", Username;
    "email", Email;
};

static NO_SINGLE_STRING: [BadToken; 14] = no_single_string! {
    "sub", Subject;
    "jti", TokenId;
    "client_id", ClientId;
    "sid", SessionId;
    "scope", Scope;
    "preferred_username", Username;
    "email", Email;
};

static MISSING: [BadToken; 5] = missing! {
    "iss", Issuer;
    "aud", Audience;
    "sub", Subject;
    "jti", TokenId;
    "client_id", ClientId;
};

static EMPTY: [BadToken; 4] = empty! {
    "sub", Subject;
    "jti", TokenId;
    "client_id", ClientId;
    "sid", SessionId;
};

static ISSUER: &[BadToken] = &[
    bad("claims/issuer-of-another", EXACT_ISSUER, IssuerUnknown, &[Claim("iss", "\"https://evil.test\"")]),
    bad("claims/issuer-longer", EXACT_ISSUER, IssuerUnknown, &[Claim("iss", "\"{iss}.evil.test\"")]),
    bad("claims/issuer-shorter", EXACT_ISSUER, IssuerUnknown, &[Claim("iss", "\"https://issuer.tes\"")]),
    bad(
        "claims/issuer-contains-ours",
        EXACT_ISSUER,
        IssuerUnknown,
        &[Claim("iss", "\"https://evil.test/{iss}\"")],
    ),
    bad("claims/issuer-with-slash", EXACT_ISSUER, IssuerUnknown, &[Claim("iss", "\"{iss}/\"")]),
    bad("claims/issuer-with-path", EXACT_ISSUER, IssuerUnknown, &[Claim("iss", "\"{iss}/realms/other\"")]),
    bad("claims/issuer-with-fragment", EXACT_ISSUER, IssuerUnknown, &[Claim("iss", "\"{iss}#x\"")]),
    bad("claims/issuer-with-space", EXACT_ISSUER, IssuerUnknown, &[Claim("iss", "\" {iss}\"")]),
    bad("claims/issuer-with-nul", EXACT_ISSUER, IssuerUnknown, &[Claim("iss", "\"{iss}\\u0000\"")]),
    bad("claims/issuer-in-capitals", EXACT_ISSUER, IssuerUnknown, &[Claim("iss", "\"HTTPS://ISSUER.TEST\"")]),
    bad(
        "claims/issuer-of-other-scheme",
        EXACT_ISSUER,
        IssuerUnknown,
        &[Claim("iss", "\"http://issuer.test\"")],
    ),
    bad("claims/issuer-with-port", EXACT_ISSUER, IssuerUnknown, &[Claim("iss", "\"{iss}:443\"")]),
    bad("claims/issuer-look-alike", EXACT_ISSUER, IssuerUnknown, &[Claim("iss", "\"https://іssuer.test\"")]),
    bad("claims/issuer-empty", EXACT_ISSUER, IssuerUnknown, &[Claim("iss", "\"\"")]),
    bad("claims/issuer-array", EXACT_ISSUER, ClaimMalformed(Issuer), &[Claim("iss", "[\"{iss}\"]")]),
    bad(
        "claims/issuer-array-of-two",
        EXACT_ISSUER,
        ClaimMalformed(Issuer),
        &[Claim("iss", "[\"https://evil.test\",\"{iss}\"]")],
    ),
];

static AUDIENCE: &[BadToken] = &[
    bad("claims/audience-of-another", EXACT_AUDIENCE, AudienceMismatch, &[Claim("aud", "\"other-service\"")]),
    bad(
        "claims/audience-array-of-others",
        EXACT_AUDIENCE,
        AudienceMismatch,
        &[Claim("aud", "[\"a\",\"b\"]")],
    )
    .twin_is(&[Claim("aud", "[\"a\",\"{aud}\"]")]),
    bad("claims/audience-empty-array", EXACT_AUDIENCE, AudienceMismatch, &[Claim("aud", "[]")])
        .twin_is(&[Claim("aud", "[\"{aud}\"]")]),
    bad("claims/audience-empty", EXACT_AUDIENCE, AudienceMismatch, &[Claim("aud", "\"\"")]),
    bad("claims/audience-longer", EXACT_AUDIENCE, AudienceMismatch, &[Claim("aud", "\"{aud}x\"")]),
    bad("claims/audience-after-prefix", EXACT_AUDIENCE, AudienceMismatch, &[Claim("aud", "\"x{aud}\"")]),
    bad("claims/audience-with-slash", EXACT_AUDIENCE, AudienceMismatch, &[Claim("aud", "\"{aud}/\"")]),
    bad("claims/audience-with-space", EXACT_AUDIENCE, AudienceMismatch, &[Claim("aud", "\"{aud} \"")]),
    bad("claims/audience-in-capitals", EXACT_AUDIENCE, AudienceMismatch, &[Claim("aud", "\"ORDERS\"")]),
    bad("claims/audience-star", EXACT_AUDIENCE, AudienceMismatch, &[Claim("aud", "\"*\"")]),
    bad("claims/audience-pattern", EXACT_AUDIENCE, AudienceMismatch, &[Claim("aud", "\".*\"")]),
    bad(
        "claims/audience-list-in-string",
        EXACT_AUDIENCE,
        AudienceMismatch,
        &[Claim("aud", "\"{aud},other\"")],
    ),
    bad(
        "claims/audience-words-in-string",
        EXACT_AUDIENCE,
        AudienceMismatch,
        &[Claim("aud", "\"other {aud}\"")],
    ),
    bad(
        "claims/audience-with-number",
        EXACT_AUDIENCE,
        ClaimMalformed(Audience),
        &[Claim("aud", "[\"{aud}\",123]")],
    )
    .twin_is(&[Claim("aud", "[\"{aud}\",\"123\"]")]),
    bad(
        "claims/audience-with-null",
        EXACT_AUDIENCE,
        ClaimMalformed(Audience),
        &[Claim("aud", "[null,\"{aud}\"]")],
    ),
    bad("claims/audience-nested", EXACT_AUDIENCE, ClaimMalformed(Audience), &[Claim("aud", "[[\"{aud}\"]]")]),
    bad(
        "claims/audience-as-member",
        EXACT_AUDIENCE,
        ClaimMalformed(Audience),
        &[Claim("aud", "{\"{aud}\":true}")],
    ),
];

static BINDING: &[BadToken] = &[
    bad(
        "claims/bound-to-key",
        BOUND,
        TokenBound,
        &[Claim("cnf", "{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}")],
    ),
    bad(
        "claims/bound-to-certificate",
        BOUND,
        TokenBound,
        &[Claim("cnf", "{\"x5t#S256\":\"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2\"}")],
    ),
    bad("claims/bound-to-embedded-key", BOUND, TokenBound, &[Claim("cnf", "{\"jwk\":{\"kty\":\"OKP\"}}")]),
    bad("claims/bound-to-nothing", BOUND, TokenBound, &[Claim("cnf", "{}")]),
    bad("claims/bound-null", BOUND, TokenBound, &[Claim("cnf", "null")]),
    bad("claims/bound-string", BOUND, TokenBound, &[Claim("cnf", "\"jkt\"")]),
];

static POWER: &[BadToken] = &[
    bad("claims/roles-string", ROLES, ClaimMalformed(Roles), &[Claim("roles", "\"admin\"")])
        .twin_is(&[Claim("roles", "[\"admin\"]")]),
    bad("claims/roles-list-in-string", ROLES, ClaimMalformed(Roles), &[Claim("roles", "\"admin,editor\"")]),
    bad("claims/roles-null", ROLES, ClaimMalformed(Roles), &[Claim("roles", "null")]),
    bad("claims/roles-number", ROLES, ClaimMalformed(Roles), &[Claim("roles", "1")]),
    bad("claims/roles-true", ROLES, ClaimMalformed(Roles), &[Claim("roles", "true")]),
    bad("claims/roles-object", ROLES, ClaimMalformed(Roles), &[Claim("roles", "{\"admin\":true}")]),
    bad("claims/roles-nested", ROLES, ClaimMalformed(Roles), &[Claim("roles", "[[\"admin\"]]")]),
    bad("claims/roles-with-number", ROLES, ClaimMalformed(Roles), &[Claim("roles", "[\"editor\",1]")]),
    bad("claims/roles-with-null", ROLES, ClaimMalformed(Roles), &[Claim("roles", "[null]")]),
    bad(
        "claims/roles-with-object",
        ROLES,
        ClaimMalformed(Roles),
        &[Claim("roles", "[{\"name\":\"admin\"}]")],
    ),
    bad(
        "claims/organisation-array",
        ONE_ORGANISATION,
        OrganisationInvalid,
        &[Claim("organisation", "[\"acme\"]")],
    ),
    bad(
        "claims/organisation-two",
        ONE_ORGANISATION,
        OrganisationInvalid,
        &[Claim("organisation", "[\"acme\",\"globex\"]")],
    ),
    bad(
        "claims/organisation-empty-array",
        ONE_ORGANISATION,
        OrganisationInvalid,
        &[Claim("organisation", "[]")],
    ),
    bad("claims/organisation-empty", ONE_ORGANISATION, OrganisationInvalid, &[Claim("organisation", "\"\"")]),
    bad("claims/organisation-star", ONE_ORGANISATION, OrganisationInvalid, &[Claim("organisation", "\"*\"")]),
    bad("claims/organisation-null", ONE_ORGANISATION, OrganisationInvalid, &[Claim("organisation", "null")])
        .twin_is(&[NoClaim("organisation")]),
    bad("claims/organisation-number", ONE_ORGANISATION, OrganisationInvalid, &[Claim("organisation", "7")])
        .twin_is(&[Claim("organisation", "\"7\"")]),
    bad("claims/organisation-true", ONE_ORGANISATION, OrganisationInvalid, &[Claim("organisation", "true")]),
    bad(
        "claims/organisation-object",
        ONE_ORGANISATION,
        OrganisationInvalid,
        &[Claim("organisation", "{\"id\":\"acme\"}")],
    ),
    bad(
        "claims/organisation-with-space",
        ONE_ORGANISATION,
        OrganisationInvalid,
        &[Claim("organisation", "\" acme\"")],
    ),
    bad(
        "claims/organisation-with-newline",
        ONE_ORGANISATION,
        OrganisationInvalid,
        &[Claim("organisation", "\"acme\\n\"")],
    ),
    bad(
        "claims/organisation-with-nul",
        ONE_ORGANISATION,
        OrganisationInvalid,
        &[Claim("organisation", "\"ac\\u0000me\"")],
    ),
    bad("claims/actor-string", "RFC 8693 §4.1", ClaimMalformed(Actor), &[Claim("act", "\"support\"")])
        .twin_is(&[Claim("act", "{\"sub\":\"support\"}")]),
    bad("claims/actor-null", "RFC 8693 §4.1", ClaimMalformed(Actor), &[Claim("act", "null")]),
    bad(
        "claims/actor-array",
        "RFC 8693 §4.1",
        ClaimMalformed(Actor),
        &[Claim("act", "[{\"sub\":\"support\"}]")],
    ),
    bad("claims/actor-without-subject", "RFC 8693 §4.1", ClaimMalformed(Actor), &[Claim("act", "{}")]),
    bad("claims/actor-empty", "RFC 8693 §4.1", ClaimMalformed(Actor), &[Claim("act", "{\"sub\":\"\"}")]),
    bad("claims/actor-number", "RFC 8693 §4.1", ClaimMalformed(Actor), &[Claim("act", "{\"sub\":7}")]),
    bad(
        "claims/actor-nested-string",
        "RFC 8693 §4.1",
        ClaimMalformed(Actor),
        &[Claim("act", "{\"sub\":\"a\",\"act\":\"b\"}")],
    )
    .twin_is(&[Claim("act", "{\"sub\":\"a\",\"act\":{\"sub\":\"b\"}}")]),
    bad(
        "claims/actor-issuer-number",
        "RFC 8693 §4.1",
        ClaimMalformed(Actor),
        &[Claim("act", "{\"sub\":\"a\",\"iss\":1}")],
    ),
];

static ANCESTORS: &[BadToken] = &[
    bad(
        "claims/derived-from-string",
        LINEAGE,
        ClaimMalformed(DerivedFrom),
        &[Claim("derived_from", "\"a\"")],
    )
    .twin_is(&[Claim("derived_from", "[\"a\"]")]),
    bad("claims/derived-from-null", LINEAGE, ClaimMalformed(DerivedFrom), &[Claim("derived_from", "null")]),
    bad(
        "claims/derived-from-numbers",
        LINEAGE,
        ClaimMalformed(DerivedFrom),
        &[Claim("derived_from", "[\"a\",7]")],
    ),
    bad(
        "claims/derived-from-nobody",
        LINEAGE,
        ClaimMalformed(DerivedFrom),
        &[Claim("derived_from", "[\"\"]")],
    ),
    bad(
        "claims/derived-from-too-many",
        "sixteen exchanges at most",
        ClaimMalformed(DerivedFrom),
        &[Claim("derived_from", SEVENTEEN)],
    )
    .twin_is(&[Claim("derived_from", SIXTEEN)]),
];

const SIXTEEN: &str = r#"["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16"]"#;
const SEVENTEEN: &str = r#"["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"]"#;

/// Whatever the list would say: it is not looked at.
static STATUSES: &[BadToken] = &[
    bad(
        "claims/status-in-list",
        STATUS,
        TokenStatusUnchecked,
        &[Claim("status", "{\"status_list\":{\"idx\":413,\"uri\":\"{iss}/statuslists/1\"}}")],
    ),
    bad(
        "claims/status-in-list-of-attacker",
        "draft-ietf-oauth-status-list §11.4: a look at it would be a request to anywhere",
        TokenStatusUnchecked,
        &[Claim("status", "{\"status_list\":{\"idx\":0,\"uri\":\"{attacker}\"}}")],
    ),
    bad(
        "claims/status-index-negative",
        STATUS,
        TokenStatusUnchecked,
        &[Claim("status", "{\"status_list\":{\"idx\":-1,\"uri\":\"{iss}/statuslists/1\"}}")],
    ),
    bad(
        "claims/status-index-string",
        STATUS,
        TokenStatusUnchecked,
        &[Claim("status", "{\"status_list\":{\"idx\":\"413\",\"uri\":\"{iss}/statuslists/1\"}}")],
    ),
    bad(
        "claims/status-index-out-of-range",
        STATUS,
        TokenStatusUnchecked,
        &[Claim("status", "{\"status_list\":{\"idx\":9007199254740991,\"uri\":\"{iss}/statuslists/1\"}}")],
    ),
    bad(
        "claims/status-in-list-of-another-issuer",
        "draft-ietf-oauth-status-list §8.3",
        TokenStatusUnchecked,
        &[Claim("status", "{\"status_list\":{\"idx\":413,\"uri\":\"https://other.test/statuslists/1\"}}")],
    ),
    bad(
        "claims/status-in-list-on-loopback",
        "draft-ietf-oauth-status-list §11.4: a look at it would be a request to the inside",
        TokenStatusUnchecked,
        &[Claim("status", "{\"status_list\":{\"idx\":0,\"uri\":\"http://127.0.0.1:1/statuslists/1\"}}")],
    ),
    bad("claims/status-of-unknown-kind", STATUS, TokenStatusUnchecked, &[Claim("status", "{\"other\":{}}")]),
    bad("claims/status-empty", STATUS, TokenStatusUnchecked, &[Claim("status", "{}")]),
    bad("claims/status-null", STATUS, TokenStatusUnchecked, &[Claim("status", "null")]),
    bad("claims/status-string", STATUS, TokenStatusUnchecked, &[Claim("status", "\"valid\"")]),
];

static REVOCATION: &[BadToken] = &[
    bad("claims/token-revoked", REVOKED, TokenRevoked, &[Claim("jti", "\"revoked\"")]).asked(Setup::Revoked),
    bad("claims/session-revoked", REVOKED, TokenRevoked, &[Claim("sid", "\"revoked\"")])
        .asked(Setup::Revoked),
    bad("claims/subject-revoked", REVOKED, TokenRevoked, &[Claim("sub", "\"revoked\"")])
        .asked(Setup::Revoked),
    bad("claims/organisation-revoked", REVOKED, TokenRevoked, &[Claim("organisation", "\"revoked\"")])
        .asked(Setup::Revoked),
];

pub(super) static ROWS: &[&[BadToken]] = &[
    &NO_STRING,
    &NO_SINGLE_STRING,
    &MISSING,
    &EMPTY,
    ISSUER,
    AUDIENCE,
    BINDING,
    POWER,
    ANCESTORS,
    STATUSES,
    REVOCATION,
];
