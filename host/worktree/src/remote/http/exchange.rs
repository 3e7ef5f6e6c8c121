//! One question to a service and its answer, as a stream: what is written is sent when it is first read.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::{SpooledTempFile, spooled_tempfile_in};

use crate::remote::session::Session;
use crate::remote::utf8::Utf8;

/// What is to be sent, kept so that it can be sent again with credentials.
pub(crate) struct Spool {
    directory: PathBuf,
    file: SpooledTempFile,
    length: u64,
    is_compressed: bool,
}

impl Spool {
    /// More than this of a pack is kept in a file.
    const IN_MEMORY_BYTES: usize = 1 << 20;

    /// Large ones are in `directory`.
    fn new(directory: &Path) -> Self {
        let file = spooled_tempfile_in(Self::IN_MEMORY_BYTES, directory);
        Self { directory: directory.to_owned(), file, length: 0, is_compressed: false }
    }

    /// Packs are compressed already; long lists of commits gain by it. As git does.
    fn compress(&mut self) -> std::io::Result<()> {
        const WORTH_IT_BYTES: u64 = 1024;

        if self.length <= WORTH_IT_BYTES || self.is_compressed {
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(0))?;
        let smaller = spooled_tempfile_in(Self::IN_MEMORY_BYTES, &self.directory);
        let mut encoder = GzEncoder::new(smaller, Compression::default());
        std::io::copy(&mut self.file, &mut encoder)?;
        self.file = encoder.finish()?;
        self.length = self.file.stream_position()?;
        self.is_compressed = true;
        Ok(())
    }

    /// Its length, its encoding, and itself from the beginning.
    pub(super) fn begin(&mut self) -> std::io::Result<(u64, Option<&'static str>, &mut SpooledTempFile)> {
        self.file.seek(SeekFrom::Start(0))?;
        Ok((self.length, self.is_compressed.then_some("gzip"), &mut self.file))
    }
}

/// A question, and then its answer.
pub(crate) struct Exchange {
    session: Arc<Session>,
    service: &'static str,
    question: Spool,
    answer: Option<Box<dyn Read + Send>>,
    utf8: Option<Utf8>,
}

impl Exchange {
    pub(crate) fn new(session: Arc<Session>, service: &'static str) -> Self {
        // git2 takes what is said about a push for text.
        let utf8 = (service == "git-receive-pack").then(Utf8::default);
        let question = Spool::new(&session.directory);
        Self { session, service, question, answer: None, utf8 }
    }

    fn send(&mut self) -> std::io::Result<&mut Box<dyn Read + Send>> {
        let answer: Box<dyn Read + Send> = if let Some(answer) = self.answer.take() {
            answer
        } else {
            if self.service == "git-upload-pack" {
                self.question.compress()?;
            }
            let session = &self.session;
            let http = session.http.as_ref().ok_or_else(|| std::io::Error::other("no HTTP"))?;
            let body = http.post(self.service, &mut self.question).map_err(|err| session.fail(err))?;
            Box::new(body.into_reader())
        };
        Ok(self.answer.insert(answer))
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.session.access.is_cancelled() {
            return Err(std::io::Error::other("cancelled"));
        }
        let count = self.question.file.write(bytes)?;
        self.question.length += u64::try_from(count).unwrap_or_default();
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.send()?;
        let session = Arc::clone(&self.session);
        let Some(answer) = &mut self.answer else { return Ok(0) };
        let mut read = |buffer: &mut [u8]| answer.read(buffer).map_err(|err| failed(&session, &err));
        match &mut self.utf8 {
            Some(utf8) => utf8.read(&mut read, buffer),
            None => read(buffer),
        }
    }
}

/// The body of an answer, whose failures the session notes.
pub(crate) struct Body<'a> {
    session: &'a Session,
    reader: Box<dyn Read + Send + 'a>,
}

impl<'a> Body<'a> {
    pub(crate) fn new(session: &'a Session, body: &'a mut ureq::Body) -> Self {
        Self { session, reader: Box::new(body.as_reader()) }
    }
}

impl Read for Body<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.reader.read(buffer).map_err(|err| {
            let kind = err.kind();
            let noted = failed(self.session, &err);
            // Who reads tells an end that came too early from others.
            if kind == std::io::ErrorKind::UnexpectedEof {
                std::io::Error::other("broken off")
            } else {
                noted
            }
        })
    }
}

fn failed(session: &Session, err: &std::io::Error) -> std::io::Error {
    let Some(http) = &session.http else { return std::io::Error::other("no HTTP") };
    let inner = err.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    session.fail(match inner {
        Some(inner) => http.failed(inner),
        None if err.kind() == std::io::ErrorKind::TimedOut => http.silent(),
        None => http.failed(&ureq::Error::Io(std::io::Error::new(err.kind(), err.to_string()))),
    })
}
