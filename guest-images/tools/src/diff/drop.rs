//! Lines that would only confuse a comparison.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Dropped,
    /// So common in the other file that it would match anywhere; dropped when most lines around it are.
    Perhaps,
}

/// Lines that need no comparing: those that the other file has not, and, amid these, those it has very often.
pub fn dropped(side: &[u32], in_other: &[usize]) -> Vec<bool> {
    let mut many = 5;
    let mut rest = side.len() / 64;
    loop {
        rest >>= 2;
        if rest == 0 {
            break;
        }
        many *= 2;
    }
    let mut fates: Vec<Fate> = side
        .iter()
        .map(|&class| match in_other.get(class as usize) {
            None | Some(0) => Fate::Dropped,
            Some(&count) if count > many => Fate::Perhaps,
            Some(_) => Fate::Kept,
        })
        .collect();
    let mut from = 0;
    while let Some(rest) = fates.get_mut(from..).filter(|rest| !rest.is_empty()) {
        match rest.first() {
            Some(Fate::Dropped) => {
                let length = rest.iter().take_while(|fate| **fate != Fate::Kept).count();
                let run = rest.get_mut(..length).unwrap_or_default();
                let settled = run.len() - run.iter().rev().take_while(|fate| **fate == Fate::Perhaps).count();
                keep(run.get_mut(settled..));
                decide(run.get_mut(..settled).unwrap_or_default());
                from += length;
            }
            _ => {
                keep(rest.get_mut(..1));
                from += 1;
            }
        }
    }
    fates.into_iter().map(|fate| fate != Fate::Kept).collect()
}

/// Keeps the doubtful lines of these.
fn keep(fates: Option<&mut [Fate]>) {
    for fate in fates.unwrap_or_default() {
        if *fate == Fate::Perhaps {
            *fate = Fate::Kept;
        }
    }
}

/// Decides about the doubtful lines in a run that begins and ends with lines to drop.
fn decide(run: &mut [Fate]) {
    let doubtful = run.iter().filter(|fate| **fate == Fate::Perhaps).count();
    if doubtful * 4 > run.len() {
        return keep(Some(run));
    }
    // So many doubtful ones in a row are kept.
    let mut least = 1;
    let mut rest = run.len() >> 2;
    loop {
        rest >>= 2;
        if rest == 0 {
            break;
        }
        least <<= 1;
    }
    least += 1;
    for group in run.chunk_by_mut(|a, b| a == b) {
        if group.first() == Some(&Fate::Perhaps) && group.len() >= least {
            keep(Some(group));
        }
    }
    // So are those near the ends of the run.
    near(&mut run.iter_mut());
    near(&mut run.iter_mut().rev());
}

fn near<'a>(run: &mut dyn Iterator<Item = &'a mut Fate>) {
    let mut row = 0;
    for (at, fate) in run.enumerate() {
        match fate {
            Fate::Dropped if at >= 8 => return,
            Fate::Dropped => row += 1,
            Fate::Perhaps => (*fate, row) = (Fate::Kept, 0),
            Fate::Kept => row = 0,
        }
        if row == 3 {
            return;
        }
    }
}
