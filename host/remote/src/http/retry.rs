//! When a call is tried again, and how long that waits.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// How often a call is tried, and how long is waited in between: exponentially longer, with full jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Tries after the first one.
    pub most: u32,
    /// The longest wait before the first of them.
    pub base: Duration,
    /// The longest wait at all, unless the server names a time.
    pub longest: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        // Four tries over a few seconds outlast the restart of a gateway.
        Self { most: 4, base: Duration::from_millis(200), longest: Duration::from_secs(10) }
    }
}

impl Retries {
    /// How long to wait before the try after `tried` of them: any time up to a bound that doubles.
    pub(super) fn wait(&self, tried: u32) -> Duration {
        let bound = self.base.saturating_mul(2_u32.saturating_pow(tried.saturating_sub(1))).min(self.longest);
        bound.mul_f64(random_fraction())
    }

    /// The same, when the server names a time: never less, and a little more, so that all who were told the
    /// same do not come at once.
    pub(super) fn wait_as_told(&self, told: Duration) -> Duration {
        told.saturating_add(self.base.mul_f64(random_fraction()))
    }
}

/// Whether a status is a passing trouble of the server or of a proxy before it.
pub(super) fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// What `Retry-After` says (RFC 9110, 10.2.3). A date is compared with the answer's own `Date`, never with a
/// clock of this machine; without one it says nothing.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

fn random_fraction() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_wait_doubles_up_to_a_bound_and_is_jittered() {
        let retries =
            Retries { most: 9, base: Duration::from_millis(100), longest: Duration::from_millis(400) };
        let longest = |tried| (0..200).map(|_| retries.wait(tried)).max().unwrap();
        let bounds = [(1, 100), (2, 200), (3, 400), (4, 400), (40, 400)];
        for (tried, bound_ms) in bounds {
            let longest = longest(tried);
            assert!(longest <= Duration::from_millis(bound_ms), "{tried}: {longest:?}");
            assert!(longest > Duration::from_millis(bound_ms / 2), "{tried}: {longest:?}");
        }
    }

    #[test]
    fn a_time_that_the_server_names_is_kept() {
        let told = Duration::from_secs(3);
        let retries = Retries::default();
        assert!((0..200).map(|_| retries.wait_as_told(told)).all(|wait| wait >= told));
    }

    #[test]
    fn a_date_is_relative_to_the_servers_own_clock() {
        // Decades off from any clock that this test runs by.
        let dated = headers(&[
            ("date", "Tue, 15 Nov 1994 08:12:31 GMT"),
            ("retry-after", "Tue, 15 Nov 1994 08:12:33 GMT"),
        ]);
        assert_eq!(retry_after(&dated), Some(Duration::from_secs(2)));
        let past = headers(&[
            ("date", "Tue, 15 Nov 1994 08:12:31 GMT"),
            ("retry-after", "Tue, 15 Nov 1994 08:12:30 GMT"),
        ]);
        assert_eq!(retry_after(&past), Some(Duration::ZERO));
        let undated = headers(&[("retry-after", "Tue, 15 Nov 1994 08:12:33 GMT")]);
        assert_eq!(retry_after(&undated), None);
    }

    #[test]
    fn seconds_are_seconds_and_nonsense_is_nothing() {
        assert_eq!(retry_after(&headers(&[("retry-after", " 7 ")])), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&headers(&[("retry-after", "-7")])), None);
        assert_eq!(retry_after(&headers(&[("retry-after", "soon")])), None);
        assert_eq!(retry_after(&headers(&[])), None);
    }
}
