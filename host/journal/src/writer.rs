//! Writes the journal of one run.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use crate::encode::Encoded;
use crate::error::At;
use crate::index::Index;
use crate::layout::{self, Layout};
use crate::line::{self, Header, MAX_LINE_BYTES};
use crate::names::Names;
use crate::room::Room;
use crate::{Digest, JournalError, Record, Redactor, RunEnded, RunId, RunStarted, State, Summary};

/// How a run's journal is written.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// When to wait for the disk.
    pub fsync: Fsync,
    /// The most bytes that the file has. Half of them is for what a guest makes as many of as it likes
    /// (denials, processes, operations, decisions), so that those cannot crowd out the changes of files.
    pub max_bytes: u64,
    /// The secrets that are kept out.
    pub redactor: Redactor,
}

impl Default for WriterOptions {
    fn default() -> Self {
        // Some hundred thousand records.
        Self { fsync: Fsync::default(), max_bytes: 64 << 20, redactor: Redactor::default() }
    }
}

/// When a writer waits until the disk has what was written. Whatever is chosen, no record that was written is
/// lost when the process is killed: only a power cut or a crash of the system takes what the disk has not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// After each call that writes: what was appended is there after a power cut.
    EachRecord,
    /// After changes of files, fallbacks, new sandboxes, and the end: these, and all before them, are there
    /// after a power cut. A run that has done none of it yet may be forgotten.
    #[default]
    AtPoints,
    /// Never: after a power cut, whatever the system had written by itself is there. That may be later
    /// records without earlier ones, which readers tell as damage.
    Never,
}

/// Writes the journal of one run. Dropping it without [`Writer::finish`] leaves it without an end.
///
/// All files are open from the beginning, so that it also works where no file can be opened any more.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
    _lock: RunLock,
    /// Of the journal's directory; none once the disk has the name of the file.
    names: Option<Names>,
    index: Index,
    fsync: Fsync,
    redactor: Redactor,
    room: Room,
    position: Position,
    summary: Summary,
    /// Whether something of a write that failed may be behind the last whole record.
    has_torn_tail: bool,
}

impl Writer {
    pub(crate) fn begin(
        layout: &Layout,
        run: &RunId,
        options: WriterOptions,
        started: RunStarted,
    ) -> Result<Self, JournalError> {
        let room = Room::new(options.max_bytes)?;
        let index = Index::open(layout)?;
        let names = Some(layout.names()?);
        let path = layout.run(run);
        // Under the index's lock nobody takes the run's lock for one that a killed process has left.
        let guard = index.lock()?;
        if path.exists() {
            return Err(JournalError::Taken { run: run.clone() });
        }
        let lock = RunLock::take(layout, run)?;
        let file = layout::private().create_new(true).open(&path).at("create", &path)?;
        drop(guard);
        let mut writer = Self {
            path,
            file,
            _lock: lock,
            names,
            index,
            fsync: options.fsync,
            redactor: options.redactor,
            room,
            position: Position { records: 0, bytes: 0, head: line::origin(run) },
            summary: Summary::new(run),
            has_torn_tail: false,
        };
        writer.start(started).inspect_err(|_| {
            // It would say nothing; if it stays, it is listed as a run without records.
            let _ = fs::remove_file(layout.run(run));
        })?;
        Ok(writer)
    }

    fn start(&mut self, started: RunStarted) -> Result<(), JournalError> {
        let record = Record::RunStarted(Box::new(started));
        let encoded = Encoded::new(&record, &self.redactor)?;
        let mut batch = Batch::behind(self.position);
        let line = batch.line(&encoded);
        if !self.room.has(&record, 0, &line.text) {
            return Err(JournalError::StartTooLong { bytes: line.text.len(), most: MAX_LINE_BYTES });
        }
        self.summary.note(&encoded.kind, line.time, &encoded.fields);
        batch.push(&record, &line);
        self.write(&batch)?;
        self.index.lock()?.add(&self.summary)
    }

    /// The run.
    pub fn run(&self) -> &RunId {
        &self.summary.run
    }

    /// Adds a record. Where the journal's size is met it is counted instead, and a record says so.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the disk is full or fails: the file then ends with the last whole record, and
    /// one that is appended later is tried as if there had been no failure. When `sync` fails, the record is
    /// in the file, and the disk may not have it.
    pub fn append(&mut self, record: &Record) -> Result<(), JournalError> {
        self.append_all(std::slice::from_ref(record))
    }

    /// Adds several records with one write: faster, and the disk is waited for once.
    ///
    /// # Errors
    /// As [`Writer::append`]; none of them is in the file when writing fails.
    pub fn append_all(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let mut batch = Batch::behind(self.position);
        for record in records {
            let encoded = Encoded::new(record, &self.redactor)?;
            let line = batch.line(&encoded);
            if self.room.has(record, batch.position.bytes, &line.text) {
                batch.push(record, &line);
            } else if self.room.leave_out(&encoded.kind) {
                self.add_truncated(&mut batch)?;
            }
        }
        self.write(&batch)
    }

    /// Writes the last record, and tells the index. If the index cannot be written, the next look at it finds
    /// out by itself.
    ///
    /// # Errors
    /// As [`Writer::append`]; the journal then has no end.
    pub fn finish(mut self, end: &RunEnded) -> Result<Summary, JournalError> {
        let mut batch = Batch::behind(self.position);
        if !self.room.not_written().is_empty() {
            self.add_truncated(&mut batch)?;
        }
        let record = Record::RunEnded(end.clone());
        let encoded = Encoded::new(&record, &self.redactor)?;
        let line = batch.line(&encoded);
        batch.push(&record, &line);
        self.write(&batch)?;
        self.summary.note(&encoded.kind, line.time, &encoded.fields);
        self.summary.state = State::Ended;
        let _ = self.index.lock().and_then(|guard| {
            guard.add(&self.summary)?;
            if self.fsync == Fsync::Never { Ok(()) } else { guard.sync() }
        });
        Ok(self.summary.clone())
    }

    fn add_truncated(&self, batch: &mut Batch) -> Result<(), JournalError> {
        let record = Record::Truncated { not_written: self.room.not_written().clone() };
        let line = batch.line(&Encoded::new(&record, &self.redactor)?);
        batch.push(&record, &line);
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> Result<(), JournalError> {
        if batch.text.is_empty() {
            return Ok(());
        }
        if self.has_torn_tail {
            self.cut_tail().at("truncate", &self.path)?;
        }
        if let Err(err) = self.file.write_all(batch.text.as_bytes()) {
            self.has_torn_tail = true;
            // Tried again before the next write; until then readers tell a torn tail.
            let _ = self.cut_tail();
            return Err(err).at("write", &self.path);
        }
        self.position = batch.position;
        self.summary.records = batch.position.records;
        self.summary.bytes = batch.position.bytes;
        self.summary.head = Some(batch.position.head);
        let waits = match self.fsync {
            Fsync::EachRecord => true,
            Fsync::AtPoints => batch.has_sync_point,
            Fsync::Never => false,
        };
        if waits {
            self.file.sync_data().at("sync", &self.path)?;
            if let Some(names) = &self.names {
                names.sync().at("sync", &self.path)?;
                self.names = None;
            }
        }
        Ok(())
    }

    fn cut_tail(&mut self) -> io::Result<()> {
        self.file.set_len(self.position.bytes)?;
        self.file.seek(SeekFrom::Start(self.position.bytes))?;
        self.has_torn_tail = false;
        Ok(())
    }
}

/// How far the file has come.
#[derive(Clone, Copy, Debug)]
struct Position {
    records: u64,
    bytes: u64,
    /// The hash of the last record.
    head: Digest,
}

/// Records that are written together.
struct Batch {
    text: String,
    /// Where the file will be behind them.
    position: Position,
    has_sync_point: bool,
}

struct Line {
    text: String,
    hash: Digest,
    time: SystemTime,
}

impl Batch {
    fn behind(position: Position) -> Self {
        Self { text: String::new(), position, has_sync_point: false }
    }

    /// The line that a record would be here.
    fn line(&self, encoded: &Encoded) -> Line {
        let time = SystemTime::now();
        let Position { records, head, .. } = self.position;
        let header = Header { sequence: records, time, previous: head, kind: &encoded.kind };
        let (text, hash) = line::write(&header, &encoded.fields);
        Line { text, hash, time }
    }

    fn push(&mut self, record: &Record, line: &Line) {
        self.text.push_str(&line.text);
        self.position.records += 1;
        self.position.bytes += u64::try_from(line.text.len()).unwrap_or(u64::MAX);
        self.position.head = line.hash;
        self.has_sync_point |= record.is_sync_point();
    }
}

/// That a run is being written: held until it is dropped, or its process ends however it ends.
#[derive(Debug)]
struct RunLock {
    path: PathBuf,
    _file: File,
}

impl RunLock {
    fn take(layout: &Layout, run: &RunId) -> Result<Self, JournalError> {
        let path = layout.run_lock(run);
        let file = match layout::private().create_new(true).open(&path) {
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {
                return Err(JournalError::Taken { run: run.clone() });
            }
            file => file.at("create", &path)?,
        };
        file.lock().at("lock", &path)?;
        Ok(Self { path, _file: file })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Behind the wall it stays, and whoever lists next removes it.
        let _ = fs::remove_file(&self.path);
    }
}
