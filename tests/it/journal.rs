//! The journal of runs, by the command.

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::harness::{Printed, command};

fn sandpiper(folder: &Path, arguments: &[&str]) -> Output {
    command(folder).env("SANDPIPER_JOURNAL", folder.join("journal")).args(arguments).output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", output.stderr());
    output.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_run_is_written_down_from_its_start_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let program = "import sys; open('/dev/null/x') if len(sys.argv) > 1 else sys.exit(3)";
    sandpiper(folder.path(), &["run", "--no-dir", "--", "python3", "-c", program]);
    let listed = lines(&sandpiper(folder.path(), &["journal", "list", "--json", "--code", "3"]));
    assert_eq!((listed.len(), listed[0]["exit"]["code"].as_u64()), (1, Some(3)));
    assert_eq!(
        lines(&sandpiper(folder.path(), &["journal", "list", "--json", "--code", "4"])),
        Vec::<Value>::new()
    );
    let records = lines(&sandpiper(folder.path(), &["journal", "show", "latest", "--json"]));
    let kinds: Vec<&str> = records.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["run-started", "sandbox-created", "process-ended", "run-ended"]);
    let exported = lines(&sandpiper(folder.path(), &["journal", "export", "latest"]));
    assert_eq!(exported.len(), records.len());
    assert_eq!(exported[0]["run"], listed[0]["run"]);
    let verified = lines(&sandpiper(folder.path(), &["journal", "verify", "--json"]));
    assert_eq!(verified[0]["condition"], "complete");
    let tail = sandpiper(folder.path(), &["journal", "tail", "latest", "--json"]);
    assert_eq!(lines(&tail), records);
}

#[test]
fn what_was_changed_afterwards_is_told() {
    let folder = tempfile::tempdir().unwrap();
    sandpiper(folder.path(), &["run", "--no-dir", "--", "true"]);
    let runs = folder.path().join("journal");
    let mut files = Vec::new();
    let mut waiting = vec![runs];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { files.push(path) }
        }
    }
    let run = files
        .iter()
        .find(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("run-started")));
    let run = run.unwrap_or_else(|| panic!("{files:?}"));
    let text = std::fs::read_to_string(run).unwrap();
    std::fs::write(run, text.replace("\"true\"", "\"fals\"")).unwrap();
    let verify = sandpiper(folder.path(), &["journal", "verify", "latest"]);
    assert_eq!(verify.status.code(), Some(1), "{}", verify.stderr());
    assert!(verify.stdout().contains("damaged"), "{}", verify.stdout());
}

#[test]
fn a_secret_of_the_policy_is_not_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, "[environment]\nTOKEN = { env = \"THE_TOKEN\" }\n").unwrap();
    let output = command(folder.path())
        .env("SANDPIPER_JOURNAL", folder.path().join("journal"))
        .env("THE_TOKEN", "swordfish-1234")
        .args(["run", "--policy", "policy.toml", "--", "bash", "-c", "echo $TOKEN swordfish-1234"])
        .output()
        .unwrap();
    assert_eq!(output.stdout(), "swordfish-1234 swordfish-1234\n", "{}", output.stderr());
    let exported = sandpiper(folder.path(), &["journal", "export", "latest"]);
    assert!(exported.stdout().contains("[redacted]"), "{}", exported.stdout());
    assert!(!exported.stdout().contains("swordfish"), "{}", exported.stdout());
}

#[test]
fn a_run_that_is_killed_is_unfinished() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path())
        .env("SANDPIPER_JOURNAL", folder.path().join("journal"))
        .args(["run", "--no-dir", "--", "bash", "-c", "echo up; sleep 20"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    let running = lines(&sandpiper(folder.path(), &["journal", "list", "--json"]));
    assert_eq!(running[0]["state"], "running");
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = lines(&sandpiper(folder.path(), &["journal", "list", "--json"]));
    assert_eq!(killed[0]["state"], "unfinished");
    let verified = lines(&sandpiper(folder.path(), &["journal", "verify", "latest", "--json"]));
    assert_eq!(verified[0]["condition"], "unfinished");
    assert_eq!(verified[0]["records"], 2);
}

#[test]
fn a_journal_that_cannot_be_written_is_told_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let run = |mode: &str| {
        command(folder.path())
            .env("SANDPIPER_JOURNAL", folder.path().join("file"))
            .args(["run", "--no-dir", "--journal", mode, "--", "echo", "hi"])
            .output()
            .unwrap()
    };
    let auto = run("auto");
    assert_eq!((auto.status.code(), auto.stdout().as_str()), (Some(0), "hi\n"));
    assert!(auto.stderr().contains("this run has no journal"), "{}", auto.stderr());
    let required = run("require");
    assert_eq!((required.status.code(), required.stdout().as_str()), (Some(125), ""));
    let off = run("off");
    assert_eq!((off.status.code(), off.stderr().as_str()), (Some(0), ""));
}

/// What `journal files` says of the last run.
fn files(folder: &Path) -> Vec<Value> {
    lines(&sandpiper(folder, &["journal", "files", "latest", "--json"]))
}

fn digest(content: &str) -> Value {
    sandpiper::journal::Digest::of(content.as_bytes()).to_string().into()
}

#[test]
fn a_run_tells_which_files_of_a_granted_directory_it_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("project");
    std::fs::create_dir(&project).unwrap();
    for name in ["changed", "gone", "moved", "touched", "looked"] {
        std::fs::write(project.join(name), name).unwrap();
    }
    let script = "echo more >> changed; rm gone; mv moved away; touch -d 2001-01-01 touched; mkdir new; echo n > new/n; \
                  echo t > tmp; rm tmp; python3 -c \"open('looked', 'r+').read()\"";
    let run = sandpiper(folder.path(), &["run", "--dir", "project", "-c", script]);
    assert!(run.status.success(), "{}", run.stderr());
    let told: Vec<[Value; 4]> = files(folder.path())
        .into_iter()
        .map(|file| ["path", "change", "before", "after"].map(|field| file[field].clone()))
        .collect();
    let file = |path: &str, change: &str, before: Option<&str>, after: Option<&str>| {
        let content = |content: Option<&str>| content.map_or(Value::Null, digest);
        [format!("/workspace/{path}").into(), change.into(), content(before), content(after)]
    };
    assert_eq!(
        told,
        [
            file("away", "created", None, Some("moved")),
            file("changed", "modified", Some("changed"), Some("changedmore\n")),
            file("gone", "removed", Some("gone"), None),
            file("moved", "removed", Some("moved"), None),
            file("new", "created", None, None),
            file("new/n", "created", None, Some("n\n")),
            file("touched", "attributes", Some("touched"), Some("touched")),
        ]
    );
}

#[test]
fn a_run_that_is_killed_has_told_what_it_was_about_to_change() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f"), "before").unwrap();
    let mut child = command(folder.path())
        .env("SANDPIPER_JOURNAL", folder.path().join("journal"))
        .args(["run", "--dir", ".", "-c", "echo x > f; echo y > n; echo up; sleep 20"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let told = files(folder.path());
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((&told[0]["path"], &told[0]["before"]), (&"/workspace/f".into(), &digest("before")));
    assert_eq!((&told[1]["path"], &told[1]["change"]), (&"/workspace/n".into(), &"created".into()));
}
