//! Words: quotes, and where expansions are in them.

use std::cell::OnceCell;
use std::rc::Rc;

use super::ast::{Arithmetic, Bytes, List, Part, Substitution, Word};
use super::source::without_continuations;
use super::{Parser, Settings, SyntaxError};

/// Where a word stands, which decides where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    Command,
    /// The value of an assignment: a tilde after `:` counts too.
    Assigned,
    /// The right side of `==` in `[[ ]]`.
    Pattern,
    /// The right side of `=~` in `[[ ]]`.
    Regex,
    /// The word of `${x:-word}`; ends at `}`.
    Operand,
    /// The pattern of `${x/pattern/...}`; ends at `/` or `}`.
    Search,
    Subscript,
    HereDocument,
    /// The whole text.
    Text,
}

/// What ends a text in which only `$`, backquotes and backslashes count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Quote,
    Brace,
    /// `:` or `}`, of `${x:offset:length}`.
    Offset,
    HereDocument,
    Arithmetic,
    Text,
}

/// Collects parts, joining neighbouring text.
#[derive(Default)]
struct Parts {
    parts: Vec<Part>,
    braces: bool,
}

impl Parts {
    fn literal(&mut self, byte: u8) {
        self.braces |= byte == b'{';
        match self.parts.last_mut() {
            Some(Part::Literal(text)) => text.push(byte),
            _ => self.parts.push(Part::Literal(vec![byte])),
        }
    }

    fn quoted(&mut self, bytes: &[u8]) {
        match self.parts.last_mut() {
            Some(Part::Quoted(text)) => text.extend_from_slice(bytes),
            _ => self.parts.push(Part::Quoted(bytes.to_vec())),
        }
    }
}

impl Parser {
    pub(super) fn word(&mut self, context: Context) -> Result<Word, SyntaxError> {
        let start = self.at;
        if context == Context::HereDocument {
            let parts = self.double_parts(Stop::HereDocument)?;
            return Ok(Word { parts, text: self.slice(start), braces: false });
        }
        let mut parts = Parts::default();
        let mut parens = 0_u32;
        let mut brackets = 0_u32;
        let mut tilde_here = !matches!(context, Context::Search);
        while let Some(byte) = self.here() {
            let tilde = std::mem::replace(&mut tilde_here, false);
            match byte {
                b'\\' => {
                    match self.byte(self.at + 1) {
                        Some(b'\n') => tilde_here = tilde,
                        Some(next) => parts.quoted(&[next]),
                        None => parts.quoted(b"\\"),
                    }
                    self.at += if self.byte(self.at + 1).is_some() { 2 } else { 1 };
                    continue;
                }
                b'\'' => {
                    let text = self.single_quoted()?;
                    parts.quoted(&text);
                    continue;
                }
                b'"' => {
                    let inner = self.double_quoted()?;
                    parts.parts.push(Part::Double(inner));
                    continue;
                }
                b'$' | b'`' => {
                    match self.dollar(false)? {
                        Some(part) => parts.parts.push(part),
                        None => {
                            parts.literal(b'$');
                            self.at += 1;
                        }
                    }
                    continue;
                }
                b'~' if tilde => {
                    if let Some(name) = self.tilde(context) {
                        parts.parts.push(Part::Tilde(name));
                        continue;
                    }
                }
                b'<' | b'>'
                    if parens == 0
                        && self.byte(self.at + 1) == Some(b'(')
                        && context != Context::Regex
                        && context != Context::Search =>
                {
                    self.at += 2;
                    let list = self.substitution_list()?;
                    parts.parts.push(Part::Process { reads: byte == b'<', list: Rc::new(list) });
                    continue;
                }
                _ => {}
            }
            if self.ends_word(context, byte, parens, brackets) {
                break;
            }
            match byte {
                b'(' if parens > 0 || context == Context::Regex => parens += 1,
                b')' if parens > 0 => parens -= 1,
                b'[' if context == Context::Subscript => brackets += 1,
                b']' if context == Context::Subscript => brackets -= 1,
                b'?' | b'*' | b'+' | b'@' | b'!' if self.starts_extended_glob(context) => {
                    parts.literal(byte);
                    self.at += 1;
                    parens += 1;
                    parts.literal(b'(');
                    self.at += 1;
                    continue;
                }
                b':' if context == Context::Assigned => tilde_here = true,
                b'=' if context == Context::Command && looks_like_assignment(&parts.parts) => {
                    tilde_here = true;
                }
                _ => {}
            }
            parts.literal(byte);
            self.at += 1;
        }
        if parens > 0 && self.here().is_none() && context != Context::Text && context != Context::Operand {
            return Err(self.unclosed(start, ")"));
        }
        Ok(Word { parts: parts.parts, text: self.slice(start), braces: parts.braces })
    }

    fn starts_extended_glob(&mut self, context: Context) -> bool {
        self.byte(self.at + 1) == Some(b'(')
            && match context {
                Context::Pattern => true,
                Context::Regex | Context::Subscript => false,
                _ => self.settings.extended_globs,
            }
    }

    fn ends_word(&mut self, context: Context, byte: u8, parens: u32, brackets: u32) -> bool {
        match context {
            Context::Command | Context::Assigned | Context::Pattern if parens == 0 => {
                b" \t\n;&|<>()".contains(&byte)
            }
            Context::Regex if parens == 0 => {
                b" \t\n;&<>)".contains(&byte) || (byte == b'|' && self.byte(self.at + 1) == Some(b'|'))
            }
            Context::Regex => byte == b'\n',
            Context::Operand => byte == b'}',
            Context::Search => byte == b'}' || (byte == b'/' && parens == 0),
            Context::Subscript => byte == b']' && brackets == 0,
            _ => false,
        }
    }

    fn single_quoted(&mut self) -> Result<Bytes, SyntaxError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.here() {
                None => return Err(self.unclosed(start, "'")),
                Some(b'\'') => break,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        Ok(self.text[start + 1..self.at - 1].to_vec())
    }

    fn double_quoted(&mut self) -> Result<Vec<Part>, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let parts = self.double_parts(Stop::Quote)?;
        if self.here().is_none() {
            return Err(self.unclosed(start, "\""));
        }
        self.at += 1;
        Ok(parts)
    }

    /// Text as between double quotes, up to what ends it, which is left there.
    pub(super) fn double_parts(&mut self, stop: Stop) -> Result<Vec<Part>, SyntaxError> {
        let mut parts = Parts::default();
        let mut parens = 0_u32;
        let mut questions = 0_u32;
        while let Some(byte) = self.here() {
            match (byte, stop) {
                (b'"', Stop::Quote) | (b'}', Stop::Brace | Stop::Offset) => break,
                (b':', Stop::Offset) if parens == 0 && questions == 0 => break,
                (b':', Stop::Offset) if parens == 0 => questions -= 1,
                (b'?', Stop::Offset) if parens == 0 => questions += 1,
                (b'(', Stop::Offset) => parens += 1,
                (b')', Stop::Offset) => parens = parens.saturating_sub(1),
                (b'"', Stop::Brace) => {
                    let inner = self.double_quoted()?;
                    parts.parts.push(Part::Double(inner));
                    continue;
                }
                (b'"', Stop::Offset | Stop::Arithmetic) => {
                    self.at += 1;
                    continue;
                }
                (b'\'', Stop::Offset) => {
                    let text = self.single_quoted()?;
                    parts.quoted(&text);
                    continue;
                }
                (b'\\', _) => {
                    match self.byte(self.at + 1) {
                        Some(b'\n') => {}
                        Some(next @ (b'$' | b'`' | b'\\')) => parts.quoted(&[next]),
                        Some(b'"') if !matches!(stop, Stop::HereDocument | Stop::Text) => parts.quoted(b"\""),
                        Some(b'}') if stop == Stop::Brace => parts.quoted(b"}"),
                        _ => {
                            parts.quoted(b"\\");
                            self.at += 1;
                            continue;
                        }
                    }
                    self.at += 2;
                    continue;
                }
                (b'$', Stop::Brace) if self.byte(self.at + 1) == Some(b'\'') => {
                    self.at += 1;
                    let part = self.ansi_quoted()?;
                    parts.parts.push(part);
                    continue;
                }
                (b'$' | b'`', _) => {
                    match self.dollar(true)? {
                        Some(part) => parts.parts.push(part),
                        None => {
                            parts.literal(b'$');
                            self.at += 1;
                        }
                    }
                    continue;
                }
                _ => {}
            }
            parts.literal(byte);
            self.at += 1;
        }
        Ok(parts.parts)
    }

    /// `~` and the name behind it, where a tilde counts.
    fn tilde(&mut self, context: Context) -> Option<Bytes> {
        let mut end = self.at + 1;
        loop {
            match self.byte(end) {
                None | Some(b'/') => break,
                Some(b':') if context == Context::Assigned || context == Context::Command => break,
                Some(b'}') if context == Context::Operand => break,
                Some(byte) if b" \t\n;&|<>()".contains(&byte) => break,
                Some(byte) if byte.is_ascii_alphanumeric() || b"_.+-".contains(&byte) => end += 1,
                Some(_) => return None,
            }
        }
        let name = self.text[self.at + 1..end].to_vec();
        self.at = end;
        Some(name)
    }

    /// What a `$` or a backquote begins; none for a `$` that is just that.
    pub(super) fn dollar(&mut self, doubled: bool) -> Result<Option<Part>, SyntaxError> {
        if self.here() == Some(b'`') {
            return self.backquoted(doubled).map(Some);
        }
        match self.byte(self.at + 1) {
            Some(b'(') => {
                if self.byte(self.at + 2) == Some(b'(')
                    && let Some(arithmetic) = self.arithmetic(self.at + 3)?
                {
                    return Ok(Some(Part::Arithmetic(Rc::new(arithmetic))));
                }
                self.at += 2;
                let list = self.substitution_list()?;
                Ok(Some(Part::Command(Rc::new(Substitution { list: Ok(list) }))))
            }
            Some(b'[') => {
                let start = self.at + 2;
                let mut depth = 0_u32;
                let mut end = start;
                loop {
                    match self.byte(end) {
                        None => return Err(self.unclosed(start, "]")),
                        Some(b'[') => depth += 1,
                        Some(b']') if depth == 0 => break,
                        Some(b']') => depth -= 1,
                        Some(_) => {}
                    }
                    end += 1;
                }
                let arithmetic = self.arithmetic_of(start, end)?;
                self.at = end + 1;
                Ok(Some(Part::Arithmetic(Rc::new(arithmetic))))
            }
            Some(b'{') => self.braced_parameter(doubled).map(Some),
            Some(b'\'') if !doubled => {
                self.at += 1;
                self.ansi_quoted().map(Some)
            }
            Some(b'"') if !doubled => {
                self.at += 1;
                self.double_quoted().map(|parts| Some(Part::Double(parts)))
            }
            _ => Ok(self.plain_parameter()),
        }
    }

    fn ansi_quoted(&mut self) -> Result<Part, SyntaxError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.here() {
                None => return Err(self.unclosed(start, "'")),
                Some(b'\\') => self.at += 2,
                Some(b'\'') => break,
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let decoded = crate::expand::escape::ansi(&self.text[start + 1..self.at - 1]);
        Ok(Part::Quoted(decoded))
    }

    /// The commands of `$( )`, `<( )` and `>( )`, behind the opening.
    pub(super) fn substitution_list(&mut self) -> Result<List, SyntaxError> {
        self.enter()?;
        self.substitutions += 1;
        let start = self.at;
        self.peeked = None;
        let list = self.list_until(&|token| token.is_operator(")"))?;
        if !self.peek()?.is_operator(")") {
            let token = self.peek()?.clone();
            if matches!(token, super::token::Token::End) {
                return Err(self.unclosed(start, ")"));
            }
            let at = self.token_start();
            return Err(self.unexpected(&token, at));
        }
        self.at = self.token_start() + 1;
        self.peeked = None;
        self.substitutions -= 1;
        self.depth -= 1;
        Ok(list)
    }

    fn backquoted(&mut self, doubled: bool) -> Result<Part, SyntaxError> {
        let start = self.at;
        let line = self.line_at(start);
        self.at += 1;
        let mut inner = Bytes::new();
        loop {
            match self.here() {
                None => return Err(self.unclosed(start, "`")),
                Some(b'`') => break,
                Some(b'\\') => {
                    match self.byte(self.at + 1) {
                        Some(next @ (b'$' | b'`' | b'\\')) => inner.push(next),
                        Some(b'"') if doubled => inner.push(b'"'),
                        Some(b'\n') | None => {}
                        Some(next) => inner.extend_from_slice(&[b'\\', next]),
                    }
                    self.at += 2;
                }
                Some(byte) => {
                    inner.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        self.enter()?;
        let mut parser = Parser::new(&inner, line, self.settings.clone());
        parser.depth = self.depth;
        let list = parser.whole().map_err(|error| error.message);
        self.depth -= 1;
        Ok(Part::Command(Rc::new(Substitution { list })))
    }

    /// The expression that starts here and ends at `))`; none when it does not, so that it is a subshell in another one.
    pub(super) fn arithmetic(&mut self, start: usize) -> Result<Option<Arithmetic>, SyntaxError> {
        let mut depth = 0_u32;
        let mut at = start;
        loop {
            match self.byte(at) {
                None => return Ok(None),
                Some(b'\\') => at += 1,
                Some(quote @ (b'\'' | b'"')) => {
                    at += 1;
                    while self.byte(at).is_some_and(|byte| byte != quote) {
                        at += if self.byte(at) == Some(b'\\') && quote == b'"' { 2 } else { 1 };
                    }
                }
                Some(b'(') => depth += 1,
                Some(b')') if depth > 0 => depth -= 1,
                Some(b')') => {
                    if self.byte(at + 1) != Some(b')') {
                        return Ok(None);
                    }
                    let arithmetic = self.arithmetic_of(start, at)?;
                    self.at = at + 2;
                    return Ok(Some(arithmetic));
                }
                Some(_) => {}
            }
            at += 1;
        }
    }

    pub(super) fn arithmetic_of(&mut self, start: usize, end: usize) -> Result<Arithmetic, SyntaxError> {
        let line = self.line_at(start);
        let text = without_continuations(&self.text[start..end]);
        let mut parser = Parser::new(&text, line, self.settings.clone());
        self.enter()?;
        parser.depth = self.depth;
        let parts = parser.double_parts(Stop::Arithmetic)?;
        self.depth -= 1;
        let text: Rc<[u8]> = text.into();
        Ok(Arithmetic { word: Word { parts, text, braces: false }, parsed: OnceCell::new() })
    }
}

fn looks_like_assignment(parts: &[Part]) -> bool {
    matches!(parts, [Part::Literal(name)] if crate::bytes::is_name(name))
}

fn whole_text(
    text: &[u8],
    settings: &Settings,
    read: impl FnOnce(&mut Parser) -> Result<Vec<Part>, SyntaxError>,
) -> Result<Word, SyntaxError> {
    let mut parser = Parser::new(text, 1, settings.clone());
    let parts = read(&mut parser)?;
    Ok(Word { parts, text: text.into(), braces: false })
}

/// Takes a text as one word, with all kinds of quotes.
pub fn parse_word_text(text: &[u8], settings: &Settings) -> Result<Word, SyntaxError> {
    whole_text(text, settings, |parser| parser.word(Context::Text).map(|word| word.parts))
}

/// Takes a text as if it stood between double quotes.
pub fn parse_double_quoted_text(text: &[u8], settings: &Settings) -> Result<Word, SyntaxError> {
    whole_text(text, settings, |parser| parser.double_parts(Stop::Text))
}

/// Takes a text as an arithmetic expression before expansion.
pub fn parse_arithmetic_text(text: &[u8], settings: &Settings) -> Result<Word, SyntaxError> {
    whole_text(text, settings, |parser| parser.double_parts(Stop::Arithmetic))
}

/// Takes a text as the elements of an array: what stands in `name=( )`.
pub fn parse_assignment_text(
    text: &[u8],
    settings: &Settings,
) -> Result<Vec<super::ast::Element>, SyntaxError> {
    let mut parser = Parser::new(text, 1, settings.clone());
    parser.array_elements()
}
