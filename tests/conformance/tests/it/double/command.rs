//! A command of the double: a process group of this machine.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use sandpiper_core::{
    BoxFuture, Captured, Control, Error, Event, Exec, Exit, Outcome, Quota, Refusal, Signalled, Stdin,
    Stream, Usage,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::output::{Full, Output};
use super::paths::{outer, rewritten};
use super::room::Room;
use super::unsupported;
use crate::fault::Fault::{self, *};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Checks a command, and gives its run, of which nothing happens before it is polled.
pub fn run(
    room: Arc<Room>,
    exec: Exec,
    events: mpsc::Sender<Event>,
    control: Control,
) -> Result<BoxFuture<'static, Result<Outcome, Error>>, Error> {
    if !room.has(TakesAnyCommand) {
        exec.check()?;
    }
    if let Some(operation) = exec.for_host_alone().filter(|_| !room.has(DoesWhatItDoesNotOffer)) {
        return unsupported(operation);
    }
    if matches!(exec.stdin, Stdin::Terminal(_)) && !room.has(TakesTerminalsForStreams) {
        return unsupported("a terminal");
    }
    let usual = if room.has(BeginsInTmp) { "/tmp" } else { "/" };
    let mut cwd = exec.cwd.clone().filter(|_| !room.has(IgnoresCwd)).unwrap_or_else(|| usual.to_owned());
    if !outer(&room, &cwd).is_dir() {
        if !room.has(BeginsAnywhere) {
            let what = format!("the working directory {cwd} is not a directory in the sandbox");
            return Err(Error::Refused(Refusal::Exec { what }));
        }
        cwd = "/".to_owned();
    }
    let directory = outer(&room, &cwd);
    let argv = arguments(&room, exec.argv);
    let env = environment(&room, exec.env, &cwd);
    let output = Output {
        left: Arc::new(AtomicU64::new(output_limit(&room))),
        room,
        events,
        control,
        all: Arc::default(),
    };
    Ok(Box::pin(Start { argv, env, directory, stdin: exec.stdin, output }.run()))
}

fn output_limit(room: &Room) -> u64 {
    let limit = room.spec.limits.output_bytes;
    match room.fault() {
        Some(CountsOneByteTooFew) => limit - 1,
        Some(CountsOneByteTooMany) => limit + 1,
        Some(HasRoomForTwiceTheOutput) => limit * 2,
        _ => limit,
    }
}

fn arguments(room: &Room, argv: Vec<String>) -> Vec<String> {
    let mut argv: Vec<String> = argv.iter().map(|argument| rewritten(room, argument)).collect();
    let each = |argv: &mut Vec<String>, of: fn(&str) -> String| {
        argv.iter_mut().skip(2).for_each(|argument| *argument = of(argument));
    };
    match room.fault() {
        Some(JoinsArguments) => argv = vec!["bash".to_owned(), "-c".to_owned(), argv.join(" ")],
        Some(DropsEmptyArguments) => argv.retain(|argument| !argument.is_empty()),
        Some(TrimsArguments) => each(&mut argv, |argument| argument.trim().to_owned()),
        Some(CutsArguments) => each(&mut argv, |argument| argument.chars().take(65_536).collect()),
        Some(TakesAsciiAlone) => each(&mut argv, |argument| argument.replace(|c: char| !c.is_ascii(), "?")),
        Some(TakesAHundredArguments) => argv.truncate(100),
        Some(AddsAnArgument) => argv.push("more".to_owned()),
        Some(EatsDashes) => {
            let mut index = 0;
            argv.retain(|argument| (index < 3 || !argument.starts_with('-'), index += 1).0);
        }
        Some(EscapesQuotes) => each(&mut argv, |argument| match argument {
            script if script.contains("printf") => script.to_owned(),
            argument => argument.replace(['\'', '"'], "\\'"),
        }),
        Some(ExpandsDollars) => each(&mut argv, |argument| match argument {
            script if script.contains("printf") => script.to_owned(),
            argument => argument.replace("$HOME", "/home/user"),
        }),
        _ => {}
    }
    argv
}

fn environment(room: &Room, own: Vec<(String, String)>, cwd: &str) -> Vec<(String, String)> {
    let base = [("PATH", PATH), ("HOME", "/home/user"), ("LANG", "C.UTF-8"), ("PWD", cwd)];
    let base = base.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let spec = if room.has(IgnoresTheSpecsVariables) { Vec::new() } else { room.spec.env.clone() };
    let own = if room.has(IgnoresVariables) { Vec::new() } else { own };
    let left = std::mem::take(&mut *room.left.lock().unwrap());
    if room.has(LeavesVariables) {
        *room.left.lock().unwrap() = own.clone();
    }
    let layers = match room.fault() {
        Some(PrefersTheSpecsVariables) => [base.to_vec(), own, spec, left],
        Some(PrefersItsOwnVariables) => [own, spec, base.to_vec(), left],
        _ => [base.to_vec(), spec, left, own],
    };
    let mut all: Vec<(String, String)> = layers.concat();
    if room.has(PrefersTheFirstVariable) {
        all.reverse();
    }
    if room.has(TrimsVariables) {
        all.iter_mut().for_each(|(_, value)| *value = value.trim().to_owned());
    }
    if room.has(CutsVariables) {
        all.iter_mut().for_each(|(_, value)| *value = value.chars().take(4096).collect());
    }
    all.iter().map(|(name, value)| (name.clone(), rewritten(room, value))).collect()
}

struct Start {
    argv: Vec<String>,
    env: Vec<(String, String)>,
    directory: PathBuf,
    stdin: Stdin,
    output: Output,
}

impl Start {
    async fn run(self) -> Result<Outcome, Error> {
        let room = Arc::clone(&self.output.room);
        room.check()?;
        let _turn = match room.has(RunsOneAtATime) {
            true => Some(room.one_at_a_time.acquire().await.unwrap()),
            false => None,
        };
        if room.has(ForgetsFiles) {
            forget(&room.root.join("tmp"));
        }
        let (start, all) = (Instant::now(), Arc::clone(&self.output.all));
        let exit =
            if room.broken.load(Ordering::Relaxed) { Exit::Code { code: 1 } } else { self.exit().await? };
        if room.has(BreaksWithAFailure) && !exit.success() {
            room.broken.store(true, Ordering::Relaxed);
        }
        let exit = told(&room, exit);
        let cut = exit == Exit::Quota { quota: Quota::Output } && !room.has(CutsInSilence);
        let repeated = if room.has(RepeatsOutput) { all.lock().unwrap().clone() } else { Vec::new() };
        let wall_ms = if room.has(TellsNoTime) { 0 } else { start.elapsed().as_millis() as u64 };
        Ok(Outcome {
            exit,
            usage: Usage { wall_ms, fuel: room.has(TellsFuel).then_some(1), ..Usage::default() },
            processes: Vec::new(),
            denials: Vec::new(),
            stdout: Captured { bytes: repeated.clone(), cut },
            stderr: Captured { bytes: repeated, cut },
        })
    }

    async fn exit(mut self) -> Result<Exit, Error> {
        let room = Arc::clone(&self.output.room);
        let name = self.argv.first().cloned().unwrap_or_default();
        let program = match find(&self.directory, &name) {
            Ok(program) => program,
            Err(exit) => return Ok(named_inside(&room, exit)),
        };
        let mut input = std::mem::take(&mut self.stdin);
        if room.has(ReadsAllInputFirst)
            && let Stdin::Stream(stream) = &mut input
        {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes).await;
            input = Stdin::bytes(bytes);
        }
        let mut command = Command::new(program);
        command
            .args(&self.argv[1.min(self.argv.len())..])
            .env_clear()
            .envs(self.env)
            .current_dir(self.directory);
        let piped = !matches!(input, Stdin::Empty) && !room.has(GivesNoInput) || room.has(HoldsInputOpen);
        command.stdin(if piped { Stdio::piped() } else { Stdio::null() });
        let Ok(mut child) = command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn()
        else {
            return Ok(Exit::NotRunnable { command: name, reason: "cannot be started".to_owned() });
        };
        let group = child.id().and_then(|id| Pid::from_raw(id as i32)).unwrap();
        room.entered(group.as_raw_nonzero().get());
        let _ending = Ending { group, room: Arc::clone(&room) };
        let feeding = child.stdin.take().map(|stdin| Feeding(tokio::spawn(feed(stdin, input, room.fault()))));
        let control = self.output.control.clone();
        let (mut closed, mut others) = (room.closed.subscribe(), room.cancelled.subscribe());
        let (begun, wall) = (Instant::now(), room.spec.limits.wall);
        let begun = if room.has(CountsTimeForAll) { room.begun() } else { begun };
        let cancelled = async {
            match room.fault() {
                Some(IgnoresCancel) => std::future::pending().await,
                Some(CancelsAll) => {
                    tokio::select! {
                        () = control.cancelled() => { room.cancelled.send_replace(true); }
                        _ = others.wait_for(|cancelled| *cancelled) => {}
                    }
                }
                _ => control.cancelled().await,
            }
        };
        let signals = control.signalled(|signalled| send(&room, group, signalled));
        let deadline = tokio::time::sleep_until((begun + wall).into());
        Ok(tokio::select! {
            biased;
            _ = closed.wait_for(|closed| *closed) => return Err(Error::Gone { reference: room.reference() }),
            () = cancelled => {
                if room.has(ClosesWhenItEndsACommand) { room.close(); }
                if room.has(CallsItASignal) { Exit::Signal { signal: 9 } } else { Exit::Cancelled }
            }
            () = deadline, if !room.has(IgnoresDeadlines) => {
                if room.has(ClosesWhenItEndsACommand) { room.close(); }
                if room.has(CallsItASignal) { Exit::Signal { signal: 9 } } else { Exit::Timeout }
            }
            exit = finish(&mut child, &self.output, feeding, group) => exit,
            () = signals => unreachable!("it does not end"),
        })
    }
}

/// Removes what is in the directories of a directory.
fn forget(directory: &std::path::Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
    }
}

async fn finish(child: &mut Child, output: &Output, feeding: Option<Feeding>, group: Pid) -> Exit {
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let has = |fault| output.room.has(fault);
    if has(PrintsABanner) {
        let _ = output.pump(Stream::Stdout, &b"welcome\n"[..]).await;
    }
    let pumps = futures_util::future::try_join(
        output.pump(Stream::Stdout, stdout),
        output.pump(Stream::Stderr, stderr),
    );
    if let Err(Full) = pumps.await {
        return Exit::Quota { quota: Quota::Output };
    }
    let status = child.wait().await.unwrap();
    if (has(WaitsForInput) || has(FailsWithoutAReader))
        && let Some(mut feeding) = feeding
        && (&mut feeding.0).await.is_ok_and(|taken| !taken)
        && has(FailsWithoutAReader)
    {
        return Exit::Code { code: 1 };
    }
    while has(WaitsForTheBackground) && test_kill_process_group(group).is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    exit_of(status)
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code { code: code as u8 },
        (None, signal) => Exit::Signal { signal: signal.unwrap_or_default() as u8 },
    }
}

/// The exit as a faulty backend tells it.
fn told(room: &Room, exit: Exit) -> Exit {
    match (room.fault(), exit) {
        (Some(TellsAnotherCode), Exit::Code { code }) => Exit::Code { code: code.wrapping_add(1) },
        (Some(TellsSevenBitsOfACode), Exit::Code { code }) => Exit::Code { code: code & 0x7f },
        (Some(ReadsCodes), Exit::Code { code: 124 }) => Exit::Timeout,
        (Some(ReadsCodes), Exit::Code { code: 127 }) => Exit::NotFound { command: "bash".to_owned() },
        (Some(ReadsCodes), Exit::Code { code: 152 }) => Exit::Fuel,
        (Some(ReadsCodes), Exit::Code { code: code @ 128.. }) => Exit::Signal { signal: code - 128 },
        (Some(TellsCodesAlone), Exit::NotFound { .. }) => Exit::Code { code: 127 },
        (Some(TellsCodesAlone), Exit::NotRunnable { .. }) => Exit::Code { code: 126 },
        (Some(FindsNothing), Exit::NotRunnable { command, .. }) => Exit::NotFound { command },
        (Some(TellsNoSignals), Exit::Signal { .. }) => Exit::Code { code: 1 },
        (_, exit) => exit,
    }
}

fn find(directory: &std::path::Path, name: &str) -> Result<PathBuf, Exit> {
    let not_found = || Exit::NotFound { command: name.to_owned() };
    if name.contains('/') {
        let path = directory.join(name);
        let found = std::fs::metadata(&path).map_err(|_| not_found())?;
        if found.is_file() && found.permissions().mode() & 0o111 != 0 {
            return Ok(path);
        }
        return Err(Exit::NotRunnable { command: name.to_owned(), reason: "is not executable".to_owned() });
    }
    let candidates = PATH.split(':').map(|folder| PathBuf::from(folder).join(name));
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(not_found)
}

/// The exit with the guest's name of the command.
fn named_inside(room: &Room, exit: Exit) -> Exit {
    let inside = |command: String| command.replace(&*room.root.to_string_lossy(), "");
    match exit {
        Exit::NotFound { command } => Exit::NotFound { command: inside(command) },
        Exit::NotRunnable { command, reason } => Exit::NotRunnable { command: inside(command), reason },
        exit => exit,
    }
}

fn send(room: &Room, group: Pid, signalled: Signalled) {
    let house = room.house();
    if !house.offers(house.capabilities.signals) || room.has(IgnoresSignals) {
        return;
    }
    let signal = match signalled {
        _ if room.has(KillsForAnySignal) => Signal::KILL,
        Signalled::Interrupt => Signal::INT,
        Signalled::Signal(number) => Signal::from_named_raw(i32::from(number)).unwrap(),
    };
    let _ = match signalled {
        Signalled::Interrupt if !room.has(InterruptsTheFirstAlone) => kill_process_group(group, signal),
        _ => kill_process(group, signal),
    };
}

/// Ends a process group with its command, so that no number of a group is kept that another may get.
struct Ending {
    group: Pid,
    room: Arc<Room>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        match self.room.fault() {
            // The room ends them.
            Some(GoesOnWhenEnded) => {}
            Some(EndsTheFirstAlone) => {
                let _ = kill_process(self.group, Signal::KILL);
            }
            _ => {
                let _ = kill_process_group(self.group, Signal::KILL);
                self.room.ended(self.group.as_raw_nonzero().get());
            }
        }
    }
}

/// The task that writes the input.
struct Feeding(JoinHandle<bool>);

impl Drop for Feeding {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Whether all of the input was taken.
async fn feed(mut stdin: ChildStdin, input: Stdin, fault: Option<Fault>) -> bool {
    let mut stream: Box<dyn AsyncRead + Send + Sync + Unpin> = match input {
        Stdin::Empty => Box::new(tokio::io::empty()),
        Stdin::Bytes(bytes) => Box::new(std::io::Cursor::new(bytes)),
        Stdin::Stream(stream) | Stdin::Terminal(stream) => stream,
    };
    let mut left = if fault == Some(CutsInput) { 65_536 } else { usize::MAX };
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = stream.read(&mut buffer).await.unwrap_or(0).min(left);
        if count == 0 {
            break;
        }
        left -= count;
        let bytes = match fault {
            Some(TakesTextForInput) => String::from_utf8_lossy(&buffer[..count]).into_owned().into_bytes(),
            _ => buffer[..count].to_vec(),
        };
        if stdin.write_all(&bytes).await.is_err() {
            return false;
        }
    }
    if fault == Some(AddsANewlineToInput) {
        let _ = stdin.write_all(b"\n").await;
    }
    if fault == Some(HoldsInputOpen) {
        std::future::pending::<()>().await;
    }
    true
}
