//! `cargo xtask compat`: each case of `tests/compat` by the machine's bash with its GNU tools, and in the sandbox.
//!
//! Nothing of what bash says is stored. The same is: standard output, exit code, and the files that are there
//! afterwards, with their modes.

mod case;
mod command;
mod native;
mod random;
mod sandbox;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use clap::Args;

use case::{Case, Place};
use command::Commanded;
use native::Native;
use sandbox::Sandboxed;

/// Of all cases, so many in a hundred have to be the same; each of the others is said to differ, and why.
const SAME_PERCENT: usize = 97;

/// Characters of a text that a difference shows.
const SHOWN_CHARACTERS: usize = 1500;

#[derive(Debug, Args)]
pub(crate) struct Compat {
    /// Only cases with one of these in their name, or in that of their file.
    filters: Vec<String>,
    /// Compares a native shell instead of the sandbox: `guest-images/shell` as built for this machine.
    #[arg(long, value_name = "PATH")]
    shell: Option<PathBuf>,
    /// With `--shell`: a folder of tools that come before the machine's.
    #[arg(long, value_name = "FOLDER", requires = "shell")]
    tools: Option<PathBuf>,
    /// Compares the command `sandpiper` instead of the library: slower, but behind its wall.
    #[arg(long, value_name = "PATH", conflicts_with = "shell")]
    sandpiper: Option<PathBuf>,
    /// Compares so many random pipelines with Python in them, instead of the cases.
    #[arg(long, value_name = "N", conflicts_with_all = ["filters", "shell"])]
    random: Option<u32>,
    /// What the random pipelines are made of.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Shows standard error too.
    #[arg(short, long)]
    verbose: bool,
}

/// What is compared, and standard error to be shown.
#[derive(Debug)]
struct Ended {
    stdout: Vec<u8>,
    /// As a shell would tell it; `None` for a case that did not end in time.
    code: Option<u8>,
    /// What there is, by path: its mode, and its content or target.
    tree: BTreeMap<PathBuf, String>,
    stderr: Vec<u8>,
}

/// Runs a case in a place that was made ready for it.
trait Side: Sync {
    fn run(&self, case: &Case, place: &Place) -> Result<Ended>;
}

/// What came out of all cases.
#[derive(Debug, Default)]
struct Tally {
    differing: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

pub(crate) fn compat(arguments: &Compat) -> Result<()> {
    let mut cases = match arguments.random {
        Some(count) => random::cases(count, arguments.seed),
        None => case::all()?,
    };
    cases.retain(|case| {
        arguments.filters.is_empty() || arguments.filters.iter().any(|filter| case.name.contains(filter))
    });
    ensure!(!cases.is_empty(), "no case has any of {:?} in its name", arguments.filters);
    let bash = Native { shell: "/bin/bash".into(), tools: None };
    let found = |path: &Path| path.canonicalize().with_context(|| format!("cannot find {}", path.display()));
    let ours: Box<dyn Side> = match (&arguments.shell, &arguments.sandpiper) {
        (Some(shell), _) => Box::new(Native { shell: found(shell)?, tools: arguments.tools.clone() }),
        (None, Some(command)) => Box::new(Commanded { program: found(command)? }),
        (None, None) => Box::new(Sandboxed::new()?),
    };
    let root = tempfile::Builder::new().prefix("sandpiper-compat").tempdir()?;
    let tally = Tally::default();
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let place = Place::new(&root.path().join(worker.to_string()));
            let (next, tally, cases, bash, ours) = (&next, &tally, &cases, &bash, &*ours);
            scope.spawn(move || {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    tally.compare(case, bash, ours, &place, arguments.verbose);
                }
            });
        }
    });
    report(&cases, tally)
}

impl Tally {
    fn compare(&self, case: &Case, bash: &dyn Side, ours: &dyn Side, place: &Place, verbose: bool) {
        let sides = || -> Result<Option<String>> {
            place.prepare(case)?;
            let theirs = bash.run(case, place)?;
            place.prepare(case)?;
            Ok(difference(&theirs, &ours.run(case, place)?, verbose))
        };
        let report = match (&case.differs, sides()) {
            (_, Err(err)) => format!("{err:#}\n"),
            (None, Ok(None)) => return,
            (None, Ok(Some(text))) => text,
            (Some(_), Ok(Some(_))) => {
                self.differing.fetch_add(1, Ordering::Relaxed);
                return;
            }
            (Some(reason), Ok(None)) => format!("is the same, though it is said to differ: {reason}\n"),
        };
        let mut failures = self.failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        failures.push(format!("--- {}\n{}\n{report}", case.name, case.script.trim_end()));
    }
}

fn report(cases: &[Case], tally: Tally) -> Result<()> {
    let mut failures = tally.failures.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let differing = tally.differing.into_inner();
    failures.sort();
    for failure in &failures {
        println!("{failure}");
    }
    let same = cases.len() - failures.len() - differing;
    println!("{} cases, {same} the same, {differing} differ as said, {} failed", cases.len(), failures.len());
    ensure!(failures.is_empty(), "{} cases failed", failures.len());
    ensure!(same * 100 >= cases.len() * SAME_PERCENT, "less than {SAME_PERCENT} of a hundred are the same");
    Ok(())
}

/// What is not the same, as text; none when all is.
fn difference(theirs: &Ended, ours: &Ended, verbose: bool) -> Option<String> {
    let mut text = String::new();
    if theirs.stdout != ours.stdout {
        let (theirs, ours) = (clipped(&theirs.stdout), clipped(&ours.stdout));
        let _ = writeln!(text, "stdout of bash: {theirs}\nstdout of ours: {ours}");
    }
    if theirs.code != ours.code {
        let _ = writeln!(text, "code of bash: {:?}\ncode of ours: {:?}", theirs.code, ours.code);
    }
    let mut paths: Vec<&Path> = theirs.tree.keys().chain(ours.tree.keys()).map(PathBuf::as_path).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let (theirs, ours) = (theirs.tree.get(path), ours.tree.get(path));
        if theirs != ours {
            let _ = writeln!(text, "{}: bash {theirs:?}, ours {ours:?}", path.display());
        }
    }
    if !text.is_empty() && (verbose || ours.code.is_none()) {
        let (theirs, ours) = (clipped(&theirs.stderr), clipped(&ours.stderr));
        let _ = writeln!(text, "stderr of bash: {theirs}\nstderr of ours: {ours}");
    }
    (!text.is_empty()).then_some(text)
}

fn clipped(bytes: &[u8]) -> String {
    let shown = format!("{:?}", String::from_utf8_lossy(bytes));
    match shown.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}...", shown.get(..end).unwrap_or_default()),
        None => shown,
    }
}
