//! The command line: parsed once, into types.

mod keeping;
mod sandbox;
mod worktree;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use sandpiper::routing::Declared;
use sandpiper::{Access, Image, Mount};

pub(crate) use keeping::{
    BackendsArguments, JournalArguments, JournalCommand, PolicyCommand, PolicyCommandArguments,
    RouteArguments, SandboxCommand, SandboxCommandArguments, ServeArguments,
};
pub(crate) use sandbox::{
    BackendChoice, JournalMode, PolicyArguments, SandboxArguments, TemplateArguments, WallMode,
};
pub(crate) use worktree::{
    AccessArguments, CloneArguments, RunWorktreeArguments, WorktreeArguments, WorktreeBase, WorktreeCommand,
};

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
    Run(Box<RunArguments>),
    /// Open an interactive shell in a fresh sandbox.
    Shell(ShellArguments),
    /// List, build, pull, verify or export images.
    #[command(subcommand)]
    Image(ImageCommand),
    /// Make, compare, commit, merge, apply or remove git worktrees of runs.
    Worktree(WorktreeArguments),
    /// Check, show, explain or allow the policy of runs.
    Policy(PolicyCommandArguments),
    /// Tell what a command needs and which backend would run it, without running it.
    Route(RouteArguments),
    /// List, show, follow, verify or export what runs did.
    Journal(JournalArguments),
    /// Make sandboxes that outlive this process, and work with them by their references.
    Sandbox(SandboxCommandArguments),
    /// Say which backends answer, how fast, and what they can do.
    Backends(BackendsArguments),
    /// Serve sandboxes of this machine to programs that were written for E2B or Daytona.
    Serve(ServeArguments),
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
    /// Where it runs: auto looks at what the command needs; the policy's first when left out, which is wasm
    /// without a policy.
    #[arg(long, value_enum, value_name = "BACKEND")]
    pub(crate) backend: Option<BackendChoice>,
    /// What the command needs, where that is not to be seen: network, ports, threads, fork, native, tool:NAME,
    /// a Python package; or nothing.
    #[arg(long, value_name = "NEEDS")]
    pub(crate) needs: Option<Declared>,
    /// Print the whole outcome as one JSON object instead of streaming the output.
    #[arg(long)]
    pub(crate) json: bool,
    /// Be the process that takes the run elsewhere, as long as somebody has locked this file; see `carrier.rs`.
    #[arg(long, hide = true, value_name = "PATH")]
    pub(crate) carry: Option<PathBuf>,
    /// The worktree of the run that is carried.
    #[arg(long, hide = true, value_name = "PATH", requires = "carry")]
    pub(crate) carry_worktree: Option<PathBuf>,
    /// The command and its arguments; with a file, the arguments alone.
    #[arg(last = true, value_name = "CMD ARGS")]
    pub(crate) command: Vec<String>,
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
    fn what_is_about_one_run_is_no_option_of_sandboxes_that_stay() {
        let parsed = |words: &[&str]| {
            let parsed = Arguments::try_parse_from([&["sandpiper"], words].concat());
            parsed.map(drop).map_err(|err| err.kind())
        };
        let unknown = Err(clap::error::ErrorKind::UnknownArgument);
        for option in [["--wall", "require"], ["--journal", "require"], ["--cwd", "/"]] {
            assert_eq!(parsed(&[&["serve"], &option[..]].concat()), unknown, "{option:?}");
            assert_eq!(parsed(&[&["sandbox", "create"], &option[..]].concat()), unknown, "{option:?}");
        }
        assert_eq!(parsed(&["serve", "--timeout", "2s"]), unknown);
        assert_eq!(parsed(&["sandbox", "create", "--timeout", "2s"]), Ok(()));
        assert_eq!(parsed(&["serve", "--memory", "64MiB", "--dir", "src:ro"]), Ok(()));
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
