//! The words of a line of claims: tokens, strings, numbers and sets of flags.

/// Size of the caller's memory.
pub const MEMORY_BYTES: u64 = 512 << 16;

/// Splits a line at its spaces, but not inside of quotes and brackets.
pub fn tokens(line: &str) -> Vec<String> {
    let (mut found, mut token) = (Vec::new(), String::new());
    let (mut quoted, mut escaped, mut depth) = (false, false, 0_usize);
    for c in line.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' | '(' if !quoted => depth += 1,
            ']' | ')' if !quoted => depth -= 1,
            _ => {}
        }
        if c == ' ' && !quoted && depth == 0 {
            if !token.is_empty() {
                found.push(std::mem::take(&mut token));
            }
        } else {
            token.push(c);
        }
    }
    assert!(!quoted && depth == 0, "quotes and brackets are closed: {line}");
    if !token.is_empty() {
        found.push(token);
    }
    found
}

/// The tokens in a pair of brackets.
pub fn list(token: &str) -> Vec<String> {
    let inner = token.strip_prefix('[').and_then(|token| token.strip_suffix(']'));
    tokens(inner.unwrap_or_else(|| panic!("{token} is no list in brackets")))
}

/// The bytes of `"text"`, `"a"*3` or a sum of such, as `"/tmp/"+"x"*256`.
pub fn bytes(token: &str) -> Vec<u8> {
    let mut found = Vec::new();
    let mut rest = token;
    loop {
        rest = rest.strip_prefix('"').unwrap_or_else(|| panic!("{token} is no string"));
        let (piece, after) = piece(rest);
        let mut times = 1;
        rest = after;
        if let Some(after) = rest.strip_prefix('*') {
            let end = after.find('+').unwrap_or(after.len());
            times = after[..end].parse().unwrap();
            rest = &after[end..];
        }
        found.extend(piece.repeat(times));
        match rest.strip_prefix('+') {
            Some(more) => rest = more,
            None if rest.is_empty() => return found,
            None => panic!("{rest} follows a string in {token}"),
        }
    }
}

fn piece(text: &str) -> (Vec<u8>, &str) {
    let mut found = Vec::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (found, &text[at + 1..]),
            '\\' => {
                let (at, c) = characters.next().unwrap();
                match c {
                    'n' => found.push(b'\n'),
                    '0' => found.push(0),
                    'x' => {
                        found.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
                        characters.nth(1);
                    }
                    c => found.extend(c.to_string().into_bytes()),
                }
            }
            c => found.extend(c.to_string().into_bytes()),
        }
    }
    panic!("{text} does not end");
}

/// A number: decimal, `0x`, negative, `max`, `5s` in nanoseconds, or an address from the `end` of
/// the memory, as `end-4`.
pub fn number(token: &str) -> Option<u64> {
    if token == "max" {
        return Some(u64::MAX);
    }
    if let Some(before) = token.strip_prefix("end") {
        return MEMORY_BYTES.checked_add_signed(if before.is_empty() { 0 } else { before.parse().ok()? });
    }
    if let Some(hex) = token.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok();
    }
    if let Some(seconds) = token.strip_suffix('s') {
        return Some(seconds.parse::<u64>().ok()? * 1_000_000_000);
    }
    if token.starts_with('-') {
        return Some(token.parse::<i64>().ok()?.cast_unsigned());
    }
    token.parse().ok()
}

pub const OPEN_FLAGS: [&str; 4] = ["creat", "directory", "excl", "trunc"];
pub const FD_FLAGS: [&str; 5] = ["append", "dsync", "nonblock", "rsync", "sync"];
pub const TIME_FLAGS: [&str; 4] = ["atim", "atim_now", "mtim", "mtim_now"];
pub const LOOKUP_FLAGS: [&str; 1] = ["follow"];
pub const WHENCES: [&str; 3] = ["set", "cur", "end"];
pub const CLOCKS: [&str; 4] = ["realtime", "monotonic", "process_cpu", "thread_cpu"];
pub const ADVICES: [&str; 6] = ["normal", "sequential", "random", "willneed", "dontneed", "noreuse"];
pub const KINDS: [&str; 8] =
    ["unknown", "block", "character", "directory", "file", "datagram", "stream", "link"];
pub const RIGHTS: [&str; 30] = [
    "fd_datasync",
    "fd_read",
    "fd_seek",
    "fd_fdstat_set_flags",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "fd_advise",
    "fd_allocate",
    "path_create_directory",
    "path_create_file",
    "path_link_source",
    "path_link_target",
    "path_open",
    "fd_readdir",
    "path_readlink",
    "path_rename_source",
    "path_rename_target",
    "path_filestat_get",
    "path_filestat_set_size",
    "path_filestat_set_times",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "path_symlink",
    "path_remove_directory",
    "path_unlink_file",
    "poll_fd_readwrite",
    "sock_shutdown",
    "sock_accept",
];

/// A set of flags by their names with `|` between them, `-` for none, or its number.
pub fn flags(token: &str, names: &[&str]) -> u64 {
    if token == "-" {
        return 0;
    }
    if let Some(number) = number(token) {
        return number;
    }
    token.split('|').map(|flag| 1 << place(flag, names)).sum()
}

/// Rights as [`flags`]; `all` is every one, and a minus takes some away, as `all-fd_write`.
pub fn rights(token: &str) -> u64 {
    if token == "-" {
        return 0;
    }
    let (set, taken) = token.split_once('-').map_or((token, 0), |(set, taken)| (set, flags(taken, &RIGHTS)));
    match set {
        "all" => ((1 << RIGHTS.len()) - 1) & !taken,
        set => flags(set, &RIGHTS) & !taken,
    }
}

/// One of an enumeration's names, or its number.
pub fn choice(token: &str, names: &[&str]) -> u64 {
    let known = names.iter().position(|known| *known == token);
    known.map_or_else(|| number(token).unwrap_or_else(|| place(token, names)), |place| place as u64)
}

fn place(name: &str, names: &[&str]) -> u64 {
    let found = names.iter().position(|known| *known == name);
    found.unwrap_or_else(|| panic!("{name} is none of {names:?}")) as u64
}

#[test]
fn strings_are_sums_of_repeated_pieces() {
    assert_eq!(bytes(r#""a"*3+"\x00\n"+"é""#), b"aaa\0\n\xc3\xa9");
    assert_eq!(tokens(r#"a "b c" [d "e]" f(1 2)]"#), ["a", r#""b c""#, r#"[d "e]" f(1 2)]"#]);
}
