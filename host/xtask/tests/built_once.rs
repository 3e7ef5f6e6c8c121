//! The engine takes minutes to compile: the command and the tests are to use one build of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::collections::BTreeSet;
use std::process::Command;

/// wasmtime and all below it, each with its features, as cargo builds them with these kinds of
/// dependencies in view.
fn wasmtime(edges: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--no-dedupe", "--prefix", "depth", "--format", "|{p}|{f}"])
        .args(["--edges", edges])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let mut within = None;
    let mut found = BTreeSet::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (depth, package) = line.split_once('|').unwrap();
        let depth: usize = depth.parse().unwrap();
        if within.is_none_or(|top| depth <= top) {
            within = package.starts_with("wasmtime v").then_some(depth);
        }
        if within.is_some() {
            found.insert(package.to_owned());
        }
    }
    found
}

#[test]
fn tests_bring_no_feature_to_what_wasmtime_is_made_of() {
    let command = wasmtime("normal,build");
    assert!(command.iter().any(|package| package.starts_with("cranelift-codegen v")), "{command:?}");
    let tests = wasmtime("normal,build,dev");
    let other: Vec<_> = command.symmetric_difference(&tests).collect();
    assert!(other.is_empty(), "ask for these features in xtask's Cargo.toml, as for semver's: {other:#?}");
}
