//! The keys that let clients in.

use std::fmt;

use sha2::{Digest, Sha256};

/// The keys of a server, kept as digests: neither text nor length of one is in memory, or printed.
///
/// # Examples
/// ```
/// use sandpiper_server::ApiKeys;
/// let keys = ApiKeys::new(["swordfish"]);
/// assert!(keys.admits("swordfish") && !keys.admits("sword"));
/// ```
#[derive(Clone, Default)]
pub struct ApiKeys(Vec<[u8; 32]>);

impl ApiKeys {
    /// Any of these; empty ones are left out.
    pub fn new<K: AsRef<str>>(keys: impl IntoIterator<Item = K>) -> Self {
        let keys = keys.into_iter();
        Self(keys.filter(|key| !key.as_ref().is_empty()).map(|key| digest(key.as_ref())).collect())
    }

    /// Whether there is no key, so that nobody is let in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key is one of these, in a time that tells nothing about them.
    pub fn admits(&self, key: &str) -> bool {
        let given = digest(key);
        self.0.iter().fold(false, |admitted, key| admitted | same(key, &given))
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ApiKeys({})", self.0.len())
    }
}

/// Whether two secrets are the same, in a time that tells nothing about where they differ.
pub(crate) fn same_secret(left: &str, right: &str) -> bool {
    same(&digest(left), &digest(right))
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    let differing = left.iter().zip(right).fold(0, |differing, (left, right)| differing | (left ^ right));
    std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_lets_in_and_a_part_of_it_does_not() {
        let keys = ApiKeys::new(["one", "", "two"]);
        assert!(keys.admits("one") && keys.admits("two"));
        for other in ["", "on", "onee", "ONE"] {
            assert!(!keys.admits(other), "{other}");
        }
        assert!(ApiKeys::new([""]).is_empty());
    }

    #[test]
    fn keys_are_not_printed() {
        assert_eq!(format!("{:?}", ApiKeys::new(["swordfish"])), "ApiKeys(1)");
    }
}
