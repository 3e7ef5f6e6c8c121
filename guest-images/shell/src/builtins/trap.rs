//! `trap`.

use crate::expand::escape::quoted_single;
use crate::flow::{Result, Status};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;
use crate::traps::{Event, SIGNALS};

const USAGE: &str = "trap [-lp] [[arg] signal_spec ...]";

pub fn trap(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let (letters, rest) = match shell.builtin_letters(arguments, b"lp", USAGE) {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    if letters.contains(&b'l') {
        for (at, (name, number)) in SIGNALS.iter().enumerate() {
            let last = at + 1 == SIGNALS.len() || (at + 1) % 5 == 0;
            shell.put(format!("{number:2}) SIG{name}{}", if last { "\n" } else { "\t" }));
        }
        return Ok(0);
    }
    if letters.contains(&b'p') || rest.is_empty() {
        return Ok(print(shell, rest));
    }
    let (command, names) = if rest.len() == 1 {
        (None, rest)
    } else if Event::parse(&rest[0]).is_some() && rest[0].iter().all(u8::is_ascii_digit) {
        // Numbers alone are reset.
        (None, rest)
    } else {
        let command = Some(rest[0].clone()).filter(|command| command != b"-");
        (command, &rest[1..])
    };
    let mut status = 0;
    for name in names {
        match Event::parse(name) {
            Some(Event::Signal(9 | 19)) => {}
            Some(event) => shell.traps.set(event, command.clone()),
            None => {
                shell.complain_as("trap", [name.as_slice(), b": invalid signal specification"].concat());
                status = 1;
            }
        }
    }
    Ok(status)
}

fn print(shell: &mut Shell, names: &[Bytes]) -> Status {
    let mut status = 0;
    let mut wanted = Vec::new();
    for name in names {
        match Event::parse(name) {
            Some(event) => wanted.push(event),
            None => {
                shell.complain_as("trap", [name.as_slice(), b": invalid signal specification"].concat());
                status = 1;
            }
        }
    }
    let lines: Vec<Bytes> = shell
        .traps
        .all()
        .filter(|(event, _)| names.is_empty() || wanted.contains(event))
        .map(|(event, command)| {
            [b"trap -- ".as_slice(), &quoted_single(command), b" ", event.name().as_bytes(), b"\n"].concat()
        })
        .collect();
    shell.put(lines.concat());
    status
}
