//! Repositories elsewhere: fetched from, pushed to, cloned.
//!
//! libgit2 speaks the protocol; how a server is reached is done here. What a server sends goes into a
//! directory of its own, is looked through there, and only then becomes part of the repository.
//!
//! | address | is reached by |
//! |---|---|
//! | `ssh://`, `user@host:path` | the user's `ssh` program, which is to be OpenSSH's |
//! | `https://`, `http://` | this crate; names and passwords by the user's credential helpers |
//! | a path, `file://` | libgit2 |
//! | `git://`, `ext::` and others | refused |
//!
//! No hook, filter or other program is run: settings that name one are refused.

mod access;
mod address;
mod advertisement;
mod checks;
mod clone;
mod configured;
mod credentials;
mod error;
mod fetch;
mod http;
mod incoming;
mod local;
mod program;
mod push;
mod references;
mod refspec;
mod session;
mod settings;
mod ssh;
mod text;
mod utf8;

use std::path::PathBuf;

use git2::Repository;

pub use access::{Access, RemoteProgress, Ssh};
pub use clone::{Clone, Cloned, clone};
pub use error::RemoteError;
pub use fetch::{Fetch, Fetched};
pub use push::{Force, Push, Pushed};
pub use references::{Change, Updated};

/// A hook that git would run.
fn hook(repository: &Repository, name: &str) -> Option<PathBuf> {
    let configured = repository.config().ok().and_then(|config| config.get_path("core.hookspath").ok());
    let hooks = match configured {
        Some(path) => repository.workdir().unwrap_or(repository.path()).join(path),
        None => repository.commondir().join("hooks"),
    };
    let path = hooks.join(name);
    let metadata = std::fs::metadata(&path).ok()?;
    let is_run = metadata.is_file() && (cfg!(windows) || crate::platform::is_executable(&metadata));
    is_run.then_some(path)
}
