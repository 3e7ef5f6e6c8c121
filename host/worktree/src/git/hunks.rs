//! The hunks of a diff between two texts: libgit2's xdiff finds them in memory, the function names
//! in their headers are found here.

use super::failure::Result;
use git2::{DiffOptions, Patch};

/// How far back in blocks a common end is cut off where no context is shown, as git does.
const TAIL_BLOCK_BYTES: usize = 1024;
/// A function name in a header is cut to this.
const FUNCTION_BYTES: usize = 80;

/// Which changes of white space count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Whitespace {
    #[default]
    Counts,
    /// `--ignore-space-at-eol`
    AtEndIgnored,
    /// `-b`
    ChangeIgnored,
    /// `-w`
    Ignored,
}

/// A line of a hunk: `b' '`, `b'-'` or `b'+'` and its content with its line end.
pub(super) type Line = (u8, Vec<u8>);

/// A hunk.
#[derive(Debug)]
pub(super) struct Hunk {
    /// First line, from 1, and number of lines of the old side.
    pub(super) old: (u32, u32),
    /// The same of the new side.
    pub(super) new: (u32, u32),
    pub(super) lines: Vec<Line>,
    /// The nearest line above that looks like the start of a function.
    pub(super) function: Vec<u8>,
}

/// Finds the hunks between two texts.
pub(super) fn hunks(old: &[u8], new: &[u8], context_lines: u32, whitespace: Whitespace) -> Result<Vec<Hunk>> {
    let (old_cut, new_cut) = if context_lines == 0 { without_common_tail(old, new) } else { (old, new) };
    let mut options = DiffOptions::new();
    options.context_lines(context_lines).interhunk_lines(0).indent_heuristic(true).force_text(true);
    match whitespace {
        Whitespace::Counts => {}
        Whitespace::AtEndIgnored => {
            options.ignore_whitespace_eol(true);
        }
        Whitespace::ChangeIgnored => {
            options.ignore_whitespace_change(true);
        }
        Whitespace::Ignored => {
            options.ignore_whitespace(true);
        }
    }
    let patch = Patch::from_buffers(old_cut, None, new_cut, None, Some(&mut options))?;
    let mut found = Vec::with_capacity(patch.num_hunks());
    let mut functions =
        Functions { lines: old.split_inclusive(|byte| *byte == b'\n'), next: 0, last: Vec::new() };
    for at in 0..patch.num_hunks() {
        let (hunk, line_count) = patch.hunk(at)?;
        let old = (hunk.old_start(), hunk.old_lines());
        let new = (hunk.new_start(), hunk.new_lines());
        let mut lines = Vec::with_capacity(line_count);
        for line in 0..line_count {
            let line = patch.line_in_hunk(at, line)?;
            if let origin @ (' ' | '+' | '-') = line.origin() {
                lines.push((u8::try_from(origin).unwrap_or(b' '), line.content().to_vec()));
            }
        }
        // A side without lines is told by the line above it.
        let above = if old.1 == 0 { old.0 } else { old.0.saturating_sub(1) };
        found.push(Hunk { old, new, lines, function: functions.above(above) });
    }
    Ok(found)
}

impl Hunk {
    /// The `@@` line.
    pub(super) fn header(&self) -> Vec<u8> {
        let range = |(start, count): (u32, u32)| {
            if count == 1 { start.to_string() } else { format!("{start},{count}") }
        };
        let mut header = format!("@@ -{} +{} @@", range(self.old), range(self.new)).into_bytes();
        if !self.function.is_empty() {
            header.push(b' ');
            header.extend_from_slice(&self.function);
        }
        header.push(b'\n');
        header
    }
}

/// How many lines were added and removed.
pub(super) fn count(old: &[u8], new: &[u8], whitespace: Whitespace) -> Result<(usize, usize)> {
    let mut counts = (0, 0);
    for (origin, _) in hunks(old, new, 0, whitespace)?.iter().flat_map(|hunk| &hunk.lines) {
        match origin {
            b'+' => counts.0 += 1,
            b'-' => counts.1 += 1,
            _ => {}
        }
    }
    Ok(counts)
}

/// Walks down the old text once for all hunks.
struct Functions<'t, I: Iterator<Item = &'t [u8]>> {
    lines: I,
    next: u32,
    last: Vec<u8>,
}

impl<'t, I: Iterator<Item = &'t [u8]>> Functions<'t, I> {
    fn above(&mut self, line: u32) -> Vec<u8> {
        while self.next < line {
            let Some(text) = self.lines.next() else { break };
            self.next += 1;
            if text.first().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'_' | b'$')) {
                let cut = text.get(..FUNCTION_BYTES).unwrap_or(text);
                let end = cut.iter().rposition(|byte| !is_space(*byte)).map_or(0, |at| at + 1);
                self.last = cut.get(..end).unwrap_or_default().to_vec();
            }
        }
        self.last.clone()
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Cuts whole blocks that both texts end in, up to the line end after them.
fn without_common_tail<'t>(old: &'t [u8], new: &'t [u8]) -> (&'t [u8], &'t [u8]) {
    let smaller = old.len().min(new.len());
    let tail = |text: &'t [u8], from: usize, to: usize| text.get(text.len() - to..text.len() - from);
    let mut cut = 0;
    while TAIL_BLOCK_BYTES + cut <= smaller
        && tail(old, cut, cut + TAIL_BLOCK_BYTES) == tail(new, cut, cut + TAIL_BLOCK_BYTES)
    {
        cut += TAIL_BLOCK_BYTES;
    }
    let common = old.get(old.len() - cut..).unwrap_or_default();
    let kept = common.iter().position(|byte| *byte == b'\n').map_or(cut, |at| at + 1);
    let without = |text: &'t [u8]| text.get(..text.len() - (cut - kept)).unwrap_or(text);
    (without(old), without(new))
}
