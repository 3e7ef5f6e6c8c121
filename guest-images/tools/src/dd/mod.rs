//! `dd`, of GNU coreutils. Of our own because uutils' starts a thread for its progress, and WASI has none.

mod operands;
mod report;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsFd as _;

use sandpiper_guest::os;

use crate::options::{Ended, Order, parse};
use crate::text::{reason, shown};
use operands::{
    APPEND, EXCL, FDATASYNC, FSYNC, FULLBLOCK, LCASE, Length, Level, NOCREAT, NOERROR, NOTRUNC, Operands,
    SPARSE, SWAB, SYNC, UCASE,
};
use report::Report;

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    let done = parse(tool, &[], arguments, (Order::Permuted, 1))
        .and_then(|given| operands::read(tool, &given.operands))
        .and_then(|asked| run(tool, &asked));
    match done {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn run(tool: &str, asked: &Operands) -> Result<i32, Ended> {
    let mut input = input(tool, asked)?;
    let (output, truncated) = output(tool, asked)?;
    let input_name = asked.input.as_ref().map_or_else(|| "standard input".to_owned(), |name| shown(name));
    let output_name = asked.output.as_ref().map_or_else(|| "standard output".to_owned(), |name| shown(name));
    let place = input.stream_position().ok();
    let mut work = Work {
        tool,
        asked,
        input,
        place,
        output,
        input_name,
        output_name,
        gathered: Vec::new(),
        sparse: asked.converts(SPARSE),
        ends_in_hole: false,
        warns: None,
        report: Report::new(asked.level),
        code: if truncated { 0 } else { 1 },
    };
    // GNU warns of short reads where they make a count or a skip of blocks something else than it seems.
    let counts = asked.skip.blocks > 0 || asked.count.is_some_and(|count| count.blocks > 0);
    if !asked.gathers && asked.input_flags & FULLBLOCK == 0 && counts && asked.level != Level::None {
        work.warns = Some(0);
    }
    let ended = work.copy().and_then(|()| work.synchronize());
    match ended {
        Ok(()) => {}
        Err(Stopped::Counted) => work.code = 1,
        Err(Stopped::AtOnce) => return Err(Ended(1)),
    }
    work.report.show();
    Ok(work.code)
}

fn input(tool: &str, asked: &Operands) -> Result<File, Ended> {
    let opened = match &asked.input {
        None => io::stdin().as_fd().try_clone_to_owned().map(File::from),
        Some(name) => File::open(os(name)),
    };
    opened.map_err(|error| failed_to_open(tool, asked.input.as_deref().unwrap_or(b"standard input"), &error))
}

/// The output, and whether it could be cut to where writing begins.
fn output(tool: &str, asked: &Operands) -> Result<(File, bool), Ended> {
    let Some(name) = &asked.output else {
        let out = sandpiper_guest::stdout();
        return out.map(|out| (out, true)).map_err(|error| failed_to_open(tool, b"standard output", &error));
    };
    let cuts = !asked.converts(NOTRUNC);
    let total = asked.seek.total(asked.output_block);
    if total.is_none() && cuts {
        let blocks = asked.seek.blocks;
        eprintln!(
            "{tool}: offset too large: cannot truncate to a length of seek={blocks} ({}-byte) blocks",
            asked.output_block
        );
        return Err(Ended(1));
    }
    if asked.output_flags & APPEND != 0 && cuts {
        eprintln!("{tool}: you probably want conv=notrunc with oflag=append");
    }
    let mut options = OpenOptions::new();
    options.write(true).truncate(cuts && asked.seek.blocks == 0);
    options.create(!asked.converts(NOCREAT)).create_new(asked.converts(EXCL));
    let mut opened = options.open(os(name));
    if opened.is_ok() && asked.output_flags & APPEND != 0 {
        // Rust opens nothing to be cut and appended to at once.
        opened = OpenOptions::new().append(true).open(os(name));
    }
    let out = opened.map_err(|error| failed_to_open(tool, name, &error))?;
    let mut truncated = true;
    if let Some(total) = total.filter(|_| cuts && asked.seek.blocks > 0)
        && let Err(error) = out.set_len(total)
        && is_regular(&out)
    {
        let (why, name) = (reason(&error), escaped(&shown(name)));
        eprintln!("{tool}: failed to truncate to {total} bytes in output file {name}: {why}");
        truncated = false;
    }
    Ok((out, truncated))
}

fn failed_to_open(tool: &str, name: &[u8], error: &io::Error) -> Ended {
    eprintln!("{tool}: failed to open {}: {}", escaped(&shown(name)), reason(error));
    Ended(1)
}

fn is_regular(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file())
}

/// A name as a shell would take it.
fn escaped(name: &str) -> String {
    if name.contains('\'') && !name.contains(['"', '$', '`', '\\', '!']) {
        format!("\"{name}\"")
    } else {
        format!("'{}'", name.replace('\'', "'\\''"))
    }
}

/// A name as a shell would take it, and as it is where that is the same.
fn escaped_where_needed(name: &str) -> String {
    let plain = |sign: char| sign.is_alphanumeric() || "_-./,:+@%=".contains(sign);
    if !name.is_empty() && name.chars().all(plain) { name.to_owned() } else { escaped(name) }
}

/// Why it goes no further. All has been told, but what was done.
enum Stopped {
    /// What was done is still to be told.
    Counted,
    AtOnce,
}

struct Work<'a> {
    tool: &'a str,
    asked: &'a Operands,
    input: File,
    /// Where the input stood, where it has a place.
    place: Option<u64>,
    output: File,
    input_name: String,
    output_name: String,
    /// What waits to be a whole block of the output.
    gathered: Vec<u8>,
    /// Blocks of zeros become holes.
    sparse: bool,
    /// The last block was one.
    ends_in_hole: bool,
    /// How much the last read gave, while a short one is to be warned of.
    warns: Option<usize>,
    report: Report,
    code: i32,
}

impl Work<'_> {
    fn copy(&mut self) -> Result<(), Stopped> {
        self.skip()?;
        self.seek()?;
        let asked = self.asked;
        if asked.count.is_some_and(Length::is_zero) {
            return Ok(());
        }
        let mut block = self.memory(asked.input_block, "input")?;
        if asked.gathers {
            self.gathered = self.memory(asked.output_block, "output")?;
            self.gathered.clear();
        }
        // With conv=swab, the byte that has no neighbour yet.
        let mut odd = None;
        let mut after_short = 0;
        loop {
            self.report.progress();
            let done = self.report.read.full + self.report.read.partial;
            let most = match asked.count {
                Some(count) if done < count.blocks => block.len(),
                Some(count) if done == count.blocks && count.bytes > 0 => count.bytes,
                Some(_) => break,
                None => block.len(),
            };
            if asked.converts(SYNC) && asked.converts(NOERROR) {
                block.fill(0);
            }
            let mut read = match self.read(block.get_mut(..most).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => {
                    if !asked.converts(NOERROR) || asked.level != Level::None {
                        self.tell("error reading", &self.input_name, &error);
                    }
                    if !asked.converts(NOERROR) {
                        self.code = 1;
                        break;
                    }
                    self.report.show();
                    let bad = i64::try_from(block.len() - after_short).unwrap_or(i64::MAX);
                    if error.kind() == ErrorKind::IsADirectory
                        || self.input.seek(SeekFrom::Current(bad)).is_err()
                        || self.at_end()
                    {
                        self.code = 1;
                        break;
                    }
                    if !asked.converts(SYNC) || after_short > 0 {
                        continue;
                    }
                    0
                }
            };
            if read < block.len() {
                self.report.read.partial += 1;
                after_short = read;
                if asked.converts(SYNC) {
                    block.get_mut(read..).unwrap_or_default().fill(0);
                    read = block.len();
                }
            } else {
                self.report.read.full += 1;
                after_short = 0;
            }
            let bytes = block.get_mut(..read).unwrap_or_default();
            if asked.gathers {
                if asked.converts(LCASE) {
                    bytes.make_ascii_lowercase();
                } else if asked.converts(UCASE) {
                    bytes.make_ascii_uppercase();
                }
                if asked.converts(SWAB) {
                    self.gather(&swapped(bytes, &mut odd))?;
                } else {
                    self.gather(bytes)?;
                }
            } else {
                self.write_block(bytes, asked.output_block, "error writing")?;
            }
        }
        if let Some(odd) = odd {
            self.gather(&[odd])?;
        }
        let last = std::mem::take(&mut self.gathered);
        if !last.is_empty() {
            self.write_block(&last, asked.output_block, "error writing")?;
        }
        self.close_hole();
        Ok(())
    }

    /// Goes over the beginning of the input: by setting it where that is possible, by reading it where not.
    fn skip(&mut self) -> Result<(), Stopped> {
        let Length { mut blocks, mut bytes } = self.asked.skip;
        if self.asked.skip.is_zero() {
            return Ok(());
        }
        let total = self.asked.skip.total(self.asked.input_block);
        if let Some(place) = self.place {
            let failed = match total.map(|total| place.checked_add(total)) {
                Some(Some(to)) => self.input.seek(SeekFrom::Start(to)).err(),
                Some(None) | None => Some(io::Error::other("Value too large for defined data type")),
            };
            if let Some(error) = failed {
                eprintln!(
                    "{}: {}: cannot skip: {}",
                    self.tool,
                    escaped_where_needed(&self.input_name),
                    reason(&error)
                );
                return Err(Stopped::Counted);
            }
            let size =
                self.input.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
            if size.zip(total).is_some_and(|(size, total)| size.saturating_sub(place) < total) {
                self.cannot_skip();
            }
            return Ok(());
        }
        let mut block = self.memory(self.asked.input_block, "input")?;
        let mut passed = 0u64;
        while blocks > 0 || bytes > 0 {
            let most = if blocks > 0 { block.len() } else { bytes };
            match self.read(block.get_mut(..most).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => passed = passed.saturating_add(read as u64),
                Err(error) => {
                    self.tell("error reading", &self.input_name, &error);
                    return Err(Stopped::Counted);
                }
            }
            if blocks > 0 {
                blocks -= 1;
            } else {
                bytes = 0;
            }
        }
        if blocks > 0 || total.is_some_and(|total| total != passed) {
            self.cannot_skip();
        }
        Ok(())
    }

    fn cannot_skip(&self) {
        if self.asked.level != Level::None {
            eprintln!(
                "{}: {}: cannot skip to specified offset",
                self.tool,
                escaped_where_needed(&self.input_name)
            );
        }
    }

    fn seek(&mut self) -> Result<(), Stopped> {
        if self.asked.seek.is_zero() {
            return Ok(());
        }
        let distance =
            self.asked.seek.total(self.asked.output_block).and_then(|total| i64::try_from(total).ok());
        let moved = match distance {
            Some(distance) => self.output.seek(SeekFrom::Current(distance)).map(drop),
            None => Err(io::Error::other("Value too large for defined data type")),
        };
        moved.map_err(|error| {
            eprintln!(
                "{}: {}: cannot seek: {}",
                self.tool,
                escaped_where_needed(&self.output_name),
                reason(&error)
            );
            Stopped::Counted
        })
    }

    /// A block of memory, where there is as much.
    fn memory(&self, bytes: usize, what: &str) -> Result<Vec<u8>, Stopped> {
        let mut block = Vec::new();
        if block.try_reserve_exact(bytes).is_err() {
            let size = report::size(u64::try_from(bytes).unwrap_or(u64::MAX), 1024);
            eprintln!("{}: memory exhausted by {what} buffer of size {bytes} bytes ({size})", self.tool);
            return Err(Stopped::AtOnce);
        }
        block.resize(bytes, 0);
        Ok(block)
    }

    /// Reads once, or with `iflag=fullblock` until the block is full.
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < block.len() {
            match self.input.read(block.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if self.asked.input_flags & FULLBLOCK == 0 {
                break;
            }
        }
        // Only what is followed by more was short.
        if let Some(last) = self.warns.filter(|_| filled > 0) {
            self.warns = Some(filled);
            if last > 0 && last < block.len() {
                let noun = if last == 1 { "byte" } else { "bytes" };
                eprintln!("{}: warning: partial read ({last} {noun}); suggest iflag=fullblock", self.tool);
                self.warns = None;
            }
        }
        Ok(filled)
    }

    fn at_end(&mut self) -> bool {
        let size =
            self.input.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
        let place = self.input.stream_position().ok();
        size.zip(place).is_some_and(|(size, place)| place >= size)
    }

    /// Hands on whole blocks of the output and keeps the rest.
    fn gather(&mut self, mut bytes: &[u8]) -> Result<(), Stopped> {
        let size = self.asked.output_block;
        while !bytes.is_empty() {
            let room = (size - self.gathered.len()).min(bytes.len());
            let (fits, rest) = bytes.split_at(room);
            bytes = rest;
            self.gathered.extend_from_slice(fits);
            if self.gathered.len() == size {
                let mut block = std::mem::take(&mut self.gathered);
                self.write_block(&block, size, "writing to")?;
                block.clear();
                self.gathered = block;
            }
        }
        Ok(())
    }

    fn write_block(&mut self, bytes: &[u8], whole: usize, failing: &str) -> Result<(), Stopped> {
        let (written, failed) = self.write(bytes);
        self.report.bytes += written as u64;
        if let Some(error) = failed {
            if written > 0 {
                self.report.written.partial += 1;
            }
            self.tell(failing, &self.output_name, &error);
            return Err(Stopped::Counted);
        }
        if bytes.len() == whole {
            self.report.written.full += 1;
        } else {
            self.report.written.partial += 1;
        }
        Ok(())
    }

    /// How much could be written, and what went wrong behind that.
    fn write(&mut self, bytes: &[u8]) -> (usize, Option<io::Error>) {
        self.ends_in_hole = false;
        if self.sparse && bytes.iter().all(|byte| *byte == 0) {
            match i64::try_from(bytes.len()).map(|length| self.output.seek(SeekFrom::Current(length))) {
                Ok(Ok(_)) => {
                    self.ends_in_hole = true;
                    return (bytes.len(), None);
                }
                _ => self.sparse = false,
            }
        }
        let mut written = 0;
        while written < bytes.len() {
            match self.output.write(bytes.get(written..).unwrap_or_default()) {
                Ok(0) => return (written, Some(io::Error::other("No space left on device"))),
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return (written, Some(error)),
            }
        }
        (written, None)
    }

    /// Gives a file that ends in a hole its length.
    fn close_hole(&mut self) {
        let size =
            self.output.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
        let place = self.output.stream_position().ok();
        if let Some((_, place)) = size.zip(place).filter(|(size, place)| self.ends_in_hole && size < place)
            && let Err(error) = self.output.set_len(place)
        {
            let (why, name) = (reason(&error), escaped(&self.output_name));
            eprintln!("{}: failed to truncate to {place} bytes in output file {name}: {why}", self.tool);
            self.code = 1;
        }
    }

    fn synchronize(&mut self) -> Result<(), Stopped> {
        let mut all = self.asked.converts(FSYNC);
        if self.asked.converts(FDATASYNC)
            && let Err(error) = self.output.sync_data()
        {
            if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) {
                self.tell("fdatasync failed for", &self.output_name, &error);
                self.code = 1;
            }
            all = true;
        }
        if all && let Err(error) = self.output.sync_all() {
            self.tell("fsync failed for", &self.output_name, &error);
            return Err(Stopped::Counted);
        }
        Ok(())
    }

    fn tell(&self, what: &str, name: &str, error: &io::Error) {
        eprintln!("{}: {what} {}: {}", self.tool, escaped(name), reason(error));
    }
}

/// The bytes with each two of them swapped; one that is left alone waits for the next bytes.
fn swapped(bytes: &[u8], odd: &mut Option<u8>) -> Vec<u8> {
    let mut pairs = Vec::with_capacity(bytes.len() + 1);
    for &byte in bytes {
        match odd.take() {
            Some(first) => pairs.extend([byte, first]),
            None => *odd = Some(byte),
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_without_a_neighbour_waits_for_the_next_block() {
        let mut odd = None;
        assert_eq!(swapped(b"abc", &mut odd), b"ba");
        assert_eq!(swapped(b"defg", &mut odd), b"dcfe");
        assert_eq!(odd, Some(b'g'));
    }

    #[test]
    fn names_are_shown_as_a_shell_takes_them() {
        assert_eq!([escaped("a"), escaped("no'w"), escaped("a'$b")], ["'a'", "\"no'w\"", "'a'\\''$b'"]);
        assert_eq!([escaped_where_needed("a.b"), escaped_where_needed("a b")], ["a.b", "'a b'"]);
    }
}
