//! Errors as a person reads them: what, why, and what to do next.

use std::process::ExitCode;

/// Exit code for our refusal, bad usage and host errors.
pub(crate) const REFUSED: u8 = 125;

/// An error with a next step.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Hinted {
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// Prints what clap says; help and version are no errors.
pub(crate) fn usage(err: &clap::Error) -> ExitCode {
    // A closed stderr leaves nowhere to say so.
    let _ = err.print();
    if err.use_stderr() { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS }
}

/// Prints an error with its causes and its hint.
pub(crate) fn error(err: &anyhow::Error) -> ExitCode {
    use std::io::Write;
    let mut stderr = std::io::stderr();
    let _ = writeln!(stderr, "sandpiper: {}", text(err));
    if let Some(hint) = hint(err) {
        let _ = writeln!(stderr, "  hint: {hint}");
    }
    ExitCode::from(REFUSED)
}

/// An error as `--json` prints it: its message, and its hint or null.
pub(crate) fn as_json(err: &anyhow::Error) -> serde_json::Value {
    serde_json::json!({ "message": text(err), "hint": hint(err) })
}

/// What came out; with `--json` an error is printed as an object.
pub(crate) fn or_as_json(json: bool, result: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    match result {
        Err(err) if json => Ok(ExitCode::from(failed(&err, true)?)),
        result => result,
    }
}

/// Prints an error, and gives the exit code for it.
///
/// # Errors
/// Where an object cannot be printed.
pub(crate) fn failed(err: &anyhow::Error, json: bool) -> std::io::Result<u8> {
    if json {
        crate::render::line(&serde_json::json!({ "error": as_json(err) }).to_string())?;
    } else {
        error(err);
    }
    Ok(REFUSED)
}

/// The error and its causes in one line; a cause that only repeats what was said is left out.
pub(crate) fn text(err: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in err.chain() {
        let cause = cause.to_string();
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}

/// The next step, where there is one.
pub(crate) fn hint(err: &anyhow::Error) -> Option<String> {
    use sandpiper::policy::PolicyError;
    use sandpiper::worktree::agent::AgentError;
    use sandpiper::{Error, LimitsError, Refusal, SpecError};
    if let Some(hinted) = err.downcast_ref::<Hinted>() {
        return Some(hinted.hint.clone());
    }
    if let Some(cause) = err.chain().find_map(|cause| cause.downcast_ref::<sandpiper::CacheError>()) {
        return Some(match cause {
            sandpiper::CacheError::NotPrivate { .. } => {
                "make it yours alone (chmod 700), or name another with SANDPIPER_CACHE".to_owned()
            }
            sandpiper::CacheError::Io { .. } => {
                "name a folder that can be written with SANDPIPER_CACHE".to_owned()
            }
        });
    }
    if let Some(err) = err.downcast_ref::<sandpiper::worktree::WorktreeError>() {
        return crate::worktree::hint(err);
    }
    if let Some(AgentError::Refused(refusal)) = err.downcast_ref::<AgentError>() {
        return refusal.hint.clone();
    }
    if let Some(PolicyError::UnknownProfile { hint, .. } | PolicyError::UnknownKey { hint, .. }) =
        err.downcast_ref::<PolicyError>()
    {
        return Some(hint.clone());
    }
    match err.downcast_ref::<Error>()? {
        Error::Refused(Refusal::Spec(SpecError::Limits(LimitsError { limit, .. }))) => {
            Some(format!("see --{limit} in `sandpiper run --help`"))
        }
        Error::Refused(Refusal::Spec(SpecError::GuestPathTwice { .. })) => {
            Some("give each --dir a guest path of its own: --dir HOST:/GUEST".to_owned())
        }
        Error::Refused(Refusal::NotEnforced { field: "disk_bytes" | "files", .. }) => {
            Some("mount it read-only (--dir HOST[:GUEST]:ro), or grant no directory (--no-dir)".to_owned())
        }
        Error::Refused(Refusal::NotEnforced { field: "mounts.git", .. }) => {
            Some("run a preview 1 module in the worktree, or mount a directory with --dir".to_owned())
        }
        Error::Refused(Refusal::NotEnforced { field: "mounts", .. }) => {
            Some("mount no directory inside of another".to_owned())
        }
        Error::Mount { .. } => {
            Some("the directory must exist; a mount is --dir HOST[:GUEST][:ro]".to_owned())
        }
        // Those of other machines say themselves what helps.
        Error::Image { source: None, .. } => {
            Some("`sandpiper image list` shows what is installed".to_owned())
        }
        _ => None,
    }
}
