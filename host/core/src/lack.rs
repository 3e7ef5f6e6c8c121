//! What a service does not offer, though others that speak the same interface do.

use crate::{Capabilities, Error};

/// A capability that a service may lack; the words are those of [`Capabilities`].
///
/// # Examples
/// ```
/// use sandpiper_core::{Capabilities, Lack};
/// let usual = Capabilities { ports: true, metrics: true, ..Capabilities::default() };
/// let here = usual.without(&[Lack::Ports]);
/// assert_eq!(here, Capabilities { metrics: true, ..Capabilities::default() });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lack {
    /// [`Capabilities::network_nothing`].
    NetworkNothing,
    /// [`Capabilities::network_rules`].
    NetworkRules,
    /// [`Capabilities::network_everything`].
    NetworkEverything,
    /// [`Capabilities::pause`].
    Pause,
    /// [`Capabilities::pause_keeps_processes`].
    PauseKeepsProcesses,
    /// [`Capabilities::snapshot`].
    Snapshot,
    /// [`Capabilities::fork`].
    Fork,
    /// [`Capabilities::ports`].
    Ports,
    /// [`Capabilities::metrics`].
    Metrics,
}

impl Lack {
    /// All there are, by their names.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("network_nothing", Self::NetworkNothing),
        ("network_rules", Self::NetworkRules),
        ("network_everything", Self::NetworkEverything),
        ("pause", Self::Pause),
        ("pause_keeps_processes", Self::PauseKeepsProcesses),
        ("snapshot", Self::Snapshot),
        ("fork", Self::Fork),
        ("ports", Self::Ports),
        ("metrics", Self::Metrics),
    ];

    fn of(self, capabilities: &mut Capabilities) -> &mut bool {
        match self {
            Self::NetworkNothing => &mut capabilities.network_nothing,
            Self::NetworkRules => &mut capabilities.network_rules,
            Self::NetworkEverything => &mut capabilities.network_everything,
            Self::Pause => &mut capabilities.pause,
            Self::PauseKeepsProcesses => &mut capabilities.pause_keeps_processes,
            Self::Snapshot => &mut capabilities.snapshot,
            Self::Fork => &mut capabilities.fork,
            Self::Ports => &mut capabilities.ports,
            Self::Metrics => &mut capabilities.metrics,
        }
    }

    /// That an operation is not offered, where a service lacks this; for backends.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when this is among `lacks`.
    pub fn refuse(self, lacks: &[Self], backend: &str, operation: &'static str) -> Result<(), Error> {
        if lacks.contains(&self) {
            return Err(Error::Unsupported { backend: backend.to_owned(), operation });
        }
        Ok(())
    }
}

impl Capabilities {
    /// Those that are left without what is lacking.
    #[must_use]
    pub fn without(mut self, lacks: &[Lack]) -> Self {
        for lack in lacks {
            *lack.of(&mut self) = false;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_has_the_name_of_the_capability_that_it_takes_away() {
        for (name, lack) in Lack::ALL {
            let mut capabilities = Capabilities::default();
            *lack.of(&mut capabilities) = true;
            let table = serde_json::to_value(capabilities).unwrap();
            let offered: Vec<_> = table
                .as_object()
                .unwrap()
                .iter()
                .filter(|(_, is)| **is == true)
                .map(|(name, _)| name)
                .collect();
            assert_eq!(offered, [name]);
            assert_eq!(capabilities.without(&[*lack]), Capabilities::default());
        }
    }

    #[test]
    fn an_operation_that_is_lacking_is_unsupported() {
        let refused = Lack::Ports.refuse(&[Lack::Fork, Lack::Ports], "far", "ports");
        assert!(matches!(refused, Err(Error::Unsupported { operation: "ports", .. })));
        assert!(Lack::Ports.refuse(&[Lack::Fork], "far", "ports").is_ok());
    }
}
