//! The lines of all files, one after the other.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

use sandpiper_guest::os;

use crate::text::{reason, shown};

/// What happened between two lines.
#[derive(Debug)]
pub enum Event {
    /// A file was opened, so that one before it is done.
    Opened(Vec<u8>),
    Line { text: Vec<u8>, ended: bool },
    Done,
}

pub struct Input {
    names: VecDeque<Vec<u8>>,
    current: Option<Box<dyn BufRead>>,
    pub name: Vec<u8>,
    line_end: u8,
    separate: bool,
    pub failed: bool,
}

impl Input {
    pub fn new(names: Vec<Vec<u8>>, line_end: u8, separate: bool) -> Input {
        Input { names: names.into(), current: None, name: b"-".to_vec(), line_end, separate, failed: false }
    }

    fn open_next(&mut self) -> Option<()> {
        while let Some(name) = self.names.pop_front() {
            match open(&name) {
                Ok(reader) => {
                    self.current = Some(reader);
                    self.name = name;
                    return Some(());
                }
                Err(error) => self.complain(&name, &error),
            }
        }
        None
    }

    fn complain(&mut self, name: &[u8], error: &io::Error) {
        self.failed = true;
        if error.kind() == io::ErrorKind::IsADirectory {
            eprintln!("sed: couldn't edit {}: not a regular file", shown(name));
        } else {
            eprintln!("sed: can't read {}: {}", shown(name), reason(error));
        }
    }

    /// The next line, or what comes before it.
    pub fn next(&mut self) -> Event {
        loop {
            if let Some(reader) = &mut self.current {
                let mut text = Vec::new();
                match reader.read_until(self.line_end, &mut text) {
                    Ok(0) => self.current = None,
                    Ok(_) => {
                        let ended = text.last() == Some(&self.line_end);
                        if ended {
                            text.pop();
                        }
                        return Event::Line { text, ended };
                    }
                    Err(error) => {
                        let name = self.name.clone();
                        self.current = None;
                        self.failed = true;
                        eprintln!("sed: read error on {}: {}", shown(&name), reason(&error));
                    }
                }
            } else if self.open_next().is_some() {
                return Event::Opened(self.name.clone());
            } else {
                return Event::Done;
            }
        }
    }

    /// Whether the line read last is the last one: of its file when files are separate.
    pub fn is_last(&mut self) -> bool {
        loop {
            if let Some(reader) = &mut self.current {
                match reader.fill_buf() {
                    Ok(buffer) if !buffer.is_empty() => return false,
                    _ => {}
                }
                if self.separate {
                    return true;
                }
            }
            if self.separate || self.open_next().is_none() {
                return true;
            }
        }
    }

    /// Whether there is nothing left in any file.
    pub fn is_done(&mut self) -> bool {
        if let Some(reader) = &mut self.current
            && reader.fill_buf().is_ok_and(|buffer| !buffer.is_empty())
        {
            return false;
        }
        self.names.is_empty()
    }
}

fn open(name: &[u8]) -> io::Result<Box<dyn BufRead>> {
    if name == b"-" {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, io::stdin())));
    }
    let file = File::open(os(name))?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
}
