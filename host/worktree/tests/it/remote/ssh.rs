//! `ssh://` runs the user's `ssh`, and nothing but what it is to run.
#![cfg(unix)]

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sandpiper_worktree::remote::{Clone, Fetch, Push, RemoteError, Ssh, clone};

use super::harness::{Pair, check, run, script};

/// A program that notes its arguments, and does what the other side would.
fn fake_ssh(pair: &Pair) -> PathBuf {
    let path = pair.user.directory.path().join("fake-ssh");
    let log = pair.user.directory.path().join("arguments");
    let text = format!(
        "for word; do printf '%s\\n' \"$word\" >> '{}'; last=$word; done\nexec sh -c \"$last\"",
        log.display()
    );
    script(&path, &text);
    path
}

fn arguments(pair: &Pair) -> Vec<String> {
    let text = fs::read_to_string(pair.user.directory.path().join("arguments")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_fetch_and_a_push_run_the_program_with_these_arguments() {
    let pair = Pair::new();
    pair.set_url(&format!("ssh://git@example.org:2222{}", pair.bare.display()));
    let main = pair.commit_there("main", "new.txt", "new");
    let mut access = pair.access();
    access.ssh = Some(Ssh::Program(fake_ssh(&pair).into()));
    let worktrees = pair.worktrees();
    worktrees.fetch(&Fetch::default(), &access, &mut |_| {}).unwrap();
    assert_eq!(pair.here("origin/main"), Some(main));
    let command = format!("git-upload-pack '{}'", pair.bare.display());
    assert_eq!(arguments(&pair), ["-o", "BatchMode=yes", "-p", "2222", "--", "git@example.org", &command]);
    let worktree = run(&worktrees, "t/1");
    let pushed = worktree.push(&Push::default(), &access, &mut |_| {}).unwrap();
    assert_eq!(pair.there("sandpiper/t/1"), Some(pushed.after));
    assert_eq!(arguments(&pair)[13], format!("git-receive-pack '{}'", pair.bare.display()));
    pair.check();
}

#[test]
fn a_second_fetch_negotiates_and_gets_only_what_is_new() {
    let pair = Pair::new();
    pair.set_url(&format!("example.org:{}", pair.bare.display()));
    let mut access = pair.access();
    access.ssh = Some(Ssh::Command(format!("'{}' -i key", fake_ssh(&pair).display())));
    let worktrees = pair.worktrees();
    worktrees.fetch(&Fetch::default(), &access, &mut |_| {}).unwrap();
    for number in 0..60 {
        pair.user.write("a.txt", number.to_string());
        pair.user.commit_all("mine");
    }
    let main = pair.commit_there("main", "new.txt", "new");
    let mut most = 0;
    worktrees
        .fetch(&Fetch::default(), &access, &mut |progress| {
            if let sandpiper_worktree::remote::RemoteProgress::Received { total, .. } = progress {
                most = total;
            }
        })
        .unwrap();
    assert_eq!(most, 3, "a commit, a tree and a file");
    assert_eq!(pair.here("origin/main"), Some(main));
    assert_eq!(arguments(&pair)[..2], ["-i", "key"]);
    pair.check();
}

#[test]
fn a_clone_over_ssh_is_a_clone() {
    let pair = Pair::new();
    let mut access = pair.access();
    access.ssh = Some(Ssh::Program(fake_ssh(&pair).into()));
    let directory = pair.user.directory.path().join("cloned");
    let address = format!("ssh://example.org{}", pair.bare.display());
    let options = Clone { address: address.clone(), directory: directory.clone(), branch: None };
    let cloned = clone(&options, &access, &mut |_| {}).unwrap();
    assert_eq!(cloned.branch.as_deref(), Some("main"));
    assert_eq!(pair.user.git_in(&directory, ["config", "remote.origin.url"]).trim(), address);
    check(&pair.user, &directory);
}

#[test]
fn what_ssh_says_is_the_reason() {
    let pair = Pair::new();
    pair.set_url("ssh://example.org/x");
    let path = pair.user.directory.path().join("failing");
    script(&path, "printf 'ada@example.org: Permission denied (publickey).\\033[2J\\n' >&2; exit 255");
    let mut access = pair.access();
    access.ssh = Some(Ssh::Program(path.into()));
    let err = pair.worktrees().fetch(&Fetch::default(), &access, &mut |_| {}).unwrap_err();
    let RemoteError::Unreachable { reason, .. } = &err else { panic!("{err:?}") };
    assert!(reason.contains("Permission denied (publickey)") && !reason.contains('\x1b'), "{reason}");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let pair = Pair::new();
    pair.set_url("ssh://example.org/x");
    let mut access = pair.access();
    access.ssh = Some(Ssh::Program("/nonexistent/ssh".into()));
    let err = pair.worktrees().fetch(&Fetch::default(), &access, &mut |_| {}).unwrap_err();
    assert!(matches!(&err, RemoteError::Program { program, .. } if program == "/nonexistent/ssh"), "{err:?}");
}

#[test]
fn silence_ends_it_and_so_does_being_cancelled() {
    let pair = Pair::new();
    pair.set_url("ssh://example.org/x");
    let path = pair.user.directory.path().join("silent");
    script(&path, "exec sleep 100");
    let mut access = pair.access();
    access.ssh = Some(Ssh::Program(path.into()));
    access.silence_timeout = Duration::from_millis(200);
    let start = Instant::now();
    let err = pair.worktrees().fetch(&Fetch::default(), &access, &mut |_| {}).unwrap_err();
    assert!(matches!(err, RemoteError::Silent { .. }), "{err:?}");
    access.silence_timeout = Duration::from_secs(90);
    let err = pair.fetch_until_cancelled(&access).unwrap_err();
    assert!(matches!(err, RemoteError::Cancelled), "{err:?}");
    assert!(start.elapsed() < Duration::from_mins(1));
    pair.check();
}

#[test]
fn the_users_command_is_run_and_the_repositorys_is_not() {
    let pair = Pair::new();
    pair.set_url(&format!("ssh://example.org{}", pair.bare.display()));
    let ssh = fake_ssh(&pair);
    pair.set_for_user("core.sshCommand", ssh.to_str().unwrap());
    pair.fetch().unwrap();
    assert_eq!(arguments(&pair)[0], "-o");
    fs::remove_file(pair.user.directory.path().join("arguments")).unwrap();
    pair.user.git(["config", "core.sshCommand", ssh.to_str().unwrap()]);
    let err = pair.fetch().unwrap_err();
    assert!(matches!(&err, RemoteError::Refused { what, .. } if what.contains("core.sshCommand")), "{err:?}");
    assert!(arguments(&pair).is_empty());
}

#[test]
fn another_variant_of_ssh_is_refused() {
    let pair = Pair::new();
    pair.set_url("ssh://example.org/x");
    pair.set_for_user("ssh.variant", "plink");
    let err = pair.fetch().unwrap_err();
    assert!(matches!(&err, RemoteError::Refused { what, .. } if what.contains("plink")), "{err:?}");
}
