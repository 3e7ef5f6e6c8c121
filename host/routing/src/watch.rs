//! What a run tells that the text did not: a need, from how it ended and from what it was refused.

use sandpiper_core::{Denial, DenialReason, Exit};

use crate::need::{Certainty, Evidence, ModuleLack, Need, What};
use crate::programs;

/// The need that ended a watched run, or that it was refused; none where it ended for reasons of its own.
///
/// A run that ended well needs nothing more, whatever it was refused on its way: programs try things, and do
/// without. Of a run that failed, the last refusal for what the sandbox does not offer counts.
///
/// # Examples
/// ```
/// use sandpiper_core::Exit;
/// use sandpiper_routing::{What, need_of_run};
/// let need = need_of_run(&Exit::NotFound { command: "node".into() }, &[]).unwrap();
/// assert_eq!(need.what, What::Interpreter { name: "node".into() });
/// ```
pub fn need_of_run(exit: &Exit, denials: &[Denial]) -> Option<Need> {
    let certain = |what, text: &str| {
        Some(Need { what, certainty: Certainty::Certain, evidence: Evidence::new(None, 0, text.as_bytes()) })
    };
    match exit {
        Exit::Code { code: 0 } | Exit::Cancelled => None,
        Exit::NotFound { command } => {
            certain(programs::absent(command), &format!("{command}: command not found"))
        }
        Exit::NotRunnable { command, reason } => {
            certain(What::NativeCode { path: command.clone() }, &format!("{command}: {reason}"))
        }
        _ => {
            let denial = denials.iter().rev().find(|denial| denial.reason == DenialReason::Unsupported)?;
            certain(of_denial(denial)?, &format!("{}: {}", denial.operation, denial.subject))
        }
    }
}

/// The need behind a refusal, by the features of the guest's refusals.
fn of_denial(denial: &Denial) -> Option<What> {
    let subject = denial.subject.as_str();
    let module = || subject.strip_prefix("import ").unwrap_or(subject).to_owned();
    Some(match denial.operation.as_str() {
        "threads" => What::Threads,
        "processes" => What::Fork,
        "sockets" if subject.contains("server") => What::Port,
        "sockets" => What::Network { host: None },
        "module" => What::PythonModule { name: module(), why: ModuleLack::NotInImage },
        "package" => What::PythonModule { name: module(), why: ModuleLack::NotInstalled },
        "native-extension" => What::PythonModule { name: module(), why: ModuleLack::NativeCode },
        "command" => programs::absent(subject),
        "native-code" => What::NativeCode { path: subject.to_owned() },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(operation: &str, subject: &str) -> Denial {
        Denial {
            operation: operation.into(),
            subject: subject.into(),
            reason: DenialReason::Unsupported,
            count: 1,
        }
    }

    #[test]
    fn a_failed_run_tells_what_it_was_refused() {
        let need = need_of_run(&Exit::Code { code: 1 }, &[denial("sockets", "socket.getaddrinfo")]).unwrap();
        assert_eq!(need.what, What::Network { host: None });
        let need =
            need_of_run(&Exit::Code { code: 1 }, &[denial("native-extension", "import numpy.core")]).unwrap();
        assert_eq!(need.what.phrase(), "the Python package `numpy.core` with its native code");
    }

    #[test]
    fn a_run_that_ended_well_needs_nothing_more() {
        assert_eq!(need_of_run(&Exit::Code { code: 0 }, &[denial("threads", "x")]), None);
        assert_eq!(need_of_run(&Exit::Timeout, &[]), None);
    }
}
