//! Commands are ended, interrupted and signalled by the host.

use sandpiper_core::{Exit, Stream};

use crate::claim::{Claim, claim};
use crate::live::Live;
use crate::place::Place;
use crate::wrong::{ended, holds, printed, same, succeeded};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(nothing_runs_before_it_is_polled),
    claim!(a_command_is_cancelled),
    claim!(a_command_that_computes_is_cancelled),
    claim!(a_command_that_is_cancelled_before_it_begins_ends),
    claim!(nothing_goes_on_after_it_is_cancelled),
    claim!(what_was_printed_before_it_is_cancelled_arrives),
    claim!(a_sandbox_is_whole_after_a_command_is_cancelled),
    claim!(one_command_is_cancelled_and_the_other_goes_on),
    claim!(a_command_that_is_dropped_ends),
    claim!(a_command_that_was_never_polled_is_dropped),
    claim!(a_writer_ends_whose_stream_is_closed),
    claim!(a_signal_reaches_a_command_that_waits_for_it, has signals),
    claim!(a_signal_ends_a_command_that_does_not, has signals),
    claim!(an_interrupt_reaches_a_command_that_waits_for_it, has signals),
    claim!(an_interrupt_ends_a_command_that_does_not, has signals),
    claim!(an_interrupt_ends_what_a_command_has_started, has signals),
    claim!(without_signals_an_interrupt_has_no_effect, lacks signals),
];

async fn nothing_runs_before_it_is_polled(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let running = place.sandbox.spawn(place.bash("echo ran > ran")).await?;
    place.output("sleep 0.3").await?;
    same("the files before the command is polled", &place.names().await?, &Vec::new())?;
    succeeded(&sandpiper_core::collect(running).await?)?;
    same("the file of the command", &*place.read_text("ran").await?, "ran\n")
}

async fn a_command_is_cancelled(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let mut live = place.start(place.bash("echo ready; sleep 60; echo late")).await?;
    live.until("ready\n").await?;
    live.control.cancel();
    live.control.cancel();
    ended(&live.outcome().await?, &Exit::Cancelled)
}

async fn a_command_that_computes_is_cancelled(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let mut live = place.start(place.bash("echo ready; while :; do :; done")).await?;
    live.until("ready\n").await?;
    live.control.cancel();
    ended(&live.outcome().await?, &Exit::Cancelled)
}

async fn a_command_that_is_cancelled_before_it_begins_ends(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let running = place.sandbox.spawn(place.bash("sleep 60")).await?;
    running.control().cancel();
    ended(&Live::new(running, context.patience()).outcome().await?, &Exit::Cancelled)
}

async fn nothing_goes_on_after_it_is_cancelled(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let mut live = place.start_beating().await?;
    live.control.cancel();
    ended(&live.outcome().await?, &Exit::Cancelled)?;
    place.until_still().await
}

async fn what_was_printed_before_it_is_cancelled_arrives(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let mut live = place.start(place.bash("printf err >&2; echo ready; sleep 60")).await?;
    live.until("ready\n").await?;
    live.control.cancel();
    ended(&live.outcome().await?, &Exit::Cancelled)?;
    same("stdout", &*live.text(Stream::Stdout), "ready\n")?;
    same("stderr", &*live.text(Stream::Stderr), "err")
}

async fn a_sandbox_is_whole_after_a_command_is_cancelled(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("kept", "kept\n").await?;
    let mut live = place.start(place.bash("echo ready; sleep 60")).await?;
    live.until("ready\n").await?;
    live.control.cancel();
    ended(&live.outcome().await?, &Exit::Cancelled)?;
    printed(&place.script("cat kept").await?, "kept\n")
}

async fn one_command_is_cancelled_and_the_other_goes_on(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let beating = place.start_beating().await?;
    let mut live = place.start(place.bash("echo ready; sleep 60")).await?;
    live.until("ready\n").await?;
    live.control.cancel();
    ended(&live.outcome().await?, &Exit::Cancelled)?;
    place.until_beating().await?;
    drop(beating);
    Ok(())
}

async fn a_command_that_is_dropped_ends(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let live = place.start_beating().await?;
    drop(live);
    place.until_still().await?;
    printed(&place.script("echo well").await?, "well\n")
}

async fn a_command_that_was_never_polled_is_dropped(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    drop(place.sandbox.spawn(place.bash("echo ran > ran")).await?);
    printed(&place.script("sleep 0.3; ls; echo end").await?, "end\n")
}

async fn a_writer_ends_whose_stream_is_closed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let mut live =
        place.start(place.bash("echo ready; while echo more; do sleep 0.05; done; exit 5")).await?;
    live.until("more\n").await?;
    live.control.close(Stream::Stdout);
    let exit = live.outcome().await?.exit;
    // Either the signal ends it, or the failed write is what the loop ends by.
    let ended = exit == Exit::Signal { signal: 13 } || matches!(exit, Exit::Code { code: 5 | 141 });
    holds("the write to the closed stream fails", ended, &exit)
}

/// A loop that takes a signal, and says so.
async fn trapping(place: &Place, signal: &str) -> Result<Live, Wrong> {
    let script = format!("trap 'echo taken; exit 7' {signal}; echo ready; while :; do sleep 0.05; done");
    let mut live = place.start(place.bash(&script)).await?;
    live.until("ready\n").await?;
    Ok(live)
}

async fn taken(live: &mut Live) -> Result<(), Wrong> {
    ended(&live.outcome().await?, &Exit::Code { code: 7 })?;
    same("stdout", &*live.text(Stream::Stdout), "ready\ntaken\n")
}

/// Ended by a signal, told as that or as bash tells it.
async fn signalled(live: &mut Live, signal: u8) -> Result<(), Wrong> {
    let exit = live.outcome().await?.exit;
    let told = matches!(exit, Exit::Signal { .. } | Exit::Code { .. }) && exit.code() == 128 + signal;
    holds(&format!("the exit tells of signal {signal}"), told, &exit)
}

async fn a_signal_reaches_a_command_that_waits_for_it(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for (signal, number) in [("TERM", 15), ("HUP", 1), ("USR1", 10)] {
        let mut live = trapping(&place, signal).await?;
        live.control.signal(number);
        taken(&mut live).await.map_err(|wrong| wrong.at(signal))?;
    }
    Ok(())
}

async fn a_signal_ends_a_command_that_does_not(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for number in [15, 9] {
        let mut live = place.start(place.bash("echo ready; while :; do sleep 0.05; done")).await?;
        live.until("ready\n").await?;
        live.control.signal(number);
        signalled(&mut live, number).await?;
    }
    Ok(())
}

async fn an_interrupt_reaches_a_command_that_waits_for_it(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let mut live = trapping(&place, "INT").await?;
    live.control.interrupt();
    taken(&mut live).await
}

async fn an_interrupt_ends_a_command_that_does_not(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let program = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.05)";
    let mut live = place.start(place.python(program)).await?;
    live.until("ready\n").await?;
    live.control.interrupt();
    signalled(&mut live, 2).await
}

async fn an_interrupt_ends_what_a_command_has_started(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let script = "trap 'echo on' INT; bash -c 'echo ready; sleep 60'; exit 7";
    let mut live = place.start(place.bash(script)).await?;
    live.until("ready\n").await?;
    live.control.interrupt();
    ended(&live.outcome().await?, &Exit::Code { code: 7 })?;
    same("stdout", &*live.text(Stream::Stdout), "ready\non\n")
}

async fn without_signals_an_interrupt_has_no_effect(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let mut live = place.start(place.bash("echo ready; sleep 0.5; echo end")).await?;
    live.until("ready\n").await?;
    live.control.interrupt();
    live.control.signal(15);
    succeeded(&live.outcome().await?)?;
    same("stdout", &*live.text(Stream::Stdout), "ready\nend\n")
}
