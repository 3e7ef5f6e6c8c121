//! Variables whose value the shell computes when they are read.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Value;
use crate::shell::Shell;
use crate::syntax::ast::Bytes;
use crate::system;

/// What `SECONDS` and `RANDOM` go by.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    seconds_base: i64,
    seed: u32,
    last_random: u32,
}

impl Clock {
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let seed = now.subsec_nanos() ^ system::id().wrapping_mul(2_654_435_761);
        Clock { started: Instant::now(), seconds_base: 0, seed, last_random: 0 }
    }

    /// bash 5.2's generator, so that a seeded sequence is the same.
    fn random(&mut self) -> u32 {
        loop {
            let last = if self.seed == 0 { 123_459_876 } else { i64::from(self.seed) };
            let next = 16_807 * (last % 127_773) - 2_836 * (last / 127_773);
            let next = if next < 0 { next + 0x7fff_ffff } else { next };
            self.seed = u32::try_from(next & 0xffff_ffff).unwrap_or(0);
            let value = ((self.seed >> 16) ^ (self.seed & 0xffff)) & 0x7fff;
            if value != self.last_random {
                self.last_random = value;
                return value;
            }
        }
    }

    /// A subshell has a sequence of its own.
    pub fn reseed(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        self.seed ^= now.subsec_nanos() ^ system::id().wrapping_mul(2_654_435_761);
    }
}

impl Default for Clock {
    fn default() -> Self {
        Clock::new()
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

impl Shell {
    pub(super) fn dynamic_value(&mut self, name: &[u8]) -> Option<Bytes> {
        // None of the names begins otherwise, and most names of scripts do.
        if !matches!(name.first(), Some(b'A'..=b'Z')) {
            return None;
        }
        if self.undynamic.contains(name) {
            return None;
        }
        Some(match name {
            b"RANDOM" => self.clock.random().to_string().into_bytes(),
            b"SRANDOM" => (self.clock.random() << 17 ^ self.clock.random() << 2).to_string().into_bytes(),
            b"SECONDS" => {
                let elapsed = i64::try_from(self.clock.started.elapsed().as_secs()).unwrap_or(i64::MAX);
                (self.clock.seconds_base + elapsed).to_string().into_bytes()
            }
            b"LINENO" => self.line.to_string().into_bytes(),
            b"BASHPID" => system::id().to_string().into_bytes(),
            b"BASH_SUBSHELL" => self.subshells.to_string().into_bytes(),
            b"BASH_COMMAND" => self.command_text.to_vec(),
            b"EPOCHSECONDS" => since_epoch().as_secs().to_string().into_bytes(),
            b"EPOCHREALTIME" => {
                let now = since_epoch();
                format!("{}.{:06}", now.as_secs(), now.subsec_micros()).into_bytes()
            }
            b"SHELLOPTS" => self.options.names().into_bytes(),
            b"BASHOPTS" => self.shopt.names().into_bytes(),
            b"FUNCNAME" | b"BASH_SOURCE" | b"BASH_LINENO" | b"PIPESTATUS" | b"DIRSTACK" | b"GROUPS" => {
                return self.dynamic_array(name)?.into_iter().next();
            }
            _ => return None,
        })
    }

    pub(super) fn dynamic_array(&mut self, name: &[u8]) -> Option<Vec<Bytes>> {
        if !matches!(name.first(), Some(b'B' | b'D' | b'F' | b'G' | b'P')) || self.undynamic.contains(name) {
            return None;
        }
        let number = |number: u32| number.to_string().into_bytes();
        Some(match name {
            b"FUNCNAME" => {
                let mut names: Vec<Bytes> = self.calls.iter().rev().map(|call| call.name.clone()).collect();
                if !self.calls.iter().any(|call| call.name != b"source") {
                    return Some(Vec::new());
                }
                if self.main_source.is_some() {
                    names.push(b"main".to_vec());
                }
                names
            }
            b"BASH_SOURCE" => {
                let mut sources: Vec<Bytes> =
                    self.calls.iter().rev().map(|call| call.source.clone()).collect();
                sources.extend(self.main_source.clone());
                sources
            }
            b"BASH_LINENO" => {
                let mut lines: Vec<Bytes> = self.calls.iter().rev().map(|call| number(call.line)).collect();
                if self.main_source.is_some() {
                    lines.push(number(0));
                }
                lines
            }
            b"PIPESTATUS" => self.pipe_status.iter().map(|&status| number(u32::from(status))).collect(),
            b"DIRSTACK" => {
                let mut directories = vec![self.directory.clone()];
                directories.extend(self.directory_stack.iter().rev().cloned());
                directories
            }
            b"GROUPS" => vec![number(system::group())],
            _ => return None,
        })
    }

    /// Is it set, as far as the shell computes it?
    pub fn is_dynamic(&mut self, name: &[u8]) -> bool {
        self.dynamic_value(name).is_some()
    }

    pub(super) fn assign_dynamic(&mut self, name: &[u8], value: &[u8]) -> bool {
        if !matches!(name.first(), Some(b'A'..=b'Z')) || self.undynamic.contains(name) {
            return false;
        }
        match name {
            b"RANDOM" => {
                let seed = self.evaluate_text(value, 0).unwrap_or(0);
                self.clock.seed = u32::try_from(seed & 0xffff_ffff).unwrap_or(0);
                self.clock.last_random = 0;
            }
            b"SECONDS" => {
                self.clock.started = Instant::now();
                self.clock.seconds_base = self.evaluate_text(value, 0).unwrap_or(0);
            }
            b"LINENO" | b"BASHPID" | b"EPOCHSECONDS" | b"EPOCHREALTIME" | b"FUNCNAME" | b"BASH_SOURCE"
            | b"BASH_LINENO" | b"PIPESTATUS" | b"GROUPS" | b"DIRSTACK" | b"SRANDOM" | b"BASH_COMMAND"
            | b"BASH_SUBSHELL" => {}
            _ => return false,
        }
        true
    }

    /// What the shell keeps about some variables follows their values.
    pub(super) fn after_assignment(&mut self, name: &[u8]) {
        match name {
            b"PATH" => self.hashed.clear(),
            b"OPTIND" => self.options_offset = 0,
            _ => {}
        }
    }

    /// The variables that a shell has from the start.
    pub fn initial_variables(&mut self, environment: Vec<(Bytes, Bytes)>) {
        for (name, value) in environment {
            if crate::bytes::is_name(&name) {
                let variable = self.variables.entry(&name);
                variable.value = Value::Scalar(value);
                variable.attributes.export = true;
            }
        }
        let mut set =
            |name: &str, value: Bytes| self.variables.entry(name.as_bytes()).value = Value::Scalar(value);
        set("IFS", b" \t\n".to_vec());
        set("OPTIND", b"1".to_vec());
        set("OPTERR", b"1".to_vec());
        set("PS4", b"+ ".to_vec());
        set("BASH_VERSION", b"5.2.15(1)-release".to_vec());
        set("OSTYPE", b"linux-gnu".to_vec());
        set("HOSTTYPE", b"x86_64".to_vec());
        set("MACHTYPE", b"x86_64-pc-linux-gnu".to_vec());
        set("HOSTNAME", system::host_name());
        set("BASH", self.program.clone());
        for (name, value) in [("PPID", system::parent()), ("UID", system::user()), ("EUID", system::user())] {
            let variable = self.variables.entry(name.as_bytes());
            variable.value = Value::Scalar(value.to_string().into_bytes());
            variable.attributes.integer = true;
            variable.attributes.readonly = true;
            variable.attributes.export = false;
        }
        let version = ["5", "2", "15", "1", "release", "x86_64-pc-linux-gnu"];
        let mut versions = super::Variable::indexed(version.iter().map(|part| part.as_bytes().to_vec()));
        versions.attributes.readonly = true;
        self.variables.insert(b"BASH_VERSINFO", versions);
        if self.variables.get(b"PATH").is_none() {
            self.variables.entry(b"PATH").value =
                Value::Scalar(b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_vec());
        }
        if self.variables.get(b"TERM").is_none() {
            self.variables.entry(b"TERM").value = Value::Scalar(b"dumb".to_vec());
        }
        let level = self.value_or_empty(b"SHLVL");
        let level = crate::bytes::decimal(&level).unwrap_or(0) + 1;
        let variable = self.variables.entry(b"SHLVL");
        variable.value = Value::Scalar(level.to_string().into_bytes());
        variable.attributes.export = true;
        let directory = self.directory.clone();
        let variable = self.variables.entry(b"PWD");
        variable.value = Value::Scalar(directory);
        variable.attributes.export = true;
        let old = self.variables.entry(b"OLDPWD");
        old.attributes.export = true;
        if !matches!(&old.value, Value::Scalar(path) if system::is_directory(path)) {
            old.value = Value::Unset;
        }
    }
}
