//! Names that nobody guesses.

use crate::failure::Failure;

/// Letters and digits of a name: lower case, as a name may become a part of a host name.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A name of this many characters, each of five random bits.
pub(crate) fn name(length: usize) -> Result<String, Failure> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes)
        .map_err(|err| Failure::Internal(format!("the system has no randomness: {err}")))?;
    let letters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
    Ok(letters.map(|letter| char::from(*letter)).collect())
}

/// A token: 160 random bits.
pub(crate) fn token() -> Result<String, Failure> {
    name(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_long_as_asked_and_differ() {
        let (one, two) = (name(20).unwrap(), name(20).unwrap());
        assert_eq!(one.len(), 20);
        assert_ne!(one, two);
        assert!(one.bytes().all(|byte| ALPHABET.contains(&byte)));
    }
}
