//! Running text: scripts, `eval`, traps.

use super::Shell;
use crate::flow::{Flow, Result, Status};
use crate::syntax::ast::Bytes;
use crate::syntax::{Parser, SyntaxError};

impl Shell {
    /// Runs a text that is part of a script, as `eval` does: an error in an expansion ends the text only.
    pub fn run_text(&mut self, text: &[u8], line: u32) -> Result<Status> {
        let mut parser = Parser::new(text, line, self.parser_settings());
        self.run_parser(&mut parser, false)
    }

    /// Runs line by line, so that what a line sets counts for the next ones.
    pub fn run_parser(&mut self, parser: &mut Parser, top: bool) -> Result<Status> {
        self.depth += 1;
        if self.depth > super::DEPTH_MAX {
            self.depth = 0;
            self.complain(b"commands are nested too deeply");
            return Err(Flow::Exit(2));
        }
        let result = self.run_lines(parser, top);
        self.depth = self.depth.saturating_sub(1);
        result
    }

    fn run_lines(&mut self, parser: &mut Parser, top: bool) -> Result<Status> {
        let mut status = 0;
        loop {
            parser.settings = self.parser_settings();
            let from = parser.position();
            let list = match parser.next_line() {
                Ok(Some(list)) => list,
                Ok(None) => return Ok(status),
                Err(error) => {
                    self.report_syntax(&error, top);
                    self.status = 2;
                    if top && self.interactive {
                        parser.skip_line();
                        continue;
                    }
                    return if top { Err(Flow::Exit(2)) } else { Ok(2) };
                }
            };
            if self.options.verbose {
                let text = parser.since(from);
                crate::system::write_all(2, &text).ok();
            }
            for warning in std::mem::take(&mut parser.warnings) {
                self.line = parser.line();
                self.complain(&warning);
            }
            if self.options.noexec && !self.interactive {
                continue;
            }
            match self.run_list(&list) {
                Ok(done) => status = done,
                Err(Flow::Discard(done)) if top => {
                    self.recover(done);
                    status = done;
                    if self.options.errexit && !self.interactive {
                        return Err(Flow::Exit(done));
                    }
                }
                Err(Flow::Discard(done)) => {
                    self.recover(done);
                    return if self.options.errexit { Err(Flow::Exit(done)) } else { Ok(done) };
                }
                Err(flow) => return Err(flow),
            }
            if self.options.onecmd {
                return Err(Flow::Exit(status));
            }
        }
    }

    /// After an error that left commands in the middle.
    fn recover(&mut self, status: Status) {
        self.status = status;
        self.pipe_status = vec![status];
        self.arithmetic_context.clear();
        self.builtin = None;
    }

    fn report_syntax(&mut self, error: &SyntaxError, top: bool) {
        self.line = error.line;
        let mut prefix = Bytes::new();
        if self.input == crate::shell::Input::CommandString && top {
            prefix.extend_from_slice(b"-c: ");
        } else if !top && self.builtin == Some("eval") {
            prefix.extend_from_slice(b"eval: ");
        }
        let line = format!("line {}: ", error.line);
        let name = self.source_name();
        let begin = [name.as_slice(), b": ", &prefix, line.as_bytes()].concat();
        let mut message = [begin.as_slice(), &error.message, b"\n"].concat();
        if let Some(shown) = &error.shown {
            message.extend_from_slice(&begin);
            message.push(b'`');
            message.extend_from_slice(shown);
            message.extend_from_slice(b"'\n");
        }
        self.flush_to(1);
        crate::system::write_all(2, &message).ok();
    }
}
