//! Merging a worktree's branch changes the branch, its checkout, and nothing else.

use std::fs;

use sandpiper_worktree::{Commit, Hunk, Merge, MergeKind, WorktreeError};

use crate::harness::{Repository, create, write};

fn merge(kind: MergeKind) -> Merge {
    Merge { kind, ..Merge::default() }
}

#[test]
fn a_branch_that_has_not_moved_is_moved_forward() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a.txt"), "changed\n");
    fs::remove_file(worktree.path().join("b/c.txt")).unwrap();
    let tip = worktree.commit(&Commit::new("x")).unwrap();
    let merged = worktree.merge(&Merge::default()).unwrap();
    assert_eq!((merged.kind, merged.branch.as_str(), &merged.after), (MergeKind::FastForward, "main", &tip));
    assert_eq!(repository.git(["rev-parse", "main"]).trim(), tip);
    assert_eq!(repository.read("a.txt"), "changed\n");
    assert!(!repository.path().join("b/c.txt").exists());
    assert_eq!(repository.status(&repository.path()), "");
    repository.check();
}

#[test]
fn branches_that_parted_get_a_merge_commit() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a.txt"), "ONE\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n");
    worktree.commit(&Commit::new("x")).unwrap();
    repository.write("a.txt", "one\ntwo\nthree\nfour\nfive\nsix\nseven\nEIGHT\n");
    repository.commit_all("y");

    let err = worktree.merge(&merge(MergeKind::FastForward)).unwrap_err();
    assert!(matches!(&err, WorktreeError::Unsupported { .. }), "{err}");
    let merged = worktree.merge(&Merge::default()).unwrap();
    assert_eq!(merged.kind, MergeKind::ThreeWay);
    assert_eq!(repository.read("a.txt"), "ONE\ntwo\nthree\nfour\nfive\nsix\nseven\nEIGHT\n");
    assert_eq!(repository.git(["rev-list", "--parents", "-1", "main"]).split_whitespace().count(), 3);
    assert_eq!(repository.status(&repository.path()), "");
    // Nothing is left to be merged.
    let again = worktree.merge(&Merge::default()).unwrap();
    assert_eq!(again.before.as_ref(), Some(&again.after));
    repository.check();
}

#[test]
fn a_squash_is_one_commit_of_all() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    for name in ["x", "y"] {
        write(&worktree.path().join(name), name);
        worktree.commit(&Commit::new(name)).unwrap();
    }
    let merged =
        worktree.merge(&Merge { message: Some("both".to_owned()), ..merge(MergeKind::Squash) }).unwrap();
    assert_eq!(repository.git(["log", "--format=%s", "main"]), "both\nfirst\n");
    assert_eq!((repository.read("x"), repository.read("y")), ("x".to_owned(), "y".to_owned()));
    assert_eq!(repository.git(["rev-list", "--parents", "-1", &merged.after]).split_whitespace().count(), 2);
    repository.check();
}

#[test]
fn a_branch_that_is_not_checked_out_is_moved_alone() {
    let repository = Repository::small();
    repository.git(["branch", "other"]);
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a.txt"), "changed\n");
    let tip = worktree.commit(&Commit::new("x")).unwrap();
    worktree.merge(&Merge { into: Some("other".to_owned()), ..Merge::default() }).unwrap();
    assert_eq!(repository.git(["rev-parse", "other"]).trim(), tip);
    assert!(repository.read("a.txt").starts_with("one"));
    assert_eq!(repository.status(&repository.path()), "");
}

#[test]
fn a_conflict_is_told_with_its_lines_and_nothing_is_changed() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a.txt"), "one\ntwo\nTHREE\nfour\nfive\nsix\nseven\neight\n");
    fs::remove_file(worktree.path().join("b/c.txt")).unwrap();
    worktree.commit(&Commit::new("x")).unwrap();
    repository.write("a.txt", "one\ntwo\n3\nfour\nfive\nsix\nseven\neight\n");
    repository.write("b/c.txt", "changed\n");
    repository.commit_all("y");
    let before = repository.state();
    let err = worktree.merge(&Merge::default()).unwrap_err();
    let WorktreeError::Conflicts { mut conflicts } = err else { panic!("{err}") };
    conflicts.sort_by(|one, other| one.path.cmp(&other.path));
    assert_eq!(conflicts.len(), 2);
    assert_eq!(
        (conflicts[0].path.as_str(), &conflicts[0].hunks[..]),
        ("a.txt", &[Hunk { start: 3, lines: 5 }][..])
    );
    assert_eq!(conflicts[1].path, "b/c.txt");
    assert!(conflicts[1].reason.contains("deleted in the worktree"), "{}", conflicts[1].reason);
    assert_eq!(repository.state(), before);
}

#[test]
fn a_file_with_changes_of_its_own_is_never_overwritten() {
    type Change = fn(&Repository);
    let changes: [(&str, Change); 4] = [
        ("a.txt", |repository| repository.write("a.txt", "mine\n")),
        ("a.txt", |repository| {
            repository.write("a.txt", "mine\n");
            repository.git(["add", "a.txt"]);
        }),
        ("new/d.txt", |repository| repository.write("new/d.txt", "mine\n")),
        ("new", |repository| repository.write("new", "mine\n")),
    ];
    for (path, change) in changes {
        let repository = Repository::small();
        let worktrees = repository.worktrees();
        let worktree = create(&worktrees, "t/1");
        write(&worktree.path().join("a.txt"), "changed\n");
        write(&worktree.path().join("new/d.txt"), "d\n");
        worktree.commit(&Commit::new("x")).unwrap();
        change(&repository);
        let before = repository.state();
        let err = worktree.merge(&Merge::default()).unwrap_err();
        assert!(
            matches!(&err, WorktreeError::Dirty { paths } if paths == &[path.to_owned()]),
            "{path}: {err}"
        );
        assert_eq!(repository.state(), before, "{path}");
    }
}

#[test]
fn an_ignored_file_in_the_way_is_not_overwritten_either() {
    let repository = Repository::small();
    repository.write(".gitignore", "secret\n");
    repository.commit_all("ignore");
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("secret"), "theirs\n");
    repository.git_in(worktree.path(), ["add", "--force", "secret"]);
    worktree.commit(&Commit::new("x")).unwrap();
    repository.write("secret", "mine\n");
    let before = repository.state();
    let err = worktree.merge(&Merge::default()).unwrap_err();
    assert!(matches!(&err, WorktreeError::Dirty { .. }), "{err}");
    assert_eq!(repository.state(), before);
}

#[test]
fn other_changes_of_the_checkout_stay() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a.txt"), "changed\n");
    worktree.commit(&Commit::new("x")).unwrap();
    repository.write("b/c.txt", "mine\n");
    repository.write("untracked", "mine\n");
    worktree.merge(&Merge::default()).unwrap();
    assert_eq!(repository.git(["status", "--porcelain"]), " M b/c.txt\n?? untracked\n");
    assert_eq!(repository.read("a.txt"), "changed\n");
}

#[test]
fn changes_that_are_not_committed_are_not_left_behind() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a.txt"), "changed\n");
    let err = worktree.merge(&Merge::default()).unwrap_err();
    assert!(matches!(&err, WorktreeError::HoldsWork { .. }), "{err}");
}

#[test]
fn a_branch_that_is_checked_out_elsewhere_is_left_alone() {
    let repository = Repository::small();
    let elsewhere = repository.directory.path().join("elsewhere");
    repository.git([
        "worktree".as_ref(),
        "add".as_ref(),
        "--quiet".as_ref(),
        "-b".as_ref(),
        "other".as_ref(),
        elsewhere.as_os_str(),
    ]);
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a.txt"), "changed\n");
    worktree.commit(&Commit::new("x")).unwrap();
    let before = repository.state();
    let err = worktree.merge(&Merge { into: Some("other".to_owned()), ..Merge::default() }).unwrap_err();
    assert!(
        matches!(&err, WorktreeError::Unsupported { reason, .. } if reason.contains("elsewhere")),
        "{err}"
    );
    assert_eq!(repository.state(), before);
}

#[test]
fn files_with_a_filter_are_gits_to_merge() {
    let repository = Repository::small();
    repository.write(".gitattributes", "*.bin filter=lfs\n");
    repository.commit_all("attributes");
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    assert!(worktree.record().notes[0].contains("LFS"), "{:?}", worktree.record().notes);
    write(&worktree.path().join("x.bin"), "pointer\n");
    worktree.commit(&Commit::new("x")).unwrap();
    let before = repository.state();
    let err = worktree.merge(&Merge::default()).unwrap_err();
    assert!(matches!(&err, WorktreeError::Unsupported { what, .. } if what.contains("x.bin")), "{err}");
    assert_eq!(repository.state(), before);
}
