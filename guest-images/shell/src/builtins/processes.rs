//! Jobs and processes: `jobs`, `wait`, `kill`, `times`.

use crate::flow::{Result, Status};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;
use crate::system;
use crate::traps::{SIGNALS, signal_name, signal_number};

pub fn bg(shell: &mut Shell, _: &[Bytes]) -> Result<Status> {
    shell.complain_as("bg", "no job control");
    Ok(1)
}

pub fn fg(shell: &mut Shell, _: &[Bytes]) -> Result<Status> {
    shell.complain_as("fg", "no job control");
    Ok(1)
}

pub fn suspend(shell: &mut Shell, _: &[Bytes]) -> Result<Status> {
    shell.complain_as("suspend", "cannot suspend: no job control");
    Ok(1)
}

pub fn jobs(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let (letters, rest) = match shell.builtin_letters(arguments, b"lnprs", "jobs [-lnprs] [jobspec ...]") {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    shell.reap();
    let wanted: Vec<u32> = if rest.is_empty() {
        shell.jobs.list.iter().map(|job| job.number).collect()
    } else {
        let mut wanted = Vec::new();
        for name in rest {
            match shell.jobs.find(name) {
                Some(job) => wanted.push(job.number),
                None => {
                    shell.complain_as("jobs", [name.as_slice(), b": no such job"].concat());
                    return Ok(1);
                }
            }
        }
        wanted
    };
    let mut text = Bytes::new();
    for job in shell.jobs.list.iter().filter(|job| wanted.contains(&job.number)) {
        if (letters.contains(&b'r') && job.ended.is_some()) || (letters.contains(&b's')) {
            continue;
        }
        if letters.contains(&b'p') {
            text.extend_from_slice(format!("{}\n", job.processes.first().copied().unwrap_or(0)).as_bytes());
        } else {
            text.extend_from_slice(&shell.job_line(job, letters.contains(&b'l')));
        }
    }
    // One that was shown as ended is not shown again.
    shell.jobs.list.retain(|job| job.ended.is_none());
    shell.put(text);
    Ok(0)
}

pub fn disown(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let rest: Vec<&Bytes> =
        arguments[1..].iter().filter(|argument| argument.first() != Some(&b'-')).collect();
    if rest.is_empty() {
        if arguments.iter().any(|argument| argument == b"-a" || argument == b"-r") {
            shell.jobs.list.clear();
        } else if shell.jobs.list.pop().is_none() {
            shell.complain_as("disown", "current: no such job");
            return Ok(1);
        }
        return Ok(0);
    }
    let mut status = 0;
    for name in rest {
        let process = crate::bytes::decimal(name).and_then(|number| u32::try_from(number).ok());
        let found = if name.first() == Some(&b'%') {
            shell.jobs.find(name).map(|job| job.number)
        } else {
            shell
                .jobs
                .list
                .iter()
                .find(|job| process.is_some_and(|process| job.processes.contains(&process)))
                .map(|job| job.number)
        };
        match found {
            Some(number) => shell.jobs.list.retain(|job| job.number != number),
            None => {
                shell.complain_as("disown", [name.as_slice(), b": no such job"].concat());
                status = 1;
            }
        }
    }
    Ok(status)
}

pub fn wait(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let mut rest = &arguments[1..];
    let mut any = false;
    let mut variable = None;
    while let Some(first) = rest.first() {
        match first.as_slice() {
            b"-n" | b"-fn" | b"-nf" => any = true,
            b"-f" => {}
            b"-p" => {
                variable = rest.get(1).cloned();
                rest = &rest[1..];
            }
            b"--" => {
                rest = &rest[1..];
                break;
            }
            option if option.len() > 1 && option[0] == b'-' => {
                shell.complain_as("wait", [option, b": invalid option"].concat());
                return Ok(shell.usage("wait [-fn] [-p var] [id ...]"));
            }
            _ => break,
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    if let Some(variable) = &variable {
        shell.variables.unset(variable);
    }
    let mut processes = Vec::new();
    let mut status = 0;
    for name in rest {
        match shell.process_named("wait", name) {
            Ok(process) => processes.push(process),
            Err(failed) => {
                status = failed;
                processes.push(0);
            }
        }
    }
    if any {
        let among = if rest.is_empty() { shell.jobs.waitable() } else { processes };
        if among.is_empty() {
            return Ok(127);
        }
        return match shell.wait_any(&among) {
            Some((process, ended)) => {
                shell.jobs.forget_job(process);
                if let Some(variable) = variable {
                    shell.assign(&variable, process.to_string().into_bytes())?;
                }
                Ok(ended.status())
            }
            None => interrupted(shell, 127),
        };
    }
    if rest.is_empty() {
        for process in shell.jobs.running().to_vec() {
            if shell.wait_background(process).is_none() {
                return interrupted(shell, 0);
            }
        }
        shell.jobs.list.clear();
        return Ok(0);
    }
    for process in processes {
        if process == 0 {
            status = 127;
            continue;
        }
        match shell.wait_background(process) {
            Some(ended) => {
                status = ended.status();
                shell.jobs.forget_job(process);
                if let Some(variable) = &variable {
                    shell.assign(variable, process.to_string().into_bytes())?;
                }
            }
            None => return interrupted(shell, 127),
        }
    }
    Ok(status)
}

/// A signal with a trap ends the wait: its command runs, and the status tells of it.
fn interrupted(shell: &mut Shell, otherwise: Status) -> Result<Status> {
    let signals = system::take_signals();
    if signals == 0 {
        return Ok(otherwise);
    }
    let mut status = otherwise;
    for number in 1..=64_u8 {
        if signals & (1 << (number - 1)) != 0 {
            status = 128 + number;
            shell.trap(crate::traps::Event::Signal(number))?;
        }
    }
    Ok(status)
}

impl Shell {
    /// The process that `wait` is given; the status when there is none.
    fn process_named(&mut self, who: &str, name: &[u8]) -> std::result::Result<u32, Status> {
        if name.first() == Some(&b'%') {
            return match self.jobs.find(name).and_then(|job| job.processes.last().copied()) {
                Some(process) => Ok(process),
                None => {
                    self.complain_as(who, [name, b": no such job"].concat());
                    Err(127)
                }
            };
        }
        match crate::bytes::decimal(name).and_then(|number| u32::try_from(number).ok()) {
            Some(process) if self.jobs.knows(process) => Ok(process),
            Some(process) => {
                self.complain_as(who, format!("pid {process} is not a child of this shell"));
                Err(127)
            }
            None => {
                self.complain_as(who, [b"`".as_slice(), name, b"': not a pid or valid job spec"].concat());
                Err(1)
            }
        }
    }
}

pub fn kill(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let usage = "kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]";
    let mut rest = &arguments[1..];
    let mut signal = 15;
    match rest.first().map(Vec::as_slice) {
        Some(b"-l" | b"-L") => return Ok(list_signals(shell, &rest[1..])),
        Some(b"-s" | b"-n") => {
            let Some(name) = rest.get(1) else {
                shell.complain_as("kill", "-s: option requires an argument");
                return Ok(1);
            };
            match signal_number(name) {
                Some(number) => signal = number,
                None => {
                    shell.complain_as("kill", [name.as_slice(), b": invalid signal specification"].concat());
                    return Ok(1);
                }
            }
            rest = &rest[2..];
        }
        Some([b'-', name @ ..]) if !name.is_empty() && name != b"-" => {
            match signal_number(name) {
                Some(number) => signal = number,
                None => {
                    shell.complain_as("kill", [name, b": invalid signal specification"].concat());
                    return Ok(1);
                }
            }
            rest = &rest[1..];
        }
        _ => {}
    }
    if rest.first().is_some_and(|first| first == b"--") {
        rest = &rest[1..];
    }
    if rest.is_empty() {
        return Ok(shell.usage(usage));
    }
    let mut status = 0;
    for name in rest {
        let process = if name.first() == Some(&b'%') {
            match shell.jobs.find(name).and_then(|job| job.processes.first().copied()) {
                Some(process) => i64::from(process),
                None => {
                    shell.complain_as("kill", [name.as_slice(), b": no such job"].concat());
                    status = 1;
                    continue;
                }
            }
        } else {
            match crate::bytes::decimal(name) {
                Some(process) => process,
                None => {
                    shell.complain_as(
                        "kill",
                        [name.as_slice(), b": arguments must be process or job IDs"].concat(),
                    );
                    status = 1;
                    continue;
                }
            }
        };
        shell.flush_to(1);
        if let Err(error) = system::kill(process, signal) {
            shell.complain_as("kill", [b"(".as_slice(), name, b") - ", &error.message()].concat());
            status = 1;
        }
    }
    Ok(status)
}

fn list_signals(shell: &mut Shell, names: &[Bytes]) -> Status {
    if names.is_empty() {
        for (at, (name, number)) in SIGNALS.iter().enumerate() {
            let last = at + 1 == SIGNALS.len() || (at + 1) % 5 == 0;
            shell.put(format!("{number:2}) SIG{name}{}", if last { "\n" } else { "\t" }));
        }
        return 0;
    }
    let mut status = 0;
    for name in names {
        let number = crate::bytes::decimal(name);
        let shown = match number {
            Some(0) => Some("EXIT".to_owned()),
            Some(number) => {
                let number = if number > 128 { number - 128 } else { number };
                u8::try_from(number).ok().and_then(signal_name).map(str::to_owned)
            }
            None => signal_number(name).map(|number| number.to_string()),
        };
        match shown {
            Some(shown) => shell.put(format!("{shown}\n")),
            None => {
                shell.complain_as("kill", [name.as_slice(), b": invalid signal specification"].concat());
                status = 1;
            }
        }
    }
    status
}

pub fn times(shell: &mut Shell, _: &[Bytes]) -> Result<Status> {
    let times = system::processor_times();
    let shown = |nanoseconds: u64| {
        let milliseconds = nanoseconds / 1_000_000;
        format!("{}m{}.{:03}s", milliseconds / 60_000, milliseconds / 1000 % 60, milliseconds % 1000)
    };
    shell.put(format!("{} {}\n{} {}\n", shown(times[0]), shown(times[1]), shown(times[2]), shown(times[3])));
    Ok(0)
}
