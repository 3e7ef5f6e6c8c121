//! What of the network's rules Daytona has: addresses and ranges of IPv4, and domains, that are allowed.

use std::net::Ipv4Addr;

use sandpiper_core::Network;

/// The settings of a sandbox's network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// Nothing is let through.
    pub(super) block_all: bool,
    /// Ranges in CIDR notation, with commas between them.
    pub(super) ranges: Option<String>,
    /// Domains, with commas between them.
    pub(super) domains: Option<String>,
}

/// The settings for what a spec asks for.
///
/// # Errors
/// The rule that Daytona does not have, and what would work.
pub(super) fn settings(network: &Network) -> Result<Settings, String> {
    let (allow, deny) = match network {
        Network::Everything => return Ok(Settings::default()),
        Network::Nothing => return Ok(Settings { block_all: true, ..Settings::default() }),
        Network::Rules { allow, deny } => (allow, deny),
    };
    if let Some(rule) = deny.first() {
        return Err(format!(
            "the network rule `deny {rule}` cannot be enforced by daytona, expected `allow` alone"
        ));
    }
    let (mut ranges, mut domains) = (Vec::new(), Vec::new());
    for rule in allow {
        if let Some(range) = range(rule) {
            ranges.push(range);
        } else if is_domain(rule) {
            domains.push(rule.to_ascii_lowercase());
        } else {
            return Err(format!(
                "the network rule `allow {}` cannot be enforced by daytona, expected an IPv4 address, a range such as \
                 10.0.0.0/8, a host such as example.org, or *.example.org",
                rule.escape_debug()
            ));
        }
    }
    // Without any rule nothing is allowed.
    let block_all = ranges.is_empty() && domains.is_empty();
    let joined = |rules: Vec<String>| (!rules.is_empty()).then(|| rules.join(","));
    Ok(Settings { block_all, ranges: joined(ranges), domains: joined(domains) })
}

/// An address or a range in CIDR notation.
fn range(rule: &str) -> Option<String> {
    let (address, bits) = rule.split_once('/').unwrap_or((rule, "32"));
    let address: Ipv4Addr = address.parse().ok()?;
    let bits: u8 = bits.parse().ok().filter(|bits| *bits <= 32)?;
    Some(format!("{address}/{bits}"))
}

fn is_domain(rule: &str) -> bool {
    let name = rule.strip_prefix("*.").unwrap_or(rule);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // A name whose last part is a number would be an address.
    let last_is_number =
        name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= 253 && name.contains('.') && !last_is_number && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(allow: &[&str], deny: &[&str]) -> Result<Settings, String> {
        let owned = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect();
        settings(&Network::Rules { allow: owned(allow), deny: owned(deny) })
    }

    #[test]
    fn ranges_and_domains_are_told_apart() {
        assert_eq!(
            of(&["10.0.0.0/8", "Example.org", "1.2.3.4", "*.example.net"], &[]),
            Ok(Settings {
                block_all: false,
                ranges: Some("10.0.0.0/8,1.2.3.4/32".to_owned()),
                domains: Some("example.org,*.example.net".to_owned()),
            })
        );
        assert_eq!(of(&[], &[]), settings(&Network::Nothing));
    }

    #[test]
    fn what_cannot_be_enforced_is_refused() {
        for rule in [
            "::1",
            "fe80::/10",
            "1.2.3",
            "10.0.0.0/33",
            "a,b.org",
            "*",
            "localhost",
            "-/8",
            "",
            "a..b",
            "é.org",
        ] {
            let expected =
                format!("the network rule `allow {}` cannot be enforced by daytona", rule.escape_debug());
            let err = of(&[rule], &[]).unwrap_err();
            assert!(err.starts_with(&expected), "{rule}: {err}");
        }
        assert_eq!(
            of(&["example.org"], &["10.0.0.0/8"]),
            Err("the network rule `deny 10.0.0.0/8` cannot be enforced by daytona, expected `allow` alone"
                .to_owned())
        );
    }
}
