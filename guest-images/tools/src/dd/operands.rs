//! What dd's operands ask for.

use crate::options::Ended;
use crate::text::shown;

const BLOCK_BYTES: usize = 512;

/// What `conv=` knows and this dd does; each is a bit of `Operands::conversions`.
pub const LCASE: u32 = 1;
pub const UCASE: u32 = 1 << 1;
pub const SWAB: u32 = 1 << 2;
pub const SYNC: u32 = 1 << 3;
pub const NOERROR: u32 = 1 << 4;
pub const NOTRUNC: u32 = 1 << 5;
pub const NOCREAT: u32 = 1 << 6;
pub const EXCL: u32 = 1 << 7;
pub const FSYNC: u32 = 1 << 8;
pub const FDATASYNC: u32 = 1 << 9;
pub const SPARSE: u32 = 1 << 10;

pub const APPEND: u32 = 1;
pub const FULLBLOCK: u32 = 1 << 1;
pub const COUNT_BYTES: u32 = 1 << 2;
pub const SKIP_BYTES: u32 = 1 << 3;
pub const SEEK_BYTES: u32 = 1 << 4;

/// A symbol that GNU knows and this dd does not do.
const REFUSED: u32 = 0;

const CONVERSIONS: &[(&str, u32)] = &[
    ("ascii", REFUSED),
    ("ebcdic", REFUSED),
    ("ibm", REFUSED),
    ("block", REFUSED),
    ("unblock", REFUSED),
    ("lcase", LCASE),
    ("ucase", UCASE),
    ("sparse", SPARSE),
    ("swab", SWAB),
    ("noerror", NOERROR),
    ("nocreat", NOCREAT),
    ("excl", EXCL),
    ("notrunc", NOTRUNC),
    ("sync", SYNC),
    ("fdatasync", FDATASYNC),
    ("fsync", FSYNC),
];

const FLAGS: &[(&str, u32)] = &[
    ("append", APPEND),
    ("binary", REFUSED),
    ("cio", REFUSED),
    ("direct", REFUSED),
    ("directory", REFUSED),
    ("dsync", REFUSED),
    ("noatime", REFUSED),
    ("nocache", REFUSED),
    ("noctty", REFUSED),
    ("nofollow", REFUSED),
    ("nolinks", REFUSED),
    ("nonblock", REFUSED),
    ("sync", REFUSED),
    ("text", REFUSED),
    ("fullblock", FULLBLOCK),
    ("count_bytes", COUNT_BYTES),
    ("skip_bytes", SKIP_BYTES),
    ("seek_bytes", SEEK_BYTES),
];

/// What is told at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    None,
    NoTransfer,
    Default,
    Progress,
}

/// A length in whole blocks and the bytes behind them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Length {
    pub blocks: u64,
    pub bytes: usize,
}

impl Length {
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// In bytes, where a file can be as long.
    pub fn total(self, block: usize) -> Option<u64> {
        let whole = self.blocks.checked_mul(u64::try_from(block).ok()?)?;
        whole.checked_add(u64::try_from(self.bytes).ok()?).filter(|&total| i64::try_from(total).is_ok())
    }
}

#[derive(Debug)]
pub struct Operands {
    pub input: Option<Vec<u8>>,
    pub output: Option<Vec<u8>>,
    pub input_block: usize,
    pub output_block: usize,
    /// What is read is gathered to blocks of the output's size, as everywhere but with `bs=` alone.
    pub gathers: bool,
    pub skip: Length,
    pub seek: Length,
    pub count: Option<Length>,
    pub conversions: u32,
    pub input_flags: u32,
    pub output_flags: u32,
    pub level: Level,
}

impl Operands {
    pub fn converts(&self, to: u32) -> bool {
        self.conversions & to != 0
    }
}

/// A number of the command line, and whether it says that it counts bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Number {
    value: u64,
    in_bytes: bool,
}

/// Why a number is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Invalid,
    TooLarge,
}

/// Reads dd's operands.
///
/// # Errors
///
/// For what GNU's refuses too, and for conversions and flags that are not done here, with a message.
pub fn read(tool: &str, operands: &[Vec<u8>]) -> Result<Operands, Ended> {
    let usage = |message: String| {
        eprintln!("{tool}: {message}\nTry '{tool} --help' for more information.");
        Ended(1)
    };
    let (mut input, mut output, mut level) = (None, None, Level::Default);
    let (mut conversions, mut input_flags, mut output_flags) = (0, 0, 0);
    let (mut ibs, mut obs, mut bs) = (BLOCK_BYTES, BLOCK_BYTES, None);
    let (mut skip, mut seek, mut count) = (Number::default(), Number::default(), None);
    for operand in operands {
        let unknown = || usage(format!("unrecognized operand {}", quoted(&shown(operand))));
        let at = operand.iter().position(|&byte| byte == b'=').ok_or_else(unknown)?;
        let (name, bytes) =
            (operand.get(..at).unwrap_or_default(), operand.get(at + 1..).unwrap_or_default());
        let value = shown(bytes);
        let listed = |table, kind: &str| {
            symbols(tool, table, &value, kind).map_err(|refused| refused.unwrap_or_else(usage))
        };
        match name {
            b"if" => input = Some(bytes.to_vec()),
            b"of" => output = Some(bytes.to_vec()),
            b"conv" => conversions |= listed(CONVERSIONS, "conversion")?,
            b"iflag" => input_flags |= listed(FLAGS, "input flag")?,
            b"oflag" => output_flags |= listed(FLAGS, "output flag")?,
            b"status" => {
                for symbol in value.split(',') {
                    level = match symbol {
                        "none" => Level::None,
                        "noxfer" => Level::NoTransfer,
                        "progress" => Level::Progress,
                        _ => return Err(usage(format!("invalid status level: {}", quoted(symbol)))),
                    };
                }
            }
            b"ibs" => ibs = block(tool, &value)?,
            b"obs" => obs = block(tool, &value)?,
            b"bs" => bs = Some(block(tool, &value)?),
            b"cbs" => drop(block(tool, &value)?),
            b"skip" | b"iseek" => skip = number(tool, &value)?,
            b"seek" | b"oseek" => seek = number(tool, &value)?,
            b"count" => count = Some(number(tool, &value)?),
            _ => return Err(unknown()),
        }
    }
    if output_flags & FULLBLOCK != 0 {
        return Err(usage(format!("invalid output flag: {}", quoted("fullblock"))));
    }
    for (both, names) in [(LCASE | UCASE, "lcase and ucase"), (EXCL | NOCREAT, "excl and nocreat")] {
        if conversions & both == both {
            eprintln!("{tool}: cannot combine {names}");
            return Err(Ended(1));
        }
    }
    if output_flags & APPEND != 0 && output.is_none() {
        eprintln!(
            "{tool}: oflag=append: only for a file that of= names, the flags of an open one stay as they are"
        );
        return Err(Ended(1));
    }
    let (input_block, output_block) = (bs.unwrap_or(ibs), bs.unwrap_or(obs));
    let length = |number: Number, block: usize, in_bytes: bool| {
        let size = u64::try_from(block).unwrap_or(u64::MAX);
        if number.in_bytes || in_bytes {
            Length { blocks: number.value / size, bytes: usize::try_from(number.value % size).unwrap_or(0) }
        } else {
            Length { blocks: number.value, bytes: 0 }
        }
    };
    Ok(Operands {
        input,
        output,
        input_block,
        output_block,
        gathers: bs.is_none() || conversions & (LCASE | UCASE | SWAB) != 0,
        skip: length(skip, input_block, input_flags & SKIP_BYTES != 0),
        seek: length(seek, output_block, output_flags & SEEK_BYTES != 0),
        count: count.map(|count| length(count, input_block, input_flags & COUNT_BYTES != 0)),
        conversions,
        input_flags,
        output_flags,
        level,
    })
}

/// The bits of a list of symbols. What is refused here has been told about; what is no symbol at all is for the usage.
fn symbols(tool: &str, table: &[(&str, u32)], list: &str, kind: &str) -> Result<u32, Result<Ended, String>> {
    let mut bits = 0;
    for symbol in list.split(',') {
        match table.iter().find(|(name, _)| *name == symbol) {
            Some((_, REFUSED)) => {
                eprintln!("{tool}: {kind} not supported in a sandbox: {}", quoted(symbol));
                return Err(Ok(Ended(1)));
            }
            Some((_, bit)) => bits |= bit,
            None => return Err(Err(format!("invalid {kind}: {}", quoted(symbol)))),
        }
    }
    Ok(bits)
}

fn block(tool: &str, text: &str) -> Result<usize, Ended> {
    let number = number(tool, text)?;
    // GNU keeps one byte more free, for conv=swab.
    let size = usize::try_from(number.value).ok().filter(|&size| size < isize::MAX.unsigned_abs());
    match size {
        Some(0) => Err(wrong(tool, text, Wrong::Invalid)),
        Some(size) => Ok(size),
        None => Err(wrong(tool, text, Wrong::TooLarge)),
    }
}

fn number(tool: &str, text: &str) -> Result<Number, Ended> {
    let value = product(tool, text).map_err(|why| wrong(tool, text, why))?;
    Ok(Number { value, in_bytes: text.contains('B') })
}

fn wrong(tool: &str, text: &str, why: Wrong) -> Ended {
    let reason = if why == Wrong::TooLarge { ": Value too large for defined data type" } else { "" };
    eprintln!("{tool}: invalid number: {}{reason}", quoted(text));
    Ended(1)
}

/// `2x80x18b`: numbers with suffixes, multiplied.
fn product(tool: &str, text: &str) -> Result<u64, Wrong> {
    let (first, rest) = factor(text)?;
    let Some(more) = rest else { return first.ok_or(Wrong::TooLarge) };
    // GNU's takes a `B` without a unit behind the first number alone.
    if more.strip_suffix('B').is_some_and(|number| number.ends_with(|sign: char| sign.is_ascii_digit())) {
        return Err(Wrong::Invalid);
    }
    let second = match product(tool, more) {
        Ok(second) => Some(second),
        Err(Wrong::TooLarge) => None,
        Err(Wrong::Invalid) => return Err(Wrong::Invalid),
    };
    if first == Some(0) || second == Some(0) {
        if text.starts_with("0x") {
            let (zero, instead) = (quoted("0x"), quoted("00x"));
            eprintln!("{tool}: warning: {zero} is a zero multiplier; use {instead} if that is intended");
        }
        return Ok(0);
    }
    let value = first.zip(second).and_then(|(first, second)| first.checked_mul(second));
    value.filter(|&value| i64::try_from(value).is_ok()).ok_or(Wrong::TooLarge)
}

/// A number with its suffix, none where it is too large, and what is behind an `x`.
fn factor(text: &str) -> Result<(Option<u64>, Option<&str>), Wrong> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    let unsigned = text.strip_prefix('+').filter(|rest| rest.starts_with(|sign: char| sign.is_ascii_digit()));
    let text = unsigned.unwrap_or(text);
    let suffixed = text.trim_start_matches(|sign: char| sign.is_ascii_digit());
    let digits = text.strip_suffix(suffixed).unwrap_or_default();
    let (unit, rest) = unit(suffixed);
    if digits.is_empty() && unit.is_none() {
        return Err(Wrong::Invalid);
    }
    let number = if digits.is_empty() { Some(1) } else { digits.parse::<u64>().ok() };
    let scaled = number.and_then(|number| number.checked_mul(unit.unwrap_or(Some(1))?));
    let value = scaled.filter(|&value| i64::try_from(value).is_ok());
    // A `B` behind all says that bytes are counted; one that was part of the unit says it by itself.
    let consumed = suffixed.strip_suffix(rest).unwrap_or_default();
    let rest = if consumed.ends_with('B') { rest } else { rest.strip_prefix('B').unwrap_or(rest) };
    match rest.strip_prefix('x') {
        Some(more) => Ok((value, Some(more))),
        None if rest.is_empty() => Ok((value, None)),
        None => Err(Wrong::Invalid),
    }
}

/// The unit at the beginning, none where it is beyond all numbers, and what is behind it.
fn unit(suffixed: &str) -> (Option<Option<u64>>, &str) {
    let mut letters = suffixed.chars();
    let power = match letters.next() {
        Some('c') => return (Some(Some(1)), letters.as_str()),
        Some('w') => return (Some(Some(2)), letters.as_str()),
        Some('b') => return (Some(Some(512)), letters.as_str()),
        Some('k' | 'K') => 1,
        Some('M') => 2,
        Some('G') => 3,
        Some('T') => 4,
        Some('P') => 5,
        Some('E') => 6,
        Some('Z') => 7,
        Some('Y') => 8,
        _ => return (None, suffixed),
    };
    let rest = letters.as_str();
    if let Some(rest) = rest.strip_prefix("iB") {
        return (Some(1024u64.checked_pow(power)), rest);
    }
    match rest.strip_prefix(['B', 'D']) {
        Some(rest) => (Some(1000u64.checked_pow(power)), rest),
        None => (Some(1024u64.checked_pow(power)), rest),
    }
}

/// A word in the quotation marks of the locale.
fn quoted(text: &str) -> String {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(std::env::var_os)
        .find(|value| !value.is_empty());
    let name = set.map(|value| value.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    if name.contains("utf-8") || name.contains("utf8") {
        format!("‘{text}’")
    } else {
        format!("'{text}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(operands: &[&str]) -> Result<Operands, i32> {
        let operands: Vec<Vec<u8>> = operands.iter().map(|text| text.as_bytes().to_vec()).collect();
        read("dd", &operands).map_err(|Ended(code)| code)
    }

    #[test]
    fn suffixes_and_products_are_multiplied() {
        let table =
            [("3", 3), ("2w", 4), ("1b", 512), ("2kB", 2000), ("2K", 2048), ("1KiB", 1024), ("k", 1024)];
        for (text, value) in
            table.into_iter().chain([("2x3x4", 24), ("3Bx2", 6), ("00x7", 0), ("1M", 1 << 20)])
        {
            assert_eq!(product("dd", text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-1", "5x", "2m", "3BB", "x2", "1kBB", "1 "] {
            assert_eq!(product("dd", text), Err(Wrong::Invalid), "{text}");
        }
        for text in ["1Y", "9223372036854775808", "99999999999999999999", "4Ex4"] {
            assert_eq!(product("dd", text), Err(Wrong::TooLarge), "{text}");
        }
    }

    #[test]
    fn a_number_with_a_b_counts_bytes_and_one_without_counts_blocks() {
        let asked = asked(&["bs=4", "count=10B", "skip=3"]).unwrap();
        assert_eq!(asked.count, Some(Length { blocks: 2, bytes: 2 }));
        assert_eq!(asked.skip, Length { blocks: 3, bytes: 0 });
    }

    #[test]
    fn what_is_not_done_here_is_refused_and_what_is_done_is_taken() {
        for operand in ["conv=ebcdic", "conv=notrunc,block", "iflag=direct", "oflag=append", "bs=0", "conv="]
        {
            assert_eq!(asked(&[operand]).map(|_| ()), Err(1), "{operand}");
        }
        assert!(asked(&["conv=notrunc,swab", "iflag=fullblock", "oflag=append", "of=x"]).is_ok());
    }
}
