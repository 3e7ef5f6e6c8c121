//! What a command was asked to show of differences, and how: the options that `diff`, `log`, `show`
//! and `stash show` share.

use super::arguments::{Argument, Arguments};
use super::changes::{Change, Delta};
use super::command::Context;
use super::failure::{Failure, Result};
use super::hunks::Whitespace;
use super::patch::{PatchOptions, patch};
use super::renames::detect;
use super::session::Session;
use super::stat::{NameForm, graph, name_line, numstat, stats, summary, totals};

/// The least similarity of a rename, in percent, where none is given.
const RENAME_PERCENT: u32 = 50;

/// What to show.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(super) struct DiffRequest {
    pub(super) patch: bool,
    pub(super) graph: bool,
    totals: bool,
    numbers: bool,
    summary: bool,
    pub(super) names: Option<NameForm>,
    /// `-s`: nothing.
    pub(super) nothing: bool,
    pub(super) quiet: bool,
    pub(super) exit_code: bool,
    pub(super) zero: bool,
    options: PatchOptions,
    renames: Option<u32>,
    filter: Option<String>,
}

impl Default for DiffRequest {
    fn default() -> Self {
        Self {
            patch: false,
            graph: false,
            totals: false,
            numbers: false,
            summary: false,
            names: None,
            nothing: false,
            quiet: false,
            exit_code: false,
            zero: false,
            options: PatchOptions::default(),
            renames: Some(RENAME_PERCENT),
            filter: None,
        }
    }
}

impl DiffRequest {
    /// Takes an option if it is one of these.
    pub(super) fn accept(&mut self, argument: Argument<'_>, arguments: &mut Arguments<'_>) -> Result<bool> {
        let mut format = true;
        match argument {
            Argument::Short('p' | 'u') | Argument::Long("patch") => self.patch = true,
            Argument::Long("stat") => {
                if arguments.optional_value().is_some() {
                    return Err(arguments.unsupported());
                }
                self.graph = true;
            }
            Argument::Long("shortstat") => self.totals = true,
            Argument::Long("numstat") => self.numbers = true,
            Argument::Long("summary") => self.summary = true,
            Argument::Long("patch-with-stat") => (self.patch, self.graph) = (true, true),
            Argument::Long("name-only") => self.names = Some(NameForm::Only),
            Argument::Long("name-status") => self.names = Some(NameForm::Status),
            Argument::Long("raw") => self.names = Some(NameForm::Raw),
            Argument::Short('U') | Argument::Long("unified") => {
                self.options.context_lines = arguments.number()?;
                self.patch = true;
            }
            Argument::Short('s') | Argument::Long("no-patch") => {
                *self = Self {
                    nothing: true,
                    ..Self { options: self.options, renames: self.renames, ..Self::default() }
                };
                return Ok(true);
            }
            _ => format = false,
        }
        if format {
            self.nothing = false;
            return Ok(true);
        }
        match argument {
            Argument::Short('w') | Argument::Long("ignore-all-space") => {
                self.options.whitespace = Whitespace::Ignored;
            }
            Argument::Short('b') | Argument::Long("ignore-space-change") => {
                self.options.whitespace = Whitespace::ChangeIgnored;
            }
            Argument::Long("ignore-space-at-eol") => self.options.whitespace = Whitespace::AtEndIgnored,
            Argument::Short('M') | Argument::Long("find-renames") => {
                self.renames = Some(arguments.optional_value().map_or(Ok(RENAME_PERCENT), percent)?);
            }
            Argument::Long("renames") => self.renames = Some(RENAME_PERCENT),
            Argument::Long("no-renames") => self.renames = None,
            Argument::Short('a') | Argument::Long("text") => self.options.all_text = true,
            Argument::Long("binary") => (self.options.binary, self.patch) = (true, true),
            Argument::Long("full-index") => self.options.full_index = true,
            Argument::Long("quiet") => self.quiet = true,
            Argument::Long("exit-code") => self.exit_code = true,
            Argument::Short('z') => self.zero = true,
            Argument::Long("diff-filter") => self.filter = Some(arguments.text()?.to_owned()),
            Argument::Long("color") => match arguments.optional_value() {
                Some(b"never" | b"auto") => {}
                _ => return Err(arguments.unsupported()),
            },
            Argument::Long("no-color" | "no-ext-diff" | "no-textconv" | "indent-heuristic") => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Tells whether a form was chosen.
    pub(super) fn has_form(&self) -> bool {
        self.patch
            || self.graph
            || self.totals
            || self.numbers
            || self.summary
            || self.names.is_some()
            || self.nothing
    }

    /// Finds renames and leaves out what the filter does.
    pub(super) fn refine(&self, session: &Session<'_>, deltas: Vec<Delta>) -> Result<Vec<Delta>> {
        let mut deltas = match self.renames {
            Some(least) => detect(session, deltas, least)?,
            None => deltas,
        };
        if let Some(filter) = &self.filter {
            deltas.retain(|delta| passes(filter, delta.change));
        }
        Ok(deltas)
    }

    /// Tells whether there is a difference that counts.
    pub(super) fn differs(&self, session: &Session<'_>, deltas: &[Delta]) -> Result<bool> {
        if self.options.whitespace == Whitespace::Counts {
            return Ok(!deltas.is_empty());
        }
        for delta in deltas {
            if !patch(session, delta, self.options)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Prints the differences in all the forms that were chosen.
    pub(super) fn print(&self, session: &Session<'_>, deltas: &[Delta]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        if deltas.is_empty() || self.nothing || self.quiet {
            return Ok(out);
        }
        let mut separate = false;
        if let Some(form) = self.names {
            for delta in deltas {
                out.extend_from_slice(&name_line(session, delta, form, self.zero)?);
            }
            separate = true;
        }
        if self.graph || self.totals || self.numbers {
            let stats = stats(session, deltas, self.options.whitespace)?;
            if self.numbers {
                out.extend_from_slice(&numstat(&stats, (!self.zero).then_some(session.unusual)));
            }
            if self.graph {
                out.extend_from_slice(&graph(&stats, session.unusual));
            }
            if self.totals && !stats.is_empty() {
                out.extend_from_slice(&totals(&stats));
            }
            separate = true;
        }
        if self.summary {
            let lines = summary(deltas, session.unusual);
            separate |= !lines.is_empty();
            out.extend_from_slice(&lines);
        }
        if self.patch {
            if separate {
                out.push(if self.zero { 0 } else { b'\n' });
            }
            for delta in deltas {
                out.extend_from_slice(&patch(session, delta, self.options)?);
                Context::check_size(&out)?;
            }
        }
        Ok(out)
    }
}

fn passes(filter: &str, change: Change) -> bool {
    let letter = change.letter();
    if filter.contains(letter.to_ascii_lowercase()) {
        return false;
    }
    !filter.contains(|found: char| found.is_ascii_uppercase()) || filter.contains(letter)
}

/// Reads a similarity: `60%`, or a fraction without its `0.`, as in `6`.
fn percent(value: &[u8]) -> Result<u32> {
    let text = std::str::from_utf8(value).unwrap_or_default();
    let number = |digits: &str| digits.parse::<u32>().ok();
    let percent = match text.strip_suffix('%') {
        Some(digits) => number(digits).filter(|percent| *percent <= 100),
        None if text.len() == 1 => number(text).map(|tenths| tenths * 10),
        None if text.len() == 2 => number(text),
        None => None,
    };
    percent.ok_or_else(|| Failure::usage(format!("similarity '{text}' is not supported here; as in -M60%")))
}
