//! The state of a shell.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use crate::arithmetic::Expression;
use crate::descriptors::Descriptors;
use crate::flow::{Flow, Status};
use crate::jobs::Jobs;
use crate::options::{Options, Shopt};
use crate::regex::Regex;
use crate::syntax::Settings;
use crate::syntax::ast::{Bytes, Function};
use crate::system;
use crate::traps::Traps;
use crate::variables::{Clock, Variables};

/// A function or a sourced file that runs.
#[derive(Debug)]
pub struct Call {
    pub name: Bytes,
    /// The file in which the function was defined.
    pub source: Bytes,
    /// The line from which it was called.
    pub line: u32,
}

/// Where the commands come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    CommandString,
    File,
    Standard,
}

#[derive(Debug)]
pub struct Shell {
    pub variables: Variables,
    pub functions: BTreeMap<Bytes, Rc<Function>>,
    pub exported_functions: BTreeSet<Bytes>,
    pub readonly_functions: BTreeSet<Bytes>,
    pub traced_functions: BTreeSet<Bytes>,
    pub aliases: BTreeMap<Bytes, Bytes>,
    pub disabled_builtins: BTreeSet<Bytes>,
    pub options: Options,
    pub shopt: Shopt,
    /// `$0`.
    pub name: Bytes,
    /// The shell's own path.
    pub program: Bytes,
    pub input: Input,
    /// The script's file.
    pub main_source: Option<Bytes>,
    pub interactive: bool,
    pub positional: Vec<Bytes>,
    pub calls: Vec<Call>,
    pub status: Status,
    pub pipe_status: Vec<Status>,
    /// The status of the last command substitution of a command that has no other.
    pub substitution_status: Option<Status>,
    /// `$$`, also in subshells.
    pub process: u32,
    pub subshells: u32,
    pub line: u32,
    pub command_text: Rc<[u8]>,
    pub loops: u32,
    /// How many functions and sourced files run.
    pub returnable: u32,
    pub depth: u32,
    /// Above zero, a failure is looked at by an `if`, `!`, `&&` or such, so `errexit` and ERR leave it.
    pub guarded: u32,
    pub expressions: HashMap<Bytes, Rc<Expression>>,
    pub arithmetic_context: String,
    pub patterns: HashMap<Bytes, Rc<Regex>>,
    /// The builtin that runs, for messages.
    pub builtin: Option<&'static str>,
    pub descriptors: Descriptors,
    pub jobs: Jobs,
    pub traps: Traps,
    pub directory: Bytes,
    pub directory_stack: Vec<Bytes>,
    pub hashed: BTreeMap<Bytes, (Bytes, u32)>,
    /// Names whose special meaning ended when they were unset.
    pub undynamic: HashSet<Bytes>,
    pub clock: Clock,
    /// Where in an argument `getopts` is.
    pub options_offset: usize,
    /// What a builtin wrote; goes out when it ends.
    pub out: Bytes,
    /// How deep in substitutions `set -x` is.
    pub trace_depth: u32,
    /// A regular expression of `[[ ]]` was none.
    pub test_failed_badly: bool,
    /// For each function that runs, the options that `local -` saved.
    pub local_options: Vec<(usize, Options)>,
    /// The descriptors of process substitutions of commands that run.
    pub substituted: Vec<u32>,
}

impl Shell {
    pub fn new(name: Bytes, program: Bytes) -> Self {
        Shell {
            variables: Variables::default(),
            functions: BTreeMap::new(),
            exported_functions: BTreeSet::new(),
            readonly_functions: BTreeSet::new(),
            traced_functions: BTreeSet::new(),
            aliases: BTreeMap::new(),
            disabled_builtins: BTreeSet::new(),
            options: Options::default(),
            shopt: Shopt::default(),
            name,
            program,
            input: Input::CommandString,
            main_source: None,
            interactive: false,
            positional: Vec::new(),
            calls: Vec::new(),
            status: 0,
            pipe_status: vec![0],
            substitution_status: None,
            process: system::id(),
            subshells: 0,
            line: 1,
            command_text: b""[..].into(),
            loops: 0,
            returnable: 0,
            depth: 0,
            guarded: 0,
            expressions: HashMap::new(),
            arithmetic_context: String::new(),
            patterns: HashMap::new(),
            builtin: None,
            descriptors: Descriptors::inherited(),
            jobs: Jobs::default(),
            traps: Traps::default(),
            directory: system::directory(),
            directory_stack: Vec::new(),
            hashed: BTreeMap::new(),
            undynamic: HashSet::new(),
            clock: Clock::new(),
            options_offset: 0,
            out: Vec::new(),
            trace_depth: 0,
            test_failed_badly: false,
            local_options: Vec::new(),
            substituted: Vec::new(),
        }
    }

    /// Says what is wrong, as bash does: with the name of the script and the line.
    pub fn complain(&mut self, message: &[u8]) {
        self.flush_to(1);
        let mut line = self.source_name();
        if !self.interactive {
            line.extend_from_slice(format!(": line {}", self.line).as_bytes());
        }
        line.extend_from_slice(b": ");
        line.extend_from_slice(message);
        line.push(b'\n');
        system::write_all(2, &line).ok();
    }

    /// The same, with the builtin's name before it.
    pub fn complain_as(&mut self, who: &str, message: impl AsRef<[u8]>) {
        self.complain(&[who.as_bytes(), b": ", message.as_ref()].concat());
    }

    /// Refuses what this shell does not have, loudly and with a status that is not success.
    pub fn unsupported(&mut self, what: &str) -> Status {
        self.flush_to(1);
        system::write_all(2, format!("sandpiper: bash: {what} is not supported\n").as_bytes()).ok();
        2
    }

    pub fn source_name(&self) -> Bytes {
        match self.calls.iter().next_back() {
            Some(call) if !call.source.is_empty() => call.source.clone(),
            _ => self.name.clone(),
        }
    }

    /// An error in an expansion that ends a shell that is not interactive.
    pub fn fatal_expansion(&self) -> Flow {
        if self.interactive {
            return Flow::Discard(1);
        }
        Flow::Exit(if self.input == Input::CommandString && self.subshells == 0 && !self.options.errexit {
            127
        } else {
            1
        })
    }

    pub fn parser_settings(&self) -> Settings {
        Settings {
            extended_globs: self.shopt.extglob,
            aliases: (self.shopt.expand_aliases && !self.aliases.is_empty()).then(|| self.aliases.clone()),
        }
    }

    /// Writes what builtins put into the buffer.
    pub fn flush_to(&mut self, fd: u32) -> bool {
        if self.out.is_empty() {
            return true;
        }
        let out = std::mem::take(&mut self.out);
        system::write_all(fd, &out).is_ok()
    }

    pub fn ifs(&mut self) -> Option<Bytes> {
        self.variables.get(b"IFS").and_then(|variable| variable.first()).cloned()
    }
}
