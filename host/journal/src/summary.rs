//! What a list shows of a run, made out of its records.

use std::time::SystemTime;

use sandpiper_core::Exit;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Digest, Entry, PathBytes, RunId, timestamp};

/// A run, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The run.
    pub run: RunId,
    /// How far it has come.
    pub state: State,
    /// When it began, by the first record.
    #[serde(default, with = "timestamp")]
    pub started: Option<SystemTime>,
    /// When it ended, by the last record.
    #[serde(default, with = "timestamp")]
    pub ended: Option<SystemTime>,
    /// The backend's name.
    #[serde(default)]
    pub backend: String,
    /// The image: its name, or the file's path on the host.
    #[serde(default = "no_image")]
    pub image: PathBytes,
    /// The task that the run belongs to, if it has one.
    #[serde(default)]
    pub task: Option<String>,
    /// The arguments, joined by spaces, as far as 200 characters show them.
    #[serde(default)]
    pub command: String,
    /// How the guest ended.
    #[serde(default)]
    pub exit: Option<Exit>,
    /// How many records there are.
    #[serde(default)]
    pub records: u64,
    /// The length of the file, in bytes.
    #[serde(default)]
    pub bytes: u64,
    /// The hash of the last record.
    #[serde(default)]
    pub head: Option<Digest>,
}

/// How far a run's journal has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is being written.
    Running,
    /// Its last record is the end.
    Ended,
    /// It has no end, and nobody writes it: the process was killed, or the machine.
    Unfinished,
    /// It is not what was written: [`Journal::verify`](crate::Journal::verify) says more.
    Damaged,
    /// Its file was removed by something else.
    Missing,
}

fn no_image() -> PathBytes {
    PathBytes::from("")
}

impl Summary {
    /// Of a run without records.
    pub(crate) fn new(run: &RunId) -> Self {
        Self {
            run: run.clone(),
            state: State::Running,
            started: None,
            ended: None,
            backend: String::new(),
            image: no_image(),
            task: None,
            command: String::new(),
            exit: None,
            records: 0,
            bytes: 0,
            head: None,
        }
    }

    /// Takes in one more record.
    pub(crate) fn take(&mut self, entry: &Entry) {
        self.note(entry.kind(), entry.time, &entry.fields);
        self.records = entry.sequence.saturating_add(1);
        self.head = Some(entry.hash);
    }

    /// Takes in what a record says of the run. Field by field, so that one that is not understood costs no
    /// other.
    pub(crate) fn note(&mut self, kind: &str, time: SystemTime, fields: &Map<String, Value>) {
        let text = |name| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let value = |name| fields.get(name).cloned().unwrap_or_default();
        match kind {
            "run-started" => {
                self.started = Some(time);
                self.backend = text("backend").unwrap_or_default();
                self.image = serde_json::from_value(value("image")).unwrap_or_else(|_| no_image());
                self.task = text("task");
                self.command = command(&value("argv"));
            }
            "run-ended" => {
                self.ended = Some(time);
                self.exit = serde_json::from_value(value("exit")).unwrap_or_default();
            }
            _ => {}
        }
    }
}

fn command(argv: &Value) -> String {
    const SHOWN_CHARACTERS: usize = 200;
    let words: Vec<&str> = argv.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    words.join(" ").chars().take(SHOWN_CHARACTERS).collect()
}
