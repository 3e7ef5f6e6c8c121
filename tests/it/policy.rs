//! `sandpiper policy`, and the policy that a run follows.

use std::path::Path;
use std::process::Output;

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
