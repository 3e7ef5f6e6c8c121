//! How commands are signalled and ended, and what their end means.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bollard::models::ContainerUpdateBody;
use sandpiper_core::{Error, Exit, Refusal, Signalled};

use super::container::Container;
use super::daemon::BACKEND;
use super::exec::{Found, Process};
use super::script::Script;
use super::shape::pids_limit;

const ACTION: &str = "end a command";
const FIND: &str = include_str!("scripts/find.sh");
const KILL: &str = include_str!("scripts/kill.sh");
const SIGNAL: &str = include_str!("scripts/signal.sh");
/// The kernel's count of processes that it has ended for memory, by the first and the second version of
/// cgroups.
const MEMORY_KILLS: &str =
    "cat /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/memory.events 2>/dev/null; exit 0";
const MEMORY_KILLS_BYTES: usize = 4096;

/// How often, and how long apart, a command is looked for whose start was not answered.
const LOOKS: u32 = 3;
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Most of what says where it is: paths of `/proc`.
const MAX_FOUND_BYTES: usize = 1024;

/// How long a command that was ended may take to be seen as ended.
const PATIENCE: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_millis(10);
/// Processes that may be started above the limit, to end those that have reached it.
const RESERVE: i64 = 16;

/// `SIGINT` of Linux.
const INTERRUPT: u8 = 2;
/// `SIGCONT` of Linux.
const CONTINUE: u8 = 18;
/// `SIGKILL` of Linux.
const KILLED: u8 = 9;
/// What shells and Docker add to the number of the signal that ended a process.
pub(super) const SIGNALLED: u8 = 128;
/// Signals by which processes are ended from outside: `SIGHUP`, `SIGINT`, `SIGPIPE` and `SIGTERM` of Linux. The daemon
/// gives an exit code, and for these it is hardly ever one that a command has chosen.
const ENDING_SIGNALS: [u8; 4] = [1, INTERRUPT, 13, 15];

impl Container {
    /// Sends a signal to a command; one that has ended takes none.
    pub(super) async fn signal(&self, Process { group, pid }: Process, signalled: Signalled) {
        let (number, targets) = match signalled {
            Signalled::Interrupt => (INTERRUPT, vec![format!("-{group}")]),
            // A command that has stopped its group has stopped what waits for it.
            Signalled::Signal(CONTINUE) => (CONTINUE, vec![pid.to_string(), group.to_string()]),
            Signalled::Signal(number) => (number, vec![pid.to_string()]),
        };
        let number = number.to_string();
        let own = std::iter::once(number.as_str());
        let arguments: Vec<_> = own.chain(targets.iter().map(String::as_str)).collect();
        let script = Script::new(&self.user, SIGNAL, &arguments);
        // A command that cannot be reached by a signal is still ended by its deadline.
        let _ = self.script("signal a command", script, None, 0).await;
    }

    /// Ends all processes of a command, if that can be done from the inside.
    pub(super) async fn kill_command(&self, group: u32) {
        let group = group.to_string();
        // Whether it worked is seen by the command's own end.
        let _ = self.script(ACTION, Script::new(&self.user, KILL, &[&group]), None, 0).await;
    }

    /// Ends a command whose start was not answered, once it is there.
    pub(super) async fn kill_marked(&self, mark: &str) {
        let (first, second) = mark.split_at(mark.len() / 2);
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            let arguments = [first, second];
            let script = Script::new(&self.user, FIND, &arguments);
            let Ok(found) = self.script(ACTION, script, None, MAX_FOUND_BYTES).await else { continue };
            let paths = String::from_utf8_lossy(&found.stdout).into_owned();
            let groups: Vec<_> =
                paths.lines().filter_map(|path| path.split('/').nth(2)?.parse().ok()).collect();
            for group in &groups {
                self.kill_command(*group).await;
            }
            if !groups.is_empty() {
                return;
            }
        }
    }

    /// Ends a command for good: with all of the sandbox, if it is not to be had otherwise.
    pub(super) async fn end(&self, group: u32, exec: &str) -> Result<(), Error> {
        self.kill_command(group).await;
        if self.has_ended(exec).await? {
            return Ok(());
        }
        // Where the command has all processes that there may be, none can be started to end it.
        let limit = pids_limit(self.limits.processes);
        if self.limit_processes(limit.saturating_add(RESERVE)).await.is_ok() {
            self.kill_command(group).await;
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
    pub(super) async fn exit(&self, code: u8, found: Found, command: &str, cwd: &str) -> Result<Exit, Error> {
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
            Found::Command => match code.checked_sub(SIGNALLED) {
                Some(KILLED) => self.killed().await?,
                Some(signal) if ENDING_SIGNALS.contains(&signal) => Exit::Signal { signal },
                _ => Exit::Code { code },
            },
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
