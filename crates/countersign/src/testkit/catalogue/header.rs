//! Header parameters that are malformed, demand what is not there, or make it another kind of token.

use super::{BadToken, bad};
use crate::{
    TokenRefusal::{CriticalHeader, HeaderMalformed, TokenOfOtherType},
    testkit::recipe::Change::{Claim, Header, NoClaim, NoHeader},
};

const CRITICAL: &str = "RFC 7515 §4.1.11, CVE-2025-59420, CVE-2026-35042";
const UNENCODED: &str = "RFC 7797 §3, §7";
const TYPE: &str = "RFC 9068 §4, RFC 8725 §3.11";

static ALL: &[BadToken] = &[
    bad("header/critical-unknown", CRITICAL, CriticalHeader, &[Header("crit", "[\"x\"]"), Header("x", "1")])
        .twin_is(&[Header("x", "1")]),
    bad("header/critical-empty", CRITICAL, CriticalHeader, &[Header("crit", "[]")]),
    bad(
        "header/critical-doubled",
        CRITICAL,
        CriticalHeader,
        &[Header("crit", "[\"x\",\"x\"]"), Header("x", "1")],
    )
    .twin_is(&[Header("x", "1")]),
    bad("header/critical-not-there", CRITICAL, CriticalHeader, &[Header("crit", "[\"x\"]")]),
    bad("header/critical-registered", CRITICAL, CriticalHeader, &[Header("crit", "[\"alg\"]")]),
    bad(
        "header/critical-expiry",
        CRITICAL,
        CriticalHeader,
        &[Header("crit", "[\"exp\"]"), Header("exp", "1")],
    ),
    bad("header/critical-string", CRITICAL, CriticalHeader, &[Header("crit", "\"x\""), Header("x", "1")]),
    bad("header/critical-null", CRITICAL, CriticalHeader, &[Header("crit", "null")]),
    bad("header/critical-false", CRITICAL, CriticalHeader, &[Header("crit", "false")]),
    bad("header/critical-object", CRITICAL, CriticalHeader, &[Header("crit", "{\"x\":1}")]),
    bad("header/critical-numbers", CRITICAL, CriticalHeader, &[Header("crit", "[1]")]),
    bad(
        "header/critical-b64",
        CRITICAL,
        CriticalHeader,
        &[Header("crit", "[\"b64\"]"), Header("b64", "true")],
    )
    .twin_is(&[Header("b64", "true")]),
    bad(
        "header/unencoded",
        UNENCODED,
        CriticalHeader,
        &[Header("crit", "[\"b64\"]"), Header("b64", "false")],
    ),
    bad("header/unencoded-not-critical", UNENCODED, CriticalHeader, &[Header("b64", "false")])
        .twin_is(&[Header("b64", "true")]),
    bad("header/unencoded-string", UNENCODED, CriticalHeader, &[Header("b64", "\"false\"")]),
    bad("header/unencoded-null", UNENCODED, CriticalHeader, &[Header("b64", "null")]),
    bad("header/unencoded-zero", UNENCODED, CriticalHeader, &[Header("b64", "0")]),
    bad("header/type-missing", TYPE, TokenOfOtherType, &[NoHeader("typ")]),
    bad("header/type-jwt", TYPE, TokenOfOtherType, &[Header("typ", "\"JWT\"")]),
    bad("header/type-jwt-lower-case", TYPE, TokenOfOtherType, &[Header("typ", "\"jwt\"")]),
    bad(
        "header/type-log-out",
        "OpenID Connect Back-Channel Logout 1.0 §2.4",
        TokenOfOtherType,
        &[
            Header("typ", "\"logout+jwt\""),
            Claim("events", "{\"http://schemas.openid.net/event/backchannel-logout\":{}}"),
        ],
    )
    .twin_is(&[Claim("events", "{\"http://schemas.openid.net/event/backchannel-logout\":{}}")]),
    bad(
        "header/type-security-event",
        "RFC 8417 §2.3",
        TokenOfOtherType,
        &[Header("typ", "\"secevent+jwt\"")],
    ),
    bad(
        "header/type-id-token",
        "OpenID Connect Core 1.0 §2",
        TokenOfOtherType,
        &[Header("typ", "\"JWT\""), Claim("nonce", "\"n-0S6_WzA2Mj\""), NoClaim("client_id")],
    ),
    bad(
        "header/type-status-list",
        "draft-ietf-oauth-status-list",
        TokenOfOtherType,
        &[Header("typ", "\"statuslist+jwt\"")],
    ),
    bad(
        "header/type-introspection",
        "RFC 9701 §5, §8",
        TokenOfOtherType,
        &[Header("typ", "\"token-introspection+jwt\"")],
    ),
    bad(
        "header/type-proof-of-possession",
        "RFC 9449 §4.2",
        TokenOfOtherType,
        &[Header("typ", "\"dpop+jwt\"")],
    ),
    bad(
        "header/type-transaction",
        "draft-ietf-oauth-transaction-tokens",
        TokenOfOtherType,
        &[Header("typ", "\"txntoken+jwt\"")],
    ),
    bad("header/type-refresh", TYPE, TokenOfOtherType, &[Header("typ", "\"rt+jwt\"")]),
    bad(
        "header/type-client-authentication",
        "RFC 7523 §3",
        TokenOfOtherType,
        &[Header("typ", "\"client-authentication+jwt\"")],
    ),
    bad("header/type-empty", TYPE, TokenOfOtherType, &[Header("typ", "\"\"")]),
    bad("header/type-with-space", TYPE, TokenOfOtherType, &[Header("typ", "\" at+jwt\"")]),
    bad(
        "header/type-with-parameter",
        TYPE,
        TokenOfOtherType,
        &[Header("typ", "\"application/at+jwt; v=1\"")],
    ),
    bad("header/type-longer", TYPE, TokenOfOtherType, &[Header("typ", "\"at+jwt+x\"")]),
    bad("header/type-of-other-tree", TYPE, TokenOfOtherType, &[Header("typ", "\"text/at+jwt\"")]),
    bad(
        "header/type-prefix-twice",
        TYPE,
        TokenOfOtherType,
        &[Header("typ", "\"application/application/at+jwt\"")],
    )
    .twin_is(&[Header("typ", "\"application/at+jwt\"")]),
    bad("header/type-only-prefix", TYPE, TokenOfOtherType, &[Header("typ", "\"application/\"")]),
    bad("header/type-number", TYPE, HeaderMalformed, &[Header("typ", "123")]),
    bad("header/type-null", TYPE, HeaderMalformed, &[Header("typ", "null")]),
    bad("header/type-array", TYPE, HeaderMalformed, &[Header("typ", "[\"at+jwt\"]")]),
    bad("header/type-object", TYPE, HeaderMalformed, &[Header("typ", "{\"at+jwt\":true}")]),
    bad("header/content-type-number", "RFC 7515 §4.1.10", HeaderMalformed, &[Header("cty", "1")]),
];

pub(super) static ROWS: &[&[BadToken]] = &[ALL];
