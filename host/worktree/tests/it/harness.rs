//! A repository that git made, in a home of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sandpiper_worktree::{Create, Id, Worktree, Worktrees};
use tempfile::TempDir;

pub(crate) struct Repository {
    pub(crate) directory: TempDir,
}

impl Repository {
    /// A repository with nothing in it.
    pub(crate) fn empty() -> Self {
        let repository = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(repository.path()).unwrap();
        fs::create_dir(repository.directory.path().join("home")).unwrap();
        repository.git(["init", "--quiet", "--initial-branch=main"]);
        repository.git(["config", "user.name", "Ada"]);
        repository.git(["config", "user.email", "ada@example.org"]);
        repository
    }

    /// A repository with a commit: `a.txt`, `b/c.txt` and `run.sh`.
    pub(crate) fn small() -> Self {
        let repository = Self::empty();
        repository.write("a.txt", "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n");
        repository.write("b/c.txt", "c\n");
        repository.write("run.sh", "#!/bin/sh\n");
        make_executable(&repository.path().join("run.sh"));
        repository.commit_all("first");
        repository
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("repo")
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("worktrees")
    }

    pub(crate) fn worktrees(&self) -> Worktrees {
        Worktrees::open(&self.path(), &self.root()).unwrap()
    }

    pub(crate) fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        write(&self.path().join(path), content);
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap()
    }

    pub(crate) fn commit_all(&self, message: &str) {
        self.git(["add", "--all"]);
        self.git(["commit", "--quiet", "--message", message]);
    }

    /// Runs git in the checkout, and returns what it printed.
    pub(crate) fn git<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        self.git_in(&self.path(), arguments)
    }

    pub(crate) fn git_in<S: AsRef<OsStr>>(
        &self,
        directory: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> String {
        let output = self.try_git(directory, arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn try_git<S: AsRef<OsStr>>(
        &self,
        directory: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> Output {
        self.command(directory).args(arguments).output().unwrap()
    }

    /// Git in a directory, with nothing to do yet.
    pub(crate) fn command(&self, directory: &Path) -> Command {
        let mut command = Command::new("git");
        command
            .current_dir(directory)
            .env("HOME", self.directory.path().join("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        command
    }

    /// What git says of the whole: no object is missing or broken, and it can read all its worktrees.
    pub(crate) fn check(&self) {
        let output = self.try_git(&self.path(), ["fsck", "--strict", "--no-dangling"]);
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !said.contains("error") && !said.contains("missing"), "{said}");
        self.git(["worktree", "list"]);
    }

    /// What git takes for changed in a directory.
    pub(crate) fn status(&self, directory: &Path) -> String {
        self.git_in(directory, ["status", "--porcelain=v2"])
    }

    /// All references and files of the checkout, to compare with those of later.
    pub(crate) fn state(&self) -> String {
        let references = self.git(["for-each-ref"]);
        let head = self.git(["rev-parse", "--symbolic-full-name", "HEAD"]);
        let status = self.git(["status", "--porcelain=v2", "--untracked-files=all", "--ignored"]);
        let files: Vec<String> = files(&self.path())
            .into_iter()
            .map(|path| format!("{} {:?}", path.display(), fs::read(self.path().join(&path)).ok()))
            .collect();
        format!("{references}{head}{status}{}", files.join("\n"))
    }
}

/// The files below a directory but git's own, sorted.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    fn add(root: &Path, directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name() == ".git" {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                add(root, &entry.path(), found);
            } else {
                found.push(entry.path().strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    if root.exists() {
        add(root, root, &mut found);
    }
    found.sort();
    found
}

pub(crate) fn id(text: &str) -> Id {
    text.parse().unwrap()
}

pub(crate) fn create<'a>(worktrees: &'a Worktrees, name: &str) -> Worktree<'a> {
    worktrees.create(&id(name), &Create::default(), &mut |_| {}).unwrap()
}

pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[cfg(unix)]
pub(crate) fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(not(unix))]
pub(crate) fn make_executable(_path: &Path) {}
