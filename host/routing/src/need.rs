//! What a command needs, how sure that is, and where it is written.

use std::fmt;

use serde::Serialize;

use crate::limits::{EVIDENCE_BYTES_MAX, NEEDS_MAX, UNSEEN_MAX};

/// Something that a machine has to offer for a command to do its work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum What {
    /// An interpreter of another language, or of another version of Python.
    Interpreter {
        /// Its command.
        name: String,
    },
    /// A program that the image has not.
    Tool {
        /// Its command.
        name: String,
    },
    /// Something that fetches and installs packages.
    PackageManager {
        /// Its command.
        name: String,
    },
    /// A Python module that cannot be imported.
    PythonModule {
        /// Its dotted name, as far as it is missing.
        name: String,
        /// Why not.
        why: ModuleLack,
    },
    /// A machine-code program or library of the mounts.
    NativeCode {
        /// Its guest path.
        path: String,
    },
    /// A connection to another machine.
    Network {
        /// The host, where it is written.
        host: Option<String>,
    },
    /// A port to listen on.
    Port,
    /// Threads of the operating system.
    Threads,
    /// Copies of a running process (`os.fork`, `multiprocessing`).
    Fork,
}

impl What {
    /// The need in two to five words.
    pub fn phrase(&self) -> String {
        match self {
            Self::Interpreter { name } => format!("the interpreter `{name}`"),
            Self::Tool { name } => format!("the program `{name}`"),
            Self::PackageManager { name } => format!("packages by `{name}`"),
            Self::PythonModule { name, why: ModuleLack::NotInstalled } => {
                format!("the Python package `{name}`")
            }
            Self::PythonModule { name, why: ModuleLack::NotInImage } => format!("Python's module `{name}`"),
            Self::PythonModule { name, why: ModuleLack::NativeCode } => {
                format!("the Python package `{name}` with its native code")
            }
            Self::NativeCode { path } => format!("machine code (`{path}`)"),
            Self::Network { host: Some(host) } => format!("the network (`{host}`)"),
            Self::Network { host: None } => "the network".to_owned(),
            Self::Port => "a port to listen on".to_owned(),
            Self::Threads => "threads".to_owned(),
            Self::Fork => "processes that fork".to_owned(),
        }
    }
}

/// Why a Python module cannot be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModuleLack {
    /// No file of it is among the mounts, and it is not the standard library's.
    NotInstalled,
    /// CPython's own, and one that its build for WebAssembly has not.
    NotInImage,
    /// It is there as machine code.
    NativeCode,
}

/// How sure a need is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Depends on what only the run tells, or is cared for when it is missing. Nothing is routed by it.
    Possible,
    /// In code that the usual run of the command reaches.
    Likely,
    /// In what each run reaches.
    Certain,
}

/// Where a need is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Evidence {
    /// Guest path of the file; none for the command line itself.
    pub file: Option<String>,
    /// Line, from 1; 0 where there is none.
    pub line: u32,
    /// The text, cut at 120 bytes.
    pub text: String,
}

impl Evidence {
    /// Evidence of a text, cut and in one line.
    pub fn new(file: Option<String>, line: u32, text: &[u8]) -> Self {
        let cut = text.get(..EVIDENCE_BYTES_MAX).unwrap_or(text);
        let line_text = String::from_utf8_lossy(cut);
        let clean = |character: char| if character.is_control() { ' ' } else { character };
        let mut text: String = line_text.trim().chars().map(clean).collect();
        if cut.len() == EVIDENCE_BYTES_MAX {
            text.push('…');
        }
        Self { file, line, text }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) if self.line > 0 => write!(formatter, "{file}:{}: {}", self.line, self.text),
            Some(file) => write!(formatter, "{file}: {}", self.text),
            None => formatter.write_str(&self.text),
        }
    }
}

/// A need, how sure it is, and its first evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// What is needed.
    pub what: What,
    /// How sure that is.
    pub certainty: Certainty,
    /// Where it is written.
    pub evidence: Evidence,
}

/// What a command needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// The needs, the surest first, each once.
    pub needs: Vec<Need>,
    /// What could not be told before the run: texts that are made while it runs, code beyond a limit. Where this
    /// is empty and there is no need, the command is sure to find what it needs.
    pub unseen: Vec<Evidence>,
}

impl Needs {
    /// Adds a need; of one thing the surest and first evidence stays, and beyond 64 things none is added.
    pub(crate) fn add(&mut self, what: What, certainty: Certainty, evidence: &Evidence) {
        if let Some(same) = self.needs.iter_mut().find(|need| need.what == what) {
            if certainty > same.certainty {
                same.certainty = certainty;
                same.evidence = evidence.clone();
            }
        } else if self.needs.len() < NEEDS_MAX {
            self.needs.push(Need { what, certainty, evidence: evidence.clone() });
        } else if let Some(least) = self.needs.iter_mut().rev().find(|need| need.certainty < certainty) {
            *least = Need { what, certainty, evidence: evidence.clone() };
        }
    }

    /// Notes what could not be told, at most 32 such things.
    pub(crate) fn note_unseen(&mut self, evidence: Evidence) {
        if self.unseen.len() < UNSEEN_MAX && !self.unseen.contains(&evidence) {
            self.unseen.push(evidence);
        }
    }

    /// The surest first; among equals, the order in which they were found.
    pub(crate) fn sort(&mut self) {
        self.needs.sort_by_key(|need| std::cmp::Reverse(need.certainty));
    }
}
