//! Daytona's adapter, against a Daytona of this machine, as it is and where it fails.

mod commands;
mod daemon;
mod faults;
mod files;
mod sandboxes;

use std::sync::Arc;
use std::time::Duration;

use sandpiper_core::{Backend, Error, Exec, Outcome, Sandbox, Spec, admit, collect};
use sandpiper_remote::Secret;
use sandpiper_remote::daytona::{Daytona, DaytonaConfig};
use sandpiper_remote::http::{Retries, Times};

use self::daemon::Daemon;
use crate::server::Server;

const KEY: &str = "swordfish-key";

fn backend(url: &str) -> Daytona {
    let mut config = DaytonaConfig::new(format!("{url}/api"), Secret::new(KEY));
    config.retries = Retries { most: 2, base: Duration::from_millis(2), longest: Duration::from_millis(10) };
    config.times = Times {
        connect: Duration::from_secs(5),
        first_byte: Duration::from_secs(5),
        between_bytes: Duration::from_millis(500),
        whole: Duration::from_secs(20),
    };
    config.start_within = Duration::from_secs(5);
    Daytona::new(config).unwrap()
}

async fn create(daytona: &Daytona, spec: Spec) -> Result<Box<dyn Sandbox>, Error> {
    let capabilities = daytona.capabilities(&spec.image);
    daytona.create(admit(spec, daytona.name(), capabilities).unwrap()).await
}

async fn run(sandbox: &dyn Sandbox, exec: Exec) -> Result<Outcome, Error> {
    collect(sandbox.spawn(exec).await?).await
}

fn shell(script: &str) -> Exec {
    Exec::new(["sh", "-c", script])
}

/// A Daytona that works, and a sandbox of it.
struct Here {
    daemon: Arc<Daemon>,
    server: Server,
    sandbox: Box<dyn Sandbox>,
}

async fn here(spec: Spec) -> Here {
    let daemon = Daemon::new();
    let server = daemon.start().await;
    let sandbox = create(&backend(&server.url), spec).await.unwrap();
    Here { daemon, server, sandbox }
}

/// Waits until something is so, which happens in the background.
async fn until(mut is_so: impl FnMut() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waited).await.expect("it does not happen");
}
