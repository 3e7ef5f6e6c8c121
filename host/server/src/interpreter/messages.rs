//! What an interpreter says on its standard output, told from what its code's children write there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sandpiper_core::Stream;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::interpreter::InterpreterEvent;

/// The longest message; beyond that it is not one of our driver's, whose output is limited.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Something that was said.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    Event(InterpreterEvent),
    /// The code has come to its end.
    Done,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Message {
    Count { count: u64 },
    Stdout { bytes: String },
    Stderr { bytes: String },
    Result { fields: Map<String, Value> },
    Error { name: String, value: String, traceback: String },
    Done,
}

/// Takes the stream of bytes apart.
#[derive(Debug)]
pub(super) struct Messages {
    mark: Vec<u8>,
    waiting: Vec<u8>,
    /// Of the message that is waiting, how far it has no end.
    searched: usize,
    stdout: Text,
    stderr: Text,
}

impl Messages {
    pub(super) fn new(token: &str) -> Self {
        let mark = [b"\x1e", token.as_bytes()].concat();
        Self { mark, waiting: Vec::new(), searched: 0, stdout: Text::default(), stderr: Text::default() }
    }

    /// Adds to `said` what was said with these bytes and those before.
    ///
    /// # Errors
    /// Why what looks like a message is none. What was said before it is in `said`.
    pub(super) fn take(&mut self, bytes: &[u8], said: &mut Vec<Said>) -> Result<(), String> {
        self.waiting.extend_from_slice(bytes);
        loop {
            let (begins, is_whole) = begin_of(&self.waiting, &self.mark);
            let raw: Vec<u8> = self.waiting.drain(..begins).collect();
            self.text(Stream::Stdout, &raw, said);
            if !is_whole {
                return Ok(());
            }
            let unsearched = self.waiting.get(self.searched..).unwrap_or_default();
            let Some(end) = unsearched.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.waiting.len();
                if self.waiting.len() > MAX_MESSAGE_BYTES {
                    return Err(format!("the interpreter says more than {MAX_MESSAGE_BYTES} bytes at once"));
                }
                return Ok(());
            };
            let end = self.searched + end;
            self.searched = 0;
            let line: Vec<u8> = self.waiting.drain(..=end).collect();
            let message = serde_json::from_slice(line.get(self.mark.len()..).unwrap_or_default());
            let message =
                message.map_err(|err| format!("the interpreter says what is not understood: {err}"))?;
            self.understand(message, said)?;
        }
    }

    fn understand(&mut self, message: Message, said: &mut Vec<Said>) -> Result<(), String> {
        let decoded = |text: &str| {
            STANDARD.decode(text).map_err(|err| format!("the interpreter says what is no base64: {err}"))
        };
        match message {
            Message::Stdout { bytes } => self.text(Stream::Stdout, &decoded(&bytes)?, said),
            Message::Stderr { bytes } => self.text(Stream::Stderr, &decoded(&bytes)?, said),
            Message::Count { count } => said.push(Said::Event(InterpreterEvent::Count(count))),
            Message::Result { fields } => said.push(Said::Event(InterpreterEvent::Result(fields))),
            Message::Error { name, value, traceback } => {
                said.push(Said::Event(InterpreterEvent::Error { name, value, traceback }));
            }
            Message::Done => said.push(Said::Done),
        }
        Ok(())
    }

    fn text(&mut self, stream: Stream, bytes: &[u8], said: &mut Vec<Said>) {
        let text = match stream {
            Stream::Stdout => self.stdout.take(bytes),
            Stream::Stderr => self.stderr.take(bytes),
        };
        if !text.is_empty() {
            said.push(Said::Event(InterpreterEvent::Output(stream, text)));
        }
    }
}

/// Where the mark begins, or may begin when more bytes come, and whether all of it is there.
fn begin_of(bytes: &[u8], mark: &[u8]) -> (usize, bool) {
    if let Some(begins) = bytes.windows(mark.len()).position(|window| window == mark) {
        return (begins, true);
    }
    let longest = mark.len().saturating_sub(1).min(bytes.len());
    let kept = (1..=longest).rev().find(|length| bytes.ends_with(mark.get(..*length).unwrap_or_default()));
    (bytes.len() - kept.unwrap_or(0), false)
}

/// Text whose characters may come in pieces.
#[derive(Debug, Default)]
struct Text(Vec<u8>);

impl Text {
    fn take(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let incomplete = match std::str::from_utf8(&self.0) {
            // Only the end can be incomplete; what is wrong elsewhere is replaced.
            Err(_) => incomplete_end(&self.0),
            Ok(_) => 0,
        };
        let rest = self.0.split_off(self.0.len() - incomplete);
        String::from_utf8_lossy(&std::mem::replace(&mut self.0, rest)).into_owned()
    }
}

/// How many bytes at the end are the beginning of a character.
fn incomplete_end(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    let last = bytes.get(from..).unwrap_or_default();
    (0..last.len())
        .find(|start| {
            let end = last.get(*start..).unwrap_or_default();
            matches!(std::str::from_utf8(end), Err(err) if err.valid_up_to() == 0 && err.error_len().is_none())
        })
        .map_or(0, |start| last.len() - start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str) -> Said {
        Said::Event(InterpreterEvent::Output(Stream::Stdout, text.to_owned()))
    }

    const WHOLE: &[u8] = b"raw \x1etok{\"kind\":\"count\",\"count\":1}\n\x1et\x1etok{\"kind\":\"stdout\",\"bytes\":\"w6Q=\"}\n\xc3\xa4\x1etok{\"kind\":\"done\"}\n";

    #[test]
    fn messages_are_told_from_what_children_write() {
        let mut said = Vec::new();
        Messages::new("tok").take(WHOLE, &mut said).unwrap();
        assert_eq!(
            said,
            [
                output("raw "),
                Said::Event(InterpreterEvent::Count(1)),
                output("\x1et"),
                output("ä"),
                output("ä"),
                Said::Done
            ]
        );
    }

    #[test]
    fn bytes_one_by_one_say_the_same() {
        let mut messages = Messages::new("tok");
        let (mut text, mut others) = (String::new(), Vec::new());
        for byte in WHOLE {
            let mut said = Vec::new();
            messages.take(&[*byte], &mut said).unwrap();
            for said in said {
                match said {
                    Said::Event(InterpreterEvent::Output(Stream::Stdout, piece)) => text.push_str(&piece),
                    other => others.push(other),
                }
            }
        }
        assert_eq!(text, "raw \x1etää");
        assert_eq!(others, [Said::Event(InterpreterEvent::Count(1)), Said::Done]);
    }

    #[test]
    fn what_looks_like_a_message_and_is_none_is_an_error_and_what_was_said_before_counts() {
        let mut said = Vec::new();
        let bytes = b"\x1etok{\"kind\":\"count\",\"count\":7}\n\x1etok{\"kind\":\"other\"}\n";
        let err = Messages::new("tok").take(bytes, &mut said).unwrap_err();
        assert_eq!(said, [Said::Event(InterpreterEvent::Count(7))]);
        assert!(err.starts_with("the interpreter says what is not understood"), "{err}");
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let mut text = Text::default();
        assert_eq!(text.take(b"a\xff\xe2\x82"), "a\u{fffd}");
        assert_eq!(text.take(b"\xac"), "\u{20ac}");
    }
}
