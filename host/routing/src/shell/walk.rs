//! Goes through a shell text as the shell would, without running anything.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::parse::parse;
use super::tree::{AndOr, Arm, Connector, Kind, List, Node, Operation, Pipeline};
use crate::analysis::{Analysis, Context, Input, Word};
use crate::limits::{VALUE_BYTES_MAX, VARIABLES_MAX};
use crate::need::{Certainty, Evidence};

/// What is known of how a command ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Succeeds.
    Yes,
    /// Fails, or is false.
    No,
    /// A program that is expected to succeed.
    Ran,
    /// A question whose answer only the run tells.
    Open,
    /// Fails here, because it needs what is not here.
    Lacking,
}

/// A shell at some place in a text.
#[derive(Clone)]
pub struct Shell {
    pub(super) context: Context,
    /// The script's path, as `$0`.
    pub(super) file: Option<String>,
    pub(super) positional: Option<Vec<Word>>,
    pub(super) variables: BTreeMap<String, Word>,
    functions: BTreeMap<String, Rc<Node>>,
    pub(super) aliases: BTreeMap<String, String>,
    /// The text that the nodes' positions are in.
    source: Rc<[u8]>,
    /// What the last question about a command asked for, where the image has not got it.
    pub(super) asked_for: Option<String>,
    /// `exit` was reached.
    pub(super) ended: bool,
    /// There were too many variables to know each.
    pub(super) forgetful: bool,
}

impl Shell {
    pub fn new(file: Option<&str>, arguments: &[Word], context: &Context) -> Self {
        let mut variables = BTreeMap::from([
            ("HOME".to_owned(), Some("/home/user".to_owned())),
            ("PATH".to_owned(), Some(context.search_path.join(":"))),
            ("PYTHONPATH".to_owned(), Some(context.python_path.join(":"))),
        ]);
        for (name, value) in context.variables.iter() {
            variables.insert(name.clone(), Some(value.clone()));
        }
        Self {
            context: context.clone(),
            file: file.map(str::to_owned),
            positional: Some(arguments.to_vec()),
            variables,
            functions: BTreeMap::new(),
            aliases: BTreeMap::new(),
            source: Rc::new([]),
            asked_for: None,
            ended: false,
            forgetful: false,
        }
    }

    /// Notes what a text's commands need.
    pub fn run(&mut self, analysis: &mut Analysis, text: &[u8]) {
        if !analysis.spend(text.len(), &self.context) {
            return;
        }
        let (list, complete) = parse(text);
        if !complete {
            analysis.unseen("nested more deeply than is looked at", &self.context);
        }
        let outer = std::mem::replace(&mut self.source, text.into());
        self.list(analysis, &list);
        self.source = outer;
    }

    fn list(&mut self, analysis: &mut Analysis, list: &List) -> Status {
        let mut status = Status::Yes;
        for item in &list.items {
            if self.ended {
                break;
            }
            status = self.and_or(analysis, item);
        }
        status
    }

    /// A list in a shell of its own, whose changes are lost.
    pub(super) fn subshell(&mut self, analysis: &mut Analysis, list: &List) -> Status {
        let mut inner = self.clone();
        inner.list(analysis, list)
    }

    fn and_or(&mut self, analysis: &mut Analysis, item: &AndOr) -> Status {
        let pipelines: Vec<(Connector, &Pipeline)> = std::iter::once((Connector::And, &item.first))
            .chain(item.rest.iter().map(|(connector, pipeline)| (*connector, pipeline)))
            .collect();
        let mut status = Status::Yes;
        let outer = self.context.certainty;
        // What runs if this one fails, from the last one on.
        let mut or_else = vec![None; pipelines.len()];
        let mut after = None;
        for ((connector, pipeline), or_else) in pipelines.iter().zip(&mut or_else).rev() {
            *or_else = after;
            if *connector == Connector::Or {
                after = Some(*pipeline);
            }
        }
        for ((connector, pipeline), next) in pipelines.into_iter().zip(or_else) {
            let runs = match (connector, &status) {
                (Connector::And, Status::No) | (Connector::Or, Status::Yes) => continue,
                (Connector::And, Status::Open) | (Connector::Or, Status::Open | Status::Ran) => {
                    Certainty::Possible
                }
                (Connector::And | Connector::Or, _) => Certainty::Certain,
            };
            if connector == Connector::Or
                && status == Status::No
                && gives_up_in(pipeline)
                && self.need_asked_for(analysis)
            {
                status = Status::Yes;
                continue;
            }
            let tolerated = next.is_some_and(|next| is_tolerated(pipeline, next));
            let most = if tolerated { Certainty::Possible } else { runs };
            status = if most < outer {
                self.uncertainly(most, |shell| shell.pipeline(analysis, pipeline))
            } else {
                self.pipeline(analysis, pipeline)
            };
            if status == Status::Lacking && !tolerated && next.is_some() {
                // What comes after is for another failure.
                status = Status::Ran;
            }
            if self.ended {
                break;
            }
        }
        status
    }

    /// Runs something that may not be reached: what it changes is not known afterwards.
    fn uncertainly(&mut self, most: Certainty, inner: impl FnOnce(&mut Self) -> Status) -> Status {
        let outer = self.context.certainty;
        let (cwd, variables) = (self.context.cwd.clone(), self.variables.clone());
        self.context.certainty = outer.min(most);
        let status = inner(self);
        self.context.certainty = outer;
        self.ended = false;
        if self.context.cwd != cwd {
            self.context.cwd = None;
        }
        if self.variables != variables {
            for (name, value) in &mut self.variables {
                if variables.get(name) != Some(value) {
                    *value = None;
                }
            }
        }
        if status == Status::Lacking { status } else { Status::Open }
    }

    fn pipeline(&mut self, analysis: &mut Analysis, pipeline: &Pipeline) -> Status {
        let mut status = Status::Yes;
        if let [command] = pipeline.commands.as_slice() {
            status = self.node(analysis, command);
        } else {
            let stdin = self.context.stdin.clone();
            for command in &pipeline.commands {
                let mut inner = self.clone();
                inner.node(analysis, command);
                // The last part's status is the pipeline's: of programs, that is not known.
                status = Status::Ran;
                self.context.stdin = inner.output(analysis, command).map_or(Input::Unknown, Input::Text);
            }
            self.context.stdin = stdin;
        }
        match status {
            Status::Yes if pipeline.negated => Status::No,
            Status::No if pipeline.negated => Status::Yes,
            Status::Ran if pipeline.negated => Status::Open,
            status => status,
        }
    }

    fn node(&mut self, analysis: &mut Analysis, node: &Node) -> Status {
        if !analysis.step(&self.context) {
            return Status::Ran;
        }
        let outer = (self.context.stdin.clone(), self.context.evidence.clone());
        let text = self.source.get(node.text.0..node.text.1).unwrap_or_default();
        let line = if self.context.evidence.file.is_some() { node.line } else { 0 };
        self.context.evidence = Evidence::new(self.context.evidence.file.clone(), line, text);
        self.redirect_input(analysis, node);
        let status = match &node.kind {
            Kind::Simple { assignments, words } => self.simple(analysis, assignments, words),
            Kind::Group(list) => self.list(analysis, list),
            Kind::Subshell(list) => self.subshell(analysis, list),
            Kind::If { branches, otherwise } => self.if_command(analysis, branches, otherwise.as_ref()),
            Kind::Loop { variable, words, condition, body } => {
                self.list(analysis, condition);
                self.loop_command(analysis, variable.as_deref(), words, body)
            }
            Kind::Case { subject, arms } => {
                let subject = self.text(analysis, &subject.parts);
                self.case(analysis, subject.as_deref(), arms)
            }
            Kind::Function { name, body } => {
                self.functions.insert(name.clone(), Rc::clone(body));
                Status::Yes
            }
            Kind::Condition(words) => {
                let words = self.expand(analysis, words);
                self.question(analysis, &words)
            }
        };
        self.redirect_output(analysis, node);
        (self.context.stdin, self.context.evidence) = outer;
        status
    }

    fn redirect_input(&mut self, analysis: &mut Analysis, node: &Node) {
        for redirect in &node.redirects {
            if redirect.descriptor.is_some_and(|descriptor| descriptor != 0) {
                continue;
            }
            match &redirect.operation {
                Operation::HereDocument(word) | Operation::HereString(word) => {
                    let text = self.text(analysis, &word.parts);
                    self.context.stdin =
                        text.map_or(Input::Unknown, |text| Input::Text(text.into_bytes().into()));
                }
                Operation::Read(word) => {
                    let file = self.text(analysis, &word.parts).and_then(|file| self.context.absolute(&file));
                    self.context.stdin = match file.map(|file| analysis.view.read(&file)) {
                        Some(crate::files::Found::Content(content, _)) => Input::Text(content),
                        _ => Input::Unknown,
                    };
                }
                _ => {}
            }
        }
    }

    fn redirect_output(&mut self, analysis: &mut Analysis, node: &Node) {
        for redirect in &node.redirects {
            let (Operation::Write(word) | Operation::Append(word)) = &redirect.operation else { continue };
            let file = self.text(analysis, &word.parts).and_then(|file| self.context.absolute(&file));
            let Some(file) = file.filter(|file| !file.starts_with("/dev/")) else { continue };
            if redirect.descriptor.is_some_and(|descriptor| descriptor != 1) {
                continue;
            }
            let is_whole = matches!(redirect.operation, Operation::Write(_));
            let content = if is_whole { self.output(analysis, node).map(|text| text.to_vec()) } else { None };
            analysis.view.write(&file, content);
        }
    }

    /// What a command prints, where that is known: of `cat`, `echo` and `printf`.
    fn output(&mut self, analysis: &mut Analysis, node: &Node) -> Option<Rc<[u8]>> {
        let Kind::Simple { words, .. } = &node.kind else { return None };
        let name = words.first()?.literal()?.to_owned();
        if !matches!(name.as_str(), "cat" | "echo" | "printf" | "tee") {
            return None;
        }
        let arguments: Option<Vec<String>> = self.expand(analysis, words.get(1..)?).into_iter().collect();
        let arguments = arguments?;
        match (name.as_str(), arguments.as_slice()) {
            ("cat", []) | ("tee", _) => {
                let outer = self.context.stdin.clone();
                self.redirect_input(analysis, node);
                let input = std::mem::replace(&mut self.context.stdin, outer);
                if let Input::Text(text) = input { Some(text) } else { None }
            }
            ("cat", [file]) => match analysis.view.read(&self.context.absolute(file)?) {
                crate::files::Found::Content(content, false) => Some(content),
                _ => None,
            },
            ("echo", [option, rest @ ..]) if option == "-n" => Some(rest.join(" ").into_bytes().into()),
            ("echo", [option, rest @ ..]) if option == "-e" => {
                Some(rest.join(" ").replace("\\n", "\n").into_bytes().into())
            }
            ("echo", rest) => Some((rest.join(" ") + "\n").into_bytes().into()),
            ("printf", [format]) => Some(format.replace("\\n", "\n").into_bytes().into()),
            ("printf", [format, text]) if matches!(format.as_str(), "%s" | "%s\\n") => {
                Some(format!("{text}\n").into_bytes().into())
            }
            _ => None,
        }
    }

    fn if_command(
        &mut self,
        analysis: &mut Analysis,
        branches: &[(List, List)],
        otherwise: Option<&List>,
    ) -> Status {
        let mut most = Certainty::Certain;
        for (condition, body) in branches {
            self.asked_for = None;
            let status = self.list(analysis, condition);
            match status {
                Status::Yes if most == Certainty::Certain => {
                    if gives_up(body) && self.need_asked_for(analysis) {
                        return Status::Ran;
                    }
                    return self.list(analysis, body);
                }
                Status::No => {}
                Status::Lacking => {
                    // Which way it goes is decided where the condition can run.
                    most = Certainty::Possible;
                    self.uncertainly(most, |shell| shell.list(analysis, body));
                }
                _ => {
                    most = Certainty::Possible;
                    self.uncertainly(most, |shell| shell.list(analysis, body));
                }
            }
        }
        let Some(otherwise) = otherwise else { return Status::Ran };
        if most == Certainty::Certain {
            if gives_up(otherwise) && self.need_asked_for(analysis) {
                return Status::Ran;
            }
            self.list(analysis, otherwise)
        } else {
            self.uncertainly(most, |shell| shell.list(analysis, otherwise))
        }
    }

    fn loop_command(
        &mut self,
        analysis: &mut Analysis,
        variable: Option<&str>,
        words: &[super::tree::Word],
        body: &List,
    ) -> Status {
        const ROUNDS_MAX: usize = 16;
        let values = self.expand(analysis, words);
        if let Some(variable) = variable
            && (1..=ROUNDS_MAX).contains(&values.len())
            && values.iter().all(Option::is_some)
        {
            for value in values {
                self.assign(variable, value);
                self.list(analysis, body);
            }
            return Status::Ran;
        }
        if let Some(variable) = variable {
            self.assign(variable, None);
        }
        self.uncertainly(Certainty::Likely, |shell| shell.list(analysis, body));
        Status::Ran
    }

    fn case(&mut self, analysis: &mut Analysis, subject: Option<&str>, arms: &[Arm]) -> Status {
        let Some(subject) = subject else {
            for arm in arms {
                self.uncertainly(Certainty::Possible, |shell| shell.list(analysis, &arm.body));
            }
            return Status::Ran;
        };
        for arm in arms {
            let is_any =
                |word: &super::tree::Word| matches!(word.parts.as_slice(), [super::tree::Part::Unknown]);
            if arm.patterns.iter().any(|word| word.literal() == Some(subject) || is_any(word)) {
                return self.list(analysis, &arm.body);
            }
            if arm.patterns.iter().any(|word| word.literal().is_none()) {
                self.uncertainly(Certainty::Possible, |shell| shell.list(analysis, &arm.body));
            }
        }
        Status::Ran
    }

    fn simple(
        &mut self,
        analysis: &mut Analysis,
        assignments: &[(String, super::tree::Word)],
        words: &[super::tree::Word],
    ) -> Status {
        let mut assigned = Vec::new();
        for (name, word) in assignments {
            let value = self.text(analysis, &word.parts);
            match name.strip_suffix('+') {
                Some(name) => assigned.push((name.to_owned(), None)),
                None => assigned.push((name.clone(), value)),
            }
        }
        if words.is_empty() {
            for (name, value) in assigned {
                self.assign(&name, value);
            }
            return Status::Yes;
        }
        let mut argv = self.expand(analysis, words);
        if let Some(Some(first)) = argv.first()
            && let Some(alias) = self.aliases.get(first)
        {
            let words = alias.split_whitespace().map(|word| Some(word.to_owned()));
            argv = words.chain(argv.iter().skip(1).cloned()).collect();
        }
        let outer = self.context.clone();
        for (name, value) in assigned {
            self.context.assign(&name, &value.unwrap_or_default());
        }
        let before = analysis.lacks;
        let (python_path, search_path) = (self.context.python_path.clone(), self.context.search_path.clone());
        let status = self.invoke(analysis, &argv, words);
        // What the command itself changed stays, what was assigned for it alone does not.
        if self.context.python_path == python_path {
            self.context.python_path = outer.python_path;
        }
        if self.context.search_path == search_path {
            self.context.search_path = outer.search_path;
        }
        if analysis.lacks > before && matches!(status, Status::Ran) { Status::Lacking } else { status }
    }

    /// Calls a function of the script; false if there is none of that name.
    pub(super) fn call_function(&mut self, analysis: &mut Analysis, name: &str, arguments: &[Word]) -> bool {
        let Some(body) = self.functions.get(name).cloned() else { return false };
        let context = self.context.clone();
        analysis.deeper(&context, |analysis| {
            let outer = self.positional.replace(arguments.to_vec());
            self.node(analysis, &body);
            self.positional = outer;
        });
        true
    }

    pub(super) fn has_function(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    /// Sets a variable; a long value is not known.
    pub(super) fn assign(&mut self, name: &str, value: Word) {
        let value = value.filter(|value| value.len() <= VALUE_BYTES_MAX);
        if matches!(name, "PATH" | "PYTHONPATH") {
            self.context.assign(name, value.as_deref().unwrap_or_default());
        }
        if self.variables.len() < VARIABLES_MAX || self.variables.contains_key(name) {
            self.variables.insert(name.to_owned(), value);
        } else {
            self.forgetful = true;
        }
    }

    /// The script asked whether there is a command, and gives up because there is not.
    /// Where it has what was asked for, it goes on.
    fn need_asked_for(&mut self, analysis: &mut Analysis) -> bool {
        let Some(name) = self.asked_for.take() else { return false };
        analysis.need(crate::programs::absent(&name), &self.context);
        true
    }
}

/// Whether a command's failure is cared for by what follows `||`.
fn is_tolerated(pipeline: &Pipeline, next: &Pipeline) -> bool {
    if gives_up_in(next) {
        return false;
    }
    let discards = |node: &Node| {
        node.redirects.iter().any(|redirect| {
            let (Operation::Write(word) | Operation::Append(word)) = &redirect.operation else {
                return false;
            };
            word.literal() == Some("/dev/null") && redirect.descriptor != Some(1)
        })
    };
    let is_quiet = pipeline.commands.iter().any(discards);
    let [node] = next.commands.as_slice() else { return true };
    let Kind::Simple { words, .. } = &node.kind else { return is_quiet };
    match words.first().and_then(super::tree::Word::literal) {
        // Ignored failures of what was wanted all the same.
        Some("true" | ":") => false,
        Some("echo" | "printf" | "exit" | "return" | "continue" | "break") => is_quiet,
        _ => true,
    }
}

fn gives_up_in(pipeline: &Pipeline) -> bool {
    pipeline.commands.iter().any(|node| match &node.kind {
        Kind::Simple { words, .. } => {
            let mut words = words.iter().map(super::tree::Word::literal);
            match words.next().flatten() {
                Some("exit" | "return") => words.next() != Some(Some("0")),
                Some("false" | "die" | "fail" | "fatal" | "abort" | "error_exit" | "err") => true,
                _ => false,
            }
        }
        Kind::Group(list) | Kind::Subshell(list) => gives_up(list),
        _ => false,
    })
}

fn gives_up(list: &List) -> bool {
    list.items
        .iter()
        .any(|item| gives_up_in(&item.first) || item.rest.iter().any(|(_, pipeline)| gives_up_in(pipeline)))
}
