//! How commands end by themselves.

use std::time::Duration;

use sandpiper_core::Exit;

use crate::claim::{Claim, claim};
use crate::wrong::{ended, holds, printed, same, succeeded};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(an_exit_code_is_given_as_it_is),
    claim!(codes_of_124_to_127_are_the_guests_own),
    claim!(codes_above_127_are_the_guests_own),
    claim!(an_exit_code_of_python_is_given_as_it_is),
    claim!(a_command_that_is_not_there_is_not_found),
    claim!(a_path_that_is_not_there_is_not_found),
    claim!(a_file_that_may_not_be_executed_is_not_runnable),
    claim!(a_directory_is_not_runnable),
    claim!(a_signal_that_ends_a_command_is_in_its_exit_code),
    claim!(a_failure_in_a_pipeline_is_seen_by_pipefail),
    claim!(the_time_that_a_command_took_is_told),
    claim!(a_failed_command_does_not_harm_the_next),
];

async fn codes(context: &Context<'_>, codes: &[u8]) -> Result<(), Wrong> {
    let place = context.place().await?;
    for code in codes {
        ended(&place.script(&format!("exit {code}")).await?, &Exit::Code { code: *code })?;
    }
    Ok(())
}

async fn an_exit_code_is_given_as_it_is(context: &Context<'_>) -> Result<(), Wrong> {
    codes(context, &[0, 1, 2, 3, 7, 42, 63, 64, 65, 77, 99, 100, 120, 123]).await
}

async fn codes_of_124_to_127_are_the_guests_own(context: &Context<'_>) -> Result<(), Wrong> {
    codes(context, &[124, 125, 126, 127]).await
}

async fn codes_above_127_are_the_guests_own(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for code in [128, 134, 152, 153, 192, 200, 254, 255] {
        ended(&place.script(&format!("exit {code}")).await?, &Exit::Code { code })?;
    }
    // Some say of these that a signal ended the command; the number that stands for it is the same.
    for code in [129, 130, 137, 143] {
        let exit = place.script(&format!("exit {code}")).await?.exit;
        let by = matches!(exit, Exit::Code { .. } | Exit::Signal { .. });
        holds(&format!("the exit code is {code}"), by && exit.code() == code, &exit)?;
    }
    Ok(())
}

async fn an_exit_code_of_python_is_given_as_it_is(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let outcome = place.run(place.python("import sys; sys.exit(9)")).await?;
    ended(&outcome, &Exit::Code { code: 9 })?;
    let outcome = place.run(place.python("raise ValueError('what went wrong')")).await?;
    ended(&outcome, &Exit::Code { code: 1 })?;
    let stderr = String::from_utf8_lossy(&outcome.stderr.bytes).into_owned();
    holds("the exception is told", stderr.ends_with("ValueError: what went wrong\n"), &stderr)
}

async fn a_command_that_is_not_there_is_not_found(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let command = "no-such-command".to_owned();
    let outcome = place.run(place.exec([&*command, "argument"])).await?;
    ended(&outcome, &Exit::NotFound { command })
}

async fn a_path_that_is_not_there_is_not_found(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let command = place.path("none");
    ended(&place.run(place.exec([&*command])).await?, &Exit::NotFound { command })
}

fn not_runnable(exit: &Exit, path: &str) -> Result<(), Wrong> {
    match exit {
        Exit::NotRunnable { command, .. } => same("the command that is not runnable", &**command, path),
        exit => Err(Wrong::other("the exit", "Exit::NotRunnable", exit)),
    }
}

async fn a_file_that_may_not_be_executed_is_not_runnable(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("text", "echo it runs\n").await?;
    place.files.set_mode(&place.path("text"), 0o644).await?;
    not_runnable(&place.run(place.exec([place.path("text")])).await?.exit, &place.path("text"))
}

async fn a_directory_is_not_runnable(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    not_runnable(&place.run(place.exec([&*place.directory])).await?.exit, &place.directory)
}

async fn a_signal_that_ends_a_command_is_in_its_exit_code(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for (signal, code) in [("KILL", 137), ("TERM", 143)] {
        let exit = place.script(&format!("kill -{signal} $$; sleep 5; exit 3")).await?.exit;
        let by = matches!(exit, Exit::Code { .. } | Exit::Signal { .. });
        holds(&format!("the exit code after {signal} is {code}"), by && exit.code() == code, &exit)?;
    }
    Ok(())
}

async fn a_failure_in_a_pipeline_is_seen_by_pipefail(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    ended(&place.script("set -o pipefail; (exit 5) | cat").await?, &Exit::Code { code: 5 })?;
    succeeded(&place.script("(exit 5) | cat").await?)
}

async fn the_time_that_a_command_took_is_told(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let before = std::time::Instant::now();
    let wall = Duration::from_millis(place.script("sleep 0.4").await?.usage.wall_ms);
    // A clock of another machine may be a little off.
    let likely = Duration::from_millis(390)..=before.elapsed() + Duration::from_millis(50);
    holds(
        "the command took 0.4 s at least, and no longer than was waited for it",
        likely.contains(&wall),
        &wall,
    )
}

async fn a_failed_command_does_not_harm_the_next(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for script in ["exit 3", "no-such-command", "kill -KILL $$", "set -e; false; echo on"] {
        holds("it fails", !place.script(script).await?.exit.success(), &script)?;
        printed(&place.script("echo well").await?, "well\n")?;
    }
    Ok(())
}
