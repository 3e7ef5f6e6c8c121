//! The wall limit: it is kept, and it ends all of a command.

use std::time::{Duration, Instant};

use sandpiper_core::{Exit, Outcome};

use crate::claim::{Claim, claim};
use crate::place::BEATING;
use crate::wrong::{ended, holds, printed, same_bytes};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(a_command_that_sleeps_ends_at_its_deadline),
    claim!(a_command_that_computes_ends_at_its_deadline),
    claim!(a_command_that_waits_for_input_ends_at_its_deadline),
    claim!(what_was_printed_before_the_deadline_arrives),
    claim!(nothing_goes_on_after_the_deadline),
    claim!(each_command_has_the_whole_time),
    claim!(a_sandbox_is_whole_after_a_deadline),
];

/// What a command takes to begin, at most: nobody promises how long that is, and it counts.
const BEGINNING: Duration = Duration::from_secs(6);

/// A command under a deadline of a second says that it has passed, in time.
async fn in_time(
    context: &Context<'_>,
    run: impl Future<Output = Result<Outcome, Wrong>>,
) -> Result<(), Wrong> {
    match tokio::time::timeout(Duration::from_secs(1) + context.patience(), run).await {
        Ok(outcome) => ended(&outcome?, &Exit::Timeout),
        Err(_) => Err(Wrong::new("expected the deadline of 1 s to end the command, saw it run on")),
    }
}

async fn times_out(context: &Context<'_>, script: &str) -> Result<(), Wrong> {
    let place = context.place_limited(|limits| limits.wall = Duration::from_secs(1)).await?;
    let start = Instant::now();
    in_time(context, place.run(place.bash(script))).await?;
    let took = start.elapsed();
    let likely = (Duration::from_millis(900)..Duration::from_secs(1) + context.patience()).contains(&took);
    holds("the command ended about its deadline of 1 s", likely, &took)
}

async fn a_command_that_sleeps_ends_at_its_deadline(context: &Context<'_>) -> Result<(), Wrong> {
    times_out(context, "sleep 60").await
}

async fn a_command_that_computes_ends_at_its_deadline(context: &Context<'_>) -> Result<(), Wrong> {
    times_out(context, "while :; do :; done").await
}

async fn a_command_that_waits_for_input_ends_at_its_deadline(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place_limited(|limits| limits.wall = Duration::from_secs(1)).await?;
    let (_input, stdin) = tokio::io::duplex(100);
    let exec = place.exec(["cat"]).stdin(sandpiper_core::Stdin::Stream(Box::new(stdin)));
    in_time(context, place.run(exec)).await
}

async fn what_was_printed_before_the_deadline_arrives(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place_limited(|limits| limits.wall = BEGINNING).await?;
    let outcome = place.script("echo out; printf err >&2; sleep 60; echo late").await?;
    ended(&outcome, &Exit::Timeout)?;
    same_bytes("stdout", &outcome.stdout.bytes, b"out\n")?;
    same_bytes("stderr", &outcome.stderr.bytes, b"err")
}

async fn nothing_goes_on_after_the_deadline(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place_limited(|limits| limits.wall = BEGINNING).await?;
    // A child, and what it starts, has no more time than the command.
    ended(&place.script(&format!("bash -c '{BEATING}' & wait")).await?, &Exit::Timeout)?;
    place.until_still().await?;
    let beats = place.read_text("beat").await?;
    holds("it went on before", beats.contains("beat\n"), &beats)
}

async fn each_command_has_the_whole_time(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place_limited(|limits| limits.wall = Duration::from_secs(7) + BEGINNING).await?;
    for _ in 0..2 {
        printed(&place.script("sleep 7; echo in time").await?, "in time\n")?;
    }
    Ok(())
}

async fn a_sandbox_is_whole_after_a_deadline(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place_limited(|limits| limits.wall = Duration::from_secs(1)).await?;
    ended(&place.script("echo kept > kept; sleep 60").await?, &Exit::Timeout)?;
    printed(&place.script("cat kept; echo well").await?, "kept\nwell\n")
}
