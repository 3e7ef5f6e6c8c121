//! The schema that is committed is the one that the parser's keys make.

use std::path::Path;

#[test]
fn the_schema_in_the_repository_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sandpiper.schema.json");
    let made = sandpiper_policy::json_schema();
    if std::env::var_os("SANDPIPER_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    // As JSON: the order of keys depends on features that other crates give serde_json.
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let committed = read(&std::fs::read_to_string(&path).unwrap());
    assert!(
        committed == read(&made),
        "make it anew: SANDPIPER_BLESS=1 cargo nextest run -p sandpiper-policy schema"
    );
}
