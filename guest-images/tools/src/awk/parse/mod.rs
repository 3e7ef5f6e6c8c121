//! The words of a program to its tree.

mod expression;

use std::collections::HashMap;

use super::lex::{BUILTINS, Token, tokens};
use super::tree::{Expression, Function, Pattern, Place, Program, Statement, Target};
use crate::posix::Dialect;

/// How expressions are matched in a program.
pub const DIALECT: Dialect =
    Dialect { extended: true, escapes: true, lines: false, multi_line: false, ignore_case: false, awk: true };

/// Deeper ones would need more stack than there is.
const DEPTH_MAX: usize = 200;

pub fn parse(text: &[u8]) -> Result<Program, String> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        program: Program::default(),
        globals: HashMap::new(),
        functions: HashMap::new(),
        locals: Vec::new(),
        no_in: false,
        no_greater: false,
        depth: 0,
    };
    for name in super::run::SPECIAL {
        parser.global(name);
    }
    parser.whole().map_err(|message| {
        let line = parser.tokens.get(parser.at).map_or(0, |(_, line)| *line);
        format!("line {line}: {message}")
    })?;
    if let Some(function) = parser.program.functions.iter().find(|function| !function.defined) {
        return Err(format!("function `{}' not defined", function.name));
    }
    Ok(parser.program)
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    program: Program,
    globals: HashMap<String, usize>,
    functions: HashMap<String, usize>,
    locals: Vec<String>,
    /// Within the head of a `for`, `in` is not an operator; in what `print` prints, `>` is none.
    no_in: bool,
    no_greater: bool,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn sees(&self, mark: &str) -> bool {
        matches!(self.peek(), Token::Mark(found) if *found == mark)
    }

    fn takes(&mut self, mark: &str) -> bool {
        let sees = self.sees(mark);
        self.at += usize::from(sees);
        sees
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let sees = matches!(self.peek(), Token::Word(found) if *found == word);
        self.at += usize::from(sees);
        sees
    }

    fn expect(&mut self, mark: &str) -> Result<(), String> {
        if self.takes(mark) { Ok(()) } else { Err(format!("syntax error: expected {mark} at or near {}", self.shown())) }
    }

    fn shown(&self) -> String {
        match self.peek() {
            Token::Number(number) => number.to_string(),
            Token::Text(text) | Token::Regex(text) => String::from_utf8_lossy(text).into_owned(),
            Token::Name(name) | Token::Function(name) => name.clone(),
            Token::Word(word) | Token::Mark(word) => (*word).to_owned(),
            Token::Newline => "end of line".to_owned(),
            Token::End => "end of file".to_owned(),
        }
    }

    fn newlines(&mut self) {
        while *self.peek() == Token::Newline {
            self.at += 1;
        }
    }

    fn separators(&mut self) {
        while *self.peek() == Token::Newline || self.sees(";") {
            self.at += 1;
        }
    }

    fn global(&mut self, name: &str) -> Place {
        if let Some(at) = self.globals.get(name) {
            return Place::Global(*at);
        }
        let at = self.program.globals.len();
        self.program.globals.push(name.to_owned());
        self.globals.insert(name.to_owned(), at);
        Place::Global(at)
    }

    fn place(&mut self, name: &str) -> Place {
        match self.locals.iter().position(|local| local == name) {
            Some(at) => Place::Local(at),
            None => self.global(name),
        }
    }

    fn function(&mut self, name: &str) -> usize {
        if let Some(at) = self.functions.get(name) {
            return *at;
        }
        let at = self.program.functions.len();
        self.program.functions.push(Function { name: name.to_owned(), ..Function::default() });
        self.functions.insert(name.to_owned(), at);
        at
    }

    fn whole(&mut self) -> Result<(), String> {
        loop {
            self.separators();
            if *self.peek() == Token::End {
                return Ok(());
            }
            if self.takes_word("BEGIN") {
                let body = self.block()?;
                self.program.begin.push(body);
            } else if self.takes_word("END") {
                let body = self.block()?;
                self.program.end.push(body);
            } else if self.takes_word("function") || self.takes_word("func") {
                self.definition()?;
            } else {
                let pattern = if self.sees("{") {
                    Pattern::Always
                } else {
                    let first = self.expression()?;
                    if self.takes(",") {
                        self.newlines();
                        Pattern::Between(first, self.expression()?)
                    } else {
                        Pattern::When(first)
                    }
                };
                let body = if self.sees("{") { Some(self.block()?) } else { None };
                self.program.rules.push((pattern, body));
            }
        }
    }

    fn definition(&mut self) -> Result<(), String> {
        let (Token::Name(name) | Token::Function(name)) = self.next() else {
            return Err("syntax error: expected a function's name".to_owned());
        };
        if BUILTINS.contains(&name.as_str()) {
            return Err(format!("`{name}' is a built-in function, it cannot be redefined"));
        }
        self.expect("(")?;
        let mut parameters = Vec::new();
        while !self.takes(")") {
            self.newlines();
            match self.next() {
                Token::Name(parameter) => parameters.push(parameter),
                _ => return Err("syntax error: expected a parameter's name".to_owned()),
            }
            self.newlines();
            self.takes(",");
        }
        let at = self.function(&name);
        if self.program.functions.get(at).is_some_and(|function| function.defined) {
            return Err(format!("function name `{name}' previously defined"));
        }
        self.newlines();
        let count = parameters.len();
        self.locals = parameters;
        let body = self.block()?;
        self.locals.clear();
        if let Some(function) = self.program.functions.get_mut(at) {
            (function.parameters, function.body, function.defined) = (count, body, true);
        }
        Ok(())
    }

    fn block(&mut self) -> Result<Vec<Statement>, String> {
        self.expect("{")?;
        let mut statements = Vec::new();
        loop {
            self.separators();
            if self.takes("}") {
                return Ok(statements);
            }
            statements.push(self.statement()?);
        }
    }

    /// What may stand behind a simple statement.
    fn end(&mut self) -> Result<(), String> {
        if self.takes(";") || *self.peek() == Token::Newline {
            self.newlines();
            return Ok(());
        }
        if self.sees("}") || *self.peek() == Token::End {
            return Ok(());
        }
        Err(format!("syntax error at or near {}", self.shown()))
    }

    fn body(&mut self) -> Result<Box<Statement>, String> {
        self.newlines();
        if self.takes(";") {
            return Ok(Box::new(Statement::Block(Vec::new())));
        }
        Ok(Box::new(self.statement()?))
    }

    fn statement(&mut self) -> Result<Statement, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("program is nested too deep".to_owned());
        }
        let statement = self.statement_inner();
        self.depth -= 1;
        statement
    }

    fn statement_inner(&mut self) -> Result<Statement, String> {
        if self.sees("{") {
            return Ok(Statement::Block(self.block()?));
        }
        if self.takes_word("if") {
            self.expect("(")?;
            let condition = self.expression()?;
            self.expect(")")?;
            let then = self.body()?;
            let back = self.at;
            self.separators();
            if self.takes_word("else") {
                return Ok(Statement::If(condition, then, Some(self.body()?)));
            }
            self.at = back;
            return Ok(Statement::If(condition, then, None));
        }
        if self.takes_word("while") {
            self.expect("(")?;
            let condition = self.expression()?;
            self.expect(")")?;
            if self.takes(";") {
                return Ok(Statement::While(condition, Box::new(Statement::Block(Vec::new()))));
            }
            return Ok(Statement::While(condition, self.body()?));
        }
        if self.takes_word("do") {
            let body = self.body()?;
            self.separators();
            if !self.takes_word("while") {
                return Err("syntax error: expected while".to_owned());
            }
            self.expect("(")?;
            let condition = self.expression()?;
            self.expect(")")?;
            self.end()?;
            return Ok(Statement::Do(body, condition));
        }
        if self.takes_word("for") {
            return self.loop_over();
        }
        if self.takes(";") {
            return Ok(Statement::Block(Vec::new()));
        }
        let statement = self.simple()?;
        self.end()?;
        Ok(statement)
    }

    fn loop_over(&mut self) -> Result<Statement, String> {
        self.expect("(")?;
        if let (Some((Token::Name(key), _)), Some((Token::Word("in"), _)), Some((Token::Name(array), _)), Some((Token::Mark(")"), _))) =
            (self.tokens.get(self.at), self.tokens.get(self.at + 1), self.tokens.get(self.at + 2), self.tokens.get(self.at + 3))
        {
            let (key, array) = (key.clone(), array.clone());
            self.at += 4;
            let (key, array) = (self.place(&key), self.place(&array));
            return Ok(Statement::ForIn(key, array, self.body()?));
        }
        let first = if self.sees(";") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(";")?;
        self.newlines();
        let condition = if self.sees(";") { None } else { Some(self.expression()?) };
        self.expect(";")?;
        self.newlines();
        let step = if self.sees(")") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(")")?;
        if self.takes(";") {
            return Ok(Statement::For(first, condition, step, Box::new(Statement::Block(Vec::new()))));
        }
        Ok(Statement::For(first, condition, step, self.body()?))
    }

    fn ends(&self) -> bool {
        matches!(self.peek(), Token::Newline | Token::End) || self.sees(";") || self.sees("}")
    }

    fn simple(&mut self) -> Result<Statement, String> {
        let Token::Word(word) = *self.peek() else { return Ok(Statement::Expression(self.expression()?)) };
        if word == "getline" {
            return Ok(Statement::Expression(self.expression()?));
        }
        self.at += 1;
        Ok(match word {
            "break" => Statement::Break,
            "continue" => Statement::Continue,
            "next" => Statement::Next,
            "nextfile" => Statement::NextFile,
            "exit" => Statement::Exit(if self.ends() { None } else { Some(self.expression()?) }),
            "return" => Statement::Return(if self.ends() { None } else { Some(self.expression()?) }),
            "delete" => {
                let Token::Name(name) = self.next() else { return Err("syntax error: expected an array".to_owned()) };
                let place = self.place(&name);
                if self.takes("[") {
                    let keys = self.list("]")?;
                    Statement::Delete(place, Some(keys))
                } else {
                    Statement::Delete(place, None)
                }
            }
            "print" | "printf" => self.output(word == "print")?,
            _ => return Err(format!("syntax error at or near {word}")),
        })
    }

    fn output(&mut self, print: bool) -> Result<Statement, String> {
        let before = std::mem::replace(&mut self.no_greater, true);
        let mut values = Vec::new();
        let redirects = |parser: &Self| ["|", ">", ">>", "|&"].iter().any(|mark| parser.sees(mark));
        if !self.ends() && !redirects(self) {
            // Parentheses around all values are not an expression.
            let back = self.at;
            let mut grouped = false;
            if self.takes("(") {
                self.no_greater = false;
                let list = self.list(")");
                self.no_greater = true;
                if let Ok(list) = list
                    && (self.ends() || redirects(self))
                {
                    values = list;
                    grouped = true;
                }
            }
            if !grouped {
                self.at = back;
                values.push(self.expression()?);
                while self.takes(",") {
                    self.newlines();
                    values.push(self.expression()?);
                }
            }
        }
        let target = if self.takes(">") {
            Some(Target::File)
        } else if self.takes(">>") {
            Some(Target::Append)
        } else if self.sees("|&") {
            return Err("|& (coprocesses) is not supported".to_owned());
        } else if self.takes("|") {
            Some(Target::Command)
        } else {
            None
        };
        let target = match target {
            Some(target) => Some((target, self.concatenation()?)),
            None => None,
        };
        self.no_greater = before;
        if !print && values.is_empty() {
            return Err("printf: no format".to_owned());
        }
        Ok(if print { Statement::Print(values, target) } else { Statement::Printf(values, target) })
    }

    fn list(&mut self, end: &str) -> Result<Vec<Expression>, String> {
        let mut values = Vec::new();
        self.newlines();
        if self.takes(end) {
            return Ok(values);
        }
        let no_in = std::mem::replace(&mut self.no_in, false);
        let no_greater = std::mem::replace(&mut self.no_greater, false);
        loop {
            self.newlines();
            let value = self.expression();
            match value {
                Ok(value) => values.push(value),
                Err(message) => {
                    (self.no_in, self.no_greater) = (no_in, no_greater);
                    return Err(message);
                }
            }
            self.newlines();
            if self.takes(end) {
                break;
            }
            if !self.takes(",") {
                (self.no_in, self.no_greater) = (no_in, no_greater);
                return Err(format!("syntax error at or near {}", self.shown()));
            }
        }
        (self.no_in, self.no_greater) = (no_in, no_greater);
        Ok(values)
    }
}
