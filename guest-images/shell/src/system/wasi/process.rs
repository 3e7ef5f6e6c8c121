//! Processes and their signals, by `sandpiper:host/process`.

use super::diagnostics::tell_absent;
use super::imports::{self, Answer, Slice};
use super::{close, directory, exit, id, long, may, open, read, short};
use crate::syntax::ast::Bytes;
use crate::system::{Access, Action, Ended, Errno, Mapping, Open, Program, Result, errno};

/// What a forked process runs: the host calls `sandpiper-forked` with its address in a copy of this memory.
type Child<'a> = &'a mut dyn FnMut() -> u8;

pub fn fork(descriptors: &[Mapping], child: &mut dyn FnMut() -> u8) -> Result<u32> {
    let mut child: Child = child;
    let mut answer = Answer::default();
    // SAFETY: reads the mappings and writes the answer only; the address is used in the copy of this memory, in which
    // this frame stays alive.
    unsafe {
        imports::fork_call((&raw mut child).addr(), descriptors.as_ptr(), descriptors.len(), &raw mut answer);
    }
    long(&answer)
}

/// Called by the host in the new process.
#[unsafe(export_name = "sandpiper-forked")]
extern "C" fn forked(argument: usize) {
    let child = std::ptr::with_exposed_provenance_mut::<Child>(argument);
    // SAFETY: the host gives back the address that `fork` gave it, of a value that lives in this copy of the memory; the
    // code that made it does not run here.
    let status = unsafe { (*child)() };
    exit(status);
}

pub fn spawn(program: &Program) -> Result<u32> {
    // The host wants an absolute path and would give that to an interpreter, but scripts see in `$0` what was typed.
    if !program.path.starts_with(b"/")
        && let Some(interpreter) = interpreter_of(program.path)
    {
        let mut arguments = interpreter;
        arguments.push(program.path.to_vec());
        arguments.extend_from_slice(program.arguments.get(1..).unwrap_or_default());
        let path = arguments[0].clone();
        let started = spawn_absolute(&Program { path: &path, arguments: &arguments, ..*program });
        if started == Err(errno::NOENT) {
            tell_absent(path.rsplit(|&byte| byte == b'/').next().unwrap_or_default());
        }
        return started;
    }
    spawn_absolute(program)
}

/// The interpreter of a script that may be executed, and the one argument that it may have.
fn interpreter_of(path: &[u8]) -> Option<Vec<Bytes>> {
    const LINE_MAX: usize = 256;
    if !may(path, Access::Execute) {
        return None;
    }
    let fd = open(path, Open::Read).ok()?;
    let mut buffer = [0; LINE_MAX];
    let count = read(fd, &mut buffer);
    close(fd).ok();
    let line = buffer[..count.ok()?].split(|&byte| byte == b'\n').next()?.strip_prefix(b"#!")?.trim_ascii();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let rest = line[end..].trim_ascii();
    let mut found = vec![line[..end].to_vec()];
    if !rest.is_empty() {
        found.push(rest.to_vec());
    }
    // The host looks at it too, which bounds interpreters of interpreters.
    found[0].starts_with(b"/").then_some(found)
}

fn spawn_absolute(program: &Program) -> Result<u32> {
    let slices = |list: &[Bytes]| list.iter().map(|text| Slice::of(text)).collect::<Vec<_>>();
    let arguments = slices(program.arguments);
    let environment = slices(program.environment);
    let directory = directory();
    let path = program.path;
    let mut answer = Answer::default();
    // SAFETY: reads what it is given, all of which lives until it returns, and writes the answer only.
    unsafe {
        imports::spawn(
            path.as_ptr(),
            path.len(),
            arguments.as_ptr(),
            arguments.len(),
            environment.as_ptr(),
            environment.len(),
            directory.as_ptr(),
            directory.len(),
            program.descriptors.as_ptr(),
            program.descriptors.len(),
            &raw mut answer,
        );
    }
    long(&answer)
}

pub fn wait(child: Option<u32>, block: bool) -> Result<Option<(u32, Ended)>> {
    let mut answer = Answer::default();
    // SAFETY: writes the answer only.
    unsafe {
        imports::wait(u32::from(child.is_some()), child.unwrap_or(0), u32::from(block), &raw mut answer)
    };
    if answer.failed() {
        return Err(Errno(i32::from(answer.half(4))));
    }
    if answer.0[4] == 0 {
        return Ok(None);
    }
    let value = answer.0[13];
    let ended = if answer.0[12] == 0 { Ended::Exited(value) } else { Ended::Signaled(value) };
    Ok(Some((answer.word(8), ended)))
}

pub fn kill(process: i64, signal: u8) -> Result<()> {
    let process = match process {
        // The whole group is only this shell here.
        0 => id(),
        process => u32::try_from(process).map_err(|_| Errno(71))?,
    };
    let mut answer = Answer::default();
    // SAFETY: writes the answer only.
    unsafe { imports::kill(process, u32::from(signal), &raw mut answer) };
    short(&answer).map(drop)
}

pub fn act(signal: u8, action: Action) -> Result<Action> {
    let wanted = match action {
        Action::Default => 0,
        Action::Ignore => 1,
        Action::Note => 2,
    };
    let mut answer = Answer::default();
    // SAFETY: writes the answer only.
    unsafe { imports::act(u32::from(signal), wanted, &raw mut answer) };
    short(&answer)?;
    Ok(match answer.0[2] {
        0 => Action::Default,
        1 => Action::Ignore,
        _ => Action::Note,
    })
}

pub fn take_signals() -> u64 {
    // SAFETY: takes and touches no memory.
    unsafe { imports::take_signals() }
}

/// Processor time in nanoseconds: the shell's own; that of its children is not known.
pub fn processor_times() -> [u64; 4] {
    let mut time = 0;
    // SAFETY: writes `time` only. 2 is the clock of the process.
    let result = unsafe { imports::clock_time_get(2, 1, &raw mut time) };
    [if result == 0 { time } else { 0 }, 0, 0, 0]
}
