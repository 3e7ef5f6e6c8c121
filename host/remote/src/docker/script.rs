//! Processes in a container: attached to their streams, told how they ended, and short scripts.

use std::borrow::Cow;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sandpiper_core::Error;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::container::{Container, is_running};
use super::daemon::{BACKEND, Failure, protocol, words};
use super::shape::SHELL;

/// How long the daemon may take to notice that a process has ended, after its streams have.
const NOTICE: Duration = Duration::from_secs(5);
/// Most of a script's own words that are kept.
const MAX_WORDS_BYTES: usize = 8 << 10;
/// What a script's output ends with where it is wanted: a stream that the daemon ends too early is not told apart
/// from one that is whole.
const LAST: &[u8] = b"\x1eend";
/// What is read from the daemon at a time.
const READ_BYTES: usize = 64 << 10;

pub(super) type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;
pub(super) type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// A process, and its streams.
pub(super) struct Attached {
    pub(super) id: String,
    pub(super) output: Output,
    pub(super) input: Input,
}

/// A script of the POSIX shell, and who runs it.
#[derive(Debug)]
pub(super) struct Script<'a> {
    pub(super) user: &'a str,
    pub(super) text: Cow<'static, str>,
    pub(super) arguments: &'a [&'a str],
    pub(super) env: Vec<String>,
    pub(super) stdin: bool,
}

impl<'a> Script<'a> {
    pub(super) fn new(user: &'a str, text: &'static str, arguments: &'a [&'a str]) -> Self {
        // The words of commands are understood in one language.
        Self { user, text: text.into(), arguments, env: vec!["LC_ALL=C".to_owned()], stdin: false }
    }

    /// The same script, with [`LAST`] behind its output.
    fn marking_its_end(self) -> Self {
        let Self { text, .. } = &self;
        let text = format!("(\n{text}\n)\nsandpiper_code=$?\nprintf '\\036end'\nexit $sandpiper_code");
        Self { text: text.into(), ..self }
    }
}

/// How a script ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: i64,
    pub(super) stdout: Vec<u8>,
    /// Whether there was more of that than was taken.
    pub(super) cut: bool,
    pub(super) stderr: String,
}

impl Container {
    /// Starts a script.
    pub(super) async fn attach(&self, action: &'static str, script: Script<'_>) -> Result<Attached, Error> {
        let own = SHELL.into_iter().chain([script.text.as_ref(), "sandpiper"]);
        let config = ExecConfig {
            attach_stdin: Some(script.stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(false),
            user: Some(script.user.to_owned()),
            env: Some(script.env),
            working_dir: Some("/".to_owned()),
            cmd: Some(own.chain(script.arguments.iter().copied()).map(str::to_owned).collect()),
            ..ExecConfig::default()
        };
        let client = self.daemon.client(action).await?;
        let made = match self.daemon.answer(action, client.create_exec(&self.id, config)).await {
            Ok(made) => made,
            Err(failure) => return Err(self.explain(action, failure).await),
        };
        let options = StartExecOptions { detach: false, tty: false, output_capacity: Some(READ_BYTES) };
        match self.daemon.answer(action, client.start_exec(&made.id, Some(options))).await {
            Ok(StartExecResults::Attached { output, input }) => Ok(Attached { id: made.id, output, input }),
            Ok(StartExecResults::Detached) => Err(protocol(action, "it gives no streams".to_owned()).error),
            Err(failure) => Err(self.explain(action, failure).await),
        }
    }

    /// The exit code of a process whose streams have ended.
    pub(super) async fn exit_code(&self, action: &'static str, id: &str) -> Result<i64, Error> {
        let client = self.daemon.client(action).await?;
        let end = tokio::time::Instant::now() + NOTICE;
        let mut pause = Duration::from_millis(2);
        loop {
            let found = match self.daemon.answer(action, client.inspect_exec(id)).await {
                Ok(found) => found,
                // A container that ended takes what was known of its processes with it.
                Err(Failure { status: Some(404), .. }) => return Err(self.gone()),
                Err(failure) => return Err(self.explain(action, failure).await),
            };
            if found.running == Some(false)
                && let Some(code) = found.exit_code
            {
                return Ok(code);
            }
            if tokio::time::Instant::now() >= end {
                if !is_running(&self.inspect(action).await?) {
                    return Err(self.gone());
                }
                return Err(Error::Unreachable {
                    backend: BACKEND.to_owned(),
                    action,
                    source: "the streams of a process have ended before the process".into(),
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// Runs a script to its end, with some input, and takes up to `limit` bytes of its output.
    pub(super) async fn script(
        &self,
        action: &'static str,
        script: Script<'_>,
        stdin: Option<Bytes>,
        limit: usize,
    ) -> Result<Ended, Error> {
        let script = Script { stdin: stdin.is_some(), ..script };
        let is_wanted = limit > 0;
        let script = if is_wanted { script.marking_its_end() } else { script };
        let Attached { id, output, input } = self.attach(action, script).await?;
        let feed = async {
            let mut input = input;
            if let Some(bytes) = stdin {
                // A script that has ended reads no more, and how it ended tells why.
                if input.write_all(&bytes).await.is_ok() {
                    let _ = input.shutdown().await;
                }
            }
            // Held, because with it the connection ends.
            std::future::pending::<()>().await;
            drop(input);
        };
        let mut ended = Ended { code: 0, stdout: Vec::new(), cut: false, stderr: String::new() };
        let is_whole = tokio::select! {
            taken = self.take(action, output, limit, &mut ended) => taken?,
            () = feed => false,
        };
        ended.code = self.exit_code(action, &id).await?;
        // No script ends so by itself, but what is started in a container that ends does.
        if matches!(ended.code, 126 | 137) {
            let message = format!("a script was ended (exit code {}) {}", ended.code, ended.stderr);
            let err = Error::Backend { backend: BACKEND.to_owned(), action, message };
            return Err(self.gone_or(action, err).await);
        }
        if is_wanted && !is_whole {
            let source = "the output of a script has ended before its end".into();
            return Err(Error::Unreachable { backend: BACKEND.to_owned(), action, source });
        }
        Ok(ended)
    }

    /// Takes what comes, up to a limit; whether [`LAST`] came at the end, which is no part of what is taken.
    async fn take(
        &self,
        action: &'static str,
        mut output: Output,
        limit: usize,
        ended: &mut Ended,
    ) -> Result<bool, Error> {
        let mut words = Vec::new();
        let mut last = Vec::new();
        while let Some(piece) = self.piece(action, &mut output).await? {
            match piece {
                LogOutput::StdOut { message } => {
                    // The last bytes are held back: they may be those that mark the end.
                    last.extend_from_slice(&message);
                    let message: Vec<u8> = last.drain(..last.len().saturating_sub(LAST.len())).collect();
                    let room = limit.saturating_sub(ended.stdout.len());
                    ended.cut |= message.len() > room;
                    ended.stdout.extend_from_slice(message.get(..room).unwrap_or(&message));
                }
                LogOutput::StdErr { message } => {
                    let room = MAX_WORDS_BYTES.saturating_sub(words.len());
                    words.extend_from_slice(message.get(..room).unwrap_or(&message));
                }
                other => return Err(no_frame(action, other)),
            }
        }
        ended.stderr.push_str(String::from_utf8_lossy(&words).trim());
        Ok(last == LAST)
    }

    async fn piece(&self, action: &'static str, output: &mut Output) -> Result<Option<LogOutput>, Error> {
        match tokio::time::timeout(self.daemon.timeout(), output.next()).await {
            Ok(piece) => Ok(piece.transpose().map_err(|err| self.daemon.failure(action, err))?),
            Err(_) => Err(self.daemon.slow(action).error),
        }
    }
}

/// What comes outside of the frames of the two streams: the daemon's own words when a process could not be
/// started, or what the protocol does not allow.
pub(super) fn no_frame(action: &'static str, output: LogOutput) -> Error {
    let bytes = output.into_bytes();
    let text = String::from_utf8_lossy(&bytes);
    protocol(action, format!("a piece of no stream: {:?}", words(&text))).error
}
