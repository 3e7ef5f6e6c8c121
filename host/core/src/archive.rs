//! Trees of files into a sandbox and out of it, by the `tar` of the sandbox itself.

use bytes::Bytes;

use crate::{Error, Exec, Exit, FileErrorKind, Files, Sandbox, collect};

/// Where an archive lies while it is packed or unpacked: beside nothing of the guest's.
const STAGING: &str = "/tmp";

/// Most of tar's own words that an error repeats.
const MAX_WORDS: usize = 500;

/// See [`Sandbox::upload`].
pub(crate) async fn upload<S: Sandbox + ?Sized>(
    sandbox: &S,
    directory: &str,
    archive: Bytes,
) -> Result<(), Error> {
    const ACTION: &str = "unpack into";
    let files = sandbox.files();
    files.make_directory(directory).await?;
    let staged = staged_name();
    files.write(&staged, archive).await?;
    let unpacked = tar(sandbox, ["-xf", &staged, "-C", directory], ACTION, directory).await;
    let removed = files.remove(&staged, false).await;
    unpacked?;
    Ok(removed?)
}

/// See [`Sandbox::download`].
pub(crate) async fn download<S: Sandbox + ?Sized>(
    sandbox: &S,
    directory: &str,
    limit: u64,
) -> Result<Bytes, Error> {
    const ACTION: &str = "pack";
    let files = sandbox.files();
    let staged = staged_name();
    let packed = async {
        tar(sandbox, ["-cf", &staged, "-C", directory, "."], ACTION, directory).await?;
        files.read(&staged, limit).await.map_err(|err| match err.kind {
            FileErrorKind::TooLarge { size, limit } => Error::Archive {
                action: ACTION,
                directory: directory.to_owned(),
                reason: format!("the archive has {size} bytes, more than the {limit} asked for"),
            },
            _ => err.into(),
        })
    }
    .await;
    let removed = remove_if_there(&*files, &staged).await;
    let packed = packed?;
    removed?;
    Ok(packed)
}

async fn remove_if_there(files: &dyn Files, path: &str) -> Result<(), Error> {
    match files.remove(path, false).await {
        Err(err) if err.kind != FileErrorKind::NotFound => Err(err.into()),
        _ => Ok(()),
    }
}

async fn tar<S: Sandbox + ?Sized, const N: usize>(
    sandbox: &S,
    arguments: [&str; N],
    action: &'static str,
    directory: &str,
) -> Result<(), Error> {
    let exec = Exec::new(["tar"].into_iter().chain(arguments)).cwd("/");
    let outcome = collect(sandbox.spawn(exec).await?).await?;
    if outcome.exit.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&outcome.stderr.bytes);
    let words: String = words.trim().chars().take(MAX_WORDS).collect();
    let reason = match outcome.exit {
        Exit::Code { .. } if !words.is_empty() => words,
        exit => format!("tar ended with {exit:?} {words}"),
    };
    Err(Error::Archive { action, directory: directory.to_owned(), reason })
}

/// A name that no other archive of this sandbox has at the same time.
fn staged_name() -> String {
    use std::hash::{BuildHasher, RandomState};

    format!("{STAGING}/.sandpiper-{:016x}.tar", RandomState::new().hash_one(()))
}
