//! Another process of this program that takes a run elsewhere when it meets what is not here.
//!
//! The process that runs the guest is locked in: it reaches no network, and makes no workspace what it was. So this one
//! is started before, and keeps the workspace as it is then. It is told where to go by a line on its standard input,
//! after which comes the command's own input; or by nothing, and it ends. On its standard output are a line that it is
//! ready, what the command prints, and how it ended. As long as the run is wanted, a file is locked by the one that
//! wants it: a process behind the wall can send no signal, and one that is killed says nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use sandpiper::policy::Resolved;
use sandpiper::transfer::{self, Changes, EntryKind, Keep, Mark, PackLimits, Packed, RelativePath};
use sandpiper::{Exec, Spec};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::arguments::RunArguments;
use crate::elsewhere::{self, Journey, Workspace};
use crate::interrupts::Caller;
use crate::touched::{Own, changed_by_others};
use crate::watched::stuck;
use crate::{backends, policy, render, report, run, surroundings};

/// The most that is kept of a workspace in memory while a command runs.
const KEPT: PackLimits = PackLimits { max_bytes: 512 << 20, max_files: 200_000 };

/// The last bytes of all, before the exit code, written at once: without them the process did not come to its end.
const END: &[u8] = b"\0end";

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
    wanted: Wanted,
}

/// That a run is wanted elsewhere, until this is dropped.
#[derive(Debug)]
pub(crate) struct Wanted {
    _locked: File,
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
        let (wanted, path) = Wanted::new()?;
        command.args(["run", "--carry"]).arg(path);
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
        Ok(Self { _child: child, stdin, stdout: BufReader::new(stdout), wanted })
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

    /// Sends the run elsewhere; what it is fed goes into the one, what it prints comes out of the other, and it goes on
    /// as long as it is wanted.
    pub(crate) fn go(self, backend: &str, because: &str, own: Own) -> Result<(ChildStdin, Printed, Wanted)> {
        let Self { _child: child, mut stdin, stdout, wanted } = self;
        let order = Order { backend: backend.to_owned(), because: because.to_owned(), own };
        writeln!(stdin, "{}", serde_json::to_string(&order)?)
            .and_then(|()| stdin.flush())
            .context("another process of this program has ended")?;
        Ok((stdin, Printed { _child: child, stdout }, wanted))
    }
}

impl Wanted {
    /// A file that is locked, and where it is.
    fn new() -> Result<(Self, PathBuf)> {
        let directory = surroundings::slots()?;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let path = directory.join(format!("run-{}-{}", std::process::id(), since.as_nanos()));
        let locked = || -> std::io::Result<File> {
            std::fs::create_dir_all(&directory)?;
            let file = File::options().read(true).write(true).create_new(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        let file = locked().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok((Self { _locked: file }, path))
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
                let sure = surely_printed(&pending, read == chunk.len());
                render::bytes(pending.get(..sure).unwrap_or_default())?;
                pending.drain(..sure);
            }
        }
        let Some(exit_code) = pending.pop().filter(|_| pending.ends_with(END)) else {
            bail!("the process that took the run elsewhere did not come to its end");
        };
        pending.truncate(pending.len() - END.len());
        Ok(Carried { exit_code, printed: pending })
    }
}

/// How much of what has come cannot be the end, which comes whole unless there was no room for it.
fn surely_printed(pending: &[u8], is_full: bool) -> usize {
    let longest = END.len() + 1;
    let may_be_end = |rest: &[u8]| {
        rest.starts_with(END) && rest.len() == longest
            || is_full && (rest.starts_with(END) || END.starts_with(rest))
    };
    let starts = pending.len().saturating_sub(longest)..pending.len();
    starts.into_iter().find(|start| pending.get(*start..).is_some_and(may_be_end)).unwrap_or(pending.len())
}

/// What the process does; the run is wanted as long as somebody has locked the file.
///
/// # Errors
/// Where it cannot speak to the one that started it; errors of the run are printed as those of any other.
pub(crate) fn carry(arguments: &RunArguments, wanted: &Path) -> Result<()> {
    let locked = File::options().read(true).write(true).open(wanted);
    let locked = locked.with_context(|| format!("cannot open {}", wanted.display()))?;
    // Nobody else has to find it; one that cannot be removed does no harm.
    let _ = std::fs::remove_file(wanted);
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
    let done = order.and_then(|order| go(arguments, &policy, spec, kept?, order, locked));
    let code = match done {
        Ok(code) => code,
        Err(err) => report::failed(&err, arguments.json)?,
    };
    Ok(render::bytes(&[END, &[code]].concat())?)
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
    locked: File,
) -> Result<u8> {
    if let Some(start) = start {
        start.undo(&order.own).map_err(|why| stuck(&order.backend, &why))?;
    }
    let journey = Journey {
        policy,
        backend: backends::named(&order.backend).context("there is no such backend")?,
        because: Some(order.because),
        exec: Exec {
            argv: run::argv(arguments.script.as_deref(), &arguments.command, &spec.image)?,
            cwd: arguments.sandbox.cwd.clone(),
            stdin: run::stdin(),
            ..Exec::default()
        },
        spec,
        journal: arguments.sandbox.journal,
        task: arguments.worktree.worktree.then(|| arguments.worktree.task.clone()),
        json: arguments.json,
        caller: Some(watch_lock(locked)?),
    };
    elsewhere::ended(&journey.run()?, None, arguments.json)
}

/// Who hears when nobody locks the file any more.
fn watch_lock(locked: File) -> Result<Caller> {
    let (gone, caller) = watch::channel(());
    let wait = move || {
        if locked.lock().is_ok() {
            // Nobody hears it where the run is over.
            let _ = gone.send(());
        }
    };
    std::thread::Builder::new().name("wanted".to_owned()).spawn(wait).context("cannot start a thread")?;
    Ok(caller)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_printed_that_is_not_the_end() {
        for (pending, is_full, sure) in [
            (&b""[..], false, 0),
            (b"text", false, 4),
            (b"text\0", false, 5),
            (b"text\0end", false, 8),
            (b"text\0end\x07", false, 4),
            (b"\0end\0end\x07", false, 4),
            (b"\0\0\0", false, 3),
            // Where there was no room, more of it may come.
            (b"text\0", true, 4),
            (b"text\0e", true, 4),
            (b"text\0end", true, 4),
            (b"text\0x", true, 6),
        ] {
            assert_eq!(surely_printed(pending, is_full), sure, "{pending:?} {is_full}");
        }
    }
}
