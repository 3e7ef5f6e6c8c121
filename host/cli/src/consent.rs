//! Asks the person before a run leaves the machine, as `routing.ask` has it.

use std::io::IsTerminal;

use anyhow::Result;
use sandpiper::policy::{Backend, Resolved};

use crate::render;
use crate::report::Hinted;

/// Whether runs may leave without a question, or there is somebody to ask.
pub(crate) fn is_possible(policy: &Resolved) -> bool {
    !policy.routing().ask || (std::io::stdin().is_terminal() && render::is_error_to_terminal())
}

/// Asks before a run begins elsewhere for which the person did not name that backend.
///
/// # Errors
/// Where it may not, or nobody is there to say so.
pub(crate) fn ask(policy: &Resolved, backend: Backend, because: Option<&str>) -> Result<()> {
    if !policy.routing().ask {
        return Ok(());
    }
    let refused = |why| Hinted {
        message: format!("nothing has left this machine: the run would go to {backend}, and {why}"),
        hint:
            "to let runs go without being asked, write into sandpiper.toml:\n    [routing]\n    ask = false"
                .to_owned(),
    };
    if !is_possible(policy) {
        return Err(refused("there is no terminal at which to ask whether it may").into());
    }
    question(backend.name(), because)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if is_yes(&answer) { Ok(()) } else { Err(refused("the answer was not yes").into()) }
}

/// Prints the question.
///
/// # Errors
/// Where nobody would see it.
pub(crate) fn question(backend: &str, because: Option<&str>) -> std::io::Result<()> {
    let because = because.map(|because| format!(": {because}")).unwrap_or_default();
    render::question(&format!("this run would leave the machine for {backend}{because}. May it? [y/N] "))
}

/// Whether an answer lets it go.
pub(crate) fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str())
}
