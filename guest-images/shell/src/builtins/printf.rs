//! `printf`.

use std::time::SystemTime;

use crate::expand::escape::{Style, one, quoted_backslash, quoted_reusable};
use crate::flow::{Result, Status};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;

/// A field as wide as this is refused before memory is spent on it.
const WIDTH_MAX: usize = 1 << 24;

#[derive(Debug, Default)]
struct Conversion {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

struct Arguments<'a> {
    words: &'a [Bytes],
    at: usize,
}

impl Arguments<'_> {
    fn next(&mut self) -> Option<&Bytes> {
        let word = self.words.get(self.at);
        self.at += 1;
        word
    }
}

pub fn printf(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let mut rest = &arguments[1..];
    let mut variable = None;
    while let Some(first) = rest.first() {
        match first.as_slice() {
            b"--" => {
                rest = &rest[1..];
                break;
            }
            b"-v" => {
                let Some(name) = rest.get(1) else {
                    shell.complain_as("printf", "-v: option requires an argument");
                    return Ok(shell.usage("printf [-v var] format [arguments]"));
                };
                if !crate::variables::is_place(name) {
                    shell.complain_as(
                        "printf",
                        [b"`".as_slice(), name, b"': not a valid identifier"].concat(),
                    );
                    return Ok(2);
                }
                variable = Some(name.clone());
                rest = &rest[2..];
            }
            option if option.len() > 1 && option[0] == b'-' => {
                let letter = char::from(option[1]);
                shell.complain_as("printf", format!("-{letter}: invalid option"));
                return Ok(shell.usage("printf [-v var] format [arguments]"));
            }
            _ => break,
        }
    }
    let Some((format, words)) = rest.split_first() else {
        return Ok(shell.usage("printf [-v var] format [arguments]"));
    };
    let mut out = Bytes::new();
    let mut words = Arguments { words, at: 0 };
    let mut status = 0;
    loop {
        let before = words.at;
        let stops = once(shell, format, &mut words, &mut out, &mut status);
        if stops || words.at == before || words.at >= words.words.len() {
            break;
        }
    }
    match variable {
        Some(name) => {
            out.retain(|&byte| byte != 0);
            shell.assign_text(&name, out)?;
        }
        None => shell.out.extend_from_slice(&out),
    }
    Ok(status)
}

/// Goes once through the format; says whether the output ends.
fn once(
    shell: &mut Shell,
    format: &[u8],
    words: &mut Arguments,
    out: &mut Bytes,
    status: &mut Status,
) -> bool {
    let mut at = 0;
    while at < format.len() {
        match format[at] {
            b'\\' if at + 1 < format.len() => {
                let (length, _) = one(&format[at + 1..], Style::Format, out);
                at += 1 + length;
            }
            b'%' if format.get(at + 1) == Some(&b'%') => {
                out.push(b'%');
                at += 2;
            }
            b'%' => {
                at += 1;
                let Some(end) = conversion(shell, &format[at..], words, out, status) else { return true };
                at += end;
            }
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
    false
}

/// One conversion behind its `%`; gives its length, or none when all output ends.
fn conversion(
    shell: &mut Shell,
    format: &[u8],
    words: &mut Arguments,
    out: &mut Bytes,
    status: &mut Status,
) -> Option<usize> {
    let mut wanted = Conversion::default();
    let mut at = 0;
    while let Some(flag) = format.get(at) {
        match flag {
            b'-' => wanted.left = true,
            b'+' => wanted.plus = true,
            b' ' => wanted.space = true,
            b'#' => wanted.alternate = true,
            b'0' => wanted.zero = true,
            b'\'' => {}
            _ => break,
        }
        at += 1;
    }
    let mut number = |at: &mut usize, words: &mut Arguments| -> Option<i64> {
        if format.get(*at) == Some(&b'*') {
            *at += 1;
            let word = words.next().cloned().unwrap_or_default();
            return Some(integer(shell, &word, status));
        }
        let start = *at;
        while format.get(*at).is_some_and(u8::is_ascii_digit) {
            *at += 1;
        }
        std::str::from_utf8(&format[start..*at]).ok()?.parse().ok()
    };
    if let Some(width) = number(&mut at, words) {
        wanted.left |= width < 0;
        wanted.width = usize::try_from(width.unsigned_abs()).unwrap_or(0);
    }
    if format.get(at) == Some(&b'.') {
        at += 1;
        let precision = number(&mut at, words).unwrap_or(0);
        wanted.precision = usize::try_from(precision).ok();
    }
    if wanted.width > WIDTH_MAX || wanted.precision.is_some_and(|precision| precision > WIDTH_MAX) {
        shell.complain_as("printf", "field width is too large");
        *status = 1;
        return None;
    }
    while matches!(format.get(at), Some(b'l' | b'h' | b'j' | b'z' | b't' | b'L' | b'q'))
        && format.get(at + 1).is_some_and(u8::is_ascii_alphabetic)
    {
        at += 1;
    }
    let Some(&letter) = format.get(at) else {
        shell.complain_as("printf", "missing format character");
        *status = 1;
        return None;
    };
    match letter {
        b'(' => {
            let end = format[at..].iter().position(|&byte| byte == b')')?;
            if format.get(at + end + 1) != Some(&b'T') {
                shell.complain_as("printf", "warning: invalid time format");
                *status = 1;
                return None;
            }
            let pattern = format[at + 1..at + end].to_vec();
            let pattern = if pattern.is_empty() { b"%X".to_vec() } else { pattern };
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
            let now = i64::try_from(now).unwrap_or(0);
            let seconds = match words.next() {
                None => now,
                Some(word) if word == b"-1" || word == b"-2" => now,
                Some(word) => {
                    let word = word.clone();
                    integer(shell, &word, status)
                }
            };
            let zone = shell.value_or_empty(b"TZ");
            let text = crate::time::format(&pattern, seconds, &zone);
            padded(&text, &wanted, out);
            return Some(at + end + 2);
        }
        b's' => {
            let word = words.next().cloned().unwrap_or_default();
            padded(&cut(&word, wanted.precision), &wanted, out);
        }
        b'c' => {
            let word = words.next().cloned().unwrap_or_default();
            let first = word.first().copied().map_or(Bytes::from([0]), |byte| vec![byte]);
            let first = if word.is_empty() { Bytes::new() } else { first };
            padded(&first, &wanted, out);
            if word.is_empty() {
                out.push(0);
            }
        }
        b'b' => {
            let word = words.next().cloned().unwrap_or_default();
            let mut text = Bytes::new();
            let mut ends = false;
            let mut from = 0;
            while from < word.len() && !ends {
                if word[from] == b'\\' && from + 1 < word.len() {
                    let (length, stops) = one(&word[from + 1..], Style::PrintfArgument, &mut text);
                    from += 1 + length;
                    ends = stops;
                } else {
                    text.push(word[from]);
                    from += 1;
                }
            }
            padded(&cut(&text, wanted.precision), &wanted, out);
            if ends {
                return None;
            }
        }
        b'q' | b'Q' => {
            let word = words.next().cloned().unwrap_or_default();
            let text = if letter == b'Q' {
                quoted_backslash(&cut(&word, wanted.precision))
            } else if wanted.alternate {
                quoted_reusable(&word)
            } else {
                quoted_backslash(&word)
            };
            padded(&if letter == b'q' { cut(&text, wanted.precision) } else { text }, &wanted, out);
        }
        b'd' | b'i' => {
            let word = words.next().cloned().unwrap_or_default();
            let value = integer(shell, &word, status);
            let sign = if value < 0 {
                "-"
            } else if wanted.plus {
                "+"
            } else if wanted.space {
                " "
            } else {
                ""
            };
            digits(sign, &value.unsigned_abs().to_string(), &wanted, out);
        }
        b'u' | b'o' | b'x' | b'X' => {
            let word = words.next().cloned().unwrap_or_default();
            let value = integer(shell, &word, status).cast_unsigned();
            let (prefix, text) = match letter {
                b'u' => ("", value.to_string()),
                b'o' => (if wanted.alternate && value != 0 { "0" } else { "" }, format!("{value:o}")),
                b'x' => (if wanted.alternate && value != 0 { "0x" } else { "" }, format!("{value:x}")),
                _ => (if wanted.alternate && value != 0 { "0X" } else { "" }, format!("{value:X}")),
            };
            digits(prefix, &text, &wanted, out);
        }
        b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'a' | b'A' => {
            let word = words.next().cloned().unwrap_or_default();
            let value = float(shell, &word, status);
            if letter == b'a' || letter == b'A' {
                let refused = shell.unsupported("printf %a");
                *status = refused;
                return None;
            }
            float_out(value, letter, &wanted, out);
        }
        b'n' => {
            let name = words.next().cloned().unwrap_or_default();
            let length = out.len().to_string().into_bytes();
            shell.assign(&name, length).ok();
        }
        other => {
            shell.complain_as("printf", format!("`{}': invalid format character", char::from(other)));
            *status = 1;
            return None;
        }
    }
    Some(at + 1)
}

/// The first characters; bash counts characters, not bytes.
fn cut(text: &[u8], precision: Option<usize>) -> Bytes {
    match precision {
        None => text.to_vec(),
        Some(most) => text[..most.min(text.len())].to_vec(),
    }
}

fn padded(text: &[u8], wanted: &Conversion, out: &mut Bytes) {
    let gap = wanted.width.saturating_sub(text.len());
    if !wanted.left {
        out.resize(out.len() + gap, b' ');
    }
    out.extend_from_slice(text);
    if wanted.left {
        out.resize(out.len() + gap, b' ');
    }
}

fn digits(prefix: &str, text: &str, wanted: &Conversion, out: &mut Bytes) {
    let mut text = text.to_owned();
    if let Some(precision) = wanted.precision {
        if precision == 0 && text == "0" {
            text.clear();
        }
        text.insert_str(0, &"0".repeat(precision.saturating_sub(text.len())));
    } else if wanted.zero && !wanted.left {
        text.insert_str(0, &"0".repeat(wanted.width.saturating_sub(text.len() + prefix.len())));
    }
    text.insert_str(0, prefix);
    padded(text.as_bytes(), wanted, out);
}

/// A number as C reads it, or the code of a character behind a quote.
fn integer(shell: &mut Shell, word: &[u8], status: &mut Status) -> i64 {
    if let Some(quoted @ [b'\'' | b'"', ..]) = Some(word) {
        return i64::from(crate::bytes::code_point(&quoted[1..=crate::bytes::char_length(&quoted[1..])]));
    }
    let text = word.trim_ascii_start();
    if text.is_empty() {
        return 0;
    }
    let (negative, digits) = match text[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (base, digits, prefixed) = match digits {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => {
            (16, rest, false)
        }
        [b'0', rest @ ..] if !rest.is_empty() => (8, rest, true),
        digits => (10, digits, false),
    };
    let length = digits.iter().take_while(|&&byte| char::from(byte).is_digit(base)).count();
    let mut value: u64 = 0;
    let mut overflow = false;
    for &byte in &digits[..length] {
        let digit = char::from(byte).to_digit(base).unwrap_or(0);
        match value.checked_mul(u64::from(base)).and_then(|value| value.checked_add(u64::from(digit))) {
            Some(next) => value = next,
            None => overflow = true,
        }
    }
    if length < digits.len() || (length == 0 && !prefixed) {
        shell.complain_as("printf", [word, b": invalid number"].concat());
        *status = 1;
    }
    if overflow
        || (negative && value > 1 << 63)
        || (!negative && value > i64::MAX.unsigned_abs() && base == 10)
    {
        shell.complain_as("printf", [b"warning: ", word, b": Numerical result out of range"].concat());
        return if negative { i64::MIN } else { i64::MAX };
    }
    let value = value.cast_signed();
    if negative { value.wrapping_neg() } else { value }
}

fn float(shell: &mut Shell, word: &[u8], status: &mut Status) -> f64 {
    if let [b'\'' | b'"', rest @ ..] = word {
        return f64::from(crate::bytes::code_point(&rest[..crate::bytes::char_length(rest)]));
    }
    let text = crate::bytes::text(crate::bytes::trim(word)).into_owned();
    if text.is_empty() {
        return 0.0;
    }
    if let Ok(value) = text.parse::<f64>() {
        return value;
    }
    if let Some(hexadecimal) = text.strip_prefix("0x").and_then(|digits| i64::from_str_radix(digits, 16).ok())
    {
        #[allow(clippy::cast_precision_loss)] // As C does it.
        return hexadecimal as f64;
    }
    shell.complain_as("printf", [word, b": invalid number"].concat());
    *status = 1;
    // The longest prefix that is a number.
    (1..text.len()).rev().find_map(|end| text.get(..end)?.parse().ok()).unwrap_or(0.0)
}

fn float_out(value: f64, letter: u8, wanted: &Conversion, out: &mut Bytes) {
    let precision = wanted.precision.unwrap_or(6);
    let magnitude = value.abs();
    let mut text = if value.is_nan() {
        "nan".to_owned()
    } else if value.is_infinite() {
        "inf".to_owned()
    } else {
        match letter.to_ascii_lowercase() {
            b'f' => format!("{magnitude:.precision$}"),
            b'e' => exponential(magnitude, precision),
            _ => general(magnitude, precision.max(1), wanted.alternate),
        }
    };
    if wanted.alternate && precision == 0 && letter.eq_ignore_ascii_case(&b'f') {
        text.push('.');
    }
    if letter.is_ascii_uppercase() {
        text = text.to_ascii_uppercase();
    }
    let sign = if value.is_sign_negative() && !value.is_nan() {
        "-"
    } else if wanted.plus {
        "+"
    } else if wanted.space {
        " "
    } else {
        ""
    };
    if wanted.zero && !wanted.left && value.is_finite() {
        text.insert_str(0, &"0".repeat(wanted.width.saturating_sub(text.len() + sign.len())));
    }
    text.insert_str(0, sign);
    padded(text.as_bytes(), wanted, out);
}

fn exponential(value: f64, precision: usize) -> String {
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

fn general(value: f64, precision: usize, keeps_zeros: bool) -> String {
    let text = exponential(value, precision - 1);
    let exponent: i32 = text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let fits = exponent >= -4 && usize::try_from(exponent).map_or(true, |exponent| exponent < precision);
    let trimmed = |text: &str| {
        if keeps_zeros || !text.contains('.') {
            return text.to_owned();
        }
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if fits {
        let digits =
            usize::try_from(i32::try_from(precision).unwrap_or(i32::MAX) - 1 - exponent).unwrap_or(0);
        return trimmed(&format!("{value:.digits$}"));
    }
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "+00"));
    format!("{}e{exponent}", trimmed(mantissa))
}
