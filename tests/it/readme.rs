//! What the README shows is what happens.

use std::path::Path;

use crate::harness::{cache, engine};

#[test]
fn transcripts_of_the_readme_are_true() {
    engine();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    trycmd::TestCases::new()
        .register_bin("sandpiper", Path::new(env!("CARGO_BIN_EXE_sandpiper")))
        .env("SANDPIPER_CACHE", cache().to_string_lossy())
        .case(readme)
        .run();
}
