//! The one place where programs are run: `ssh`, credential helpers, and `sh` for those that are a line of
//! shell.
//!
//! Pipes are read and written by threads, so that silence and the wish to stop are noticed.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Access, RemoteError};

/// How often it is looked whether to stop.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes that a thread hands on at once.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that wait for the other side.
const PIECES: usize = 4;
/// What is kept of a program's messages.
const MAX_MESSAGE_BYTES: usize = 16 << 10;
/// How long a program may take to end once nobody listens.
const ENDING: Duration = Duration::from_secs(5);

/// How long its last messages may take to arrive then.
const MESSAGES: Duration = Duration::from_millis(500);

/// Variables by which git's programs find a repository; what is run here is to find none.
const OF_A_REPOSITORY: [&str; 14] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_PROTOCOL",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invocation {
    /// What messages call it.
    pub(super) name: String,
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
}

impl Invocation {
    /// A line of shell that gets `arguments` as git gives them: appended to it, each as one word.
    pub(super) fn of_shell(name: &str, line: &str, arguments: &[&str]) -> Self {
        let mut all: Vec<OsString> = vec!["-c".into(), format!("{line} \"$@\"").into(), name.into()];
        all.extend(arguments.iter().map(OsString::from));
        Self { name: name.to_owned(), program: "sh".into(), arguments: all }
    }

    fn failed(&self, reason: impl Into<String>) -> RemoteError {
        RemoteError::Program { program: self.name.clone(), reason: reason.into() }
    }
}

/// A program that is spoken to.
pub(super) struct Conversation {
    child: Child,
    input: Option<SyncSender<Vec<u8>>>,
    output: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    read: usize,
    messages: Arc<Mutex<Vec<u8>>>,
    /// Disconnected once all messages are there.
    has_messages: Receiver<()>,
    /// It said nothing for too long, or nobody wants to hear it any more.
    is_given_up: bool,
    access: Access,
    address: String,
}

impl Conversation {
    /// Starts a program in `directory`. `address` is whom it speaks for, in messages.
    pub(super) fn start(
        invocation: &Invocation,
        directory: &Path,
        address: &str,
        access: &Access,
    ) -> Result<Self, RemoteError> {
        let mut command = Command::new(&invocation.program);
        command.args(&invocation.arguments).current_dir(directory);
        for name in OF_A_REPOSITORY {
            command.env_remove(name);
        }
        command.env("GIT_TERMINAL_PROMPT", "0");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|err| match err.kind() {
            std::io::ErrorKind::NotFound if invocation.program == "sh" => {
                invocation.failed("sh, which runs it, is not there; on Windows it comes with git")
            }
            std::io::ErrorKind::NotFound => invocation.failed("it is not there; install it, or name another"),
            _ => invocation.failed(err.to_string()),
        })?;
        let messages = Arc::new(Mutex::new(Vec::new()));
        let (input, to_write) = sync_channel::<Vec<u8>>(PIECES);
        let (read, output) = sync_channel(PIECES);
        if let Some(mut stdin) = child.stdin.take() {
            std::thread::spawn(move || {
                for piece in to_write {
                    if stdin.write_all(&piece).and_then(|()| stdin.flush()).is_err() {
                        break;
                    }
                }
            });
        }
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || hand_on(stdout, |piece| read.send(piece).is_ok()));
        }
        let (all_read, has_messages) = sync_channel(0);
        if let Some(stderr) = child.stderr.take() {
            let kept = Arc::clone(&messages);
            std::thread::spawn(move || {
                let _until_the_end = all_read;
                hand_on(stderr, |piece| {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    let room = MAX_MESSAGE_BYTES.saturating_sub(kept.len());
                    kept.extend(piece.into_iter().take(room));
                    true
                });
            });
        }
        Ok(Self {
            child,
            input: Some(input),
            output,
            piece: Vec::new(),
            read: 0,
            messages,
            has_messages,
            is_given_up: false,
            access: access.clone(),
            address: address.to_owned(),
        })
    }

    /// Reads what is there, or waits; nothing is the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, RemoteError> {
        while self.read >= self.piece.len() {
            let output = &self.output;
            let next = wait(&self.access, &self.address, |pause| match output.recv_timeout(pause) {
                Ok(piece) => Some(Some(piece)),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => Some(None),
            });
            self.is_given_up |= next.is_err();
            match next? {
                Some(piece) => (self.piece, self.read) = (piece, 0),
                None => return Ok(0),
            }
        }
        let rest = self.piece.get(self.read..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.read += count;
        Ok(count)
    }

    /// Hands bytes to the program. That it does not take them any more is told by what it says.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), RemoteError> {
        let Some(input) = &self.input else { return Ok(()) };
        for piece in bytes.chunks(PIECE_BYTES) {
            let mut piece = Some(piece.to_vec());
            let taken = wait(&self.access, &self.address, |pause| match input.try_send(piece.take()?) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => Some(()),
                Err(TrySendError::Full(back)) => {
                    piece = Some(back);
                    std::thread::sleep(pause);
                    None
                }
            });
            self.is_given_up |= taken.is_err();
            taken?;
        }
        Ok(())
    }

    /// What the program wrote to its standard error so far.
    pub(super) fn messages(&self) -> Vec<u8> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nothing more comes for it.
    fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits until it ends by itself, for a little while; then it is ended.
    pub(super) fn end(&mut self) -> Option<ExitStatus> {
        self.close_input();
        let start = Instant::now();
        while start.elapsed() < ENDING && !self.is_given_up && !self.access.is_cancelled() {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    // Not for long: a process that it leaves behind may hold the pipe.
                    let _ = self.has_messages.recv_timeout(MESSAGES);
                    return Some(status);
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Err(_) => break,
            }
        }
        let _ = self.child.kill();
        self.child.wait().ok()
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.close_input();
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What a program said to an input, and how it ended.
pub(super) struct Answer {
    pub(super) status: Option<ExitStatus>,
    pub(super) output: Vec<u8>,
    pub(super) messages: Vec<u8>,
}

/// Runs a program that takes all of its input and then answers.
pub(super) fn ask(
    invocation: &Invocation,
    directory: &Path,
    input: &[u8],
    access: &Access,
) -> Result<Answer, RemoteError> {
    /// A helper says a few lines.
    const MAX_ANSWER_BYTES: usize = 64 << 10;

    let mut conversation = Conversation::start(invocation, directory, &invocation.name, access)?;
    conversation.write(input)?;
    conversation.close_input();
    let mut output = Vec::new();
    let mut buffer = vec![0; 4096];
    loop {
        let count = conversation.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        output.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if output.len() > MAX_ANSWER_BYTES {
            return Err(invocation.failed("it says far more than credentials"));
        }
    }
    let status = conversation.end();
    Ok(Answer { status, output, messages: conversation.messages() })
}

/// Tries until there is something, it is to stop, or there was silence for too long.
fn wait<T>(
    access: &Access,
    address: &str,
    mut attempt: impl FnMut(Duration) -> Option<T>,
) -> Result<T, RemoteError> {
    let start = Instant::now();
    loop {
        access.check_cancelled()?;
        if let Some(done) = attempt(PAUSE) {
            return Ok(done);
        }
        if start.elapsed() >= access.silence_timeout {
            let seconds = access.silence_timeout.as_secs();
            return Err(RemoteError::Silent { address: address.to_owned(), seconds });
        }
    }
}

fn hand_on(mut from: impl Read, mut to: impl FnMut(Vec<u8>) -> bool) {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut buffer) {
            Err(err) if err.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(count) if count > 0 && to(buffer.get(..count).unwrap_or_default().to_vec()) => {}
            _ => break,
        }
    }
}
