//! What the host does for a command while it runs, and is told of it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sandpiper_core::{
    Access, BoxError, BoxFuture, ChangeObserver, Error, Exec, Git, GitCommand, GitEvent, GitOutput,
    GitRunning, Mount, Spec, Stream,
};

use crate::claim::{Claim, claim};
use crate::place::Place;
use crate::wrong::{printed, same};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(the_host_carries_out_git, has host_git),
    claim!(git_of_the_host_is_refused, lacks host_git),
    claim!(changes_are_told_before_they_are_made, has mounts, has tells_changes),
    claim!(an_observer_of_changes_is_refused, lacks tells_changes),
];

/// A git of the host that prints what it was asked.
#[derive(Debug)]
struct Echo;

impl Git for Echo {
    fn start(&self, command: GitCommand) -> Result<Box<dyn GitRunning>, BoxError> {
        let mut words: Vec<u8> = command.arguments.join(&b' ');
        words.push(b'\n');
        Ok(Box::new(Echoing(Some(words.into()))))
    }
}

struct Echoing(Option<bytes::Bytes>);

impl GitRunning for Echoing {
    fn next(&mut self, _disk_bytes: u64) -> BoxFuture<'static, Result<GitEvent, BoxError>> {
        let what = match self.0.take() {
            Some(bytes) => GitOutput::Bytes { stream: Stream::Stdout, bytes },
            None => GitOutput::Ended { code: 0 },
        };
        Box::pin(async { Ok(GitEvent { written_bytes: 0, what }) })
    }
}

async fn the_host_carries_out_git(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let exec = place.bash("git status --short").git(Arc::new(Echo));
    printed(&place.run(exec).await?, "status --short\n")
}

async fn git_of_the_host_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let exec = place.bash("true").git(Arc::new(Echo));
    is_refused(context, &place, exec, "a command with a git of the host").await
}

async fn is_refused(context: &Context<'_>, place: &Place, exec: Exec, what: &str) -> Result<(), Wrong> {
    match place.sandbox.spawn(exec).await {
        Err(Error::Unsupported { backend, .. }) => {
            same("the backend that is named", &*backend, context.backend().name())
        }
        seen => Err(Wrong::other(what, "Error::Unsupported", &seen)),
    }
}

/// Notes the paths that are told, and whether each was there then.
#[derive(Debug)]
struct Told {
    host: PathBuf,
    paths: Mutex<Vec<(String, bool)>>,
}

impl ChangeObserver for Told {
    fn about_to_change(&self, path: &str) -> Result<(), BoxError> {
        let exists = path.strip_prefix("/w/").is_some_and(|path| self.host.join(path).exists());
        self.paths.lock().map_err(|_| "poisoned")?.push((path.to_owned(), exists));
        if path.ends_with("kept") { Err("it is kept".into()) } else { Ok(()) }
    }
}

async fn changes_are_told_before_they_are_made(context: &Context<'_>) -> Result<(), Wrong> {
    let folder = tempfile::tempdir()?;
    for name in ["changed", "gone", "kept", "read"] {
        std::fs::write(folder.path().join(name), name)?;
    }
    let mount =
        Mount::new(folder.path(), "/w", Access::ReadWrite).map_err(|err| Wrong::new(err.to_string()))?;
    let place = context.place_of(Spec { mounts: vec![mount], ..context.spec() }).await?;
    let told = Arc::new(Told { host: folder.path().to_owned(), paths: Mutex::default() });
    let script = "cat /w/read >/dev/null; echo x >/tmp/x; echo x >>/w/changed; echo x >/w/new; rm /w/gone; mkdir /w/d; \
                  mv /w/new /w/d/moved; echo x >/w/kept || echo refused";
    let exec = Exec { changes: Some(told.clone()), ..place.bash(script) };
    let outcome = place.run(exec).await?;
    same("stdout", &*String::from_utf8_lossy(&outcome.stdout.bytes), "refused\n")?;
    let mut paths = told.paths.lock().map_err(|_| Wrong::new("poisoned"))?.clone();
    // It is told again when an open file is written to.
    paths.dedup_by(|later, earlier| later.0 == earlier.0);
    let expected = [
        ("changed", true),
        ("new", false),
        ("gone", true),
        ("d", false),
        ("new", true),
        ("d/moved", false),
        ("kept", true),
    ];
    let expected = expected.map(|(path, was_there)| (format!("/w/{path}"), was_there));
    same("what was told", &paths[..], &expected[..])?;
    same("the file that is kept", &*std::fs::read_to_string(folder.path().join("kept"))?, "kept")
}

async fn an_observer_of_changes_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let told = Told { host: PathBuf::new(), paths: Mutex::default() };
    is_refused(
        context,
        &place,
        place.bash("true").changes(Arc::new(told)),
        "a command with an observer of changes",
    )
    .await
}
