//! Calling functions.

use std::rc::Rc;

use super::Shell;
use crate::flow::{Flow, Result, Status};
use crate::shell::Call;
use crate::syntax::ast::{Bytes, Function};
use crate::traps::Event;

impl Shell {
    pub fn call_function(&mut self, function: &Rc<Function>, mut arguments: Vec<Bytes>) -> Result<Status> {
        let limit =
            self.variable_value(b"FUNCNEST").and_then(|limit| crate::bytes::decimal(&limit)).unwrap_or(0);
        if limit > 0 && i64::try_from(self.calls.len()).unwrap_or(i64::MAX) >= limit {
            let message = format!(": maximum function nesting level exceeded ({limit})");
            self.complain(&[function.name.as_slice(), message.as_bytes()].concat());
            return Err(Flow::Discard(1));
        }
        let name = arguments.remove(0);
        let source = function.source.get().cloned().unwrap_or_default();
        self.calls.push(Call { name, source, line: self.line });
        self.variables.enter(false);
        let positional = std::mem::replace(&mut self.positional, arguments);
        let loops = std::mem::take(&mut self.loops);
        let offset = self.options_offset;
        let traced = self.traced_functions.contains(&function.name);
        let hidden = self.traps.hide(self.options.functrace || traced, self.options.errtrace);
        self.returnable += 1;
        let mut result = match self.run_command(&function.body) {
            Err(Flow::Return(status)) => Ok(status),
            other => other,
        };
        if result.is_ok() && self.traps.has(Event::Return) {
            result = self.trap(Event::Return).and(result);
        }
        self.returnable -= 1;
        // The trap for RETURN that a function sets holds for it alone.
        self.traps.show(hidden);
        self.loops = loops;
        self.options_offset = offset;
        self.positional = positional;
        self.leave_scope();
        self.calls.pop();
        result
    }

    fn leave_scope(&mut self) {
        let path = self.variables.get(b"PATH").and_then(|variable| variable.first()).cloned();
        self.restore_local_options();
        self.variables.leave();
        if self.variables.get(b"PATH").and_then(|variable| variable.first()) != path.as_ref() {
            self.hashed.clear();
        }
    }

    fn restore_local_options(&mut self) {
        while let Some((_, options)) = self.local_options.pop_if(|(depth, _)| *depth >= self.calls.len()) {
            self.options = options;
        }
    }

    /// What the shell keeps about a variable follows when a scope ends.
    pub(super) fn after_scope(&mut self, name: &[u8]) {
        if name == b"PATH" {
            self.hashed.clear();
        }
    }
}
