//! Where a repository is: git's URLs, gitrevisions(7) aside, as git-fetch(1) describes them under "GIT URLS".

use std::fmt;
use std::path::{Path, PathBuf};

use super::RemoteError;

/// What is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A repository, by a way that is supported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Ssh(SshAddress),
    Http(HttpAddress),
    Local(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SshAddress {
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) path: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HttpAddress {
    pub(super) is_secure: bool,
    /// With brackets where it is an IPv6 address; lower case.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// Begins with a slash, ends without; as it was written.
    pub(super) path: String,
    /// A token may stand here, so it is not shown either.
    pub(super) user: Option<Secret>,
    pub(super) password: Option<Secret>,
}

impl Address {
    /// `base` is what relative paths are relative to.
    ///
    /// # Errors
    /// [`RemoteError::Refused`] with the reason and the way out.
    pub(super) fn parse(text: &str, base: &Path) -> Result<Self, RemoteError> {
        let refused = |reason: &str| Err(RemoteError::refused(redacted(text), reason));
        if text.is_empty() {
            return refused("the address is empty");
        }
        if text.chars().any(char::is_control) {
            return refused("an address has no control characters");
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return match scheme {
                "ssh" | "git+ssh" | "ssh+git" => SshAddress::of_url(text, rest).map(Self::Ssh),
                "http" | "https" => HttpAddress::of_url(text, scheme == "https", rest).map(Self::Http),
                "file" => local_of_url(text, rest).map(Self::Local),
                "git" => refused("git:// is neither encrypted nor authenticated; use https:// or ssh://"),
                "ftp" | "ftps" => refused("git gave up ftp:// long ago; use https:// or ssh://"),
                _ if scheme.contains("::") => refused_helper(text),
                _ => refused("git knows no such scheme; use https://, ssh:// or a path"),
            };
        }
        let helper = text.split_once("::").map(|(name, _)| name);
        if helper.is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric())) {
            return refused_helper(text);
        }
        if is_scp_like(text) {
            return SshAddress::of_scp(text).map(Self::Ssh);
        }
        Ok(Self::Local(base.join(text)))
    }

    /// What git's settings `protocol.<name>.allow` call it.
    pub(super) fn protocol(&self) -> &'static str {
        match self {
            Self::Ssh(_) => "ssh",
            Self::Http(http) => http.scheme(),
            Self::Local(_) => "file",
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssh(ssh) => ssh.fmt(f),
            Self::Http(http) => http.fmt(f),
            Self::Local(path) => path.display().fmt(f),
        }
    }
}

impl SshAddress {
    fn of_url(text: &str, rest: &str) -> Result<Self, RemoteError> {
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (user, host) = split_user(authority);
        let user = user.map(|user| user.split_once(':').map_or(user, |(name, _)| name));
        let (host, port) = split_port(text, host)?;
        // `~` is for the server's shell; it is not after a slash there.
        let path = decoded(text, path)?;
        let path = path.strip_prefix('/').filter(|path| path.starts_with('~')).unwrap_or(&path).to_owned();
        let user = user.map(|user| decoded(text, user)).transpose()?;
        Self { user, host: host.trim_matches(['[', ']']).to_owned(), port, path }.checked(text)
    }

    fn of_scp(text: &str) -> Result<Self, RemoteError> {
        let in_brackets = text.find('[').and_then(|open| {
            let close = text.get(open..)?.find("]:")?;
            let before = text.get(..open)?;
            (before.is_empty() || before.ends_with('@')).then_some((open, open + close))
        });
        if let Some((open, close)) = in_brackets {
            let user = text.get(..open).and_then(|user| user.strip_suffix('@'));
            let inner = text.get(open + 1..close).unwrap_or_default();
            let path = text.get(close + 2..).unwrap_or_default();
            let (host, port) = match inner.split_once(':') {
                Some(_) if inner.matches(':').count() > 1 => (inner, None),
                _ => split_port(text, inner)?,
            };
            let user = user.map(str::to_owned);
            return Self { user, host: host.to_owned(), port, path: path.to_owned() }.checked(text);
        }
        let (authority, path) = text.split_once(':').unwrap_or((text, ""));
        let (user, host) = split_user(authority);
        let user = user.map(str::to_owned);
        Self { user, host: host.to_owned(), port: None, path: path.to_owned() }.checked(text)
    }

    /// What would be taken for an option, by `ssh` or by the program on the other side, is refused.
    fn checked(self, text: &str) -> Result<Self, RemoteError> {
        let refused = |reason: &str| Err(RemoteError::refused(redacted(text), reason));
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if self.host.is_empty() {
            return refused("it names no host");
        }
        if self.host.starts_with('-') || !self.host.chars().all(is_name) {
            return refused("that is no name of a host");
        }
        if let Some(user) = &self.user
            && (user.is_empty()
                || user.starts_with('-')
                || user
                    .chars()
                    .any(|c| c.is_whitespace() || c.is_control() || "'\"`$\\;&<>|(){}".contains(c)))
        {
            return refused("that is no name of a user");
        }
        if self.path.is_empty() || self.path.starts_with('-') || self.path.chars().any(char::is_control) {
            return refused("that is no path of a repository");
        }
        Ok(self)
    }
}

impl fmt::Display for SshAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ssh://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "/{}", self.path.trim_start_matches('/'))
    }
}

impl HttpAddress {
    fn of_url(text: &str, is_secure: bool, rest: &str) -> Result<Self, RemoteError> {
        let refused = |reason: &str| Err(RemoteError::refused(redacted(text), reason));
        let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
        let (user, host) = split_user(authority);
        let (host, port) = split_port(text, host)?;
        if host.is_empty() || !host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:[]".contains(c)) {
            return refused("that is no name of a host");
        }
        if path.contains(['?', '#'])
            || !path.is_ascii()
            || path.contains([' ', '"', '<', '>', '\\', '^', '`'])
        {
            return refused(
                "an address of a repository has no query, and no characters that are not encoded",
            );
        }
        let (user, password) = match user {
            Some(user) => {
                let (name, password) = user.split_once(':').map_or((user, None), |(a, b)| (a, Some(b)));
                let password = password.map(|password| decoded(text, password)).transpose()?;
                (Some(decoded(text, name)?).filter(|name| !name.is_empty()), password)
            }
            None => (None, None),
        };
        Ok(Self {
            is_secure,
            host: host.to_ascii_lowercase(),
            port: port.filter(|port| *port != if is_secure { 443 } else { 80 }),
            path: path.trim_end_matches('/').to_owned(),
            user: user.map(Secret),
            password: password.map(Secret),
        })
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }

    /// The host, with its port where it is another than the scheme's.
    pub(super) fn host_and_port(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }
}

/// Without what may be a secret.
impl fmt::Display for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.host_and_port(), self.path)
    }
}

/// The address without what stands before an `@`, for messages about what cannot be parsed.
pub(super) fn redacted(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    match clean.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            match authority.rfind('@') {
                Some(at) => format!("{scheme}://{}", rest.get(at + 1..).unwrap_or_default()),
                None => clean,
            }
        }
        None => clean,
    }
}

fn refused_helper(text: &str) -> Result<Address, RemoteError> {
    let reason =
        "it names a program to run (gitremote-helpers(7)), and none is; use https://, ssh:// or a path";
    Err(RemoteError::refused(redacted(text), reason))
}

fn is_scp_like(text: &str) -> bool {
    let Some(colon) = text.find(':') else { return false };
    let has_drive = cfg!(windows) && colon == 1 && text.starts_with(|c: char| c.is_ascii_alphabetic());
    !has_drive && text.find('/').is_none_or(|slash| colon < slash)
}

fn local_of_url(text: &str, rest: &str) -> Result<PathBuf, RemoteError> {
    let path = rest.strip_prefix("localhost/").map_or(rest.to_owned(), |path| format!("/{path}"));
    if !path.starts_with('/') {
        return Err(RemoteError::refused(redacted(text), "a file:// address has no host; use file:///path"));
    }
    let path = decoded(text, &path)?;
    let path = if cfg!(windows) { path.trim_start_matches('/') } else { &path };
    Ok(PathBuf::from(path))
}

fn split_user(authority: &str) -> (Option<&str>, &str) {
    authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host))
}

fn split_port<'a>(text: &str, host: &'a str) -> Result<(&'a str, Option<u16>), RemoteError> {
    let after = host.rfind(']').unwrap_or(0);
    let Some(colon) = host.get(after..).and_then(|rest| rest.find(':')).map(|at| at + after) else {
        return Ok((host, None));
    };
    let (name, port) = (host.get(..colon).unwrap_or_default(), host.get(colon + 1..).unwrap_or_default());
    match port {
        "" => Ok((name, None)),
        _ => match port.parse() {
            Ok(port) if port > 0 => Ok((name, Some(port))),
            _ => Err(RemoteError::refused(redacted(text), "that is no port")),
        },
    }
}

fn decoded(text: &str, part: &str) -> Result<String, RemoteError> {
    let refused = || RemoteError::refused(redacted(text), "its %-escapes do not decode to text");
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next().ok_or_else(refused)?, rest.next().ok_or_else(refused)?];
        let digits = std::str::from_utf8(&digits).map_err(|_| refused())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| refused())?);
    }
    let decoded = String::from_utf8(bytes).map_err(|_| refused())?;
    if decoded.chars().any(char::is_control) { Err(refused()) } else { Ok(decoded) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, RemoteError> {
        Address::parse(text, Path::new("/base"))
    }

    fn ssh(text: &str) -> (Option<String>, String, Option<u16>, String) {
        match parse(text).unwrap() {
            Address::Ssh(ssh) => (ssh.user, ssh.host, ssh.port, ssh.path),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn ssh_addresses_are_taken_apart_as_git_does() {
        let some = |text: &str| Some(text.to_owned());
        for (text, user, host, port, path) in [
            ("ssh://git@h.example:2222/a/b.git", some("git"), "h.example", Some(2222), "/a/b.git"),
            ("ssh://h/~ada/x", None, "h", None, "~ada/x"),
            ("ssh://[::1]:22/x", None, "::1", Some(22), "/x"),
            ("git+ssh://h/with%20space", None, "h", None, "/with space"),
            ("git@h:a/b", some("git"), "h", None, "a/b"),
            ("h:/a", None, "h", None, "/a"),
            ("ada@[::1]:x", some("ada"), "::1", None, "x"),
            ("[h:77]:x", None, "h", Some(77), "x"),
        ] {
            assert_eq!(ssh(text), (user, host.to_owned(), port, path.to_owned()), "{text}");
        }
    }

    #[test]
    fn paths_are_paths() {
        for (text, path) in [
            ("../x", "/base/../x"),
            ("/abs", "/abs"),
            ("./with:colon", "/base/./with:colon"),
            ("file:///a%20b", "/a b"),
            ("file://localhost/a", "/a"),
        ] {
            assert_eq!(parse(text).unwrap(), Address::Local(path.into()), "{text}");
        }
    }

    #[test]
    fn what_would_be_an_option_or_a_program_is_refused() {
        for text in [
            "-oProxyCommand=x:y",
            "ssh://-oProxyCommand=touch%20x/y",
            "ssh://-oProxyCommand=x@h/y",
            "h:-x",
            "-x@h:y",
            "ssh://a%0ab@h/x",
            "ssh:///x",
            "ext::sh -c x",
            "ext::https://x/y",
            "fd::7",
            "git://h/x",
            "ftp://h/x",
            "rsync://h/x",
            "https:///x",
            "https://h/x?y",
            "https://h/x%",
            "https://ho st/x",
            "file://host/x",
            "ssh://h:0/x",
            "ssh://h:99999/x",
            "h:a\nb",
            "",
        ] {
            if text == "https://h/x%" {
                // Sent as it is; the server says what it thinks of it.
                assert!(parse(text).is_ok());
                continue;
            }
            assert!(matches!(parse(text), Err(RemoteError::Refused { .. })), "{text:?}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        for text in ["https://tok3n@h/x", "https://u:tok3n@h/x", "https://tok3n:x@h/?", "bad://u:tok3n@h/x"] {
            let shown = match parse(text) {
                Ok(address) => format!("{address} {address:?}"),
                Err(err) => format!("{err} {err:?}"),
            };
            assert!(!shown.contains("tok3n"), "{shown}");
        }
        let Ok(Address::Http(http)) = parse("https://a%40b:p%3Aw@H:443/x/") else { panic!() };
        assert_eq!((http.user.unwrap().0.as_str(), http.password.unwrap().0.as_str()), ("a@b", "p:w"));
        assert_eq!((http.host.as_str(), http.port, http.path.as_str()), ("h", None, "/x"));
    }
}
