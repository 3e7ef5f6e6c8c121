//! What a call answered, by name, and whether it is what a claim says.

use std::collections::HashMap;

use super::call::Out;
use super::script::{FILL, GUARD_BYTES, Region};
use super::text::{self, KINDS, bytes, flags, number, rights};

/// A value that a call answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Number(u64),
    Bytes(Vec<u8>),
    Text(String),
}

/// The fields of a record: name, offset, length.
pub fn fields(out: Out) -> Vec<(&'static str, usize, usize)> {
    match out {
        Out::U32(name) => vec![(name, 0, 4)],
        Out::U64(name) => vec![(name, 0, 8)],
        Out::Prestat => vec![("tag", 0, 4), ("length", 4, 4)],
        Out::Fdstat => vec![("kind", 0, 1), ("flags", 2, 2), ("base", 8, 8), ("inheriting", 16, 8)],
        Out::Filestat => vec![
            ("dev", 0, 8),
            ("ino", 8, 8),
            ("kind", 16, 1),
            ("links", 24, 8),
            ("size", 32, 8),
            ("atim", 40, 8),
            ("mtim", 48, 8),
            ("ctim", 56, 8),
        ],
        Out::Pointers | Out::Strings | Out::Read | Out::Buffer | Out::Events => Vec::new(),
    }
}

/// The answers of a call that succeeded, each with the number of its region.
///
/// # Errors
/// When bytes were written that should not have been.
pub fn decode(function: &str, regions: &[(Region, Vec<u8>)]) -> Result<Vec<(String, Value)>, String> {
    let mut found = Vec::new();
    for (region, content) in regions {
        for (name, offset, length) in fields(region.out) {
            let value = little_endian(&content[offset..offset + length]);
            let value = if name == "kind" {
                Value::Text(KINDS.get(usize::try_from(value).unwrap()).unwrap_or(&"?").to_string())
            } else {
                Value::Number(value)
            };
            found.push((name.to_owned(), value));
        }
    }
    let count = |name: &str| match found.iter().find(|(known, _)| known == name) {
        Some((_, Value::Number(number))) => usize::try_from(*number).unwrap(),
        _ => 0,
    };
    let filled = |kind: Out| -> Vec<u8> {
        let regions = regions.iter().filter(|(region, _)| region.out == kind);
        regions.flat_map(|(region, content)| content[..region.length as usize].to_vec()).collect()
    };
    let (read, buffer, events) = (filled(Out::Read), filled(Out::Buffer), filled(Out::Events));
    let split = |bytes: &[u8], used: usize| {
        // Where a claim gives an address of its own, what is there is not known.
        let (used, rest) = bytes.split_at_checked(used).unwrap_or_default();
        if rest.iter().any(|byte| *byte != FILL) {
            return Err("bytes beyond those used were written".to_owned());
        }
        Ok(used.to_vec())
    };
    let extra = match function {
        "fd_read" | "fd_pread" => vec![("bytes", Value::Bytes(split(&read, count("count"))?))],
        "fd_readdir" => vec![("entries", Value::Text(entries(&split(&buffer, count("used"))?)))],
        "path_readlink" => vec![("target", Value::Bytes(split(&buffer, count("used"))?))],
        "fd_prestat_dir_name" => {
            let used = buffer.iter().position(|byte| *byte == FILL).unwrap_or(buffer.len());
            vec![("name", Value::Bytes(split(&buffer, used)?))]
        }
        "random_get" => {
            let changed = buffer.iter().filter(|byte| **byte != FILL).count();
            vec![("bytes", Value::Bytes(buffer)), ("changed", Value::Number(changed as u64))]
        }
        "poll_oneoff" => {
            let used = split(&events, count("count") * 32)?;
            vec![("events", Value::Text(used.chunks(32).map(event).collect::<Vec<_>>().join(" ")))]
        }
        "args_get" | "environ_get" => strings(regions)?,
        _ => Vec::new(),
    };
    found.extend(extra.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Ok(found)
}

/// Whether nothing was written into any region, or behind it.
pub fn check_untouched(regions: &[(Region, Vec<u8>)], failed: bool) -> Result<(), String> {
    for (region, content) in regions {
        let checked = if failed { content.as_slice() } else { &content[region.length as usize..] };
        if checked.iter().any(|byte| *byte != FILL) {
            let what = if failed { "the call failed, yet wrote" } else { "the call wrote behind" };
            return Err(format!("{what} {:?}", region.out));
        }
        assert_eq!(content.len(), (region.length + GUARD_BYTES) as usize);
    }
    Ok(())
}

/// `cookie:name:kind` of each entry; of one that is cut, `~` and what is there of its name.
fn entries(mut bytes: &[u8]) -> String {
    let mut shown = Vec::new();
    while !bytes.is_empty() {
        let Some((record, rest)) = bytes.split_at_checked(24) else {
            shown.push(format!("~{}", bytes.len()));
            break;
        };
        let length = usize::try_from(little_endian(&record[16..20])).unwrap();
        let (name, after) = rest.split_at(length.min(rest.len()));
        let kind = KINDS[usize::from(record[20])];
        let cut = if name.len() < length { "~" } else { "" };
        shown.push(format!("{}:{cut}{}:{kind}", little_endian(&record[..8]), String::from_utf8_lossy(name)));
        bytes = after;
    }
    shown.join(" ")
}

/// `userdata:kind:errno:bytes`, and `:hangup`.
fn event(record: &[u8]) -> String {
    let kind = ["clock", "read", "write"][usize::from(record[10])];
    let errno = errno_name(u32::from(record[8]) | u32::from(record[9]) << 8);
    let hangup = if record[24] == 1 { ":hangup" } else { "" };
    let bytes = if kind == "clock" { String::new() } else { format!(":{}", little_endian(&record[16..24])) };
    format!("{}:{kind}:{errno}{bytes}{hangup}", little_endian(&record[..8]))
}

fn strings(regions: &[(Region, Vec<u8>)]) -> Result<Vec<(&'static str, Value)>, String> {
    let [(_, pointers), (strings_region, strings)] = regions else {
        return Ok(Vec::new());
    };
    let (mut found, mut at) = (Vec::new(), 0_usize);
    for pointer in pointers.chunks(4).take_while(|pointer| **pointer != [FILL; 4]) {
        if little_endian(pointer) != u64::from(strings_region.address) + at as u64 {
            return Err("a pointer does not point to its string".to_owned());
        }
        let end = at + strings[at..].iter().position(|byte| *byte == 0).ok_or("a string has no end")?;
        found.push(String::from_utf8_lossy(&strings[at..end]).into_owned());
        at = end + 1;
    }
    if strings[at..].iter().any(|byte| *byte != FILL) {
        return Err("bytes beyond the strings were written".to_owned());
    }
    Ok(vec![("strings", Value::Text(found.join(" ")))])
}

pub fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The witx's name of an error number in small letters, `ok` for none.
pub fn errno_name(errno: u32) -> String {
    const NAMES: &str = "ok 2big acces addrinuse addrnotavail afnosupport again already badf badmsg busy canceled \
        child connaborted connrefused connreset deadlk destaddrreq dom dquot exist fault fbig hostunreach idrm ilseq \
        inprogress intr inval io isconn isdir loop mfile mlink msgsize multihop nametoolong netdown netreset \
        netunreach nfile nobufs nodev noent noexec nolck nolink nomem nomsg noprotoopt nospc nosys notconn notdir \
        notempty notrecoverable notsock notsup notty nxio overflow ownerdead perm pipe proto protonosupport \
        prototype range rofs spipe srch stale timedout txtbsy xdev notcapable";
    NAMES.split_whitespace().nth(errno as usize).map_or_else(|| errno.to_string(), str::to_owned)
}

/// Compares what is expected of an answer: a string, a number, `>x`, `<x`, `$name` (named at its
/// first use, the same later), `!$name` (another), `~0b1` (a bit that is set), a pattern with `*`.
///
/// # Errors
/// With what was expected and what is.
pub fn check(
    (key, expected): (&str, &str),
    answers: &[(String, Value)],
    variables: &mut HashMap<String, Value>,
) -> Result<(), String> {
    let source = match key {
        "has" | "lacks" => "base",
        "hands" => "inheriting",
        key => key,
    };
    let found = answers.iter().find(|(name, _)| name == source);
    let (_, actual) = found.ok_or_else(|| format!("there is no answer {key}"))?;
    let wrong = || Err(format!("{key} is {actual:?}, expected {expected}"));
    if let Some(name) = expected.strip_prefix('$') {
        // Names of short forms are named anew at each use.
        if name.starts_with('_') {
            variables.remove(name);
        }
        let known = variables.entry(name.to_owned()).or_insert_with(|| actual.clone());
        return if known == actual { Ok(()) } else { wrong() };
    }
    if let Some(name) = expected.strip_prefix("!$") {
        return if variables[name] == *actual { wrong() } else { Ok(()) };
    }
    let holds = match actual {
        Value::Bytes(actual) => *actual == bytes(expected),
        Value::Text(actual) => {
            let expected = expected.trim_matches('"');
            like(actual, expected)
        }
        Value::Number(actual) => {
            let value = |token: &str| match token.strip_prefix('$') {
                Some(name) => match &variables[name] {
                    Value::Number(number) => *number,
                    other => panic!("{name} is {other:?}"),
                },
                None => number(token).unwrap_or_else(|| panic!("{token} is no number")),
            };
            match (key, expected.split_at(1)) {
                ("has", _) => actual & rights(expected) == rights(expected),
                ("lacks", _) => actual & rights(expected) == 0,
                ("base" | "inheriting" | "hands", _) => *actual == rights(expected),
                ("flags", _) => *actual == flags(expected, &text::FD_FLAGS),
                (_, (">", least)) => *actual > value(least),
                (_, ("<", most)) => *actual < value(most),
                _ => *actual == value(expected),
            }
        }
    };
    if holds { Ok(()) } else { wrong() }
}

/// Whether a text is like a pattern, in which `*` stands for anything.
fn like(text: &str, pattern: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return text == pattern };
    let Some(rest) = text.strip_prefix(before) else { return false };
    (0..=rest.len()).any(|at| rest.is_char_boundary(at) && like(&rest[at..], after))
}
