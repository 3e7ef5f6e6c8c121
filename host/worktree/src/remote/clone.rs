//! Cloning: git-clone(1).

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use git2::build::CheckoutBuilder;
use git2::{ObjectType, Oid, Repository, RepositoryInitOptions};
use serde::Serialize;

use super::address::{Address, redacted};
use super::advertisement::Advertisement;
use super::configured::{check_allowed, instead_of};
use super::incoming::{Incoming, Wanted};
use super::session::Session;
use super::settings::Settings;
use super::{Access, RemoteError, RemoteProgress, references};
use crate::Progress;
use crate::checkout::{Kind, Listing, write_files, write_index};
use crate::conversion::Conversion;
use crate::error::{At, Trying};

const REMOTE: &str = "origin";

/// What is cloned.
#[derive(Clone, PartialEq, Eq)]
pub struct Clone {
    /// An address as git has them; a relative path is relative to the process's directory.
    pub address: String,
    /// The directory to make, or an empty one.
    pub directory: PathBuf,
    /// The branch to check out; that of the remote's HEAD, if none.
    pub branch: Option<String>,
}

/// The address may hold a secret.
impl fmt::Debug for Clone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clone")
            .field("address", &redacted(&self.address))
            .field("directory", &self.directory)
            .field("branch", &self.branch)
            .finish()
    }
}

/// What was cloned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cloned {
    /// The checkout.
    pub directory: PathBuf,
    /// Where it came from, without what may be a secret.
    pub address: String,
    /// The branch that is checked out; none of a repository without commits, or whose HEAD is no branch.
    pub branch: Option<String>,
    /// Its commit.
    pub commit: Option<String>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Makes a repository of its own out of one elsewhere, with the remote `origin`. It is made beside the
/// directory and renamed when it is whole, so a failure leaves nothing at its place. Submodules are not
/// fetched, filters and hooks are not run, and templates are not used.
///
/// # Errors
/// [`RemoteError`].
pub fn clone(
    clone: &Clone,
    access: &Access,
    progress: &mut dyn FnMut(RemoteProgress),
) -> Result<Cloned, RemoteError> {
    let settings = Settings::read(access.user_configuration.as_deref(), None)?;
    let base = std::path::absolute(".").at("find", Path::new("."))?;
    let address = Address::parse(&instead_of(&settings, &clone.address), &base)?;
    check_allowed(&settings, &address)?;
    let directory = std::path::absolute(&clone.directory).at("find", &clone.directory)?;
    check_empty(&directory)?;
    let parent = directory.parent().ok_or_else(|| RemoteError::NotEmpty { path: directory.clone() })?;
    fs::create_dir_all(parent).at("create", parent)?;
    let made =
        tempfile::Builder::new().prefix(".sandpiper-clone-").tempdir_in(parent).at("create", parent)?;
    let place = made.path().join("clone");
    let session = Session::new(address, settings, access, parent.to_owned())?;
    let mut cloned = Cloning { clone, session: &session, base: &base }.fill(&place, progress)?;
    session.access.check_cancelled()?;
    // An empty directory is replaced on Unix, and in the way elsewhere.
    if cfg!(windows) && directory.exists() {
        fs::remove_dir(&directory).at("replace", &directory)?;
    }
    fs::rename(&place, &directory).at("write", &directory)?;
    cloned.directory = directory;
    Ok(cloned)
}

fn check_empty(directory: &Path) -> Result<(), RemoteError> {
    let not_empty = || RemoteError::NotEmpty { path: directory.to_owned() };
    match fs::symlink_metadata(directory) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(err).at("read", directory)?,
        Ok(metadata) if !metadata.is_dir() => return Err(not_empty()),
        Ok(_) => {}
    }
    match fs::read_dir(directory).at("list", directory)?.next() {
        None => Ok(()),
        Some(_) => Err(not_empty()),
    }
}

struct Cloning<'a> {
    clone: &'a Clone,
    session: &'a Arc<Session>,
    base: &'a Path,
}

/// What is to be checked out.
struct Head {
    /// The whole name of a branch.
    branch: Option<String>,
    commit: Option<Oid>,
}

impl Cloning<'_> {
    fn fill(&self, place: &Path, progress: &mut dyn FnMut(RemoteProgress)) -> Result<Cloned, RemoteError> {
        let mut options = RepositoryInitOptions::new();
        options.external_template(false).no_reinit(true).mkdir(true).initial_head("main");
        let repository = Repository::init_opts(place, &options).trying("make the repository")?;
        let (stored, mut notes) = self.stored_address();
        {
            let mut config = repository.config().trying("write the configuration")?;
            let set = "write the configuration";
            config.set_str(&format!("remote.{REMOTE}.url"), &stored).trying(set)?;
            let refspec = format!("+refs/heads/*:refs/remotes/{REMOTE}/*");
            config.set_str(&format!("remote.{REMOTE}.fetch"), &refspec).trying(set)?;
        }
        let incoming = Incoming::beside(&repository)?;
        let mut head = None;
        let mut choose = |advertised: Advertisement, _: &Repository| {
            head = Some(self.head(&advertised)?);
            let of = |head: &&super::advertisement::Head| {
                head.name == "HEAD"
                    || ["refs/heads/", "refs/tags/"].iter().any(|part| head.name.starts_with(part))
            };
            let names: HashSet<_> =
                advertised.heads.iter().filter(of).map(|head| head.name.clone()).collect();
            let patterns = ["HEAD", "refs/heads/*", "refs/tags/*"].map(str::to_owned).to_vec();
            Ok(Wanted { advertised, names, patterns })
        };
        let wanted = incoming.receive(self.session, &mut choose, progress)?;
        if !wanted.advertised.dropped.is_empty() {
            notes.push(format!("left out, for their names: {}", wanted.advertised.dropped.join(", ")));
        }
        drop(incoming.accept()?);
        write_references(&repository, &wanted.advertised)?;
        let head = head.unwrap_or(Head { branch: None, commit: None });
        self.write_head(&repository, &head)?;
        if let Some(commit) = head.commit {
            notes.extend(check_out(&repository, place, commit, progress)?);
        }
        let branch = head.branch.map(|name| name.trim_start_matches("refs/heads/").to_owned());
        Ok(Cloned {
            directory: place.to_owned(),
            address: self.session.address.to_string(),
            branch: branch.filter(|_| head.commit.is_some()),
            commit: head.commit.map(|oid| oid.to_string()),
            notes,
        })
    }

    /// The address as it was asked for, without a password: files keep none.
    fn stored_address(&self) -> (String, Vec<String>) {
        match &self.session.address {
            Address::Http(http) if http.password.is_some() || http.user.is_some() => {
                let note =
                    "the name and password of the address are not stored; give them to a credential helper";
                (redacted(&self.clone.address), vec![note.to_owned()])
            }
            Address::Local(path) if !self.clone.address.contains("://") => {
                let is_as_asked = self.base.join(&self.clone.address) == *path;
                let text = path.to_str().filter(|_| is_as_asked);
                (text.unwrap_or(&self.clone.address).to_owned(), Vec::new())
            }
            _ => (self.clone.address.clone(), Vec::new()),
        }
    }

    fn head(&self, advertised: &Advertisement) -> Result<Head, RemoteError> {
        if let Some(branch) = &self.clone.branch {
            let name = format!("refs/heads/{branch}");
            let missing =
                || RemoteError::NoBranch { address: self.session.address.to_string(), name: branch.clone() };
            let commit = advertised.find(&name).ok_or_else(missing)?.oid;
            return Ok(Head { branch: Some(name), commit: Some(commit) });
        }
        let commit = advertised.find("HEAD").map(|head| head.oid);
        let branch = advertised.head_target.clone().or_else(|| {
            // Old servers do not say which branch it is.
            let heads = || advertised.heads.iter().filter(|head| head.name.starts_with("refs/heads/"));
            let main = ["refs/heads/main", "refs/heads/master"].into_iter();
            let named = main.filter_map(|name| advertised.find(name)).find(|head| Some(head.oid) == commit);
            named.or_else(|| heads().find(|head| Some(head.oid) == commit)).map(|head| head.name.clone())
        });
        Ok(Head { branch, commit })
    }

    fn write_head(&self, repository: &Repository, head: &Head) -> Result<(), RemoteError> {
        let log = format!("clone: from {}", self.session.address);
        match (&head.branch, head.commit) {
            (Some(branch), commit) => {
                if let Some(commit) = commit {
                    references::create(repository, branch, commit, &log)?;
                }
                repository.set_head(branch).trying("write HEAD")?;
                let short = branch.trim_start_matches("refs/heads/");
                let mut config = repository.config().trying("write the configuration")?;
                let set = "write the configuration";
                config.set_str(&format!("branch.{short}.remote"), REMOTE).trying(set)?;
                config.set_str(&format!("branch.{short}.merge"), branch).trying(set)?;
            }
            (None, Some(commit)) => repository.set_head_detached(commit).trying("write HEAD")?,
            (None, None) => {}
        }
        Ok(())
    }
}

fn write_references(repository: &Repository, advertised: &Advertisement) -> Result<(), RemoteError> {
    for head in &advertised.heads {
        if let Some(branch) = head.name.strip_prefix("refs/heads/") {
            references::create(repository, &format!("refs/remotes/{REMOTE}/{branch}"), head.oid, "clone")?;
        } else if head.name.starts_with("refs/tags/") {
            references::create(repository, &head.name, head.oid, "clone")?;
        }
    }
    if let Some(branch) = advertised.head_target.as_deref().and_then(|name| name.strip_prefix("refs/heads/"))
        && advertised.find(&format!("refs/heads/{branch}")).is_some()
    {
        let target = format!("refs/remotes/{REMOTE}/{branch}");
        let name = format!("refs/remotes/{REMOTE}/HEAD");
        repository.reference_symbolic(&name, &target, true, "clone").trying("write a reference")?;
    }
    Ok(())
}

/// Writes the files of the commit and the index; returns what is not as git would have it.
fn check_out(
    repository: &Repository,
    place: &Path,
    commit: Oid,
    progress: &mut dyn FnMut(RemoteProgress),
) -> Result<Vec<String>, RemoteError> {
    let tree = repository.find_commit(commit).trying("read the commit")?.tree_id();
    let listing = Listing::of(repository, tree)?;
    let conversion = Conversion::of(repository, &listing)?;
    let mut written = |done: Progress| progress(RemoteProgress::Written(done));
    if conversion.needed {
        let mut builder = CheckoutBuilder::new();
        builder.force().progress(|_, done, total| written(Progress { done, total }));
        let object = repository.find_object(tree, Some(ObjectType::Tree)).trying("read the commit")?;
        repository.checkout_tree(&object, Some(&mut builder)).trying("write the files")?;
    } else {
        let stats = write_files(repository.path(), &listing, place, &mut written)?;
        write_index(&listing, &stats, &repository.path().join("index"))?;
    }
    let mut notes = Vec::new();
    let submodules = listing.entries.iter().filter(|entry| entry.kind == Kind::Submodule).count();
    if submodules > 0 {
        notes.push(format!("the directories of its submodules are empty: {submodules}"));
    }
    if conversion.has_filters {
        notes.push(
            "files with a filter are as they are in the repository (those of LFS are pointers): filters are \
             commands, and none is run"
                .to_owned(),
        );
    }
    Ok(notes)
}
