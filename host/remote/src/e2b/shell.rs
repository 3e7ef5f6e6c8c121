//! Short commands of the adapter's own, for what the wire has no call for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sandpiper_core::{Error, Exit, Stream};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::NAME;
use super::create::random_id;
use super::sandbox::Shared;
use super::stream::{ACTION, Feed, Heard};

/// How long such a command may take.
const MAX_TIME: Duration = Duration::from_secs(20);
/// Most bytes that it may say.
const MAX_OUTPUT: usize = 64 << 10;

/// What such a command came to.
#[derive(Debug)]
pub(super) struct Done {
    pub exit: Exit,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Where a line is run.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub env: BTreeMap<String, String>,
    pub cwd: String,
}

impl Place {
    pub fn root() -> Self {
        Self { env: BTreeMap::new(), cwd: "/".to_owned() }
    }

    /// The request that starts bash with these arguments.
    pub fn request(&self, arguments: &[String], tag: &str) -> Value {
        json!({
            "process": {"cmd": "/bin/bash", "args": arguments, "envs": self.env, "cwd": self.cwd},
            "tag": tag,
            "stdin": false,
        })
    }
}

/// Runs a line of bash to its end.
pub(super) async fn run(shared: &Arc<Shared>, line: &str, place: &Place) -> Result<Done, Error> {
    let tag = random_id()?;
    let arguments = ["-l", "-c", line].map(str::to_owned);
    let mut feed = Feed::start(shared, place.request(&arguments, &tag), &tag, MAX_TIME);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let follow = async {
        loop {
            match feed.next().await? {
                Heard::Started => {}
                Heard::Output(stream, bytes) => {
                    let kept = if stream == Stream::Stdout { &mut stdout } else { &mut stderr };
                    let room = MAX_OUTPUT.saturating_sub(kept.len()).min(bytes.len());
                    kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
                }
                Heard::Vanished(err) => return Err(err),
                Heard::Ended(exit) => return Ok::<_, Error>(exit),
            }
        }
    };
    let slow = |_| Error::Slow { backend: NAME.to_owned(), action: ACTION, after: MAX_TIME };
    let exit = timeout(MAX_TIME, follow).await.map_err(slow)??;
    if feed.broke {
        // What it said is not known as a whole.
        return Err(Error::Unreachable {
            backend: NAME.to_owned(),
            action: ACTION,
            source: "the connection broke off while the command ran".into(),
        });
    }
    Ok(Done { exit, stdout, stderr })
}
