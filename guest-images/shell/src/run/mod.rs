//! Running lists, pipelines and commands.

mod absent;
mod assign;
mod compound;
mod external;
mod function;
mod pipeline;
mod simple;
mod subshell;
pub mod test;
mod text;
mod trace;

pub use assign::{Operand, OperandValue};

use crate::flow::{Flow, Result, Status};
use crate::redirect::Failure;
use crate::shell::Shell;
use crate::syntax::ast::{Command, Connector, Item, Kind, List, Pipeline};
use crate::traps::Event;

/// Commands in commands beyond this end with an error, so that no recursion overflows the stack.
/// In the sandbox this many need less than 2 MiB of the linear memory's stack, and 4 MiB of the host's (measured).
pub const DEPTH_MAX: u32 = if cfg!(unix) { 30_000 } else { 4_000 };

impl Shell {
    pub fn run_list(&mut self, list: &List) -> Result<Status> {
        let mut status = 0;
        for item in &list.items {
            status = self.run_item(item)?;
        }
        Ok(status)
    }

    fn run_item(&mut self, item: &Item) -> Result<Status> {
        if item.background {
            return self.run_background(item);
        }
        if item.rest.is_empty() {
            return self.run_pipeline(&item.first);
        }
        self.run_and_or(item)
    }

    pub(super) fn run_and_or(&mut self, item: &Item) -> Result<Status> {
        let mut status = if item.rest.is_empty() {
            self.run_pipeline(&item.first)?
        } else {
            self.guarded(|shell| shell.run_pipeline(&item.first))?
        };
        for (at, (connector, pipeline)) in item.rest.iter().enumerate() {
            if (*connector == Connector::And) != (status == 0) {
                continue;
            }
            status = if at + 1 < item.rest.len() {
                self.guarded(|shell| shell.run_pipeline(pipeline))?
            } else {
                self.run_pipeline(pipeline)?
            };
        }
        Ok(status)
    }

    /// Runs something whose failure is looked at, so `errexit` and ERR leave it.
    pub(super) fn guarded<T>(&mut self, run: impl FnOnce(&mut Shell) -> Result<T>) -> Result<T> {
        self.guarded += 1;
        let result = run(self);
        self.guarded -= 1;
        result
    }

    fn run_pipeline(&mut self, pipeline: &Pipeline) -> Result<Status> {
        if let Some(style) = pipeline.timed {
            return self.run_timed(pipeline, style);
        }
        self.run_untimed(pipeline)
    }

    pub(super) fn run_untimed(&mut self, pipeline: &Pipeline) -> Result<Status> {
        let run = |shell: &mut Shell| match pipeline.stages.as_slice() {
            [] => Ok(0),
            [command] => {
                let status = shell.run_command(command)?;
                shell.pipe_status.clear();
                shell.pipe_status.push(status);
                Ok(status)
            }
            stages => shell.run_stages(stages),
        };
        if pipeline.negated {
            let status = self.guarded(run)?;
            self.status = u8::from(status == 0);
            return Ok(self.status);
        }
        let status = run(self)?;
        self.status = status;
        let checked = match pipeline.stages.as_slice() {
            [command] => {
                matches!(
                    command.kind,
                    Kind::Simple(_) | Kind::Arithmetic(_) | Kind::Test(_) | Kind::Subshell(_)
                )
            }
            _ => true,
        };
        if status != 0 && checked {
            self.failed(status)?;
        }
        Ok(status)
    }

    /// After a failure that nothing looks at.
    pub(super) fn failed(&mut self, status: Status) -> Result<()> {
        if self.guarded > 0 {
            return Ok(());
        }
        self.status = status;
        self.trap(Event::Error)?;
        if self.options.errexit {
            return Err(Flow::Exit(status));
        }
        Ok(())
    }

    pub fn run_command(&mut self, command: &Command) -> Result<Status> {
        self.line = command.line;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            self.depth = 0;
            self.complain(format!("commands are nested more than {DEPTH_MAX} deep").as_bytes());
            return Err(Flow::Exit(2));
        }
        let substituted = self.substituted.len();
        let status = match &command.kind {
            Kind::Simple(simple) => self.run_simple(command, simple),
            kind => self.run_redirected(command, kind),
        };
        self.depth -= 1;
        if self.substituted.len() > substituted {
            self.close_substituted(substituted);
        }
        let status = status?;
        self.status = status;
        self.run_traps()?;
        Ok(status)
    }

    fn run_redirected(&mut self, command: &Command, kind: &Kind) -> Result<Status> {
        if command.redirects.is_empty() {
            return self.run_compound(kind, command);
        }
        let saved = match self.redirect(&command.redirects) {
            Ok(saved) => saved,
            Err(Failure::Flow(flow)) => return Err(flow),
            Err(Failure::Status(status)) => {
                self.failed(status)?;
                return Ok(status);
            }
        };
        let result = self.run_compound(kind, command);
        self.flush_to(1);
        self.restore(saved);
        result
    }
}
