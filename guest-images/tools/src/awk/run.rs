//! Running a program: its rules, and its statements.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use super::streams::{Reader, Separator, Streams};
use super::tree::{Expression, Pattern, Place, Program, Statement, Target};
use super::value::{Array, Cell, Shared, Value, shown, text};
use crate::posix::Regex;
use crate::text::reason;

/// Variables that mean something; they are the first ones.
pub const SPECIAL: &[&str] = &[
    "NF", "NR", "FNR", "FS", "OFS", "ORS", "RS", "RT", "SUBSEP", "CONVFMT", "OFMT", "FILENAME", "RSTART", "RLENGTH", "ENVIRON",
    "ARGC", "ARGV", "IGNORECASE", "FPAT", "FIELDWIDTHS",
];
pub const NF: usize = 0;
pub const NR: usize = 1;
pub const FNR: usize = 2;
pub const FS: usize = 3;
const OFS: usize = 4;
const ORS: usize = 5;
const RS: usize = 6;
const RT: usize = 7;
const SUBSEP: usize = 8;
const CONVFMT: usize = 9;
const OFMT: usize = 10;
const FILENAME: usize = 11;
pub const RSTART: usize = 12;
pub const RLENGTH: usize = 13;
const ENVIRON: usize = 14;
const ARGC: usize = 15;
const ARGV: usize = 16;
const IGNORECASE: usize = 17;

/// Calls that are nested deeper than this would need more stack than there is.
const CALLS_MAX: usize = 400;

/// Why a statement did not just end.
#[derive(Debug)]
pub enum Flow {
    Break,
    Continue,
    Next,
    NextFile,
    Exit,
    Return(Value),
    Failed(String),
}

impl From<String> for Flow {
    fn from(message: String) -> Flow {
        Flow::Failed(message)
    }
}

pub type Run<T> = Result<T, Flow>;

pub struct Machine<'p> {
    pub program: &'p Program,
    tool: String,
    pub globals: Vec<Cell>,
    pub frames: Vec<Vec<Cell>>,
    pub streams: Streams,
    /// The record, its fields when they are known, and whether it has to be made of them.
    pub record: Rc<Vec<u8>>,
    pub fields: Vec<Value>,
    pub split: bool,
    pub stale: bool,
    pub regexes: HashMap<(Vec<u8>, bool), Rc<Regex>>,
    pub random: u64,
    pub seed: f64,
    input: Option<Reader>,
    argument: usize,
    used_input: bool,
    code: i32,
    ranges: Vec<bool>,
    pub convert: Rc<Vec<u8>>,
    pub separator: Option<super::record::Fields>,
}

impl<'p> Machine<'p> {
    pub fn new(program: &'p Program, tool: &str, operands: &[Vec<u8>]) -> Machine<'p> {
        let mut machine = Machine {
            program,
            tool: tool.to_owned(),
            globals: vec![Cell::Untyped; program.globals.len()],
            frames: Vec::new(),
            streams: Streams::new(),
            record: Rc::default(),
            fields: Vec::new(),
            split: true,
            stale: false,
            regexes: HashMap::new(),
            random: 0x2545_f491_4f6c_dd1d,
            seed: 0.0,
            input: None,
            argument: 1,
            used_input: false,
            code: 0,
            ranges: vec![false; program.rules.len()],
            convert: Rc::new(b"%.6g".to_vec()),
            separator: None,
        };
        let initial: &[(usize, &[u8])] = &[
            (FS, b" "),
            (OFS, b" "),
            (ORS, b"\n"),
            (RS, b"\n"),
            (SUBSEP, b"\x1c"),
            (CONVFMT, b"%.6g"),
            (OFMT, b"%.6g"),
        ];
        for (at, value) in initial {
            machine.put(*at, text(*value));
        }
        for at in [NF, NR, FNR, RSTART, RLENGTH] {
            machine.put(at, Value::Number(if at == RLENGTH { -1.0 } else { 0.0 }));
        }
        let mut environment = Array::default();
        for (name, value) in std::env::vars_os() {
            let value = sandpiper_guest::bytes(&value).to_vec();
            environment.set(sandpiper_guest::bytes(&name).to_vec(), Value::Input(Rc::new(value)));
        }
        let mut arguments = Array::default();
        arguments.set(b"0".to_vec(), text(tool.as_bytes()));
        for (at, operand) in operands.iter().enumerate() {
            arguments.set((at + 1).to_string().into_bytes(), Value::Input(Rc::new(operand.clone())));
        }
        #[allow(clippy::cast_precision_loss)]
        machine.put(ARGC, Value::Number((operands.len() + 1) as f64));
        for (at, array) in [(ENVIRON, environment), (ARGV, arguments)] {
            if let Some(cell) = machine.globals.get_mut(at) {
                *cell = Cell::Array(Rc::new(RefCell::new(array)));
            }
        }
        machine
    }

    fn put(&mut self, at: usize, value: Value) {
        if let Some(cell) = self.globals.get_mut(at) {
            *cell = Cell::Scalar(value);
        }
    }

    /// A special variable's value, as it is.
    pub fn special(&self, at: usize) -> Value {
        match self.globals.get(at) {
            Some(Cell::Scalar(value)) => value.clone(),
            _ => Value::Unset,
        }
    }

    fn special_text(&self, at: usize) -> Rc<Vec<u8>> {
        self.special(at).bytes(&self.convert)
    }

    pub fn output_separator(&self) -> Rc<Vec<u8>> {
        self.special_text(OFS)
    }

    pub fn key_separator(&self) -> Rc<Vec<u8>> {
        self.special_text(SUBSEP)
    }

    /// Sets a special variable that the machine itself changes.
    pub fn set_number(&mut self, at: usize, number: f64) {
        self.put(at, Value::Number(number));
    }

    /// Sets a variable by its name, as `-v` and operands do.
    pub fn assign(&mut self, name: &[u8], value: &[u8]) -> Result<(), String> {
        let name = String::from_utf8_lossy(name).into_owned();
        if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            || !name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
        {
            return Err(format!("`{name}' is not a legal variable name"));
        }
        if let Some(at) = self.program.globals.iter().position(|known| *known == name) {
            let value = Value::Input(Rc::new(super::lex::unescaped(value)));
            self.set_variable(Place::Global(at), value).map_err(|flow| match flow {
                Flow::Failed(message) => message,
                _ => String::new(),
            })?;
        }
        Ok(())
    }

    /// What happens when a variable of the machine's changes.
    pub fn changed(&mut self, at: usize) -> Run<()> {
        match at {
            NF => self.cut_fields()?,
            FS => self.separator = None,
            CONVFMT => self.convert = self.special_text(CONVFMT),
            IGNORECASE if self.special(IGNORECASE).truth() => {
                return Err("IGNORECASE is not supported; use tolower()".to_owned().into());
            }
            18 | 19 => return Err("FPAT and FIELDWIDTHS are not supported".to_owned().into()),
            _ => {}
        }
        Ok(())
    }

    pub fn run(&mut self) -> i32 {
        let mut result = self.rules();
        if !matches!(result, Err(Flow::Failed(_))) {
            // `exit` in a rule goes to END too; there it is the end.
            let end = self.blocks(&self.program.end);
            if let Err(flow) = end {
                result = Err(flow);
            }
        }
        let mut code = self.code;
        if let Err(Flow::Failed(message)) = result {
            let _ = self.streams.flush();
            eprintln!("{}: {message}", self.tool);
            code = 2;
        }
        match self.streams.close_all() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                eprintln!("{}: write error: {}", self.tool, reason(&error));
                2
            }
            _ => code,
        }
    }

    fn blocks(&mut self, blocks: &'p [Vec<Statement>]) -> Run<()> {
        for block in blocks {
            match self.block(block) {
                Err(Flow::Next | Flow::NextFile) => return Err("next in BEGIN or END".to_owned().into()),
                other => other?,
            }
        }
        Ok(())
    }

    fn rules(&mut self) -> Run<()> {
        let program = self.program;
        self.blocks(&program.begin)?;
        if program.rules.is_empty() && program.end.is_empty() {
            return Ok(());
        }
        while self.next_record()? {
            for (at, (pattern, body)) in program.rules.iter().enumerate() {
                if !self.selects(at, pattern)? {
                    continue;
                }
                let result = match body {
                    Some(body) => self.block(body),
                    None => self.print(&[], None),
                };
                match result {
                    Err(Flow::Next) => break,
                    Err(Flow::NextFile) => {
                        self.input = None;
                        break;
                    }
                    other => other?,
                }
            }
        }
        Ok(())
    }

    fn selects(&mut self, at: usize, pattern: &'p Pattern) -> Run<bool> {
        match pattern {
            Pattern::Always => Ok(true),
            Pattern::When(condition) => Ok(self.value(condition)?.truth()),
            Pattern::Between(first, last) => {
                let open = self.ranges.get(at).copied().unwrap_or(false);
                if !open && !self.value(first)?.truth() {
                    return Ok(false);
                }
                let ends = self.value(last)?.truth();
                if let Some(open) = self.ranges.get_mut(at) {
                    *open = !ends;
                }
                Ok(true)
            }
        }
    }

    pub fn record_separator(&mut self) -> Run<Separator> {
        let text = self.special_text(RS);
        Ok(match text.as_slice() {
            [] => Separator::Paragraph,
            [byte] => Separator::Byte(*byte),
            _ => Separator::Regex(self.regex_of(&text)?),
        })
    }

    pub fn regex_of(&mut self, pattern: &[u8]) -> Run<Rc<Regex>> {
        let key = (pattern.to_vec(), false);
        if let Some(regex) = self.regexes.get(&key) {
            return Ok(Rc::clone(regex));
        }
        let regex = Rc::new(Regex::new(pattern, super::parse::DIALECT)?);
        self.regexes.insert(key, Rc::clone(&regex));
        Ok(regex)
    }

    /// The next record of the operands' files, without its fields; none at the end.
    pub fn main_record(&mut self) -> Run<Option<Vec<u8>>> {
        let separator = self.record_separator()?;
        loop {
            if let Some(reader) = &mut self.input {
                match reader.record(&separator) {
                    Ok(Some((record, ended))) => {
                        self.put(RT, text(ended));
                        for at in [NR, FNR] {
                            let number = self.special(at).number();
                            self.set_number(at, number + 1.0);
                        }
                        return Ok(Some(record));
                    }
                    Ok(None) => self.input = None,
                    Err(error) => {
                        self.input = None;
                        self.code = 2;
                        eprintln!("{}: {}: {}", self.tool, String::from_utf8_lossy(&self.special_text(FILENAME)), reason(&error));
                    }
                }
                continue;
            }
            if !self.open_next()? {
                return Ok(None);
            }
        }
    }

    fn open_next(&mut self) -> Run<bool> {
        loop {
            let count = self.special(ARGC).number();
            #[allow(clippy::cast_precision_loss)]
            if self.argument as f64 >= count {
                if self.used_input {
                    return Ok(false);
                }
                self.used_input = true;
                self.set_number(FNR, 0.0);
                self.input = Some(Reader::new(Box::new(io::BufReader::with_capacity(1 << 16, io::stdin()))));
                return Ok(true);
            }
            let key = self.argument.to_string().into_bytes();
            self.argument += 1;
            let operand = match self.globals.get(ARGV) {
                Some(Cell::Array(array)) => array.borrow().get(&key).map(|value| value.bytes(&self.convert)),
                _ => None,
            };
            let Some(operand) = operand.filter(|operand| !operand.is_empty()) else { continue };
            if let Some(at) = operand.iter().position(|&byte| byte == b'=') {
                let (name, value) = operand.split_at(at);
                let is_name = name.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
                    && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
                if is_name {
                    self.assign(name, value.get(1..).unwrap_or_default())?;
                    continue;
                }
            }
            self.used_input = true;
            let input: io::Result<Box<dyn io::BufRead>> = if operand.as_slice() == b"-" {
                Ok(Box::new(io::BufReader::with_capacity(1 << 16, io::stdin())))
            } else {
                std::fs::File::open(sandpiper_guest::os(&operand)).and_then(|file| {
                    if file.metadata()?.is_dir() {
                        return Err(io::ErrorKind::IsADirectory.into());
                    }
                    Ok(Box::new(io::BufReader::with_capacity(1 << 16, file)) as Box<dyn io::BufRead>)
                })
            };
            match input {
                Ok(input) => {
                    self.put(FILENAME, Value::Text(operand));
                    self.set_number(FNR, 0.0);
                    self.input = Some(Reader::new(input));
                    return Ok(true);
                }
                Err(error) => {
                    self.code = 2;
                    let _ = self.streams.flush();
                    eprintln!("{}: cannot open \"{}\" ({})", self.tool, String::from_utf8_lossy(&operand), reason(&error));
                }
            }
        }
    }

    fn next_record(&mut self) -> Run<bool> {
        match self.main_record()? {
            Some(record) => {
                self.set_record(record);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    pub fn block(&mut self, statements: &'p [Statement]) -> Run<()> {
        for statement in statements {
            self.statement(statement)?;
        }
        Ok(())
    }

    /// A loop's body; whether the loop goes on.
    fn turn(&mut self, body: &'p Statement) -> Run<bool> {
        match self.statement(body) {
            Err(Flow::Break) => Ok(false),
            Err(Flow::Continue) | Ok(()) => Ok(true),
            Err(other) => Err(other),
        }
    }

    fn statement(&mut self, statement: &'p Statement) -> Run<()> {
        match statement {
            Statement::Expression(value) => self.value(value).map(drop),
            Statement::Print(values, target) => self.print(values, target.as_ref()),
            Statement::Printf(values, target) => {
                let mut given = Vec::new();
                for value in values {
                    given.push(self.value(value)?);
                }
                let format = given.remove(0).bytes(&self.convert);
                let made = super::format::format(&format, &given, &self.convert)?;
                self.write(&made, target.as_ref())
            }
            Statement::If(condition, then, otherwise) => {
                if self.value(condition)?.truth() {
                    self.statement(then)
                } else if let Some(otherwise) = otherwise {
                    self.statement(otherwise)
                } else {
                    Ok(())
                }
            }
            Statement::While(condition, body) => {
                while self.value(condition)?.truth() && self.turn(body)? {}
                Ok(())
            }
            Statement::Do(body, condition) => {
                while self.turn(body)? && self.value(condition)?.truth() {}
                Ok(())
            }
            Statement::For(first, condition, step, body) => {
                if let Some(first) = first {
                    self.statement(first)?;
                }
                loop {
                    if let Some(condition) = condition
                        && !self.value(condition)?.truth()
                    {
                        return Ok(());
                    }
                    if !self.turn(body)? {
                        return Ok(());
                    }
                    if let Some(step) = step {
                        self.statement(step)?;
                    }
                }
            }
            Statement::ForIn(key, array, body) => {
                let array = self.array(*array)?;
                let keys = array.borrow().keys();
                for name in keys {
                    if array.borrow().get(&name).is_none() {
                        continue;
                    }
                    self.set_variable(*key, Value::Input(name))?;
                    if !self.turn(body)? {
                        break;
                    }
                }
                Ok(())
            }
            Statement::Block(statements) => self.block(statements),
            Statement::Next => Err(Flow::Next),
            Statement::NextFile => Err(Flow::NextFile),
            Statement::Exit(code) => {
                if let Some(code) = code {
                    #[allow(clippy::cast_possible_truncation)]
                    let code = self.value(code)?.number() as i64;
                    self.code = i32::try_from(code & 0xff).unwrap_or(0);
                }
                Err(Flow::Exit)
            }
            Statement::Return(value) => {
                let value = match value {
                    Some(value) => self.value(value)?,
                    None => Value::Unset,
                };
                Err(Flow::Return(value))
            }
            Statement::Break => Err(Flow::Break),
            Statement::Continue => Err(Flow::Continue),
            Statement::Delete(place, keys) => {
                let array = self.array(*place)?;
                match keys {
                    None => array.borrow_mut().clear(),
                    Some(keys) => {
                        let key = self.key(keys)?;
                        array.borrow_mut().remove(&key);
                    }
                }
                Ok(())
            }
        }
    }

    fn print(&mut self, values: &'p [Expression], target: Option<&'p (Target, Expression)>) -> Run<()> {
        let mut out = Vec::new();
        if values.is_empty() {
            out.extend_from_slice(&self.whole());
        } else {
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.extend_from_slice(&self.output_separator());
                }
                match self.value(value)? {
                    Value::Number(number) => out.extend_from_slice(&shown(number, &self.special_text(OFMT))),
                    other => out.extend_from_slice(&other.bytes(&self.convert)),
                }
            }
        }
        out.extend_from_slice(&self.special_text(ORS));
        self.write(&out, target)
    }

    fn write(&mut self, bytes: &[u8], target: Option<&'p (Target, Expression)>) -> Run<()> {
        let (kind, name) = match target {
            None => (None, Rc::default()),
            Some((kind, name)) => (Some(*kind), self.value(name)?.bytes(&self.convert)),
        };
        let result = self.streams.write(kind.map(|kind| (kind, name.as_slice())), bytes);
        result.map_err(|error| match kind {
            Some(_) => Flow::Failed(format!("cannot open \"{}\" for output: {}", String::from_utf8_lossy(&name), reason(&error))),
            None => Flow::Failed(format!("write error: {}", reason(&error))),
        })
    }

    pub fn call(&mut self, at: usize, arguments: &'p [Expression]) -> Run<Value> {
        let Some(function) = self.program.functions.get(at) else { return Ok(Value::Unset) };
        if arguments.len() > function.parameters {
            return Err(format!("function `{}' called with more arguments than declared", function.name).into());
        }
        if self.frames.len() >= CALLS_MAX {
            return Err(format!("function `{}': calls are nested too deep", function.name).into());
        }
        let mut frame = Vec::with_capacity(function.parameters);
        let mut pending: Vec<(Place, Shared, usize)> = Vec::new();
        for argument in arguments {
            let cell = match argument {
                Expression::Variable(place) => match self.cell(*place).clone() {
                    Cell::Untyped => {
                        let shared = Shared::default();
                        pending.push((*place, Rc::clone(&shared), frame.len()));
                        Cell::Pending(shared)
                    }
                    // What is pending in the caller stays so.
                    Cell::Pending(shared) => {
                        pending.push((*place, Rc::clone(&shared), frame.len()));
                        Cell::Pending(shared)
                    }
                    Cell::Array(shared) => Cell::Array(shared),
                    Cell::Scalar(value) => Cell::Scalar(value),
                },
                other => Cell::Scalar(self.value(other)?),
            };
            frame.push(cell);
        }
        frame.resize(function.parameters, Cell::Untyped);
        self.frames.push(frame);
        let result = self.block(&function.body);
        let frame = self.frames.pop().unwrap_or_default();
        for (place, shared, at) in pending {
            if matches!(frame.get(at), Some(Cell::Array(_))) {
                *self.cell_mut(place) = Cell::Array(shared);
            }
        }
        match result {
            Ok(()) => Ok(Value::Unset),
            Err(Flow::Return(value)) => Ok(value),
            Err(other) => Err(other),
        }
    }
}
