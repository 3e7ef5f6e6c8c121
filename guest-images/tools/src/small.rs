//! Tools that are a few lines each.

use std::io::{self, BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use sandpiper_guest::{Action, EXECUTE, access, act, os, users};

use crate::options::{Ended, Given, Nothing, Option_, Order, Value, parse};
use crate::program::{command, end_as, failure_code, replace, shown_quoted};
use crate::text::{reason, shown};

type Arguments<'a> = &'a [Vec<u8>];

fn with(tool: &str, table: &[Option_], arguments: Arguments<'_>, how: (Order, i32), run: impl FnOnce(Given) -> Result<i32, Ended>) -> i32 {
    match parse(tool, table, arguments, how).and_then(run) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn print(text: &[u8]) -> i32 {
    let mut out = io::stdout().lock();
    i32::from(out.write_all(text).and_then(|()| out.flush()).is_err())
}

pub fn true_(_: &str, _: Arguments<'_>) -> i32 {
    0
}

pub fn false_(_: &str, _: Arguments<'_>) -> i32 {
    1
}

pub fn whoami(tool: &str, arguments: Arguments<'_>) -> i32 {
    with(tool, &[], arguments, (Order::Permuted, 1), |_| Ok(print(format!("{}\n", user()).as_bytes())))
}

fn user() -> String {
    let number = users::current();
    users::user_name(number).unwrap_or_else(|| number.to_string())
}

pub fn hostname(tool: &str, arguments: Arguments<'_>) -> i32 {
    let table: &[Option_] = &[("s", "short", Nothing), ("f", "fqdn", Nothing)];
    with(tool, table, arguments, (Order::Permuted, 1), |given| {
        if !given.operands.is_empty() {
            eprintln!("{tool}: the name cannot be changed here");
            return Ok(1);
        }
        let name = std::fs::read_to_string("/etc/hostname").unwrap_or_else(|_| "sandbox".to_owned());
        Ok(print(format!("{}\n", name.trim()).as_bytes()))
    })
}

pub fn id(tool: &str, arguments: Arguments<'_>) -> i32 {
    let table: &[Option_] = &[
        ("u", "user", Nothing),
        ("g", "group", Nothing),
        ("G", "groups", Nothing),
        ("n", "name", Nothing),
        ("r", "real", Nothing),
        ("z", "zero", Nothing),
    ];
    with(tool, table, arguments, (Order::Permuted, 1), |given| {
        let mut number = users::current();
        if let Some(name) = given.operands.first() {
            let name = shown(name);
            match users::user_number(&name).or_else(|| name.parse().ok()) {
                Some(found) => number = found,
                None => {
                    eprintln!("{tool}: '{name}': no such user");
                    return Ok(1);
                }
            }
        }
        let group = if given.operands.is_empty() { users::current_group() } else { number };
        let user_name = users::user_name(number);
        let group_name = users::group_name(group);
        let chosen = |number: u32, name: &Option<String>| {
            if given.has("name") { name.clone().unwrap_or_else(|| number.to_string()) } else { number.to_string() }
        };
        let text = match given.last(&["user", "group", "groups"]) {
            Some("user") => chosen(number, &user_name),
            Some(_) => chosen(group, &group_name),
            None if given.has("name") => {
                eprintln!("{tool}: cannot print only names or real IDs in default format");
                return Ok(1);
            }
            None => {
                let named = |name: &Option<String>| name.as_ref().map(|name| format!("({name})")).unwrap_or_default();
                let (user, group_text) = (named(&user_name), named(&group_name));
                format!("uid={number}{user} gid={group}{group_text} groups={group}{group_text}")
            }
        };
        Ok(print(format!("{text}{}", if given.has("zero") { '\0' } else { '\n' }).as_bytes()))
    })
}

pub fn rev(tool: &str, arguments: Arguments<'_>) -> i32 {
    with(tool, &[], arguments, (Order::Permuted, 1), |given| {
        let names = if given.operands.is_empty() { vec![b"-".to_vec()] } else { given.operands };
        let mut out = io::BufWriter::new(io::stdout().lock());
        let mut code = 0;
        for name in names {
            match crate::text::read(&name) {
                Ok(text) => {
                    for line in text.split_inclusive(|&byte| byte == b'\n') {
                        let content = line.strip_suffix(b"\n").unwrap_or(line);
                        let reversed: String = String::from_utf8_lossy(content).chars().rev().collect();
                        let end = if content.len() < line.len() { "\n" } else { "" };
                        if write!(out, "{reversed}{end}").is_err() {
                            return Ok(1);
                        }
                    }
                }
                Err(error) => {
                    eprintln!("{tool}: cannot open {}: {}", shown(&name), reason(&error));
                    code = 1;
                }
            }
        }
        Ok(if out.flush().is_err() { 1 } else { code })
    })
}

/// Where a program is found along `PATH`.
fn found(name: &[u8]) -> Vec<PathBuf> {
    let runs = |path: &Path| path.is_file() && access(path, EXECUTE).is_ok();
    if name.contains(&b'/') {
        return Some(PathBuf::from(os(name))).filter(|path| runs(path)).into_iter().collect();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder }.join(os(name)))
        .filter(|path| runs(path))
        .collect()
}

pub fn which(tool: &str, arguments: Arguments<'_>) -> i32 {
    with(tool, &[("a", "all", Nothing), ("s", "", Nothing)], arguments, (Order::Permuted, 2), |given| {
        let mut code = i32::from(given.operands.is_empty());
        for name in &given.operands {
            let mut paths = found(name);
            if paths.is_empty() {
                code = 1;
            }
            if !given.has("all") {
                paths.truncate(1);
            }
            for path in paths.iter().filter(|_| !given.has("s")) {
                println!("{}", path.display());
            }
        }
        Ok(code)
    })
}

pub fn env(tool: &str, arguments: Arguments<'_>) -> i32 {
    let table: &[Option_] = &[
        ("i", "ignore-environment", Nothing),
        ("0", "null", Nothing),
        ("u", "unset", Value),
        ("C", "chdir", Value),
        ("S", "split-string", Value),
        ("v", "debug", Nothing),
    ];
    let arguments: Vec<Vec<u8>> = match arguments {
        [first, ..] if first == b"-" => std::iter::once(b"-i".to_vec()).chain(arguments.iter().skip(1).cloned()).collect(),
        other => other.to_vec(),
    };
    with(tool, table, &arguments, (Order::Strict, 125), |mut given| {
        let fail = |message: String| {
            eprintln!("{tool}: {message}");
            Ended(125)
        };
        if let Some(text) = given.value("split-string").map(<[u8]>::to_vec) {
            if text.iter().any(|byte| b"\\'\"$#".contains(byte)) {
                return Err(fail("-S with quotes, escapes or variables is not supported".to_owned()));
            }
            let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(<[u8]>::to_vec);
            given.operands = words.chain(std::mem::take(&mut given.operands)).collect();
        }
        let mut variables: Vec<(std::ffi::OsString, std::ffi::OsString)> = Vec::new();
        if !given.has("ignore-environment") {
            variables = std::env::vars_os().collect();
        }
        for (_, name) in given.options.iter().filter(|(option, _)| *option == "unset") {
            if name.is_empty() || name.contains(&b'=') {
                return Err(fail(format!("cannot unset {}: Invalid argument", shown_quoted(name))));
            }
            variables.retain(|(known, _)| sandpiper_guest::bytes(known) != name.as_slice());
        }
        let mut words = given.operands.clone().into_iter().peekable();
        while let Some(at) = words.peek().and_then(|word| word.iter().position(|&byte| byte == b'=')) {
            let Some(word) = words.next() else { break };
            let (name, value) = word.split_at(at);
            let (name, value) = (os(name), os(value.get(1..).unwrap_or_default()));
            match variables.iter_mut().find(|(known, _)| *known == name) {
                Some(entry) => entry.1 = value,
                None => variables.push((name, value)),
            }
        }
        let words: Vec<Vec<u8>> = words.collect();
        if words.is_empty() {
            if given.has("chdir") {
                return Err(fail("must specify command with --chdir (-C)".to_owned()));
            }
            let end = if given.has("null") { 0 } else { b'\n' };
            let mut text = Vec::new();
            for (name, value) in &variables {
                text.extend_from_slice(sandpiper_guest::bytes(name));
                text.push(b'=');
                text.extend_from_slice(sandpiper_guest::bytes(value));
                text.push(end);
            }
            return Ok(print(&text));
        }
        let mut command = command(&words);
        command.env_clear().envs(variables);
        if let Some(folder) = given.value("chdir") {
            if let Err(error) = std::env::set_current_dir(os(folder)) {
                return Err(fail(format!("cannot change directory to {}: {}", shown_quoted(folder), reason(&error))));
            }
        }
        Ok(replace(tool, command))
    })
}

pub fn nohup(tool: &str, arguments: Arguments<'_>) -> i32 {
    with(tool, &[], arguments, (Order::Strict, 125), |given| {
        if given.operands.is_empty() {
            eprintln!("{tool}: missing operand\nTry '{tool} --help' for more information.");
            return Ok(125);
        }
        if let Err(error) = act(1, Action::Ignore) {
            eprintln!("{tool}: {}", reason(&error));
            return Ok(125);
        }
        // No stream of a sandbox is a terminal, so none has to be redirected.
        Ok(replace(tool, command(&given.operands)))
    })
}

fn duration(text: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(text).ok()?;
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, text.chars().last()?),
        None => (text, 's'),
    };
    let factor = match unit {
        'm' => 60.0,
        'h' => 3600.0,
        'd' => 86400.0,
        _ => 1.0,
    };
    if number.eq_ignore_ascii_case("infinity") || number.eq_ignore_ascii_case("inf") {
        return Some(Duration::MAX);
    }
    let seconds: f64 = number.parse().ok().filter(|seconds: &f64| *seconds >= 0.0 && seconds.is_finite())?;
    Some(Duration::try_from_secs_f64(seconds * factor).unwrap_or(Duration::MAX))
}

fn signal(text: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(text).ok()?.to_ascii_uppercase();
    let name = text.strip_prefix("SIG").unwrap_or(&text);
    let names = [
        ("HUP", 1), ("INT", 2), ("QUIT", 3), ("ABRT", 6), ("KILL", 9), ("USR1", 10), ("USR2", 12), ("PIPE", 13), ("ALRM", 14),
        ("TERM", 15), ("CONT", 18), ("STOP", 19),
    ];
    names.iter().find(|(known, _)| *known == name).map(|(_, number)| *number).or_else(|| name.parse().ok().filter(|number| *number < 65))
}

pub fn timeout(tool: &str, arguments: Arguments<'_>) -> i32 {
    let table: &[Option_] = &[
        ("", "foreground", Nothing),
        ("k", "kill-after", Value),
        ("", "preserve-status", Nothing),
        ("s", "signal", Value),
        ("v", "verbose", Nothing),
    ];
    with(tool, table, arguments, (Order::Strict, 125), |given| {
        let fail = |message: String| {
            eprintln!("{tool}: {message}\nTry '{tool} --help' for more information.");
            Ended(125)
        };
        let [limit, words @ ..] = given.operands.as_slice() else { return Err(fail("missing operand".to_owned())) };
        if words.is_empty() {
            return Err(fail("missing operand".to_owned()));
        }
        let invalid = |text: &[u8]| fail(format!("invalid time interval {}", shown_quoted(text)));
        let limit = duration(limit).ok_or_else(|| invalid(limit))?;
        let kill_after = match given.value("kill-after") {
            Some(text) => Some(duration(text).ok_or_else(|| invalid(text))?),
            None => None,
        };
        let number = match given.value("signal") {
            Some(text) => signal(text).ok_or_else(|| fail(format!("{}: invalid signal", shown_quoted(text))))?,
            None => 15,
        };
        let mut child = match command(words).spawn() {
            Ok(child) => child,
            Err(error) => {
                let program = words.first().map_or(&b""[..], |word| word);
                eprintln!("{tool}: failed to run command {}: {}", shown_quoted(program), reason(&error));
                return Ok(failure_code(program, &error));
            }
        };
        let started = Instant::now();
        let mut pause = Duration::from_micros(200);
        let (mut timed_out, mut killed) = (None, false);
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) => {}
                Err(error) => return Err(fail(format!("error waiting for command: {}", reason(&error)))),
            }
            if timed_out.is_none() && limit > Duration::ZERO && started.elapsed() >= limit {
                timed_out = Some(Instant::now());
                if given.has("verbose") {
                    eprintln!("{tool}: sending signal {number} to command {}", shown_quoted(words.first().map_or(b"", |word| word)));
                }
                let _ = sandpiper_guest::kill(child.id(), number);
            }
            if let (Some(since), Some(after), false) = (timed_out, kill_after, killed)
                && after > Duration::ZERO
                && since.elapsed() >= after
            {
                killed = true;
                let _ = sandpiper_guest::kill(child.id(), 9);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        };
        Ok(match timed_out {
            None => end_as(status),
            Some(_) if given.has("preserve-status") => end_as(status),
            Some(_) if killed || number == 9 => 137,
            Some(_) => 124,
        })
    })
}

pub fn df(tool: &str, _: Arguments<'_>) -> i32 {
    eprintln!("{tool}: the sizes of file systems are not known inside the sandbox");
    1
}

/// A program whose standard input is closed, for tools that ask.
pub fn quiet_input(words: &[Vec<u8>]) -> std::process::Command {
    let mut made = command(words);
    made.stdin(Stdio::null());
    made
}

/// Whether a line of standard input says yes.
pub fn agreed() -> bool {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).is_ok() && line.trim_start().starts_with(['y', 'Y'])
}
