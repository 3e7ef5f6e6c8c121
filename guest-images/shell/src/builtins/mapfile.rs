//! `mapfile`, also `readarray`.

use crate::flow::{Result, Status};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;
use crate::system;
use crate::variables::Value;

pub fn mapfile(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let usage = "mapfile [-d delim] [-n count] [-O origin] [-s count] [-t] [-u fd] [-C callback] [-c quantum] [array]";
    let mut delimiter = b'\n';
    let (mut count, mut origin, mut skip, mut trim, mut fd) = (0_i64, None, 0_i64, false, 0_u32);
    let (mut callback, mut quantum) = (None, 5000_i64);
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
            if letter == b't' {
                trim = true;
                continue;
            }
            if !b"dnOsuCc".contains(&letter) {
                shell.complain_as("mapfile", format!("-{}: invalid option", char::from(letter)));
                return Ok(shell.usage(usage));
            }
            let value = if rest.is_empty() {
                at += 1;
                arguments.get(at - 1).cloned()
            } else {
                Some(rest.to_vec())
            };
            letters = b"";
            let Some(value) = value else {
                shell.complain_as("mapfile", format!("-{}: option requires an argument", char::from(letter)));
                return Ok(shell.usage(usage));
            };
            match letter {
                b'd' => delimiter = value.first().copied().unwrap_or(0),
                b'C' => callback = Some(value),
                _ => {
                    let Some(number) = crate::bytes::decimal(&value).filter(|number| *number >= 0) else {
                        shell.complain_as("mapfile", [value.as_slice(), b": invalid number"].concat());
                        return Ok(1);
                    };
                    match letter {
                        b'n' => count = number,
                        b'O' => origin = Some(number),
                        b's' => skip = number,
                        b'c' => quantum = number.max(1),
                        _ => fd = u32::try_from(number).unwrap_or(u32::MAX),
                    }
                }
            }
        }
    }
    let name = arguments.get(at).cloned().unwrap_or_else(|| b"MAPFILE".to_vec());
    if !crate::bytes::is_name(&name) {
        shell.complain_as("mapfile", [b"`".as_slice(), &name, b"': not a valid identifier"].concat());
        return Ok(1);
    }
    if !shell.descriptors.open.contains(&fd) {
        shell.complain_as("mapfile", format!("{fd}: invalid file descriptor: Bad file descriptor"));
        return Ok(1);
    }
    let (target, _) = shell.resolve(&name);
    shell.refuse_readonly(&target)?;
    if origin.is_none() {
        shell.set_array(&target, Vec::new())?;
    }
    shell.make_indexed(&target);
    let mut index = origin.unwrap_or(0);
    let mut number = 0_i64;
    let mut reader = Lines { fd, buffer: Vec::new(), at: 0, whole: count == 0 };
    while count == 0 || number < count + skip {
        let Some(mut line) = reader.next(delimiter) else { break };
        number += 1;
        if number <= skip {
            continue;
        }
        if trim && line.last() == Some(&delimiter) {
            line.pop();
        }
        if let Some(callback) = &callback
            && (number - skip) % quantum == 0
        {
            let words = format!(" {index} ");
            let command =
                [callback.as_slice(), words.as_bytes(), &crate::expand::escape::quoted_single(&line)]
                    .concat();
            let line = shell.line;
            shell.run_text(&command, line)?;
        }
        if let Value::Indexed(values) = &mut shell.variables.entry(&target).value {
            values.insert(index, line);
        }
        index += 1;
    }
    shell.variables.entry(&target).empty_declaration = false;
    Ok(0)
}

/// Reads in pieces when everything is read, else byte by byte.
struct Lines {
    fd: u32,
    buffer: Bytes,
    at: usize,
    whole: bool,
}

impl Lines {
    fn byte(&mut self) -> Option<u8> {
        if self.at == self.buffer.len() {
            self.buffer.resize(if self.whole { 64 * 1024 } else { 1 }, 0);
            self.at = 0;
            let count = loop {
                match system::read(self.fd, &mut self.buffer) {
                    Err(system::errno::INTR) => {}
                    other => break other.unwrap_or(0),
                }
            };
            self.buffer.truncate(count);
            if count == 0 {
                return None;
            }
        }
        self.at += 1;
        Some(self.buffer[self.at - 1])
    }

    fn next(&mut self, delimiter: u8) -> Option<Bytes> {
        let mut line = Bytes::new();
        while let Some(byte) = self.byte() {
            line.push(byte);
            if byte == delimiter {
                return Some(line);
            }
        }
        (!line.is_empty()).then_some(line)
    }
}
