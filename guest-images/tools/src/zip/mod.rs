//! zip and unzip: archives of stored and deflated files.

mod pack;
mod unpack;

pub use pack::main as zip;
pub use unpack::main as unzip;

use crate::glob;

/// Whether any of these patterns covers a name; `*` covers slashes too.
fn covered(patterns: &[Vec<u8>], name: &[u8]) -> bool {
    patterns.iter().any(|pattern| glob::matches(pattern, name, glob::Mode::default()))
}
