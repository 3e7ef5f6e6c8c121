//! Regular expressions as POSIX and GNU have them: basic and extended syntax, the leftmost and longest match,
//! references to groups.
//!
//! An expression becomes a tree (`syntax`), and the tree one of `regex-automata`'s (`translate`), which finds where a
//! match begins; where it ends is what POSIX asks for, the longest, by a second automaton. Only references to groups
//! need a matcher of our own (`backtrack`).

use std::cell::{OnceCell, RefCell};

use regex_automata::hybrid::dfa;
use regex_automata::meta;
use regex_automata::nfa::thompson::{self, pikevm};
use regex_automata::util::captures::Captures;
use regex_automata::util::syntax as rust_syntax;
use regex_automata::{Anchored, Input, MatchKind};

mod backtrack;
mod syntax;
mod translate;

pub use syntax::{character_length, escaped};
use syntax::Node;

/// How expressions are written, and what they are matched with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dialect {
    /// `+ ? | ( ) { }` are operators without a backslash.
    pub extended: bool,
    /// `\n`, `\t` and their like are what they are in C, in brackets too.
    pub escapes: bool,
    /// No match contains a newline: several lines are looked at together.
    pub lines: bool,
    /// `^` and `$` match at lines too.
    pub multi_line: bool,
    pub ignore_case: bool,
    /// A backslash quotes in brackets too, as awk has it; there are no references to groups.
    pub awk: bool,
}

/// What has to be around a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Around {
    Anything,
    /// No word that goes on.
    Word,
    /// The ends of a line.
    Line,
}

/// Where a group matched.
pub type Span = Option<(usize, usize)>;

/// An expression to match with.
#[derive(Debug)]
pub struct Regex {
    engine: Engine,
    groups: usize,
}

#[derive(Debug)]
enum Engine {
    Automaton(Box<Automaton>),
    Backtrack(backtrack::Program),
}

#[derive(Debug)]
struct Automaton {
    first: meta::Regex,
    /// What decides where a match ends; not there when all matches are equally long.
    longest: Option<Longest>,
}

#[derive(Debug)]
struct Longest {
    pattern: String,
    ignore_case: bool,
    multi_line: bool,
    ends: dfa::DFA,
    ends_cache: RefCell<dfa::Cache>,
    groups: OnceCell<(pikevm::PikeVM, RefCell<pikevm::Cache>)>,
}

/// No automaton takes more memory; what needs more is refused, as GNU's does.
const SIZE_MAX: usize = 64 << 20;

impl Regex {
    /// # Errors
    ///
    /// When it is not an expression: what GNU's regcomp says.
    pub fn new(pattern: &[u8], dialect: Dialect) -> Result<Regex, String> {
        let tree = syntax::parse(pattern, dialect)?;
        if tree.has_references {
            let program = backtrack::Program::new(&tree, dialect)?;
            return Ok(Regex { engine: Engine::Backtrack(program), groups: tree.groups });
        }
        let text = translate::translate(&tree.root, dialect);
        Regex::of_rust(&text, dialect, tree.groups)
    }

    /// Expressions any of which is to be found: one for all that have no references to groups, and one for each
    /// that has.
    ///
    /// # Errors
    ///
    /// As `new`.
    pub fn any(patterns: &[Vec<u8>], dialect: Dialect, around: Around) -> Result<Vec<Regex>, String> {
        let mut found = Vec::new();
        let mut texts = Vec::new();
        for pattern in patterns {
            let mut tree = syntax::parse(pattern, dialect)?;
            if tree.has_references {
                let wrapped = |before, after, node| Node::Concat(vec![before, node, after]);
                tree.root = match around {
                    Around::Anything => tree.root,
                    Around::Word => wrapped(Node::HalfStart, Node::HalfEnd, tree.root),
                    Around::Line => wrapped(Node::Start, Node::End, tree.root),
                };
                let program = backtrack::Program::new(&tree, dialect)?;
                found.push(Regex { engine: Engine::Backtrack(program), groups: 0 });
            } else {
                texts.push(translate::translate(&tree.root, dialect));
            }
        }
        if !texts.is_empty() {
            found.push(Regex::joined(&texts, dialect, around)?);
        }
        Ok(found)
    }

    /// Fixed strings, any of which is to be found.
    ///
    /// # Errors
    ///
    /// When they are too many.
    pub fn fixed(strings: &[Vec<u8>], dialect: Dialect, around: Around) -> Result<Regex, String> {
        let texts: Vec<String> = strings.iter().map(|text| translate::literal(text)).collect();
        Regex::joined(&texts, dialect, around)
    }

    fn joined(texts: &[String], dialect: Dialect, around: Around) -> Result<Regex, String> {
        let text = match texts {
            [only] => only.clone(),
            several => several.iter().map(|text| format!("(?:{text})")).collect::<Vec<_>>().join("|"),
        };
        let text = match around {
            Around::Anything => text,
            Around::Word => format!("\\b{{start-half}}(?:{text})\\b{{end-half}}"),
            Around::Line => format!("^(?:{text})$"),
        };
        Regex::of_rust(&text, dialect, 0)
    }

    fn of_rust(text: &str, dialect: Dialect, groups: usize) -> Result<Regex, String> {
        let config = syntax_config(dialect.ignore_case, dialect.multi_line || dialect.lines);
        let first = meta::Regex::builder()
            .syntax(config)
            .configure(
                meta::Config::new()
                    .utf8_empty(false)
                    .nfa_size_limit(Some(SIZE_MAX))
                    .hybrid_cache_capacity(8 << 20),
            )
            .build(text)
            .map_err(|error| describe(&error))?;
        let same_length = regex_automata::util::syntax::parse_with(text, &config).is_ok_and(|hir| {
            hir.properties().minimum_len() == hir.properties().maximum_len()
                && hir.properties().minimum_len().is_some()
        });
        let longest = if same_length {
            None
        } else {
            let ends = dfa::DFA::builder()
                .syntax(config)
                .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(SIZE_MAX)))
                .configure(
                    dfa::Config::new()
                        .unicode_word_boundary(true)
                        .match_kind(MatchKind::All)
                        .cache_capacity(8 << 20)
                        .skip_cache_capacity_check(true),
                )
                .build(text)
                .map_err(|error| error.to_string())?;
            let ends_cache = RefCell::new(ends.create_cache());
            Some(Longest {
                pattern: text.to_owned(),
                ignore_case: dialect.ignore_case,
                multi_line: dialect.multi_line || dialect.lines,
                ends,
                ends_cache,
                groups: OnceCell::new(),
            })
        };
        Ok(Regex { engine: Engine::Automaton(Box::new(Automaton { first, longest })), groups })
    }

    /// The number of groups.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Whether there is a match anywhere.
    pub fn is_match(&self, text: &[u8]) -> bool {
        match &self.engine {
            Engine::Automaton(automaton) => automaton.first.is_match(text),
            Engine::Backtrack(program) => program.find(text, 0).is_some(),
        }
    }

    /// Where some match begins at or behind `from`, and where one that begins there ends: quicker than `find_at`, when
    /// only the line that it is in matters.
    pub fn touch(&self, text: &[u8], from: usize) -> Option<(usize, usize)> {
        match &self.engine {
            Engine::Automaton(automaton) => {
                automaton.first.find(Input::new(text).range(from..)).map(|found| (found.start(), found.end()))
            }
            Engine::Backtrack(_) => self.find_at(text, from),
        }
    }

    /// Whether several lines can be looked at together.
    pub fn takes_lines(&self) -> bool {
        matches!(self.engine, Engine::Automaton(_))
    }

    /// The leftmost match that begins at or behind `from`, and of those the longest.
    pub fn find_at(&self, text: &[u8], from: usize) -> Option<(usize, usize)> {
        match &self.engine {
            Engine::Automaton(automaton) => {
                let found = automaton.first.find(Input::new(text).range(from..))?;
                let end = match &automaton.longest {
                    None => found.end(),
                    Some(longest) => longest.end(text, found.start()).unwrap_or(found.end()),
                };
                Some((found.start(), end))
            }
            Engine::Backtrack(program) => program.find(text, from).and_then(|spans| spans.first().copied().flatten()),
        }
    }

    /// The same with where each group matched; the first is the whole.
    pub fn captures_at(&self, text: &[u8], from: usize) -> Option<Vec<Span>> {
        if self.groups == 0 {
            return self.find_at(text, from).map(|span| vec![Some(span)]);
        }
        match &self.engine {
            Engine::Automaton(automaton) => {
                let mut found = automaton.first.create_captures();
                automaton.first.search_captures(&Input::new(text).range(from..), &mut found);
                let whole = found.get_match()?;
                if let Some(longest) = &automaton.longest
                    && longest.end(text, whole.start()).is_some_and(|end| end > whole.end())
                    && let Some(spans) = longest.captures(text, whole.start(), self.groups)
                {
                    return Some(spans);
                }
                Some(spans(&found, self.groups))
            }
            Engine::Backtrack(program) => program.find(text, from),
        }
    }
}

impl Longest {
    fn end(&self, text: &[u8], start: usize) -> Option<usize> {
        let input = Input::new(text).range(start..).anchored(Anchored::Yes);
        let mut cache = self.ends_cache.borrow_mut();
        match self.ends.try_search_fwd(&mut cache, &input) {
            Ok(found) => found.map(|found| found.offset()),
            // The automaton grew too big; the slow one answers.
            Err(_) => self.captures(text, start, 0).and_then(|spans| spans.first().copied().flatten()).map(|(_, end)| end),
        }
    }

    fn captures(&self, text: &[u8], start: usize, groups: usize) -> Option<Vec<Span>> {
        let (machine, cache) = match self.groups.get() {
            Some(made) => made,
            None => {
                let machine = pikevm::PikeVM::builder()
                    .syntax(syntax_config(self.ignore_case, self.multi_line))
                    .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(SIZE_MAX)))
                    .configure(pikevm::Config::new().match_kind(MatchKind::All))
                    .build(&self.pattern)
                    .ok()?;
                let cache = RefCell::new(machine.create_cache());
                self.groups.get_or_init(|| (machine, cache))
            }
        };
        let mut found = machine.create_captures();
        let input = Input::new(text).range(start..).anchored(Anchored::Yes);
        machine.search(&mut cache.borrow_mut(), &input, &mut found);
        found.get_match()?;
        Some(spans(&found, groups))
    }
}

fn spans(found: &Captures, groups: usize) -> Vec<Span> {
    (0..=groups).map(|group| found.get_group(group).map(|span| (span.start, span.end))).collect()
}

fn syntax_config(ignore_case: bool, multi_line: bool) -> rust_syntax::Config {
    rust_syntax::Config::new()
        .utf8(false)
        .unicode(true)
        .nest_limit(1000)
        .case_insensitive(ignore_case)
        .multi_line(multi_line)
        .dot_matches_new_line(true)
}

fn describe(error: &meta::BuildError) -> String {
    if error.size_limit().is_some() { "Regular expression too big".to_owned() } else { error.to_string() }
}
