//! Sandboxes of this machine that outlive the process: files and settings of each in a directory, found again by
//! their reference.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use sandpiper_core::{
    Access, Admitted, Backend, BoxFuture, Capabilities, Error, Exec, Files, Health, Image, Mount, Running,
    Sandbox, SandboxInfo, SandboxRef, SandboxState, Spec, admit,
};
use sandpiper_engine::Engine;
use serde::{Deserialize, Serialize};

use crate::{temporary, tree};

/// What each sandbox keeps on disk, and where its commands see it.
const KEPT: [(&str, &str); 2] = [("home", "/home/user"), ("workspace", "/workspace")];
/// What was in the `/tmp` of a sandbox that nobody holds.
const TEMPORARY: &str = "tmp.tar";
const SETTINGS: &str = "settings.json";
/// What the settings of a sandbox are called when it has ended, until all of it is removed.
const ENDED: &str = "ended.json";
const SNAPSHOTS: &str = "snapshots";
/// Names of images that are snapshots.
const SNAPSHOT: &str = "snapshot-";

/// The engine as a backend whose sandboxes outlive the process: `/home/user` and `/workspace` of each are on
/// disk, and so is what it was made of. Its commands live in the process that runs them, and `/tmp` does; it is
/// kept where the sandbox is paused, and is part of its snapshots and copies.
///
/// A sandbox that is paused has no end until it goes on, and then as long to live as was set last.
///
/// Any number of processes may use a directory at once, and a sandbox too.
#[derive(Clone, Debug)]
pub struct Local {
    engine: Engine,
    directory: PathBuf,
}

/// What is noted of a sandbox. It holds the variables of its commands, so it is the user's alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Settings {
    spec: Spec,
    created: SystemTime,
    expires: Option<SystemTime>,
    paused: bool,
}

impl Local {
    /// The sandboxes in a directory, which is made if it is not there, for this user alone.
    ///
    /// # Errors
    /// [`Error::Host`] when it cannot be made.
    pub fn open(engine: Engine, directory: &Path) -> Result<Self, Error> {
        let directory = std::path::absolute(directory).map_err(|source| failed("find", directory, source))?;
        tree::make_private(&directory.join(SNAPSHOTS)).map_err(|err| failed("make", &directory, err))?;
        Ok(Self { engine, directory })
    }

    /// Ends what has outlived its lifetime, and removes what is left of those that have ended.
    fn sweep(&self) -> Result<(), Error> {
        for id in self.ids()? {
            match self.read(&id) {
                Ok(settings) if settings.has_expired() => self.remove(&id)?,
                // Another process may be at it, or keep it in use; the next sweep looks again.
                Err(_) if self.place(&id).join(ENDED).exists() => drop(clear(&self.place(&id))),
                // It lives, or is being made.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn ids(&self) -> Result<Vec<String>, Error> {
        let entries =
            std::fs::read_dir(&self.directory).map_err(|err| failed("list", &self.directory, err))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut ids: Vec<String> = names.filter(|name| is_id(name)).collect();
        ids.sort();
        Ok(ids)
    }

    fn place(&self, id: &str) -> PathBuf {
        self.directory.join(id)
    }

    fn read(&self, id: &str) -> Result<Settings, Error> {
        let gone = || Error::Gone { reference: self.named(id) };
        if !is_id(id) {
            return Err(gone());
        }
        let path = self.place(id).join(SETTINGS);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Err(gone()),
            Err(err) => return Err(failed("read", &path, err)),
        };
        serde_json::from_slice(&text).map_err(|err| failed("understand", &path, err.into()))
    }

    fn write(&self, id: &str, settings: &Settings) -> Result<(), Error> {
        let path = self.place(id).join(SETTINGS);
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(self.place(id))?;
            serde_json::to_writer(&mut file, settings)?;
            file.persist(&path).map_err(|err| err.error)?;
            Ok(())
        };
        write().map_err(|err| failed("write", &path, err))
    }

    /// Ends a sandbox, if nobody has. It is gone for everybody at once, also where its files are in use still.
    fn remove(&self, id: &str) -> Result<(), Error> {
        let place = self.place(id);
        let ended = std::fs::rename(place.join(SETTINGS), place.join(ENDED));
        match ended.and_then(|()| clear(&place)) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => Err(failed("remove", &place, err)),
            _ => Ok(()),
        }
    }

    fn named(&self, id: &str) -> SandboxRef {
        SandboxRef::new(self.name(), id)
    }

    /// Makes the directory of a new sandbox, with the files of a snapshot or of another one, or with none.
    fn make(&self, from: Option<&Path>, settings: &Settings) -> Result<String, Error> {
        let id = new_id();
        let place = self.place(&id);
        let made = (|| {
            tree::make_private(&place)?;
            for (name, _) in KEPT {
                match from {
                    Some(from) => tree::copy(&from.join(name), &place.join(name))?,
                    None => std::fs::create_dir(place.join(name))?,
                }
            }
            if let Some(archive) = from.map(|from| from.join(TEMPORARY)).filter(|archive| archive.exists()) {
                std::fs::copy(archive, place.join(TEMPORARY))?;
            }
            Ok(())
        })();
        let noted = made.map_err(|err| failed("make", &place, err)).and_then(|()| self.write(&id, settings));
        if let Err(err) = noted {
            // What is left of it is no sandbox: it has no settings.
            let _ = std::fs::remove_dir_all(&place);
            return Err(err);
        }
        Ok(id)
    }

    /// The sandbox of a directory, in this process.
    async fn hold(&self, id: &str, settings: &Settings) -> Result<Box<dyn Sandbox>, Error> {
        let mut spec = settings.spec.clone();
        let reference = SandboxRef { metadata: std::mem::take(&mut spec.metadata), ..self.named(id) };
        spec.lifetime = None;
        if self.snapshot_of(&spec.image).is_some() {
            spec.image = Image::default();
        }
        for (name, guest) in KEPT {
            if !spec.mounts.iter().any(|mount| mount.guest.as_str() == guest) {
                let host = self.place(id).join(name);
                let mount = Mount::new(host, guest, Access::ReadWrite).map_err(|err| Error::Host {
                    context: "cannot mount what a sandbox keeps".to_owned(),
                    source: err.into(),
                })?;
                spec.mounts.push(mount);
            }
        }
        let capabilities = self.engine.capabilities(&spec.image);
        let sandbox = self.engine.create(admit(spec, self.name(), capabilities)?).await?;
        temporary::unpack(&*sandbox, &self.place(id).join(TEMPORARY)).await?;
        let state = State { backend: self.clone(), id: id.to_owned(), is_left: AtomicBool::new(false) };
        Ok(Box::new(Held { sandbox, reference, state }))
    }

    /// The directory of a snapshot that an image is.
    fn snapshot_of(&self, image: &Image) -> Option<PathBuf> {
        let Image::Named(name) = image else { return None };
        let id = name.strip_prefix(SNAPSHOT).filter(|id| is_id(id))?;
        Some(self.directory.join(SNAPSHOTS).join(id))
    }
}

impl Settings {
    /// Has it end when the lifetime that was set last is over.
    fn live_anew(&mut self) {
        self.expires = self.spec.lifetime.and_then(|lifetime| SystemTime::now().checked_add(lifetime));
    }

    fn has_expired(&self) -> bool {
        !self.paused && self.expires.is_some_and(|expires| expires <= SystemTime::now())
    }
}

impl Backend for Local {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn capabilities(&self, image: &Image) -> Capabilities {
        let base = Image::default();
        let image = if self.snapshot_of(image).is_some() { &base } else { image };
        Capabilities {
            lifetime: true,
            lifetime_in_seconds: true,
            metadata: true,
            connect: true,
            pause: true,
            snapshot: true,
            fork: true,
            ..self.engine.capabilities(image)
        }
    }

    fn create(&self, spec: Admitted) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(async move {
            self.sweep()?;
            let spec = spec.into_spec();
            let from = self.snapshot_of(&spec.image);
            if let Some(from) = from.as_ref().filter(|from| !from.is_dir()) {
                return Err(Error::Image {
                    image: from.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                    reason: "there is no snapshot of this name".to_owned(),
                    source: None,
                });
            }
            let created = SystemTime::now();
            let expires = spec.lifetime.and_then(|lifetime| created.checked_add(lifetime));
            let settings = Settings { spec, created, expires, paused: false };
            let id = self.make(from.as_deref(), &settings)?;
            let held = self.hold(&id, &settings).await;
            if held.is_err() {
                self.remove(&id)?;
            }
            held
        })
    }

    fn connect<'a>(&'a self, reference: &'a SandboxRef) -> BoxFuture<'a, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(async move {
            self.sweep()?;
            let mut settings = self.read(&reference.id)?;
            let before = settings.clone();
            if settings.paused {
                settings.paused = false;
                settings.live_anew();
                self.write(&reference.id, &settings)?;
            }
            let held = self.hold(&reference.id, &settings).await;
            if held.is_err() && before.paused {
                self.write(&reference.id, &before)?;
            }
            held
        })
    }

    fn list<'a>(
        &'a self,
        metadata: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<Vec<SandboxInfo>, Error>> {
        Box::pin(async move {
            self.sweep()?;
            let mut found = Vec::new();
            for id in self.ids()? {
                let Ok(settings) = self.read(&id) else { continue };
                let noted: &BTreeMap<String, String> = &settings.spec.metadata;
                if metadata.iter().all(|(key, value)| noted.get(key) == Some(value)) {
                    found.push(SandboxInfo {
                        reference: SandboxRef { metadata: noted.clone(), ..self.named(&id) },
                        state: if settings.paused { SandboxState::Paused } else { SandboxState::Running },
                        image: image_name(&settings.spec.image),
                        created: Some(settings.created),
                        expires: settings.expires.filter(|_| !settings.paused),
                    });
                }
            }
            Ok(found)
        })
    }

    fn remove_snapshot<'a>(&'a self, image: &'a Image) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let snapshot = self.snapshot_of(image).ok_or_else(|| Error::Image {
                image: image_name(image),
                reason: "it is no snapshot".to_owned(),
                source: None,
            })?;
            match tree::remove(&snapshot) {
                Err(err) if err.kind() != io::ErrorKind::NotFound => Err(failed("remove", &snapshot, err)),
                _ => Ok(()),
            }
        })
    }

    fn health(&self) -> BoxFuture<'_, Result<Health, Error>> {
        self.engine.health()
    }
}

/// A sandbox of the directory, held by this process.
struct Held {
    sandbox: Box<dyn Sandbox>,
    reference: SandboxRef,
    state: State,
}

struct State {
    backend: Local,
    id: String,
    /// Whether its files stay when it is dropped.
    is_left: AtomicBool,
}

impl Held {
    /// The settings, unless somebody has ended the sandbox, here or in another process.
    fn live(&self) -> Result<Settings, Error> {
        let settings = self.state.backend.read(&self.state.id)?;
        if settings.has_expired() {
            self.state.backend.remove(&self.state.id)?;
            return Err(Error::Gone { reference: self.reference.clone() });
        }
        Ok(settings)
    }

    /// The directory that a copy of this one's files begins with.
    fn place(&self) -> PathBuf {
        self.state.backend.place(&self.state.id)
    }

    /// Writes what is in `/tmp` into a directory, for who goes on with what is there.
    async fn pack(&self, settings: &Settings, directory: &Path) -> Result<(), Error> {
        let to = directory.join(TEMPORARY);
        temporary::pack(&*self.sandbox.files(), &settings.spec, &to).await
    }
}

impl Sandbox for Held {
    fn reference(&self) -> SandboxRef {
        self.reference.clone()
    }

    fn spawn(&self, exec: Exec) -> BoxFuture<'_, Result<Running, Error>> {
        Box::pin(async move {
            let settings = self.live()?;
            let running = self.sandbox.spawn(exec).await?;
            let Some(expires) = settings.expires else { return Ok(running) };
            let (events, done, control) = running.split();
            let backend = self.state.backend.clone();
            let (id, ending) = (self.state.id.clone(), control.clone());
            let done = Box::pin(async move {
                tokio::select! {
                    biased;
                    outcome = done => outcome,
                    outcome = expire(&backend, &id, expires, &ending) => outcome,
                }
            });
            Ok(Running::new(events, done, control))
        })
    }

    fn files(&self) -> Arc<dyn Files> {
        if self.live().is_err() {
            // Ends what is in this process at once; there is nothing to be waited for.
            drop(self.sandbox.close());
        }
        self.sandbox.files()
    }

    fn set_lifetime(&self, lifetime: Duration) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let mut settings = self.live()?;
            settings.spec.lifetime = Some(lifetime);
            settings.live_anew();
            self.state.backend.write(&self.state.id, &settings)
        })
    }

    fn pause(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let mut settings = self.live()?;
            if self.state.is_left.load(Ordering::Relaxed) {
                return Ok(());
            }
            self.pack(&settings, &self.place()).await?;
            settings.paused = true;
            self.state.backend.write(&self.state.id, &settings)?;
            self.state.is_left.store(true, Ordering::Relaxed);
            self.sandbox.close().await
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Image, Error>> {
        Box::pin(async move {
            let settings = self.live()?;
            let id = new_id();
            let to = self.state.backend.directory.join(SNAPSHOTS).join(&id);
            let copied = tree::make_private(&to).and_then(|()| {
                KEPT.iter().try_for_each(|(name, _)| tree::copy(&self.place().join(name), &to.join(name)))
            });
            let packed = match copied {
                Ok(()) => self.pack(&settings, &to).await,
                Err(err) => Err(failed("copy into", &to, err)),
            };
            if let Err(err) = packed {
                // What is left of it is no snapshot: nobody has its name.
                let _ = std::fs::remove_dir_all(&to);
                return Err(err);
            }
            Ok(Image::Named(format!("{SNAPSHOT}{id}")))
        })
    }

    fn fork(&self) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(async move {
            let settings = self.live()?;
            let settings = Settings { created: SystemTime::now(), ..settings };
            let backend = &self.state.backend;
            let id = backend.make(Some(&self.place()), &settings)?;
            let held = match self.pack(&settings, &backend.place(&id)).await {
                Ok(()) => backend.hold(&id, &settings).await,
                Err(err) => Err(err),
            };
            if held.is_err() {
                backend.remove(&id)?;
            }
            held
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.sandbox.close().await?;
            // Also one that is paused: it is left when this is dropped, not when it is closed.
            self.state.backend.remove(&self.state.id)
        })
    }

    fn detach(self: Box<Self>) -> Result<SandboxRef, Error> {
        self.live()?;
        self.state.is_left.store(true, Ordering::Relaxed);
        Ok(self.reference.clone())
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if !self.is_left.load(Ordering::Relaxed) {
            // There is nobody to tell; what is left is found by the next sweep when its lifetime is over.
            let _ = self.backend.remove(&self.id);
        }
    }
}

/// Ends a command when its sandbox's lifetime is over, which may be set anew while it runs.
async fn expire<T>(
    backend: &Local,
    id: &str,
    mut expires: SystemTime,
    control: &sandpiper_core::Control,
) -> T {
    loop {
        let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
        tokio::time::sleep(left).await;
        match backend.read(id).map(|settings| settings.expires) {
            Ok(Some(later)) if later > SystemTime::now() => expires = later,
            Ok(None) => break,
            _ => {
                control.cancel();
                break;
            }
        }
    }
    std::future::pending().await
}

/// Removes what a sandbox has kept, and last what says that it has ended: until then the next sweep finds it.
fn clear(place: &Path) -> io::Result<()> {
    for (name, _) in KEPT {
        let path = place.join(name);
        match tree::remove(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
        if path.exists() {
            return Ok(());
        }
    }
    tree::remove(place)
}

fn image_name(image: &Image) -> String {
    match image {
        Image::Named(name) => name.clone(),
        Image::File(path) => path.display().to_string(),
    }
}

fn new_id() -> String {
    format!("{:016x}", RandomState::new().hash_one(SystemTime::now()))
}

/// Whether a text is an id of ours: it becomes a part of paths.
fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn failed(action: &str, path: &Path, source: io::Error) -> Error {
    Error::Host { context: format!("cannot {action} {}", path.display()), source: source.into() }
}
