//! A worktree's commits as a bundle: gitformat-bundle(5).

use std::io::Write;
use std::path::Path;

use crate::error::At;
use crate::{Worktree, WorktreeError};

impl Worktree<'_> {
    /// Writes the branch's commits since the base to a file that `git fetch` and `git clone` read. The
    /// file is there whole or not at all.
    ///
    /// # Errors
    /// [`WorktreeError::NothingToCommit`] without a commit of the branch's own, and those of files and
    /// objects.
    pub fn bundle(&self, path: &Path) -> Result<(), WorktreeError> {
        self.need_repository("bundling commits")?;
        let repository = &self.worktrees.repository;
        let nothing = || WorktreeError::NothingToCommit { id: self.record().id.clone() };
        let tip = self.tip()?.ok_or_else(nothing)?;
        let base = self.record().base()?;
        if base == Some(tip) {
            return Err(nothing());
        }
        let failed = |source| WorktreeError::Git { action: "pack the commits", source };
        let mut walk = repository.revwalk().map_err(failed)?;
        walk.push(tip).map_err(failed)?;
        if let Some(base) = base {
            walk.hide(base).map_err(failed)?;
        }
        let mut pack = repository.packbuilder().map_err(failed)?;
        pack.insert_walk(&mut walk).map_err(failed)?;

        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(directory).at("write", path)?;
        writeln!(file, "# v2 git bundle").at("write", path)?;
        if let Some(base) = base {
            writeln!(file, "-{base}").at("write", path)?;
        }
        write!(file, "{tip} {}\n\n", self.record().id.branch_ref()).at("write", path)?;
        let mut written = Ok(());
        pack.foreach(|bytes| {
            written = file.write_all(bytes);
            written.is_ok()
        })
        .or_else(|err| if written.is_err() { Ok(()) } else { Err(err) })
        .map_err(failed)?;
        written.at("write", path)?;
        crate::platform::make_readable(file.as_file()).at("write", path)?;
        file.persist(path).map_err(|err| err.error).at("write", path)?;
        Ok(())
    }
}
