//! The second process.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use sandpiper_core::GitCommand;

use super::wire::{Reply, Request, SELF, Said, send};
use super::{AgentError, Begin, Begun, Finish, Finished, Refusal};
use crate::Changes;
use crate::git::{Running, Scope};
use crate::{Commit, Remove, Worktree, WorktreeError, Worktrees};

/// The second process: answers requests until there are no more. `explain` puts errors into words.
///
/// # Errors
/// When the first process is gone before its reply.
pub fn serve(
    requests: impl BufRead,
    replies: impl Write + Send + 'static,
    explain: &dyn Fn(&WorktreeError) -> Refusal,
) -> Result<(), AgentError> {
    let replies = Replies(Arc::new(Mutex::new(replies)));
    let mut requests = requests.lines().map(|line| Ok::<_, AgentError>(serde_json::from_str(&line?)?));
    let Some(request) = requests.next() else { return Ok(()) };
    let Request::Begin(begin) = request? else { return out_of_turn() };
    let refuse = |err: &WorktreeError| replies.send(SELF, Err(explain(err)));
    let worktrees = match Worktrees::open_to_create(&begin.start, &begin.root, &begin.create) {
        Ok(worktrees) => worktrees,
        Err(err) => return refuse(&err),
    };
    let (worktree, notes) = match make(&worktrees, &begin) {
        Ok(made) => made,
        Err(err) => return refuse(&err),
    };
    // Git is not to prune it while the guest is in it.
    let lock = match worktree.lock_for_run() {
        Ok(lock) => lock,
        Err(err) => return refuse(&err),
    };
    let directory = directory(&worktrees, &worktree, &begin.start);
    let has_git = worktree.record().plain.is_none();
    let begun = Begun { path: worktree.path().to_owned(), directory, has_git, notes };
    replies.send(SELF, Ok(Said::Begun(begun)))?;
    let mut commands = Commands {
        scope: Scope { guest_path: begin.guest_path, ..worktree.scope() },
        running: HashMap::new(),
        leaving: Vec::new(),
    };
    // None of a worktree in which something may have changed since.
    let mut changes = None;
    for request in requests {
        match request? {
            Request::Begin(_) => return out_of_turn(),
            Request::Start { number, command } => {
                changes = None;
                commands.start(number, command, &replies)?;
            }
            Request::Next { number, disk_bytes } => {
                if commands.permit(number, disk_bytes).is_err() {
                    let message = "the command of git has ended".to_owned();
                    replies.send(number, Err(Refusal { message, hint: None }))?;
                }
            }
            Request::Leave { number } => commands.leave(number),
            Request::Changes => {
                commands.end();
                let found = worktree.changes().and_then(|found| {
                    let contents = found.contents()?;
                    changes = Some(found);
                    Ok(Said::Changed(contents))
                });
                replies.send(SELF, found.map_err(|err| explain(&err)))?;
            }
            Request::Finish(how) => {
                commands.end();
                drop(lock);
                let finished =
                    finish(worktree, changes, how).map(Said::Finished).map_err(|err| explain(&err));
                return replies.send(SELF, finished);
            }
        }
    }
    commands.end();
    Ok(())
}

/// Replies of several threads, each whole.
struct Replies<W>(Arc<Mutex<W>>);

impl<W: Write> Replies<W> {
    fn send(&self, number: u64, said: Result<Said, Refusal>) -> Result<(), AgentError> {
        Ok(self.write(&Reply { number, said }, &[])?)
    }

    fn write(&self, reply: &Reply, bytes: &[u8]) -> io::Result<()> {
        send(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), reply, bytes)
    }
}

/// The commands of git that run.
struct Commands {
    scope: Scope,
    running: HashMap<u64, Running>,
    /// Threads of those that were given up, which may not have noticed yet. Nobody waits for them before the
    /// end, for requests have to be read all the time.
    leaving: Vec<JoinHandle<()>>,
}

impl Commands {
    fn start(
        &mut self,
        number: u64,
        command: GitCommand,
        replies: &Replies<impl Write + Send + 'static>,
    ) -> io::Result<()> {
        let replies = Replies(Arc::clone(&replies.0));
        let running = Running::start(&self.scope, command, move |event| {
            let (reply, bytes) = Reply::of_git(number, &event);
            replies.write(&reply, bytes)
        })?;
        self.running.insert(number, running);
        Ok(())
    }

    fn permit(&self, number: u64, disk_bytes: u64) -> io::Result<()> {
        self.running.get(&number).ok_or(io::ErrorKind::NotFound)?.permit(disk_bytes)
    }

    fn leave(&mut self, number: u64) {
        self.leaving.retain(|thread| !thread.is_finished());
        self.leaving.extend(self.running.remove(&number).map(Running::leave));
    }

    /// Ends all of them.
    fn end(&mut self) {
        self.leaving.extend(self.running.drain().map(|(_, running)| running.leave()));
        for thread in self.leaving.drain(..) {
            // One that panicked has ended too.
            let _ = thread.join();
        }
    }
}

fn out_of_turn() -> Result<(), AgentError> {
    Err(io::Error::new(io::ErrorKind::InvalidData, "a request came out of turn").into())
}

fn directory(worktrees: &Worktrees, worktree: &Worktree<'_>, start: &Path) -> String {
    let checkout = worktrees.checkout().and_then(|checkout| checkout.canonicalize().ok());
    let start = start.canonicalize().ok();
    let inner =
        checkout.zip(start).and_then(|(checkout, start)| Some(start.strip_prefix(checkout).ok()?.to_owned()));
    let inner = inner.filter(|inner| worktree.path().join(inner).is_dir());
    inner.and_then(|inner| Some(inner.to_str()?.replace(std::path::MAIN_SEPARATOR, "/"))).unwrap_or_default()
}

fn make<'a>(worktrees: &'a Worktrees, begin: &Begin) -> Result<(Worktree<'a>, Vec<String>), WorktreeError> {
    let repaired = worktrees.repair()?;
    let worktree = worktrees.create(&begin.id, &begin.create, &mut |_| {})?;
    let mut notes: Vec<String> =
        repaired.iter().map(|done| format!("{}: {}", done.name, done.what)).collect();
    notes.extend(worktree.record().notes.iter().cloned());
    Ok((worktree, notes))
}

fn finish(
    worktree: Worktree<'_>,
    changes: Option<Changes>,
    finish: Finish,
) -> Result<Finished, WorktreeError> {
    let changes = changes.map_or_else(|| worktree.changes(), Ok)?;
    let (files, stat) = changes.counted()?;
    let mut finished = Finished { stat, files, commit: None, applied: false, removed: false, trash: None };
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
