//! `start` and `next` of the interface `git`: the host carries out the caller's command line.

use std::sync::Arc;

use sandpiper_core::{DenialReason, Git, GitCommand, GitEvent, GitOutput};

use super::canonical::{List, check, result_u16, store};
use crate::abi::ClockId;
use crate::fault::{Attempt, Failure};
use crate::{Errno, Fault, Process};

/// The longest standard input that is taken: a message of a commit.
const MAX_STDIN_BYTES: u32 = 1 << 20;

/// What a command of git does next.
pub type GitStep = Result<GitOutput, Errno>;

impl Process {
    /// Has git's commands of the process, and of those that it starts, carried out.
    pub fn set_git(&mut self, git: Option<Arc<dyn Git>>) {
        self.git = git;
    }

    /// `start`: begins to carry out the process's own arguments as a command line of git, in the directory
    /// that it was started in.
    ///
    /// # Errors
    /// In the result: `NOTSUP` without a repository (recorded), `TOO_BIG`, `IO` when nobody is there to carry it out.
    /// [`Stop::BadAddress`](crate::Stop::BadAddress).
    pub fn git_start(
        &mut self,
        memory: &mut [u8],
        stdin: u32,
        stdin_length: u32,
        result: u32,
    ) -> Result<(), Fault> {
        check(memory, result, 4)?;
        let started = self.start_git(memory, List { address: stdin, length: stdin_length });
        let started = self.answered("git", None, started)?;
        store(memory, result, &result_u16(started.map(|()| 0)))
    }

    /// `next`: waits for what the command that was started does next.
    ///
    /// # Errors
    /// `INVAL` when none runs, `IO` when who carries it out is gone.
    pub async fn git_next(&mut self) -> GitStep {
        let running = self.running_git.as_mut().ok_or(Errno::INVAL)?;
        let disk = &self.world.budgets().disk_bytes;
        let next = running.next(disk.left());
        let Ok(GitEvent { written_bytes, what }) = self.wait_for(next).await else {
            self.running_git = None;
            return Err(Errno::IO);
        };
        self.world.budgets().disk_bytes.take_up_to(written_bytes);
        self.world.count_written(usize::try_from(written_bytes).unwrap_or(usize::MAX));
        if matches!(what, GitOutput::Ended { .. }) {
            self.running_git = None;
        }
        Ok(what)
    }

    fn start_git(&mut self, memory: &[u8], stdin: List) -> Attempt<()> {
        let none = || Failure::denied(Errno::NOTSUP, DenialReason::Unsupported);
        let git = self.git.as_ref().ok_or_else(none)?;
        if stdin.length > MAX_STDIN_BYTES {
            return Err(Errno::TOO_BIG.into());
        }
        let variables = self.environment.iter().filter(|text| text.starts_with(b"GIT_"));
        let command = GitCommand {
            arguments: self.arguments.iter().skip(1).map(<[u8]>::to_vec).collect(),
            environment: variables.filter_map(name_and_value).collect(),
            directory: self.directory.to_string(),
            stdin: stdin.bytes(memory)?.to_vec(),
            now_ns: self.time_ns(ClockId::Realtime),
        };
        self.running_git = Some(git.start(command).map_err(|_| Errno::IO)?);
        Ok(())
    }
}

fn name_and_value(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let at = text.iter().position(|byte| *byte == b'=')?;
    let (name, value) = text.split_at_checked(at)?;
    Some((name.to_vec(), value.get(1..)?.to_vec()))
}
