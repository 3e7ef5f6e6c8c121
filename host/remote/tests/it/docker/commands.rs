//! Commands in a container of a real daemon.

use std::time::{Duration, Instant};

use sandpiper_core::{Error, Exec, Exit, Limits, Quota, Refusal, Sandbox, Spec, Stdin, Stream};

use super::daemon::{daemon, output, printed, run, sandbox, sh};

fn limited(change: impl FnOnce(&mut Limits)) -> Spec {
    let mut spec = Spec::default();
    change(&mut spec.limits);
    spec
}

#[tokio::test]
async fn streams_are_kept_apart_and_exit_codes_pass_through() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    let outcome = run(&*sandbox, sh("echo out; echo err >&2; exit 3")).await.unwrap();
    assert_eq!(outcome.exit, Exit::Code { code: 3 });
    assert_eq!(
        (outcome.stdout.bytes.as_slice(), outcome.stderr.bytes.as_slice()),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert_eq!(outcome.usage.bytes_written, 8);
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn arguments_variables_and_the_directory_arrive_as_they_are() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let spec = Spec {
        env: vec![("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())],
        ..Spec::default()
    };
    let sandbox = sandbox(&docker, spec).await;
    let exec = Exec::new([
        "sh",
        "-c",
        r#"printf '%s|' "$@" "$A" "$B" "$PWD" "$HOME""#,
        "x",
        "",
        "a b",
        "*",
        "'\"\n$A",
        "-n",
    ])
    .env("B", "3")
    .env("B", "4 5")
    .cwd("/tmp");
    let outcome = run(&*sandbox, exec).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&outcome.stdout.bytes), "|a b|*|'\"\n$A|-n|1|4 5|/tmp|/home/user|");
    assert_eq!(printed(&*sandbox, "pwd").await, "/workspace\n");
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn standard_input_is_given_and_ended() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let exec = sh("sha256sum").stdin(Stdin::bytes(bytes.clone()));
    let sum = run(&*sandbox, exec).await.unwrap();
    let exec = sh("sha256sum").stdin(Stdin::Stream(Box::new(std::io::Cursor::new(bytes.clone()))));
    let streamed = run(&*sandbox, exec).await.unwrap();
    assert_eq!(sum.stdout, streamed.stdout);
    let echoed = run(&*sandbox, sh("cat").stdin(Stdin::bytes(bytes.clone()))).await.unwrap();
    assert!(echoed.stdout.bytes == bytes);
    let nothing = run(&*sandbox, sh("cat; echo end")).await.unwrap();
    assert_eq!(nothing.stdout.bytes, b"end\n");
    // One that reads nothing of it ends all the same.
    let unread = run(&*sandbox, sh("exit 4").stdin(Stdin::bytes(bytes))).await.unwrap();
    assert_eq!(unread.exit, Exit::Code { code: 4 });
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn what_is_no_command_is_told_apart() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    let exit = async |name: &str| run(&*sandbox, Exec::new([name])).await.unwrap().exit;
    let command = |name: &str| name.to_owned();
    assert_eq!(exit("no-such-command").await, Exit::NotFound { command: command("no-such-command") });
    assert_eq!(exit("/no/such").await, Exit::NotFound { command: command("/no/such") });
    let reason = "it is a directory".to_owned();
    assert_eq!(exit("/tmp").await, Exit::NotRunnable { command: command("/tmp"), reason });
    let reason = "it is not executable".to_owned();
    assert_eq!(exit("/etc/passwd").await, Exit::NotRunnable { command: command("/etc/passwd"), reason });
    // A command that says so itself is one.
    assert_eq!(run(&*sandbox, sh("exit 127")).await.unwrap().exit, Exit::Code { code: 127 });
    let refused = run(&*sandbox, sh("true").cwd("/no/such")).await.unwrap_err();
    let expected = "the working directory /no/such is not a directory in the sandbox";
    assert!(matches!(&refused, Error::Refused(Refusal::Exec { what }) if what == expected), "{refused:?}");
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn a_signal_that_ends_a_command_is_told() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    for signal in [1, 9, 15] {
        let outcome = run(&*sandbox, sh(&format!("kill -{signal} $$"))).await.unwrap();
        assert_eq!(outcome.exit, Exit::Signal { signal });
    }
    // Of others the daemon does not tell whether they were one.
    for text in ["exit 139", "kill -11 $$"] {
        assert_eq!(run(&*sandbox, sh(text)).await.unwrap().exit, Exit::Code { code: 139 });
    }
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn signals_reach_the_command_and_its_children() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    let text = "trap 'echo usr; exit 5' USR1; echo ready; while :; do sleep 0.05; done";
    let running = sandbox.spawn(sh(text)).await.unwrap();
    let (mut events, done, control) = running.split();
    let watch = async {
        assert_eq!(output(events.recv().await.unwrap()), (Stream::Stdout, b"ready\n".to_vec()));
        control.signal(10);
        assert_eq!(output(events.recv().await.unwrap()), (Stream::Stdout, b"usr\n".to_vec()));
    };
    let (outcome, ()) = tokio::join!(done, watch);
    assert_eq!(outcome.unwrap().exit, Exit::Code { code: 5 });

    let running = sandbox.spawn(sh("echo ready; sleep 60; echo never")).await.unwrap();
    let (mut events, done, control) = running.split();
    let watch = async {
        assert_eq!(output(events.recv().await.unwrap()), (Stream::Stdout, b"ready\n".to_vec()));
        control.interrupt();
        assert_eq!(events.recv().await, None);
    };
    let (outcome, ()) = tokio::join!(done, watch);
    assert_eq!(outcome.unwrap().exit, Exit::Signal { signal: 2 });
    sandbox.close().await.unwrap();
}

/// The processes of the user in a sandbox, besides the ones that look.
async fn others(sandbox: &dyn Sandbox) -> String {
    printed(sandbox, "for p in /proc/[0-9]*; do [ -O $p ] && tr '\\0' ' ' < $p/cmdline; done | grep -c 'sleep 7[7]' || true").await
}

#[tokio::test]
async fn a_deadline_ends_a_command_with_all_its_processes() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, limited(|limits| limits.wall = Duration::from_secs(2))).await;
    let started = Instant::now();
    // One in the group, one that has left the group but not the session.
    let text = "sleep 77 & set -m; sleep 77 & trap '' TERM INT; echo begun; wait";
    let outcome = run(&*sandbox, sh(text)).await.unwrap();
    assert_eq!(outcome.exit, Exit::Timeout);
    assert_eq!(outcome.stdout.bytes, b"begun\n");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert_eq!(others(&*sandbox).await, "0\n");
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn a_command_is_cancelled() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    let running = sandbox.spawn(sh("echo ready; sleep 77")).await.unwrap();
    let (mut events, done, control) = running.split();
    let watch = async {
        events.recv().await.unwrap();
        control.cancel();
    };
    let (outcome, ()) = tokio::join!(done, watch);
    assert_eq!(outcome.unwrap().exit, Exit::Cancelled);
    assert_eq!(others(&*sandbox).await, "0\n");
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn a_command_that_nobody_follows_is_ended() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    let running = sandbox.spawn(sh("echo ready; exec sleep 77")).await.unwrap();
    let (mut events, mut done, _control) = running.split();
    tokio::select! {
        outcome = &mut done => panic!("{outcome:?}"),
        event = events.recv() => assert!(event.is_some()),
    }
    assert_eq!(others(&*sandbox).await, "1\n");
    drop(done);
    let deadline = Instant::now() + Duration::from_secs(10);
    while others(&*sandbox).await != "0\n" {
        assert!(Instant::now() < deadline, "it still runs");
    }
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn too_much_output_ends_a_command_and_what_fits_is_kept() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, limited(|limits| limits.output_bytes = 100_001)).await;
    let outcome = run(&*sandbox, sh("yes abcdefg")).await.unwrap();
    assert_eq!(outcome.exit, Exit::Quota { quota: Quota::Output });
    assert_eq!(outcome.stdout.bytes, b"abcdefg\n".repeat(20_000)[..100_001]);
    assert_eq!((outcome.stdout.cut, outcome.stderr.cut, outcome.usage.bytes_written), (true, false, 100_001));
    let outcome = run(&*sandbox, sh("head -c 100001 /dev/zero >&2")).await.unwrap();
    assert_eq!((outcome.exit, outcome.stderr.bytes.len()), (Exit::Code { code: 0 }, 100_001));
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_nobody_reads_breaks_as_a_pipe_does() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    let running = sandbox.spawn(Exec::new(["yes"])).await.unwrap();
    let (mut events, done, control) = running.split();
    let watch = async {
        events.recv().await.unwrap();
        control.close(Stream::Stdout);
        while events.recv().await.is_some() {}
    };
    let (outcome, ()) = tokio::join!(done, watch);
    assert_eq!(outcome.unwrap().exit, Exit::Signal { signal: 13 });
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn memory_is_limited_and_its_end_is_told() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, limited(|limits| limits.memory_bytes = 32 << 20)).await;
    let outcome =
        run(&*sandbox, sh("x=$(head -c 100000000 /dev/zero | tr '\\0' a); echo ${#x}")).await.unwrap();
    assert_eq!(outcome.exit, Exit::Memory);
    // The next one that is killed is not, for that.
    assert_eq!(run(&*sandbox, sh("kill -9 $$")).await.unwrap().exit, Exit::Signal { signal: 9 });
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn processes_are_limited_and_a_fork_bomb_is_ended() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let spec = limited(|limits| {
        limits.processes = 20;
        limits.wall = Duration::from_secs(3);
    });
    let sandbox = sandbox(&docker, spec).await;
    let outcome = run(&*sandbox, sh("b() { b | b & }; b 2>/dev/null; sleep 60")).await.unwrap();
    assert_eq!(outcome.exit, Exit::Timeout);
    assert_eq!(printed(&*sandbox, "echo alive").await, "alive\n");
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn descriptors_are_limited() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, limited(|limits| limits.descriptors = 40)).await;
    assert_eq!(printed(&*sandbox, "ulimit -n; ulimit -Hn; ulimit -c").await, "40\n40\n0\n");
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn a_command_has_no_power_and_no_network() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    let text = "id -u; id -g; grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status | tr '\\t' ' '";
    let expected = "1000\n1000\nCapInh: 0000000000000000\nCapPrm: 0000000000000000\nCapEff: 0000000000000000\n\
                    CapBnd: 0000000000000000\nCapAmb: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2\n";
    assert_eq!(printed(&*sandbox, text).await, expected);
    assert_eq!(printed(&*sandbox, "ls /sys/class/net").await, "lo\n");
    for path in ["/x", "/etc/x", "/usr/bin/x", "/var/x", "/run/x"] {
        let outcome = run(&*sandbox, sh(&format!("echo x > {path}"))).await.unwrap();
        assert_ne!(outcome.exit, Exit::Code { code: 0 }, "{path}");
    }
    printed(&*sandbox, "for d in /workspace /home/user /tmp; do echo x > $d/x && cat $d/x; done").await;
    // The keeper is out of reach.
    assert_eq!(
        printed(&*sandbox, "kill -9 1 7 2>/dev/null; ls /run/sandpiper 2>/dev/null; echo alive").await,
        "alive\n"
    );
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn a_terminal_and_a_variable_that_shells_drop_are_refused() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    let terminal =
        sandbox.spawn(sh("true").stdin(Stdin::Terminal(Box::new(tokio::io::empty())))).await.unwrap_err();
    assert_eq!(
        terminal.to_string(),
        "the backend docker gives commands no terminal; give it standard input as a stream"
    );
    let variable = sandbox.spawn(sh("true").env("a.b", "c")).await.unwrap_err();
    assert_eq!(variable.to_string(), "the backend docker passes no variable `a.b`: its shell drops it");
    sandbox.close().await.unwrap();
}

#[tokio::test]
async fn many_commands_run_at_a_time() {
    let Some(docker) = daemon(|_| {}).await else { return };
    let sandbox = sandbox(&docker, Spec::default()).await;
    let commands = (0..10).map(|number| {
        let sandbox = &sandbox;
        async move { printed(&**sandbox, &format!("sleep 0.2; echo {number}")).await }
    });
    let printed = futures_util::future::join_all(commands).await;
    let expected: Vec<_> = (0..10).map(|number| format!("{number}\n")).collect();
    assert_eq!(printed, expected);
    sandbox.close().await.unwrap();
}
