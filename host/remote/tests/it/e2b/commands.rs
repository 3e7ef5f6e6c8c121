//! Commands: what they are asked for, what they say, and how they end.

use std::time::Duration;

use bytes::Bytes;
use sandpiper_core::{
    Error, Event, Exec, Exit, FileErrorKind, Limits, Quota, Refusal, Spec, Stdin, Stream, collect, run,
};
use serde_json::{Value, json};

use super::{code, limited, made, program, sandbox, told};
use crate::fake::{Fake, Fault, KEY, Step, TOKEN};

#[tokio::test]
async fn a_command_runs_to_its_end_and_nothing_is_left() {
    let fake = Fake::start().await;
    fake.script([Step::Stdout(b"out".to_vec()), Step::Stderr(b"err".to_vec()), Step::Exit(3)]);
    let exec = Exec::new(["printf", "it's $HOME"]).env("A", "b c").cwd("/w");
    let outcome = run(&fake.backend(), Spec::default(), exec).await.unwrap();
    assert_eq!(outcome.exit, code(3));
    assert_eq!((outcome.stdout.bytes, outcome.stderr.bytes), (b"out".to_vec(), b"err".to_vec()));
    assert!(!outcome.stdout.cut && !outcome.stderr.cut);
    assert_eq!(fake.sandboxes(), Vec::<String>::new());
    let programs = fake.programs();
    let mut process = programs[0]["process"].clone();
    let mark = process["envs"].as_object_mut().unwrap().remove("SANDPIPER_COMMAND").unwrap();
    assert_eq!(mark, programs[0]["tag"]);
    assert_eq!(
        process,
        json!({
            "cmd": "/bin/bash",
            "args": [
                "-l", "-c", r#"export "${1}"; shift 1; exec "$@" </dev/null"#, "bash", "A=b c", "printf", "it's $HOME",
            ],
            "envs": {"A": "b c"},
            "cwd": "/w",
        })
    );
    assert_eq!((programs.len(), programs[0]["stdin"].clone()), (1, json!(false)));
}

#[tokio::test]
async fn ends_are_what_they_were() {
    let fake = Fake::start().await;
    assert_eq!(program(&fake, [Step::Exit(0)]).await.unwrap().exit, code(0));
    let outcome = program(&fake, [Step::Signal("segmentation fault (core dumped)")]).await.unwrap();
    assert_eq!(outcome.exit, Exit::Signal { signal: 11 });
    fake.look("missing\n");
    let outcome = program(&fake, [Step::Exit(127)]).await.unwrap();
    assert_eq!(outcome.exit, Exit::NotFound { command: "program".to_owned() });
    fake.look("");
    assert_eq!(program(&fake, [Step::Exit(127)]).await.unwrap().exit, code(127));
    assert_eq!(program(&fake, [Step::Exit(126)]).await.unwrap().exit, code(126));
    fake.look("directory\n");
    let reason = "it is a directory".to_owned();
    let not_runnable = Exit::NotRunnable { command: "program".to_owned(), reason };
    assert_eq!(program(&fake, [Step::Exit(126)]).await.unwrap().exit, not_runnable);
}

#[tokio::test]
async fn input_arrives_as_it_was_sent() {
    let fake = Fake::start().await;
    let bytes: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    for stdin in [
        Stdin::Bytes(Bytes::from(bytes.clone())),
        Stdin::Stream(Box::new(std::io::Cursor::new(bytes.clone()))),
    ] {
        let sandbox = sandbox(&fake).await;
        fake.script([Step::Cat, Step::Exit(0)]);
        let running = sandbox.spawn(Exec::new(["cat"]).stdin(stdin)).await.unwrap();
        let outcome = collect(running).await.unwrap();
        assert_eq!(outcome.exit, code(0));
        assert!(outcome.stdout.bytes == bytes);
        let started = fake.programs().pop().unwrap();
        assert_eq!(
            started["process"]["args"][2],
            json!(r#"cd /workspace 2>/dev/null && unset OLDPWD; exec "$@""#)
        );
        assert_eq!(started["stdin"], json!(true));
    }
}

#[tokio::test]
async fn input_that_may_have_arrived_is_not_sent_twice() {
    let fake = Fake::start().await;
    let sandbox = sandbox(&fake).await;
    fake.script([Step::Cat, Step::Exit(0)]);
    fake.fail("POST /process.Process/SendInput", Fault::Reset);
    let running = sandbox.spawn(Exec::new(["cat"]).stdin(Stdin::bytes("once"))).await.unwrap();
    let err = collect(running).await.unwrap_err();
    assert!(matches!(err, Error::Unreachable { action: "send input to a command", .. }), "{err:?}");
    let sent = fake.server.lines().iter().filter(|line| line.ends_with("/SendInput")).count();
    assert_eq!(sent, 1);
    // The command is not left behind.
    fake.until(|fake| !fake.signals().is_empty()).await;
}

#[tokio::test]
async fn output_that_comes_slowly_comes() {
    let fake = Fake::start().await;
    fake.script([Step::Drip("drop by drop"), Step::Exit(0)]);
    let begun = std::time::Instant::now();
    let outcome = run(&fake.backend(), Spec::default(), Exec::new(["slow"])).await.unwrap();
    assert_eq!((outcome.exit, outcome.stdout.bytes), (code(0), b"drop by drop".to_vec()));
    // Longer than the sandbox has for the beginning of an answer.
    assert!(begun.elapsed() > fake.config().times.first_byte);
}

#[tokio::test]
async fn output_beyond_its_limit_ends_a_command_in_bounded_memory() {
    let fake = Fake::start().await;
    let limits = Limits { output_bytes: 1 << 20, wall: Duration::from_mins(1), ..Limits::default() };
    let sandbox = made(&fake.backend(), limited(limits)).await.unwrap();
    fake.script([Step::Flood(300 << 20), Step::Exit(0)]);
    let outcome = collect(sandbox.spawn(Exec::new(["yes"])).await.unwrap()).await.unwrap();
    assert_eq!(outcome.exit, Exit::Quota { quota: Quota::Output });
    assert_eq!((outcome.stdout.bytes.len(), outcome.stdout.cut), (1 << 20, true));
    assert_eq!((outcome.stderr.cut, outcome.usage.bytes_written), (false, 1 << 20));
}

#[tokio::test]
async fn output_is_read_no_faster_than_it_is_taken() {
    let fake = Fake::start().await;
    let limits = Limits { output_bytes: 400 << 20, wall: Duration::from_mins(2), ..Limits::default() };
    let sandbox = made(&fake.backend(), limited(limits)).await.unwrap();
    fake.script([Step::Flood(300 << 20), Step::Exit(0)]);
    let before = resident_bytes();
    let (mut events, done, _control) = sandbox.spawn(Exec::new(["yes"])).await.unwrap().split();
    let done = tokio::spawn(done);
    let (mut total, mut most) = (0, 0);
    while let Some(Event::Output { stream, bytes }) = events.recv().await {
        assert_eq!(stream, Stream::Stdout);
        assert!(bytes.len() <= 64 << 10);
        total += bytes.len();
        most = most.max(resident_bytes().saturating_sub(before));
    }
    assert_eq!((total, done.await.unwrap().unwrap().exit), (300 << 20, code(0)));
    assert!(most < 64 << 20, "{most}");
}

/// What this process holds; 0 where that is not told in this way.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

#[tokio::test]
async fn a_connection_that_breaks_is_followed_anew_and_told() {
    let fake = Fake::start().await;
    for broken in [Step::Break, Step::EndOfBody, Step::Truncate, Step::Fail("unavailable")] {
        let steps = [Step::Stdout(b"one".to_vec()), broken, Step::Stdout(b"two".to_vec()), Step::Exit(5)];
        let outcome = program(&fake, steps).await.unwrap();
        assert_eq!((outcome.exit, outcome.stdout.bytes), (code(5), b"onetwo".to_vec()));
        // What was written in between is lost with E2B.
        assert!(outcome.stdout.cut && outcome.stderr.cut);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_for_good_says_that_the_command_may_run() {
    let fake = Fake::start().await;
    let err = program(&fake, vec![Step::Break; 9]).await.unwrap_err();
    assert!(matches!(err, Error::Unreachable { action: "follow a command", .. }), "{err:?}");
    assert!(
        told(&err)
            .ends_with("as for the command, process 100, it may still run in the sandbox, or have ended"),
        "{err:?}"
    );
}

#[tokio::test]
async fn output_that_a_reset_has_lost_is_not_taken_for_all() {
    let fake = Fake::start().await;
    let steps = [Step::Stdout(b"one".to_vec()), Step::Reset, Step::Stdout(b"two".to_vec()), Step::Exit(0)];
    let outcome = program(&fake, steps).await.unwrap();
    assert!(outcome.stdout.bytes.ends_with(b"two") && outcome.stdout.cut, "{outcome:?}");
}

#[tokio::test]
async fn a_command_that_ends_while_nobody_is_connected_has_no_known_end() {
    let fake = Fake::start().await;
    let err = program(&fake, [Step::Vanish]).await.unwrap_err();
    assert!(matches!(err, Error::Unreachable { action: "follow a command", .. }), "{err:?}");
    assert!(told(&err).ends_with("process 100, it is over, and how it ended is not known"), "{err:?}");
}

#[tokio::test]
async fn what_is_no_frame_is_the_protocols_fault() {
    let fake = Fake::start().await;
    for (bytes, what) in [
        (&b"\x00\x00\x00\x00\x02{]"[..], "a message is no JSON"),
        (&b"HTTP/1.1 200 OK"[..], "a message has the flags 0x48, which are none"),
        (&b"\x00\xff\xff\xff\xff"[..], "a message of 4294967295 bytes is longer than 4194304"),
        (&b"\x01\x00\x00\x00\x02{}"[..], "a message is compressed, which was not agreed"),
        (&b"\x02\x00\x00\x00\x02{}"[..], "the stream ended without the end of the command"),
    ] {
        let err = program(&fake, [Step::Raw(bytes)]).await.unwrap_err();
        assert!(matches!(err, Error::Protocol { .. }), "{err:?}");
        assert!(told(&err).contains(what), "{err:?}");
    }
}

#[tokio::test]
async fn an_error_that_ends_a_stream_is_that_error() {
    let fake = Fake::start().await;
    let err = program(&fake, [Step::Fail("invalid_argument")]).await.unwrap_err();
    assert_eq!(told(&err), "the backend e2b cannot run a command: said so (invalid_argument)");
    assert!(matches!(err, Error::Backend { .. }));
    let err = program(&fake, [Step::Fail("unauthenticated")]).await.unwrap_err();
    assert!(matches!(err, Error::Unauthorized { .. }), "{err:?}");
}

#[tokio::test]
async fn an_error_repeats_a_line_of_what_is_said_and_no_secret() {
    let fake = Fake::start().await;
    let words = format!("no\n{TOKEN} {KEY} traffic-token {}", "x".repeat(20_000));
    let line = format!("no [redacted] [redacted] [redacted] {}", "x".repeat(500 - 36));
    let refusal = || Fault::Say(500, json!({"code": "internal", "message": words}));
    let expected = format!("the backend e2b cannot run a command: {line} (internal)");
    let err = program(&fake, [Step::FailWith(words.clone())]).await.unwrap_err();
    assert_eq!(told(&err), expected);
    let held = sandbox(&fake).await;
    fake.put("/a", b"", 0o644);
    fake.fail("POST /process.Process/Start", refusal());
    let err = collect(held.spawn(Exec::new(["true"])).await.unwrap()).await.unwrap_err();
    assert_eq!(told(&err), expected);
    fake.fail("POST /filesystem.Filesystem/Stat", refusal());
    assert_eq!(held.files().stat("/a").await.unwrap_err().kind, FileErrorKind::Backend(line));
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_the_commands_fault() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    fake.put("/w/file", b"", 0o644);
    let (fake, held) = (&fake, &held);
    let refusal = |cwd: &'static str| async move {
        fake.fail(
            "POST /process.Process/Start",
            Fault::Say(400, json!({"code": "invalid_argument", "message": "cwd"})),
        );
        collect(held.spawn(Exec::new(["true"]).cwd(cwd)).await.unwrap()).await.unwrap_err()
    };
    assert_eq!(told(&refusal("/none").await), "the working directory /none is not there");
    let err = refusal("/w/file").await;
    assert_eq!(told(&err), "the working directory /w/file is no directory");
    assert!(matches!(err, Error::Refused(Refusal::Exec { .. })));
    assert!(matches!(refusal("/w").await, Error::Backend { .. }));
}

#[tokio::test]
async fn a_command_that_is_cancelled_before_it_begins_is_never_started() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    let running = held.spawn(Exec::new(["true"])).await.unwrap();
    running.control().cancel();
    assert_eq!(collect(running).await.unwrap().exit, Exit::Cancelled);
    assert_eq!(fake.programs(), Vec::<Value>::new());
}
