//! Killed at each of its calls that change anything, or with a disk that is full from there on, the command
//! loses nothing, and the next one goes on.
//!
//! The command is run under ptrace(2), one mutating system call further each time.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::repository::{Repository, write};

/// What the command is to do, from which state, and what is then true.
struct Scenario {
    prepare: fn(&Repository),
    arguments: &'static [&'static str],
    /// Contents that are not to be lost.
    precious: &'static [&'static str],
    /// Whether the user's checkout stays as it is.
    leaves_checkout: bool,
    /// What is true when the command has been run again, whether it then had anything to do or not.
    done: fn(&Repository),
}

const CREATE: Scenario = Scenario {
    prepare: |_| {},
    arguments: &["worktree", "create", "t/1"],
    precious: &["one\ntwo\nthree\nfour\nfive\nsix\n"],
    leaves_checkout: true,
    done: |repository| {
        let path = worktree(repository);
        assert_eq!(fs::read_to_string(path.join("b/c.txt")).unwrap(), "c\n");
        assert_eq!(repository.done(&["worktree", "status", "t/1"]), "");
    },
};

const COMMIT: Scenario = Scenario {
    prepare: changed,
    arguments: &["worktree", "commit", "t/1", "-m", "Change"],
    precious: &["changed\n", "new\n"],
    leaves_checkout: true,
    done: |repository| {
        assert_eq!(repository.git(["log", "--format=%s", "sandpiper/t/1"]), "Change\nfirst\n");
        assert_eq!(repository.git(["show", "sandpiper/t/1:new/n.txt"]), "new\n");
    },
};

const MERGE: Scenario = Scenario {
    prepare: |repository| {
        changed(repository);
        repository.done(&["worktree", "commit", "t/1", "-m", "Change"]);
        repository.write("other.txt", "other\n");
        repository.git(["add", "--all"]);
        repository.git(["commit", "--quiet", "--message", "other"]);
        repository.write("untracked", "mine\n");
    },
    arguments: &["worktree", "merge", "t/1"],
    precious: &["changed\n", "new\n", "other\n", "mine\n"],
    leaves_checkout: false,
    done: |repository| {
        assert_eq!(repository.git(["status", "--porcelain"]), "?? untracked\n");
        assert_eq!(repository.read("a.txt").as_deref(), Some("changed\n"));
        assert_eq!(repository.read("new/n.txt").as_deref(), Some("new\n"));
        repository.git(["merge-base", "--is-ancestor", "sandpiper/t/1", "main"]);
    },
};

const APPLY: Scenario = Scenario {
    prepare: |repository| {
        changed(repository);
        repository.write("untracked", "mine\n");
    },
    arguments: &["worktree", "apply", "t/1"],
    precious: &["changed\n", "new\n", "mine\n"],
    leaves_checkout: false,
    done: |repository| {
        assert_eq!(
            repository.git(["status", "--porcelain"]),
            " M a.txt\n D b/c.txt\n?? new/\n?? untracked\n"
        );
    },
};

const REMOVE: Scenario = Scenario {
    prepare: changed,
    arguments: &["worktree", "remove", "--discard", "t/1"],
    precious: &["changed\n", "new\n"],
    leaves_checkout: true,
    done: |repository| {
        assert_eq!(repository.done(&["worktree", "list"]), "");
        assert!(repository.git(["branch", "--list", "sandpiper/*"]).is_empty());
        assert_eq!(repository.git(["worktree", "list"]).lines().count(), 1);
    },
};

const COLLECT: Scenario = Scenario {
    prepare: |repository| {
        changed(repository);
        repository.done(&["worktree", "create", "old/1"]);
        repository.done(&["worktree", "create", "old/2"]);
        let record = repository.path().join(".git/sandpiper/worktrees/old.2/record.json");
        let text = fs::read_to_string(&record).unwrap();
        fs::write(&record, text.replace("\"ready\"", "\"creating\"")).unwrap();
    },
    arguments: &["worktree", "gc", "--idle", "0s"],
    precious: &["changed\n", "new\n"],
    leaves_checkout: true,
    done: |repository| {
        let listed = repository.done(&["worktree", "list"]);
        assert!(listed.starts_with("t/1 ") && listed.lines().count() == 1, "{listed}");
    },
};

/// A worktree with changes that are not committed.
fn changed(repository: &Repository) {
    repository.done(&["worktree", "create", "t/1"]);
    let path = worktree(repository);
    write(&path.join("a.txt"), "changed\n");
    write(&path.join("new/n.txt"), "new\n");
    fs::remove_file(path.join("b/c.txt")).unwrap();
}

fn worktree(repository: &Repository) -> PathBuf {
    let name = fs::read_dir(repository.root()).unwrap().next().unwrap().unwrap().file_name();
    repository.root().join(name).join("t/1")
}

#[test]
fn a_making_is_killed_anywhere() {
    killed_everywhere(&CREATE);
}

#[test]
fn a_commit_is_killed_anywhere() {
    killed_everywhere(&COMMIT);
}

#[test]
fn a_merge_is_killed_anywhere() {
    killed_everywhere(&MERGE);
}

#[test]
fn an_application_is_killed_anywhere() {
    killed_everywhere(&APPLY);
}

#[test]
fn a_removal_is_killed_anywhere() {
    killed_everywhere(&REMOVE);
}

#[test]
fn a_collection_is_killed_anywhere() {
    killed_everywhere(&COLLECT);
}

#[test]
fn a_disk_that_is_full_loses_nothing() {
    for scenario in [CREATE, COMMIT, MERGE, APPLY, REMOVE, COLLECT] {
        everywhere(&scenario, Fault::Full);
    }
}

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    /// From this call on, nothing that needs room succeeds.
    Full,
}

fn killed_everywhere(scenario: &Scenario) {
    everywhere(scenario, Fault::Kill);
}

fn everywhere(scenario: &Scenario, fault: Fault) {
    let directory = tempfile::tempdir().unwrap();
    let (live, template) = (directory.path().join("live"), directory.path().join("template"));
    let repository = Repository::new(&live);
    (scenario.prepare)(&repository);
    copy(&live, &template);
    let mut points = 0;
    loop {
        fs::remove_dir_all(&live).unwrap();
        copy(&template, &live);
        let before = state(&repository);
        let end = traced(repository.command(scenario.arguments), points, fault);
        let reached = end != End::NotReached;
        check(scenario, &repository, &before, points);
        if !reached {
            break;
        }
        points += 1;
    }
    println!("{:?}: {fault:?} at {points} points", scenario.arguments);
    // Of each, far more are needed; fewer would mean that calls are not seen.
    assert!(points >= 20, "{points}");
}

fn check(scenario: &Scenario, repository: &Repository, before: &str, point: usize) {
    let place = format!("{:?} at {point}", scenario.arguments);
    repository.check();
    let kept = contents(repository);
    for content in scenario.precious {
        assert!(kept.contains(content.as_bytes()), "{place}: {content:?} is lost");
    }
    if scenario.leaves_checkout {
        assert_eq!(state(repository), before, "{place}");
    }
    // The next command, whichever it is, ends what was begun.
    let listed = repository.done(&["worktree", "list"]);
    assert!(!listed.contains("interrupted"), "{place}: {listed}");
    let again = repository.sandpiper(scenario.arguments);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    let had_nothing_to_do = ["already a worktree t/1", "no changes to commit", "no worktree \"t/1\""];
    assert!(
        again.status.success() || had_nothing_to_do.iter().any(|reason| said.contains(reason)),
        "{place}: {said}"
    );
    (scenario.done)(repository);
    repository.check();
    let kept = contents(repository);
    for content in scenario.precious {
        assert!(kept.contains(content.as_bytes()), "{place}: {content:?} is lost in the end");
    }
}

/// The user's branch and checkout.
fn state(repository: &Repository) -> String {
    repository.git(["rev-parse", "main"]) + &repository.git(["status", "--porcelain=v2"])
}

/// What can be had: all files of the checkout and of worktrees, and all that references lead to.
fn contents(repository: &Repository) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    for root in [repository.path(), repository.root()] {
        files(&root, &mut found);
    }
    let objects = repository.git(["rev-list", "--objects", "--all"]);
    let ids: Vec<&str> = objects.lines().filter_map(|line| line.split(' ').next()).collect();
    for id in ids {
        if repository.git(["cat-file", "-t", id]) == "blob\n" {
            found.insert(repository.git(["cat-file", "blob", id]).into_bytes());
        }
    }
    found
}

fn files(directory: &Path, found: &mut BTreeSet<Vec<u8>>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name() == ".git" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found);
        } else {
            found.extend(fs::read(entry.path()).ok());
        }
    }
}

fn copy(from: &Path, to: &Path) {
    // With all times, or git would have to look at each file again.
    let copied = Command::new("cp").arg("--archive").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Killed,
    Exited,
    /// It ended before it came to the point.
    NotReached,
}

/// Runs a command until it has made so many calls that change anything.
fn traced(mut command: Command, point: usize, fault: Fault) -> End {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: one system call, between fork and exec.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
    #[expect(clippy::zombie_processes, reason = "waited for below, as its tracer")]
    let child = command.spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    assert!(matches!(wait(pid), WaitStatus::Stopped(..)));
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD | ptrace::Options::PTRACE_O_EXITKILL)
        .unwrap();
    let (mut calls, mut entering, mut failing) = (0, true, false);
    let mut signal = None;
    loop {
        ptrace::syscall(pid, signal.take()).unwrap();
        match wait(pid) {
            WaitStatus::PtraceSyscall(_) if entering => {
                entering = false;
                let mut registers = ptrace::getregs(pid).unwrap();
                let Some(call) = Call::of(&registers) else { continue };
                if fault == Fault::Kill {
                    if calls == point {
                        ptrace::kill(pid).unwrap();
                        while !matches!(wait(pid), WaitStatus::Signaled(..)) {}
                        return End::Killed;
                    }
                    calls += 1;
                } else if call == Call::NeedsRoom {
                    if calls >= point {
                        // No such call: it does nothing, and its result is set when it returns.
                        registers.orig_rax = u64::MAX;
                        ptrace::setregs(pid, registers).unwrap();
                        failing = true;
                    }
                    calls += 1;
                }
            }
            WaitStatus::PtraceSyscall(_) => {
                entering = true;
                if std::mem::take(&mut failing) {
                    let mut registers = ptrace::getregs(pid).unwrap();
                    registers.rax = (-i64::from(libc::ENOSPC)).cast_unsigned();
                    ptrace::setregs(pid, registers).unwrap();
                }
            }
            WaitStatus::Stopped(_, received) => signal = Some(received),
            WaitStatus::Exited(..) => return if calls > point { End::Exited } else { End::NotReached },
            other => panic!("{other:?}"),
        }
    }
}

fn wait(pid: Pid) -> WaitStatus {
    waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap()
}

/// A call that changes something in a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    NeedsRoom,
    NeedsNone,
}

impl Call {
    fn of(registers: &libc::user_regs_struct) -> Option<Self> {
        let call = i64::try_from(registers.orig_rax).ok()?;
        let makes = |flags: u64| flags & u64::try_from(libc::O_CREAT | libc::O_TRUNC).unwrap() != 0;
        // Standard output and error are no files that could be lost.
        let is_file = registers.rdi > 2;
        match call {
            libc::SYS_open => makes(registers.rsi).then_some(Self::NeedsRoom),
            libc::SYS_openat => makes(registers.rdx).then_some(Self::NeedsRoom),
            libc::SYS_write | libc::SYS_writev | libc::SYS_pwrite64 | libc::SYS_pwritev => {
                is_file.then_some(Self::NeedsRoom)
            }
            libc::SYS_creat
            | libc::SYS_mkdir
            | libc::SYS_mkdirat
            | libc::SYS_symlink
            | libc::SYS_symlinkat
            | libc::SYS_link
            | libc::SYS_linkat
            | libc::SYS_copy_file_range
            | libc::SYS_sendfile
            | libc::SYS_fallocate => Some(Self::NeedsRoom),
            libc::SYS_rename
            | libc::SYS_renameat
            | libc::SYS_renameat2
            | libc::SYS_unlink
            | libc::SYS_unlinkat
            | libc::SYS_rmdir
            | libc::SYS_truncate
            | libc::SYS_ftruncate
            | libc::SYS_chmod
            | libc::SYS_fchmod
            | libc::SYS_fchmodat
            | libc::SYS_flock
            | libc::SYS_utimensat => Some(Self::NeedsNone),
            _ => None,
        }
    }
}
