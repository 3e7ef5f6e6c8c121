//! Redirections.

use crate::descriptors::{INTERNAL_LOWEST, NAMED_LOWEST};
use crate::flow::{Flow, Result};
use crate::shell::Shell;
use crate::syntax::ast::{Bytes, HereDocument, Operation, Redirect, RedirectTarget, Word};
use crate::system::{self, Open, errno};

/// What the descriptors were before; put back in reverse order.
#[derive(Debug, Default)]
pub struct Saved {
    entries: Vec<(u32, Option<u32>)>,
}

/// A here-document of at most this many bytes goes into a pipe, which takes it without a reader.
const PIPE_BYTES: usize = 60_000;

/// Why a redirection was not done; it was said already.
#[derive(Debug)]
pub enum Failure {
    /// The command has this status.
    Status(u8),
    Flow(Flow),
}

impl From<Flow> for Failure {
    fn from(flow: Flow) -> Self {
        Failure::Flow(flow)
    }
}

type Done<T> = std::result::Result<T, Failure>;

impl Shell {
    /// Does them from left to right. After a failure all is as before.
    pub fn redirect(&mut self, redirects: &[Redirect]) -> Done<Saved> {
        let mut saved = Saved::default();
        if redirects.is_empty() {
            return Ok(saved);
        }
        self.flush_to(1);
        for redirect in redirects {
            if let Err(failure) = self.redirect_one(redirect, &mut saved) {
                self.restore(saved);
                return Err(failure);
            }
        }
        Ok(saved)
    }

    /// Puts the descriptors back.
    pub fn restore(&mut self, saved: Saved) {
        for (fd, copy) in saved.entries.into_iter().rev() {
            match copy {
                Some(copy) => {
                    system::dup_to(copy, fd).ok();
                    system::close(copy).ok();
                    self.descriptors.open.insert(fd);
                }
                None => {
                    system::close(fd).ok();
                    self.descriptors.open.remove(&fd);
                }
            }
        }
    }

    /// Leaves the descriptors as they are, as `exec` does.
    #[allow(clippy::unused_self)] // The counterpart of `restore`.
    pub fn keep(&mut self, saved: Saved) {
        for (_, copy) in saved.entries {
            if let Some(copy) = copy {
                system::close(copy).ok();
            }
        }
    }

    fn redirect_one(&mut self, redirect: &Redirect, saved: &mut Saved) -> Done<()> {
        let default = match redirect.operation {
            Operation::Read(_)
            | Operation::ReadWrite(_)
            | Operation::DuplicateInput(_)
            | Operation::HereString(_)
            | Operation::HereDocument(_) => 0,
            _ => 1,
        };
        let fd = match &redirect.target {
            RedirectTarget::Default => Some(default),
            RedirectTarget::Number(number) => Some(*number),
            RedirectTarget::Variable(_) => None,
        };
        let name = match &redirect.target {
            RedirectTarget::Variable(name) => Some(name.as_slice()),
            _ => None,
        };
        match &redirect.operation {
            Operation::Read(word) => self.open_at(word, Open::Read, fd, name, saved),
            Operation::Write(word) => {
                let how = if self.options.noclobber { Open::New } else { Open::Write };
                self.open_at(word, how, fd, name, saved)
            }
            Operation::Clobber(word) => self.open_at(word, Open::Write, fd, name, saved),
            Operation::Append(word) => self.open_at(word, Open::Append, fd, name, saved),
            Operation::ReadWrite(word) => self.open_at(word, Open::ReadWrite, fd, name, saved),
            Operation::Both { append, word } => self.open_both(word, *append, saved),
            Operation::DuplicateInput(word) => self.duplicate(word, false, fd, name, saved),
            Operation::DuplicateOutput(word) => self.duplicate(word, true, fd, name, saved),
            Operation::HereString(word) => {
                let mut text = self.expand_to_string(word)?;
                text.push(b'\n');
                let from = self.reader_of(&text)?;
                self.place(from, fd, name, saved)
            }
            Operation::HereDocument(document) => {
                let text = self.here_text(document)?;
                let from = self.reader_of(&text)?;
                self.place(from, fd, name, saved)
            }
        }
    }

    fn here_text(&mut self, document: &HereDocument) -> Result<Bytes> {
        match document.body.get() {
            None => Ok(Bytes::new()),
            Some(word) => self.expand_to_string(word),
        }
    }

    /// A descriptor from which a text can be read.
    fn reader_of(&mut self, text: &[u8]) -> Done<u32> {
        let made = if text.len() <= PIPE_BYTES {
            system::pipe().and_then(|(reading, writing)| {
                let written = system::write_all(writing, text);
                system::close(writing).ok();
                written.map(|()| reading)
            })
        } else {
            let folder = self.variable_value(b"TMPDIR").filter(|path| system::is_directory(path));
            let folder = folder.unwrap_or_else(|| b"/tmp".to_vec());
            temporary(&folder, text)
        };
        made.map_err(|error| {
            self.complain(
                &[b"cannot create temp file for here-document: ".as_slice(), &error.message()].concat(),
            );
            Failure::Status(1)
        })
    }

    /// The one file name that a word comes to.
    fn file_name(&mut self, word: &Word) -> Done<Bytes> {
        let mut names = Vec::new();
        self.expand_word(word, &mut names)?;
        if names.len() == 1
            && let Some(name) = names.pop()
        {
            return Ok(name);
        }
        self.complain(&[&*word.text, b": ambiguous redirect"].concat());
        Err(Failure::Status(1))
    }

    fn open_file(&mut self, path: &[u8], how: Open) -> Done<u32> {
        let opened = match standard_name(path) {
            Some(fd) if !self.descriptors.open.contains(&fd) => Err(errno::BADF),
            Some(fd) => system::dup(fd, 0),
            None => match system::open(path, how) {
                // `noclobber` is about files only: devices may be written.
                Err(errno::EXIST)
                    if how == Open::New
                        && system::metadata(path).is_some_and(|found| !found.is_regular()) =>
                {
                    system::open(path, Open::Write)
                }
                Err(errno::EXIST) if how == Open::New => {
                    self.complain(&[path, b": cannot overwrite existing file"].concat());
                    return Err(Failure::Status(1));
                }
                other => other,
            },
        };
        opened.map_err(|error| {
            self.complain(&[path, b": ", &error.message()].concat());
            Failure::Status(1)
        })
    }

    fn open_at(
        &mut self,
        word: &Word,
        how: Open,
        fd: Option<u32>,
        name: Option<&[u8]>,
        saved: &mut Saved,
    ) -> Done<()> {
        let path = self.file_name(word)?;
        let from = self.open_file(&path, how)?;
        self.place(from, fd, name, saved)
    }

    fn open_both(&mut self, word: &Word, append: bool, saved: &mut Saved) -> Done<()> {
        let path = self.file_name(word)?;
        let how = match (append, self.options.noclobber) {
            (true, _) => Open::Append,
            (false, true) => Open::New,
            (false, false) => Open::Write,
        };
        let from = self.open_file(&path, how)?;
        self.place(from, Some(1), None, saved)?;
        self.save(2, saved)?;
        self.put_at(1, 2)
    }

    /// Remembers what a descriptor is.
    fn save(&mut self, fd: u32, saved: &mut Saved) -> Done<()> {
        if !self.descriptors.open.contains(&fd) {
            // One of the shell's own that is in the way goes elsewhere.
            for (_, copy) in &mut saved.entries {
                if *copy == Some(fd) {
                    *copy = system::dup(fd, INTERNAL_LOWEST.max(fd + 1)).ok();
                }
            }
            saved.entries.push((fd, None));
            return Ok(());
        }
        match system::dup(fd, INTERNAL_LOWEST) {
            Ok(copy) => {
                saved.entries.push((fd, Some(copy)));
                Ok(())
            }
            Err(error) => self.refuse(fd, error),
        }
    }

    fn refuse<T>(&mut self, fd: u32, error: system::Errno) -> Done<T> {
        self.complain(&[fd.to_string().as_bytes(), b": ", &error.message()].concat());
        Err(Failure::Status(1))
    }

    fn put_at(&mut self, from: u32, to: u32) -> Done<()> {
        match system::dup_to(from, to) {
            Ok(()) => {
                self.descriptors.open.insert(to);
                Ok(())
            }
            Err(error) => self.refuse(to, error),
        }
    }

    /// Gives a new descriptor its number.
    fn place(&mut self, from: u32, fd: Option<u32>, name: Option<&[u8]>, saved: &mut Saved) -> Done<()> {
        if let Some(name) = name {
            let moved = system::dup(from, NAMED_LOWEST);
            system::close(from).ok();
            return match moved {
                Ok(moved) => {
                    self.descriptors.open.insert(moved);
                    Ok(self.assign_text(name, moved.to_string().into_bytes())?)
                }
                Err(error) => self.refuse(from, error),
            };
        }
        let fd = fd.unwrap_or(0);
        if from == fd {
            saved.entries.push((fd, None));
            self.descriptors.open.insert(fd);
            return Ok(());
        }
        let done = match self.save(fd, saved) {
            Ok(()) => self.put_at(from, fd),
            Err(failure) => Err(failure),
        };
        system::close(from).ok();
        done
    }

    /// `<&word`, `>&word`.
    fn duplicate(
        &mut self,
        word: &Word,
        output: bool,
        fd: Option<u32>,
        name: Option<&[u8]>,
        saved: &mut Saved,
    ) -> Done<()> {
        let mut texts = Vec::new();
        self.expand_word(word, &mut texts)?;
        let text = texts.pop().filter(|_| texts.is_empty()).unwrap_or_default();
        let to = fd.unwrap_or(u32::from(output));
        if text == b"-" {
            if let Some(name) = name {
                let value = self.value_or_empty(name);
                if let Some(fd) = crate::bytes::decimal(&value).and_then(|fd| u32::try_from(fd).ok()) {
                    if !self.descriptors.open.remove(&fd) {
                        return self.refuse(fd, errno::BADF);
                    }
                    system::close(fd).ok();
                }
                return Ok(());
            }
            if self.descriptors.open.contains(&to) {
                self.save(to, saved)?;
                system::close(to).ok();
                self.descriptors.open.remove(&to);
            }
            return Ok(());
        }
        let (digits, moves) = match text.strip_suffix(b"-") {
            Some(digits) => (digits, true),
            None => (text.as_slice(), false),
        };
        let number = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(from) = number.and_then(|digits| digits.parse::<u32>().ok()) else {
            if output && name.is_none() && to == 1 && !text.is_empty() {
                return self.open_both(word, false, saved);
            }
            self.complain(&[&*word.text, b": ambiguous redirect"].concat());
            return Err(Failure::Status(1));
        };
        if !self.descriptors.open.contains(&from) {
            return self.refuse(from, errno::BADF);
        }
        if name.is_some() {
            let copy = system::dup(from, NAMED_LOWEST);
            return match copy {
                Ok(copy) => self.place(copy, None, name, saved),
                Err(error) => self.refuse(from, error),
            };
        }
        if from != to {
            self.save(to, saved)?;
            self.put_at(from, to)?;
            if moves {
                self.save(from, saved)?;
                system::close(from).ok();
                self.descriptors.open.remove(&from);
            }
        }
        Ok(())
    }
}

/// The descriptor that a name of a device stands for.
fn standard_name(path: &[u8]) -> Option<u32> {
    match path {
        b"/dev/stdin" => Some(0),
        b"/dev/stdout" => Some(1),
        b"/dev/stderr" => Some(2),
        _ => std::str::from_utf8(path.strip_prefix(b"/dev/fd/")?).ok()?.parse().ok(),
    }
}

fn temporary(folder: &[u8], text: &[u8]) -> system::Result<u32> {
    for attempt in 0..1000 {
        let name = format!("/sh-thd.{}.{attempt}", system::id());
        let path = [folder, name.as_bytes()].concat();
        let writing = match system::open(&path, Open::New) {
            Err(errno::EXIST) => continue,
            other => other?,
        };
        let written = system::write_all(writing, text);
        system::close(writing).ok();
        let reading = system::open(&path, Open::Read);
        system::remove(&path).ok();
        written?;
        return reading;
    }
    Err(errno::EXIST)
}
