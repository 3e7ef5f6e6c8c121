//! `s`: what replaces matches.

use crate::posix::{Regex, Span, character_length};

use super::program::{Case, Part, Substitution};

/// The text with its matches replaced; none when none was.
pub fn substitute(text: &[u8], regex: &Regex, command: &Substitution) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut at, mut number, mut replaced) = (0, 0, false);
    // Where the last match ended: an empty one there is none.
    let mut ended = None;
    let simple = command.replacement.iter().all(|part| matches!(part, Part::Text(_) | Part::Group(0)));
    while at <= text.len() {
        let spans = if simple {
            regex.find_at(text, at).map(|span| vec![Some(span)])
        } else {
            regex.captures_at(text, at)
        };
        let Some((start, end)) = spans.as_ref().and_then(|spans| spans.first().copied().flatten()) else { break };
        out.extend_from_slice(text.get(at..start)?);
        let empty_again = start == end && ended == Some(start);
        if !empty_again {
            number += 1;
            if number >= command.number {
                replaced = true;
                replace(text, &spans.unwrap_or_default(), &command.replacement, &mut out);
            } else {
                out.extend_from_slice(text.get(start..end)?);
            }
        }
        ended = Some(end);
        at = end;
        if start == end {
            let length = character_length(text.get(at..)?).max(1);
            out.extend_from_slice(text.get(at..(at + length).min(text.len()))?);
            at += length;
        }
        if replaced && !command.global {
            break;
        }
    }
    if !replaced {
        return None;
    }
    out.extend_from_slice(text.get(at.min(text.len())..)?);
    Some(out)
}

fn replace(text: &[u8], spans: &[Span], parts: &[Part], out: &mut Vec<u8>) {
    let (mut case, mut next) = (Case::End, None);
    for part in parts {
        let piece = match part {
            Part::Text(piece) => piece.as_slice(),
            Part::Group(group) => {
                spans.get(*group).copied().flatten().and_then(|(from, to)| text.get(from..to)).unwrap_or_default()
            }
            Part::Case(change @ (Case::UpperNext | Case::LowerNext)) => {
                next = Some(*change);
                continue;
            }
            Part::Case(change) => {
                case = *change;
                next = None;
                continue;
            }
        };
        if piece.is_empty() {
            continue;
        }
        let whole = match case {
            Case::Upper => cased(piece, true),
            Case::Lower => cased(piece, false),
            _ => piece.to_vec(),
        };
        match next.take() {
            Some(change) => {
                let length = character_length(&whole);
                let (first, rest) = whole.split_at(length);
                out.extend_from_slice(&cased(first, change == Case::UpperNext));
                out.extend_from_slice(rest);
            }
            None => out.extend_from_slice(&whole),
        }
    }
}

fn cased(text: &[u8], upper: bool) -> Vec<u8> {
    match std::str::from_utf8(text) {
        Ok(text) if upper => text.to_uppercase().into_bytes(),
        Ok(text) => text.to_lowercase().into_bytes(),
        Err(_) if upper => text.to_ascii_uppercase(),
        Err(_) => text.to_ascii_lowercase(),
    }
}
