//! A repository that git made, in a home of its own, and the command in it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory with a repository `repo`, room for `worktrees`, and a `home`.
pub(crate) struct Repository {
    directory: PathBuf,
}

impl Repository {
    /// A repository in a directory that is not there yet: `a.txt`, `b/c.txt`, and who commits.
    pub(crate) fn new(directory: &Path) -> Self {
        let repository = Self { directory: directory.to_owned() };
        fs::create_dir_all(repository.path()).unwrap();
        fs::create_dir_all(directory.join("home")).unwrap();
        repository.git(["init", "--quiet", "--initial-branch=main"]);
        repository.git(["config", "user.name", "Ada"]);
        repository.git(["config", "user.email", "ada@example.org"]);
        repository.write("a.txt", "one\ntwo\nthree\nfour\nfive\nsix\n");
        repository.write("b/c.txt", "c\n");
        repository.git(["add", "--all"]);
        repository.git(["commit", "--quiet", "--message", "first"]);
        repository
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.join("repo")
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.join("worktrees")
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        write(&self.path().join(path), content);
    }

    pub(crate) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path().join(path)).ok()
    }

    pub(crate) fn git<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let output = self.try_git(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn try_git<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        self.in_home(Command::new("git").args(arguments).current_dir(self.path()))
    }

    /// The command, with everything of its own but the images.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sandpiper"));
        command.args(arguments).current_dir(self.path());
        command
            .env("SANDPIPER_WORKTREES", self.root())
            .env("SANDPIPER_JOURNAL", crate::harness::journal())
            .env("SANDPIPER_CACHE", crate::harness::cache());
        self.settle(&mut command);
        command
    }

    pub(crate) fn sandpiper(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What the command printed; it is to succeed.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.sandpiper(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What git says of the whole: no object is missing or broken, and it can read all its worktrees.
    pub(crate) fn check(&self) {
        let output = self.in_home(
            Command::new("git").args(["fsck", "--strict", "--no-dangling"]).current_dir(self.path()),
        );
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !said.contains("error") && !said.contains("missing"), "{said}");
        self.git(["worktree", "list"]);
    }

    /// Runs another program with the repository's home.
    #[cfg(unix)]
    pub(crate) fn settled(&self, command: &mut Command) -> Output {
        self.in_home(command)
    }

    fn in_home(&self, command: &mut Command) -> Output {
        self.settle(command);
        command.output().unwrap()
    }

    fn settle(&self, command: &mut Command) {
        command
            .env("HOME", self.directory.join("home"))
            .env("XDG_CONFIG_HOME", self.directory.join("home/.config"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
    }
}

pub(crate) fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}
