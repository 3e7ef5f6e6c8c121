//! `sandpiper policy`, and the policy that a run follows.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use crate::harness::{Printed, command};

fn sandpiper(folder: &Path, arguments: &[&str]) -> Output {
    command(folder).env("SANDPIPER_POLICIES", folder.join("allowed")).args(arguments).output().unwrap()
}

fn policy(folder: &Path, text: &str) {
    std::fs::write(folder.join("sandpiper.toml"), text).unwrap();
}

const LISTS: &[&str] = &["run", "--", "python3", "-c", "import os; print(sorted(os.listdir('/')))"];

#[test]
fn a_policy_takes_the_place_of_the_current_directory() {
    let folder = tempfile::tempdir().unwrap();
    let without = sandpiper(folder.path(), LISTS).stdout();
    assert!(without.contains("'workspace'"), "{without}");
    policy(folder.path(), "[limits]\ntimeout = \"20s\"\n");
    let with = sandpiper(folder.path(), LISTS).stdout();
    assert_eq!(with, "['bin', 'dev', 'etc', 'home', 'tmp', 'usr']\n");
    let ignored = sandpiper(folder.path(), &[&["run", "--no-policy"], &LISTS[1..]].concat());
    assert_eq!(ignored.stdout(), without);
}

#[test]
fn limits_and_profiles_hold() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path(), "[limits]\ntimeout = \"20s\"\n[profile.hasty.limits]\ntimeout = \"300ms\"\n");
    let sleeps = ["--", "python3", "-c", "import time; time.sleep(1); print('up')"];
    let usual = sandpiper(folder.path(), &[&["run"], &sleeps[..]].concat());
    assert_eq!((usual.status.code(), usual.stdout().as_str()), (Some(0), "up\n"), "{}", usual.stderr());
    let hasty = sandpiper(folder.path(), &[&["run", "--profile", "hasty"], &sleeps[..]].concat());
    assert_eq!((hasty.status.code(), hasty.stdout().as_str()), (Some(124), ""), "{}", hasty.stderr());
    let unknown = sandpiper(folder.path(), &[&["run", "--profile", "hastily"], &sleeps[..]].concat());
    assert_eq!(unknown.status.code(), Some(125));
    assert!(
        unknown.stderr().contains("hastily") && unknown.stderr().contains("hasty"),
        "{}",
        unknown.stderr()
    );
}

#[test]
fn all_mistakes_are_told_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path(), "[limits]\ntimout = \"5s\"\nmemory = \"lots\"\n");
    let check = sandpiper(folder.path(), &["policy", "check"]);
    assert_eq!(check.status.code(), Some(125));
    assert!(check.stdout().contains("sandpiper.toml:2:1: unknown key `limits.timout`"), "{}", check.stdout());
    assert!(check.stdout().contains("did you mean `timeout`"), "{}", check.stdout());
    assert!(check.stdout().contains("sandpiper.toml:3:10"), "{}", check.stdout());
    let run = sandpiper(folder.path(), LISTS);
    assert_eq!((run.status.code(), run.stdout().as_str()), (Some(125), ""));
    policy(folder.path(), "[limits]\ntimeout = \"5s\"\n");
    let check = sandpiper(folder.path(), &["policy", "check"]);
    assert_eq!(check.status.code(), Some(0), "{}", check.stderr());
    let explain = sandpiper(folder.path(), &["policy", "explain", "limits.timeout"]).stdout();
    assert!(
        explain.starts_with("limits.timeout = \"5s\"  (") && explain.contains("in place of"),
        "{explain}"
    );
}

#[test]
fn a_policy_that_reaches_out_of_its_directory_is_followed_when_it_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("project");
    std::fs::create_dir(&project).unwrap();
    std::fs::create_dir(folder.path().join("other")).unwrap();
    let reaching = "[mounts]\n\"/other\" = { host = \"../other\", access = \"read-only\" }\n";
    policy(&project, reaching);
    let refused = sandpiper(&project, LISTS);
    assert_eq!((refused.status.code(), refused.stdout().as_str()), (Some(125), ""));
    assert!(
        refused.stderr().contains("/other") && refused.stderr().contains("policy allow"),
        "{}",
        refused.stderr()
    );
    let allowed = sandpiper(&project, &["policy", "allow"]);
    assert_eq!(allowed.status.code(), Some(0), "{}", allowed.stderr());
    let run = sandpiper(&project, LISTS);
    assert!(run.stdout().contains("'other'"), "{} {}", run.stdout(), run.stderr());
    // Another content, or the same in another place, was not allowed.
    policy(&project, &format!("{reaching}# more\n"));
    assert_eq!(sandpiper(&project, LISTS).status.code(), Some(125));
    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    policy(&copy, reaching);
    assert_eq!(sandpiper(&copy, LISTS).status.code(), Some(125));
    // Whoever names a file vouches for it.
    let named = sandpiper(&project, &[&["run", "--policy", "sandpiper.toml"], &LISTS[1..]].concat());
    assert!(named.stdout().contains("'other'"), "{}", named.stderr());
}

/// A server that notes what it is told, and fails; its address.
fn listener() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heard);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut chunk = vec![0; 64 << 10];
            let read = connection.read(&mut chunk).unwrap_or_default();
            noted.lock().unwrap().extend_from_slice(&chunk[..read]);
            // Whoever has gone hears nothing.
            let _ = connection.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (address, heard)
}

#[test]
fn a_policy_that_was_found_sends_a_secret_nowhere_until_it_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("project");
    std::fs::create_dir(&project).unwrap();
    std::fs::write(folder.path().join("secret"), "swordfish\n").unwrap();
    let (address, heard) = listener();
    let sandpiper = |arguments: &[&str]| {
        let mut command = command(&project);
        let command = command.env("AWS_SECRET_ACCESS_KEY", "hunter2");
        command.env("SANDPIPER_POLICIES", folder.path().join("allowed")).args(arguments).output().unwrap()
    };
    for (name, key) in [("e2b", "env = \"AWS_SECRET_ACCESS_KEY\""), ("daytona", "file = \"../secret\"")] {
        policy(&project, &format!("[{name}]\napi_url = \"{address}\"\napi_key = {{ {key} }}\n"));
        let reference = format!("{name}:x");
        for arguments in [
            &["backends"][..],
            &["run", "--backend", name, "--", "true"],
            &["sandbox", "create", "--backend", name],
            &["sandbox", "list", "--backend", name],
            &["sandbox", "close", &reference],
        ] {
            let refused = sandpiper(arguments);
            assert_eq!(refused.status.code(), Some(125), "{arguments:?} {}", refused.stdout());
            assert!(refused.stderr().contains("sandpiper policy allow"), "{}", refused.stderr());
        }
    }
    assert!(heard.lock().unwrap().is_empty());
    assert_eq!(sandpiper(&["policy", "allow"]).status.code(), Some(0));
    sandpiper(&["sandbox", "list", "--backend", "daytona"]);
    let heard = String::from_utf8_lossy(&heard.lock().unwrap()).into_owned();
    assert!(heard.contains("swordfish"), "{heard}");
}

#[test]
fn a_key_does_not_go_in_the_clear_to_where_a_variable_says() {
    let folder = tempfile::tempdir().unwrap();
    let (address, heard) = listener();
    let list = |url: &str| {
        let mut command = command(folder.path());
        let command = command.env("E2B_API_KEY", "hunter2").env("E2B_API_URL", url);
        command.args(["sandbox", "list", "--backend", "e2b"]).output().unwrap()
    };
    let refused = list("http://e2b.invalid");
    assert_eq!(refused.status.code(), Some(125));
    assert!(refused.stderr().contains("E2B_API_URL is not the address"), "{}", refused.stderr());
    list(&address);
    assert!(String::from_utf8_lossy(&heard.lock().unwrap()).contains("hunter2"));
}

#[test]
fn the_schema_is_json_and_not_a_text_of_json() {
    let folder = tempfile::tempdir().unwrap();
    let schema = sandpiper(folder.path(), &["policy", "schema"]).stdout();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(schema["title"], "sandpiper.toml");
}
