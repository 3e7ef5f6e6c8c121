//! A process of its own that does the worktree's part of a run.
//!
//! The process that runs a guest may be locked in, so that it reaches nothing but the worktree's files.
//! What has to be done in the repository is then asked of a second process, which was started before:
//! one request and one reply a line, in JSON. It ends, and lets go of the worktree, when its input ends,
//! and so also when the first process was killed.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Commit, Create, Id, Remove, Worktree, WorktreeError, Worktrees};

/// A worktree to be made for a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begin {
    /// A directory in the user's checkout.
    pub start: PathBuf,
    /// Where worktrees are.
    pub root: PathBuf,
    /// Which one it is.
    pub id: Id,
    /// What it begins with.
    pub create: Create,
}

/// A worktree that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begun {
    /// Its directory.
    pub path: PathBuf,
    /// The directory in it that is what the start is in the user's checkout, with slashes; empty for the root,
    /// also where the worktree has no such directory.
    pub directory: String,
    /// What was repaired before, and what a person should know.
    pub notes: Vec<String>,
}

/// What is done with the worktree when the run has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// It is kept; without changes it is removed.
    Keep,
    /// It is kept, whatever is in it.
    KeepAlways,
    /// Its changes are committed on its branch.
    Commit {
        /// The message.
        message: String,
    },
    /// Its changes are applied to the user's checkout, and it is removed.
    Apply,
    /// It is removed. What it held can be had back.
    Discard,
}

/// What became of the worktree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finished {
    /// What the run changed, as `git diff --stat` has it.
    pub stat: String,
    /// How many files.
    pub files: usize,
    /// The commit that was made.
    pub commit: Option<String>,
    /// Whether the changes are in the user's checkout.
    pub applied: bool,
    /// Whether the worktree is gone.
    pub removed: bool,
    /// The reference to what it held.
    pub trash: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Request {
    Begin(Begin),
    Finish(Finish),
}

/// A reply, or why there is none.
type Reply<T> = Result<T, Refusal>;

/// What could not be done, in words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// What, and why.
    pub message: String,
    /// What would work.
    pub hint: Option<String>,
}

/// The other process could not be asked, or could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It could not be started, or has ended.
    #[error("cannot reach the process that keeps the worktree")]
    Io(#[from] io::Error),
    /// What it said cannot be read.
    #[error("the process that keeps the worktree is of another version")]
    Reply(#[from] serde_json::Error),
    /// It refused.
    #[error("{}", .0.message)]
    Refused(Refusal),
}

/// The first process's end.
#[derive(Debug)]
pub struct Agent {
    // Before the child: its input ends first.
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
    _child: Child,
}

impl Agent {
    /// Starts `program` with these arguments, which is to call [`serve`].
    ///
    /// # Errors
    /// [`AgentError::Io`].
    pub fn start(program: &Path, arguments: &[&str]) -> Result<Self, AgentError> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        out_of_the_terminals_reach(&mut command);
        let mut child = command.spawn()?;
        let (Some(requests), Some(replies)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it was started without pipes").into());
        };
        Ok(Self { requests, replies: BufReader::new(replies), _child: child })
    }

    /// Has a worktree made, which the other process then holds.
    ///
    /// # Errors
    /// [`AgentError`]; nothing is made then.
    pub fn begin(&mut self, begin: Begin) -> Result<Begun, AgentError> {
        self.ask(&Request::Begin(begin))
    }

    /// Has the worktree's end done.
    ///
    /// # Errors
    /// [`AgentError`]; the worktree is kept then.
    pub fn finish(&mut self, finish: Finish) -> Result<Finished, AgentError> {
        self.ask(&Request::Finish(finish))
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, AgentError> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.requests.write_all(&line)?;
        self.requests.flush()?;
        let mut reply = String::new();
        if self.replies.read_line(&mut reply)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        serde_json::from_str::<Reply<T>>(&reply)?.map_err(AgentError::Refused)
    }
}

/// Ctrl-C at the terminal is for the guest; the worktree is kept in order all the same.
#[cfg(unix)]
fn out_of_the_terminals_reach(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    command.process_group(0);
}

#[cfg(windows)]
fn out_of_the_terminals_reach(command: &mut Command) {
    use std::os::windows::process::CommandExt;

    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0200;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

#[cfg(not(any(unix, windows)))]
fn out_of_the_terminals_reach(_command: &mut Command) {}

/// The second process: answers requests until there are no more. `explain` puts errors into words.
///
/// # Errors
/// When the first process is gone before its reply.
pub fn serve(
    requests: impl BufRead,
    mut replies: impl Write,
    explain: &dyn Fn(&WorktreeError) -> Refusal,
) -> Result<(), AgentError> {
    let mut lines = requests.lines();
    let Some(line) = lines.next() else { return Ok(()) };
    let Request::Begin(begin) = serde_json::from_str(&line?)? else {
        return reply::<Finished>(&mut replies, &Err(out_of_turn("there is no worktree yet")));
    };
    let opened = Worktrees::open(&begin.start, &begin.root);
    let worktrees = match opened {
        Ok(worktrees) => worktrees,
        Err(err) => return reply::<Begun>(&mut replies, &Err(explain(&err))),
    };
    let (worktree, notes) = match make(&worktrees, &begin) {
        Ok(made) => made,
        Err(err) => return reply::<Begun>(&mut replies, &Err(explain(&err))),
    };
    // Git is not to prune it while the guest is in it.
    let lock = worktree.lock_for_run().map_err(|err| explain(&err));
    let begun = lock.as_ref().map(|_| Begun {
        path: worktree.path().to_owned(),
        directory: directory(&worktrees, &worktree, &begin.start),
        notes,
    });
    reply(&mut replies, &begun.map_err(Clone::clone))?;
    let Some(line) = lines.next() else { return Ok(()) };
    let Request::Finish(how) = serde_json::from_str(&line?)? else {
        return reply::<Begun>(&mut replies, &Err(out_of_turn("there is a worktree already")));
    };
    drop(lock);
    reply(&mut replies, &finish(worktree, how).map_err(|err| explain(&err)))
}

fn reply<T: Serialize>(replies: &mut impl Write, said: &Reply<T>) -> Result<(), AgentError> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    replies.write_all(&line)?;
    Ok(replies.flush()?)
}

fn directory(worktrees: &Worktrees, worktree: &Worktree<'_>, start: &Path) -> String {
    let checkout = worktrees.checkout().and_then(|checkout| checkout.canonicalize().ok());
    let start = start.canonicalize().ok();
    let inner =
        checkout.zip(start).and_then(|(checkout, start)| Some(start.strip_prefix(checkout).ok()?.to_owned()));
    let inner = inner.filter(|inner| worktree.path().join(inner).is_dir());
    inner.and_then(|inner| Some(inner.to_str()?.replace(std::path::MAIN_SEPARATOR, "/"))).unwrap_or_default()
}

fn out_of_turn(message: &str) -> Refusal {
    Refusal { message: message.to_owned(), hint: None }
}

fn make<'a>(worktrees: &'a Worktrees, begin: &Begin) -> Result<(Worktree<'a>, Vec<String>), WorktreeError> {
    let repaired = worktrees.repair()?;
    let worktree = worktrees.create(&begin.id, &begin.create, &mut |_| {})?;
    let mut notes: Vec<String> =
        repaired.iter().map(|done| format!("{}: {}", done.name, done.what)).collect();
    notes.extend(worktree.record().notes.iter().cloned());
    Ok((worktree, notes))
}

fn finish(worktree: Worktree<'_>, finish: Finish) -> Result<Finished, WorktreeError> {
    let changes = worktree.changes()?;
    let mut finished = Finished {
        stat: changes.stat()?,
        files: changes.files()?.len(),
        commit: None,
        applied: false,
        removed: false,
        trash: None,
    };
    drop(changes);
    let remove = match finish {
        Finish::KeepAlways => None,
        Finish::Keep => Some(Remove { discard: false }),
        Finish::Commit { message } => match worktree.commit(&Commit::new(&message)) {
            Ok(commit) => {
                finished.commit = Some(commit);
                None
            }
            Err(WorktreeError::NothingToCommit { .. }) => Some(Remove { discard: false }),
            Err(err) => return Err(err),
        },
        Finish::Apply => {
            worktree.apply()?;
            finished.applied = finished.files > 0;
            Some(Remove { discard: true })
        }
        Finish::Discard => Some(Remove { discard: true }),
    };
    if let Some(remove) = remove {
        match worktree.remove(remove) {
            Ok(removed) => (finished.trash, finished.removed) = (removed.trash, true),
            Err(WorktreeError::HoldsWork { .. }) => {}
            Err(err) => return Err(err),
        }
    }
    Ok(finished)
}
