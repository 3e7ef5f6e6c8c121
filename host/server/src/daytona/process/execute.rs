//! Runs a command, or a program in its language, to its end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use axum::Json;
use bytes::Bytes;
use sandpiper_core::Exit;
use serde::{Deserialize, Serialize};

use crate::daytona::ending;
use crate::daytona::extract::Given;
use crate::daytona::fault::Fault;
use crate::daytona::toolbox::{Output, Toolbox};

#[derive(Debug, Deserialize)]
pub(super) struct Execute {
    command: String,
    cwd: Option<String>,
    envs: Option<BTreeMap<String, String>>,
    timeout: Option<u64>,
}

/// What a command printed, both streams as they came, and its exit code.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Executed {
    exit_code: u8,
    result: String,
}

impl Executed {
    /// The end of a command. What did not end by itself says in its output what ended it.
    fn new(output: &Output) -> Result<Self, Fault> {
        if output.exit == Exit::Timeout {
            let words = ending::words(&output.exit).unwrap_or_default();
            return Err(Fault::timeout(words));
        }
        let mut result = String::from_utf8_lossy(&output.both).into_owned();
        if let Some(words) = ending::words(&output.exit) {
            if !result.is_empty() && !result.ends_with('\n') {
                result.push('\n');
            }
            let _ = writeln!(result, "sandpiper: {words}");
        }
        Ok(Self { exit_code: output.exit.code(), result })
    }
}

/// Seconds; none and 0 leave it to the sandbox's own limit.
fn limit(seconds: Option<u64>) -> Option<Duration> {
    seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

pub(super) async fn execute(toolbox: Toolbox, Given(given): Given<Execute>) -> Result<Json<Executed>, Fault> {
    if given.command.trim().is_empty() {
        return Err(Fault::bad_request("the command is empty"));
    }
    let argv = ["bash", "-c", &given.command].map(str::to_owned).into();
    let command = toolbox.command(argv, given.cwd.as_deref(), given.envs)?;
    Executed::new(&toolbox.run(command, None, limit(given.timeout)).await?).map(Json)
}

#[derive(Debug, Deserialize)]
pub(super) struct RunCode {
    code: String,
    language: String,
    argv: Option<Vec<String>>,
    envs: Option<BTreeMap<String, String>>,
    timeout: Option<u64>,
}

/// What a program printed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ran {
    #[serde(flatten)]
    executed: Executed,
    artifacts: Artifacts,
}

/// What a program drew: charts are not taken here.
#[derive(Debug, Default, Serialize)]
struct Artifacts {
    charts: [(); 0],
}

pub(super) async fn run_code(toolbox: Toolbox, Given(given): Given<RunCode>) -> Result<Json<Ran>, Fault> {
    // Each reads its program from standard input.
    let program = match given.language.as_str() {
        "python" => ["python3", "-u", "-"],
        "javascript" => ["node", "--input-type=commonjs", "-"],
        language => {
            let message = format!("programs in `{language}` are not run here, expected python or javascript");
            return Err(Fault::bad_request(message));
        }
    };
    let argv = program.map(str::to_owned).into_iter().chain(given.argv.unwrap_or_default()).collect();
    let command = toolbox.command(argv, None, given.envs)?;
    let output = toolbox.run(command, Some(Bytes::from(given.code)), limit(given.timeout)).await?;
    if let Exit::NotFound { command } = &output.exit {
        return Err(Fault::not_offered(format!("there is no {command} in the image of this sandbox")));
    }
    Ok(Json(Ran { executed: Executed::new(&output)?, artifacts: Artifacts::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(exit: Exit) -> Output {
        Output { exit, both: b"out".to_vec(), stdout: Vec::new(), stderr: Vec::new() }
    }

    #[test]
    fn what_ended_a_command_is_in_its_output() {
        let executed = |exit| Executed::new(&output(exit));
        let of = |exit_code, result: &str| Ok(Executed { exit_code, result: result.to_owned() });
        assert_eq!(executed(Exit::Code { code: 3 }), of(3, "out"));
        assert_eq!(
            executed(Exit::Memory),
            of(137, "out\nsandpiper: the memory limit of the sandbox ended the command\n")
        );
        assert_eq!(
            executed(Exit::Timeout),
            Err(Fault::timeout("the time limit of the sandbox ended the command"))
        );
    }
}
