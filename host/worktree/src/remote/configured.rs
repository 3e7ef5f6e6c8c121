//! The remotes that a repository's configuration names.

use std::path::Path;

use super::RemoteError;
use super::address::Address;
use super::refspec::Refspec;
use super::settings::{Settings, is_true};

/// A remote of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Configured {
    pub(super) name: String,
    pub(super) address: Address,
    pub(super) refspecs: Vec<Refspec>,
}

/// What is asked of a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Fetch,
    Push,
}

impl Configured {
    /// The remote of this name; else the only one, or `origin`.
    ///
    /// # Errors
    /// [`RemoteError::NoRemote`], and [`RemoteError::Refused`] for settings that name programs or that would
    /// have to be ignored.
    pub(super) fn find(
        settings: &Settings,
        name: Option<&str>,
        purpose: Purpose,
        base: &Path,
    ) -> Result<Self, RemoteError> {
        let known = settings.subsections("remote", "url");
        let default = settings.last("remote.pushdefault").filter(|_| purpose == Purpose::Push);
        let name = match name.or(default) {
            Some(name) if known.contains(&name) => name,
            Some(name) => return Err(unknown(name, &known)),
            None => match known.as_slice() {
                [only] => only,
                names if names.contains(&"origin") => "origin",
                [] => return Err(no_remote("the repository has no remote; add one with `git remote add`")),
                names => {
                    let names = names.join(", ");
                    return Err(no_remote(format!("there are several remotes: {names}; name one of them")));
                }
            },
        };
        let key = |key: &str| format!("remote.{name}.{key}");
        check_settings(settings, name)?;
        let values = |name: &str| settings.all(&key(name)).into_iter().map(|(value, _)| value).collect();
        let (urls, push_urls): (Vec<&str>, Vec<&str>) = (values("url"), values("pushurl"));
        let url = match purpose {
            Purpose::Fetch => urls.first().map(|url| instead_of(settings, url)),
            Purpose::Push => {
                let of_pushes = if push_urls.is_empty() { &urls } else { &push_urls };
                if of_pushes.len() > 1 {
                    let reason = "a push to several addresses is not supported; leave one of them";
                    return Err(RemoteError::refused(format!("the remote {name}"), reason));
                }
                // An address that is for pushes alone is not rewritten for them again.
                let rewritten = |url: &str| {
                    let of_pushes = settings.rewritten(url, "pushinsteadof");
                    of_pushes.filter(|_| push_urls.is_empty())
                };
                of_pushes.first().map(|url| rewritten(url).unwrap_or_else(|| instead_of(settings, url)))
            }
        };
        let url = url.ok_or_else(|| no_remote(format!("the remote {name} has no url")))?;
        let address = Address::parse(&url, base)?;
        check_allowed(settings, &address)?;
        let mut refspecs = Vec::new();
        for (text, _) in settings.all(&key("fetch")) {
            let spec = Refspec::parse(text).ok_or_else(|| {
                RemoteError::refused(key("fetch"), format!("{text:?} says not what becomes what"))
            })?;
            refspecs.push(spec);
        }
        Ok(Self { name: name.to_owned(), address, refspecs })
    }
}

/// The address that is asked for, as `insteadOf` makes it.
pub(super) fn instead_of(settings: &Settings, url: &str) -> String {
    settings.rewritten(url, "insteadof").unwrap_or_else(|| url.to_owned())
}

/// `protocol.<name>.allow` and `protocol.allow`.
///
/// # Errors
/// [`RemoteError::Refused`] where it is `never`.
pub(super) fn check_allowed(settings: &Settings, address: &Address) -> Result<(), RemoteError> {
    let named = format!("protocol.{}.allow", address.protocol());
    let (name, value) = match settings.last(&named) {
        Some(value) => (named.as_str(), value),
        None => match settings.last("protocol.allow") {
            Some(value) => ("protocol.allow", value),
            None => return Ok(()),
        },
    };
    match value {
        "always" | "user" => Ok(()),
        _ => Err(RemoteError::refused(
            address.to_string(),
            format!("git's configuration has {name} = {value}; change that to allow it"),
        )),
    }
}

/// Settings that name programs, or that change what is fetched and pushed in ways that are not supported.
fn check_settings(settings: &Settings, name: &str) -> Result<(), RemoteError> {
    let program = "it names a program to run, and none but `ssh` and credential helpers is";
    for (key, reason) in [
        ("uploadpack", program),
        ("receivepack", program),
        ("vcs", program),
        ("proxy", "only http.proxy is supported"),
        ("proxyauthmethod", "it is not supported"),
        ("partialclonefilter", "the repository is a partial clone, which is not supported"),
    ] {
        let key = format!("remote.{name}.{key}");
        if settings.last(&key).is_some() {
            return Err(RemoteError::refused(key, format!("{reason}; use git itself, or unset it")));
        }
    }
    for key in ["promisor", "mirror"] {
        let key = format!("remote.{name}.{key}");
        if settings.last(&key).is_some_and(|value| value != "fetch" && is_true(value) || value == "push") {
            return Err(RemoteError::refused(key, "it is not supported; use git itself, or unset it"));
        }
    }
    Ok(())
}

fn no_remote(reason: impl Into<String>) -> RemoteError {
    RemoteError::NoRemote { reason: reason.into() }
}

fn unknown(name: &str, known: &[&str]) -> RemoteError {
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    no_remote(format!("there is no remote {name:?}; those of the repository are: {known}"))
}
