//! How a host hears of long work.

/// A step of long work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// What is done, as a person reads it: `compiling CPython`.
    pub name: String,
    /// Which step this is, from 1.
    pub index: u32,
    /// How many there are.
    pub count: u32,
}

/// Hears of long work; the host renders it.
pub trait Progress: Send + Sync {
    /// A step begins.
    fn stage(&self, stage: &Stage);

    /// The step has done `done` of `total` units (bytes or files); `total` is 0 where it is unknown.
    fn advance(&self, done: u64, total: u64);

    /// Something that a person should know.
    fn note(&self, text: &str);
}

/// Renders nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _: &Stage) {}

    fn advance(&self, _: u64, _: u64) {}

    fn note(&self, _: &str) {}
}
