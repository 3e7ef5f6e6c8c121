//! Every key has values that are allowed and values that are refused.

use std::collections::BTreeSet;

use insta::assert_snapshot;

use crate::{TABLES, refused, resolve, values};

/// A key, a value that is allowed, and one that is refused.
const KEYS: &[(&str, &str, &str)] = &[
    ("routing.backends", r#"["wasm", "e2b"]"#, r#"["wasm", "e2"]"#),
    ("routing.on", r#"["needs", "unsupported"]"#, r#"["always"]"#),
    ("routing.ask", "false", r#""no""#),
    ("limits.metering", r#""deadline""#, r#""time""#),
    ("limits.fuel", "1_000_000", r#""1e6""#),
    ("limits.timeout", r#""1m 30s""#, "30"),
    ("limits.memory", r#""128MiB""#, r#""1.5GiB""#),
    ("limits.table_elements", "1000", "4294967296"),
    ("limits.tmp", r#""1MiB""#, "1048576"),
    ("limits.disk", r#""0""#, r#""-1""#),
    ("limits.files", "0x10", "-1"),
    ("limits.descriptors", "4", "3"),
    ("limits.processes", "1", "0"),
    ("limits.output", r#""1MB""#, "[]"),
    ("network.allow", r#"["example.com:443", "*.example.org", "10.0.0.0/8"]"#, r#"["https://example.com"]"#),
    ("network.deny", r#"["169.254.0.0/16"]"#, r#"["a", "a"]"#),
    ("uploads.allow", r#"["src/**", "*.toml"]"#, r#"["!src"]"#),
    ("uploads.deny", "[]", r#"["../secrets"]"#),
    ("uploads.max_bytes", r#""1MiB""#, "true"),
    ("uploads.max_files", "1", "1.5"),
    ("remote.max_time", r#""1h""#, r#""1 lightyear""#),
    ("remote.max_cost", "2.5", r#""$2.50""#),
    ("remote.max_sandboxes", "2", r#""2""#),
    ("e2b.template", r#""my-template""#, r#""my template""#),
    ("e2b.api_url", r#""http://localhost:3000""#, r#""http://example.com""#),
    ("e2b.api_key", r#"{ file = "key" }"#, r#""sk-live-hunter2""#),
    ("e2b.lacks", r#"["ports", "network_everything"]"#, r#"["port"]"#),
    ("daytona.snapshot", r#""small""#, r#""""#),
    ("daytona.image", "false", "true"),
    ("daytona.api_url", r#""https://example.com/api""#, r#""https://user:hunter2@example.com""#),
    ("daytona.api_key", r#"{ env = "KEY" }"#, r#"{ env = "$hunter2" }"#),
    ("daytona.target", r#""eu""#, "7"),
    ("daytona.lacks", r#"["pause_keeps_processes"]"#, r#"["ports", "ports"]"#),
    ("docker.image", r#""debian:13""#, r#""--privileged""#),
    ("docker.host", r#""unix:///run/docker.sock""#, "1"),
    ("docker.memory", r#""1GiB""#, r#""lots""#),
    ("docker.cpus", "1.5", "0"),
    ("docker.network", r#""none""#, r#""host""#),
    (
        "mounts.\"/workspace\"",
        r#"{ host = ".", access = "read-write", git = "hidden" }"#,
        r#"{ access = "read-only" }"#,
    ),
    ("environment.LANG", r#""C.UTF-8""#, "1"),
    (
        "environment.TOKEN",
        r#"{ env = "TOKEN", backends = ["wasm", "e2b"] }"#,
        r#"{ env = "TOKEN", backends = ["all"] }"#,
    ),
];

fn with(key: &str, value: &str) -> String {
    let (table, name) = key.split_once('.').unwrap();
    format!("[{table}]\n{name} = {value}\n")
}

#[test]
fn every_key_of_the_policy_is_in_the_table() {
    let listed: BTreeSet<&str> = KEYS.iter().map(|(key, ..)| key.split('"').next().unwrap()).collect();
    for (key, _) in values(&resolve("")) {
        assert!(TABLES.contains(&&*key) || listed.contains(&*key), "{key} is not in KEYS");
    }
}

#[test]
fn every_key_takes_its_value_and_says_where_it_was_set() {
    for (key, allowed, _) in KEYS {
        let explained = resolve(&with(key, allowed)).explain(key).unwrap();
        let [explained] = explained.as_slice() else { panic!("{key}") };
        let name = key.split_once('.').unwrap().1;
        let line = format!("/p/sandpiper.toml:2:{}", name.len() + 4);
        assert_eq!(explained.origin.to_string(), line, "{key}");
    }
}

#[test]
fn every_key_refuses_what_is_no_value_of_it_with_line_and_column() {
    let messages: Vec<String> = KEYS.iter().map(|(key, _, value)| refused(&with(key, value))).collect();
    assert!(!messages.join("\n").contains("hunter2"));
    assert_snapshot!(messages.join("\n"), @r#"
2:21: `routing.backends[1]` is `"e2"`, expected "wasm", "e2b", "daytona" or "docker"
  hint: did you mean `e2b`?
2:7: `routing.on[0]` is `"always"`, expected "needs" or "unsupported"
2:7: `routing.ask` is `"no"`, expected true or false
2:12: `limits.metering` is `"time"`, expected "fuel" or "deadline"
2:8: `limits.fuel` is `"1e6"`, expected a whole number from 0, without quotes
2:11: `limits.timeout` is `30`, expected a duration in quotes, such as "30s" or "1m 30s"
2:10: `limits.memory` is `"1.5GiB"`, expected a size in quotes, such as "256MiB"
2:18: `limits.table_elements` is `4294967296`, expected at most 4294967295
2:7: `limits.tmp` is `1048576`, expected a size in quotes, such as "256MiB"
2:8: `limits.disk` is `"-1"`, expected a size in quotes, such as "256MiB"
2:9: `limits.files` is `-1`, expected a whole number from 0, without quotes
2:15: `limits.descriptors` is 3, expected at least 4
2:13: `limits.processes` is 0, expected at least 1
2:10: `limits.output` is `[]`, expected a size in quotes, such as "256MiB"
2:10: `network.allow[0]` is `"https://example.com"`, expected a host such as "example.com:443", "*.example.com", "10.0.0.0/8" or "*", without a scheme
2:14: `network.deny[1]` is there twice
  hint: leave it out
2:10: `uploads.allow[0]` begins with `!`; what is not to leave belongs into `uploads.deny`
2:9: `uploads.deny[0]` has an empty name, `.` or `..` in it; it begins at the mount
2:13: `uploads.max_bytes` is `true`, expected a size in quotes, such as "256MiB"
2:13: `uploads.max_files` is `1.5`, expected a whole number from 0, without quotes
2:12: `remote.max_time` is `"1 lightyear"`, expected a duration in quotes, such as "30s" or "1m 30s"
2:12: `remote.max_cost` is `"$2.50"`, expected US dollars such as "2.50", with at most 6 decimals
2:17: `remote.max_sandboxes` is `"2"`, expected a whole number from 0, without quotes
2:12: `e2b.template` is `"my template"`, expected a name in quotes, without spaces and not beginning with `-`
2:11: `e2b.api_url` is not the address of an interface, expected https://HOST[:PORT][/PATH]
  hint: http is for this machine alone; a key belongs into `api_key`
2:11: `e2b.api_key` is not a reference to a secret
  hint: secrets are not written into policies; name where it is, as { env = "NAME" } or { file = "path" }
2:10: `e2b.lacks[0]` is `"port"`, expected "network_nothing", "network_rules", "network_everything", "pause", "pause_keeps_processes", "snapshot", "fork", "ports" or "metrics"
  hint: did you mean `ports`?
2:12: `daytona.snapshot` is `""`, expected a name in quotes, without spaces and not beginning with `-`
2:9: `daytona.image` is `true`, expected a name in quotes, without spaces and not beginning with `-`
2:11: `daytona.api_url` is not the address of an interface, expected https://HOST[:PORT][/PATH]
  hint: http is for this machine alone; a key belongs into `api_key`
2:19: `daytona.api_key.env` is not a variable's name, of letters, digits and `_`
  hint: write the variable's name without `$`
2:10: `daytona.target` is `7`, expected a name in quotes, without spaces and not beginning with `-`
2:19: `daytona.lacks[1]` is there twice
  hint: leave it out
2:9: `docker.image` is `"--privileged"`, expected a name in quotes, without spaces and not beginning with `-`
2:8: `docker.host` is `1`, expected a name in quotes, without spaces and not beginning with `-`
2:10: `docker.memory` is `"lots"`, expected a size in quotes, such as "256MiB"
2:8: `docker.cpus` is `0`, expected a number of processors more than 0, such as 1.5
2:11: `docker.network` is "host", which would give the guest the network of this machine or of another container
2:16: `mounts."/workspace"` has no `host`
  hint: name the directory of the host: { host = "src" }
2:8: `environment.LANG` is `1`, expected a text in quotes, or { env = "NAME" }, { file = "path" }, or false for no variable
2:38: `environment.TOKEN.backends[0]` is `"all"`, expected "wasm", "e2b", "daytona" or "docker"
"#);
}

#[test]
fn what_is_shown_reads_as_the_same_policy() {
    let all: Vec<String> = KEYS
        .iter()
        .filter(|(key, ..)| !key.starts_with("daytona.image"))
        .map(|(key, allowed, _)| with(key, allowed).replacen(']', "]\n", 1))
        .collect();
    for text in all {
        let resolved = resolve(&text);
        let shown = resolved.show();
        assert_eq!(values(&resolve(&shown)), values(&resolved), "{shown}");
    }
}
