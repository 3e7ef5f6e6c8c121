//! Goes through the statements of a module or a function, as far as they are reached.

use std::rc::Rc;

use super::effects::is_called_by_convention;
use super::lexer::{Kind, Line, Source};
use super::names::{self, NameId};
use super::program::{Body, Function, Program};
use crate::analysis::Context;
use crate::limits::PYTHON_DEPTH_MAX;
use crate::need::{Certainty, Evidence};

/// Where in a program a statement is, and what holds there.
#[derive(Clone, Copy)]
pub struct Frame {
    pub module: usize,
    pub certainty: Certainty,
    /// A missing module is cared for.
    pub tolerates_import: bool,
    /// A missing program is cared for.
    pub tolerates_program: bool,
    /// The logical line.
    pub line: usize,
    /// The line's number.
    pub number: u32,
    pub(super) depth: usize,
    pub(super) class: Option<Class>,
}

#[derive(Clone, Copy)]
pub(super) struct Class {
    name: NameId,
    has_bases: bool,
}

impl Frame {
    pub fn at_most(self, certainty: Certainty) -> Self {
        Self { certainty: self.certainty.min(certainty), ..self }
    }
}

/// A handler of exceptions.
struct Handler {
    cares_for_import: bool,
    cares_for_program: bool,
    gives_up: bool,
}

impl Program<'_, '_> {
    pub(super) fn walk_module(&mut self, module: usize, certainty: Certainty) {
        let Some(source) = self.modules.get(module).map(|module| Rc::clone(&module.source)) else { return };
        let frame = Frame {
            module,
            certainty,
            tolerates_import: false,
            tolerates_program: false,
            line: 0,
            number: 0,
            depth: 0,
            class: None,
        };
        self.block(&source, Body::Block(0, source.lines.len()), frame);
    }

    pub(super) fn walk_function(&mut self, function: Function, certainty: Certainty) {
        let Some(source) = self.modules.get(function.module).map(|module| Rc::clone(&module.source)) else {
            return;
        };
        let frame = Frame {
            module: function.module,
            certainty: certainty.min(function.most),
            tolerates_import: false,
            tolerates_program: false,
            line: 0,
            number: 0,
            depth: 0,
            class: None,
        };
        if let Body::Block(first, end) = function.body {
            source.read((first, end), &mut self.names);
        }
        self.block(&source, function.body, frame);
    }

    /// The analysis's context where a frame is.
    pub(super) fn context_of(&self, frame: Frame) -> Context {
        let Some(module) = self.modules.get(frame.module) else { return self.context.clone() };
        if module.is_made_up {
            let certainty = frame.certainty.min(self.context.certainty);
            return Context { certainty, ..self.context.clone() };
        }
        let line = module.source.lines.get(frame.line);
        let text = line.map(|line| module.source.line_text(&line)).unwrap_or_default();
        let (file, number) = match &module.file {
            Some(file) => (Some(file.to_string()), frame.number),
            None => (self.context.evidence.file.clone(), 0),
        };
        Context {
            certainty: frame.certainty.min(self.context.certainty),
            evidence: Evidence::new(file, number, text),
            ..self.context.clone()
        }
    }

    fn block(&mut self, source: &Rc<Source>, body: Body, frame: Frame) {
        let frame = Frame { depth: frame.depth + 1, ..frame };
        if frame.depth > PYTHON_DEPTH_MAX {
            let context = self.context_of(frame);
            self.analysis.unseen("nested more deeply than is looked at", &context);
            return;
        }
        match body {
            Body::Inline(line, first, end) => {
                let number = source.lines.get(line).map_or(0, |line| line.number);
                self.simple_statements(source, (first, end), Frame { line, number, ..frame });
            }
            Body::Block(first, end) => {
                let mut at = first;
                while at < end {
                    let Some(line) = source.lines.get(at) else { return };
                    let inner = Frame { line: at, number: line.number, ..frame };
                    let (next, goes_on) = self.statement(source, at, end, inner);
                    if !goes_on {
                        return;
                    }
                    at = next.max(at + 1);
                }
            }
        }
    }

    /// One statement with its blocks: gives the line after it, and whether anything after it is reached.
    fn statement(&mut self, source: &Rc<Source>, at: usize, end: usize, frame: Frame) -> (usize, bool) {
        let Some(line) = source.lines.get(at) else { return (end, false) };
        let mut first = line.first;
        let mut keyword = name_at(source, first);
        if keyword == Some(names::ASYNC) {
            first += 1;
            keyword = name_at(source, first);
        }
        let after = line.block_end.min(end);
        match keyword {
            Some(names::IF) => (self.if_statement(source, at, end, frame), true),
            Some(names::TRY) => (self.try_statement(source, at, end, frame), true),
            Some(names::DEF) => {
                self.define(source, at, first, frame);
                (after, true)
            }
            Some(names::CLASS) => {
                self.class(source, at, frame);
                (after, true)
            }
            Some(names::FOR | names::WHILE | names::WITH) => {
                let (header, body) = header(source, at, end);
                self.expressions(source, header, frame);
                let mut inner = frame;
                match keyword {
                    Some(names::WITH) if mentions(source, header, names::SUPPRESS) => {
                        let handler = Self::handler(source, header, Body::Block(0, 0));
                        inner.tolerates_import |= handler.cares_for_import;
                        inner.tolerates_program |= handler.cares_for_program;
                    }
                    Some(names::FOR | names::WHILE) => inner = inner.at_most(Certainty::Likely),
                    _ => {}
                }
                self.block(source, body, inner);
                let next = end_of(body, at);
                let next = self.else_clause(source, next, end, line.indent, frame.at_most(Certainty::Likely));
                (next, true)
            }
            Some(names::MATCH) if after > at + 1 => {
                let (tokens, body) = header(source, at, end);
                self.expressions(source, tokens, frame);
                if let Body::Block(first, end) = body {
                    let mut case = first;
                    while case < end {
                        let (tokens, body) = header(source, case, end);
                        let number = source.lines.get(case).map_or(0, |line| line.number);
                        let inner = Frame { line: case, number, ..frame }.at_most(Certainty::Possible);
                        self.expressions(source, tokens, inner);
                        self.block(source, body, inner);
                        case = end_of(body, case).max(case + 1);
                    }
                }
                (after, true)
            }
            Some(names::ELSE | names::ELIF | names::EXCEPT | names::FINALLY) => {
                // Without what it belongs to.
                let (_, body) = header(source, at, end);
                self.block(source, body, frame.at_most(Certainty::Possible));
                (end_of(body, at), true)
            }
            _ => {
                let ends = self.simple_statements(source, (line.first, line.end), frame);
                // Text that is indented further without cause is looked at all the same.
                (at + 1, !ends)
            }
        }
    }

    /// Statements on one line: whether they leave the block.
    fn simple_statements(&mut self, source: &Rc<Source>, tokens: (usize, usize), frame: Frame) -> bool {
        let (mut first, end) = tokens;
        if source.lines.get(frame.line).is_some_and(|line| !line.has_semicolon) {
            return self.simple_statement(source, tokens, frame);
        }
        let mut leaves = false;
        let mut open = 0usize;
        for at in tokens.0..=end {
            let mark = source.tokens.get(at).filter(|_| at < end).map(|token| token.kind);
            match mark {
                Some(Kind::Mark(b'(' | b'[' | b'{')) => open += 1,
                Some(Kind::Mark(b')' | b']' | b'}')) => open = open.saturating_sub(1),
                _ => {}
            }
            if at == end || (open == 0 && mark == Some(Kind::Mark(b';'))) {
                leaves |= self.simple_statement(source, (first, at), frame);
                first = at + 1;
            }
        }
        leaves
    }

    fn simple_statement(&mut self, source: &Rc<Source>, tokens: (usize, usize), frame: Frame) -> bool {
        let (first, end) = tokens;
        match name_at(source, first) {
            Some(names::IMPORT) => {
                self.import_statement(source, (first + 1, end), frame);
                false
            }
            Some(names::FROM) => {
                self.import_from_statement(source, (first + 1, end), frame);
                false
            }
            Some(names::RETURN | names::RAISE) => {
                self.expressions(source, (first + 1, end), frame);
                true
            }
            Some(names::IF | names::FOR | names::WHILE | names::WITH | names::TRY) => {
                // A compound statement in the body of another on one line is an error in Python.
                self.expressions(source, tokens, frame.at_most(Certainty::Possible));
                false
            }
            _ => {
                self.note_value(source, tokens, frame);
                self.expressions(source, tokens, frame)
            }
        }
    }

    fn if_statement(&mut self, source: &Rc<Source>, at: usize, end: usize, frame: Frame) -> usize {
        let indent = source.lines.get(at).map_or(0, |line| line.indent);
        let mut at = at;
        let mut rest = frame;
        let mut reached = true;
        loop {
            let (tokens, body) = header(source, at, end);
            let number = source.lines.get(at).map_or(0, |line| line.number);
            let here = Frame { line: at, number, ..rest };
            let is_else = name_at(source, tokens.0.saturating_sub(1)) == Some(names::ELSE);
            if reached {
                let answer = if is_else { Some(true) } else { self.condition(source, tokens, here) };
                if !is_else {
                    self.expressions(source, tokens, here);
                }
                match answer {
                    Some(true) => {
                        self.block(source, body, here);
                        reached = false;
                    }
                    Some(false) => {}
                    None => {
                        self.block(source, body, here.at_most(Certainty::Possible));
                        rest = rest.at_most(Certainty::Possible);
                    }
                }
            }
            at = end_of(body, at);
            let next = source.lines.get(at).filter(|line| at < end && line.indent == indent);
            match next.and_then(|line| name_at(source, line.first)) {
                Some(names::ELIF | names::ELSE) if !is_else => {}
                _ => return at,
            }
        }
    }

    fn try_statement(&mut self, source: &Rc<Source>, at: usize, end: usize, frame: Frame) -> usize {
        let indent = source.lines.get(at).map_or(0, |line| line.indent);
        let (_, body) = header(source, at, end);
        let mut clauses = Vec::new();
        let mut next = end_of(body, at);
        while let Some(line) = source.lines.get(next).filter(|line| next < end && line.indent == indent) {
            let Some(keyword @ (names::EXCEPT | names::ELSE | names::FINALLY)) = name_at(source, line.first)
            else {
                break;
            };
            let (tokens, inner) = header(source, next, end);
            clauses.push((keyword, tokens, inner, next, line.number));
            next = end_of(inner, next).max(next + 1);
        }
        let mut inner = frame;
        for (keyword, tokens, clause, ..) in &clauses {
            if *keyword == names::EXCEPT {
                let handler = Self::handler(source, *tokens, *clause);
                inner.tolerates_import |= handler.cares_for_import && !handler.gives_up;
                inner.tolerates_program |= handler.cares_for_program && !handler.gives_up;
            }
        }
        let missing = self.missing;
        self.block(source, body, inner);
        let fails = self.missing > missing;
        for (keyword, tokens, clause, line, number) in clauses {
            let here = Frame { line, number, ..frame };
            let is_reached = match keyword {
                names::EXCEPT => fails && Self::handler(source, tokens, clause).cares_for_import,
                names::ELSE => !fails,
                _ => true,
            };
            let here = if is_reached { here } else { here.at_most(Certainty::Possible) };
            self.block(source, clause, here);
        }
        next
    }

    fn handler(source: &Rc<Source>, tokens: (usize, usize), body: Body) -> Handler {
        const TOKENS_MAX: usize = 2000;
        let is_bare = tokens.0 >= tokens.1;
        let mut handler = Handler { cares_for_import: is_bare, cares_for_program: is_bare, gives_up: false };
        for at in tokens.0..tokens.1 {
            match name_at(source, at) {
                Some(names::IMPORT_ERROR | names::MODULE_NOT_FOUND) => handler.cares_for_import = true,
                Some(names::EXCEPTION | names::BASE_EXCEPTION) => {
                    handler.cares_for_import = true;
                    handler.cares_for_program = true;
                }
                Some(names::OS_ERROR | names::FILE_NOT_FOUND) => handler.cares_for_program = true,
                _ => {}
            }
        }
        let (lines, inline) = match body {
            Body::Inline(_, first, end) => (0..0, Some((first, end))),
            Body::Block(first, end) => (first..end, None),
        };
        let read = lines.filter_map(|line| source.lines.get(line)).filter(Line::is_read);
        let tokens = inline.into_iter().chain(read.map(|line| (line.first, line.end)));
        for at in tokens.flat_map(|(first, end)| first..end).take(TOKENS_MAX) {
            let follows = source.tokens.get(at + 1).map(|token| token.kind) == Some(Kind::Mark(b'('));
            match name_at(source, at) {
                Some(names::RAISE) => handler.gives_up = true,
                Some(names::EXIT | names::QUIT | names::UNDERSCORE_EXIT) if follows => {
                    handler.gives_up = true;
                }
                _ => {}
            }
        }
        handler
    }

    fn else_clause(
        &mut self,
        source: &Rc<Source>,
        at: usize,
        end: usize,
        indent: u32,
        frame: Frame,
    ) -> usize {
        let is_else = source.lines.get(at).is_some_and(|line| {
            at < end && line.indent == indent && name_at(source, line.first) == Some(names::ELSE)
        });
        if !is_else {
            return at;
        }
        let (_, body) = header(source, at, end);
        self.block(source, body, frame);
        end_of(body, at)
    }

    fn define(&mut self, source: &Rc<Source>, at: usize, def: usize, frame: Frame) {
        let (tokens, body) = header(source, at, source.lines.len());
        let Some(name) = name_at(source, def + 1) else { return };
        self.expressions(source, (def + 2, tokens.1), frame);
        if self.modules.get(frame.module).is_some_and(|module| module.is_installed) {
            return;
        }
        self.register(name, frame.module, body, Certainty::Likely);
        let text = source.tokens.get(def + 1).map(|token| source.bytes(token)).unwrap_or_default().to_vec();
        if let Some(class) = frame.class {
            if text.starts_with(b"__") {
                self.register_too(class.name, Certainty::Likely);
            } else if class.has_bases {
                let convention = is_called_by_convention(&text);
                self.register_too(
                    class.name,
                    if convention { Certainty::Likely } else { Certainty::Possible },
                );
            }
        }
        if self.runs_tests
            && (text.starts_with(b"test") || text.starts_with(b"setUp") || text.starts_with(b"setup"))
        {
            self.mention(name, frame.certainty);
            if let Some(class) = frame.class {
                self.mention(class.name, frame.certainty);
            }
        }
        // What a decorator makes of it is not known.
        let decorated = at
            .checked_sub(1)
            .and_then(|before| source.lines.get(before))
            .is_some_and(|line| source.line_text(&line).starts_with(b"@"));
        if decorated {
            self.mention(name, Certainty::Possible);
        }
    }

    fn class(&mut self, source: &Rc<Source>, at: usize, frame: Frame) {
        let (tokens, body) = header(source, at, source.lines.len());
        let Some(name) = name_at(source, tokens.0) else { return };
        self.expressions(source, (tokens.0 + 1, tokens.1), frame);
        let has_bases = (tokens.0 + 1..tokens.1)
            .any(|at| matches!(name_at(source, at), Some(base) if base != names::OBJECT));
        self.thread_base(source, (tokens.0 + 1, tokens.1), frame);
        self.block(source, body, Frame { class: Some(Class { name, has_bases }), ..frame });
    }
}

/// The name that a token is.
pub fn name_at(source: &Source, at: usize) -> Option<NameId> {
    match source.tokens.get(at)?.kind {
        Kind::Name(name) => Some(name),
        _ => None,
    }
}

fn mentions(source: &Source, tokens: (usize, usize), name: NameId) -> bool {
    (tokens.0..tokens.1).any(|at| name_at(source, at) == Some(name))
}

/// The tokens between a compound statement's keyword and its colon, and its body.
fn header(source: &Source, at: usize, end: usize) -> ((usize, usize), Body) {
    let Some(line) = source.lines.get(at) else { return ((0, 0), Body::Block(end, end)) };
    let first = line.first + usize::from(name_at(source, line.first) == Some(names::ASYNC));
    let colon = colon(source, &line).unwrap_or(line.end);
    let tokens = ((first + 1).min(colon), colon);
    let body = if colon + 1 < line.end {
        Body::Inline(at, colon + 1, line.end)
    } else {
        Body::Block((at + 1).min(line.block_end), line.block_end.min(end.max(at + 1)))
    };
    (tokens, body)
}

/// The colon that ends a header: outside of brackets, and no lambda's.
fn colon(source: &Source, line: &Line) -> Option<usize> {
    let mut open = 0usize;
    let mut lambdas = 0usize;
    for at in line.first..line.end {
        match source.tokens.get(at)?.kind {
            Kind::Mark(b'(' | b'[' | b'{') => open += 1,
            Kind::Mark(b')' | b']' | b'}') => open = open.saturating_sub(1),
            Kind::Name(names::LAMBDA) if open == 0 => lambdas += 1,
            // `:=` is an operator.
            Kind::Mark(b':')
                if open == 0
                    && source.tokens.get(at + 1).map(|token| token.kind) != Some(Kind::Mark(b'=')) =>
            {
                if lambdas == 0 {
                    return Some(at);
                }
                lambdas -= 1;
            }
            _ => {}
        }
    }
    None
}

/// The line after a body, of a header at a line.
fn end_of(body: Body, at: usize) -> usize {
    match body {
        Body::Inline(..) => at + 1,
        Body::Block(_, end) => end.max(at + 1),
    }
}
