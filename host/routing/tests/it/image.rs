//! The description of the image is that of the image's own sources.

use std::collections::BTreeSet;
use std::path::Path;

use sandpiper_routing::Image;

fn source(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-images").join(path))
        .unwrap()
}

fn commands(path: &str) -> Vec<String> {
    let recipe: toml::Table = toml::from_str(&source(path)).unwrap();
    recipe["commands"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_image_has_the_commands_of_its_parts() {
    let parts = ["tools/program.toml", "shell/program.toml", "python/image.toml"];
    let mut expected: BTreeSet<String> = parts.into_iter().flat_map(commands).collect();
    assert!(expected.remove("git"), "it works in a worktree only");
    assert_eq!(Image::default().commands, expected);
}

#[test]
fn modules_that_the_image_has_not_are_those_that_its_boot_module_refuses() {
    let boot = source("python/boot/_sandpiper_boot.py");
    let table = boot.split_once("_MISSING = {").unwrap().1.split_once('}').unwrap().0;
    for entry in table.split(',').filter_map(|entry| entry.split('\'').nth(1)) {
        assert!(sandpiper_routing::is_missing_module(entry), "{entry}");
        assert!(!Image::default().python_modules.contains(entry), "{entry}");
    }
}
