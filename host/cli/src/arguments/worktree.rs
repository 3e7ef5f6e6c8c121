//! Arguments of git worktrees, and of repositories elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use sandpiper::worktree::Id;
use sandpiper::worktree::remote::Force;

use super::parse_duration;

/// A git worktree for one run.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "a table of independent flags")]
pub(crate) struct RunWorktreeArguments {
    /// Run in a new git worktree of the current repository, at /workspace; nothing of your checkout is
    /// touched. The worktree is kept if there is work in it.
    #[arg(long)]
    pub(crate) worktree: bool,
    #[command(flatten)]
    pub(crate) base: WorktreeBase,
    /// The task that the run is for.
    #[arg(long, value_name = "TASK", default_value = "run", requires = "worktree")]
    pub(crate) task: String,
    /// The run's id within its task; made of the time when left out.
    #[arg(long, value_name = "RUN", requires = "worktree")]
    pub(crate) run_id: Option<String>,
    /// Keep the worktree even if nothing was changed.
    #[arg(long, requires = "worktree", group = "end")]
    pub(crate) keep: bool,
    /// Commit the changes on the worktree's branch, if the command succeeds.
    #[arg(long, value_name = "MESSAGE", requires = "worktree", group = "end")]
    pub(crate) commit: Option<String>,
    /// Apply the changes to your checkout, uncommitted, if the command succeeds, and remove the worktree.
    #[arg(long, requires = "worktree", group = "end")]
    pub(crate) apply: bool,
    /// Remove the worktree if the command fails; what it held can be had back for thirty days.
    #[arg(long, requires = "worktree")]
    pub(crate) discard_on_failure: bool,
    /// The directory in which worktrees are made.
    #[arg(long, value_name = "DIRECTORY", requires = "worktree")]
    pub(crate) worktree_root: Option<PathBuf>,
}

/// What a worktree begins with.
#[derive(Debug, Args)]
pub(crate) struct WorktreeBase {
    /// The commit that the worktree begins with, by any name that git has for it; HEAD when left out.
    #[arg(long, value_name = "REF")]
    pub(crate) base: Option<String>,
    /// Bring along changes of your checkout that are not committed.
    #[arg(long)]
    pub(crate) include_uncommitted: bool,
    /// Bring along files of your checkout that git does not know and is not told to ignore.
    #[arg(long)]
    pub(crate) include_untracked: bool,
    /// Only these directories of the repository, and the files beside them, as git sparse-checkout has it.
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) sparse: Vec<String>,
    /// Where there is no repository, begin with nothing instead of a copy of the directory.
    #[arg(long)]
    pub(crate) empty: bool,
}

const WORKTREE_EXAMPLES: &str = "\
Examples:
  sandpiper worktree create fix-login/1
  sandpiper worktree list --json
  sandpiper worktree diff fix-login/1
  sandpiper worktree commit fix-login/1 -m 'Fix the login'
  sandpiper worktree merge fix-login/1 --squash
  sandpiper worktree remove fix-login/1

A worktree is named by its id, task/run, or by its branch, sandpiper/task/run.";

#[derive(Debug, Args)]
#[command(after_help = WORKTREE_EXAMPLES)]
pub(crate) struct WorktreeArguments {
    #[command(subcommand)]
    pub(crate) command: WorktreeCommand,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The directory in which worktrees are made.
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub(crate) root: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorktreeCommand {
    /// Make a branch and a worktree.
    Create {
        /// task/run; work and the time when left out.
        id: Option<Id>,
        #[command(flatten)]
        base: WorktreeBase,
    },
    /// List the worktrees of this repository.
    List,
    /// List the files that were changed since the worktree was made.
    Status {
        /// The worktree.
        name: String,
    },
    /// Print what was changed since the worktree was made, committed or not.
    Diff {
        /// The worktree.
        name: String,
        /// Lines of each file, not the changes.
        #[arg(long)]
        stat: bool,
    },
    /// Commit all changes on the worktree's branch.
    Commit {
        /// The worktree.
        name: String,
        /// The message.
        #[arg(short, long)]
        message: String,
        /// The author; who git's configuration names when left out.
        #[arg(long, value_name = "NAME <ADDRESS>")]
        author: Option<String>,
        /// A line below the message.
        #[arg(long = "trailer", value_name = "KEY: VALUE", value_parser = parse_trailer)]
        trailers: Vec<(String, String)>,
    },
    /// Apply the changes to your checkout, as changes that are not committed.
    Apply {
        /// The worktree.
        name: String,
    },
    /// Merge the worktree's branch into a branch.
    Merge {
        /// The worktree.
        name: String,
        /// The branch; the one that you have checked out when left out.
        #[arg(long, value_name = "BRANCH")]
        into: Option<String>,
        /// The message of the commit that is made, if one is.
        #[arg(short, long)]
        message: Option<String>,
        /// Only move the branch forward.
        #[arg(long, group = "kind")]
        ff_only: bool,
        /// Make a merge commit always.
        #[arg(long, group = "kind")]
        no_ff: bool,
        /// Make one commit of all changes.
        #[arg(long, group = "kind")]
        squash: bool,
    },
    /// Push the worktree's branch to a remote.
    Push {
        /// The worktree.
        name: String,
        /// The remote; the only one, or origin, when left out.
        #[arg(long)]
        remote: Option<String>,
        /// The branch there; that of the worktree when left out.
        #[arg(long, value_name = "BRANCH")]
        to: Option<String>,
        /// Push though the branch there loses commits, if it is where it was last seen, or at this commit.
        #[arg(
            long,
            value_name = "COMMIT",
            num_args = 0..=1,
            require_equals = true,
            default_missing_value = "",
            value_parser = parse_lease
        )]
        force_with_lease: Option<Force>,
        #[command(flatten)]
        access: AccessArguments,
    },
    /// Fetch the branches of a remote into the repository.
    Fetch {
        /// The remote; the only one, or origin, when left out.
        remote: Option<String>,
        /// This branch alone; can be given several times.
        #[arg(long = "branch", value_name = "BRANCH")]
        branches: Vec<String>,
        #[command(flatten)]
        access: AccessArguments,
    },
    /// Write the changes to a file.
    Export {
        /// The worktree.
        name: String,
        /// As a patch, for `git apply`.
        #[arg(long, value_name = "FILE", required_unless_present = "bundle")]
        patch: Option<PathBuf>,
        /// As a bundle of the commits, for `git fetch`.
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
    },
    /// Remove a worktree and its branch, unless there is work in it that is nowhere else.
    Remove {
        /// The worktree.
        name: String,
        /// Remove it all the same; what it held can be had back for thirty days.
        #[arg(long)]
        discard: bool,
    },
    /// End what was interrupted, and remove what is old and holds no work.
    Gc {
        /// How old a worktree without work must be.
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "7days")]
        idle: Duration,
        /// For how long what was removed can be had back.
        #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "30days")]
        trash: Duration,
    },
    /// Keep the worktree of a run, for another process of this program.
    #[command(hide = true)]
    Agent,
}

#[derive(Debug, Args)]
pub(crate) struct CloneArguments {
    /// Where the repository is: https://, ssh://, user@host:path, file:// or a path.
    pub(crate) address: String,
    /// The directory to make; the last part of the address when left out.
    pub(crate) directory: Option<PathBuf>,
    /// The branch to check out; that of the repository when left out.
    #[arg(short, long)]
    pub(crate) branch: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) access: AccessArguments,
}

/// How remotes are reached.
#[derive(Debug, Args)]
pub(crate) struct AccessArguments {
    /// The ssh to run, a line of shell; `GIT_SSH_COMMAND` and git's configuration when left out.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) ssh_command: Option<String>,
    /// For how long a connection may take to be made.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) connect_timeout: Option<Duration>,
    /// For how long a server may say nothing.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) silence_timeout: Option<Duration>,
    /// The most that is fetched.
    #[arg(long, value_name = "SIZE", value_parser = sandpiper::parse_size)]
    pub(crate) max_bytes: Option<u64>,
}

/// The commit behind `--force-with-lease`, which may be left out.
#[expect(clippy::unnecessary_wraps, reason = "what clap takes")]
fn parse_lease(commit: &str) -> Result<Force, String> {
    Ok(if commit.is_empty() { Force::WhereSeen } else { Force::At(commit.to_owned()) })
}

fn parse_trailer(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once(':').ok_or("expected KEY: VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}
