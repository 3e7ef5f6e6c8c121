//! What the README shows is what happens.

use std::fs;
use std::path::Path;

use crate::harness::{cache, engine, journal};

/// The heading of the part whose commands are run in a repository.
const WORKTREE: &str = "### In a git worktree\n";

/// The README's text before, in, and after that part.
fn parts() -> (String, String) {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let (before, rest) = readme.split_once(WORKTREE).unwrap();
    let end = rest.find("\n##").unwrap();
    let (inside, after) = rest.split_at(end);
    (format!("{before}{after}"), inside.to_owned())
}

fn transcripts() -> trycmd::TestCases {
    engine();
    let cases = trycmd::TestCases::new();
    cases
        .register_bin("sandpiper", Path::new(env!("CARGO_BIN_EXE_sandpiper")))
        .env("SANDPIPER_CACHE", cache().to_string_lossy())
        .env("SANDPIPER_JOURNAL", journal().to_string_lossy());
    cases
}

#[test]
fn transcripts_of_the_readme_are_true() {
    let directory = tempfile::tempdir().unwrap();
    let readme = directory.path().join("readme.md");
    fs::write(&readme, parts().0).unwrap();
    transcripts().case(&readme).run();
}

#[cfg(unix)]
#[test]
fn transcripts_of_the_readme_in_a_repository_are_true() {
    let directory = tempfile::tempdir().unwrap();
    let repository = crate::worktree::repository::Repository::new(&directory.path().join("part"));
    repository.write("f.txt", "hello\n");
    repository.git(["add", "f.txt"]);
    repository.git(["commit", "--quiet", "--message", "Greet"]);
    let part = directory.path().join("part.md");
    fs::write(&part, parts().1).unwrap();
    // The directory beside a case, by this name, is where its commands run.
    fs::rename(repository.path(), directory.path().join("part.in")).unwrap();
    let worktrees = directory.path().join("worktrees");
    transcripts().env("SANDPIPER_WORKTREES", worktrees.to_string_lossy()).case(&part).run();
}
