//! No unknown key passes, at any depth.

use proptest::prelude::*;

use crate::{parse, refused};

/// Where keys can be, as what comes before one.
const PLACES: &[&str] = &[
    "",
    "[limits]\n",
    "[routing]\n",
    "[network]\n",
    "[uploads]\n",
    "[remote]\n",
    "[e2b]\n",
    "[daytona]\n",
    "[docker]\n",
    "[e2b.api_key]\nenv = \"KEY\"\n",
    "[mounts.\"/workspace\"]\nhost = \".\"\n",
    "[environment.TOKEN]\nenv = \"TOKEN\"\n",
    "[profile.ci]\n",
    "[profile.ci.limits]\n",
    "[profile.ci.mounts.\"/workspace\"]\nhost = \".\"\n",
    "[profile.ci.daytona.api_key]\nfile = \"key\"\n",
];

const KNOWN: &[&str] =
    &["profile", "extends", "mounts", "environment", "host", "access", "git", "env", "file", "backends"];

fn is_known(name: &str) -> bool {
    let empty = crate::resolve("");
    KNOWN.contains(&name)
        || crate::TABLES.contains(&name)
        || crate::values(&empty).iter().any(|(key, _)| key.rsplit('.').next() == Some(name))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn an_unknown_key_is_an_error_at_any_depth(
        place in proptest::sample::select(PLACES),
        name in "[a-z_]{1,12}|[ -~]{1,8}",
        value in proptest::sample::select(&["1", "\"x\"", "true", "{}", "[]"][..]),
    ) {
        prop_assume!(!is_known(&name));
        let key = name.replace('\\', "\\\\").replace('"', "\\\"");
        let text = format!("{place}\"{key}\" = {value}\n");
        let line = text.lines().count();
        let message = refused(&text);
        prop_assert!(message.starts_with(&format!("{line}:1: unknown key `")), "{text}{message}");
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(\\[(limits|mounts|profile\\.a|e2b)\\]\n|[a-z\"/=.{}\\[\\], 0-9]{0,12}\n){0,8}") {
        let _ = parse(&text);
    }
}

#[test]
fn each_place_without_the_unknown_key_is_a_policy() {
    for place in PLACES {
        assert!(parse(place).is_ok(), "{place}");
    }
}
