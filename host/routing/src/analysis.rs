//! The analysis of one command: what it has found so far, and where in the command it is.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::declared::Declared;
use crate::files::{Files, View};
use crate::image::Image;
use crate::limits::{COMMAND_DEPTH_MAX, COMMANDS_MAX, STEPS_MAX, TOTAL_BYTES_MAX};
use crate::need::{Certainty, Evidence, Needs, What};
use crate::path;

/// A command before it runs.
///
/// # Examples
/// ```
/// use sandpiper_routing::Command;
/// let command = Command::new(["bash", "-c", "npm test"]).cwd("/workspace/web");
/// assert_eq!(command.argv.len(), 3);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The command and its arguments.
    pub argv: Vec<String>,
    /// Working directory in the guest.
    pub cwd: String,
    /// Environment variables beyond the image's own.
    pub env: Vec<(String, String)>,
    /// What the user says that it needs.
    pub declared: Declared,
}

impl Command {
    /// A command in `/workspace`.
    pub fn new<A: Into<String>>(argv: impl IntoIterator<Item = A>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            cwd: "/workspace".to_owned(),
            ..Self::default()
        }
    }

    /// Sets the working directory, an absolute guest path.
    #[must_use]
    pub fn cwd(mut self, cwd: impl Into<String>) -> Self {
        self.cwd = cwd.into();
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets what the user says that it needs.
    #[must_use]
    pub fn declared(mut self, declared: Declared) -> Self {
        self.declared = declared;
        self
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Tells what a command needs beyond what the image offers, from its text and the files alone.
///
/// The same command and files give the same needs. It never fails: what cannot be told is in [`Needs::unseen`].
pub fn analyze(command: &Command, files: &dyn Files, image: &Image) -> Needs {
    let mut analysis = Analysis::new(files, image);
    let argv: Vec<Word> = command.argv.iter().cloned().map(Some).collect();
    let cwd = path::join("/", &command.cwd);
    let folders = |name| command.variable(name).map(|value| directories(value, &cwd)).unwrap_or_default();
    let context = Context {
        certainty: Certainty::Certain,
        evidence: Evidence::new(None, 0, command.argv.join(" ").as_bytes()),
        python_path: folders("PYTHONPATH"),
        search_path: folders("PATH"),
        stdin: Input::Unknown,
        variables: Rc::new(command.env.clone()),
        cwd: Some(cwd),
    };
    if !command.declared.nothing_else() {
        analysis.command(&argv, &context);
    }
    analysis.finish(&command.declared, &context)
}

/// An argument; none where only the run tells it.
pub type Word = Option<String>;

/// What a program reads.
#[derive(Clone, Debug)]
pub enum Input {
    Unknown,
    Text(Rc<[u8]>),
}

/// Where in the command the analysis is, and what holds there.
#[derive(Clone, Debug)]
pub struct Context {
    /// Working directory; none where it is not known.
    pub cwd: Option<String>,
    /// How sure it is that this is reached.
    pub certainty: Certainty,
    /// What is looked at.
    pub evidence: Evidence,
    /// `PYTHONPATH`.
    pub python_path: Vec<String>,
    /// `PATH`, but for the image's own directories.
    pub search_path: Vec<String>,
    /// Standard input.
    pub stdin: Input,
    /// Other variables of the environment.
    pub variables: Rc<Vec<(String, String)>>,
}

impl Context {
    /// The same where it is less sure to be reached.
    pub fn at_most(&self, certainty: Certainty) -> Self {
        Self { certainty: self.certainty.min(certainty), ..self.clone() }
    }

    /// An absolute path, seen from here.
    pub fn absolute(&self, relative: &str) -> Option<String> {
        match &self.cwd {
            Some(cwd) => Some(path::join(cwd, relative)),
            None => relative.starts_with('/').then(|| path::join("/", relative)),
        }
    }
}

/// What is known in the course of an analysis.
pub struct Analysis<'a> {
    pub image: &'a Image,
    pub view: View<'a>,
    pub needs: Needs,
    /// How many needs were met, also those that were known already: tells whether a command lacks something.
    pub lacks: usize,
    depth: usize,
    commands: usize,
    /// Bytes of programs that were looked at, each time they were.
    spent: usize,
    /// Shell commands walked, each time they were.
    steps: usize,
    /// Python files that were looked at as programs.
    programs: BTreeMap<String, Certainty>,
}

impl<'a> Analysis<'a> {
    fn new(files: &'a dyn Files, image: &'a Image) -> Self {
        Self {
            image,
            view: View::new(files),
            needs: Needs::default(),
            lacks: 0,
            depth: 0,
            commands: 0,
            spent: 0,
            steps: 0,
            programs: BTreeMap::new(),
        }
    }

    /// Adds a need where the context is.
    pub fn need(&mut self, what: What, context: &Context) {
        self.lacks += 1;
        self.needs.add(what, context.certainty, &context.evidence);
    }

    /// Notes what only the run tells.
    pub fn unseen(&mut self, why: &str, context: &Context) {
        let at = &context.evidence;
        let text = if at.text.is_empty() { why.to_owned() } else { format!("{why}: {}", at.text) };
        self.needs.note_unseen(Evidence { file: at.file.clone(), line: at.line, text });
    }

    /// Does something one level of commands deeper, unless that is too deep or the last of too many.
    pub fn deeper(&mut self, context: &Context, inner: impl FnOnce(&mut Self)) {
        self.commands += 1;
        if self.depth >= COMMAND_DEPTH_MAX || self.commands > COMMANDS_MAX {
            self.needs.note_unseen(Evidence {
                file: context.evidence.file.clone(),
                line: 0,
                text: "more or deeper commands than are looked at".to_owned(),
            });
            return;
        }
        self.depth += 1;
        inner(self);
        self.depth -= 1;
    }

    /// Whether so many bytes of programs may be looked at too.
    pub fn spend(&mut self, bytes: usize, context: &Context) -> bool {
        self.spent = self.spent.saturating_add(bytes);
        let within = self.spent <= TOTAL_BYTES_MAX;
        if !within {
            let text = "more code than is looked at".to_owned();
            self.needs.note_unseen(Evidence { file: context.evidence.file.clone(), line: 0, text });
        }
        within
    }

    /// Whether one more command of a shell text may be walked.
    pub fn step(&mut self, context: &Context) -> bool {
        self.steps += 1;
        let within = self.steps <= STEPS_MAX;
        if !within {
            let text = "more commands than are looked at".to_owned();
            self.needs.note_unseen(Evidence { file: context.evidence.file.clone(), line: 0, text });
        }
        within
    }

    /// Whether a Python file was not yet looked at as a program as surely as this.
    pub fn first_look(&mut self, file: &str, certainty: Certainty) -> bool {
        let known = self.programs.get(file).copied();
        if known >= Some(certainty) {
            return false;
        }
        self.programs.insert(file.to_owned(), certainty);
        true
    }

    fn finish(mut self, declared: &Declared, context: &Context) -> Needs {
        declared.apply(&mut self, context);
        if self.view.beyond {
            self.needs.note_unseen(Evidence {
                file: None,
                line: 0,
                text: "more files than are looked at".to_owned(),
            });
        }
        self.needs.sort();
        self.needs
    }
}

/// The directories of a value like `PATH`, but for those of the image.
pub fn directories(value: &str, cwd: &str) -> Vec<String> {
    value
        .split(':')
        .filter(|entry| !entry.is_empty())
        .map(|entry| path::join(cwd, entry))
        .filter(|entry| {
            !matches!(entry.as_str(), "/bin" | "/usr/bin" | "/usr/local/bin" | "/sbin" | "/usr/sbin")
        })
        .take(32)
        .collect()
}
