//! What a person is told of a policy before it is used.

use insta::assert_snapshot;
use sandpiper_core::{Limits, Spec};
use sandpiper_policy::{Authority, Backend, Notice, Overrides, Policy, RemoteCaps, Upload};

use crate::resolve;

fn lines(notices: &[Notice]) -> String {
    notices
        .iter()
        .map(|notice| notice.to_string().replace("/p/sandpiper.toml:", ""))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_empty_policy_allows_nothing() {
    for empty in [Policy::empty(), crate::parse("").unwrap(), crate::parse("# nothing\n[mounts]\n").unwrap()]
    {
        let run = empty.resolve(None, Overrides::default(), Authority::Person).unwrap();
        assert!(run.mounts().is_empty());
        assert!(run.environment(Backend::Wasm, |_| Some("x".into())).unwrap().is_empty());
        assert!(!run.network().permits("localhost", 80));
        assert_eq!(run.uploads().unwrap().decide("README.md"), Upload::NotAllowed);
        assert_eq!(run.routing().backends, [Backend::Wasm]);
        assert!(run.routing().on.is_empty() && run.routing().ask);
        assert!(matches!(run.remote(), RemoteCaps { max_cost, .. } if max_cost.micros() == 0));
        assert_eq!(run.limits(), Limits::default());
        assert!(run.reaches().is_empty() && run.warnings().is_empty());
        let spec = Spec { mounts: run.mounts(), limits: run.limits(), ..Spec::default() };
        assert_eq!(spec, Spec::default());
    }
}

#[test]
fn what_is_doubtful_is_said_with_its_line() {
    let text = r#"
[mounts]
"/workspace" = { host = ".", access = "read-write" }
"/keys" = { host = "keys" }
[environment]
GITHUB_TOKEN = "ghp_hunter2"
KEY = { file = "keys/a" }
KEYBOARD = "de"
[limits]
metering = "deadline"
fuel = 5
[network]
allow = ["example.com"]
[routing]
on = ["unsupported"]
"#;
    let warnings = lines(&resolve(text).warnings());
    assert!(!warnings.contains("hunter2"));
    assert_snapshot!(warnings, @r#"
3:16: the guest can write this policy, which is in the mount /workspace; mount it read-only or a directory below
4:11: the guest can read the file of `environment.KEY`, which is in the mount /keys
3:16: the guest can read the file of `environment.KEY`, which is in the mount /workspace
6:16: `environment.GITHUB_TOKEN` sounds like a secret and is written out; name where it is: { env = "GITHUB_TOKEN" }
11:8: `limits.fuel` has no effect while `limits.metering` is "deadline"
13:9: `network.allow` has no effect: the backend wasm has no network, and `routing.on` has no "needs" to go to another
15:6: `routing.on` has no effect with one backend
"#);
    let text = "[routing]\nbackends = [\"wasm\", \"e2b\"]\n";
    assert_snapshot!(lines(&resolve(text).warnings()), @"2:12: nothing will run on e2b: `remote.max_cost` is 0");
}

#[test]
fn a_policy_that_the_guest_cannot_write_is_no_doubt() {
    for text in [
        "[mounts]\n\"/workspace\" = { host = \".\" }\n",
        "[mounts]\n\"/workspace\" = { host = \"src\", access = \"read-write\" }\n",
    ] {
        assert!(resolve(text).warnings().is_empty(), "{text}");
    }
    let text = "[mounts]\n\"/workspace\" = { host = \"src/..\", access = \"read-write\" }\n";
    assert_eq!(resolve(text).warnings().len(), 1);
}

#[cfg(unix)]
#[test]
fn a_link_does_not_hide_that_the_guest_can_write_the_policy() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real");
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, folder.path().join("link")).unwrap();
    let path = real.join("sandpiper.toml");
    std::fs::write(&path, "[mounts]\n\"/w\" = { host = \"../link\", access = \"read-write\" }\n").unwrap();
    let run = Policy::load(&path).unwrap().resolve(None, Overrides::default(), Authority::Person).unwrap();
    assert_eq!(run.warnings().len(), 1);
}

#[cfg(unix)] // Paths are written with backslashes elsewhere.
#[test]
fn how_far_a_policy_reaches_is_said() {
    let text = r#"
[mounts]
"/workspace" = { host = "src", access = "read-write" }
"/up" = { host = ".." }
"/etc" = { host = "/etc", access = "read-write" }
[environment]
LANG = "C"
KEY = { env = "AWS_SECRET_ACCESS_KEY" }
[routing]
backends = ["wasm", "e2b", "docker"]
[network]
allow = ["*"]
[uploads]
allow = ["**"]
[e2b]
api_url = "https://example.com"
api_key = { file = "/home/ada/.netrc" }
"#;
    assert_snapshot!(lines(&resolve(text).reaches()), @r#"
5:10: the guest gets /etc at /etc, "read-write"
4:9: the guest gets /p/.. at /up, "read-only"
8:7: the guest gets the environment variable AWS_SECRET_ACCESS_KEY as KEY
10:12: runs may go to e2b
10:12: runs may go to docker
17:11: the file /home/ada/.netrc goes to https://example.com as the key of e2b
12:9: the guest reaches ["*"]
14:9: files may be uploaded: ["**"]
"#);
    let near =
        "[mounts]\n\"/workspace\" = { host = \".\", access = \"read-write\" }\n[limits]\ntimeout = \"1h\"\n";
    assert!(resolve(near).reaches().is_empty());
}

#[cfg(unix)] // Paths are written with backslashes elsewhere.
#[test]
fn a_policy_reaches_by_what_it_says_of_backends_to_which_runs_do_not_go() {
    let text = r#"
[e2b]
api_url = "http://127.0.0.1:4399"
api_key = { env = "AWS_SECRET_ACCESS_KEY" }
template = "theirs"
[daytona]
api_key = { file = "/home/ada/.netrc" }
image = "theirs"
target = "eu"
[docker]
host = "unix:///p/daemon.sock"
image = "theirs"
[remote]
max_time = "1h"
max_cost = "5"
max_sandboxes = 20
"#;
    assert_snapshot!(lines(&resolve(text).reaches()), @r#"
4:11: the environment variable AWS_SECRET_ACCESS_KEY goes to http://127.0.0.1:4399 as the key of e2b
7:11: the file /home/ada/.netrc goes to https://app.daytona.io/api as the key of daytona
5:12: what goes to e2b goes by `e2b.template` = "theirs"
8:9: what goes to daytona goes by `daytona.image` = "theirs"
9:10: what goes to daytona goes by `daytona.target` = "eu"
12:9: what goes to docker goes by `docker.image` = "theirs"
11:8: what goes to docker goes by `docker.host` = "unix:///p/daemon.sock"
14:12: runs on other machines may take `remote.max_time` = "1h"
15:12: runs on other machines may take `remote.max_cost` = "5"
16:17: runs on other machines may take `remote.max_sandboxes` = 20
"#);
    let url = "[e2b]\napi_url = \"https://example.com\"\n";
    assert_snapshot!(
        lines(&resolve(url).reaches()),
        @"2:11: the environment variable E2B_API_KEY goes to https://example.com as the key of e2b"
    );
}

#[test]
fn what_is_usual_or_less_is_no_reach() {
    let text = r#"
[e2b]
template = "base"
api_url = "https://api.e2b.app"
api_key = { env = "E2B_API_KEY" }
lacks = ["ports"]
[docker]
memory = "1GiB"
cpus = 2
[remote]
max_time = "1m"
max_sandboxes = 0
"#;
    assert!(resolve(text).reaches().is_empty());
}
