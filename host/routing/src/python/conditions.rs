//! Conditions whose answer is known before the run.

use super::lexer::{Kind, Source};
use super::literals::text_of;
use super::names;
use super::program::Program;
use super::statements::{Frame, name_at};

impl Program<'_, '_> {
    /// The answer of the condition that tokens are; none where only the run tells.
    pub(super) fn condition(&self, source: &Source, tokens: (usize, usize), frame: Frame) -> Option<bool> {
        const TOKENS_MAX: usize = 24;
        let (mut first, mut end) = tokens;
        if end.saturating_sub(first) > TOKENS_MAX {
            return None;
        }
        if name_at(source, first) == Some(names::NOT) {
            return self.condition(source, (first + 1, end), frame).map(|answer| !answer);
        }
        while end > first + 1 && mark(source, first) == Some(b'(') && mark(source, end - 1) == Some(b')') {
            first += 1;
            end -= 1;
        }
        // `a and b` is false where a is; `a or b` true.
        for at in first..end {
            match name_at(source, at) {
                Some(names::AND) => {
                    let left = self.condition(source, (first, at), frame);
                    let right = self.condition(source, (at + 1, end), frame);
                    return match (left, right) {
                        (Some(false), _) | (_, Some(false)) => Some(false),
                        (Some(true), Some(true)) => Some(true),
                        _ => None,
                    };
                }
                Some(names::OR) => {
                    let left = self.condition(source, (first, at), frame);
                    let right = self.condition(source, (at + 1, end), frame);
                    return match (left, right) {
                        (Some(true), _) | (_, Some(true)) => Some(true),
                        (Some(false), Some(false)) => Some(false),
                        _ => None,
                    };
                }
                _ => {}
            }
        }
        let last = end.checked_sub(1)?;
        if let Some(answer) = self.about_arguments(source, first, end) {
            return Some(answer);
        }
        match (name_at(source, first), end - first) {
            (Some(names::TRUE), 1) => return Some(true),
            (Some(names::FALSE | names::NONE | names::TYPE_CHECKING), 1) => return Some(false),
            (Some(_), 3) if name_at(source, last) == Some(names::TYPE_CHECKING) => return Some(false),
            (Some(names::NAME), 4) => {
                let is_main = self.modules.get(frame.module).is_some_and(|module| module.is_main);
                let text = text_of(source, last)?;
                return Some((text == "__main__") == is_main)
                    .filter(|_| mark(source, first + 1) == Some(b'='));
            }
            (Some(names::SYS), _) if name_at(source, first + 2) == Some(names::PLATFORM) => {
                return compare(source, first + 3, end, &self.analysis.image.platform);
            }
            (Some(names::OS), _) if name_at(source, first + 2) == Some(names::NAME_OF_OS) => {
                return compare(source, first + 3, end, "posix");
            }
            (Some(names::PLATFORM), _) if name_at(source, first + 2) == Some(names::SYSTEM) => {
                let text = text_of(source, last)?;
                let other = matches!(text.as_str(), "Windows" | "Darwin" | "Java");
                return other.then_some(mark(source, first + 5) != Some(b'='));
            }
            (Some(names::SYS), _) if name_at(source, first + 2) == Some(names::VERSION_INFO) => {
                return self.version(source, first + 3, end);
            }
            _ => {}
        }
        if end - first == 1 && source.tokens.get(first).is_some_and(|token| token.kind == Kind::Number) {
            return Some(source.tokens.get(first).map(|token| source.bytes(token)) != Some(b"0"));
        }
        None
    }

    /// `"--x" in sys.argv`, `"--x" not in sys.argv` and `len(sys.argv) > 1`.
    fn about_arguments(&self, source: &Source, first: usize, end: usize) -> Option<bool> {
        let is_argv = |at: usize| {
            name_at(source, at) == Some(names::SYS) && name_at(source, at + 2) == Some(names::ARGV)
        };
        if name_at(source, first) == Some(names::LEN)
            && is_argv(first + 2)
            && mark(source, first + 5) == Some(b')')
        {
            let number = source.tokens.get(end - 1).filter(|token| token.kind == Kind::Number)?;
            let number: usize = std::str::from_utf8(source.bytes(number)).ok()?.parse().ok()?;
            if self.arguments.iter().any(Option::is_none) {
                return None;
            }
            let count = self.arguments.len() + 1;
            return match (mark(source, first + 6)?, mark(source, first + 7)) {
                (b'>', Some(b'=')) => Some(count >= number),
                (b'>', None) => Some(count > number),
                (b'<', Some(b'=')) => Some(count <= number),
                (b'<', None) => Some(count < number),
                (b'=', Some(b'=')) => Some(count == number),
                (b'!', Some(b'=')) => Some(count != number),
                _ => None,
            };
        }
        let text = text_of(source, first)?;
        let is_not = name_at(source, first + 1) == Some(names::NOT);
        let at = first + 1 + usize::from(is_not);
        if name_at(source, at) != Some(names::IN) || !is_argv(at + 1) {
            return None;
        }
        if self.arguments.iter().any(|argument| argument.as_deref() == Some(&text)) {
            return Some(!is_not);
        }
        self.arguments.iter().all(Option::is_some).then_some(is_not)
    }

    /// `sys.version_info >= (3, 11)` and its like.
    fn version(&self, source: &Source, at: usize, end: usize) -> Option<bool> {
        let mut at = at;
        // `[0]`, `[:2]` and `.major` compare the same way.
        while at < end && !matches!(mark(source, at), Some(b'<' | b'>' | b'=' | b'!')) {
            at += 1;
        }
        let operator = mark(source, at)?;
        let or_equal = mark(source, at + 1) == Some(b'=');
        let numbers: Vec<u32> = (at..end)
            .filter_map(|at| source.tokens.get(at))
            .filter(|token| token.kind == Kind::Number)
            .filter_map(|token| std::str::from_utf8(source.bytes(token)).ok()?.parse().ok())
            .collect();
        let (major, minor) = self.analysis.image.python_version;
        let ordering = match numbers.as_slice() {
            [wanted] => major.cmp(wanted),
            [wanted_major, wanted_minor, ..] => (major, minor).cmp(&(*wanted_major, *wanted_minor)),
            [] => return None,
        };
        match operator {
            b'>' => Some(ordering.is_gt() || (ordering.is_eq() && (or_equal || numbers.len() > 1))),
            b'<' => Some(ordering.is_lt() || (ordering.is_eq() && or_equal)),
            b'=' => Some(ordering.is_eq()),
            _ => Some(ordering.is_ne()),
        }
    }
}

fn mark(source: &Source, at: usize) -> Option<u8> {
    match source.tokens.get(at)?.kind {
        Kind::Mark(byte) => Some(byte),
        _ => None,
    }
}

/// `== "text"`, `!= "text"` or `.startswith("text")` of a value.
fn compare(source: &Source, at: usize, end: usize, value: &str) -> Option<bool> {
    if name_at(source, at + 1) == Some(names::STARTSWITH) {
        return Some(value.starts_with(&text_of(source, at + 3)?));
    }
    let text = text_of(source, end.checked_sub(1)?)?;
    match (mark(source, at)?, mark(source, at + 1)?) {
        (b'=', b'=') => Some(text == value),
        (b'!', b'=') => Some(text != value),
        _ => None,
    }
}
