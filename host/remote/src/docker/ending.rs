//! How commands are signalled and ended, and what their end means.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bollard::models::ContainerUpdateBody;
use sandpiper_core::{Error, Exit, Refusal, Signalled};

use super::container::Container;
use super::daemon::{BACKEND, protocol};
use super::exec::Found;
use super::script::Script;
use super::shape::pids_limit;

const ACTION: &str = "end a command";
const KILL: &str = include_str!("scripts/kill.sh");
const SIGNAL: &str = include_str!("scripts/signal.sh");
/// The kernel's count of processes that it has ended for memory, by the first and the second version of
/// cgroups.
const MEMORY_KILLS: &str =
    "cat /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events 2>/dev/null; exit 0";
const MEMORY_KILLS_BYTES: usize = 4096;

/// How long a command that was ended may take to be seen as ended.
const PATIENCE: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_millis(10);
/// Processes that may be started above the limit, to end those that have reached it.
const RESERVE: i64 = 16;

/// `SIGINT` of Linux.
const INTERRUPT: u8 = 2;
/// `SIGKILL` of Linux.
const KILLED: u8 = 9;
/// What shells and Docker add to the number of the signal that ended a process.
const SIGNALLED: u8 = 128;
/// Signals by which processes are ended from outside: `SIGHUP`, `SIGINT`, `SIGPIPE` and `SIGTERM` of Linux. The daemon
/// gives an exit code, and for these it is hardly ever one that a command has chosen.
const ENDING_SIGNALS: [u8; 4] = [1, INTERRUPT, 13, 15];

impl Container {
    /// Sends a signal to a command; one that has ended takes none.
    pub(super) async fn signal(&self, pid: u32, signalled: Signalled) {
        let (number, target) = match signalled {
            Signalled::Interrupt => (INTERRUPT, format!("-{pid}")),
            Signalled::Signal(number) => (number, pid.to_string()),
        };
        let number = number.to_string();
        let arguments = [number.as_str(), target.as_str()];
        let script = Script::new(&self.user, SIGNAL, &arguments);
        // A command that cannot be reached by a signal is still ended by its deadline.
        let _ = self.script("signal a command", script, None, 0).await;
    }

    /// Ends all processes of a command, if that can be done from the inside.
    pub(super) async fn kill_command(&self, pid: u32) {
        let pid = pid.to_string();
        // Whether it worked is seen by the command's own end.
        let _ = self.script(ACTION, Script::new(&self.user, KILL, &[&pid]), None, 0).await;
    }

    /// Ends a command for good: with all of the sandbox, if it is not to be had otherwise.
    pub(super) async fn end(&self, pid: u32, exec: &str) -> Result<(), Error> {
        self.kill_command(pid).await;
        if self.has_ended(exec).await? {
            return Ok(());
        }
        // Where the command has all processes that there may be, none can be started to end it.
        let limit = pids_limit(self.limits.processes);
        if self.limit_processes(limit.saturating_add(RESERVE)).await.is_ok() {
            self.kill_command(pid).await;
            if self.has_ended(exec).await? && self.limit_processes(limit).await.is_ok() {
                return Ok(());
            }
        }
        self.kill().await
    }

    async fn limit_processes(&self, limit: i64) -> Result<(), Error> {
        let body = ContainerUpdateBody { pids_limit: Some(limit), ..ContainerUpdateBody::default() };
        let client = self.daemon.client(ACTION).await?;
        Ok(self.daemon.answer(ACTION, client.update_container(&self.id, body)).await?)
    }

    async fn has_ended(&self, exec: &str) -> Result<bool, Error> {
        let client = self.daemon.client(ACTION).await?;
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            match self.daemon.answer(ACTION, client.inspect_exec(exec)).await {
                Ok(found) if found.running == Some(false) => return Ok(true),
                Ok(_) if tokio::time::Instant::now() >= end => return Ok(false),
                Ok(_) => tokio::time::sleep(INTERVAL).await,
                // The container is gone, and the command with it.
                Err(failure) if failure.status == Some(404) => return Ok(true),
                Err(failure) => return Err(failure.error),
            }
        }
    }

    /// What the end of a command means.
    pub(super) async fn exit(
        &self,
        exec: &str,
        found: Found,
        command: &str,
        cwd: &str,
    ) -> Result<Exit, Error> {
        let code = self.exit_code(ACTION, exec).await?;
        let command = command.to_owned();
        let not_runnable = |command, reason: &str| Exit::NotRunnable { command, reason: reason.to_owned() };
        Ok(match found {
            Found::Nothing => Exit::NotFound { command },
            Found::Directory => not_runnable(command, "it is a directory"),
            Found::NoProgram => not_runnable(command, "it is not executable"),
            Found::NoDirectory => {
                let what = format!("the working directory {cwd} is not a directory in the sandbox");
                return Err(Refusal::Exec { what }.into());
            }
            Found::Command => {
                let code = u8::try_from(code)
                    .map_err(|_| protocol(ACTION, format!("the exit code {code}")).error)?;
                match code.checked_sub(SIGNALLED) {
                    Some(KILLED) => self.killed().await?,
                    Some(signal) if ENDING_SIGNALS.contains(&signal) => Exit::Signal { signal },
                    _ => Exit::Code { code },
                }
            }
        })
    }

    /// What has killed a command.
    async fn killed(&self) -> Result<Exit, Error> {
        match self.count_memory_kills().await {
            Ok(kills) => {
                let before = self.memory_kills.swap(kills, Ordering::Relaxed);
                Ok(if kills > before { Exit::Memory } else { Exit::Signal { signal: KILLED } })
            }
            // In a container that ends, all is killed, and nothing can be asked.
            Err(err) => Err(self.gone_or(ACTION, err).await),
        }
    }

    pub(super) async fn count_memory_kills(&self) -> Result<u64, Error> {
        let script = Script::new(&self.user, MEMORY_KILLS, &[]);
        let counted = self.script(ACTION, script, None, MEMORY_KILLS_BYTES).await?;
        if counted.code != 0 {
            let message = format!("its memory cannot be asked for (exit code {})", counted.code);
            let err = Error::Backend { backend: BACKEND.to_owned(), action: ACTION, message };
            return Err(self.gone_or(ACTION, err).await);
        }
        Ok(memory_kills(&String::from_utf8_lossy(&counted.stdout)))
    }
}

/// The count that is in the kernel's files.
fn memory_kills(text: &str) -> u64 {
    let counts = text.lines().filter_map(|line| line.strip_prefix("oom_kill "));
    counts.filter_map(|count| count.trim().parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_cgroups_count_kills() {
        assert_eq!(memory_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), 3);
        assert_eq!(memory_kills("low 0\nhigh 0\nmax 5\noom 1\noom_kill 2\noom_group_kill 0\n"), 2);
        assert_eq!(memory_kills(""), 0);
    }
}
