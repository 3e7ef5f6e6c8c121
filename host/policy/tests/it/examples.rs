//! Every example of the documentation is a policy.

use std::path::Path;

use crate::{parse, resolve_as};

fn documentation() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn every_example_of_the_documentation_is_a_policy() {
    let text = documentation();
    let examples: Vec<&str> =
        text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() >= 3);
    for example in examples {
        let policy = parse(example).unwrap_or_else(|err| panic!("{example}\n{err}"));
        for profile in policy.profiles() {
            resolve_as(example, Some(profile));
        }
    }
}

#[test]
fn every_table_is_documented() {
    let text = documentation();
    for table in crate::TABLES {
        assert!(text.contains(&format!("`{table}`")), "{table}");
    }
}
