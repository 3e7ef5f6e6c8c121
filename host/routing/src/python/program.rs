//! A program: its modules and functions, and the order in which they are looked at, the surest first.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use foldhash::fast::RandomState;

use super::Entry;
use super::lexer::Source;
use super::names::{NameId, Names};
use crate::analysis::{Analysis, Context, Word};
use crate::files::Found;
use crate::need::{Certainty, Evidence, What};
use crate::path;

/// A module, once it is found.
pub struct Module {
    pub file: Option<Rc<str>>,
    /// The directory that relative imports begin in.
    pub folder: String,
    pub source: Rc<Source>,
    /// Full names of what is imported, by the name that it has here.
    pub aliases: HashMap<NameId, Rc<str>, RandomState>,
    /// Tokens of literal values, by name; none where a name is given several.
    pub values: HashMap<NameId, Option<(usize, usize)>, RandomState>,
    pub is_main: bool,
    /// No text of the user's.
    pub is_made_up: bool,
    /// Of a package that is installed: only its imports count.
    pub is_installed: bool,
    /// A thread object was made here, and something here starts something.
    pub thread_made: Option<(Certainty, Evidence)>,
    pub starts: Option<Certainty>,
}

/// A function that is looked at when its name is mentioned.
#[derive(Clone, Copy)]
pub struct Function {
    pub module: usize,
    /// Lines of its body, or one line from a token on.
    pub body: Body,
    /// No surer than this, however sure the mention is.
    pub most: Certainty,
    pub number: usize,
}

/// What a header like `if x:` is followed by.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// Lines from the first up to the second.
    Block(usize, usize),
    /// Tokens of the header's line.
    Inline(usize, usize, usize),
}

enum Job {
    Module(usize),
    Function(Function),
}

/// A program that is being looked at.
pub struct Program<'x, 'a> {
    pub analysis: &'x mut Analysis<'a>,
    pub context: Context,
    pub names: Names,
    pub modules: Vec<Module>,
    pub by_file: HashMap<String, usize, RandomState>,
    /// Where modules are looked for before the standard library, and after it.
    pub search: Vec<String>,
    /// Top-level modules that were found, and how many directories were searched then: none is ever taken away.
    pub found: HashMap<String, (usize, super::resolve::Found), RandomState>,
    pub sites: Vec<String>,
    /// `sys.path` has entries that are not known.
    pub search_unknown: bool,
    /// Imports that are missing, ever.
    pub missing: usize,
    /// What the program is called with.
    pub arguments: Vec<Word>,
    /// Test functions are run by a runner.
    pub runs_tests: bool,
    /// Functions may be called by names that are computed.
    pub dynamic: bool,
    functions: HashMap<NameId, Vec<Function>, RandomState>,
    all_functions: Vec<Function>,
    walked_functions: HashSet<usize>,
    queues: [Vec<Job>; 3],
}

impl<'x, 'a> Program<'x, 'a> {
    pub fn new(analysis: &'x mut Analysis<'a>, context: &Context) -> Self {
        Self {
            analysis,
            context: context.clone(),
            names: Names::new(),
            modules: Vec::new(),
            by_file: HashMap::default(),
            search: Vec::new(),
            found: HashMap::default(),
            sites: Vec::new(),
            search_unknown: context.cwd.is_none(),
            missing: 0,
            arguments: Vec::new(),
            runs_tests: false,
            dynamic: false,
            functions: HashMap::default(),
            all_functions: Vec::new(),
            walked_functions: HashSet::new(),
            queues: [Vec::new(), Vec::new(), Vec::new()],
        }
    }

    /// Looks at all that is reached from an entry.
    pub fn run(mut self, entry: &Entry, arguments: &[Word]) {
        self.find_sites();
        self.arguments = arguments.to_vec();
        match entry {
            Entry::Code(text) => {
                if !self.analysis.spend(text.len(), &self.context) {
                    return;
                }
                let context = self.context.clone();
                if self.analysis.declares(text, &context) {
                    return;
                }
                let cwd = self.context.cwd.clone().unwrap_or_default();
                self.begin_search(&cwd);
                self.add_main(None, cwd, text);
            }
            Entry::File(file) => self.run_file(file),
            Entry::Module(module) => {
                let cwd = self.context.cwd.clone().unwrap_or_default();
                self.begin_search(&cwd);
                self.run_module(module, arguments);
            }
        }
        self.drain();
        if self.dynamic {
            for function in std::mem::take(&mut self.all_functions) {
                self.push(Job::Function(function), Certainty::Possible);
            }
            self.drain();
        }
    }

    fn begin_search(&mut self, first: &str) {
        self.search.push(first.to_owned());
        self.search.extend(self.context.python_path.iter().cloned());
    }

    fn find_sites(&mut self) {
        self.sites = self.analysis.image.site_directories.clone();
        let Some(cwd) = &self.context.cwd else { return };
        let library = path::join(cwd, ".venv/lib");
        if self.analysis.view.kind(&path::join(cwd, ".venv")).is_none() {
            return;
        }
        let Some(listing) = self.analysis.view.list(&library) else { return };
        let mut versions: Vec<&String> =
            listing.names.keys().filter(|name| name.starts_with("python3")).collect();
        versions.sort();
        self.sites.extend(versions.into_iter().map(|version| format!("{library}/{version}/site-packages")));
    }

    pub(super) fn run_file(&mut self, file: &str) {
        let mut context = self.context.clone();
        context.evidence = Evidence::new(Some(file.to_owned()), 0, b"");
        match self.analysis.view.read(file) {
            Found::Content(content, more) => {
                if more {
                    self.analysis.unseen("longer than is looked at", &context);
                }
                if content.starts_with(b"PK\x03\x04") {
                    self.analysis.unseen("an archive", &context);
                    return;
                }
                if !self.analysis.first_look(file, context.certainty)
                    || !self.analysis.spend(content.len(), &context)
                    || self.analysis.declares(&content, &context)
                {
                    return;
                }
                let folder = path::parent(file).to_owned();
                self.begin_search(&folder);
                self.add_main(Some(file), folder, &content);
            }
            Found::Made => self.analysis.unseen("made by the command itself", &context),
            Found::Beyond => self.analysis.unseen("not looked at", &context),
            Found::Missing => {
                // A directory with `__main__.py`.
                let main = path::join(file, "__main__.py");
                if let Found::Content(content, _) = self.analysis.view.read(&main) {
                    self.begin_search(file);
                    self.add_main(Some(&main), file.to_owned(), &content);
                } else {
                    self.analysis.unseen("not there before the run", &context);
                }
            }
        }
    }

    pub(super) fn add_main(&mut self, file: Option<&str>, folder: String, text: &Rc<[u8]>) {
        let index = self.add_module(file, folder, Rc::clone(text), false);
        if let Some(module) = self.modules.get_mut(index) {
            module.is_main = true;
        }
        self.push_module(index, self.context.certainty);
    }

    /// Adds a module that was read.
    pub fn add_module(
        &mut self,
        file: Option<&str>,
        folder: String,
        text: Rc<[u8]>,
        is_installed: bool,
    ) -> usize {
        let source = Rc::new(Source::new(text, &mut self.names));
        self.modules.push(Module {
            file: file.map(Into::into),
            folder,
            source,
            aliases: HashMap::default(),
            values: HashMap::default(),
            is_main: false,
            is_made_up: false,
            is_installed,
            thread_made: None,
            starts: None,
        });
        let index = self.modules.len() - 1;
        if let Some(file) = file {
            self.by_file.insert(file.to_owned(), index);
        }
        index
    }

    /// Has a module looked at.
    pub fn push_module(&mut self, module: usize, certainty: Certainty) {
        self.push(Job::Module(module), certainty);
    }

    fn push(&mut self, job: Job, certainty: Certainty) {
        let [possible, likely, certain] = &mut self.queues;
        match certainty {
            Certainty::Possible => possible.push(job),
            Certainty::Likely => likely.push(job),
            Certainty::Certain => certain.push(job),
        }
    }

    fn pop(&mut self) -> Option<(Job, Certainty)> {
        let [possible, likely, certain] = &mut self.queues;
        let certain = certain.pop().map(|job| (job, Certainty::Certain));
        certain
            .or_else(|| likely.pop().map(|job| (job, Certainty::Likely)))
            .or_else(|| possible.pop().map(|job| (job, Certainty::Possible)))
    }

    fn drain(&mut self) {
        let mut walked: HashSet<usize> = HashSet::new();
        while let Some((job, certainty)) = self.pop() {
            match job {
                Job::Module(module) => {
                    if walked.insert(module) {
                        self.walk_module(module, certainty);
                    }
                }
                Job::Function(function) => {
                    if self.walked_functions.insert(function.number) {
                        self.walk_function(function, certainty);
                    }
                }
            }
        }
        self.start_threads();
    }

    /// A thread that is made and started is one; made alone, it may be.
    fn start_threads(&mut self) {
        for module in &mut self.modules {
            let Some((made, evidence)) = module.thread_made.take() else { continue };
            let certainty = module.starts.map_or(Certainty::Possible, |starts| starts.min(made));
            let context = Context { certainty, evidence, ..self.context.clone() };
            self.analysis.need(What::Threads, &context);
        }
    }

    /// Registers a function to be looked at when its name, or its class's, is mentioned.
    pub fn register(&mut self, name: NameId, module: usize, body: Body, most: Certainty) {
        let function = Function { module, body, most, number: self.all_functions.len() };
        self.all_functions.push(function);
        self.register_under(name, function);
    }

    /// Registers the function that was registered last under one more name.
    pub fn register_too(&mut self, name: NameId, most: Certainty) {
        if let Some(function) = self.all_functions.last().copied() {
            self.register_under(name, Function { most, ..function });
        }
    }

    fn register_under(&mut self, name: NameId, function: Function) {
        self.functions.entry(name).or_default().push(function);
        if let Some(mentioned) = self.names.mentioned(name) {
            self.push(Job::Function(function), mentioned.min(function.most));
        }
    }

    /// Notes that code that is reached mentions a name.
    pub fn mention(&mut self, name: NameId, certainty: Certainty) {
        if !self.names.mention(name, certainty) {
            return;
        }
        let Some(functions) = self.functions.get(&name) else { return };
        for function in functions.clone() {
            self.push(Job::Function(function), certainty.min(function.most));
        }
    }
}
