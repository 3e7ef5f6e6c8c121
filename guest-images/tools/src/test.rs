//! test and [.

use std::path::Path;

use sandpiper_guest::status::Kind;
use sandpiper_guest::{EXECUTE, READ, Status, WRITE, access, os, users};

use crate::text::shown;

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    let mut words: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
    if tool == "[" && words.pop() != Some(b"]") {
        eprintln!("[: missing \u{2018}]\u{2019}");
        return 2;
    }
    match whole(&words) {
        Ok(holds) => i32::from(!holds),
        Err(message) => {
            eprintln!("{tool}: {message}");
            2
        }
    }
}

/// POSIX decides by the number of words; only longer ones are expressions.
fn whole(words: &[&[u8]]) -> Result<bool, String> {
    match words {
        [] => Ok(false),
        [one] => Ok(!one.is_empty()),
        [b"!", one] => Ok(one.is_empty()),
        [operator, value] if is_unary(operator) => unary(operator, value),
        [operator, _] => Err(format!("{}: unary operator expected", shown(operator))),
        [left, operator, right] if is_binary(operator) => binary(left, operator, right),
        [b"!", rest @ ..] if rest.len() < 4 => whole(rest).map(|holds| !holds),
        [b"(", one, b")"] => Ok(!one.is_empty()),
        [left, b"-a", right] => Ok(!left.is_empty() && !right.is_empty()),
        [left, b"-o", right] => Ok(!left.is_empty() || !right.is_empty()),
        [_, operator, _] => Err(format!("{}: binary operator expected", shown(operator))),
        [b"(", inner @ .., b")"] if inner.len() == 2 => whole(inner),
        _ => {
            let mut parser = Parser { words, at: 0 };
            let holds = parser.or()?;
            match words.get(parser.at) {
                None => Ok(holds),
                Some(extra) => Err(format!("extra argument \u{2018}{}\u{2019}", shown(extra))),
            }
        }
    }
}

struct Parser<'a> {
    words: &'a [&'a [u8]],
    at: usize,
}

impl Parser<'_> {
    fn takes(&mut self, word: &[u8]) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<bool, String> {
        let mut holds = self.and()?;
        while self.takes(b"-o") {
            holds |= self.and()?;
        }
        Ok(holds)
    }

    fn and(&mut self) -> Result<bool, String> {
        let mut holds = self.not()?;
        while self.takes(b"-a") {
            holds &= self.not()?;
        }
        Ok(holds)
    }

    fn not(&mut self) -> Result<bool, String> {
        if self.takes(b"!") {
            return self.not().map(|holds| !holds);
        }
        let rest = self.words.get(self.at..).unwrap_or_default();
        match rest {
            [] => Err("argument expected".to_owned()),
            [left, operator, right, ..] if is_binary(operator) => {
                self.at += 3;
                binary(left, operator, right)
            }
            [b"(", ..] => {
                self.at += 1;
                let holds = self.or()?;
                if self.takes(b")") { Ok(holds) } else { Err("\u{2018})\u{2019} expected".to_owned()) }
            }
            [operator, value, ..] if is_unary(operator) => {
                self.at += 2;
                unary(operator, value)
            }
            [one, ..] => {
                self.at += 1;
                Ok(!one.is_empty())
            }
        }
    }
}

fn is_unary(word: &[u8]) -> bool {
    matches!(word, [b'-', letter] if b"bcdefgGhkLNnOprsStuwxz".contains(letter))
}

fn is_binary(word: &[u8]) -> bool {
    matches!(
        word,
        b"=" | b"==" | b"!=" | b"<" | b">" | b"-eq" | b"-ne" | b"-lt" | b"-le" | b"-gt" | b"-ge" | b"-nt" | b"-ot" | b"-ef"
    )
}

fn unary(operator: &[u8], value: &[u8]) -> Result<bool, String> {
    let name = os(value);
    let path = Path::new(&name);
    let letter = operator.get(1).copied().unwrap_or(0);
    let status = || Status::of(path, true).ok();
    let kind = |kind: Kind| status().is_some_and(|status| status.kind == kind);
    Ok(match letter {
        b'n' => !value.is_empty(),
        b'z' => value.is_empty(),
        b'e' => status().is_some(),
        b'f' => kind(Kind::File),
        b'd' => kind(Kind::Directory),
        b'h' | b'L' => Status::of(path, false).is_ok_and(|status| status.kind == Kind::Link),
        b'p' => kind(Kind::Pipe),
        b'S' => kind(Kind::Socket),
        b'c' => kind(Kind::Character),
        b'b' => kind(Kind::Block),
        b's' => status().is_some_and(|status| status.size > 0),
        b'r' => access(path, READ).is_ok(),
        b'w' => access(path, WRITE).is_ok(),
        b'x' => access(path, EXECUTE).is_ok(),
        b'g' => status().is_some_and(|status| status.mode & 0o2000 != 0),
        b'u' => status().is_some_and(|status| status.mode & 0o4000 != 0),
        b'k' => status().is_some_and(|status| status.mode & 0o1000 != 0),
        b'O' => status().is_some_and(|status| status.user == users::current()),
        b'G' => status().is_some_and(|status| status.group == users::current_group()),
        b'N' => status().is_some_and(|status| status.modified > status.accessed),
        b't' => {
            use std::io::IsTerminal as _;
            match integer(value)? {
                0 => std::io::stdin().is_terminal(),
                1 => std::io::stdout().is_terminal(),
                2 => std::io::stderr().is_terminal(),
                _ => false,
            }
        }
        _ => false,
    })
}

fn integer(text: &[u8]) -> Result<i128, String> {
    let shown = shown(text);
    let trimmed = shown.trim();
    trimmed
        .strip_prefix('+')
        .unwrap_or(trimmed)
        .parse()
        .map_err(|_| format!("invalid integer \u{2018}{shown}\u{2019}"))
}

fn binary(left: &[u8], operator: &[u8], right: &[u8]) -> Result<bool, String> {
    let numbers = || Ok::<_, String>((integer(left)?, integer(right)?));
    let status = |name: &[u8]| Status::of(Path::new(&os(name)), true).ok();
    Ok(match operator {
        b"=" | b"==" => left == right,
        b"!=" => left != right,
        b"<" => left < right,
        b">" => left > right,
        b"-eq" => numbers().map(|(left, right)| left == right)?,
        b"-ne" => numbers().map(|(left, right)| left != right)?,
        b"-lt" => numbers().map(|(left, right)| left < right)?,
        b"-le" => numbers().map(|(left, right)| left <= right)?,
        b"-gt" => numbers().map(|(left, right)| left > right)?,
        b"-ge" => numbers().map(|(left, right)| left >= right)?,
        b"-nt" => match (status(left), status(right)) {
            (Some(left), Some(right)) => left.modified > right.modified,
            (left, _) => left.is_some(),
        },
        b"-ot" => match (status(left), status(right)) {
            (Some(left), Some(right)) => left.modified < right.modified,
            (_, right) => right.is_some(),
        },
        _ => match (status(left), status(right)) {
            (Some(left), Some(right)) => left.device == right.device && left.inode == right.inode,
            _ => false,
        },
    })
}
