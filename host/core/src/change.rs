//! Files that a guest is about to change, told before it does.

use std::fmt;

use crate::BoxError;

/// Is told of what a guest changes in its mounts, each time before it does: to write down what was there, so that it
/// is known whatever happens then. Who also wants to know what comes of it is told when it is done.
pub trait ChangeObserver: Send + Sync + fmt::Debug {
    /// The guest is about to make, change, move or remove what is at a path, to open it so that it can be changed, or to
    /// write to what it has open, by the path that this had then; it may still fail at it. The path is an absolute one of
    /// the guest, in a mount, and leads through no symlink; what is below a directory that is moved is not told of by
    /// itself. It may be told of more than once.
    ///
    /// The guest waits meanwhile.
    ///
    /// # Errors
    /// When it is not to be changed: to the guest this is an error of the disk (`EIO`).
    fn about_to_change(&self, path: &str) -> Result<(), BoxError>;

    /// The guest has done what was told of, or failed at it, and has not gone on yet.
    fn has_changed(&self, _path: &str) {}
}
