//! What was interrupted is ended, and what holds work is kept.

use std::fs;
use std::path::Path;

use sandpiper_worktree::{Collect, Commit, Condition, Worktrees};

use crate::harness::{Repository, create, write};

const NOW: Collect = Collect { idle_seconds: 0, trash_seconds: 60 };

fn names(worktrees: &Worktrees) -> Vec<String> {
    worktrees.list().unwrap().iter().map(|listed| listed.record.id.to_string()).collect()
}

/// Sets the state that a process that was killed has left.
fn interrupt(repository: &Repository, name: &str, state: &str) {
    let record =
        repository.path().join(".git/sandpiper/worktrees").join(name.replace('/', ".")).join("record.json");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace("\"ready\"", &format!("{state:?}"))).unwrap();
}

#[test]
fn an_interrupted_making_is_undone_and_said() {
    let repository = Repository::small();
    let before = repository.state();
    let worktrees = repository.worktrees();
    drop(create(&worktrees, "t/1"));
    interrupt(&repository, "t/1", "creating");
    assert_eq!(worktrees.list().unwrap()[0].condition, Condition::Interrupted);
    let said = worktrees.repair().unwrap();
    assert_eq!((said.len(), said[0].name.as_str(), said[0].kept), (1, "t/1", false));
    assert_eq!(repository.state(), before);
    assert!(names(&worktrees).is_empty());
    repository.check();
}

#[test]
fn an_interrupted_removal_is_ended() {
    let repository = Repository::small();
    let before = repository.state();
    let worktrees = repository.worktrees();
    drop(create(&worktrees, "t/1"));
    interrupt(&repository, "t/1", "removing");
    fs::remove_file(repository.root().join(directory(&repository.root())).join("t/1/.git")).unwrap();
    worktrees.repair().unwrap();
    assert_eq!(repository.state(), before);
}

fn directory(root: &Path) -> std::ffi::OsString {
    fs::read_dir(root).unwrap().next().unwrap().unwrap().file_name()
}

#[test]
fn what_holds_work_is_kept_and_the_rest_is_removed() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    drop(create(&worktrees, "t/clean"));
    let dirty = create(&worktrees, "t/dirty");
    write(&dirty.path().join("x"), "x");
    drop(dirty);
    let committed = create(&worktrees, "t/committed");
    write(&committed.path().join("x"), "x");
    committed.commit(&Commit::new("x")).unwrap();
    drop(committed);
    let used = create(&worktrees, "t/used");

    let said = worktrees.collect(Collect::default()).unwrap();
    assert_eq!(names(&worktrees).len(), 4, "{said:?}");
    let said = repository.worktrees().collect(NOW).unwrap();
    assert_eq!(names(&worktrees), ["t/committed", "t/dirty", "t/used"], "{said:?}");
    let kept: Vec<_> = said.iter().filter(|item| item.kept).map(|item| item.name.as_str()).collect();
    assert_eq!(kept, ["t/committed", "t/dirty", "t/used"]);
    drop(used);
    repository.check();
}

#[test]
fn a_directory_that_is_gone_does_not_take_commits_with_it() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let path = create(&worktrees, "t/empty").path().to_owned();
    fs::remove_dir_all(path).unwrap();
    let worktree = create(&worktrees, "t/full");
    write(&worktree.path().join("x"), "x");
    worktree.commit(&Commit::new("x")).unwrap();
    fs::remove_dir_all(worktree.path()).unwrap();
    drop(worktree);
    assert!(worktrees.list().unwrap().iter().all(|listed| listed.condition == Condition::Damaged));
    worktrees.collect(Collect::default()).unwrap();
    assert_eq!(names(&worktrees), ["t/full"]);
    assert_eq!(repository.git(["show", "sandpiper/t/full:x"]), "x");
}

#[test]
fn a_worktree_that_git_has_forgotten_is_known_again() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    let path = worktree.path().to_owned();
    write(&path.join("x"), "x");
    drop(worktree);
    fs::remove_dir_all(repository.path().join(".git/worktrees/sandpiper.t.1")).unwrap();
    let said = worktrees.repair().unwrap();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(repository.git_in(&path, ["status", "--porcelain"]), "?? x\n");
    repository.check();
}

#[test]
fn locks_that_a_process_has_left_are_removed() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    std::mem::forget(worktree.lock_for_run().unwrap());
    let git_directory = worktree.git_directory();
    fs::write(git_directory.join("index.lock"), "").unwrap();
    // Not while it is in use.
    assert!(repository.worktrees().repair().unwrap().is_empty());
    drop(worktree);
    let said = worktrees.repair().unwrap();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(!git_directory.join("index.lock").exists() && !git_directory.join("locked").exists());
}

#[test]
fn trash_is_forgotten_in_time_and_not_before() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    write(&worktree.path().join("x"), "x");
    let trash = worktree.remove(sandpiper_worktree::Remove { discard: true }).unwrap().trash.unwrap();
    worktrees.collect(Collect::default()).unwrap();
    assert_eq!(worktrees.trash().unwrap(), std::slice::from_ref(&trash));
    let old = "refs/sandpiper/trash/t/0/1000000000";
    repository.git(["update-ref", old, &trash]);
    let said = worktrees.collect(Collect::default()).unwrap();
    assert_eq!(said.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), [old]);
    assert_eq!(worktrees.trash().unwrap(), [trash]);
}
