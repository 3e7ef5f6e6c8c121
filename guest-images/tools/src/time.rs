//! Times as tools show them: in the zone of `TZ`.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use sandpiper_guest::status::Time;

/// The zone that `TZ` names; UTC when it names none that is known.
pub fn zone() -> TimeZone {
    let Some(name) = std::env::var_os("TZ").and_then(|name| name.into_string().ok()) else { return TimeZone::UTC };
    let name = name.trim_start_matches(':');
    if name.is_empty() {
        return TimeZone::UTC;
    }
    if let Ok(zone) = TimeZone::posix(name) {
        return zone;
    }
    let found = std::fs::read(format!("/usr/share/zoneinfo/{name}")).ok();
    found.and_then(|data| TimeZone::tzif(name, &data).ok()).unwrap_or(TimeZone::UTC)
}

/// A time in that zone.
pub fn local(time: Time) -> Zoned {
    let stamp = Timestamp::new(time.0, i32::try_from(time.1).unwrap_or(0)).unwrap_or(Timestamp::UNIX_EPOCH);
    stamp.to_zoned(zone())
}

/// A time by a format of `strftime`; empty for a format that is none.
pub fn format(time: &Zoned, format: &str) -> String {
    jiff::fmt::strtime::format(format, time).unwrap_or_default()
}

/// A time as `ls -l` shows it: with the hour when it is within the last half year.
pub fn recent(time: Time, now: i64) -> String {
    let half_year = 31_556_952 / 2;
    let near = time.0 > now - half_year && time.0 <= now;
    format(&local(time), if near { "%b %e %H:%M" } else { "%b %e  %Y" })
}

/// Seconds since 1970, now.
pub fn now() -> i64 {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}
