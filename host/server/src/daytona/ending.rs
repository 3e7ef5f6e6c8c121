//! Says of a command that did not end by itself what ended it, where only an exit code would tell.

use sandpiper_core::{Exit, Quota};

/// In one phrase, what ended a command; `None` when it ended by itself.
pub(crate) fn words(exit: &Exit) -> Option<String> {
    Some(match exit {
        Exit::Code { .. } => return None,
        Exit::Timeout => "the time limit of the sandbox ended the command".to_owned(),
        Exit::Fuel => "the fuel limit of the sandbox ended the command".to_owned(),
        Exit::Memory => "the memory limit of the sandbox ended the command".to_owned(),
        Exit::Quota { quota: Quota::Output } => {
            "the output limit of the sandbox ended the command".to_owned()
        }
        Exit::Quota { quota: Quota::Disk } => "the disk limit of the sandbox ended the command".to_owned(),
        Exit::Trap { trap } => format!("the command trapped: {trap:?}"),
        Exit::Signal { signal } => format!("signal {signal} ended the command"),
        Exit::Unsupported { operation, subject } => {
            format!("the sandbox does not offer {operation}, which the command needs for {subject}")
        }
        Exit::Cancelled => "the command was ended from outside".to_owned(),
        Exit::NotRunnable { command, reason } => format!("{command} cannot be run: {reason}"),
        Exit::NotFound { command } => format!("{command} is not in the image of this sandbox"),
        // The end has a code, whatever it is.
        exit => format!("the command ended with code {}", exit.code()),
    })
}
