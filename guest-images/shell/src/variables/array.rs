//! Associative arrays, in bash's order.

use std::collections::HashMap;

use crate::syntax::ast::Bytes;

/// A map that gives its keys in the order in which bash gives them, because scripts' output shows it: by buckets of a hash
/// table (FNV-1, 1,024 buckets), in each the newest first.
#[derive(Debug, Clone, Default)]
pub struct Associative {
    entries: HashMap<Bytes, (u64, Bytes)>,
    next: u64,
}

const BUCKETS: u32 = 1024;

impl Associative {
    pub fn get(&self, key: &[u8]) -> Option<&Bytes> {
        self.entries.get(key).map(|(_, value)| value)
    }

    pub fn insert(&mut self, key: &[u8], value: Bytes) {
        if let Some((_, old)) = self.entries.get_mut(key) {
            *old = value;
            return;
        }
        self.entries.insert(key.to_vec(), (self.next, value));
        self.next += 1;
    }

    pub fn remove(&mut self, key: &[u8]) {
        self.entries.remove(key);
    }

    /// Keys and values in order.
    pub fn entries(&self) -> Vec<(&Bytes, &Bytes)> {
        // The table grows by four when it has twice as many entries as buckets.
        let mut buckets = BUCKETS;
        while self.entries.len() > 2 * buckets as usize {
            buckets *= 4;
        }
        let mut entries: Vec<_> = self
            .entries
            .iter()
            .map(|(key, (order, value))| (hash(key) & (buckets - 1), u64::MAX - order, key, value))
            .collect();
        entries.sort_unstable_by_key(|entry| (entry.0, entry.1));
        entries.into_iter().map(|(_, _, key, value)| (key, value)).collect()
    }
}

fn hash(key: &[u8]) -> u32 {
    key.iter().fold(2_166_136_261, |hash: u32, &byte| {
        // bash's char is signed.
        let byte = u32::from_ne_bytes(i32::from(byte.cast_signed()).to_ne_bytes());
        hash.wrapping_mul(16_777_619) ^ byte
    })
}
