//! Archives by the contract's own way, and by faulty ones.

use bytes::Bytes;
use sandpiper_core::{BoxFuture, Error, Exec, Files, Running, Sandbox, SandboxRef, collect};

use super::room::Room;
use super::sandbox::DoubleSandbox;
use crate::fault::Fault::*;

/// A sandbox with the contract's own way of archives.
struct Plain<'a>(&'a DoubleSandbox);

impl Sandbox for Plain<'_> {
    fn reference(&self) -> SandboxRef {
        self.0.reference()
    }

    fn spawn(&self, exec: Exec) -> BoxFuture<'_, Result<Running, Error>> {
        self.0.spawn(exec)
    }

    fn files(&self) -> std::sync::Arc<dyn Files> {
        self.0.files()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.0.close()
    }
}

async fn script(sandbox: &DoubleSandbox, script: &str, directory: &str) {
    let exec = Exec::new(["bash", "-c", script, "script", directory]);
    collect(sandbox.spawn(exec).await.unwrap()).await.unwrap();
}

pub async fn upload(sandbox: &DoubleSandbox, room: &Room, directory: &str, tar: Bytes) -> Result<(), Error> {
    if room.has(ClearsBeforeItUnpacks) {
        script(sandbox, "rm -rf \"$1\"", directory).await;
    }
    if room.has(UnpacksWhereThereIsADirectory) && sandbox.files().stat(directory).await.is_err() {
        return Err(Error::Archive {
            action: "unpack into",
            directory: directory.to_owned(),
            reason: "there is no such directory".to_owned(),
        });
    }
    if room.has(UnpacksNothing) {
        return Ok(());
    }
    let unpacked = Plain(sandbox).upload(directory, tar).await;
    match room.fault() {
        Some(UnpacksWithoutModes) => script(sandbox, "chmod -R u=rwX,go=rX \"$1\"", directory).await,
        Some(UnpacksWithoutLinks) => script(sandbox, "find \"$1\" -type l -delete", directory).await,
        Some(UnpacksFilesAlone) => {
            script(sandbox, "find \"$1\" -mindepth 1 -empty -type d -delete", directory).await
        }
        Some(UnpacksAnything) => return Ok(()),
        Some(LeavesArchives) => script(sandbox, "echo > /tmp/left.tar", directory).await,
        _ => {}
    }
    unpacked
}

pub async fn download(
    sandbox: &DoubleSandbox,
    room: &Room,
    directory: &str,
    limit: u64,
) -> Result<Bytes, Error> {
    match room.fault() {
        Some(PacksNothing) => return Ok(Bytes::from(vec![0; 1024])),
        Some(PacksWithoutModes) => script(sandbox, "chmod -R u=rwX,go=rX \"$1\"", directory).await,
        _ => {}
    }
    let limit = if room.has(TakesLimitsForSuggestions) { u64::MAX } else { limit };
    Plain(sandbox).download(directory, limit).await
}
