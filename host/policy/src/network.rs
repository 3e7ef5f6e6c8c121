//! Network rules: which hosts and ports a guest may reach.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde_json::json;

use crate::read::{Node, Reading};
use crate::value::{Value, quoted};

/// A host, or several, and a port or all: `example.com`, `*.example.com:443`, `10.0.0.0/8`, `[::1]:80`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRule {
    host: HostPattern,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Any,
    Name(String),
    /// All names that end with this, after a dot; not the name itself.
    Below(String),
    Addresses {
        first: IpAddr,
        prefix: u32,
    },
}

impl NetworkRule {
    /// The rule `*`: every host and port.
    pub fn is_any(&self) -> bool {
        self.host == HostPattern::Any && self.port.is_none()
    }

    fn matches(&self, host: &str, port: u16) -> bool {
        if self.port.is_some_and(|own| own != port) {
            return false;
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let without_zone = host.split('%').next().unwrap_or(host);
        let address = without_zone.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        match &self.host {
            HostPattern::Any => true,
            HostPattern::Name(own) => address.is_none() && *own == name,
            HostPattern::Below(domain) => {
                address.is_none()
                    && name.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            HostPattern::Addresses { first, prefix } => {
                address.is_some_and(|address| same(*first, address, *prefix))
            }
        }
    }
}

/// Whether two addresses have the same first bits.
fn same(first: IpAddr, second: IpAddr, prefix: u32) -> bool {
    match (first, second) {
        (IpAddr::V4(first), IpAddr::V4(second)) => {
            (first.to_bits() ^ second.to_bits()).checked_shr(32 - prefix).unwrap_or(0) == 0
        }
        (IpAddr::V6(first), IpAddr::V6(second)) => {
            (first.to_bits() ^ second.to_bits()).checked_shr(128 - prefix).unwrap_or(0) == 0
        }
        _ => false,
    }
}

impl FromStr for NetworkRule {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // A port comes after the only colon, or after a bracket.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if host.ends_with(']') || !host.contains(':') => {
                (host, Some(port.parse().ok().filter(|port| *port != 0).ok_or(())?))
            }
            _ => (text, None),
        };
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').filter(|inner| inner.contains(':')).ok_or(())?,
            None => host,
        };
        Ok(Self { host: parse_host(host).ok_or(())?, port })
    }
}

fn parse_host(text: &str) -> Option<HostPattern> {
    if text == "*" {
        return Some(HostPattern::Any);
    }
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
        None => (text, None),
    };
    if let Ok(first) = address.parse::<IpAddr>() {
        // Hosts are compared as IPv4 where they are that, so such a rule would never hold.
        if first.to_canonical() != first {
            return None;
        }
        let bits = if first.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        return (prefix <= bits).then_some(HostPattern::Addresses { first, prefix });
    }
    if prefix.is_some() {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let below = lower.strip_prefix("*.");
    let name = below.unwrap_or(&lower);
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // A last label of digits would be an address in some other notation (RFC 3986, WHATWG URL).
    let numeric = name.rsplit('.').next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()));
    if numeric || !name.split('.').all(label) {
        return None;
    }
    Some(if below.is_some() {
        HostPattern::Below(name.to_owned())
    } else {
        HostPattern::Name(name.to_owned())
    })
}

impl fmt::Display for NetworkRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostPattern::Any => formatter.write_str("*")?,
            HostPattern::Name(name) => formatter.write_str(name)?,
            HostPattern::Below(domain) => write!(formatter, "*.{domain}")?,
            HostPattern::Addresses { first, prefix } => {
                let bits = if first.is_ipv4() { 32 } else { 128 };
                let range = if *prefix == bits { String::new() } else { format!("/{prefix}") };
                match first {
                    IpAddr::V6(_) if self.port.is_some() => write!(formatter, "[{first}{range}]")?,
                    _ => write!(formatter, "{first}{range}")?,
                }
            }
        }
        self.port.map_or(Ok(()), |port| write!(formatter, ":{port}"))
    }
}

impl Value for NetworkRule {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let expected = "a host such as \"example.com:443\", \"*.example.com\", \"10.0.0.0/8\" or \"*\", without a scheme";
        let rule = reading.text(node, expected)?.parse().ok();
        if rule.is_none() {
            reading.expected(node, expected);
        }
        rule
    }

    fn write(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^(\\*|[A-Za-z0-9*._:/\\[\\]-]+)$", "examples": ["example.com:443", "10.0.0.0/8"] })
    }
}

/// What a guest may reach: what `allow` names and `deny` does not. Nothing, when `allow` is empty.
///
/// A backend that cannot enforce the rules as they are refuses the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// What may be reached.
    pub allow: Vec<NetworkRule>,
    /// What may not, though it is allowed.
    pub deny: Vec<NetworkRule>,
}

impl Network {
    /// Whether nothing may be reached.
    pub fn is_none(&self) -> bool {
        self.allow.is_empty()
    }

    /// Whether everything may be reached.
    pub fn is_everything(&self) -> bool {
        self.deny.is_empty() && self.allow.iter().any(NetworkRule::is_any)
    }

    /// Whether a host, by its name or address, may be reached at a port.
    ///
    /// Whoever enforces this asks again for the address that a name turned out to have, by
    /// [`Self::denies`].
    pub fn permits(&self, host: &str, port: u16) -> bool {
        self.allow.iter().any(|rule| rule.matches(host, port)) && !self.denies(host, port)
    }

    /// Whether a host, by its name or address, is denied.
    pub fn denies(&self, host: &str, port: u16) -> bool {
        self.deny.iter().any(|rule| rule.matches(host, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(rule: &str, host: &str, port: u16) -> bool {
        rule.parse::<NetworkRule>().unwrap().matches(host, port)
    }

    #[test]
    fn a_rule_is_a_host_and_a_port() {
        for (rule, yes, no) in [
            ("example.com", ("Example.COM.", 1), ("www.example.com", 1)),
            ("example.com:443", ("example.com", 443), ("example.com", 80)),
            ("*.example.com", ("a.b.example.com", 1), ("example.com", 1)),
            ("*.example.com", ("a.example.com", 1), ("badexample.com", 1)),
            ("10.0.0.0/8", ("10.255.0.1", 1), ("11.0.0.1", 1)),
            ("10.0.0.0/8", ("::ffff:10.0.0.1", 1), ("10.example.com", 1)),
            ("0.0.0.0/0", ("1.2.3.4", 1), ("::1", 1)),
            ("127.0.0.1", ("127.0.0.1", 1), ("127.0.0.2", 1)),
            ("[::1]:80", ("[::1]", 80), ("::1", 81)),
            ("fe80::/10", ("fe80::1%eth0", 1), ("ff80::1", 1)),
            ("*:443", ("x", 443), ("x", 80)),
        ] {
            assert!(matches(rule, yes.0, yes.1), "{rule} {yes:?}");
            assert!(!matches(rule, no.0, no.1), "{rule} {no:?}");
            let again = rule.parse::<NetworkRule>().unwrap();
            assert_eq!(again.to_string().parse(), Ok(again), "{rule}");
        }
    }

    #[test]
    fn what_is_no_host_is_no_rule() {
        for text in [
            "",
            "https://example.com",
            "a..b",
            "*a.com",
            "a.*.com",
            "10.0.0.0/33",
            "a/8",
            "x:0",
            "x:99999",
            "x:",
            "[x]",
            "1.2.3",
            "0x7f.1",
            "ex ample",
            "münchen.de",
            "127.1",
            "user@host",
            "::ffff:10.0.0.0/104",
        ] {
            assert!(text.parse::<NetworkRule>().is_err(), "{text}");
        }
    }

    #[test]
    fn deny_wins_and_nothing_is_the_default() {
        let rules = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        assert!(!Network::default().permits("example.com", 443));
        let network = Network { allow: rules(&["*"]), deny: rules(&["169.254.0.0/16"]) };
        assert!(network.permits("example.com", 443));
        assert!(!network.permits("169.254.169.254", 80));
        assert!(!network.is_everything());
    }
}
