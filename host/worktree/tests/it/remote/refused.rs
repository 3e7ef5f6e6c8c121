//! What is refused, and why: each beside what is allowed.

use std::fs;
use std::path::PathBuf;

use sandpiper_worktree::remote::{Fetch, Push, RemoteError};

use super::harness::{Pair, script};

fn trap(pair: &Pair) -> (PathBuf, PathBuf) {
    let (path, ran) = (pair.user.directory.path().join("trap"), pair.user.directory.path().join("ran"));
    script(&path, &format!("touch '{}'", ran.display()));
    (path, ran)
}

fn reason(err: &RemoteError) -> String {
    match err {
        RemoteError::Refused { what, reason } => format!("{what}: {reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn settings_that_name_programs_are_refused_and_nothing_is_run() {
    for key in ["uploadpack", "receivepack", "vcs"] {
        let pair = Pair::new();
        let (trap, ran) = trap(&pair);
        pair.user.git(["config", &format!("remote.origin.{key}"), trap.to_str().unwrap()]);
        let said = reason(&pair.fetch().unwrap_err());
        assert!(said.contains(key) && said.contains("program"), "{said}");
        reason(&pair.push(&Push::default()).unwrap_err());
        assert!(!ran.exists());
        pair.user.git(["config", "--unset", &format!("remote.origin.{key}")]);
        pair.fetch().unwrap();
        pair.push(&Push::default()).unwrap();
    }
}

#[test]
fn addresses_that_name_programs_or_options_are_refused_and_nothing_is_run() {
    let pair = Pair::new();
    let (trap, ran) = trap(&pair);
    let trap = trap.display();
    pair.user.git(["config", "core.gitProxy", &trap.to_string()]);
    for (url, expected) in [
        (format!("ext::{trap} %S"), "program"),
        (format!("ssh://-oProxyCommand={trap}/x"), "host"),
        (format!("ssh://x@-oProxyCommand={trap}/x"), "host"),
        (format!("-oProxyCommand={trap}:x"), ""),
        ("host:-oProxyCommand=x".to_owned(), "path"),
        ("git://127.0.0.1/repo.git".to_owned(), "encrypted"),
        ("rsync://127.0.0.1/repo.git".to_owned(), "scheme"),
    ] {
        pair.set_url(&url);
        match pair.fetch().unwrap_err() {
            RemoteError::Refused { reason, .. } => assert!(reason.contains(expected), "{url}: {reason}"),
            // A path, as git has it too where a slash comes before the colon.
            RemoteError::Unreachable { reason, .. } => assert!(expected.is_empty(), "{url}: {reason}"),
            other => panic!("{url}: {other:?}"),
        }
        assert!(!ran.exists(), "{url}");
    }
    pair.set_url(pair.bare.to_str().unwrap());
    pair.fetch().unwrap();
}

#[test]
fn a_protocol_that_the_user_forbids_is_refused() {
    let pair = Pair::new();
    pair.set_for_user("protocol.file.allow", "never");
    assert!(reason(&pair.fetch().unwrap_err()).contains("protocol.file.allow"));
    pair.set_for_user("protocol.file.allow", "user");
    pair.fetch().unwrap();
    pair.set_for_user("protocol.allow", "never");
    pair.fetch().unwrap();
}

#[test]
fn servers_are_always_verified() {
    let pair = Pair::new();
    pair.set_url("https://127.0.0.1:1/repo.git");
    pair.set_for_user("http.sslVerify", "false");
    assert!(reason(&pair.fetch().unwrap_err()).contains("sslVerify"));
    pair.set_for_user("http.sslVerify", "true");
    assert!(matches!(pair.fetch().unwrap_err(), RemoteError::Unreachable { .. }));
    pair.set_for_user("http.sslCert", "/some/file");
    assert!(reason(&pair.fetch().unwrap_err()).contains("sslCert"));
}

#[test]
fn remotes_are_found_as_git_finds_them() {
    let pair = Pair::new();
    let fetch = |name: Option<&str>| {
        let fetch = Fetch { remote: name.map(str::to_owned), ..Fetch::default() };
        pair.worktrees().fetch(&fetch, &pair.access(), &mut |_| {})
    };
    let err = fetch(Some("nothing")).unwrap_err();
    assert!(matches!(&err, RemoteError::NoRemote { reason } if reason.contains("origin")), "{err:?}");
    pair.user.git(["remote", "rename", "origin", "up"]);
    assert_eq!(fetch(None).unwrap().remote, "up");
    pair.user.git(["remote", "add", "down", "/nonexistent"]);
    let err = fetch(None).unwrap_err();
    assert!(
        matches!(&err, RemoteError::NoRemote { reason } if reason.contains("up") && reason.contains("down"))
    );
    assert_eq!(fetch(Some("up")).unwrap().remote, "up");
    pair.user.git(["remote", "add", "origin", pair.bare.to_str().unwrap()]);
    assert_eq!(fetch(None).unwrap().remote, "origin");
    for name in ["up", "down", "origin"] {
        pair.user.git(["remote", "remove", name]);
    }
    assert!(matches!(fetch(None).unwrap_err(), RemoteError::NoRemote { .. }));
}

#[test]
fn pushes_go_where_git_sends_them() {
    let pair = Pair::new();
    let bare = pair.bare.to_str().unwrap();
    pair.set_url("/nonexistent/fetch");
    pair.user.git(["config", "remote.origin.pushurl", bare]);
    pair.push(&Push::default()).unwrap();
    pair.user.git(["config", "--add", "remote.origin.pushurl", "/nonexistent/two"]);
    reason(&pair.push(&Push::default()).unwrap_err());
    pair.user.git(["config", "--unset-all", "remote.origin.pushurl"]);
    pair.user.git(["config", &format!("url.{bare}.pushInsteadOf"), "/nonexistent/fetch"]);
    pair.push(&Push::default()).unwrap();
    assert!(pair.fetch().is_err());
}

#[test]
fn an_insteadof_that_would_lead_out_of_our_hands_is_refused() {
    let pair = Pair::new();
    let global = pair.user.directory.path().join("home/.gitconfig");
    fs::write(&global, "").unwrap();
    // One of the repository's own: it is not seen by the place where what arrives is kept.
    pair.user.git(["config", "url.git://127.0.0.1:1/.insteadOf", "sandpiper-remote://"]);
    pair.set_url("ssh://example.org/x");
    let mut access = pair.access();
    access.ssh = Some(sandpiper_worktree::remote::Ssh::Program("/nonexistent/ssh".into()));
    let err = pair.worktrees().fetch(&Fetch::default(), &access, &mut |_| {}).unwrap_err();
    assert!(matches!(err, RemoteError::Program { .. }), "{err:?}");
    let err = super::harness::run(&pair.worktrees(), "t/1")
        .push(&Push::default(), &access, &mut |_| {})
        .unwrap_err();
    assert!(reason(&err).contains("insteadOf"));
}

#[test]
fn settings_of_pushes_are_heeded_or_refused_or_told() {
    let pair = Pair::new();
    pair.user.git(["remote", "add", "fork", pair.bare.to_str().unwrap()]);
    pair.user.git(["config", "remote.pushDefault", "fork"]);
    pair.user.git(["config", "push.pushOption", "x"]);
    let pushed = pair.push(&Push::default()).unwrap();
    assert_eq!(pushed.remote, "fork");
    assert!(pushed.notes.iter().any(|note| note.contains("pushOption")), "{pushed:?}");
    assert_eq!(pair.fetch().unwrap().remote, "origin");
    pair.user.git(["config", "push.gpgSign", "true"]);
    assert!(reason(&pair.push(&Push::default()).unwrap_err()).contains("signed"));
}
