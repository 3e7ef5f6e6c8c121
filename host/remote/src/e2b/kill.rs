//! How a command is ended, or sent a signal.

use std::sync::Arc;
use std::time::Duration;

use sandpiper_core::Error;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::connect::{Failed, ask};
use super::sandbox::Shared;
use super::shell::{self, Place};

const ACTION: &str = "end a command";

/// How long the processes below a command are looked for.
const LOOK: Duration = Duration::from_secs(5);

const KILL: u8 = 9;
const TERMINATE: u8 = 15;

/// The variable by which all processes of a command are known. Numbers are not believed: those of a server
/// need not be those of the sandbox's `/proc`, where they may be other processes.
pub(super) const MARK: &str = "SANDPIPER_COMMAND";

/// A command that is to get a signal.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// By which envd knows it.
    pub selector: Value,
    /// The value of [`MARK`], which no other command has.
    pub tag: String,
}

/// Which processes of a command.
#[derive(Clone, Copy)]
enum Reach {
    /// Those whose parent is none of its own.
    First,
    /// All.
    All,
}

/// Ends a command and the processes that it has started, as far as they kept its environment.
pub(super) async fn end(shared: &Arc<Shared>, target: &Target) -> Result<(), Error> {
    // What the sandbox has no tools for is left to the signal below.
    let _ = timeout(LOOK, by_mark(shared, target, KILL, Reach::All)).await;
    send(shared, &target.selector, KILL).await
}

/// Sends a signal to the first process of a command.
pub(super) async fn signal(shared: &Arc<Shared>, target: &Target, signal: u8) -> Result<(), Error> {
    reach(shared, target, signal, Reach::First).await
}

/// Sends a signal to all processes of a command.
pub(super) async fn signal_all(shared: &Arc<Shared>, target: &Target, signal: u8) -> Result<(), Error> {
    reach(shared, target, signal, Reach::All).await
}

/// By the mark where that finds anything: envd knows two signals only, and from `SIGTERM` on it no longer reads what
/// the command writes.
async fn reach(shared: &Arc<Shared>, target: &Target, signal: u8, reach: Reach) -> Result<(), Error> {
    if signal != KILL && by_mark(shared, target, signal, reach).await? {
        return Ok(());
    }
    send(shared, &target.selector, signal).await
}

/// Sends a signal to processes that carry the mark, and says whether there are any.
async fn by_mark(shared: &Arc<Shared>, target: &Target, signal: u8, reach: Reach) -> Result<bool, Error> {
    if shared.direct_commands {
        return Ok(false);
    }
    let line = marked(&target.tag, signal, reach);
    shell::run(shared, &line, &Place::root()).await.map(|done| done.exit.success())
}

/// A line that sends a signal to processes that carry the mark, and fails when there are none. Before the last signal
/// they stand still, so that none starts another meanwhile.
fn marked(tag: &str, signal: u8, reach: Reach) -> String {
    let find = format!(
        "found=; for at in $(grep -lszxF {MARK}={tag} /proc/[0-9]*/environ); do at=${{at%/environ}}; \
         found=\"$found ${{at#/proc/}} \"; done; "
    );
    let find = format!("{find}[ -n \"$found\" ] || exit 1; ");
    match reach {
        Reach::All if signal == KILL => format!("{find}kill -STOP $found; {find}kill -9 $found"),
        Reach::All => format!("{find}kill -{signal} $found"),
        Reach::First => format!(
            "{find}for pid in $found; do parent=; while read -r key value; do [ \"$key\" = PPid: ] && \
             parent=$value; done </proc/$pid/status; case \"$found\" in *\" $parent \"*) ;; \
             *) kill -{signal} $pid;; esac; done; exit 0"
        ),
    }
}

async fn send(shared: &Shared, selector: &Value, signal: u8) -> Result<(), Error> {
    let name = match signal {
        KILL => json!("SIGNAL_SIGKILL"),
        TERMINATE => json!("SIGNAL_SIGTERM"),
        // As JSON has values that an enumeration does not name.
        signal => json!(signal),
    };
    let request = json!({"process": selector, "signal": name});
    let call = shared.envd.procedure(["process.Process", "SendSignal"], &request, ACTION);
    // Any other may do something each time that it comes.
    let call = if signal == KILL { call.repeatable() } else { call };
    match ask::<Value>(call).await {
        Ok(_) => Ok(()),
        // It has ended.
        Err(Failed::Said(said)) if said.code == "not_found" => Ok(()),
        Err(failed) => Err(failed.error(ACTION, &shared.envd)),
    }
}

/// Ends a command when nobody follows it any more.
pub(super) struct Guard {
    shared: Arc<Shared>,
    /// What is ended; `None` when it has ended.
    pub target: Option<Target>,
}

impl Guard {
    pub fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), target: None }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(target) = self.target.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let shared = Arc::clone(&self.shared);
            runtime.spawn(async move {
                // What a pause has cut off goes on later.
                let is_paused = shared.api.look(&shared.reference, ACTION).await?.state == "paused";
                if is_paused { Ok(()) } else { end(&shared, &target).await }
            });
        }
    }
}
