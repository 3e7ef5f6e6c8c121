//! Differences in numbers: `--stat`, `--numstat`, `--shortstat`, and the lines of `--summary`,
//! `--raw`, `--name-only` and `--name-status`.

use super::changes::{Change, Delta, Side};
use super::failure::Result;
use super::hunks::{Whitespace, count};
use super::patch::{content_of, id_of, is_binary_change};
use super::quote::{Unusual, quoted};
use super::session::{Caller, Session};
use super::work_tree::GITLINK;
use git2::Oid;

/// The columns of an output that is no terminal.
const COLUMNS: usize = 80;

/// What changed in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// The path, the new one of a renamed file.
    pub path: Vec<u8>,
    /// The path before, of a renamed file.
    pub path_before: Option<Vec<u8>>,
    /// How much changed.
    pub amount: Amount,
}

/// How much changed in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Lines that came and went.
    Lines {
        /// How many came.
        added: usize,
        /// How many went.
        deleted: usize,
    },
    /// Bytes of a file that is not text, before and after.
    Binary {
        /// Size before.
        before: usize,
        /// Size after.
        after: usize,
    },
    /// The file is in conflict.
    Unmerged,
}

/// Counts each file.
pub(super) fn stats(
    session: &Session<'_>,
    deltas: &[Delta],
    whitespace: Whitespace,
) -> Result<Vec<FileStat>> {
    let mut found = Vec::with_capacity(deltas.len());
    for delta in deltas {
        let amount = amount(session, delta, whitespace)?;
        let same_mode = delta.old.as_ref().map(|side| side.mode) == delta.new.as_ref().map(|side| side.mode);
        if delta.change == Change::Modified && same_mode && amount == (Amount::Lines { added: 0, deleted: 0 })
        {
            continue;
        }
        let path_before = delta.path_before().map(<[u8]>::to_vec);
        found.push(FileStat { path: delta.path().to_vec(), path_before, amount });
    }
    Ok(found)
}

/// Counts one file.
pub(super) fn amount(session: &Session<'_>, delta: &Delta, whitespace: Whitespace) -> Result<Amount> {
    if delta.change == Change::Unmerged {
        return Ok(Amount::Unmerged);
    }
    if let Some((before, after)) = large(session, delta)? {
        return Ok(Amount::Binary { before, after });
    }
    let same = id_of(session, delta.old.as_ref())? == id_of(session, delta.new.as_ref())?;
    let old = content_of(session, delta.old.as_ref())?;
    let new = content_of(session, delta.new.as_ref())?;
    if is_binary_change(session, delta, (&old, &new))? {
        // git takes the content of a file that it did not hash before for another one.
        let hashed =
            |side: &Option<Side>| side.as_ref().is_none_or(|side| !side.in_work_tree || side.compared);
        let (before, after) =
            if same && hashed(&delta.old) && hashed(&delta.new) { (0, 0) } else { (old.len(), new.len()) };
        return Ok(Amount::Binary { before, after });
    }
    if same {
        return Ok(Amount::Lines { added: 0, deleted: 0 });
    }
    let (added, deleted) = count(&old, &new, whitespace)?;
    Ok(Amount::Lines { added, deleted })
}

/// The sizes of stored contents of which one is larger than what is read for the host: git takes it for
/// binary without a look at it.
fn large(session: &Session<'_>, delta: &Delta) -> Result<Option<(usize, usize)>> {
    let (old, new) = (delta.old.as_ref(), delta.new.as_ref());
    let is_read = |side: &Side| session.caller == Caller::Guest || side.in_work_tree || side.mode == GITLINK;
    if [old, new].into_iter().flatten().any(is_read) || id_of(session, old)? == id_of(session, new)? {
        return Ok(None);
    }
    let size = |side: Option<&Side>| side.map_or(Ok(0), |side| session.blob_size(side.id(session)?));
    let (before, after) = (size(old)?, size(new)?);
    if before.max(after) <= session.tree.most_bytes {
        return Ok(None);
    }
    let number = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    Ok(Some((number(before), number(after))))
}

/// The lines of `--numstat`.
pub(super) fn numstat(stats: &[FileStat], unusual: Option<Unusual>) -> Vec<u8> {
    let mut out = Vec::new();
    for stat in stats {
        match stat.amount {
            Amount::Lines { added, deleted } => {
                out.extend_from_slice(format!("{added}\t{deleted}\t").as_bytes());
            }
            Amount::Binary { .. } => out.extend_from_slice(b"-\t-\t"),
            Amount::Unmerged => out.extend_from_slice(b"0\t0\t"),
        }
        match (unusual, &stat.path_before) {
            (Some(unusual), _) => {
                out.extend_from_slice(&shown_name(stat, unusual));
                out.push(b'\n');
            }
            (None, Some(before)) => {
                out.extend_from_slice(&[b"\0", before.as_slice(), b"\0", &stat.path, b"\0"].concat());
            }
            (None, None) => {
                out.extend_from_slice(&stat.path);
                out.push(0);
            }
        }
    }
    out
}

/// The graph of `--stat` with its last line; nothing for no files.
pub(super) fn graph(stats: &[FileStat], unusual: Unusual) -> Vec<u8> {
    let mut out = Vec::new();
    if stats.is_empty() {
        return out;
    }
    let names: Vec<Vec<u8>> = stats.iter().map(|stat| shown_name(stat, unusual)).collect();
    let changes = |stat: &FileStat| match stat.amount {
        Amount::Lines { added, deleted } => added + deleted,
        Amount::Binary { .. } | Amount::Unmerged => 0,
    };
    let most = stats.iter().map(changes).max().unwrap_or(0);
    let longest = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let binary_width = stats.iter().map(|stat| match stat.amount {
        Amount::Binary { before, after } => 14 + digits(before) + digits(after),
        Amount::Unmerged => 8,
        Amount::Lines { .. } => 0,
    });
    let binary_width = binary_width.max().unwrap_or(0);
    let has_binary = stats.iter().any(|stat| matches!(stat.amount, Amount::Binary { .. }));
    let number_width = digits(most).max(if has_binary { 3 } else { 0 });
    let (name_width, graph_width) = widths(longest, number_width, (most, binary_width));
    for (stat, name) in stats.iter().zip(&names) {
        let (name, padding) = cut_to(name, name_width);
        out.push(b' ');
        out.extend_from_slice(&name);
        out.extend(std::iter::repeat_n(b' ', padding));
        out.extend_from_slice(b" | ");
        match stat.amount {
            Amount::Binary { before: 0, after: 0 } => {
                out.extend_from_slice(format!("{:>number_width$}", "Bin").as_bytes());
            }
            Amount::Binary { before, after } => {
                out.extend_from_slice(
                    format!("{:>number_width$} {before} -> {after} bytes", "Bin").as_bytes(),
                );
            }
            Amount::Unmerged => out.extend_from_slice(b"Unmerged"),
            Amount::Lines { added, deleted } => {
                out.extend_from_slice(format!("{:>number_width$}", added + deleted).as_bytes());
                let (plus, minus) = bar((added, deleted), graph_width, most);
                if added + deleted > 0 {
                    out.push(b' ');
                }
                out.extend(std::iter::repeat_n(b'+', plus));
                out.extend(std::iter::repeat_n(b'-', minus));
            }
        }
        out.push(b'\n');
    }
    out.extend_from_slice(&totals(stats));
    out
}

/// The line of `--shortstat`.
pub(super) fn totals(stats: &[FileStat]) -> Vec<u8> {
    let (mut files, mut added, mut deleted) = (0, 0, 0);
    for stat in stats {
        match stat.amount {
            Amount::Unmerged => continue,
            Amount::Binary { .. } => {}
            Amount::Lines { added: more, deleted: less } => {
                added += more;
                deleted += less;
            }
        }
        files += 1;
    }
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let mut line = format!(" {files} file{} changed", plural(files));
    if files > 0 {
        if added > 0 || deleted == 0 {
            line = format!("{line}, {added} insertion{}(+)", plural(added));
        }
        if deleted > 0 || added == 0 {
            line = format!("{line}, {deleted} deletion{}(-)", plural(deleted));
        }
    }
    line.push('\n');
    line.into_bytes()
}

/// How many columns go to names and to the graph, at most.
fn widths(longest: usize, number_width: usize, (most, binary_width): (usize, usize)) -> (usize, usize) {
    const AROUND: usize = 6;
    let columns = COLUMNS.max(16 + AROUND + number_width);
    let mut graph = if most + 4 > binary_width { most } else { binary_width - 4 };
    let mut name = longest;
    if name + number_width + AROUND + graph > columns {
        let share = (columns * 3 / 8).saturating_sub(number_width + AROUND).max(6);
        graph = graph.min(share);
        if name > columns - number_width - AROUND - graph {
            name = columns - number_width - AROUND - graph;
        } else {
            graph = columns - number_width - AROUND - name;
        }
    }
    (name, graph)
}

fn bar((added, deleted): (usize, usize), graph: usize, most: usize) -> (usize, usize) {
    let scaled = |count: usize| if count == 0 { 0 } else { 1 + count * (graph - 1) / most };
    if graph > most {
        return (added, deleted);
    }
    let mut total = scaled(added + deleted);
    if total < 2 && added > 0 && deleted > 0 {
        total = 2;
    }
    if added < deleted {
        let plus = scaled(added);
        (plus, total - plus)
    } else {
        let minus = scaled(deleted);
        (total - minus, minus)
    }
}

/// Cuts a name at its front, at a slash if there is one, and tells how many spaces fill it up.
fn cut_to(name: &[u8], columns: usize) -> (Vec<u8>, usize) {
    let shown = width(name);
    if shown <= columns {
        return (name.to_vec(), columns - shown);
    }
    let room = columns.saturating_sub(3);
    let rest = name.get(shown - room..).unwrap_or_default();
    let from = rest.iter().position(|byte| *byte == b'/').unwrap_or(0);
    let rest = rest.get(from..).unwrap_or_default();
    ([b"...", rest].concat(), room.saturating_sub(width(rest)))
}

/// Columns of a text; each character is taken for one wide.
fn width(text: &[u8]) -> usize {
    std::str::from_utf8(text).map_or(text.len(), |text| text.chars().count())
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

/// A path, or what is common of the two of a rename with the rest in braces.
pub(super) fn shown_name(stat: &FileStat, unusual: Unusual) -> Vec<u8> {
    match &stat.path_before {
        Some(before) => renamed_name(before, &stat.path, unusual),
        None => quoted(&stat.path, unusual),
    }
}

fn renamed_name(old: &[u8], new: &[u8], unusual: Unusual) -> Vec<u8> {
    let (quoted_old, quoted_new) = (quoted(old, unusual), quoted(new, unusual));
    if quoted_old != old || quoted_new != new {
        return [quoted_old.as_slice(), b" => ", &quoted_new].concat();
    }
    let same = old.iter().zip(new).take_while(|(left, right)| left == right);
    let start = same.enumerate().filter(|(_, (byte, _))| **byte == b'/').last().map_or(0, |(at, _)| at + 1);
    // The end may share the slash that the start ends in, and nothing more.
    let limit = if start > 0 { start - 1 } else { 0 };
    let (old_room, new_room) = (old.len() - limit, new.len() - limit);
    let mut end = 0;
    for (at, (left, right)) in old.iter().rev().zip(new.iter().rev()).enumerate() {
        if left != right || at >= old_room || at >= new_room {
            break;
        }
        if *left == b'/' {
            end = at + 1;
        }
    }
    let middle =
        |path: &[u8]| path.get(start..path.len().saturating_sub(end).max(start)).unwrap_or_default().to_vec();
    let (old_middle, new_middle) = (middle(old), middle(new));
    let mut out = Vec::new();
    let braces = start + end > 0;
    out.extend_from_slice(old.get(..start).unwrap_or_default());
    if braces {
        out.push(b'{');
    }
    out.extend_from_slice(&old_middle);
    out.extend_from_slice(b" => ");
    out.extend_from_slice(&new_middle);
    if braces {
        out.push(b'}');
        out.extend_from_slice(old.get(old.len() - end..).unwrap_or_default());
    }
    out
}

/// The lines of `--summary`: files that came, went, were renamed or changed their mode.
pub(super) fn summary(deltas: &[Delta], unusual: Unusual) -> Vec<u8> {
    let mut out = Vec::new();
    for delta in deltas {
        let path = quoted(delta.path(), unusual);
        let mut line = |text: String, path: &[u8]| {
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(path);
        };
        match (delta.change, &delta.old, &delta.new) {
            (Change::Added, _, Some(new)) => line(format!(" create mode {:06o} ", new.mode), &path),
            (Change::Deleted, Some(old), _) => line(format!(" delete mode {:06o} ", old.mode), &path),
            (Change::Renamed, Some(old), Some(new)) => {
                line(" rename ".to_owned(), &renamed_name(&old.path, &new.path, unusual));
                line(format!(" ({}%)", delta.similarity), b"");
                if old.mode != new.mode {
                    line(format!("\n mode change {:06o} => {:06o}", old.mode, new.mode), b"");
                }
            }
            (Change::Modified | Change::TypeChanged, Some(old), Some(new)) => {
                if old.mode == new.mode {
                    continue;
                }
                line(format!(" mode change {:06o} => {:06o} ", old.mode, new.mode), &path);
            }
            _ => continue,
        }
        out.push(b'\n');
    }
    out
}

/// A line of `--raw` (`with_ids`), `--name-status` or, without its letter, `--name-only`.
pub(super) fn name_line(session: &Session<'_>, delta: &Delta, form: NameForm, zero: bool) -> Result<Vec<u8>> {
    let end = if zero { b'\0' } else { b'\n' };
    let between = if zero { b'\0' } else { b'\t' };
    let shown = |path: &[u8]| if zero { path.to_vec() } else { quoted(path, session.unusual) };
    let mut out = Vec::new();
    if form == NameForm::Raw {
        let mode = |side: &Option<Side>| side.as_ref().map_or(0, |side| side.mode);
        out.extend_from_slice(format!(":{:06o} {:06o} ", mode(&delta.old), mode(&delta.new)).as_bytes());
        for side in [&delta.old, &delta.new] {
            let known =
                side.as_ref().filter(|side| !side.in_work_tree || side.compared).and_then(|side| side.id);
            out.extend_from_slice(session.abbreviate(known.unwrap_or(Oid::ZERO_SHA1))?.as_bytes());
            out.push(b' ');
        }
    }
    if form != NameForm::Only {
        out.extend_from_slice(delta.change.letter().to_string().as_bytes());
        if delta.change == Change::Renamed {
            out.extend_from_slice(format!("{:03}", delta.similarity).as_bytes());
        }
        out.push(between);
        if let Some(before) = delta.path_before() {
            out.extend_from_slice(&shown(before));
            out.push(between);
        }
    }
    out.extend_from_slice(&shown(delta.path()));
    out.push(end);
    Ok(out)
}

/// What a line that names a file tells beside the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameForm {
    /// Nothing.
    Only,
    /// The letter of the change.
    Status,
    /// Modes, ids and the letter.
    Raw,
}
