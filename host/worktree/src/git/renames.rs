//! Which deleted and added files are one that was renamed, as git decides it: equal contents first,
//! then equal file names that are alone of their name, then the most similar of all that are left.

use super::changes::{Change, Delta, Side};
use super::failure::Result;
use super::patch::is_binary_side;
use super::session::Session;
use super::similarity::{MAX_SCORE, Pieces, sizes_differ_too_much};
use super::work_tree::split;
use git2::Oid;
use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::HashMap;

/// With more pairs than the square of this, only equal contents are looked for (`diff.renameLimit`).
const RENAME_LIMIT: usize = 1000;
/// The most bytes that are read to compare contents.
const MAX_BYTES: u64 = 512 * 1024 * 1024;
/// For each added file so many candidates are kept.
const CANDIDATES: usize = 4;

/// Joins deleted and added files into renames; `least` is the least similarity in percent.
pub(super) fn detect(session: &Session<'_>, deltas: Vec<Delta>, least: u32) -> Result<Vec<Delta>> {
    Search::new(session, deltas, least)?.run()
}

fn percent(score: u64) -> u32 {
    u32::try_from(score * 100 / MAX_SCORE).unwrap_or(100)
}

/// A deleted or added file.
struct Candidate {
    /// Where it stands among the deltas.
    delta: usize,
    side: Side,
    id: Oid,
    pieces: OnceCell<Pieces>,
}

impl Candidate {
    fn name(&self) -> &[u8] {
        split(&self.side.path).1
    }

    fn is_file(&self) -> bool {
        self.side.kind() == 0o100_000
    }
}

struct Search<'s, 'a> {
    session: &'s Session<'a>,
    deltas: Vec<Delta>,
    sources: Vec<Candidate>,
    targets: Vec<Candidate>,
    least: u64,
    /// For each target its source and score.
    found: Vec<Option<(usize, u64)>>,
    used: Vec<bool>,
}

impl<'s, 'a> Search<'s, 'a> {
    fn new(session: &'s Session<'a>, deltas: Vec<Delta>, least: u32) -> Result<Self> {
        let (mut sources, mut targets) = (Vec::new(), Vec::new());
        for (at, delta) in deltas.iter().enumerate() {
            let (side, list) = match (delta.change, &delta.old, &delta.new) {
                (Change::Deleted, Some(side), _) => (side, &mut sources),
                (Change::Added, _, Some(side)) => (side, &mut targets),
                _ => continue,
            };
            list.push((at, side.clone()));
        }
        let both = !sources.is_empty() && !targets.is_empty();
        let candidates = |list: Vec<(usize, Side)>| -> Result<Vec<Candidate>> {
            let list = if both { list } else { Vec::new() };
            list.into_iter()
                .map(|(delta, side)| {
                    Ok(Candidate { delta, id: side.id(session)?, side, pieces: OnceCell::new() })
                })
                .collect()
        };
        let (sources, targets) = (candidates(sources)?, candidates(targets)?);
        let (used, found) = (vec![false; sources.len()], vec![None; targets.len()]);
        let least = u64::from(least) * MAX_SCORE / 100;
        Ok(Self { session, deltas, sources, targets, least, found, used })
    }

    fn run(mut self) -> Result<Vec<Delta>> {
        self.find_equal();
        if self.least < MAX_SCORE && self.bytes_to_read()? <= MAX_BYTES {
            self.find_equal_names()?;
            self.find_similar()?;
        }
        Ok(self.result())
    }

    fn record(&mut self, target: usize, source: usize, score: u64) {
        if let (Some(found), Some(used)) = (self.found.get_mut(target), self.used.get_mut(source)) {
            *found = Some((source, score));
            *used = true;
        }
    }

    fn unused(&self) -> impl Iterator<Item = (usize, &Candidate)> {
        self.sources.iter().enumerate().filter(|(at, _)| self.used.get(*at) == Some(&false))
    }

    fn open(&self) -> impl Iterator<Item = (usize, &Candidate)> {
        self.targets.iter().enumerate().filter(|(at, _)| self.found.get(*at) == Some(&None))
    }

    fn find_equal(&mut self) {
        let mut by_id: HashMap<Oid, Vec<usize>> = HashMap::new();
        for (at, source) in self.sources.iter().enumerate() {
            by_id.entry(source.id).or_default().push(at);
        }
        let mut pairs = Vec::new();
        let mut taken = vec![false; self.sources.len()];
        for (at, target) in self.targets.iter().enumerate() {
            let mut best: Option<(bool, usize)> = None;
            for source_at in by_id.get(&target.id).into_iter().flatten() {
                let Some(source) = self.sources.get(*source_at) else { continue };
                let modes_fit =
                    (source.is_file() && target.is_file()) || source.side.mode == target.side.mode;
                if !modes_fit || taken.get(*source_at) == Some(&true) {
                    continue;
                }
                let same_name = source.name() == target.name();
                if best.is_none_or(|(best_name, _)| same_name && !best_name) {
                    best = Some((same_name, *source_at));
                }
                if same_name {
                    break;
                }
            }
            if let Some((_, source)) = best {
                if let Some(taken) = taken.get_mut(source) {
                    *taken = true;
                }
                pairs.push((at, source));
            }
        }
        for (target, source) in pairs {
            self.record(target, source, MAX_SCORE);
        }
    }

    fn bytes_to_read(&self) -> Result<u64> {
        let odb = self.session.odb()?;
        let size = |candidate: &Candidate| -> Result<u64> {
            if !candidate.is_file() {
                return Ok(0);
            }
            if candidate.side.in_work_tree {
                return Ok(self.session.tree.stat(&candidate.side.path)?.map_or(0, |stat| stat.size));
            }
            Ok(odb.read_header(candidate.id)?.0 as u64)
        };
        let mut total = 0;
        for (_, candidate) in self.unused().chain(self.open()) {
            total += size(candidate)?;
        }
        Ok(total)
    }

    fn pieces<'c>(&self, candidate: &'c Candidate) -> Result<&'c Pieces> {
        if let Some(pieces) = candidate.pieces.get() {
            return Ok(pieces);
        }
        let content = candidate.side.content(self.session)?;
        let text = !is_binary_side(self.session, &candidate.side, &content)?;
        let pieces = Pieces::of(&content, text);
        Ok(candidate.pieces.get_or_init(|| pieces))
    }

    fn score(&self, source: &Candidate, target: &Candidate, least: u64) -> Result<u64> {
        if !source.is_file() || !target.is_file() {
            return Ok(0);
        }
        let (old, new) = (self.pieces(source)?, self.pieces(target)?);
        Ok(if sizes_differ_too_much(old.size(), new.size(), least) { 0 } else { old.score(new, least) })
    }

    fn find_equal_names(&mut self) -> Result<()> {
        fn alone<'c>(list: impl Iterator<Item = (usize, &'c Candidate)>) -> HashMap<&'c [u8], Option<usize>> {
            let mut names: HashMap<&[u8], Option<usize>> = HashMap::new();
            for (at, candidate) in list {
                names.entry(candidate.name()).and_modify(|found| *found = None).or_insert(Some(at));
            }
            names
        }
        // Files of the same name are taken for one another half way up to being equal.
        let least = self.least + (MAX_SCORE - self.least) / 2;
        let (sources, targets) = (alone(self.unused()), alone(self.open()));
        let mut pairs = Vec::new();
        for (name, source_at) in sources {
            let (Some(source_at), Some(Some(target_at))) = (source_at, targets.get(name)) else { continue };
            let (Some(source), Some(target)) = (self.sources.get(source_at), self.targets.get(*target_at))
            else {
                continue;
            };
            let score = self.score(source, target, least)?;
            if score >= least {
                pairs.push((*target_at, source_at, score));
            }
        }
        for (target, source, score) in pairs {
            self.record(target, source, score);
        }
        Ok(())
    }

    fn find_similar(&mut self) -> Result<()> {
        let (targets, sources) = (self.open().count(), self.unused().count());
        if targets == 0 || sources == 0 || targets.saturating_mul(sources) > RENAME_LIMIT * RENAME_LIMIT {
            return Ok(());
        }
        let mut pairs: Vec<Pair> = Vec::new();
        for (target_at, target) in self.open() {
            let mut best: [Option<Pair>; CANDIDATES] = [None; CANDIDATES];
            for (source_at, source) in self.unused() {
                let score = self.score(source, target, self.least)?;
                let same_name = source.name() == target.name();
                let pair = Pair { score, same_name, target: target_at, source: source_at };
                let worst = best.iter_mut().reduce(|worst, other| {
                    if order(other.as_ref(), worst.as_ref()) == Ordering::Greater { other } else { worst }
                });
                if let Some(worst) = worst
                    && order(worst.as_ref(), Some(&pair)) == Ordering::Greater
                {
                    *worst = Some(pair);
                }
            }
            pairs.extend(best.into_iter().flatten());
        }
        pairs.sort_by(|left, right| order(Some(left), Some(right)));
        for pair in pairs {
            let free =
                self.found.get(pair.target) == Some(&None) && self.used.get(pair.source) == Some(&false);
            if pair.score >= self.least && free {
                self.record(pair.target, pair.source, pair.score);
            }
        }
        Ok(())
    }

    fn result(mut self) -> Vec<Delta> {
        for target in &self.targets {
            let delta = self.deltas.get_mut(target.delta);
            if let Some(side) = delta.and_then(|delta| delta.new.as_mut()) {
                (side.id, side.compared) = (Some(target.id), true);
            }
        }
        let renames: HashMap<usize, (usize, u64)> = self
            .targets
            .iter()
            .zip(&self.found)
            .filter_map(|(target, found)| {
                let (source, score) = (*found)?;
                Some((target.delta, (self.sources.get(source)?.delta, score)))
            })
            .collect();
        let gone: HashMap<usize, Option<Side>> = renames
            .values()
            .map(|(source, _)| (*source, self.deltas.get(*source).and_then(|delta| delta.old.clone())))
            .collect();
        let deltas = self.deltas.into_iter().enumerate().filter(|(at, _)| !gone.contains_key(at));
        deltas
            .map(|(at, delta)| match renames.get(&at) {
                Some((source, score)) => Delta {
                    change: Change::Renamed,
                    old: gone.get(source).cloned().flatten(),
                    new: delta.new,
                    similarity: percent(*score),
                },
                None => delta,
            })
            .collect()
    }
}

#[derive(Clone, Copy)]
struct Pair {
    score: u64,
    same_name: bool,
    target: usize,
    source: usize,
}

/// Better pairs first, empty places last.
fn order(left: Option<&Pair>, right: Option<&Pair>) -> Ordering {
    match (left, right) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) => (right.score, right.same_name).cmp(&(left.score, left.same_name)),
    }
}
