//! A fresh directory in a sandbox, and commands that are run there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sandpiper_core::{Exec, Files, Outcome, Sandbox, collect};

use crate::Wrong;
use crate::context::{fresh, until};
use crate::live::Live;
use crate::wrong::succeeded;

/// Most bytes of a file that a claim reads.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// A loop that notes for each turn that it lives, in the file `beat`.
pub(crate) const BEATING: &str = "echo ready; while :; do echo beat >> beat; sleep 0.05; done";

/// A fresh directory in a sandbox.
pub(crate) struct Place {
    pub(crate) sandbox: Arc<dyn Sandbox>,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) directory: String,
    patience: Duration,
}

impl Place {
    /// A fresh directory below another.
    pub(crate) async fn new(
        sandbox: Arc<dyn Sandbox>,
        below: &str,
        patience: Duration,
    ) -> Result<Self, Wrong> {
        let directory = format!("{below}/{}", fresh("claim"));
        let files = sandbox.files();
        files.make_directory(&directory).await?;
        Ok(Self { sandbox, files, directory, patience })
    }

    /// The same directory, as another sandbox has it.
    pub(crate) fn seen_by(&self, sandbox: Arc<dyn Sandbox>) -> Self {
        Self { files: sandbox.files(), sandbox, directory: self.directory.clone(), patience: self.patience }
    }

    /// The path of a name in the directory.
    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }

    /// A command that runs in the directory.
    pub(crate) fn exec<A: Into<String>>(&self, argv: impl IntoIterator<Item = A>) -> Exec {
        Exec::new(argv).cwd(&*self.directory)
    }

    /// A script of bash that runs in the directory.
    pub(crate) fn bash(&self, script: &str) -> Exec {
        self.exec(["bash", "-c", script])
    }

    pub(crate) fn python(&self, program: &str) -> Exec {
        self.exec(["python3", "-c", program])
    }

    pub(crate) async fn run(&self, exec: Exec) -> Result<Outcome, Wrong> {
        Ok(collect(self.sandbox.spawn(exec).await?).await?)
    }

    /// Runs a script, however it ends.
    pub(crate) async fn script(&self, script: &str) -> Result<Outcome, Wrong> {
        self.run(self.bash(script)).await
    }

    /// Runs a script that is to succeed, and gives what it printed.
    pub(crate) async fn output(&self, script: &str) -> Result<String, Wrong> {
        let outcome = self.script(script).await?;
        succeeded(&outcome).map_err(|wrong| wrong.at(script))?;
        Ok(String::from_utf8_lossy(&outcome.stdout.bytes).into_owned())
    }

    /// Starts a command, and polls it from now on.
    pub(crate) async fn start(&self, exec: Exec) -> Result<Live, Wrong> {
        Ok(Live::new(self.sandbox.spawn(exec).await?, self.patience))
    }

    /// Starts a loop that notes that it lives, and waits until it does.
    pub(crate) async fn start_beating(&self) -> Result<Live, Wrong> {
        let mut live = self.start(self.bash(BEATING)).await?;
        live.until("ready\n").await?;
        self.until_beating().await?;
        Ok(live)
    }

    pub(crate) async fn until_beating(&self) -> Result<(), Wrong> {
        let before = self.beats().await?;
        until("the loop goes on", self.patience, async || Ok(self.beats().await? > before)).await
    }

    /// Waits until nothing is noted any more for half a second.
    pub(crate) async fn until_still(&self) -> Result<(), Wrong> {
        let longest = self.patience;
        until(&format!("the loop has ended within {longest:?}"), longest, async || {
            let before = self.beats().await?;
            tokio::time::sleep(Duration::from_millis(500)).await;
            Ok(self.beats().await? == before)
        })
        .await
    }

    async fn beats(&self) -> Result<u64, Wrong> {
        match self.files.stat(&self.path("beat")).await {
            Ok(stat) => Ok(stat.size),
            Err(err) if err.kind == sandpiper_core::FileErrorKind::NotFound => Ok(0),
            Err(err) => Err(err.into()),
        }
    }

    pub(crate) async fn write(&self, name: &str, content: impl Into<Bytes>) -> Result<(), Wrong> {
        Ok(self.files.write(&self.path(name), content.into()).await?)
    }

    pub(crate) async fn read(&self, name: &str) -> Result<Bytes, Wrong> {
        Ok(self.files.read(&self.path(name), MAX_FILE_BYTES).await?)
    }

    pub(crate) async fn read_text(&self, name: &str) -> Result<String, Wrong> {
        Ok(String::from_utf8_lossy(&self.read(name).await?).into_owned())
    }

    /// The names in the directory.
    pub(crate) async fn names(&self) -> Result<Vec<String>, Wrong> {
        let entries = self.files.list(&self.directory).await?;
        Ok(entries.into_iter().map(|entry| entry.name).collect())
    }
}
