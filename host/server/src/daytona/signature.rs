//! Addresses of single files that let in without the key: `HMAC-SHA256` over method, path and end.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::keys::same_secret;

/// Bytes of a block of SHA-256 (FIPS 180-4).
const BLOCK: usize = 64;

/// What was signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    /// `GET` or `POST`.
    pub(crate) method: &'a str,
    /// The path as it was asked for.
    pub(crate) path: &'a str,
    /// Seconds after 1970 at which it ends; 0 for never.
    pub(crate) expires: u64,
}

impl Signed<'_> {
    /// Whether `signature` is that of `key`, and has not ended.
    pub(crate) fn lets_in(&self, key: &str, signature: &str, now: SystemTime) -> bool {
        let now_seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let ended = self.expires != 0 && now_seconds > self.expires;
        same_secret(&self.signature(key), signature) && !ended
    }

    fn signature(&self, key: &str) -> String {
        let text = format!("v1:files:{}:{}:{}", self.method, self.path, self.expires);
        format!("v1_{}", URL_SAFE_NO_PAD.encode(hmac(key.as_bytes(), text.as_bytes())))
    }
}

/// HMAC-SHA256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block.iter_mut().zip(Sha256::digest(key)).for_each(|(byte, of_key)| *byte = of_key);
    } else {
        block.iter_mut().zip(key).for_each(|(byte, of_key)| *byte = *of_key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// RFC 4231, test cases 1, 2 and 6.
    #[test]
    fn the_hmac_is_that_of_the_standard() {
        for (key, text, expected) in [
            (vec![0x0b; 20], "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe".to_vec(),
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex(&hmac(&key, text.as_bytes())), expected, "{text}");
        }
    }

    #[test]
    fn a_signature_lets_in_until_its_end_and_for_what_was_signed() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let signed = Signed { method: "GET", path: "/a b", expires: 100 };
        let signature = signed.signature("swordfish");
        // As the SDK 0.226.1 for Python computes it.
        assert_eq!(signature, "v1_wMpfAObXVKgwAXPW_2q1sO18dIUwKZu22kcEKr9cdII");
        assert!(signed.lets_in("swordfish", &signature, at(100)));
        assert!(!signed.lets_in("swordfish", &signature, at(101)));
        assert!(!signed.lets_in("herring", &signature, at(1)));
        assert!(!Signed { method: "POST", ..signed }.lets_in("swordfish", &signature, at(1)));
        assert!(!Signed { path: "/a", ..signed }.lets_in("swordfish", &signature, at(1)));
        assert!(!Signed { expires: 200, ..signed }.lets_in("swordfish", &signature, at(1)));
        let endless = Signed { expires: 0, ..signed };
        assert!(endless.lets_in("swordfish", &endless.signature("swordfish"), at(u64::from(u32::MAX))));
    }
}
