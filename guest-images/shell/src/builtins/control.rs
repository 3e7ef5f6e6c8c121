//! Builtins that run other commands or leave them.

use crate::flow::{Flow, Result, Status};
use crate::shell::{Call, Shell};
use crate::syntax::Parser;
use crate::syntax::ast::Bytes;
use crate::system;

pub fn colon(_: &mut Shell, _: &[Bytes]) -> Result<Status> {
    Ok(0)
}

pub fn false_(_: &mut Shell, _: &[Bytes]) -> Result<Status> {
    Ok(1)
}

/// A status that was given as text, which counts modulo 256.
fn status_of(text: &[u8]) -> Option<Status> {
    crate::bytes::decimal(text).map(|number| u8::try_from(number & 0xff).unwrap_or(0))
}

pub fn exit(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    leave_with(shell, arguments, "exit", Flow::Exit)
}

pub fn return_(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    if shell.returnable == 0 {
        shell.complain_as("return", "can only `return' from a function or sourced script");
        return Ok(2);
    }
    if let Some(text) = arguments.get(1).filter(|text| *text != b"--")
        && status_of(text).is_none()
    {
        shell.complain_as("return", [text.as_slice(), b": numeric argument required"].concat());
        return Err(Flow::Return(2));
    }
    leave_with(shell, arguments, "return", Flow::Return)
}

fn leave_with(shell: &mut Shell, arguments: &[Bytes], who: &str, flow: fn(u8) -> Flow) -> Result<Status> {
    let rest =
        if arguments.get(1).is_some_and(|first| first == b"--") { &arguments[2..] } else { &arguments[1..] };
    match rest {
        [] => Err(flow(shell.status)),
        [text, others @ ..] => match status_of(text) {
            None => {
                shell.complain_as(who, [text.as_slice(), b": numeric argument required"].concat());
                Err(flow(2))
            }
            Some(_) if !others.is_empty() => {
                shell.complain_as(who, "too many arguments");
                Err(Flow::Discard(1))
            }
            Some(status) => Err(flow(status)),
        },
    }
}

pub fn logout(shell: &mut Shell, _: &[Bytes]) -> Result<Status> {
    shell.complain_as("logout", "not login shell: use `exit'");
    Ok(1)
}

fn loop_count(shell: &mut Shell, arguments: &[Bytes], who: &str) -> Result<u32> {
    let rest =
        if arguments.get(1).is_some_and(|first| first == b"--") { &arguments[2..] } else { &arguments[1..] };
    if shell.loops == 0 {
        shell.complain_as(who, "only meaningful in a `for', `while', or `until' loop");
        return Ok(0);
    }
    let Some(text) = rest.first() else { return Ok(1) };
    let Some(count) = crate::bytes::decimal(text) else {
        shell.complain_as(who, [text.as_slice(), b": numeric argument required"].concat());
        return Err(Flow::Exit(128));
    };
    if rest.len() > 1 {
        shell.complain_as(who, "too many arguments");
        return Err(Flow::Exit(1));
    }
    if count < 1 {
        shell.complain_as(who, [text.as_slice(), b": loop count out of range"].concat());
        shell.status = 1;
        return Err(Flow::Break(shell.loops));
    }
    Ok(u32::try_from(count).unwrap_or(u32::MAX).min(shell.loops))
}

pub fn break_(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    match loop_count(shell, arguments, "break")? {
        0 => Ok(0),
        count => {
            shell.status = 0;
            Err(Flow::Break(count))
        }
    }
}

pub fn continue_(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    match loop_count(shell, arguments, "continue")? {
        0 => Ok(0),
        count => {
            shell.status = 0;
            Err(Flow::Continue(count))
        }
    }
}

pub fn eval(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let rest =
        if arguments.get(1).is_some_and(|first| first == b"--") { &arguments[2..] } else { &arguments[1..] };
    if let Some(first) = rest.first()
        && first.len() > 1
        && first[0] == b'-'
    {
        shell.complain_as("eval", [&first[..2], b": invalid option"].concat());
        return Ok(shell.usage("eval [arg ...]"));
    }
    let text = rest.join(b" ".as_slice());
    if text.trim_ascii().is_empty() {
        return Ok(0);
    }
    let line = shell.line;
    let result = shell.run_text(&text, line);
    shell.line = line;
    result
}

pub fn source(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let rest =
        if arguments.get(1).is_some_and(|first| first == b"--") { &arguments[2..] } else { &arguments[1..] };
    let Some((file, positional)) = rest.split_first() else {
        let who = shell.builtin.unwrap_or("source");
        shell.complain_as(who, "filename argument required");
        let usage = format!("{who} filename [arguments]");
        return Ok(shell.usage(&usage));
    };
    let found = if file.contains(&b'/') || !shell.shopt.sourcepath {
        None
    } else {
        shell.search_all(file, false).into_iter().next()
    };
    let path = found.unwrap_or_else(|| file.clone());
    let positional = if positional.is_empty() { None } else { Some(positional.to_vec()) };
    shell.source_file(&path, positional)
}

impl Shell {
    /// Runs a file in this shell.
    pub fn source_file(&mut self, path: &[u8], positional: Option<Vec<Bytes>>) -> Result<Status> {
        if system::is_directory(path) {
            let who = self.builtin.unwrap_or("source");
            self.complain_as(who, [path, b": is a directory"].concat());
            return Ok(1);
        }
        let text = match system::read_file(path) {
            Ok(text) => text,
            Err(error) => {
                self.complain(&[path, b": ", &error.message()].concat());
                return Ok(1);
            }
        };
        if text.iter().take(80).take_while(|&&byte| byte != b'\n').any(|&byte| byte == 0) {
            let who = self.builtin.unwrap_or("source");
            self.complain_as(who, [path, b": cannot execute binary file"].concat());
            return Ok(126);
        }
        let line = self.line;
        self.calls.push(Call { name: b"source".to_vec(), source: path.to_vec(), line });
        let given = positional.is_some();
        let outer = positional.map(|positional| std::mem::replace(&mut self.positional, positional));
        let loops = std::mem::take(&mut self.loops);
        self.returnable += 1;
        let outer_builtin = self.builtin.take();
        let mut parser = Parser::new(&text, 1, self.parser_settings());
        let result = self.run_parser(&mut parser, false);
        self.builtin = outer_builtin;
        self.returnable -= 1;
        self.loops = loops;
        if given && let Some(outer) = outer {
            self.positional = outer;
        }
        self.calls.pop();
        self.line = line;
        let result = match result {
            Err(Flow::Return(status)) => Ok(status),
            other => other,
        };
        if result.is_ok() && self.traps.has(crate::traps::Event::Return) {
            self.trap(crate::traps::Event::Return)?;
        }
        result
    }
}

pub fn exec(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let mut rest = &arguments[1..];
    let mut clear = false;
    let mut login = false;
    let mut shown = None;
    while let Some(first) = rest.first()
        && first.len() > 1
        && first[0] == b'-'
    {
        rest = &rest[1..];
        match first.as_slice() {
            b"--" => break,
            b"-c" => clear = true,
            b"-l" => login = true,
            b"-a" => {
                let Some((name, others)) = rest.split_first() else {
                    shell.complain_as("exec", "-a: option requires an argument");
                    return Ok(2);
                };
                shown = Some(name.clone());
                rest = others;
            }
            _ => {
                shell.complain_as("exec", [first.as_slice(), b": invalid option"].concat());
                return Ok(shell.usage("exec [-cl] [-a name] [command [argument ...]] [redirection ...]"));
            }
        }
    }
    if rest.is_empty() {
        return Ok(0);
    }
    if login {
        let name = shown.unwrap_or_else(|| rest[0].clone());
        shown = Some([b"-".as_slice(), &name].concat());
    }
    shell.replace(rest, clear.then(Vec::new), shown)
}

pub fn command(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let (letters, rest) = match shell.builtin_letters(arguments, b"pvV", "command [-pVv] command [arg ...]") {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    if letters.contains(&b'v') || letters.contains(&b'V') {
        let mut status = u8::from(!rest.is_empty());
        for name in rest {
            if shell.describe_command(name, letters.contains(&b'V')) {
                status = 0;
            } else if letters.contains(&b'V') {
                shell.complain_as("command", [name.as_slice(), b": not found"].concat());
            }
        }
        return Ok(status);
    }
    if rest.is_empty() {
        return Ok(0);
    }
    let path = if letters.contains(&b'p') { shell.search_path(&rest[0], true) } else { None };
    run_without_functions(shell, rest, path)
}

fn run_without_functions(shell: &mut Shell, words: &[Bytes], path: Option<Bytes>) -> Result<Status> {
    if let Some(builtin) = shell.find_builtin(&words[0]) {
        let operands: Vec<_> = words.iter().cloned().map(crate::run::Operand::Text).collect();
        let result = shell.run_builtin(builtin, words, &operands);
        // What would end the shell as a special builtin does not behind `command`.
        return result;
    }
    let mut words = words.to_vec();
    if let Some(path) = path {
        words[0] = path;
    }
    let mappings = shell.descriptors.mappings();
    match shell.start_external(&words, &mappings) {
        Ok(process) => {
            let ended = shell.wait_for(process);
            Ok(ended.status())
        }
        Err(status) => Ok(status),
    }
}

pub fn builtin(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let rest =
        if arguments.get(1).is_some_and(|first| first == b"--") { &arguments[2..] } else { &arguments[1..] };
    let Some(name) = rest.first() else { return Ok(0) };
    let Some(found) = super::find(name) else {
        shell.complain_as("builtin", [name.as_slice(), b": not a shell builtin"].concat());
        return Ok(1);
    };
    let operands: Vec<_> = rest.iter().cloned().map(crate::run::Operand::Text).collect();
    shell.run_builtin(found, rest, &operands)
}

pub fn let_(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let rest =
        if arguments.get(1).is_some_and(|first| first == b"--") { &arguments[2..] } else { &arguments[1..] };
    if rest.is_empty() {
        shell.complain_as("let", "expression expected");
        return Ok(1);
    }
    let mut value = 0;
    for expression in rest {
        match shell.with_context("let: ", |shell| shell.evaluate_text(expression, 0))? {
            Some(found) => value = found,
            None => return Ok(1),
        }
    }
    Ok(u8::from(value == 0))
}
