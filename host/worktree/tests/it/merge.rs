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

#[cfg(unix)]
#[test]
fn files_and_links_that_an_interrupted_merge_has_placed_are_no_obstacle() {
    use std::os::unix::fs::symlink;

    let repository = Repository::small();
    symlink("a.txt", repository.path().join("link")).unwrap();
    repository.commit_all("link");
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    let place = |root: &std::path::Path| {
        fs::remove_file(root.join("link")).unwrap();
        symlink("b/c.txt", root.join("link")).unwrap();
        symlink("run.sh", root.join("new-link")).unwrap();
        write(&root.join("a.txt"), "changed\n");
        fs::remove_file(root.join("b/c.txt")).unwrap();
    };
    place(worktree.path());
    worktree.commit(&Commit::new("x")).unwrap();

    let own = repository.path().join("link");
    fs::remove_file(&own).unwrap();
    symlink("mine", &own).unwrap();
    let err = worktree.merge(&Merge::default()).unwrap_err();
    assert!(matches!(&err, WorktreeError::Dirty { paths } if paths == &["link"]), "{err}");

    fs::remove_file(&own).unwrap();
    symlink("a.txt", &own).unwrap();
    place(&repository.path());
    worktree.merge(&Merge::default()).unwrap();
    assert_eq!(repository.status(&repository.path()), "");
    repository.check();
}

#[test]
fn what_is_staged_and_nowhere_else_is_an_obstacle() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a.txt"), "theirs\n");
    worktree.commit(&Commit::new("x")).unwrap();
    repository.write("a.txt", "staged\n");
    repository.git(["add", "a.txt"]);
    repository.write("a.txt", "theirs\n");
    let before = repository.state();
    let err = worktree.merge(&Merge::default()).unwrap_err();
    assert!(matches!(&err, WorktreeError::Dirty { paths } if paths == &["a.txt"]), "{err}");
    assert_eq!(repository.state(), before);
}

#[test]
fn a_merge_into_a_sparse_checkout_takes_what_it_leaves_out() {
    let repository = Repository::small();
    repository.write("d/file", "d\n");
    repository.commit_all("d");
    repository.git(["sparse-checkout", "set", "d"]);
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("b/c.txt"), "changed\n");
    worktree.commit(&Commit::new("x")).unwrap();
    worktree.merge(&Merge::default()).unwrap();
    assert_eq!(repository.git(["show", "HEAD:b/c.txt"]), "changed\n");
    assert_eq!(repository.status(&repository.path()), "");
}

/// The last entry of a log.
fn last_entry(repository: &Repository, directory: &std::path::Path, name: &str) -> String {
    repository.git_in(directory, ["reflog", "show", "-1", "--format=%H %gn <%ge> %gs", name])
}

#[test]
fn the_log_of_head_tells_the_merge_as_git_does() {
    for is_ours in [true, false] {
        let repository = Repository::small();
        let worktrees = repository.worktrees();
        let worktree = create(&worktrees, "t/1");
        write(&worktree.path().join("a.txt"), "changed\n");
        worktree.commit(&Commit::new("x")).unwrap();
        if is_ours {
            worktree.merge(&Merge::default()).unwrap();
        } else {
            repository.git(["merge", "--quiet", "sandpiper/t/1"]);
        }
        let path = repository.path();
        let head = last_entry(&repository, &path, "HEAD");
        assert_eq!(head, last_entry(&repository, &path, "main"));
        assert!(head.starts_with(repository.git(["rev-parse", "HEAD"]).trim()), "{head}");
        assert!(head.ends_with("Ada <ada@example.org> merge sandpiper/t/1: Fast-forward\n"), "{head}");
        assert_eq!(repository.git(["reflog", "show", "HEAD"]).lines().count(), 2);
    }
}

#[test]
fn the_log_of_a_linked_worktrees_head_tells_the_merge_too() {
    let repository = Repository::small();
    let linked = repository.directory.path().join("linked");
    repository.git(["worktree", "add", "--quiet", "-b", "topic", linked.to_str().unwrap()]);
    let worktrees = sandpiper_worktree::Worktrees::open(&linked, &repository.root()).unwrap();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("a.txt"), "changed\n");
    worktree.commit(&Commit::new("x")).unwrap();
    let before = last_entry(&repository, &repository.path(), "HEAD");
    worktree.merge(&Merge::default()).unwrap();
    let head = last_entry(&repository, &linked, "HEAD");
    assert!(head.ends_with("merge sandpiper/t/1: Fast-forward\n"), "{head}");
    assert_eq!(head, last_entry(&repository, &linked, "topic"));
    assert_eq!(last_entry(&repository, &repository.path(), "HEAD"), before);
}
