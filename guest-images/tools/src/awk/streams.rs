//! Files and commands that a program reads from and writes to.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;

use memchr::memchr;
use sandpiper_guest::{ExitStatusExt as _, os};

use super::tree::Target;
use crate::posix::Regex;

/// How records end.
#[derive(Debug, Clone)]
pub enum Separator {
    Byte(u8),
    /// Blank lines.
    Paragraph,
    Regex(Rc<Regex>),
}

pub struct Reader {
    input: Box<dyn BufRead>,
    child: Option<Child>,
    /// What a separator of several bytes is looked for in.
    kept: Vec<u8>,
    ended: bool,
}

impl Reader {
    pub fn new(input: Box<dyn BufRead>) -> Reader {
        Reader { input, child: None, kept: Vec::new(), ended: false }
    }

    /// The next record, and what ended it.
    pub fn record(&mut self, separator: &Separator) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        match separator {
            Separator::Byte(byte) if self.kept.is_empty() => {
                let mut record = Vec::new();
                if self.input.read_until(*byte, &mut record)? == 0 {
                    return Ok(None);
                }
                if record.last() == Some(byte) {
                    record.pop();
                    return Ok(Some((record, vec![*byte])));
                }
                Ok(Some((record, Vec::new())))
            }
            Separator::Byte(byte) => loop {
                if let Some(at) = memchr(*byte, &self.kept) {
                    return Ok(Some(self.cut(at, at + 1)));
                }
                if !self.more()? {
                    return Ok(self.rest(false));
                }
            },
            Separator::Paragraph => loop {
                let skipped = self.kept.iter().take_while(|byte| **byte == b'\n').count();
                self.kept.drain(..skipped);
                if let Some(at) = self.kept.windows(2).position(|pair| pair == b"\n\n") {
                    let end = at + self.kept.iter().skip(at).take_while(|byte| **byte == b'\n').count();
                    if end < self.kept.len() || self.ended {
                        return Ok(Some(self.cut(at, end)));
                    }
                }
                if !self.more()? {
                    return Ok(self.rest(true));
                }
            },
            Separator::Regex(regex) => loop {
                if let Some((from, to)) = regex.find_at(&self.kept, 0).filter(|(from, to)| to > from)
                    && (to < self.kept.len() || self.ended)
                {
                    return Ok(Some(self.cut(from, to)));
                }
                if !self.more()? {
                    if let Some((from, to)) = regex.find_at(&self.kept, 0).filter(|(from, to)| to > from) {
                        return Ok(Some(self.cut(from, to)));
                    }
                    return Ok(self.rest(true));
                }
            },
        }
    }

    fn cut(&mut self, at: usize, end: usize) -> (Vec<u8>, Vec<u8>) {
        let behind = self.kept.split_off(end);
        let mut record = std::mem::replace(&mut self.kept, behind);
        let ended = record.split_off(at);
        (record, ended)
    }

    fn rest(&mut self, drops_newline: bool) -> Option<(Vec<u8>, Vec<u8>)> {
        if self.kept.is_empty() {
            return None;
        }
        let mut record = std::mem::take(&mut self.kept);
        let mut ended = Vec::new();
        if drops_newline && record.last() == Some(&b'\n') {
            record.pop();
            ended.push(b'\n');
        }
        Some((record, ended))
    }

    fn more(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let got = self.input.fill_buf()?;
        let length = got.len();
        self.kept.extend_from_slice(got);
        self.input.consume(length);
        self.ended = length == 0;
        Ok(!self.ended)
    }
}

struct Writer {
    output: Box<dyn Write>,
    child: Option<Child>,
}

pub struct Streams {
    pub standard: BufWriter<io::Stdout>,
    writers: HashMap<Vec<u8>, Writer>,
    readers: HashMap<(bool, Vec<u8>), Reader>,
}

impl Streams {
    pub fn new() -> Streams {
        let standard = BufWriter::with_capacity(1 << 16, io::stdout());
        Streams { standard, writers: HashMap::new(), readers: HashMap::new() }
    }

    pub fn write(&mut self, target: Option<(Target, &[u8])>, text: &[u8]) -> io::Result<()> {
        let Some((kind, name)) = target else { return self.standard.write_all(text) };
        if kind != Target::Command {
            match name {
                b"/dev/stdout" | b"-" => return self.standard.write_all(text),
                b"/dev/stderr" => {
                    self.standard.flush()?;
                    return io::stderr().write_all(text);
                }
                _ => {}
            }
        }
        if !self.writers.contains_key(name) {
            self.standard.flush()?;
            let writer = match kind {
                Target::Command => {
                    let mut child = shell(name).stdin(Stdio::piped()).spawn()?;
                    let input = child.stdin.take().ok_or_else(|| io::Error::other("no pipe"))?;
                    Writer { output: Box::new(BufWriter::new(input)), child: Some(child) }
                }
                Target::File => Writer { output: Box::new(BufWriter::new(File::create(os(name))?)), child: None },
                Target::Append => {
                    let file = OpenOptions::new().append(true).create(true).open(os(name))?;
                    Writer { output: Box::new(BufWriter::new(file)), child: None }
                }
            };
            self.writers.insert(name.to_vec(), writer);
        }
        match self.writers.get_mut(name) {
            Some(writer) => writer.output.write_all(text),
            None => Ok(()),
        }
    }

    pub fn reader(&mut self, command: bool, name: &[u8]) -> io::Result<&mut Reader> {
        let key = (command, name.to_vec());
        if !self.readers.contains_key(&key) {
            let reader = if command {
                self.flush()?;
                let mut child = shell(name).stdout(Stdio::piped()).spawn()?;
                let output = child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
                let mut reader = Reader::new(Box::new(BufReader::new(output)));
                reader.child = Some(child);
                reader
            } else if name == b"-" || name == b"/dev/stdin" {
                Reader::new(Box::new(BufReader::new(io::stdin())))
            } else {
                Reader::new(Box::new(BufReader::new(File::open(os(name))?)))
            };
            self.readers.insert(key.clone(), reader);
        }
        self.readers.get_mut(&key).ok_or_else(|| io::Error::other("no such stream"))
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.standard.flush()?;
        for writer in self.writers.values_mut() {
            writer.output.flush()?;
        }
        Ok(())
    }

    /// Closes what has this name: its status, -1 when there is nothing.
    pub fn close(&mut self, name: &[u8]) -> io::Result<f64> {
        let mut status = -1.0;
        if let Some(mut writer) = self.writers.remove(name) {
            self.standard.flush()?;
            writer.output.flush()?;
            drop(writer.output);
            status = ended(writer.child)?;
        }
        for command in [false, true] {
            if let Some(reader) = self.readers.remove(&(command, name.to_vec())) {
                drop(reader.input);
                status = ended(reader.child)?;
            }
        }
        Ok(status)
    }

    pub fn close_all(&mut self) -> io::Result<()> {
        self.standard.flush()?;
        let names: Vec<Vec<u8>> = self.writers.keys().cloned().collect();
        for name in names {
            self.close(&name)?;
        }
        let names: Vec<Vec<u8>> = self.readers.keys().map(|(_, name)| name.clone()).collect();
        for name in names {
            self.close(&name)?;
        }
        Ok(())
    }

    pub fn system(&mut self, command: &[u8]) -> io::Result<f64> {
        self.flush()?;
        shell(command).status().map(code)
    }
}

fn shell(command: &[u8]) -> Command {
    let mut made = Command::new("sh");
    made.arg("-c").arg(os(command));
    made
}

fn ended(child: Option<Child>) -> io::Result<f64> {
    match child {
        None => Ok(0.0),
        Some(mut child) => child.wait().map(code),
    }
}

fn code(status: ExitStatus) -> f64 {
    match (status.code(), status.signal()) {
        (Some(code), _) => f64::from(code),
        (None, signal) => 256.0 + f64::from(signal.unwrap_or(0)),
    }
}
