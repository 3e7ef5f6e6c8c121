//! A hold of a room.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sandpiper_core::{
    BoxFuture, Control, Error, Exec, Files, Image, Metrics, Outcome, PortAddress, Running, Sandbox,
    SandboxRef,
};
use tokio::sync::mpsc;

use super::files::DoubleFiles;
use super::room::{self, Room};
use super::{archive, command, unsupported};
use crate::fault::Fault;

pub struct DoubleSandbox {
    room: Arc<Room>,
    detached: bool,
}

impl DoubleSandbox {
    pub fn new(room: Arc<Room>) -> Self {
        Self { room, detached: false }
    }

    fn offers(&self, of: fn(&sandpiper_core::Capabilities) -> bool) -> bool {
        let house = self.room.house();
        house.offers(of(&house.capabilities))
    }
}

impl Drop for DoubleSandbox {
    fn drop(&mut self) {
        if !self.detached && !self.room.has(Fault::StaysWhenDropped) {
            self.room.close();
        }
    }
}

impl Sandbox for DoubleSandbox {
    fn reference(&self) -> SandboxRef {
        self.room.reference()
    }

    fn spawn(&self, exec: Exec) -> BoxFuture<'_, Result<Running, Error>> {
        Box::pin(async {
            self.room.check()?;
            let (events, received) = mpsc::channel(16);
            let control = Control::default();
            let work = command::run(Arc::clone(&self.room), exec, events, control.clone())?;
            let done: BoxFuture<'static, Result<Outcome, Error>> = match self.room.has(Fault::StartsAtOnce) {
                false => work,
                true => {
                    let task = tokio::spawn(work);
                    Box::pin(async move { task.await.unwrap() })
                }
            };
            Ok(Running::new(received, done, control))
        })
    }

    fn files(&self) -> Arc<dyn Files> {
        Arc::new(DoubleFiles::new(Arc::clone(&self.room)))
    }

    fn upload<'a>(&'a self, directory: &'a str, tar: Bytes) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(archive::upload(self, &self.room, directory, tar))
    }

    fn download<'a>(&'a self, directory: &'a str, limit: u64) -> BoxFuture<'a, Result<Bytes, Error>> {
        Box::pin(archive::download(self, &self.room, directory, limit))
    }

    fn set_lifetime(&self, lifetime: Duration) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            if !self.offers(|offered| offered.lifetime) {
                return unsupported("set the lifetime");
            }
            self.room.check()?;
            let house = self.room.house();
            if !house.has(Fault::DoesWhatItDoesNotOffer) {
                house.capabilities.check_lifetime(lifetime)?;
            }
            self.room.expire(lifetime);
            Ok(())
        })
    }

    fn pause(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async {
            if !self.offers(|offered| offered.pause) {
                return unsupported("pause");
            }
            self.room.pause();
            Ok(())
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Image, Error>> {
        Box::pin(async {
            if !self.offers(|offered| offered.snapshot) {
                return unsupported("snapshot");
            }
            let house = self.room.house();
            let mut images = house.images.lock().unwrap();
            let name = format!("image-{}", images.len());
            let files = house.directory.path().join(&name);
            match self.room.fault() {
                Some(Fault::CopiesNothing) => std::fs::create_dir_all(files.join("tmp")).unwrap(),
                Some(Fault::CopiesLater) => {
                    images.insert(name.clone(), self.room.root.clone());
                    return Ok(Image::Named(name));
                }
                _ => room::copy(&self.room.root, &files),
            }
            images.insert(name.clone(), files);
            Ok(Image::Named(name))
        })
    }

    fn fork(&self) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(async {
            if !self.offers(|offered| offered.fork) {
                return unsupported("fork");
            }
            if self.room.has(Fault::CopiesLater) {
                return Ok(Box::new(Self::new(Arc::clone(&self.room))) as Box<dyn Sandbox>);
            }
            let copy = Room::new(&self.room.house(), self.room.spec.clone())?;
            if !self.room.has(Fault::CopiesNothing) {
                std::fs::remove_dir_all(&copy.root).unwrap();
                room::copy(&self.room.root, &copy.root);
            }
            Ok(Box::new(Self::new(copy)) as Box<dyn Sandbox>)
        })
    }

    fn metrics(&self) -> BoxFuture<'_, Result<Metrics, Error>> {
        Box::pin(async {
            if !self.offers(|offered| offered.metrics) {
                return unsupported("metrics");
            }
            let used = if self.room.has(Fault::TellsNonsense) { 9 << 20 } else { 1 << 20 };
            Ok(Metrics { memory_bytes: Some(used), memory_limit_bytes: Some(8 << 20), ..Metrics::default() })
        })
    }

    fn port(&self, port: u16) -> BoxFuture<'_, Result<PortAddress, Error>> {
        Box::pin(async move {
            if !self.offers(|offered| offered.ports) {
                return unsupported("ports");
            }
            let port = if self.room.has(Fault::TellsNonsense) { 1 } else { port };
            Ok(PortAddress { url: format!("http://127.0.0.1:{port}"), header: None })
        })
    }

    fn close(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async {
            let before = self.room.close();
            if before > 0 && self.room.has(Fault::ClosesOnce) {
                return Err(Error::Gone { reference: self.reference() }.into_backend());
            }
            Ok(())
        })
    }

    fn detach(mut self: Box<Self>) -> Result<SandboxRef, Error> {
        if !self.offers(|offered| offered.connect) {
            return unsupported("detach");
        }
        self.detached = !self.room.has(Fault::ClosesWhatIsLetGo);
        Ok(self.reference())
    }
}

trait IntoBackend {
    fn into_backend(self) -> Error;
}

impl IntoBackend for Error {
    fn into_backend(self) -> Error {
        Error::Backend { backend: "double".to_owned(), action: "close", message: self.to_string() }
    }
}
