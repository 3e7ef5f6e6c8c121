//! A Daytona that fails: each fault ends in its own error, or in a try that succeeds, and leaves no sandbox.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandpiper_core::{
    Backend, Error, Exit, FileError, FileErrorKind, FileType, Image, Limits, Network, Outcome, Quota, Spec,
    Stdin,
};
use serde_json::json;
use tokio::net::TcpListener;

use super::commands::running;
use super::daemon::Daemon;
use super::{backend, create, run, shell, until};
use crate::server::{Reply, Request, Server};
use crate::websocket::{BINARY, accepted, close, frame};

type Before = io::Result<Result<Option<Reply>, Reply>>;

/// A Daytona that answers its `count`th request of some kind otherwise.
async fn faulty<F>(
    daemon: &Arc<Daemon>,
    is_it: fn(&Request) -> bool,
    otherwise: impl Fn(usize, Request, Reply) -> F + Send + Sync + 'static,
) -> Server
where
    F: Future<Output = Before> + Send + 'static,
{
    let (count, otherwise) = (AtomicUsize::new(0), Arc::new(otherwise));
    daemon
        .serve(move |request, reply| {
            let number = is_it(&request).then(|| count.fetch_add(1, Ordering::SeqCst));
            let otherwise = Arc::clone(&otherwise);
            async move {
                match number {
                    Some(number) => otherwise(number, request, reply).await,
                    None => Ok(Err(reply)),
                }
            }
        })
        .await
}

async fn says(mut reply: Reply, status: u16, headers: &[(&str, &str)], body: &str) -> Before {
    reply.send(status, headers, body.as_bytes()).await?;
    Ok(Ok(Some(reply)))
}

fn is_create(request: &Request) -> bool {
    request.line() == "POST /api/sandbox"
}

fn is_log(request: &Request) -> bool {
    request.path.ends_with("/logs")
}

/// The lines that a command has in its log.
fn log(stream: u8, line: &str) -> Vec<u8> {
    [&[stream; 3][..], line.as_bytes(), b"\n"].concat()
}

/// The log of a command that says `hello` and ends with 0.
fn hello() -> Vec<u8> {
    let said = STANDARD.encode("hello\n");
    [log(2, "@4000000"), log(1, &said), log(2, "#0"), log(1, "."), log(2, ".")].concat()
}

async fn create_fails(daemon: &Arc<Daemon>, server: &Server) -> Error {
    let err = create(&backend(&server.url), Spec::default()).await.map(drop).unwrap_err();
    assert_eq!(daemon.ids(), Vec::<String>::new());
    assert!(!format!("{err:?}").contains("swordfish"), "{err:?}");
    err
}

#[tokio::test]
async fn a_refused_connection_is_unreachable() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let daytona = backend(&format!("http://127.0.0.1:{port}"));
    let err = create(&daytona, Spec::default()).await.map(drop).unwrap_err();
    let Error::Unreachable { action: "make a sandbox", source, .. } = err else { panic!("{err:?}") };
    // Nothing was asked, so that nothing is left.
    assert!(!source.to_string().contains("label"), "{source}");
    let err = daytona.health().await.unwrap_err();
    assert_eq!(err.to_string(), "the backend daytona cannot be reached to say whether it is there");
}

#[tokio::test]
async fn credentials_that_are_refused_are_unauthorized() {
    let daemon = Daemon::new();
    let server = faulty(
        &daemon,
        |_| true,
        |_, _, reply| async {
            let said = r#"{"statusCode":401,"message":"swordfish-key is no key, see daytona.io"}"#;
            says(reply, 401, &[], said).await
        },
    )
    .await;
    let err = create_fails(&daemon, &server).await;
    assert_eq!(
        err.to_string(),
        "the backend daytona refuses the credentials: [redacted] is no key, see daytona.io (HTTP 401 Unauthorized)"
    );
    assert_eq!(server.lines(), ["POST /api/sandbox"]);
    assert_eq!(server.requests()[0].header("x-daytona-source"), "daytona");
}

#[tokio::test]
async fn a_creation_that_has_to_wait_is_made_then() {
    let daemon = Daemon::new();
    let server = faulty(&daemon, is_create, |number, _, reply| async move {
        if number > 0 {
            Ok(Err(reply))
        } else {
            says(reply, 429, &[("retry-after", "1")], r#"{"message":"slow down"}"#).await
        }
    })
    .await;
    let begun = tokio::time::Instant::now();
    create(&backend(&server.url), Spec::default()).await.unwrap().close().await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(daemon.ids(), Vec::<String>::new());
}

#[tokio::test]
async fn a_clock_that_is_ten_minutes_off_does_not_matter() {
    for minutes in [-10_i64, 10] {
        let daemon = Daemon::new();
        let server = faulty(&daemon, is_create, move |number, _, reply| async move {
            if number > 0 {
                return Ok(Err(reply));
            }
            let at = |seconds: i64| {
                let now = SystemTime::now();
                let off = Duration::from_secs(seconds.unsigned_abs());
                httpdate::fmt_http_date(if seconds < 0 { now - off } else { now + off })
            };
            let (date, until) = (at(minutes * 60), at(minutes * 60 + 1));
            says(reply, 429, &[("date", &date), ("retry-after", &until)], r#"{"message":"slow down"}"#).await
        })
        .await;
        let daytona = backend(&server.url);
        let begun = tokio::time::Instant::now();
        let spec = Spec { lifetime: Some(Duration::from_mins(7)), ..Spec::default() };
        let sandbox = create(&daytona, spec).await.unwrap();
        let waited = begun.elapsed().as_secs();
        assert!((1..4).contains(&waited), "{minutes}: {waited}");
        assert_eq!(daemon.sandboxes.lock().unwrap()["box-0"].ttl_minutes, Some(7));
        sandbox.set_lifetime(Duration::from_mins(9)).await.unwrap();
        assert_eq!(daemon.sandboxes.lock().unwrap()["box-0"].ttl_minutes, Some(9));
    }
}

#[tokio::test]
async fn a_gateway_that_loses_the_answer_to_a_creation_leaves_no_sandbox() {
    for status in [502, 503, 504] {
        let daemon = Daemon::new();
        let made = Arc::clone(&daemon);
        let server = daemon
            .serve(move |request, reply| {
                let made = Arc::clone(&made);
                async move {
                    if !is_create(&request) {
                        return Ok(Err(reply));
                    }
                    made.make(request.json());
                    says(reply, status, &[], "bad gateway").await
                }
            })
            .await;
        let err = create_fails(&daemon, &server).await;
        assert!(matches!(err, Error::Unreachable { action: "make a sandbox", .. }), "{err:?}");
        assert_eq!(server.lines(), ["POST /api/sandbox", "GET /api/sandbox", "DELETE /api/sandbox/box-0"]);
    }
}

#[tokio::test]
async fn a_gateway_that_loses_the_answer_to_a_command_leaves_none_running() {
    let daemon = Daemon::new();
    let working = Arc::clone(&daemon);
    let server = faulty(
        &daemon,
        |request| request.path.ends_with("/exec"),
        move |_, request, reply| {
            working.does(&request);
            says(reply, 502, &[], "bad gateway")
        },
    )
    .await;
    let sandbox = create(&backend(&server.url), Spec::default()).await.unwrap();
    let err = run(&*sandbox, shell("sleep 7002")).await.unwrap_err();
    assert!(matches!(err, Error::Unreachable { action: "run a command", .. }), "{err:?}");
    let starts = server.lines().iter().filter(|line| line.ends_with("/exec")).count();
    assert_eq!(starts, 1);
    until(|| daemon.sessions() == 0 && running("sleep 7002") == 0).await;
}

#[tokio::test]
async fn a_gateway_that_fails_twice_is_asked_again_for_what_only_looks() {
    let daemon = Daemon::new();
    let server = faulty(
        &daemon,
        |request| request.path.ends_with("/process/execute"),
        |number, _, reply| async move {
            if number > 1 { Ok(Err(reply)) } else { says(reply, 502, &[], "bad gateway").await }
        },
    )
    .await;
    let sandbox = create(&backend(&server.url), Spec::default()).await.unwrap();
    let files = sandbox.files();
    assert_eq!(files.stat("/dev/null").await.unwrap().kind, FileType::Other);
    let asked = || server.lines().iter().filter(|line| line.ends_with("/process/execute")).count();
    assert_eq!(asked(), 3);
}

#[tokio::test]
async fn a_creation_that_has_to_wait_too_long_is_rate_limited() {
    let daemon = Daemon::new();
    let server = faulty(&daemon, is_create, |_, _, reply| async {
        says(reply, 429, &[("retry-after", "3600")], r#"{"message":"slow down"}"#).await
    })
    .await;
    let err = create_fails(&daemon, &server).await;
    assert!(
        matches!(err, Error::RateLimited { retry_after: Some(wait), .. } if wait.as_secs() == 3600),
        "{err:?}"
    );
}

#[tokio::test]
async fn a_conflict_is_what_the_backend_says() {
    let daemon = Daemon::new();
    let server = faulty(&daemon, is_create, |_, _, reply| async {
        says(reply, 409, &[], r#"{"statusCode":409,"message":"quota of sandboxes is used up"}"#).await
    })
    .await;
    let err = create_fails(&daemon, &server).await;
    assert_eq!(
        err.to_string(),
        "the backend daytona cannot make a sandbox: quota of sandboxes is used up (HTTP 409 Conflict)"
    );
}

#[tokio::test]
async fn a_creation_that_is_refused_is_an_image_only_where_its_snapshot_is_not_there() {
    let daemon = Daemon::new();
    let server = faulty(&daemon, is_create, |_, _, reply| async {
        says(reply, 400, &[], r#"{"statusCode":400,"message":"it is not to be"}"#).await
    })
    .await;
    let daytona = backend(&server.url);
    let make = async |name: &str| {
        let image = Image::Named(name.to_owned());
        create(&daytona, Spec { image, ..Spec::default() }).await.map(drop).unwrap_err()
    };
    let err = make("none").await;
    assert_eq!(err.to_string(), "cannot use the image none: daytona has no snapshot of this name");
    let err = make("there").await;
    assert_eq!(
        err.to_string(),
        "the backend daytona cannot make a sandbox: it is not to be (HTTP 400 Bad Request)"
    );
}

#[tokio::test]
async fn a_sandbox_whose_creation_was_not_answered_is_found_and_deleted() {
    let daemon = Daemon::new();
    let made = Arc::clone(&daemon);
    // It makes the sandbox, and breaks off.
    let server = daemon
        .serve(move |request, reply| {
            let made = Arc::clone(&made);
            async move {
                if !is_create(&request) {
                    return Ok(Err(reply));
                }
                made.make(request.json());
                reply.reset();
                Ok(Ok(None))
            }
        })
        .await;
    let err = create_fails(&daemon, &server).await;
    assert!(matches!(err, Error::Unreachable { action: "make a sandbox", .. }), "{err:?}");
    assert_eq!(server.lines(), ["POST /api/sandbox", "GET /api/sandbox", "DELETE /api/sandbox/box-0"]);
    let query = &server.requests()[1].query;
    assert!(query.contains("sandpiper-creation"), "{query}");
}

#[tokio::test]
async fn a_sandbox_that_is_made_after_all_is_named_and_deleted() {
    let daemon = Daemon::new();
    let later = Arc::clone(&daemon);
    let server = daemon
        .serve(move |request, reply| {
            let later = Arc::clone(&later);
            async move {
                if !is_create(&request) {
                    return Ok(Err(reply));
                }
                tokio::spawn(async move {
                    // Longer than the caller waits for it.
                    tokio::time::sleep(Duration::from_millis(1500)).await;
                    later.make(request.json());
                });
                reply.reset();
                Ok(Ok(None))
            }
        })
        .await;
    let err = create_fails(&daemon, &server).await;
    let Error::Unreachable { action: "make a sandbox", source, .. } = err else { panic!("{err:?}") };
    let request = server.requests()[0].json();
    let label = format!("sandpiper-creation={}", request["labels"]["sandpiper-creation"].as_str().unwrap());
    assert!(source.to_string().contains(&label), "{source}");
    until(|| is_deleting(&server, "/api/sandbox/box-0")).await;
    until(|| daemon.ids().is_empty()).await;
}

#[tokio::test]
async fn a_sandbox_that_nobody_waits_for_any_more_is_deleted() {
    let daemon = Daemon::new();
    daemon.looks_until_started.store(usize::MAX, Ordering::SeqCst);
    let server = daemon.start().await;
    let daytona = backend(&server.url);
    {
        let mut making = Box::pin(create(&daytona, Spec::default()));
        tokio::select! {
            _ = &mut making => panic!("it never starts"),
            () = until(|| !daemon.ids().is_empty()) => {}
        }
    }
    until(|| daemon.ids().is_empty()).await;
}

/// Whether something was to be deleted whose path begins so.
fn is_deleting(server: &Server, path: &str) -> bool {
    server.lines().iter().any(|line| line.strip_prefix("DELETE ").is_some_and(|of| of.starts_with(path)))
}

#[tokio::test]
async fn a_sandbox_is_deleted_also_where_nobody_waits_for_that() {
    let daemon = Daemon::new();
    let (made, deletes) = (Arc::clone(&daemon), Arc::new(AtomicUsize::new(0)));
    let server = daemon
        .serve(move |request, reply| {
            let (made, deletes) = (Arc::clone(&made), Arc::clone(&deletes));
            async move {
                if is_create(&request) {
                    made.make(request.json());
                    return says(reply, 200, &[], "<html>").await;
                }
                if request.method == "DELETE" && deletes.fetch_add(1, Ordering::SeqCst) == 0 {
                    return says(reply, 409, &[], r#"{"message":"state change in progress"}"#).await;
                }
                Ok(Err(reply))
            }
        })
        .await;
    let daytona = backend(&server.url);
    {
        let mut making = Box::pin(create(&daytona, Spec::default()));
        tokio::select! {
            _ = &mut making => panic!("it does not wait"),
            () = until(|| is_deleting(&server, "/api/sandbox/box-0")) => {}
        }
    }
    until(|| daemon.ids().is_empty()).await;
}

#[tokio::test]
async fn a_fork_is_deleted_also_where_nobody_waits_for_that() {
    let daemon = Daemon::new();
    let server = faulty(
        &daemon,
        |request| request.method == "PUT" || request.line() == "DELETE /api/sandbox/box-1",
        |number, _, reply| async move {
            match number {
                0 => says(reply, 500, &[], r#"{"message":"no labels"}"#).await,
                1 => says(reply, 409, &[], r#"{"message":"state change in progress"}"#).await,
                _ => Ok(Err(reply)),
            }
        },
    )
    .await;
    let sandbox = create(&backend(&server.url), Spec::default()).await.unwrap();
    {
        let mut forking = sandbox.fork();
        tokio::select! {
            _ = &mut forking => panic!("it does not wait"),
            () = until(|| is_deleting(&server, "/api/sandbox/box-1")) => {}
        }
    }
    until(|| daemon.ids() == ["box-0"]).await;
}

#[tokio::test]
async fn a_command_is_ended_also_where_nobody_waits_for_that() {
    let daemon = Daemon::new();
    let server = faulty(
        &daemon,
        |request| request.method == "DELETE" && request.path.starts_with("/toolbox"),
        |number, _, mut reply| async move {
            if number > 0 {
                return Ok(Err(reply));
            }
            reply.client_gone().await;
            Ok(Ok(None))
        },
    )
    .await;
    let sandbox = create(&backend(&server.url), Spec::default()).await.unwrap();
    let (mut events, done, control) = sandbox.spawn(shell("echo up; sleep 7001")).await.unwrap().split();
    let mut done = Box::pin(done);
    tokio::select! {
        _ = &mut done => panic!("it does not wait"),
        () = async {
            events.recv().await.unwrap();
            control.cancel();
            until(|| is_deleting(&server, "/toolbox")).await;
        } => {}
    }
    assert_eq!(daemon.sessions(), 1);
    drop(done);
    until(|| daemon.sessions() == 0).await;
}

#[tokio::test]
async fn a_sandbox_that_never_starts_is_slow_and_deleted() {
    let daemon = Daemon::new();
    daemon.looks_until_started.store(usize::MAX, Ordering::SeqCst);
    let server = daemon.start().await;
    let err = create_fails(&daemon, &server).await;
    assert_eq!(
        err.to_string(),
        "the backend daytona did not answer within 5s when it was to start a sandbox"
    );
}

#[tokio::test]
async fn an_answer_that_is_no_json_leaves_no_sandbox() {
    let daemon = Daemon::new();
    let made = Arc::clone(&daemon);
    let server = daemon
        .serve(move |request, reply| {
            let made = Arc::clone(&made);
            async move {
                if !is_create(&request) {
                    return Ok(Err(reply));
                }
                made.make(request.json());
                says(reply, 200, &[], "<html>").await
            }
        })
        .await;
    let err = create_fails(&daemon, &server).await;
    assert!(matches!(err, Error::Protocol { action: "make a sandbox", .. }), "{err:?}");
}

#[tokio::test]
async fn a_server_that_ignores_the_networks_rules_gets_no_command() {
    let daemon = Daemon::new();
    let server = faulty(&daemon, is_create, |_, request, reply| async move {
        assert_eq!(request.json()["networkBlockAll"], true);
        says(
            reply,
            200,
            &[],
            &json!({"id": "box-9", "state": "started", "toolboxProxyUrl": "http://127.0.0.1:1"}).to_string(),
        )
        .await
    })
    .await;
    let spec = Spec { network: Network::Nothing, ..Spec::default() };
    let err = create(&backend(&server.url), spec).await.map(drop).unwrap_err();
    assert_eq!(
        err.to_string(),
        "the backend daytona cannot make a sandbox: its server has not taken over the network's rules"
    );
    assert_eq!(server.lines(), ["POST /api/sandbox", "DELETE /api/sandbox/box-9"]);
}

async fn followed<F>(
    connection: fn(usize, Request, Reply) -> F,
    limits: Limits,
) -> (Result<(Exit, Vec<u8>), Error>, usize)
where
    F: Future<Output = Before> + Send + 'static,
{
    let (outcome, connections) = outcome_of(connection, limits).await;
    (outcome.map(|outcome| (outcome.exit, outcome.stdout.bytes)), connections)
}

/// Runs a command whose log is what these connections give, and closes the sandbox.
async fn outcome_of<F>(
    connection: fn(usize, Request, Reply) -> F,
    limits: Limits,
) -> (Result<Outcome, Error>, usize)
where
    F: Future<Output = Before> + Send + 'static,
{
    let daemon = Daemon::new();
    let server = faulty(&daemon, is_log, connection).await;
    let sandbox = create(&backend(&server.url), Spec { limits, ..Spec::default() }).await.unwrap();
    let outcome = run(&*sandbox, shell("sleep 7000")).await;
    sandbox.close().await.unwrap();
    assert_eq!(daemon.ids(), Vec::<String>::new());
    let connections = server.requests().iter().filter(|request| is_log(request)).count();
    (outcome, connections)
}

/// Is there, and says no more.
async fn stalls(mut reply: Reply) -> Before {
    const PONG: u8 = 10;
    loop {
        reply.raw(frame(PONG, b"")).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_log_that_breaks_off_behind_the_end_is_waited_for() {
    // The end of the command is known, and nothing of its output.
    let (outcome, connections) = outcome_of(
        |number, request, mut reply| async move {
            if number == 1 {
                // Until the client no longer waits, which is as long as streams may be quiet.
                reply.client_gone().await;
                return Ok(Ok(None));
            }
            let begun = [log(2, "@4000000"), log(2, "#0")].concat();
            let rest = [log(1, &STANDARD.encode("hello\n")), log(1, "."), log(2, ".")].concat();
            reply.raw(accepted(&request)).await?;
            reply.raw(frame(BINARY, &begun)).await?;
            if number == 0 {
                // Not reset, with which what was sent could be lost.
                return Ok(Ok(None));
            }
            reply.raw(frame(BINARY, &rest)).await?;
            stalls(reply).await
        },
        Limits::default(),
    )
    .await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.exit, outcome.stdout.bytes), (Exit::Code { code: 0 }, b"hello\n".to_vec()));
    assert!(!outcome.stdout.cut && !outcome.stderr.cut);
    assert_eq!(connections, 3);
}

#[tokio::test]
async fn a_stream_that_has_no_end_is_cut() {
    let (outcome, connections) = outcome_of(
        |_, request, mut reply| async move {
            reply.raw(accepted(&request)).await?;
            let said = STANDARD.encode("hello\n");
            let begun = [log(2, "@4000000"), log(1, &said), log(2, "#0"), log(2, ".")].concat();
            reply.raw(frame(BINARY, &begun)).await?;
            stalls(reply).await
        },
        Limits::default(),
    )
    .await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.exit, outcome.stdout.bytes), (Exit::Code { code: 0 }, b"hello\n".to_vec()));
    assert!(outcome.stdout.cut && !outcome.stderr.cut);
    assert_eq!(connections, 1);
}

#[tokio::test]
async fn a_stream_that_has_no_end_when_its_command_is_ended_is_cut() {
    let (outcome, _) = outcome_of(
        |_, request, mut reply| async move {
            reply.raw(accepted(&request)).await?;
            reply.raw(frame(BINARY, &[log(2, "@4000000"), log(2, ".")].concat())).await?;
            stalls(reply).await
        },
        Limits { wall: Duration::from_millis(700), ..Limits::default() },
    )
    .await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.exit, outcome.stdout.cut, outcome.stderr.cut), (Exit::Timeout, true, false));
}

#[tokio::test]
async fn a_log_that_breaks_off_goes_on_where_it_was() {
    let (outcome, connections) = followed(
        |number, request, mut reply| async move {
            reply.raw(accepted(&request)).await?;
            // Each connection gives three bytes more, from the beginning.
            let log = hello();
            let end = log.len().min(3 * (number + 1) + 2);
            reply.raw(frame(BINARY, &log[..end])).await?;
            if end == log.len() {
                reply.raw(close(1000)).await?;
            } else {
                reply.reset();
            }
            Ok(Ok(None))
        },
        Limits::default(),
    )
    .await;
    assert_eq!(outcome.unwrap(), (Exit::Code { code: 0 }, b"hello\n".to_vec()));
    assert!(connections > 5, "{connections}");
}

#[tokio::test]
async fn a_log_that_always_breaks_off_is_unreachable() {
    let (outcome, connections) = followed(
        |_, request, mut reply| async move {
            reply.raw(accepted(&request)).await?;
            reply.reset();
            Ok(Ok(None))
        },
        Limits::default(),
    )
    .await;
    assert!(matches!(outcome, Err(Error::Unreachable { action: "follow a command", .. })), "{outcome:?}");
    assert_eq!(connections, 5);
}

#[tokio::test]
async fn a_gateway_that_comes_back_is_waited_for() {
    let (outcome, connections) = followed(
        |number, request, mut reply| async move {
            if number < 2 {
                return says(reply, 502, &[], "bad gateway").await;
            }
            reply.raw(accepted(&request)).await?;
            reply.raw(frame(BINARY, &hello())).await?;
            reply.client_gone().await;
            Ok(Ok(None))
        },
        Limits::default(),
    )
    .await;
    assert_eq!((outcome.unwrap().0, connections), (Exit::Code { code: 0 }, 3));
}

#[tokio::test]
async fn a_log_that_comes_slowly_comes() {
    let (outcome, connections) = followed(
        |_, request, mut reply| async move {
            reply.raw(accepted(&request)).await?;
            for byte in hello() {
                reply.raw(frame(BINARY, &[byte])).await?;
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
            reply.client_gone().await;
            Ok(Ok(None))
        },
        Limits::default(),
    )
    .await;
    assert_eq!((outcome.unwrap(), connections), ((Exit::Code { code: 0 }, b"hello\n".to_vec()), 1));
}

#[tokio::test]
async fn a_silent_log_ends_with_the_wall_limit() {
    let (outcome, _) = followed(
        |_, request, mut reply| async move {
            reply.raw(accepted(&request)).await?;
            reply.client_gone().await;
            Ok(Ok(None))
        },
        Limits { wall: Duration::from_millis(700), ..Limits::default() },
    )
    .await;
    assert_eq!(outcome.unwrap(), (Exit::Timeout, Vec::new()));
}

#[tokio::test]
async fn what_is_no_log_breaks_the_protocol() {
    let (outcome, _) = followed(
        |_, request, mut reply| async move {
            reply.raw(accepted(&request)).await?;
            reply.raw(frame(BINARY, b"\x01\x01\x01not base64!\n")).await?;
            reply.client_gone().await;
            Ok(Ok(None))
        },
        Limits::default(),
    )
    .await;
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "the backend daytona answers what is not understood when it is to follow a command: a line of Stdout is not base64"
    );
    let (outcome, _) = followed(
        |_, request, mut reply| async move {
            reply.raw(accepted(&request)).await?;
            reply.raw([0xff; 64]).await?;
            reply.client_gone().await;
            Ok(Ok(None))
        },
        Limits::default(),
    )
    .await;
    assert!(matches!(outcome, Err(Error::Protocol { action: "follow a command", .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_log_that_ends_before_its_command_is_no_success() {
    let (outcome, connections) = followed(
        |_, request, mut reply| async move {
            reply.raw(accepted(&request)).await?;
            reply.raw(frame(BINARY, &log(2, "@4000000"))).await?;
            reply.raw(close(1000)).await?;
            Ok(Ok(None))
        },
        Limits::default(),
    )
    .await;
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "the backend daytona cannot follow a command: its log has ended before the command"
    );
    assert_eq!(connections, 5);
}

#[tokio::test]
async fn three_hundred_megabytes_of_output_are_cut_at_the_limit() {
    const LINES: usize = (300 << 20) / (48 << 10);
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let limits = Limits { output_bytes: 1 << 20, ..Limits::default() };
    let (outcome, _) = followed(
        |_, request, mut reply| async move {
            reply.raw(accepted(&request)).await?;
            reply.raw(frame(BINARY, &log(2, "@4000000"))).await?;
            let line = log(1, &STANDARD.encode(vec![b'x'; 48 << 10]));
            for _ in 0..LINES {
                reply.raw(frame(BINARY, &line)).await?;
                TAKEN.fetch_add(1, Ordering::SeqCst);
            }
            reply.client_gone().await;
            Ok(Ok(None))
        },
        limits,
    )
    .await;
    let (exit, stdout) = outcome.unwrap();
    assert_eq!((exit, stdout.len()), (Exit::Quota { quota: Quota::Output }, 1 << 20));
    // The server has ended with the sandbox, so that it has written no more.
    let taken = TAKEN.load(Ordering::SeqCst);
    assert!(taken < LINES / 4, "{taken} of {LINES} lines were taken");
}

/// Runs a command of whose input the first line is lost.
async fn without_input(command: &str) -> Result<Outcome, Error> {
    let daemon = Daemon::new();
    let server = faulty(
        &daemon,
        |request| request.path.ends_with("/input"),
        |number, _, reply| async move {
            if number > 0 {
                return Ok(Err(reply));
            }
            reply.reset();
            Ok(Ok(None))
        },
    )
    .await;
    let sandbox = create(&backend(&server.url), Spec::default()).await.unwrap();
    let input = Stdin::Stream(Box::new(io::Cursor::new(b"line\n")));
    let outcome = run(&*sandbox, shell(command).stdin(input)).await;
    until(|| daemon.sessions() == 0).await;
    outcome
}

#[tokio::test]
async fn input_that_is_lost_is_an_error_where_it_is_waited_for() {
    let outcome = without_input("cat").await;
    assert!(matches!(outcome, Err(Error::Unreachable { action: "send input", .. })), "{outcome:?}");
    assert_eq!(without_input("sleep 1; exit 3").await.unwrap().exit, Exit::Code { code: 3 });
}

#[tokio::test]
async fn a_sandbox_that_is_killed_under_a_command_is_gone() {
    let daemon = Daemon::new();
    let server = daemon.start().await;
    let daytona = backend(&server.url);
    let sandbox = create(&daytona, Spec::default()).await.unwrap();
    let (mut events, done, _control) = sandbox.spawn(shell("echo up; sleep 8000")).await.unwrap().split();
    let kill = async {
        events.recv().await.unwrap();
        daemon.sandboxes.lock().unwrap().clear();
        daemon.end_all();
    };
    let (outcome, ()) = tokio::join!(done, kill);
    let err = outcome.unwrap_err();
    assert!(matches!(&err, Error::Gone { reference } if reference.id == "box-0"), "{err}");
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn a_log_that_the_end_of_its_sandbox_has_spoilt_breaks_no_protocol() {
    let daemon = Daemon::new();
    let ending = Arc::clone(&daemon);
    let server = faulty(&daemon, is_log, move |_, request, mut reply| {
        let ending = Arc::clone(&ending);
        async move {
            reply.raw(accepted(&request)).await?;
            ending.sandboxes.lock().unwrap().clear();
            reply.raw(frame(BINARY, &log(2, "the sandbox was closed"))).await?;
            reply.client_gone().await;
            Ok(Ok(None))
        }
    })
    .await;
    let sandbox = create(&backend(&server.url), Spec::default()).await.unwrap();
    let err = run(&*sandbox, shell("sleep 7000")).await.unwrap_err();
    assert!(matches!(&err, Error::Gone { reference } if reference.id == "box-0"), "{err}");
}

#[tokio::test]
async fn a_session_that_is_not_made_is_what_the_backend_says() {
    let daemon = Daemon::new();
    let server = faulty(
        &daemon,
        |request| request.path.ends_with("/process/session"),
        |_, _, reply| async { says(reply, 404, &[], r#"{"message":"no sessions here"}"#).await },
    )
    .await;
    let sandbox = create(&backend(&server.url), Spec::default()).await.unwrap();
    let err = run(&*sandbox, shell("true")).await.unwrap_err();
    assert_eq!(
        err.to_string(),
        "the backend daytona cannot run a command: no sessions here (HTTP 404 Not Found)"
    );
}

#[tokio::test]
async fn files_that_come_cut_are_no_content() {
    let daemon = Daemon::new();
    let server = faulty(
        &daemon,
        |request| request.path.ends_with("/bulk-download"),
        |number, _, mut reply| async move {
            let kind = [("content-type", "multipart/form-data; boundary=B")];
            let body = "--B\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n12345";
            if number == 0 {
                return says(reply, 200, &kind, body).await;
            }
            // The body is shorter than its own length.
            reply
                .raw(format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-length: 1000\r\n\r\n{body}",
                    kind[0].1
                ))
                .await?;
            Ok(Ok(None))
        },
    )
    .await;
    let sandbox = create(&backend(&server.url), Spec::default()).await.unwrap();
    let err = sandbox.files().read("/etc/passwd", 1 << 20).await.unwrap_err();
    let FileErrorKind::Backend(what) = err.kind else { panic!("{err}") };
    assert!(what.ends_with("a form is broken: it ends before its last boundary"), "{what}");
    let err = sandbox.files().read("/etc/passwd", 1 << 20).await.unwrap_err();
    assert!(matches!(err.kind, FileErrorKind::Unreachable(_)), "{err}");
    sandbox.close().await.unwrap();
    assert_eq!(daemon.ids(), Vec::<String>::new());
}

#[tokio::test]
async fn an_archive_that_comes_cut_is_none() {
    let daemon = Daemon::new();
    let server = faulty(
        &daemon,
        |request| request.path.ends_with("/bulk-download"),
        |number, _, reply| async move {
            let kind = [("content-type", "multipart/form-data; boundary=B")];
            let head = "--B\r\nContent-Disposition: form-data; name=\"file\"\r\n";
            // Of its content one has too little by its own length, and one has no end.
            let body = match number {
                0 => format!("{head}Content-Length: 10240\r\n\r\n12345\r\n--B--\r\n"),
                _ => format!("{head}\r\n12345"),
            };
            says(reply, 200, &kind, &body).await
        },
    )
    .await;
    let sandbox = create(&backend(&server.url), Spec::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "content").unwrap();
    for _ in 0..2 {
        let err = sandbox.download(folder.path().to_str().unwrap(), 1 << 20).await.unwrap_err();
        let Error::File(FileError { kind: FileErrorKind::Backend(what), .. }) = err else {
            panic!("{err:?}")
        };
        assert!(what.ends_with("a form is broken: it ends before its last boundary"), "{what}");
    }
    let requests = server.requests();
    let downloads = requests.iter().filter(|request| request.path.ends_with("/bulk-download"));
    let staged: Vec<_> =
        downloads.map(|request| request.json()["paths"][0].as_str().unwrap().to_owned()).collect();
    assert_eq!(staged.len(), 2);
    assert!(
        staged.iter().all(|path| path.starts_with("/tmp/.sandpiper-") && !std::fs::exists(path).unwrap()),
        "{staged:?}"
    );
}

#[tokio::test]
async fn deleting_waits_for_a_sandbox_that_changes() {
    let daemon = Daemon::new();
    let server = faulty(
        &daemon,
        |request| request.method == "DELETE",
        |number, _, reply| async move {
            if number > 1 {
                Ok(Err(reply))
            } else {
                says(reply, 409, &[], r#"{"message":"state change in progress"}"#).await
            }
        },
    )
    .await;
    let sandbox = create(&backend(&server.url), Spec::default()).await.unwrap();
    sandbox.close().await.unwrap();
    assert_eq!(daemon.ids(), Vec::<String>::new());
}
