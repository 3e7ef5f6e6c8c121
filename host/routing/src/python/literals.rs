//! Literal values in a program's text: strings, lists of them, and paths that are made of them.

use super::lexer::{Kind, Source};
use super::names;
use super::program::Program;
use super::statements::{Frame, name_at};
use crate::analysis::Word;
use crate::path;

/// Tokens of arguments that are looked at: what people write is shorter, and calls nest.
pub const ARGUMENTS_MAX: usize = 2000;

/// What stands, in a text for the shell, for a part that is not known: a variable whose value never is.
pub const UNKNOWN_PART: &str = "$RANDOM";

/// The arguments of a call: ranges of tokens with the keyword's name.
pub type Arguments = Vec<(Option<names::NameId>, usize, usize)>;

/// Splits the arguments of the call whose bracket is at a token.
pub fn arguments(source: &Source, bracket: usize) -> Arguments {
    let mut found = Vec::new();
    let mut open = 0usize;
    let mut first = bracket + 1;
    for at in bracket..source.tokens.len().min(bracket + ARGUMENTS_MAX) {
        let Some(token) = source.tokens.get(at) else { break };
        match token.kind {
            Kind::Mark(b'(' | b'[' | b'{') => open += 1,
            Kind::Mark(b')' | b']' | b'}') => {
                open = open.saturating_sub(1);
                if open == 0 {
                    push_argument(source, first, at, &mut found);
                    break;
                }
            }
            Kind::Mark(b',') if open == 1 => {
                push_argument(source, first, at, &mut found);
                first = at + 1;
            }
            _ => {}
        }
    }
    found
}

fn push_argument(source: &Source, first: usize, end: usize, into: &mut Arguments) {
    if first >= end {
        return;
    }
    let is_equals = |at: usize| source.tokens.get(at).is_some_and(|token| token.kind == Kind::Mark(b'='));
    match name_at(source, first) {
        Some(name) if is_equals(first + 1) && !is_equals(first + 2) => {
            into.push((Some(name), first + 2, end));
        }
        _ => into.push((None, first, end)),
    }
}

/// The value of the string that a token is; none for one with parts to compute.
pub fn text_of(source: &Source, at: usize) -> Option<String> {
    let (text, is_whole) = string(source, at)?;
    is_whole.then_some(text)
}

/// The value of the string that a token is, with a mark for each part to compute, and whether there is none.
fn string(source: &Source, at: usize) -> Option<(String, bool)> {
    let token = source.tokens.get(at).filter(|token| token.kind == Kind::Text)?;
    let bytes = source.bytes(token);
    let quote_at = bytes.iter().position(|byte| matches!(byte, b'"' | b'\''))?;
    let (prefix, rest) = bytes.split_at(quote_at);
    let is_raw = prefix.iter().any(|byte| byte.eq_ignore_ascii_case(&b'r'));
    let is_format = prefix.iter().any(|byte| byte.eq_ignore_ascii_case(&b'f'));
    let quote = *rest.first()?;
    let length = if rest.starts_with(&[quote; 3]) && rest.len() >= 6 { 3 } else { 1 };
    let inner = rest.get(length..rest.len().checked_sub(length)?)?;
    let inner = String::from_utf8_lossy(inner);
    let mut text = String::with_capacity(inner.len());
    let mut is_whole = true;
    let mut characters = inner.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if !is_raw => match characters.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('\n') | None => {}
                Some(other @ ('\\' | '\'' | '"')) => text.push(other),
                Some(other) => text.extend(['\\', other]),
            },
            '{' if is_format => {
                if characters.peek() == Some(&'{') {
                    characters.next();
                    text.push('{');
                    continue;
                }
                is_whole = false;
                text.push_str(UNKNOWN_PART);
                let mut open = 1u32;
                for inside in characters.by_ref() {
                    match inside {
                        '{' => open += 1,
                        '}' => open -= 1,
                        _ => {}
                    }
                    if open == 0 {
                        break;
                    }
                }
            }
            other => text.push(other),
        }
    }
    Some((text, is_whole))
}

impl Program<'_, '_> {
    /// Notes `NAME = "text"` and `NAME = [...]` for calls that use it.
    pub(super) fn note_value(&mut self, source: &Source, tokens: (usize, usize), frame: Frame) {
        let (first, end) = tokens;
        let is_equals = |at: usize| source.tokens.get(at).is_some_and(|token| token.kind == Kind::Mark(b'='));
        let Some(name) = name_at(source, first) else { return };
        if !is_equals(first + 1) || is_equals(first + 2) || first + 2 >= end {
            return;
        }
        let kind = source.tokens.get(first + 2).map(|token| token.kind);
        let literal = matches!(kind, Some(Kind::Text | Kind::Mark(b'[')));
        let Some(module) = self.modules.get_mut(frame.module) else { return };
        let value = literal.then_some((first + 2, end));
        module
            .values
            .entry(name)
            .and_modify(|known| *known = known.filter(|known| Some(*known) == value))
            .or_insert(value);
    }

    /// A text, with marks for what is not known; none where nothing is.
    pub(super) fn script(&self, source: &Source, tokens: (usize, usize), frame: Frame) -> Option<String> {
        let (first, end) = self.follow(source, tokens, frame);
        let mut text = String::new();
        let mut at = first;
        let mut any = false;
        while at < end {
            match source.tokens.get(at)?.kind {
                Kind::Text => {
                    text.push_str(&string(source, at)?.0);
                    any = true;
                }
                Kind::Mark(b'+' | b'(' | b')') => {}
                // `.format(...)` and `%` fill what is written with braces and percent signs.
                Kind::Mark(b'.' | b'%') if any => {
                    text = text.replace("{}", UNKNOWN_PART).replace("%s", UNKNOWN_PART);
                    break;
                }
                // `BASE + path`, where BASE is a literal.
                Kind::Name(_) if !any && self.follow(source, (at, at + 1), frame) != (at, at + 1) => {
                    let (value, _) = self.follow(source, (at, at + 1), frame);
                    text.push_str(&string(source, value)?.0);
                    any = true;
                }
                _ => {
                    if any {
                        text.push_str(UNKNOWN_PART);
                        break;
                    }
                    return None;
                }
            }
            at += 1;
        }
        any.then_some(text)
    }

    /// The arguments that a list, or one text, is; none where not even the first is known.
    pub(super) fn words(&self, source: &Source, tokens: (usize, usize), frame: Frame) -> Option<Vec<Word>> {
        let (first, end) = self.follow(source, tokens, frame);
        match source.tokens.get(first)?.kind {
            Kind::Mark(b'[' | b'(') => {
                let mut words = Vec::new();
                for (_, start, end) in arguments(source, first) {
                    words.push(Self::word(source, (start, end)));
                }
                Some(words)
            }
            Kind::Text => {
                let text = text_of(source, first)?;
                if name_at(source, first + 2) == Some(names::SPLIT) {
                    return Some(text.split_whitespace().map(|word| Some(word.to_owned())).collect());
                }
                (end == first + 1).then(|| vec![Some(text)])
            }
            Kind::Name(names::SHLEX) => {
                let text = text_of(source, first + 4)?;
                Some(
                    text.split_whitespace()
                        .map(|word| Some(word.trim_matches(['\'', '"']).to_owned()))
                        .collect(),
                )
            }
            _ => None,
        }
    }

    /// One argument of a program.
    pub(super) fn word(source: &Source, tokens: (usize, usize)) -> Word {
        let (first, end) = tokens;
        if name_at(source, first) == Some(names::SYS) && name_at(source, first + 2) == Some(names::EXECUTABLE)
        {
            return Some("python3".to_owned());
        }
        if name_at(source, first) == Some(names::STR) {
            return None;
        }
        (end == first + 1).then(|| text_of(source, first)).flatten()
    }

    /// A name that has one literal value, as that.
    fn follow(&self, source: &Source, tokens: (usize, usize), frame: Frame) -> (usize, usize) {
        let (first, end) = tokens;
        if end != first + 1 {
            return tokens;
        }
        let module = self.modules.get(frame.module);
        let value = name_at(source, first)
            .and_then(|name| module.and_then(|module| module.values.get(&name)).copied().flatten());
        value.unwrap_or(tokens)
    }

    /// The directory that an expression about `__file__`, or a literal, means.
    pub(super) fn directory(&self, source: &Source, tokens: (usize, usize), frame: Frame) -> Option<String> {
        let (first, end) = tokens;
        let cwd = self.context.cwd.as_deref()?;
        let mut base = None;
        let mut up = 0usize;
        let mut below = Vec::new();
        for at in first..end.min(first + 64) {
            match source.tokens.get(at)?.kind {
                Kind::Name(names::FILE) => {
                    base = self.modules.get(frame.module).and_then(|module| module.file.as_deref());
                }
                Kind::Name(names::GETCWD) => base = Some(cwd),
                Kind::Name(names::DIRNAME | names::PARENT) => up += 1,
                Kind::Name(names::PARENTS) => {
                    let number = source.tokens.get(at + 2).filter(|token| token.kind == Kind::Number)?;
                    up += std::str::from_utf8(source.bytes(number)).ok()?.parse::<usize>().ok()?.min(64) + 1;
                }
                Kind::Text => below.push(text_of(source, at)?),
                Kind::Name(name) if self.is_path_function(source, at, name, frame) => {}
                Kind::Name(_) => return None,
                Kind::Number | Kind::Mark(_) => {}
            }
        }
        let mut folder = base.map_or_else(|| cwd.to_owned(), str::to_owned);
        if base.is_none() && below.is_empty() {
            return None;
        }
        for _ in 0..up {
            folder = path::parent(&folder).to_owned();
        }
        for part in below {
            folder = path::join(&folder, &part);
        }
        Some(folder)
    }

    fn is_path_function(&self, source: &Source, at: usize, name: names::NameId, frame: Frame) -> bool {
        let bytes = source.tokens.get(at).map(|token| source.bytes(token)).unwrap_or_default();
        let known: &[&[u8]] = &[
            b"os",
            b"path",
            b"pathlib",
            b"Path",
            b"str",
            b"abspath",
            b"realpath",
            b"resolve",
            b"join",
            b"absolute",
            b"as_posix",
            b"normpath",
            b"osp",
            b"op",
            b"fspath",
            b"joinpath",
        ];
        let renamed = self.modules.get(frame.module).and_then(|module| module.aliases.get(&name));
        known.contains(&bytes)
            || renamed.is_some_and(|full| full.starts_with("os.path") || full.starts_with("pathlib"))
    }
}
