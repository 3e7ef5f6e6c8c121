//! file: what a file holds, by its first bytes.

mod binary;
mod program;
mod text;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use sandpiper_guest::status::Kind;
use sandpiper_guest::{Status, bytes, os};

use crate::options::{Ended, Nothing, Option_, Order, parse};
use crate::text::{reason, shown};

const OPTIONS: &[Option_] = &[
    ("b", "brief", Nothing),
    ("h", "no-dereference", Nothing),
    ("i", "mime", Nothing),
    ("", "mime-type", Nothing),
    ("", "mime-encoding", Nothing),
    ("L", "dereference", Nothing),
    ("N", "no-pad", Nothing),
    ("s", "special-files", Nothing),
];

/// Bytes that are looked at, as in the tool that everybody has.
const LOOKED_AT: u64 = 1 << 20;

/// Of programs more, as what describes them is at their end.
const LOOKED_AT_OF_PROGRAMS: u64 = 64 << 20;

/// What is said of a file: in words, as a MIME type, and its encoding as MIME has it.
#[derive(Debug, Clone)]
pub struct Said {
    pub words: String,
    pub mime: String,
    pub encoding: &'static str,
}

impl Said {
    pub fn binary(words: impl Into<String>, mime: impl Into<String>) -> Said {
        Said { words: words.into(), mime: mime.into(), encoding: "binary" }
    }
}

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let given = parse(tool, OPTIONS, arguments, (Order::Permuted, 2))?;
    if given.operands.is_empty() {
        eprintln!("Usage: {tool} [-bhiLNs] [--mime-encoding] [--mime-type] <file> ...");
        return Err(Ended(1));
    }
    let called = |name: &Vec<u8>| if name == b"-" { "/dev/stdin".to_owned() } else { shown(name) };
    let width = given.operands.iter().map(|name| called(name).chars().count()).max().unwrap_or(0);
    let follow = given.last(&["dereference", "no-dereference"]) == Some("dereference");
    for operand in &given.operands {
        let words = match look(operand, follow) {
            Ok(said) if given.has("mime-type") => said.mime,
            Ok(said) if given.has("mime-encoding") => said.encoding.to_owned(),
            Ok(said) if given.has("mime") && said.encoding.is_empty() => said.mime,
            Ok(said) if given.has("mime") => format!("{}; charset={}", said.mime, said.encoding),
            Ok(said) => said.words,
            Err(error) => format!("cannot open `{}' ({})", shown(operand), reason(&error)),
        };
        if given.has("brief") {
            println!("{words}");
        } else if given.has("no-pad") {
            println!("{}: {words}", called(operand));
        } else {
            let name = called(operand);
            println!("{name}:{} {words}", " ".repeat(width.saturating_sub(name.chars().count())));
        }
    }
    Ok(0)
}

fn look(name: &[u8], follow: bool) -> io::Result<Said> {
    let mut head = Vec::new();
    if name == b"-" {
        io::stdin().lock().take(LOOKED_AT).read_to_end(&mut head)?;
        return Ok(said(&head));
    }
    let path = os(name);
    let path = Path::new(&path);
    let status = Status::of(path, follow)?;
    let inode = |words: &str, kind: &str| Ok(Said::binary(words, format!("inode/{kind}")));
    match status.kind {
        Kind::Directory => return inode("directory", "directory"),
        Kind::Link => {
            let target = fs::read_link(path)?;
            let target = shown(bytes(target.as_os_str()));
            if Status::of(path, true).is_err() {
                let words = format!("broken symbolic link to {target}");
                return Ok(Said { words, mime: "inode/symlink".to_owned(), encoding: "" });
            }
            return inode(&format!("symbolic link to {target}"), "symlink");
        }
        Kind::Pipe => return inode("fifo (named pipe)", "fifo"),
        Kind::Socket => return inode("socket", "socket"),
        Kind::Character | Kind::Block => {
            let (words, kind) = if status.kind == Kind::Block {
                ("block special", "blockdevice")
            } else {
                ("character special", "chardevice")
            };
            let (major, minor) = (status.special >> 8 & 0xfff, status.special & 0xff);
            return inode(&format!("{words} ({major}/{minor})"), kind);
        }
        Kind::File => {}
    }
    if status.size == 0 {
        return inode("empty", "x-empty");
    }
    let mut file = File::open(path)?;
    file.by_ref().take(LOOKED_AT).read_to_end(&mut head)?;
    if head.starts_with(b"\x7fELF") {
        file.take(LOOKED_AT_OF_PROGRAMS).read_to_end(&mut head)?;
    }
    Ok(said(&head))
}

fn said(head: &[u8]) -> Said {
    match head {
        [] => Said::binary("empty", "application/x-empty"),
        [_] => Said::binary("very short file (no magic)", "application/octet-stream"),
        _ => {
            let known = binary::said(head).map(|said| Said {
                encoding: text::encoding(head).map_or("binary", |(_, charset)| charset),
                ..said
            });
            let found = known.or_else(|| text::said(head));
            found.unwrap_or_else(|| Said::binary("data", "application/octet-stream"))
        }
    }
}
