//! A claim: a sentence of the contract, and how it is checked.

use std::fmt;
use std::pin::Pin;

use sandpiper_core::Capabilities;

use crate::{Context, Wrong};

/// How a claim is checked, on one thread.
pub(crate) type Check = for<'a> fn(&'a Context<'a>) -> Pin<Box<dyn Future<Output = Result<(), Wrong>> + 'a>>;

/// A sentence of the contract that holds for a backend, or does not.
#[derive(Clone, Copy)]
pub struct Claim {
    /// The sentence, as the name of a function.
    pub name: &'static str,
    /// What a backend has to offer, or not to offer, for the claim to be about it.
    pub needs: &'static [Need],
    pub(crate) check: Check,
}

impl Claim {
    /// The first need that a backend of these capabilities does not meet.
    pub fn unmet(&self, capabilities: &Capabilities) -> Option<Need> {
        self.needs.iter().find(|need| !need.is_met(capabilities)).copied()
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Claim")
            .field("name", &self.name)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

/// A capability without which, or with which, a claim is not about a backend.
#[derive(Clone, Copy)]
pub struct Need {
    /// The capability.
    pub capability: &'static str,
    /// Whether it has to be there, or to be missing.
    pub offered: bool,
    pub(crate) of: fn(&Capabilities) -> bool,
}

impl Need {
    fn is_met(&self, capabilities: &Capabilities) -> bool {
        (self.of)(capabilities) == self.offered
    }
}

impl fmt::Debug for Need {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for Need {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} `{}`", if self.offered { "has" } else { "lacks" }, self.capability)
    }
}

/// A claim of the function of this name: `claim!(it_holds, has connect, lacks pause)`.
macro_rules! claim {
    ($check:ident $(, $offered:ident $capability:ident)*) => {
        $crate::claim::Claim {
            name: stringify!($check),
            needs: &[$($crate::claim::Need {
                capability: stringify!($capability),
                offered: $crate::claim::$offered,
                of: |capabilities| capabilities.$capability,
            }),*],
            check: |context| Box::pin($check(context)),
        }
    };
}
pub(crate) use claim;

/// For [`claim!`].
#[expect(non_upper_case_globals, reason = "a word of the macro")]
pub(crate) const has: bool = true;
/// For [`claim!`].
#[expect(non_upper_case_globals, reason = "a word of the macro")]
pub(crate) const lacks: bool = false;
