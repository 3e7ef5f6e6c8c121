//! The lines of a file that are shown.

use std::io::{self, Write};

use regex_automata::meta::Regex;
use regex_automata::{Input, Span};

/// A file with a zero in so many of its first bytes is no text.
const LOOKED_AT: usize = 1 << 16;

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    Lines,
    /// What matches, and not the lines around it.
    Parts,
    /// How many lines.
    Counts,
    /// How many matches.
    Matches,
    Files,
    OtherFiles,
    Nothing,
}

pub struct Search<'a> {
    pub regex: Regex,
    pub shows: Shows,
    pub inverted: bool,
    pub names: bool,
    pub numbers: bool,
    pub columns: bool,
    pub before: usize,
    pub behind: usize,
    pub most: usize,
    pub text: bool,
    /// Whether anything matched.
    pub any: bool,
    /// Whether a line was shown, so that context of others is set apart.
    pub shown: bool,
    pub out: &'a mut dyn Write,
}

impl Search<'_> {
    pub fn name(&mut self, name: &[u8]) -> io::Result<()> {
        self.out.write_all(name)?;
        self.out.write_all(b"\n")
    }

    /// Searches a file; one that was not named by itself is left out when it is no text.
    pub fn file(&mut self, name: &[u8], text: &[u8], explicit: bool) -> io::Result<()> {
        let zero = if self.text { None } else { memchr::memchr(0, text) };
        if !explicit && zero.is_some_and(|at| at < LOOKED_AT) {
            return Ok(());
        }
        let zero = zero.filter(|_| explicit);
        let converted;
        let text = if zero.is_some() {
            converted = text.iter().map(|&byte| if byte == 0 { b'\n' } else { byte }).collect::<Vec<u8>>();
            converted.as_slice()
        } else {
            text
        };
        let lines = lines(text);
        let selected = self.selected(text, &lines);
        let found = !selected.is_empty();
        self.any |= found != (self.shows == Shows::OtherFiles);
        match self.shows {
            Shows::Nothing => Ok(()),
            Shows::Files if found => self.name(name),
            Shows::OtherFiles if !found => self.name(name),
            Shows::Files | Shows::OtherFiles => Ok(()),
            _ if !found => Ok(()),
            Shows::Counts => self.count(name, selected.len()),
            Shows::Matches => {
                let count = selected.iter().filter_map(|&at| lines.get(at));
                let count = count
                    .map(|line| self.regex.find_iter(text.get(line.range()).unwrap_or_default()).count())
                    .sum();
                self.count(name, count)
            }
            Shows::Lines | Shows::Parts => match zero {
                Some(at) => {
                    if self.names {
                        self.out.write_all(name)?;
                        self.out.write_all(b": ")?;
                    }
                    writeln!(self.out, "binary file matches (found \"\\0\" byte around offset {at})")
                }
                None => self.lines(name, text, &lines, &selected),
            },
        }
    }

    fn count(&mut self, name: &[u8], count: usize) -> io::Result<()> {
        if self.names {
            self.out.write_all(name)?;
            self.out.write_all(b":")?;
        }
        writeln!(self.out, "{count}")
    }

    /// The lines that match, by number from 0.
    fn selected(&self, text: &[u8], lines: &[Span]) -> Vec<usize> {
        let mut selected = Vec::new();
        let matches = |line: &Span| text.get(line.range()).is_some_and(|line| self.regex.is_match(line));
        if self.inverted {
            let others = lines.iter().enumerate().filter(|(_, line)| !matches(line)).map(|(at, _)| at);
            return others.take(self.most).collect();
        }
        // The whole is searched for the next line that may match, which is fast where few do.
        let mut from = 0;
        while selected.len() < self.most
            && let Some(found) = self.regex.search(&Input::new(text).range(from..))
        {
            let at = lines.partition_point(|line| line.end < found.start());
            let Some(line) = lines.get(at) else { break };
            if matches(line) {
                selected.push(at);
            }
            from = line.end + 1;
            if from > text.len() {
                break;
            }
        }
        selected
    }

    fn lines(&mut self, name: &[u8], text: &[u8], lines: &[Span], selected: &[usize]) -> io::Result<()> {
        let mut next = 0;
        let mut chosen = selected.iter().copied().peekable();
        while let Some(at) = chosen.next() {
            let from = at.saturating_sub(self.before).max(next);
            let apart = self.before + self.behind > 0 && self.shown && (from > next || next == 0);
            if apart && self.shows == Shows::Lines {
                self.out.write_all(b"--\n")?;
            }
            self.shown = true;
            for context in from..at {
                self.line(name, text, lines, (context, false))?;
            }
            self.line(name, text, lines, (at, true))?;
            let end = (at + 1 + self.behind).min(lines.len());
            let end = chosen.peek().map_or(end, |following| end.min(*following));
            for context in at + 1..end {
                self.line(name, text, lines, (context, false))?;
            }
            next = end;
        }
        Ok(())
    }

    fn line(
        &mut self,
        name: &[u8],
        text: &[u8],
        lines: &[Span],
        (at, chosen): (usize, bool),
    ) -> io::Result<()> {
        let line = lines.get(at).and_then(|line| text.get(line.range())).unwrap_or_default();
        if self.shows == Shows::Parts && !self.inverted {
            if !chosen {
                return Ok(());
            }
            let parts: Vec<Span> = self
                .regex
                .find_iter(line)
                .map(|found| found.span())
                .filter(|span| !span.is_empty())
                .collect();
            for part in parts {
                self.prefix(name, (at, true), part.start)?;
                self.out.write_all(line.get(part.range()).unwrap_or_default())?;
                self.out.write_all(b"\n")?;
            }
            return Ok(());
        }
        let column = self.regex.find(line).map_or(0, |found| found.start());
        self.prefix(name, (at, chosen), column)?;
        self.out.write_all(line)?;
        self.out.write_all(b"\n")
    }

    fn prefix(&mut self, name: &[u8], (at, chosen): (usize, bool), column: usize) -> io::Result<()> {
        let sign = if chosen { ':' } else { '-' };
        if self.names {
            self.out.write_all(name)?;
            write!(self.out, "{sign}")?;
        }
        if self.numbers {
            write!(self.out, "{}{sign}", at + 1)?;
        }
        if self.columns && chosen {
            write!(self.out, "{}{sign}", column + 1)?;
        }
        Ok(())
    }
}

/// Where lines are, without their ends.
fn lines(text: &[u8]) -> Vec<Span> {
    let mut lines = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', text) {
        lines.push(Span { start, end });
        start = end + 1;
    }
    if start < text.len() {
        lines.push(Span { start, end: text.len() });
    }
    lines
}
