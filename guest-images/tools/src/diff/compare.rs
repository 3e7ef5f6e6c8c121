//! Which lines differ: Myers' algorithm from both ends at once, without the lines that only confuse it, and each run
//! of differing lines moved to where GNU diff has it.

use super::drop::dropped;

/// Lines of one file in whose place are lines of the other. Numbers are from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub old: usize,
    pub new: usize,
    pub deleted: usize,
    pub inserted: usize,
}

/// Edits beyond which a search takes the best that it has found, so that its time is not the square of that.
const LEAST_EXPENSIVE: usize = 4096;

/// The changes between two files whose lines are numbers: equal ones for equal lines.
pub fn changes(old: &[u32], new: &[u32], minimal: bool) -> Vec<Change> {
    let most = old.iter().chain(new).max().map_or(0, |most| *most as usize + 1);
    let counts = [old, new].map(|side| {
        let mut counts = vec![0usize; most];
        for &class in side {
            if let Some(count) = counts.get_mut(class as usize) {
                *count += 1;
            }
        }
        counts
    });
    let [in_old, in_new] = &counts;
    let (dropped_old, dropped_new) = if minimal {
        (vec![false; old.len()], vec![false; new.len()])
    } else {
        (dropped(old, in_new), dropped(new, in_old))
    };
    let kept = |dropped: &[bool]| -> Vec<usize> {
        dropped.iter().enumerate().filter(|(_, dropped)| !**dropped).map(|(at, _)| at).collect()
    };
    let (kept_old, kept_new) = (kept(&dropped_old), kept(&dropped_new));
    let pick = |kept: &[usize], side: &[u32]| -> Vec<u32> {
        kept.iter().filter_map(|&at| side.get(at).copied()).collect()
    };
    let (x, y) = (pick(&kept_old, old), pick(&kept_new, new));
    let diagonals = x.len() + y.len() + 3;
    let mut expensive = 1;
    let mut rest = diagonals;
    while rest != 0 {
        rest >>= 2;
        expensive <<= 1;
    }
    let mut search = Search {
        forward: Furthest::new(diagonals, y.len() + 1),
        backward: Furthest::new(diagonals, y.len() + 1),
        changed_x: vec![false; x.len()],
        changed_y: vec![false; y.len()],
        x,
        y,
        expensive: expensive.max(LEAST_EXPENSIVE),
    };
    let (width, height) = (index(search.x.len()), index(search.y.len()));
    search.compare((0, width), (0, height), minimal);
    let mark = |mut dropped: Vec<bool>, kept: &[usize], changed: &[bool]| {
        for (&at, &changed) in kept.iter().zip(changed) {
            if let Some(place) = dropped.get_mut(at) {
                *place = changed;
            }
        }
        dropped
    };
    let mut changed_old = mark(dropped_old, &kept_old, &search.changed_x);
    let mut changed_new = mark(dropped_new, &kept_new, &search.changed_y);
    settle(old, &mut changed_old, &changed_new);
    settle(new, &mut changed_new, &changed_old);
    script(&changed_old, &changed_new)
}

fn script(old: &[bool], new: &[bool]) -> Vec<Change> {
    let (mut at, mut to) = (0, 0);
    let mut changes = Vec::new();
    while at < old.len() || to < new.len() {
        let run = |side: &[bool], from: usize| side.iter().skip(from).take_while(|changed| **changed).count();
        let (deleted, inserted) = (run(old, at), run(new, to));
        if deleted + inserted > 0 {
            changes.push(Change { old: at, new: to, deleted, inserted });
            at += deleted;
            to += inserted;
        }
        at += 1;
        to += 1;
    }
    changes
}

fn index(at: usize) -> isize {
    isize::try_from(at).unwrap_or(isize::MAX)
}

fn place(at: isize) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// How far each diagonal was followed.
struct Furthest {
    reached: Vec<isize>,
    offset: isize,
}

impl Furthest {
    fn new(diagonals: usize, offset: usize) -> Furthest {
        Furthest { reached: vec![0; diagonals], offset: index(offset) }
    }

    fn get(&self, diagonal: isize) -> isize {
        self.reached.get(place(diagonal + self.offset)).copied().unwrap_or(0)
    }

    fn set(&mut self, diagonal: isize, to: isize) {
        if let Some(reached) = self.reached.get_mut(place(diagonal + self.offset)) {
            *reached = to;
        }
    }
}

/// Where a comparison falls into two, and whether their parts have to be compared exactly.
struct Split {
    at: (isize, isize),
    exact: (bool, bool),
}

struct Search {
    x: Vec<u32>,
    y: Vec<u32>,
    changed_x: Vec<bool>,
    changed_y: Vec<bool>,
    forward: Furthest,
    backward: Furthest,
    expensive: usize,
}

impl Search {
    fn same(&self, x: isize, y: isize) -> bool {
        self.x.get(place(x)) == self.y.get(place(y))
    }

    fn compare(
        &mut self,
        (mut left, mut right): (isize, isize),
        (mut top, mut bottom): (isize, isize),
        exact: bool,
    ) {
        while left < right && top < bottom && self.same(left, top) {
            left += 1;
            top += 1;
        }
        while left < right && top < bottom && self.same(right - 1, bottom - 1) {
            right -= 1;
            bottom -= 1;
        }
        if left == right {
            mark(&mut self.changed_y, top, bottom);
        } else if top == bottom {
            mark(&mut self.changed_x, left, right);
        } else {
            let split = self.split((left, right), (top, bottom), exact);
            self.compare((left, split.at.0), (top, split.at.1), split.exact.0);
            self.compare((split.at.0, right), (split.at.1, bottom), split.exact.1);
        }
    }

    /// The middle of a shortest way, or what is best when that is far.
    fn split(&mut self, (left, right): (isize, isize), (top, bottom): (isize, isize), exact: bool) -> Split {
        let (least, most) = (left - bottom, right - top);
        let (forward_middle, backward_middle) = (left - top, right - bottom);
        let odd = (forward_middle - backward_middle) % 2 != 0;
        let mut ahead = (forward_middle, forward_middle);
        let mut back = (backward_middle, backward_middle);
        self.forward.set(forward_middle, left);
        self.backward.set(backward_middle, right);
        for cost in 1.. {
            widen(&mut ahead, (least, most), &mut self.forward, -1);
            let mut diagonal = ahead.1;
            while diagonal >= ahead.0 {
                let (low, high) = (self.forward.get(diagonal - 1), self.forward.get(diagonal + 1));
                let mut x = if low < high { high } else { low + 1 };
                while x < right && x - diagonal < bottom && self.same(x, x - diagonal) {
                    x += 1;
                }
                self.forward.set(diagonal, x);
                if odd && back.0 <= diagonal && diagonal <= back.1 && self.backward.get(diagonal) <= x {
                    return Split { at: (x, x - diagonal), exact: (true, true) };
                }
                diagonal -= 2;
            }
            widen(&mut back, (least, most), &mut self.backward, isize::MAX >> 1);
            let mut diagonal = back.1;
            while diagonal >= back.0 {
                let (low, high) = (self.backward.get(diagonal - 1), self.backward.get(diagonal + 1));
                let mut x = if low < high { low } else { high - 1 };
                while left < x && top < x - diagonal && self.same(x - 1, x - diagonal - 1) {
                    x -= 1;
                }
                self.backward.set(diagonal, x);
                if !odd && ahead.0 <= diagonal && diagonal <= ahead.1 && x <= self.forward.get(diagonal) {
                    return Split { at: (x, x - diagonal), exact: (true, true) };
                }
                diagonal -= 2;
            }
            if !exact && cost >= self.expensive {
                break;
            }
        }
        self.best((left, right), (top, bottom), (ahead, back))
    }

    fn best(
        &self,
        (left, right): (isize, isize),
        (top, bottom): (isize, isize),
        (ahead, back): ((isize, isize), (isize, isize)),
    ) -> Split {
        let mut forth = (-1, left);
        let mut diagonal = ahead.1;
        while diagonal >= ahead.0 {
            let mut x = self.forward.get(diagonal).min(right);
            let mut y = x - diagonal;
            if bottom < y {
                (x, y) = (bottom + diagonal, bottom);
            }
            if forth.0 < x + y {
                forth = (x + y, x);
            }
            diagonal -= 2;
        }
        let mut aback = (isize::MAX, right);
        let mut diagonal = back.1;
        while diagonal >= back.0 {
            let mut x = self.backward.get(diagonal).max(left);
            let mut y = x - diagonal;
            if y < top {
                (x, y) = (top + diagonal, top);
            }
            if x + y < aback.0 {
                aback = (x + y, x);
            }
            diagonal -= 2;
        }
        if (right + bottom) - aback.0 < forth.0 - (left + top) {
            Split { at: (forth.1, forth.0 - forth.1), exact: (true, false) }
        } else {
            Split { at: (aback.1, aback.0 - aback.1), exact: (false, true) }
        }
    }
}

/// Takes one diagonal more on each side, or one less where there are no more.
fn widen(range: &mut (isize, isize), (least, most): (isize, isize), furthest: &mut Furthest, none: isize) {
    if range.0 > least {
        range.0 -= 1;
        furthest.set(range.0 - 1, none);
    } else {
        range.0 += 1;
    }
    if range.1 < most {
        range.1 += 1;
        furthest.set(range.1 + 1, none);
    } else {
        range.1 -= 1;
    }
}

fn mark(changed: &mut [bool], from: isize, to: isize) {
    for place in changed.get_mut(place(from)..place(to)).unwrap_or_default() {
        *place = true;
    }
}

/// Moves runs of changed lines as far down as they can go, joins those that meet, and prefers an end that is beside a
/// change of the other file.
fn settle(side: &[u32], changed: &mut [bool], other: &[bool]) {
    let is = |flags: &[bool], at: isize| flags.get(place(at)).copied().unwrap_or(false);
    let class = |at: isize| side.get(place(at));
    let end = index(side.len());
    let (mut at, mut beside) = (0isize, 0isize);
    loop {
        while at < end && !is(changed, at) {
            while is(other, beside) {
                beside += 1;
            }
            beside += 1;
            at += 1;
        }
        if at >= end {
            return;
        }
        let mut start = at;
        while is(changed, at) {
            at += 1;
        }
        while is(other, beside) {
            beside += 1;
        }
        let mut corresponding;
        loop {
            let length = at - start;
            while start > 0 && class(start - 1) == class(at - 1) {
                start -= 1;
                at -= 1;
                mark(changed, start, start + 1);
                clear(changed, at);
                while is(changed, start - 1) {
                    start -= 1;
                }
                beside -= 1;
                while is(other, beside) {
                    beside -= 1;
                }
            }
            corresponding = if is(other, beside - 1) { at } else { end };
            while at != end && class(start) == class(at) {
                clear(changed, start);
                mark(changed, at, at + 1);
                start += 1;
                at += 1;
                while is(changed, at) {
                    at += 1;
                }
                beside += 1;
                while is(other, beside) {
                    corresponding = at;
                    beside += 1;
                }
            }
            if length == at - start {
                break;
            }
        }
        while corresponding < at {
            start -= 1;
            at -= 1;
            mark(changed, start, start + 1);
            clear(changed, at);
            beside -= 1;
            while is(other, beside) {
                beside -= 1;
            }
        }
    }
}

fn clear(changed: &mut [bool], at: isize) {
    if let Some(place) = changed.get_mut(place(at)) {
        *place = false;
    }
}
