//! Lists, pipelines and simple commands.

use std::rc::Rc;

use super::ast::{
    Argument, AssignedValue, Assignment, Bytes, Command, Connector, Element, Function, Item, Kind, List,
    Operation, Pipeline, Redirect, RedirectTarget, Simple, TimeStyle, Word,
};
use super::token::Token;
use super::words::Context;
use super::{Parser, SyntaxError};

/// The builtins whose arguments may be assignments, of arrays too.
const DECLARING: [&[u8]; 5] = [b"declare", b"typeset", b"local", b"export", b"readonly"];

/// Words that begin no command.
const RESERVED_ENDS: [&str; 9] = ["then", "else", "elif", "fi", "do", "done", "esac", "}", "!"];

impl Parser {
    /// The commands of one line.
    pub(super) fn line_list(&mut self) -> Result<List, SyntaxError> {
        let mut list = List::default();
        loop {
            let item = self.item()?;
            list.items.push(item);
            let ended = self.separator(&mut list)?;
            match self.peek()? {
                Token::Newline => {
                    self.take()?;
                    return Ok(list);
                }
                Token::End => return Ok(list),
                _ if ended => {}
                _ => return Err(self.unexpected_here()),
            }
        }
    }

    /// Passes `;` or `&` behind an item.
    fn separator(&mut self, list: &mut List) -> Result<bool, SyntaxError> {
        let token = self.peek()?;
        let background = token.is_operator("&");
        if !background && !token.is_operator(";") {
            return Ok(false);
        }
        self.take()?;
        if let Some(item) = list.items.last_mut() {
            item.background = background;
        }
        Ok(true)
    }

    /// Commands up to a token that ends them, which is left there; may be none.
    pub(super) fn list_until(&mut self, ends: &dyn Fn(&Token) -> bool) -> Result<List, SyntaxError> {
        self.enter()?;
        let mut list = List::default();
        let mut separated = true;
        loop {
            while matches!(self.peek()?, Token::Newline) {
                self.take()?;
                separated = true;
            }
            // The word that ends the list may come from an alias.
            self.expand_alias()?;
            let token = self.peek()?;
            if matches!(token, Token::End) || ends(token) {
                break;
            }
            if !separated {
                return Err(self.unexpected_here());
            }
            let item = self.item()?;
            list.items.push(item);
            separated = self.separator(&mut list)?;
        }
        self.depth -= 1;
        Ok(list)
    }

    /// Commands up to a token, at least one of them.
    pub(super) fn body_until(&mut self, ends: &dyn Fn(&Token) -> bool) -> Result<List, SyntaxError> {
        let list = self.list_until(ends)?;
        if list.items.is_empty() || matches!(self.peek()?, Token::End) {
            return Err(self.unexpected_here());
        }
        Ok(list)
    }

    pub(super) fn unexpected_here(&mut self) -> SyntaxError {
        match self.peek().cloned() {
            Ok(token) => {
                let start = self.token_start();
                self.unexpected(&token, start)
            }
            Err(error) => error,
        }
    }

    fn item(&mut self) -> Result<Item, SyntaxError> {
        self.peek()?;
        let start = self.token_start();
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let token = self.peek()?;
            let connector = if token.is_operator("&&") {
                Connector::And
            } else if token.is_operator("||") {
                Connector::Or
            } else {
                break;
            };
            self.take()?;
            self.skip_newlines()?;
            rest.push((connector, self.pipeline()?));
        }
        let text = crate::bytes::trim(&self.slice(start)).into();
        Ok(Item { first, rest, background: false, text })
    }

    pub(super) fn skip_newlines(&mut self) -> Result<(), SyntaxError> {
        while matches!(self.peek()?, Token::Newline) {
            self.take()?;
        }
        Ok(())
    }

    fn ends_pipeline(token: &Token) -> bool {
        match token {
            Token::Newline | Token::End => true,
            Token::Operator(operator) => !matches!(
                *operator,
                "(" | "<" | ">" | "<<" | ">>" | "<<<" | "<<-" | ">&" | "<&" | "<>" | ">|" | "&>" | "&>>"
            ),
            _ => false,
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, SyntaxError> {
        let mut pipeline = Pipeline { timed: None, negated: false, stages: Vec::new() };
        let mut prefixed = false;
        self.expand_alias()?;
        loop {
            let token = self.peek()?;
            if token.is("!") {
                pipeline.negated = !pipeline.negated;
            } else if token.is("time") && pipeline.timed.is_none() {
                pipeline.timed = Some(TimeStyle::Bash);
                self.take()?;
                if self.peek()?.is("-p") {
                    pipeline.timed = Some(TimeStyle::Posix);
                    self.take()?;
                }
                if self.peek()?.is("--") {
                    self.take()?;
                }
                prefixed = true;
                continue;
            } else {
                break;
            }
            prefixed = true;
            self.take()?;
        }
        if prefixed && Self::ends_pipeline(self.peek()?) {
            return Ok(pipeline);
        }
        loop {
            let mut command = self.command()?;
            let token = self.peek()?;
            let errors = token.is_operator("|&");
            let more = errors || token.is_operator("|");
            command.pipes_errors = errors;
            pipeline.stages.push(command);
            if !more {
                return Ok(pipeline);
            }
            self.take()?;
            self.skip_newlines()?;
        }
    }

    pub(super) fn command(&mut self) -> Result<Command, SyntaxError> {
        self.enter()?;
        self.expand_alias()?;
        self.peek()?;
        let start = self.token_start();
        let line = self.line_at(start);
        let mut redirects = Vec::new();
        let kind = match self.compound()? {
            Some(kind) => {
                if !matches!(kind, Kind::Function(_)) {
                    while let Some(redirect) = self.redirect()? {
                        redirects.push(redirect);
                    }
                }
                kind
            }
            None => self.simple(&mut redirects)?,
        };
        self.depth -= 1;
        let text = self.slice(start);
        Ok(Command { kind, redirects, line, pipes_errors: false, text })
    }

    /// Replaces an alias at the start of a command by its text.
    fn expand_alias(&mut self) -> Result<(), SyntaxError> {
        while self.settings.aliases.is_some() {
            let Token::Word(word) = self.peek()? else { return Ok(()) };
            let name: Bytes = word.text.to_vec();
            let start = self.token_start();
            let Some(value) = self.settings.aliases.as_ref().and_then(|aliases| aliases.get(&name)).cloned()
            else {
                return Ok(());
            };
            if self.alias_spans.iter().any(|(active, end)| *active == name && start < *end) {
                return Ok(());
            }
            let end = start + name.len();
            if self.text.get(start..end) != Some(&name) {
                return Ok(());
            }
            let growth = value.len();
            for (_, span_end) in &mut self.alias_spans {
                if *span_end >= end {
                    *span_end = *span_end + growth - name.len();
                }
            }
            self.alias_spans.push((name, start + growth));
            // So that the word behind is not joined to the text.
            if value.last().is_some_and(u8::is_ascii_whitespace) {
                self.alias_next = Some(start + growth);
            }
            self.text.splice(start..end, value);
            self.at = start;
            self.peeked = None;
        }
        Ok(())
    }

    fn simple(&mut self, redirects: &mut Vec<Redirect>) -> Result<Kind, SyntaxError> {
        let mut simple = Simple { assignments: Vec::new(), arguments: Vec::new() };
        let mut declaring = false;
        let first_redirect = redirects.len();
        loop {
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            self.peek()?;
            let follows = self.alias_next.is_some_and(|end| self.token_start() >= end);
            if simple.arguments.is_empty() || follows {
                if follows {
                    self.alias_next = None;
                }
                self.expand_alias()?;
            }
            let Token::Word(word) = self.peek()?.clone() else { break };
            if simple.arguments.is_empty() {
                if let Some(assignment) = self.assignment()? {
                    simple.assignments.push(assignment);
                    continue;
                }
                if simple.assignments.is_empty()
                    && redirects.len() == first_redirect
                    && RESERVED_ENDS.iter().any(|end| end.as_bytes() == &*word.text)
                {
                    return Err(self.unexpected_here());
                }
                declaring = DECLARING.contains(&&*word.text);
            } else if declaring {
                let start = self.at;
                if let Some(assignment) = self.assignment()? {
                    let text = self.slice(start);
                    simple.arguments.push(Argument::Assignment(
                        assignment,
                        Word { parts: Vec::new(), text, braces: false },
                    ));
                    continue;
                }
            } else if simple.arguments.len() == 1
                && matches!(&simple.arguments[0], Argument::Word(first) if matches!(&*first.text, b"command" | b"builtin"))
            {
                declaring = DECLARING.contains(&&*word.text);
            }
            self.take()?;
            simple.arguments.push(Argument::Word(word));
            if simple.arguments.len() == 1 && simple.assignments.is_empty() && self.peek()?.is_operator("(") {
                let Some(Argument::Word(name)) = simple.arguments.pop() else {
                    unreachable!("it was just pushed")
                };
                return self.function_behind_name(&name);
            }
        }
        if simple.arguments.is_empty() && simple.assignments.is_empty() && redirects.is_empty() {
            return Err(self.unexpected_here());
        }
        Ok(Kind::Simple(simple))
    }

    fn function_behind_name(&mut self, name: &Word) -> Result<Kind, SyntaxError> {
        self.take()?;
        if !self.peek()?.is_operator(")") {
            return Err(self.unexpected_here());
        }
        self.take()?;
        self.function_body(name.text.to_vec())
    }

    pub(super) fn function_body(&mut self, name: Bytes) -> Result<Kind, SyntaxError> {
        self.skip_newlines()?;
        self.peek()?;
        let start = self.token_start();
        let line = self.line_at(start);
        let Some(kind) = self.compound()? else { return Err(self.unexpected_here()) };
        let mut redirects = Vec::new();
        while let Some(redirect) = self.redirect()? {
            redirects.push(redirect);
        }
        let text = self.slice(start);
        let body = Command { kind, redirects, line, pipes_errors: false, text };
        Ok(Kind::Function(Rc::new(Function { name, body, source: std::cell::OnceCell::new() })))
    }

    /// `name=value`, `name[subscript]+=value`, `name=( )`; none, and nothing passed, when it is not one.
    fn assignment(&mut self) -> Result<Option<Assignment>, SyntaxError> {
        let start = self.at;
        let mut end = start;
        while self.byte(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            end += 1;
        }
        let name = self.text[start..end].to_vec();
        if !crate::bytes::is_name(&name) {
            return Ok(None);
        }
        self.at = end;
        let mut subscript = None;
        if self.here() == Some(b'[') {
            self.at += 1;
            match self.word(Context::Subscript) {
                Ok(word) if self.here() == Some(b']') && !word.text.is_empty() => subscript = Some(word),
                _ => {
                    self.at = start;
                    return Ok(None);
                }
            }
            self.at += 1;
        }
        let append = self.here() == Some(b'+') && self.byte(self.at + 1) == Some(b'=');
        if append {
            self.at += 1;
        }
        if self.here() != Some(b'=') {
            self.at = start;
            return Ok(None);
        }
        self.at += 1;
        let value = if self.here() == Some(b'(') && subscript.is_none() {
            let opening = self.at;
            self.at += 1;
            let elements = self.array_elements()?;
            if self.here() != Some(b')') {
                return Err(if self.here().is_none() {
                    self.unclosed(opening, ")")
                } else {
                    self.unexpected_here()
                });
            }
            self.at += 1;
            AssignedValue::Array(elements)
        } else {
            AssignedValue::Scalar(self.word(Context::Assigned)?)
        };
        Ok(Some(Assignment { name, subscript, append, value }))
    }

    /// What stands between the parentheses of an array assignment.
    pub(super) fn array_elements(&mut self) -> Result<Vec<Element>, SyntaxError> {
        let mut elements = Vec::new();
        loop {
            self.skip_blanks();
            match self.here() {
                None | Some(b')') => return Ok(elements),
                Some(b'\n') => {
                    self.at += 1;
                    self.read_here_documents()?;
                    continue;
                }
                Some(b'#') => {
                    while self.here().is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                    continue;
                }
                Some(b'[') => {
                    let start = self.at;
                    self.at += 1;
                    if let Ok(word) = self.word(Context::Subscript)
                        && self.here() == Some(b']')
                    {
                        self.at += 1;
                        let append = self.here() == Some(b'+') && self.byte(self.at + 1) == Some(b'=');
                        if append {
                            self.at += 1;
                        }
                        if self.here() == Some(b'=') {
                            self.at += 1;
                            let value = self.word(Context::Assigned)?;
                            elements.push(Element { subscript: Some(word), append, value });
                            continue;
                        }
                    }
                    self.at = start;
                }
                _ => {}
            }
            let start = self.at;
            let value = self.word(Context::Command)?;
            if self.at == start {
                return Err(self.unexpected_here());
            }
            elements.push(Element { subscript: None, append: false, value });
        }
    }

    pub(super) fn redirect(&mut self) -> Result<Option<Redirect>, SyntaxError> {
        let mut target = RedirectTarget::Default;
        let token = self.peek()?.clone();
        match token {
            Token::Number(number) => {
                self.take()?;
                target = RedirectTarget::Number(number);
            }
            Token::Variable(name) => {
                self.take()?;
                target = RedirectTarget::Variable(name);
            }
            Token::Operator(_) => {}
            _ => return Ok(None),
        }
        let Token::Operator(operator) = *self.peek()? else { return Err(self.unexpected_here()) };
        if !matches!(
            operator,
            "<" | ">" | ">|" | ">>" | "<>" | "<&" | ">&" | "&>" | "&>>" | "<<<" | "<<" | "<<-"
        ) {
            return Ok(None);
        }
        self.take()?;
        let Token::Word(word) = self.peek()?.clone() else { return Err(self.unexpected_here()) };
        // `2>&1-` is no name.
        self.take()?;
        let operation = match operator {
            "<" => Operation::Read(word),
            ">" => Operation::Write(word),
            ">|" => Operation::Clobber(word),
            ">>" => Operation::Append(word),
            "<>" => Operation::ReadWrite(word),
            "<&" => Operation::DuplicateInput(word),
            ">&" => Operation::DuplicateOutput(word),
            "&>" => Operation::Both { append: false, word },
            "&>>" => Operation::Both { append: true, word },
            "<<<" => Operation::HereString(word),
            _ => Operation::HereDocument(self.here_document(operator == "<<-", &word)),
        };
        Ok(Some(Redirect { target, operation }))
    }
}
