//! Programs: where they are, and starting them.

use super::Shell;
use super::absent::why_absent;
use crate::flow::{Flow, Result, Status};
use crate::syntax::ast::{
    Argument, Bytes, Command, Kind, Name, Operation, Operator, Part, Redirect, RedirectTarget, Simple,
    Subscript, Word,
};
use crate::system::{self, Access, Mapping, Program, errno};

impl Shell {
    /// The file that a command's name stands for, by `PATH`.
    pub fn find_program(&mut self, name: &[u8]) -> Option<Bytes> {
        if name.contains(&b'/') {
            return Some(name.to_vec());
        }
        if let Some((path, hits)) = self.hashed.get_mut(name) {
            *hits += 1;
            return Some(path.clone());
        }
        let found = self.search_path(name, false)?;
        if self.options.hashall && found.starts_with(b"/") {
            self.hashed.insert(name.to_vec(), (found.clone(), 1));
        }
        Some(found)
    }

    pub fn search_path(&mut self, name: &[u8], standard: bool) -> Option<Bytes> {
        self.search_all(name, standard).into_iter().next()
    }

    /// All files of that name on the path; where none is executable, the first that is there.
    pub fn search_all(&mut self, name: &[u8], standard: bool) -> Vec<Bytes> {
        let path = if standard {
            b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_vec()
        } else {
            self.value_or_empty(b"PATH")
        };
        let mut found = Vec::new();
        let mut refused = Vec::new();
        if name.is_empty() {
            return found;
        }
        for folder in path.split(|&byte| byte == b':') {
            let candidate = match folder {
                b"" => [b"./", name].concat(),
                folder if folder.ends_with(b"/") => [folder, name].concat(),
                folder => [folder, b"/", name].concat(),
            };
            if system::metadata(&candidate).is_some_and(|metadata| !metadata.is_directory()) {
                if system::may(&candidate, Access::Execute) {
                    found.push(candidate);
                } else {
                    refused.push(candidate);
                }
            }
        }
        if found.is_empty() {
            refused.truncate(1);
            return refused;
        }
        found
    }

    /// Starts a program in the foreground and waits for it.
    pub(super) fn run_external(&mut self, arguments: &[Bytes]) -> Result<Status> {
        let mappings = self.descriptors.mappings();
        match self.start_external(arguments, &mappings) {
            Ok(process) => {
                let ended = self.wait_for(process);
                self.report_signal(process, ended);
                Ok(ended.status())
            }
            Err(127)
                if self.functions.contains_key(b"command_not_found_handle".as_slice())
                    && !arguments[0].contains(&b'/') =>
            {
                let mut handled = vec![b"command_not_found_handle".to_vec()];
                handled.extend_from_slice(arguments);
                let Some(function) = self.functions.get(b"command_not_found_handle".as_slice()).cloned()
                else {
                    return Ok(127);
                };
                self.call_function(&function, handled)
            }
            Err(status) => Ok(status),
        }
    }

    /// Starts a program; says what is wrong when that fails.
    pub fn start_external(
        &mut self,
        arguments: &[Bytes],
        mappings: &[Mapping],
    ) -> std::result::Result<u32, Status> {
        self.flush_to(1);
        let Some(path) = self.find_program(&arguments[0]) else {
            if !self.functions.contains_key(b"command_not_found_handle".as_slice()) {
                self.complain(&[arguments[0].as_slice(), b": command not found"].concat());
                system::tell_absent(&arguments[0]);
                if system::SANDBOX
                    && let Some(why) = why_absent(&arguments[0])
                {
                    let _ = system::write_all(2, &[b"sandpiper: ", why.as_bytes(), b"\n"].concat());
                }
            }
            return Err(127);
        };
        let mut environment = self.variables.environment();
        environment.retain(|entry| !entry.starts_with(b"_="));
        environment.push([b"_=", path.as_slice()].concat());
        self.add_functions(&mut environment);
        let started = self.start_file(&path, arguments, &environment, mappings);
        started.map_err(|error| self.explain_start(&arguments[0], &path, error))
    }

    fn start_file(
        &mut self,
        path: &[u8],
        arguments: &[Bytes],
        environment: &[Bytes],
        mappings: &[Mapping],
    ) -> system::Result<u32> {
        let program = Program { path, arguments, environment, descriptors: mappings };
        match system::spawn(&program) {
            // A text without `#!` is a script of this shell.
            Err(errno::NOEXEC) if is_text(path) => {
                let mut with_shell = vec![self.program.clone(), path.to_vec()];
                with_shell.extend_from_slice(&arguments[1..]);
                let shell = self.program.clone();
                system::spawn(&Program {
                    path: &shell,
                    arguments: &with_shell,
                    environment,
                    descriptors: mappings,
                })
            }
            other => other,
        }
    }

    fn explain_start(&mut self, name: &[u8], path: &[u8], error: system::Errno) -> Status {
        if system::is_directory(path) {
            self.complain(&[name, b": Is a directory"].concat());
            return 126;
        }
        match error {
            errno::NOENT if system::metadata(path).is_some() => {
                self.complain(&[path, b": cannot execute: required file not found"].concat());
                127
            }
            errno::NOENT => {
                self.complain(&[name, b": No such file or directory"].concat());
                127
            }
            errno::NOEXEC => {
                self.complain(&[path, b": cannot execute binary file: Exec format error"].concat());
                126
            }
            errno::AGAIN => {
                self.complain(&[b"fork: ".as_slice(), &error.message()].concat());
                254
            }
            _ => {
                self.complain(&[path, b": ", &error.message()].concat());
                126
            }
        }
    }

    fn add_functions(&mut self, environment: &mut Vec<Bytes>) {
        for name in &self.exported_functions {
            if let Some(function) = self.functions.get(name) {
                let body = crate::syntax::print::function_value(function);
                environment.push([b"BASH_FUNC_", name.as_slice(), b"%%=", &body].concat());
            }
        }
    }

    /// A stage of a pipeline that is just a program is started without a copy of the shell. None for other stages.
    pub(super) fn start_simple_stage(
        &mut self,
        stage: &Command,
        mappings: &[Mapping],
    ) -> Option<std::result::Result<u32, Status>> {
        let Kind::Simple(simple) = &stage.kind else { return None };
        if !self.is_plain_program(simple, stage) {
            return None;
        }
        let mut words = Vec::new();
        for argument in &simple.arguments {
            let Argument::Word(word) = argument else { return None };
            if self.expand_word(word, &mut words).is_err() {
                return Some(Err(1));
            }
        }
        if words.is_empty() {
            return None;
        }
        self.line = stage.line;
        self.command_text = stage.text.clone();
        if self.options.xtrace {
            self.trace_words(&words);
        }
        if !stage.redirects.is_empty() {
            return Some(self.start_redirected_stage(stage, mappings, &words));
        }
        let mut all = self.descriptors.mappings_with(mappings);
        if stage.pipes_errors
            && let Some(out) = all.iter().find(|mapping| mapping.to == 1).copied()
        {
            all.retain(|mapping| mapping.to != 2);
            all.push(Mapping { from: out.from, to: 2 });
        }
        Some(self.start_external(&words, &all))
    }

    /// The same with redirections: they are done here, with the ends of the pipes in place, and undone.
    fn start_redirected_stage(
        &mut self,
        stage: &Command,
        mappings: &[Mapping],
        words: &[Bytes],
    ) -> std::result::Result<u32, Status> {
        let mut kept = Vec::new();
        for mapping in mappings {
            let copy = if self.descriptors.open.contains(&mapping.to) {
                system::dup(mapping.to, crate::descriptors::INTERNAL_LOWEST).ok()
            } else {
                None
            };
            kept.push((mapping.to, copy));
            system::dup_to(mapping.from, mapping.to).ok();
            self.descriptors.open.insert(mapping.to);
        }
        let started = match self.redirect(&stage.redirects) {
            Ok(saved) => {
                let all = self.descriptors.mappings();
                let started = self.start_external(words, &all);
                self.restore(saved);
                started
            }
            Err(_) => Err(1),
        };
        for (to, copy) in kept {
            match copy {
                Some(copy) => {
                    system::dup_to(copy, to).ok();
                    system::close(copy).ok();
                }
                None => {
                    system::close(to).ok();
                    self.descriptors.open.remove(&to);
                }
            }
        }
        started
    }

    /// Doing it here, before the other stages start, cannot block and is not seen.
    fn is_harmless(&self, redirect: &Redirect) -> bool {
        let plain = |word: &Word| {
            let [Part::Literal(name)] = word.parts.as_slice() else { return false };
            !word.braces && !name.iter().any(|byte| b"*?[".contains(byte))
        };
        if matches!(redirect.target, RedirectTarget::Variable(_)) {
            return false;
        }
        match &redirect.operation {
            Operation::DuplicateOutput(word) | Operation::DuplicateInput(word) => plain(word),
            Operation::Read(word)
            | Operation::Write(word)
            | Operation::Append(word)
            | Operation::Both { word, .. } => {
                plain(word)
                    && system::metadata(&word.text).is_none_or(|found| found.kind != system::FileKind::Pipe)
            }
            Operation::HereDocument(document) => document.body.get().is_some_and(is_pure_word),
            Operation::HereString(word) => is_pure_word(word),
            Operation::Clobber(_) | Operation::ReadWrite(_) => false,
        }
    }

    /// Is it the name of a program with words that can be expanded here, before the other stages start, without anyone seeing it?
    fn is_plain_program(&mut self, simple: &Simple, stage: &Command) -> bool {
        if stage.pipes_errors && !stage.redirects.is_empty() {
            return false;
        }
        if !simple.assignments.is_empty() || self.options.nounset || self.shopt.failglob {
            return false;
        }
        if self.traps.has(crate::traps::Event::Debug)
            || self.functions.contains_key(b"command_not_found_handle".as_slice())
        {
            return false;
        }
        if !stage.redirects.iter().all(|redirect| self.is_harmless(redirect)) {
            return false;
        }
        let Some(Argument::Word(first)) = simple.arguments.first() else { return false };
        let [Part::Literal(name)] = first.parts.as_slice() else { return false };
        if first.braces || name.iter().any(|byte| b"*?[~".contains(byte)) {
            return false;
        }
        if self.functions.contains_key(name) || self.is_builtin(name) {
            return false;
        }
        // One that is not there is told about by the stage, to where its errors go.
        if (stage.pipes_errors || !stage.redirects.is_empty()) && self.find_program(name).is_none() {
            return false;
        }
        simple.arguments.iter().all(|argument| match argument {
            Argument::Word(word) => is_pure_word(word),
            Argument::Assignment(..) => false,
        })
    }

    /// `exec program`: this shell becomes it, as far as anyone sees.
    pub fn replace(
        &mut self,
        arguments: &[Bytes],
        environment: Option<Vec<Bytes>>,
        shown: Option<Bytes>,
    ) -> Result<Status> {
        self.flush_to(1);
        let Some(path) = self.find_program(&arguments[0]) else {
            self.complain(&[b"exec: ", arguments[0].as_slice(), b": not found"].concat());
            return self.exec_failed(127);
        };
        let mut environment = environment.unwrap_or_else(|| self.variables.environment());
        environment.retain(|entry| !entry.starts_with(b"_="));
        if !environment.is_empty() || !self.variables.environment().is_empty() {
            environment.push([b"_=", path.as_slice()].concat());
        }
        let mut arguments = arguments.to_vec();
        let name = arguments[0].clone();
        if let Some(shown) = shown {
            arguments[0] = shown;
        }
        let mappings = self.descriptors.mappings();
        match self.start_file(&path, &arguments, &environment, &mappings) {
            Ok(process) => {
                // What this shell holds open must not keep a pipe from ending.
                for fd in self.descriptors.open.clone() {
                    system::close(fd).ok();
                }
                let ended = self.wait_for(process);
                if let system::Ended::Signaled(signal) = ended {
                    system::act(signal, system::Action::Default).ok();
                    system::kill(i64::from(system::id()), signal).ok();
                }
                system::exit(ended.status())
            }
            Err(error) => {
                if system::is_directory(&path) {
                    self.complain(
                        &[b"exec: ", name.as_slice(), b": cannot execute: Is a directory"].concat(),
                    );
                } else {
                    self.complain(
                        &[b"exec: ", name.as_slice(), b": cannot execute: ", &error.message()].concat(),
                    );
                }
                self.exec_failed(if error == errno::NOENT { 127 } else { 126 })
            }
        }
    }

    fn exec_failed(&mut self, status: Status) -> Result<Status> {
        if self.interactive || self.shopt.execfail { Ok(status) } else { Err(Flow::Exit(status)) }
    }
}

/// A file whose first line has no NUL, as bash decides it.
fn is_text(path: &[u8]) -> bool {
    let Ok(fd) = system::open(path, system::Open::Read) else { return false };
    let mut buffer = [0; 80];
    let count = system::read(fd, &mut buffer);
    system::close(fd).ok();
    let Ok(count) = count else { return false };
    let line = buffer[..count].split(|&byte| byte == b'\n').next().unwrap_or_default();
    !line.contains(&0)
}

/// Expanding it starts no process, changes no variable and cannot fail.
pub(super) fn is_pure_word(word: &Word) -> bool {
    is_pure(&word.parts)
}

fn is_pure(parts: &[Part]) -> bool {
    parts.iter().all(|part| match part {
        Part::Literal(_) | Part::Quoted(_) | Part::Tilde(_) => true,
        Part::Double(inner) => is_pure(inner),
        Part::Parameter(parameter) => {
            let plain_name = match &parameter.name {
                // These differ from process to process, or change by being read.
                Name::Variable(name) => {
                    !matches!(name.as_slice(), b"BASHPID" | b"RANDOM" | b"SRANDOM" | b"BASH_SUBSHELL")
                }
                _ => true,
            };
            let plain_subscript = matches!(&parameter.subscript, None | Some(Subscript::All(_)));
            let plain_operator = match &parameter.operator {
                Operator::None | Operator::Length | Operator::Keys(_) | Operator::Names(_) => true,
                Operator::Test { kind: b'-' | b'+', word, .. } => is_pure(&word.parts),
                Operator::Remove { pattern, .. } => is_pure(&pattern.parts),
                Operator::Replace { pattern, replacement, .. } => {
                    is_pure(&pattern.parts) && is_pure(&replacement.parts)
                }
                _ => false,
            };
            plain_name && plain_subscript && plain_operator && !parameter.indirect
        }
        Part::Command(_) | Part::Arithmetic(_) | Part::Process { .. } | Part::Bad(_) => false,
    })
}
