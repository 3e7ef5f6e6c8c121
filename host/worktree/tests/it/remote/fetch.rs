//! A fetch is what `git fetch` does.

use std::fs;

use sandpiper_worktree::remote::{Change, Fetch, RemoteError, RemoteProgress};
use sandpiper_worktree::{Create, Worktrees};

use super::harness::{Pair, access};
use crate::harness::{id, write};

#[test]
fn branches_and_tags_arrive_as_with_git() {
    for is_url in [false, true] {
        let pair = Pair::new();
        if is_url {
            pair.set_url(&format!("file://{}", pair.bare.display()));
        }
        let main = pair.commit_there("main", "new.txt", "new");
        let topic = pair.commit_there("topic/x", "topic.txt", "topic");
        pair.user.git_in(
            &pair.bare,
            ["-c", "user.name=T", "-c", "user.email=t@e", "tag", "-a", "v1", "-m", "one", &main],
        );
        pair.user.git_in(&pair.bare, ["tag", "light", &topic]);
        let fetched = pair.fetch().unwrap();
        assert_eq!(pair.here("refs/remotes/origin/main"), Some(main));
        assert_eq!(pair.here("refs/remotes/origin/topic/x"), Some(topic));
        assert_eq!(pair.here("refs/tags/v1"), pair.there("refs/tags/v1"));
        assert_eq!(pair.here("refs/tags/light"), pair.there("refs/tags/light"));
        assert!(fetched.updated.iter().all(|updated| updated.change == Change::Created), "{fetched:?}");
        assert_eq!(fetched.updated.len(), 4);
        pair.check();
        assert!(pair.fetch().unwrap().updated.is_empty());
    }
}

#[test]
fn the_checkout_and_its_branch_stay_as_they_are() {
    let pair = Pair::new();
    pair.commit_there("main", "new.txt", "new");
    let before = (pair.here("HEAD"), pair.user.status(&pair.user.path()));
    pair.fetch().unwrap();
    assert_eq!((pair.here("HEAD"), pair.user.status(&pair.user.path())), before);
}

#[test]
fn a_rewritten_branch_is_forced_where_the_refspec_says_so_and_refused_else() {
    let pair = Pair::new();
    pair.commit_there("main", "one.txt", "1");
    pair.fetch().unwrap();
    let seen = pair.here("refs/remotes/origin/main");
    pair.user.git_in(&pair.bare, ["update-ref", "refs/heads/main", &pair.here("HEAD").unwrap()]);
    let other = pair.commit_there("main", "two.txt", "2");
    pair.user.git(["config", "remote.origin.fetch", "refs/heads/*:refs/remotes/origin/*"]);
    let fetched = pair.fetch().unwrap();
    assert!(matches!(&fetched.updated[0].change, Change::Refused(reason) if reason.contains("has not")));
    assert_eq!(pair.here("refs/remotes/origin/main"), seen);
    pair.user.git(["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"]);
    let fetched = pair.fetch().unwrap();
    assert_eq!(fetched.updated[0].change, Change::Forced);
    assert_eq!(pair.here("refs/remotes/origin/main"), Some(other));
    let log = pair.user.git(["reflog", "refs/remotes/origin/main"]);
    assert!(log.contains("forced-update"), "{log}");
    pair.check();
}

#[test]
fn a_tag_that_is_another_here_is_left_alone() {
    let pair = Pair::new();
    pair.user.git(["tag", "v1"]);
    let mine = pair.here("v1");
    pair.commit_there("main", "new.txt", "new");
    pair.user.git_in(&pair.bare, ["tag", "v1", "main"]);
    pair.fetch().unwrap();
    assert_eq!(pair.here("v1"), mine);
}

#[test]
fn a_branch_that_is_checked_out_is_not_moved() {
    let pair = Pair::new();
    pair.commit_there("main", "new.txt", "new");
    let head = pair.here("HEAD");
    pair.user.git(["config", "remote.origin.fetch", "+refs/heads/*:refs/heads/*"]);
    let fetched = pair.fetch().unwrap();
    assert!(matches!(&fetched.updated[0].change, Change::Refused(reason) if reason.contains("checked out")));
    assert_eq!(pair.here("HEAD"), head);
}

#[test]
fn only_the_branches_that_are_asked_for_come() {
    let pair = Pair::new();
    pair.commit_there("one", "1", "1");
    pair.commit_there("two", "2", "2");
    let fetch = Fetch { branches: vec!["two".to_owned()], ..Fetch::default() };
    pair.worktrees().fetch(&fetch, &pair.access(), &mut |_| {}).unwrap();
    assert!(pair.here("refs/remotes/origin/one").is_none());
    assert!(pair.here("refs/remotes/origin/two").is_some());
    let fetch = Fetch { branches: vec!["three".to_owned()], ..Fetch::default() };
    let err = pair.worktrees().fetch(&fetch, &pair.access(), &mut |_| {}).unwrap_err();
    assert!(matches!(&err, RemoteError::NoBranch { name, .. } if name == "three"), "{err}");
}

#[test]
fn a_worktree_can_begin_at_what_was_fetched() {
    let pair = Pair::new();
    pair.commit_there("main", "new.txt", "new");
    let mut seen = Vec::new();
    let worktrees = pair.worktrees();
    worktrees.fetch(&Fetch::default(), &pair.access(), &mut |progress| seen.push(progress)).unwrap();
    let create = Create { base: Some("origin/main".to_owned()), ..Create::default() };
    let worktree = worktrees.create(&id("t/1"), &create, &mut |_| {}).unwrap();
    assert_eq!(fs::read_to_string(worktree.path().join("new.txt")).unwrap(), "new");
    let is_checked = |progress: &RemoteProgress| matches!(progress, RemoteProgress::Checked { objects, total } if objects == total);
    assert!(seen.iter().any(is_checked), "{seen:?}");
}

#[test]
fn a_bare_repository_fetches_too() {
    let pair = Pair::new();
    pair.commit_there("main", "new.txt", "new");
    let mirror = pair.user.directory.path().join("mirror.git");
    pair.user.git(["init".as_ref(), "--quiet".as_ref(), "--bare".as_ref(), mirror.as_os_str()]);
    pair.user.git_in(&mirror, ["config", "remote.up.url", pair.bare.to_str().unwrap()]);
    pair.user.git_in(&mirror, ["config", "remote.up.fetch", "+refs/heads/*:refs/heads/*"]);
    let worktrees = Worktrees::open(&mirror, &pair.user.root()).unwrap();
    worktrees.fetch(&Fetch::default(), &access(&pair.user_configuration()), &mut |_| {}).unwrap();
    let main = pair.user.git_in(&mirror, ["rev-parse", "main"]);
    assert_eq!(Some(main.trim().to_owned()), pair.there("main"));
    super::harness::check(&pair.user, &mirror);
}

#[test]
fn all_tags_or_none_come_where_the_configuration_says_so() {
    let pair = Pair::new();
    pair.user.git(["config", "remote.origin.tagOpt", "--no-tags"]);
    let orphan = pair.commit_there("gone", "gone.txt", "x");
    pair.user.git_in(&pair.bare, ["tag", "orphan", &orphan]);
    pair.user.git_in(&pair.bare, ["tag", "here", "main"]);
    pair.user.git_in(&pair.bare, ["branch", "--delete", "--force", "gone"]);
    pair.fetch().unwrap();
    assert_eq!((pair.here("refs/tags/orphan"), pair.here("refs/tags/here")), (None, None));
    pair.user.git(["config", "--unset", "remote.origin.tagOpt"]);
    pair.fetch().unwrap();
    assert_eq!((pair.here("refs/tags/orphan"), pair.here("refs/tags/here")), (None, pair.there("main")));
    pair.user.git(["config", "remote.origin.tagOpt", "--tags"]);
    pair.fetch().unwrap();
    assert_eq!(pair.here("refs/tags/orphan"), Some(orphan));
    pair.check();
}

#[test]
fn a_shallow_repository_fetches_what_is_new_and_pushes() {
    let pair = Pair::new();
    pair.commit_there("main", "one.txt", "1");
    pair.commit_there("main", "two.txt", "2");
    let shallow = pair.user.directory.path().join("shallow");
    let url = format!("file://{}", pair.bare.display());
    pair.user.git([
        "clone".as_ref(),
        "--quiet".as_ref(),
        "--depth=1".as_ref(),
        url.as_ref(),
        shallow.as_os_str(),
    ]);
    let main = pair.commit_there("main", "three.txt", "3");
    let server = super::server::Server::git(pair.bare.parent().unwrap());
    pair.user.git_in(&shallow, ["config", "remote.origin.url", &server.url()]);
    let worktrees = Worktrees::open(&shallow, &pair.user.root()).unwrap();
    let access = access(&pair.user_configuration());
    worktrees.fetch(&Fetch::default(), &access, &mut |_| {}).unwrap();
    assert_eq!(pair.user.git_in(&shallow, ["rev-parse", "origin/main"]).trim(), main);
    super::harness::check(&pair.user, &shallow);
    pair.user.git_in(&shallow, ["config", "user.name", "Ada"]);
    pair.user.git_in(&shallow, ["config", "user.email", "ada@example.org"]);
    let worktree = super::harness::run(&worktrees, "t/1");
    let pushed = worktree.push(&sandpiper_worktree::remote::Push::default(), &access, &mut |_| {}).unwrap();
    assert_eq!(pair.there("sandpiper/t/1"), Some(pushed.after));
    super::harness::check(&pair.user, &pair.bare);
}

#[test]
fn many_branches_are_asked_for_by_pattern_and_all_arrive() {
    let pair = Pair::new();
    pair.commit_there("main", "new.txt", "new");
    let main = pair.there("main").unwrap();
    let lines: String = (0..1000)
        .map(|number: u32| format!("create refs/heads/b/{number} {main}\n"))
        .fold(String::new(), |all, line| all + &line);
    write(&pair.bare.join("lines"), lines);
    let update = format!("git -C '{0}' update-ref --stdin < '{0}/lines'", pair.bare.display());
    assert!(std::process::Command::new("sh").args(["-c", &update]).status().unwrap().success());
    let server = super::server::Server::git(pair.bare.parent().unwrap());
    pair.set_url(&server.url());
    pair.user.git(["config", "--add", "remote.origin.fetch", "^refs/heads/b/7*"]);
    assert_eq!(pair.fetch().unwrap().updated.len(), 1 + 1000 - 111);
    pair.check();
}
