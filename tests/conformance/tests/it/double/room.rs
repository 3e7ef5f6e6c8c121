//! A sandbox of the double: a directory, and the process groups that run in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process_group};
use sandpiper_core::{Error, Image, SandboxRef, Spec};
use tokio::sync::{Semaphore, watch};

use super::{House, NAME};
use crate::fault::Fault;

pub struct Room {
    pub id: String,
    pub root: PathBuf,
    pub spec: Spec,
    /// For the faults that have to do with other commands.
    pub one_at_a_time: Semaphore,
    pub left: Mutex<Vec<(String, String)>>,
    pub closed: watch::Sender<bool>,
    pub cancelled: watch::Sender<bool>,
    pub broken: AtomicBool,
    house: Weak<House>,
    fault: Option<Fault>,
    state: Mutex<State>,
}

struct State {
    paused: bool,
    expires: Option<Instant>,
    /// Those that are there.
    groups: BTreeSet<i32>,
    commands: u32,
    begun: Instant,
    closings: u32,
}

impl Room {
    pub fn new(house: &Arc<House>, spec: Spec) -> Result<Arc<Self>, Error> {
        let mut rooms = house.rooms.lock().unwrap();
        let id = format!("r{}", rooms.len());
        let root = match house.fault {
            Some(Fault::SharesFiles) => house.directory.path().join("shared"),
            _ => house.directory.path().join(&id),
        };
        let image = match &spec.image {
            Image::Named(name) if name == "base" || house.has(Fault::TakesAnyImage) => None,
            Image::Named(name) => match house.images.lock().unwrap().get(name) {
                Some(files) => Some(files.clone()),
                None => return Err(no_image(name)),
            },
            Image::File(path) => return Err(no_image(&path.to_string_lossy())),
        };
        match image {
            Some(files) => copy(&files, &root),
            None => {
                for directory in ["tmp", "home/user"] {
                    std::fs::create_dir_all(root.join(directory)).unwrap();
                }
            }
        }
        if house.has(Fault::HasNoHome) {
            std::fs::remove_dir_all(root.join("home")).unwrap();
        }
        let lifetime = spec.lifetime.filter(|_| !house.has(Fault::IgnoresLifetime));
        let now = Instant::now();
        let state = State {
            paused: false,
            expires: lifetime.map(|lifetime| now + lifetime),
            groups: BTreeSet::new(),
            commands: 0,
            begun: now,
            closings: 0,
        };
        let room = Arc::new(Self {
            id: id.clone(),
            root,
            spec,
            one_at_a_time: Semaphore::new(1),
            left: Mutex::default(),
            closed: watch::Sender::new(false),
            cancelled: watch::Sender::new(false),
            broken: AtomicBool::new(false),
            house: Arc::downgrade(house),
            fault: house.fault,
            state: Mutex::new(state),
        });
        rooms.insert(id, Arc::clone(&room));
        Ok(room)
    }

    pub fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    pub fn house(&self) -> Arc<House> {
        self.house.upgrade().unwrap()
    }

    pub fn reference(&self) -> SandboxRef {
        let metadata = match self.fault {
            Some(Fault::ForgetsMetadata) => Default::default(),
            _ => self.spec.metadata.clone(),
        };
        let backend = if self.has(Fault::NamesAnotherBackend) { "another" } else { NAME }.to_owned();
        let id = match self.fault {
            Some(Fault::NamesAllTheSame) => "r0".to_owned(),
            Some(Fault::NamesOddly) => format!("{}/odd", self.id),
            Some(Fault::ChangesItsName) => format!("{}.{}", self.id, self.commands()),
            _ => self.id.clone(),
        };
        SandboxRef { backend, id, metadata }
    }

    fn commands(&self) -> u32 {
        self.state.lock().unwrap().commands
    }

    /// Fails when the sandbox is no longer there.
    pub fn check(&self) -> Result<(), Error> {
        let over = self.state.lock().unwrap().expires.is_some_and(|end| end <= Instant::now());
        if over {
            self.close();
        }
        if *self.closed.borrow() { Err(Error::Gone { reference: self.reference() }) } else { Ok(()) }
    }

    pub fn begun(&self) -> Instant {
        self.state.lock().unwrap().begun
    }

    pub fn is_paused(&self) -> bool {
        self.state.lock().unwrap().paused
    }

    /// How often it was closed before.
    pub fn close(&self) -> u32 {
        let mut state = self.state.lock().unwrap();
        state.closings += 1;
        if !self.has(Fault::StaysOpen) {
            signal(&state.groups, Signal::KILL);
            state.groups.clear();
            self.closed.send_replace(true);
            if !self.has(Fault::SharesFiles) {
                let _ = std::fs::remove_dir_all(&self.root);
            }
        }
        state.closings - 1
    }

    pub fn expires(&self) -> Option<SystemTime> {
        let expires = self.state.lock().unwrap().expires?;
        Some(SystemTime::now() + expires.saturating_duration_since(Instant::now()))
    }

    pub fn expire(&self, lifetime: Duration) {
        if !self.has(Fault::IgnoresNewLifetime) {
            self.state.lock().unwrap().expires = Some(Instant::now() + lifetime);
        }
    }

    pub fn pause(&self) {
        let mut state = self.state.lock().unwrap();
        state.paused = true;
        let keeps =
            self.house().capabilities.pause_keeps_processes != self.has(Fault::TreatsProcessesTheOtherWay);
        signal(&state.groups, if keeps { Signal::STOP } else { Signal::KILL });
        if self.has(Fault::ForgetsFilesInPause) {
            for directory in ["tmp", "home/user"].map(|directory| self.root.join(directory)) {
                std::fs::remove_dir_all(&directory).unwrap();
                std::fs::create_dir(&directory).unwrap();
            }
        }
    }

    pub fn go_on(&self) {
        let mut state = self.state.lock().unwrap();
        if std::mem::take(&mut state.paused) {
            signal(&state.groups, Signal::CONT);
        }
    }

    pub fn entered(&self, group: i32) {
        let mut state = self.state.lock().unwrap();
        state.groups.insert(group);
        state.commands += 1;
    }

    pub fn ended(&self, group: i32) {
        self.state.lock().unwrap().groups.remove(&group);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        signal(&self.state.lock().unwrap().groups, Signal::KILL);
    }
}

fn signal(groups: &BTreeSet<i32>, signal: Signal) {
    for group in groups.iter().filter_map(|group| Pid::from_raw(*group)) {
        let _ = kill_process_group(group, signal);
    }
}

fn no_image(name: &str) -> Error {
    Error::Image { image: name.to_owned(), reason: "there is none of this name".to_owned(), source: None }
}

pub fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}
