//! The name of a run, and of its file: names sort as the runs began.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::timestamp;

/// The id of a run: when it began, in UTC to the millisecond, and ten random characters, as in
/// `20261122-011621123-7k2m9qx4tb`.
///
/// It is a file name everywhere: digits and lower-case letters, not beginning with a letter.
///
/// # Examples
/// ```
/// use std::time::{Duration, SystemTime};
/// use sandpiper_journal::RunId;
/// let id = RunId::new(SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_310_161_123), 7);
/// assert_eq!(id.as_str(), "20261122-011601123-0000000007");
/// assert_eq!(id.as_str().parse(), Ok(id));
/// assert!("../etc/passwd".parse::<RunId>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

impl RunId {
    const DATE: usize = 8;
    const TIME: usize = 9;
    const RANDOM: usize = 10;
    /// Crockford's: without the letters that are taken for digits.
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

    /// The id of a run that begins at a time; of the random number the lower 50 bits count.
    pub fn new(time: SystemTime, random: u64) -> Self {
        let digits: String = timestamp::text(time)
            .chars()
            .filter(char::is_ascii_digit)
            .take(Self::DATE + Self::TIME)
            .collect();
        let (date, time) = digits.split_at_checked(Self::DATE).unwrap_or_default();
        let random: String = (0..Self::RANDOM)
            .rev()
            .filter_map(|place| {
                let index = usize::try_from((random >> (5 * place)) & 31).ok()?;
                Self::ALPHABET.get(index).copied().map(char::from)
            })
            .collect();
        Self(format!("{date}-{time}-{random}"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for RunId {
    type Err = RunIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digits = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        let mut parts = text.split('-');
        let (date, time, random) = (parts.next(), parts.next(), parts.next());
        let well_formed = parts.next().is_none()
            && date.is_some_and(|part| is_digits(part, Self::DATE))
            && time.is_some_and(|part| is_digits(part, Self::TIME))
            && random.is_some_and(|part| {
                part.len() == Self::RANDOM && part.bytes().all(|byte| Self::ALPHABET.contains(&byte))
            });
        if well_formed { Ok(Self(text.to_owned())) } else { Err(RunIdError { text: text.to_owned() }) }
    }
}

impl TryFrom<String> for RunId {
    type Error = RunIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

/// A text that is no id of a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no run id, expected one as 20261122-011621123-7k2m9qx4tb")]
pub struct RunIdError {
    text: String,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ids_sort_as_the_runs_began() {
        let at = |millis, random| RunId::new(SystemTime::UNIX_EPOCH + Duration::from_millis(millis), random);
        assert!(at(1_795_310_161_123, u64::MAX) < at(1_795_310_161_124, 0));
        assert!(at(1_795_310_161_999, u64::MAX) < at(1_795_310_162_000, 0));
        assert_eq!(at(0, u64::MAX).as_str(), "19700101-000000000-zzzzzzzzzz");
    }

    #[test]
    fn only_what_is_made_here_is_an_id() {
        let good = "20261122-011621123-7k2m9qx4tb";
        assert!(good.parse::<RunId>().is_ok());
        for wrong in [
            "",
            "-",
            "20261122-011621123-7k2m9qx4t",
            "20261122-011621123-7K2M9QX4TB",
            "20261122-011621123-7k2m9qx4tb-",
            "2026112/-011621123-7k2m9qx4tb",
            "..",
            "20261122-011621123-7k2m9qx4tu",
        ] {
            assert!(wrong.parse::<RunId>().is_err(), "{wrong}");
        }
    }
}
