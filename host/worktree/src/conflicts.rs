//! Where a merge found that both sides changed the same.

use git2::{Index, IndexConflict, MergeFileOptions, Repository};

use crate::error::Trying;
use crate::{Conflict, Hunk, WorktreeError};

/// The conflicts of a merge's result; none if it can be written as a tree.
pub(crate) fn of(repository: &Repository, merged: &Index) -> Result<Vec<Conflict>, WorktreeError> {
    let mut conflicts = Vec::new();
    for conflict in merged.conflicts().trying("read the conflicts")? {
        let conflict = conflict.trying("read the conflicts")?;
        conflicts.push(describe(repository, &conflict)?);
    }
    Ok(conflicts)
}

fn describe(repository: &Repository, conflict: &IndexConflict) -> Result<Conflict, WorktreeError> {
    let any = conflict.our.as_ref().or(conflict.their.as_ref()).or(conflict.ancestor.as_ref());
    let path = any.map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).unwrap_or_default();
    let (reason, hunks) = match (&conflict.ancestor, &conflict.our, &conflict.their) {
        (Some(ancestor), Some(our), Some(their)) => {
            let mut options = MergeFileOptions::new();
            let merged = repository
                .merge_file_from_index(ancestor, our, their, Some(&mut options))
                .trying("merge a file")?;
            ("changed on both sides", hunks(merged.content()))
        }
        (None, Some(_), Some(_)) => ("added on both sides", Vec::new()),
        (_, None, Some(_)) => ("deleted in the target, changed in the worktree", Vec::new()),
        (_, Some(_), None) => ("changed in the target, deleted in the worktree", Vec::new()),
        (_, None, None) => ("renamed on both sides", Vec::new()),
    };
    Ok(Conflict { path, reason: reason.to_owned(), hunks })
}

/// The ranges between conflict markers, markers included.
fn hunks(merged: &[u8]) -> Vec<Hunk> {
    let mut hunks = Vec::new();
    let mut start = None;
    for (index, line) in merged.split(|byte| *byte == b'\n').enumerate() {
        if line.starts_with(b"<<<<<<< ") {
            start = Some(index);
        } else if line.starts_with(b">>>>>>> ")
            && let Some(start) = start.take()
        {
            hunks.push(Hunk { start: start + 1, lines: index - start + 1 });
        }
    }
    hunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_go_from_marker_to_marker() {
        let text =
            b"a\n<<<<<<< ours\nb\n=======\nc\n>>>>>>> theirs\nd\n<<<<<<< ours\n=======\ne\n>>>>>>> theirs\n";
        assert_eq!(hunks(text), [Hunk { start: 2, lines: 5 }, Hunk { start: 8, lines: 4 }]);
        assert_eq!(hunks(b"<<<<<<< ours\nnever closed"), []);
    }
}
