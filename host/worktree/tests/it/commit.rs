//! Commits of a worktree are git's commits.

use std::fs;

use sandpiper_worktree::{Commit, WorktreeError};

use crate::harness::{Repository, create, files, make_executable, write};

#[test]
fn a_commit_has_all_changes_and_says_whose_run_it_is() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a.txt"), "changed\n");
    write(&worktree.path().join("new/d.txt"), "d\n");
    fs::remove_file(worktree.path().join("b/c.txt")).unwrap();
    make_executable(&worktree.path().join("new/d.txt"));
    let mut commit = Commit::new("Change things\n\nBecause.\n");
    commit.trailers.push(("Reviewed-by".to_owned(), "Bob <bob@example.org>".to_owned()));
    let oid = worktree.commit(&commit).unwrap();

    let path = worktree.path();
    assert_eq!(repository.git_in(path, ["rev-parse", "HEAD"]).trim(), oid);
    assert_eq!(repository.status(path), "");
    let changed = repository.git_in(path, ["show", "--format=", "--name-status", "HEAD"]);
    #[cfg(unix)]
    assert!(repository.git_in(path, ["ls-files", "--stage", "new"]).starts_with("100755"));
    assert_eq!(changed, "M\ta.txt\nD\tb/c.txt\nA\tnew/d.txt\n");
    let message = repository.git_in(path, ["log", "-1", "--format=%B"]);
    assert_eq!(
        message.trim_end(),
        "Change things\n\nBecause.\n\nReviewed-by: Bob <bob@example.org>\nSandpiper-Run: t/1"
    );
    assert_eq!(repository.git_in(path, ["log", "-1", "--format=%an <%ae>"]), "Ada <ada@example.org>\n");
    assert_eq!(
        repository.git_in(path, ["log", "-1", "--format=%(trailers:key=Sandpiper-Run,valueonly)"]).trim(),
        "t/1"
    );
    repository.check();
}

#[test]
fn nothing_to_commit_is_said() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    let err = worktree.commit(&Commit::new("nothing")).unwrap_err();
    assert!(matches!(&err, WorktreeError::NothingToCommit { .. }), "{err}");
}

#[test]
fn the_first_commit_of_all_has_no_parent() {
    let repository = Repository::empty();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a"), "a");
    worktree.commit(&Commit::new("first")).unwrap();
    assert_eq!(repository.git_in(worktree.path(), ["rev-list", "--count", "HEAD"]), "1\n");
    repository.check();
}

#[test]
fn another_author_is_taken_and_an_unsound_one_refused() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a"), "a");
    for unsound in ["Bob", "<b@x>", "Bob <>", "Bob <b@x> jr", "B\n <b@x>"] {
        let commit = Commit { author: Some(unsound.to_owned()), ..Commit::new("x") };
        let err = worktree.commit(&commit).unwrap_err();
        assert!(matches!(&err, WorktreeError::Unsupported { what, .. } if what.contains("author")), "{err}");
    }
    let commit = Commit { author: Some("Bob <bob@example.org>".to_owned()), ..Commit::new("x") };
    worktree.commit(&commit).unwrap();
    assert_eq!(repository.git_in(worktree.path(), ["log", "-1", "--format=%an %cn"]), "Bob Ada\n");
}

#[test]
fn empty_messages_and_unsound_trailers_are_refused() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a"), "a");
    assert!(matches!(worktree.commit(&Commit::new(" \n")), Err(WorktreeError::Unsupported { .. })));
    let mut commit = Commit::new("x");
    commit.trailers.push(("A b".to_owned(), "c".to_owned()));
    assert!(matches!(worktree.commit(&commit), Err(WorktreeError::Unsupported { .. })));
    assert_eq!(repository.git_in(worktree.path(), ["rev-list", "--count", "HEAD"]), "1\n");
}

#[test]
fn ignored_files_stay_out() {
    let repository = Repository::small();
    repository.write(".gitignore", "*.log\n");
    repository.commit_all("ignore");
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("x.log"), "x");
    assert!(matches!(worktree.commit(&Commit::new("x")), Err(WorktreeError::NothingToCommit { .. })));
}

#[test]
fn a_repository_within_the_worktree_is_refused_not_lost() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    let inner = worktree.path().join("inner");
    fs::create_dir(&inner).unwrap();
    repository.git_in(&inner, ["init", "--quiet"]);
    write(&inner.join("file"), "precious");
    let err = worktree.commit(&Commit::new("x")).unwrap_err();
    assert!(matches!(&err, WorktreeError::Unsupported { what, .. } if what.contains("inner/.git")), "{err}");
}

#[cfg(unix)]
#[test]
fn neither_hooks_nor_filters_nor_fsmonitor_are_run() {
    let repository = Repository::small();
    let trap = repository.directory.path().join("trap.sh");
    let mark = repository.directory.path().join("mark");
    write(&trap, format!("#!/bin/sh\ntouch {}\ncat\n", mark.display()));
    make_executable(&trap);
    let hooks = repository.path().join(".git/hooks");
    for hook in [
        "pre-commit",
        "commit-msg",
        "post-commit",
        "post-checkout",
        "reference-transaction",
        "post-index-change",
    ] {
        fs::copy(&trap, hooks.join(hook)).unwrap();
    }
    for (name, value) in [
        ("core.fsmonitor", trap.to_str().unwrap()),
        ("filter.x.clean", trap.to_str().unwrap()),
        ("filter.x.smudge", trap.to_str().unwrap()),
        ("filter.x.process", trap.to_str().unwrap()),
        ("diff.x.textconv", trap.to_str().unwrap()),
        ("core.editor", trap.to_str().unwrap()),
        ("core.pager", trap.to_str().unwrap()),
        ("credential.helper", trap.to_str().unwrap()),
    ] {
        repository.git(["config", name, value]);
    }
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join(".gitattributes"), "*.txt filter=x diff=x\n");
    write(&worktree.path().join("a.txt"), "changed\n");
    worktree.commit(&Commit::new("x")).unwrap();
    assert!(!mark.exists());
    // The traps are set: git itself falls into them.
    repository.write("z", "z");
    repository.git(["add", "z"]);
    assert!(mark.exists());
}

#[test]
fn submodules_that_fsck_refuses_are_files_like_others() {
    let repository = Repository::small();
    let modules = "[submodule \"inner\"]\n\tpath = inner\n\turl = --upload-pack=touch${IFS}mark\n";
    repository.write(".gitmodules", modules);
    let commit = repository.git(["rev-parse", "HEAD"]);
    let link = format!("160000,{},inner", commit.trim());
    repository.git(["add", ".gitmodules"]);
    repository.git(["update-index", "--add", "--cacheinfo", &link]);
    repository.git(["commit", "--quiet", "--message", "submodule"]);
    assert!(!repository.try_git(&repository.path(), ["fsck", "--strict"]).status.success());

    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    assert_eq!(fs::read_to_string(worktree.path().join(".gitmodules")).unwrap(), modules);
    assert_eq!(files(&worktree.path().join("inner")), Vec::<std::path::PathBuf>::new());
    assert!(worktree.changes().unwrap().is_empty());
    write(&worktree.path().join("a.txt"), "changed\n");
    worktree.commit(&Commit::new("x")).unwrap();
    assert_eq!(repository.status(worktree.path()), "");
    let told = repository.git_in(worktree.path(), ["show", "--format=", "--name-only", "HEAD"]);
    assert_eq!(told, "a.txt\n");
}
