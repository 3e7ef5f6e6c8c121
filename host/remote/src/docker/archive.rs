//! Trees of files into a container and out of it, by its own `tar`, over its streams.
//!
//! Not by the daemon's own way to do that: it writes as root wherever links in the container lead, also where the
//! container itself may write nothing, and it does not see what is in memory.

use bytes::Bytes;
use sandpiper_core::Error;

use super::container::Container;
use super::daemon::words;
use super::script::{Ended, Script};

const UNPACK: &str = include_str!("scripts/unpack.sh");
const PACK: &str = include_str!("scripts/pack.sh");

impl Container {
    pub(super) async fn upload(&self, directory: &str, archive: Bytes) -> Result<(), Error> {
        let length = archive.len().to_string();
        let arguments = [directory, length.as_str()];
        let script = Script::new(&self.user, UNPACK, &arguments);
        let unpacked = self.script("unpack an archive", script, Some(archive), 0).await?;
        match unpacked.code {
            0 => Ok(()),
            _ => Err(failed("unpack into", directory, &unpacked)),
        }
    }

    pub(super) async fn download(&self, directory: &str, limit: u64) -> Result<Bytes, Error> {
        const ACTION: &str = "pack";
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        let one_more = limit.saturating_add(1).min(i64::MAX.unsigned_abs()).to_string();
        let arguments = [directory, one_more.as_str()];
        let script = Script::new(&self.user, PACK, &arguments);
        let packed = self.script("pack an archive", script, None, most).await?;
        if packed.cut {
            return Err(Error::Archive {
                action: ACTION,
                directory: directory.to_owned(),
                reason: format!("the archive has more than the {limit} bytes asked for"),
            });
        }
        match packed.code {
            0 => Ok(packed.stdout.into()),
            _ => Err(failed(ACTION, directory, &packed)),
        }
    }
}

fn failed(action: &'static str, directory: &str, ended: &Ended) -> Error {
    let Ended { code, stderr, .. } = ended;
    let reason = match words(stderr) {
        words if words.is_empty() => format!("tar ended with the exit code {code}"),
        words => words,
    };
    Error::Archive { action, directory: directory.to_owned(), reason }
}
