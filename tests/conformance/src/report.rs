//! What came of the claims.

use std::fmt;

use crate::Need;

/// What came of one claim.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It holds.
    Kept,
    /// It does not: what was expected, and what was seen.
    Broken(String),
    /// It is not about a backend that does not meet this need.
    NotApplicable(Need),
}

/// What came of the claims that were checked, by their names, in the order of the suite.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The names and the verdicts.
    pub verdicts: Vec<(&'static str, Verdict)>,
}

impl Report {
    /// Whether claims were checked, and none is broken.
    pub fn is_kept(&self) -> bool {
        self.kept() > 0 && self.broken().next().is_none()
    }

    /// How many claims hold.
    pub fn kept(&self) -> usize {
        self.verdicts.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Kept)).count()
    }

    /// The claims that do not hold, and why.
    pub fn broken(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.verdicts.iter().filter_map(|(name, verdict)| match verdict {
            Verdict::Broken(why) => Some((*name, why.as_str())),
            _ => None,
        })
    }

    /// The claims that are not about this backend, and the need that it does not meet.
    pub fn not_applicable(&self) -> impl Iterator<Item = (&'static str, Need)> {
        self.verdicts.iter().filter_map(|(name, verdict)| match verdict {
            Verdict::NotApplicable(need) => Some((*name, *need)),
            _ => None,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (broken, other) = (self.broken().count(), self.not_applicable().count());
        writeln!(formatter, "{} claims hold, {broken} do not, {other} do not apply", self.kept())?;
        for (name, why) in self.broken() {
            writeln!(formatter, "  broken: {name}: {why}")?;
        }
        for (name, need) in self.not_applicable() {
            writeln!(formatter, "  not applicable: {name}: only for a backend that {need}")?;
        }
        Ok(())
    }
}
