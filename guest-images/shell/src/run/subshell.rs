//! Copies of the shell: subshells, command and process substitution.

use std::rc::Rc;

use super::Shell;
use crate::descriptors;
use crate::flow::{Flow, Result, Status};
use crate::redirect::Failure;
use crate::syntax::ast::{Bytes, Kind, List, Operation, RedirectTarget, Substitution};
use crate::system::{self, Ended, Mapping};

impl Failure {
    pub(super) fn into_result(self) -> Result<Status> {
        match self {
            Failure::Status(status) => Ok(status),
            Failure::Flow(flow) => Err(flow),
        }
    }
}

impl Shell {
    /// Runs something in a copy of this shell that has exactly these descriptors.
    pub(super) fn fork(
        &mut self,
        mappings: &[Mapping],
        body: impl FnOnce(&mut Shell) -> Result<Status>,
    ) -> system::Result<u32> {
        self.flush_to(1);
        let mut body = Some(body);
        let mut child = || {
            let Some(body) = body.take() else { return 255 };
            self.enter_subshell(mappings);
            let result = body(self);
            self.end(result)
        };
        system::fork(mappings, &mut child)
    }

    fn enter_subshell(&mut self, mappings: &[Mapping]) {
        self.subshells += 1;
        self.traps.enter_subshell(self.options.functrace, self.options.errtrace);
        self.jobs.forget();
        self.descriptors.open = mappings.iter().map(|mapping| mapping.to).collect();
        self.clock.reseed();
        self.loops = 0;
        self.interactive = false;
        self.options.monitor = false;
    }

    /// What the end of a list means as the end of a shell, with its EXIT trap.
    pub fn end(&mut self, result: Result<Status>) -> Status {
        let status = match result {
            Ok(status) | Err(Flow::Exit(status) | Flow::Discard(status) | Flow::Return(status)) => status,
            Err(Flow::Break(_) | Flow::Continue(_)) => self.status,
        };
        self.finish(status)
    }

    pub(super) fn run_subshell(&mut self, list: &List) -> Result<Status> {
        let mappings = self.descriptors.mappings();
        match self.fork(&mappings, |shell| shell.run_list(list)) {
            Ok(process) => {
                let ended = self.wait_for(process);
                self.report_signal(process, ended);
                Ok(ended.status())
            }
            Err(error) => Err(self.cannot_fork(error)),
        }
    }

    pub(super) fn cannot_fork(&mut self, error: system::Errno) -> Flow {
        self.complain(&[b"fork: ".as_slice(), &error.message()].concat());
        Flow::Exit(254)
    }

    /// bash tells of processes that a signal ended, but for those of `INT` and `PIPE`.
    pub(super) fn report_signal(&mut self, process: u32, ended: Ended) {
        if let Ended::Signaled(signal) = ended
            && signal != 2
            && signal != 13
        {
            let text = self.command_text.clone();
            let what = format!("{process} {:<23} ", crate::traps::describe(signal));
            self.complain(&[what.as_bytes(), &text].concat());
        }
    }

    /// What the commands of `$( )` write, without newlines at the end.
    pub fn substitute(&mut self, substitution: &Substitution) -> Result<Bytes> {
        let list = match &substitution.list {
            Ok(list) => list,
            Err(message) => {
                let message = message.clone();
                self.complain(&[b"command substitution: ".as_slice(), &message].concat());
                self.substitution_status = Some(2);
                return Ok(Bytes::new());
            }
        };
        if list.items.is_empty() {
            self.substitution_status = Some(0);
            return Ok(Bytes::new());
        }
        let mut output = match self.read_file_substitution(list)? {
            Some(output) => output,
            None => self.captured(list)?,
        };
        while output.last() == Some(&b'\n') {
            output.pop();
        }
        if output.contains(&0) {
            self.complain(b"warning: command substitution: ignored null byte in input");
            output.retain(|&byte| byte != 0);
        }
        Ok(output)
    }

    fn captured(&mut self, list: &List) -> Result<Bytes> {
        let (reading, writing) = match descriptors::pipe() {
            Ok(ends) => ends,
            Err(error) => {
                self.complain(
                    &[b"cannot make pipe for command substitution: ".as_slice(), &error.message()].concat(),
                );
                return Err(Flow::Exit(1));
            }
        };
        let mappings = self.descriptors.mappings_with(&[Mapping { from: writing, to: 1 }]);
        let forked = self.fork(&mappings, |shell| {
            if !shell.shopt.inherit_errexit && !shell.options.posix {
                shell.options.errexit = false;
            }
            shell.trace_depth += 1;
            match list.items.as_slice() {
                // One subshell is enough.
                [item]
                    if item.rest.is_empty()
                        && !item.background
                        && !item.first.negated
                        && item.first.timed.is_none() =>
                {
                    match item.first.stages.as_slice() {
                        [command] if command.redirects.is_empty() => match &command.kind {
                            Kind::Subshell(list) => {
                                shell.subshells += 1;
                                shell.run_list(list)
                            }
                            _ => shell.run_list(list),
                        },
                        _ => shell.run_list(list),
                    }
                }
                _ => shell.run_list(list),
            }
        });
        system::close(writing).ok();
        let process = match forked {
            Ok(process) => process,
            Err(error) => {
                system::close(reading).ok();
                return Err(self.cannot_fork(error));
            }
        };
        let output = system::read_all(reading).unwrap_or_default();
        system::close(reading).ok();
        let ended = self.wait_for(process);
        self.substitution_status = Some(ended.status());
        self.status = ended.status();
        Ok(output)
    }

    /// `$(<file)`, which needs no process.
    fn read_file_substitution(&mut self, list: &List) -> Result<Option<Bytes>> {
        let [item] = list.items.as_slice() else { return Ok(None) };
        let [command] = item.first.stages.as_slice() else { return Ok(None) };
        let ([redirect], Kind::Simple(simple)) = (command.redirects.as_slice(), &command.kind) else {
            return Ok(None);
        };
        let (RedirectTarget::Default, Operation::Read(word)) = (&redirect.target, &redirect.operation) else {
            return Ok(None);
        };
        let plain = simple.arguments.is_empty() && simple.assignments.is_empty() && item.rest.is_empty();
        if !plain || item.background || item.first.negated || item.first.timed.is_some() {
            return Ok(None);
        }
        let mut names = Vec::new();
        self.expand_word(word, &mut names)?;
        let [name] = names.as_slice() else {
            self.complain(&[&*word.text, b": ambiguous redirect"].concat());
            self.substitution_status = Some(1);
            return Ok(Some(Bytes::new()));
        };
        match system::read_file(name) {
            Ok(content) => {
                self.substitution_status = Some(0);
                Ok(Some(content))
            }
            Err(error) => {
                self.complain(&[name.as_slice(), b": ", &error.message()].concat());
                self.substitution_status = Some(1);
                Ok(Some(Bytes::new()))
            }
        }
    }

    /// The path under which a command finds the pipe of `<( )` or `>( )`.
    pub fn substitute_process(&mut self, reads: bool, list: &Rc<List>) -> Result<Bytes> {
        let ends = descriptors::pipe();
        let (reading, writing) = match ends {
            Ok(ends) => ends,
            Err(error) => {
                self.complain(
                    &[b"cannot make pipe for process substitution: ".as_slice(), &error.message()].concat(),
                );
                return Err(Flow::Discard(1));
            }
        };
        let (ours, theirs, to) = if reads { (reading, writing, 1) } else { (writing, reading, 0) };
        let mappings = self.descriptors.mappings_with(&[Mapping { from: theirs, to }]);
        let list = list.clone();
        let forked = self.fork(&mappings, |shell| shell.run_list(&list));
        system::close(theirs).ok();
        let process = match forked {
            Ok(process) => process,
            Err(error) => {
                system::close(ours).ok();
                return Err(self.cannot_fork(error));
            }
        };
        self.jobs.note_running(process);
        self.jobs.last_background = Some(process);
        let mut number = 63;
        while number > 20 && self.descriptors.open.contains(&number) {
            number -= 1;
        }
        system::dup_to(ours, number).ok();
        system::close(ours).ok();
        self.descriptors.open.insert(number);
        self.substituted.push(number);
        Ok(format!("/dev/fd/{number}").into_bytes())
    }

    /// Closes the pipes of process substitutions that a command had.
    pub(super) fn close_substituted(&mut self, from: usize) {
        for fd in self.substituted.drain(from..) {
            system::close(fd).ok();
            self.descriptors.open.remove(&fd);
        }
    }
}
