//! Tokens whose time has passed, has not come, or is no time.

use super::{BadToken, bad};
use crate::{
    ClaimName::{Expires, IssuedAt, NotBefore},
    TokenRefusal::{
        ClaimMalformed, ClaimMissing, TokenExpired, TokenIssuedInFuture, TokenLivesTooLong, TokenNotYetValid,
    },
    testkit::recipe::Change::{Claim, NoClaim, Time},
};

const DATE: &str = "RFC 7519 §2 NumericDate, CVE-2026-25537";

const SLOW_CLOCK: &str =
    "RFC 7519 §4.1.5, §4.1.6: to a clock that is five minutes slow, a token of now is of the future";
const FAST_CLOCK: &str =
    "RFC 7519 §4.1.4: to a clock that is five minutes fast, a token of now is of the past";

/// Rows about a claim that is no NumericDate.
macro_rules! no_date {
    ($($claim:literal, $name:expr;)+) => { [$(
        bad(concat!("time/", $claim, "-null"), DATE, ClaimMalformed($name), &[Claim($claim, "null")]),
        bad(concat!("time/", $claim, "-string"), DATE, ClaimMalformed($name), &[Claim($claim, "\"1800000000\"")]),
        bad(concat!("time/", $claim, "-empty"), DATE, ClaimMalformed($name), &[Claim($claim, "\"\"")]),
        bad(concat!("time/", $claim, "-true"), DATE, ClaimMalformed($name), &[Claim($claim, "true")]),
        bad(concat!("time/", $claim, "-array"), DATE, ClaimMalformed($name), &[Claim($claim, "[1800000000]")]),
        bad(concat!("time/", $claim, "-object"), DATE, ClaimMalformed($name), &[Claim($claim, "{\"seconds\":1800000000}")]),
        bad(concat!("time/", $claim, "-negative"), DATE, ClaimMalformed($name), &[Claim($claim, "-1")]),
        bad(concat!("time/", $claim, "-negative-fraction"), DATE, ClaimMalformed($name), &[Claim($claim, "-0.5")]),
        bad(concat!("time/", $claim, "-huge"), DATE, ClaimMalformed($name), &[Claim($claim, "1e30")]),
        bad(concat!("time/", $claim, "-beyond-64-bits"), DATE, ClaimMalformed($name), &[Claim($claim, "18446744073709551616")]),
        bad(concat!("time/", $claim, "-after-9999"), DATE, ClaimMalformed($name), &[Claim($claim, "253402300800")]),
        bad(concat!("time/", $claim, "-in-milliseconds"), DATE, ClaimMalformed($name), &[Claim($claim, "1800000300000")]),
    )+] };
}

static NO_DATE: [BadToken; 36] = no_date! {
    "exp", Expires;
    "iat", IssuedAt;
    "nbf", NotBefore;
};

static OTHERS: &[BadToken] = &[
    bad("time/expired", "RFC 7519 §4.1.4", TokenExpired, &[Time("exp", -60)]),
    bad(
        "time/expired-at-the-edge",
        "RFC 7519 §4.1.4: leeway is 5 s",
        TokenExpired,
        &[Time("iat", -300), Time("exp", -5)],
    )
    .twin_is(&[Time("iat", -300), Time("exp", -4)]),
    bad("time/expired-long-ago", "RFC 7519 §4.1.4", TokenExpired, &[Claim("exp", "1")]),
    bad("time/expired-at-zero", "RFC 7519 §4.1.4", TokenExpired, &[Claim("exp", "0")]),
    bad("time/expired-at-minus-zero", "RFC 7519 §4.1.4", TokenExpired, &[Claim("exp", "-0.0")]),
    bad(
        "time/expired-by-a-fraction",
        "RFC 7519 §2: a fraction is dropped",
        TokenExpired,
        &[Claim("exp", "1799999995.9")],
    )
    .twin_is(&[Claim("exp", "1799999996.1")]),
    bad("time/exp-missing", "RFC 9068 §2.2", ClaimMissing(Expires), &[NoClaim("exp")]),
    bad("time/iat-missing", "RFC 9068 §2.2", ClaimMissing(IssuedAt), &[NoClaim("iat")]),
    bad(
        "time/exp-misspelt",
        "RFC 7519 §4: names are case-sensitive",
        ClaimMissing(Expires),
        &[NoClaim("exp"), Time("EXP", 300)],
    ),
    bad("time/not-yet-valid", "RFC 7519 §4.1.5", TokenNotYetValid, &[Time("nbf", 3_600)]),
    bad(
        "time/not-yet-valid-at-the-edge",
        "RFC 7519 §4.1.5: leeway is 5 s",
        TokenNotYetValid,
        &[Time("nbf", 6)],
    )
    .twin_is(&[Time("nbf", 5)]),
    bad(
        "time/issued-in-future",
        "RFC 7519 §4.1.6",
        TokenIssuedInFuture,
        &[Time("iat", 3_600), Time("exp", 3_900)],
    ),
    bad(
        "time/issued-in-future-at-the-edge",
        "RFC 7519 §4.1.6: leeway is 5 s",
        TokenIssuedInFuture,
        &[Time("iat", 6)],
    )
    .twin_is(&[Time("iat", 5)]),
    bad(
        "time/issued-five-minutes-ahead",
        SLOW_CLOCK,
        TokenIssuedInFuture,
        &[Time("iat", 300), Time("exp", 600)],
    ),
    bad("time/valid-in-five-minutes", SLOW_CLOCK, TokenNotYetValid, &[Time("nbf", 300), Time("exp", 600)])
        .twin_is(&[Time("exp", 600)]),
    bad("time/expired-five-minutes-ago", FAST_CLOCK, TokenExpired, &[Time("iat", -600), Time("exp", -300)]),
    bad("time/lives-too-long", "24 hours at most", TokenLivesTooLong, &[Time("exp", 86_401)])
        .twin_is(&[Time("exp", 86_400)]),
    bad("time/lives-for-ever", "24 hours at most", TokenLivesTooLong, &[Claim("exp", "253402300799")]),
    bad("time/issued-at-zero", "24 hours at most", TokenLivesTooLong, &[Claim("iat", "0")]),
];

pub(super) static ROWS: &[&[BadToken]] = &[&NO_DATE, OTHERS];
