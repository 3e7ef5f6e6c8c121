//! Arguments of what stays: policies, journals, sandboxes that outlive a process, and servers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use sandpiper::SandboxRef;
use sandpiper::routing::Declared;

use super::{BackendChoice, PolicyArguments, SandboxArguments, TemplateArguments, parse_duration};

const POLICY_EXAMPLES: &str = "\
Examples:
  sandpiper policy check                               (all mistakes, each with its line)
  sandpiper policy show --profile ci
  sandpiper policy explain limits.timeout
  sandpiper policy allow                               (follow one that reaches out of its directory)";

#[derive(Debug, Args)]
#[command(after_help = POLICY_EXAMPLES)]
pub(crate) struct PolicyCommandArguments {
    #[command(subcommand)]
    pub(crate) command: PolicyCommand,
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Find all mistakes, and what is doubtful.
    Check,
    /// Print what holds, with where each value comes from.
    Show,
    /// Say what a key is for, its value, and who says so.
    Explain {
        /// The key, such as limits.timeout; a table's name gives all of its keys.
        key: String,
    },
    /// Follow this policy though it reaches out of its directory, until it is changed.
    Allow,
    /// Print the JSON schema of policies.
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct RouteArguments {
    #[command(flatten)]
    pub(crate) sandbox: SandboxArguments,
    /// Run a line of shell, as bash -c does.
    #[arg(short = 'c', value_name = "SCRIPT", allow_hyphen_values = true)]
    pub(crate) script: Option<String>,
    /// What the command needs, where that is not to be seen.
    #[arg(long, value_name = "NEEDS")]
    pub(crate) needs: Option<Declared>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The command and its arguments.
    #[arg(last = true, value_name = "CMD ARGS")]
    pub(crate) command: Vec<String>,
}

const JOURNAL_EXAMPLES: &str = "\
Examples:
  sandpiper journal list --since 1h --failed
  sandpiper journal show latest
  sandpiper journal tail latest
  sandpiper journal verify 20261122
  sandpiper journal export latest > run.jsonl

A run is named by its id, by a part of it that no other has, or by latest.";

#[derive(Debug, Args)]
#[command(after_help = JOURNAL_EXAMPLES)]
pub(crate) struct JournalArguments {
    #[command(subcommand)]
    pub(crate) command: JournalCommand,
    /// The directory of the journals.
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub(crate) directory: Option<PathBuf>,
    /// Print JSON, one object a line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// List the runs, the newest first.
    List {
        /// Those that began at most so long ago, or at this time (RFC 3339) or later.
        #[arg(long, value_name = "TIME", value_parser = parse_moment)]
        since: Option<SystemTime>,
        /// Those that began before.
        #[arg(long, value_name = "TIME", value_parser = parse_moment)]
        until: Option<SystemTime>,
        /// Those that did not end with status 0.
        #[arg(long, conflicts_with = "code")]
        failed: bool,
        /// Those that ended with this exit code.
        #[arg(long, value_name = "N")]
        code: Option<u8>,
        /// Those on this backend.
        #[arg(long, value_name = "NAME")]
        backend: Option<String>,
        /// Those of this task.
        #[arg(long, value_name = "TASK")]
        task: Option<String>,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 50)]
        most: usize,
    },
    /// Print the records of a run.
    Show {
        /// The run.
        run: String,
    },
    /// Print the records of a run, also those that are still to come.
    Tail {
        /// The run.
        run: String,
    },
    /// Say whether a run's journal is whole, and what is missing.
    Verify {
        /// The run; all of them when left out.
        run: Option<String>,
    },
    /// Print a run's journal as it is, as JSON lines that verify.
    Export {
        /// The run.
        run: String,
    },
    /// List the files that a run changed.
    Files {
        /// The run.
        run: String,
    },
    /// Remove what is old.
    Gc {
        /// Those that ended longer ago.
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "90days")]
        age: Duration,
        /// The oldest, until all have no more than this together.
        #[arg(long, value_name = "SIZE", value_parser = sandpiper::parse_size, default_value = "1GiB")]
        size: u64,
    },
}

/// A time as RFC 3339 has it, or how long ago.
fn parse_moment(text: &str) -> Result<SystemTime, String> {
    if let Ok(moment) = humantime::parse_rfc3339_weak(text) {
        return Ok(moment);
    }
    let ago = parse_duration(text)
        .map_err(|_| "expected a time such as 2026-11-22T08:00:00Z, or 2h for two hours ago")?;
    SystemTime::now().checked_sub(ago).ok_or_else(|| "that is before all time".to_owned())
}

const SANDBOX_EXAMPLES: &str = "\
Examples:
  box=$(sandpiper sandbox create --lifetime 2h --label task=docs)
  sandpiper sandbox exec $box -- bash -c 'echo hello > /home/user/f'
  sandpiper sandbox read $box /home/user/f
  sandpiper sandbox list --label task=docs
  sandpiper sandbox close $box

Of a sandbox of this machine, /home/user and /workspace are kept on disk; /tmp and what runs are the command's.";

#[derive(Debug, Args)]
#[command(after_help = SANDBOX_EXAMPLES)]
pub(crate) struct SandboxCommandArguments {
    #[command(subcommand)]
    pub(crate) command: SandboxCommand,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Make a sandbox, and print its reference.
    Create {
        #[command(flatten)]
        template: TemplateArguments,
        /// Wall-clock time of each command, such as 30s, 500ms or 2m; 30s when left out.
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        timeout: Option<Duration>,
        /// Where; the policy's first when left out, which is wasm without a policy.
        #[arg(long, value_enum, value_name = "BACKEND")]
        backend: Option<BackendChoice>,
        /// How long it lives; an hour, or less where the policy pays for less.
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        lifetime: Option<Duration>,
        /// What is noted about it.
        #[arg(long = "label", value_name = "K=V", value_parser = parse_label)]
        labels: Vec<(String, String)>,
    },
    /// Run a command in a sandbox.
    Exec {
        /// The sandbox, BACKEND:ID.
        reference: SandboxRef,
        /// Working directory in it.
        #[arg(long, value_name = "PATH")]
        cwd: Option<String>,
        /// Set an environment variable; with the name alone, to the host's value.
        #[arg(long = "env", value_name = "K[=V]")]
        env: Vec<String>,
        /// The command and its arguments.
        #[arg(last = true, value_name = "CMD ARGS")]
        command: Vec<String>,
    },
    /// List sandboxes.
    List {
        /// Where; wasm when left out.
        #[arg(long, value_enum, value_name = "BACKEND")]
        backend: Option<BackendChoice>,
        /// Those with this noted about them.
        #[arg(long = "label", value_name = "K=V", value_parser = parse_label)]
        labels: Vec<(String, String)>,
        #[command(flatten)]
        policy: PolicyArguments,
    },
    /// Print a file of a sandbox.
    Read {
        /// The sandbox, BACKEND:ID.
        reference: SandboxRef,
        /// The file's path in it.
        path: String,
    },
    /// Set a sandbox aside, until a command is run in it.
    Pause {
        /// The sandbox, BACKEND:ID.
        reference: SandboxRef,
    },
    /// End a sandbox, with its files.
    Close {
        /// The sandbox, BACKEND:ID.
        reference: SandboxRef,
    },
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected K=V")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[derive(Debug, Args)]
pub(crate) struct BackendsArguments {
    #[command(flatten)]
    pub(crate) policy: PolicyArguments,
    /// Print JSON, one object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  SANDPIPER_API_KEY=... sandpiper serve --listen 127.0.0.1:4180
  E2B_API_URL=http://127.0.0.1:4180 E2B_SANDBOX_URL=http://127.0.0.1:4180 E2B_API_KEY=... python3 agent.py
  DAYTONA_API_URL=http://127.0.0.1:4180/api DAYTONA_API_KEY=... python3 agent.py

For sandpiper itself as the client, sandpiper.toml says what sandboxes of this machine have not, under [e2b] or [daytona]:
  lacks = [\"network_rules\", \"network_everything\", \"pause_keeps_processes\", \"ports\", \"metrics\"]";

#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub(crate) struct ServeArguments {
    /// Address and port; with the port 0, one that is free.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4180")]
    pub(crate) listen: SocketAddr,
    /// Listen where other machines can reach it, though nothing is encrypted.
    #[arg(long)]
    pub(crate) beyond_loopback: bool,
    /// A file with a key on each line, besides `SANDPIPER_API_KEY`.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Sandboxes at one time.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) max_sandboxes: usize,
    #[command(flatten)]
    pub(crate) template: TemplateArguments,
}
