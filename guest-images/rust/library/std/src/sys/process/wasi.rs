//! Processes over `sandpiper:host/process`, as those of Unix behave: programs are looked up along `PATH`, the standard
//! streams are descriptors 0, 1 and 2, and a child has no other descriptor of its parent.

use super::CommandEnvs;
use super::env::CommandEnv;
pub use crate::ffi::OsString as EnvKey;
use crate::ffi::{OsStr, OsString};
use crate::num::NonZero;
use crate::os::fd::{AsRawFd, RawFd};
use crate::path::Path;
use crate::process::StdioPipes;
use crate::sys::fd::FileDesc;
use crate::sys::fs::{File, OpenOptions};
use crate::sys::pal::sandpiper::{self, List, Mapping, Start};
use crate::sys::pipe::pipe;
use crate::sys::IntoInner;
use crate::{env, fmt, io};

/// Where programs are looked for when there is no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// What runs a file that is a program of no image and names no interpreter, as `execvp` has it.
const SHELL: &str = "/bin/sh";

const SIGKILL: u32 = 9;

pub struct Command {
    program: OsString,
    args: Vec<OsString>,
    env: CommandEnv,
    cwd: Option<OsString>,
    stdin: Option<Stdio>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
}

#[derive(Debug)]
pub enum Stdio {
    Inherit,
    Null,
    MakePipe,
    Fd(FileDesc),
    /// One of this process's own standard streams.
    Stream(RawFd),
}

/// What a child gets at one of 0, 1 and 2.
enum ChildStdio {
    Inherit(RawFd),
    Owned(FileDesc),
}

impl ChildStdio {
    fn fd(&self) -> RawFd {
        match self {
            ChildStdio::Inherit(fd) => *fd,
            ChildStdio::Owned(fd) => fd.as_raw_fd(),
        }
    }
}

impl Stdio {
    /// What the child gets at `at`, and the parent's end of the pipe if there is one.
    fn to_child(&self, at: RawFd) -> io::Result<(ChildStdio, Option<ChildPipe>)> {
        match self {
            Stdio::Inherit => Ok((ChildStdio::Inherit(at), None)),
            Stdio::Stream(fd) => Ok((ChildStdio::Inherit(*fd), None)),
            Stdio::Fd(fd) => Ok((ChildStdio::Inherit(fd.as_raw_fd()), None)),
            Stdio::Null => {
                let mut options = OpenOptions::new();
                options.read(at == 0);
                options.write(at != 0);
                let file = File::open(Path::new("/dev/null"), &options)?;
                Ok((ChildStdio::Owned(file.into_inner()), None))
            }
            Stdio::MakePipe => {
                let (reader, writer) = pipe()?;
                let (ours, theirs) = if at == 0 { (writer, reader) } else { (reader, writer) };
                Ok((ChildStdio::Owned(theirs), Some(ours)))
            }
        }
    }
}

impl Command {
    pub fn new(program: &OsStr) -> Command {
        Command {
            program: program.to_owned(),
            args: vec![program.to_owned()],
            env: Default::default(),
            cwd: None,
            stdin: None,
            stdout: None,
            stderr: None,
        }
    }

    pub fn arg(&mut self, arg: &OsStr) {
        self.args.push(arg.to_owned());
    }

    pub fn set_arg_0(&mut self, arg: &OsStr) {
        self.args[0] = arg.to_owned();
    }

    pub fn env_mut(&mut self) -> &mut CommandEnv {
        &mut self.env
    }

    pub fn cwd(&mut self, dir: &OsStr) {
        self.cwd = Some(dir.to_owned());
    }

    pub fn stdin(&mut self, stdin: Stdio) {
        self.stdin = Some(stdin);
    }

    pub fn stdout(&mut self, stdout: Stdio) {
        self.stdout = Some(stdout);
    }

    pub fn stderr(&mut self, stderr: Stdio) {
        self.stderr = Some(stderr);
    }

    pub fn get_program(&self) -> &OsStr {
        &self.program
    }

    pub fn get_args(&self) -> CommandArgs<'_> {
        let mut iter = self.args.iter();
        iter.next();
        CommandArgs { iter }
    }

    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.env.iter()
    }

    pub fn get_env_clear(&self) -> bool {
        self.env.does_clear()
    }

    pub fn get_current_dir(&self) -> Option<&Path> {
        self.cwd.as_ref().map(|cs| Path::new(cs))
    }

    pub fn spawn(
        &mut self,
        default: Stdio,
        needs_stdin: bool,
    ) -> io::Result<(Process, StdioPipes)> {
        let no_stdin = Stdio::Null;
        let default_stdin = if needs_stdin { &default } else { &no_stdin };
        let (stdin, our_stdin) = self.stdin.as_ref().unwrap_or(default_stdin).to_child(0)?;
        let (stdout, our_stdout) = self.stdout.as_ref().unwrap_or(&default).to_child(1)?;
        let (stderr, our_stderr) = self.stderr.as_ref().unwrap_or(&default).to_child(2)?;
        let pipes = StdioPipes { stdin: our_stdin, stdout: our_stdout, stderr: our_stderr };
        let descriptors = [
            Mapping { from: stdin.fd() as u32, to: 0 },
            Mapping { from: stdout.fd() as u32, to: 1 },
            Mapping { from: stderr.fd() as u32, to: 2 },
        ];
        let process = self.start(&descriptors)?;
        Ok((Process { pid: process, status: None }, pipes))
    }

    /// Starts the program that the name means, with these descriptors.
    fn start(&self, descriptors: &[Mapping]) -> io::Result<u32> {
        let mut directory = env::current_dir()?;
        if let Some(cwd) = &self.cwd {
            directory.push(cwd);
        }
        let mut path = env::var_os("PATH");
        let mut environment = Vec::new();
        for (name, value) in self.env.capture() {
            if self.env.have_changed_path() && name == "PATH" {
                path = Some(value.clone());
            }
            let mut entry = name.into_encoded_bytes();
            entry.push(b'=');
            entry.extend_from_slice(value.as_encoded_bytes());
            environment.push(entry);
        }
        let environment: Vec<List> = environment.iter().map(|entry| List::of(entry)).collect();
        let started = |program: &OsStr| {
            let arguments: Vec<List> = self.args.iter().map(|arg| List::of(arg.as_encoded_bytes())).collect();
            let mut start = Start {
                program: program.as_encoded_bytes(),
                arguments: &arguments,
                environment: &environment,
                directory: directory.as_os_str().as_encoded_bytes(),
                descriptors,
            };
            match sandpiper::spawn(&start) {
                Err(error) if error.raw_os_error() == Some(libc::ENOEXEC) => {}
                other => return other,
            }
            let mut arguments = vec![List::of(SHELL.as_bytes()), List::of(program.as_encoded_bytes())];
            arguments.extend(self.args.iter().skip(1).map(|arg| List::of(arg.as_encoded_bytes())));
            start.program = SHELL.as_bytes();
            start.arguments = &arguments;
            sandpiper::spawn(&start)
        };

        if self.program.is_empty() {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        }
        if self.program.as_encoded_bytes().contains(&b'/') {
            return started(&self.program);
        }
        let path = path.unwrap_or_else(|| OsString::from(DEFAULT_PATH));
        let mut refused = false;
        for folder in env::split_paths(&path) {
            // An empty entry is the directory that the program starts in, where a name needs no folder.
            let candidate = folder.join(&self.program);
            match started(candidate.as_os_str()) {
                Err(error) => match error.raw_os_error() {
                    Some(libc::EACCES) => refused = true,
                    Some(libc::ENOENT | libc::ENOTDIR) => {}
                    _ => return Err(error),
                },
                done => return done,
            }
        }
        Err(io::Error::from_raw_os_error(if refused { libc::EACCES } else { libc::ENOENT }))
    }
}

impl From<ChildPipe> for Stdio {
    fn from(pipe: ChildPipe) -> Stdio {
        Stdio::Fd(pipe)
    }
}

impl From<io::Stdout> for Stdio {
    fn from(_: io::Stdout) -> Stdio {
        Stdio::Stream(1)
    }
}

impl From<io::Stderr> for Stdio {
    fn from(_: io::Stderr) -> Stdio {
        Stdio::Stream(2)
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Stdio {
        Stdio::Fd(file.into_inner())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cwd) = &self.cwd {
            write!(f, "cd {cwd:?} && ")?;
        }
        if self.env.does_clear() {
            write!(f, "env -i ")?;
        }
        for (key, value) in self.get_envs() {
            if let Some(value) = value {
                write!(f, "{}={value:?} ", key.display())?;
            }
        }
        write!(f, "{:?}", self.program)?;
        for arg in self.get_args() {
            write!(f, " {arg:?}")?;
        }
        Ok(())
    }
}

/// A status as POSIX encodes it.
#[derive(PartialEq, Eq, Clone, Copy, Debug, Default)]
pub struct ExitStatus(i32);

impl ExitStatus {
    pub fn exit_ok(&self) -> Result<(), ExitStatusError> {
        match NonZero::new(self.0) {
            None => Ok(()),
            Some(status) => Err(ExitStatusError(status)),
        }
    }

    pub fn code(&self) -> Option<i32> {
        if self.signal().is_some() { None } else { Some(self.0 >> 8) }
    }

    pub fn signal(&self) -> Option<i32> {
        let signal = self.0 & 0x7f;
        if signal == 0 { None } else { Some(signal) }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code(), self.signal()) {
            (Some(code), _) => write!(f, "exit status: {code}"),
            (None, Some(signal)) => write!(f, "signal: {signal}"),
            (None, None) => write!(f, "status: {:#x}", self.0),
        }
    }
}

#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub struct ExitStatusError(NonZero<i32>);

impl Into<ExitStatus> for ExitStatusError {
    fn into(self) -> ExitStatus {
        ExitStatus(self.0.into())
    }
}

impl ExitStatusError {
    pub fn code(self) -> Option<NonZero<i32>> {
        ExitStatus(self.0.into()).code().and_then(NonZero::new)
    }
}

#[derive(PartialEq, Eq, Clone, Copy, Debug)]
pub struct ExitCode(u8);

impl ExitCode {
    pub const SUCCESS: ExitCode = ExitCode(0);
    pub const FAILURE: ExitCode = ExitCode(1);

    pub fn as_i32(&self) -> i32 {
        self.0 as i32
    }
}

impl From<u8> for ExitCode {
    fn from(code: u8) -> Self {
        Self(code)
    }
}

pub struct Process {
    pid: u32,
    /// Its end, once taken: its number can be another process's by then.
    status: Option<ExitStatus>,
}

impl Process {
    pub fn id(&self) -> u32 {
        self.pid
    }

    pub fn kill(&mut self) -> io::Result<()> {
        if self.status.is_some() { Ok(()) } else { sandpiper::kill(self.pid, SIGKILL) }
    }

    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = self.take(true)? {
                return Ok(status);
            }
        }
    }

    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.take(false)
    }

    fn take(&mut self, block: bool) -> io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = sandpiper::wait(self.pid, block)?.map(ExitStatus);
        }
        Ok(self.status)
    }
}

pub struct CommandArgs<'a> {
    iter: crate::slice::Iter<'a, OsString>,
}

impl<'a> Iterator for CommandArgs<'a> {
    type Item = &'a OsStr;
    fn next(&mut self) -> Option<&'a OsStr> {
        self.iter.next().map(|os| &**os)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }
}

impl<'a> ExactSizeIterator for CommandArgs<'a> {
    fn len(&self) -> usize {
        self.iter.len()
    }
    fn is_empty(&self) -> bool {
        self.iter.is_empty()
    }
}

impl<'a> fmt::Debug for CommandArgs<'a> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter.clone()).finish()
    }
}

pub type ChildPipe = crate::sys::pipe::Pipe;

/// Reads both until both ended, whichever has something: a child that fills the one while the other is waited for
/// would wait for ever.
pub fn read_output(
    out: ChildPipe,
    stdout: &mut Vec<u8>,
    err: ChildPipe,
    stderr: &mut Vec<u8>,
) -> io::Result<()> {
    let mut open = [true, true];
    let mut chunk = [0; 8192];
    while open[0] && open[1] {
        let entry = |pipe: &ChildPipe| libc::pollfd { fd: pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mut entries = [entry(&out), entry(&err)];
        if unsafe { libc::poll(entries.as_mut_ptr(), 2, -1) } < 0 {
            let error = io::Error::last_os_error();
            if error.is_interrupted() {
                continue;
            }
            return Err(error);
        }
        for (at, (pipe, text)) in [(&out, &mut *stdout), (&err, &mut *stderr)].into_iter().enumerate() {
            if entries[at].revents != 0 {
                let got = pipe.read(&mut chunk)?;
                text.extend_from_slice(&chunk[..got]);
                open[at] = got != 0;
            }
        }
    }
    if open[0] {
        out.read_to_end(stdout)?;
    }
    if open[1] {
        err.read_to_end(stderr)?;
    }
    Ok(())
}

pub fn getpid() -> u32 {
    sandpiper::id()
}
