//! A real daemon for tests: `DOCKER_HOST` or Docker's own socket, and an image that it has
//! (`SANDPIPER_DOCKER_IMAGE`, or debian:12). Who names the image wants the tests to run: then a daemon that is not
//! there fails them.

use std::sync::Arc;

use sandpiper_core::{
    Backend, Error, Event, Exec, Files, Outcome, Sandbox, SandboxRef, Spec, Stream, admit, collect,
};
use sandpiper_remote::docker::{Docker, DockerConfig};

/// A backend on a daemon that answers and has the image; else nothing, and it is said why.
pub async fn daemon(change: impl FnOnce(&mut DockerConfig)) -> Option<Docker> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let image = variable("SANDPIPER_DOCKER_IMAGE").unwrap_or_else(|| "debian:12".to_owned());
    let host = variable("DOCKER_HOST");
    let place = host.clone().unwrap_or_else(|| "its usual socket".to_owned());
    let mut config = DockerConfig { host, ..DockerConfig::new(&image) };
    change(&mut config);
    let docker = match Docker::new(config) {
        Ok(docker) => docker,
        Err(err) => return not_run(&format!("{err}")),
    };
    if let Err(err) = docker.health().await {
        return not_run(&format!("no daemon at {place}: {err}"));
    }
    // Made once, because a daemon without the image is as good as none.
    match docker.create(admitted(&docker, Spec::default())).await {
        Err(Error::Image { .. }) => not_run(&format!("the daemon at {place} has no image {image}")),
        made => {
            made.unwrap().close().await.unwrap();
            Some(docker)
        }
    }
}

fn not_run(why: &str) -> Option<Docker> {
    assert!(std::env::var_os("SANDPIPER_DOCKER_IMAGE").is_none(), "cannot be run: {why}");
    eprintln!("not run: {why}");
    None
}

pub fn admitted(docker: &Docker, spec: Spec) -> sandpiper_core::Admitted {
    let capabilities = docker.capabilities(&spec.image);
    admit(spec, docker.name(), capabilities).unwrap()
}

pub async fn sandbox(docker: &Docker, spec: Spec) -> Box<dyn Sandbox> {
    docker.create(admitted(docker, spec)).await.unwrap()
}

pub async fn run(sandbox: &dyn Sandbox, exec: Exec) -> Result<Outcome, Error> {
    collect(sandbox.spawn(exec).await?).await
}

pub fn sh(text: &str) -> Exec {
    Exec::new(["sh", "-c", text])
}

/// What a command prints, which has to end well.
pub async fn printed(sandbox: &dyn Sandbox, text: &str) -> String {
    let outcome = run(sandbox, sh(text)).await.unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr.bytes).into_owned();
    assert!(outcome.exit.success(), "{text}: {:?} {said}", outcome.exit);
    String::from_utf8(outcome.stdout.bytes).unwrap()
}

pub fn files(sandbox: &dyn Sandbox) -> Arc<dyn Files> {
    sandbox.files()
}

pub fn output(event: Event) -> (Stream, Vec<u8>) {
    let Event::Output { stream, bytes } = event else { panic!("{event:?}") };
    (stream, bytes.to_vec())
}

#[track_caller]
pub fn is_gone(reference: &SandboxRef, result: Result<impl Sized, Error>) {
    match result {
        Err(Error::Gone { reference: named }) => assert_eq!(named.id, reference.id),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it is there"),
    }
}
