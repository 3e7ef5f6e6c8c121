//! From shell text to a tree. What is no shell is skipped, so that each text has a tree.

use super::here::{Here, fill};
use super::tree::{AndOr, Connector, Kind, List, Node, Part, Pipeline, Redirect, Word};
use crate::limits::SHELL_DEPTH_MAX;

/// Parses a text. The flag is false where nesting was too deep for all of it to be read.
pub fn parse(text: &[u8]) -> (List, bool) {
    let mut parser = Parser {
        text,
        at: 0,
        line: 1,
        counted: 0,
        depth: 0,
        complete: true,
        heres: Vec::new(),
        bodies: Vec::new(),
    };
    let mut list = List::default();
    while parser.at < text.len() {
        let before = parser.at;
        list.items.append(&mut parser.list(&[]).items);
        if parser.keyword_here().is_some_and(|word| CLOSING.contains(&word.as_str())) {
            // It closes what is not open.
            parser.word();
        } else if parser.at == before {
            parser.at += 1;
        }
    }
    fill(&mut list, &mut parser.bodies);
    (list, parser.complete)
}

const CLOSING: &[&str] = &["then", "elif", "else", "fi", "do", "done", "esac", "}"];

pub(super) struct Parser<'t> {
    pub(super) text: &'t [u8],
    pub(super) at: usize,
    pub(super) line: u32,
    pub(super) counted: usize,
    pub(super) depth: usize,
    pub(super) complete: bool,
    pub(super) heres: Vec<Here>,
    pub(super) bodies: Vec<Option<Word>>,
}

impl Parser<'_> {
    pub(super) fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    pub(super) fn looking_at(&self, what: &[u8]) -> bool {
        self.text.get(self.at..).is_some_and(|rest| rest.starts_with(what))
    }

    pub(super) fn take(&mut self, what: &[u8]) -> bool {
        let there = self.looking_at(what);
        if there {
            self.at += what.len();
        }
        there
    }

    pub(super) fn line(&mut self) -> u32 {
        if let Some(passed) = self.text.get(self.counted..self.at) {
            let lines = passed.split(|&byte| byte == b'\n').count().saturating_sub(1);
            self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
            self.counted = self.at;
        }
        self.line
    }

    pub(super) fn skip_blanks(&mut self) {
        loop {
            match self.byte(0) {
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b'\\') if self.byte(1) == Some(b'\n') => self.at += 2,
                Some(b'#') => {
                    while self.byte(0).is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    pub(super) fn skip_lines(&mut self) {
        loop {
            self.skip_blanks();
            if self.byte(0) != Some(b'\n') {
                return;
            }
            self.newline();
        }
    }

    /// A parser of a text inside this one's, which counts its depth on.
    pub(super) fn within<'i>(&self, text: &'i [u8]) -> Parser<'i> {
        Parser {
            text,
            at: 0,
            line: self.line,
            counted: 0,
            depth: self.depth + 1,
            complete: true,
            heres: Vec::new(),
            bodies: Vec::new(),
        }
    }

    /// Commands up to a keyword of `ends`, a closing bracket, or the end.
    pub(super) fn list(&mut self, ends: &[&str]) -> List {
        let mut list = List::default();
        self.depth += 1;
        if self.depth > SHELL_DEPTH_MAX {
            self.complete = false;
            self.at = self.text.len();
        }
        loop {
            self.skip_lines();
            match self.byte(0) {
                None | Some(b')') => break,
                Some(b';' | b'&' | b'|') => {
                    if self.looking_at(b";;") || self.looking_at(b";&") {
                        break;
                    }
                    self.at += 1;
                    continue;
                }
                _ => {}
            }
            if self
                .keyword_here()
                .is_some_and(|word| ends.contains(&word.as_str()) || CLOSING.contains(&word.as_str()))
            {
                break;
            }
            let before = self.at;
            let item = self.and_or();
            list.items.push(item);
            if self.at == before {
                self.at += 1;
            }
        }
        self.depth -= 1;
        list
    }

    fn and_or(&mut self) -> AndOr {
        let first = self.pipeline();
        let mut rest = Vec::new();
        loop {
            self.skip_blanks();
            let connector = if self.take(b"&&") {
                Connector::And
            } else if self.take(b"||") {
                Connector::Or
            } else {
                break;
            };
            self.skip_lines();
            rest.push((connector, self.pipeline()));
        }
        AndOr { first, rest }
    }

    fn pipeline(&mut self) -> Pipeline {
        let mut pipeline = Pipeline::default();
        while let Some(word) = self.keyword_here() {
            match word.as_str() {
                "!" => pipeline.negated = !pipeline.negated,
                "time" => {}
                _ => break,
            }
            self.word();
            self.skip_blanks();
        }
        loop {
            if let Some(command) = self.command() {
                pipeline.commands.push(command);
            }
            self.skip_blanks();
            if self.looking_at(b"||") || !(self.take(b"|&") || self.take(b"|")) {
                return pipeline;
            }
            self.skip_lines();
        }
    }

    pub(super) fn command(&mut self) -> Option<Node> {
        self.skip_blanks();
        let start = self.at;
        let line = self.line();
        let kind = self.kind()?;
        let mut node = Node { kind, redirects: Vec::new(), line, text: (start, start) };
        if !matches!(node.kind, Kind::Simple { .. } | Kind::Function { .. }) {
            self.skip_blanks();
            while let Some(redirect) = self.redirect() {
                node.redirects.push(redirect);
                self.skip_blanks();
            }
        } else if let Kind::Simple { assignments, words } = &mut node.kind {
            self.simple(assignments, words, &mut node.redirects);
        }
        node.text = (start, self.at);
        Some(node)
    }

    fn kind(&mut self) -> Option<Kind> {
        if self.looking_at(b"((") {
            self.at += 2;
            self.skip_arithmetic();
            return Some(Kind::Condition(Vec::new()));
        }
        if self.take(b"(") {
            let list = self.list(&[]);
            self.take(b")");
            return Some(Kind::Subshell(list));
        }
        let Some(keyword) = self.keyword_here() else {
            return match self.byte(0) {
                None | Some(b'\n' | b';' | b'&' | b'|' | b')') => None,
                _ => Some(Kind::Simple { assignments: Vec::new(), words: Vec::new() }),
            };
        };
        let keyword = keyword.as_str();
        match keyword {
            "{" => {
                self.word();
                let list = self.list(&["}"]);
                self.expect("}");
                Some(Kind::Group(list))
            }
            "if" => {
                self.word();
                Some(self.if_command())
            }
            "while" | "until" => {
                self.word();
                let condition = self.list(&["do"]);
                let body = self.body();
                Some(Kind::Loop { variable: None, words: Vec::new(), condition, body })
            }
            "for" | "select" => {
                self.word();
                Some(self.for_command())
            }
            "case" => {
                self.word();
                Some(self.case_command())
            }
            "[[" => {
                self.word();
                Some(Kind::Condition(self.condition()))
            }
            "function" => {
                self.word();
                self.skip_blanks();
                let name = self.word().literal().unwrap_or_default().to_owned();
                self.skip_blanks();
                if self.take(b"(") {
                    self.skip_blanks();
                    self.take(b")");
                }
                self.function(name)
            }
            name => {
                let name = name.to_owned();
                let before = self.at;
                self.word();
                self.skip_blanks();
                if self.take(b"(") {
                    self.skip_blanks();
                    if self.take(b")") {
                        return self.function(name);
                    }
                }
                self.at = before;
                Some(Kind::Simple { assignments: Vec::new(), words: Vec::new() })
            }
        }
    }

    fn simple(
        &mut self,
        assignments: &mut Vec<(String, Word)>,
        words: &mut Vec<Word>,
        redirects: &mut Vec<Redirect>,
    ) {
        loop {
            self.skip_blanks();
            if let Some(redirect) = self.redirect() {
                redirects.push(redirect);
                continue;
            }
            match self.byte(0) {
                None | Some(b'\n' | b';' | b'&' | b'|' | b'(' | b')') => return,
                _ => {}
            }
            let before = self.at;
            if words.is_empty()
                && let Some(name) = self.assigned_name()
            {
                let value = if self.byte(0) == Some(b'(') {
                    self.skip_array();
                    Word { parts: vec![Part::Unknown], quoted: false }
                } else {
                    self.word()
                };
                assignments.push((name, value));
                continue;
            }
            let word = self.word();
            if self.at == before {
                self.at += 1;
                continue;
            }
            // `declare -a x=(...)`.
            if self.byte(0) == Some(b'(')
                && self.text.get(before..self.at).is_some_and(|text| text.ends_with(b"="))
            {
                self.skip_array();
            }
            words.push(word);
        }
    }

    /// `name=`, `name+=` or `name[...]=`; the latter two, whose value is not known, under no name of use.
    fn assigned_name(&mut self) -> Option<String> {
        let rest = self.text.get(self.at..)?;
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        if length == 0 || rest.first().is_some_and(u8::is_ascii_digit) {
            return None;
        }
        let name = String::from_utf8_lossy(rest.get(..length)?).into_owned();
        match rest.get(length..)? {
            [b'=', ..] => {
                self.at += length + 1;
                Some(name)
            }
            [b'+', b'=', ..] => {
                self.at += length + 2;
                Some(format!("{name}+"))
            }
            [b'[', after @ ..] => {
                let close = after.iter().take(256).position(|&byte| matches!(byte, b']' | b'\n'))?;
                if after.get(close + 1) != Some(&b'=') {
                    return None;
                }
                self.at += length + close + 3;
                Some(format!("{name}+"))
            }
            _ => None,
        }
    }

    fn skip_array(&mut self) {
        self.at += 1;
        loop {
            self.skip_lines();
            match self.byte(0) {
                None => return,
                Some(b')') => {
                    self.at += 1;
                    return;
                }
                _ => {}
            }
            let before = self.at;
            self.word();
            if self.at == before {
                self.at += 1;
            }
        }
    }

    /// The unquoted word here, without moving, if it is short and literal.
    pub(super) fn keyword_here(&self) -> Option<String> {
        let rest = self.text.get(self.at..)?;
        let end = rest
            .iter()
            .take(128)
            .position(|byte| {
                matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>')
            })
            .unwrap_or(rest.len().min(128));
        let word = std::str::from_utf8(rest.get(..end)?).ok()?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:{}[]!+/%@,".contains(&byte);
        (!word.is_empty() && word.bytes().all(plain)).then(|| word.to_owned())
    }

    pub(super) fn expect(&mut self, keyword: &str) -> bool {
        self.skip_lines();
        let there = self.keyword_here().as_deref() == Some(keyword);
        if there {
            self.at += keyword.len();
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        fn collect(list: &List, into: &mut Vec<String>) {
            for item in &list.items {
                for pipeline in
                    std::iter::once(&item.first).chain(item.rest.iter().map(|(_, pipeline)| pipeline))
                {
                    for command in &pipeline.commands {
                        match &command.kind {
                            Kind::Simple { words, .. } => {
                                into.extend(words.first().and_then(Word::literal).map(str::to_owned));
                                for part in words.iter().flat_map(|word| &word.parts) {
                                    if let Part::Substitution(list) | Part::Process(list) = part {
                                        collect(list, into);
                                    }
                                }
                            }
                            Kind::Group(list) | Kind::Subshell(list) => collect(list, into),
                            Kind::If { branches, otherwise } => {
                                for (condition, body) in branches {
                                    collect(condition, into);
                                    collect(body, into);
                                }
                                if let Some(list) = otherwise {
                                    collect(list, into);
                                }
                            }
                            Kind::Loop { condition, body, .. } => {
                                collect(condition, into);
                                collect(body, into);
                            }
                            Kind::Case { arms, .. } => arms.iter().for_each(|arm| collect(&arm.body, into)),
                            Kind::Function { .. } | Kind::Condition(_) => {}
                        }
                    }
                }
            }
        }
        let mut found = Vec::new();
        collect(&parse(text.as_bytes()).0, &mut found);
        found
    }

    #[test]
    fn each_command_of_a_text_is_found() {
        assert_eq!(names("a; b | c && d || e & f"), ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(names("if a; then b; elif c; then d; else e; fi; f"), ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(names("for i in 1 2; do a $i; done; while b; do c; done"), ["a", "b", "c"]);
        assert_eq!(names("case $x in a|b) c ;; *) d;; esac; e"), ["c", "d", "e"]);
        assert_eq!(names("a \"$(b `c`)\" <(d)"), ["a", "b", "c", "d"]);
        assert_eq!(names("(a; { b; }) > x; [[ a && b ]] && c"), ["a", "b", "c"]);
        assert_eq!(names("f() { a; }\nfunction g { b; }\nf"), ["f"]);
    }

    #[test]
    fn a_here_document_is_no_command() {
        assert_eq!(names("cat <<'EOF' | b\nrm x\nEOF\nc"), ["cat", "b", "c"]);
        assert_eq!(names("x=$(cat <<A\nq\nA\n)\nc"), ["c"]);
    }

    #[test]
    fn what_closes_nothing_is_skipped() {
        assert_eq!(names("fi; a\ndone }\n) b"), ["a", "b"]);
    }

    #[test]
    fn nesting_without_end_is_not_followed() {
        assert!(!parse("( ".repeat(100_000).as_bytes()).1);
        assert!(!parse("$(".repeat(100_000).as_bytes()).1);
        assert!(!parse("${x:-".repeat(100_000).as_bytes()).1);
        assert!(!parse("f() ".repeat(100_000).as_bytes()).1);
    }
}
