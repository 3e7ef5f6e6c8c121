//! The E2B adapter against a fake that fails.

use std::time::Duration;

use bytes::Bytes;
use sandpiper_core::{
    Backend, Edit, Error, Event, Exec, Exit, FileErrorKind, FindQuery, Image, Limits, Network, Outcome,
    Quota, Refusal, Sandbox, SandboxRef, SandboxState, SearchQuery, Spec, Stdin, Stream, admit, collect, run,
};
use sandpiper_remote::{E2b, Secret};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fake::{Fake, Fault, KEY, Step};

async fn made(backend: &E2b, spec: Spec) -> Result<Box<dyn Sandbox>, Error> {
    let capabilities = backend.capabilities(&spec.image);
    backend.create(admit(spec, backend.name(), capabilities).unwrap()).await
}

async fn sandbox(fake: &Fake) -> Box<dyn Sandbox> {
    made(&fake.backend(), Spec::default()).await.unwrap()
}

fn limited(limits: Limits) -> Spec {
    Spec { limits, ..Spec::default() }
}

/// Runs a program that does this.
async fn program(fake: &Fake, steps: impl Into<Vec<Step>>) -> Result<Outcome, Error> {
    let sandbox = sandbox(fake).await;
    fake.script(steps);
    let outcome = collect(sandbox.spawn(Exec::new(["program"])).await.unwrap()).await;
    sandbox.close().await.unwrap();
    assert_eq!(fake.sandboxes(), Vec::<String>::new());
    outcome
}

/// Whether a line sends a signal to what carries the mark of the first program, and names no process by number.
fn marks(fake: &Fake, line: &str, kill: &str) -> bool {
    let tag = fake.programs()[0]["tag"].as_str().unwrap().to_owned();
    let sends = line.ends_with(kill) || line.contains(&format!("{kill};;"));
    sends && line.contains(&format!("SANDPIPER_COMMAND={tag} "))
}

/// All that an error says.
fn told(err: &Error) -> String {
    let mut text = err.to_string();
    let mut source = std::error::Error::source(err);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    assert!(!format!("{text}{err:?}").contains(KEY), "{text}");
    text
}

fn code(code: u8) -> Exit {
    Exit::Code { code }
}

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
async fn a_spec_is_what_e2b_is_asked_for() {
    let fake = Fake::start().await;
    let backend = fake.backend();
    let spec = Spec {
        image: Image::Named("python".to_owned()),
        env: vec![("A".to_owned(), "b".to_owned())],
        lifetime: Some(Duration::from_millis(90_500)),
        metadata: [("task".to_owned(), "7 & 8".to_owned())].into(),
        ..Spec::default()
    };
    let held = made(&backend, spec).await.unwrap();
    let body = fake.body("i1");
    assert_eq!((&body["templateID"], &body["timeout"]), (&json!("python"), &json!(91)));
    assert_eq!(body["envVars"], json!({"A": "b"}));
    assert_eq!(body["allow_internet_access"], json!(false));
    assert_eq!(body["network"], json!({"allowPublicTraffic": false}));
    assert_eq!(body["metadata"]["task"], json!("7 & 8"));
    assert_eq!(body["metadata"]["sandpiper-creation"].as_str().unwrap().len(), 32);
    let key = fake.server.requests()[0].header("idempotency-key").to_owned();
    assert_eq!(body["metadata"]["sandpiper-creation"], json!(key));
    assert_eq!(held.reference().metadata["task"], "7 & 8");

    let listed = backend.list(&[("task".to_owned(), "7 & 8".to_owned())]).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].reference.clone(), listed[0].state), (held.reference(), SandboxState::Running));
    assert_eq!(backend.list(&[("task".to_owned(), "7".to_owned())]).await.unwrap(), []);
}

#[tokio::test]
async fn a_network_is_granted_as_it_is_asked_for_or_refused() {
    let fake = Fake::start().await;
    let backend = fake.backend();
    let asked = |network| Spec { network, ..Spec::default() };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let rules =
        |allow: &[&str], deny: &[&str]| asked(Network::Rules { allow: names(allow), deny: names(deny) });
    let first = made(&backend, asked(Network::Everything)).await.unwrap();
    assert_eq!(fake.body("i1")["allow_internet_access"], json!(true));
    assert_eq!(fake.body("i1")["network"]["allowOut"], Value::Null);
    let second = made(&backend, rules(&["a.org", "*.b.org"], &["a.org"])).await.unwrap();
    assert_eq!(fake.body("i2")["network"]["allowOut"], json!(["*.b.org"]));
    assert_eq!(fake.body("i2")["network"]["denyOut"], json!(["0.0.0.0/0"]));
    let third = made(&backend, rules(&["a.org"], &["a.org"])).await.unwrap();
    assert_eq!(fake.body("i3")["allow_internet_access"], json!(false));
    let err = made(&backend, rules(&["*.b.org"], &["x.b.org"])).await.err().unwrap();
    assert!(matches!(&err, Error::Refused(Refusal::NotEnforced { field: "network.deny", .. })), "{err:?}");
    assert_eq!(fake.sandboxes().len(), 3);
    drop((first, second, third));
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_found_and_killed() {
    let fake = Fake::start().await;
    // All of the tries.
    for _ in 0..3 {
        fake.fail("POST /v2/sandboxes", Fault::LoseAnswer);
    }
    let err = made(&fake.backend(), Spec::default()).await.err().unwrap();
    assert!(matches!(err, Error::Unreachable { action: "make a sandbox", .. }), "{err:?}");
    assert_eq!(fake.sandboxes(), Vec::<String>::new());
    let deleted: Vec<_> = fake.server.lines().into_iter().filter(|line| line.starts_with("DELETE")).collect();
    assert_eq!(deleted, ["DELETE /sandboxes/i1", "DELETE /sandboxes/i2", "DELETE /sandboxes/i3"]);
}

#[tokio::test]
async fn a_create_that_was_done_twice_leaves_one() {
    let fake = Fake::start().await;
    fake.fail("POST /v2/sandboxes", Fault::LoseAnswer);
    let held = sandbox(&fake).await;
    assert_eq!(fake.sandboxes(), [held.reference().id]);
}

#[tokio::test]
async fn a_create_that_is_too_slow_leaves_nothing() {
    let fake = Fake::start().await;
    fake.fail("POST /v2/sandboxes", Fault::Hold);
    let err = made(&fake.backend(), Spec::default()).await.err().unwrap();
    assert!(matches!(err, Error::Slow { action: "make a sandbox", .. }), "{err:?}");
    assert!(fake.server.lines().contains(&"GET /v2/sandboxes".to_owned()));
}

#[tokio::test]
async fn a_create_that_nobody_waits_for_is_closed() {
    let fake = Fake::start().await;
    let backend = fake.backend();
    let making = tokio::spawn(async move { made(&backend, Spec::default()).await.map(drop) });
    fake.until(|fake| !fake.server.requests().is_empty()).await;
    making.abort();
    fake.until(|fake| fake.server.lines().iter().any(|line| line == "DELETE /sandboxes/i1")).await;
    assert_eq!(fake.sandboxes(), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_control_plane_refuses_is_its_kind_of_error() {
    let fake = Fake::start().await;
    let refused = |status, body| fake.fail("POST /v2/sandboxes", Fault::Say(status, body));
    let message = |code: u16| json!({"code": code, "message": "no"});
    let backend = fake.backend();
    refused(401, message(401));
    let err = made(&backend, Spec::default()).await.err().unwrap();
    assert_eq!(told(&err), "the backend e2b refuses the credentials: no (HTTP 401 Unauthorized)");
    refused(409, message(409));
    let err = made(&backend, Spec::default()).await.err().unwrap();
    assert_eq!(told(&err), "the backend e2b cannot make a sandbox: no (HTTP 409 Conflict)");
    assert!(matches!(err, Error::Backend { .. }));
    let missing = Spec { image: Image::Named("missing".to_owned()), ..Spec::default() };
    let err = made(&backend, missing).await.err().unwrap();
    assert!(matches!(&err, Error::Image { image, .. } if image == "missing"), "{err:?}");
    for _ in 0..3 {
        refused(429, message(429));
    }
    let err = made(&backend, Spec::default()).await.err().unwrap();
    assert!(matches!(err, Error::RateLimited { action: "make a sandbox", .. }), "{err:?}");
    for _ in 0..2 {
        refused(502, message(502));
    }
    drop(made(&backend, Spec::default()).await.unwrap());
    fake.until(|fake| fake.sandboxes().is_empty()).await;
}

#[tokio::test]
async fn a_wrong_key_is_told_by_health() {
    let fake = Fake::start().await;
    assert!(fake.backend().health().await.unwrap().latency < Duration::from_secs(5));
    let mut config = fake.config();
    config.api_key = Secret::new("e2b_wrong");
    assert!(!format!("{config:?}").contains("e2b_wrong"));
    let err = E2b::new(config).unwrap().health().await.unwrap_err();
    assert!(matches!(&err, Error::Unauthorized { message, .. } if message.starts_with("Invalid API key")));
}

#[tokio::test]
async fn a_sandbox_is_closed_once_when_it_is_dropped_or_closed() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    held.close().await.unwrap();
    held.close().await.unwrap();
    drop(held);
    drop(sandbox(&fake).await);
    fake.until(|fake| fake.sandboxes().is_empty()).await;
    let deleted = fake.server.lines().into_iter().filter(|line| line.starts_with("DELETE")).count();
    assert_eq!(deleted, 2);
}

#[tokio::test]
async fn a_sandbox_that_is_let_go_is_connected_to_with_its_limits() {
    let fake = Fake::start().await;
    let limits = Limits { wall: Duration::from_millis(700), ..Limits::default() };
    let spec = Spec { metadata: [("a".to_owned(), "b".to_owned())].into(), ..limited(limits) };
    let held = made(&fake.backend(), spec).await.unwrap();
    held.pause().await.unwrap();
    held.pause().await.unwrap();
    let reference = held.detach().unwrap();
    let other = fake.backend();
    assert_eq!(other.list(&[]).await.unwrap()[0].state, SandboxState::Paused);
    let found = other.connect(&SandboxRef::new("e2b", &reference.id)).await.unwrap();
    assert_eq!(found.reference(), reference);
    fake.script([Step::Sleep]);
    let outcome = collect(found.spawn(Exec::new(["sleep"])).await.unwrap()).await.unwrap();
    assert_eq!(outcome.exit, Exit::Timeout);
    let err = other.connect(&SandboxRef::new("e2b", "gone")).await.err().unwrap();
    assert!(matches!(err, Error::Gone { reference } if reference.id == "gone"));
    found.close().await.unwrap();
}

#[tokio::test]
async fn a_sandbox_is_kept_alive_while_it_is_held() {
    let fake = Fake::start().await;
    let mut config = fake.config();
    config.lifetime = Duration::from_secs(10);
    let held = made(&E2b::new(config).unwrap(), Spec::default()).await.unwrap();
    fake.until(|fake| fake.timeouts("i1").len() > 1).await;
    assert_eq!(fake.timeouts("i1")[..2], [10, 10]);
    held.set_lifetime(Duration::from_secs(77)).await.unwrap();
    assert_eq!(fake.timeouts("i1").last(), Some(&77));
}

#[tokio::test]
async fn what_else_a_sandbox_offers() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    assert_eq!(held.snapshot().await.unwrap(), Image::Named("i1:tag".to_owned()));
    let metrics = held.metrics().await.unwrap();
    assert_eq!((metrics.cpus, metrics.cpu_percent), (Some(2.0), Some(100.0)));
    assert_eq!((metrics.memory_bytes, metrics.disk_limit_bytes), (Some(10), Some(40)));
    let port = held.port(8080).await.unwrap();
    assert_eq!(port.url, "http://8080-i1.fake.test");
    let header = ("e2b-traffic-access-token".to_owned(), "traffic-token".to_owned());
    assert_eq!(port.header, Some(header));
    let fork = held.fork().await.unwrap();
    assert_eq!(fork.reference().id, "i2");
    fork.close().await.unwrap();
    assert_eq!(fake.sandboxes(), ["i1"]);
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
        assert_eq!(started["process"]["args"][2], json!(r#"exec "$@""#));
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
async fn time_ends_a_command() {
    let fake = Fake::start().await;
    let limits = Limits { wall: Duration::from_millis(300), ..Limits::default() };
    let sandbox = made(&fake.backend(), limited(limits)).await.unwrap();
    fake.script([Step::Stdout(b"before".to_vec()), Step::Sleep]);
    let begun = Instant::now();
    let outcome = collect(sandbox.spawn(Exec::new(["sleep"])).await.unwrap()).await.unwrap();
    assert_eq!((outcome.exit, outcome.stdout.bytes), (Exit::Timeout, b"before".to_vec()));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(fake.signals(), [(100, "SIGNAL_SIGKILL".to_owned())]);
    let lines: Vec<_> = fake.programs().iter().map(|program| program["process"]["args"][2].clone()).collect();
    assert!(marks(&fake, lines[1].as_str().unwrap(), "kill -9 $found"), "{lines:?}");
}

#[tokio::test]
async fn a_command_that_is_cancelled_or_let_go_is_ended() {
    let fake = Fake::start().await;
    let sandbox = sandbox(&fake).await;
    fake.script([Step::Stdout(b"up".to_vec()), Step::Sleep]);
    let (mut events, done, control) = sandbox.spawn(Exec::new(["sleep"])).await.unwrap().split();
    let done = tokio::spawn(done);
    events.recv().await.unwrap();
    control.cancel();
    assert_eq!(done.await.unwrap().unwrap().exit, Exit::Cancelled);
    fake.script([Step::Stdout(b"up".to_vec()), Step::Sleep]);
    let (mut events, done, _control) = sandbox.spawn(Exec::new(["sleep"])).await.unwrap().split();
    let done = tokio::spawn(done);
    events.recv().await.unwrap();
    done.abort();
    fake.until(|fake| fake.signals().len() == 2).await;
}

#[tokio::test]
async fn signals_are_sent_as_the_wire_has_them() {
    let fake = Fake::start().await;
    let sandbox = sandbox(&fake).await;
    fake.script([Step::Stdout(b"up".to_vec()), Step::Sleep]);
    let (mut events, done, control) = sandbox.spawn(Exec::new(["sleep"])).await.unwrap().split();
    let done = tokio::spawn(done);
    events.recv().await.unwrap();
    control.signal(10);
    fake.until(|fake| fake.programs().len() == 2).await;
    assert!(marks(&fake, fake.programs()[1]["process"]["args"][2].as_str().unwrap(), "kill -10 $pid"));
    control.interrupt();
    fake.until(|fake| fake.programs().len() == 3).await;
    assert!(marks(&fake, fake.programs()[2]["process"]["args"][2].as_str().unwrap(), "kill -2 $found"));
    control.signal(15);
    assert_eq!(done.await.unwrap().unwrap().exit, Exit::Signal { signal: 15 });
    assert_eq!(fake.signals(), [(100, "SIGNAL_SIGTERM".to_owned())]);
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
async fn a_sandbox_that_is_killed_meanwhile_is_gone_and_one_that_is_paused_is_not() {
    let fake = Fake::start().await;
    let err = program(&fake, [Step::Stdout(b"one".to_vec()), Step::Killed]).await.unwrap_err();
    assert!(matches!(err, Error::Gone { reference } if reference.to_string() == "e2b:i1"));
    let err = program(&fake, [Step::Paused]).await.unwrap_err();
    assert!(told(&err).contains("the sandbox is paused"), "{err:?}");
    let held = sandbox(&fake).await;
    fake.backend().connect(&held.reference()).await.unwrap().close().await.unwrap();
    let err = collect(held.spawn(Exec::new(["x"])).await.unwrap()).await.unwrap_err();
    assert!(matches!(err, Error::Gone { .. }), "{err:?}");
    assert_eq!(held.files().stat("/a").await.unwrap_err().kind, FileErrorKind::Gone);
    held.close().await.unwrap();
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

#[tokio::test]
async fn what_e2b_cannot_do_is_refused() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    let exec = Exec { stop_at_unsupported: true, ..Exec::new(["x"]) };
    assert!(matches!(held.spawn(exec).await, Err(Error::Unsupported { .. })));
    let reserved = Spec { metadata: [("sandpiper-x".to_owned(), String::new())].into(), ..Spec::default() };
    let err = made(&fake.backend(), reserved).await.err().unwrap();
    assert!(matches!(err, Error::Refused(Refusal::NotEnforced { field: "metadata", .. })));
    assert_eq!(fake.sandboxes(), ["i1"]);
}

#[tokio::test]
async fn files_are_read_written_and_edited() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    let files = held.files();
    fake.put("/w/old", b"before", 0o644);
    files.write("/w/old", Bytes::from("after")).await.unwrap();
    files.write("/w/new", Bytes::from("new")).await.unwrap();
    assert_eq!(fake.file("/w/old").as_deref(), Some(&b"after"[..]));
    assert_eq!(fake.paths(), ["/w/new", "/w/old"]);
    assert_eq!(files.read("/w/new", 3).await.unwrap(), "new");
    assert_eq!(
        files.read("/w/new", 2).await.unwrap_err().kind,
        FileErrorKind::TooLarge { size: 3, limit: 2 }
    );
    assert_eq!(files.read("/w/none", 2).await.unwrap_err().kind, FileErrorKind::NotFound);
    let missing = files.write("/none/x", Bytes::new()).await.unwrap_err();
    assert_eq!(missing.to_string(), "cannot write /none/x: there is no such file or directory");
    assert_eq!(files.write("/w", Bytes::new()).await.unwrap_err().kind, FileErrorKind::IsADirectory);
    let edit = Edit { old: "aft".to_owned(), new: "und".to_owned(), all: false };
    assert_eq!(files.edit("/w/old", vec![edit.clone()]).await, Ok(1));
    assert_eq!(fake.file("/w/old").as_deref(), Some(&b"under"[..]));
    let err = files.edit("/w/old", vec![edit]).await.unwrap_err();
    assert_eq!(err.kind, FileErrorKind::NoMatch("aft".to_owned()));
    files.rename("/w/old", "/w/x").await.unwrap();
    assert_eq!(files.rename("/w/old", "/w/x").await.unwrap_err().kind, FileErrorKind::NotFound);
    files.remove("/w/x", false).await.unwrap();
    assert_eq!(fake.paths(), ["/w/new"]);
    assert_eq!(files.read("w/new", 9).await.unwrap_err().kind, FileErrorKind::Other("EINVAL"));
}

#[tokio::test]
async fn a_write_that_fails_leaves_the_old_content_and_nothing_beside_it() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    fake.put("/w/old", b"before", 0o644);
    fake.fail(
        "POST /filesystem.Filesystem/Move",
        Fault::Say(500, json!({"code": "internal", "message": "rename: no space left on device"})),
    );
    let err = held.files().write("/w/old", Bytes::from("after")).await.unwrap_err();
    assert_eq!(err.kind, FileErrorKind::Quota);
    assert_eq!(fake.file("/w/old").as_deref(), Some(&b"before"[..]));
    assert_eq!(fake.paths(), ["/w/old"]);
}

#[tokio::test]
async fn modes_are_kept_by_a_command() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    fake.put("/w/run", b"before", 0o755);
    held.files().write("/w/run", Bytes::from("after")).await.unwrap();
    let line = fake.programs()[0]["process"]["args"][2].as_str().unwrap().to_owned();
    assert!(line.starts_with("LC_ALL=C exec chmod 0755 -- '/w/.sandpiper-"), "{line}");
    fake.script([
        Step::Stderr(b"rmdir: failed to remove '/w': Directory not empty\n".to_vec()),
        Step::Exit(1),
    ]);
    assert_eq!(held.files().remove("/w", false).await.unwrap_err().kind, FileErrorKind::NotEmpty);
    held.files().remove("/w", true).await.unwrap();
    assert_eq!(fake.paths(), Vec::<String>::new());
}

#[tokio::test]
async fn files_are_listed_and_searched_in_the_order_of_names() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    let files = held.files();
    for (path, content) in [
        ("/w/b/two.rs", "fn two\nlet x"),
        ("/w/a.rs", "fn one"),
        ("/w/.git/c.rs", "fn hidden"),
        ("/w/b/n.txt", "fn"),
    ] {
        fake.put(path, content.as_bytes(), 0o644);
    }
    let names: Vec<_> = files.list("/w").await.unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, [".git", "a.rs", "b"]);
    assert_eq!(files.list("/w/a.rs").await.unwrap_err().kind, FileErrorKind::NotADirectory);
    let query = FindQuery { directory: "/w".into(), pattern: "*.rs".into(), hidden: false, limit: 9 };
    let found = files.find(query.clone()).await.unwrap();
    let paths: Vec<_> = found.found.iter().map(|found| found.path.as_str()).collect();
    assert_eq!((paths, found.complete), (vec!["/w/a.rs", "/w/b/two.rs"], true));
    assert!(!files.find(FindQuery { limit: 1, ..query }).await.unwrap().complete);
    let query = SearchQuery {
        directory: "/w".into(),
        pattern: "^fn".into(),
        literal: false,
        ignore_case: false,
        files: Some("*.rs".into()),
        hidden: true,
        limit: 9,
    };
    let found = files.search(query).await.unwrap();
    let lines: Vec<_> = found.found.iter().map(|line| (line.path.as_str(), line.text.as_str())).collect();
    assert_eq!(lines, [("/w/.git/c.rs", "fn hidden"), ("/w/a.rs", "fn one"), ("/w/b/two.rs", "fn two")]);
}
