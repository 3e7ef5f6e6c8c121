//! Expressions: the names that they mention, and the calls that do more than compute.

use std::rc::Rc;

use super::effects::{Effect, effect};
use super::lexer::{Kind, Source};
use super::literals::{arguments, text_of};
use super::names::{self, NameId};
use super::program::Program;
use super::statements::{Frame, name_at};
use crate::analysis::{Input, Word};
use crate::need::{Certainty, What};
use crate::programs::host_of;

impl Program<'_, '_> {
    /// Looks at the expressions in tokens; whether they end the program.
    pub(super) fn expressions(&mut self, source: &Rc<Source>, tokens: (usize, usize), frame: Frame) -> bool {
        let is_installed = self.modules.get(frame.module).is_some_and(|module| module.is_installed);
        if is_installed {
            return false;
        }
        let (first, end) = tokens;
        let mut ends = false;
        // Functions in a table, or given to argparse for one subcommand: which is called, only the run tells.
        let mut chosen_until = first;
        let mut at = first;
        while at < end {
            let Some(Kind::Name(head)) = source.tokens.get(at).map(|token| token.kind) else {
                at += 1;
                continue;
            };
            // A chain of names: `a.b.c`.
            let mut last = at;
            let is_entry = kind(source, at.saturating_sub(1)) == Some(Kind::Mark(b':'))
                && matches!(kind(source, at + 1), Some(Kind::Mark(b',' | b'}')));
            let mentioned = if at < chosen_until || is_entry { Certainty::Possible } else { frame.certainty };
            self.mention(head, mentioned.min(frame.certainty));
            while let (Some(Kind::Mark(b'.')), Some(Kind::Name(part))) =
                (kind(source, last + 1), kind(source, last + 2))
            {
                self.mention(part, frame.certainty);
                last += 2;
            }
            let is_call = kind(source, last + 1) == Some(Kind::Mark(b'('));
            if is_call && name_at(source, last) == Some(names::SET_DEFAULTS) {
                chosen_until = matching(source, last + 1).unwrap_or(end);
            }
            if is_call || self.names.is_imported(head) {
                ends |= self.chain(source, (at, last), is_call, (first, end), frame);
            }
            at = last + 1;
        }
        ends
    }

    /// A chain of names, called or not.
    fn chain(
        &mut self,
        source: &Rc<Source>,
        chain: (usize, usize),
        is_call: bool,
        statement: (usize, usize),
        frame: Frame,
    ) -> bool {
        let (at, last) = chain;
        let Some(head) = name_at(source, at) else { return false };
        let bracket = last + 1;
        if is_call && at == last {
            match head {
                names::EVAL | names::EXEC => self.evaluated(source, bracket, frame),
                names::DUNDER_IMPORT => self.import_call(source, bracket, frame),
                names::GETATTR | names::GLOBALS => self.computed_name(source, bracket, head),
                names::EXIT | names::QUIT => {
                    return at == statement.0 && frame.certainty > Certainty::Possible;
                }
                _ => {}
            }
        }
        if is_call {
            let dot = Some(Kind::Mark(b'.'));
            let is_method = last > at || at.checked_sub(1).is_some_and(|before| kind(source, before) == dot);
            match name_at(source, last) {
                Some(names::START) if is_method => {
                    if let Some(module) = self.modules.get_mut(frame.module) {
                        module.starts = module.starts.max(Some(frame.certainty));
                    }
                }
                Some(names::RUN_IN_EXECUTOR) if is_method => {
                    let context =
                        self.context_of(Self::numbered(source, at, frame).at_most(Certainty::Likely));
                    self.analysis.need(What::Threads, &context);
                }
                _ => {}
            }
        }
        if !self.names.is_imported(head) {
            return false;
        }
        let Some(origin) =
            self.modules.get(frame.module).and_then(|module| module.aliases.get(&head)).cloned()
        else {
            return false;
        };
        let mut full = origin.to_string();
        for part in (at + 2..=last).step_by(2) {
            full.push('.');
            full.push_str(&String::from_utf8_lossy(
                source.tokens.get(part).map(|token| source.bytes(token)).unwrap_or_default(),
            ));
            if full.len() > 200 {
                return false;
            }
        }
        if !is_call {
            return false;
        }
        self.name_instance(source, (at, last), statement, &full, frame);
        match effect(&full) {
            None => false,
            Some(Effect::Exit) => at == statement.0,
            Some(effect) => {
                self.act(source, effect, bracket, Self::numbered(source, at, frame));
                false
            }
        }
    }

    /// `name = package.Class(...)`, `with package.Class(...) as name`: an instance, whose methods may do something.
    fn name_instance(
        &mut self,
        source: &Source,
        chain: (usize, usize),
        statement: (usize, usize),
        full: &str,
        frame: Frame,
    ) {
        let is_equals = kind(source, statement.0 + 1) == Some(Kind::Mark(b'='));
        let target = match name_at(source, statement.0) {
            Some(name) if is_equals && chain.0 == statement.0 + 2 => Some(name),
            _ => {
                let before =
                    statement.1.checked_sub(2).map(|at| (name_at(source, at), name_at(source, at + 1)));
                match before {
                    Some((Some(names::AS), Some(name))) => Some(name),
                    _ => None,
                }
            }
        };
        let Some(target) = target else { return };
        let interesting = ["flask.", "threading.", "requests.", "httpx.", "multiprocessing.", "urllib."];
        if interesting.iter().any(|package| full.starts_with(package)) {
            self.names.note_imported(target);
            if let Some(module) = self.modules.get_mut(frame.module) {
                module.aliases.insert(target, format!("{full}()").into());
            }
        }
    }

    fn numbered(source: &Source, at: usize, frame: Frame) -> Frame {
        let number = source.lines.get(frame.line).map_or(frame.number, |line| source.number_of(&line, at));
        Frame { number, ..frame }
    }

    fn act(&mut self, source: &Rc<Source>, effect: Effect, bracket: usize, frame: Frame) {
        let context = self.context_of(frame);
        match effect {
            Effect::Network => {
                let texts = arguments(source, bracket);
                let host = texts.iter().find_map(|(_, first, end)| self.host(source, (*first, *end), frame));
                self.analysis.need(What::Network { host }, &context);
            }
            Effect::Port => self.analysis.need(What::Port, &context),
            Effect::Thread => self.analysis.need(What::Threads, &context),
            Effect::ThreadObject => {
                // `Thread(...).start()`
                let end = matching(source, bracket);
                let chained = end.is_some_and(|end| name_at(source, end + 2) == Some(names::START));
                let Some(module) = self.modules.get_mut(frame.module) else { return };
                if chained {
                    module.starts = module.starts.max(Some(frame.certainty));
                }
                if module.thread_made.as_ref().is_none_or(|(made, _)| *made < frame.certainty) {
                    module.thread_made = Some((frame.certainty, context.evidence));
                }
            }
            Effect::Fork => self.analysis.need(What::Fork, &context),
            Effect::Program | Effect::ProgramArguments | Effect::ProgramReplaced | Effect::Script => {
                self.start_program(source, effect, bracket, frame);
            }
            Effect::Import => self.import_call(source, bracket, frame),
            Effect::Run => self.analysis.unseen("code that is named while it runs", &context),
            Effect::SearchPath => {
                let folder = arguments(source, bracket)
                    .last()
                    .and_then(|(_, first, end)| self.directory(source, (*first, *end), frame));
                match folder {
                    Some(folder) if self.search.len() < 32 => self.search.insert(0, folder),
                    _ => self.search_unknown = true,
                }
            }
            Effect::Tests => {
                // The classes of this file are looked for by the runner.
                self.dynamic = true;
            }
            Effect::Exit => {}
        }
    }

    /// The host in an argument, or in the literal value of the name that it is.
    fn host(&self, source: &Source, tokens: (usize, usize), frame: Frame) -> Option<String> {
        let text = self.script(source, tokens, frame)?;
        host_of(&text).or_else(|| {
            let is_host = text.contains('.') && !text.contains(['/', ' ']);
            is_host.then(|| text.split(':').next().unwrap_or_default().to_owned())
        })
    }

    fn start_program(&mut self, source: &Rc<Source>, effect: Effect, bracket: usize, frame: Frame) {
        let mut frame = frame;
        if frame.tolerates_program {
            frame.certainty = Certainty::Possible;
        }
        let mut context = self.context_of(frame);
        context.stdin = Input::Unknown;
        let arguments = arguments(source, bracket);
        let keyword = |name: NameId| arguments.iter().find(|(keyword, ..)| *keyword == Some(name));
        if keyword(names::PREEXEC_FN).is_some() {
            self.analysis.need(What::Fork, &context);
        }
        if let Some((_, first, end)) = keyword(names::CWD) {
            context.cwd =
                text_of(source, *first).filter(|_| end == &(first + 1)).and_then(|to| context.absolute(&to));
        }
        let plain: Vec<(usize, usize)> = arguments
            .iter()
            .filter(|(keyword, ..)| keyword.is_none())
            .map(|(_, first, end)| (*first, *end))
            .collect();
        let Some(first) = plain.first().copied() else {
            return self.analysis.unseen("the program is a variable", &context);
        };
        let is_script = effect == Effect::Script
            || keyword(names::SHELL)
                .is_some_and(|(_, first, _)| name_at(source, *first) == Some(names::TRUE));
        if is_script {
            match self.script(source, first, frame) {
                Some(text) => {
                    let argv = ["sh".to_owned(), "-c".to_owned(), text].map(Some);
                    self.analysis.command(&argv, &context);
                }
                None => self.analysis.unseen("a script that is made while it runs", &context),
            }
            return;
        }
        let words: Option<Vec<Word>> = match effect {
            Effect::ProgramArguments => {
                Some(plain.iter().map(|tokens| Self::word(source, *tokens)).collect())
            }
            Effect::ProgramReplaced => plain.get(1).and_then(|tokens| self.words(source, *tokens, frame)),
            _ => self.words(source, first, frame),
        };
        match words {
            Some(words) if !words.is_empty() => self.analysis.command(&words, &context),
            _ => self.analysis.unseen("the program is a variable", &context),
        }
    }

    fn import_call(&mut self, source: &Rc<Source>, bracket: usize, frame: Frame) {
        match text_of(source, bracket + 1) {
            Some(name) if !name.starts_with('.') && kind(source, bracket + 2) == Some(Kind::Mark(b')')) => {
                self.import_named(&name, frame);
            }
            _ => {
                let context = self.context_of(frame);
                self.analysis.unseen("a module that is named while it runs", &context);
            }
        }
    }

    fn evaluated(&mut self, source: &Source, bracket: usize, frame: Frame) {
        if text_of(source, bracket + 1).is_none() {
            let context = self.context_of(frame);
            self.analysis.unseen("code that is made while it runs", &context);
        }
    }

    fn computed_name(&mut self, source: &Source, bracket: usize, function: NameId) {
        let second = arguments(source, bracket).get(1).copied();
        let literal = second.and_then(|(_, first, _)| text_of(source, first));
        match literal {
            Some(name) => {
                let id = self.names.id(name.as_bytes());
                self.mention(id, Certainty::Possible);
            }
            None if function == names::GETATTR || function == names::GLOBALS => self.dynamic = true,
            None => {}
        }
    }

    /// A class that is a thread is a thread object once it is made.
    pub(super) fn thread_base(&mut self, source: &Source, tokens: (usize, usize), frame: Frame) {
        for at in tokens.0..tokens.1 {
            let Some(name) = name_at(source, at) else { continue };
            let Some(module) = self.modules.get(frame.module) else { return };
            let origin = module.aliases.get(&name).map(AsRef::as_ref);
            let is_thread = match origin {
                Some("threading.Thread") => true,
                Some("threading") => {
                    source.tokens.get(at + 2).map(|token| source.bytes(token)) == Some(b"Thread")
                }
                _ => false,
            };
            if is_thread {
                let evidence = self.context_of(frame).evidence;
                if let Some(module) = self.modules.get_mut(frame.module) {
                    module.thread_made.get_or_insert((frame.certainty, evidence));
                }
            }
        }
    }
}

fn kind(source: &Source, at: usize) -> Option<Kind> {
    source.tokens.get(at).map(|token| token.kind)
}

fn matching(source: &Source, bracket: usize) -> Option<usize> {
    let mut open = 0usize;
    for at in bracket..source.tokens.len().min(bracket + super::literals::ARGUMENTS_MAX) {
        match kind(source, at)? {
            Kind::Mark(b'(' | b'[' | b'{') => open += 1,
            Kind::Mark(b')' | b']' | b'}') => {
                open = open.saturating_sub(1);
                if open == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}
