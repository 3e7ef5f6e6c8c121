//! A new worktree beside `git worktree add`, and the first `git status` in each.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sandpiper::worktree::{Create, Id, Worktrees};

use super::samples::{Samples, print_row};

const SIZES: [(usize, usize); 3] = [(1_000, 30), (10_000, 15), (100_000, 5)];
const AT_ONCE: usize = 32;

pub(crate) fn worktree() -> Result<()> {
    println!("{}", output(Command::new("git").arg("--version"))?.trim());
    for (files, turns) in SIZES {
        let folder = tempfile::tempdir()?;
        let repository = Repository { folder: folder.path().to_owned() };
        repository.make(files)?;
        compare(&repository, files, turns)?;
        if files == 10_000 {
            at_once(&repository)?;
        }
    }
    Ok(())
}

fn compare(repository: &Repository, files: usize, turns: usize) -> Result<()> {
    let [mut git, mut ours, mut git_status, mut our_status] = [(); 4].map(|()| Samples::default());
    let worktrees = Worktrees::open(&repository.path(), &repository.root())?;
    // None is removed before all are made: ext4 takes long to create files where some were just deleted.
    // The first is not counted.
    for turn in 0..=turns {
        let theirs = repository.folder.join(format!("git-{turn}"));
        let (path, branch) = (theirs.display().to_string(), format!("git-{turn}"));
        settle()?;
        let git_time = timed(|| repository.git(&["worktree", "add", "--quiet", "-b", &branch, &path]))?;
        let git_status_time = timed(|| clean(&theirs))?;
        let id = Id::new("bench", &turn.to_string())?;
        settle()?;
        let start = Instant::now();
        let worktree = worktrees.create(&id, &Create::default(), &mut |_| {})?;
        let our_time = start.elapsed();
        let our_status_time = timed(|| clean(worktree.path()))?;
        if turn > 0 {
            git.push(git_time);
            ours.push(our_time);
            git_status.push(git_status_time);
            our_status.push(our_status_time);
        }
    }
    println!("{files} files, {turns} turns of each, in turn");
    print_row("git worktree add", &git, &git);
    print_row("sandpiper", &ours, &git);
    print_row("first git status in git's", &git_status, &git_status);
    print_row("first git status in sandpiper's", &our_status, &git_status);
    Ok(())
}

/// Worktrees of one repository made by as many threads.
fn at_once(repository: &Repository) -> Result<()> {
    let start = Instant::now();
    let made: Vec<Result<PathBuf>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|number| {
                scope.spawn(move || {
                    let worktrees = Worktrees::open(&repository.path(), &repository.root())?;
                    let id = Id::new("at-once", &number.to_string())?;
                    Ok(worktrees.create(&id, &Create::default(), &mut |_| {})?.path().to_owned())
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    });
    let time = start.elapsed();
    for path in made {
        clean(&path?)?;
    }
    repository.git(&["fsck", "--strict", "--no-dangling"])?;
    println!(
        "{AT_ONCE} worktrees at once: {:.2} s, all clean for git, and git fsck finds nothing",
        time.as_secs_f64()
    );
    Ok(())
}

/// Waits until the disk has what was written: the one that comes second is not to wait for the first one's files.
#[cfg_attr(not(unix), expect(clippy::unnecessary_wraps, reason = "as on Unix"))]
fn settle() -> Result<()> {
    #[cfg(unix)]
    output(&mut Command::new("sync"))?;
    Ok(())
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn clean(path: &Path) -> Result<()> {
    let status = output(Command::new("git").args(["status", "--porcelain"]).current_dir(path))?;
    ensure!(status.is_empty(), "{} is not clean: {status}", path.display());
    Ok(())
}

struct Repository {
    folder: PathBuf,
}

impl Repository {
    fn path(&self) -> PathBuf {
        self.folder.join("repository")
    }

    fn root(&self) -> PathBuf {
        self.folder.join("worktrees")
    }

    fn git(&self, arguments: &[&str]) -> Result<()> {
        output(Command::new("git").args(arguments).current_dir(self.path())).map(drop)
    }

    /// One commit of text files, some thirty lines each, twenty to a directory.
    fn make(&self, files: usize) -> Result<()> {
        fs::create_dir(self.path())?;
        self.git(&["init", "--quiet", "--initial-branch=main"])?;
        let mut import = Command::new("git")
            .args(["fast-import", "--quiet"])
            .current_dir(self.path())
            .stdin(Stdio::piped())
            .spawn()
            .context("git fast-import")?;
        let mut stream = std::io::BufWriter::new(import.stdin.take().context("git fast-import takes input")?);
        stream.write_all(
            b"commit refs/heads/main\ncommitter A <a@example.org> 1000000000 +0000\ndata 1\nx\n",
        )?;
        let mut text = String::new();
        for file in 0..files {
            text.clear();
            for line in 0..30 {
                writeln!(
                    text,
                    "line {line} of file {file}: {:016x}",
                    (file * 31 + line).wrapping_mul(0x9E37_79B9)
                )?;
            }
            let (top, middle) = (file / 400, file / 20 % 20);
            write!(
                stream,
                "M 100644 inline top{top}/middle{middle}/file{file}.txt\ndata {}\n{text}\n",
                text.len()
            )?;
        }
        drop(stream);
        ensure!(import.wait()?.success(), "git fast-import failed");
        self.git(&["reset", "--quiet", "--hard"])
    }
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
