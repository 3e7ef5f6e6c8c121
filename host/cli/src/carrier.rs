//! Another process of this program that takes a run elsewhere when it meets what is not here.
//!
//! The process that runs the guest is locked in: it reaches no network, and makes no workspace what it was. So this one
//! is started before, and keeps the workspace as it is then. It is told where to go by a line on its standard input,
//! after which comes the command's own input in pieces, as long as somebody wants the run; or by nothing, and it ends. On its standard output are a line that it is
//! ready, what the command prints, and how it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::task::{Context as TaskContext, Poll, ready};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use sandpiper::policy::Resolved;
use sandpiper::transfer::{self, Changes, EntryKind, Keep, Mark, PackLimits, Packed, RelativePath};
use sandpiper::{Exec, Spec, Stdin};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{mpsc, watch};

use crate::arguments::RunArguments;
use crate::elsewhere::{self, Journey, Workspace};
use crate::interrupts::Interrupts;
use crate::touched::{Own, changed_by_others};
use crate::watched::stuck;
use crate::{backends, policy, render, report, run, surroundings};

/// The most that is kept of a workspace in memory while a command runs.
const KEPT: PackLimits = PackLimits { max_bytes: 512 << 20, max_files: 200_000 };

/// The last bytes of all, before the exit code: without them the process did not come to its end.
const END: &[u8] = b"\0end";

/// The longest piece of the command's input.
const MAX_PIECE_BYTES: usize = 64 << 10;

/// How many of them are taken ahead of the command: only who still reads notices that nobody is there any more.
const PIECES_AHEAD: usize = 256;

/// What the process says first.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Readiness {
    Ready,
    /// The run cannot go elsewhere, and why.
    Unable(String),
}

/// Where the run goes.
#[derive(Debug, Deserialize, Serialize)]
struct Order {
    backend: String,
    because: String,
    /// What is to be undone before.
    own: Own,
}

/// The process, as the one that started it has it.
#[derive(Debug)]
pub(crate) struct Carrier {
    _child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// How a run elsewhere ended.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) exit_code: u8,
    /// What it printed, where that was kept.
    pub(crate) printed: Vec<u8>,
}

impl Carrier {
    /// Starts the process for this command line. A worktree is the workspace instead of what the policy says, and
    /// `cwd` is added to the command line.
    pub(crate) fn start(worktree: Option<&Path>, cwd: Option<&str>) -> Result<Self> {
        // The first two are this program and `run`.
        let own = std::env::args_os().skip(2);
        let mut command = std::process::Command::new(surroundings::program()?);
        command.args(["run", "--carry"]);
        if let Some(worktree) = worktree {
            command.arg("--carry-worktree").arg(worktree);
        }
        if let Some(cwd) = cwd {
            command.args(["--cwd", cwd]);
        }
        let mut child = command
            .args(own)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start another process of this program")?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("another process of this program has no pipes");
        };
        Ok(Self { _child: child, stdin, stdout: BufReader::new(stdout) })
    }

    /// Waits until the workspace is kept; why that cannot be, where it cannot.
    pub(crate) fn wait(&mut self) -> Result<Result<(), String>> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).context("cannot hear another process of this program")?;
        Ok(match serde_json::from_str(&line).context("another process of this program has ended")? {
            Readiness::Ready => Ok(()),
            Readiness::Unable(reason) => Err(reason),
        })
    }

    /// Sends the run elsewhere; what it is fed goes into the one, and what it prints comes out of the other.
    pub(crate) fn go(self, backend: &str, because: &str, own: Own) -> Result<(Feed, Printed)> {
        let Self { _child: child, mut stdin, stdout } = self;
        let order = Order { backend: backend.to_owned(), because: because.to_owned(), own };
        writeln!(stdin, "{}", serde_json::to_string(&order)?)
            .and_then(|()| stdin.flush())
            .context("another process of this program has ended")?;
        Ok((Feed(stdin), Printed { _child: child, stdout }))
    }
}

/// The command's input on its way elsewhere. A run whose feed is dropped before its end is not wanted any more: its
/// command and its sandbox are ended.
#[derive(Debug)]
pub(crate) struct Feed(ChildStdin);

impl Feed {
    /// Feeds the command.
    ///
    /// # Errors
    /// Where the process is gone.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        bytes.chunks(MAX_PIECE_BYTES).try_for_each(|piece| self.piece(piece))
    }

    /// Tells the command that its input is at its end.
    ///
    /// # Errors
    /// Where the process is gone.
    pub(crate) fn end(&mut self) -> std::io::Result<()> {
        self.piece(&[])
    }

    fn piece(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(std::io::Error::other)?;
        self.0.write_all(&length.to_le_bytes())?;
        self.0.write_all(bytes)?;
        self.0.flush()
    }
}

/// The command's input where it comes out.
struct Fed {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Fed {
    /// What this process is fed from now on, and who hears when nobody does any more.
    fn new() -> Result<(Self, watch::Receiver<()>)> {
        let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
        let (abandon, abandoned) = watch::channel(());
        let read = move || {
            let mut stdin = std::io::stdin().lock();
            let mut sender = Some(sender);
            while let Ok(piece) = next_piece(&mut stdin) {
                if piece.is_empty() {
                    sender = None;
                }
                // A command that does not read any more leaves the rest.
                let is_left =
                    sender.as_ref().is_none_or(|sender| sender.blocking_send(piece.into()).is_err());
                if is_left {
                    sender = None;
                }
            }
            // Nobody hears it where the run is over.
            let _ = abandon.send(());
        };
        std::thread::Builder::new().name("input".to_owned()).spawn(read).context("cannot read the input")?;
        Ok((Self { pieces, piece: Bytes::new() }, abandoned))
    }
}

fn next_piece(from: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(std::io::Error::other)?;
    if length > MAX_PIECE_BYTES {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut piece = vec![0; length];
    from.read_exact(&mut piece)?;
    Ok(piece)
}

impl AsyncRead for Fed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.piece.is_empty() {
            let Some(piece) = ready!(self.pieces.poll_recv(context)) else { return Poll::Ready(Ok(())) };
            self.piece = piece;
        }
        let taken = self.piece.len().min(buffer.remaining());
        buffer.put_slice(&self.piece.split_to(taken));
        Poll::Ready(Ok(()))
    }
}

/// What the command prints elsewhere.
#[derive(Debug)]
pub(crate) struct Printed {
    _child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Printed {
    /// Takes all of it to the end, and prints it or keeps it.
    pub(crate) fn take(mut self, keep: bool) -> Result<Carried> {
        let mut pending = Vec::new();
        let mut chunk = vec![0; 64 << 10];
        loop {
            let read = self.stdout.read(&mut chunk).context("cannot hear another process of this program")?;
            pending.extend_from_slice(chunk.get(..read).unwrap_or_default());
            if read == 0 {
                break;
            }
            if !keep {
                let printed: Vec<u8> = pending.drain(..surely_printed(&pending)).collect();
                render::bytes(&printed)?;
            }
        }
        let Some(exit_code) = pending.pop().filter(|_| pending.ends_with(END)) else {
            bail!("the process that took the run elsewhere did not come to its end");
        };
        pending.truncate(pending.len() - END.len());
        Ok(Carried { exit_code, printed: pending })
    }
}

/// How much of what has come is not the beginning of the end.
fn surely_printed(pending: &[u8]) -> usize {
    let tail = pending.len().saturating_sub(END.len() + 1);
    let is_end = |byte: &u8| END.first() == Some(byte);
    pending.iter().skip(tail).position(is_end).map_or(pending.len(), |position| tail + position)
}

/// What the process does.
///
/// # Errors
/// Where it cannot speak to the one that started it; errors of the run are printed as those of any other.
pub(crate) fn carry(arguments: &RunArguments) -> Result<()> {
    let policy = policy::of_run(&arguments.sandbox, None, arguments.worktree.worktree)?;
    let spec = run::spec(&arguments.sandbox, &policy, arguments.carry_worktree.as_deref())?;
    let kept = keep(&spec);
    let readiness = match &kept {
        Ok(_) => Readiness::Ready,
        Err(err) => Readiness::Unable(report::text(err)),
    };
    render::line(&serde_json::to_string(&readiness)?)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("cannot read where the run goes")?;
    if line.is_empty() {
        return Ok(());
    }
    let order = serde_json::from_str(&line).context("cannot read where the run goes");
    let done = order.and_then(|order| go(arguments, &policy, spec, kept?, order));
    let code = match done {
        Ok(code) => code,
        Err(err) => report::failed(&err, arguments.json)?,
    };
    render::bytes(END)?;
    Ok(render::bytes(&[code])?)
}

/// A workspace as it was before the run.
struct Start {
    directory: PathBuf,
    packed: Packed,
    /// By paths, those that a guest can name.
    marks: BTreeMap<String, String>,
}

/// The workspace as it is now; none where the run has none.
fn keep(spec: &Spec) -> Result<Option<Start>> {
    let Some(Workspace { directory, .. }) = elsewhere::workspace(spec)? else { return Ok(None) };
    let mut marks = BTreeMap::new();
    let mut filter = |path: &RelativePath, _: EntryKind, _: u64| {
        // Before it is read: who changes it then is noticed.
        if let Ok(path) = std::str::from_utf8(path.as_bytes())
            && let Ok(Some(mark)) = Mark::at(&directory.join(path))
        {
            marks.insert(path.to_owned(), mark.to_string());
        }
        Keep::Pack
    };
    let packed =
        transfer::pack(&directory, &mut filter, KEPT).context("the workspace cannot be kept as it is")?;
    Ok(Some(Start { directory, packed, marks }))
}

fn go(
    arguments: &RunArguments,
    policy: &Resolved,
    spec: Spec,
    start: Option<Start>,
    order: Order,
) -> Result<u8> {
    if let Some(start) = start {
        start.undo(&order.own).map_err(|why| stuck(&order.backend, &why))?;
    }
    let (fed, abandoned) = Fed::new()?;
    let journey = Journey {
        policy,
        backend: backends::named(&order.backend).context("there is no such backend")?,
        because: Some(order.because),
        exec: Exec {
            argv: run::argv(arguments.script.as_deref(), &arguments.command, &spec.image)?,
            cwd: arguments.sandbox.cwd.clone(),
            stdin: Stdin::Stream(Box::new(fed)),
            ..Exec::default()
        },
        spec,
        journal: arguments.sandbox.journal,
        task: arguments.worktree.worktree.then(|| arguments.worktree.task.clone()),
        json: arguments.json,
        interrupts: Interrupts::Helper(abandoned),
    };
    elsewhere::ended(&journey.run()?, None, arguments.json)
}

impl Start {
    /// Undoes what the run has changed since, and nothing else; why it cannot, where it cannot.
    fn undo(&self, own: &Own) -> Result<(), String> {
        let Own(own) = own;
        let mut others: BTreeSet<String> = own
            .iter()
            .filter(|(path, marks)| self.marks.get(*path) != marks.before.as_ref())
            .map(|(path, _)| path.clone())
            .collect();
        let mut ours = BTreeSet::new();
        for path in own.keys() {
            let path = RelativePath::parse(path.as_bytes())
                .map_err(|err| format!("{path} cannot be undone: {err}"))?;
            ours.insert(path);
        }
        let above: BTreeSet<RelativePath> = ours.iter().flat_map(RelativePath::ancestors).collect();
        let mut filter = |path: &RelativePath, _: EntryKind, _: u64| {
            if ours.contains(path) || above.contains(path) { Keep::Pack } else { Keep::HoldBack }
        };
        let now =
            transfer::pack(&self.directory, &mut filter, KEPT).map_err(|err| report::text(&err.into()))?;
        let is_held = |path: &&RelativePath| {
            self.packed.manifest.held_back_by(path).is_some() || now.manifest.held_back_by(path).is_some()
        };
        if let Some(held) = ours.iter().find(is_held) {
            return Err(format!("it has changed {held:?}, which is not kept"));
        }
        // After it was read: it was read as the run left it, or somebody has changed it.
        for (path, marks) in own {
            let mark = Mark::at(&self.directory.join(path))
                .map_err(|err| format!("{path} cannot be looked at: {err}"))?;
            if mark.map(|mark| mark.to_string()) != marks.left {
                others.insert(path.clone());
            }
        }
        if !others.is_empty() {
            return Err(changed_by_others(&others.into_iter().collect::<Vec<_>>()));
        }
        let changes = Changes::back_to(&self.packed, &now.manifest, |path| ours.contains(path));
        let changes = changes.map_err(|err| report::text(&err.into()))?;
        if !changes.is_empty() {
            changes.apply(&self.directory, &now.manifest).map_err(|err| report::text(&err.into()))?;
        }
        Ok(())
    }
}
