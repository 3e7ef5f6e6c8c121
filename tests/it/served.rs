//! `sandpiper serve`, held to what programs for other services expect.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sandpiper::Lack;
use sandpiper::remote::{Daytona, DaytonaConfig, E2b, E2bConfig, Secret};
use tempfile::TempDir;

use crate::conformance::keeps_all;
use crate::harness::command;

#[cfg(unix)] // They are looked for where Unix has them.
mod sdks;

const KEY: &str = "key-of-tests";

/// A server with sandboxes of its own, ended when it is dropped.
pub struct Served {
    child: Child,
    pub address: String,
    _folder: TempDir,
}

impl Served {
    pub fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = command(folder.path())
            .env("SANDPIPER_SANDBOXES", folder.path().join("boxes"))
            .env("SANDPIPER_API_KEY", KEY)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.trim().strip_prefix("listening at ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, address, _folder: folder }
    }

    /// A command that is a client of the server, by the variables that the SDKs read.
    pub fn client(&self, folder: &Path) -> Command {
        let mut client = command(folder);
        self.lead_here(&mut client);
        client
    }

    fn lead_here(&self, program: &mut Command) {
        program
            .env("E2B_API_URL", &self.address)
            .env("E2B_SANDBOX_URL", &self.address)
            .env("E2B_API_KEY", KEY)
            .env("DAYTONA_API_URL", format!("{}/api", self.address))
            .env("DAYTONA_TARGET", "local")
            .env("DAYTONA_API_KEY", KEY);
    }

    fn e2b(&self) -> E2b {
        let mut config = E2bConfig::new(Secret::new(KEY));
        config.api_url = Some(self.address.clone());
        config.sandbox_url = Some(self.address.clone());
        config.lacks = LACKS.to_vec();
        E2b::new(config).unwrap()
    }

    fn daytona(&self) -> Daytona {
        let mut config = DaytonaConfig::new(format!("{}/api", self.address), Secret::new(KEY));
        config.lacks = LACKS.to_vec();
        Daytona::new(config).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What sandboxes of this machine have not, though those of the services have it.
const LACKS: [Lack; 5] =
    [Lack::NetworkRules, Lack::NetworkEverything, Lack::PauseKeepsProcesses, Lack::Ports, Lack::Metrics];

#[test]
fn the_adapter_of_e2b_keeps_the_contract() {
    let served = Served::start(&[]);
    keeps_all(&served.e2b(), &served.e2b());
}

#[test]
fn the_adapter_of_daytona_keeps_the_contract() {
    let served = Served::start(&[]);
    keeps_all(&served.daytona(), &served.daytona());
}
