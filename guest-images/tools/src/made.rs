//! mkdir and mktemp: the crates know modes on Unix only, and would leave them out in the sandbox without a word.

use std::path::Path;

use sandpiper_guest::{Status, bytes, os, set_mode, set_umask};

use crate::mode;
use crate::text::{reason, shown};

/// mkdir: what `-m` says is set here, behind the crate's work.
pub fn mkdir(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    let mut rest: Vec<Vec<u8>> = Vec::new();
    let mut wanted: Option<Vec<u8>> = None;
    let mut operands: Vec<Vec<u8>> = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == b"--" {
            rest.push(word.clone());
            operands.extend(words.by_ref().cloned());
        } else if let Some(long) = word.strip_prefix(b"--mode") {
            wanted = long.strip_prefix(b"=").map(<[u8]>::to_vec).or_else(|| words.next().cloned());
        } else if word.starts_with(b"-") && !word.starts_with(b"--") && word.len() > 1 {
            let Some(at) = word.iter().position(|&byte| byte == b'm') else {
                rest.push(word.clone());
                continue;
            };
            let (before, behind) = word.split_at(at);
            if before.len() > 1 {
                rest.push(before.to_vec());
            }
            wanted = behind.get(1..).filter(|text| !text.is_empty()).map(<[u8]>::to_vec).or_else(|| words.next().cloned());
        } else if word.starts_with(b"--") {
            rest.push(word.clone());
        } else {
            operands.push(word.clone());
        }
    }
    let change = match &wanted {
        None => None,
        Some(text) => match mode::parse(text) {
            Some(change) => Some(change),
            None => {
                eprintln!("{tool}: invalid mode \u{2018}{}\u{2019}", shown(text));
                return 1;
            }
        },
    };
    // Directories that were there keep their mode.
    let new: Vec<&Vec<u8>> = operands.iter().filter(|name| Status::of(Path::new(&os(name)), true).is_err()).collect();
    let given = std::iter::once(tool.as_bytes().to_vec()).chain(rest).chain(operands.iter().cloned());
    let mut code = crate::crates::run(tool, &given.map(|word| os(&word)).collect::<Vec<_>>()).unwrap_or(1);
    if let Some(change) = change {
        for name in new {
            let path = os(name);
            if Status::of(Path::new(&path), true).is_err() {
                continue;
            }
            if let Err(error) = set_mode(Path::new(&path), change.apply(0o777, true, sandpiper_guest::umask())) {
                eprintln!("{tool}: cannot set permissions \u{2018}{}\u{2019}: {}", shown(bytes(&path)), reason(&error));
                code = 1;
            }
        }
    }
    code
}

/// mktemp: nobody else may read what it makes.
pub fn mktemp(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    set_umask(0o077);
    let given = std::iter::once(tool.as_bytes().to_vec()).chain(arguments.iter().cloned());
    crate::crates::run(tool, &given.map(|word| os(&word)).collect::<Vec<_>>()).unwrap_or(1)
}
