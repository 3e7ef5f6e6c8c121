//! The house rules: who imports whom, and which doors lead out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The crates and which of ours each may import.
fn rooms() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    BTreeMap::from([
        ("sandpiper-core", BTreeSet::new()),
        ("sandpiper-kernel", BTreeSet::from(["sandpiper-core"])),
        ("sandpiper-engine", BTreeSet::from(["sandpiper-core", "sandpiper-kernel"])),
        ("sandpiper-images", BTreeSet::new()),
        ("sandpiper-wall", BTreeSet::new()),
        ("sandpiper-policy", BTreeSet::from(["sandpiper-core"])),
        ("sandpiper-worktree", BTreeSet::from(["sandpiper-core"])),
        ("sandpiper-journal", BTreeSet::from(["sandpiper-core"])),
        ("sandpiper-routing", BTreeSet::from(["sandpiper-core"])),
        ("sandpiper-remote", BTreeSet::from(["sandpiper-core"])),
        ("sandpiper-transfer", BTreeSet::from(["sandpiper-core"])),
        ("sandpiper-conformance", BTreeSet::from(["sandpiper-core"])),
        ("sandpiper-server", BTreeSet::from(["sandpiper-core"])),
        (
            "sandpiper",
            BTreeSet::from([
                "sandpiper-core",
                "sandpiper-engine",
                "sandpiper-images",
                "sandpiper-journal",
                "sandpiper-policy",
                "sandpiper-remote",
                "sandpiper-routing",
                "sandpiper-server",
                "sandpiper-transfer",
                "sandpiper-wall",
                "sandpiper-worktree",
            ]),
        ),
        ("sandpiper-cli", BTreeSet::from(["sandpiper"])),
        ("xtask", BTreeSet::from(["sandpiper"])),
    ])
}

#[test]
fn crates_import_only_what_their_room_may() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rooms = rooms();
    let mut seen = BTreeSet::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let may = rooms.get(name).unwrap_or_else(|| panic!("{name} has no room in the table"));
        seen.insert(name.to_owned());
        for dependency in package["dependencies"].as_array().unwrap() {
            let imported = dependency["name"].as_str().unwrap();
            if dependency["kind"] == "dev" {
                continue;
            }
            if rooms.contains_key(imported) {
                assert!(may.contains(imported), "{name} imports {imported}");
            }
            if imported.starts_with("wasmtime") {
                assert_eq!(name, "sandpiper-engine", "{name} imports {imported}");
            }
        }
    }
    assert_eq!(seen.len(), rooms.len(), "every room is in the workspace");
}

/// Rust sources of a crate that are not tests, with their text before the tests.
fn sources(crate_folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("host").join(crate_folder).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
                let name =
                    path.strip_prefix(root().join("host")).unwrap().to_string_lossy().replace('\\', "/");
                found.push((name, code.to_owned()));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

const CRATES: [&str; 15] = [
    "core",
    "kernel",
    "engine",
    "images",
    "wall",
    "policy",
    "remote",
    "routing",
    "worktree",
    "journal",
    "server",
    "transfer",
    "sandpiper",
    "cli",
    "xtask",
];

/// Files, outside of those allowed, in which a text occurs.
fn elsewhere(needle: &str, allowed: &[&str]) -> Vec<String> {
    with_lines_elsewhere(|line| line.contains(needle), allowed).into_iter().collect()
}

/// Files, outside of those allowed, with such a line of code.
fn with_lines_elsewhere(is_such: impl Fn(&str) -> bool, allowed: &[&str]) -> BTreeSet<String> {
    CRATES
        .iter()
        .flat_map(|name| sources(name))
        .filter(|(name, _)| !allowed.iter().any(|allowed| name.starts_with(allowed)))
        .filter(|(_, code)| code.lines().any(|line| !line.trim_start().starts_with("//") && is_such(line)))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn the_search_for_doors_finds_one() {
    assert_eq!(elsewhere("Store::new(", &[]), ["engine/src/store.rs"]);
}

#[test]
fn a_store_is_made_in_one_place() {
    assert_eq!(elsewhere("Store::new(", &["engine/src/store.rs"]), Vec::<String>::new());
}

#[test]
fn processes_are_started_by_images_worktree_xtask_and_the_carrier_alone() {
    let starts = |line: &str| line.contains("std::process") && line.contains("Command");
    assert_eq!(
        with_lines_elsewhere(starts, &["images/", "xtask/"]),
        BTreeSet::from(
            ["cli/src/carrier.rs", "worktree/src/agent/client.rs", "worktree/src/remote/program.rs"]
                .map(String::from)
        )
    );
    assert_eq!(elsewhere("process::exit", &[]), Vec::<String>::new());
    assert_eq!(elsewhere("process::abort", &[]), Vec::<String>::new());
}

#[test]
fn the_environment_is_read_by_the_command_alone() {
    for needle in ["env::var", "env::current_dir", "env::home_dir", "dirs::"] {
        assert_eq!(
            elsewhere(needle, &["cli/src/surroundings.rs", "xtask/"]),
            Vec::<String>::new(),
            "{needle}"
        );
    }
}

#[test]
fn the_network_is_reached_by_image_downloads_and_remotes_alone() {
    for needle in ["ureq::", "TcpStream", "UdpSocket", "reqwest", "bollard::"] {
        // The last names the type of what it refuses to make.
        let allowed = [
            "images/src/download.rs",
            "remote/src/docker/",
            "remote/src/http/",
            "worktree/src/remote/http/",
            "engine/src/component/sockets.rs",
        ];
        assert_eq!(elsewhere(needle, &allowed), Vec::<String>::new(), "{needle}");
    }
}

#[test]
fn nothing_of_the_hosts_is_inherited_by_a_component() {
    for needle in [".inherit_", ".preopened_dir(", ".socket_addr_check(", "FsPerms::ReadWrite"] {
        assert_eq!(elsewhere(needle, &[]), Vec::<String>::new(), "{needle}");
    }
    assert_eq!(elsewhere("FsPerms::ReadOnly", &[]), ["engine/src/component/files.rs"]);
}

#[test]
fn printing_is_the_renderers_alone() {
    for needle in ["println!", "eprintln!", "print!(", "dbg!(", "io::stdout()", "io::stderr()"] {
        let allowed = ["cli/src/render.rs", "cli/src/report.rs", "cli/src/main.rs", "xtask/"];
        assert_eq!(elsewhere(needle, &allowed), Vec::<String>::new(), "{needle}");
    }
}

#[test]
fn unsafe_is_where_the_architecture_says() {
    let architecture = std::fs::read_to_string(root().join("host/ARCHITECTURE.md")).unwrap();
    for (name, code) in CRATES.iter().flat_map(|name| sources(name)) {
        let has = code.lines().any(|line| line.contains("unsafe ") && !line.trim_start().starts_with("//"));
        let short =
            name.replace("/src/", "/").replace("engine/", "engine/src/").replace("kernel/", "kernel/src/");
        let file = short.rsplit('/').next().unwrap();
        assert!(
            !has || architecture.contains(&short) || architecture.contains(&format!("`{file}`")),
            "{name}"
        );
    }
}

#[test]
fn a_source_file_has_one_idea_and_says_it_first() {
    for (name, code) in CRATES.iter().flat_map(|name| sources(name)) {
        assert!(code.starts_with("//! "), "{name} does not begin with its idea");
        assert!(code.lines().count() <= 600, "{name} has {} lines before its tests", code.lines().count());
    }
}
