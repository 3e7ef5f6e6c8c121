//! What becomes of a daemon's failures: a scripted one, whose every answer a test decides.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sandpiper_core::{
    Backend, Error, Exit, FileErrorKind, Image, Limits, Quota, Refusal, Sandbox, Spec, admit,
};
use sandpiper_remote::docker::{Docker, DockerConfig};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::daemon::{admitted, is_gone, output, run, sandbox, sh};
use crate::server::{Reply, Request, Server};

const CONTAINER: &str = "0123456789abcdef";
const UPGRADED: &str = "HTTP/1.1 101 UPGRADED\r\nconnection: Upgrade\r\nupgrade: tcp\r\n\r\n";

type Answered = io::Result<Option<Reply>>;

/// A piece of a stream, framed as the daemon frames it: 1 for standard output, 2 for standard error.
fn frame(stream: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[stream, 0, 0, 0], &length[..], bytes].concat()
}

async fn says(mut reply: Reply, status: u16, message: &str) -> Answered {
    reply.json(status, json!({ "message": message })).await?;
    Ok(Some(reply))
}

/// What a daemon answers for which all is well: each process says that it is the twelfth, prints `hi` and ends.
async fn well(request: Request, mut reply: Reply) -> Answered {
    let path = request.path.clone();
    let parts: Vec<_> = path.split('/').skip(1).collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["containers", "create"]) => {
            reply.json(201, json!({ "Id": CONTAINER, "Warnings": [] })).await?;
        }
        ("POST", ["containers", CONTAINER, "exec"]) => {
            // The number of a process tells what it runs, and the mark of its end.
            let command = request.json()["Cmd"].clone();
            let id = if command[2].as_str().unwrap().contains("sandpiper_found") {
                format!("command-{}", command[4].as_str().unwrap())
            } else {
                "script".to_owned()
            };
            reply.json(201, json!({ "Id": id })).await?;
        }
        ("POST", ["exec", id, "start"]) if id.starts_with("command-") => {
            let said = [frame(1, b"12 13 found\nhi\n"), frame(2, b"oh\n"), ended(mark(id), 3)];
            reply.raw([UPGRADED.as_bytes(), &said.concat()].concat()).await?;
            return Ok(None);
        }
        ("POST", ["exec", _, "start"]) => {
            reply.raw([UPGRADED.as_bytes(), &frame(1, b"\x1eend")].concat()).await?;
            return Ok(None);
        }
        ("GET", ["exec", id, "json"]) => {
            let code = if id.starts_with("command-") { 3 } else { 0 };
            reply.json(200, json!({ "ID": id, "Running": false, "ExitCode": code })).await?;
        }
        ("GET", ["containers", CONTAINER, "json"]) => {
            reply
                .json(200, json!({ "Id": CONTAINER, "State": { "Running": true, "Paused": false } }))
                .await?;
        }
        ("GET", ["containers", "json"]) => reply.json(200, json!([])).await?,
        ("POST", ["containers", CONTAINER, _]) | ("DELETE", ["containers", CONTAINER]) => {
            reply.send(204, &[], b"").await?;
        }
        _ => return says(reply, 501, &format!("not scripted: {} {path}", request.method)).await,
    }
    Ok(Some(reply))
}

/// The mark that is in the number of a command, or in the path of a request about it.
fn mark(of: &str) -> &str {
    of.split_once("command-").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default())
}

/// What the shell of a command says on both streams at its end.
fn ended(mark: &str, code: u8) -> Vec<u8> {
    let said = format!("\x1e{mark} {code}\n");
    [frame(1, said.as_bytes()), frame(2, said.as_bytes())].concat()
}

/// The first line of a request, with `command` for the number of a command.
fn line_of(request: &Request) -> String {
    let line = request.line();
    match mark(&line) {
        "" => line,
        mark => line.replace(&format!("-{mark}"), ""),
    }
}

/// A daemon for which all is well but the requests with this first line, and a backend on it.
async fn but<F>(
    line: &'static str,
    answer: impl Fn(Reply, String) -> F + Send + Sync + 'static,
) -> (Server, Docker)
where
    F: Future<Output = Answered> + Send + 'static,
{
    let answer = Arc::new(answer);
    let server = Server::start(move |request, reply| {
        let answer = Arc::clone(&answer);
        async move {
            if line_of(&request) == line {
                answer(reply, mark(&request.path).to_owned()).await
            } else {
                well(request, reply).await
            }
        }
    })
    .await;
    let docker = backend(&server.url, |_| {});
    (server, docker)
}

fn backend(url: &str, change: impl FnOnce(&mut DockerConfig)) -> Docker {
    let host = Some(url.replace("http://", "tcp://"));
    let timeout = Duration::from_millis(400);
    let mut config = DockerConfig { host, timeout, ..DockerConfig::new("debian:12") };
    change(&mut config);
    Docker::new(config).unwrap()
}

async fn create(docker: &Docker) -> Result<Box<dyn Sandbox>, Error> {
    docker.create(admitted(docker, Spec::default())).await
}

async fn refused(docker: &Docker) -> Error {
    create(docker).await.map(drop).unwrap_err()
}

/// A sandbox that is not removed when it is dropped, so that what a test looks at is what it did.
async fn command(docker: &Docker) -> Result<sandpiper_core::Outcome, Error> {
    let sandbox = sandbox(docker, Spec::default()).await;
    let outcome = run(&*sandbox, sh("true")).await;
    sandbox.detach().unwrap();
    outcome
}

const CREATE: &str = "POST /containers/create";
const STREAMS: &str = "POST /exec/command/start";

#[tokio::test]
async fn a_run_is_these_requests() {
    let (server, _) = but("", |_, _| async { Ok(None) }).await;
    let docker = backend(&server.url, |config| {
        config.cpus = 1.5;
        config.ports = vec![80];
    });
    let metadata = [("task".to_owned(), "7".to_owned())].into();
    let limits = Limits { memory_bytes: 64 << 20, processes: 10, tmp_bytes: 1 << 20, ..Limits::default() };
    let env = vec![("A".to_owned(), "1".to_owned())];
    let lifetime = Some(Duration::from_mins(2));
    let spec = Spec { metadata, limits: limits.clone(), env, lifetime, ..Spec::default() };
    let sandbox = sandbox(&docker, spec).await;
    let outcome = run(&*sandbox, sh("x").env("B", "2").cwd("/tmp")).await.unwrap();
    assert_eq!(outcome.exit, Exit::Code { code: 3 });
    assert_eq!(
        (outcome.stdout.bytes.as_slice(), outcome.stderr.bytes.as_slice()),
        (&b"hi\n"[..], &b"oh\n"[..])
    );
    sandbox.close().await.unwrap();
    assert_eq!(
        server.requests().iter().map(line_of).collect::<Vec<_>>(),
        [
            CREATE,
            "POST /containers/0123456789abcdef/start",
            "POST /containers/0123456789abcdef/exec",
            "POST /exec/script/start",
            "GET /exec/script/json",
            "POST /containers/0123456789abcdef/exec",
            STREAMS,
            "DELETE /containers/0123456789abcdef",
        ]
    );
    let requests = server.requests();
    let mut body = requests[0].json();
    let keeper = body["Entrypoint"].take();
    assert_eq!((&keeper[0], &keeper[1], &keeper[4]), (&json!("/bin/sh"), &json!("-c"), &json!("120")));
    let creation = body["Labels"]["sandpiper.sandbox"].take();
    let creation = creation.as_str().unwrap();
    assert!(requests[0].query.contains(&format!("name=sandpiper-{creation}-")), "{}", requests[0].query);
    let expected = json!({
        "Hostname": "sandpiper",
        "User": "0:0",
        "ExposedPorts": {},
        "Env": ["HOME=/home/user"],
        "Cmd": [],
        "Healthcheck": { "Test": ["NONE"] },
        "Image": "debian:12",
        "WorkingDir": "/",
        "Entrypoint": null,
        "Labels": {
            "sandpiper.sandbox": null,
            "sandpiper.limits": serde_json::to_string(&limits).unwrap(),
            "sandpiper.environment": r#"[["A","1"]]"#,
            "sandpiper.metadata.task": "7",
        },
        "StopSignal": "SIGKILL",
        "HostConfig": {
            "Memory": 64 << 20,
            "MemorySwap": 64 << 20,
            "NanoCpus": 1_500_000_000,
            "Init": true,
            "PidsLimit": 15,
            "Ulimits": [
                { "Name": "nofile", "Soft": 1024, "Hard": 1024 },
                { "Name": "core", "Soft": 0, "Hard": 0 },
            ],
            "LogConfig": { "Type": "none" },
            "NetworkMode": "none",
            "PortBindings": {},
            "AutoRemove": true,
            "Mounts": [
                { "Target": "/workspace", "Type": "volume" },
                { "Target": "/home/user", "Type": "volume" },
            ],
            "CapDrop": ["ALL"],
            "IpcMode": "private",
            "ReadonlyRootfs": true,
            "SecurityOpt": ["no-new-privileges:true"],
            "Tmpfs": {
                "/tmp": "mode=1777,exec,size=1048576,nr_inodes=100000",
                "/run/sandpiper": "mode=0700,size=64k,nr_inodes=16",
            },
        },
    });
    assert_eq!(body, expected);
    let mut command = requests[5].json();
    let own = command["Cmd"].take();
    assert_eq!(own.as_array().unwrap()[5..], [json!("/tmp"), json!("sh"), json!("-c"), json!("x")]);
    let expected = json!({
        "AttachStdin": false, "AttachStdout": true, "AttachStderr": true, "Tty": false, "User": "1000:1000",
        "Env": ["A=1", "B=2"], "WorkingDir": "/", "Cmd": null,
    });
    assert_eq!(command, expected);
    assert_eq!(requests[7].query.split('&').filter(|part| part.ends_with("=true")).count(), 2);
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_unreachable_and_nothing_is_looked_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let err = refused(&backend(&url, |_| {})).await;
    assert!(matches!(&err, Error::Unreachable { action: "make a sandbox", .. }), "{err:?}");
    let health = backend(&url, |_| {}).health().await.unwrap_err();
    assert!(matches!(&health, Error::Unreachable { action: "say how it is", .. }), "{health:?}");
}

#[tokio::test]
async fn what_a_daemon_refuses_is_told_in_its_words() {
    for (status, expected) in [
        (400, "the backend docker cannot make a sandbox: Minimum memory limit allowed is 6MB"),
        (403, "the backend docker refuses the credentials: Minimum memory limit allowed is 6MB"),
        (429, "the backend docker is asked too often to make a sandbox: Minimum memory limit allowed is 6MB"),
        (401, "the backend docker refuses the credentials: Minimum memory limit allowed is 6MB"),
        (409, "the backend docker cannot make a sandbox: Minimum memory limit allowed is 6MB"),
        (500, "the backend docker cannot make a sandbox: Minimum memory limit allowed is 6MB"),
    ] {
        let answer = move |reply, _| says(reply, status, "Minimum memory limit allowed is 6MB");
        let (server, docker) = but(CREATE, answer).await;
        assert_eq!(refused(&docker).await.to_string(), expected);
        // What fails halfway may have left something; what is refused has not.
        let looked = server.lines().iter().filter(|line| *line == "GET /containers/json").count();
        assert_eq!(looked, usize::from(status >= 500));
    }
    let (_server, docker) = but(CREATE, |reply, _| says(reply, 404, "No such image: debian:12")).await;
    let err = refused(&docker).await;
    assert!(matches!(&err, Error::Image { image, source: Some(_), .. } if image == "debian:12"), "{err:?}");
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_breach_of_protocol() {
    for body in ["", "{\"Id\":7}"] {
        let answer = move |mut reply: Reply, _| async move {
            reply.send(201, &[], body.as_bytes()).await?;
            Ok(Some(reply))
        };
        let (_server, docker) = but(CREATE, answer).await;
        let err = refused(&docker).await;
        assert!(matches!(&err, Error::Protocol { action: "make a sandbox", .. }), "{body}: {err:?}");
    }
}

/// A daemon that makes a container and then does not say so, and how often it was removed.
async fn loses(
    answer: fn(Reply) -> std::pin::Pin<Box<dyn Future<Output = Answered> + Send>>,
) -> (Server, Docker) {
    let made: Arc<AtomicUsize> = Arc::default();
    let server = Server::start(move |request, mut reply| {
        let made = Arc::clone(&made);
        async move {
            match request.line().as_str() {
                CREATE => {
                    made.store(1, Ordering::SeqCst);
                    answer(reply).await
                }
                "GET /containers/json" => {
                    let found = (0..made.load(Ordering::SeqCst)).map(|_| json!({ "Id": CONTAINER }));
                    reply.json(200, Value::Array(found.collect())).await?;
                    Ok(Some(reply))
                }
                _ => well(request, reply).await,
            }
        }
    })
    .await;
    let docker = backend(&server.url, |_| {});
    (server, docker)
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_found_by_its_label_and_removed() {
    let reset = |reply: Reply| -> std::pin::Pin<Box<dyn Future<Output = Answered> + Send>> {
        reply.reset();
        Box::pin(async { Ok(None) })
    };
    let (server, docker) = loses(reset).await;
    let err = refused(&docker).await;
    assert!(matches!(&err, Error::Unreachable { action: "make a sandbox", .. }), "{err:?}");
    let lines = server.lines();
    assert_eq!(lines[1..], ["GET /containers/json", "DELETE /containers/0123456789abcdef"]);
    let requests = server.requests();
    let label = requests[0].json()["Labels"]["sandpiper.sandbox"].as_str().unwrap().to_owned();
    assert!(requests[1].query.contains(&label), "{}", requests[1].query);

    let silent = |mut reply: Reply| -> std::pin::Pin<Box<dyn Future<Output = Answered> + Send>> {
        Box::pin(async move {
            reply.client_gone().await;
            Ok(None)
        })
    };
    let (server, docker) = loses(silent).await;
    let err = refused(&docker).await;
    let after = Duration::from_millis(400);
    assert!(
        matches!(&err, Error::Slow { action: "make a sandbox", after: told, .. } if *told == after),
        "{err:?}"
    );
    assert_eq!(server.lines()[1..], ["GET /containers/json", "DELETE /containers/0123456789abcdef"]);
}

#[tokio::test]
async fn a_creation_behind_a_proxy_that_gives_up_is_looked_for() {
    for status in [502, 503, 504] {
        let answer = move |reply, _| says(reply, status, "Bad Gateway");
        let (server, docker) = but(CREATE, answer).await;
        let err = refused(&docker).await;
        assert!(matches!(&err, Error::Unreachable { action: "make a sandbox", .. }), "{err:?}");
        let looked = server.lines().iter().filter(|line| *line == "GET /containers/json").count();
        assert!(looked >= 5, "{looked}");
    }
}

#[tokio::test]
async fn a_sandbox_that_does_not_start_is_removed() {
    let line = "POST /containers/0123456789abcdef/start";
    let (server, docker) = but(line, |reply, _| says(reply, 500, "no space left on device")).await;
    assert_eq!(
        refused(&docker).await.to_string(),
        "the backend docker cannot make a sandbox: no space left on device"
    );
    assert_eq!(server.lines()[1..], [line, "DELETE /containers/0123456789abcdef"]);
}

/// A daemon that answers the start of a command with these bytes, waits for a word where `then` is to reset, and ends.
async fn streams(bytes: Vec<u8>) -> (Server, Docker) {
    but(STREAMS, move |mut reply, _| {
        let bytes = [UPGRADED.as_bytes(), &bytes].concat();
        async move {
            reply.raw(bytes).await?;
            Ok(None)
        }
    })
    .await
}

#[tokio::test]
async fn a_stream_that_is_not_framed_is_a_breach_of_protocol_and_the_command_is_ended() {
    let begun = frame(1, b"12 13 found\n");
    let cases = [
        [begun.clone(), b"plain text".to_vec()].concat(),
        // Cut within a frame, and within the head of one.
        [begun.clone(), frame(1, b"whole"), frame(1, b"cut off")[..10].to_vec()].concat(),
        [begun.clone(), vec![1, 0, 0, 0]].concat(),
        [begun.clone(), frame(3, b"the daemon's own")].concat(),
        [begun, frame(0, b"standard input")].concat(),
    ];
    for bytes in cases {
        let (server, docker) = streams(bytes.clone()).await;
        let err = command(&docker).await.unwrap_err();
        let named = matches!(&err, Error::Protocol { action: "run a command", what, .. } if what.starts_with("a piece of no stream"));
        assert!(named, "{bytes:?}: {err:?}");
        // The command is ended though its streams are lost.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        while !server
            .requests()
            .iter()
            .any(|request| String::from_utf8_lossy(&request.body).contains("Ends all processes"))
        {
            assert!(tokio::time::Instant::now() < deadline);
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_start_that_says_nothing_is_a_breach_of_protocol() {
    for (bytes, expected) in [
        (Vec::new(), "its shell ends with 3 and says nothing"),
        (frame(1, b"12 13 perhaps\n"), "the first line \"12 13 perhaps\""),
        (frame(1, &[b'1'; 100]), "a first line without an end"),
        (
            b"OCI runtime exec failed: no /bin/sh\r\n".to_vec(),
            "a piece of no stream: \"OCI runtime exec failed: no /bin/sh\"",
        ),
    ] {
        let (_server, docker) = streams(bytes).await;
        let err = command(&docker).await.unwrap_err();
        assert!(
            matches!(&err, Error::Protocol { action: "run a command", what, .. } if what == expected),
            "{err:?}"
        );
    }
}

#[tokio::test]
async fn output_that_comes_slowly_comes() {
    let (_server, docker) = but(STREAMS, |mut reply, mark| async move {
        reply.raw([UPGRADED.as_bytes(), &frame(1, b"12 13 found\n")].concat()).await?;
        // Twice as long as the daemon has for an answer.
        for byte in [frame(1, b"drop by drop"), frame(2, b"e"), ended(&mark, 3)].concat() {
            reply.raw([byte]).await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(None)
    })
    .await;
    let outcome = command(&docker).await.unwrap();
    assert_eq!(outcome.exit, Exit::Code { code: 3 });
    assert_eq!((outcome.stdout.bytes, outcome.stderr.bytes), (b"drop by drop".to_vec(), b"e".to_vec()));
}

#[tokio::test]
async fn a_command_that_is_silent_ends_with_the_wall_limit() {
    let (_server, docker) = but(STREAMS, |mut reply, _| async move {
        reply.raw([UPGRADED.as_bytes(), &frame(1, b"12 13 found\n")].concat()).await?;
        // Its input has ended by now, and so a client that is gone is not told from one that listens.
        tokio::time::sleep(Duration::from_secs(10)).await;
        Ok(None)
    })
    .await;
    let limits = Limits { wall: Duration::from_millis(700), ..Limits::default() };
    let sandbox = sandbox(&docker, Spec { limits, ..Spec::default() }).await;
    assert_eq!(run(&*sandbox, sh("x")).await.unwrap().exit, Exit::Timeout);
    sandbox.detach().unwrap();
}

#[tokio::test]
async fn three_hundred_megabytes_of_output_are_cut_at_the_limit() {
    const PIECES: usize = (300 << 20) / (48 << 10);
    let sent: Arc<AtomicUsize> = Arc::default();
    let count = Arc::clone(&sent);
    let (_server, docker) = but(STREAMS, move |mut reply, _| {
        let count = Arc::clone(&count);
        async move {
            reply.raw([UPGRADED.as_bytes(), &frame(1, b"12 13 found\n")].concat()).await?;
            let piece = frame(1, &vec![b'x'; 48 << 10]);
            for _ in 0..PIECES {
                reply.raw(&piece).await?;
                count.fetch_add(1, Ordering::SeqCst);
            }
            Ok(None)
        }
    })
    .await;
    let limits = Limits { output_bytes: 1 << 20, ..Limits::default() };
    let sandbox = sandbox(&docker, Spec { limits, ..Spec::default() }).await;
    let outcome = run(&*sandbox, sh("x")).await.unwrap();
    assert_eq!(outcome.exit, Exit::Quota { quota: Quota::Output });
    assert_eq!(outcome.stdout.bytes.len(), 1 << 20);
    assert!(outcome.stdout.cut);
    assert!(sent.load(Ordering::SeqCst) < PIECES / 2, "{sent:?} of {PIECES}");
    sandbox.detach().unwrap();
}

#[tokio::test]
async fn content_that_is_cut_off_is_none() {
    // The sandbox is made ready by a script whose answer is whole.
    let count: Arc<AtomicUsize> = Arc::default();
    let (_server, docker) = but("POST /exec/script/start", move |mut reply, _| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            let said: &[u8] = if first { b"\x1eend" } else { b"the first part\x1een" };
            reply.raw([UPGRADED.as_bytes(), &frame(1, said)].concat()).await?;
            Ok(None)
        }
    })
    .await;
    let sandbox = sandbox(&docker, Spec::default()).await;
    let err = sandbox.download("/workspace", 1 << 20).await.unwrap_err();
    assert!(matches!(&err, Error::Unreachable { action: "pack an archive", .. }), "{err:?}");
    let err = sandbox.files().read("/etc/passwd", 1 << 20).await.unwrap_err();
    assert!(matches!(&err.kind, FileErrorKind::Unreachable(_)), "{err:?}");
    sandbox.detach().unwrap();
}

#[tokio::test]
async fn a_stream_that_is_reset_is_a_loss_and_no_end() {
    let taken = Arc::new(Notify::new());
    let seen = Arc::clone(&taken);
    let (_server, docker) = but(STREAMS, move |mut reply, _| {
        let seen = Arc::clone(&seen);
        async move {
            reply.raw([UPGRADED.as_bytes(), &frame(1, b"12 13 found\nfirst\n")].concat()).await?;
            seen.notified().await;
            reply.reset();
            Ok(None)
        }
    })
    .await;
    let sandbox = sandbox(&docker, Spec::default()).await;
    let (mut events, done, _control) = sandbox.spawn(sh("x")).await.unwrap().split();
    let watch = async {
        assert_eq!(output(events.recv().await.unwrap()).1, b"first\n");
        taken.notify_one();
        assert_eq!(events.recv().await, None);
    };
    let (outcome, ()) = tokio::join!(done, watch);
    let err = outcome.unwrap_err();
    assert!(matches!(&err, Error::Unreachable { action: "run a command", .. }), "{err:?}");
    sandbox.close().await.unwrap();
}

/// A daemon whose command writes this, without the marks of its end, and is then as `inspected`.
async fn unmarked(bytes: Vec<u8>, inspected: Value) -> (Server, Docker) {
    let server = Server::start(move |request, mut reply| {
        let (bytes, inspected) = (bytes.clone(), inspected.clone());
        async move {
            match line_of(&request).as_str() {
                STREAMS => {
                    let begun = frame(1, b"12 13 found\n");
                    reply.raw([UPGRADED.as_bytes(), &begun, &bytes].concat()).await?;
                    Ok(None)
                }
                INSPECT => {
                    reply.json(200, inspected).await?;
                    Ok(Some(reply))
                }
                _ => well(request, reply).await,
            }
        }
    })
    .await;
    let docker = backend(&server.url, |_| {});
    (server, docker)
}

const INSPECT: &str = "GET /exec/command/json";

#[tokio::test]
async fn streams_that_end_before_their_command_are_a_loss() {
    let (_server, docker) = unmarked(Vec::new(), json!({ "Running": true, "ExitCode": null })).await;
    let err = command(&docker).await.unwrap_err();
    assert!(
        matches!(&err, Error::Unreachable { source, .. } if source.to_string().contains("before the process")),
        "{err:?}"
    );
}

#[tokio::test]
async fn streams_that_end_without_their_marks_are_a_loss_though_the_command_has_ended() {
    let one_mark = frame(1, b"\x1eno mark of this command 0\n");
    for said in [Vec::new(), frame(1, b"whole frames"), one_mark] {
        let (server, docker) = unmarked(said, json!({ "Running": false, "ExitCode": 0 })).await;
        let err = command(&docker).await.unwrap_err();
        assert!(
            matches!(&err, Error::Unreachable { source, .. } if source.to_string().contains("before its end")),
            "{err:?}"
        );
        let ends = |request: &Request| String::from_utf8_lossy(&request.body).contains("Ends all processes");
        assert!(server.requests().iter().any(ends));
    }
}

#[tokio::test]
async fn a_command_that_has_killed_the_shell_that_waits_for_it_ends_by_that_signal_and_its_output_is_cut() {
    let said = [frame(1, b"last words\x1e"), frame(2, b"oh")].concat();
    let (_server, docker) = unmarked(said, json!({ "Running": false, "ExitCode": 143 })).await;
    let outcome = command(&docker).await.unwrap();
    assert_eq!(outcome.exit, Exit::Signal { signal: 15 });
    assert_eq!(outcome.stdout.bytes, b"last words\x1e");
    assert!(outcome.stdout.cut && outcome.stderr.cut);
}

#[tokio::test]
async fn a_command_whose_start_is_not_answered_is_found_by_its_mark_and_ended() {
    let server = Server::start(|request, mut reply| async move {
        match line_of(&request).as_str() {
            STREAMS => {
                reply.reset();
                Ok(None)
            }
            "POST /exec/script/start" => {
                let found = b"/proc/12/cmdline\n\x1eend";
                reply.raw([UPGRADED.as_bytes(), &frame(1, found)].concat()).await?;
                Ok(None)
            }
            _ => well(request, reply).await,
        }
    })
    .await;
    let docker = backend(&server.url, |_| {});
    let err = command(&docker).await.unwrap_err();
    assert!(matches!(&err, Error::Unreachable { action: "run a command", .. }), "{err:?}");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    let is_ended = |request: &Request| {
        request.path.ends_with("/exec")
            && request.json()["Cmd"][2].as_str().unwrap().starts_with("# Ends all processes")
            && request.json()["Cmd"][4] == "12"
    };
    while !server.requests().iter().any(is_ended) {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", server.lines());
        tokio::task::yield_now().await;
    }
    // Who looks does not find itself.
    let requests = server.requests();
    let commands: Vec<_> =
        requests.iter().filter(|request| request.path.ends_with("/exec")).map(Request::json).collect();
    let mark = commands.iter().find_map(|command| {
        let is_command = command["Cmd"][2].as_str()?.contains("sandpiper_found");
        is_command.then(|| command["Cmd"][4].as_str().unwrap().to_owned())
    });
    let mark = mark.unwrap();
    let named = commands.iter().filter(|command| command["Cmd"].to_string().contains(&mark)).count();
    assert_eq!((mark.len(), named), (32, 1));
}

#[tokio::test]
async fn a_sandbox_that_is_gone_is_told_wherever_that_is_found() {
    for (line, status) in [("POST /containers/0123456789abcdef/exec", 404), ("POST /exec/command/start", 404)]
    {
        let count: Arc<AtomicUsize> = Arc::default();
        let server = Server::start(move |request, reply| {
            let count = Arc::clone(&count);
            async move {
                let is_it = line_of(&request) == line;
                // The first process prepares the sandbox.
                let first = is_it && line.ends_with("/exec") && count.fetch_add(1, Ordering::SeqCst) == 0;
                if is_it && !first {
                    says(reply, status, "No such container").await
                } else {
                    well(request, reply).await
                }
            }
        })
        .await;
        let docker = backend(&server.url, |_| {});
        let sandbox = sandbox(&docker, Spec::default()).await;
        let reference = sandbox.reference();
        is_gone(&reference, run(&*sandbox, sh("x")).await);
        sandbox.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_removal_that_is_under_way_is_waited_for() {
    let (_server, docker) = but("DELETE /containers/0123456789abcdef", |reply, _| {
        says(reply, 409, "removal of container 0123456789abcdef is already in progress")
    })
    .await;
    let sandbox = sandbox(&docker, Spec::default()).await;
    // It stays: the time for an answer is over first, and that is told.
    let closed = tokio::time::timeout(Duration::from_secs(1), sandbox.close()).await;
    assert!(closed.is_err());
    sandbox.detach().unwrap();
}

#[tokio::test]
async fn what_cannot_be_enforced_is_refused_before_anything_is_asked() {
    let (server, docker) = but("", |_, _| async { Ok(None) }).await;
    let capabilities = docker.capabilities(&Image::default());
    assert_eq!((capabilities.mounts, capabilities.ports), (false, false), "the daemon may be anywhere");
    let refuses = |change: fn(&mut Spec)| {
        let mut spec = Spec::default();
        change(&mut spec);
        match admit(spec, docker.name(), capabilities) {
            Err(Refusal::NotEnforced { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refuses(|spec| spec.seed = Some(1)), "seed");
    assert_eq!(refuses(|spec| spec.limits.fuel = 1), "fuel");
    assert_eq!(
        refuses(|spec| spec.network = sandpiper_core::Network::Rules { allow: Vec::new(), deny: Vec::new() }),
        "network"
    );
    assert_eq!(refuses(|spec| spec.image = Image::File("x.wasm".into())), "image");
    let variable = Spec { env: vec![("a-b".to_owned(), String::new())], ..Spec::default() };
    let err = docker.create(admitted(&docker, variable)).await.map(drop).unwrap_err();
    assert_eq!(err.to_string(), "the backend docker passes no variable `a-b`: its shell drops it");
    assert_eq!(server.lines(), Vec::<String>::new());
}
