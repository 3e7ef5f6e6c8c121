//! Messages name file, line, column, key and value, and what would work.

use insta::assert_snapshot;

use crate::{parse, refused, resolve};

#[test]
fn all_mistakes_are_found_at_once_in_the_order_of_lines() {
    let text = r#"
[limits]
memry = "64MiB"
timeout = 30

[mounts]
workspace = { host = "." }
"/data" = { host = "~/data", acess = "read-only" }

[profile.ci.routing]
backends = []
on = ["need"]
"#;
    assert_snapshot!(refused(text), @r#"
3:1: unknown key `limits.memry`
  hint: did you mean `memory`?
4:11: `limits.timeout` is `30`, expected a duration in quotes, such as "30s" or "1m 30s"
7:1: in `mounts`: `workspace` is not a guest path, expected an absolute path such as /workspace
8:20: `mounts."/data".host` begins with `~`, which is not expanded
  hint: write the whole path, or `./~` for the name
8:30: unknown key `mounts."/data".acess`
  hint: did you mean `access`?
11:12: `routing.backends` is empty, expected at least one
12:7: `profile.ci.routing.on[0]` is `"need"`, expected "needs" or "unsupported"
  hint: did you mean `needs`?
"#);
}

#[test]
fn all_mistakes_of_a_list_are_found_at_once() {
    let text = "[network]\nallow = [\"https://a.com\", \"b.com\", \"c d\", \"b.com\"]\n[uploads]\nallow = [\"!a\", 1]\n";
    assert_snapshot!(refused(text), @r#"
2:10: `network.allow[0]` is `"https://a.com"`, expected a host such as "example.com:443", "*.example.com", "10.0.0.0/8" or "*", without a scheme
2:36: `network.allow[2]` is `"c d"`, expected a host such as "example.com:443", "*.example.com", "10.0.0.0/8" or "*", without a scheme
2:43: `network.allow[3]` is there twice
  hint: leave it out
4:10: `uploads.allow[0]` begins with `!`; what is not to leave belongs into `uploads.deny`
4:16: `uploads.allow[1]` is `1`, expected a pattern in quotes, such as "src/**"
"#);
}

#[test]
fn all_limits_that_cannot_be_enforced_are_found_at_once() {
    let text = "[limits]\nmemory = \"1KiB\"\ndescriptors = 3\nprocesses = 0\n";
    assert_snapshot!(refused(text), @"
2:10: `limits.memory` is 1024 bytes, expected 64KiB to 4GiB
3:15: `limits.descriptors` is 3, expected at least 4
4:13: `limits.processes` is 0, expected at least 1
");
    assert_snapshot!(refused("[docker]\nmemory = \"8GiB\"\n"), @"2:10: `docker.memory` is 8589934592 bytes, expected 64KiB to 4GiB");
}

#[test]
fn the_message_begins_with_the_file() {
    let err = parse("[limit]\n").unwrap_err();
    assert_snapshot!(err.to_string(), @"
/p/sandpiper.toml:1:2: unknown key `limit`
  hint: did you mean `limits`?
");
}

#[test]
fn what_is_no_toml_is_said_without_the_line_itself() {
    let message = refused("[e2b]\napi_key = \"hunter2\napi_url = \"x\"\n");
    assert!(!message.contains("hunter2"), "{message}");
    assert_snapshot!(message, @r#"2:19: invalid basic string, expected `"`"#);
}

#[test]
fn a_column_counts_characters() {
    assert_snapshot!(refused("environment = { \"ä\" = \"ö\", B = 1 }"), @r#"
1:17: in `environment`: `ä` is not a variable's name, expected letters, digits and `_`
1:32: `environment.B` is `1`, expected a text in quotes, or { env = "NAME" }, { file = "path" }, or false for no variable
"#);
}

#[test]
fn values_that_contradict_each_other_are_found() {
    let text = r#"
[daytona]
image = "a"
snapshot = "b"
[docker]
network = "bridge"
[limits]
timeout = "0s"
"#;
    assert_snapshot!(refused(text), @r#"
4:12: `daytona.snapshot` and `daytona.image` are both set, expected one of them
6:11: `docker.network` is "bridge", and Docker cannot enforce rules, expected `network.allow` to be ["*"] and nothing denied
8:11: `limits.timeout` is 0ns, expected more than 0 and at most 365 days
"#);
    let open = resolve("[docker]\nnetwork = \"bridge\"\n[network]\nallow = [\"*\"]\n");
    assert_eq!(open.docker().network.as_str(), "bridge");
}

#[test]
fn a_guest_path_is_mounted_once() {
    let text = "[mounts]\n\"/a\" = { host = \"x\" }\n\"/a/\" = { host = \"y\" }\n";
    assert_snapshot!(refused(text), @r#"
3:1: `mounts."/a/"` is there twice
  hint: a slash at the end makes no other path
"#);
}

#[cfg(unix)] // Paths are written with backslashes elsewhere.
#[test]
fn the_policy_is_shown_with_origins() {
    let text = r#"
[limits]
timeout = "5s"
[mounts]
"/workspace" = { host = "src" }
[environment]
TOKEN = { env = "TOKEN" }
"#;
    assert_snapshot!(resolve(text).show(), @r#"
# /p/sandpiper.toml

[routing]
backends = ["wasm"]                      # default
on = []                                  # default
ask = true                               # default

[limits]
metering = "fuel"                        # default
fuel = 500000000000                      # default
timeout = "5s"                           # /p/sandpiper.toml:3:11
memory = "256MiB"                        # default
table_elements = 100000                  # default
tmp = "64MiB"                            # default
disk = "1GiB"                            # default
files = 100000                           # default
descriptors = 1024                       # default
processes = 256                          # default
output = "16MiB"                         # default

[network]
allow = []                               # default
deny = []                                # default

[uploads]
allow = []                               # default
deny = []                                # default
max_bytes = "64MiB"                      # default
max_files = 10000                        # default

[remote]
max_time = "10m"                         # default
max_cost = "0"                           # default
max_sandboxes = 8                        # default

[e2b]
template = "base"                        # default
api_url = "https://api.e2b.app"          # default
api_key = { env = "E2B_API_KEY" }        # default
lacks = []                               # default

[daytona]
# snapshot is not set                    # default
# image is not set                       # default
api_url = "https://app.daytona.io/api"   # default
api_key = { env = "DAYTONA_API_KEY" }    # default
target = "us"                            # default
lacks = []                               # default

[docker]
image = "python:3.13-slim"               # default
# host is not set                        # default
memory = "512MiB"                        # default
cpus = 1                                 # default
network = "none"                         # default

[mounts]
"/workspace" = { host = "/p/src", access = "read-only", git = "shown" } # /p/sandpiper.toml:5:16

[environment]
"TOKEN" = { env = "TOKEN", backends = ["wasm"] } # /p/sandpiper.toml:7:9
"#);
}

#[test]
fn a_key_is_explained_with_what_it_replaced() {
    let text = "[limits]\ntimeout = \"5s\"\n[profile.ci.limits]\ntimeout = \"1m\"\n";
    let explained = crate::resolve_as(text, Some("ci")).explain("limits.timeout").unwrap();
    assert_snapshot!(explained[0].to_string(), @r#"
limits.timeout = "1m"  (/p/sandpiper.toml:4:11, profile ci)
  Wall-clock time.
  in place of "5s"  (/p/sandpiper.toml:2:11)
  in place of "30s"  (default)
"#);
    let unknown = resolve(text).explain("limits.timout").unwrap_err();
    assert_eq!(unknown.to_string(), "there is no key `limits.timout`");
    assert_eq!(unknown.hint(), Some("did you mean `limits.timeout`?"));
}

#[test]
fn a_file_full_of_mistakes_is_refused_at_once() {
    let lines: Vec<String> = (0..50_000).map(|index| format!("k{index} = 1")).collect();
    let message = refused(&lines.join("\n"));
    assert_eq!(message.lines().filter(|line| line.contains("unknown key")).count(), 100);
    assert!(message.contains("there are more mistakes"));
}

#[test]
fn a_list_is_as_long_as_a_person_writes_it() {
    let list = |count: usize| {
        let items: Vec<String> = (0..count).map(|index| format!("\"a{index}\"")).collect();
        format!("uploads.allow = [{}]", items.join(", "))
    };
    assert!(resolve(&list(1000)).uploads().is_ok());
    assert_eq!(refused(&list(1001)), "1:17: `uploads.allow` has 1001 items, expected at most 1000");
}
