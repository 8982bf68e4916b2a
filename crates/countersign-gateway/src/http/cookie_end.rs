//! Whether a `Set-Cookie` ends its cookie, read as browsers read it (RFC 6265 §5.1.1 and §5.2). Pure.
//!
//! 1. `Max-Age` has precedence over `Expires`. Of several the last that can be read counts; what cannot be read is
//!    ignored.
//! 2. A date is read however it is written: `Thu, 01-Jan-1970 00:00:01 GMT`, `Thursday, 01-Jan-70 …`,
//!    `1 Jan 1970 …`. Servers that are old enough write them all.
//!
//! **What can an attacker do if this is wrong?** What stands in the place of a cookie that is deleted is the same for
//! everybody: `deleted`, `null`. Taken for a new session token, it would let in whoever sends it.

use countersign::UnixTime;

/// Whether these attributes end the cookie they stand with.
pub(crate) fn is_over<'a>(attributes: impl Iterator<Item = &'a str>, now: UnixTime) -> bool {
    let (mut by_age, mut by_date) = (None, None);
    for attribute in attributes {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("max-age") {
            by_age = ends_by_age(value).or(by_age);
        } else if name.eq_ignore_ascii_case("expires") {
            by_date =
                seconds(value).map(|at| at <= i64::try_from(now.as_secs()).unwrap_or(i64::MAX)).or(by_date);
        }
    }
    by_age.or(by_date).unwrap_or(false)
}

/// RFC 6265 §5.2.2: digits, perhaps with `-` before them, however many.
fn ends_by_age(age: &str) -> Option<bool> {
    let digits = age.strip_prefix('-').unwrap_or(age);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| age.starts_with('-') || digits.bytes().all(|byte| byte == b'0'))
}

/// What of a date has been found, in the order in which a piece is tried (RFC 6265 §5.1.1).
#[derive(Default)]
struct Found {
    clock: Option<(i64, i64, i64)>,
    day: Option<i64>,
    month: Option<i64>,
    year: Option<i64>,
}

impl Found {
    fn take(&mut self, piece: &str) {
        if self.clock.is_none() && fill(&mut self.clock, clock(piece)) {
            return;
        }
        if self.day.is_none() && fill(&mut self.day, leading(piece, 1, 2)) {
            return;
        }
        if self.month.is_none() && fill(&mut self.month, month(piece)) {
            return;
        }
        if self.year.is_none() {
            fill(&mut self.year, leading(piece, 2, 4));
        }
    }

    /// Seconds since 1970; `None` if something is missing or there is no such moment.
    fn seconds(self) -> Option<i64> {
        let (hour, minute, second) = self.clock.filter(|&(h, m, s)| h <= 23 && m <= 59 && s <= 59)?;
        let (day, month) = (self.day?, self.month?);
        let year = match self.year? {
            year @ 0..=69 => year + 2000,
            year @ 70..=99 => year + 1900,
            year => year,
        };
        if year < 1601 || !(1..=days_of_month(year, month)).contains(&day) {
            return None;
        }
        let before = year - 1;
        let days = before * 365 + before / 4 - before / 100 + before / 400 - DAYS_BEFORE_1970
            + (1..month).map(|month| days_of_month(year, month)).sum::<i64>()
            + (day - 1);
        Some(days * 86_400 + hour * 3600 + minute * 60 + second)
    }
}

/// From the year 1 to 1970.
const DAYS_BEFORE_1970: i64 = 719_162;

/// The moment that a cookie's date names, in seconds since 1970. Time zones are not read: all are GMT.
fn seconds(date: &str) -> Option<i64> {
    let mut found = Found::default();
    for piece in date.split(is_between).filter(|piece| !piece.is_empty()) {
        found.take(piece);
    }
    found.seconds()
}

fn is_between(character: char) -> bool {
    matches!(character, '\t' | ' '..='/' | ';'..='@' | '['..='`' | '{'..='~')
}

fn fill<T>(place: &mut Option<T>, with: Option<T>) -> bool {
    let is_found = with.is_some();
    if is_found {
        *place = with;
    }
    is_found
}

/// The number that a piece begins with, if it has so many digits and none more.
fn leading(piece: &str, at_least: usize, at_most: usize) -> Option<i64> {
    let length = piece.bytes().take_while(u8::is_ascii_digit).count();
    let digits = piece.get(..length)?;
    if (at_least..=at_most).contains(&length) { digits.parse().ok() } else { None }
}

fn clock(piece: &str) -> Option<(i64, i64, i64)> {
    let mut parts = piece.splitn(3, ':');
    let whole = |part: &str| {
        let is_whole = part.bytes().all(|byte| byte.is_ascii_digit());
        if is_whole { leading(part, 1, 2) } else { None }
    };
    Some((whole(parts.next()?)?, whole(parts.next()?)?, leading(parts.next()?, 1, 2)?))
}

fn month(piece: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let name = piece.get(..3)?;
    (1..).zip(MONTHS).find_map(|(number, month)| month.eq_ignore_ascii_case(name).then_some(number))
}

const fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use countersign::UnixTime;
    use proptest::prelude::*;

    use super::{is_over, seconds};

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn over(attributes: &str) -> bool {
        is_over(attributes.split(';'), NOW)
    }

    #[test]
    fn a_date_is_read_however_it_is_written() {
        for date in [
            "Thu, 01 Jan 1970 00:00:01 GMT",
            "Thu, 01-Jan-1970 00:00:01 GMT",
            "Thu, 01-Jan-70 00:00:01 GMT",
            "Thursday, 01-Jan-70 00:00:01 GMT",
            "Thursday, 01-Jan-1970 00:00:01 GMT",
            "Thu, 1 Jan 1970 00:00:01 GMT",
            "Thu, 01 Jan 1970 0:0:1 UTC",
            "Thu, 01 Jan 1970 00:00:01 -0000",
            "Thu Jan  1 00:00:01 1970",
            "00:00:01 1 january 1970",
            "1970/JAN/01 00:00:01.5",
        ] {
            assert_eq!(seconds(date), Some(1), "{date}");
            assert!(over(&format!("Path=/; expires = {date}")), "{date}");
        }
        assert_eq!(seconds("Wed, 31 Dec 1969 23:59:59 GMT"), Some(-1));
        assert_eq!(seconds("Mon, 01 Jan 1601 00:00:00 GMT"), Some(-11_644_473_600));
        assert_eq!(seconds("29 Feb 00 00:00:00"), Some(951_782_400));
        assert_eq!(seconds("01-Jan-69 00:00:00"), Some(3_124_224_000));
    }

    #[test]
    fn what_is_no_date_is_ignored() {
        for date in [
            "",
            "0",
            "-1",
            "whenever",
            "Session",
            "Thu, 01 Jan 1970",
            "Thu, 01 Jan 00:00:00",
            "01 Jan 1600 00:00:00",
            "32 Jan 1970 00:00:00",
            "0 Jan 1970 00:00:00",
            "29 Feb 1970 00:00:00",
            "01 Jan 1970 24:00:00",
            "01 Jan 1970 00:60:00",
            "01 Jan 1970 00:00:60",
            "01 Jan 1970 00:00",
            "001 Jan 1970 00:00:00",
            "01 Jän 1970 00:00:00",
        ] {
            assert_eq!(seconds(date), None, "{date}");
            assert!(!over(&format!("Expires={date}")), "{date}");
        }
    }

    #[test]
    fn age_has_precedence_and_the_last_that_can_be_read_counts() {
        let past = "Expires=Thu, 01 Jan 1970 00:00:01 GMT";
        for (attributes, expected) in [
            (String::new(), false),
            ("Max-Age=0".to_owned(), true),
            (" max-age = 00 ".to_owned(), true),
            ("Max-Age=-1".to_owned(), true),
            ("Max-Age=-99999999999999999999999".to_owned(), true),
            ("Max-Age=60".to_owned(), false),
            (format!("Max-Age=60; {past}"), false),
            (format!("Max-Age=99999999999999999999999; {past}"), false),
            (format!("{past}; Max-Age=0"), true),
            (format!("Max-Age=; {past}"), true),
            (format!("Max-Age=+5; {past}"), true),
            (format!("Max-Age=5s; {past}"), true),
            (format!("Max-Age=-; {past}"), true),
            ("Max-Age=0; Max-Age=60".to_owned(), false),
            ("Max-Age=60; Max-Age=0".to_owned(), true),
            ("Max-Age=0; Max-Age=x".to_owned(), true),
            (format!("{past}; Expires=Thu, 01 Jan 2099 00:00:00 GMT"), false),
            (format!("{past}; Expires=never"), true),
            ("Expires=Fri, 15 Jan 2027 08:00:00 GMT".to_owned(), true),
            ("Expires=Fri, 15 Jan 2027 08:00:01 GMT".to_owned(), false),
        ] {
            assert_eq!(over(&attributes), expected, "{attributes}");
        }
    }

    proptest! {
        #[test]
        fn every_date_of_http_is_read(secs in 0_u32..) {
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(secs.into()));
            prop_assert_eq!(seconds(&date), Some(i64::from(secs)));
            prop_assert_eq!(seconds(&date.replace(' ', "-")), Some(i64::from(secs)));
        }

        #[test]
        fn any_text_is_read_without_failing(text in "\\PC{0,60}") {
            seconds(&text);
            over(&text);
        }
    }
}
