//! `kill`, `act` and `take-signals`.

use super::canonical::{check, result_u16, store};
use crate::signals::{Action, Signal};
use crate::{Errno, Fault, Process, Stop};

impl Process {
    /// `kill`: sends a signal to a process of the sandbox; 0 only asks whether there is one.
    ///
    /// # Errors
    /// In the result: `SRCH`, `INVAL` for a number that is none, `NOTSUP` for a signal that would stop
    /// the process. [`Stop::Signal`](crate::Stop::Signal) when it ends the caller, which then does nothing
    /// more. [`Stop::BadAddress`](crate::Stop::BadAddress).
    pub fn process_kill(
        &mut self,
        memory: &mut [u8],
        pid: u32,
        signal: u32,
        result: u32,
    ) -> Result<(), Fault> {
        check(memory, result, 4)?;
        let sent = match signal {
            0 => Ok(None),
            number => Signal::from_raw(number).map(Some),
        }
        .and_then(|signal| self.world.processes().kill(pid, signal));
        if let Some(signal) = self.signals.ended_by().filter(|_| pid == self.pid) {
            return Err(Fault::Stop(Stop::Signal(signal)));
        }
        store(memory, result, &result_u16(sent.map(|()| 0)))
    }

    /// `act`: sets what a signal does, and gives what it did.
    ///
    /// # Errors
    /// In the result: `INVAL` for a number or an action that is none, and for `KILL` and `STOP`.
    /// [`Stop::BadAddress`](crate::Stop::BadAddress).
    pub fn process_act(
        &mut self,
        memory: &mut [u8],
        signal: u32,
        action: u32,
        result: u32,
    ) -> Result<(), Fault> {
        check(memory, result, 4)?;
        let before = Signal::from_raw(signal).and_then(|signal| {
            let action = [Action::Default, Action::Ignore, Action::Note]
                .into_iter()
                .zip(0..)
                .find_map(|(known, number)| (number == action).then_some(known));
            self.signals.act(signal, action.ok_or(Errno::INVAL)?)
        });
        let before = before.map(|action| match action {
            Action::Default => 0,
            Action::Ignore => 1,
            Action::Note => 2,
        });
        store(memory, result, &result_u16(before))
    }

    /// `take-signals`: the noted signals since the last call, bit n-1 for signal n.
    pub fn process_take_signals(&mut self) -> u64 {
        self.signals.take()
    }
}
