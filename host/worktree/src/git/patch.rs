//! Differences as the text of a patch, byte for byte as `git diff` prints it.

use super::changes::{Change, Delta, Side};
use super::failure::Result;
use super::hunks::{Whitespace, hunks};
use super::quote::{quoted, quoted_after};
use super::session::Session;
use super::similarity::is_binary;
use git2::{DiffLineType, DiffOptions, Patch};

/// The type of a file in its mode.
const FILE_KIND: u32 = 0o100_000;

/// How a patch is printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct PatchOptions {
    pub(super) context_lines: u32,
    pub(super) whitespace: Whitespace,
    /// Ids are printed in full.
    pub(super) full_index: bool,
    /// Nothing is taken for binary (`-a`).
    pub(super) all_text: bool,
    /// Binary contents are told in full, as `git apply` takes them (`--binary`).
    pub(super) binary: bool,
}

impl Default for PatchOptions {
    fn default() -> Self {
        Self {
            context_lines: 3,
            whitespace: Whitespace::Counts,
            full_index: false,
            all_text: false,
            binary: false,
        }
    }
}

/// Prints the patch of one file.
pub(super) fn patch(session: &Session<'_>, delta: &Delta, options: PatchOptions) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    match (&delta.old, &delta.new) {
        _ if delta.change == Change::Unmerged => {
            out.extend_from_slice(b"* Unmerged path ");
            out.extend_from_slice(&quoted(delta.path(), session.unusual));
            out.push(b'\n');
        }
        // What changes its type is told as gone and come.
        (Some(old), Some(new)) if old.kind() != new.kind() => {
            one(session, &Delta::new(Some(old.clone()), None), options, &mut out)?;
            one(session, &Delta::new(None, Some(new.clone())), options, &mut out)?;
        }
        _ => one(session, delta, options, &mut out)?,
    }
    Ok(out)
}

fn one(session: &Session<'_>, delta: &Delta, options: PatchOptions, out: &mut Vec<u8>) -> Result<()> {
    let (old, new) = (delta.old.as_ref(), delta.new.as_ref());
    let old_path = old.map_or_else(|| delta.path(), |side| &side.path);
    let name = |prefix: &str, path: &[u8]| quoted_after(prefix, path, session.unusual);
    let (a_name, b_name) = (name("a/", old_path), name("b/", delta.path()));
    let mut header = [b"diff --git ".as_slice(), &a_name, b" ", &b_name, b"\n"].concat();
    let mut must_show = true;
    match (old, new) {
        (None, Some(new)) => header.extend_from_slice(format!("new file mode {:06o}\n", new.mode).as_bytes()),
        (Some(old), None) => {
            header.extend_from_slice(format!("deleted file mode {:06o}\n", old.mode).as_bytes());
        }
        (Some(old), Some(new)) if old.mode != new.mode => {
            header.extend_from_slice(
                format!("old mode {:06o}\nnew mode {:06o}\n", old.mode, new.mode).as_bytes(),
            );
        }
        _ => must_show = delta.change == Change::Renamed,
    }
    if delta.change == Change::Renamed {
        header.extend_from_slice(format!("similarity index {}%\n", delta.similarity).as_bytes());
        for (word, path) in [("rename from ", old_path), ("rename to ", delta.path())] {
            header.extend_from_slice(word.as_bytes());
            header.extend_from_slice(&quoted(path, session.unusual));
            header.push(b'\n');
        }
    }
    let (old_id, new_id) = (id_of(session, old)?, id_of(session, new)?);
    if old_id == new_id {
        if must_show {
            out.extend_from_slice(&header);
        }
        return Ok(());
    }
    let (old_text, new_text) = (content_of(session, old)?, content_of(session, new)?);
    let is_binary = is_binary_change(session, delta, (&old_text, &new_text))?;
    let in_full = options.full_index || options.binary && is_binary;
    let id = |id| -> Result<String> { if in_full { Ok(format!("{id}")) } else { session.abbreviate(id) } };
    header.extend_from_slice(format!("index {}..{}", id(old_id)?, id(new_id)?).as_bytes());
    if let (Some(old), Some(new)) = (old, new)
        && old.mode == new.mode
    {
        header.extend_from_slice(format!(" {:06o}", old.mode).as_bytes());
    }
    header.push(b'\n');
    let null = b"/dev/null".to_vec();
    let a_label = if old.is_some() { a_name } else { null.clone() };
    let b_label = if new.is_some() { b_name } else { null };
    if is_binary && !options.all_text {
        out.extend_from_slice(&header);
        if options.binary {
            out.extend_from_slice(&binary_patch(&old_text, &new_text)?);
            return Ok(());
        }
        out.extend_from_slice(
            &[b"Binary files ".as_slice(), &a_label, b" and ", &b_label, b" differ\n"].concat(),
        );
        return Ok(());
    }
    let hunks = hunks(&old_text, &new_text, options.context_lines, options.whitespace)?;
    if must_show || !hunks.is_empty() {
        out.extend_from_slice(&header);
    }
    if hunks.is_empty() {
        return Ok(());
    }
    for (mark, label) in [("--- ", a_label), ("+++ ", b_label)] {
        out.extend_from_slice(mark.as_bytes());
        out.extend_from_slice(&label);
        if label.contains(&b' ') {
            out.push(b'\t');
        }
        out.push(b'\n');
    }
    for hunk in hunks {
        out.extend_from_slice(&hunk.header());
        for (origin, line) in &hunk.lines {
            out.push(*origin);
            out.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                out.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    }
    Ok(())
}

/// Both directions of a change of binary content, each in full or as what differs, whichever is shorter.
fn binary_patch(old: &[u8], new: &[u8]) -> Result<Vec<u8>> {
    let mut options = DiffOptions::new();
    options.show_binary(true).force_binary(true);
    let mut patch = Patch::from_buffers(old, None, new, None, Some(&mut options))?;
    let mut out = Vec::new();
    patch.print(&mut |_, _, line| {
        if line.origin_value() == DiffLineType::Binary {
            out.extend_from_slice(line.content());
        }
        true
    })?;
    Ok(out)
}

/// Tells whether a change is shown without its text.
pub(super) fn is_binary_change(
    session: &Session<'_>,
    delta: &Delta,
    (old, new): (&[u8], &[u8]),
) -> Result<bool> {
    let mut binary = false;
    for (side, content) in [(&delta.old, old), (&delta.new, new)] {
        if let Some(side) = side {
            binary |= is_binary_side(session, side, content)?;
        }
    }
    Ok(binary)
}

/// Tells whether a content counts as binary, by the attribute `diff` or by a look at it.
pub(super) fn is_binary_side(session: &Session<'_>, side: &Side, content: &[u8]) -> Result<bool> {
    // Attributes are of files, not of links.
    let by_attribute =
        if side.kind() == FILE_KIND { session.is_text_by_attribute(&side.path)? } else { None };
    Ok(by_attribute.map_or_else(|| is_binary(content), |text| !text))
}

pub(super) fn id_of(session: &Session<'_>, side: Option<&Side>) -> Result<git2::Oid> {
    side.map_or(Ok(git2::Oid::ZERO_SHA1), |side| side.id(session))
}

pub(super) fn content_of(session: &Session<'_>, side: Option<&Side>) -> Result<Vec<u8>> {
    side.map_or(Ok(Vec::new()), |side| side.content(session))
}
