//! When a session ends, in the forms servers write it.
//!
//! | member | read as |
//! |---|---|
//! | `exp` | seconds since 1970 (RFC 7519 §2), as a number or a text of digits |
//! | `expires_at` | the same, or milliseconds since 1970, or an RFC 3339 text with its offset |
//! | `expires_in` | seconds from now, as a number or a text of digits |
//!
//! `null` is absent. Where several are given the earliest counts. Any other form is nonsense: an end that is not
//! understood must not become "no end".

use std::time::Duration;

use countersign::UnixTime;
use serde_json::{Map, Value};

use crate::error::SourceError;

/// How far `nbf` may lie ahead before the clocks are said to disagree.
const NOT_BEFORE_LEEWAY: Duration = Duration::from_secs(60);

/// The end of a session, from `exp`, `expires_at` and `expires_in`.
pub(super) fn session_end(
    answer: &Map<String, Value>,
    now: UnixTime,
) -> Result<Option<UnixTime>, SourceError> {
    let ends = [
        read(answer, "exp", seconds)?.map(UnixTime::from_secs),
        read(answer, "expires_at", |value| {
            seconds(value).or_else(|| milliseconds(value)).or_else(|| written(value))
        })?
        .map(UnixTime::from_secs),
        read(answer, "expires_in", span)?.map(|secs| now.saturating_add(Duration::from_secs(secs))),
    ];
    Ok(ends.into_iter().flatten().min())
}

/// When the session began, as far as the server says so: `auth_time` (OpenID Connect Core §2), else `iat`. What cannot
/// be read proves nothing.
pub(crate) fn session_began(answer: &Map<String, Value>) -> Option<UnixTime> {
    let told = |name: &str| answer.get(name).and_then(seconds).map(UnixTime::from_secs);
    told("auth_time").or_else(|| told("iat"))
}

/// Refuses an answer that becomes valid only later: the server says "live", so one of the clocks is wrong, and a
/// wrong clock must not log anybody out.
pub(super) fn begun(answer: &Map<String, Value>, now: UnixTime) -> Result<(), SourceError> {
    match read(answer, "nbf", seconds)? {
        Some(from) if UnixTime::from_secs(from) > now.saturating_add(NOT_BEFORE_LEEWAY) => {
            Err(SourceError::Nonsense("`nbf` is more than 60 s ahead of our clock".into()))
        }
        _ => Ok(()),
    }
}

fn read(
    answer: &Map<String, Value>,
    name: &str,
    understand: impl Fn(&Value) -> Option<u64>,
) -> Result<Option<u64>, SourceError> {
    match answer.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => understand(value)
            .map(Some)
            .ok_or_else(|| SourceError::Nonsense(format!("`{name}` is not in a form we know"))),
    }
}

/// A number that is not negative, without its fraction; or the same as a text of digits.
fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64().filter(|float| (0.0..=9e15).contains(float))?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 9e15, where every whole number has its own float"
            )]
            let whole = float as u64;
            number.is_f64().then_some(whole)
        }),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

fn seconds(value: &Value) -> Option<u64> {
    count(value).filter(|&secs| secs <= UnixTime::MAX.as_secs())
}

/// What is too large for seconds before the year 10000 can only be milliseconds after April 1978.
fn milliseconds(value: &Value) -> Option<u64> {
    count(value).map(|millis| millis / 1000).filter(|&secs| secs <= UnixTime::MAX.as_secs())
}

fn span(value: &Value) -> Option<u64> {
    count(value)
}

/// RFC 3339: `2026-11-23T18:00:00Z`, with a fraction (dropped) or an offset.
fn written(value: &Value) -> Option<u64> {
    let text = value.as_str()?;
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let mut date = date.split('-');
    let (year, month, day) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
    if date.next().is_some() || !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    if !(1..=days_of_month(year, month)).contains(&day) {
        return None;
    }
    let (clock, offset) = split_offset(clock)?;
    let clock = match clock.split_once('.') {
        Some((whole, fraction)) => {
            let all_digits = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
            all_digits.then_some(whole)?
        }
        None => clock,
    };
    let mut clock = clock.split(':');
    let (hour, minute, second) =
        (digits(clock.next()?, 2)?, digits(clock.next()?, 2)?, digits(clock.next()?, 2)?);
    if clock.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum::<i64>()
        + (1..month).map(|month| days_of_month(year, month)).sum::<i64>()
        + (day - 1);
    let local = days * 86_400 + hour * 3600 + minute * 60 + second;
    u64::try_from(local - offset).ok().filter(|&secs| secs <= UnixTime::MAX.as_secs())
}

/// Splits `18:00:00+01:00` into the time and the offset in seconds. No offset at all: nobody knows which moment.
fn split_offset(clock: &str) -> Option<(&str, i64)> {
    if let Some(time) = clock.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let at = clock.rfind(['+', '-'])?;
    let (time, offset) = clock.split_at_checked(at)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 23 && minutes <= 59).then_some((time, sign * (hours * 3600 + minutes * 60)))
}

fn digits(text: &str, length: usize) -> Option<i64> {
    let plain = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

const fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use countersign::UnixTime;
    use serde_json::{Value, json};

    use super::{begun, session_end};
    use crate::error::SourceError;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn end(answer: Value) -> Result<Option<u64>, SourceError> {
        let Value::Object(answer) = answer else { panic!("an object") };
        session_end(&answer, NOW).map(|end| end.map(UnixTime::as_secs))
    }

    #[test]
    fn every_known_form_names_the_same_moment() {
        for answer in [
            json!({"exp": 1_800_000_060}),
            json!({"exp": 1_800_000_060.9}),
            json!({"exp": "1800000060"}),
            json!({"expires_at": 1_800_000_060}),
            json!({"expires_at": 1_800_000_060_999_u64}),
            json!({"expires_at": "1800000060999"}),
            json!({"expires_at": "2027-01-15T08:01:00Z"}),
            json!({"expires_at": "2027-01-15t08:01:00.987654321z"}),
            json!({"expires_at": "2027-01-15 09:31:00+01:30"}),
            json!({"expires_at": "2027-01-15T01:01:00-07:00"}),
            json!({"expires_in": 60}),
            json!({"expires_in": "60"}),
            json!({"expires_in": 60, "exp": 1_800_009_999, "expires_at": null}),
        ] {
            assert_eq!(end(answer.clone()), Ok(Some(1_800_000_060)), "{answer}");
        }
        assert_eq!(end(json!({"sub": "a", "exp": null})), Ok(None));
        assert_eq!(end(json!({"expires_at": "2000-02-29T00:00:00Z"})), Ok(Some(951_782_400)));
        assert_eq!(end(json!({"expires_at": "9999-12-31T23:59:59Z"})), Ok(Some(UnixTime::MAX.as_secs())));
        assert_eq!(end(json!({"expires_in": u64::MAX})), Ok(Some(UnixTime::MAX.as_secs())));
    }

    #[test]
    fn an_end_that_is_not_understood_is_not_no_end() {
        for answer in [
            json!({"exp": "tomorrow"}),
            json!({"exp": ""}),
            json!({"exp": -1}),
            json!({"exp": true}),
            json!({"exp": [1_800_000_060]}),
            json!({"exp": 1_800_000_060_000_u64}),
            json!({"exp": 1e300}),
            json!({"exp": "2027-01-15T08:01:00Z"}),
            json!({"expires_in": -1}),
            json!({"expires_in": "1h"}),
            json!({"expires_at": "2027-01-15T08:01:00"}),
            json!({"expires_at": "2027-02-29T08:01:00Z"}),
            json!({"expires_at": "2027-13-01T08:01:00Z"}),
            json!({"expires_at": "2027-01-15T24:00:00Z"}),
            json!({"expires_at": "2027-01-15T08:01:00.Z"}),
            json!({"expires_at": "1969-12-31T23:59:59Z"}),
            json!({"expires_at": "2027-01-15T08:01:00+1:00"}),
            json!({"expires_at": "+2027-1-15T8:1:0Z"}),
            json!({"expires_at": {"seconds": 1}}),
        ] {
            assert!(matches!(end(answer.clone()), Err(SourceError::Nonsense(_))), "{answer}");
        }
    }

    #[test]
    fn a_session_that_begins_later_is_nonsense_beyond_the_leeway() {
        let check = |nbf: Value| {
            let Value::Object(answer) = json!({ "nbf": nbf }) else { panic!("an object") };
            begun(&answer, NOW)
        };
        for fine in [json!(null), json!(1), json!(1_800_000_000), json!(1_800_000_060)] {
            assert_eq!(check(fine), Ok(()));
        }
        for bad in [json!(1_800_000_061), json!("soon"), json!(-1)] {
            assert!(matches!(check(bad), Err(SourceError::Nonsense(_))));
        }
    }
}
