//! What a Docker backend is told: where the daemon is, and what its sandboxes are made of.

use std::time::Duration;

/// Settings of the backend `docker`.
///
/// # Examples
/// ```
/// use sandpiper_remote::docker::{Docker, DockerConfig};
/// let docker = Docker::new(DockerConfig { cpus: 2.0, ..DockerConfig::new("debian:12") })?;
/// # let _ = docker;
/// # Ok::<(), sandpiper_remote::docker::DockerConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// The daemon: `unix:///PATH`, on Windows `npipe:////./pipe/NAME`, or `tcp://ADDRESS:PORT` on a loopback
    /// address. `None` is where Docker puts its socket.
    pub host: Option<String>,
    /// The image of specs that name none (`base`). It needs `/bin/sh` and the usual commands of POSIX, as
    /// Debian, Alpine and Busybox have them.
    pub image: String,
    /// Whether images come from registries.
    pub pull: Pull,
    /// Processors.
    pub cpus: f64,
    /// The daemon's network for sandboxes that may reach everything.
    pub network: String,
    /// Ports of the sandbox that can be reached from this machine, where it has a network.
    pub ports: Vec<u16>,
    /// The user and the group that commands run as; not root, so that the sandbox's keeper is out of reach.
    pub user: (u32, u32),
    /// How long a sandbox lives whose spec does not say.
    pub lifetime: Duration,
    /// Whether sandboxes may have writable mounts.
    pub writable_mounts: WritableMounts,
    /// How long the daemon may take for an answer, or for the next piece of one.
    pub timeout: Duration,
}

impl DockerConfig {
    /// The usual settings, with this image.
    pub fn new(image: impl Into<String>) -> Self {
        Self {
            host: None,
            image: image.into(),
            pull: Pull::Never,
            cpus: 1.0,
            network: "bridge".to_owned(),
            ports: Vec::new(),
            user: (1000, 1000),
            lifetime: Duration::from_hours(1),
            writable_mounts: WritableMounts::Refused,
            timeout: Duration::from_mins(1),
        }
    }
}

/// Whether images come from registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// Only what the daemon has.
    Never,
    /// What the daemon has not.
    Missing,
}

/// Whether sandboxes may have writable mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritableMounts {
    /// They are refused: Docker counts nothing of what is written to them.
    Refused,
    /// They are made, and bytes and files written to them are not counted. A limit on those that is not
    /// the default is still refused.
    Uncounted,
}

/// A setting that does not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the setting {field} of the backend docker is {value}, expected {expected}")]
pub struct DockerConfigError {
    field: &'static str,
    value: String,
    expected: &'static str,
}

impl DockerConfig {
    pub(super) fn check(&self) -> Result<Host, DockerConfigError> {
        let refuse = |field, value: String, expected| Err(DockerConfigError { field, value, expected });
        if self.image.is_empty() || self.image.contains(char::is_whitespace) {
            return refuse("image", format!("{:?}", self.image), "an image such as debian:12");
        }
        if !(self.cpus.is_finite() && (0.01..=1024.0).contains(&self.cpus)) {
            return refuse("cpus", self.cpus.to_string(), "0.01 to 1024");
        }
        // `host` and `container:ID` would be another machine's or another sandbox's network.
        if matches!(self.network.as_str(), "" | "host" | "none") || self.network.contains(':') {
            return refuse(
                "network",
                format!("{:?}", self.network),
                "a network of the daemon such as bridge",
            );
        }
        if self.user.0 == 0 || self.user.1 == 0 {
            let user = format!("{}:{}", self.user.0, self.user.1);
            return refuse("user", user, "a user and a group that are not root, such as 1000:1000");
        }
        if self.ports.contains(&0) {
            return refuse("ports", "0".to_owned(), "1 to 65535");
        }
        if self.lifetime < Duration::from_secs(1) || self.lifetime > Duration::from_hours(365 * 24) {
            return refuse("lifetime", format!("{:?}", self.lifetime), "1 second to 365 days");
        }
        if self.timeout.is_zero() || self.timeout > Duration::from_hours(24) {
            return refuse("timeout", format!("{:?}", self.timeout), "more than 0 and at most a day");
        }
        Host::parse(self.host.as_deref())
    }
}

/// Where the daemon is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// A socket or a named pipe of this machine, as a URL.
    Local(String),
    /// A port, as a URL.
    Tcp(String),
}

impl Host {
    #[cfg(windows)]
    const USUAL: &str = "npipe:////./pipe/docker_engine";
    #[cfg(not(windows))]
    const USUAL: &str = "unix:///var/run/docker.sock";

    #[cfg(windows)]
    const LOCAL: &str = "npipe://";
    #[cfg(not(windows))]
    const LOCAL: &str = "unix://";

    fn parse(host: Option<&str>) -> Result<Self, DockerConfigError> {
        let host = host.unwrap_or(Self::USUAL);
        if host.strip_prefix(Self::LOCAL).is_some_and(|path| path.starts_with('/') && path.len() > 1) {
            return Ok(Self::Local(host.to_owned()));
        }
        let refuse = |expected| Err(DockerConfigError { field: "host", value: host.to_owned(), expected });
        let Some(address) = host.strip_prefix("tcp://") else {
            return refuse(if cfg!(windows) {
                "npipe:////./pipe/NAME or tcp://127.0.0.1:PORT"
            } else {
                "unix:///PATH or tcp://127.0.0.1:PORT"
            });
        };
        // Who speaks to a daemon is root on its machine, so nothing unencrypted leaves this one.
        match address.trim_end_matches('/').parse::<std::net::SocketAddr>() {
            Ok(address) if address.ip().is_loopback() => Ok(Self::Tcp(format!("tcp://{address}"))),
            _ => {
                refuse("a loopback address such as tcp://127.0.0.1:2375; forward another machine's by ssh -L")
            }
        }
    }

    /// Whether the end of what goes to a command can be told without ending what comes from it: the client does
    /// not do that over named pipes.
    pub(super) fn ends_input(&self) -> bool {
        !(cfg!(windows) && self.is_local())
    }

    /// Whether the daemon sees this machine's directories, and opens ports on it.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(change: impl FnOnce(&mut DockerConfig)) -> String {
        let mut config = DockerConfig::new("debian:12");
        assert!(config.check().is_ok());
        change(&mut config);
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn a_setting_that_does_not_work_is_named() {
        let settings = [
            (
                wrong(|config| config.image = "a b".to_owned()),
                "image of the backend docker is \"a b\", expected an image such as",
            ),
            (
                wrong(|config| config.cpus = f64::NAN),
                "cpus of the backend docker is NaN, expected 0.01 to 1024",
            ),
            (
                wrong(|config| config.network = "host".to_owned()),
                "network of the backend docker is \"host\", expected a network",
            ),
            (
                wrong(|config| config.network = "container:x".to_owned()),
                "network of the backend docker is \"container:x\", expected",
            ),
            (
                wrong(|config| config.user = (0, 0)),
                "user of the backend docker is 0:0, expected a user and a group that are not root",
            ),
            (
                wrong(|config| config.ports = vec![80, 0]),
                "ports of the backend docker is 0, expected 1 to 65535",
            ),
            (
                wrong(|config| config.lifetime = Duration::ZERO),
                "lifetime of the backend docker is 0ns, expected 1 second to",
            ),
            (
                wrong(|config| config.timeout = Duration::ZERO),
                "timeout of the backend docker is 0ns, expected more than 0",
            ),
        ];
        for (message, expected) in settings {
            assert!(message.starts_with(&format!("the setting {expected}")), "{message}");
        }
    }

    #[test]
    fn a_daemon_is_on_this_machine_or_behind_a_loopback_port() {
        for host in ["tcp://127.0.0.1:2375", "tcp://[::1]:2375"] {
            assert_eq!(Host::parse(Some(host)), Ok(Host::Tcp(host.to_owned())));
        }
        for host in ["tcp://10.0.0.1:2375", "tcp://example.org:2375", "ssh://a@b", "http://127.0.0.1:1", ""] {
            let message = Host::parse(Some(host)).unwrap_err().to_string();
            assert!(
                message.contains(&format!("host of the backend docker is {host}, expected")),
                "{message}"
            );
        }
        assert_eq!(Host::parse(None), Ok(Host::Local(Host::USUAL.to_owned())));
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_has_an_absolute_path() {
        assert!(Host::parse(Some("unix:///run/docker.sock")).is_ok_and(|host| host.is_local()));
        for host in ["unix://run/docker.sock", "unix:///", "npipe:////./pipe/docker_engine"] {
            assert!(Host::parse(Some(host)).is_err(), "{host}");
        }
    }
}
