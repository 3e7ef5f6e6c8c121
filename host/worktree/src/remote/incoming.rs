//! What a server sends, kept apart until it is known to be sound.
//!
//! It arrives in a repository of its own beside the user's, which borrows the user's objects (so that only
//! what is missing is sent) and has no settings. Packs that were looked through are renamed into the user's;
//! a process that is killed before has changed nothing.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::{AutotagOption, Direction, FetchOptions, Oid, RemoteCallbacks, Repository, RepositoryInitOptions};
use tempfile::TempDir;

use super::advertisement::Advertisement;
use super::session::{Registered, Session};
use super::{RemoteError, RemoteProgress, checks, text};
use crate::error::{At, Trying};

/// In the repository's common git directory.
const DIRECTORY: &str = "sandpiper/incoming";
/// libgit2 keeps some ten words of each in memory; the largest known repositories have a tenth of it.
const MAX_OBJECTS: usize = 100_000_000;

/// Objects that are not yet the user's.
pub(super) struct Incoming {
    // Closed before its directory is removed.
    repository: Repository,
    directory: TempDir,
    objects: PathBuf,
}

/// What the server has, and what of it is wanted.
pub(super) struct Wanted {
    pub(super) advertised: Advertisement,
    /// References there, by their whole names.
    pub(super) names: HashSet<String>,
    /// The same, or a few more, in as many words as there are refspecs.
    pub(super) patterns: Vec<String>,
}

impl Wanted {
    /// libgit2 compares each reference there with each of these.
    fn asked_for(&self) -> Vec<String> {
        const MAX_NAMES: usize = 256;

        if self.names.len() > MAX_NAMES {
            // A pattern is one to libgit2 only with where to put things, which nothing is here.
            return self.patterns.iter().map(|pattern| format!("{pattern}:{pattern}")).collect();
        }
        self.names.iter().cloned().collect()
    }
}

impl Incoming {
    pub(super) fn beside(repository: &Repository) -> Result<Self, RemoteError> {
        let common = repository.commondir();
        let parent = common.join(DIRECTORY);
        fs::create_dir_all(&parent).at("create", &parent)?;
        sweep(&parent);
        let directory = tempfile::tempdir_in(&parent).at("create a directory in", &parent)?;
        let path = directory.path();
        let mut options = RepositoryInitOptions::new();
        options.bare(true).external_template(false).no_reinit(true);
        Repository::init_opts(path, &options).trying("make a place for what arrives")?;
        let objects = common.join("objects");
        let alternates = path.join("objects").join("info").join("alternates");
        let line = format!("{}\n", path_line(&objects)?);
        fs::create_dir_all(path.join("objects").join("info")).at("create", &alternates)?;
        fs::write(&alternates, line).at("write", &alternates)?;
        write_known(repository, path)?;
        match fs::copy(common.join("shallow"), path.join("shallow")) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err).at("copy", path)?,
            _ => {}
        }
        let repository = Repository::open_bare(path).trying("open the place for what arrives")?;
        Ok(Self { repository, directory, objects })
    }

    /// Connects, asks `choose` what of the server's is wanted, and gets it. What is got is checked.
    pub(super) fn receive(
        &self,
        session: &Arc<Session>,
        choose: &mut dyn FnMut(Advertisement, &Repository) -> Result<Wanted, RemoteError>,
        progress: &mut dyn FnMut(RemoteProgress),
    ) -> Result<Wanted, RemoteError> {
        let wanted = {
            let (mut remote, _registered): (_, Registered) = session.remote(&self.repository)?;
            let failed = |source| session.failure("fetch", source);
            remote.connect(Direction::Fetch).map_err(failed)?;
            let wanted = choose(session.advertised()?, &self.repository)?;
            if !wanted.names.is_empty() {
                let progress: RefCell<&mut dyn FnMut(RemoteProgress)> = RefCell::new(&mut *progress);
                let mut options = FetchOptions::new();
                options
                    .remote_callbacks(Self::callbacks(session, &progress))
                    .download_tags(AutotagOption::None)
                    .update_fetchhead(false);
                remote.download(&wanted.asked_for(), Some(&mut options)).map_err(failed)?;
            }
            // What is said afterwards is a good-bye, and matters to nobody.
            let _ = remote.disconnect();
            wanted
        };
        session.access.check_cancelled()?;
        let heads = wanted.advertised.heads.iter().filter(|head| wanted.names.contains(&head.name));
        let tips = heads.map(|head| head.oid);
        checks::check(&self.repository, &self.own_objects(), tips, session, progress)?;
        Ok(wanted)
    }

    fn callbacks<'a, 'p: 'a>(
        session: &'a Arc<Session>,
        progress: &'a RefCell<&'p mut (dyn FnMut(RemoteProgress) + 'p)>,
    ) -> RemoteCallbacks<'a> {
        let mut callbacks = RemoteCallbacks::new();
        callbacks.sideband_progress(|said| {
            for line in text::lines(said) {
                progress.borrow_mut()(RemoteProgress::Said(line));
            }
            !session.access.is_cancelled()
        });
        callbacks.transfer_progress(|got| {
            let (objects, total, bytes) = (got.received_objects(), got.total_objects(), got.received_bytes());
            progress.borrow_mut()(RemoteProgress::Received { objects, total, bytes });
            let too_much = if total > MAX_OBJECTS {
                Some(format!("it has {total} objects, and more than {MAX_OBJECTS} are not taken"))
            } else if u64::try_from(bytes).unwrap_or(u64::MAX) > session.access.max_bytes {
                Some(format!("it has more than {} bytes, which is the limit", session.access.max_bytes))
            } else {
                None
            };
            if let Some(reason) = too_much {
                let (address, what) = (session.address.to_string(), "a pack".to_owned());
                session.fail(RemoteError::Content { address, what, reason });
                return false;
            }
            !session.access.is_cancelled()
        });
        callbacks
    }

    fn own_objects(&self) -> PathBuf {
        self.directory.path().join("objects")
    }

    /// Whether an object arrived, or was there.
    pub(super) fn has(&self, oid: Oid) -> bool {
        self.repository.odb().is_ok_and(|odb| odb.exists(oid))
    }

    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Makes what arrived part of the user's repository. What is returned keeps `git gc` from it until
    /// references lead there.
    pub(super) fn accept(self) -> Result<Kept, RemoteError> {
        let from = self.own_objects().join("pack");
        let to = self.objects.join("pack");
        fs::create_dir_all(&to).at("create", &to)?;
        let mut packs = Vec::new();
        for entry in fs::read_dir(&from).at("list", &from)? {
            let path = entry.at("list", &from)?.path();
            if path.extension().is_some_and(|extension| extension == "pack") {
                packs.push(path);
            }
        }
        // Windows renames no file that is open.
        let Self { repository, directory, .. } = self;
        drop(repository);
        let mut kept = Kept { files: Vec::new() };
        for pack in packs {
            let place = to.join(pack.file_name().unwrap_or_default());
            let keep = place.with_extension("keep");
            if !place.exists() {
                fs::write(&keep, "sandpiper fetch\n").at("write", &keep)?;
                kept.files.push(keep);
                fs::rename(&pack, &place).at("write", &place)?;
            }
            // Git takes a pack for one when its index is there.
            let index = place.with_extension("idx");
            if !index.exists() {
                fs::rename(pack.with_extension("idx"), &index).at("write", &index)?;
            }
        }
        drop(directory);
        Ok(kept)
    }
}

/// Packs that are not to be repacked or pruned yet.
pub(super) struct Kept {
    files: Vec<PathBuf>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}

/// Tells the new repository what the user's has, so that the server is told.
fn write_known(repository: &Repository, path: &Path) -> Result<(), RemoteError> {
    let objects = repository.odb().trying("read the objects")?;
    let mut lines = Vec::new();
    for reference in repository.references().trying("list the references")? {
        let reference = reference.trying("read a reference")?;
        if let Some(oid) = reference.target()
            && reference.name_bytes().starts_with(b"refs/")
            && objects.exists(oid)
        {
            lines.push((reference.name_bytes().to_vec(), oid));
        }
    }
    lines.sort();
    let mut text = Vec::new();
    for (name, oid) in lines {
        text.extend_from_slice(format!("{oid} ").as_bytes());
        text.extend_from_slice(&name);
        text.push(b'\n');
    }
    let file = path.join("packed-refs");
    fs::write(&file, text).at("write", &file)?;
    Ok(())
}

fn path_line(path: &Path) -> Result<&str, RemoteError> {
    let is_line = |text: &&str| !text.contains('\n') && !text.starts_with('"') && !text.starts_with('#');
    path.to_str().filter(is_line).ok_or_else(|| {
        let reason = "git's files cannot hold the path: it is not UTF-8, or has a line break";
        RemoteError::refused(format!("the repository {}", path.display()), reason)
    })
}

/// Removes what processes that were killed have left.
fn sweep(parent: &Path) {
    const DAY_SECONDS: u64 = 24 * 60 * 60;

    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let age = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age.as_secs() > DAY_SECONDS) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
