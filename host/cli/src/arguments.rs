//! The command line: parsed once, into types.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sandpiper::worktree::Id;
use sandpiper::worktree::remote::Force;
use sandpiper::{Access, Image, Mount};

/// Run untrusted code in a sandbox: shell, Python and WASI programs, with every limit on.
#[derive(Debug, Parser)]
#[command(name = "sandpiper", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command in a fresh sandbox.
    Run(RunArguments),
    /// Open an interactive shell in a fresh sandbox.
    Shell(ShellArguments),
    /// List, build, pull, verify or export images.
    #[command(subcommand)]
    Image(ImageCommand),
    /// Make, compare, commit, merge, apply or remove git worktrees of runs.
    Worktree(WorktreeArguments),
    /// Clone a repository, running nothing of it: no filter, no hook, no submodule.
    Clone(CloneArguments),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

const RUN_EXAMPLES: &str = "\
Examples:
  sandpiper run -- python3 -c 'print(6 * 7)'
  sandpiper run -- python3 script.py --flag            (the current directory is /workspace)
  sandpiper run -c 'grep -rn TODO . | sort | head -3'
  sandpiper run --dir src:/workspace:ro --dir out:/out -- python3 -m compileall /workspace
  sandpiper run --json --timeout 5s --memory 128MiB -- python3 untrusted.py
  sandpiper run --image app.wasm -- first second
  sandpiper run --worktree -c 'sed -i s/a/b/ f.txt'    (in a git worktree of its own)

Exit codes:
  the guest's own; 124 wall time; 125 refused, bad usage or host error; 126 not runnable;
  127 not found; 130 Ctrl-C; 134 trap; 137 memory; 152 fuel; 153 disk or output quota";

#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct RunArguments {
    /// Run a line of shell, as bash -c does; what follows two dashes is $0, $1 and so on.
    #[arg(short = 'c', value_name = "SCRIPT", allow_hyphen_values = true)]
    pub(crate) script: Option<String>,
    #[command(flatten)]
    pub(crate) sandbox: SandboxArguments,
    #[command(flatten)]
    pub(crate) worktree: RunWorktreeArguments,
    /// Print the whole outcome as one JSON object instead of streaming the output.
    #[arg(long)]
    pub(crate) json: bool,
    /// The command and its arguments; with a file, the arguments alone.
    #[arg(last = true, value_name = "CMD ARGS")]
    pub(crate) command: Vec<String>,
}

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

const SHELL_EXAMPLES: &str = "\
Examples:
  sandpiper shell                                      (the current directory is /workspace)
  sandpiper shell --dir src:/workspace:ro --timeout 1h
  sandpiper shell -- script.sh first second

Ctrl-C interrupts what runs, Ctrl-D or exit ends the session and the sandbox.";

#[derive(Debug, Args)]
#[command(after_help = SHELL_EXAMPLES)]
pub(crate) struct ShellArguments {
    #[command(flatten)]
    pub(crate) sandbox: SandboxArguments,
    /// Arguments of bash, after -l.
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) arguments: Vec<String>,
}

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
    /// Linear memory of the guest.
    #[arg(long, value_name = "SIZE", value_parser = sandpiper::parse_size, default_value = "256MiB")]
    pub(crate) memory: u64,
    /// Wall-clock time, such as 30s, 500ms or 2m; 30s when left out, 12h for a shell.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Private in-memory files, /tmp and /home/user.
    #[arg(long, value_name = "SIZE", value_parser = sandpiper::parse_size, default_value = "64MiB")]
    pub(crate) tmp: u64,
    /// Bytes that may be written to granted directories.
    #[arg(long, value_name = "SIZE", value_parser = sandpiper::parse_size, default_value = "1GiB")]
    pub(crate) disk: u64,
    /// Stdout and stderr together; 16MiB when left out, 1GiB for a shell.
    #[arg(long, value_name = "SIZE", value_parser = sandpiper::parse_size)]
    pub(crate) max_output: Option<u64>,
    /// Processes at one time.
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) processes: u32,
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

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// List the images that are installed.
    List {
        /// Print a JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Build an image from its pinned sources, unless it is built.
    Build {
        /// The image.
        #[arg(default_value = "base")]
        name: String,
    },
    /// Install an image that was exported, after verifying it.
    Pull {
        /// A directory, a file made by `image export`, or an http(s) address of one.
        from: String,
        /// The image.
        #[arg(long, default_value = "base")]
        name: String,
    },
    /// Compare every file of an image with its manifest.
    Verify {
        /// The image.
        #[arg(default_value = "base")]
        name: String,
    },
    /// Write an image to one file for `image pull`.
    Export {
        /// The file to be made.
        to: PathBuf,
        /// The image.
        #[arg(long, default_value = "base")]
        name: String,
    },
}

/// Parses `HOST[:GUEST][:ro|:rw]`. A guest path starts with `/`, so that a Windows drive
/// (`C:\src:/workspace`) stays whole.
fn parse_mount(text: &str) -> Result<Mount, String> {
    let (rest, access) = if let Some(rest) = text.strip_suffix(":ro") {
        (rest, Access::ReadOnly)
    } else {
        (text.strip_suffix(":rw").unwrap_or(text), Access::ReadWrite)
    };
    let colon = rest.rfind(":/").filter(|index| !cfg!(windows) || !ends_a_drive(rest, *index));
    let (host, guest) = match colon {
        Some(index) => (rest.get(..index).unwrap_or_default(), rest.get(index + 1..).unwrap_or_default()),
        None => (rest, crate::run::WORKSPACE),
    };
    if host.is_empty() {
        return Err("the host directory is empty, expected HOST[:GUEST][:ro]".to_owned());
    }
    Mount::new(host, guest, access).map_err(|err| err.to_string())
}

/// Whether a colon is that of a drive, as in `C:/src`; `.:/workspace` has none.
fn ends_a_drive(text: &str, colon: usize) -> bool {
    colon == 1 && text.starts_with(|first: char| first.is_ascii_alphabetic())
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    // As in timeout(1), a bare number is seconds.
    if let Ok(seconds) = u64::from_str(text) {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text).map_err(|err| format!("{err}; write it as 30s, 500ms or 2m"))
}

#[expect(clippy::unnecessary_wraps, reason = "clap asks for a Result")]
fn parse_image(text: &str) -> Result<Image, std::convert::Infallible> {
    let is_file = text.contains(['/', '\\'])
        || PathBuf::from(text).extension().is_some_and(|extension| extension == "wasm");
    Ok(if is_file { Image::File(text.into()) } else { Image::Named(text.to_owned()) })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_mount_is_host_guest_and_access() {
        let mount = |text| parse_mount(text).map(|mount| (mount.host, mount.guest.to_string(), mount.access));
        let (read_write, read_only) = (Access::ReadWrite, Access::ReadOnly);
        assert_eq!(mount("."), Ok((".".into(), "/workspace".to_owned(), read_write)));
        assert_eq!(mount("src:ro"), Ok(("src".into(), "/workspace".to_owned(), read_only)));
        assert_eq!(mount("/a b:/c:rw"), Ok(("/a b".into(), "/c".to_owned(), read_write)));
        assert_eq!(mount("a:b:/c/d:ro"), Ok(("a:b".into(), "/c/d".to_owned(), read_only)));
        assert_eq!(mount(".:/w:ro"), Ok((".".into(), "/w".to_owned(), read_only)));
        for text in ["", ":/w", ":ro", "aa:/", "aa:/../b"] {
            assert!(mount(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_drive_of_windows_is_a_letter_and_a_colon() {
        let mount = |text| parse_mount(text).map(|mount| (mount.host, mount.guest.to_string()));
        let whole = |text: &str| Ok((text.into(), "/workspace".to_owned()));
        let split = |host: &str, guest: &str| Ok((host.into(), guest.to_owned()));
        assert_eq!(mount(r"C:\src"), whole(r"C:\src"));
        assert_eq!(mount(r"C:\src:/w"), split(r"C:\src", "/w"));
        assert_eq!(mount("C:/src:/w"), split("C:/src", "/w"));
        assert_eq!(mount("C:/src"), if cfg!(windows) { whole("C:/src") } else { split("C", "/src") });
    }

    #[test]
    fn a_bare_number_is_seconds() {
        assert_eq!(parse_duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert!(parse_duration("soon").is_err());
    }

    #[test]
    fn a_path_or_wasm_name_is_a_module_file() {
        assert_eq!(parse_image("base"), Ok(Image::Named("base".to_owned())));
        assert_eq!(parse_image("app.wasm"), Ok(Image::File("app.wasm".into())));
        assert_eq!(parse_image("./app"), Ok(Image::File("./app".into())));
    }
}
