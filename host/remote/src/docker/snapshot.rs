//! An image of a sandbox's files. What a container has in volumes and in memory is in no image that is made of it, so
//! these files are brought into a container beside it, which has neither, and that becomes the image. It runs nothing
//! but the removal of what the image below has in their places.

use std::sync::Arc;
use std::time::Duration;

use bollard::models::{ContainerConfig, ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CommitContainerOptions, ContainerArchiveInfoOptions, CreateContainerOptions,
    DownloadFromContainerOptions, InspectContainerOptions, StartContainerOptions, UploadToContainerOptions,
};
use bytes::Bytes;
use futures_util::StreamExt;
use sandpiper_core::{Error, Image};

use super::container::{Container, remove};
use super::daemon::{BACKEND, Daemon, Failure, protocol};
use super::shape::{KEPT, MEMORY, SHELL};

const ACTION: &str = "make a snapshot";
/// The label of snapshots, and of the containers that they are made of.
const SNAPSHOT: &str = "sandpiper.snapshot";
/// How many times as long as an answer the copy of a directory may take.
const COPY_FACTOR: u32 = 10;
/// What an archive may take besides the files in memory.
const MEMORY_ARCHIVE_BYTES: u64 = 64 << 20;
const INTERVAL: Duration = Duration::from_millis(10);
const EMPTY: &str = include_str!("scripts/empty.sh");

impl Container {
    /// Keeps `/workspace`, `/home/user` and `/tmp`, where they are not mounts of the host's, with the image below.
    pub(super) async fn snapshot(&self) -> Result<Image, Error> {
        let found = self.inspect(ACTION).await?;
        let image =
            found.image.ok_or_else(|| protocol(ACTION, "a container without an image".to_owned()).error)?;
        let mounts = found.mounts.unwrap_or_default();
        let of_kind = |kind| {
            let mounts = mounts.iter().filter(move |mount| mount.typ.as_deref() == Some(kind));
            mounts.filter_map(|mount| mount.destination.as_deref())
        };
        let volumes: Vec<_> = of_kind("volume").collect();
        let memory = (!of_kind("bind").any(|path| path == MEMORY)).then_some(MEMORY);
        let directories: Vec<_> = volumes.iter().copied().chain(memory.map(|_| KEPT)).collect();
        let beside = Beside::make(&self.daemon, image, &directories).await?;
        for path in volumes {
            self.copy_to(&beside, path).await?;
        }
        if memory.is_some() {
            // The daemon does not see what is in memory, nor does it begin that with what the image has.
            let limit = self.limits.tmp_bytes.saturating_mul(2).saturating_add(MEMORY_ARCHIVE_BYTES);
            let archive = self.download(MEMORY, limit).await?;
            beside.make_directories(KEPT).await?;
            beside.upload(KEPT, archive).await?;
        }
        let made = beside.commit().await;
        let removed = beside.remove().await;
        let image = made?;
        removed?;
        Ok(Image::Named(image))
    }

    /// Copies a directory to the same path of the other container, piece by piece.
    async fn copy_to(&self, beside: &Beside, path: &str) -> Result<(), Error> {
        let (parent, _) = path.rsplit_once('/').unwrap_or_default();
        let parent = if parent.is_empty() { "/" } else { parent };
        beside.make_directories(parent).await?;
        let client = self.daemon.client(ACTION).await?;
        let options = DownloadFromContainerOptions { path: path.to_owned() };
        let pieces = client.download_from_container(&self.id, Some(options));
        let pieces = pieces.map(|piece| piece.map_err(std::io::Error::other));
        let options =
            UploadToContainerOptions { path: parent.to_owned(), ..UploadToContainerOptions::default() };
        let body = bollard::body_try_stream(pieces);
        let copied = client.upload_to_container(&beside.id, Some(options), body);
        let after = self.daemon.timeout().saturating_mul(COPY_FACTOR);
        match tokio::time::timeout(after, copied).await {
            Ok(copied) => copied.map_err(|err| self.daemon.failure(ACTION, err).error),
            Err(_) => Err(Error::Slow { backend: BACKEND.to_owned(), action: ACTION, after }),
        }
    }
}

/// The container that becomes the image. Dropped, it is removed.
struct Beside {
    daemon: Arc<Daemon>,
    id: String,
    removed: bool,
}

impl Beside {
    /// A container of the image in which these directories are empty.
    async fn make(daemon: &Arc<Daemon>, image: String, directories: &[&str]) -> Result<Self, Error> {
        let [shell, flag] = SHELL;
        let command = [shell, flag, EMPTY, "sandpiper"].into_iter().chain(directories.iter().copied());
        let body = ContainerCreateBody {
            image: Some(image),
            labels: Some([(SNAPSHOT.to_owned(), "1".to_owned())].into()),
            user: Some("0:0".to_owned()),
            entrypoint: Some(command.map(str::to_owned).collect()),
            cmd: Some(Vec::new()),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let client = daemon.client(ACTION).await?;
        let made =
            daemon.answer(ACTION, client.create_container(None::<CreateContainerOptions>, body)).await?;
        let beside = Self { daemon: Arc::clone(daemon), id: made.id, removed: false };
        let start = client.start_container(&beside.id, None::<StartContainerOptions>);
        daemon.answer(ACTION, start).await?;
        beside.emptied().await?;
        Ok(beside)
    }

    /// Waits for the end of what it runs.
    async fn emptied(&self) -> Result<(), Error> {
        let client = self.daemon.client(ACTION).await?;
        let end = tokio::time::Instant::now() + self.daemon.timeout();
        while tokio::time::Instant::now() < end {
            let look = client.inspect_container(&self.id, None::<InspectContainerOptions>);
            let found = self.daemon.answer(ACTION, look).await?;
            match found.state.and_then(|state| state.exit_code.filter(|_| state.running == Some(false))) {
                None => tokio::time::sleep(INTERVAL).await,
                Some(0) => return Ok(()),
                Some(code) => {
                    let message = format!("what the image has cannot be removed (exit code {code})");
                    return Err(Error::Backend { backend: BACKEND.to_owned(), action: ACTION, message });
                }
            }
        }
        Err(self.daemon.slow(ACTION).error)
    }

    async fn upload(&self, path: &str, archive: Bytes) -> Result<(), Error> {
        let client = self.daemon.client(ACTION).await?;
        let options =
            UploadToContainerOptions { path: path.to_owned(), ..UploadToContainerOptions::default() };
        let made = client.upload_to_container(&self.id, Some(options), bollard::body_full(archive));
        Ok(self.daemon.answer(ACTION, made).await?)
    }

    /// Makes a directory and those that lead to it, where they are missing.
    async fn make_directories(&self, path: &str) -> Result<(), Error> {
        let client = self.daemon.client(ACTION).await?;
        let mut parent = "/".to_owned();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let directory = format!("{}/{name}", parent.trim_end_matches('/'));
            let look = ContainerArchiveInfoOptions { path: directory.clone() };
            match self.daemon.answer(ACTION, client.get_container_archive_info(&self.id, Some(look))).await {
                Ok(_) => {}
                Err(Failure { status: Some(404), .. }) => {
                    let archive = directory_archive(name).map_err(|err| Error::Host {
                        context: "cannot pack a directory".to_owned(),
                        source: Box::new(err),
                    })?;
                    self.upload(&parent, archive).await?;
                }
                Err(failure) => return Err(failure.error),
            }
            parent = directory;
        }
        Ok(())
    }

    async fn commit(&self) -> Result<String, Error> {
        let client = self.daemon.client(ACTION).await?;
        let options = CommitContainerOptions {
            container: Some(self.id.clone()),
            // What it ran has ended.
            pause: false,
            ..CommitContainerOptions::default()
        };
        let committed = client.commit_container(options, ContainerConfig::default());
        Ok(self.daemon.answer(ACTION, committed).await?.id)
    }

    async fn remove(mut self) -> Result<(), Error> {
        remove(&self.daemon, &self.id).await?;
        self.removed = true;
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if self.removed {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (daemon, id) = (Arc::clone(&self.daemon), std::mem::take(&mut self.id));
            runtime.spawn(async move {
                let _ = remove(&daemon, &id).await;
            });
        }
    }
}

/// An archive of one empty directory.
fn directory_archive(name: &str) -> std::io::Result<Bytes> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o755);
    header.set_size(0);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, format!("{name}/"), std::io::empty())?;
    Ok(archive.into_inner()?.into())
}
