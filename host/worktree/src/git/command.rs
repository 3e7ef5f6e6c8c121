//! A command line from its global options to its exit code.

use super::arguments::{Argument, Arguments};
use super::commands;
use super::failure::{Failure, Result};
use super::output::{Output, Pending};
use super::session::Session;
use super::{Allowance, Invocation, Reply, Scope};
use sandpiper_core::Stream;
use std::cell::RefCell;

/// The most that is printed at once, which is held in memory: the patch of one commit.
const MAX_TEXT_BYTES: usize = 32 * 1024 * 1024;
/// The most that all arguments together hold, as on Linux.
const MAX_ARGUMENT_BYTES: usize = 2 * 1024 * 1024;

/// What a command has at hand.
pub(super) struct Context<'a> {
    pub(super) session: Session<'a>,
    pub(super) invocation: &'a Invocation,
    /// The values that `-c` set.
    pub(super) settings: Vec<(String, String)>,
    output: &'a RefCell<Pending<'a>>,
}

impl Context<'_> {
    /// Prints to standard output.
    pub(super) fn print(&self, bytes: impl AsRef<[u8]>) {
        self.output.borrow_mut().add(Stream::Stdout, bytes.as_ref());
    }

    /// Prints to standard error.
    pub(super) fn warn(&self, bytes: impl AsRef<[u8]>) {
        self.output.borrow_mut().add(Stream::Stderr, bytes.as_ref());
    }

    /// Hands over what was printed, if it is much, and ends a command whose output nobody wants; called
    /// wherever output grows in a loop.
    pub(super) fn hand_over(&self) -> Result<()> {
        self.output.borrow_mut().hand_over_much()
    }

    /// Ends a command that would print more at once than it may.
    pub(super) fn check_size(text: &[u8]) -> Result<()> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(Failure::fatal(format!("the output is larger than {} MiB", MAX_TEXT_BYTES >> 20))
                .hint("ask for less: -n, paths after --, or --stat in the place of a patch"));
        }
        Ok(())
    }
}

/// Carries out one command line of git, and keeps what it prints.
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
    let mut reply = Reply::default();
    reply.code = git_to(scope, invocation, &mut reply, &Allowance::new(u64::MAX));
    reply
}

/// Carries out one command line of git, with what it prints going to `output` as it comes; the exit code.
/// When the output is refused, or the allowance is cancelled, it ends early, as git does at Ctrl-C.
pub fn git_to(scope: &Scope, invocation: &Invocation, output: &mut dyn Output, allowance: &Allowance) -> u8 {
    let output = RefCell::new(Pending::new(output));
    let result = run(scope, invocation, &output, allowance);
    let mut output = output.borrow_mut();
    let code = result.unwrap_or_else(|failure| {
        output.add(Stream::Stderr, &failure.message);
        failure.code
    });
    match output.hand_over() {
        Ok(()) => code,
        Err(failure) => failure.code,
    }
}

fn run<'a>(
    scope: &'a Scope,
    invocation: &'a Invocation,
    output: &'a RefCell<Pending<'a>>,
    allowance: &'a Allowance,
) -> Result<u8> {
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
                output.borrow_mut().add(Stream::Stdout, commands::VERSION);
                return Ok(0);
            }
            Some(Argument::Long("help") | Argument::Short('h')) => {
                output.borrow_mut().add(Stream::Stdout, commands::help().as_bytes());
                return Ok(0);
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
    let mut session = Session::open(scope)?.within(allowance);
    for directory in directories.into_iter().filter(|directory| !directory.is_empty()) {
        session.enter(directory)?;
    }
    let context = Context { session, invocation, settings, output };
    (command.run)(&context, Arguments::new(command.name, arguments.rest()))
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
