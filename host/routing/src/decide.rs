//! The decision: which backend runs a command, and why this one.

use std::fmt;

use serde::Serialize;

use crate::need::{Certainty, Need, Needs};
use crate::offer::Offer;

/// Whether commands may leave this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// To any backend that is offered.
    Any,
    /// To these backends, by name, and the first that is offered.
    Named(Vec<String>),
    /// To none.
    LocalOnly,
}

impl Permission {
    fn allows(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Named(names) => names.iter().any(|known| known == name),
            Self::LocalOnly => false,
        }
    }
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It runs here, and all that it needs is here.
    Local,
    /// It runs here as far as can be told, and is watched: what it is refused, or cannot find, decides.
    LocalWatched,
    /// It runs elsewhere.
    Routed,
    /// It would run elsewhere, which is not permitted.
    Forbidden,
    /// No backend offers what it needs.
    Nowhere,
}

/// One backend beside what is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The backend.
    pub backend: String,
    /// Whether a command may run there.
    pub permitted: bool,
    /// Needs that it does not meet, each in a few words.
    pub lacks: Vec<String>,
}

/// A decision with its reasons; its text is what `sandpiper route` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What was decided.
    pub verdict: Verdict,
    /// The backend that runs it; none where it is forbidden or nowhere.
    pub backend: Option<String>,
    /// What it needs.
    pub needs: Needs,
    /// The backends, in the order of preference.
    pub compared: Vec<Comparison>,
    /// Why this one, in one sentence.
    pub why: String,
    /// What to change, where it cannot run as things are.
    pub hint: Option<String>,
}

/// Decides which of the backends runs a command. The first is the local one; the others are in the order of
/// preference.
///
/// # Examples
/// ```
/// use sandpiper_routing::{Command, Image, MemoryFiles, Offer, Permission, analyze, decide};
/// let needs = analyze(&Command::new(["npm", "test"]), &MemoryFiles::default(), &Image::default());
/// let offers = [Offer::local("wasm"), Offer::linux("docker")];
/// let decision = decide(needs, &offers, &Permission::Any);
/// assert_eq!(decision.backend.as_deref(), Some("docker"));
/// ```
pub fn decide(needs: Needs, offers: &[Offer], permission: &Permission) -> Decision {
    let counting = |need: &&Need| need.certainty > Certainty::Possible;
    let compared: Vec<Comparison> = offers
        .iter()
        .enumerate()
        .map(|(index, offer)| Comparison {
            backend: offer.name.clone(),
            permitted: index == 0 || permission.allows(&offer.name),
            lacks: needs
                .needs
                .iter()
                .filter(counting)
                .filter(|need| !offer.has(need))
                .map(|need| need.what.phrase())
                .collect(),
        })
        .collect();
    let (verdict, backend, why, hint) = choose(&needs, offers, &compared);
    Decision { verdict, backend, needs, compared, why, hint }
}

fn choose(
    needs: &Needs,
    offers: &[Offer],
    compared: &[Comparison],
) -> (Verdict, Option<String>, String, Option<String>) {
    let Some((local, others)) = compared.split_first() else {
        return (Verdict::Nowhere, None, "there is no backend".to_owned(), None);
    };
    if local.lacks.is_empty() {
        let possible = needs.needs.iter().find(|need| offers.first().is_some_and(|offer| !offer.has(need)));
        let why = match (possible, needs.unseen.first()) {
            (None, None) => {
                return (
                    Verdict::Local,
                    Some(local.backend.clone()),
                    "all that it needs is here".to_owned(),
                    None,
                );
            }
            (Some(need), _) => format!("it may need {}, which the run tells", need.what.phrase()),
            (None, Some(unseen)) => format!("no need is known; only the run tells all ({unseen})"),
        };
        return (Verdict::LocalWatched, Some(local.backend.clone()), why, None);
    }
    let lacks = local.lacks.join(", ");
    let fitting = |comparison: &&Comparison| comparison.lacks.is_empty();
    if let Some(chosen) = others.iter().filter(|comparison| comparison.permitted).find(fitting) {
        let why = format!("{} lacks {lacks}; {} is the first that has it", local.backend, chosen.backend);
        return (Verdict::Routed, Some(chosen.backend.clone()), why, None);
    }
    if let Some(forbidden) = others.iter().find(fitting) {
        let why = format!("{} lacks {lacks}, and the policy keeps commands here", local.backend);
        let hint =
            format!("allow the backend {} in the policy, or declare `needs: nothing`", forbidden.backend);
        return (Verdict::Forbidden, None, why, Some(hint));
    }
    let nearest = others.iter().min_by_key(|comparison| comparison.lacks.len());
    let hint = match nearest {
        None => format!("configure a backend that has {lacks}"),
        Some(nearest) => format!("{} is nearest: add {} to it", nearest.backend, nearest.lacks.join(", ")),
    };
    (Verdict::Nowhere, None, format!("no backend has {lacks}"), Some(hint))
}

impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.backend, self.verdict) {
            (Some(backend), Verdict::LocalWatched) => {
                writeln!(formatter, "{backend}, watched: {}", self.why)?;
            }
            (Some(backend), _) => writeln!(formatter, "{backend}: {}", self.why)?,
            (None, Verdict::Forbidden) => writeln!(formatter, "refused: {}", self.why)?,
            (None, _) => writeln!(formatter, "no backend: {}", self.why)?,
        }
        for need in &self.needs.needs {
            let certainty = match need.certainty {
                Certainty::Certain => "needs",
                Certainty::Likely => "likely needs",
                Certainty::Possible => "may need",
            };
            writeln!(formatter, "  {certainty} {}  ({})", need.what.phrase(), need.evidence)?;
        }
        for unseen in &self.needs.unseen {
            writeln!(formatter, "  not seen: {unseen}")?;
        }
        for comparison in &self.compared {
            let permitted = if comparison.permitted { "" } else { " (not permitted)" };
            if comparison.lacks.is_empty() {
                writeln!(formatter, "  {}{permitted}: has all of it", comparison.backend)?;
            } else {
                writeln!(
                    formatter,
                    "  {}{permitted}: lacks {}",
                    comparison.backend,
                    comparison.lacks.join(", ")
                )?;
            }
        }
        if let Some(hint) = &self.hint {
            writeln!(formatter, "  hint: {hint}")?;
        }
        Ok(())
    }
}
