//! `read`.

use std::time::{Duration, Instant};

use crate::bytes::char_length;
use crate::flow::{Result, Status};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;
use crate::system::{self, errno};

#[derive(Debug, Default)]
struct Wanted {
    raw: bool,
    array: Option<Bytes>,
    delimiter: Option<u8>,
    /// At most so many characters; with `exactly`, the delimiter is one of them.
    count: Option<usize>,
    exactly: bool,
    prompt: Option<Bytes>,
    timeout: Option<f64>,
    fd: u32,
}

const USAGE: &str = "read [-ers] [-a array] [-d delim] [-i text] [-n nchars] [-N nchars] [-p prompt] [-t timeout] [-u fd] [name ...]";

/// A line, byte by byte where what stands behind it has to stay there for others.
struct Input {
    fd: u32,
    buffer: Vec<u8>,
    at: usize,
    seeks: bool,
    deadline: Option<Instant>,
}

enum Byte {
    Some(u8),
    End,
    Late,
    Interrupted,
    Failed,
}

impl Input {
    fn new(fd: u32) -> Self {
        Input { fd, buffer: Vec::new(), at: 0, seeks: system::seek_back(fd, 0), deadline: None }
    }

    fn next(&mut self) -> Byte {
        if self.at < self.buffer.len() {
            self.at += 1;
            return Byte::Some(self.buffer[self.at - 1]);
        }
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if !system::readable(self.fd, left) {
                return Byte::Late;
            }
        }
        self.buffer.resize(if self.seeks { 1024 } else { 1 }, 0);
        self.at = 0;
        let read = system::read(self.fd, &mut self.buffer);
        self.buffer.truncate(*read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Byte::End,
            Ok(_) => {
                self.at = 1;
                Byte::Some(self.buffer[0])
            }
            Err(errno::INTR) => Byte::Interrupted,
            Err(_) => Byte::Failed,
        }
    }

    /// Gives back what was read too far.
    fn finish(self) {
        let rest = self.buffer.len() - self.at;
        if rest > 0 {
            system::seek_back(self.fd, rest);
        }
    }
}

impl Shell {
    /// A line for `select`; none at the end.
    pub fn read_line(&mut self, fd: u32) -> Option<Bytes> {
        let mut input = Input::new(fd);
        let mut line = Bytes::new();
        let ended = loop {
            match input.next() {
                Byte::Some(b'\n') => break false,
                Byte::Some(byte) => line.push(byte),
                Byte::Interrupted => {}
                _ => break true,
            }
        };
        input.finish();
        (!ended || !line.is_empty()).then_some(line)
    }
}

fn options(shell: &mut Shell, arguments: &[Bytes]) -> std::result::Result<(Wanted, usize), Status> {
    let mut wanted = Wanted::default();
    let mut at = 1;
    while let Some(argument) = arguments.get(at) {
        if argument == b"--" {
            at += 1;
            break;
        }
        if argument.len() < 2 || argument[0] != b'-' {
            break;
        }
        at += 1;
        let mut letters = &argument[1..];
        while let Some((&letter, rest)) = letters.split_first() {
            letters = rest;
            match letter {
                b'r' => {
                    wanted.raw = true;
                    continue;
                }
                b's' | b'e' => continue,
                b'a' | b'd' | b'i' | b'n' | b'N' | b'p' | b't' | b'u' => {}
                _ => {
                    shell.complain_as("read", format!("-{}: invalid option", char::from(letter)));
                    return Err(shell.usage(USAGE));
                }
            }
            let value = if rest.is_empty() {
                at += 1;
                arguments.get(at - 1).cloned()
            } else {
                Some(rest.to_vec())
            };
            letters = b"";
            let Some(value) = value else {
                shell.complain_as("read", format!("-{}: option requires an argument", char::from(letter)));
                return Err(shell.usage(USAGE));
            };
            let number = crate::bytes::decimal(&value).and_then(|number| usize::try_from(number).ok());
            match letter {
                b'a' => wanted.array = Some(value),
                b'd' => wanted.delimiter = Some(value.first().copied().unwrap_or(0)),
                b'p' => wanted.prompt = Some(value),
                b'i' => {}
                b't' => match crate::bytes::text(&value)
                    .parse::<f64>()
                    .ok()
                    .filter(|seconds| *seconds >= 0.0 && seconds.is_finite())
                {
                    Some(seconds) => wanted.timeout = Some(seconds),
                    None => {
                        shell.complain_as(
                            "read",
                            [value.as_slice(), b": invalid timeout specification"].concat(),
                        );
                        return Err(1);
                    }
                },
                _ => match number {
                    Some(number) if letter == b'u' => wanted.fd = u32::try_from(number).unwrap_or(u32::MAX),
                    Some(number) => {
                        wanted.count = Some(number);
                        wanted.exactly = letter == b'N';
                    }
                    None => {
                        let what: &[u8] = if letter == b'u' {
                            b": invalid file descriptor specification"
                        } else {
                            b": invalid number"
                        };
                        shell.complain_as("read", [value.as_slice(), what].concat());
                        return Err(1);
                    }
                },
            }
        }
    }
    Ok((wanted, at))
}

pub fn read(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let (wanted, at) = match options(shell, arguments) {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    let names = &arguments[at..];
    for name in names {
        if !crate::variables::is_place(name) {
            shell.complain_as("read", [b"`".as_slice(), name, b"': not a valid identifier"].concat());
            return Ok(1);
        }
    }
    if !shell.descriptors.open.contains(&wanted.fd) {
        shell.complain_as("read", format!("{}: invalid file descriptor: Bad file descriptor", wanted.fd));
        return Ok(1);
    }
    if let Some(prompt) = &wanted.prompt
        && system::is_terminal(wanted.fd)
    {
        system::write_all(2, prompt).ok();
    }
    let mut input = Input::new(wanted.fd);
    if let Some(seconds) = wanted.timeout {
        if seconds == 0.0 {
            return Ok(u8::from(!system::readable(wanted.fd, Duration::ZERO)));
        }
        input.deadline = Some(Instant::now() + Duration::from_secs_f64(seconds));
    }
    let (line, mut status) = line(shell, &mut input, &wanted)?;
    input.finish();
    if wanted.exactly {
        // Not split, and only the first name is given something.
        let name = names.first().cloned().unwrap_or_else(|| b"REPLY".to_vec());
        let text: Bytes = line.iter().map(|(byte, _)| *byte).collect();
        if let Some(array) = &wanted.array {
            shell.set_array(array, vec![text])?;
        } else {
            assign(shell, &name, text, &mut status)?;
        }
        for name in names.iter().skip(1) {
            assign(shell, name, Bytes::new(), &mut status)?;
        }
        return Ok(status);
    }
    let ifs = shell.ifs().unwrap_or_else(|| b" \t\n".to_vec());
    if let Some(array) = &wanted.array {
        let fields = fields(&line, &ifs, usize::MAX);
        shell.set_array(array, fields)?;
    } else if names.is_empty() {
        let text = line.iter().map(|(byte, _)| *byte).collect();
        assign(shell, b"REPLY", text, &mut status)?;
    } else {
        let mut fields = fields(&line, &ifs, names.len()).into_iter();
        for name in names {
            let field = fields.next().unwrap_or_default();
            assign(shell, name, field, &mut status)?;
        }
    }
    Ok(status)
}

fn assign(shell: &mut Shell, name: &[u8], value: Bytes, status: &mut Status) -> Result<()> {
    match shell.assign_text(name, value) {
        Err(crate::flow::Flow::Discard(_)) => {
            *status = 1;
            Ok(())
        }
        other => other,
    }
}

/// The bytes of the line, each with whether a backslash stood before it, and the status.
fn line(shell: &mut Shell, input: &mut Input, wanted: &Wanted) -> Result<(Vec<(u8, bool)>, Status)> {
    let delimiter = wanted.delimiter.unwrap_or(b'\n');
    let mut line: Vec<(u8, bool)> = Vec::new();
    let mut count = 0;
    let mut character = Vec::new();
    let mut escaped = false;
    if wanted.count == Some(0) {
        return Ok((line, 0));
    }
    loop {
        let byte = match input.next() {
            Byte::Some(byte) => byte,
            Byte::End => return Ok((line, 1)),
            Byte::Late => return Ok((line, 142)),
            Byte::Failed => {
                shell.complain_as("read", "read error: 0: Bad file descriptor");
                return Ok((line, 1));
            }
            Byte::Interrupted => {
                shell.run_traps()?;
                continue;
            }
        };
        if escaped {
            escaped = false;
            if byte == b'\n' && !wanted.exactly {
                continue;
            }
            line.push((byte, true));
        } else if byte == b'\\' && !wanted.raw {
            escaped = true;
            continue;
        } else if byte == delimiter && !wanted.exactly {
            return Ok((line, 0));
        } else if byte == 0 {
            continue;
        } else {
            line.push((byte, false));
        }
        if let Some(most) = wanted.count {
            character.push(byte);
            let complete = byte < 0x80
                || char_length(&character) == character.len() && character.len() > 1
                || character.len() >= 4;
            if complete {
                character.clear();
                count += 1;
            }
            if count >= most {
                return Ok((line, 0));
            }
        }
    }
}

/// Splits a line for so many names; the last one gets the rest.
fn fields(line: &[(u8, bool)], ifs: &[u8], most: usize) -> Vec<Bytes> {
    let blank = |&(byte, escaped): &(u8, bool)| !escaped && ifs.contains(&byte) && b" \t\n".contains(&byte);
    let delimiter =
        |&(byte, escaped): &(u8, bool)| !escaped && ifs.contains(&byte) && !b" \t\n".contains(&byte);
    let text = |part: &[(u8, bool)]| part.iter().map(|(byte, _)| *byte).collect::<Bytes>();
    let mut fields = Vec::new();
    let mut at = 0;
    while at < line.len() && blank(&line[at]) {
        at += 1;
    }
    while at < line.len() {
        if fields.len() + 1 == most {
            // The rest as it is, without blanks at its end; a delimiter at the end goes when it ends just this field.
            let mut end = line.len();
            while end > at && blank(&line[end - 1]) {
                end -= 1;
            }
            let mut stop = at;
            while stop < end && !blank(&line[stop]) && !delimiter(&line[stop]) {
                stop += 1;
            }
            let mut behind = stop;
            while behind < end && blank(&line[behind]) {
                behind += 1;
            }
            if behind < end && delimiter(&line[behind]) && behind + 1 == end {
                end = stop;
            }
            fields.push(text(&line[at..end]));
            return fields;
        }
        let start = at;
        while at < line.len() && !blank(&line[at]) && !delimiter(&line[at]) {
            at += 1;
        }
        fields.push(text(&line[start..at]));
        while at < line.len() && blank(&line[at]) {
            at += 1;
        }
        if at < line.len() && delimiter(&line[at]) {
            at += 1;
            while at < line.len() && blank(&line[at]) {
                at += 1;
            }
        }
    }
    fields
}
