//! How commands are ended, and sent signals.

use std::time::Duration;

use sandpiper_core::{Control, Error, Event, Exec, Exit, Limits, Outcome, Sandbox, Stream, collect};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{limited, made, marks, sandbox};
use crate::fake::{Fake, Step};

/// A command that has said something and sleeps: its events, what it comes to, and its control.
async fn asleep(
    fake: &Fake,
    sandbox: &dyn Sandbox,
    exec: Exec,
) -> (Receiver<Event>, JoinHandle<Result<Outcome, Error>>, Control) {
    fake.script([Step::Stdout(b"up".to_vec()), Step::Sleep]);
    let (mut events, done, control) = sandbox.spawn(exec).await.unwrap().split();
    let done = tokio::spawn(done);
    events.recv().await.unwrap();
    (events, done, control)
}

#[tokio::test]
async fn time_ends_a_command() {
    let fake = Fake::start().await;
    let limits = Limits { wall: Duration::from_millis(300), ..Limits::default() };
    let sandbox = made(&fake.backend(), limited(limits)).await.unwrap();
    fake.script([Step::Stdout(b"before".to_vec()), Step::Sleep]);
    let begun = Instant::now();
    let outcome = collect(sandbox.spawn(Exec::new(["sleep"])).await.unwrap()).await.unwrap();
    assert_eq!((outcome.exit, outcome.stdout.bytes), (Exit::Timeout, b"before".to_vec()));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(fake.signals(), [(100, json!("SIGNAL_SIGKILL"))]);
    let lines: Vec<_> = fake.programs().iter().map(|program| program["process"]["args"][2].clone()).collect();
    assert!(marks(&fake, lines[1].as_str().unwrap(), "kill -9 $found"), "{lines:?}");
}

#[tokio::test]
async fn a_command_that_is_cancelled_or_let_go_is_ended() {
    let fake = Fake::start().await;
    let sandbox = sandbox(&fake).await;
    let (_events, done, control) = asleep(&fake, &*sandbox, Exec::new(["sleep"])).await;
    control.cancel();
    assert_eq!(done.await.unwrap().unwrap().exit, Exit::Cancelled);
    let (_events, done, _control) = asleep(&fake, &*sandbox, Exec::new(["sleep"])).await;
    done.abort();
    fake.until(|fake| fake.signals().len() == 2).await;
}

/// The line of a program.
fn line(program: &Value) -> &str {
    program["process"]["args"][2].as_str().unwrap()
}

#[tokio::test]
async fn signals_are_sent_to_what_carries_the_mark() {
    let fake = Fake::start().await;
    let sandbox = sandbox(&fake).await;
    let (_events, done, control) = asleep(&fake, &*sandbox, Exec::new(["sleep"])).await;
    for (signal, number) in [(10, 1), (15, 2)] {
        control.signal(signal);
        fake.until(|fake| fake.programs().len() > number).await;
        assert!(marks(&fake, line(&fake.programs()[number]), &format!("kill -{signal} $pid")));
    }
    control.interrupt();
    fake.until(|fake| fake.programs().len() > 3).await;
    assert!(marks(&fake, line(&fake.programs()[3]), "kill -2 $found"));
    assert_eq!(fake.signals(), []);
    control.signal(9);
    assert_eq!(done.await.unwrap().unwrap().exit, Exit::Signal { signal: 9 });
    assert_eq!(fake.signals(), [(100, json!("SIGNAL_SIGKILL"))]);
}

#[tokio::test]
async fn a_service_that_says_so_gets_commands_and_signals_as_they_are() {
    let fake = Fake::start().await;
    fake.take_commands_directly();
    let sandbox = sandbox(&fake).await;
    let exec = Exec::new(["sleep", "a b"]).env("A", "b");
    let (_events, done, control) = asleep(&fake, &*sandbox, exec).await;
    let process = json!({"cmd": "sleep", "args": ["a b"], "envs": {"A": "b"}, "cwd": "/"});
    assert_eq!(fake.programs()[0]["process"], process);
    control.signal(10);
    fake.until(|fake| fake.signals().len() == 1).await;
    control.interrupt();
    fake.until(|fake| fake.signals().len() == 2).await;
    control.signal(15);
    assert_eq!(done.await.unwrap().unwrap().exit, Exit::Signal { signal: 15 });
    assert_eq!(fake.signals(), [(100, json!(10)), (100, json!(2)), (100, json!("SIGNAL_SIGTERM"))]);
    // It is not looked for its processes.
    assert_eq!(fake.programs().len(), 1);
}

#[tokio::test]
async fn a_command_whose_stream_is_closed_gets_the_signal_of_a_broken_pipe() {
    let fake = Fake::start().await;
    let limits = Limits { output_bytes: 1 << 40, ..Limits::default() };
    let sandbox = made(&fake.backend(), limited(limits)).await.unwrap();
    fake.script([Step::Flood(1 << 40)]);
    let (mut events, done, control) = sandbox.spawn(Exec::new(["yes"])).await.unwrap().split();
    let done = tokio::spawn(done);
    events.recv().await.unwrap();
    control.close(Stream::Stdout);
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    let begun = Instant::now();
    // Twice, for it goes on writing.
    fake.until(|fake| fake.programs().len() > 2).await;
    let signals = fake.programs().split_off(1);
    assert!(signals.iter().all(|program| marks(&fake, line(program), "kill -13 $found")), "{signals:?}");
    // It is not sent with all that comes.
    assert!(signals.len() as u64 <= 2 + begun.elapsed().as_secs(), "{} signals", signals.len());
    control.cancel();
    assert_eq!(done.await.unwrap().unwrap().exit, Exit::Cancelled);
}
