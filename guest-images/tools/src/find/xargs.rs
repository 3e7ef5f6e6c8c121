//! xargs.

use std::io::{self, Read as _};
use std::process::{Child, Stdio};

use sandpiper_guest::{ExitStatusExt as _, os};

use crate::options::{Attached, Ended, Nothing, Option_, Order, Value, parse};
use crate::program::{command, failure_code};
use crate::text::{reason, shown};

const OPTIONS: &[Option_] = &[
    ("0", "null", Nothing),
    ("a", "arg-file", Value),
    ("d", "delimiter", Value),
    ("E", "", Value),
    ("e", "eof", Attached),
    ("I", "", Value),
    ("i", "replace", Attached),
    ("L", "", Value),
    ("l", "max-lines", Attached),
    ("n", "max-args", Value),
    ("o", "open-tty", Nothing),
    ("P", "max-procs", Value),
    ("p", "interactive", Nothing),
    ("r", "no-run-if-empty", Nothing),
    ("s", "max-chars", Value),
    ("t", "verbose", Nothing),
    ("x", "exit", Nothing),
];

/// So many bytes go to one command, as GNU's does without `-s`.
const SIZE: usize = 128 << 10;

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

/// A word of the input; whether a line ends behind it.
type Word = (Vec<u8>, bool);

struct Runner {
    words: Vec<Vec<u8>>,
    verbose: bool,
    asks: bool,
    at_once: usize,
    children: Vec<(Child, Vec<u8>)>,
    input: bool,
    code: i32,
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let mut given = parse(tool, OPTIONS, arguments, (Order::Strict, 1))?;
    let fail = |message: String| {
        eprintln!("{tool}: {message}");
        Ended(1)
    };
    let number = |name: &str| match given.value(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => match shown(text).parse::<usize>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(fail(format!("invalid number \"{}\" for -{name} option", shown(text)))),
        },
    };
    let size = number("max-chars")?.unwrap_or(SIZE).min(SIZE);
    let at_once = number("max-procs")?.unwrap_or(1);
    let mut most_words = number("max-args")?;
    let mut most_lines = number("L")?.or(number("max-lines")?);
    if given.has("max-lines") && most_lines.is_none() {
        most_lines = Some(1);
    }
    let mut replace = match given.last(&["I", "replace"]) {
        Some("I") => given.value("I").map(<[u8]>::to_vec),
        Some(name) => given.value(name).map(|text| if text.is_empty() { b"{}".to_vec() } else { text.to_vec() }),
        None => None,
    };
    // The last of these counts.
    match given.last(&["I", "replace", "max-args", "L", "max-lines"]) {
        Some("max-args") if replace.is_some() && most_words != Some(1) => {
            replace = None;
            most_lines = None;
        }
        Some("max-args") => most_lines = None,
        Some("L" | "max-lines") => {
            replace = None;
            most_words = None;
        }
        Some(_) => {
            most_words = None;
            most_lines = None;
        }
        None => {}
    }
    if given.has("open-tty") {
        return Err(fail("-o is not supported: there is no terminal".to_owned()));
    }
    let delimiter = if given.has("null") {
        Some(0)
    } else {
        match given.value("delimiter") {
            None => None,
            Some([byte]) => Some(*byte),
            Some([b'\\', b'0']) => Some(0),
            Some([b'\\', letter]) => Some(crate::posix::escaped(*letter).unwrap_or(*letter)),
            Some(other) => return Err(fail(format!("Invalid input delimiter specification {}", shown(other)))),
        }
    };
    let mut text = Vec::new();
    let from_file = given.value("arg-file").filter(|name| *name != b"-").map(<[u8]>::to_vec);
    let read = match &from_file {
        Some(name) => std::fs::File::open(os(name)).and_then(|mut file| file.read_to_end(&mut text)),
        None => io::stdin().lock().read_to_end(&mut text),
    };
    read.map_err(|error| fail(reason(&error)))?;
    let mut items = match delimiter {
        Some(delimiter) => delimited(&text, delimiter),
        None => words(&text, replace.is_some()).map_err(fail)?,
    };
    if let Some(end) = given.value("E").or(given.value("eof")).filter(|end| !end.is_empty() && delimiter.is_none())
        && let Some(at) = items.iter().position(|(word, _)| word == end)
    {
        items.truncate(at);
    }
    if given.operands.is_empty() {
        given.operands.push(b"echo".to_vec());
    }
    let mut runner = Runner {
        words: given.operands.clone(),
        verbose: given.has("verbose") || given.has("interactive"),
        asks: given.has("interactive"),
        at_once: if at_once == 0 { usize::MAX } else { at_once },
        children: Vec::new(),
        input: from_file.is_some(),
        code: 0,
    };
    if let Some(mark) = replace {
        for (item, _) in items {
            let words = runner.words.iter().map(|word| replaced(word, &mark, &item)).collect();
            runner.start(words)?;
        }
        return runner.finish();
    }
    let empty = items.is_empty();
    let fixed: usize = runner.words.iter().map(|word| word.len() + 1).sum();
    let mut batch: Vec<Vec<u8>> = Vec::new();
    let (mut bytes, mut lines) = (fixed, 0);
    for (item, line_ends) in items {
        if bytes + item.len() + 1 > size {
            if batch.is_empty() || given.has("exit") {
                return Err(fail("argument line too long".to_owned()));
            }
            runner.start_with(std::mem::take(&mut batch))?;
            (bytes, lines) = (fixed, 0);
        }
        bytes += item.len() + 1;
        batch.push(item);
        lines += usize::from(line_ends);
        if most_words == Some(batch.len()) || most_lines == Some(lines) {
            runner.start_with(std::mem::take(&mut batch))?;
            (bytes, lines) = (fixed, 0);
        }
    }
    if !batch.is_empty() || (empty && !given.has("no-run-if-empty")) {
        runner.start_with(batch)?;
    }
    runner.finish()
}

impl Runner {
    fn start_with(&mut self, more: Vec<Vec<u8>>) -> Result<(), Ended> {
        let words = self.words.iter().cloned().chain(more).collect();
        self.start(words)
    }

    fn start(&mut self, words: Vec<Vec<u8>>) -> Result<(), Ended> {
        while self.children.len() >= self.at_once {
            self.take()?;
        }
        if self.verbose {
            let line: Vec<String> = words.iter().map(|word| shown(word)).collect();
            eprint!("{}", line.join(" "));
            if self.asks {
                eprint!(" ?...");
                if !crate::small::agreed() {
                    return Ok(());
                }
            } else {
                eprintln!();
            }
        }
        let mut command = command(&words);
        if !self.input {
            command.stdin(Stdio::null());
        }
        let name = words.first().cloned().unwrap_or_default();
        match command.spawn() {
            Ok(child) => self.children.push((child, name)),
            Err(error) => {
                eprintln!("xargs: {}: {}", shown(&name), reason(&error));
                let code = failure_code(&name, &error);
                while !self.children.is_empty() {
                    let _ = self.take();
                }
                return Err(Ended(code));
            }
        }
        if self.at_once == 1 {
            self.take()?;
        }
        Ok(())
    }

    /// Waits for the child that was started first.
    fn take(&mut self) -> Result<(), Ended> {
        if self.children.is_empty() {
            return Ok(());
        }
        let (mut child, name) = self.children.remove(0);
        let status = child.wait().map_err(|error| {
            eprintln!("xargs: {}", reason(&error));
            Ended(1)
        })?;
        match (status.code(), status.signal()) {
            (Some(0), _) => {}
            (Some(255), _) => {
                eprintln!("xargs: {}: exited with status 255; aborting", shown(&name));
                return Err(Ended(124));
            }
            (Some(_), _) => self.code = 123,
            (None, signal) => {
                eprintln!("xargs: {}: terminated by signal {}", shown(&name), signal.unwrap_or(0));
                return Err(Ended(125));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<i32, Ended> {
        while !self.children.is_empty() {
            self.take()?;
        }
        Ok(self.code)
    }
}

fn delimited(text: &[u8], delimiter: u8) -> Vec<Word> {
    let text = text.strip_suffix(&[delimiter]).unwrap_or(text);
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|&byte| byte == delimiter).map(|word| (word.to_vec(), true)).collect()
}

/// Words between blanks, with quotes and backslashes; whole lines when something is replaced by them.
fn words(text: &[u8], lines: bool) -> Result<Vec<Word>, String> {
    let mut found: Vec<Word> = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = text.iter().copied();
    let mut blank_before_end = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\n' => {
                if let Some(word) = word.take() {
                    found.push((word, !blank_before_end));
                } else if let Some(last) = found.last_mut() {
                    last.1 = !blank_before_end;
                }
                blank_before_end = false;
            }
            b' ' | b'\t' | 0x0b | 0x0c | b'\r' if !lines || word.is_none() => {
                blank_before_end = !lines;
                if let Some(word) = word.take() {
                    found.push((word, false));
                }
            }
            b'\'' | b'"' => {
                blank_before_end = false;
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next() {
                        Some(end) if end == byte => break,
                        None | Some(b'\n') => {
                            let kind = if byte == b'"' { "double" } else { "single" };
                            return Err(format!(
                                "unmatched {kind} quote; by default quotes are special to xargs unless you use the -0 option"
                            ));
                        }
                        Some(inner) => word.push(inner),
                    }
                }
            }
            b'\\' => {
                blank_before_end = false;
                word.get_or_insert_default().extend(bytes.next());
            }
            other => {
                blank_before_end = false;
                word.get_or_insert_default().push(other);
            }
        }
    }
    if let Some(word) = word {
        found.push((word, true));
    }
    Ok(found)
}

fn replaced(word: &[u8], mark: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = word;
    while let Some(at) = memchr::memmem::find(rest, mark) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.extend_from_slice(with);
        rest = rest.get(at + mark.len()..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}
