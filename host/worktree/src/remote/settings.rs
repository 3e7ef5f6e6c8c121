//! What git's configuration says about remotes: git-config(1).

use std::path::Path;

use git2::{Config, ConfigLevel, Repository};

use super::RemoteError;
use super::address::HttpAddress;
use crate::error::Trying;

/// The settings of the user and of a repository, in the order in which later ones win.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    /// With the case of the subsection only.
    name: String,
    /// `true` where a setting has no value.
    value: String,
    owner: Owner,
}

/// Values hold secrets at times: `http.extraHeader`, and addresses.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// Whose file a setting is in. Commands are taken from the user's own only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    User,
    Repository,
}

impl Settings {
    /// The user's from `user`, or else from where git has them; and those of the repository.
    pub(super) fn read(user: Option<&Path>, repository: Option<&Repository>) -> Result<Self, RemoteError> {
        let mut settings = Self::default();
        let users = match user {
            Some(path) => Config::open(path),
            None => Config::open_default(),
        };
        settings.add(&users.trying("read git's configuration")?, Owner::User)?;
        if let Some(repository) = repository {
            settings.add(&repository.config().trying("read git's configuration")?, Owner::Repository)?;
        }
        Ok(settings)
    }

    fn add(&mut self, config: &Config, owner: Owner) -> Result<(), RemoteError> {
        let mut found = Vec::new();
        let entries = config.entries(None).trying("read git's configuration")?;
        let visited = entries.for_each(|entry| {
            let level = entry.level();
            let is_repositorys = matches!(level, ConfigLevel::Local | ConfigLevel::Worktree);
            // A repository's configuration comes with the user's; a file given in place of it has one level.
            if owner == Owner::Repository && !is_repositorys {
                return;
            }
            let value = if entry.has_value() { entry.value() } else { Ok("true") };
            if let (Ok(name), Ok(value)) = (entry.name(), value) {
                let entry = Entry { name: name.to_owned(), value: value.to_owned(), owner };
                found.push((rank(level), entry));
            }
        });
        visited.trying("read git's configuration")?;
        found.sort_by_key(|(rank, _)| *rank);
        self.entries.extend(found.into_iter().map(|(_, entry)| entry));
        Ok(())
    }

    /// All values, and whose they are.
    pub(super) fn all(&self, name: &str) -> Vec<(&str, Owner)> {
        let entries = self.entries.iter().filter(|entry| entry.name == name);
        entries.map(|entry| (&*entry.value, entry.owner)).collect()
    }

    /// The value that counts.
    pub(super) fn last(&self, name: &str) -> Option<&str> {
        self.all(name).last().map(|(value, _)| *value)
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.last(name).is_some_and(is_true)
    }

    /// The names between `section.` and `.key`, each once, as they come.
    pub(super) fn subsections<'a>(&'a self, section: &str, key: &str) -> Vec<&'a str> {
        let mut found = Vec::new();
        for entry in &self.entries {
            if let Some(name) = subsection(&entry.name, section, key)
                && !found.contains(&name)
            {
                found.push(name);
            }
        }
        found
    }

    /// All values of `section.key` and of `section.<url>.key` for this address, as they come.
    pub(super) fn all_for(&self, section: &str, key: &str, address: &HttpAddress) -> Vec<(&str, Owner)> {
        let plain = format!("{section}.{key}");
        let applies = |name: &str| {
            name == plain
                || subsection(name, section, key)
                    .is_some_and(|pattern| specificity(pattern, address).is_some())
        };
        let entries = self.entries.iter().filter(|entry| applies(&entry.name));
        entries.map(|entry| (&*entry.value, entry.owner)).collect()
    }

    /// The value of `http.key` of the most specific `http.<url>` for this address; the later of two.
    pub(super) fn http(&self, key: &str, address: &HttpAddress) -> Option<&str> {
        let plain = format!("http.{key}");
        let mut best: Option<(Specificity, &str)> = None;
        for entry in &self.entries {
            let found = if entry.name == plain {
                Some(Specificity::default())
            } else {
                subsection(&entry.name, "http", key).and_then(|pattern| specificity(pattern, address))
            };
            if let Some(found) = found
                && best.is_none_or(|(best, _)| found >= best)
            {
                best = Some((found, &entry.value));
            }
        }
        best.map(|(_, value)| value)
    }

    /// The address as `url.<base>.insteadOf` makes it, or for pushes `pushInsteadOf`: the longest wins.
    pub(super) fn rewritten(&self, url: &str, key: &str) -> Option<String> {
        let rules = self.entries.iter().filter_map(|entry| {
            let rest = url.strip_prefix(entry.value.as_str())?;
            Some((entry.value.len(), subsection(&entry.name, "url", key)?, rest))
        });
        // The first of the longest, as git has it.
        let best = rules.fold(None, |best: Option<(usize, &str, &str)>, rule| match best {
            Some(best) if best.0 >= rule.0 => Some(best),
            _ => Some(rule),
        });
        best.map(|(_, base, rest)| format!("{base}{rest}"))
    }
}

pub(super) fn is_true(value: &str) -> bool {
    Config::parse_bool(value).unwrap_or(false)
}

fn rank(level: ConfigLevel) -> u8 {
    match level {
        ConfigLevel::ProgramData => 0,
        ConfigLevel::System => 1,
        ConfigLevel::XDG => 2,
        ConfigLevel::Global => 3,
        ConfigLevel::Local => 4,
        ConfigLevel::Worktree => 5,
        _ => 6,
    }
}

/// The name in the middle; keys come in lower case.
fn subsection<'a>(name: &'a str, section: &str, key: &str) -> Option<&'a str> {
    name.strip_prefix(section)?.strip_prefix('.')?.strip_suffix(key)?.strip_suffix('.')
}

/// How exactly a pattern names an address: git-config(1), "http.<url>.*".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Specificity {
    host_characters: usize,
    path_characters: usize,
    has_user: bool,
}

fn specificity(pattern: &str, address: &HttpAddress) -> Option<Specificity> {
    let (scheme, rest) = pattern.split_once("://")?;
    let is_secure = match scheme {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let default_port = if is_secure { ":443" } else { ":80" };
    let host = host.strip_suffix(default_port).unwrap_or(host).to_ascii_lowercase();
    let path = path.trim_end_matches('/');
    let is_user = user.is_none() || user == address.user.as_ref().map(|user| user.0.as_str());
    let is_below =
        address.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let is_one =
        is_secure == address.is_secure && is_host(&host, &address.host_and_port()) && is_below && is_user;
    is_one.then_some(Specificity {
        host_characters: host.len(),
        path_characters: path.len(),
        has_user: user.is_some(),
    })
}

/// `*` stands for one label.
fn is_host(pattern: &str, host: &str) -> bool {
    let (mut patterns, mut labels) = (pattern.split('.'), host.split('.'));
    loop {
        match (patterns.next(), labels.next()) {
            (None, None) => return true,
            (Some(pattern), Some(label)) if pattern == "*" || pattern == label => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::Address;
    use super::*;

    fn settings(entries: &[(&str, &str)]) -> Settings {
        let entry = |(name, value): &(&str, &str)| Entry {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            owner: Owner::User,
        };
        Settings { entries: entries.iter().map(entry).collect() }
    }

    fn http(text: &str) -> HttpAddress {
        match Address::parse(text, Path::new("/")).unwrap() {
            Address::Http(http) => http,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_most_specific_url_counts() {
        let settings = settings(&[
            ("http.https://a.example/x.proxy", "path"),
            ("http.https://*.example.proxy", "host"),
            ("http.proxy", "all"),
            ("http.https://ada@a.example/x.proxy", "user"),
        ]);
        for (url, expected) in [
            ("https://a.example/x/y", "path"),
            ("https://a.example/xy", "host"),
            ("https://ada@a.example/x", "user"),
            ("https://a.b.example/x", "all"),
            ("http://a.example/x", "all"),
            ("https://a.example:444/x", "all"),
            ("https://A.example:443/x", "path"),
        ] {
            assert_eq!(settings.http("proxy", &http(url)), Some(expected), "{url}");
        }
    }

    #[test]
    fn the_longest_rule_rewrites() {
        let settings = settings(&[
            ("url.ssh://git@h/.insteadof", "https://h/"),
            ("url.ssh://git@h/special/.insteadof", "https://h/a/"),
            ("url.other:.pushinsteadof", "https://h/"),
        ]);
        let of = |url: &str, key: &str| settings.rewritten(url, key);
        assert_eq!(of("https://h/x", "insteadof").as_deref(), Some("ssh://git@h/x"));
        assert_eq!(of("https://h/a/x", "insteadof").as_deref(), Some("ssh://git@h/special/x"));
        assert_eq!(of("https://h/x", "pushinsteadof").as_deref(), Some("other:x"));
        assert_eq!(of("http://h/x", "insteadof"), None);
    }
}
