//! A value that is shown to one server and to nobody else.

use std::fmt;

use zeroize::Zeroizing;

/// An API key or a token. It is not printed, and its memory is cleared.
///
/// # Examples
/// ```
/// let key = sandpiper_remote::Secret::new("swordfish");
/// assert_eq!(format!("{key:?}"), "Secret");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Shorter values are not looked for in texts: they would be found in any.
    const MIN_REDACTED: usize = 6;

    /// A secret of this value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value, for the one who sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text with each occurrence of the value replaced.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        if self.0.len() < Self::MIN_REDACTED {
            return text.to_owned();
        }
        text.replace(self.0.as_str(), "[redacted]")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_of_a_text() {
        assert_eq!(Secret::new("swordfish").redact("no `swordfish`, no"), "no `[redacted]`, no");
        assert_eq!(Secret::new("o").redact("no"), "no");
    }
}
