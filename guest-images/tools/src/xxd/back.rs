//! Bytes from the digits of a dump.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write};

use super::{Form, Task};

/// Where bytes come to again.
pub struct Output<W: Write> {
    pub inner: BufWriter<W>,
    pub at: u64,
    /// It is a file of its own, in which places can be left out.
    pub seeks: bool,
}

/// What can go to a place.
pub trait Places {
    fn go(&mut self, to: u64) -> io::Result<()>;
}

impl Places for BufWriter<File> {
    fn go(&mut self, to: u64) -> io::Result<()> {
        self.seek(SeekFrom::Start(to)).map(|_| ())
    }
}

impl Places for BufWriter<io::StdoutLock<'_>> {
    fn go(&mut self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::NotSeekable.into())
    }
}

impl<W: Write> Output<W>
where
    BufWriter<W>: Places,
{
    /// Goes to a place; whether that can be.
    fn go(&mut self, to: u64) -> io::Result<bool> {
        if self.seeks {
            self.inner.go(to)?;
        } else if to < self.at {
            return Ok(false);
        } else {
            io::copy(&mut io::repeat(0).take(to - self.at), &mut self.inner)?;
        }
        self.at = to;
        Ok(true)
    }
}

/// Bytes from digits. In a dump the digits before the first sign that is none are an address, so many bytes follow, and
/// the rest of the line is left out.
pub fn revert<W: Write>(task: &Task, text: &[u8], out: &mut Output<W>) -> io::Result<i32>
where
    BufWriter<W>: Places,
{
    if task.form != Form::Hex && task.form != Form::Plain {
        eprintln!("xxd: Sorry, cannot revert this type of hexdump");
        return Ok(1);
    }
    let columns = task.columns.filter(|columns| *columns > 0).unwrap_or(16);
    let value = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if task.form == Form::Plain {
        let digits: Vec<u8> = text.iter().filter_map(|&byte| value(byte)).collect();
        for pair in digits.chunks_exact(2) {
            if let [high, low] = pair {
                out.inner.write_all(&[high << 4 | low])?;
            }
        }
        out.inner.flush()?;
        return Ok(0);
    }
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii_start();
        let digits = line.iter().take_while(|byte| value(**byte).is_some()).count();
        if digits == 0 {
            continue;
        }
        let (address, rest) = line.split_at(digits);
        let address = address.iter().filter_map(|&byte| value(byte));
        let address = address.fold(0u64, |sum, digit| sum.wrapping_shl(4) | u64::from(digit));
        let mut to = address.wrapping_add_signed(task.seek);
        let mut bytes = Vec::new();
        let (mut high, mut others) = (None, 0);
        for &byte in rest.get(1..).unwrap_or_default() {
            match (value(byte), high.take()) {
                (Some(low), Some(high)) => {
                    others = 0;
                    bytes.push(high << 4 | low);
                }
                (Some(digit), None) => (high, others) = (Some(digit), 0),
                (None, _) => others += 1,
            }
            if others > 1 && !bytes.is_empty() || bytes.len() >= columns {
                break;
            }
        }
        if bytes.is_empty() {
            continue;
        }
        if to != out.at && !out.go(to)? {
            out.inner.flush()?;
            eprintln!("xxd: Sorry, cannot seek backwards.");
            return Ok(5);
        }
        out.inner.write_all(&bytes)?;
        to += bytes.len() as u64;
        out.at = to;
    }
    out.inner.flush()?;
    Ok(0)
}
