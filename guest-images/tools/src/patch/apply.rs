//! Where hunks belong, and a file with them in it.

use super::parse::{Hunk, Sign};

/// A file while hunks are put in. Line numbers are from 1, as patches have them.
pub struct Text<'a> {
    lines: &'a [&'a [u8]],
    pub out: Vec<u8>,
    /// Lines up to here are in the output and not looked at again.
    frozen: isize,
    /// How far hunks are from where they say they are, in the file and in what comes out.
    pub offset: isize,
    grown: isize,
}

/// Where a hunk was put.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    line: isize,
    pub fuzz: usize,
}

fn signed(number: usize) -> isize {
    isize::try_from(number).unwrap_or(isize::MAX >> 2)
}

fn unsigned(number: isize) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// Lines that are the same, before and behind what a hunk changes.
pub fn around(hunk: &Hunk) -> (usize, usize) {
    let same = |line: &&(Sign, Vec<u8>)| line.0 == Sign::Same;
    let before = hunk.lines.iter().take_while(same).count();
    let behind = hunk.lines.iter().rev().take_while(same).count();
    (before, behind)
}

impl<'a> Text<'a> {
    pub fn new(lines: &'a [&'a [u8]]) -> Text<'a> {
        Text { lines, out: Vec::new(), frozen: 0, offset: 0, grown: 0 }
    }

    /// The line that a hunk has in the output when it is put where it says, or where it was found.
    pub fn reported(&self, hunk: &Hunk, place: Option<Place>) -> isize {
        place.map_or(signed(hunk.old), |place| place.line) + self.grown
    }

    /// Looks for the place of a hunk, the nearest first, without `fuzz` of its outer lines.
    pub fn locate(&mut self, hunk: &Hunk, fuzz: usize) -> Option<Place> {
        let pattern = hunk.side(Sign::New);
        let guess = signed(hunk.old) + self.offset;
        let found = |text: &mut Text<'_>, line: isize| {
            text.offset += line - guess;
            Some(Place { line, fuzz })
        };
        if pattern.is_empty() {
            return found(self, guess);
        }
        let (before, behind) = around(hunk);
        let context = before.max(behind);
        let cut = |own: usize| signed(fuzz) + signed(own) - signed(context);
        let (prefix, suffix) = (cut(before), cut(behind));
        let (count, total) = (signed(pattern.len()), signed(self.lines.len()));
        let most_down = total - guess - count + 1;
        let most_up = (guess - self.frozen - 1).min(guess - 1);
        if prefix < 0 {
            if suffix < 0 && count != total {
                return None;
            }
            let fits = self.frozen <= signed(before) && 1 - guess <= most_down;
            return if fits && self.fits(&pattern, 1, (0, suffix)) { found(self, 1) } else { None };
        }
        if suffix < 0 {
            let line = total - count + 1;
            let fits = guess - line <= most_up;
            return if fits && self.fits(&pattern, line, (prefix, 0)) { found(self, line) } else { None };
        }
        for distance in 0..=most_down.max(most_up) {
            if distance <= most_down && self.fits(&pattern, guess + distance, (prefix, suffix)) {
                return found(self, guess + distance);
            }
            if distance <= most_up && self.fits(&pattern, guess - distance, (prefix, suffix)) {
                return found(self, guess - distance);
            }
        }
        None
    }

    fn fits(&self, pattern: &[&[u8]], line: isize, (prefix, suffix): (isize, isize)) -> bool {
        let (prefix, suffix) = (unsigned(prefix), unsigned(suffix));
        let Some(start) = usize::try_from(line - 1).ok() else { return false };
        let end = pattern.len().saturating_sub(suffix);
        let wanted = pattern.get(prefix..end).unwrap_or_default();
        self.lines.get(start + prefix..start + end).is_some_and(|lines| lines == wanted)
    }

    /// Puts a hunk in.
    pub fn put(&mut self, hunk: &Hunk, place: Place) {
        self.copy_before(place.line);
        for (sign, line) in &hunk.lines {
            match sign {
                Sign::Same => self.copy_before(self.frozen + 2),
                Sign::Old => self.frozen += 1,
                Sign::New => self.push(line),
            }
        }
        self.grown += signed(hunk.side(Sign::Old).len()) - signed(hunk.side(Sign::New).len());
    }

    fn push(&mut self, line: &[u8]) {
        if self.out.last().is_some_and(|byte| *byte != b'\n') {
            self.out.push(b'\n');
        }
        self.out.extend_from_slice(line);
    }

    fn copy_before(&mut self, line: isize) {
        while self.frozen + 1 < line {
            let Some(next) = self.lines.get(unsigned(self.frozen)).copied() else { return };
            self.push(next);
            self.frozen += 1;
        }
    }

    /// All of the file, when nothing more is put in.
    pub fn finish(mut self) -> Vec<u8> {
        self.copy_before(signed(self.lines.len()) + 1);
        self.out
    }

    /// How much longer the output is than what was read for it.
    pub fn grown(&self) -> isize {
        self.grown
    }
}
