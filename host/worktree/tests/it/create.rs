//! A new worktree is what `git worktree add` makes.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use sandpiper_worktree::{Create, State, WorktreeError};

use crate::harness::{Repository, create, files, id, write};

#[test]
fn a_new_worktree_is_what_git_would_have_made() {
    let repository = Repository::small();
    repository.write("empty", "");
    repository.write("sp ace/quo\"te/ü.txt", "x");
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;

        std::os::unix::fs::symlink("b/c.txt", repository.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/nowhere", repository.path().join("broken")).unwrap();
        repository.write(std::ffi::OsStr::from_bytes(b"not-utf8-\xff"), "y");
    }
    repository.commit_all("odd names");
    let theirs = repository.directory.path().join("theirs");
    repository.git(["worktree".as_ref(), "add".as_ref(), "--quiet".as_ref(), theirs.as_os_str()]);
    let worktrees = repository.worktrees();
    let mut last = None;
    let ours =
        worktrees.create(&id("t/1"), &Create::default(), &mut |progress| last = Some(progress)).unwrap();

    assert_eq!(files(ours.path()), files(&theirs));
    for file in files(&theirs) {
        let (our, their) = (ours.path().join(&file), theirs.join(&file));
        assert_eq!(fs::read_link(&our).ok(), fs::read_link(&their).ok(), "{}", file.display());
        assert_eq!(fs::read(&our).ok(), fs::read(&their).ok(), "{}", file.display());
        let modes = [&our, &their].map(|path| fs::symlink_metadata(path).unwrap().permissions());
        assert_eq!(modes[0], modes[1], "{}", file.display());
    }
    for command in [&["ls-files", "--stage"][..], &["rev-parse", "HEAD"], &["status", "--porcelain=v2"]] {
        assert_eq!(
            repository.git_in(ours.path(), command),
            repository.git_in(&theirs, command),
            "{command:?}"
        );
    }
    assert_eq!(repository.git_in(ours.path(), ["branch", "--show-current"]), "sandpiper/t/1\n");
    let last = last.unwrap();
    assert_eq!((last.done, last.total), (files(&theirs).len(), files(&theirs).len()));
    repository.check();
}

#[test]
fn the_index_knows_all_files_without_reading_them() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    // `diff-files` compares stat data only, as long as nothing is refreshed.
    assert_eq!(repository.git_in(worktree.path(), ["diff-files"]), "");
    let cached = repository.git_in(worktree.path(), ["ls-files", "--debug"]);
    assert!(!cached.contains("size: 0\tflags"), "{cached}");
    let second = |path: &Path| {
        let modified = fs::metadata(path).unwrap().modified().unwrap();
        modified.duration_since(UNIX_EPOCH).unwrap().as_secs()
    };
    let index = repository.git_in(worktree.path(), ["rev-parse", "--git-path", "index"]);
    for file in files(worktree.path()) {
        // Git would take it for changed after the index was written, and read it.
        assert!(second(&worktree.path().join(&file)) < second(Path::new(index.trim())), "{}", file.display());
    }
}

#[test]
fn git_lists_the_worktree_and_it_is_unlocked_when_made() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    let listed = || repository.git(["worktree", "list", "--porcelain"]);
    assert!(listed().contains(&format!("worktree {}\n", worktree.path().display())), "{}", listed());
    assert!(!listed().contains("locked"), "{}", listed());
    let lock = worktree.lock_for_run().unwrap();
    assert!(listed().contains(&format!("locked sandpiper: process {}", std::process::id())), "{}", listed());
    drop(lock);
    assert!(!listed().contains("locked"), "{}", listed());
}

#[test]
fn a_taken_id_is_named_whatever_its_case() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let first = create(&worktrees, "Task/one");
    for name in ["Task/one", "task/ONE"] {
        let err = worktrees.create(&id(name), &Create::default(), &mut |_| {}).unwrap_err();
        assert!(matches!(&err, WorktreeError::Taken { taken } if *taken == id("Task/one")), "{err}");
    }
    assert!(first.path().join("a.txt").exists());
}

#[test]
fn a_branch_in_the_way_is_named_and_nothing_is_left() {
    for branch in ["sandpiper", "sandpiper/t", "sandpiper/t/1"] {
        let repository = Repository::small();
        repository.git(["branch", branch]);
        let before = repository.state();
        let worktrees = repository.worktrees();
        let err = worktrees.create(&id("t/1"), &Create::default(), &mut |_| {}).unwrap_err();
        assert!(matches!(&err, WorktreeError::BranchTaken { branch: taken, .. } if taken == branch), "{err}");
        assert_eq!(repository.state(), before);
        assert!(worktrees.list().unwrap().is_empty());
        assert!(!repository.root().exists());
    }
}

#[test]
fn a_directory_in_the_way_is_left_alone() {
    let repository = Repository::small();
    let worktrees = repository.worktrees();
    let path = create(&worktrees, "t/1").path().with_file_name("2");
    write(&path.join("mine.txt"), "precious");
    let err = worktrees.create(&id("t/2"), &Create::default(), &mut |_| {}).unwrap_err();
    assert!(matches!(&err, WorktreeError::Io { path: named, .. } if *named == path), "{err}");
    assert_eq!(fs::read_to_string(path.join("mine.txt")).unwrap(), "precious");
    assert_eq!(worktrees.list().unwrap().len(), 1);
    assert!(!repository.git(["branch", "--list"]).contains("sandpiper/t/2"));
}

#[test]
fn an_unknown_base_is_named() {
    let repository = Repository::small();
    let options = Create { base: Some("no-such".to_owned()), ..Create::default() };
    let err = repository.worktrees().create(&id("t/1"), &options, &mut |_| {}).unwrap_err();
    assert!(matches!(&err, WorktreeError::NoCommit { name } if name == "no-such"), "{err}");
}

#[test]
fn another_base_is_taken_by_any_name() {
    let repository = Repository::small();
    repository.git(["tag", "v1"]);
    repository.write("a.txt", "later\n");
    repository.commit_all("second");
    let worktrees = repository.worktrees();
    let options = Create { base: Some("v1".to_owned()), ..Create::default() };
    let worktree = worktrees.create(&id("t/1"), &options, &mut |_| {}).unwrap();
    assert!(fs::read_to_string(worktree.path().join("a.txt")).unwrap().starts_with("one\n"));
    assert_eq!(worktree.record().base_name, "v1");
}

#[test]
fn changes_of_the_checkout_come_along_when_asked_for() {
    let repository = Repository::small();
    repository.write(".gitignore", "ignored\n");
    repository.commit_all("ignore");
    repository.write("a.txt", "changed\n");
    fs::remove_file(repository.path().join("b/c.txt")).unwrap();
    repository.write("new/file.txt", "new\n");
    repository.write("ignored", "no\n");
    repository.write("staged.txt", "staged\n");
    repository.git(["add", "staged.txt"]);
    let before = repository.state();
    let worktrees = repository.worktrees();
    let options = Create { include_uncommitted: true, include_untracked: true, ..Create::default() };
    let worktree = worktrees.create(&id("t/1"), &options, &mut |_| {}).unwrap();
    let read = |name: &str| fs::read_to_string(worktree.path().join(name)).ok();
    assert_eq!(read("a.txt").as_deref(), Some("changed\n"));
    assert_eq!(read("b/c.txt"), None);
    assert_eq!(read("new/file.txt").as_deref(), Some("new\n"));
    assert_eq!(read("staged.txt").as_deref(), Some("staged\n"));
    assert_eq!(read("ignored"), None);
    assert!(worktree.record().start.is_some());
    // They are the user's, not the run's.
    assert!(worktree.held_work().unwrap().is_empty());
    let again = repository.state();
    assert_eq!(without_ours(&again), without_ours(&before));
    drop(worktree);
    let options = Create { include_uncommitted: true, ..Create::default() };
    let worktree = worktrees.create(&id("t/2"), &options, &mut |_| {}).unwrap();
    assert!(worktree.path().join("staged.txt").exists());
    assert!(!worktree.path().join("new/file.txt").exists());
    repository.check();
}

fn without_ours(state: &str) -> String {
    state.lines().filter(|line| !line.contains("sandpiper/")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_repository_without_commits_gives_an_empty_worktree() {
    let repository = Repository::empty();
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    assert!(files(worktree.path()).is_empty());
    assert_eq!(repository.git_in(worktree.path(), ["branch", "--show-current"]), "sandpiper/t/1\n");
    assert_eq!(repository.status(worktree.path()), "");
}

#[test]
fn bare_repositories_and_worktrees_have_worktrees() {
    let repository = Repository::small();
    let bare = repository.directory.path().join("bare.git");
    repository.git(["clone".as_ref(), "--quiet".as_ref(), "--bare".as_ref(), ".".as_ref(), bare.as_os_str()]);
    let worktrees = sandpiper_worktree::Worktrees::open(&bare, &repository.root()).unwrap();
    let of_bare = create(&worktrees, "t/1");
    assert_eq!(repository.status(of_bare.path()), "");

    let worktrees = sandpiper_worktree::Worktrees::open(of_bare.path(), &repository.root()).unwrap();
    let of_worktree = create(&worktrees, "t/2");
    assert_eq!(repository.status(of_worktree.path()), "");
    assert_eq!(of_worktree.record().state, State::Ready);
}

#[test]
fn a_detached_head_is_a_base() {
    let repository = Repository::small();
    repository.git(["checkout", "--quiet", "--detach"]);
    let worktrees = repository.worktrees();
    assert_eq!(repository.status(create(&worktrees, "t/1").path()), "");
}

#[test]
fn no_repository_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let err = sandpiper_worktree::Worktrees::open(directory.path(), &directory.path().join("w")).unwrap_err();
    assert!(matches!(&err, WorktreeError::NoRepository { path } if path == directory.path()), "{err}");
}

#[test]
fn a_root_within_the_repository_is_refused() {
    let repository = Repository::small();
    for root in ["worktrees", ".git/worktrees", "b/../b/x"] {
        let err = sandpiper_worktree::Worktrees::open(&repository.path(), &repository.path().join(root))
            .unwrap_err();
        assert!(
            matches!(&err, WorktreeError::Unsupported { what, .. } if what.contains("root")),
            "{root}: {err}"
        );
    }
}

#[test]
fn line_ends_are_what_attributes_say() {
    let repository = Repository::small();
    repository.write(".gitattributes", "*.bat text eol=crlf\n*.txt text\n*.id ident\n");
    repository.write("x.bat", "a\r\nb\r\n");
    repository.write("y.id", "$Id$\n");
    repository.commit_all("attributes");
    let theirs = repository.directory.path().join("theirs");
    repository.git(["worktree".as_ref(), "add".as_ref(), "--quiet".as_ref(), theirs.as_os_str()]);
    let worktrees = repository.worktrees();
    let ours = create(&worktrees, "t/1");
    for name in ["x.bat", "y.id", "a.txt"] {
        assert_eq!(fs::read(ours.path().join(name)).unwrap(), fs::read(theirs.join(name)).unwrap(), "{name}");
    }
    assert_eq!(repository.status(ours.path()), "");
}

#[test]
fn another_encoding_is_refused_and_nothing_is_left() {
    let repository = Repository::small();
    repository.write(".gitattributes", "*.ps1 working-tree-encoding=UTF-16LE\n");
    repository.commit_all("encoding");
    let before = repository.state();
    let worktrees = repository.worktrees();
    let err = worktrees.create(&id("t/1"), &Create::default(), &mut |_| {}).unwrap_err();
    assert!(
        matches!(&err, WorktreeError::Unsupported { what, .. } if what.contains("working-tree-encoding")),
        "{err}"
    );
    assert_eq!(repository.state(), before);
    assert!(files(&repository.root()).is_empty());
}

#[test]
fn submodules_are_empty_and_noted() {
    let inner = Repository::small();
    let repository = Repository::small();
    let inner_path = inner.path();
    repository.git([
        "-c".as_ref(),
        "protocol.file.allow=always".as_ref(),
        "submodule".as_ref(),
        "--quiet".as_ref(),
        "add".as_ref(),
        inner_path.as_os_str(),
        "inner".as_ref(),
    ]);
    repository.commit_all("submodule");
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    assert!(fs::read_dir(worktree.path().join("inner")).unwrap().next().is_none());
    assert!(worktree.record().notes[0].contains("submodules"), "{:?}", worktree.record().notes);
    assert_eq!(repository.status(worktree.path()), "");
}
