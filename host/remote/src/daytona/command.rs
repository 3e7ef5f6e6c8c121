//! What is sent to a session for a command, and what comes back in its log.
//!
//! A session's log is made of lines of text: what is not text in it is lost, an unfinished line is finished, and the
//! three bytes that tell the streams apart mean that in the output too. Its input has no end. So a small program of
//! the shell, `command.sh`, runs the command in between, and everything passes as lines of base64. Besides them, in
//! the log of standard error, are
//!
//! - `@PID`, first: the command starts as this process, the leader of a group; or `~PID` where the image has no
//!   `setsid`, so that it leads none;
//! - `!missing`, `!denied`, `!directory`, instead: why it does not start;
//! - `#STATUS`, or `#STATUS signal` where a signal has ended it, as far as the shell says so: it has ended. This comes
//!   whenever it does, in the middle of a line too;
//! - `?TOOL`: what the image lacks, without which nothing runs.
//!
//! A line `.` is the end of its stream. Lines of the input are `i:` and base64, and `i:` alone is its end. A stream is
//! closed by a file that is looked for after each piece of it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sandpiper_core::{Exec, Exit, Stream};

use crate::quote::quoted;

/// The program between the session and the command.
const PROGRAM: &str = include_str!("command.sh");

/// Longest line: 48 KiB in base64, with room for a status in the middle.
const MAX_LINE_BYTES: usize = 72 << 10;

/// Where a command's standard input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Nothing.
    Empty,
    /// A file of the sandbox, which is removed when it is open.
    File(String),
    /// Lines of the session's input.
    Lines,
}

/// The command line of a session for a command. Its standard output is closed by a file whose name is `closing` and
/// `1`, and standard error by `2`.
pub(super) fn command_line(exec: &Exec, input: &Input, closing: &str) -> String {
    let name = exec.argv.first().map_or("", String::as_str);
    let path = exec.env.iter().rev().find(|(name, _)| name == "PATH").map_or("", |(_, path)| path);
    let input = match input {
        Input::Empty => "-",
        Input::File(path) => path,
        Input::Lines => "+",
    };
    let cwd = exec.cwd.as_deref().unwrap_or_default();
    let program: String =
        PROGRAM.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    let mut words: Vec<Cow<'_, str>> = vec![
        "/bin/sh".into(),
        "-c".into(),
        program.into(),
        "sandpiper".into(),
        cwd.into(),
        path.into(),
        input.into(),
        closing.into(),
        name.into(),
    ];
    words.extend(exec.env.iter().map(|(name, value)| format!("{name}={value}").into()));
    if is_like_a_variable(exec) {
        words.extend(["/bin/sh", "-c", r#"exec "$@""#, "sandpiper"].map(Cow::from));
    }
    words.extend(exec.argv.iter().map(|argument| Cow::from(argument.as_str())));
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// How many programs make way for a command, one for the next: the shell that finds it, `env`, and one more shell
/// where `env` would take the command's name for a variable.
pub(super) fn depth(exec: &Exec) -> u8 {
    if is_like_a_variable(exec) { 3 } else { 2 }
}

fn is_like_a_variable(exec: &Exec) -> bool {
    exec.argv.first().is_some_and(|name| name.contains('='))
}

/// A line of the input for some bytes.
pub(super) fn input_line(bytes: &[u8]) -> String {
    format!("i:{}\n", STANDARD.encode(bytes))
}

/// What a log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The command runs.
    Started {
        /// As this process.
        pid: u32,
        /// Which leads a process group.
        leads: bool,
    },
    /// It does not run.
    NotStarted(WhyNot),
    /// It has written this.
    Output(Stream, Bytes),
    /// It has ended.
    Ended(Exit),
    /// Nothing more comes of this stream.
    Closed(Stream),
}

/// Why a command does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WhyNot {
    /// There is no such program.
    Missing,
    /// What is there is no program.
    Denied,
    /// The working directory is none.
    Directory,
    /// The image lacks a tool that everything here needs.
    Lacks(String),
}

/// Reads a log piece by piece.
#[derive(Debug, Default)]
pub(super) struct Log {
    current: Option<Stream>,
    /// How much of the three bytes that name a stream has been seen, and which.
    mark: Vec<u8>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Log {
    /// Takes the next bytes of the log.
    ///
    /// # Errors
    /// What is in it that no log has.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Said>, String> {
        let mut said = Vec::new();
        for byte in bytes {
            match byte {
                // Some versions of the daemon fill up their last piece.
                0 => {}
                1 | 2 => self.mark(*byte)?,
                _ if !self.mark.is_empty() => {
                    return Err("a stream is named by fewer than three bytes".to_owned());
                }
                b'\n' => self.line(&mut said)?,
                _ => {
                    let (_, line) = self.current()?;
                    if line.len() == MAX_LINE_BYTES {
                        return Err(format!("a line has more than {MAX_LINE_BYTES} bytes"));
                    }
                    line.push(*byte);
                }
            }
        }
        Ok(said)
    }

    fn mark(&mut self, byte: u8) -> Result<(), String> {
        if self.mark.first().is_some_and(|first| *first != byte) {
            return Err("a stream is named by different bytes".to_owned());
        }
        self.mark.push(byte);
        if self.mark.len() == 3 {
            self.mark.clear();
            self.current = Some(if byte == 1 { Stream::Stdout } else { Stream::Stderr });
        }
        Ok(())
    }

    fn current(&mut self) -> Result<(Stream, &mut Vec<u8>), String> {
        match self.current {
            Some(Stream::Stdout) => Ok((Stream::Stdout, &mut self.stdout)),
            Some(Stream::Stderr) => Ok((Stream::Stderr, &mut self.stderr)),
            None => Err("it does not begin with the name of a stream".to_owned()),
        }
    }

    fn line(&mut self, said: &mut Vec<Said>) -> Result<(), String> {
        let (stream, line) = self.current()?;
        if stream == Stream::Stderr
            && let Some(at) = line.iter().position(|byte| *byte == b'#')
        {
            let status = line.split_off(at);
            let exit = status.get(1..).and_then(|status| exit(std::str::from_utf8(status).ok()?));
            said.push(Said::Ended(exit.ok_or("a status is none")?));
            // What is before it goes on in the next line.
            return Ok(());
        }
        let line = std::mem::take(line);
        let word = |from: usize| String::from_utf8_lossy(line.get(from..).unwrap_or_default()).into_owned();
        said.push(match line.first() {
            // The input is said again by daemons that do not know how not to.
            None => return Ok(()),
            Some(b'i') if line.get(1) == Some(&b':') => return Ok(()),
            Some(b'.') if line.len() == 1 => Said::Closed(stream),
            Some(b'?') => Said::NotStarted(WhyNot::Lacks(word(1))),
            Some(sign @ (b'@' | b'~')) => {
                // 0 and 1 would be everybody's when a signal is sent.
                let pid = word(1).parse().ok().filter(|pid| *pid > 1);
                let pid = pid.ok_or("a process has no number")?;
                Said::Started { pid, leads: *sign == b'@' }
            }
            Some(b'!') => Said::NotStarted(match word(1).as_str() {
                "missing" => WhyNot::Missing,
                "denied" => WhyNot::Denied,
                "directory" => WhyNot::Directory,
                other => return Err(format!("it does not start for `{}`", other.escape_debug())),
            }),
            Some(_) => {
                let bytes =
                    STANDARD.decode(&line).map_err(|_| format!("a line of {stream:?} is not base64"))?;
                Said::Output(stream, bytes.into())
            }
        });
        Ok(())
    }
}

/// What a shell's status means: above 128, the number of the signal that ended the command, or the command's own,
/// unless the shell has said which.
fn exit(status: &str) -> Option<Exit> {
    match status.strip_suffix(" signal") {
        Some(status) => {
            let signal = status.parse::<u8>().ok()?.checked_sub(128)?;
            Some(Exit::Signal { signal })
        }
        None => Some(Exit::Code { code: status.parse().ok()? }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<Said>, String> {
        let mut log = Log::default();
        let mut said = Vec::new();
        for piece in pieces {
            said.extend(log.take(piece)?);
        }
        Ok(said)
    }

    fn output(stream: Stream, text: &'static str) -> Said {
        Said::Output(stream, Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_log_is_read_however_it_is_cut() {
        let log = b"\x02\x02\x02@7\n\x01\x01\x01YQBi\n\x02\x02\x02ZXJyCg==\n\x02\x02\x02#3\n\x01\x01\x01.\n\x02\x02\x02.\n";
        let expected = vec![
            Said::Started { pid: 7, leads: true },
            output(Stream::Stdout, "a\0b"),
            output(Stream::Stderr, "err\n"),
            Said::Ended(Exit::Code { code: 3 }),
            Said::Closed(Stream::Stdout),
            Said::Closed(Stream::Stderr),
        ];
        for size in 1..=log.len() {
            let pieces: Vec<&[u8]> = log.chunks(size).collect();
            assert_eq!(read(&pieces), Ok(expected.clone()), "{size}");
        }
    }

    #[test]
    fn a_status_in_the_middle_of_a_line_leaves_the_line_whole() {
        let said = read(&[b"\x02\x02\x02ZXJ#0\n\x02\x02\x02yCg==\n"]);
        assert_eq!(said, Ok(vec![Said::Ended(Exit::Code { code: 0 }), output(Stream::Stderr, "err\n")]));
    }

    #[test]
    fn a_line_that_is_cut_by_the_other_stream_is_whole() {
        let said = read(&[b"\x01\x01\x01YQ\x02\x02\x02.\n\x01\x01\x01==\n"]);
        assert_eq!(said, Ok(vec![Said::Closed(Stream::Stderr), output(Stream::Stdout, "a")]));
    }

    #[test]
    fn a_signal_is_told_from_a_status_that_looks_like_one() {
        assert_eq!(read(&[b"\x02\x02\x02#137\n"]), Ok(vec![Said::Ended(Exit::Code { code: 137 })]));
        assert_eq!(read(&[b"\x02\x02\x02#137 signal\n"]), Ok(vec![Said::Ended(Exit::Signal { signal: 9 })]));
    }

    #[test]
    fn a_process_that_leads_no_group_is_told_as_that() {
        assert_eq!(read(&[b"\x02\x02\x02~7\n"]), Ok(vec![Said::Started { pid: 7, leads: false }]));
    }

    #[test]
    fn what_the_daemon_adds_is_left_out() {
        assert_eq!(
            read(&[b"\x01\x01\x01i:aGkK\n\x01\x01\x01YQ==\n\0\0\0"]),
            Ok(vec![output(Stream::Stdout, "a")])
        );
    }

    #[test]
    fn what_no_log_has_is_an_error() {
        for (log, error) in [
            (&b"YQ==\n"[..], "it does not begin with the name of a stream"),
            (b"\x01\x01YQ==\n", "a stream is named by fewer than three bytes"),
            (b"\x01\x02\x01YQ==\n", "a stream is named by different bytes"),
            (b"\x01\x01\x01a b\n", "a line of Stdout is not base64"),
            (b"\x02\x02\x02#x\n", "a status is none"),
            (b"\x02\x02\x02#300\n", "a status is none"),
            (b"\x02\x02\x02#3 signal\n", "a status is none"),
            (b"\x02\x02\x02#137 other\n", "a status is none"),
            (b"\x02\x02\x02@x\n", "a process has no number"),
            (b"\x02\x02\x02@1\n", "a process has no number"),
            (b"\x02\x02\x02~1\n", "a process has no number"),
            (b"\x02\x02\x02!x\n", "it does not start for `x`"),
        ] {
            assert_eq!(read(&[log]), Err(error.to_owned()), "{}", log.escape_ascii());
        }
        let long = [b"\x01\x01\x01".to_vec(), vec![b'A'; MAX_LINE_BYTES + 1]].concat();
        assert_eq!(read(&[&long]), Err(format!("a line has more than {MAX_LINE_BYTES} bytes")));
    }

    #[test]
    fn a_command_line_is_words() {
        let exec = Exec::new(["echo", "it's"]).env("PATH", "/a").env("A", "b c").cwd("/tmp");
        let line = command_line(&exec, &Input::Empty, "/c-");
        assert!(line.starts_with("'/bin/sh' '-c' '"), "{line}");
        assert!(
            line.ends_with(r"'sandpiper' '/tmp' '/a' '-' '/c-' 'echo' 'PATH=/a' 'A=b c' 'echo' 'it'\''s'"),
            "{line}"
        );
        let line = command_line(&Exec::new(["a=b"]), &Input::File("/tmp/x".to_owned()), "/c-");
        assert!(
            line.ends_with(r#"'' '' '/tmp/x' '/c-' 'a=b' '/bin/sh' '-c' 'exec "$@"' 'sandpiper' 'a=b'"#),
            "{line}"
        );
    }
}
