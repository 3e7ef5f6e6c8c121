//! What a container is made of, from a spec.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount as DockerMount,
    MountBindOptions, MountBindOptionsPropagationEnum, MountType, PortBinding, ResourcesUlimits,
};
use sandpiper_core::{Access, Error, Image, Mount, Network, Refusal, Spec};

use super::config::DockerConfig;
use super::daemon::BACKEND;

/// Where commands begin that do not say where: a volume, unless a directory of the host is mounted there.
pub(super) const WORKSPACE: &str = "/workspace";
/// Directories that commands may write to and that lie on the daemon's disk.
const PRIVATE: [&str; 2] = [WORKSPACE, "/home/user"];
/// The directory that is in memory.
pub(super) const MEMORY: &str = "/tmp";
/// Where snapshots have what was in memory.
pub(super) const KEPT: &str = "/.sandpiper/tmp";
/// Where the keeper is told its end; root's alone.
const KEEPERS: &str = "/run/sandpiper";
/// Processes of a sandbox that are not its commands': init, the keeper, its `sleep`, one that has started a command,
/// and one that sends a signal.
const HOUSE_PROCESSES: i64 = 5;
/// The image of specs that name none.
const UNNAMED: &str = "base";

/// The shell that all scripts run in.
pub(super) const SHELL: [&str; 2] = ["/bin/sh", "-c"];

const KEEPER: &str = include_str!("scripts/keeper.sh");

/// What a spec needs of the daemon.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) body: ContainerCreateBody,
    /// Directories that become the user's once it runs.
    pub(super) writable: Vec<String>,
}

/// The daemon's name of an image.
pub(super) fn image_name<'a>(image: &'a Image, config: &'a DockerConfig) -> Result<&'a str, Error> {
    match image {
        Image::Named(name) if name == UNNAMED => Ok(&config.image),
        Image::Named(name) => Ok(name),
        Image::File(path) => Err(Error::Image {
            image: path.display().to_string(),
            reason: "the backend docker runs images of its daemon, no files".to_owned(),
            source: None,
        }),
    }
}

/// The container of a spec.
pub(super) fn shape(
    config: &DockerConfig,
    spec: &Spec,
    labels: HashMap<String, String>,
    lifetime: Duration,
) -> Result<Shape, Error> {
    // Only looked at: each command gets them.
    environment(&[&spec.env])?;
    let image = image_name(&spec.image, config)?;
    let mounted = |path: &str| spec.mounts.iter().any(|mount| mount.guest.as_str() == path);
    let private: Vec<_> = PRIVATE.into_iter().filter(|path| !mounted(path)).collect();
    let mut mounts: Vec<_> = private.iter().map(|path| volume(path)).collect();
    for mount in &spec.mounts {
        mounts.push(bind(mount)?);
    }
    let limits = &spec.limits;
    let mut tmpfs = HashMap::from([(KEEPERS.to_owned(), "mode=0700,size=64k,nr_inodes=16".to_owned())]);
    let mut writable: Vec<_> = private.iter().map(ToString::to_string).collect();
    if !mounted(MEMORY) {
        let (bytes, files) = (limits.tmp_bytes, limits.files);
        tmpfs.insert(MEMORY.to_owned(), format!("mode=1777,exec,size={bytes},nr_inodes={files}"));
        writable.push(MEMORY.to_owned());
    }
    let network = match spec.network {
        Network::Nothing => "none".to_owned(),
        Network::Everything => config.network.clone(),
        Network::Rules { .. } => return Err(not_enforced("network")),
    };
    let ports = if spec.network == Network::Everything { config.ports.as_slice() } else { &[] };
    let host_config = HostConfig {
        memory: Some(signed(limits.memory_bytes)),
        // The same figure: memory and swap together.
        memory_swap: Some(signed(limits.memory_bytes)),
        nano_cpus: Some(nano_cpus(config.cpus)),
        pids_limit: Some(pids_limit(limits.processes)),
        ulimits: Some(vec![
            ulimit("nofile", i64::from(limits.descriptors)),
            // A file of the size of the memory, for each crash.
            ulimit("core", 0),
        ]),
        network_mode: Some(network),
        port_bindings: Some(ports.iter().map(|port| (port_name(*port), Some(vec![loopback()]))).collect()),
        mounts: Some(mounts),
        tmpfs: Some(tmpfs),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        ipc_mode: Some("private".to_owned()),
        init: Some(true),
        auto_remove: Some(true),
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        ..HostConfig::default()
    };
    let [shell, flag] = SHELL;
    let seconds = lifetime.as_secs().max(1).to_string();
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some([shell, flag, KEEPER, "sandpiper", &seconds].map(str::to_owned).to_vec()),
        cmd: Some(Vec::new()),
        user: Some("0:0".to_owned()),
        env: Some(environment(&[&[home()]])?),
        working_dir: Some("/".to_owned()),
        hostname: Some("sandpiper".to_owned()),
        labels: Some(labels),
        stop_signal: Some("SIGKILL".to_owned()),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        exposed_ports: Some(ports.iter().map(|port| port_name(*port)).collect()),
        host_config: Some(host_config),
        ..ContainerCreateBody::default()
    };
    Ok(Shape { body, writable })
}

/// Variables as the daemon takes them, the later of two winning.
///
/// The shell through which commands are started takes no others than those with a name of its own kind, and
/// drops them.
pub(super) fn environment(layers: &[&[(String, String)]]) -> Result<Vec<String>, Error> {
    let mut variables = BTreeMap::new();
    for (name, value) in layers.iter().copied().flatten() {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !plain || name.starts_with(|first: char| first.is_ascii_digit()) {
            let what = format!(
                "the backend docker passes no variable `{}`: its shell drops it",
                name.escape_debug()
            );
            return Err(Refusal::Exec { what }.into());
        }
        variables.insert(name, value);
    }
    Ok(variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
}

/// The daemon's limit for a limit of processes.
pub(super) fn pids_limit(processes: u32) -> i64 {
    i64::from(processes) + HOUSE_PROCESSES
}

pub(super) fn not_enforced(field: &'static str) -> Error {
    Refusal::NotEnforced { backend: BACKEND.to_owned(), field }.into()
}

pub(super) fn port_name(port: u16) -> String {
    format!("{port}/tcp")
}

fn home() -> (String, String) {
    ("HOME".to_owned(), "/home/user".to_owned())
}

/// A volume without a name, which goes with its container.
fn volume(path: &str) -> DockerMount {
    DockerMount { target: Some(path.to_owned()), typ: Some(MountType::VOLUME), ..DockerMount::default() }
}

fn bind(mount: &Mount) -> Result<DockerMount, Error> {
    let wrong = |reason: &str| Error::Mount {
        host: mount.host.display().to_string(),
        guest: mount.guest.to_string(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidInput, reason),
    };
    if !mount.host.is_absolute() {
        return Err(wrong("the backend docker mounts absolute paths only"));
    }
    let source =
        mount.host.to_str().ok_or_else(|| wrong("the path is not UTF-8, and Docker takes no other"))?;
    let options = MountBindOptions {
        propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
        // What is mounted inside would be writable, before Docker 25.
        non_recursive: Some(true),
        ..MountBindOptions::default()
    };
    Ok(DockerMount {
        target: Some(mount.guest.to_string()),
        source: Some(source.to_owned()),
        typ: Some(MountType::BIND),
        read_only: Some(mount.access == Access::ReadOnly),
        bind_options: Some(options),
        ..DockerMount::default()
    })
}

fn loopback() -> PortBinding {
    PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(String::new()) }
}

fn ulimit(name: &str, limit: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(limit), hard: Some(limit) }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "the config has checked that it is at most 1024")]
fn nano_cpus(cpus: f64) -> i64 {
    (cpus * 1e9) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(spec: &Spec) -> HostConfig {
        let config = DockerConfig { ports: vec![8000], ..DockerConfig::new("debian:12") };
        let shape = shape(&config, spec, HashMap::new(), Duration::from_mins(1)).unwrap();
        shape.body.host_config.unwrap()
    }

    #[test]
    fn an_empty_spec_grants_nothing() {
        let host = shaped(&Spec::default());
        assert_eq!(host.network_mode.as_deref(), Some("none"));
        assert_eq!(host.port_bindings, Some(HashMap::new()));
        assert_eq!((host.privileged, host.cap_add, host.devices, host.binds), (None, None, None, None));
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
        assert_eq!(host.security_opt, Some(vec!["no-new-privileges:true".to_owned()]));
        assert_eq!((host.readonly_rootfs, host.init, host.auto_remove), (Some(true), Some(true), Some(true)));
        assert_eq!((host.memory, host.memory_swap), (Some(256 << 20), Some(256 << 20)));
        let mounts = host.mounts.unwrap();
        assert!(mounts.iter().all(|mount| mount.typ == Some(MountType::VOLUME)));
    }

    #[test]
    fn ports_are_opened_on_loopback_and_with_a_network_only() {
        let host = shaped(&Spec { network: Network::Everything, ..Spec::default() });
        assert_eq!(host.network_mode.as_deref(), Some("bridge"));
        assert_eq!(
            host.port_bindings,
            Some(HashMap::from([("8000/tcp".to_owned(), Some(vec![loopback()]))]))
        );
    }

    #[test]
    fn a_mount_is_as_writable_as_it_says_and_takes_the_place_of_a_volume() {
        let mount = |access| Mount::new(std::env::temp_dir(), "/workspace", access).unwrap();
        for (access, read_only) in [(Access::ReadOnly, true), (Access::ReadWrite, false)] {
            let mounts = shaped(&Spec { mounts: vec![mount(access)], ..Spec::default() }).mounts.unwrap();
            let here = mounts.iter().filter(|mount| mount.target.as_deref() == Some("/workspace"));
            let here: Vec<_> = here.map(|mount| (mount.typ, mount.read_only)).collect();
            assert_eq!(here, [(Some(MountType::BIND), Some(read_only))]);
        }
    }

    #[test]
    fn a_mount_of_a_path_that_is_not_absolute_is_refused() {
        let mount = Mount::new("project", "/workspace", Access::ReadOnly).unwrap();
        let spec = Spec { mounts: vec![mount], ..Spec::default() };
        let config = DockerConfig::new("debian:12");
        let err = shape(&config, &spec, HashMap::new(), Duration::from_mins(1)).unwrap_err();
        assert!(matches!(&err, Error::Mount { host, .. } if host == "project"), "{err:?}");
    }

    #[test]
    fn variables_are_passed_once_and_those_that_a_shell_drops_are_refused() {
        let of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let variables = environment(&[&[of("A", "1"), of("B", "2")], &[of("A", "3=4")]]).unwrap();
        assert_eq!(variables, ["A=3=4", "B=2"]);
        for name in ["a.b", "1A", "ä"] {
            let message = environment(&[&[of(name, "")]]).unwrap_err().to_string();
            assert_eq!(
                message,
                format!("the backend docker passes no variable `{name}`: its shell drops it")
            );
        }
    }
}
