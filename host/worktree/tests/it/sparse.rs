//! A worktree of some directories is what `git sparse-checkout set` makes, and loses no file.

use std::fs;
use std::path::Path;

use sandpiper_worktree::{Collect, Commit, Create, Merge, Worktree, WorktreeError, Worktrees};

use crate::harness::{Repository, files, id, write};

/// Files at the root, in directories within directories, and with odd names.
fn repository() -> Repository {
    let repository = Repository::empty();
    let names = ["top", "a/1", "a/b/2", "a/b/c/3", "a/x/4", "d/5", "e/6", "e/f/7", "od[d] *?/8", "ab/9"];
    for name in names {
        repository.write(name, format!("{name}\n"));
    }
    repository.commit_all("first");
    repository
}

fn sparse(directories: &[&str]) -> Create {
    Create { sparse: directories.iter().map(|path| (*path).to_owned()).collect(), ..Create::default() }
}

fn create<'a>(worktrees: &'a Worktrees, directories: &[&str]) -> Worktree<'a> {
    worktrees.create(&id("t/1"), &sparse(directories), &mut |_| {}).unwrap()
}

fn assert_as_gits(repository: &Repository, directories: &[&str]) {
    let worktrees = repository.worktrees();
    let ours = create(&worktrees, directories);
    let theirs = repository.directory.path().join("theirs");
    repository.git(["worktree", "add", "--quiet", theirs.to_str().unwrap()]);
    repository.git_in(&theirs, [&["sparse-checkout", "set", "--skip-checks"], directories].concat());

    assert_eq!(files(ours.path()), files(&theirs));
    for command in [
        &["sparse-checkout", "list"][..],
        &["ls-files", "--stage", "-t"],
        &["status", "--porcelain=v2"],
        &["diff-files"],
        &["config", "--worktree", "--list"],
    ] {
        let run = |directory: &Path| repository.git_in(directory, command);
        assert_eq!(run(ours.path()), run(&theirs), "{command:?}");
    }
    let patterns = |directory: &Path| fs::read_to_string(directory.join("info/sparse-checkout")).unwrap();
    assert_eq!(patterns(&ours.git_directory()), patterns(&repository.path().join(".git/worktrees/theirs")));
    assert!(ours.changes().unwrap().is_empty());
    assert!(ours.status(sandpiper_worktree::git::Untracked::All).unwrap().entries.is_empty());
    assert!(repository.path().join("e/f/7").exists());
    assert_eq!(repository.status(&repository.path()), "");
    repository.check();
}

#[test]
fn a_sparse_worktree_is_what_git_would_have_made() {
    for directories in [&["a/b", "d"][..], &["e"], &["a/b/c", "e/f"], &["od[d] *?"]] {
        assert_as_gits(&repository(), directories);
    }
}

#[test]
fn a_sparse_worktree_with_other_line_ends_is_too() {
    let repository = repository();
    repository.write(".gitattributes", "* text eol=crlf\n");
    repository.commit_all("attributes");
    assert_as_gits(&repository, &["a/b"]);
}

#[test]
fn the_users_settings_move_as_git_moves_them() {
    let repository = repository();
    let bare = repository.directory.path().join("bare.git");
    repository.git(["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    let worktrees = Worktrees::open(&bare, &repository.root()).unwrap();
    let worktree = create(&worktrees, &["d"]);
    assert_eq!(repository.git_in(worktree.path(), ["sparse-checkout", "list"]), "d\n");
    assert_eq!(repository.git_in(&bare, ["config", "--worktree", "core.bare"]), "true\n");
    assert_eq!(repository.git_in(&bare, ["rev-parse", "--is-bare-repository"]), "true\n");
    let local = repository.git_in(&bare, ["config", "--file", "config", "--list"]);
    assert!(local.contains("extensions.worktreeconfig=true") && !local.contains("core.bare"), "{local}");
}

#[test]
fn whole_worktrees_leave_the_users_settings_alone() {
    let repository = repository();
    let config = || fs::read_to_string(repository.path().join(".git/config")).unwrap();
    let before = config();
    let worktrees = repository.worktrees();
    crate::harness::create(&worktrees, "t/1");
    assert_eq!(config(), before);
}

#[test]
fn files_that_are_not_there_are_in_commits_merges_and_what_is_applied() {
    let repository = repository();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, &["a/b"]);
    let path = worktree.path().to_owned();
    write(&path.join("a/b/2"), "changed\n");
    write(&path.join("e/new"), "new\n");
    fs::remove_file(path.join("a/1")).unwrap();
    let changed: Vec<_> = worktree.changes().unwrap().files().unwrap().into_iter().map(|f| f.path).collect();
    assert_eq!(changed, ["a/1", "a/b/2", "e/new"]);
    let applied = worktree.apply().unwrap();
    assert_eq!((applied.written.len(), applied.deleted.len()), (2, 1), "{applied:?}");
    assert_eq!(repository.read("e/f/7"), "e/f/7\n");
    repository.git(["reset", "--quiet", "--hard"]);
    repository.git(["clean", "--quiet", "--force", "-d"]);

    worktree.commit(&Commit::new("change")).unwrap();
    assert_eq!(repository.status(&path), "");
    let told = repository.git_in(&path, ["show", "--format=", "--name-status", "HEAD"]);
    assert_eq!(told, "D\ta/1\nM\ta/b/2\nA\te/new\n");
    worktree.merge(&Merge::default()).unwrap();
    assert_eq!(repository.read("e/f/7"), "e/f/7\n");
    assert_eq!(repository.read("e/new"), "new\n");
    assert_eq!(repository.status(&repository.path()), "");
    repository.check();
}

#[test]
fn a_file_written_where_one_is_left_out_counts() {
    let repository = repository();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, &["d"]);
    write(&worktree.path().join("e/6"), "changed\n");
    let theirs = repository.status(worktree.path());
    let ours = worktree.status(sandpiper_worktree::git::Untracked::Normal).unwrap();
    assert_eq!(String::from_utf8(ours.porcelain).unwrap(), theirs);
    assert_eq!(worktree.changes().unwrap().files().unwrap()[0].path, "e/6");
    assert_eq!(worktree.held_work().unwrap(), ["changes that are not committed"]);
}

#[test]
fn a_sparse_worktree_that_git_pruned_is_sparse_again() {
    let repository = repository();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, &["a/b"]);
    let path = worktree.path().to_owned();
    fs::remove_dir_all(worktree.git_directory()).unwrap();
    drop(worktree);
    worktrees.collect(Collect::default()).unwrap();
    assert_eq!(repository.git_in(&path, ["sparse-checkout", "list"]), "a/b\n");
    assert_eq!(repository.status(&path), "");
}

#[test]
fn a_directory_that_is_not_in_the_base_is_named_and_nothing_is_left() {
    let repository = repository();
    let worktrees = repository.worktrees();
    for directory in ["no/such", "top", "../a", "/a"] {
        let err = worktrees.create(&id("t/1"), &sparse(&[directory]), &mut |_| {}).unwrap_err();
        assert!(matches!(&err, WorktreeError::Unsupported { what, .. } if what.contains(directory)), "{err}");
        assert!(worktrees.list().unwrap().is_empty());
        assert!(files(&repository.root()).is_empty());
    }
}

#[test]
fn changes_of_the_checkout_come_along_where_the_worktree_has_files() {
    let repository = repository();
    repository.write("a/b/2", "mine\n");
    repository.write("e/6", "mine\n");
    let worktrees = repository.worktrees();
    let options = Create { include_uncommitted: true, ..sparse(&["a/b"]) };
    let worktree = worktrees.create(&id("t/1"), &options, &mut |_| {}).unwrap();
    assert_eq!(fs::read_to_string(worktree.path().join("a/b/2")).unwrap(), "mine\n");
    assert!(!worktree.path().join("e").exists());
    assert!(worktree.changes().unwrap().is_empty());
}

#[test]
fn what_the_users_sparse_checkout_leaves_out_is_no_conflict() {
    let repository = repository();
    repository.git(["sparse-checkout", "set", "d"]);
    let worktrees = repository.worktrees();
    let worktree = crate::harness::create(&worktrees, "t/1");
    write(&worktree.path().join("e/6"), "changed\n");
    worktree.apply().unwrap();
    assert_eq!(repository.read("e/6"), "changed\n");
}
