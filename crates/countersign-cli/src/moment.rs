//! Moments and spans as people read them.

use std::time::Duration;

use countersign::UnixTime;

/// `2027-01-15 08:00:00 UTC`.
pub(crate) fn moment(time: UnixTime) -> String {
    let (days, second) = (time.as_secs() / 86_400, time.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hours, minutes, seconds) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02} UTC")
}

/// Days since 1970-01-01 → year, month and day of the Gregorian calendar: the era of 400 years begins in March, so
/// that the leap day is its last.
const fn civil(days: u64) -> (u64, u64, u64) {
    let from_march_0000 = days + 719_468;
    let era = from_march_0000 / 146_097;
    let of_era = from_march_0000 % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// `in 4 min`, `3 h ago`, `now`.
pub(crate) fn from_now(time: UnixTime, now: UnixTime) -> String {
    if time > now {
        format!("in {}", span(time.saturating_since(now)))
    } else if time == now {
        "now".to_owned()
    } else {
        format!("{} ago", span(now.saturating_since(time)))
    }
}

/// The largest unit that is at least two of it, or seconds: `90 s`, `5 min`, `8 h`, `30 d`.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.subsec_millis() > 0 => format!("{} ms", duration.as_millis()),
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use countersign::UnixTime;

    use super::{from_now, moment, span};

    #[test]
    fn moments_are_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_800_000_000, "2027-01-15 08:00:00 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(moment(UnixTime::from_secs(seconds)), text);
        }
    }

    #[test]
    fn spans_have_one_unit() {
        for (seconds, text) in [(0, "0 s"), (119, "119 s"), (300, "5 min"), (28_800, "8 h"), (604_800, "7 d")]
        {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        assert_eq!(span(Duration::from_millis(250)), "250 ms");
        let at = UnixTime::from_secs;
        assert_eq!(from_now(at(1_300), at(1_000)), "in 5 min");
        assert_eq!(from_now(at(1_000), at(1_300)), "5 min ago");
        assert_eq!(from_now(at(1), at(1)), "now");
    }
}
