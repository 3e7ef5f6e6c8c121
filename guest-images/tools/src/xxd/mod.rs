//! xxd: bytes as hexadecimal digits, and back.

mod back;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};

use sandpiper_guest::os;

use crate::text::{reason, shown};
use back::{Output, Places, revert};

/// The most bytes that a line can show.
const MOST_COLUMNS: usize = 256;

/// Lines that are read before they are shown.
const LINES_AT_ONCE: u64 = 256;

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
    let mut source = match open(input) {
        Ok(source) => source,
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
                Ok(file) => {
                    task.run(&mut source, &mut Output { inner: BufWriter::new(file), at: 0, seeks: true })
                }
                Err(error) => {
                    eprintln!("{tool}: {}: {}", shown(name), reason(&error));
                    return 3;
                }
            }
        }
        None => {
            let stdout = BufWriter::new(io::stdout().lock());
            task.run(&mut source, &mut Output { inner: stdout, at: 0, seeks: false })
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("{tool}: {}", reason(&error));
        3
    })
}

fn open(name: &[u8]) -> io::Result<Box<dyn Read>> {
    Ok(if name == b"-" { Box::new(io::stdin().lock()) } else { Box::new(File::open(os(name))?) })
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
                let names: [(&[u8], u8); 6] = [
                    (b"cols", b'c'),
                    (b"groupsize", b'g'),
                    (b"len", b'l'),
                    (b"name", b'n'),
                    (b"offset", b'o'),
                    (b"seek", b's'),
                ];
                let long =
                    names.iter().find(|(name, _)| *name == word).map(|(_, letter)| (*letter, b"".as_slice()));
                let short = word.split_first().map(|(letter, behind)| (*letter, behind));
                let (letter, attached) = long.or(short).ok_or_else(unknown)?;
                if !b"cglnos".contains(&letter) {
                    return Err(unknown());
                }
                let value = match attached {
                    b"" => rest
                        .next()
                        .cloned()
                        .ok_or_else(|| format!("option '{}' needs a value", shown(argument)))?,
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

    fn run<W: Write>(&self, source: &mut dyn Read, out: &mut Output<W>) -> io::Result<i32>
    where
        BufWriter<W>: Places,
    {
        if self.back {
            let mut text = Vec::new();
            source.read_to_end(&mut text)?;
            return revert(self, &text, out);
        }
        self.show(source, &mut out.inner)?;
        out.inner.flush()?;
        Ok(0)
    }

    fn digits(&self, byte: u8) -> String {
        if self.upper { format!("{byte:02X}") } else { format!("{byte:02x}") }
    }

    fn show(&self, source: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
        let mut from = self.seek.unsigned_abs();
        let mut text = Vec::new();
        let mut ahead = io::Cursor::new(Vec::new());
        if self.seek < 0 {
            source.read_to_end(&mut text)?;
            from = (text.len() as u64)
                .checked_sub(from)
                .ok_or_else(|| io::Error::other("Sorry, cannot seek."))?;
            ahead = io::Cursor::new(text.split_off(usize::try_from(from).unwrap_or(usize::MAX)));
            text.clear();
        } else {
            io::copy(&mut source.take(from), &mut io::sink())?;
        }
        let mut rest = ahead.chain(source).take(self.length.unwrap_or(u64::MAX));
        let columns = match (self.form, self.columns) {
            (Form::Plain, None) => 30,
            (Form::Plain | Form::Include, columns) => columns.unwrap_or(0),
            (Form::Bits, None | Some(0)) => 6,
            (_, columns) => columns.filter(|columns| *columns > 0).unwrap_or(16),
        };
        // What is one line, or looks back over lines, is read as a whole; all else as it comes.
        let whole = columns == 0 || self.form == Form::Include || self.skips_zeros;
        let size = if whole { u64::MAX } else { columns as u64 * LINES_AT_ONCE };
        loop {
            text.clear();
            rest.by_ref().take(size).read_to_end(&mut text)?;
            match self.form {
                Form::Include => self.include(&text, out)?,
                Form::Plain => {
                    for line in text.chunks(if columns == 0 { usize::MAX } else { columns }) {
                        let line: String = line.iter().map(|byte| self.digits(*byte)).collect();
                        writeln!(out, "{line}")?;
                    }
                }
                Form::Hex | Form::Bits => self.dump(&text, from.wrapping_add(self.offset), out)?,
            }
            from += text.len() as u64;
            if whole || (text.len() as u64) < size {
                return Ok(());
            }
        }
    }

    fn include(&self, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
        let name =
            self.name.as_ref().or_else(|| self.operands.first().filter(|name| name.as_slice() != b"-"));
        let mut variable = String::new();
        if let Some(name) = name {
            if name.first().is_some_and(u8::is_ascii_digit) {
                variable.push_str("__");
            }
            variable.extend(
                name.iter().map(|&byte| if byte.is_ascii_alphanumeric() { char::from(byte) } else { '_' }),
            );
            if self.capitals {
                variable.make_ascii_uppercase();
            }
            writeln!(out, "unsigned char {variable}[] = {{")?;
        }
        let columns = self.columns.filter(|columns| *columns > 0).unwrap_or(12);
        let count = bytes.len().div_ceil(columns);
        for (at, line) in bytes.chunks(columns).enumerate() {
            let prefix = if self.upper { "0X" } else { "0x" };
            let line: Vec<String> =
                line.iter().map(|byte| format!("{prefix}{}", self.digits(*byte))).collect();
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
            let signs: String = line
                .iter()
                .map(|byte| if (32..127).contains(byte) { char::from(*byte) } else { '.' })
                .collect();
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
