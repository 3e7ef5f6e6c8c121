//! A clone is what `git clone` makes, or nothing.

use std::fs;
use std::path::PathBuf;

use sandpiper_worktree::remote::{Clone, Cloned, RemoteError, clone};
use sandpiper_worktree::{Progress, Worktrees};

use super::harness::{Pair, check};
use super::server::{Reply, Server};
use crate::harness::{Repository, create, files, write};

fn to(pair: &Pair, name: &str) -> PathBuf {
    pair.user.directory.path().join("clones").join(name)
}

fn cloned(pair: &Pair, address: &str, name: &str) -> Result<Cloned, RemoteError> {
    let options = Clone { address: address.to_owned(), directory: to(pair, name), branch: None };
    clone(&options, &pair.access(), &mut |_| {})
}

/// Everything in a directory, to see that nothing is left.
fn names(directory: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_clone_is_what_git_makes() {
    let pair = Pair::new();
    pair.commit_there("main", "sp ace/ü.txt", "x");
    pair.commit_there("topic", "topic.txt", "x");
    pair.user.git_in(
        &pair.bare,
        ["-c", "user.name=T", "-c", "user.email=t@e", "tag", "-a", "v1", "-m", "one", "topic"],
    );
    let server = Server::git(pair.bare.parent().unwrap());
    let file = format!("file://{}", pair.bare.display());
    for (name, address) in [("path", pair.bare.to_str().unwrap()), ("file", &file), ("http", &server.url())] {
        let theirs = pair.user.directory.path().join(format!("theirs-{name}"));
        pair.user.git(["clone".as_ref(), "--quiet".as_ref(), address.as_ref(), theirs.as_os_str()]);
        let mine = cloned(&pair, address, name).unwrap();
        assert_eq!(mine.branch.as_deref(), Some("main"));
        assert!(mine.notes.is_empty(), "{mine:?}");
        assert_eq!(files(&mine.directory), files(&theirs));
        for command in [
            &["for-each-ref"][..],
            &["ls-files", "--stage"],
            &["status", "--porcelain=v2", "--branch"],
            &["config", "remote.origin.url"],
            &["config", "remote.origin.fetch"],
            &["config", "branch.main.merge"],
            &["symbolic-ref", "refs/remotes/origin/HEAD"],
        ] {
            let [ours, git] = [&mine.directory, &theirs].map(|path| pair.user.git_in(path, command));
            assert_eq!(ours, git, "{name}: {command:?}");
        }
        check(&pair.user, &mine.directory);
        pair.user.git_in(&mine.directory, ["fetch", "--quiet"]);
        let worktrees = Worktrees::open(&mine.directory, &pair.user.root()).unwrap();
        create(&worktrees, "t/1");
    }
    assert_eq!(names(&pair.user.directory.path().join("clones")).len(), 3);
}

#[test]
fn another_branch_is_checked_out_when_asked_for() {
    let pair = Pair::new();
    let topic = pair.commit_there("topic", "topic.txt", "x");
    let options = Clone {
        address: pair.bare.to_str().unwrap().to_owned(),
        directory: to(&pair, "x"),
        branch: Some("topic".to_owned()),
    };
    let mut last = None;
    let made = clone(&options, &pair.access(), &mut |progress| last = Some(progress)).unwrap();
    assert_eq!((made.branch.as_deref(), made.commit), (Some("topic"), Some(topic)));
    assert!(made.directory.join("topic.txt").exists());
    let Some(sandpiper_worktree::remote::RemoteProgress::Written(Progress { done, total })) = last else {
        panic!()
    };
    assert_eq!(done, total);
    let options = Clone { branch: Some("nothing".to_owned()), directory: to(&pair, "y"), ..options };
    let err = clone(&options, &pair.access(), &mut |_| {}).unwrap_err();
    assert!(matches!(err, RemoteError::NoBranch { .. }), "{err:?}");
    assert_eq!(names(&pair.user.directory.path().join("clones")), ["x"]);
}

#[test]
fn a_directory_with_something_in_it_is_left_alone() {
    let pair = Pair::new();
    let address = pair.bare.to_str().unwrap();
    write(&to(&pair, "full").join("mine.txt"), "mine");
    write(&to(&pair, "file"), "mine");
    for name in ["full", "file"] {
        let err = cloned(&pair, address, name).unwrap_err();
        assert!(matches!(&err, RemoteError::NotEmpty { path } if *path == to(&pair, name)), "{err:?}");
    }
    assert_eq!(names(&to(&pair, "full")), ["mine.txt"]);
    fs::create_dir(to(&pair, "empty")).unwrap();
    cloned(&pair, address, "empty").unwrap();
    assert!(to(&pair, "empty").join("a.txt").exists());
}

#[test]
fn a_failure_leaves_nothing() {
    let pair = Pair::new();
    fs::create_dir_all(to(&pair, "empty")).unwrap();
    let server = Server::start(pair.bare.parent().unwrap(), |request| {
        if request.is_discovery() { Reply::Git } else { Reply::Cut(400) }
    });
    for name in ["empty", "new"] {
        cloned(&pair, &server.url(), name).unwrap_err();
        cloned(&pair, "/nonexistent/repo", name).unwrap_err();
    }
    assert_eq!(names(&pair.user.directory.path().join("clones")), ["empty"]);
    assert!(names(&to(&pair, "empty")).is_empty());
}

#[test]
fn a_repository_without_commits_is_cloned_empty() {
    let pair = Pair::new();
    let empty = pair.user.directory.path().join("served/empty.git");
    pair.user.git([
        "init".as_ref(),
        "--quiet".as_ref(),
        "--bare".as_ref(),
        "--initial-branch=start".as_ref(),
        empty.as_os_str(),
    ]);
    let server = Server::git(pair.bare.parent().unwrap());
    let over_http = format!("http://127.0.0.1:{}/empty.git", server.port);
    for (name, address) in [("path", empty.to_str().unwrap()), ("http", &over_http)] {
        let made = cloned(&pair, address, name).unwrap();
        assert_eq!((made.branch, made.commit), (None, None));
        check(&pair.user, &made.directory);
    }
    let head = pair.user.git_in(&to(&pair, "path"), ["symbolic-ref", "HEAD"]);
    assert_eq!(head.trim(), "refs/heads/start");
}

#[test]
fn submodules_are_empty_and_filters_are_not_run_and_both_are_said() {
    let pair = Pair::new();
    let inner = Repository::small();
    let ran = pair.user.directory.path().join("ran");
    pair.set_for_user("filter.evil.smudge", &format!("touch '{}'; cat", ran.display()));
    pair.commit_there("main", ".gitattributes", "*.dat filter=evil\n");
    pair.commit_there("main", "x.dat", "raw");
    let work = pair.user.directory.path().join("work");
    let path = inner.path();
    pair.user.git(["clone".as_ref(), "--quiet".as_ref(), pair.bare.as_os_str(), work.as_os_str()]);
    let add = [
        "-c".as_ref(),
        "protocol.file.allow=always".as_ref(),
        "submodule".as_ref(),
        "--quiet".as_ref(),
        "add".as_ref(),
        path.as_os_str(),
        "inner".as_ref(),
    ];
    pair.user.git_in(&work, add);
    pair.user
        .git_in(&work, ["-c", "user.name=T", "-c", "user.email=t@e", "commit", "--quiet", "-m", "inner"]);
    pair.user.git_in(&work, ["push", "--quiet"]);
    let made = cloned(&pair, pair.bare.to_str().unwrap(), "x").unwrap();
    assert!(made.notes.iter().any(|note| note.contains("submodules")), "{made:?}");
    assert!(made.notes.iter().any(|note| note.contains("filter")), "{made:?}");
    assert!(names(&made.directory.join("inner")).is_empty());
    assert_eq!(fs::read_to_string(made.directory.join("x.dat")).unwrap(), "raw");
    assert!(!ran.exists());
}

#[test]
fn addresses_are_rewritten_as_the_user_says() {
    let pair = Pair::new();
    let base = format!("{}/", pair.bare.parent().unwrap().display());
    pair.set_for_user(&format!("url.{base}.insteadOf"), "mine:");
    let made = cloned(&pair, "mine:repo.git", "x").unwrap();
    assert_eq!(pair.user.git_in(&made.directory, ["config", "remote.origin.url"]).trim(), "mine:repo.git");
}

#[test]
fn a_detached_head_is_cloned_detached() {
    let pair = Pair::new();
    let main = pair.commit_there("main", "new.txt", "x");
    let first = pair.here("HEAD").unwrap();
    pair.user.git_in(&pair.bare, ["update-ref", "--no-deref", "HEAD", &first]);
    let made = cloned(&pair, pair.bare.to_str().unwrap(), "x").unwrap();
    assert_eq!((made.branch, made.commit), (None, Some(first)));
    assert!(!made.directory.join("new.txt").exists(), "{main}");
    check(&pair.user, &made.directory);
}
