//! Applying a worktree's changes merges them with the user's, file by file.

use std::fs;

use sandpiper_worktree::{Commit, WorktreeError};

use crate::harness::{Repository, create, make_executable, write};

#[test]
fn all_kinds_of_changes_arrive_uncommitted() {
    let repository = Repository::small();
    repository.write("binary", [0, 1, 2, 255]);
    repository.write("gone/only.txt", "x");
    repository.commit_all("more");
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    let path = worktree.path();
    write(&path.join("a.txt"), "changed\n");
    worktree.commit(&Commit::new("part of it")).unwrap();
    write(&path.join("binary"), [0, 9, 0, 255]);
    write(&path.join("new dir/ü.txt"), "new\n");
    write(&path.join("empty"), "");
    make_executable(&path.join("b/c.txt"));
    fs::remove_dir_all(path.join("gone")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("a.txt", path.join("link")).unwrap();
    let head = repository.git(["rev-parse", "HEAD"]);

    let applied = worktree.apply().unwrap();
    assert_eq!(applied.deleted, ["gone/only.txt"]);
    assert_eq!(repository.git(["rev-parse", "HEAD"]), head);
    assert_eq!(repository.read("a.txt"), "changed\n");
    assert_eq!(fs::read(repository.path().join("binary")).unwrap(), [0, 9, 0, 255]);
    assert_eq!(repository.read("new dir/ü.txt"), "new\n");
    assert_eq!(repository.read("empty"), "");
    assert!(!repository.path().join("gone").exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;

        assert_eq!(fs::read_link(repository.path().join("link")).unwrap().to_str(), Some("a.txt"));
        let mode = fs::metadata(repository.path().join("b/c.txt")).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111);
    }
    // What git sees in the checkout is what it sees between the base and the worktree's files.
    repository.git(["add", "--all"]);
    repository.git_in(path, ["add", "--all"]);
    assert_eq!(repository.git(["write-tree"]), repository.git_in(path, ["write-tree"]));
    repository.check();
}

#[test]
fn applying_again_changes_nothing() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a.txt"), "changed\n");
    fs::remove_file(worktree.path().join("b/c.txt")).unwrap();
    worktree.apply().unwrap();
    let before = repository.state();
    let again = worktree.apply().unwrap();
    assert_eq!((again.written.len(), again.deleted.len()), (0, 0), "{again:?}");
    assert_eq!(again.unchanged, ["a.txt", "b/c.txt"]);
    assert_eq!(repository.state(), before);
}

#[test]
fn changes_of_the_user_in_other_lines_are_kept() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a.txt"), "ONE\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n");
    repository.write("a.txt", "one\ntwo\nthree\nfour\nfive\nsix\nseven\nEIGHT\n");
    repository.write("untracked", "mine");
    worktree.apply().unwrap();
    assert_eq!(repository.read("a.txt"), "ONE\ntwo\nthree\nfour\nfive\nsix\nseven\nEIGHT\n");
    assert_eq!(repository.read("untracked"), "mine");
}

#[test]
fn conflicts_leave_all_as_it_was() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a.txt"), "theirs\n");
    write(&worktree.path().join("new.txt"), "theirs\n");
    write(&worktree.path().join("fine.txt"), "theirs\n");
    write(&worktree.path().join("dir"), "theirs\n");
    repository.write("a.txt", "mine\n");
    repository.write("new.txt", "mine\n");
    let before = repository.state();
    let err = worktree.apply().unwrap_err();
    let WorktreeError::Conflicts { conflicts } = err else { panic!("{err}") };
    let mut paths: Vec<_> = conflicts.iter().map(|conflict| conflict.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["a.txt", "new.txt"]);
    assert_eq!(repository.state(), before);

    repository.write("dir/mine.txt", "mine\n");
    let before = repository.state();
    let err = worktree.apply().unwrap_err();
    let WorktreeError::Conflicts { conflicts } = err else { panic!("{err}") };
    assert_eq!(conflicts[0].path, "dir");
    assert_eq!(repository.state(), before);
}

#[cfg(unix)]
#[test]
fn a_link_in_the_users_checkout_is_not_written_through() {
    let repository = Repository::small();
    let outside = repository.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("d/file"), "theirs\n");
    std::os::unix::fs::symlink(&outside, repository.path().join("d")).unwrap();
    let err = worktree.apply().unwrap_err();
    let WorktreeError::Conflicts { conflicts } = err else { panic!("{err}") };
    assert!(conflicts[0].reason.contains("link"), "{conflicts:?}");
    assert!(fs::read_dir(&outside).unwrap().next().is_none());
}

#[test]
fn a_bare_repository_has_nothing_to_apply_to() {
    let repository = Repository::small();
    let bare = repository.directory.path().join("bare.git");
    repository.git(["clone".as_ref(), "--quiet".as_ref(), "--bare".as_ref(), ".".as_ref(), bare.as_os_str()]);
    let worktrees = sandpiper_worktree::Worktrees::open(&bare, &repository.root()).unwrap();
    let err = create(&worktrees, "t/1").apply().unwrap_err();
    assert!(matches!(&err, WorktreeError::Unsupported { what, .. } if what.contains("bare")), "{err}");
}
