//! What a sandbox is made of, where it is, and which policy holds.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use sandpiper::policy::Backend;
use sandpiper::{Image, Mount};

use super::{parse_duration, parse_image, parse_mount};

/// What a sandbox is made of, for all that run in one.
#[derive(Debug, Args)]
pub(crate) struct SandboxArguments {
    /// Grant a host directory; GUEST is /workspace when left out. Without any --dir the current
    /// directory is granted at /workspace, read-write.
    #[arg(long = "dir", value_name = "HOST[:GUEST][:ro]", value_parser = parse_mount)]
    pub(crate) dirs: Vec<Mount>,
    /// Grant no directory at all.
    #[arg(long, conflicts_with = "dirs")]
    pub(crate) no_dir: bool,
    /// Fuel: about one unit for each WebAssembly instruction.
    #[arg(long, value_name = "N")]
    pub(crate) fuel: Option<u64>,
    /// Meter by the deadline only: faster code, no fuel figure, not reproducible.
    #[arg(long, conflicts_with = "fuel")]
    pub(crate) no_fuel: bool,
    /// Linear memory of the guest; 256MiB when left out.
    #[arg(long, value_name = "SIZE", value_parser = sandpiper::parse_size)]
    pub(crate) memory: Option<u64>,
    /// Wall-clock time, such as 30s, 500ms or 2m; 30s when left out, 12h for a shell.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Private in-memory files, /tmp and /home/user; 64MiB when left out.
    #[arg(long, value_name = "SIZE", value_parser = sandpiper::parse_size)]
    pub(crate) tmp: Option<u64>,
    /// Bytes that may be written to granted directories; 1GiB when left out.
    #[arg(long, value_name = "SIZE", value_parser = sandpiper::parse_size)]
    pub(crate) disk: Option<u64>,
    /// Stdout and stderr together; 16MiB when left out, 1GiB for a shell.
    #[arg(long, value_name = "SIZE", value_parser = sandpiper::parse_size)]
    pub(crate) max_output: Option<u64>,
    /// Processes at one time; 256 when left out.
    #[arg(long, value_name = "N")]
    pub(crate) processes: Option<u32>,
    /// Set an environment variable; with the name alone, to the host's value.
    #[arg(long = "env", value_name = "K[=V]")]
    pub(crate) env: Vec<String>,
    /// Working directory in the guest.
    #[arg(long, value_name = "PATH")]
    pub(crate) cwd: Option<String>,
    /// Seed of the guest's randomness, for runs that can be repeated.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Give the guest a virtual clock that starts at 2000-01-01 and jumps over sleeps.
    #[arg(long)]
    pub(crate) virtual_clock: bool,
    /// Lock this process in too before the guest runs (Linux: Landlock and seccomp), so that a hole in
    /// the engine alone is not enough.
    #[arg(long, value_enum, default_value_t = WallMode::Auto)]
    pub(crate) wall: WallMode,
    /// An image's name, or the file of a WASI command: a preview 1 module, or a WASI 0.2 component, to
    /// which directories are granted read-only (--dir HOST:GUEST:ro).
    #[arg(long, value_name = "IMAGE", default_value = "base", value_parser = parse_image)]
    pub(crate) image: Image,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
    /// Write down what the run did, for `sandpiper journal`.
    #[arg(long, value_enum, default_value_t = JournalMode::Auto)]
    pub(crate) journal: JournalMode,
}

/// What a sandbox is made of that outlives a command: what is about one run is not here.
#[derive(Debug, Args)]
pub(crate) struct TemplateArguments {
    /// Grant a host directory; GUEST is /workspace when left out. Without any, none is granted but the policy's.
    #[arg(long = "dir", value_name = "HOST[:GUEST][:ro]", value_parser = parse_mount)]
    dirs: Vec<Mount>,
    /// Grant no directory at all, not the policy's either.
    #[arg(long, conflicts_with = "dirs")]
    no_dir: bool,
    /// Fuel of each command: about one unit for each WebAssembly instruction.
    #[arg(long, value_name = "N")]
    fuel: Option<u64>,
    /// Meter by the deadline only: faster code, no fuel figure, not reproducible.
    #[arg(long, conflicts_with = "fuel")]
    no_fuel: bool,
    /// Linear memory of each command; 256MiB when left out.
    #[arg(long, value_name = "SIZE", value_parser = sandpiper::parse_size)]
    memory: Option<u64>,
    /// Private in-memory files, /tmp; 64MiB when left out.
    #[arg(long, value_name = "SIZE", value_parser = sandpiper::parse_size)]
    tmp: Option<u64>,
    /// Bytes that may be written to what is on disk: /home/user, /workspace and granted directories; 1GiB when left
    /// out.
    #[arg(long, value_name = "SIZE", value_parser = sandpiper::parse_size)]
    disk: Option<u64>,
    /// Stdout and stderr of a command together; 16MiB when left out.
    #[arg(long, value_name = "SIZE", value_parser = sandpiper::parse_size)]
    max_output: Option<u64>,
    /// Processes at one time; 256 when left out.
    #[arg(long, value_name = "N")]
    processes: Option<u32>,
    /// Set an environment variable of each command; with the name alone, to the host's value.
    #[arg(long = "env", value_name = "K[=V]")]
    env: Vec<String>,
    /// Seed of the guest's randomness, for runs that can be repeated.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Give the guest a virtual clock that starts at 2000-01-01 and jumps over sleeps.
    #[arg(long)]
    virtual_clock: bool,
    /// An image's name, or the file of a WASI command.
    #[arg(long, value_name = "IMAGE", default_value = "base", value_parser = parse_image)]
    image: Image,
    #[command(flatten)]
    policy: PolicyArguments,
}

impl TemplateArguments {
    /// The same as of a run, without what is about one.
    pub(crate) fn into_sandbox(self, timeout: Option<Duration>) -> SandboxArguments {
        SandboxArguments {
            dirs: self.dirs,
            no_dir: self.no_dir,
            fuel: self.fuel,
            no_fuel: self.no_fuel,
            memory: self.memory,
            timeout,
            tmp: self.tmp,
            disk: self.disk,
            max_output: self.max_output,
            processes: self.processes,
            env: self.env,
            cwd: None,
            seed: self.seed,
            virtual_clock: self.virtual_clock,
            wall: WallMode::Off,
            image: self.image,
            policy: self.policy,
            journal: JournalMode::Off,
        }
    }
}

/// Where a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendChoice {
    /// Here, if all that it needs is here; else where the policy lets it go.
    Auto,
    /// WebAssembly in this process.
    Wasm,
    /// E2B.
    E2b,
    /// Daytona.
    Daytona,
    /// Docker.
    Docker,
}

impl BackendChoice {
    /// The one backend.
    pub(crate) fn backend(self) -> Option<Backend> {
        match self {
            Self::Auto => None,
            Self::Wasm => Some(Backend::Wasm),
            Self::E2b => Some(Backend::E2b),
            Self::Daytona => Some(Backend::Daytona),
            Self::Docker => Some(Backend::Docker),
        }
    }
}

/// Which policy holds.
#[derive(Debug, Default, Args)]
pub(crate) struct PolicyArguments {
    /// The policy; `SANDPIPER_POLICY` when left out, else the nearest sandpiper.toml at or above the current
    /// directory. With a policy, its mounts take the place of the current directory.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Follow no policy file.
    #[arg(long, conflicts_with = "policy")]
    pub(crate) no_policy: bool,
    /// The profile of the policy.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

/// What to do about the journal of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum JournalMode {
    /// Write it, and say so where that cannot be done.
    Auto,
    /// Refuse to run where it cannot be written.
    Require,
    /// Write none.
    Off,
}

/// What to do about the wall around this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum WallMode {
    /// Raise what this system has; the outcome says which parts hold.
    Auto,
    /// Refuse to run where a part is missing.
    Require,
    /// Raise none.
    Off,
}
