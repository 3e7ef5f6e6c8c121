//! What a guest may reach of the network.

use serde::{Deserialize, Serialize};

/// What a guest may connect to. Nothing, unless it is granted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing.
    #[default]
    Nothing,
    /// What the rules allow; nothing else.
    Rules {
        /// Hosts, `*.domain`, addresses and CIDR ranges that may be reached.
        allow: Vec<String>,
        /// Those that may not, though `allow` has them.
        deny: Vec<String>,
    },
    /// Everything.
    Everything,
}
