//! Names and passwords come from the user's helpers, and go to nobody else.
#![cfg(unix)]

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use sandpiper_worktree::remote::{Clone, Push, RemoteError, clone};

use super::harness::{Pair, script};
use super::server::{Reply, Request, Server};

const TOKEN: &str = "t0k3n-s3cret";

fn login(user: &str, password: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

fn asks() -> Reply {
    Reply::Plain(401, vec![("WWW-Authenticate", "Basic realm=\"git\"".to_owned())], Vec::new())
}

/// A server that wants to know who asks.
fn guarded(pair: &Pair) -> Server {
    let right = login("ada", TOKEN);
    let reply = move |request: &Request| {
        if request.header("authorization") == Some(&right) { Reply::Git } else { asks() }
    };
    let server = Server::start(pair.bare.parent().unwrap(), reply);
    pair.set_url(&server.url());
    server
}

/// A helper that notes what it is told, and knows a password.
fn helper(pair: &Pair, name: &str, password: &str) -> (PathBuf, PathBuf) {
    let directory = pair.user.directory.path();
    let (path, log) = (directory.join(name), directory.join(format!("{name}.log")));
    let text = format!(
        "echo \"== $*\" >> '{log}'\ncat >> '{log}'\n[ \"$1\" = get ] || exit 0\necho username=ada\necho password={password}",
        log = log.display()
    );
    script(&path, &text);
    (path, log)
}

fn log(path: &PathBuf) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn a_helper_is_asked_once_and_told_that_it_was_right() {
    let pair = Pair::new();
    let server = guarded(&pair);
    let (path, noted) = helper(&pair, "helper", TOKEN);
    pair.set_for_user("credential.helper", path.to_str().unwrap());
    pair.commit_there("main", "new.txt", "new");
    pair.fetch().unwrap();
    let host = format!("protocol=http\nhost=127.0.0.1:{}\n", server.port);
    let expected = format!("== get\n{host}\n== store\n{host}username=ada\npassword={TOKEN}\n\n");
    assert_eq!(log(&noted), expected);
    assert!(server.requests()[0].header("authorization").is_none(), "nothing is told before it is asked for");
    pair.push(&Push::default()).unwrap();
    pair.check();
}

#[test]
fn a_wrong_password_is_rejected_and_shown_nowhere() {
    let pair = Pair::new();
    let _server = guarded(&pair);
    let (path, noted) = helper(&pair, "helper", "wr0ng-s3cret");
    pair.set_for_user("credential.helper", path.to_str().unwrap());
    let err = pair.fetch().unwrap_err();
    assert!(
        matches!(&err, RemoteError::Credentials { reason, .. } if reason.contains("not accepted")),
        "{err:?}"
    );
    assert!(!format!("{err} {err:?}").contains("s3cret"));
    let log = log(&noted);
    assert!(log.contains("== erase\n") && !log.contains("== store"), "{log}");
}

#[test]
fn helpers_are_asked_in_order_and_an_empty_one_forgets_those_before() {
    let pair = Pair::new();
    let _server = guarded(&pair);
    let (forgotten, forgotten_log) = helper(&pair, "forgotten", "x");
    let (right, right_log) = helper(&pair, "right", TOKEN);
    let silent = pair.user.directory.path().join("silent");
    script(&silent, "exit 0");
    for value in [forgotten.to_str().unwrap(), "", silent.to_str().unwrap(), right.to_str().unwrap()] {
        pair.set_for_user("credential.helper", value);
    }
    pair.fetch().unwrap();
    assert!(log(&forgotten_log).is_empty());
    assert!(log(&right_log).contains("== get"));
}

#[test]
fn a_line_of_shell_and_a_store_are_helpers() {
    let pair = Pair::new();
    let server = guarded(&pair);
    pair.set_for_user(
        "credential.helper",
        &format!("!f() {{ test \"$1\" = get && echo username=ada && echo password={TOKEN}; }}; f"),
    );
    pair.fetch().unwrap();
    let pair = Pair::new();
    pair.set_url(&server.url());
    let file = pair.user.directory.path().join("stored");
    fs::write(&file, format!("http://ada:{TOKEN}@127.0.0.1:{}\n", server.port)).unwrap();
    pair.set_for_user("credential.helper", &format!("store --file='{}'", file.display()));
    pair.fetch().unwrap();
}

#[test]
fn a_helper_for_another_address_is_not_asked_and_one_for_this_is() {
    let pair = Pair::new();
    let server = guarded(&pair);
    let (path, noted) = helper(&pair, "helper", TOKEN);
    pair.set_for_user("credential.https://example.org.helper", path.to_str().unwrap());
    let err = pair.fetch().unwrap_err();
    assert!(matches!(&err, RemoteError::Credentials { .. }), "{err:?}");
    assert!(log(&noted).is_empty());
    let url = format!("http://127.0.0.1:{}", server.port);
    pair.set_for_user(&format!("credential.{url}.helper"), path.to_str().unwrap());
    pair.set_for_user(&format!("credential.{url}.useHttpPath"), "true");
    pair.set_for_user(&format!("credential.{url}.username"), "ada");
    pair.fetch().unwrap();
    assert!(log(&noted).contains("path=repo.git\nusername=ada\n"), "{}", log(&noted));
}

#[test]
fn a_helper_of_the_repositorys_configuration_is_not_run() {
    let pair = Pair::new();
    let _server = guarded(&pair);
    let (path, noted) = helper(&pair, "helper", TOKEN);
    pair.user.git(["config", "credential.helper", path.to_str().unwrap()]);
    let err = pair.fetch().unwrap_err();
    assert!(
        matches!(&err, RemoteError::Credentials { reason, .. } if reason.contains("repository's own")),
        "{err:?}"
    );
    assert!(log(&noted).is_empty());
    pair.set_for_user("credential.helper", path.to_str().unwrap());
    pair.fetch().unwrap();
}

#[test]
fn a_helper_that_is_not_there_is_said() {
    let pair = Pair::new();
    let _server = guarded(&pair);
    pair.set_for_user("credential.helper", "/nonexistent/helper");
    let err = pair.fetch().unwrap_err();
    let RemoteError::Credentials { reason, .. } = &err else { panic!("{err:?}") };
    assert!(reason.contains("/nonexistent/helper") && reason.contains("not there"), "{reason}");
}

#[test]
fn that_there_is_no_helper_is_said() {
    let pair = Pair::new();
    let _server = guarded(&pair);
    let err = pair.fetch().unwrap_err();
    assert!(
        matches!(&err, RemoteError::Credentials { reason, .. } if reason.contains("no credential.helper"))
    );
}

#[test]
fn a_failing_helpers_words_have_no_secret() {
    let pair = Pair::new();
    let _server = guarded(&pair);
    let path = pair.user.directory.path().join("quits");
    script(&path, "echo quit=1");
    pair.set_for_user("credential.helper", path.to_str().unwrap());
    let err = pair.fetch().unwrap_err();
    assert!(matches!(&err, RemoteError::Credentials { reason, .. } if reason.contains("give up")), "{err:?}");
}

#[test]
fn the_name_and_password_of_an_address_are_used_and_stored_nowhere() {
    let pair = Pair::new();
    let server = guarded(&pair);
    let directory = pair.user.directory.path().join("cloned");
    let address = format!("http://ada:{TOKEN}@127.0.0.1:{}/repo.git", server.port);
    let options = Clone { address, directory: directory.clone(), branch: None };
    assert!(!format!("{options:?}").contains("s3cret"));
    let mut said = Vec::new();
    let cloned = clone(&options, &pair.access(), &mut |progress| said.push(progress)).unwrap();
    assert_eq!(pair.user.git_in(&directory, ["config", "remote.origin.url"]).trim(), server.url());
    assert!(cloned.notes.iter().any(|note| note.contains("not stored")), "{cloned:?}");
    assert!(!format!("{said:?}{cloned:?}").contains("s3cret"));
    let found = pair.user.try_git(&directory, ["grep", "--no-index", "-l", TOKEN, "--", ".git"]);
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    let wrong = format!("http://ada:wr0ng-s3cret@127.0.0.1:{}/repo.git", server.port);
    let options = Clone { address: wrong, directory: directory.with_file_name("other"), branch: None };
    let err = clone(&options, &pair.access(), &mut |_| {}).unwrap_err();
    assert!(matches!(err, RemoteError::Credentials { .. }), "{err:?}");
    assert!(!format!("{err} {err:?}").contains("s3cret"));
}

#[test]
fn a_redirect_does_not_take_the_password_elsewhere() {
    let other = Pair::new();
    let thief = Server::start(other.bare.parent().unwrap(), |request| {
        if request.header("authorization").is_some() { Reply::Git } else { asks() }
    });
    let to = thief.url();
    let pair = Pair::new();
    let right = login("ada", TOKEN);
    let honest = Server::start(pair.bare.parent().unwrap(), move |request| {
        if request.header("authorization") != Some(&right) {
            return asks();
        }
        let location = format!("{to}/info/refs?{}", request.query);
        Reply::Plain(302, vec![("Location", location)], Vec::new())
    });
    pair.set_url(&format!("http://ada:{TOKEN}@127.0.0.1:{}/repo.git", honest.port));
    let err = pair.fetch().unwrap_err();
    assert!(matches!(err, RemoteError::Credentials { .. }), "{err:?}");
    assert!(!thief.requests().is_empty());
    assert!(thief.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn a_server_that_takes_no_password_gets_none() {
    let pair = Pair::new();
    let server = Server::start(pair.bare.parent().unwrap(), |_| {
        Reply::Plain(401, vec![("WWW-Authenticate", "Negotiate".to_owned())], Vec::new())
    });
    pair.set_url(&server.url());
    let (path, noted) = helper(&pair, "helper", TOKEN);
    pair.set_for_user("credential.helper", path.to_str().unwrap());
    let err = pair.fetch().unwrap_err();
    assert!(matches!(&err, RemoteError::Credentials { reason, .. } if reason.contains("Basic")), "{err:?}");
    assert!(log(&noted).is_empty());
}

#[test]
fn a_header_of_the_configuration_goes_to_its_server_alone() {
    let pair = Pair::new();
    let server = guarded(&pair);
    let header = format!("AUTHORIZATION: {}", login("ada", TOKEN));
    pair.user.git(["config", "http.https://example.org/.extraHeader", &header]);
    let err = pair.fetch().unwrap_err();
    assert!(matches!(err, RemoteError::Credentials { .. }), "{err:?}");
    pair.user.git(["config", &format!("http.http://127.0.0.1:{}/.extraHeader", server.port), &header]);
    pair.fetch().unwrap();
}
