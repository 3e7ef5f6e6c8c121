//! A backend of this machine's own processes and a temporary directory, with faults to choose from.
//!
//! It keeps no one in: paths of the guest are rewritten in arguments, and back in output. It is for the
//! suite alone.

mod archive;
mod command;
mod files;
mod output;
mod paths;
mod room;
mod sandbox;
mod search;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandpiper_core::{
    Admitted, Backend, BoxFuture, Capabilities, Error, Health, Image, Sandbox, SandboxInfo, SandboxRef,
    SandboxState,
};

use crate::fault::Fault;
use room::Room;
use sandbox::DoubleSandbox;

/// What the double does, if it is right.
pub const ABLE: Capabilities = Capabilities {
    mounts: false,
    nested_mounts: false,
    hidden_git: false,
    disk_bytes: false,
    files: false,
    fuel: false,
    deadline_metering: true,
    virtual_clock: false,
    seed: false,
    module_files: false,
    memory: false,
    table_elements: false,
    tmp_bytes: false,
    descriptors: false,
    processes: false,
    network_nothing: false,
    network_rules: false,
    network_everything: true,
    lifetime: true,
    lifetime_in_seconds: true,
    metadata: true,
    host_git: false,
    tells_changes: false,
    signals: true,
    connect: true,
    pause: true,
    pause_keeps_processes: true,
    snapshot: true,
    fork: true,
    ports: true,
    metrics: true,
    denials: false,
};

/// As little as a backend may offer and still run a command.
pub const UNABLE: Capabilities = Capabilities {
    deadline_metering: false,
    lifetime: false,
    lifetime_in_seconds: false,
    metadata: false,
    signals: false,
    connect: false,
    pause: false,
    pause_keeps_processes: false,
    snapshot: false,
    fork: false,
    ports: false,
    metrics: false,
    ..ABLE
};

const NAME: &str = "double";

/// The backend.
pub struct Double(Arc<House>);

pub struct House {
    pub capabilities: Capabilities,
    pub fault: Option<Fault>,
    pub rooms: Mutex<BTreeMap<String, Arc<Room>>>,
    pub images: Mutex<BTreeMap<String, PathBuf>>,
    pub directory: tempfile::TempDir,
    asked: AtomicUsize,
}

impl House {
    pub fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Whether an operation is offered, or done though it is not.
    pub fn offers(&self, offered: bool) -> bool {
        offered || self.has(Fault::DoesWhatItDoesNotOffer)
    }
}

impl Double {
    pub fn new(capabilities: Capabilities, fault: Option<Fault>) -> Self {
        let directory = tempfile::Builder::new().prefix(".double-").tempdir().unwrap();
        Self(Arc::new(House {
            capabilities,
            fault,
            rooms: Mutex::default(),
            images: Mutex::default(),
            directory,
            asked: AtomicUsize::new(0),
        }))
    }
}

pub fn unsupported<T>(operation: &'static str) -> Result<T, Error> {
    Err(Error::Unsupported { backend: NAME.to_owned(), operation })
}

impl Backend for Double {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self, _image: &Image) -> Capabilities {
        let capabilities = self.0.capabilities;
        let odd = self.0.asked.fetch_add(1, Ordering::Relaxed) % 3 == 2;
        match self.0.fault {
            Some(Fault::ChangesItsMind) if odd => Capabilities {
                mounts: true,
                nested_mounts: true,
                hidden_git: true,
                disk_bytes: true,
                files: true,
                fuel: true,
                deadline_metering: true,
                virtual_clock: true,
                seed: true,
                module_files: true,
                memory: true,
                table_elements: true,
                tmp_bytes: true,
                descriptors: true,
                processes: true,
                network_nothing: true,
                network_rules: true,
                network_everything: true,
                lifetime: true,
                lifetime_in_seconds: true,
                metadata: true,
                ..capabilities
            },
            _ => capabilities,
        }
    }

    fn create(&self, spec: Admitted) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(async {
            let room = Room::new(&self.0, spec.into_spec())?;
            Ok(Box::new(DoubleSandbox::new(room)) as Box<dyn Sandbox>)
        })
    }

    fn connect<'a>(&'a self, reference: &'a SandboxRef) -> BoxFuture<'a, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(async {
            let house = &self.0;
            if !house.offers(house.capabilities.connect) {
                return unsupported("connect");
            }
            let found = house.rooms.lock().unwrap().get(&reference.id).cloned();
            let room = match found {
                Some(room) if house.has(Fault::ConnectsToAnother) => Room::new(house, room.spec.clone())?,
                Some(room) => room,
                None if house.has(Fault::ConnectsToNothing) => Room::new(house, Default::default())?,
                None => return Err(Error::Gone { reference: reference.clone() }),
            };
            room.check().map_err(|_| Error::Gone { reference: reference.clone() })?;
            room.go_on();
            Ok(Box::new(DoubleSandbox::new(room)) as Box<dyn Sandbox>)
        })
    }

    fn list<'a>(
        &'a self,
        metadata: &'a [(String, String)],
    ) -> BoxFuture<'a, Result<Vec<SandboxInfo>, Error>> {
        Box::pin(async {
            let house = &self.0;
            if !house.offers(house.capabilities.connect) {
                return unsupported("list");
            }
            let rooms: Vec<Arc<Room>> = house.rooms.lock().unwrap().values().cloned().collect();
            let listed = rooms.into_iter().filter(|room| {
                let there = room.check().is_ok() || house.has(Fault::ListsWhatIsGone);
                let is_noted = |(key, value): &(String, String)| room.spec.metadata.get(key) == Some(value);
                let chosen = metadata.iter().all(is_noted) || house.has(Fault::ListsAll);
                there && chosen && !house.has(Fault::ListsNothing)
            });
            let info = |room: Arc<Room>| SandboxInfo {
                state: match room.is_paused() && !house.has(Fault::ListsAllAsRunning) {
                    true => SandboxState::Paused,
                    false => SandboxState::Running,
                },
                reference: room.reference(),
                image: "base".to_owned(),
                created: None,
                expires: room.expires(),
            };
            Ok(listed.map(info).collect())
        })
    }

    fn health(&self) -> BoxFuture<'_, Result<Health, Error>> {
        let wrong = self.0.has(Fault::IsUnwell);
        Box::pin(async move {
            let latency = if wrong { Duration::from_hours(1) } else { Duration::from_millis(1) };
            Ok(Health { latency, version: None })
        })
    }
}
