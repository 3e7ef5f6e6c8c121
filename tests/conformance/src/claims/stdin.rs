//! Standard input: nothing, bytes, or a stream.

use std::time::Duration;

use sandpiper_core::{Error, Refusal, Stdin, collect};
use tokio::io::AsyncWriteExt;

use crate::claim::{Claim, claim};
use crate::place::Place;
use crate::wrong::{holds, printed, same_bytes, succeeded};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(without_input_the_first_read_is_the_end),
    claim!(bytes_of_input_arrive_and_end),
    claim!(all_bytes_of_input_arrive_as_they_are),
    claim!(input_without_a_newline_arrives),
    claim!(a_megabyte_goes_through_cat),
    claim!(input_that_is_not_read_holds_nothing_up),
    claim!(a_stream_of_input_arrives_piece_by_piece),
    claim!(the_end_of_a_stream_is_the_end_of_input),
    claim!(a_megabyte_of_a_stream_goes_through_cat),
    claim!(a_stream_that_does_not_end_holds_nothing_up),
    claim!(input_reaches_the_commands_children),
    claim!(a_terminal_is_one_or_is_refused),
    claim!(input_is_no_terminal),
];

async fn without_input_the_first_read_is_the_end(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    printed(&place.script("cat; read line; echo $?").await?, "1\n")?;
    printed(&place.run(place.python("import sys; print(repr(sys.stdin.read()))")).await?, "''\n")
}

async fn bytes_of_input_arrive_and_end(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let exec = place.bash("read a; read b; cat; echo \"[$a][$b]\"");
    printed(&place.run(exec.stdin(Stdin::bytes("one\ntwo\nrest\n"))).await?, "rest\n[one][two]\n")
}

async fn all_bytes_of_input_arrive_as_they_are(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    // What a terminal would take for itself is among them: Ctrl-C, Ctrl-D, Ctrl-Z, carriage return.
    let bytes: Vec<u8> = (0..=255_u8).cycle().take(256 * 20).collect();
    printed(&place.run(place.exec(["cat"]).stdin(Stdin::bytes(bytes.clone()))).await?, bytes)
}

async fn input_without_a_newline_arrives(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    printed(&place.run(place.exec(["cat"]).stdin(Stdin::bytes("no end"))).await?, "no end")
}

fn megabyte() -> Vec<u8> {
    (0..(1 << 20_u32)).map(|at: u32| u8::try_from((at / 7 + at / 4099) % 256).unwrap_or_default()).collect()
}

/// A place where a command has more time than usual: how fast input goes, nobody promises.
async fn slow_place(context: &Context<'_>) -> Result<Place, Wrong> {
    context.place_limited(|limits| limits.wall = Duration::from_mins(2)).await
}

async fn a_megabyte_goes_through_cat(context: &Context<'_>) -> Result<(), Wrong> {
    let place = slow_place(context).await?;
    printed(&place.run(place.exec(["cat"]).stdin(Stdin::bytes(megabyte()))).await?, megabyte())
}

async fn input_that_is_not_read_holds_nothing_up(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    printed(&place.run(place.bash("echo done").stdin(Stdin::bytes(megabyte()))).await?, "done\n")
}

async fn a_stream_of_input_arrives_piece_by_piece(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let (mut input, stdin) = tokio::io::duplex(100);
    let script = "while read -r line; do echo \"got $line\"; done; echo end";
    let mut live = place.start(place.bash(script).stdin(Stdin::Stream(Box::new(stdin)))).await?;
    for piece in ["one", "two", "three"] {
        input.write_all(format!("{piece}\n").as_bytes()).await?;
        live.until(&format!("got {piece}\n")).await?;
    }
    drop(input);
    live.until("end\n").await?;
    succeeded(&live.outcome().await?)
}

async fn the_end_of_a_stream_is_the_end_of_input(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let empty = Stdin::Stream(Box::new(tokio::io::empty()));
    printed(&place.run(place.bash("cat; echo end").stdin(empty)).await?, "end\n")
}

async fn a_megabyte_of_a_stream_goes_through_cat(context: &Context<'_>) -> Result<(), Wrong> {
    let place = slow_place(context).await?;
    let stream = Stdin::Stream(Box::new(std::io::Cursor::new(megabyte())));
    printed(&place.run(place.exec(["cat"]).stdin(stream)).await?, megabyte())
}

async fn a_stream_that_does_not_end_holds_nothing_up(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let (_input, silent) = tokio::io::duplex(100);
    let exec = place.bash("echo done").stdin(Stdin::Stream(Box::new(silent)));
    match tokio::time::timeout(context.patience(), place.run(exec)).await {
        Ok(outcome) => printed(&outcome?, "done\n")?,
        Err(_) => {
            return Err(Wrong::new("expected the end of a command that reads nothing, saw none"));
        }
    }
    let endless = Stdin::Stream(Box::new(tokio::io::repeat(b'y')));
    let outcome = place.run(place.bash("head -c 4; echo").stdin(endless)).await?;
    printed(&outcome, "yyyy\n")
}

async fn input_reaches_the_commands_children(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let exec = place.bash("cat | cat | bash -c cat").stdin(Stdin::bytes("through\n"));
    printed(&place.run(exec).await?, "through\n")
}

async fn a_terminal_is_one_or_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let stdin = Stdin::Terminal(Box::new(tokio::io::empty()));
    let running = place.sandbox.spawn(place.bash("test -t 0 && echo terminal").stdin(stdin)).await;
    let outcome = match running {
        Ok(running) => collect(running).await,
        Err(err) => Err(err),
    };
    match outcome {
        Err(Error::Unsupported { .. } | Error::Refused(Refusal::Exec { .. })) => Ok(()),
        Err(err) => Err(Wrong::other("input on a terminal", "a terminal, or a refusal", &err)),
        Ok(outcome) => {
            succeeded(&outcome)?;
            let stdout = String::from_utf8_lossy(&outcome.stdout.bytes).replace('\r', "");
            same_bytes("stdout", stdout.as_bytes(), b"terminal\n")
        }
    }
}

async fn input_is_no_terminal(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let script = "for fd in 0 1 2; do test -t $fd && echo $fd is a terminal; done; echo end";
    for stdin in [Stdin::Empty, Stdin::bytes("a"), Stdin::Stream(Box::new(tokio::io::empty()))] {
        let what = format!("{stdin:?}");
        let outcome = place.run(place.bash(script).stdin(stdin)).await?;
        holds(&format!("{what} is no terminal"), outcome.stdout.bytes == b"end\n", &outcome.stdout)?;
    }
    Ok(())
}
