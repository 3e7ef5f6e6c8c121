//! Brace expansion, on words before anything in them is expanded.

use std::rc::Rc;

use crate::syntax::ast::{Bytes, Name, Operator, Parameter, Part};

/// One element of a word: an unquoted byte, or a part that is taken as it is.
#[derive(Clone)]
enum Piece {
    Byte(u8),
    Part(Part),
}

/// A sequence with more elements than this is left as text; bash would run out of memory.
const SEQUENCE_MAX: u64 = 20_000_000;

/// The words that a word with braces comes to.
pub fn expand(parts: &[Part]) -> Vec<Vec<Part>> {
    let mut pieces = Vec::new();
    for part in parts {
        match part {
            Part::Literal(text) => pieces.extend(text.iter().map(|&byte| Piece::Byte(byte))),
            // `${x}` is a part of its own, so its braces are not seen here.
            other => pieces.push(Piece::Part(other.clone())),
        }
    }
    words(&pieces).into_iter().map(joined).collect()
}

fn joined(pieces: Vec<Piece>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Byte(byte) => match parts.last_mut() {
                Some(Part::Literal(text)) => text.push(byte),
                _ => parts.push(Part::Literal(vec![byte])),
            },
            Piece::Part(part) => parts.push(part),
        }
    }
    // `$a{x,y}` is `$ax` and `$ay`: braces come first.
    for at in 1..parts.len() {
        let (left, right) = parts.split_at_mut(at);
        if let (Some(Part::Parameter(parameter)), Some(Part::Literal(text))) =
            (left.last_mut(), right.first_mut())
            && let Name::Variable(name) = &parameter.name
            && !parameter.text.starts_with(b"${")
        {
            let length =
                text.iter().take_while(|&&byte| byte.is_ascii_alphanumeric() || byte == b'_').count();
            if length > 0 {
                let name: Bytes = name.iter().copied().chain(text.drain(..length)).collect();
                let shown: Rc<[u8]> = [b"$".as_slice(), &name].concat().into();
                let longer = Parameter {
                    name: Name::Variable(name),
                    subscript: None,
                    indirect: false,
                    operator: Operator::None,
                    text: shown,
                };
                *parameter = Rc::new(longer);
            }
        }
    }
    // `{~,x}` and the like: a tilde at the start was no tilde before.
    if let Some(Part::Literal(text)) = parts.first()
        && text.first() == Some(&b'~')
    {
        let end = text.iter().position(|&byte| byte == b'/').unwrap_or(text.len());
        if text[1..end].iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.+-".contains(byte))
            && (end < text.len() || parts.len() == 1)
        {
            let name = text[1..end].to_vec();
            let rest = text[end..].to_vec();
            parts[0] = Part::Literal(rest);
            parts.insert(0, Part::Tilde(name));
        }
    }
    parts
}

fn byte(pieces: &[Piece], at: usize) -> Option<u8> {
    match pieces.get(at) {
        Some(Piece::Byte(byte)) => Some(*byte),
        _ => None,
    }
}

fn words(pieces: &[Piece]) -> Vec<Vec<Piece>> {
    for open in 0..pieces.len() {
        if byte(pieces, open) != Some(b'{') {
            continue;
        }
        let Some((close, commas)) = closing(pieces, open) else { continue };
        let inside = &pieces[open + 1..close];
        let alternatives = if commas.is_empty() {
            match sequence(inside) {
                Some(alternatives) => alternatives,
                None => continue,
            }
        } else {
            let mut alternatives = Vec::new();
            let mut from = open + 1;
            for &comma in commas.iter().chain([&close]) {
                alternatives.extend(words(&pieces[from..comma]));
                from = comma + 1;
            }
            alternatives
        };
        let tails = words(&pieces[close + 1..]);
        let mut out = Vec::with_capacity(alternatives.len() * tails.len());
        for alternative in &alternatives {
            for tail in &tails {
                out.push([&pieces[..open], alternative, tail].concat());
            }
        }
        return out;
    }
    vec![pieces.to_vec()]
}

/// Where the brace closes, and the commas of its own level; none when it does not close or has neither commas nor `..`.
fn closing(pieces: &[Piece], open: usize) -> Option<(usize, Vec<usize>)> {
    let mut depth = 0_u32;
    let mut commas = Vec::new();
    let mut dots = false;
    for at in open + 1..pieces.len() {
        match byte(pieces, at) {
            Some(b'{') => depth += 1,
            Some(b'}') if depth > 0 => depth -= 1,
            Some(b'}') if !commas.is_empty() || dots => return Some((at, commas)),
            Some(b'}') => return None,
            Some(b',') if depth == 0 => commas.push(at),
            Some(b'.') if depth == 0 && byte(pieces, at + 1) == Some(b'.') => dots = true,
            _ => {}
        }
    }
    None
}

/// `{1..5}`, `{a..e..2}`.
fn sequence(inside: &[Piece]) -> Option<Vec<Vec<Piece>>> {
    let text: Option<Bytes> = (0..inside.len()).map(|at| byte(inside, at)).collect();
    let text = String::from_utf8(text?).ok()?;
    let mut ends = text.split("..");
    let (first, last) = (ends.next()?, ends.next()?);
    let step = ends.next();
    if ends.next().is_some() {
        return None;
    }
    let step: i64 = match step {
        None => 1,
        Some(step) => step.parse().ok()?,
    };
    let single = |text: &str| -> Option<i64> {
        let &[byte] = text.as_bytes() else { return None };
        byte.is_ascii_alphabetic().then_some(i64::from(byte))
    };
    let word = |text: String| text.bytes().map(Piece::Byte).collect::<Vec<_>>();
    if let (Some(from), Some(to)) = (single(first), single(last)) {
        return Some(
            steps(from, to, step)?
                .map(|code| vec![Piece::Byte(u8::try_from(code).unwrap_or(b'?'))])
                .collect(),
        );
    }
    let number = |text: &str| -> Option<i64> {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
    };
    let (from, to) = (number(first)?, number(last)?);
    let padded = |text: &str| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        digits.len() > 1 && digits.starts_with('0')
    };
    let width = if padded(first) || padded(last) { first.len().max(last.len()) } else { 0 };
    let format = |value: i64| {
        if value < 0 {
            format!("-{:0width$}", value.unsigned_abs(), width = width.saturating_sub(1))
        } else {
            format!("{value:0width$}")
        }
    };
    Some(steps(from, to, step)?.map(|value| word(format(value))).collect())
}

fn steps(from: i64, to: i64, step: i64) -> Option<impl Iterator<Item = i64>> {
    let stride = step.unsigned_abs().max(1);
    let count = from.abs_diff(to) / stride;
    if count > SEQUENCE_MAX {
        return None;
    }
    let up = from <= to;
    Some((0..=count).map(move |at| {
        let distance = i64::try_from(at.wrapping_mul(stride)).unwrap_or(0);
        if up { from.wrapping_add(distance) } else { from.wrapping_sub(distance) }
    }))
}
