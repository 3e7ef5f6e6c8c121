//! Points in time as JSON has them (RFC 3339).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970 of a text such as `2026-11-22T05:43:10.5Z`; what is before is 1970.
pub(super) fn nanoseconds(text: &str) -> Option<u64> {
    let (date, rest) = text.split_at_checked(10)?;
    let (year, month, day) = three(date, '-')?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let (hour, minute, second) = three(clock, ':')?;
    let digits = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at_checked(digits)?,
        None => ("", rest),
    };
    let fraction: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let fraction: i128 = fraction.parse().ok()?;
    let ranges =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset(zone)?;
    let total = i128::from(seconds) * 1_000_000_000 + fraction;
    ranges.then(|| u64::try_from(total.max(0)).unwrap_or(u64::MAX))
}

/// The same as a time of the system.
pub(super) fn system_time(text: &str) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_nanos(nanoseconds(text)?))
}

fn three(text: &str, between: char) -> Option<(i64, i64, i64)> {
    let mut parts = text.split(between).map(|part| part.parse::<u32>().ok().map(i64::from));
    let three = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(three)
}

/// Seconds that a zone is ahead.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some(sign * (i64::from(hours.parse::<u32>().ok()?) * 3600 + i64::from(minutes.parse::<u32>().ok()?) * 60))
}

/// Days since 1970 of a day of the Gregorian calendar: years begin in March here, so that the leap day is
/// the last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leap_days = year / 4 - year / 100 + year / 400;
    year * 365 + leap_days + (month * 306 + 5) / 10 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_its_nanoseconds() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600_000_000_000),
            ("2026-11-22T05:43:10Z", 1_795_326_190_000_000_000),
            ("2026-11-22T05:43:10.123456789Z", 1_795_326_190_123_456_789),
            ("2026-11-22T06:43:10.5+01:00", 1_795_326_190_500_000_000),
            ("1969-12-31T00:00:00Z", 0),
        ] {
            assert_eq!(nanoseconds(text), Some(expected), "{text}");
        }
        for text in
            ["", "now", "2026-11-22", "2026-13-22T05:43:10Z", "2026-11-22T05:43:10", "2026-11-22T05:43Z"]
        {
            assert_eq!(nanoseconds(text), None, "{text}");
        }
    }
}
