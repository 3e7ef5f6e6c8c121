//! Where runs go: told before, and refused with the line that would let them.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::harness::{Printed, command};

fn sandpiper(folder: &Path, arguments: &[&str]) -> Output {
    command(folder).args(arguments).output().unwrap()
}

const TRAIN: [&str; 3] = ["--", "python3", "train.py"];

fn project(program: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("train.py"), program).unwrap();
    folder
}

#[test]
fn what_is_here_runs_here() {
    let folder = project("import json, helper\nprint(json.dumps(helper.N))\n");
    std::fs::write(folder.path().join("helper.py"), "N = 42\n").unwrap();
    let route = sandpiper(folder.path(), &[&["route"], &TRAIN[..]].concat());
    assert_eq!(route.status.code(), Some(0), "{}", route.stderr());
    assert!(route.stdout().starts_with("wasm: all that it needs is here"), "{}", route.stdout());
    let run = sandpiper(folder.path(), &[&["run", "--backend", "auto"], &TRAIN[..]].concat());
    assert_eq!((run.status.code(), run.stdout().as_str()), (Some(0), "42\n"), "{}", run.stderr());
}

#[test]
fn what_is_not_here_is_refused_before_it_runs_with_the_line_to_add() {
    let folder = project("open('ran', 'w')\nimport numpy\n");
    let route = sandpiper(folder.path(), &[&["route", "--json"], &TRAIN[..]].concat());
    assert_eq!(route.status.code(), Some(125));
    let decision: Value = serde_json::from_str(&route.stdout()).unwrap();
    assert_eq!(decision["verdict"], "forbidden");
    assert_eq!(decision["needs"]["needs"][0]["evidence"]["line"], 2);
    let run = sandpiper(folder.path(), &[&["run", "--backend", "auto"], &TRAIN[..]].concat());
    assert_eq!((run.status.code(), run.stdout().as_str()), (Some(125), ""));
    let told = run.stderr();
    for words in
        ["the Python package `numpy`", "/workspace/train.py:2", "backends = [\"wasm\", \"e2b\"]", "[routing]"]
    {
        assert!(told.contains(words), "no {words} in {told}");
    }
    assert!(!folder.path().join("ran").exists());
    // Whoever says that it needs nothing has it run.
    let run =
        sandpiper(folder.path(), &[&["run", "--backend", "auto", "--needs", "nothing"], &TRAIN[..]].concat());
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr());
    assert!(folder.path().join("ran").exists());
}

#[test]
fn a_network_is_where_the_policy_lets_commands_reach_it() {
    let folder = project("");
    let under = |policy: &str, arguments: &[&str]| {
        let head = "[routing]\nbackends = [\"wasm\", \"e2b\", \"docker\"]\non = [\"needs\"]\nask = false\n\
                    [remote]\nmax_cost = \"0.50\"\n";
        std::fs::write(folder.path().join("policy.toml"), format!("{head}{policy}")).unwrap();
        let (command, words) = arguments.split_first().unwrap();
        sandpiper(folder.path(), &[&[*command, "--no-dir", "--policy", "policy.toml", "--"], words].concat())
    };
    let fetch = ["route", "curl", "https://example.org/"];
    let closed = under("", &fetch);
    assert_eq!(closed.status.code(), Some(125), "{}", closed.stdout());
    for words in ["e2b: lacks", "[network]\n    allow = [\"*\"]"] {
        assert!(closed.stdout().contains(words), "no {words} in {}", closed.stdout());
    }
    // The lines are enough.
    let lines = closed.stdout().split_once("sandpiper.toml:").unwrap().1.to_owned();
    assert!(under(&lines, &fetch).stdout().starts_with("e2b: "), "{lines}");
    let open = under("[network]\nallow = [\"*\"]\n", &fetch);
    assert_eq!(open.status.code(), Some(0), "{}", open.stdout());
    assert!(open.stdout().starts_with("e2b: wasm lacks"), "{}", open.stdout());
    // Docker cannot enforce rules, and its image has no curl.
    let rules = under("[network]\nallow = [\"example.org\"]\n", &fetch);
    assert!(rules.stdout().starts_with("e2b: "), "{}", rules.stdout());
    let docker = rules.stdout().lines().find(|line| line.contains("docker")).unwrap().to_owned();
    assert!(docker.contains("the network") && docker.contains("`curl`"), "{docker}");
    // What reaches nothing runs here, whatever it might reach.
    let here = under("[network]\nallow = [\"*\"]\n", &["run", "echo", "here"]);
    assert_eq!((here.status.code(), here.stdout().as_str()), (Some(0), "here\n"), "{}", here.stderr());
}

#[test]
fn the_lines_that_a_refused_command_lacks_are_enough() {
    let folder = project("");
    let route = |policy: &str, command: &[&str]| {
        std::fs::write(folder.path().join("policy.toml"), policy).unwrap();
        sandpiper(folder.path(), &[&["route", "--no-dir", "--policy", "policy.toml", "--"], command].concat())
    };
    for command in [
        &["gcc", "a.c"][..],
        &["node", "-e", "1"],
        &["python3", "-c", "import numpy"],
        &["curl", "https://example.org/"],
        &["pip", "install", "numpy"],
    ] {
        let refused = route("", command);
        assert_eq!(refused.status.code(), Some(125), "{command:?}: {}", refused.stdout());
        let told = refused.stdout();
        let (_, lines) = told.split_once("sandpiper.toml:").unwrap_or_else(|| panic!("{command:?}: {told}"));
        let goes = route(lines, command);
        assert_eq!(goes.status.code(), Some(0), "{command:?}: {}", goes.stdout());
        assert!(goes.stdout().starts_with("e2b: "), "{}", goes.stdout());
    }
}

#[test]
fn the_backend_that_a_policy_has_first_gets_all() {
    let folder = project("");
    std::fs::write(folder.path().join("policy.toml"), "[routing]\nbackends = [\"docker\", \"wasm\"]\n")
        .unwrap();
    let route =
        sandpiper(folder.path(), &["route", "--no-dir", "--policy", "policy.toml", "--", "echo", "here"]);
    assert_eq!(route.status.code(), Some(0), "{}", route.stdout());
    assert!(route.stdout().starts_with("docker: the policy has docker before"), "{}", route.stdout());
}

#[test]
fn what_is_on_the_usual_image_is_known_and_on_another_there_may_be_all() {
    let folder = project("");
    let under = |policy: &str| {
        let head = "[routing]\nbackends = [\"wasm\", \"docker\"]\non = [\"needs\"]\nask = false\n";
        std::fs::write(folder.path().join("policy.toml"), format!("{head}{policy}")).unwrap();
        sandpiper(folder.path(), &["route", "--no-dir", "--policy", "policy.toml", "--", "cargo", "test"])
    };
    let usual = under("");
    assert_eq!(usual.status.code(), Some(125), "{}", usual.stdout());
    assert!(usual.stdout().contains("docker: lacks the program `cargo`"), "{}", usual.stdout());
    assert!(usual.stdout().contains("docker.image"), "{}", usual.stdout());
    let chosen = under("[docker]\nimage = \"rust:1\"\n");
    assert!(chosen.stdout().starts_with("docker: wasm lacks"), "{}", chosen.stdout());
}

#[test]
fn a_link_out_of_the_mount_is_not_looked_through() {
    let folder = project("");
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.py"), "import numpy # swordfish\n").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path().join("secret.py"), folder.path().join("link.py")).unwrap();
    let route = sandpiper(folder.path(), &["route", "--", "python3", "link.py"]);
    assert!(!route.stdout().contains("swordfish") && !route.stderr().contains("swordfish"));
}
