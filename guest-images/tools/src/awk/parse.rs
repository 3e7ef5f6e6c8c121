//! The words of a program to its tree.

use std::collections::HashMap;
use std::rc::Rc;

use super::lex::{BUILTINS, Token, tokens};
use super::tree::{Expression, Function, Operator, Pattern, Place, Program, Source, Statement, Target};
use crate::posix::{Dialect, Regex};

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

type Parsed = Result<Expression, String>;

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

    fn expression(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("program is nested too deep".to_owned());
        }
        let value = self.ternary();
        self.depth -= 1;
        value
    }

    fn is_target(value: &Expression) -> bool {
        matches!(value, Expression::Variable(_) | Expression::Element(..) | Expression::Field(_))
    }

    fn ternary(&mut self) -> Parsed {
        let condition = self.or()?;
        if self.takes("?") {
            self.newlines();
            let yes = self.ternary()?;
            self.newlines();
            self.expect(":")?;
            self.newlines();
            let no = self.ternary()?;
            return Ok(Expression::Choose(Box::new(condition), Box::new(yes), Box::new(no)));
        }
        if Self::is_target(&condition) {
            return self.assignment(condition);
        }
        Ok(condition)
    }

    fn assignment(&mut self, target: Expression) -> Parsed {
        let operator = match self.peek() {
            Token::Mark("=") => None,
            Token::Mark("+=") => Some(Operator::Add),
            Token::Mark("-=") => Some(Operator::Subtract),
            Token::Mark("*=") => Some(Operator::Multiply),
            Token::Mark("/=") => Some(Operator::Divide),
            Token::Mark("%=") => Some(Operator::Modulo),
            Token::Mark("^=" | "**=") => Some(Operator::Power),
            _ => return Ok(target),
        };
        self.at += 1;
        self.newlines();
        let value = self.ternary()?;
        Ok(match operator {
            None => Expression::Assign(Box::new(target), Box::new(value)),
            Some(operator) => Expression::Update(operator, Box::new(target), Box::new(value)),
        })
    }

    fn or(&mut self) -> Parsed {
        let mut left = self.and()?;
        while self.takes("||") {
            self.newlines();
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed {
        let mut left = self.membership()?;
        while self.takes("&&") {
            self.newlines();
            left = Expression::And(Box::new(left), Box::new(self.membership()?));
        }
        Ok(left)
    }

    fn membership(&mut self) -> Parsed {
        let mut left = self.matching()?;
        while !self.no_in && self.takes_word("in") {
            let Token::Name(name) = self.next() else { return Err("syntax error: expected an array".to_owned()) };
            let place = self.place(&name);
            left = Expression::In(vec![left], place);
        }
        Ok(left)
    }

    fn matching(&mut self) -> Parsed {
        let mut left = self.comparison()?;
        loop {
            let positive = if self.takes("~") {
                true
            } else if self.takes("!~") {
                false
            } else {
                return Ok(left);
            };
            left = Expression::Match(Box::new(left), Box::new(self.comparison()?), positive);
        }
    }

    fn comparison(&mut self) -> Parsed {
        let left = self.concatenation()?;
        let operator = match self.peek() {
            Token::Mark("<") => Operator::Less,
            Token::Mark("<=") => Operator::LessEqual,
            Token::Mark("==") => Operator::Equal,
            Token::Mark("!=") => Operator::NotEqual,
            Token::Mark(">") if !self.no_greater => Operator::Greater,
            Token::Mark(">=") => Operator::GreaterEqual,
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.concatenation()?;
        Ok(Expression::Binary(operator, Box::new(left), Box::new(right)))
    }

    /// Concatenations, and commands that lines are read from.
    fn concatenation(&mut self) -> Parsed {
        let mut left = self.additive()?;
        loop {
            if self.sees("|")
                && matches!(self.tokens.get(self.at + 1), Some((Token::Word("getline"), _)))
            {
                self.at += 2;
                let target = self.optional_target()?;
                left = Expression::GetLine(Source::Command(Box::new(left)), target);
                continue;
            }
            if !self.begins_value() {
                return Ok(left);
            }
            left = Expression::Concat(Box::new(left), Box::new(self.additive()?));
        }
    }

    fn begins_value(&self) -> bool {
        match self.peek() {
            Token::Number(_) | Token::Text(_) | Token::Regex(_) | Token::Name(_) | Token::Function(_) => true,
            Token::Mark(mark) => matches!(*mark, "(" | "$" | "!" | "-" | "+" | "++" | "--"),
            _ => false,
        }
    }

    fn additive(&mut self) -> Parsed {
        let mut left = self.multiplicative()?;
        loop {
            let operator = match self.peek() {
                Token::Mark("+") => Operator::Add,
                Token::Mark("-") => Operator::Subtract,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expression::Binary(operator, Box::new(left), Box::new(self.multiplicative()?));
        }
    }

    fn multiplicative(&mut self) -> Parsed {
        let mut left = self.unary()?;
        loop {
            let operator = match self.peek() {
                Token::Mark("*") => Operator::Multiply,
                Token::Mark("/") => Operator::Divide,
                Token::Mark("%") => Operator::Modulo,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expression::Binary(operator, Box::new(left), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> Parsed {
        if self.takes("!") {
            return Ok(Expression::Not(Box::new(self.unary()?)));
        }
        if self.takes("-") {
            return Ok(Expression::Minus(Box::new(self.unary()?)));
        }
        if self.takes("+") {
            return Ok(Expression::Plus(Box::new(self.unary()?)));
        }
        self.power()
    }

    fn power(&mut self) -> Parsed {
        let base = self.postfix()?;
        if self.takes("^") || self.takes("**") {
            // The exponent can have a sign, and groups from the right.
            let exponent = if self.takes("-") {
                Expression::Minus(Box::new(self.power()?))
            } else if self.takes("+") {
                self.power()?
            } else if self.takes("!") {
                Expression::Not(Box::new(self.power()?))
            } else {
                self.power()?
            };
            return Ok(Expression::Binary(Operator::Power, Box::new(base), Box::new(exponent)));
        }
        Ok(base)
    }

    fn postfix(&mut self) -> Parsed {
        let value = self.primary()?;
        if Self::is_target(&value) {
            if self.takes("++") {
                return Ok(Expression::Step(Box::new(value), 1.0, true));
            }
            if self.takes("--") {
                return Ok(Expression::Step(Box::new(value), -1.0, true));
            }
            // An assignment within a larger expression, as in `a && b = c`.
            if matches!(self.peek(), Token::Mark("=" | "+=" | "-=" | "*=" | "/=" | "%=" | "^=" | "**=")) {
                return self.assignment(value);
            }
        }
        Ok(value)
    }

    fn optional_target(&mut self) -> Result<Option<Box<Expression>>, String> {
        if self.sees("$") || matches!(self.peek(), Token::Name(_)) {
            return self.primary().map(|target| Some(Box::new(target)));
        }
        Ok(None)
    }

    fn primary(&mut self) -> Parsed {
        match self.next() {
            Token::Number(number) => Ok(Expression::Number(number)),
            Token::Text(text) => Ok(Expression::Text(Rc::new(text))),
            Token::Regex(text) => Ok(Expression::Regex(Rc::new(Regex::new(&text, DIALECT)?))),
            Token::Mark("$") => {
                if self.takes("++") {
                    let inner = self.primary()?;
                    return Ok(Expression::Field(Box::new(Expression::Step(Box::new(inner), 1.0, false))));
                }
                if self.takes("--") {
                    let inner = self.primary()?;
                    return Ok(Expression::Field(Box::new(Expression::Step(Box::new(inner), -1.0, false))));
                }
                if self.takes("-") {
                    return Ok(Expression::Field(Box::new(Expression::Minus(Box::new(self.primary()?)))));
                }
                Ok(Expression::Field(Box::new(self.primary()?)))
            }
            Token::Mark(step @ ("++" | "--")) => {
                let target = self.primary()?;
                if !Self::is_target(&target) {
                    return Err(format!("syntax error: {step} of what is no variable"));
                }
                Ok(Expression::Step(Box::new(target), if step == "++" { 1.0 } else { -1.0 }, false))
            }
            Token::Mark("(") => {
                let mut values = self.list(")")?;
                if values.len() > 1 {
                    if !self.takes_word("in") {
                        return Err(format!("syntax error at or near {}", self.shown()));
                    }
                    let Token::Name(name) = self.next() else { return Err("syntax error: expected an array".to_owned()) };
                    let place = self.place(&name);
                    return Ok(Expression::In(values, place));
                }
                match values.pop() {
                    Some(value) => Ok(Expression::Group(Box::new(value))),
                    None => Err("syntax error at or near )".to_owned()),
                }
            }
            Token::Mark("-") => Ok(Expression::Minus(Box::new(self.unary()?))),
            Token::Mark("+") => Ok(Expression::Plus(Box::new(self.unary()?))),
            Token::Mark("!") => Ok(Expression::Not(Box::new(self.unary()?))),
            Token::Word("getline") => {
                let target = self.optional_target()?;
                if self.takes("<") {
                    let file = self.postfix()?;
                    return Ok(Expression::GetLine(Source::File(Box::new(file)), target));
                }
                Ok(Expression::GetLine(Source::Main, target))
            }
            Token::Name(name) => {
                let place = self.place(&name);
                if self.takes("[") {
                    let mut keys = self.list("]")?;
                    // An array of arrays is none of POSIX.
                    if self.sees("[") {
                        return Err("arrays of arrays are not supported".to_owned());
                    }
                    if keys.is_empty() {
                        keys.push(Expression::Text(Rc::default()));
                    }
                    return Ok(Expression::Element(place, keys));
                }
                Ok(Expression::Variable(place))
            }
            Token::Function(name) => {
                if let Some(builtin) = BUILTINS.iter().find(|builtin| **builtin == name) {
                    let values = if self.takes("(") { self.list(")")? } else { Vec::new() };
                    if values.is_empty() && !matches!(*builtin, "length" | "rand" | "srand" | "systime" | "fflush" | "strftime") {
                        return Err(format!("syntax error: {name} needs arguments"));
                    }
                    return Ok(Expression::Builtin(builtin, values));
                }
                self.expect("(")?;
                let values = self.list(")")?;
                let at = self.function(&name);
                Ok(Expression::Call(at, values))
            }
            _ => {
                self.at = self.at.saturating_sub(1);
                Err(format!("syntax error at or near {}", self.shown()))
            }
        }
    }
}
