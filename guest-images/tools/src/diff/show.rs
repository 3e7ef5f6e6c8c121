//! Changes as text: normal, unified and with context.

use std::io::{self, Write};

use super::Ignores;
use super::compare::Change;
use super::lines::Lines;

/// How changes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Normal,
    /// With so many lines around them.
    Unified(usize),
    Context(usize),
}

/// Two texts, their changes, and what of these counts.
pub struct Shown<'a> {
    pub old: &'a Lines<'a>,
    pub new: &'a Lines<'a>,
    pub changes: &'a [Change],
    pub ignores: &'a Ignores,
    /// Show the function that a change is in.
    pub functions: bool,
}

impl Shown<'_> {
    fn trivial(&self, change: &Change) -> bool {
        self.ignores.trivial(change, self.old, self.new)
    }

    /// Whether anything is shown.
    pub fn any(&self) -> bool {
        self.changes.iter().any(|change| !self.trivial(change))
    }

    pub fn write(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        match style {
            Style::Normal => {
                for change in self.changes.iter().filter(|change| !self.trivial(change)) {
                    self.normal(out, change)?;
                }
            }
            Style::Unified(around) | Style::Context(around) => {
                let mut function = (0, None);
                for hunk in self.hunks(around) {
                    if hunk.iter().all(|change| self.trivial(change)) {
                        continue;
                    }
                    let range = self.range(hunk, around);
                    if self.functions {
                        self.function(range.0.0, &mut function);
                    }
                    let name = function.1.map(|name| self.named(name));
                    if matches!(style, Style::Unified(_)) {
                        self.unified(out, hunk, range, name.as_deref())?;
                    } else {
                        self.context(out, hunk, range, name.as_deref())?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Changes so near to each other that they are shown as one.
    fn hunks(&self, around: usize) -> Vec<&[Change]> {
        let mut hunks = Vec::new();
        let mut from = 0;
        for (at, pair) in self.changes.windows(2).enumerate() {
            let [before, next] = pair else { continue };
            let apart = if self.trivial(next) { around } else { 2 * around + 1 };
            if next.old - (before.old + before.deleted) >= apart {
                hunks.extend(self.changes.get(from..=at));
                from = at + 1;
            }
        }
        hunks.extend(self.changes.get(from..).filter(|rest| !rest.is_empty()));
        hunks
    }

    /// The lines of a hunk with those around it, in both files.
    fn range(&self, hunk: &[Change], around: usize) -> ((usize, usize), (usize, usize)) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { return ((0, 0), (0, 0)) };
        let end = |at: usize, side: &Lines<'_>| (at + around).min(side.all.len());
        (
            (first.old.saturating_sub(around), end(last.old + last.deleted, self.old)),
            (first.new.saturating_sub(around), end(last.new + last.inserted, self.new)),
        )
    }

    /// Looks for the last line before `to` that begins as a function does, from where was looked before.
    fn function(&self, to: usize, function: &mut (usize, Option<usize>)) {
        let begins = |line: &&[u8]| {
            line.first().is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'$' | b'_'))
        };
        let found = (function.0..to).rev().find(|&at| self.old.all.get(at).is_some_and(begins));
        *function = (to, found.or(function.1));
    }

    fn named(&self, at: usize) -> Vec<u8> {
        let line = self.old.all.get(at).copied().unwrap_or_default();
        line.get(..40).unwrap_or(line).trim_ascii().to_vec()
    }

    fn line(&self, out: &mut dyn Write, prefix: &str, new: bool, at: usize) -> io::Result<()> {
        let side = if new { self.new } else { self.old };
        let line = side.all.get(at).copied().unwrap_or_default();
        out.write_all(prefix.as_bytes())?;
        out.write_all(line)?;
        out.write_all(b"\n")?;
        if side.incomplete && at + 1 == side.all.len() {
            out.write_all(b"\\ No newline at end of file\n")?;
        }
        Ok(())
    }

    fn normal(&self, out: &mut dyn Write, change: &Change) -> io::Result<()> {
        let range = |from: usize, count: usize| match count {
            0 | 1 => (from + count).to_string(),
            _ => format!("{},{}", from + 1, from + count),
        };
        let letter = match (change.deleted, change.inserted) {
            (0, _) => 'a',
            (_, 0) => 'd',
            _ => 'c',
        };
        let (old, new) = (range(change.old, change.deleted), range(change.new, change.inserted));
        writeln!(out, "{old}{letter}{new}")?;
        for at in change.old..change.old + change.deleted {
            self.line(out, "< ", false, at)?;
        }
        if letter == 'c' {
            out.write_all(b"---\n")?;
        }
        for at in change.new..change.new + change.inserted {
            self.line(out, "> ", true, at)?;
        }
        Ok(())
    }

    fn unified(
        &self,
        out: &mut dyn Write,
        hunk: &[Change],
        (old, new): ((usize, usize), (usize, usize)),
        function: Option<&[u8]>,
    ) -> io::Result<()> {
        let range = |(from, to): (usize, usize)| match to - from {
            0 => format!("{from},0"),
            1 => to.to_string(),
            count => format!("{},{count}", from + 1),
        };
        write!(out, "@@ -{} +{} @@", range(old), range(new))?;
        if let Some(function) = function {
            out.write_all(b" ")?;
            out.write_all(function)?;
        }
        out.write_all(b"\n")?;
        let mut at = old.0;
        for change in hunk {
            for same in at..change.old {
                self.line(out, " ", false, same)?;
            }
            for gone in change.old..change.old + change.deleted {
                self.line(out, "-", false, gone)?;
            }
            for come in change.new..change.new + change.inserted {
                self.line(out, "+", true, come)?;
            }
            at = change.old + change.deleted;
        }
        for same in at..old.1 {
            self.line(out, " ", false, same)?;
        }
        Ok(())
    }

    fn context(
        &self,
        out: &mut dyn Write,
        hunk: &[Change],
        (old, new): ((usize, usize), (usize, usize)),
        function: Option<&[u8]>,
    ) -> io::Result<()> {
        let range = |(from, to): (usize, usize)| {
            if to > from + 1 { format!("{},{to}", from + 1) } else { to.to_string() }
        };
        out.write_all(b"***************")?;
        if let Some(function) = function {
            out.write_all(b" ")?;
            out.write_all(function)?;
        }
        writeln!(out, "\n*** {} ****", range(old))?;
        if hunk.iter().any(|change| change.deleted > 0) {
            let spans = hunk.iter().map(|change| (change.old, change.deleted, change.inserted > 0));
            self.half(out, false, old, ("- ", spans))?;
        }
        writeln!(out, "--- {} ----", range(new))?;
        if hunk.iter().any(|change| change.inserted > 0) {
            let spans = hunk.iter().map(|change| (change.new, change.inserted, change.deleted > 0));
            self.half(out, true, new, ("+ ", spans))?;
        }
        Ok(())
    }

    /// One file's half of a hunk: changed lines have their sign, or `!` when the other half has changed ones for them.
    fn half(
        &self,
        out: &mut dyn Write,
        new: bool,
        (from, to): (usize, usize),
        (sign, spans): (&str, impl Iterator<Item = (usize, usize, bool)>),
    ) -> io::Result<()> {
        let mut at = from;
        for (start, count, both) in spans {
            for same in at..start {
                self.line(out, "  ", new, same)?;
            }
            for changed in start..start + count {
                self.line(out, if both { "! " } else { sign }, new, changed)?;
            }
            at = start + count;
        }
        for same in at..to {
            self.line(out, "  ", new, same)?;
        }
        Ok(())
    }
}
