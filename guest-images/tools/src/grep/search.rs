//! Looking for lines in one file after the other, many lines at once.

use std::fs::File;
use std::io::{self, Read, StdinLock, Write};

use memchr::{memchr, memchr_iter, memrchr};

use super::{Binary, Shows, Task};

/// What a piece of a file is read into; lines that are longer make it grow.
const CHUNK: usize = 128 << 10;

/// Where lines come from.
#[derive(Debug)]
pub enum Source<'a> {
    File(File),
    Input(StdinLock<'a>),
}

impl Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let got = match self {
                Source::File(file) => file.read(buffer),
                Source::Input(input) => input.read(buffer),
            };
            match got {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

/// Looks through files, and says what was asked for.
pub struct Search<'a> {
    task: &'a Task,
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
    pub selected: bool,
    /// Standard output failed, or a binary file could not be told about.
    pub failed: bool,
    /// Some group of lines was printed, so that the next needs a separator.
    printed: bool,
}

/// Where a file's search is.
struct State<'n> {
    name: &'n [u8],
    /// The place in the file of the buffer's first byte.
    base: u64,
    /// How far lines are counted, and how many there were.
    counted: usize,
    lines: u64,
    /// Up to where lines are printed; none when nothing is that a context could touch.
    printed: Option<usize>,
    pending: usize,
    count: u64,
    draining: bool,
    stop: bool,
    binary: bool,
    said_binary: bool,
}

impl<'a> Search<'a> {
    pub fn new(task: &'a Task, out: &'a mut dyn Write) -> Self {
        Search { task, out, buffer: Vec::new(), selected: false, failed: false, printed: false }
    }

    /// Looks through one file.
    pub fn file(&mut self, name: &[u8], mut source: Source<'_>) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut state = State {
            name,
            base: 0,
            counted: 0,
            lines: 0,
            printed: None,
            pending: 0,
            count: 0,
            draining: false,
            stop: self.task.most == Some(0),
            binary: false,
            said_binary: false,
        };
        let result = self.read(&mut state, &mut source, &mut buffer);
        self.buffer = buffer;
        if self.report(&state).is_err() {
            self.failed = true;
        }
        result
    }

    fn read(&mut self, state: &mut State<'_>, source: &mut Source<'_>, buffer: &mut Vec<u8>) -> io::Result<()> {
        let (mut begin, mut filled, mut first) = (0, 0, true);
        while !state.stop && !self.failed {
            if buffer.len() < filled + CHUNK {
                buffer.resize((filled + CHUNK).max(buffer.len() * 2), 0);
            }
            let room = buffer.get_mut(filled..).unwrap_or_default();
            let got = source.read(room)?;
            let new = buffer.get(filled..filled + got).unwrap_or_default();
            if self.task.binary != Binary::Text && !state.binary && self.task.line_end != 0 {
                state.binary = memchr(0, new).is_some();
                if state.binary && first && self.task.binary == Binary::Skip {
                    state.stop = true;
                    return Ok(());
                }
            }
            first = false;
            let last = memrchr(self.task.line_end, new).map(|at| filled + at + 1);
            filled += got;
            let end = if got == 0 { filled } else { last.unwrap_or(begin) };
            if end > begin {
                let text = buffer.get(..end).unwrap_or_default();
                if self.lines(state, text, begin).is_err() {
                    self.failed = true;
                }
            }
            if got == 0 {
                return Ok(());
            }
            // What the next lines' context could need stays, and what is not yet a line.
            let text = buffer.get(..end).unwrap_or_default();
            let mut keep = end;
            for _ in 0..self.task.before {
                if keep <= state.printed.unwrap_or(0) || keep == 0 {
                    break;
                }
                keep = memrchr(self.task.line_end, text.get(..keep - 1).unwrap_or_default()).map_or(0, |at| at + 1);
            }
            if self.task.numbers {
                self.count_to(state, text, keep);
            }
            state.counted = 0;
            buffer.copy_within(keep..filled, 0);
            state.base += keep as u64;
            state.printed = state.printed.and_then(|at| at.checked_sub(keep));
            filled -= keep;
            begin = end - keep;
        }
        Ok(())
    }

    /// Looks at whole lines of `text`, from `from` on.
    fn lines(&mut self, state: &mut State<'_>, text: &[u8], from: usize) -> io::Result<()> {
        let mut place = from;
        while place < text.len() && !state.stop {
            let found = self.next_match(text, place);
            let (start, end) = found.unwrap_or((text.len(), text.len()));
            if self.task.invert {
                while place < start && !state.stop {
                    let next = self.line_end(text, place);
                    self.select(state, text, place, next)?;
                    place = next;
                }
            } else if found.is_some() {
                self.select(state, text, start, end)?;
            }
            place = end;
        }
        if !state.stop {
            self.trail(state, text, text.len())?;
        }
        Ok(())
    }

    /// The first byte behind a line and what ends it.
    fn line_end(&self, text: &[u8], from: usize) -> usize {
        text.get(from..).and_then(|rest| memchr(self.task.line_end, rest)).map_or(text.len(), |at| from + at + 1)
    }

    /// The next line that matches: where it begins, and where the one behind it does.
    fn next_match(&self, text: &[u8], from: usize) -> Option<(usize, usize)> {
        let together = self.task.line_end == b'\n' && self.task.regexes.iter().all(|regex| regex.takes_lines());
        if together {
            let found = self.task.regexes.iter().filter_map(|regex| regex.touch(text, from)).min()?;
            let at = found.0;
            if at >= text.len() && (at == from || text.last() == Some(&self.task.line_end)) {
                return None;
            }
            let start = text.get(from..at).and_then(|before| memrchr(b'\n', before)).map_or(from, |line| from + line + 1);
            return Some((start, self.line_end(text, at)));
        }
        let mut place = from;
        while place < text.len() {
            let next = self.line_end(text, place);
            let line = self.content(text, place, next);
            if self.task.regexes.iter().any(|regex| regex.is_match(line)) {
                return Some((place, next));
            }
            place = next;
        }
        None
    }

    fn content<'t>(&self, text: &'t [u8], start: usize, next: usize) -> &'t [u8] {
        let line = text.get(start..next).unwrap_or_default();
        line.strip_suffix(&[self.task.line_end]).unwrap_or(line)
    }

    fn count_to(&self, state: &mut State<'_>, text: &[u8], to: usize) {
        if to > state.counted {
            let passed = text.get(state.counted..to).unwrap_or_default();
            state.lines += memchr_iter(self.task.line_end, passed).count() as u64;
            state.counted = to;
        }
    }

    fn select(&mut self, state: &mut State<'_>, text: &[u8], start: usize, next: usize) -> io::Result<()> {
        if state.draining {
            self.trail(state, text, start)?;
            state.stop = true;
            return Ok(());
        }
        self.selected = true;
        state.count += 1;
        let last = self.task.most == Some(state.count);
        match self.task.shows {
            Shows::Count => state.stop = last,
            Shows::Lines => {
                if self.print_selected(state, text, start, next)? {
                    if last {
                        state.draining = true;
                        state.stop = state.pending == 0;
                    }
                } else {
                    state.said_binary = true;
                    state.stop = true;
                }
            }
            _ => state.stop = true,
        }
        Ok(())
    }

    /// Whether the line could be printed: what is not text cannot.
    fn print_selected(&mut self, state: &mut State<'_>, text: &[u8], start: usize, next: usize) -> io::Result<bool> {
        if state.binary {
            return Ok(false);
        }
        let checks = self.task.binary != Binary::Text && self.task.line_end != 0;
        if checks && std::str::from_utf8(text.get(start..next).unwrap_or_default()).is_err() {
            return Ok(false);
        }
        self.trail(state, text, start)?;
        let floor = state.printed.unwrap_or(0);
        let mut first = start;
        for _ in 0..self.task.before {
            if first <= floor {
                break;
            }
            first = memrchr(self.task.line_end, text.get(floor..first - 1).unwrap_or_default()).map_or(floor, |at| floor + at + 1);
        }
        let context = self.task.before > 0 || self.task.after > 0;
        if context && self.printed && state.printed != Some(first) && let Some(separator) = &self.task.separator {
            self.out.write_all(separator)?;
            self.out.write_all(b"\n")?;
        }
        while first < start {
            let behind = self.line_end(text, first);
            self.print(state, text, first, behind, b'-')?;
            first = behind;
        }
        self.print(state, text, start, next, b':')?;
        self.printed = true;
        state.printed = Some(next);
        state.pending = self.task.after;
        Ok(true)
    }

    /// Prints what is still due behind the last selected line, up to `to`.
    fn trail(&mut self, state: &mut State<'_>, text: &[u8], to: usize) -> io::Result<()> {
        while state.pending > 0
            && let Some(start) = state.printed.filter(|start| *start < to)
        {
            let next = self.line_end(text, start);
            self.print(state, text, start, next, b'-')?;
            state.printed = Some(next);
            state.pending -= 1;
        }
        if state.draining && state.pending == 0 {
            state.stop = true;
        }
        Ok(())
    }

    fn print(&mut self, state: &mut State<'_>, text: &[u8], start: usize, next: usize, mark: u8) -> io::Result<()> {
        let line = self.content(text, start, next);
        if self.task.only {
            if mark == b':' && !self.task.invert {
                let mut at = 0;
                while let Some((from, to)) = self.best(line, at) {
                    if to > from {
                        self.head(state, text, start, start + from, mark)?;
                        self.matched(line.get(from..to).unwrap_or_default())?;
                        self.out.write_all(&[self.task.line_end])?;
                    }
                    at = if to > from { to } else { to + 1 };
                    if at > line.len() {
                        break;
                    }
                }
            }
        } else {
            self.head(state, text, start, start, mark)?;
            if self.task.color && (mark == b':') != self.task.invert {
                let mut at = 0;
                while let Some((from, to)) = self.best(line, at).filter(|(from, to)| to > from) {
                    self.out.write_all(line.get(at..from).unwrap_or_default())?;
                    self.matched(line.get(from..to).unwrap_or_default())?;
                    at = to;
                }
                self.out.write_all(line.get(at..).unwrap_or_default())?;
            } else {
                self.out.write_all(line)?;
            }
            self.out.write_all(&[self.task.line_end])?;
        }
        if self.task.flush {
            self.out.flush()?;
        }
        Ok(())
    }

    fn matched(&mut self, text: &[u8]) -> io::Result<()> {
        if self.task.color {
            self.out.write_all(b"\x1b[01;31m\x1b[K")?;
            self.out.write_all(text)?;
            return self.out.write_all(b"\x1b[m\x1b[K");
        }
        self.out.write_all(text)
    }

    /// The leftmost and longest match of any expression.
    fn best(&self, line: &[u8], at: usize) -> Option<(usize, usize)> {
        let found = self.task.regexes.iter().filter_map(|regex| regex.find_at(line, at));
        found.min_by_key(|(from, to)| (*from, usize::MAX - *to))
    }

    /// What stands before a line.
    fn head(&mut self, state: &mut State<'_>, text: &[u8], line: usize, at: usize, mark: u8) -> io::Result<()> {
        let colored = |color: &str, text: &str| {
            if self.task.color { format!("\x1b[{color}m\x1b[K{text}\x1b[m\x1b[K") } else { text.to_owned() }
        };
        let mark = colored("36", &char::from(mark).to_string());
        let mut head = Vec::new();
        if self.task.names {
            if self.task.color {
                head.extend_from_slice(b"\x1b[35m\x1b[K");
                head.extend_from_slice(state.name);
                head.extend_from_slice(b"\x1b[m\x1b[K");
            } else {
                head.extend_from_slice(state.name);
            }
            match self.task.name_end {
                Some(end) => head.push(end),
                None => head.extend_from_slice(mark.as_bytes()),
            }
        }
        if self.task.numbers {
            self.count_to(state, text, line);
            head.extend_from_slice(colored("32", &(state.lines + 1).to_string()).as_bytes());
            head.extend_from_slice(mark.as_bytes());
        }
        if self.task.offsets {
            head.extend_from_slice(colored("32", &(state.base + at as u64).to_string()).as_bytes());
            head.extend_from_slice(mark.as_bytes());
        }
        if self.task.tab && !head.is_empty() {
            head.push(b'\t');
        }
        self.out.write_all(&head)
    }

    /// What is said of a file as a whole.
    fn report(&mut self, state: &State<'_>) -> io::Result<()> {
        let selected = state.count > 0;
        match self.task.shows {
            Shows::Count => {
                if self.task.names {
                    self.out.write_all(state.name)?;
                    self.out.write_all(&[self.task.name_end.unwrap_or(b':')])?;
                }
                writeln!(self.out, "{}", state.count)?;
            }
            Shows::With | Shows::Without if selected == (self.task.shows == Shows::With) => {
                self.out.write_all(state.name)?;
                self.out.write_all(&[self.task.name_end.unwrap_or(b'\n')])?;
            }
            _ => {}
        }
        if state.said_binary {
            self.out.flush()?;
            eprintln!("{}: {}: binary file matches", self.task.tool, String::from_utf8_lossy(state.name));
        }
        Ok(())
    }
}
