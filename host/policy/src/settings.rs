//! The keys of a policy, each listed once: its name, what it is for, its kind and its default.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use sandpiper_core::{GuestPath, Lack, Limits, Metering};

use crate::backend::{ApiUrl, Backend, RouteReason};
use crate::decimal::{Cpus, Usd};
use crate::entries::{EntryKey, MountSource, Variable, VariableName};
use crate::finding::Place;
use crate::network::NetworkRule;
use crate::secret::SecretReference;
use crate::uploads::PathPattern;
use crate::value::{Bytes, Name, Value};

/// Who says what a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: it is the default.
    Default,
    /// The policy file, in one of its profiles or outside of them.
    File {
        /// Where.
        place: Place,
        /// The profile.
        profile: Option<String>,
    },
    /// The person's own command line.
    CommandLine {
        /// The flag.
        flag: &'static str,
    },
    /// A request that somebody else made.
    Request,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File { place, profile: None } => write!(formatter, "{place}"),
            Self::File { place, profile: Some(profile) } => write!(formatter, "{place}, profile {profile}"),
            Self::CommandLine { flag } => formatter.write_str(flag),
            Self::Request => formatter.write_str("the request"),
        }
    }
}

/// A value, who says so, and what it was before.
#[derive(Clone, Debug)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
    pub(crate) before: Vec<(T, Origin)>,
}

impl<T> Setting<T> {
    fn by_default(value: T) -> Self {
        Self { value, origin: Origin::Default, before: Vec::new() }
    }

    pub(crate) fn first(value: T, origin: Origin) -> Self {
        Self { value, origin, before: Vec::new() }
    }

    pub(crate) fn set(&mut self, value: T, origin: Origin) {
        let before = std::mem::replace(&mut self.value, value);
        self.before.push((before, std::mem::replace(&mut self.origin, origin)));
    }
}

/// Entries of a table whose keys a person chooses.
pub(crate) type Entries<K, V> = BTreeMap<K, Setting<V>>;

/// Goes over all keys: to read, show, explain or describe them.
pub(crate) trait Visitor {
    /// A table begins.
    fn begin(&mut self, name: &'static str, about: &'static str);
    /// The table is over.
    fn end(&mut self);
    /// A key of the table.
    fn setting<T: Value>(&mut self, name: &'static str, about: &'static str, setting: &mut Setting<T>);
    /// A table whose keys a person chooses.
    fn entries<K: EntryKey, V: Value>(
        &mut self,
        name: &'static str,
        about: &'static str,
        entries: &mut Entries<K, V>,
    );
}

macro_rules! tables {
    ($(
        $(#[doc = $table_about:literal])+
        $table:ident: $Table:ident { $(
            $(#[doc = $about:literal])+
            $key:ident: $Kind:ty = $default:expr,
        )+ }
    )+) => {
        $(
            $(#[doc = $table_about])+
            #[derive(Clone, Debug)]
            #[allow(clippy::struct_field_names, reason = "the words of the file")]
            pub(crate) struct $Table { $(
                $(#[doc = $about])+
                pub(crate) $key: Setting<$Kind>,
            )+ }
        )+

        /// All settings of a policy.
        #[derive(Clone, Debug)]
        pub(crate) struct Settings {
            $( pub(crate) $table: $Table, )+
            pub(crate) mounts: Entries<GuestPath, MountSource>,
            pub(crate) environment: Entries<VariableName, Variable>,
        }

        impl Default for Settings {
            fn default() -> Self {
                Self {
                    $( $table: $Table { $( $key: Setting::by_default($default), )+ }, )+
                    mounts: BTreeMap::new(),
                    environment: BTreeMap::new(),
                }
            }
        }

        impl Settings {
            /// Shows all keys to a visitor.
            pub(crate) fn visit(&mut self, visitor: &mut impl Visitor) {
                $(
                    visitor.begin(stringify!($table), concat!($($table_about,)+).trim_ascii());
                    $(
                        let about = concat!($($about,)+).trim_ascii();
                        visitor.setting(stringify!($key), about, &mut self.$table.$key);
                    )+
                    visitor.end();
                )+
                visitor.entries("mounts", MOUNTS, &mut self.mounts);
                visitor.entries("environment", ENVIRONMENT, &mut self.environment);
            }
        }
    };
}

const MOUNTS: &str =
    "Directories of the host that the guest sees, by guest path. `false` takes an inherited one away.";
const ENVIRONMENT: &str = "Variables of the guest: a text, or a secret by reference and the backends whose guests get it. \
    `false` takes an inherited one away.";

tables! {
    /// Where runs go.
    routing: RoutingSettings {
        /// The backends that may run anything, the first one first.
        backends: Vec<Backend> = vec![Backend::Wasm],
        /// Why a run may go to the next backend: what it needs is not there, or it has met what is not there while it ran.
        on: Vec<RouteReason> = Vec::new(),
        /// Whether the person is asked before a run leaves the machine; where nobody can be, it stays.
        ask: bool = true,
    }
    /// What one run may use.
    limits: LimitSettings {
        /// What is metered: fuel, which is the same in each run, or the deadline alone.
        metering: Metering = Limits::default().metering,
        /// About one unit for each WebAssembly instruction.
        fuel: u64 = Limits::default().fuel,
        /// Wall-clock time.
        timeout: Duration = Limits::default().wall,
        /// Linear memory of the guest.
        memory: Bytes = Bytes(Limits::default().memory_bytes),
        /// Elements over all tables of an instance.
        table_elements: u32 = Limits::default().table_elements,
        /// Private in-memory files, /tmp and /home/user.
        tmp: Bytes = Bytes(Limits::default().tmp_bytes),
        /// Bytes that may be written to mounts.
        disk: Bytes = Bytes(Limits::default().disk_bytes),
        /// Files, directories and links that may be made.
        files: u64 = Limits::default().files,
        /// Open descriptors of a process.
        descriptors: u32 = Limits::default().descriptors,
        /// Processes at one time.
        processes: u32 = Limits::default().processes,
        /// Stdout and stderr together.
        output: Bytes = Bytes(Limits::default().output_bytes),
    }
    /// What a guest may reach; the backend wasm has no network. Another that cannot enforce the rules refuses the run.
    network: NetworkSettings {
        /// Hosts, domains or addresses, with a port or all.
        allow: Vec<NetworkRule> = Vec::new(),
        /// What may not be reached, though it is allowed.
        deny: Vec<NetworkRule> = Vec::new(),
    }
    /// Which files may leave the machine, for a backend other than wasm.
    uploads: UploadSettings {
        /// Patterns of paths below a mount, as in .gitignore.
        allow: Vec<PathPattern> = Vec::new(),
        /// What may not leave, though it is allowed; in upper and lower case alike. What looks like a secret by its name
        /// never does, whatever is said here.
        deny: Vec<PathPattern> = Vec::new(),
        /// Bytes of one run.
        max_bytes: Bytes = Bytes(64 << 20),
        /// Files of one run.
        max_files: u64 = 10_000,
    }
    /// What runs on other machines may take.
    remote: RemoteSettings {
        /// The time for which a sandbox is kept.
        max_time: Duration = Duration::from_mins(10),
        /// US dollars that one run may cost, as the backend's prices have it.
        max_cost: Usd = Usd::from_micros(0),
        /// Sandboxes at one time.
        max_sandboxes: u32 = 8,
    }
    /// E2B.
    e2b: E2bSettings {
        /// The template of its sandboxes.
        template: Name = Name::new("base".to_owned()),
        /// The address of its interface.
        api_url: ApiUrl = ApiUrl::new("https://api.e2b.app".to_owned()),
        /// Where its key is found.
        api_key: SecretReference = SecretReference::Environment("E2B_API_KEY".to_owned()),
        /// What the service at that address does not offer, though E2B does.
        lacks: Vec<Lack> = Vec::new(),
    }
    /// Daytona.
    daytona: DaytonaSettings {
        /// The snapshot of its sandboxes; its own default when neither this nor an image is given.
        snapshot: Option<Name> = None,
        /// The image of its sandboxes, in place of a snapshot.
        image: Option<Name> = None,
        /// The address of its interface.
        api_url: ApiUrl = ApiUrl::new("https://app.daytona.io/api".to_owned()),
        /// Where its key is found.
        api_key: SecretReference = SecretReference::Environment("DAYTONA_API_KEY".to_owned()),
        /// The region of its sandboxes.
        target: Name = Name::new("us".to_owned()),
        /// What the service at that address does not offer, though Daytona does.
        lacks: Vec<Lack> = Vec::new(),
    }
    /// Docker.
    docker: DockerSettings {
        /// The image of its containers.
        image: Name = Name::new("python:3.13-slim".to_owned()),
        /// The daemon's address, such as `unix:///run/docker.sock`; Docker's own default when it is not given.
        host: Option<Name> = None,
        /// Memory of a container; where `limits.memory` is said too, the less of both.
        memory: Bytes = Bytes(512 << 20),
        /// Processors of a container.
        cpus: Cpus = Cpus::from_thousandths(1000),
        /// The network of its containers. Docker knows no rules: any but "none" has to go with network.allow = ["*"].
        network: Name = Name::new("none".to_owned()),
    }
}
