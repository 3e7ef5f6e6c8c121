//! Fetching: git-fetch(1).

use git2::{Oid, Repository};
use serde::Serialize;

use super::advertisement::Advertisement;
use super::configured::{Configured, Purpose};
use super::incoming::{Incoming, Wanted};
use super::refspec::Refspec;
use super::session::Session;
use super::settings::Settings;
use super::{Access, RemoteError, RemoteProgress, Updated, references};
use crate::Worktrees;

/// What is fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetch {
    /// A remote of the repository's configuration; the only one, or `origin`, if none.
    pub remote: Option<String>,
    /// These branches of it alone; all that its `fetch` refspecs name, if empty.
    pub branches: Vec<String>,
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fetched {
    /// The remote's name.
    pub remote: String,
    /// Where it is, without what may be a secret.
    pub address: String,
    /// References that are others than before, and those that could not be.
    pub updated: Vec<Updated>,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl Worktrees {
    /// Brings the remote's branches to the repository, as its refspecs say, with the tags of what comes.
    /// Nothing is removed (`prune`), no submodule is fetched, no hook is run and `FETCH_HEAD` is not written.
    ///
    /// # Errors
    /// [`RemoteError`]; no reference was moved then.
    pub fn fetch(
        &self,
        fetch: &Fetch,
        access: &Access,
        progress: &mut dyn FnMut(RemoteProgress),
    ) -> Result<Fetched, RemoteError> {
        let repository = &self.repository;
        let settings = Settings::read(access.user_configuration.as_deref(), Some(repository))?;
        let base = repository.workdir().unwrap_or(repository.commondir());
        let remote = Configured::find(&settings, fetch.remote.as_deref(), Purpose::Fetch, base)?;
        if remote.refspecs.is_empty() {
            let reason = "it says not what is fetched; set it to +refs/heads/*:refs/remotes/<name>/*";
            return Err(RemoteError::refused(format!("remote.{}.fetch", remote.name), reason));
        }
        let mut notes = notes(&settings, &remote.name);
        let directory = repository.commondir().to_owned();
        let tags = match settings.last(&format!("remote.{}.tagopt", remote.name)) {
            Some("--no-tags") => Tags::None,
            Some("--tags") => Tags::All,
            _ => Tags::Following,
        };
        let session = Session::new(remote.address.clone(), settings, access, directory)?;
        let sources: Vec<String> = remote.refspecs.iter().filter_map(Refspec::source).collect();
        let incoming = Incoming::beside(repository)?;
        let mut choose = |advertised: Advertisement, known: &Repository| {
            let names = chosen(&advertised, &remote, &fetch.branches, &session.address.to_string())?;
            let tags = new_tags(&advertised, tags, repository, known);
            let mut patterns = if fetch.branches.is_empty() { sources.clone() } else { names.clone() };
            if !tags.is_empty() {
                patterns.push("refs/tags/*".to_owned());
            }
            Ok(Wanted { names: names.into_iter().chain(tags).collect(), patterns, advertised })
        };
        let wanted = incoming.receive(&session, &mut choose, progress)?;
        if !wanted.advertised.dropped.is_empty() {
            notes.push(format!("left out, for their names: {}", wanted.advertised.dropped.join(", ")));
        }
        let moves = moves(&wanted, &remote.refspecs, tags, &incoming);
        let _kept = incoming.accept()?;
        let log = format!("fetch {}", remote.name);
        let mut updated = Vec::new();
        for (name, oid, is_forced) in moves {
            updated.extend(references::update(repository, &name, oid, is_forced, &log)?);
        }
        Ok(Fetched { remote: remote.name, address: session.address.to_string(), updated, notes })
    }
}

/// What git would do besides, and this does not.
fn notes(settings: &Settings, remote: &str) -> Vec<String> {
    let mut notes = Vec::new();
    if settings.is_true(&format!("remote.{remote}.prune")) || settings.is_true("fetch.prune") {
        notes.push("branches that the remote has no more are still here: nothing is pruned".to_owned());
    }
    notes
}

fn chosen(
    advertised: &Advertisement,
    remote: &Configured,
    branches: &[String],
    address: &str,
) -> Result<Vec<String>, RemoteError> {
    for branch in branches {
        if advertised.find(&format!("refs/heads/{branch}")).is_none() {
            return Err(RemoteError::NoBranch { address: address.to_owned(), name: branch.clone() });
        }
    }
    let is_asked_for = |name: &str| {
        branches.is_empty()
            || name
                .strip_prefix("refs/heads/")
                .is_some_and(|name| branches.iter().any(|branch| branch == name))
    };
    let names = advertised.heads.iter().map(|head| &head.name);
    let names = names.filter(|name| is_asked_for(name) && Refspec::map(&remote.refspecs, name).is_some());
    Ok(names.cloned().collect())
}

/// Which tags are fetched: `remote.<name>.tagOpt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tags {
    None,
    /// Those of commits that are here, or that come.
    Following,
    All,
}

/// Tags that are to be asked for: those of commits that are here already, for those of what comes are sent
/// along.
fn new_tags(
    advertised: &Advertisement,
    wanted: Tags,
    repository: &Repository,
    known: &Repository,
) -> Vec<String> {
    let Ok(objects) = known.odb() else { return Vec::new() };
    let tags = advertised.heads.iter().filter(|head| head.name.starts_with("refs/tags/"));
    let tags = tags.filter(|head| repository.find_reference(&head.name).is_err());
    let tags = tags.filter(|head| match wanted {
        Tags::None => false,
        Tags::Following => objects.exists(head.peeled.unwrap_or(head.oid)),
        Tags::All => true,
    });
    tags.map(|head| head.name.clone()).collect()
}

/// Where each reference here is to be, and whether it may lose commits.
fn moves(wanted: &Wanted, refspecs: &[Refspec], tags: Tags, incoming: &Incoming) -> Vec<(String, Oid, bool)> {
    let mut moves: Vec<(String, Oid, bool)> = Vec::new();
    for head in &wanted.advertised.heads {
        if wanted.names.contains(&head.name)
            && let Some(mapped) = Refspec::map(refspecs, &head.name)
        {
            moves.push((mapped.to, head.oid, mapped.is_forced));
        } else if tags != Tags::None && head.name.starts_with("refs/tags/") && incoming.has(head.oid) {
            let is_here = incoming.repository().find_reference(&head.name).is_ok();
            if !is_here {
                moves.push((head.name.clone(), head.oid, false));
            }
        }
    }
    moves
}
