//! Repositories made by git itself, with a linked worktree, and both ways to run a command there.

use sandpiper_worktree::git::{Invocation, Moment, Person, Reply, Scope, git};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

pub const SECONDS: i64 = 1_700_000_000;

/// A repository with a worktree on the branch of a run.
pub struct World {
    root: TempDir,
    /// Commits made so far: each is a minute later than the one before.
    pub minute: i64,
}

impl World {
    /// A repository whose first commit has the given files.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let world = Self { root, minute: 0 };
        std::fs::create_dir(world.home()).unwrap();
        std::fs::create_dir(world.repository()).unwrap();
        world.must(&world.repository(), &["init", "-q", "-b", "main"]);
        for (path, content) in files {
            let path = world.repository().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        world.must(&world.repository(), &["add", "-A"]);
        world.must(&world.repository(), &["commit", "-q", "--allow-empty", "-m", "start"]);
        world.must(&world.repository(), &["worktree", "add", "-q", "-b", "sandpiper/t/r", "../tree"]);
        world
    }

    /// The same repository at another place.
    pub fn copy(&self) -> Self {
        let root = tempfile::tempdir().unwrap();
        let status =
            Command::new("cp").arg("-a").arg(self.root.path().join(".")).arg(root.path()).status().unwrap();
        assert!(status.success());
        let copy = Self { root, minute: self.minute };
        let link = format!("{}\n", copy.tree().join(".git").display());
        std::fs::write(copy.git_directory().join("gitdir"), link).unwrap();
        std::fs::write(copy.tree().join(".git"), format!("gitdir: {}\n", copy.git_directory().display()))
            .unwrap();
        copy
    }

    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    pub fn repository(&self) -> PathBuf {
        self.root.path().join("repo")
    }

    pub fn tree(&self) -> PathBuf {
        self.root.path().join("tree")
    }

    pub fn git_directory(&self) -> PathBuf {
        self.repository().join(".git/worktrees/tree")
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.tree().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.tree().join(path)).unwrap()
    }

    /// Runs git itself in a directory.
    pub fn theirs_in(&self, directory: &Path, arguments: &[&str]) -> Reply {
        let date = format!("@{} +0130", SECONDS + self.minute * 60);
        let output = Command::new("git")
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home())
            .env("LC_ALL", "C")
            .env("TERM", "dumb")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CEILING_DIRECTORIES", self.root.path())
            .env("GIT_AUTHOR_NAME", "Ann Author")
            .env("GIT_AUTHOR_EMAIL", "ann@example.com")
            .env("GIT_COMMITTER_NAME", "Con Mitter")
            .env("GIT_COMMITTER_EMAIL", "con@example.com")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let code = u8::try_from(output.status.code().unwrap()).unwrap();
        Reply { code, stdout: output.stdout, stderr: output.stderr }
    }

    /// Runs git itself where it has to succeed.
    pub fn must(&self, directory: &Path, arguments: &[&str]) -> Vec<u8> {
        let reply = self.theirs_in(directory, arguments);
        assert_eq!(reply.code, 0, "git {arguments:?}: {}", shown(&reply));
        reply.stdout
    }

    pub fn theirs(&self, arguments: &[&str]) -> Reply {
        self.theirs_in(&self.tree(), arguments)
    }

    /// Where our git works; the guest sees the tree where the host has it, so that texts are equal.
    pub fn scope(&self) -> Scope {
        Scope {
            git_directory: self.git_directory(),
            work_tree: self.tree(),
            branch: "refs/heads/sandpiper/t/r".to_owned(),
            guest_path: self.tree().to_str().unwrap().to_owned(),
        }
    }

    pub fn invocation(&self, arguments: &[&str]) -> Invocation {
        let time = Moment { seconds: SECONDS + self.minute * 60, offset_minutes: 90 };
        let person =
            |name: &str, email: &str| Person { name: Some(name.into()), email: Some(email.into()), time };
        Invocation {
            arguments: arguments.iter().map(|text| text.as_bytes().to_vec()).collect(),
            author: person("Ann Author", "ann@example.com"),
            committer: person("Con Mitter", "con@example.com"),
            ..Invocation::default()
        }
    }

    pub fn ours(&self, arguments: &[&str]) -> Reply {
        git(&self.scope(), &self.invocation(arguments))
    }

    pub fn ours_in(&self, directory: &str, arguments: &[&str]) -> Reply {
        let invocation =
            Invocation { directory: directory.as_bytes().to_vec(), ..self.invocation(arguments) };
        git(&self.scope(), &invocation)
    }

    /// Runs a command that changes nothing both ways and compares all of both replies.
    pub fn same(&self, arguments: &[&str]) {
        assert_same(arguments, &self.theirs(arguments), &self.ours(arguments));
    }

    /// The same in a directory of the tree.
    pub fn same_in(&self, directory: &str, arguments: &[&str]) {
        let theirs = self.theirs_in(&self.tree().join(directory), arguments);
        assert_same(arguments, &theirs, &self.ours_in(directory, arguments));
    }

    /// What git itself finds in the worktree after a command.
    pub fn state(&self) -> Vec<String> {
        let mut state: Vec<String> = [
            &["fsck", "--strict", "--no-dangling"][..],
            &["status", "--porcelain=v2", "--branch", "--ignored"],
            &["ls-files", "-s"],
            &["reflog", "--format=%H %gn %gs"],
            &["log", "--format=raw", "--all", "--", "."],
        ]
        .iter()
        .map(|arguments| text(&self.must(&self.tree(), arguments)))
        .collect();
        let mut files = Vec::new();
        list(&self.tree(), &mut files);
        state.extend(files.into_iter().map(|(path, content)| {
            let path = path.strip_prefix(self.tree()).unwrap();
            format!("{} {}", path.display(), if path == Path::new(".git") { String::new() } else { content })
        }));
        state
    }

    /// Checks that the real git has no complaint.
    pub fn check(&self) {
        self.must(&self.tree(), &["fsck", "--strict", "--no-dangling"]);
    }
}

fn list(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_symlink() {
            found.push((path.clone(), format!("-> {}", std::fs::read_link(&path).unwrap().display())));
        } else if metadata.is_dir() {
            found.push((path.clone(), "directory".into()));
            list(&path, found);
        } else {
            use std::os::unix::fs::PermissionsExt;
            let mode = metadata.permissions().mode() & 0o777;
            found.push((path.clone(), format!("{mode:o} {:?}", text(&std::fs::read(&path).unwrap()))));
        }
    }
}

/// Runs the same command lines by git and by ours on two copies and compares each reply and the end.
pub fn same_on_copies(world: &World, commands: &[&[&str]]) {
    let (mut theirs, mut ours) = (world.copy(), world.copy());
    for arguments in commands {
        theirs.minute += 1;
        ours.minute += 1;
        let (their, our) = (theirs.theirs(arguments), ours.ours(arguments));
        let replace =
            |bytes: &[u8], world: &World| text(bytes).replace(world.tree().to_str().unwrap(), "TREE");
        assert_eq!(
            (their.code, replace(&their.stdout, &theirs), replace(&their.stderr, &theirs)),
            (our.code, replace(&our.stdout, &ours), replace(&our.stderr, &ours)),
            "git {arguments:?}"
        );
        assert_eq!(theirs.state(), ours.state(), "after git {arguments:?}");
    }
}

pub fn assert_same(arguments: &[&str], theirs: &Reply, ours: &Reply) {
    assert_eq!(
        (theirs.code, text(&theirs.stdout), text(&theirs.stderr)),
        (ours.code, text(&ours.stdout), text(&ours.stderr)),
        "git {arguments:?}: git on the left, ours on the right"
    );
}

/// Lines that start the same and are numbered from 0.
pub fn lines(start: &str, count: usize) -> String {
    let lines: Vec<String> = (0..count).map(|number| format!("{start} {number}\n")).collect();
    lines.concat()
}

/// Bytes as text in which no two differ that differ as bytes.
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string().replace("\\n", "\n"),
    }
}

pub fn shown(reply: &Reply) -> String {
    format!("exit {}\n--- out\n{}\n--- err\n{}", reply.code, text(&reply.stdout), text(&reply.stderr))
}
