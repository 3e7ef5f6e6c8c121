//! The randomness of a sandbox: a stream cipher, seeded by the spec or by the host's entropy.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// The random stream of one sandbox.
pub(crate) enum Random {
    /// Not yet seeded; the host is asked for entropy with the first use.
    Unseeded,
    /// Seeded.
    Seeded(Box<ChaCha20Rng>),
}

impl Random {
    /// The stream of a seed, or of the host's entropy.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        match seed {
            Some(seed) => {
                let mut key = [0; 32];
                let (head, _) = key.split_at_mut(8);
                head.copy_from_slice(&seed.to_le_bytes());
                Self::Seeded(Box::new(ChaCha20Rng::from_seed(key)))
            }
            None => Self::Unseeded,
        }
    }

    /// Fills `bytes`.
    ///
    /// # Errors
    /// When the host has no entropy to give.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) -> Result<(), getrandom::Error> {
        if let Self::Unseeded = self {
            let mut key = [0; 32];
            getrandom::fill(&mut key)?;
            *self = Self::Seeded(Box::new(ChaCha20Rng::from_seed(key)));
        }
        if let Self::Seeded(cipher) = self {
            cipher.fill_bytes(bytes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: Option<u64>) -> [u8; 16] {
        let mut bytes = [0; 16];
        Random::new(seed).fill(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_seed_gives_one_stream_and_no_seed_a_fresh_one() {
        assert_eq!(first(Some(7)), first(Some(7)));
        assert_ne!(first(Some(7)), first(Some(8)));
        assert_ne!(first(None), first(None));
    }
}
