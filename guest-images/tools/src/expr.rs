//! expr.

use crate::posix::{Dialect, Regex};
use crate::text::shown;

pub fn main(_: &str, arguments: &[Vec<u8>]) -> i32 {
    let words = match arguments {
        [first, rest @ ..] if first == b"--" => rest,
        other => other,
    };
    if words.is_empty() {
        eprintln!("expr: missing operand\nTry 'expr --help' for more information.");
        return 2;
    }
    let mut parser = Parser { words, at: 0, depth: 0 };
    let value = parser.or().and_then(|value| match parser.words.get(parser.at) {
        None => Ok(value),
        Some(word) => Err(format!("syntax error: unexpected argument \u{2018}{}\u{2019}", shown(word))),
    });
    match value {
        Ok(value) => {
            use std::io::Write as _;
            let mut line = value.clone();
            line.push(b'\n');
            if std::io::stdout().write_all(&line).is_err() {
                return 3;
            }
            i32::from(null(&value))
        }
        Err(message) => {
            eprintln!("expr: {message}");
            2
        }
    }
}

fn null(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    value.is_empty() || (!digits.is_empty() && digits.iter().all(|byte| *byte == b'0'))
}

fn integer(value: &[u8]) -> Option<i128> {
    std::str::from_utf8(value).ok()?.parse().ok().filter(|_| !value.starts_with(b"+"))
}

struct Parser<'a> {
    words: &'a [Vec<u8>],
    at: usize,
    depth: usize,
}

type Parsed = Result<Vec<u8>, String>;

impl Parser<'_> {
    fn takes(&mut self, words: &[&'static str]) -> Option<&'static str> {
        let next = self.words.get(self.at)?;
        let found = words.iter().find(|word| word.as_bytes() == next)?;
        self.at += 1;
        Some(found)
    }

    fn or(&mut self) -> Parsed {
        let mut left = self.and()?;
        while self.takes(&["|"]).is_some() {
            let right = self.and()?;
            if null(&left) {
                left = if null(&right) { b"0".to_vec() } else { right };
            }
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed {
        let mut left = self.comparison()?;
        while self.takes(&["&"]).is_some() {
            let right = self.comparison()?;
            if null(&left) || null(&right) {
                left = b"0".to_vec();
            }
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Parsed {
        let mut left = self.sum()?;
        while let Some(operator) = self.takes(&["<", "<=", "=", "==", "!=", ">=", ">"]) {
            let right = self.sum()?;
            let order = match (integer(&left), integer(&right)) {
                (Some(left), Some(right)) => left.cmp(&right),
                _ => left.cmp(&right),
            };
            let holds = match operator {
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                "=" | "==" => order.is_eq(),
                "!=" => order.is_ne(),
                ">=" => order.is_ge(),
                _ => order.is_gt(),
            };
            left = if holds { b"1".to_vec() } else { b"0".to_vec() };
        }
        Ok(left)
    }

    fn numbers(left: &[u8], right: &[u8]) -> Result<(i128, i128), String> {
        let number = |value| integer(value).ok_or_else(|| "non-integer argument".to_owned());
        Ok((number(left)?, number(right)?))
    }

    fn sum(&mut self) -> Parsed {
        let mut left = self.product()?;
        while let Some(operator) = self.takes(&["+", "-"]) {
            let right = self.product()?;
            let (a, b) = Self::numbers(&left, &right)?;
            let value = if operator == "+" { a.checked_add(b) } else { a.checked_sub(b) };
            left = value.ok_or("integer out of range")?.to_string().into_bytes();
        }
        Ok(left)
    }

    fn product(&mut self) -> Parsed {
        let mut left = self.matching()?;
        while let Some(operator) = self.takes(&["*", "/", "%"]) {
            let right = self.matching()?;
            let (a, b) = Self::numbers(&left, &right)?;
            if b == 0 && operator != "*" {
                return Err("division by zero".to_owned());
            }
            let value = match operator {
                "*" => a.checked_mul(b),
                "/" => a.checked_div(b),
                _ => a.checked_rem(b),
            };
            left = value.ok_or("integer out of range")?.to_string().into_bytes();
        }
        Ok(left)
    }

    fn matching(&mut self) -> Parsed {
        let mut left = self.primary()?;
        while self.takes(&[":"]).is_some() {
            let pattern = self.primary()?;
            left = matched(&left, &pattern)?;
        }
        Ok(left)
    }

    fn primary(&mut self) -> Parsed {
        let Some(word) = self.words.get(self.at) else {
            let last = self.words.last().map(|word| shown(word)).unwrap_or_default();
            return Err(format!("syntax error: missing argument after \u{2018}{last}\u{2019}"));
        };
        self.at += 1;
        match word.as_slice() {
            b"(" => {
                self.depth += 1;
                if self.depth > 200 {
                    return Err("nested too deep".to_owned());
                }
                let value = self.or()?;
                self.depth -= 1;
                if self.takes(&[")"]).is_none() {
                    return Err("syntax error: expecting ')'".to_owned());
                }
                Ok(value)
            }
            b"+" if self.at < self.words.len() => {
                self.at += 1;
                Ok(self.words.get(self.at - 1).cloned().unwrap_or_default())
            }
            b"length" if self.at < self.words.len() => {
                let value = self.primary()?;
                Ok(String::from_utf8_lossy(&value).chars().count().to_string().into_bytes())
            }
            b"match" if self.at < self.words.len() => {
                let (text, pattern) = (self.primary()?, self.primary()?);
                matched(&text, &pattern)
            }
            b"index" if self.at < self.words.len() => {
                let (text, set) = (shown(&self.primary()?), shown(&self.primary()?));
                let at = text.chars().position(|character| set.contains(character));
                Ok(at.map_or(0, |at| at + 1).to_string().into_bytes())
            }
            b"substr" if self.at < self.words.len() => {
                let (text, start, length) = (shown(&self.primary()?), self.primary()?, self.primary()?);
                let (Some(start), Some(length)) = (integer(&start), integer(&length)) else { return Ok(Vec::new()) };
                if start < 1 || length < 1 {
                    return Ok(Vec::new());
                }
                let start = usize::try_from(start - 1).unwrap_or(usize::MAX);
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                Ok(text.chars().skip(start).take(length).collect::<String>().into_bytes())
            }
            other => Ok(other.to_vec()),
        }
    }
}

fn matched(text: &[u8], pattern: &[u8]) -> Parsed {
    let regex = Regex::new(pattern, Dialect::default())?;
    let spans = regex.captures_at(text, 0).filter(|spans| spans.first().copied().flatten().is_some_and(|(from, _)| from == 0));
    if regex.groups() > 0 {
        let span = spans.and_then(|spans| spans.get(1).copied().flatten());
        return Ok(span.and_then(|(from, to)| text.get(from..to)).unwrap_or_default().to_vec());
    }
    let length = spans.and_then(|spans| spans.first().copied().flatten()).map_or(0, |(_, to)| {
        String::from_utf8_lossy(text.get(..to).unwrap_or_default()).chars().count()
    });
    Ok(length.to_string().into_bytes())
}
