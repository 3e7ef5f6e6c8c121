//! The backends of this machine keep the contract.

use sandpiper::Backend;
use sandpiper::remote::{Docker, DockerConfig};
use sandpiper_conformance::Suite;

use crate::harness::{DockerPlace, docker, engine};

/// Holds a backend to all claims that are about it, or to those that `SANDPIPER_CONFORMANCE` names a part of.
pub fn keeps_all(backend: &dyn Backend, other: &dyn Backend) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let only = std::env::var("SANDPIPER_CONFORMANCE").ok();
    let suite = Suite::new(backend).other_handle(other);
    let report = runtime.block_on(suite.run(only.as_deref()));
    assert!(report.is_kept(), "{report}");
}

#[test]
fn the_engine_keeps_the_contract() {
    keeps_all(engine(), engine());
}

#[test]
fn sandboxes_on_disk_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let open = || sandpiper::Local::open(engine().clone(), folder.path()).unwrap();
    keeps_all(&open(), &open());
}

#[test]
fn docker_keeps_the_contract() {
    let Some(DockerPlace { image, host }) = docker() else { return };
    let open = || Docker::new(DockerConfig { host: host.clone(), ..DockerConfig::new(&image) }).unwrap();
    keeps_all(&open(), &open());
}
