//! A command line from its global options to its reply.

use super::arguments::{Argument, Arguments};
use super::commands;
use super::failure::{Failure, Result};
use super::session::Session;
use super::{Invocation, Reply, Scope};
use std::cell::RefCell;

/// The most that a command may print on each of its outputs; it is held in memory.
const MAX_OUTPUT_BYTES: usize = 32 * 1024 * 1024;
/// The most that all arguments together hold, as on Linux.
const MAX_ARGUMENT_BYTES: usize = 2 * 1024 * 1024;

/// What a command has at hand.
pub(super) struct Context<'a> {
    pub(super) session: Session<'a>,
    pub(super) invocation: &'a Invocation,
    /// The values that `-c` set.
    pub(super) settings: Vec<(String, String)>,
    out: RefCell<Vec<u8>>,
    err: RefCell<Vec<u8>>,
}

impl Context<'_> {
    /// Prints to standard output.
    pub(super) fn print(&self, bytes: impl AsRef<[u8]>) {
        self.out.borrow_mut().extend_from_slice(bytes.as_ref());
    }

    /// Prints to standard error.
    pub(super) fn warn(&self, bytes: impl AsRef<[u8]>) {
        self.err.borrow_mut().extend_from_slice(bytes.as_ref());
    }

    /// Ends a command that prints more than it may; called wherever output grows in a loop.
    pub(super) fn check_output(&self) -> Result<()> {
        Self::check_size(&self.out.borrow())?;
        Self::check_size(&self.err.borrow())
    }

    /// The same for an output that is not printed yet.
    pub(super) fn check_size(out: &[u8]) -> Result<()> {
        if out.len() > MAX_OUTPUT_BYTES {
            return Err(Failure::fatal(format!("the output is larger than {} MiB", MAX_OUTPUT_BYTES >> 20))
                .hint("ask for less: -n, paths after --, or --stat in the place of a patch"));
        }
        Ok(())
    }
}

/// Carries out one command line of git.
///
/// ```no_run
/// use sandpiper_worktree::git::{git, Invocation, Scope};
///
/// let scope = Scope {
///     git_directory: "/home/me/project/.git/worktrees/run".into(),
///     work_tree: "/home/me/project.sandpiper/run".into(),
///     branch: "refs/heads/sandpiper/task/run".into(),
///     guest_path: "/workspace".into(),
/// };
/// let invocation = Invocation { arguments: vec![b"status".to_vec()], ..Invocation::default() };
/// let reply = git(&scope, &invocation);
/// assert_eq!(reply.code, 0);
/// ```
#[must_use]
pub fn git(scope: &Scope, invocation: &Invocation) -> Reply {
    match run(scope, invocation) {
        Ok(reply) => reply,
        Err(failure) => Reply { code: failure.code, stdout: Vec::new(), stderr: failure.message },
    }
}

fn run(scope: &Scope, invocation: &Invocation) -> Result<Reply> {
    if invocation.arguments.iter().map(Vec::len).sum::<usize>() > MAX_ARGUMENT_BYTES {
        return Err(Failure::fatal(format!(
            "the arguments are larger than {} MiB",
            MAX_ARGUMENT_BYTES >> 20
        )));
    }
    let mut arguments = Arguments::new("", &invocation.arguments);
    let mut directories = vec![invocation.directory.as_slice()];
    let mut settings = Vec::new();
    let name = loop {
        match arguments.next()? {
            Some(Argument::Operand(name)) => break name,
            Some(Argument::Short('C')) => directories.push(arguments.value()?),
            Some(Argument::Short('c')) => settings.push(setting(arguments.text()?)?),
            Some(Argument::Short('P') | Argument::Long("no-pager" | "no-optional-locks")) => {}
            Some(Argument::Long("version") | Argument::Short('v')) => {
                return Ok(Reply { stdout: commands::VERSION.to_vec(), ..Reply::default() });
            }
            Some(Argument::Long("help") | Argument::Short('h')) => {
                return Ok(Reply { stdout: commands::help().into_bytes(), ..Reply::default() });
            }
            None => return Err(Failure::plain(1, commands::help())),
            Some(Argument::Long(name)) => {
                return Err(Failure::plain(
                    129,
                    format!(
                        "unknown option: --{name}\nhint: before the command `-C`, `-c` and `--no-pager` work here\n"
                    ),
                ));
            }
            Some(Argument::Short(letter)) => {
                return Err(Failure::plain(
                    129,
                    format!(
                        "unknown option: -{letter}\nhint: before the command `-C`, `-c` and `--no-pager` work here\n"
                    ),
                ));
            }
            Some(Argument::Path(_)) => return Err(Failure::plain(129, "unknown option: --\n")),
        }
    };
    let command = commands::find(name)?;
    let mut session = Session::open(scope)?;
    for directory in directories.into_iter().filter(|directory| !directory.is_empty()) {
        session.enter(directory)?;
    }
    let context = Context { session, invocation, settings, out: RefCell::default(), err: RefCell::default() };
    let arguments = Arguments::new(command.name, arguments.rest());
    let result = (command.run)(&context, arguments).and_then(|code| {
        context.check_output()?;
        Ok(code)
    });
    let too_much = context.check_output().is_err();
    let (stdout, mut stderr) = (context.out.into_inner(), context.err.into_inner());
    Ok(match result {
        Ok(code) => Reply { code, stdout, stderr },
        // What was printed before stays, as it would have been seen, unless it is the trouble.
        Err(failure) if too_much => Reply { code: failure.code, stdout: Vec::new(), stderr: failure.message },
        Err(failure) => {
            stderr.extend_from_slice(&failure.message);
            Reply { code: failure.code, stdout, stderr }
        }
    })
}

/// Reads `-c name=value`; only settings that can do no harm are taken.
fn setting(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or((text, "true"));
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "user.name" | "user.email" => Ok((name, value.to_owned())),
        // There are no colours, pagers or advice to switch here.
        _ if name.starts_with("color.") || name.starts_with("advice.") || name == "core.pager" => {
            Ok((name, value.to_owned()))
        }
        _ => Err(Failure::plain(
            129,
            format!(
                "error: `-c {name}` is not supported here\nhint: user.name and user.email can be set by -c\n"
            ),
        )),
    }
}
