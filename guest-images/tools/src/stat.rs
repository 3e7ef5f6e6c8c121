//! stat.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use sandpiper_guest::status::{Kind, Time};
use sandpiper_guest::{Status, bytes, os, users};

use crate::options::{Ended, Nothing, Option_, Order, Value, parse};
use crate::text::{reason, shown};

const OPTIONS: &[Option_] = &[
    ("c", "format", Value),
    ("", "printf", Value),
    ("L", "dereference", Nothing),
    ("t", "terse", Nothing),
    ("f", "file-system", Nothing),
];

const LONG: &str = "  File: %q\n  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F\nDevice: %Hd,%Ld\tInode: %-11i Links: %h\nAccess: (%04a/%10.10A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\nAccess: %x\nModify: %y\nChange: %z\n Birth: %w\n";
const TERSE: &str = "%n %s %b %f %u %g %D %i %h %t %T %X %Y %Z %W %o\n";

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let given = parse(tool, OPTIONS, arguments, (Order::Permuted, 1))?;
    if given.has("file-system") {
        eprintln!("{tool}: -f is not supported: nothing is known of file systems inside the sandbox");
        return Err(Ended(1));
    }
    if given.operands.is_empty() {
        eprintln!("{tool}: missing operand\nTry '{tool} --help' for more information.");
        return Err(Ended(1));
    }
    let (format, escapes, newline) = match given.last(&["format", "printf", "terse"]) {
        Some("format") => (given.value("format").unwrap_or_default().to_vec(), false, true),
        Some("printf") => (given.value("printf").unwrap_or_default().to_vec(), true, false),
        Some(_) => (TERSE.as_bytes().to_vec(), false, false),
        None => (LONG.as_bytes().to_vec(), false, false),
    };
    let mut code = 0;
    let mut out = std::io::stdout().lock();
    for operand in &given.operands {
        match Status::of(Path::new(&os(operand)), given.has("dereference")) {
            Ok(status) => {
                let mut text = formatted(&format, escapes, operand, &status);
                if newline {
                    text.push(b'\n');
                }
                if out.write_all(&text).is_err() {
                    return Ok(1);
                }
            }
            Err(error) => {
                code = 1;
                eprintln!("{tool}: cannot statx '{}': {}", shown(operand), reason(&error));
            }
        }
    }
    Ok(if out.flush().is_err() { 1 } else { code })
}

fn formatted(format: &[u8], escapes: bool, name: &[u8], status: &Status) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = format;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte == b'\\' && escapes {
            let Some((&letter, behind)) = rest.split_first() else { break };
            rest = behind;
            match letter {
                b'0'..=b'7' => {
                    let more = rest.iter().take(2).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
                    let value = std::iter::once(&letter)
                        .chain(rest.get(..more).unwrap_or_default())
                        .fold(0u32, |value, digit| value * 8 + u32::from(digit - b'0'));
                    out.push(value.to_le_bytes()[0]);
                    rest = rest.get(more..).unwrap_or_default();
                }
                other => out.push(crate::posix::escaped(other).unwrap_or(other)),
            }
            continue;
        }
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let flags = rest.iter().take_while(|byte| b"-+ #0'".contains(byte)).count();
        let (flag, behind) = rest.split_at(flags);
        let digits = behind.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        let (width, behind) = behind.split_at(digits);
        let Some((&letter, behind)) = behind.split_first() else {
            out.push(b'%');
            break;
        };
        let (text, taken) = match (letter, behind.first()) {
            (b'H', Some(b'd')) => (major(status.device).to_string(), 1),
            (b'L', Some(b'd')) => (minor(status.device).to_string(), 1),
            (b'H', Some(b'r')) => (major(status.special).to_string(), 1),
            (b'L', Some(b'r')) => (minor(status.special).to_string(), 1),
            (b'n', _) => {
                out.extend_from_slice(name);
                rest = behind;
                continue;
            }
            (b'%', _) => ("%".to_owned(), 0),
            _ => (directive(letter, name, status).unwrap_or_else(|| "?".to_owned()), 0),
        };
        rest = behind.get(taken..).unwrap_or_default();
        let width = String::from_utf8_lossy(width).into_owned();
        let mut parts = width.split('.');
        let least: usize = parts.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let text = match parts.next().and_then(|most| most.parse().ok()) {
            Some(most) if b"ANFUGxyzw".contains(&letter) => text.chars().take(most).collect(),
            _ => text,
        };
        let padded = if flag.contains(&b'-') {
            format!("{text:<least$}")
        } else if flag.contains(&b'0') {
            format!("{text:0>least$}")
        } else {
            format!("{text:>least$}")
        };
        out.extend_from_slice(padded.as_bytes());
    }
    out
}

fn major(device: u64) -> u64 {
    ((device >> 8) & 0xfff) | ((device >> 32) & 0xffff_f000)
}

fn minor(device: u64) -> u64 {
    (device & 0xff) | ((device >> 12) & 0xffff_ff00)
}

fn directive(letter: u8, name: &[u8], status: &Status) -> Option<String> {
    let stamp = |time: Time| {
        let local = crate::time::local(time);
        format!("{}.{:09} {}", crate::time::format(&local, "%F %T"), time.1, crate::time::format(&local, "%z"))
    };
    Some(match letter {
        b'a' => format!("{:o}", status.mode),
        b'A' => crate::mode::symbols(status.kind, status.mode),
        b'b' => status.blocks.to_string(),
        b'B' => "512".to_owned(),
        b'd' => status.device.to_string(),
        b'D' => format!("{:x}", status.device),
        b'f' => format!("{:x}", status.kind.bits() | status.mode),
        b'F' => match status.kind {
            Kind::File if status.size == 0 => "regular empty file",
            Kind::File => "regular file",
            Kind::Directory => "directory",
            Kind::Link => "symbolic link",
            Kind::Pipe => "fifo",
            Kind::Socket => "socket",
            Kind::Character => "character special file",
            Kind::Block => "block special file",
        }
        .to_owned(),
        b'g' => status.group.to_string(),
        b'G' => users::group_name(status.group).unwrap_or_else(|| "UNKNOWN".to_owned()),
        b'h' => status.links.to_string(),
        b'i' => status.inode.to_string(),
        b'm' => "/".to_owned(),
        b'N' | b'q' => {
            let quoted = |text: &[u8]| {
                if letter == b'q' { shown(text) } else { format!("'{}'", shown(text).replace('\'', "'\\''")) }
            };
            let target = fs::read_link(os(name)).ok().filter(|_| status.kind == Kind::Link);
            match target {
                Some(target) => format!("{} -> {}", quoted(name), quoted(bytes(target.as_os_str()))),
                None => quoted(name),
            }
        }
        b'o' => "4096".to_owned(),
        b's' => status.size.to_string(),
        b't' => format!("{:x}", major(status.special)),
        b'T' => format!("{:x}", minor(status.special)),
        b'u' => status.user.to_string(),
        b'U' => users::user_name(status.user).unwrap_or_else(|| "UNKNOWN".to_owned()),
        b'w' => "-".to_owned(),
        b'W' => "0".to_owned(),
        b'x' => stamp(status.accessed),
        b'X' => status.accessed.0.to_string(),
        b'y' => stamp(status.modified),
        b'Y' => status.modified.0.to_string(),
        b'z' => stamp(status.changed),
        b'Z' => status.changed.0.to_string(),
        _ => return None,
    })
}
