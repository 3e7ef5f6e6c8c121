//! A repository with a remote that git made, and ways to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sandpiper_worktree::remote::{Access, Fetch, Fetched, Push, Pushed, RemoteError};
use sandpiper_worktree::{Commit, Worktree, Worktrees};

use crate::harness::{Repository, create, make_executable, write};

/// The user's repository, and a bare one that is its `origin`.
pub(super) struct Pair {
    pub(super) user: Repository,
    pub(super) bare: PathBuf,
}

impl Pair {
    pub(super) fn new() -> Self {
        let user = Repository::small();
        let served = user.directory.path().join("served");
        fs::create_dir(&served).unwrap();
        let bare = served.join("repo.git");
        user.git(["clone".as_ref(), "--quiet".as_ref(), "--bare".as_ref(), ".".as_ref(), bare.as_os_str()]);
        user.git_in(&bare, ["config", "http.receivepack", "true"]);
        user.git_in(&bare, ["remote", "remove", "origin"]);
        write(&user.directory.path().join("user.gitconfig"), "");
        let pair = Self { user, bare };
        pair.set_url(pair.bare.to_str().unwrap());
        pair
    }

    /// Makes `url` the address of `origin`.
    pub(super) fn set_url(&self, url: &str) {
        self.user.git(["config", "remote.origin.url", url]);
        self.user.git(["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"]);
    }

    /// Commits to a branch there, from a checkout of its own.
    pub(super) fn commit_there(&self, branch: &str, file: &str, content: &str) -> String {
        let other = tempfile::tempdir_in(self.user.directory.path()).unwrap();
        let path = other.path().join("other");
        let git = |arguments: &[&str]| self.user.git_in(&path, arguments);
        let (bare, to) = (self.bare.as_os_str(), path.as_os_str());
        self.user.git(["clone".as_ref(), "--quiet".as_ref(), bare, to]);
        git(&["config", "user.name", "Grace"]);
        git(&["config", "user.email", "grace@example.org"]);
        let exists = self.user.try_git(&path, ["rev-parse", "--verify", &format!("origin/{branch}")]);
        let start = if exists.status.success() { format!("origin/{branch}") } else { "HEAD".to_owned() };
        git(&["checkout", "--quiet", "-B", branch, &start]);
        write(&path.join(file), content);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--message", file]);
        git(&["push", "--quiet", "origin", &format!("HEAD:refs/heads/{branch}")]);
        git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    pub(super) fn there(&self, name: &str) -> Option<String> {
        let output = self.user.try_git(&self.bare, ["rev-parse", "--verify", "--quiet", name]);
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    pub(super) fn here(&self, name: &str) -> Option<String> {
        let output = self.user.try_git(&self.user.path(), ["rev-parse", "--verify", "--quiet", name]);
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    /// git finds nothing wrong on either side, and nothing of ours is left lying about.
    pub(super) fn check(&self) {
        self.user.check();
        check(&self.user, &self.bare);
        let incoming = self.user.path().join(".git/sandpiper/incoming");
        let left = fs::read_dir(&incoming).map_or(0, Iterator::count);
        assert_eq!(left, 0, "nothing is left in {}", incoming.display());
        let packs = self.user.path().join(".git/objects/pack");
        for entry in fs::read_dir(packs).into_iter().flatten().flatten() {
            assert!(entry.path().extension().is_none_or(|extension| extension != "keep"), "{entry:?}");
        }
    }

    pub(super) fn user_configuration(&self) -> PathBuf {
        self.user.directory.path().join("user.gitconfig")
    }

    /// Sets something in the user's own configuration.
    pub(super) fn set_for_user(&self, name: &str, value: &str) {
        let file = self.user_configuration();
        self.user.git([
            "config".as_ref(),
            "--file".as_ref(),
            file.as_os_str(),
            "--add".as_ref(),
            name.as_ref(),
            value.as_ref(),
        ]);
    }

    pub(super) fn access(&self) -> Access {
        access(&self.user_configuration())
    }

    pub(super) fn fetch(&self) -> Result<Fetched, RemoteError> {
        self.worktrees().fetch(&Fetch::default(), &self.access(), &mut |_| {})
    }

    /// Fetches, and gives that up a moment later.
    pub(super) fn fetch_until_cancelled(&self, access: &Access) -> Result<Fetched, RemoteError> {
        let cancelled = Arc::clone(&access.cancelled);
        let canceller = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            cancelled.store(true, Ordering::Relaxed);
        });
        let fetched = self.worktrees().fetch(&Fetch::default(), access, &mut |_| {});
        canceller.join().unwrap();
        fetched
    }

    pub(super) fn worktrees(&self) -> Worktrees {
        self.user.worktrees()
    }

    /// Pushes a run with a commit.
    pub(super) fn push(&self, push: &Push) -> Result<Pushed, RemoteError> {
        let worktrees = self.worktrees();
        let worktree = match worktrees.hold("t/1") {
            Ok(worktree) => worktree,
            Err(_) => run(&worktrees, "t/1"),
        };
        worktree.push(push, &self.access(), &mut |_| {})
    }
}

pub(super) fn access(user_configuration: &Path) -> Access {
    let mut access = Access::default();
    access.user_configuration = Some(user_configuration.to_owned());
    access.silence_timeout = Duration::from_secs(30);
    access
}

/// A worktree with a commit of its own.
pub(super) fn run<'a>(worktrees: &'a Worktrees, name: &str) -> Worktree<'a> {
    let worktree = create(worktrees, name);
    write(&worktree.path().join("run.txt"), name);
    worktree.commit(&Commit::new("Of the run")).unwrap();
    worktree
}

pub(super) fn check(git: &Repository, directory: &Path) {
    let output = git.try_git(directory, ["fsck", "--strict", "--no-dangling"]);
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !said.contains("error") && !said.contains("missing"), "{said}");
}

/// Writes a program.
pub(super) fn script(path: &Path, text: &str) {
    write(path, format!("#!/bin/sh\n{text}\n"));
    make_executable(path);
}
