//! Dates as git prints and reads them.

use super::Moment;
use super::failure::{Failure, Result};

const DAY: i64 = 86_400;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// How a date is printed (`--date`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum DateForm {
    #[default]
    Default,
    Iso,
    IsoStrict,
    Rfc,
    Short,
    Unix,
    Raw,
    Relative,
}

impl DateForm {
    pub(super) fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "default" => Self::Default,
            "iso" | "iso8601" => Self::Iso,
            "iso-strict" | "iso8601-strict" => Self::IsoStrict,
            "rfc" | "rfc2822" => Self::Rfc,
            "short" => Self::Short,
            "unix" => Self::Unix,
            "raw" => Self::Raw,
            "relative" => Self::Relative,
            _ => {
                return Err(Failure::usage(format!("date format '{text}' is not supported here"))
                    .hint("default, iso, iso-strict, rfc, short, unix, raw and relative are"));
            }
        })
    }

    /// Prints a moment; `now` is what a relative date is told against.
    pub(super) fn print(self, moment: Moment, now: Moment) -> String {
        let Moment { seconds, offset_minutes } = moment;
        let local = seconds + i64::from(offset_minutes) * 60;
        let (days, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let sign = if offset_minutes < 0 { '-' } else { '+' };
        let (zone_hours, zone_minutes) = (offset_minutes.abs() / 60, offset_minutes.abs() % 60);
        let zone = format!("{sign}{zone_hours:02}{zone_minutes:02}");
        let name = |names: &[&'static str], at: i64| {
            usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or("")
        };
        let weekday = name(&WEEKDAYS, days.rem_euclid(7));
        let month_name = name(&MONTHS, month - 1);
        match self {
            Self::Default => {
                format!("{weekday} {month_name} {day} {hour:02}:{minute:02}:{second:02} {year} {zone}")
            }
            Self::Iso => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} {zone}"),
            Self::IsoStrict => {
                let zone = if offset_minutes == 0 {
                    "Z".to_owned()
                } else {
                    format!("{sign}{zone_hours:02}:{zone_minutes:02}")
                };
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}")
            }
            Self::Rfc => {
                format!("{weekday}, {day} {month_name} {year} {hour:02}:{minute:02}:{second:02} {zone}")
            }
            Self::Short => format!("{year:04}-{month:02}-{day:02}"),
            Self::Unix => seconds.to_string(),
            Self::Raw => format!("{seconds} {zone}"),
            Self::Relative => relative(seconds, now.seconds),
        }
    }
}

/// Reads what stands after `--since`: a date, or so and so long ago.
pub(super) fn approximate(text: &str, now: Moment) -> Result<i64> {
    let unknown = || {
        Failure::usage(format!("date '{text}' is not understood here"))
            .hint("as in 2026-01-31, '2026-01-31 12:00:00', @1767225600 or '2 weeks ago'")
    };
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse().map_err(|_| unknown());
    }
    match text {
        "now" => return Ok(now.seconds),
        "yesterday" => return Ok(now.seconds - DAY),
        _ => {}
    }
    let words: Vec<&str> = text.split([' ', '.']).filter(|word| !word.is_empty()).collect();
    if let [count, unit, rest @ ..] = words.as_slice()
        && let Ok(count) = count.parse::<i64>()
        && matches!(rest, [] | ["ago"])
    {
        let unit = unit.strip_suffix('s').unwrap_or(unit);
        let seconds = match unit {
            "second" | "sec" => 1,
            "minute" | "min" => 60,
            "hour" => 3600,
            "day" => DAY,
            "week" => 7 * DAY,
            _ => return Err(unknown()),
        };
        return Ok(now.seconds - count * seconds);
    }
    absolute(text, now).map(|moment| moment.seconds).ok_or_else(unknown)
}

/// Reads the date of a commit (`GIT_AUTHOR_DATE`): `[@]SECONDS[ +ZZZZ]`, ISO 8601 or RFC 2822.
pub(super) fn exact(text: &str, now: Moment) -> Option<Moment> {
    let text = text.trim();
    let raw = text.strip_prefix('@').unwrap_or(text);
    let (seconds, zone) = raw.split_once(' ').unwrap_or((raw, ""));
    if let Ok(seconds) = seconds.parse() {
        return Some(Moment { seconds, offset_minutes: offset_minutes(zone)? });
    }
    match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        [week_day, day, month, year, rest @ ..] if week_day.ends_with(',') => {
            let month = MONTHS.iter().position(|name| name == month)? + 1;
            absolute(&format!("{year}-{month:02}-{day:0>2} {}", rest.join(" ")), now)
        }
        _ => absolute(text, now),
    }
}

/// Reads a zone: `Z`, `+ZZZZ` or `+ZZ:ZZ`; none is UTC.
fn offset_minutes(zone: &str) -> Option<i32> {
    if matches!(zone, "" | "Z") {
        return Some(0);
    }
    let (sign, digits) = zone.split_at_checked(1)?;
    let digits: i32 = digits.replace(':', "").parse().ok()?;
    let minutes = digits / 100 * 60 + digits % 100;
    match sign {
        "+" => Some(minutes),
        "-" => Some(-minutes),
        _ => None,
    }
}

/// Reads `YYYY-MM-DD[ HH:MM[:SS][ +ZZZZ]]`; without a time that of `now` counts, as with git.
fn absolute(text: &str, now: Moment) -> Option<Moment> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    let rest = rest.trim_start_matches(['T', ' ']);
    let (time, zone) = match rest.find(['+', '-', 'Z', ' ']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let offset_minutes = match zone.trim() {
        "" => now.offset_minutes,
        zone => offset_minutes(zone)?,
    };
    let offset = i64::from(offset_minutes) * 60;
    let second = if time.is_empty() {
        (now.seconds + offset).rem_euclid(DAY)
    } else {
        let mut parts = time.split(':').map(|part| part.parse::<i64>().ok());
        let (hour, minute) = (parts.next()??, parts.next()??);
        hour * 3600 + minute * 60 + parts.next().unwrap_or(Some(0))?
    };
    Some(Moment { seconds: days * DAY + second - offset, offset_minutes })
}

/// The year, month and day of a day since 1970 in the Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097;
    let shifted = days + 719_468;
    let era = shifted.div_euclid(ERA_DAYS);
    let day_of_era = shifted.rem_euclid(ERA_DAYS);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / (ERA_DAYS - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse of [`civil`].
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// How long ago, rounded as git rounds it.
fn relative(then: i64, now: i64) -> String {
    if then > now {
        return "in the future".to_owned();
    }
    let say = |count: i64, unit: &str| format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" });
    let mut span = now - then;
    if span < 90 {
        return say(span, "second");
    }
    span = (span + 30) / 60;
    if span < 90 {
        return say(span, "minute");
    }
    span = (span + 30) / 60;
    if span < 36 {
        return say(span, "hour");
    }
    span = (span + 12) / 24;
    if span < 14 {
        return say(span, "day");
    }
    if span < 70 {
        return say((span + 3) / 7, "week");
    }
    if span < 365 {
        return say((span + 15) / 30, "month");
    }
    if span < 1825 {
        let months = (span * 12 * 2 + 365) / (365 * 2);
        let (years, months) = (months / 12, months % 12);
        let plural = |count: i64| if count == 1 { "" } else { "s" };
        return if months > 0 {
            format!("{years} year{}, {months} month{} ago", plural(years), plural(months))
        } else {
            say(years, "year")
        };
    }
    say((span + 183) / 365, "year")
}

#[cfg(test)]
mod tests {
    use super::{DateForm, approximate, exact};
    use crate::git::Moment;

    #[test]
    fn a_moment_is_printed_in_its_own_zone() {
        let moment = Moment { seconds: 1_112_911_993, offset_minutes: -420 };
        let print = |form: DateForm| form.print(moment, moment);
        assert_eq!(print(DateForm::Default), "Thu Apr 7 15:13:13 2005 -0700");
        assert_eq!(print(DateForm::IsoStrict), "2005-04-07T15:13:13-07:00");
        assert_eq!(print(DateForm::Relative), "0 seconds ago");
    }

    #[test]
    fn dates_are_read_back() {
        let now = Moment { seconds: 1_112_911_993, offset_minutes: 0 };
        assert_eq!(approximate("2005-04-07 22:13:13 +0000", now).unwrap(), now.seconds);
        assert_eq!(approximate("2.days.ago", now).unwrap(), now.seconds - 2 * 86_400);
        assert_eq!(approximate("tea time", now).unwrap_err().code, 129);
    }

    #[test]
    fn the_date_of_a_commit_keeps_its_zone() {
        let now = Moment { seconds: 0, offset_minutes: 60 };
        let moment = Moment { seconds: 1_112_911_993, offset_minutes: -420 };
        for text in [
            "1112911993 -0700",
            "@1112911993 -0700",
            "2005-04-07T15:13:13-07:00",
            "2005-04-07 15:13:13 -0700",
            "Thu, 07 Apr 2005 15:13:13 -0700",
            "Thu, 7 Apr 2005 15:13:13 -0700",
        ] {
            assert_eq!(exact(text, now), Some(moment), "{text}");
        }
        assert_eq!(exact("@7", now), Some(Moment { seconds: 7, offset_minutes: 0 }));
        assert_eq!(exact("1970-01-01T01:00:00", now), Some(Moment { seconds: 0, offset_minutes: 60 }));
        for text in ["", "tea time", "2005-13-01", "Thu, 07 Brumaire 2005 15:13:13", "1 ~0700"] {
            assert_eq!(exact(text, now), None, "{text}");
        }
    }
}
