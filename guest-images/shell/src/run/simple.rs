//! Simple commands.

use super::Shell;
use super::assign::Operand;
use crate::builtins::{self, Builtin};
use crate::flow::{Flow, Result, Status};
use crate::redirect::Failure;
use crate::syntax::ast::{Argument, Bytes, Command, Simple};

impl Shell {
    pub(super) fn run_simple(&mut self, command: &Command, simple: &Simple) -> Result<Status> {
        self.debug(command)?;
        self.substitution_status = None;
        let mut operands = Vec::with_capacity(simple.arguments.len());
        let mut words = Vec::new();
        for argument in &simple.arguments {
            match argument {
                Argument::Word(word) => {
                    self.expand_word(word, &mut words)?;
                    operands.extend(words.drain(..).map(Operand::Text));
                }
                Argument::Assignment(assignment, word) => operands.push(self.operand(assignment, word)?),
            }
        }
        if operands.is_empty() {
            return self.run_assignments(command, simple);
        }
        let arguments: Vec<Bytes> = operands.iter().map(Operand::text).collect();
        // `exec` without a command leaves the redirections as they are.
        let permanent = arguments[0] == b"exec"
            && arguments.len() == 1
            && !self.functions.contains_key(b"exec".as_slice());
        let traced = self.options.xtrace;
        let saved = match self.redirect(&command.redirects) {
            Ok(saved) => saved,
            Err(failure) => {
                if traced {
                    self.trace_words(&arguments);
                }
                if permanent && matches!(failure, Failure::Status(_)) && !self.interactive {
                    return Err(Flow::Exit(1));
                }
                return failure.into_result();
            }
        };
        let result = self.run_with_assignments(command, simple, &arguments, &operands);
        self.flush_to(1);
        if permanent {
            self.keep(saved);
        } else {
            self.restore(saved);
        }
        if let Some(last) = arguments.last()
            && arguments[0] != b"["
        {
            self.set_last_argument(last);
        }
        result
    }

    pub(super) fn set_last_argument(&mut self, last: &[u8]) {
        let variable = self.variables.entry(b"_");
        match &mut variable.value {
            crate::variables::Value::Scalar(value) => {
                value.clear();
                value.extend_from_slice(last);
            }
            other => *other = crate::variables::Value::Scalar(last.to_vec()),
        }
    }

    /// A command that only assigns, or only redirects.
    fn run_assignments(&mut self, command: &Command, simple: &Simple) -> Result<Status> {
        for assignment in &simple.assignments {
            self.run_assignment(assignment)?;
        }
        match self.redirect(&command.redirects) {
            Ok(saved) => self.restore(saved),
            Err(failure) => return failure.into_result(),
        }
        Ok(self.substitution_status.take().unwrap_or(0))
    }

    fn run_with_assignments(
        &mut self,
        command: &Command,
        simple: &Simple,
        arguments: &[Bytes],
        operands: &[Operand],
    ) -> Result<Status> {
        if simple.assignments.is_empty() {
            if self.options.xtrace {
                self.trace_operands(operands);
            }
            return self.dispatch(command, arguments, operands);
        }
        self.variables.enter(true);
        for assignment in &simple.assignments {
            let value = match self.temporary_value(assignment) {
                Ok(value) => value,
                Err(flow) => {
                    self.variables.leave();
                    return Err(flow);
                }
            };
            if self.variables.attributes(&assignment.name).readonly {
                self.complain(&[assignment.name.as_slice(), b": readonly variable"].concat());
                continue;
            }
            self.variables.hide(&assignment.name, true);
            if self.assign(&assignment.name, value).is_ok() {
                self.variables.entry(&assignment.name).attributes.export = true;
            }
        }
        if self.options.xtrace {
            self.trace_operands(operands);
        }
        let result = self.dispatch(command, arguments, operands);
        if arguments[0] == b"exec" {
            return result;
        }
        self.variables.leave();
        for assignment in &simple.assignments {
            self.after_scope(&assignment.name);
        }
        result
    }

    /// Runs a function, a builtin or a program.
    fn dispatch(&mut self, command: &Command, arguments: &[Bytes], operands: &[Operand]) -> Result<Status> {
        let name = &arguments[0];
        if let Some(function) = self.functions.get(name) {
            let function = function.clone();
            return self.call_function(&function, arguments.to_vec());
        }
        if let Some(builtin) = self.find_builtin(name) {
            self.line = command.line;
            return self.run_builtin(builtin, arguments, operands);
        }
        self.run_external(arguments)
    }

    pub fn find_builtin(&self, name: &[u8]) -> Option<Builtin> {
        if !self.disabled_builtins.is_empty() && self.disabled_builtins.contains(name) {
            return None;
        }
        builtins::find(name)
    }

    pub fn is_builtin(&self, name: &[u8]) -> bool {
        self.find_builtin(name).is_some()
    }

    /// Runs a builtin; what it wrote goes out when it ends.
    pub fn run_builtin(
        &mut self,
        builtin: Builtin,
        arguments: &[Bytes],
        operands: &[Operand],
    ) -> Result<Status> {
        let outer = self.builtin.replace(builtin.name);
        let result = match builtin.run {
            builtins::Run::Plain(run) => run(self, arguments),
            builtins::Run::Declaring(run) => run(self, operands),
        };
        self.builtin = outer;
        let status = match result {
            // What a builtin assigns and must not ends only the builtin.
            Err(Flow::Discard(status))
                if !matches!(builtin.name, "eval" | "source" | "." | "command" | "builtin") =>
            {
                Ok(status)
            }
            other => other,
        };
        if !self.out.is_empty() && !self.flush_to(1) {
            self.complain_as(builtin.name, "write error: Bad file descriptor");
            return status.map(|_| 1);
        }
        status
    }

    /// The status of a builtin that was used wrongly.
    pub fn usage(&mut self, text: &str) -> Status {
        let who = self.builtin.unwrap_or("bash");
        self.flush_to(1);
        crate::system::write_all(2, format!("{who}: usage: {text}\n").as_bytes()).ok();
        2
    }
}
