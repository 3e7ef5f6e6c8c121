//! Times as RFC 3339 with nanoseconds, in UTC.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serializer};

/// The text of a time; those that the format has no text for become the nearest that it has.
pub(crate) fn text(time: SystemTime) -> String {
    // The last second of the year 9999.
    const LAST_SECONDS: u64 = 253_402_300_799;
    let last = SystemTime::UNIX_EPOCH + Duration::from_secs(LAST_SECONDS);
    humantime::format_rfc3339_nanos(time.clamp(SystemTime::UNIX_EPOCH, last)).to_string()
}

/// The time that a text stands for.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(text).ok()
}

#[expect(clippy::ref_option, reason = "as serde calls it")]
pub(crate) fn serialize<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_some(&text(*time)),
        None => serializer.serialize_none(),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SystemTime>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| parse(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_its_text_to_the_nanosecond() {
        // Windows counts hundreds of them.
        let nanoseconds = if cfg!(windows) { 123_456_700 } else { 123_456_789 };
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_795_310_161, nanoseconds);
        assert_eq!(text(time), format!("2026-11-22T01:16:01.{nanoseconds}Z"));
        assert_eq!(parse(&text(time)), Some(time));
    }

    #[test]
    fn a_clock_that_is_far_off_is_no_panic() {
        assert_eq!(text(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000000000Z");
        let late = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 39);
        assert!(text(late).starts_with("9999-12-31T23:59:59"));
    }
}
