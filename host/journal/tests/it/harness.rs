//! Journals to test with.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use sandpiper_core::{Exec, Exit, Spec, Usage};
use sandpiper_journal::{
    Change, Digest, Entry, FileChange, Found, Fsync, Journal, Reader, Record, RunEnded, RunId, RunStarted,
    Tail, Writer, WriterOptions,
};
use tempfile::TempDir;

/// A journal in a directory of its own.
pub struct Bench {
    pub directory: TempDir,
    pub journal: Journal,
}

impl Bench {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(directory.path()).unwrap();
        Self { directory, journal }
    }

    pub fn begin(&self, run: &RunId) -> Writer {
        self.journal.begin(run, options(), started("wasm")).unwrap()
    }

    /// A run that has ended, with so many changed files.
    pub fn ended(&self, run: &RunId, files: u32) {
        let mut writer = self.begin(run);
        for file in 0..files {
            writer.append(&changed(file)).unwrap();
        }
        writer.finish(&succeeded()).unwrap();
    }

    pub fn file(&self, run: &RunId) -> PathBuf {
        self.directory.path().join(format!("{run}.jsonl"))
    }

    pub fn text(&self, run: &RunId) -> String {
        std::fs::read_to_string(self.file(run)).unwrap()
    }

    pub fn kinds(&self, run: &RunId) -> Vec<String> {
        let entries = entries(self.journal.read(run).unwrap()).0;
        entries.iter().map(|entry| entry.kind().to_owned()).collect()
    }
}

/// Nothing here is about power cuts.
pub fn options() -> WriterOptions {
    WriterOptions { fsync: Fsync::Never, ..WriterOptions::default() }
}

pub fn started(backend: &str) -> RunStarted {
    RunStarted::of(&Spec::default(), &Exec::new(["python3", "-c", "print(1)"]), backend)
}

pub fn succeeded() -> RunEnded {
    RunEnded::with(Exit::Code { code: 0 }, Usage::default())
}

pub fn changed(file: u32) -> Record {
    Record::FileChanged(FileChange {
        path: format!("src/{file}.txt").as_str().into(),
        change: Change::Created,
        moved_from: None,
        before: None,
        after: Some(Digest::of(&file.to_le_bytes())),
    })
}

/// The run that began so many seconds after a fixed time.
pub fn run(seconds: u64) -> RunId {
    RunId::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds), seconds)
}

/// The records up to the end; nothing may be damaged.
pub fn entries(mut reader: Reader<impl std::io::Read>) -> (Vec<Entry>, Tail) {
    let entries = reader
        .by_ref()
        .map(|found| match found.unwrap() {
            Found::Record(entry) => *entry,
            Found::Damage(damage) => panic!("{damage:?}"),
        })
        .collect();
    (entries, reader.tail())
}
