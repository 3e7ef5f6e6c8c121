//! The script of calls that the caller executes, and where in its memory everything is.

use std::collections::HashMap;

use super::call::Out;

/// Where the caller has the script.
const SCRIPT_AT: u32 = 4096;
/// Where arguments and answers begin.
const ARENA_AT: u32 = 1 << 20;
/// What answers are filled with before a call, and must still be where a call wrote nothing.
pub const FILL: u8 = 0xaa;
/// Bytes behind each answer that no call may touch.
pub const GUARD_BYTES: u32 = 16;

/// An argument of a call.
pub enum Argument {
    Value(u64),
    /// What an earlier call answered.
    Variable(String),
}

/// Memory for an answer.
#[derive(Clone, Debug)]
pub struct Region {
    pub out: Out,
    pub address: u32,
    pub length: u32,
}

pub struct Script {
    words: Vec<u8>,
    next: u32,
    /// Where the answers are that have names, and how long each is.
    variables: HashMap<String, (u32, u32)>,
}

impl Script {
    pub fn new() -> Self {
        Self { words: Vec::new(), next: ARENA_AT, variables: HashMap::new() }
    }

    /// Puts bytes into the memory and gives their address.
    pub fn put(&mut self, bytes: &[u8]) -> u32 {
        let length = u32::try_from(bytes.len()).unwrap();
        let address = self.take(length);
        self.record([2, address, length, 0]);
        self.words.extend(bytes);
        self.words.resize(self.words.len().next_multiple_of(8), 0);
        address
    }

    /// Memory for an answer, filled.
    pub fn region(&mut self, out: Out, length: u32) -> Region {
        let address = self.take(length + GUARD_BYTES);
        self.record([3, address, length + GUARD_BYTES, FILL.into()]);
        Region { out, address, length }
    }

    pub fn call(&mut self, function: usize, arguments: &[Argument]) {
        let values_at = |script: &Self, copies: u32| SCRIPT_AT + script.length() + 16 * (copies + 1);
        let variables: Vec<_> = arguments
            .iter()
            .zip(0..)
            .filter_map(|(argument, index)| match argument {
                Argument::Variable(name) => Some((index, self.variables[name])),
                Argument::Value(_) => None,
            })
            .collect();
        let at = values_at(self, u32::try_from(variables.len()).unwrap());
        for (index, (from, length)) in variables {
            let index: u32 = index;
            self.record([5, at + 8 * index, from, length]);
        }
        self.record([1, u32::try_from(function).unwrap(), 0, 0]);
        for index in 0..9 {
            let value = match arguments.get(index) {
                Some(Argument::Value(value)) => *value,
                _ => 0,
            };
            self.words.extend(value.to_le_bytes());
        }
    }

    /// Has a region reported, with its guard.
    pub fn report(&mut self, region: &Region) {
        self.record([4, region.address, region.length + GUARD_BYTES, 0]);
    }

    /// Names an answer, for later calls.
    pub fn name(&mut self, variable: &str, address: u32, length: u32) {
        self.variables.insert(variable.to_owned(), (address, length));
    }

    /// The script as the caller reads it.
    pub fn finish(mut self) -> Vec<u8> {
        self.record([0, 0, 0, 0]);
        assert!(SCRIPT_AT + self.length() <= ARENA_AT, "the script fits");
        let mut whole = self.length().to_le_bytes().to_vec();
        whole.extend(self.words);
        whole
    }

    fn length(&self) -> u32 {
        u32::try_from(self.words.len()).unwrap()
    }

    fn take(&mut self, length: u32) -> u32 {
        let address = self.next;
        self.next = (self.next + length).next_multiple_of(16);
        address
    }

    fn record(&mut self, words: [u32; 4]) {
        self.words.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
}
