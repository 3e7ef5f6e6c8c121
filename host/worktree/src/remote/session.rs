//! One connection's worth of talking with a server, and how libgit2 gets to it.
//!
//! libgit2 finds transports by the scheme of a URL, for the whole process. So one scheme is registered,
//! once, and what stands behind it is the number of a session: no address, and so no secret, ever gets into
//! libgit2's messages, and `https://` of other users of libgit2 in this process stays what it was.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use git2::{ErrorClass, ErrorCode, Remote, Repository};

use super::address::Address;
use super::advertisement::{Advertisement, Unread};
use super::http::Http;
use super::settings::Settings;
use super::{Access, RemoteError, http, local, ssh};
use crate::error::Trying;

const SCHEME: &str = "sandpiper-remote";

/// What a transport needs, and what it leaves for who began it.
pub(super) struct Session {
    pub(super) address: Address,
    pub(super) settings: Settings,
    pub(super) access: Access,
    /// Where programs are run: a directory that no guest writes.
    pub(super) directory: PathBuf,
    pub(super) http: Option<Http>,
    advertisement: Mutex<Option<Advertisement>>,
    failure: Mutex<Option<RemoteError>>,
    /// What `ssh` said.
    said: Mutex<Vec<u8>>,
}

impl Session {
    pub(super) fn new(
        address: Address,
        settings: Settings,
        access: &Access,
        directory: PathBuf,
    ) -> Result<Arc<Self>, RemoteError> {
        access.check_cancelled()?;
        let http = match &address {
            Address::Http(http) => Some(Http::new(http.clone(), &settings, access, &directory)?),
            _ => None,
        };
        Ok(Arc::new(Self {
            address,
            settings,
            access: access.clone(),
            directory,
            http,
            advertisement: Mutex::new(None),
            failure: Mutex::new(None),
            said: Mutex::new(Vec::new()),
        }))
    }

    /// The remote by which libgit2 comes back to this session, as long as the guard lives.
    pub(super) fn remote<'a>(
        self: &Arc<Self>,
        repository: &'a Repository,
    ) -> Result<(Remote<'a>, Registered), RemoteError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);

        register()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        sessions().insert(number, Arc::clone(self));
        let registered = Registered { number };
        let url = match &self.address {
            Address::Local(path) => local::url(path)?,
            _ => format!("{SCHEME}://{number}"),
        };
        let remote = repository.remote_anonymous(&url).trying("make a remote")?;
        if remote.url().ok() != Some(&*url) {
            let reason = "an insteadOf of git's configuration changes every address; use a narrower one";
            return Err(RemoteError::refused(self.address.to_string(), reason));
        }
        Ok((remote, registered))
    }

    /// What the server has; to be asked when it is connected.
    pub(super) fn advertised(&self) -> Result<Advertisement, RemoteError> {
        match &self.address {
            Address::Local(path) => local::advertised(path),
            _ => Ok(lock(&self.advertisement).clone().unwrap_or_default()),
        }
    }

    /// Notes why it goes no further: the first reason is the one to be told.
    pub(super) fn fail(&self, failure: RemoteError) -> std::io::Error {
        lock(&self.failure).get_or_insert(failure);
        // git2 makes a C string of it, so it has no bytes of a server's.
        std::io::Error::other("the connection failed")
    }

    pub(super) fn note(&self, said: Vec<u8>) {
        *lock(&self.said) = said;
    }

    /// The reason for which libgit2 gave up.
    pub(super) fn failure(&self, action: &'static str, source: git2::Error) -> RemoteError {
        if self.access.is_cancelled() {
            return RemoteError::Cancelled;
        }
        if let Some(failure) = lock(&self.failure).take() {
            return failure;
        }
        let said = super::text::one_line(&lock(&self.said));
        let address = self.address.to_string();
        let message = super::text::one_line(source.message().as_bytes());
        if let Some(text) = message.strip_prefix("remote error: ") {
            return RemoteError::Server { address, text: text.to_owned() };
        }
        match source.class() {
            ErrorClass::Net if said.is_empty() => {
                RemoteError::Unreachable { address, reason: format!("the connection broke off: {message}") }
            }
            ErrorClass::Net => RemoteError::Unreachable { address, reason: said },
            ErrorClass::Indexer | ErrorClass::Zlib => {
                RemoteError::Content { address, what: "a broken pack".to_owned(), reason: message }
            }
            _ => crate::WorktreeError::Git { action, source }.into(),
        }
    }

    /// Reads what the server has, and gives libgit2 what it may know of it.
    fn advertise(
        &self,
        from: &mut dyn std::io::Read,
        service_line: Option<&str>,
    ) -> std::io::Result<std::io::Cursor<Vec<u8>>> {
        let address = || self.address.to_string();
        let said = Advertisement::read(from, service_line).map_err(|unread| match unread {
            Unread::Failed => std::io::Error::other("the connection failed"),
            Unread::Refused(text) => self.fail(RemoteError::Server { address: address(), text }),
            Unread::Broken(reason) => {
                // What `ssh` says tells more.
                let said = super::text::one_line(&lock(&self.said));
                let reason = if said.is_empty() { reason } else { said };
                self.fail(RemoteError::Unreachable { address: address(), reason })
            }
        })?;
        let encoded = said.encode(service_line);
        *lock(&self.advertisement) = Some(said);
        Ok(std::io::Cursor::new(encoded))
    }
}

/// A session that libgit2 can find.
pub(super) struct Registered {
    number: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        sessions().remove(&self.number);
    }
}

fn sessions() -> MutexGuard<'static, BTreeMap<u64, Arc<Session>>> {
    static SESSIONS: Mutex<BTreeMap<u64, Arc<Session>>> = Mutex::new(BTreeMap::new());
    lock(&SESSIONS)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells libgit2 of the scheme, once.
fn register() -> Result<(), RemoteError> {
    static DONE: OnceLock<Result<(), String>> = OnceLock::new();

    let done = DONE.get_or_init(|| {
        // SAFETY: it is to be synchronised with the making of other transports. Those of this crate are made
        // after it, because each waits for it here; libgit2's list is changed by nothing else of this crate.
        let registered = unsafe { git2::transport::register(SCHEME, transport) };
        registered.map_err(|err| err.message().to_owned())
    });
    done.clone().map_err(|reason| RemoteError::refused("libgit2", reason))
}

fn transport(remote: &Remote<'_>) -> Result<Transport, git2::Error> {
    let number = remote.url().ok().and_then(|url| url.rsplit('/').next()?.parse::<u64>().ok());
    let session = number.and_then(|number| sessions().get(&number).cloned());
    let session = session.ok_or_else(|| failed("it is no session"))?;
    let is_stateless = session.http.is_some();
    Transport::smart(remote, is_stateless, Subtransport { session })
}

fn failed(message: &str) -> git2::Error {
    git2::Error::new(ErrorCode::GenericError, ErrorClass::Net, message)
}

struct Subtransport {
    session: Arc<Session>,
}

impl SmartSubtransport for Subtransport {
    fn action(&self, _url: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        self.stream(service).map_err(|err| failed(&err.to_string()))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

impl Subtransport {
    fn stream(&self, service: Service) -> std::io::Result<Box<dyn SmartSubtransportStream>> {
        let session = &self.session;
        let name = match service {
            Service::UploadPackLs | Service::UploadPack => "git-upload-pack",
            Service::ReceivePackLs | Service::ReceivePack => "git-receive-pack",
        };
        let is_first = matches!(service, Service::UploadPackLs | Service::ReceivePackLs);
        match (&session.http, &session.address) {
            (Some(http), _) if is_first => {
                let mut body = http.discover(name).map_err(|err| session.fail(err))?;
                let mut body = http::Body::new(session, &mut body);
                Ok(Box::new(session.advertise(&mut body, Some(&format!("# service={name}")))?))
            }
            (Some(_), _) => Ok(Box::new(http::Exchange::new(Arc::clone(session), name))),
            (None, Address::Ssh(address)) => {
                let mut stream = ssh::Stream::start(Arc::clone(session), address, name)?;
                let advertised = session.advertise(&mut stream, None)?;
                Ok(Box::new(stream.after(advertised)))
            }
            _ => Err(std::io::Error::other("it is no address of a server")),
        }
    }
}
