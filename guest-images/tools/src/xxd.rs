//! xxd: bytes as hexadecimal digits, and back.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek as _, SeekFrom, Write};

use sandpiper_guest::os;

use crate::text::{read, reason, shown};

/// The most bytes that a line can show.
const MOST_COLUMNS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Hex,
    Bits,
    Plain,
    Include,
}

/// What is asked for.
#[derive(Debug)]
struct Task {
    form: Form,
    back: bool,
    upper: bool,
    capitals: bool,
    decimal: bool,
    skips_zeros: bool,
    columns: Option<usize>,
    group: Option<usize>,
    length: Option<u64>,
    seek: i64,
    offset: u64,
    name: Option<Vec<u8>>,
    operands: Vec<Vec<u8>>,
}

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    let task = match parse(arguments) {
        Ok(task) => task,
        Err(message) => {
            eprintln!("{tool}: {message}");
            return 2;
        }
    };
    if let Some(extra) = task.operands.get(2) {
        eprintln!("{tool}: extra operand '{}'", shown(extra));
        return 2;
    }
    let most = if task.form == Form::Plain || task.form == Form::Include { usize::MAX } else { MOST_COLUMNS };
    if task.columns.is_some_and(|columns| columns > most) {
        eprintln!("{tool}: invalid number of columns (max. {MOST_COLUMNS}).");
        return 1;
    }
    let input = task.operands.first().map_or(b"-".as_slice(), Vec::as_slice);
    let text = match read(input) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{tool}: {}: {}", shown(input), reason(&error));
            return 2;
        }
    };
    let target = task.operands.get(1).filter(|name| name.as_slice() != b"-");
    let result = match target {
        Some(name) => {
            let opened = OpenOptions::new().write(true).create(true).truncate(!task.back).open(os(name));
            match opened {
                Ok(file) => task.run(&text, &mut Output { inner: BufWriter::new(file), at: 0, seeks: true }),
                Err(error) => {
                    eprintln!("{tool}: {}: {}", shown(name), reason(&error));
                    return 3;
                }
            }
        }
        None => {
            let mut out = Output { inner: BufWriter::new(io::stdout().lock()), at: 0, seeks: false };
            if task.back { revert(&task, &text, &mut out) } else { task.show(&text, &mut out.inner).map(|()| 0) }
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("{tool}: {}", reason(&error));
        3
    })
}

fn parse(arguments: &[Vec<u8>]) -> Result<Task, String> {
    let mut task = Task {
        form: Form::Hex,
        back: false,
        upper: false,
        capitals: false,
        decimal: false,
        skips_zeros: false,
        columns: None,
        group: None,
        length: None,
        seek: 0,
        offset: 0,
        name: None,
        operands: Vec::new(),
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let word = argument.strip_prefix(b"--").filter(|word| !word.is_empty());
        let Some(word) = word.or_else(|| argument.strip_prefix(b"-")).filter(|word| !word.is_empty()) else {
            task.operands.push(argument.clone());
            continue;
        };
        if argument == b"--" {
            task.operands.extend(rest.cloned());
            break;
        }
        match word {
            b"a" | b"autoskip" => task.skips_zeros = !task.skips_zeros,
            b"b" | b"bits" => task.form = Form::Bits,
            b"C" | b"capitalize" => task.capitals = true,
            b"d" => task.decimal = true,
            b"i" | b"include" => task.form = Form::Include,
            b"p" | b"ps" | b"postscript" | b"plain" => task.form = Form::Plain,
            b"r" | b"revert" => task.back = true,
            b"u" | b"uppercase" | b"upper" => task.upper = true,
            b"v" | b"version" => {
                println!("xxd (sandpiper tools) {}", env!("CARGO_PKG_VERSION"));
                std::process::exit(0);
            }
            _ => {
                let unknown = || format!("option '{}' is not supported", shown(argument));
                let names: [(&[u8], u8); 6] =
                    [(b"cols", b'c'), (b"groupsize", b'g'), (b"len", b'l'), (b"name", b'n'), (b"offset", b'o'), (b"seek", b's')];
                let long = names.iter().find(|(name, _)| *name == word).map(|(_, letter)| (*letter, b"".as_slice()));
                let short = word.split_first().map(|(letter, behind)| (*letter, behind));
                let (letter, attached) = long.or(short).ok_or_else(unknown)?;
                if !b"cglnos".contains(&letter) {
                    return Err(unknown());
                }
                let value = match attached {
                    b"" => rest.next().cloned().ok_or_else(|| format!("option '{}' needs a value", shown(argument)))?,
                    attached => attached.to_vec(),
                };
                task.set(letter, value)?;
            }
        }
    }
    Ok(task)
}

/// A number as C reads it: with `0x` or `0` before other bases than ten.
fn number(text: &[u8]) -> Result<i64, String> {
    let wrong = || format!("invalid number '{}'", shown(text));
    let word = std::str::from_utf8(text).map_err(|_| wrong())?;
    let (negative, digits) = match word.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let value = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16)
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8)
    } else {
        digits.parse()
    };
    value.map(|value| if negative { -value } else { value }).map_err(|_| wrong())
}

impl Task {
    fn set(&mut self, letter: u8, value: Vec<u8>) -> Result<(), String> {
        if letter == b'n' {
            self.name = Some(value);
            return Ok(());
        }
        let number = number(&value)?;
        let size = || usize::try_from(number).map_err(|_| format!("invalid number '{}'", shown(&value)));
        match letter {
            b'c' => self.columns = Some(size()?),
            b'g' => self.group = Some(size()?),
            b'l' => self.length = u64::try_from(number).ok(),
            b'o' => self.offset = number.cast_unsigned(),
            _ => self.seek = number,
        }
        Ok(())
    }

    fn run(&self, text: &[u8], out: &mut Output<File>) -> io::Result<i32> {
        if self.back {
            return revert(self, text, out);
        }
        self.show(text, &mut out.inner)?;
        Ok(0)
    }

    fn digits(&self, byte: u8) -> String {
        if self.upper { format!("{byte:02X}") } else { format!("{byte:02x}") }
    }

    fn show(&self, text: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let distance = usize::try_from(self.seek.unsigned_abs()).unwrap_or(usize::MAX);
        let from = if self.seek < 0 {
            text.len().checked_sub(distance).ok_or_else(|| io::Error::other("Sorry, cannot seek."))?
        } else {
            distance
        };
        let rest = text.get(from..).unwrap_or_default();
        let length = self.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
        let bytes = rest.get(..length).unwrap_or(rest);
        match self.form {
            Form::Plain => {
                let columns = self.columns.map_or(30, |columns| if columns == 0 { usize::MAX } else { columns });
                for line in bytes.chunks(columns) {
                    let line: String = line.iter().map(|byte| self.digits(*byte)).collect();
                    writeln!(out, "{line}")?;
                }
            }
            Form::Include => self.include(bytes, out)?,
            Form::Hex | Form::Bits => self.dump(bytes, (from as u64).wrapping_add(self.offset), out)?,
        }
        out.flush()
    }

    fn include(&self, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let name = self.name.as_ref().or_else(|| self.operands.first().filter(|name| name.as_slice() != b"-"));
        let mut variable = String::new();
        if let Some(name) = name {
            if name.first().is_some_and(u8::is_ascii_digit) {
                variable.push_str("__");
            }
            variable.extend(name.iter().map(|&byte| if byte.is_ascii_alphanumeric() { char::from(byte) } else { '_' }));
            if self.capitals {
                variable.make_ascii_uppercase();
            }
            writeln!(out, "unsigned char {variable}[] = {{")?;
        }
        let columns = self.columns.filter(|columns| *columns > 0).unwrap_or(12);
        let count = bytes.len().div_ceil(columns);
        for (at, line) in bytes.chunks(columns).enumerate() {
            let prefix = if self.upper { "0X" } else { "0x" };
            let line: Vec<String> = line.iter().map(|byte| format!("{prefix}{}", self.digits(*byte))).collect();
            writeln!(out, "  {}{}", line.join(", "), if at + 1 < count { "," } else { "" })?;
        }
        if name.is_some() {
            let length = if self.capitals { "LEN" } else { "len" };
            writeln!(out, "}};\nunsigned int {variable}_{length} = {};", bytes.len())?;
        }
        Ok(())
    }

    fn dump(&self, bytes: &[u8], from: u64, out: &mut dyn Write) -> io::Result<()> {
        let bits = self.form == Form::Bits;
        let columns = self.columns.filter(|columns| *columns > 0).unwrap_or(if bits { 6 } else { 16 });
        let digits = if bits { 8 } else { 2 };
        let group = self.group.unwrap_or(if bits { 1 } else { 2 });
        let group = if group == 0 || group > columns { columns } else { group };
        let width = (digits * group + 1) * columns;
        let width = (width - 1) / group;
        let mut zeros = 0;
        let lines = bytes.len().div_ceil(columns);
        let mut address = from;
        for (at, line) in bytes.chunks(columns).enumerate() {
            let mut text = String::new();
            for group in line.chunks(group) {
                for byte in group {
                    text.push_str(&if bits { format!("{byte:08b}") } else { self.digits(*byte) });
                }
                text.push(' ');
            }
            let signs: String =
                line.iter().map(|byte| if (32..127).contains(byte) { char::from(*byte) } else { '.' }).collect();
            let place = if self.decimal { format!("{address:08}") } else { format!("{address:08x}") };
            let line_text = format!("{place}: {:<width$}  {signs}\n", text.trim_end(), width = width);
            address = address.wrapping_add(columns as u64);
            if self.skips_zeros && line.iter().all(|byte| *byte == 0) && at + 1 < lines {
                zeros += 1;
                if zeros > 1 {
                    if zeros == 2 {
                        out.write_all(b"*\n")?;
                    }
                    continue;
                }
            } else {
                zeros = 0;
            }
            out.write_all(line_text.as_bytes())?;
        }
        Ok(())
    }
}

/// Where bytes come to again.
struct Output<W: Write> {
    inner: BufWriter<W>,
    at: u64,
    /// It is a file of its own, in which places can be left out.
    seeks: bool,
}

trait Places {
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
fn revert<W: Write>(task: &Task, text: &[u8], out: &mut Output<W>) -> io::Result<i32>
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
