//! What guests can ask of the host beyond WASI preview 1: the interfaces of the project's WIT, in the
//! canonical ABI, as methods of [`Process`](crate::Process).

mod canonical;
mod descriptors;
mod digest;
mod executable;
mod git;
mod modes;
mod processes;
mod signals;

pub use executable::Executable;
pub use git::GitStep;

use crate::Errno;

/// A path of the guest: UTF-8 without NUL.
///
/// # Errors
/// `INVAL`, `ILSEQ`.
fn text(bytes: &[u8]) -> Result<&str, Errno> {
    if bytes.contains(&0) {
        return Err(Errno::INVAL);
    }
    std::str::from_utf8(bytes).map_err(|_| Errno::ILSEQ)
}
