//! Where lines go: standard output, the file that is changed, and those of `w`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use sandpiper_guest::{Status, bytes, os};

/// One stream; a last line without its end gets it as soon as something follows.
pub struct Stream {
    writer: Box<dyn Write>,
    owed: bool,
}

impl Stream {
    fn new(writer: Box<dyn Write>) -> Stream {
        Stream { writer, owed: false }
    }

    pub fn raw(&mut self, text: &[u8], line_end: u8) -> io::Result<()> {
        if self.owed {
            self.owed = false;
            self.writer.write_all(&[line_end])?;
        }
        self.writer.write_all(text)
    }

    pub fn line(&mut self, text: &[u8], line_end: u8, ended: bool) -> io::Result<()> {
        self.raw(text, line_end)?;
        if ended {
            return self.writer.write_all(&[line_end]);
        }
        self.owed = true;
        Ok(())
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

pub struct Outputs {
    standard: Stream,
    /// The file that is being changed: its name, the name of its new content, and that.
    edited: Option<(PathBuf, PathBuf, Stream)>,
    files: HashMap<Vec<u8>, Stream>,
}

impl Outputs {
    pub fn new(files: &[Vec<u8>]) -> io::Result<Outputs> {
        let writer = BufWriter::with_capacity(1 << 16, io::stdout());
        let mut outputs =
            Outputs { standard: Stream::new(Box::new(writer)), edited: None, files: HashMap::new() };
        for name in files {
            if name == b"/dev/stdout" || outputs.files.contains_key(name) {
                continue;
            }
            let writer: Box<dyn Write> = if name == b"/dev/stderr" {
                Box::new(io::stderr())
            } else {
                let file = File::create(os(name)).map_err(|error| {
                    io::Error::other(format!("couldn't open file {}: {}", crate::text::shown(name), crate::text::reason(&error)))
                })?;
                Box::new(BufWriter::new(file))
            };
            outputs.files.insert(name.clone(), Stream::new(writer));
        }
        Ok(outputs)
    }

    /// Where the script's output goes now.
    pub fn main(&mut self) -> &mut Stream {
        match &mut self.edited {
            Some((_, _, stream)) => stream,
            None => &mut self.standard,
        }
    }

    pub fn file(&mut self, name: &[u8]) -> &mut Stream {
        if name == b"/dev/stdout" {
            return &mut self.standard;
        }
        match self.files.get_mut(name) {
            Some(stream) => stream,
            None => &mut self.standard,
        }
    }

    /// Begins to change a file.
    pub fn edit(&mut self, name: &[u8]) -> io::Result<()> {
        let path = PathBuf::from(os(name));
        let mut temporary = path.clone().into_os_string();
        temporary.push(format!(".sed{}", std::process::id()));
        let temporary = PathBuf::from(temporary);
        let file = File::create(&temporary)?;
        self.edited = Some((path, temporary, Stream::new(Box::new(BufWriter::with_capacity(1 << 16, file)))));
        Ok(())
    }

    /// Puts the new content in the file's place; with a suffix, what it was stays.
    pub fn done(&mut self, suffix: &[u8]) -> io::Result<()> {
        let Some((path, temporary, mut stream)) = self.edited.take() else { return Ok(()) };
        stream.flush()?;
        drop(stream);
        let mode = Status::of(&path, true)?.mode;
        sandpiper_guest::set_mode(&temporary, mode)?;
        if !suffix.is_empty() {
            let name = path.file_name().map(|name| bytes(name).to_vec()).unwrap_or_default();
            let mut kept = Vec::new();
            if suffix.contains(&b'*') {
                for &byte in suffix {
                    if byte == b'*' { kept.extend_from_slice(&name) } else { kept.push(byte) }
                }
            } else {
                kept.clone_from(&name);
                kept.extend_from_slice(suffix);
            }
            let kept = if kept.contains(&b'/') { PathBuf::from(os(&kept)) } else { path.with_file_name(os(&kept)) };
            fs::rename(&path, kept)?;
        }
        fs::rename(temporary, path)
    }

    pub fn flush(&mut self) -> io::Result<()> {
        for stream in self.files.values_mut() {
            stream.flush()?;
        }
        self.main().flush()?;
        self.standard.flush()
    }
}
