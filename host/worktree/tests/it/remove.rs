//! Removing a worktree loses nothing.

use std::fs;

use sandpiper_worktree::{Commit, Merge, Remove, WorktreeError};

use crate::harness::{Repository, create, files, write};

const DISCARD: Remove = Remove { discard: true };

fn refused(repository: &Repository, name: &str) -> Vec<String> {
    let worktrees = repository.worktrees();
    let before = files(&repository.root());
    match worktrees.hold(name).unwrap().remove(Remove::default()).unwrap_err() {
        WorktreeError::HoldsWork { held, .. } => {
            assert_eq!(files(&repository.root()), before);
            held
        }
        err => panic!("{err}"),
    }
}

#[test]
fn an_unused_worktree_leaves_no_trace() {
    let repository = Repository::small();
    let before = repository.state();
    let worktrees = repository.worktrees();
    let removed = create(&worktrees, "t/1").remove(Remove::default()).unwrap();
    assert_eq!(removed.trash, None);
    assert_eq!(repository.state(), before);
    assert!(worktrees.list().unwrap().is_empty());
    assert!(files(&repository.root()).is_empty());
    assert_eq!(repository.git(["worktree", "list"]).lines().count(), 1);
    assert!(!repository.path().join(".git/worktrees/sandpiper.t.1").exists());
    repository.check();
}

#[test]
fn work_that_is_nowhere_else_is_not_removed() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("untracked"), "x");
    drop(worktree);
    assert_eq!(refused(&repository, "t/1"), ["changes that are not committed"]);
    worktrees.hold("t/1").unwrap().commit(&Commit::new("x")).unwrap();
    assert_eq!(refused(&repository, "t/1"), ["1 commit that is in no other branch"]);
    worktrees.hold("sandpiper/t/1").unwrap().merge(&Merge::default()).unwrap();
    let removed = worktrees.hold("t/1").unwrap().remove(Remove::default()).unwrap();
    assert_eq!(removed.trash, None);
    repository.check();
}

#[test]
fn what_is_discarded_can_be_had_back() {
    let repository = Repository::small();
    repository.write(".gitignore", "ignored\n");
    repository.commit_all("ignore");
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    let path = worktree.path().to_owned();
    write(&path.join("committed"), "in a commit");
    worktree.commit(&Commit::new("x")).unwrap();
    write(&path.join("amended"), "in a commit that was amended away");
    let amended = worktree.commit(&Commit::new("y")).unwrap();
    repository.git_in(&path, ["reset", "--quiet", "--hard", "HEAD^"]);
    write(&path.join("staged"), "staged only");
    repository.git_in(&path, ["add", "staged"]);
    fs::remove_file(path.join("staged")).unwrap();
    write(&path.join("untracked"), "untracked");
    let stashed = repository.git_in(&path, ["stash", "create"]);
    repository.git(["update-ref", "refs/sandpiper/stash/t/1/0", stashed.trim()]);
    write(&path.join("ignored"), "ignored");
    write(&path.join("a.txt"), "changed");

    let trash = worktree.remove(DISCARD).unwrap().trash.unwrap();
    assert!(trash.starts_with("refs/sandpiper/trash/t/1/"), "{trash}");
    assert!(!path.exists());
    for (file, content) in [
        ("committed", "in a commit"),
        ("untracked", "untracked"),
        ("ignored", "ignored"),
        ("a.txt", "changed"),
        ("b/c.txt", "c\n"),
    ] {
        assert_eq!(repository.git(["show", &format!("{trash}:{file}")]), content, "{file}");
    }
    assert_eq!(repository.git(["show", &format!("{trash}^2:staged")]), "staged only");
    repository.git(["merge-base", "--is-ancestor", &amended, &trash]);
    repository.git(["merge-base", "--is-ancestor", stashed.trim(), &trash]);
    assert_eq!(repository.git(["for-each-ref", "refs/sandpiper/stash"]), "");
    assert_eq!(worktrees.trash().unwrap(), [trash]);
    // Also when git collects its garbage.
    repository.git(["-c", "gc.reflogExpire=now", "-c", "gc.pruneExpire=now", "gc", "--quiet", "--prune=now"]);
    repository.git(["cat-file", "-e", &amended]);
    repository.check();
}

#[cfg(unix)]
#[test]
fn a_directory_without_permissions_is_removed() {
    use std::os::unix::fs::PermissionsExt;

    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    let path = worktree.path().to_owned();
    write(&path.join("d/e/file"), "x");
    fs::set_permissions(path.join("d"), fs::Permissions::from_mode(0o500)).unwrap();
    worktree.remove(DISCARD).unwrap();
    assert!(!path.exists());
}

#[cfg(unix)]
#[test]
fn links_are_removed_not_followed() {
    let repository = Repository::small();
    let outside = repository.directory.path().join("outside");
    write(&outside.join("precious"), "x");
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    std::os::unix::fs::symlink(&outside, worktree.path().join("link")).unwrap();
    let trash = worktree.remove(DISCARD).unwrap().trash.unwrap();
    assert!(outside.join("precious").exists());
    assert!(repository.git(["ls-tree", &trash, "link"]).starts_with("120000"));
}

#[test]
fn a_worktree_in_use_is_left_alone() {
    let repository = Repository::small();
    let (one, other) = (repository.worktrees(), repository.worktrees());
    let worktree = create(&one, "t/1");
    let err = other.hold("t/1").unwrap_err();
    assert!(matches!(&err, WorktreeError::InUse { pid, .. } if *pid == std::process::id()), "{err}");
    drop(worktree);
    other.hold("t/1").unwrap().remove(Remove::default()).unwrap();
    assert!(matches!(one.hold("t/1").unwrap_err(), WorktreeError::Unknown { .. }));
}

#[test]
fn unknown_names_are_said() {
    let repository = Repository::small();
    for name in ["t/1", "main", "", "sandpiper/x", "../../etc", "a/b/c"] {
        let err = repository.worktrees().hold(name).unwrap_err();
        assert!(matches!(&err, WorktreeError::Unknown { name: said } if said == name), "{name:?}: {err}");
    }
}
