//! The text of a program to its words.

#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Number(f64),
    Text(Vec<u8>),
    Regex(Vec<u8>),
    Name(String),
    /// A name with a parenthesis right behind it.
    Function(String),
    Word(&'static str),
    Mark(&'static str),
    Newline,
    End,
}

const WORDS: &[&str] = &[
    "BEGIN", "END", "function", "func", "if", "else", "while", "for", "do", "break", "continue", "next", "nextfile", "exit",
    "return", "delete", "in", "getline", "print", "printf", "switch", "case", "default",
];

pub const BUILTINS: &[&str] = &[
    "length", "substr", "index", "split", "sub", "gsub", "gensub", "match", "sprintf", "sin", "cos", "atan2", "exp", "log",
    "sqrt", "int", "rand", "srand", "tolower", "toupper", "system", "close", "fflush", "strftime", "systime", "mktime", "and",
    "or", "xor", "lshift", "rshift", "compl", "strtonum", "asort", "asorti", "typeof", "isarray",
];

const MARKS: &[&str] = &[
    "**=", "&&", "||", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "==", "<=", ">=", "!=", ">>", "!~", "|&", "**", "{", "}",
    "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", ">", "<", "|", "?", ":", "~", "$", "=",
];

/// All words, each with the line that it is on.
pub fn tokens(text: &[u8]) -> Result<Vec<(Token, usize)>, String> {
    let mut found: Vec<(Token, usize)> = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(&byte) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        match byte {
            b' ' | b'\t' | b'\r' => at += 1,
            b'\\' if rest.starts_with(b"\\\n") || rest.starts_with(b"\\\r\n") => {
                at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(0) + 1;
                line += 1;
            }
            b'\n' => {
                found.push((Token::Newline, line));
                line += 1;
                at += 1;
            }
            b'#' => at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()),
            b'"' => {
                let (value, taken) = string(rest).ok_or_else(|| format!("line {line}: unterminated string"))?;
                found.push((Token::Text(value), line));
                at += taken;
            }
            b'0'..=b'9' | b'.' if byte != b'.' || rest.get(1).is_some_and(u8::is_ascii_digit) => {
                let (value, taken) = number(rest);
                found.push((Token::Number(value), line));
                at += taken;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
                let name = String::from_utf8_lossy(rest.get(..length).unwrap_or_default()).into_owned();
                at += length;
                let token = match WORDS.iter().find(|word| **word == name) {
                    Some(word) => Token::Word(word),
                    None if text.get(at) == Some(&b'(') || BUILTINS.contains(&name.as_str()) => Token::Function(name),
                    None => Token::Name(name),
                };
                found.push((token, line));
            }
            b'/' if regex_may_begin(found.last().map(|(token, _)| token)) => {
                let (value, taken) = regex(rest).ok_or_else(|| format!("line {line}: unterminated regexp"))?;
                found.push((Token::Regex(value), line));
                at += taken;
            }
            _ => {
                let mark = MARKS
                    .iter()
                    .find(|mark| rest.starts_with(mark.as_bytes()))
                    .ok_or_else(|| format!("line {line}: unexpected character '{}'", char::from(byte)))?;
                found.push((Token::Mark(mark), line));
                at += mark.len();
            }
        }
    }
    found.push((Token::Newline, line));
    found.push((Token::End, line));
    Ok(found)
}

/// A slash divides only behind a value.
fn regex_may_begin(before: Option<&Token>) -> bool {
    !matches!(
        before,
        Some(
            Token::Number(_) | Token::Text(_) | Token::Regex(_) | Token::Name(_) | Token::Mark(")" | "]" | "$" | "++" | "--")
        )
    ) && !matches!(before, Some(Token::Function(name)) if name == "length")
}

fn regex(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut value = Vec::new();
    let mut at = 1;
    let mut bracket = false;
    loop {
        let byte = *text.get(at)?;
        match byte {
            b'\n' => return None,
            b'/' if !bracket => return Some((value, at + 1)),
            b'\\' => {
                let next = *text.get(at + 1)?;
                if next != b'/' {
                    value.push(b'\\');
                }
                value.push(next);
                at += 2;
                continue;
            }
            b'[' if !bracket => {
                bracket = true;
                value.push(byte);
                at += 1;
                if text.get(at) == Some(&b'^') {
                    value.push(b'^');
                    at += 1;
                }
                if text.get(at) == Some(&b']') {
                    value.push(b']');
                    at += 1;
                }
                continue;
            }
            b'[' if bracket && text.get(at + 1) == Some(&b':') => {
                let end = text.get(at..)?.windows(2).position(|pair| pair == b":]")?;
                value.extend_from_slice(text.get(at..at + end + 2)?);
                at += end + 2;
                continue;
            }
            b']' => bracket = false,
            _ => {}
        }
        value.push(byte);
        at += 1;
    }
}

fn string(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let end = {
        let mut at = 1;
        loop {
            match *text.get(at)? {
                b'"' => break at,
                b'\\' => at += 2,
                b'\n' => return None,
                _ => at += 1,
            }
        }
    };
    Some((unescaped(text.get(1..end)?), end + 1))
}

/// A string with its escapes as what they mean.
pub fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        let Some(&next) = text.get(at).filter(|_| byte == b'\\') else {
            value.push(byte);
            continue;
        };
        at += 1;
        match next {
            b'"' | b'\\' | b'/' => value.push(next),
            b'\n' => {}
            b'b' => value.push(8),
            b'0'..=b'7' => {
                let mut number = u32::from(next - b'0');
                for _ in 0..2 {
                    if let Some(&digit @ b'0'..=b'7') = text.get(at) {
                        number = number * 8 + u32::from(digit - b'0');
                        at += 1;
                    }
                }
                value.push(number.to_le_bytes()[0]);
            }
            b'x' => {
                let digits: String = text
                    .get(at..)
                    .unwrap_or_default()
                    .iter()
                    .take(2)
                    .map(|digit| char::from(*digit))
                    .take_while(char::is_ascii_hexdigit)
                    .collect();
                at += digits.len();
                match u8::from_str_radix(&digits, 16) {
                    Ok(number) => value.push(number),
                    Err(_) => value.extend_from_slice(b"\\x"),
                }
            }
            other => match crate::posix::escaped(other) {
                Some(meant) => value.push(meant),
                // What is no escape keeps its backslash, for the expressions that strings become.
                None => value.extend_from_slice(&[b'\\', other]),
            },
        }
    }
    value
}

fn number(text: &[u8]) -> (f64, usize) {
    if text.len() > 2 && text.first() == Some(&b'0') && matches!(text.get(1), Some(b'x' | b'X')) {
        let digits = text.iter().skip(2).take_while(|byte| byte.is_ascii_hexdigit()).count();
        let shown = String::from_utf8_lossy(text.get(2..2 + digits).unwrap_or_default()).into_owned();
        if let Ok(value) = u64::from_str_radix(&shown, 16) {
            #[allow(clippy::cast_precision_loss)]
            return (value as f64, 2 + digits);
        }
    }
    let length = super::value::numeric_length(text);
    let shown = String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned();
    (shown.parse().unwrap_or(0.0), length.max(1))
}
