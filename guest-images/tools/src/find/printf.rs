//! `-printf` and `-ls`.

use std::fs;

use sandpiper_guest::status::Kind;
use sandpiper_guest::{Status, bytes, users};

use super::act::base_name;
use super::parse::Which;
use super::walk::{Entry, Search, followed};

pub fn format(format: &[u8], entry: &Entry, search: &mut Search) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = format;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'\\' => {
                let Some((&escaped, behind)) = rest.split_first() else {
                    out.push(b'\\');
                    break;
                };
                rest = behind;
                match escaped {
                    b'c' => return out,
                    b'0'..=b'7' => {
                        let mut value = u32::from(escaped - b'0');
                        let mut digits = 1;
                        while let Some((&digit @ b'0'..=b'7', behind)) = rest.split_first().filter(|_| digits < 3) {
                            value = value * 8 + u32::from(digit - b'0');
                            rest = behind;
                            digits += 1;
                        }
                        out.push(value.to_le_bytes()[0]);
                    }
                    b'b' => out.push(8),
                    b'\\' => out.push(b'\\'),
                    other => match crate::posix::escaped(other) {
                        Some(meant) => out.push(meant),
                        None => out.extend_from_slice(&[b'\\', other]),
                    },
                }
            }
            b'%' => {
                let flags = rest.iter().take_while(|byte| b"-+ #0".contains(byte)).count();
                let (flag, behind) = rest.split_at(flags);
                let digits = behind.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
                let (width, behind) = behind.split_at(digits);
                let Some((&letter, mut behind)) = behind.split_first() else {
                    out.push(b'%');
                    break;
                };
                let mut sub = 0;
                if matches!(letter, b'A' | b'T' | b'C')
                    && let Some((&next, further)) = behind.split_first()
                {
                    sub = next;
                    behind = further;
                }
                rest = behind;
                if letter == b'%' {
                    out.push(b'%');
                    continue;
                }
                match directive(letter, sub, entry) {
                    Some(text) => pad(&text, flag, width, &mut out),
                    None => {
                        eprintln!("find: unrecognized format directive `%{}'", char::from(letter));
                        search.code = 1;
                        out.extend_from_slice(&[b'%', letter]);
                    }
                }
            }
            other => out.push(other),
        }
    }
    out
}

fn pad(text: &[u8], flags: &[u8], width: &[u8], out: &mut Vec<u8>) {
    let width: usize = String::from_utf8_lossy(width).split('.').next().and_then(|width| width.parse().ok()).unwrap_or(0);
    let missing = width.saturating_sub(String::from_utf8_lossy(text).chars().count());
    if flags.contains(&b'-') {
        out.extend_from_slice(text);
        out.extend(std::iter::repeat_n(b' ', missing));
    } else {
        let fill = if flags.contains(&b'0') { b'0' } else { b' ' };
        out.extend(std::iter::repeat_n(fill, missing));
        out.extend_from_slice(text);
    }
}

fn directive(letter: u8, sub: u8, entry: &Entry) -> Option<Vec<u8>> {
    let text = match letter {
        b'p' => return Some(entry.name.clone()),
        b'f' => return Some(base_name(&entry.name).to_vec()),
        b'h' => {
            let end = entry.name.iter().rposition(|&byte| byte == b'/');
            return Some(match end {
                Some(end) => entry.name.get(..end).unwrap_or_default().to_vec(),
                None => b".".to_vec(),
            });
        }
        b'P' => {
            let rest = entry.name.get(entry.start..).unwrap_or_default();
            return Some(rest.strip_prefix(b"/").unwrap_or(rest).to_vec());
        }
        b'H' => return Some(entry.name.get(..entry.start).unwrap_or_default().to_vec()),
        b'l' => {
            let target = fs::read_link(&entry.path).ok().filter(|_| entry.kind == Kind::Link);
            return Some(target.map(|target| bytes(target.as_os_str()).to_vec()).unwrap_or_default());
        }
        b'd' => entry.depth.to_string(),
        b'y' => kind(entry.kind).to_string(),
        b'Y' => match entry.kind {
            Kind::Link => followed(&entry.path).map_or('N', kind).to_string(),
            other => kind(other).to_string(),
        },
        _ => {
            let status = entry.status()?;
            match letter {
                b's' => status.size.to_string(),
                b'b' => status.blocks.to_string(),
                b'k' => status.blocks.div_ceil(2).to_string(),
                b'm' => format!("{:o}", status.mode),
                b'M' => crate::mode::symbols(status.kind, status.mode),
                b'n' => status.links.to_string(),
                b'i' => status.inode.to_string(),
                b'D' => status.device.to_string(),
                b'u' => users::user_name(status.user).unwrap_or_else(|| status.user.to_string()),
                b'g' => users::group_name(status.group).unwrap_or_else(|| status.group.to_string()),
                b'U' => status.user.to_string(),
                b'G' => status.group.to_string(),
                b'a' => stamp(status, Which::Accessed, b'c'),
                b't' => stamp(status, Which::Modified, b'c'),
                b'c' => stamp(status, Which::Changed, b'c'),
                b'A' => stamp(status, Which::Accessed, sub),
                b'T' => stamp(status, Which::Modified, sub),
                b'C' => stamp(status, Which::Changed, sub),
                _ => return None,
            }
        }
    };
    Some(text.into_bytes())
}

fn kind(kind: Kind) -> char {
    if kind == Kind::File { 'f' } else { kind.letter() }
}

fn stamp(status: &Status, which: Which, letter: u8) -> String {
    let time = which.of(status);
    let local = crate::time::local(time);
    let with = |format: &str| crate::time::format(&local, format);
    let part = format!("{:09}0", time.1);
    match letter {
        b'@' => format!("{}.{part}", time.0),
        b'c' => format!("{}.{part} {}", with("%a %b %e %H:%M:%S"), with("%Y")),
        b'+' => format!("{}.{part}", with("%Y-%m-%d+%H:%M:%S")),
        b'S' => format!("{}.{part}", with("%S")),
        b'T' => format!("{}.{part}", with("%H:%M:%S")),
        b'X' => format!("{}.{part}", with("%H:%M:%S")),
        b'x' | b'D' => with("%m/%d/%y"),
        other => with(&format!("%{}", char::from(other))),
    }
}

pub fn listed(status: &Status, entry: &Entry, now: i64) -> Vec<u8> {
    let user = users::user_name(status.user).unwrap_or_else(|| status.user.to_string());
    let group = users::group_name(status.group).unwrap_or_else(|| status.group.to_string());
    let mut out = format!(
        "{:>9} {:>6} {} {:>3} {user:<8} {group:<8} {:>8} {} ",
        status.inode,
        status.blocks.div_ceil(2),
        crate::mode::symbols(status.kind, status.mode),
        status.links,
        status.size,
        crate::time::recent(status.modified, now),
    )
    .into_bytes();
    out.extend_from_slice(&entry.name);
    if status.kind == Kind::Link
        && let Ok(target) = fs::read_link(&entry.path)
    {
        out.extend_from_slice(b" -> ");
        out.extend_from_slice(bytes(target.as_os_str()));
    }
    out.push(b'\n');
    out
}
