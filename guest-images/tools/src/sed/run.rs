//! The cycle: a line is read, the commands are run, what is left is printed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::rc::Rc;

use memchr::memchr;
use sandpiper_guest::os;

use super::Settings;
use super::input::{Event, Input};
use super::output::Outputs;
use super::program::{Action, Address, Command, Program};
use super::substitute::substitute;
use crate::posix::{Regex, character_length};
use crate::text::reason;

/// Text that is due at the end of the cycle.
enum Due {
    Text(Vec<u8>),
    File(Vec<u8>),
}

struct Machine<'s> {
    settings: &'s Settings,
    input: Input,
    outputs: Outputs,
    space: Vec<u8>,
    /// The line read last ended with a newline.
    ended: bool,
    hold: Vec<u8>,
    line: u64,
    replaced: bool,
    due: Vec<Due>,
    used: Option<Rc<Regex>>,
    readers: HashMap<Vec<u8>, BufReader<File>>,
}

/// What is done when a command has been run.
enum Flow {
    Next,
    Jump(usize),
    /// The cycle ends, with or without what is left being printed.
    End(bool),
    /// The next cycle begins with what is left.
    Again,
    Quit(i32, bool),
}

pub fn run(mut program: Program, settings: &Settings, mut names: Vec<Vec<u8>>) -> i32 {
    if names.is_empty() {
        names.push(b"-".to_vec());
    }
    let outputs = match Outputs::new(&program.files) {
        Ok(outputs) => outputs,
        Err(error) => {
            eprintln!("sed: {error}");
            return 4;
        }
    };
    let mut machine = Machine {
        settings,
        input: Input::new(names, settings.line_end, settings.separate),
        outputs,
        space: Vec::new(),
        ended: true,
        hold: Vec::new(),
        line: 0,
        replaced: false,
        due: Vec::new(),
        used: None,
        readers: HashMap::new(),
    };
    let result = machine.cycles(&mut program.commands).and_then(|code| {
        machine.finish_file()?;
        machine.outputs.flush()?;
        Ok(code)
    });
    match result {
        Ok(0) if machine.input.failed => 2,
        Ok(code) => code,
        Err(error) => {
            eprintln!("sed: {}", reason(&error));
            if error.kind() == io::ErrorKind::InvalidInput { 1 } else { 4 }
        }
    }
}

impl Machine<'_> {
    fn cycles(&mut self, commands: &mut [Command]) -> io::Result<i32> {
        let mut again = false;
        loop {
            if !again && !self.read(false)? {
                return Ok(0);
            }
            self.replaced = self.replaced && again;
            again = false;
            let mut at = 0;
            let mut prints = true;
            while at < commands.len() {
                let Some(command) = commands.get_mut(at) else { break };
                let holds = self.selects(command)? != command.negated;
                if !holds {
                    at = match command.action {
                        Action::Block(end) => end,
                        _ => at,
                    } + 1;
                    continue;
                }
                match self.act(command)? {
                    Flow::Next => at += 1,
                    Flow::Jump(to) => at = to,
                    Flow::End(print) => {
                        prints = print;
                        break;
                    }
                    Flow::Again => {
                        again = true;
                        prints = false;
                        break;
                    }
                    Flow::Quit(code, print) => {
                        if print {
                            self.end_cycle(true)?;
                            self.copy_rest()?;
                        }
                        return Ok(code);
                    }
                }
            }
            self.end_cycle(prints)?;
        }
    }

    /// A file that is changed keeps what was not read.
    fn copy_rest(&mut self) -> io::Result<()> {
        if self.settings.in_place.is_none() {
            return Ok(());
        }
        while let Event::Line { text, ended } = self.input.next() {
            self.outputs.main().line(&text, self.settings.line_end, ended)?;
        }
        Ok(())
    }

    fn end_cycle(&mut self, prints: bool) -> io::Result<()> {
        if prints && !self.settings.quiet {
            let (line_end, ended) = (self.settings.line_end, self.ended);
            self.outputs.main().line(&self.space, line_end, ended)?;
        }
        self.give_due()?;
        if self.settings.unbuffered {
            self.outputs.flush()?;
        }
        Ok(())
    }

    fn give_due(&mut self) -> io::Result<()> {
        for due in std::mem::take(&mut self.due) {
            match due {
                Due::Text(text) => self.outputs.main().raw(&text, self.settings.line_end)?,
                Due::File(name) => {
                    let name = if name == b"/dev/stdin" { b"-".to_vec() } else { name };
                    // A file that cannot be read is one without text.
                    let text = crate::text::read(&name).unwrap_or_default();
                    if !text.is_empty() {
                        self.outputs.main().raw(&text, self.settings.line_end)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads the next line, into the pattern space or behind what is there.
    fn read(&mut self, appends: bool) -> io::Result<bool> {
        loop {
            match self.input.next() {
                Event::Done => return Ok(false),
                Event::Opened(name) => {
                    if self.settings.separate {
                        self.line = 0;
                    }
                    if self.settings.in_place.is_some() && name != b"-" {
                        self.finish_file()?;
                        self.outputs.edit(&name).map_err(|error| {
                            io::Error::new(
                                error.kind(),
                                format!("couldn't open temporary file for {}: {}", crate::text::shown(&name), reason(&error)),
                            )
                        })?;
                    }
                }
                Event::Line { text, ended } => {
                    self.line += 1;
                    self.ended = ended;
                    if appends {
                        self.space.push(self.settings.line_end);
                        self.space.extend_from_slice(&text);
                    } else {
                        self.space = text;
                    }
                    return Ok(true);
                }
            }
        }
    }

    fn finish_file(&mut self) -> io::Result<()> {
        match &self.settings.in_place {
            Some(suffix) => self.outputs.done(suffix),
            None => Ok(()),
        }
    }

    fn matches(&mut self, regex: Option<&Rc<Regex>>) -> io::Result<bool> {
        let regex = match regex.or(self.used.as_ref()) {
            Some(regex) => Rc::clone(regex),
            None => return Err(io::Error::new(io::ErrorKind::InvalidInput, "no previous regular expression")),
        };
        let found = regex.is_match(&self.space);
        self.used = Some(regex);
        Ok(found)
    }

    fn one(&mut self, address: &Address) -> io::Result<bool> {
        Ok(match address {
            Address::Line(line) => self.line == *line,
            Address::Last => self.input.is_last(),
            Address::Match(regex) => self.matches(regex.as_ref())?,
            Address::Step(first, step) => {
                if *step == 0 { self.line == *first } else { self.line >= *first && (self.line - first) % step == 0 }
            }
            Address::More(_) | Address::Multiple(_) => false,
        })
    }

    fn selects(&mut self, command: &mut Command) -> io::Result<bool> {
        let Some(first) = command.first.clone() else { return Ok(true) };
        let Some(second) = command.second.clone() else { return self.one(&first) };
        if command.open {
            match second {
                Address::Line(_) | Address::More(_) | Address::Multiple(_) => {
                    let until = if let Address::Line(line) = second { line } else { command.until };
                    command.open = self.line < until;
                    if self.line > until {
                        return self.begins(command, &first, &second);
                    }
                }
                _ => command.open = !self.one(&second)?,
            }
            return Ok(true);
        }
        self.begins(command, &first, &second)
    }

    fn begins(&mut self, command: &mut Command, first: &Address, second: &Address) -> io::Result<bool> {
        if !self.one(first)? {
            return Ok(false);
        }
        command.until = match second {
            Address::More(more) => self.line + more,
            Address::Multiple(of) if *of > 0 => self.line.div_ceil(*of) * of,
            Address::Line(line) => *line,
            _ => u64::MAX,
        };
        command.open = match second {
            Address::Multiple(0) => false,
            Address::Last => !self.input.is_last(),
            _ => self.line < command.until,
        };
        Ok(true)
    }

    fn act(&mut self, command: &mut Command) -> io::Result<Flow> {
        let line_end = self.settings.line_end;
        match &command.action {
            Action::Block(_) | Action::BlockEnd => {}
            Action::LineNumber => {
                let text = format!("{}\n", self.line);
                self.outputs.main().raw(text.as_bytes(), line_end)?;
            }
            Action::Append(text) => self.due.push(Due::Text(text.clone())),
            Action::Insert(text) => self.outputs.main().raw(text, line_end)?,
            Action::Change(text) => {
                if command.second.is_none() || !command.open || command.negated {
                    self.outputs.main().raw(text, line_end)?;
                }
                return Ok(Flow::End(false));
            }
            Action::Branch(to) => return Ok(Flow::Jump(*to)),
            Action::BranchIf(to) => {
                if std::mem::take(&mut self.replaced) {
                    return Ok(Flow::Jump(*to));
                }
            }
            Action::BranchUnless(to) => {
                if !std::mem::take(&mut self.replaced) {
                    return Ok(Flow::Jump(*to));
                }
            }
            Action::Delete => return Ok(Flow::End(false)),
            Action::DeleteFirst => match memchr(line_end, &self.space) {
                None => return Ok(Flow::End(false)),
                Some(at) => {
                    self.space.drain(..=at);
                    return Ok(Flow::Again);
                }
            },
            Action::FileName => {
                let mut text = self.input.name.clone();
                text.push(b'\n');
                self.outputs.main().raw(&text, line_end)?;
            }
            Action::Get => self.space.clone_from(&self.hold),
            Action::GetAppend => {
                self.space.push(line_end);
                self.space.extend_from_slice(&self.hold);
            }
            Action::Hold => self.hold.clone_from(&self.space),
            Action::HoldAppend => {
                self.hold.push(line_end);
                self.hold.extend_from_slice(&self.space);
            }
            Action::List(wrap) => {
                let text = listed(&self.space, wrap.unwrap_or(self.settings.wrap));
                self.outputs.main().raw(&text, line_end)?;
            }
            Action::Next | Action::NextAppend => {
                let appends = matches!(command.action, Action::NextAppend);
                if self.input.is_done() || (self.settings.separate && self.input.is_last()) {
                    // POSIX would not print here; GNU does.
                    if self.input.is_done() {
                        return Ok(Flow::Quit(0, true));
                    }
                }
                if !appends && !self.settings.quiet {
                    let ended = self.ended;
                    self.outputs.main().line(&self.space, line_end, ended)?;
                }
                self.give_due()?;
                if !self.read(appends)? {
                    return Ok(Flow::Quit(0, appends));
                }
            }
            Action::Print => {
                let ended = self.ended;
                self.outputs.main().line(&self.space, line_end, ended)?;
            }
            Action::PrintFirst => {
                let first = self.first_line();
                self.outputs.main().line(&first, line_end, true)?;
            }
            Action::Quit(code) => return Ok(Flow::Quit(*code, true)),
            Action::QuitSilently(code) => return Ok(Flow::Quit(*code, false)),
            Action::ReadFile(name) => self.due.push(Due::File(name.clone())),
            Action::ReadLine(name) => {
                if let Some(line) = self.line_of(name) {
                    self.due.push(Due::Text(line));
                }
            }
            Action::Substitute(substitution) => {
                let regex = match substitution.regex.as_ref().or(self.used.as_ref()) {
                    Some(regex) => Rc::clone(regex),
                    None => return Err(io::Error::new(io::ErrorKind::InvalidInput, "no previous regular expression")),
                };
                let changed = substitute(&self.space, &regex, substitution);
                self.used = Some(regex);
                if let Some(text) = changed {
                    self.space = text;
                    self.replaced = true;
                    let ended = self.ended;
                    for _ in 0..substitution.prints {
                        self.outputs.main().line(&self.space, line_end, ended)?;
                    }
                    if let Some(name) = &substitution.file {
                        self.outputs.file(name).line(&self.space, line_end, true)?;
                    }
                }
            }
            Action::Write(name) => self.outputs.file(name).line(&self.space, line_end, true)?,
            Action::WriteFirst(name) => {
                let first = self.first_line();
                self.outputs.file(name).line(&first, line_end, true)?;
            }
            Action::Exchange => std::mem::swap(&mut self.space, &mut self.hold),
            Action::Transliterate(pairs) => {
                let mut out = Vec::with_capacity(self.space.len());
                let mut at = 0;
                while at < self.space.len() {
                    let rest = self.space.get(at..).unwrap_or_default();
                    let length = character_length(rest);
                    let character = rest.get(..length).unwrap_or_default();
                    match pairs.iter().find(|(from, _)| from == character) {
                        Some((_, to)) => out.extend_from_slice(to),
                        None => out.extend_from_slice(character),
                    }
                    at += length;
                }
                self.space = out;
            }
            Action::Zap => self.space.clear(),
        }
        Ok(Flow::Next)
    }

    fn first_line(&self) -> Vec<u8> {
        let end = memchr(self.settings.line_end, &self.space).unwrap_or(self.space.len());
        self.space.get(..end).unwrap_or_default().to_vec()
    }

    fn line_of(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        if !self.readers.contains_key(name) {
            self.readers.insert(name.to_vec(), BufReader::new(File::open(os(name)).ok()?));
        }
        let mut line = Vec::new();
        let got = self.readers.get_mut(name)?.read_until(b'\n', &mut line).ok()?;
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        (got > 0).then_some(line)
    }
}

/// What `l` shows.
fn listed(text: &[u8], wrap: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut width = 0;
    for &byte in text {
        let piece = match byte {
            b'\\' => "\\\\".to_owned(),
            7 => "\\a".to_owned(),
            8 => "\\b".to_owned(),
            12 => "\\f".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\r' => "\\r".to_owned(),
            b'\t' => "\\t".to_owned(),
            11 => "\\v".to_owned(),
            b' '..=b'~' => char::from(byte).to_string(),
            other => format!("\\{other:03o}"),
        };
        if wrap > 1 && width + piece.len() > wrap - 1 {
            out.extend_from_slice(b"\\\n");
            width = 0;
        }
        width += piece.len();
        out.extend_from_slice(piece.as_bytes());
    }
    out.extend_from_slice(b"$\n");
    out
}
