//! Files that are text: their encoding, their lines, and the language that they look like.

use super::Said;

/// Lines with more characters than this are very long.
const LONG_LINE: usize = 300;

/// How deep a JSON text is followed.
const DEEPEST: usize = 500;

pub fn said(head: &[u8]) -> Option<Said> {
    let charset_of = if head.last() == Some(&0) { Some("binary") } else { None };
    let zeros = head.iter().rev().take_while(|byte| **byte == 0).count();
    let head = head.get(..head.len() - zeros)?;
    if head == b"\n" {
        return Some(Said::binary("very short file (no magic)", "application/octet-stream"));
    }
    if let Some(said) = wide(head) {
        return Some(said);
    }
    let (encoding, charset) = encoding(head)?;
    let charset = charset_of.unwrap_or(charset);
    let plain = |words: &str, mime: &str| {
        Some(Said { words: words.to_owned(), mime: mime.to_owned(), encoding: charset })
    };
    match json(head) {
        0 => {}
        1 => return plain("JSON text data", "application/json"),
        _ => return plain("New Line Delimited JSON text data", "application/x-ndjson"),
    }
    let (kind, mime) = kind(head);
    if kind.as_deref() == Some("SVG Scalable Vector Graphics image") {
        return plain("SVG Scalable Vector Graphics image", mime);
    }
    if kind.is_none() && separated(head) {
        return plain("CSV text", "text/csv");
    }
    let mut words = match kind.as_deref() {
        Some(kind) if kind.ends_with(" text executable") => kind.to_owned(),
        Some(kind) if kind.ends_with(" executable") => {
            format!("{}, {encoding} text executable", kind.trim_end_matches(" executable"))
        }
        Some(kind) => format!("{}, {encoding} text", kind.trim_end_matches(',')),
        None => format!("{encoding} text"),
    };
    words.push_str(&lines(head));
    Some(Said { words, mime: mime.to_owned(), encoding: charset })
}

fn wide(head: &[u8]) -> Option<Said> {
    let (order, charset, rest) = if let Some(rest) = head.strip_prefix(b"\xff\xfe") {
        ("little", "utf-16le", rest)
    } else {
        ("big", "utf-16be", head.strip_prefix(b"\xfe\xff")?)
    };
    let low: Vec<u8> =
        rest.chunks(2).filter_map(|pair| pair.get(usize::from(order == "big"))).copied().collect();
    let words = format!("Unicode text, UTF-16, {order}-endian text{}", lines(&low));
    Some(Said { words, mime: "text/plain".to_owned(), encoding: charset })
}

/// The encoding, in words and as MIME has it; none for what is no text.
pub fn encoding(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let sign = |byte: u8| matches!(byte, 7..=13 | 27 | 32..=126) || byte >= 0x80;
    if !head.iter().all(|&byte| sign(byte)) {
        return None;
    }
    if head.is_ascii() {
        return Some(("ASCII", "us-ascii"));
    }
    let whole = match std::str::from_utf8(head) {
        Ok(_) => true,
        // What was read may end within a character.
        Err(error) => error.error_len().is_none(),
    };
    Some(if whole && head.starts_with(b"\xef\xbb\xbf") {
        ("Unicode text, UTF-8 (with BOM)", "utf-8")
    } else if whole {
        ("Unicode text, UTF-8", "utf-8")
    } else if head.iter().all(|byte| !(0x80..0xa0).contains(byte) || *byte == 0x85) {
        ("ISO-8859", "iso-8859-1")
    } else {
        ("Non-ISO extended-ASCII", "unknown-8bit")
    })
}

fn lines(head: &[u8]) -> String {
    let mut words = String::new();
    let count = |byte: u8| head.iter().filter(|sign| **sign == byte).count();
    let pairs = memchr::memmem::find_iter(head, b"\r\n").count();
    let (feeds, returns) = (count(b'\n') - pairs, count(b'\r') - pairs);
    let longest = head
        .split(|&byte| byte == b'\n' || byte == b'\r')
        .map(|line| String::from_utf8_lossy(line).chars().count())
        .max()
        .unwrap_or(0);
    if longest > LONG_LINE {
        words.push_str(&format!(", with very long lines ({longest})"));
    }
    if feeds + returns + pairs == 0 {
        words.push_str(", with no line terminators");
    } else if returns + pairs > 0 {
        let kinds = [(pairs, "CRLF"), (returns, "CR"), (feeds, "LF")];
        let kinds: Vec<&str> = kinds.iter().filter(|(count, _)| *count > 0).map(|(_, name)| *name).collect();
        words.push_str(&format!(", with {} line terminators", kinds.join(", ")));
    }
    if count(27) > 0 {
        words.push_str(", with escape sequences");
    }
    if count(8) > 0 {
        words.push_str(", with overstriking");
    }
    words
}

/// The language, and its MIME type.
fn kind(head: &[u8]) -> (Option<String>, &'static str) {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
        return script(String::from_utf8_lossy(line).trim());
    }
    let start = head.trim_ascii_start();
    let lower: Vec<u8> = start.iter().take(4096).map(u8::to_ascii_lowercase).collect();
    let some = |kind: &str, mime| (Some(kind.to_owned()), mime);
    if head.starts_with(b"<?xml version=") {
        let version = head
            .get(15..18)
            .map_or_else(String::new, |version| String::from_utf8_lossy(version).into_owned());
        if memchr::memmem::find(&lower, b"<svg").is_some() {
            return some("SVG Scalable Vector Graphics image", "image/svg+xml");
        }
        return (Some(format!("XML {version} document")), "text/xml");
    }
    if lower.starts_with(b"<svg") {
        return some("SVG Scalable Vector Graphics image", "image/svg+xml");
    }
    let tags: [&[u8]; 4] = [b"<!doctype html", b"<html", b"<head", b"<title"];
    if tags.iter().any(|tag| lower.starts_with(tag)) {
        return some("HTML document", "text/html");
    }
    if head.starts_with(b"diff ")
        || head.starts_with(b"--- ")
        || head.starts_with(b"Index:")
        || head.starts_with(b"Only in ")
    {
        let unified = memchr::memmem::find(head, b"\n+++ ").is_some();
        if unified {
            return some("unified diff output", "text/x-diff");
        }
        if !head.starts_with(b"--- ") {
            return some("diff output", "text/x-diff");
        }
    }
    let lines = || head.split(|&byte| byte == b'\n').take(400).map(|line| line.trim_ascii_end());
    let include = |line: &[u8]| {
        line.strip_prefix(b"#include").is_some_and(|rest| {
            rest.trim_ascii_start().starts_with(b"<") || rest.trim_ascii_start().starts_with(b"\"")
        })
    };
    if lines().any(include) {
        return some("C source", "text/x-c");
    }
    if lines().any(python) {
        return some("Python script executable", "text/x-script.python");
    }
    (None, "text/plain")
}

/// Whether a line is one of those that only Python has.
fn python(line: &[u8]) -> bool {
    let name = |text: &[u8]| {
        !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_., ".contains(byte))
    };
    if let Some(rest) = line.strip_prefix(b"import ") {
        return name(rest) && !rest.trim_ascii().contains(&b' ')
            || memchr::memmem::find(rest, b" as ").is_some() && name(rest);
    }
    if let Some(rest) = line.strip_prefix(b"from ") {
        let at = memchr::memmem::find(rest, b" import ");
        return at.is_some_and(|at| rest.get(..at).is_some_and(|from| name(from) && !from.contains(&b' ')));
    }
    line.strip_prefix(b"def ").is_some_and(|rest| rest.contains(&b'(') && rest.ends_with(b":"))
}

fn script(line: &str) -> (Option<String>, &'static str) {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let env = program == "/usr/bin/env" || program == "/bin/env";
    let name =
        if env { words.next().unwrap_or_default() } else { program.rsplit('/').next().unwrap_or_default() };
    let known = |kind: &str, mime| (Some(format!("{kind} executable")), mime);
    match name {
        "sh" | "dash" => known("POSIX shell script", "text/x-shellscript"),
        "bash" => known("Bourne-Again shell script", "text/x-shellscript"),
        "zsh" => known("Paul Falstad's zsh script", "text/x-shellscript"),
        "perl" => known("Perl script text", "text/x-perl"),
        "awk" => known("awk script", "text/x-awk"),
        "gawk" => known("GNU awk script", "text/x-gawk"),
        "node" | "nodejs" => (Some("Node.js script executable,".to_owned()), "application/javascript"),
        "ruby" => known("Ruby script", "text/x-ruby"),
        "php" => known("PHP script", "text/x-php"),
        name if name.starts_with("python") => known("Python script", "text/x-script.python"),
        _ if env => {
            (Some(format!("a {} script executable", line.trim_start_matches(program).trim())), "text/plain")
        }
        _ => (Some(format!("a {line} script executable")), "text/plain"),
    }
}

/// Whether the first lines have the same number of commas.
fn separated(head: &[u8]) -> bool {
    let whole =
        head.iter().rposition(|&byte| byte == b'\n').and_then(|at| head.get(..at)).unwrap_or_default();
    let mut counts = whole.split(|&byte| byte == b'\n').take(10).map(|line| {
        let mut quoted = false;
        line.iter()
            .filter(|byte| {
                quoted ^= **byte == b'"';
                **byte == b',' && !quoted
            })
            .count()
    });
    let first = counts.next().unwrap_or(0);
    let mut rest = counts.peekable();
    first > 0 && rest.peek().is_some() && rest.all(|count| count == first)
}

/// How many JSON objects or arrays a text is; 0 when it is anything else.
fn json(head: &[u8]) -> usize {
    let mut rest = head.trim_ascii_start();
    let mut count = 0;
    while !rest.is_empty() {
        if !matches!(rest.first(), Some(b'{' | b'[')) {
            return 0;
        }
        match value(rest, 0) {
            Some(behind) => rest = behind.trim_ascii_start(),
            None => return 0,
        }
        count += 1;
    }
    count
}

/// What is behind a value.
fn value(text: &[u8], depth: usize) -> Option<&[u8]> {
    let text = text.trim_ascii_start();
    match text.first()? {
        b'{' | b'[' if depth < DEEPEST => {
            let object = text.first() == Some(&b'{');
            let end = if object { b"}" } else { b"]" };
            let mut rest = text.get(1..)?.trim_ascii_start();
            if let Some(behind) = rest.strip_prefix(end) {
                return Some(behind);
            }
            loop {
                if object {
                    rest = string(rest.trim_ascii_start())?.trim_ascii_start().strip_prefix(b":")?;
                }
                rest = value(rest, depth + 1)?.trim_ascii_start();
                match rest.strip_prefix(b",") {
                    Some(behind) => rest = behind,
                    None => return rest.strip_prefix(end),
                }
            }
        }
        b'"' => string(text),
        b't' => text.strip_prefix(b"true"),
        b'f' => text.strip_prefix(b"false"),
        b'n' => text.strip_prefix(b"null"),
        b'-' | b'0'..=b'9' => {
            let count = text.iter().take_while(|byte| b"+-.eE0123456789".contains(byte)).count();
            let (number, rest) = text.split_at(count);
            std::str::from_utf8(number).ok()?.parse::<f64>().ok().map(|_| rest)
        }
        _ => None,
    }
}

fn string(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        let (&byte, behind) = rest.split_first()?;
        rest = match byte {
            b'"' => return Some(behind),
            b'\\' => behind.get(1..)?,
            _ => behind,
        };
    }
}
