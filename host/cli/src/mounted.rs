//! Where the paths of a guest are on this machine.

use std::path::{Path, PathBuf};

/// The guest and host paths of mounts.
#[derive(Debug)]
pub(crate) struct Mounted {
    /// The deepest guest path first.
    mounts: Vec<(String, PathBuf)>,
}

impl Mounted {
    pub(crate) fn new(mounts: impl Iterator<Item = (String, PathBuf)>) -> Self {
        let mut mounts: Vec<_> = mounts.collect();
        mounts.sort_by_key(|(guest, _)| std::cmp::Reverse(guest.len()));
        Self { mounts }
    }

    /// The host directory of the mount that a guest path is in, and the path below it.
    pub(crate) fn find<'a>(&'a self, path: &'a str) -> Option<(&'a Path, &'a str)> {
        self.mounts.iter().find_map(|(guest, host)| {
            let rest = path.strip_prefix(guest.as_str())?;
            (rest.is_empty() || rest.starts_with('/'))
                .then_some((host.as_path(), rest.trim_start_matches('/')))
        })
    }
}
