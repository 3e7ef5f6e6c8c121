//! Dates, as `printf %(...)T` and prompts show them.

use crate::syntax::ast::Bytes;

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

struct Date {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    weekday: i64,
    /// From zero.
    day_of_year: i64,
}

fn date(seconds: i64) -> Date {
    let days = seconds.div_euclid(86_400);
    let rest = seconds.rem_euclid(86_400);
    // The proleptic Gregorian calendar, with years that begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let index = usize::try_from(month - 1).unwrap_or(0);
    let day_of_year = before[index] + day - 1 + i64::from(leap && month > 2);
    Date {
        year,
        month,
        day,
        hour: rest / 3600,
        minute: rest % 3600 / 60,
        second: rest % 60,
        weekday: (days + 4).rem_euclid(7),
        day_of_year,
    }
}

/// The offset in seconds east, and the name, of a zone like `UTC`, `CET-1` or `EST5`. Zones by place count as UTC: a sandbox
/// has no table of them.
fn zone(name: &[u8]) -> (i64, Bytes) {
    let letters = name.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (label, rest) = name.split_at(letters);
    if rest.is_empty() || label.len() < 3 {
        return (0, b"UTC".to_vec());
    }
    let (sign, digits) = match rest[0] {
        b'-' => (1, &rest[1..]),
        b'+' => (-1, &rest[1..]),
        _ => (-1, rest),
    };
    let text = String::from_utf8_lossy(digits).into_owned();
    let mut parts = text.split(':').map(str::parse::<i64>);
    match (parts.next(), parts.next()) {
        (Some(Ok(hours)), None) => (sign * hours * 3600, label.to_vec()),
        (Some(Ok(hours)), Some(Ok(minutes))) => (sign * (hours * 3600 + minutes * 60), label.to_vec()),
        _ => (0, b"UTC".to_vec()),
    }
}

/// As `strftime` in the C locale.
pub fn format(format: &[u8], seconds: i64, zone_name: &[u8]) -> Bytes {
    let (offset, label) = zone(zone_name);
    let mut out = Bytes::new();
    push(format, seconds, offset, &label, &mut out);
    out
}

fn push(format: &[u8], seconds: i64, offset: i64, label: &[u8], out: &mut Bytes) {
    let date = date(seconds + offset);
    let hour12 = if date.hour % 12 == 0 { 12 } else { date.hour % 12 };
    let weekday = DAYS[usize::try_from(date.weekday).unwrap_or(0)];
    let month = MONTHS[usize::try_from(date.month - 1).unwrap_or(0)];
    let mut at = 0;
    while at < format.len() {
        if format[at] != b'%' || at + 1 == format.len() {
            out.push(format[at]);
            at += 1;
            continue;
        }
        at += 1;
        let mut pad = None;
        while matches!(format.get(at), Some(b'-' | b'_' | b'0' | b'^' | b'#' | b'E' | b'O')) {
            pad = Some(format[at]);
            at += 1;
        }
        let Some(&letter) = format.get(at) else { break };
        at += 1;
        let two = |value: i64| match pad {
            Some(b'-') => format!("{value}"),
            Some(b'_') => format!("{value:2}"),
            _ => format!("{value:02}"),
        };
        let spaced = |value: i64| match pad {
            Some(b'-') => format!("{value}"),
            Some(b'0') => format!("{value:02}"),
            _ => format!("{value:2}"),
        };
        let iso = iso_week(&date);
        let text = match letter {
            b'Y' => date.year.to_string(),
            b'C' => two(date.year.div_euclid(100)),
            b'y' => two(date.year.rem_euclid(100)),
            b'm' => two(date.month),
            b'd' => two(date.day),
            b'e' => spaced(date.day),
            b'H' => two(date.hour),
            b'k' => spaced(date.hour),
            b'I' => two(hour12),
            b'l' => spaced(hour12),
            b'M' => two(date.minute),
            b'S' => two(date.second),
            b'p' => if date.hour < 12 { "AM" } else { "PM" }.to_owned(),
            b'P' => if date.hour < 12 { "am" } else { "pm" }.to_owned(),
            b'j' => match pad {
                Some(b'-') => format!("{}", date.day_of_year + 1),
                _ => format!("{:03}", date.day_of_year + 1),
            },
            b'a' => weekday[..3].to_owned(),
            b'A' => weekday.to_owned(),
            b'b' | b'h' => month[..3].to_owned(),
            b'B' => month.to_owned(),
            b'u' => (if date.weekday == 0 { 7 } else { date.weekday }).to_string(),
            b'w' => date.weekday.to_string(),
            b'U' => two((date.day_of_year + 7 - date.weekday) / 7),
            b'W' => two((date.day_of_year + 7 - (date.weekday + 6) % 7) / 7),
            b'V' => two(iso.1),
            b'G' => iso.0.to_string(),
            b'g' => two(iso.0.rem_euclid(100)),
            b's' => seconds.to_string(),
            b'n' => "\n".to_owned(),
            b't' => "\t".to_owned(),
            b'%' => "%".to_owned(),
            b'z' => format!(
                "{}{:02}{:02}",
                if offset < 0 { '-' } else { '+' },
                offset.abs() / 3600,
                offset.abs() % 3600 / 60
            ),
            b'Z' => String::from_utf8_lossy(label).into_owned(),
            b'F' | b'T' | b'X' | b'D' | b'x' | b'R' | b'r' | b'c' => {
                let expanded: &[u8] = match letter {
                    b'F' => b"%Y-%m-%d",
                    b'T' | b'X' => b"%H:%M:%S",
                    b'D' | b'x' => b"%m/%d/%y",
                    b'R' => b"%H:%M",
                    b'r' => b"%I:%M:%S %p",
                    _ => b"%a %b %e %H:%M:%S %Y",
                };
                push(expanded, seconds, offset, label, out);
                continue;
            }
            other => format!("%{}", char::from(other)),
        };
        out.extend_from_slice(text.as_bytes());
    }
}

/// Year and week of ISO 8601.
fn iso_week(date: &Date) -> (i64, i64) {
    let weekday = (date.weekday + 6) % 7;
    let week = (date.day_of_year - weekday + 10) / 7;
    let weeks_in = |year: i64| {
        let first = |year: i64| {
            (year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400)).rem_euclid(7)
        };
        if first(year) == 4 || first(year - 1) == 3 { 53 } else { 52 }
    };
    if week < 1 {
        (date.year - 1, weeks_in(date.year - 1))
    } else if week > weeks_in(date.year) {
        (date.year + 1, 1)
    } else {
        (date.year, week)
    }
}
