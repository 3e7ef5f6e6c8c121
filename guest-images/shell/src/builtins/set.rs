//! `set`, `shopt`, `shift`.

use crate::flow::{Result, Status};
use crate::options::is_unsupported;
use crate::shell::Shell;
use crate::syntax::ast::Bytes;

const USAGE: &str = "set [-abefhkmnptuvxBCEHPT] [-o option-name] [--] [-] [arg ...]";

impl Shell {
    pub fn list_options(&mut self, table: bool) {
        for (name, value) in self.options.list() {
            let line = if table {
                format!("{name:<15}\t{}\n", if value { "on" } else { "off" })
            } else {
                format!("set {}o {name}\n", if value { '-' } else { '+' })
            };
            self.put(line);
        }
    }
}

pub fn set(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    if arguments.len() == 1 {
        shell.print_variables();
        if !shell.options.posix {
            shell.print_functions();
        }
        return Ok(0);
    }
    let mut at = 1;
    while let Some(argument) = arguments.get(at) {
        let on = match argument.first() {
            Some(b'-') => true,
            Some(b'+') => false,
            _ => break,
        };
        if argument == b"--" {
            shell.positional = arguments[at + 1..].to_vec();
            return Ok(0);
        }
        at += 1;
        if argument == b"-" {
            shell.options.xtrace = false;
            shell.options.verbose = false;
            if at < arguments.len() {
                shell.positional = arguments[at..].to_vec();
            }
            return Ok(0);
        }
        for &letter in &argument[1..] {
            if letter == b'o' {
                let Some(name) = arguments.get(at) else {
                    shell.list_options(on);
                    return Ok(0);
                };
                at += 1;
                let text = crate::bytes::text(name).into_owned();
                if on && is_unsupported(&text) {
                    return Ok(shell.unsupported(&text));
                }
                if !shell.options.set(&text, on) {
                    shell.complain_as("set", format!("{text}: invalid option name"));
                    return Ok(2);
                }
            } else if on && letter == b'k' {
                return Ok(shell.unsupported("keyword"));
            } else if !shell.options.set_letter(letter, on) {
                shell.complain_as(
                    "set",
                    format!("{}{}: invalid option", if on { '-' } else { '+' }, char::from(letter)),
                );
                return Ok(shell.usage(USAGE));
            }
        }
    }
    if at < arguments.len() {
        shell.positional = arguments[at..].to_vec();
    }
    Ok(0)
}

pub fn shift(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let rest =
        if arguments.get(1).is_some_and(|first| first == b"--") { &arguments[2..] } else { &arguments[1..] };
    let count = match rest.first() {
        None => 1,
        Some(text) => match crate::bytes::decimal(text) {
            Some(count) => count,
            None => {
                shell.complain_as("shift", [text.as_slice(), b": numeric argument required"].concat());
                return Ok(1);
            }
        },
    };
    if count < 0 {
        shell.complain_as("shift", format!("{count}: shift count out of range"));
        return Ok(1);
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > shell.positional.len() {
        if shell.shopt.shift_verbose {
            shell.complain_as("shift", format!("{count}: shift count out of range"));
        }
        return Ok(1);
    }
    shell.positional.drain(..count);
    Ok(0)
}

pub fn shopt(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let (letters, rest) = match shell.builtin_letters(arguments, b"opqsu", "shopt [-pqsu] [-o] [optname ...]")
    {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    let has = |letter: u8| letters.contains(&letter);
    if has(b's') && has(b'u') {
        shell.complain_as("shopt", "cannot set and unset shell options simultaneously");
        return Ok(1);
    }
    let about_set = has(b'o');
    let get =
        |shell: &Shell, name: &str| if about_set { shell.options.get(name) } else { shell.shopt.get(name) };
    if rest.is_empty() {
        let list = if about_set { shell.options.list() } else { shell.shopt.list() };
        for (name, value) in list {
            if (has(b's') && !value) || (has(b'u') && value) || has(b'q') {
                continue;
            }
            show(shell, name, value, has(b'p'), about_set);
        }
        return Ok(0);
    }
    let mut status = 0;
    for name in rest {
        let text = crate::bytes::text(name).into_owned();
        let Some(value) = get(shell, &text) else {
            shell.complain_as("shopt", format!("{text}: invalid shell option name"));
            status = 1;
            continue;
        };
        if has(b's') && is_unsupported(&text) {
            return Ok(shell.unsupported(&text));
        }
        if has(b's') || has(b'u') {
            if about_set {
                shell.options.set(&text, has(b's'));
            } else {
                shell.shopt.set(&text, has(b's'));
            }
            continue;
        }
        if !value {
            status = 1;
        }
        if !has(b'q') {
            show(shell, &text, value, has(b'p'), about_set);
        }
    }
    Ok(status)
}

fn show(shell: &mut Shell, name: &str, value: bool, as_command: bool, about_set: bool) {
    let line = match (as_command, about_set) {
        (true, true) => format!("set {}o {name}\n", if value { '-' } else { '+' }),
        (true, false) => format!("shopt -{} {name}\n", if value { 's' } else { 'u' }),
        (false, _) => format!("{name:<15}\t{}\n", if value { "on" } else { "off" }),
    };
    shell.put(line);
}
