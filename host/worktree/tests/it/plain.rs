//! Where there is no repository, a worktree is a copy, and nothing in it is lost either.

use std::fs;
use std::path::PathBuf;

use sandpiper_worktree::git::Untracked;
use sandpiper_worktree::{
    Collect, Commit, Condition, Create, Merge, Plain, Remove, Worktree, WorktreeError, Worktrees,
};
use tempfile::TempDir;

use crate::harness::{files, id, make_executable, write};

/// A directory of a user, in no repository.
struct Directory {
    outer: TempDir,
}

impl Directory {
    fn new() -> Self {
        let directory = Self { outer: tempfile::tempdir().unwrap() };
        fs::create_dir(directory.path()).unwrap();
        for (name, content) in [
            ("a.txt", "one\ntwo\n"),
            ("b/c.txt", "c\r\n"),
            ("run.sh", "#!/bin/sh\n"),
            (".gitignore", "*.log\n"),
            (".gitattributes", "* text=auto eol=crlf\n*.x working-tree-encoding=UTF-16\n*.txt filter=lfs\n"),
            ("build.log", "told to be ignored\n"),
        ] {
            write(&directory.path().join(name), content);
        }
        make_executable(&directory.path().join("run.sh"));
        fs::create_dir_all(directory.path().join("empty/inner")).unwrap();
        directory
    }

    /// Without links in it.
    fn path(&self) -> PathBuf {
        self.outer.path().canonicalize().unwrap().join("files")
    }

    fn root(&self) -> PathBuf {
        self.outer.path().join("worktrees")
    }

    fn worktrees(&self, plain: Plain) -> Worktrees {
        Worktrees::open_to_create(&self.path(), &self.root(), &options(plain)).unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }
}

fn options(plain: Plain) -> Create {
    Create { plain: Some(plain), ..Create::default() }
}

fn create(worktrees: &Worktrees, plain: Plain) -> Worktree<'_> {
    worktrees.create(&id("t/1"), &options(plain), &mut |_| {}).unwrap()
}

fn is_refused_for_lack_of_a_repository(err: &WorktreeError) -> bool {
    matches!(err, WorktreeError::Unsupported { reason, .. } if reason.contains("in no git repository"))
}

#[test]
fn a_copy_has_every_file_as_it_is() {
    let directory = Directory::new();
    let worktrees = directory.worktrees(Plain::Copy);
    let worktree = create(&worktrees, Plain::Copy);
    assert_eq!(files(worktree.path()), files(&directory.path()));
    for file in files(&directory.path()) {
        let [ours, theirs] = [worktree.path(), &directory.path()].map(|root| root.join(&file));
        assert_eq!(fs::read(&ours).unwrap(), fs::read(&theirs).unwrap(), "{}", file.display());
        let modes = [ours, theirs].map(|path| fs::metadata(path).unwrap().permissions());
        assert_eq!(modes[0], modes[1], "{}", file.display());
    }
    assert!(worktree.path().join("empty/inner").is_dir());
    assert!(!worktree.path().join(".git").exists());
    let record = worktree.record();
    let origin = record.plain.as_ref().unwrap();
    assert_eq!((&origin.directory, origin.kind), (&directory.path(), Plain::Copy));
    assert!(record.notes[0].contains("in no git repository"), "{:?}", record.notes);
    assert!(worktree.changes().unwrap().is_empty());
    assert!(worktree.held_work().unwrap().is_empty());
}

#[test]
fn nothing_is_what_an_empty_one_begins_with() {
    let directory = Directory::new();
    let worktrees = directory.worktrees(Plain::Empty);
    let worktree = create(&worktrees, Plain::Empty);
    assert!(files(worktree.path()).is_empty());
    write(&worktree.path().join("new/file"), "new\n");
    assert_eq!(worktree.changes().unwrap().files().unwrap()[0].path, "new/file");
    worktree.apply().unwrap();
    assert_eq!(directory.read("new/file"), "new\n");
}

#[test]
fn changes_are_told_applied_and_kept_when_discarded() {
    let directory = Directory::new();
    let worktrees = directory.worktrees(Plain::Copy);
    let worktree = create(&worktrees, Plain::Copy);
    write(&worktree.path().join("a.txt"), "one\nTWO\n");
    write(&worktree.path().join("new.txt"), "new\r\n");
    fs::remove_file(worktree.path().join("run.sh")).unwrap();
    let told = worktree.changes().unwrap();
    let names: Vec<_> = told.files().unwrap().into_iter().map(|file| file.path).collect();
    assert_eq!(names, ["a.txt", "new.txt", "run.sh"]);
    assert!(told.stat().unwrap().ends_with("delete mode 100755 run.sh\n"), "{}", told.stat().unwrap());
    assert_eq!(worktree.status(Untracked::All).unwrap().entries.len(), 3);
    assert!(!worktree.held_work().unwrap().is_empty());

    write(&directory.path().join("a.txt"), "ONE\ntwo\n");
    let err = worktree.apply().unwrap_err();
    assert!(matches!(&err, WorktreeError::Conflicts { conflicts } if conflicts[0].path == "a.txt"), "{err}");
    assert!(directory.path().join("run.sh").exists());
    write(&directory.path().join("a.txt"), "one\ntwo\n");
    worktree.apply().unwrap();
    assert_eq!(directory.read("a.txt"), "one\nTWO\n");
    assert_eq!(directory.read("new.txt"), "new\r\n");
    assert!(!directory.path().join("run.sh").exists());

    let trash = worktree.remove(Remove { discard: true }).unwrap().trash.unwrap();
    assert_eq!(worktrees.trash().unwrap(), [trash]);
}

#[test]
fn what_only_a_repository_has_is_refused_with_the_reason() {
    let directory = Directory::new();
    let worktrees = directory.worktrees(Plain::Copy);
    for create in [
        Create { base: Some("HEAD".to_owned()), ..options(Plain::Copy) },
        Create { include_uncommitted: true, ..options(Plain::Copy) },
        Create { include_untracked: true, ..options(Plain::Copy) },
    ] {
        let err = worktrees.create(&id("t/1"), &create, &mut |_| {}).unwrap_err();
        assert!(is_refused_for_lack_of_a_repository(&err), "{err}");
    }
    let worktree = create(&worktrees, Plain::Copy);
    write(&worktree.path().join("new"), "new");
    let bundle = directory.outer.path().join("bundle");
    for err in [
        worktree.commit(&Commit::new("x")).unwrap_err(),
        worktree.merge(&Merge::default()).unwrap_err(),
        worktree.bundle(&bundle).unwrap_err(),
    ] {
        assert!(is_refused_for_lack_of_a_repository(&err), "{err}");
    }
    assert!(!bundle.exists());
}

#[test]
fn nothing_is_made_where_it_is_not_said_what_to_begin_with() {
    let directory = Directory::new();
    let err =
        Worktrees::open_to_create(&directory.path(), &directory.root(), &Create::default()).unwrap_err();
    assert!(matches!(&err, WorktreeError::NoRepository { .. }), "{err}");
    assert!(!directory.root().exists());
    let worktrees = directory.worktrees(Plain::Copy);
    let err = worktrees.create(&id("t/1"), &Create::default(), &mut |_| {}).unwrap_err();
    assert!(matches!(&err, WorktreeError::NoRepository { path } if *path == directory.path()), "{err}");
    assert!(worktrees.list().unwrap().is_empty());
}

#[test]
fn it_is_found_again_from_the_directory_and_those_in_it() {
    let directory = Directory::new();
    drop(create(&directory.worktrees(Plain::Copy), Plain::Copy));
    for start in [directory.path(), directory.path().join("b")] {
        let worktrees = Worktrees::open(&start, &directory.root()).unwrap();
        let listed = worktrees.list().unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((listed[0].condition, listed[0].commits), (Condition::Idle, 0));
        worktrees.hold("t/1").unwrap().changes().unwrap();
    }
}

#[test]
fn the_private_repository_goes_with_the_last_that_it_keeps() {
    let directory = Directory::new();
    let worktrees = directory.worktrees(Plain::Copy);
    let worktree = create(&worktrees, Plain::Copy);
    write(&worktree.path().join("new"), "new");
    worktree.remove(Remove { discard: true }).unwrap();
    worktrees.collect(Collect::default()).unwrap();
    assert_eq!(worktrees.trash().unwrap().len(), 1);
    let expired = Collect { idle_seconds: 0, trash_seconds: 0 };
    // The trash is of this very second.
    while !worktrees.trash().unwrap().is_empty() {
        worktrees.collect(expired).unwrap();
    }
    assert!(files(&directory.root()).is_empty());
    let err = Worktrees::open(&directory.path(), &directory.root()).unwrap_err();
    assert!(matches!(&err, WorktreeError::NoRepository { .. }), "{err}");
    let worktrees = directory.worktrees(Plain::Copy);
    assert_eq!(files(create(&worktrees, Plain::Copy).path()).len(), 6);
}

#[test]
fn an_unchanged_copy_leaves_no_trace() {
    let directory = Directory::new();
    let worktrees = directory.worktrees(Plain::Copy);
    let removed = create(&worktrees, Plain::Copy).remove(Remove::default()).unwrap();
    assert_eq!(removed.trash, None);
    worktrees.collect(Collect::default()).unwrap();
    assert!(files(&directory.root()).is_empty());
}

#[test]
fn a_directory_with_the_root_or_a_repository_in_it_is_not_copied() {
    let directory = Directory::new();
    let root = directory.path().join("cache");
    let worktrees = Worktrees::open_to_create(&directory.path(), &root, &options(Plain::Copy)).unwrap();
    let err = worktrees.create(&id("t/1"), &options(Plain::Copy), &mut |_| {}).unwrap_err();
    assert!(
        matches!(&err, WorktreeError::Unsupported { reason, .. } if reason.contains("kept in it")),
        "{err}"
    );
    worktrees.create(&id("t/2"), &options(Plain::Empty), &mut |_| {}).unwrap();

    write(&directory.path().join("inner/.git/HEAD"), "ref: refs/heads/main\n");
    let worktrees = directory.worktrees(Plain::Copy);
    let err = worktrees.create(&id("t/1"), &options(Plain::Copy), &mut |_| {}).unwrap_err();
    assert!(
        matches!(&err, WorktreeError::Unsupported { reason, .. } if reason.contains("inner/.git")),
        "{err}"
    );
    assert!(worktrees.list().unwrap().is_empty());
}

#[test]
fn a_repository_is_used_where_there_is_one() {
    let repository = crate::harness::Repository::small();
    let options = options(Plain::Copy);
    let worktrees = Worktrees::open_to_create(&repository.path(), &repository.root(), &options).unwrap();
    assert_eq!(worktrees.plain_directory(), None);
    let worktree = worktrees.create(&id("t/1"), &options, &mut |_| {}).unwrap();
    assert_eq!(worktree.record().plain, None);
    assert_eq!(repository.status(worktree.path()), "");
}
