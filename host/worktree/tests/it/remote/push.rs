//! A push moves the branch there, and says what it did.

use sandpiper_worktree::remote::{Force, Push, RemoteError};
use sandpiper_worktree::{Commit, WorktreeError};

use super::harness::{Pair, run, script};
use super::server::Server;
use crate::harness::{Repository, create, write};

#[test]
fn the_branch_of_the_run_is_pushed_and_noted() {
    for over_http in [false, true] {
        let pair = Pair::new();
        let server = Server::git(pair.bare.parent().unwrap());
        if over_http {
            pair.set_url(&server.url());
        }
        let pushed = pair.push(&Push::default()).unwrap();
        assert_eq!(pushed.branch, "sandpiper/t/1");
        assert_eq!((pushed.before.as_deref(), pushed.is_forced), (None, false));
        assert_eq!(pair.there("sandpiper/t/1"), Some(pushed.after.clone()));
        assert_eq!(pair.here("refs/remotes/origin/sandpiper/t/1"), Some(pushed.after));
        let again = pair.push(&Push::default()).unwrap();
        assert_eq!(again.before, Some(again.after));
        pair.check();
    }
}

#[test]
fn a_push_goes_on_from_where_it_was() {
    let pair = Pair::new();
    let server = Server::git(pair.bare.parent().unwrap());
    pair.set_url(&server.url());
    let first = pair.push(&Push::default()).unwrap();
    let worktrees = pair.worktrees();
    let worktree = worktrees.hold("t/1").unwrap();
    write(&worktree.path().join("more.txt"), vec![7; 3 << 20]);
    worktree.commit(&Commit::new("More")).unwrap();
    let second = worktree.push(&Push::default(), &pair.access(), &mut |_| {}).unwrap();
    assert_eq!(second.before, Some(first.after));
    assert!(!second.is_forced);
    drop(worktree);
    pair.check();
}

#[test]
fn commits_there_are_not_lost_without_a_lease() {
    for over_http in [false, true] {
        let pair = Pair::new();
        let server = Server::git(pair.bare.parent().unwrap());
        if over_http {
            pair.set_url(&server.url());
        }
        let theirs = pair.commit_there("topic", "theirs.txt", "theirs");
        let to = |force| Push { target: Some("topic".to_owned()), force, ..Push::default() };
        let err = pair.push(&to(Force::Never)).unwrap_err();
        assert!(matches!(&err, RemoteError::NotFastForward { branch, .. } if branch == "topic"), "{err:?}");
        // Nobody here has seen it.
        let err = pair.push(&to(Force::WhereSeen)).unwrap_err();
        assert!(matches!(&err, RemoteError::Stale { found, .. } if *found == theirs), "{err:?}");
        let head = pair.here("HEAD").unwrap();
        let err = pair.push(&to(Force::At(head))).unwrap_err();
        assert!(matches!(&err, RemoteError::Stale { .. }), "{err:?}");
        let err = pair.push(&to(Force::At("nothing".to_owned()))).unwrap_err();
        assert!(matches!(&err, RemoteError::Local(WorktreeError::NoCommit { .. })), "{err:?}");
        assert_eq!(pair.there("topic"), Some(theirs.clone()));
        pair.fetch().unwrap();
        let pushed = pair.push(&to(Force::WhereSeen)).unwrap();
        assert!(pushed.is_forced);
        assert_eq!(pushed.before, Some(theirs));
        assert_eq!(pair.there("topic"), Some(pushed.after));
        pair.check();
    }
}

#[test]
fn a_hook_that_rejects_is_quoted() {
    let pair = Pair::new();
    let server = Server::git(pair.bare.parent().unwrap());
    pair.set_url(&server.url());
    script(
        &pair.bare.join("hooks/pre-receive"),
        "printf 'not on a \\033[31mFriday \\303\\251 \\377\\n' >&2; exit 1",
    );
    let err = pair.push(&Push::default()).unwrap_err();
    let RemoteError::Rejected { reason, said, branch, .. } = &err else { panic!("{err:?}") };
    assert_eq!(branch, "sandpiper/t/1");
    assert_eq!(reason, "pre-receive hook declined");
    assert!(said.iter().any(|line| line.contains("not on a [31mFriday \u{e9} ?")), "{said:?}");
    assert_eq!(pair.there("sandpiper/t/1"), None);
    std::fs::remove_file(pair.bare.join("hooks/pre-receive")).unwrap();
    pair.push(&Push::default()).unwrap();
    pair.check();
}

#[test]
fn a_branch_that_is_checked_out_there_is_rejected_in_the_servers_words() {
    let pair = Pair::new();
    pair.user.git_in(&pair.bare, ["config", "receive.denyUpdates", "x"]);
    let server = Server::git(pair.bare.parent().unwrap());
    pair.set_url(&server.url());
    pair.user.git_in(&pair.bare, ["config", "core.bare", "false"]);
    let push = Push { target: Some("main".to_owned()), ..Push::default() };
    let err = pair.push(&push).unwrap_err();
    assert!(
        matches!(&err, RemoteError::Rejected { reason, .. } if reason.contains("checked out")),
        "{err:?}"
    );
}

#[test]
fn a_local_repository_whose_hooks_decide_is_refused() {
    let pair = Pair::new();
    script(&pair.bare.join("hooks/update"), "exit 1");
    let err = pair.push(&Push::default()).unwrap_err();
    assert!(matches!(&err, RemoteError::Refused { reason, .. } if reason.contains("update")), "{err:?}");
    std::fs::remove_file(pair.bare.join("hooks/update")).unwrap();
    script(&pair.bare.join("hooks/post-receive"), "touch ran");
    let pushed = pair.push(&Push::default()).unwrap();
    assert!(pushed.notes.iter().any(|note| note.contains("post-receive")), "{pushed:?}");
    assert!(!pair.bare.join("ran").exists());
}

#[test]
fn a_local_repository_with_a_checkout_is_refused() {
    let pair = Pair::new();
    let other = Repository::small();
    pair.set_url(other.path().to_str().unwrap());
    let err = pair.push(&Push::default()).unwrap_err();
    assert!(matches!(&err, RemoteError::Refused { reason, .. } if reason.contains("bare")), "{err:?}");
}

#[test]
fn the_hook_pre_push_is_not_run_and_that_is_said() {
    let pair = Pair::new();
    let ran = pair.user.directory.path().join("ran");
    script(&pair.user.path().join(".git/hooks/pre-push"), &format!("touch '{}'", ran.display()));
    let pushed = pair.push(&Push::default()).unwrap();
    assert!(pushed.notes.iter().any(|note| note.contains("pre-push")), "{pushed:?}");
    assert!(!ran.exists());
    std::fs::remove_file(pair.user.path().join(".git/hooks/pre-push")).unwrap();
    assert!(pair.push(&Push::default()).unwrap().notes.is_empty());
}

#[test]
fn a_branch_without_a_commit_is_not_pushed() {
    let repository = Repository::empty();
    repository.git(["config", "remote.origin.url", "/nonexistent"]);
    let worktrees = repository.worktrees();
    let worktree = create(&worktrees, "t/1");
    let access = sandpiper_worktree::remote::Access::default();
    let err = worktree.push(&Push::default(), &access, &mut |_| {}).unwrap_err();
    assert!(matches!(err, RemoteError::NothingToPush { .. }), "{err:?}");
}

#[test]
fn a_target_that_is_no_branch_is_refused() {
    let pair = Pair::new();
    for target in ["", "a..b", "x.lock", "-x", "a b", "refs/../x", "x:y", "*"] {
        let push = Push { target: Some(target.to_owned()), ..Push::default() };
        let err = pair.push(&push).unwrap_err();
        assert!(matches!(&err, RemoteError::Refused { .. }), "{target:?}: {err:?}");
    }
    let push = Push { target: Some("fix/login".to_owned()), ..Push::default() };
    pair.push(&push).unwrap();
    assert!(pair.there("refs/heads/fix/login").is_some());
}

#[test]
fn what_is_pushed_is_the_run_and_not_what_is_uncommitted() {
    let pair = Pair::new();
    let worktrees = pair.worktrees();
    let worktree = run(&worktrees, "t/1");
    write(&worktree.path().join("uncommitted.txt"), "x");
    worktree.push(&Push::default(), &pair.access(), &mut |_| {}).unwrap();
    let files = pair.user.git_in(&pair.bare, ["ls-tree", "-r", "--name-only", "sandpiper/t/1"]);
    assert!(files.contains("run.txt") && !files.contains("uncommitted.txt"), "{files}");
}
