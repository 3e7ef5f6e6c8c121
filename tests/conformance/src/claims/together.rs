//! Several commands at a time, and what one leaves to the next.

use futures_util::future::join_all;
use sandpiper_core::Stream;

use crate::claim::{Claim, claim};
use crate::wrong::{holds, printed, same, succeeded};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(two_commands_run_at_one_time),
    claim!(the_output_of_many_commands_is_not_mixed),
    claim!(files_stay_from_command_to_command),
    claim!(files_are_worked_with_while_a_command_runs),
    claim!(what_a_command_has_in_the_background_is_waited_for),
    claim!(a_command_ends_though_its_background_does_not),
    claim!(a_pipeline_runs),
    claim!(python_starts_programs),
    claim!(two_sandboxes_run_at_one_time),
];

async fn two_commands_run_at_one_time(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place_limited(|limits| limits.wall = context.patience()).await?;
    // Each waits for the other.
    let script = |own: &str, other: &str| {
        format!("echo x > {own}; until test -e {other}; do sleep 0.02; done; echo {own}")
    };
    let (one, other) = (script("one", "other"), script("other", "one"));
    let (one, other) = tokio::join!(place.script(&one), place.script(&other));
    printed(&one?, "one\n")?;
    printed(&other?, "other\n")
}

async fn the_output_of_many_commands_is_not_mixed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let place = &place;
    let run = async move |index: usize| {
        let outcome =
            place.script(&format!("for i in {{1..50}}; do echo {index}; echo e{index} >&2; done")).await?;
        succeeded(&outcome)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        same("stdout", &*text(&outcome.stdout.bytes), &*format!("{index}\n").repeat(50))?;
        same("stderr", &*text(&outcome.stderr.bytes), &*format!("e{index}\n").repeat(50))
    };
    join_all((0..8).map(run)).await.into_iter().collect()
}

async fn files_stay_from_command_to_command(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.output("echo one > file; mkdir folder; echo two > folder/file").await?;
    place.output("echo more >> file").await?;
    printed(&place.script("cat file folder/file").await?, "one\nmore\ntwo\n")
}

async fn files_are_worked_with_while_a_command_runs(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let script = "echo there > made; echo ready; until test -e answer; do sleep 0.02; done; cat answer";
    let mut live = place.start(place.bash(script)).await?;
    live.until("ready\n").await?;
    same("the file of the command", &*place.read_text("made").await?, "there\n")?;
    place.write("answer", "the answer\n").await?;
    succeeded(&live.outcome().await?)?;
    same("stdout", &*live.text(Stream::Stdout), "ready\nthe answer\n")
}

async fn what_a_command_has_in_the_background_is_waited_for(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let script = "(sleep 0.2; echo background > made) & echo at once; wait; cat made";
    printed(&place.script(script).await?, "at once\nbackground\n")
}

async fn a_command_ends_though_its_background_does_not(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let script = "sleep 60 > /dev/null 2>&1 < /dev/null & echo at once";
    let start = std::time::Instant::now();
    printed(&place.script(script).await?, "at once\n")?;
    holds("it ended at once", start.elapsed() < context.patience(), &start.elapsed())
}

async fn a_pipeline_runs(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let script = "for i in {1..3000}; do echo line $i; done | python3 -c \
        'import sys; print(sum(len(line) for line in sys.stdin))' | cat";
    printed(&place.script(script).await?, format!("{}\n", 9 * 7 + 90 * 8 + 900 * 9 + 2001 * 10))
}

async fn python_starts_programs(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let program = "import subprocess\nprint(subprocess.run(['bash', '-c', 'cat; exit 3'], input=b'in', \
        capture_output=True).stdout, subprocess.run(['bash', '-c', 'exit 3']).returncode)";
    printed(&place.run(place.python(program)).await?, "b'in' 3\n")
}

async fn two_sandboxes_run_at_one_time(context: &Context<'_>) -> Result<(), Wrong> {
    let (one, other) = (context.place().await?, context.place().await?);
    let beating = one.start_beating().await?;
    printed(&other.script("echo meanwhile").await?, "meanwhile\n")?;
    one.until_beating().await?;
    drop(beating);
    Ok(())
}
