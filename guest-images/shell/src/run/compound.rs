//! Compound commands.

use super::Shell;
use crate::flow::{Flow, Result, Status};
use crate::pattern::Pattern;
use crate::syntax::ast::{Arithmetic, Arm, ArmEnd, Bytes, Command, Function, Kind, List, Word};
use crate::traps::Event;

/// The first line of a command that goes on with `do` or patterns.
fn head(text: &[u8]) -> std::rc::Rc<[u8]> {
    let mut end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    for mark in [b"; do".as_slice(), b";do", b" in "] {
        if let Some(at) = crate::bytes::find(&text[..end], mark) {
            if mark == b" in " && text.starts_with(b"for") {
                continue;
            }
            end = if mark == b" in " { at + 3 } else { at };
        }
    }
    text[..end].trim_ascii_end().into()
}

/// What a loop does after its body.
enum Next {
    Go(Status),
    Leave(Status),
}

impl Shell {
    pub(super) fn run_compound(&mut self, kind: &Kind, command: &Command) -> Result<Status> {
        match kind {
            Kind::Group(list) => self.run_list(list),
            Kind::Subshell(list) => self.run_subshell(list),
            Kind::If(branches, otherwise) => self.run_if(branches, otherwise.as_ref()),
            Kind::While { until, condition, body } => self.run_while(*until, condition, body),
            Kind::For { name, words, body } => self.run_for(name, words.as_deref(), body, command),
            Kind::Select { name, words, body } => self.run_select(name, words.as_deref(), body),
            Kind::ArithmeticFor { parts, body } => self.run_arithmetic_for(parts, body, command),
            Kind::Case { subject, arms } => self.run_case(subject, arms, command),
            Kind::Arithmetic(arithmetic) => self.run_arithmetic(arithmetic, command),
            Kind::Test(test) => self.run_test(test, command),
            Kind::Function(function) => self.define(function),
            Kind::Coprocess => {
                let status = self.unsupported("coproc");
                Err(Flow::Exit(status))
            }
            Kind::Simple(_) => unreachable!("simple commands are run elsewhere"),
        }
    }

    /// Before each command that DEBUG is about.
    pub(super) fn debug(&mut self, command: &Command) -> Result<()> {
        if self.traps.is_active() {
            return Ok(());
        }
        self.command_text = match &command.kind {
            Kind::For { .. } | Kind::Select { .. } | Kind::Case { .. } => head(&command.text),
            _ => command.text.clone(),
        };
        if self.traps.has(Event::Debug) {
            self.trap(Event::Debug)?;
            self.line = command.line;
        }
        Ok(())
    }

    fn define(&mut self, function: &std::rc::Rc<Function>) -> Result<Status> {
        if self.readonly_functions.contains(&function.name) {
            self.complain(&[function.name.as_slice(), b": readonly function"].concat());
            return Ok(1);
        }
        let source = self.calls.last().map(|call| call.source.clone()).or_else(|| self.main_source.clone());
        function.source.set(source.unwrap_or_else(|| b"environment".to_vec())).ok();
        self.functions.insert(function.name.clone(), function.clone());
        Ok(0)
    }

    fn run_if(&mut self, branches: &[(List, List)], otherwise: Option<&List>) -> Result<Status> {
        for (condition, body) in branches {
            if self.guarded(|shell| shell.run_list(condition))? == 0 {
                return self.run_list(body);
            }
        }
        otherwise.map_or(Ok(0), |list| self.run_list(list))
    }

    /// Runs the body of a loop, with `break` and `continue`.
    fn run_body(&mut self, body: &List) -> Result<Next> {
        self.loops += 1;
        let result = self.run_list(body);
        self.loops -= 1;
        match result {
            Ok(status) => Ok(Next::Go(status)),
            // `break` with a wrong count has a status of its own.
            Err(Flow::Break(0 | 1)) => Ok(Next::Leave(self.status)),
            Err(Flow::Break(count)) => Err(Flow::Break(count - 1)),
            Err(Flow::Continue(0 | 1)) => Ok(Next::Go(0)),
            Err(Flow::Continue(count)) => Err(Flow::Continue(count - 1)),
            Err(flow) => Err(flow),
        }
    }

    fn run_while(&mut self, until: bool, condition: &List, body: &List) -> Result<Status> {
        let mut status = 0;
        loop {
            self.loops += 1;
            let tested = self.guarded(|shell| shell.run_list(condition));
            self.loops -= 1;
            let tested = match tested {
                Ok(tested) => tested,
                Err(Flow::Break(0 | 1)) => return Ok(self.status),
                Err(Flow::Break(count)) => return Err(Flow::Break(count - 1)),
                Err(Flow::Continue(0 | 1)) => continue,
                Err(Flow::Continue(count)) => return Err(Flow::Continue(count - 1)),
                Err(flow) => return Err(flow),
            };
            if (tested == 0) == until {
                return Ok(status);
            }
            match self.run_body(body)? {
                Next::Go(body_status) => status = body_status,
                Next::Leave(status) => return Ok(status),
            }
        }
    }

    fn run_for(
        &mut self,
        name: &Bytes,
        words: Option<&[Word]>,
        body: &List,
        command: &Command,
    ) -> Result<Status> {
        if !crate::bytes::is_name(name) {
            self.complain(&[b"`".as_slice(), name, b"': not a valid identifier"].concat());
            return Ok(1);
        }
        let values = match words {
            Some(words) => self.expand_words(words)?,
            None => self.positional.clone(),
        };
        let mut status = 0;
        for value in values {
            self.debug(command)?;
            if self.options.xtrace {
                self.trace_for(name, words);
            }
            if self.variables.attributes(name).nameref {
                self.variables.entry(name).value = crate::variables::Value::Scalar(value);
            } else if self.assign(name, value).is_err() {
                return Ok(1);
            }
            match self.run_body(body)? {
                Next::Go(body_status) => status = body_status,
                Next::Leave(status) => return Ok(status),
            }
        }
        Ok(status)
    }

    fn run_arithmetic_for(
        &mut self,
        parts: &[Arithmetic; 3],
        body: &List,
        command: &Command,
    ) -> Result<Status> {
        let mut status = 0;
        let [first, condition, step] = parts;
        let evaluate = |shell: &mut Shell, part: &Arithmetic| -> Result<Option<i64>> {
            shell.line = command.line;
            shell.debug(command)?;
            if shell.options.xtrace && !part.word.text.trim_ascii().is_empty() {
                shell.trace_arithmetic(part);
            }
            shell.quiet_arithmetic("((: ", part)
        };
        if evaluate(self, first)?.is_none() {
            return Ok(1);
        }
        loop {
            if !condition.word.text.trim_ascii().is_empty() {
                match evaluate(self, condition)? {
                    None => return Ok(1),
                    Some(0) => return Ok(status),
                    Some(_) => {}
                }
            }
            match self.run_body(body)? {
                Next::Go(body_status) => status = body_status,
                Next::Leave(status) => return Ok(status),
            }
            if evaluate(self, step)?.is_none() {
                return Ok(1);
            }
        }
    }

    /// Arithmetic of a command: an error is a failure of that, and none.
    pub(super) fn quiet_arithmetic(&mut self, context: &str, arithmetic: &Arithmetic) -> Result<Option<i64>> {
        self.with_context(context, |shell| shell.arithmetic(arithmetic))
    }

    pub fn with_context<T>(
        &mut self,
        context: &str,
        run: impl FnOnce(&mut Shell) -> Result<T>,
    ) -> Result<Option<T>> {
        let outer = std::mem::replace(&mut self.arithmetic_context, context.to_owned());
        let result = run(self);
        self.arithmetic_context = outer;
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Flow::Discard(_)) => Ok(None),
            Err(flow) => Err(flow),
        }
    }

    fn run_arithmetic(&mut self, arithmetic: &Arithmetic, command: &Command) -> Result<Status> {
        self.debug(command)?;
        if self.options.xtrace {
            self.trace_arithmetic(arithmetic);
        }
        let value = self.quiet_arithmetic("((: ", arithmetic)?;
        Ok(u8::from(value.is_none_or(|value| value == 0)))
    }

    fn run_case(&mut self, subject: &Word, arms: &[Arm], command: &Command) -> Result<Status> {
        self.debug(command)?;
        if self.options.xtrace {
            self.trace_case(subject);
        }
        let value = self.expand_to_string(subject)?;
        let mut status = 0;
        let mut falls = false;
        for arm in arms {
            if !falls && !self.arm_matches(arm, &value)? {
                continue;
            }
            status = self.run_list(&arm.body)?;
            match arm.end {
                ArmEnd::Leave => return Ok(status),
                ArmEnd::FallThrough => falls = true,
                ArmEnd::TestNext => falls = false,
            }
        }
        Ok(status)
    }

    fn arm_matches(&mut self, arm: &Arm, value: &[u8]) -> Result<bool> {
        for pattern in &arm.patterns {
            let text = self.expand_pattern(pattern)?;
            if Pattern::new(&text, self.shopt.extglob, self.shopt.nocasematch).matches(value) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn run_select(&mut self, name: &Bytes, words: Option<&[Word]>, body: &List) -> Result<Status> {
        let values = match words {
            Some(words) => self.expand_words(words)?,
            None => self.positional.clone(),
        };
        if values.is_empty() {
            return Ok(0);
        }
        let mut show = true;
        loop {
            if show {
                self.show_menu(&values);
            }
            let prompt = self.variable_value(b"PS3").unwrap_or_else(|| b"#? ".to_vec());
            crate::system::write_all(2, &prompt).ok();
            let Some(line) = self.read_line(0) else {
                crate::system::write_all(1, b"\n").ok();
                return Ok(1);
            };
            if line.is_empty() {
                show = true;
                continue;
            }
            show = false;
            let chosen = crate::bytes::decimal(&line)
                .and_then(|number| usize::try_from(number).ok())
                .and_then(|number| values.get(number.checked_sub(1)?));
            let chosen = chosen.cloned().unwrap_or_default();
            self.assign(b"REPLY", line)?;
            self.assign(name, chosen)?;
            match self.run_body(body)? {
                Next::Go(_) => {}
                Next::Leave(status) => return Ok(status),
            }
            show |= self.value_or_empty(b"REPLY").is_empty();
        }
    }

    /// In columns that fit the terminal, filled from the top.
    fn show_menu(&mut self, values: &[Bytes]) {
        let digits = values.len().to_string().len();
        let columns =
            self.variable_value(b"COLUMNS").and_then(|value| crate::bytes::decimal(&value)).unwrap_or(80);
        let widest = values.iter().map(|value| crate::bytes::char_count(value)).max().unwrap_or(0);
        let cell = widest + digits + 4;
        let fit = (usize::try_from(columns).unwrap_or(80) / cell).max(1);
        let rows = values.len().div_ceil(fit);
        let rows = if rows == 1 { values.len() } else { rows };
        let mut out = Bytes::new();
        for row in 0..rows {
            let mut at = row;
            while at < values.len() {
                out.extend_from_slice(format!("{:>digits$}) ", at + 1).as_bytes());
                out.extend_from_slice(&values[at]);
                if at + rows < values.len() {
                    let used = digits + 2 + crate::bytes::char_count(&values[at]);
                    out.resize(out.len() + cell.saturating_sub(used), b' ');
                }
                at += rows;
            }
            out.push(b'\n');
        }
        crate::system::write_all(2, &out).ok();
    }
}
