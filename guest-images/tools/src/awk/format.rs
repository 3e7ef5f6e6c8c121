//! `printf`.

use super::value::Value;
use crate::posix::character_length;

struct Spec {
    minus: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// Arguments by a format; `convert` is the format that numbers get as strings.
///
/// # Errors
///
/// When there are too few arguments, or a conversion that there is none of.
pub fn format(format: &[u8], arguments: &[Value], convert: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = format;
    let mut given = arguments.iter();
    let mut next = || given.next().cloned().ok_or_else(|| "not enough arguments to satisfy format string".to_owned());
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'%' {
            let plain = rest.iter().position(|&byte| byte == b'%').unwrap_or(rest.len());
            out.push(byte);
            out.extend_from_slice(rest.get(..plain).unwrap_or_default());
            rest = rest.get(plain..).unwrap_or_default();
            continue;
        }
        let start = rest;
        let mut spec =
            Spec { minus: false, plus: false, space: false, alternate: false, zero: false, width: 0, precision: None };
        while let Some((flag, behind)) = rest.split_first() {
            match flag {
                b'-' => spec.minus = true,
                b'+' => spec.plus = true,
                b' ' => spec.space = true,
                b'#' => spec.alternate = true,
                b'0' => spec.zero = true,
                b'\'' => {}
                _ => break,
            }
            rest = behind;
        }
        if let Some(behind) = rest.strip_prefix(b"*") {
            rest = behind;
            let width = next()?.number();
            spec.minus |= width < 0.0;
            spec.width = whole(width.abs());
        } else {
            (spec.width, rest) = digits(rest);
        }
        if let Some(behind) = rest.strip_prefix(b".") {
            if let Some(behind) = behind.strip_prefix(b"*") {
                let precision = next()?.number();
                spec.precision = (precision >= 0.0).then(|| whole(precision));
                rest = behind;
            } else {
                let (precision, behind) = digits(behind);
                spec.precision = Some(precision);
                rest = behind;
            }
        }
        while let Some((b'l' | b'h' | b'L' | b'q' | b'j' | b'z' | b't', behind)) = rest.split_first() {
            rest = behind;
        }
        let Some((&letter, behind)) = rest.split_first() else {
            out.push(b'%');
            out.extend_from_slice(start);
            break;
        };
        rest = behind;
        match letter {
            b'%' => out.push(b'%'),
            b'd' | b'i' => {
                let number = next()?.number();
                signed(&mut out, &spec, number);
            }
            b'o' | b'x' | b'X' | b'u' => {
                let number = next()?.number();
                unsigned(&mut out, &spec, number, letter);
            }
            b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => {
                let number = next()?.number();
                let text = float(number.abs(), &spec, letter);
                let negative = number.is_sign_negative() && !number.is_nan();
                pad_number(&mut out, &spec, negative, "", &text, spec.zero && number.is_finite());
            }
            b'c' => {
                let value = next()?;
                let text = match value {
                    Value::Number(number) => character(number),
                    other => {
                        let text = other.bytes(convert);
                        text.get(..character_length(&text)).unwrap_or_default().to_vec()
                    }
                };
                pad_text(&mut out, &spec, &text);
            }
            b's' => {
                let text = next()?.bytes(convert);
                let shown = match spec.precision {
                    None => text.as_slice(),
                    Some(most) => {
                        let mut end = 0;
                        for _ in 0..most {
                            end += character_length(text.get(end..).unwrap_or_default());
                        }
                        text.get(..end).unwrap_or_default()
                    }
                };
                pad_text(&mut out, &spec, shown);
            }
            other => return Err(format!("unknown conversion %{}", char::from(other))),
        }
    }
    Ok(out)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(number: f64) -> usize {
    // More than this is a mistake, and would fill all memory.
    number.min(1e8) as usize
}

fn digits(text: &[u8]) -> (usize, &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(count);
    let number = digits.iter().fold(0usize, |value, digit| value.saturating_mul(10).saturating_add(usize::from(digit - b'0')));
    (number.min(100_000_000), rest)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn character(number: f64) -> Vec<u8> {
    let code = number as u32;
    if code < 256 && code > 127 {
        return char::from_u32(code).map(|character| character.to_string().into_bytes()).unwrap_or_default();
    }
    match char::from_u32(code) {
        Some(character) => character.to_string().into_bytes(),
        None => vec![code.to_le_bytes()[0]],
    }
}

fn signed(out: &mut Vec<u8>, spec: &Spec, number: f64) {
    if !number.is_finite() {
        let text = if number.is_nan() { "nan" } else { "inf" };
        return pad_number(out, spec, number.is_sign_negative() && !number.is_nan(), "", text, false);
    }
    #[allow(clippy::cast_possible_truncation)]
    let value = number.trunc() as i128;
    let mut text = value.unsigned_abs().to_string();
    if let Some(least) = spec.precision {
        text = if least == 0 && value == 0 { String::new() } else { format!("{text:0>least$}") };
    }
    pad_number(out, spec, value < 0, "", &text, spec.zero && spec.precision.is_none());
}

fn unsigned(out: &mut Vec<u8>, spec: &Spec, number: f64, letter: u8) {
    if number < 0.0 || !number.is_finite() {
        return signed(out, spec, number);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let value = number as u128;
    let (mut text, prefix) = match letter {
        b'o' => (format!("{value:o}"), if spec.alternate { "0" } else { "" }),
        b'x' => (format!("{value:x}"), if spec.alternate && value != 0 { "0x" } else { "" }),
        b'X' => (format!("{value:X}"), if spec.alternate && value != 0 { "0X" } else { "" }),
        _ => (value.to_string(), ""),
    };
    if let Some(least) = spec.precision {
        text = format!("{text:0>least$}");
    }
    let plain = Spec { plus: false, space: false, ..*spec };
    pad_number(out, &plain, false, prefix, &text, spec.zero && spec.precision.is_none());
}

fn pad_number(out: &mut Vec<u8>, spec: &Spec, negative: bool, prefix: &str, text: &str, zeros: bool) {
    let sign = if negative {
        "-"
    } else if spec.plus {
        "+"
    } else if spec.space {
        " "
    } else {
        ""
    };
    let missing = spec.width.saturating_sub(sign.len() + prefix.len() + text.len());
    if !spec.minus && !zeros {
        out.extend(std::iter::repeat_n(b' ', missing));
    }
    out.extend_from_slice(sign.as_bytes());
    out.extend_from_slice(prefix.as_bytes());
    if !spec.minus && zeros {
        out.extend(std::iter::repeat_n(b'0', missing));
    }
    out.extend_from_slice(text.as_bytes());
    if spec.minus {
        out.extend(std::iter::repeat_n(b' ', missing));
    }
}

fn pad_text(out: &mut Vec<u8>, spec: &Spec, text: &[u8]) {
    let length = if text.is_ascii() { text.len() } else { String::from_utf8_lossy(text).chars().count() };
    let missing = spec.width.saturating_sub(length);
    if !spec.minus {
        out.extend(std::iter::repeat_n(b' ', missing));
    }
    out.extend_from_slice(text);
    if spec.minus {
        out.extend(std::iter::repeat_n(b' ', missing));
    }
}

fn float(number: f64, spec: &Spec, letter: u8) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return "inf".to_owned();
    }
    let precision = spec.precision.unwrap_or(6);
    match letter {
        b'f' | b'F' => {
            let text = format!("{number:.precision$}");
            if spec.alternate && precision == 0 { text + "." } else { text }
        }
        b'e' | b'E' => exponential(number, precision, letter == b'E'),
        _ => {
            let significant = precision.max(1);
            let rounded = exponential(number, significant - 1, false);
            let exponent: i32 = rounded.split('e').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
            let limit = i32::try_from(significant).unwrap_or(i32::MAX);
            let text = if number != 0.0 && (exponent < -4 || exponent >= limit) {
                exponential(number, significant - 1, letter == b'G')
            } else {
                let decimals = usize::try_from(limit - 1 - exponent).unwrap_or(0);
                format!("{number:.decimals$}")
            };
            if spec.alternate || !text.contains('.') {
                return text;
            }
            let (digits, tail) = match text.find(['e', 'E']) {
                Some(at) => text.split_at(at),
                None => (text.as_str(), ""),
            };
            format!("{}{tail}", digits.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}

fn exponential(number: f64, precision: usize, upper: bool) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}{}{sign}{:02}", if upper { 'E' } else { 'e' }, exponent.abs())
}
