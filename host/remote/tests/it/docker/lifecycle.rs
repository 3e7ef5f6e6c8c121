//! How sandboxes of a real daemon come, are found again, and go.

use std::time::{Duration, Instant, SystemTime};

use sandpiper_core::{
    Backend, Error, Exec, Exit, Image, Network, SandboxInfo, SandboxRef, SandboxState, Spec,
};
use sandpiper_remote::docker::Docker;

use super::daemon::{admitted, daemon, files, is_gone, output, printed, run, sandbox, sh};

/// Metadata that no other sandbox has.
fn noted(test: &str) -> Vec<(String, String)> {
    let unique = format!("{test}-{}-{:?}", std::process::id(), SystemTime::now());
    vec![("test".to_owned(), unique), ("with=sign".to_owned(), "a=b".to_owned())]
}

async fn listed(docker: &Docker, metadata: &[(String, String)]) -> Vec<SandboxInfo> {
    docker.list(metadata).await.unwrap()
}

async fn until_gone(docker: &Docker, metadata: &[(String, String)], after: Duration) {
    let deadline = Instant::now() + after;
    while !listed(docker, metadata).await.is_empty() {
        assert!(Instant::now() < deadline, "it is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_sandbox_is_found_again_by_its_reference_and_by_its_metadata() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let metadata = noted("found");
    let mut spec = Spec { metadata: metadata.iter().cloned().collect(), ..Spec::default() };
    spec.limits.output_bytes = 5;
    // Of no effect on what is not a command.
    spec.env = vec![("KEPT".to_owned(), "1".to_owned()), ("PATH".to_owned(), "/none".to_owned())];
    spec.lifetime = Some(Duration::from_mins(2));
    let first = sandbox(&docker, spec).await;
    files(&*first).write("/workspace/file", "kept\n".into()).await.unwrap();
    let infos = listed(&docker, &metadata).await;
    assert_eq!(infos.len(), 1);
    assert_eq!((&infos[0].reference, infos[0].state), (&first.reference(), SandboxState::Running));
    let left = infos[0].expires.unwrap().duration_since(SystemTime::now()).unwrap();
    assert!((100..=120).contains(&left.as_secs()), "{left:?}");
    assert!(infos[0].created.unwrap() <= SystemTime::now());
    assert_eq!(listed(&docker, &[("test".to_owned(), "other".to_owned())]).await, []);
    let reference = first.detach().unwrap();
    assert_eq!(reference.metadata, metadata.iter().cloned().collect());
    let again = docker.connect(&SandboxRef::new("docker", reference.id.as_str())).await.unwrap();
    assert_eq!(again.reference(), reference);
    assert_eq!(files(&*again).read("/workspace/file", 100).await.unwrap(), "kept\n");
    // Its variables and its limits are known again too.
    let shell = |text| Exec::new(["/bin/sh", "-c", text]);
    let outcome = run(&*again, shell("echo $KEPT")).await.unwrap();
    assert_eq!(outcome.stdout.bytes, b"1\n");
    let outcome = run(&*again, shell("echo 123456")).await.unwrap();
    assert_eq!((outcome.stdout.bytes.as_slice(), outcome.stdout.cut), (&b"12345"[..], true));
    again.close().await.unwrap();
    again.close().await.unwrap();
    is_gone(&reference, docker.connect(&reference).await);
    is_gone(&reference, run(&*again, sh("true")).await);
    assert_eq!(
        files(&*again).stat("/workspace").await.unwrap_err().kind,
        sandpiper_core::FileErrorKind::Gone
    );
    assert_eq!(listed(&docker, &metadata).await, []);
}

#[tokio::test]
async fn what_is_no_sandbox_is_not_connected_to() {
    let Some(docker) = daemon(|_| {}).await else { return };
    for reference in [SandboxRef::new("docker", "0123456789ab"), SandboxRef::new("e2b", "0123456789ab")] {
        is_gone(&reference, docker.connect(&reference).await);
    }
}

#[tokio::test]
async fn a_sandbox_that_is_dropped_is_closed_and_one_that_is_detached_is_not() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let metadata = noted("dropped");
    let spec = Spec { metadata: metadata.iter().cloned().collect(), ..Spec::default() };
    let held = sandbox(&docker, spec.clone()).await;
    // What else is held of it does not keep it.
    let (files, running) = (held.files(), held.spawn(sh("true")).await.unwrap());
    drop(held);
    until_gone(&docker, &metadata, Duration::from_secs(10)).await;
    drop((files, running));
    let reference = sandbox(&docker, spec).await.detach().unwrap();
    assert_eq!(listed(&docker, &metadata).await.len(), 1);
    docker.connect(&reference).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_creation_that_is_given_up_leaves_nothing() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let metadata = noted("given up");
    let spec = Spec { metadata: metadata.iter().cloned().collect(), ..Spec::default() };
    for after in [1, 10, 40, 100, 200] {
        let create = docker.create(admitted(&docker, spec.clone()));
        let _ = tokio::time::timeout(Duration::from_millis(after), create).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    until_gone(&docker, &metadata, Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_sandbox_ends_by_itself_and_its_lifetime_can_be_set() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let metadata = noted("lifetime");
    let spec = Spec {
        metadata: metadata.iter().cloned().collect(),
        lifetime: Some(Duration::from_secs(3)),
        ..Spec::default()
    };
    let begun = Instant::now();
    let held = sandbox(&docker, spec).await;
    held.set_lifetime(Duration::from_secs(6)).await.unwrap();
    let expires = listed(&docker, &metadata).await[0].expires.unwrap();
    let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
    assert!((3..=6).contains(&left.as_secs()), "{left:?}");
    let reference = held.reference();
    let outcome = run(&*held, sh("sleep 60")).await;
    is_gone(&reference, outcome);
    let lived = begun.elapsed();
    assert!((5..=12).contains(&lived.as_secs()), "{lived:?}");
    until_gone(&docker, &metadata, Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_container_that_is_killed_takes_its_command_with_it() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let held = sandbox(&docker, Spec::default()).await;
    let reference = held.reference();
    let (mut events, done, _control) = held.spawn(sh("echo ready; sleep 60")).await.unwrap().split();
    let kill = async {
        assert_eq!(output(events.recv().await.unwrap()).1, b"ready\n");
        let other = docker.connect(&reference).await.unwrap();
        other.close().await.unwrap();
        assert_eq!(events.recv().await, None);
    };
    let (outcome, ()) = tokio::join!(done, kill);
    is_gone(&reference, outcome);
    // Closed is closed, whoever has done it.
    held.close().await.unwrap();
}

#[tokio::test]
async fn a_paused_sandbox_goes_on_where_it_was() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let metadata = noted("paused");
    let spec = Spec { metadata: metadata.iter().cloned().collect(), ..Spec::default() };
    let held = sandbox(&docker, spec).await;
    let text = "echo ready; n=0; while [ $n -lt 10 ]; do sleep 0.1; n=$((n+1)); done; echo done";
    let (mut events, done, _control) = held.spawn(sh(text)).await.unwrap().split();
    let pause = async {
        events.recv().await.unwrap();
        held.pause().await.unwrap();
        assert_eq!(listed(&docker, &metadata).await[0].state, SandboxState::Paused);
        let refused = run(&*held, sh("true")).await.unwrap_err();
        let expected = "the backend docker cannot run a command: the sandbox is paused; it goes on when it is connected to";
        assert_eq!(refused.to_string(), expected);
        let other = docker.connect(&held.reference()).await.unwrap();
        assert_eq!(listed(&docker, &metadata).await[0].state, SandboxState::Running);
        other.detach().unwrap();
        assert_eq!(output(events.recv().await.unwrap()).1, b"done\n");
    };
    let (outcome, ()) = tokio::join!(done, pause);
    assert_eq!(outcome.unwrap().exit, Exit::Code { code: 0 });
    held.pause().await.unwrap();
    held.close().await.unwrap();
}

#[tokio::test]
async fn a_snapshot_has_the_files_and_none_of_the_notes() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let metadata = noted("snapshot");
    let spec = Spec { metadata: metadata.iter().cloned().collect(), ..Spec::default() };
    let held = sandbox(&docker, spec).await;
    printed(
        &*held,
        "cd /workspace; mkdir d; echo one > d/file; chmod 700 d; ln -s d/file link; echo two > ~/.rc; echo tmp > /tmp/file",
    )
    .await;
    let image = held.snapshot().await.unwrap();
    printed(&*held, "echo later > /workspace/d/file").await;
    held.close().await.unwrap();
    let again = sandbox(&docker, Spec { image: image.clone(), ..Spec::default() }).await;
    let text = "cat /workspace/link ~/.rc /tmp/file; rm /tmp/file; stat -c '%a %u' /workspace/d; echo three > /workspace/new; ls /workspace; rm ~/.rc";
    assert_eq!(printed(&*again, text).await, "one\ntwo\ntmp\n700 1000\nd\nlink\nnew\n");
    assert_eq!(listed(&docker, &metadata).await, []);
    // A snapshot of a snapshot has what is there, and not what was removed.
    let second = again.snapshot().await.unwrap();
    again.close().await.unwrap();
    let last = sandbox(&docker, Spec { image: second.clone(), ..Spec::default() }).await;
    assert_eq!(
        printed(&*last, "cat /workspace/new /workspace/link; ls -A ~ /tmp").await,
        "three\none\n/home/user:\n\n/tmp:\n"
    );
    last.close().await.unwrap();
}

#[tokio::test]
async fn what_a_sandbox_uses_is_told() {
    let Some(docker) = daemon(|config| config.cpus = 0.5).await else { return };
    let held = sandbox(&docker, Spec::default()).await;
    let metrics = held.metrics().await.unwrap();
    assert_eq!((metrics.cpus, metrics.memory_limit_bytes), (Some(0.5), Some(256 << 20)));
    assert!(metrics.memory_bytes.is_some_and(|bytes| bytes > 0 && bytes < 256 << 20), "{metrics:?}");
    assert!(metrics.cpu_percent.is_some_and(|percent| (0.0..=100.0).contains(&percent)), "{metrics:?}");
    held.close().await.unwrap();
}

#[tokio::test]
async fn a_port_is_reached_on_loopback() {
    let Some(docker) = daemon(|config| config.ports = vec![8000]).await else { return };
    let held = sandbox(&docker, Spec { network: Network::Everything, ..Spec::default() }).await;
    let address = held.port(8000).await.unwrap();
    let place = address.url.strip_prefix("http://").unwrap();
    assert!(place.starts_with("127.0.0.1:"), "{place}");
    assert!(tokio::net::TcpStream::connect(place).await.is_ok());
    let other = held.port(8001).await.unwrap_err();
    assert!(
        matches!(&other, Error::Backend { action: "reach a port", message, .. } if message.starts_with("the port 8001 was not opened"))
    );
    held.close().await.unwrap();
    let without = sandbox(&docker, Spec::default()).await;
    assert!(matches!(without.port(8000).await, Err(Error::Unsupported { operation: "reach a port", .. })));
    without.close().await.unwrap();
}

#[tokio::test]
async fn an_image_that_is_not_there_is_named() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let spec = Spec { image: Image::Named("sandpiper-no-such-image:1".to_owned()), ..Spec::default() };
    let refused = docker.create(admitted(&docker, spec)).await.map(drop).unwrap_err();
    let expected = "cannot use the image sandpiper-no-such-image:1: the daemon does not have it; `docker pull` brings \
                    it, or `Pull::Missing`";
    assert_eq!(refused.to_string(), expected);
}

#[tokio::test]
async fn three_hundred_megabytes_of_output_do_not_pile_up() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let mut spec = Spec::default();
    spec.limits.output_bytes = 1 << 30;
    spec.limits.wall = Duration::from_mins(2);
    let held = sandbox(&docker, spec).await;
    let before = resident_bytes();
    let (mut events, done, _control) = held.spawn(sh("head -c 314572800 /dev/zero")).await.unwrap().split();
    let count = async {
        let (mut count, mut most) = (0, 0);
        while let Some(event) = events.recv().await {
            count += output(event).1.len();
            most = most.max(resident_bytes());
        }
        (count, most)
    };
    let (outcome, (count, most)) = tokio::join!(done, count);
    assert_eq!((outcome.unwrap().exit, count), (Exit::Code { code: 0 }, 314_572_800));
    assert!(most.saturating_sub(before) < 32 << 20, "{before} {most}");
    held.close().await.unwrap();
}

/// Memory of this process; nothing where the system has no such file.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4096
}
