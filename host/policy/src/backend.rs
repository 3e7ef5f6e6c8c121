//! The backends by name, why a run may go to another one, and where their interfaces are.

use std::fmt;

use serde_json::json;

use crate::read::{Node, Reading};
use crate::value::{Choice, Value, quoted};

/// A backend that a policy can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Backend {
    /// WebAssembly in this process.
    Wasm,
    /// The sandboxes of E2B.
    E2b,
    /// The sandboxes of Daytona.
    Daytona,
    /// Containers of a Docker daemon.
    Docker,
}

impl Backend {
    /// Whether files and secrets leave this process for it. A Docker daemon counts, for it may be
    /// another machine's.
    pub fn is_remote(self) -> bool {
        self != Self::Wasm
    }

    /// The name in policies and on the command line.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, backend)| *backend == self).map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Choice for Backend {
    const ALL: &'static [(&'static str, Self)] =
        &[("wasm", Self::Wasm), ("e2b", Self::E2b), ("daytona", Self::Daytona), ("docker", Self::Docker)];
}

/// Why a run may go from one backend to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteReason {
    /// Known before it starts: the run asks for what the backend's capabilities lack, such as network.
    Needs,
    /// Known while it runs: it asks for what the backend has not, and begins anew.
    Unsupported,
}

impl Choice for RouteReason {
    const ALL: &'static [(&'static str, Self)] =
        &[("needs", Self::Needs), ("unsupported", Self::Unsupported)];
}

/// The address of a backend's interface: `https`, or `http` on this machine alone, because a key is sent
/// there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiUrl(String);

impl ApiUrl {
    pub(crate) const fn new(url: String) -> Self {
        Self(url)
    }

    /// The address, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses an address; `None` where it is none, or a key that is sent there could be read on its way.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]%".contains(c);
        let (scheme, rest) = text.split_once("://")?;
        let authority = rest.split('/').next().filter(|authority| !authority.is_empty())?;
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                port.parse::<u16>().ok()?;
                host
            }
            _ => authority,
        };
        let safe = match scheme {
            "https" => true,
            "http" => matches!(host, "localhost" | "127.0.0.1" | "[::1]"),
            _ => false,
        };
        let named = host.starts_with('[') || host.starts_with(|first: char| first.is_ascii_alphanumeric());
        // Neither user and password nor query: a secret would be printed with the address.
        (safe && named && rest.chars().all(plain)).then(|| Self(text.trim_end_matches('/').to_owned()))
    }
}

impl Value for ApiUrl {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let url = node.value.get_ref().as_str().and_then(Self::parse);
        if url.is_none() {
            // Not shown: there may be a password in it.
            let wrong = "is not the address of an interface, expected https://HOST[:PORT][/PATH]";
            reading.refuse(node, wrong, "http is for this machine alone; a key belongs into `api_key`");
        }
        url
    }

    fn write(&self) -> Option<String> {
        Some(quoted(&self.0))
    }

    fn schema() -> serde_json::Value {
        json!({
            "type": "string",
            "pattern": "^(https://|http://(localhost|127\\.0\\.0\\.1|\\[::1\\])([:/]|$))[A-Za-z0-9._~:/\\[\\]%-]*$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_over_https_or_to_this_machine() {
        for url in [
            "https://api.example.com",
            "https://example.com:8443/api",
            "http://localhost:3000",
            "http://[::1]:80/",
        ] {
            assert!(ApiUrl::parse(url).is_some(), "{url}");
        }
        for url in [
            "",
            "api.example.com",
            "http://example.com",
            "http://localhost.example.com",
            "https://user:pass@example.com",
            "https://",
            "https:///path",
            "https://a b",
            "https://example.com:99999",
            "https://example.com?key=1",
            "ftp://localhost",
        ] {
            assert!(ApiUrl::parse(url).is_none(), "{url}");
        }
    }
}
