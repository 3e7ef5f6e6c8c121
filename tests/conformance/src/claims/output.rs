//! What commands print arrives whole, apart, in order, and at once.

use std::time::Duration;

use sandpiper_core::{Event, Stdin, Stream};
use tokio::io::AsyncWriteExt;

use crate::claim::{Claim, claim};
use crate::wrong::{ended, holds, printed, same, same_bytes, succeeded};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(stdout_and_stderr_arrive_apart),
    claim!(each_stream_arrives_in_order),
    claim!(what_is_printed_one_after_the_other_arrives_so),
    claim!(a_command_that_prints_nothing_gives_nothing),
    claim!(a_last_line_without_a_newline_arrives),
    claim!(all_bytes_arrive_as_they_are),
    claim!(text_that_is_cut_within_a_character_arrives_whole),
    claim!(five_megabytes_arrive_whole),
    claim!(a_megabyte_of_stderr_arrives_whole),
    claim!(an_event_has_64_kib_at_most),
    claim!(output_arrives_while_the_command_runs),
    claim!(what_a_failing_command_printed_arrives),
    claim!(what_a_child_prints_last_arrives),
    claim!(an_outcome_does_not_repeat_what_was_streamed),
    claim!(a_command_waits_for_a_reader_that_is_slow),
];

async fn stdout_and_stderr_arrive_apart(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let outcome = place.script("echo out; echo err >&2").await?;
    succeeded(&outcome)?;
    same_bytes("stdout", &outcome.stdout.bytes, b"out\n")?;
    same_bytes("stderr", &outcome.stderr.bytes, b"err\n")
}

async fn each_stream_arrives_in_order(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let outcome = place.script("for i in {1..500}; do echo out $i; echo err $i >&2; done").await?;
    let lines = |prefix| (1..=500).map(|line| format!("{prefix} {line}\n")).collect::<Vec<_>>().concat();
    succeeded(&outcome)?;
    same_bytes("stdout", &outcome.stdout.bytes, lines("out").as_bytes())?;
    same_bytes("stderr", &outcome.stderr.bytes, lines("err").as_bytes())
}

async fn what_is_printed_one_after_the_other_arrives_so(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let mut live = place.start(place.bash("echo 1; sleep 0.3; echo 2 >&2; sleep 0.3; echo 3")).await?;
    succeeded(&live.outcome().await?)?;
    let streams: Vec<Stream> = live.seen.iter().map(|(stream, _)| *stream).collect();
    same("the order of streams", &*streams, &[Stream::Stdout, Stream::Stderr, Stream::Stdout][..])
}

async fn a_command_that_prints_nothing_gives_nothing(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let mut live = place.start(place.bash("true")).await?;
    succeeded(&live.outcome().await?)?;
    same("the output", &live.seen, &Vec::new())
}

async fn a_last_line_without_a_newline_arrives(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    printed(&place.script("printf 'first\nlast'").await?, "first\nlast")?;
    printed(&place.script("printf '\n\n'").await?, "\n\n")?;
    printed(&place.script("printf '  x  '").await?, "  x  ")
}

async fn all_bytes_arrive_as_they_are(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let program =
        "import sys\nfor stream in sys.stdout, sys.stderr: stream.buffer.write(bytes(range(256)) * 40)";
    let outcome = place.run(place.python(program)).await?;
    let expected: Vec<u8> = (0..=255_u8).cycle().take(256 * 40).collect();
    succeeded(&outcome)?;
    same_bytes("stdout", &outcome.stdout.bytes, &expected)?;
    same_bytes("stderr", &outcome.stderr.bytes, &expected)
}

async fn text_that_is_cut_within_a_character_arrives_whole(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let script = r"for i in 1 2 3; do printf '\xf0\x9f'; sleep 0.1; printf '\xa6\x80'; done";
    printed(&place.script(script).await?, "🦀🦀🦀")
}

fn numbers(count: usize) -> String {
    (0..count)
        .map(|number| {
            format!(
                "{number:07}
"
            )
        })
        .collect::<Vec<_>>()
        .concat()
}

async fn five_megabytes_arrive_whole(context: &Context<'_>) -> Result<(), Wrong> {
    const COUNT: usize = 5 * (1 << 20) / 8;
    let place = context.place().await?;
    let program = format!("for i in range({COUNT}): print('%07d' % i)");
    printed(&place.run(place.python(&program)).await?, numbers(COUNT))
}

async fn a_megabyte_of_stderr_arrives_whole(context: &Context<'_>) -> Result<(), Wrong> {
    const COUNT: usize = (1 << 20) / 8;
    let place = context.place().await?;
    let program =
        format!("import sys\nfor i in range({COUNT}): print('%07d' % i, file=sys.stderr)\nprint('end')");
    let outcome = place.run(place.python(&program)).await?;
    succeeded(&outcome)?;
    same_bytes("stderr", &outcome.stderr.bytes, numbers(COUNT).as_bytes())?;
    same_bytes("stdout", &outcome.stdout.bytes, b"end\n")
}

async fn an_event_has_64_kib_at_most(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let program = "import sys; sys.stdout.write('x' * 1000000)";
    let mut live = place.start(place.python(program)).await?;
    succeeded(&live.outcome().await?)?;
    let sizes: Vec<usize> = live.seen.iter().map(|(_, bytes)| bytes.len()).collect();
    same("all bytes", &sizes.iter().sum(), &1_000_000)?;
    holds("each event has 1 byte to 64 KiB", sizes.iter().all(|size| (1..=64 << 10).contains(size)), &sizes)
}

async fn output_arrives_while_the_command_runs(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let (mut input, stdin) = tokio::io::duplex(100);
    let script = "echo first; read line; echo second $line";
    let mut live = place.start(place.bash(script).stdin(Stdin::Stream(Box::new(stdin)))).await?;
    live.until("first\n").await?;
    input.write_all(b"go\n").await?;
    live.until("second go\n").await?;
    drop(input);
    succeeded(&live.outcome().await?)
}

async fn what_a_failing_command_printed_arrives(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let outcome = place.script("printf out; printf err >&2; exit 3").await?;
    ended(&outcome, &sandpiper_core::Exit::Code { code: 3 })?;
    same_bytes("stdout", &outcome.stdout.bytes, b"out")?;
    same_bytes("stderr", &outcome.stderr.bytes, b"err")
}

async fn what_a_child_prints_last_arrives(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for _ in 0..10 {
        printed(&place.script("echo first; (echo a child) & wait; printf '%050000d' 7").await?, {
            format!("first\na child\n{:050000}", 7)
        })?;
    }
    Ok(())
}

async fn an_outcome_does_not_repeat_what_was_streamed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let mut live = place.start(place.bash("echo out; echo err >&2")).await?;
    let outcome = live.outcome().await?;
    same("stdout in the stream", &*live.text(Stream::Stdout), "out\n")?;
    same("stdout in the outcome", &outcome.stdout.bytes.len(), &0)?;
    same("stderr in the outcome", &outcome.stderr.bytes.len(), &0)
}

async fn a_command_waits_for_a_reader_that_is_slow(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let program = "for i in range(262144): print('%07d' % i)";
    let (mut events, done, _control) = place.sandbox.spawn(place.python(program)).await?.split();
    let task = tokio::spawn(done);
    // The command has more to say than anybody keeps for the reader.
    crate::context::until("events wait for the reader", context.patience(), async || {
        let before = events.len();
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(before > 0 && events.len() == before)
    })
    .await?;
    let mut bytes = Vec::new();
    while let Some(event) = events.recv().await {
        if let Event::Output { bytes: piece, .. } = event {
            bytes.extend_from_slice(&piece);
        }
        tokio::task::yield_now().await;
    }
    let outcome = task.await.map_err(|err| Wrong::new(format!("the backend panicked: {err}")))??;
    succeeded(&outcome)?;
    same_bytes("stdout", &bytes, numbers(262_144).as_bytes())
}
