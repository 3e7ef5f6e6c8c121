//! `sandpiper run --worktree`: the worktree before and after the run.
//!
//! Another process of this program makes it and ends it, because this one is locked in when the guest
//! runs.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use sandpiper::Git;
use sandpiper::journal::{Change, Digest, FileChange, Record};
use sandpiper::worktree::agent::{Agent, Begin, Begun, Finish, Finished};
use sandpiper::worktree::git::Change as GitChange;
use sandpiper::worktree::{ChangedContent, Id};
use serde_json::{Value, json};

use crate::arguments::RunWorktreeArguments;
use crate::remote::short;
use crate::report::Hinted;
use crate::run::WORKSPACE;
use crate::worktree::new_id;
use crate::{render, surroundings};

/// How this program is told to be the other process.
const AGENT: [&str; 2] = ["worktree", "agent"];

/// The worktree of this run.
#[derive(Debug)]
pub(crate) struct Kept {
    agent: Agent,
    id: Id,
    begun: Begun,
    success: Finish,
    failure: Finish,
}

impl Kept {
    /// Has a worktree made, if one is asked for.
    pub(crate) fn begin(arguments: &RunWorktreeArguments) -> Result<Option<Self>> {
        if !arguments.worktree {
            let base = &arguments.base;
            if base.base.is_some()
                || base.include_uncommitted
                || base.include_untracked
                || base.empty
                || !base.sparse.is_empty()
            {
                return Err(Hinted {
                    message: "--base, --include-..., --sparse and --empty are for a worktree".to_owned(),
                    hint: "add --worktree".to_owned(),
                }
                .into());
            }
            return Ok(None);
        }
        let id = new_id(&arguments.task, arguments.run_id.as_deref())?;
        let root = match &arguments.worktree_root {
            Some(root) => root.clone(),
            None => surroundings::worktree_root()?,
        };
        let begin = Begin {
            start: surroundings::directory()?,
            root,
            id: id.clone(),
            create: arguments.base.create(),
            guest_path: WORKSPACE.to_owned(),
        };
        let (agent, begun) = Agent::start(&surroundings::program()?, &AGENT, begin)?;
        render::notes(&begun.notes);
        let keep = if arguments.keep { Finish::KeepAlways } else { Finish::Keep };
        let success = match &arguments.commit {
            Some(message) => Finish::Commit { message: message.clone() },
            None if arguments.apply => Finish::Apply,
            None => keep.clone(),
        };
        let failure = if arguments.discard_on_failure { Finish::Discard } else { keep };
        Ok(Some(Self { agent, id, begun, success, failure }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.begun.path
    }

    /// Where the guest is, if it is not told: in the directory that the user is in.
    pub(crate) fn directory(&self) -> String {
        match self.begun.directory.as_str() {
            "" => WORKSPACE.to_owned(),
            directory => format!("{WORKSPACE}/{directory}"),
        }
    }

    /// Git for the guest, where there is a repository.
    pub(crate) fn git(&self) -> Option<Arc<dyn Git>> {
        self.begun.has_git.then(|| Arc::new(self.agent.git()) as Arc<dyn Git>)
    }

    /// Has the worktree removed, in which nothing has run.
    pub(crate) fn undo(mut self) -> Result<()> {
        self.agent.finish(Finish::Discard)?;
        Ok(())
    }

    /// What the run has changed, for its journal.
    pub(crate) fn changes(&mut self) -> Result<Vec<Record>> {
        Ok(self.agent.changes()?.into_iter().map(record).collect())
    }

    /// Ends the worktree as it is to end after the run, and says so to a person.
    pub(crate) fn finish(&mut self, succeeded: bool, quiet: bool) -> Result<Value> {
        let how = if succeeded { &self.success } else { &self.failure };
        let finished = self.agent.finish(how.clone())?;
        if !quiet {
            for line in self.words(&finished).lines() {
                render::note(line);
            }
        }
        Ok(json!({
            "id": self.id,
            "branch": self.id.branch(),
            "path": self.begun.path.display().to_string(),
            "files": finished.files,
            "stat": finished.stat,
            "commit": finished.commit,
            "applied": finished.applied,
            "removed": finished.removed,
            "trash": finished.trash,
        }))
    }

    fn words(&self, finished: &Finished) -> String {
        let id = &self.id;
        let mut text = String::new();
        // Writing to a string cannot fail.
        if finished.files == 0 {
            text.push_str("the worktree has no changes\n");
        } else {
            text.push_str(&finished.stat);
        }
        if let Some(commit) = &finished.commit {
            let _ = writeln!(text, "committed as {} on {}", short(commit), id.branch());
        }
        if finished.applied {
            text.push_str("applied to your checkout\n");
        } else if let Some(trash) = &finished.trash {
            let _ = writeln!(text, "removed; what it held is kept for thirty days: {trash}");
        }
        if !finished.removed {
            let _ = writeln!(
                text,
                "kept as {id}: `sandpiper worktree diff {id}` shows it; commit, merge, apply or remove end it"
            );
        }
        text
    }
}

fn record(file: ChangedContent) -> Record {
    let ChangedContent { path, old_path, change, before, after } = file;
    let change = match change {
        GitChange::Added => Change::Created,
        GitChange::Deleted => Change::Removed,
        GitChange::Renamed => Change::Moved,
        _ if before.is_some() && before == after => Change::Attributes,
        _ => Change::Modified,
    };
    Record::FileChanged(FileChange {
        path: path.as_slice().into(),
        change,
        moved_from: old_path.map(|path| path.as_slice().into()),
        before: before.map(Digest::from),
        after: after.map(Digest::from),
    })
}
