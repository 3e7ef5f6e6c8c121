//! Sandboxes that outlive the process that made them.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use sandpiper::{Backend, Exec, Local, Sandbox, SandboxState, Spec, collect};
use serde_json::{Value, json};

use crate::harness::{DockerPlace, Printed, command, docker, engine};
use crate::served::Served;

fn sandpiper(folder: &Path, arguments: &[&str]) -> Output {
    command(folder).env("SANDPIPER_SANDBOXES", folder.join("boxes")).args(arguments).output().unwrap()
}

#[track_caller]
fn prints(output: &Output, stdout: &str) {
    assert_eq!((output.status.code(), output.stdout().as_str()), (Some(0), stdout), "{}", output.stderr());
}

fn create(folder: &Path, options: &[&str]) -> String {
    let output = sandpiper(folder, &[&["sandbox", "create"], options].concat());
    created(&output)
}

#[track_caller]
fn created(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", output.stderr());
    output.stdout().trim().to_owned()
}

/// A process makes a sandbox, prints its reference and exits; others go on with it.
fn goes_on(sandpiper: impl Fn(&[&str]) -> Output, backend: &str) {
    let options = ["--backend", backend, "--label", "task=docs", "--env", "K=v"];
    let own = created(&sandpiper(&[&["sandbox", "create"], &options[..]].concat()));
    assert!(own.starts_with(&format!("{backend}:")), "{own}");
    let exec = |script: &str| sandpiper(&["sandbox", "exec", &own, "--", "bash", "-c", script]);
    prints(&exec("cd; echo one > f; echo $K; pwd"), "v\n/home/user\n");
    prints(&exec("cat /home/user/f; exit 0"), "one\n");
    assert_eq!(exec("exit 7").status.code(), Some(7));
    prints(&sandpiper(&["sandbox", "read", &own, "/home/user/f"]), "one\n");
    let list = |label| sandpiper(&["sandbox", "list", "--backend", backend, "--label", label]);
    assert!(list("task=docs").stdout().contains(&own), "{}", list("task=docs").stdout());
    prints(&list("task=other"), "");
    prints(&sandpiper(&["sandbox", "pause", &own]), &format!("{own} is paused\n"));
    prints(&exec("cat ~/f"), "one\n");
    prints(&sandpiper(&["sandbox", "close", &own]), &format!("{own} is closed\n"));
    let gone = exec("true");
    assert_eq!(gone.status.code(), Some(125));
    assert!(gone.stderr().contains("is gone"), "{}", gone.stderr());
}

#[test]
fn another_process_goes_on_by_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    goes_on(|arguments| sandpiper(folder.path(), arguments), "wasm");
    assert_eq!(std::fs::read_dir(folder.path().join("boxes")).unwrap().count(), 1, "the folder of snapshots");
}

#[test]
fn another_process_goes_on_by_the_reference_of_e2b() {
    let (folder, served) = (tempfile::tempdir().unwrap(), Served::start(&[]));
    let sandpiper = |arguments: &[&str]| served.client(folder.path()).args(arguments).output().unwrap();
    goes_on(sandpiper, "e2b");
}

#[test]
fn another_process_goes_on_by_the_reference_of_daytona() {
    let (folder, served) = (tempfile::tempdir().unwrap(), Served::start(&[]));
    let sandpiper = |arguments: &[&str]| served.client(folder.path()).args(arguments).output().unwrap();
    goes_on(sandpiper, "daytona");
}

#[test]
fn another_process_goes_on_by_the_reference_of_docker() {
    let Some(DockerPlace { image, host }) = docker() else { return };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sandpiper.toml"), format!("[docker]\nimage = {image:?}\n")).unwrap();
    let sandpiper = |arguments: &[&str]| {
        let host = host.as_ref().map(|host| ("DOCKER_HOST", host));
        let policy = folder.path().join("sandpiper.toml");
        command(folder.path()).env("SANDPIPER_POLICY", policy).envs(host).args(arguments).output().unwrap()
    };
    goes_on(sandpiper, "docker");
}

#[test]
fn a_command_that_is_refused_leaves_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let own = create(folder.path(), &[]);
    let exec = |cwd| sandpiper(folder.path(), &["sandbox", "exec", &own, "--cwd", cwd, "--", "pwd"]);
    let refused = exec("/none");
    assert_eq!(refused.status.code(), Some(125), "{}", refused.stderr());
    prints(&exec("/tmp"), "/tmp\n");
}

#[test]
fn a_lifetime_ends_it_and_what_runs_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let own = create(folder.path(), &["--lifetime", "6s"]);
    let start = std::time::Instant::now();
    let exec = sandpiper(folder.path(), &["sandbox", "exec", &own, "--", "sleep", "20"]);
    assert_eq!(exec.status.code(), Some(130), "{}", exec.stderr());
    assert!(start.elapsed().as_secs() < 15);
    let gone = sandpiper(folder.path(), &["sandbox", "exec", &own, "--", "true"]);
    assert!(gone.stderr().contains("is gone"), "{}", gone.stderr());
    prints(&sandpiper(folder.path(), &["sandbox", "list"]), "");
}

#[test]
fn a_paused_sandbox_has_no_end_and_keeps_what_is_in_memory() {
    const FILL: &str = "cd /tmp; mkdir -p d/e; echo kept > d/e/f; chmod 751 d/e/f; ln -s d/e/f 'a link'";
    let folder = tempfile::tempdir().unwrap();
    let boxes = folder.path().join("boxes");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let local = Local::open(engine().clone(), &boxes).unwrap();
        let spec = Spec { lifetime: Some(Duration::from_mins(5)), ..Spec::default() };
        let made = sandpiper::create(&local, spec).await.unwrap();
        let script = async |sandbox: &dyn Sandbox, script: &str| {
            let outcome =
                collect(sandbox.spawn(Exec::new(["bash", "-c", script])).await.unwrap()).await.unwrap();
            String::from_utf8(outcome.stdout.bytes).unwrap() + &String::from_utf8_lossy(&outcome.stderr.bytes)
        };
        let kept = "kept\n751 d/e/f\n";
        let shown = "cd /tmp; cat 'a link'; stat -c '%a %n' d/e/f";
        script(&*made, FILL).await;
        let fork = made.fork().await.unwrap();
        assert_eq!(script(&*fork, shown).await, kept);
        let image = made.snapshot().await.unwrap();
        let again =
            sandpiper::create(&local, Spec { image: image.clone(), ..Spec::default() }).await.unwrap();
        assert_eq!(script(&*again, shown).await, kept);

        made.pause().await.unwrap();
        let settings = boxes.join(made.reference().id).join("settings.json");
        let mut noted: Value = serde_json::from_slice(&std::fs::read(&settings).unwrap()).unwrap();
        noted["expires"] = json!({ "secs_since_epoch": 1, "nanos_since_epoch": 0 });
        std::fs::write(&settings, noted.to_string()).unwrap();
        let listed = local.list(&[]).await.unwrap();
        let own = listed.iter().find(|info| info.reference == made.reference()).unwrap();
        assert_eq!((own.state, own.expires), (SandboxState::Paused, None));
        let gone_on = local.connect(&made.reference()).await.unwrap();
        assert_eq!(script(&*gone_on, shown).await, kept);
        gone_on.pause().await.unwrap();
        gone_on.close().await.unwrap();
        for sandbox in [fork, again] {
            sandbox.close().await.unwrap();
        }
        assert_eq!(local.list(&[]).await.unwrap(), []);
        local.remove_snapshot(&image).await.unwrap();
        local.remove_snapshot(&image).await.unwrap();
        assert_eq!(std::fs::read_dir(boxes.join("snapshots")).unwrap().count(), 0);
        assert_eq!(std::fs::read_dir(&boxes).unwrap().count(), 1, "the folder of snapshots");
    });
}

#[test]
fn what_is_left_of_an_ended_sandbox_goes_when_somebody_looks() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (create(folder.path(), &[]), create(folder.path(), &[]));
    let boxes = folder.path().join("boxes");
    let place = boxes.join(own.strip_prefix("wasm:").unwrap());
    // As a process leaves it that is killed while it removes a sandbox, and one that makes another.
    std::fs::rename(place.join("settings.json"), place.join("ended.json")).unwrap();
    let begun = boxes.join("0123456789abcdef");
    std::fs::create_dir(&begun).unwrap();
    let listed = sandpiper(folder.path(), &["sandbox", "list"]).stdout();
    assert!(listed.contains(&other) && !listed.contains(&own), "{listed}");
    assert!(!place.exists() && begun.exists());
    let gone = sandpiper(folder.path(), &["sandbox", "close", &own]);
    assert!(gone.stderr().contains("is gone"), "{}", gone.stderr());
}

#[test]
fn a_reference_leads_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("settings.json"), "{}").unwrap();
    for reference in ["wasm:..", "wasm:../x", "wasm:", "nowhere:1", "wasm:0123456789abcdef"] {
        let output = sandpiper(folder.path(), &["sandbox", "close", reference]);
        assert_eq!(output.status.code(), Some(125), "{reference}: {}", output.stderr());
    }
    assert!(folder.path().join("settings.json").exists());
}
