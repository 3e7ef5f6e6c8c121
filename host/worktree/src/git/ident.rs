//! The keyword `$Id$`, which the attribute `ident` has filled in with the id of the content
//! (gitattributes(5)).

use super::attributes::{Attributes, State};
use git2::Oid;

/// Tells whether the keyword means something in a file.
pub(super) fn is_asked_for(attributes: &Attributes) -> bool {
    attributes.get(&b"ident"[..]) == Some(&State::Set)
}

/// The content as it is stored: nothing is filled in.
pub(super) fn without_id(content: &[u8]) -> Vec<u8> {
    replaced(content, b"$Id$", |_| true)
}

/// The content as it is written into the working tree. What another system of versions has filled in, with
/// blanks in it, stays.
pub(super) fn with_id(content: &[u8], id: Oid) -> Vec<u8> {
    let is_ours = |filled: &[u8]| {
        let inner = filled.get(1..filled.len().saturating_sub(1)).unwrap_or_default();
        !inner.contains(&b' ')
    };
    replaced(content, format!("$Id: {id} $").as_bytes(), is_ours)
}

/// Puts `keyword` into the place of each `$Id$`, and of each `$Id:…$` in one line of which `takes` takes what
/// is between the colon and the dollar.
fn replaced(content: &[u8], keyword: &[u8], takes: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before);
        let length = match from.get(1..4) {
            Some(b"Id$") => Some(4),
            Some(b"Id:") => from.get(4..).and_then(|filled| {
                let end = filled.iter().position(|byte| matches!(byte, b'$' | b'\n'))?;
                let filled = filled.get(..end).filter(|_| filled.get(end) == Some(&b'$'))?;
                takes(filled).then_some(4 + end + 1)
            }),
            _ => None,
        };
        if length.is_some() {
            out.extend_from_slice(keyword);
        } else {
            out.push(b'$');
        }
        rest = from.get(length.unwrap_or(1)..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::{with_id, without_id};
    use git2::Oid;

    #[test]
    fn the_keyword_is_filled_in_and_taken_out() {
        let id = Oid::ZERO_SHA1;
        let written = with_id(b"a $Id$ b\n$Id: x $\n$Id", id);
        assert_eq!(written, format!("a $Id: {id} $ b\n$Id: {id} $\n$Id").into_bytes());
        assert_eq!(without_id(&written), b"a $Id$ b\n$Id$\n$Id");
    }

    #[test]
    fn other_dollars_and_keywords_of_others_stay() {
        for text in ["$ID$ $5", "$Id: a\nb $", "$Idx$"] {
            assert_eq!(without_id(text.as_bytes()), text.as_bytes(), "{text:?}");
            assert_eq!(with_id(text.as_bytes(), Oid::ZERO_SHA1), text.as_bytes(), "{text:?}");
        }
        let theirs = b"$Id: file.c 1.5 2001-01-01 someone $";
        assert_eq!(with_id(theirs, Oid::ZERO_SHA1), theirs);
    }
}
