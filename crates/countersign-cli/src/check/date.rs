//! Dates of cookies.

use countersign::UnixTime;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// `Wed, 21 Oct 2026 07:28:00 GMT`, also with `-` between its parts and without the day's name (RFC 6265 §5.1.1).
pub(crate) fn parse(text: &str) -> Option<UnixTime> {
    let mut tokens = text.split([' ', ',', '-']).filter(|token| !token.is_empty()).peekable();
    tokens.next_if(|token| token.chars().all(char::is_alphabetic));
    let day: u64 = tokens.next()?.parse().ok()?;
    let name = tokens.next()?.get(..3)?.to_ascii_lowercase();
    let month = u64::try_from(MONTHS.iter().position(|month| *month == name)?).ok()?.checked_add(1)?;
    let year: u64 = tokens.next()?.parse().ok()?;
    let year = match year {
        0..=69 => year.checked_add(2000)?,
        70..=99 => year.checked_add(1900)?,
        _ => year,
    };
    let mut clock = tokens.next()?.splitn(3, ':').map(str::parse::<u64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    let in_range =
        (1..=31).contains(&day) && (1970..=9999).contains(&year) && hour < 24 && minute < 60 && second < 60;
    if !in_range {
        return None;
    }
    let of_day = hour.checked_mul(3_600)?.checked_add(minute.checked_mul(60)?)?.checked_add(second)?;
    Some(UnixTime::from_secs(days(year, month, day)?.checked_mul(86_400)?.checked_add(of_day)?))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, of which the year begins in March.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let month_from_march = if month > 2 { month.checked_sub(3)? } else { month.checked_add(9)? };
    let of_year =
        (month_from_march.checked_mul(153)?.checked_add(2)? / 5).checked_add(day)?.checked_sub(1)?;
    let leap_days = (year / 4).checked_sub(year / 100)?.checked_add(year / 400)?;
    year.checked_mul(365)?.checked_add(leap_days)?.checked_add(of_year)?.checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use countersign::UnixTime;

    use super::parse;
    use crate::moment::moment;

    #[test]
    fn dates_are_read_and_come_back() {
        for (text, shown) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01 00:00:00 UTC"),
            ("Fri, 15-Jan-2027 08:00:00 GMT", "2027-01-15 08:00:00 UTC"),
            ("15 Jan 27 08:00:00", "2027-01-15 08:00:00 UTC"),
            ("Thu, 29 Feb 2024 23:59:59 GMT", "2024-02-29 23:59:59 UTC"),
            ("Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(parse(text).map(moment).as_deref(), Some(shown), "{text}");
        }
        for day in (0..60_000_u64).step_by(37) {
            let time = UnixTime::from_secs(day * 86_400);
            let shown = moment(time);
            let (year, rest) = shown.split_once('-').unwrap();
            let (month, rest) = rest.split_once('-').unwrap();
            let name = super::MONTHS[month.parse::<usize>().unwrap() - 1];
            assert_eq!(
                parse(&format!("{} {name} {year} 00:00:00", rest.get(..2).unwrap())),
                Some(time),
                "{shown}"
            );
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for bad in [
            "",
            "0",
            "Thu, 32 Jan 2027 00:00:00 GMT",
            "Thu, 01 Jax 2027 00:00:00 GMT",
            "01 Jan 2027",
            "01 Jan 2027 24:00:00",
            "ü ü ü",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
