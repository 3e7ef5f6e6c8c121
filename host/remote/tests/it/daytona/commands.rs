//! Commands, as they really run.

use std::time::Duration;

use sandpiper_core::{Control, Error, Event, Exec, Exit, Limits, Quota, Spec, Stdin, Stream, collect};
use tokio::io::AsyncWriteExt as _;

use super::{Here, here, run, shell, until};

async fn with(limits: Limits) -> Here {
    here(Spec { limits, ..Spec::default() }).await
}

#[tokio::test]
async fn any_bytes_of_both_streams_arrive_as_they_were() {
    let here = here(Spec::default()).await;
    // NUL, the three bytes that name a stream, no end of the line.
    let script = r"printf 'a\000\001\001\001b\002\002\002\n\n c'; printf '\377\001' >&2; exit 3";
    let outcome = run(&*here.sandbox, shell(script)).await.unwrap();
    assert_eq!(outcome.exit, Exit::Code { code: 3 });
    assert_eq!(outcome.stdout.bytes, b"a\0\x01\x01\x01b\x02\x02\x02\n\n c");
    assert_eq!(outcome.stderr.bytes, b"\xff\x01");
    assert_eq!(outcome.usage.bytes_written, 15);
    assert!(!outcome.stdout.cut && !outcome.stderr.cut);
    until(|| here.daemon.sessions() == 0).await;
}

#[tokio::test]
async fn arguments_variables_and_the_directory_are_exact() {
    let here = here(Spec::default()).await;
    let odd = "a 'b' \"c\" $d `e` \\ \n* é";
    let script = r#"printf '%s|' "$@"; printf '%s|' "$X"; pwd; env | grep -c '^A.B='"#;
    let exec =
        Exec::new(["sh", "-c", script, "name", odd, "", "-n"]).env("X", odd).env("A.B", "1").cwd("/tmp");
    let outcome = run(&*here.sandbox, exec).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&outcome.stdout.bytes), format!("{odd}||-n|{odd}|/tmp\n0\n"));
    // A shell drops what it cannot name; other programs do not.
    let outcome = run(&*here.sandbox, Exec::new(["env"]).env("A.B", "1")).await.unwrap();
    assert!(String::from_utf8_lossy(&outcome.stdout.bytes).lines().any(|line| line == "A.B=1"));
    let outcome = run(&*here.sandbox, Exec::new(["pwd"])).await.unwrap();
    assert_eq!(outcome.stdout.bytes, b"/\n");
}

#[tokio::test]
async fn what_does_not_run_says_why() {
    let here = here(Spec::default()).await;
    let exit = async |exec| run(&*here.sandbox, exec).await.map(|outcome| outcome.exit);
    assert_eq!(exit(Exec::new(["no-such"])).await.unwrap(), Exit::NotFound { command: "no-such".to_owned() });
    assert_eq!(
        exit(Exec::new(["sh"]).env("PATH", "/nowhere")).await.unwrap(),
        Exit::NotFound { command: "sh".to_owned() }
    );
    assert_eq!(
        exit(Exec::new(["/etc/passwd"])).await.unwrap(),
        Exit::NotRunnable {
            command: "/etc/passwd".to_owned(),
            reason: "is no program that can be executed".to_owned()
        }
    );
    assert_eq!(
        exit(Exec::new(["true"]).cwd("/no such")).await.unwrap_err().to_string(),
        "the working directory /no such is not a directory in the sandbox"
    );
    assert_eq!(exit(Exec::new(["a=b"])).await.unwrap(), Exit::NotFound { command: "a=b".to_owned() });
    assert_eq!(exit(shell("exit 127")).await.unwrap(), Exit::Code { code: 127 });
}

#[tokio::test]
async fn a_signal_is_told_from_a_code_that_looks_like_one() {
    let here = here(Spec::default()).await;
    let killed = run(&*here.sandbox, shell("kill -9 $$")).await.unwrap();
    // What the shell between says of it is not the command's.
    assert_eq!((killed.exit.code(), killed.stderr.bytes), (137, Vec::new()));
    if told_by_the_shell() {
        assert_eq!(killed.exit, Exit::Signal { signal: 9 });
    }
    for code in [128, 129, 130, 134, 137, 143, 192, 255] {
        let outcome = run(&*here.sandbox, shell(&format!("exit {code}"))).await.unwrap();
        assert_eq!(outcome.exit, Exit::Code { code });
    }
}

/// Whether the shell of this machine says what has ended a program of a substitution; bash does not.
fn told_by_the_shell() -> bool {
    let script = "told=$(exec 2>&1; sh -c 'kill -9 $$'; :); test -n \"$told\"";
    std::process::Command::new("/bin/sh").args(["-c", script]).status().unwrap().success()
}

#[tokio::test]
async fn who_writes_to_a_closed_stream_is_told() {
    let here = here(Spec::default()).await;
    let script = "echo up; while echo more; do sleep 0.05; done; echo ended >&2; exit 5";
    let (mut events, done, control) =
        here.sandbox.spawn(shell(&format!("trap '' PIPE; {script}"))).await.unwrap().split();
    let listen = async {
        let mut said = Vec::new();
        while let Some(Event::Output { stream, bytes }) = events.recv().await {
            if stream == Stream::Stderr {
                said.extend_from_slice(&bytes);
            } else {
                control.close(Stream::Stdout);
            }
        }
        said
    };
    let (outcome, said) = tokio::join!(done, listen);
    assert_eq!(outcome.unwrap().exit, Exit::Code { code: 5 });
    assert!(said.ends_with(b"ended\n"), "{}", said.escape_ascii());
    let left = || {
        let names = std::fs::read_dir("/tmp").unwrap().map(|entry| entry.unwrap().file_name());
        let is_ours = |name: &str| name.starts_with(".sandpiper-") && name.ends_with("-1");
        names.filter(|name| is_ours(&name.to_string_lossy())).count()
    };
    until(|| here.daemon.sessions() == 0 && left() == 0).await;
}

#[tokio::test]
async fn standard_input_comes_whole_and_ends() {
    let here = here(Spec::default()).await;
    let bytes: Vec<u8> = (0..200_000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
    let exec = Exec::new(["cat"]).stdin(Stdin::bytes(bytes.clone()));
    assert_eq!(run(&*here.sandbox, exec).await.unwrap().stdout.bytes, bytes);
    let stream = Stdin::Stream(Box::new(std::io::Cursor::new(bytes.clone())));
    assert_eq!(run(&*here.sandbox, Exec::new(["cat"]).stdin(stream)).await.unwrap().stdout.bytes, bytes);
    assert_eq!(run(&*here.sandbox, Exec::new(["cat"])).await.unwrap().stdout.bytes, b"");
    // Who does not read to the end is not waited for.
    let stream = Stdin::Stream(Box::new(std::io::Cursor::new(bytes)));
    let outcome = run(&*here.sandbox, Exec::new(["head", "-c", "3"]).stdin(stream)).await.unwrap();
    assert_eq!((outcome.exit, outcome.stdout.bytes), (Exit::Code { code: 0 }, vec![0, 1, 2]));
}

#[tokio::test]
async fn a_stream_is_answered_while_it_is_open() {
    let here = here(Spec::default()).await;
    let (mut ours, theirs) = tokio::io::duplex(64);
    let exec = shell("while read line; do echo got $line; done").stdin(Stdin::Stream(Box::new(theirs)));
    let (mut events, done, _control) = here.sandbox.spawn(exec).await.unwrap().split();
    let talk = async {
        for word in ["one", "two"] {
            ours.write_all(format!("{word}\n").as_bytes()).await.unwrap();
            let Some(Event::Output { stream, bytes }) = events.recv().await else { panic!("no answer") };
            assert_eq!((stream, bytes), (Stream::Stdout, format!("got {word}\n").into()));
        }
        drop(ours);
    };
    let (outcome, ()) = tokio::join!(done, talk);
    assert_eq!(outcome.unwrap().exit, Exit::Code { code: 0 });
}

#[tokio::test]
async fn a_command_ends_before_its_open_input() {
    let here = here(Spec::default()).await;
    let (_ours, theirs) = tokio::io::duplex(64);
    let exec = Exec::new(["echo", "x"]).stdin(Stdin::Stream(Box::new(theirs)));
    let outcome = run(&*here.sandbox, exec).await.unwrap();
    assert_eq!((outcome.exit, outcome.stdout.bytes), (Exit::Code { code: 0 }, b"x\n".to_vec()));
}

#[tokio::test]
async fn a_terminal_is_refused() {
    let here = here(Spec::default()).await;
    let exec = Exec::new(["cat"]).stdin(Stdin::Terminal(Box::new(tokio::io::empty())));
    let err = run(&*here.sandbox, exec).await.unwrap_err();
    assert_eq!(err.to_string(), "the backend daytona does not offer this: a terminal for a command");
}

#[tokio::test]
async fn the_wall_limit_ends_a_command() {
    let here = with(Limits { wall: Duration::from_secs(1), ..Limits::default() }).await;
    let outcome = run(&*here.sandbox, shell("echo before; sleep 1000")).await.unwrap();
    assert_eq!((outcome.exit, outcome.stdout.bytes), (Exit::Timeout, b"before\n".to_vec()));
    assert!((1000..8000).contains(&outcome.usage.wall_ms), "{}", outcome.usage.wall_ms);
    assert_eq!(here.daemon.sessions(), 0);
    until(|| running("sleep 1000") == 0).await;
}

#[tokio::test]
async fn the_output_limit_ends_a_command_and_cuts_exactly() {
    let here = with(Limits { output_bytes: 100_000, ..Limits::default() }).await;
    let outcome = run(&*here.sandbox, shell("head -c 100000 /dev/zero")).await.unwrap();
    assert_eq!(
        (outcome.exit, outcome.stdout.bytes.len(), outcome.stdout.cut),
        (Exit::Code { code: 0 }, 100_000, false)
    );
    let outcome = run(&*here.sandbox, shell("head -c 100001 /dev/zero; sleep 2000")).await.unwrap();
    assert_eq!(outcome.exit, Exit::Quota { quota: Quota::Output });
    assert_eq!((outcome.stdout.bytes.len(), outcome.stdout.cut, outcome.stderr.cut), (100_000, true, false));
    until(|| running("sleep 2000") == 0).await;
}

#[tokio::test]
async fn cancelling_ends_a_command() {
    let here = here(Spec::default()).await;
    let running_command =
        here.sandbox.spawn(shell("printf err >&2; echo up; sleep 3000 & wait")).await.unwrap();
    let (mut events, done, control) = running_command.split();
    let cancel = async {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(Event::Output { stream, bytes }) = events.recv().await {
            if stream == Stream::Stderr {
                stderr.extend_from_slice(&bytes);
            } else {
                stdout.extend_from_slice(&bytes);
                control.cancel();
            }
        }
        (stdout, stderr)
    };
    let (outcome, said) = tokio::join!(done, cancel);
    // Also what comes late of what was printed before.
    assert_eq!(said, (b"up\n".to_vec(), b"err".to_vec()));
    assert_eq!(outcome.unwrap().exit, Exit::Cancelled);
    assert_eq!(here.daemon.sessions(), 0);
    until(|| running("sleep 3000") == 0).await;
}

#[tokio::test]
async fn signals_reach_the_command() {
    async fn signalled(here: &Here, script: &str, send: impl Fn(&Control)) -> (Exit, Vec<u8>) {
        let (mut events, done, control) = here.sandbox.spawn(shell(script)).await.unwrap().split();
        let mut said = Vec::new();
        let listen = async {
            while let Some(Event::Output { bytes, .. }) = events.recv().await {
                if said.is_empty() {
                    send(&control);
                }
                said.extend_from_slice(&bytes);
            }
        };
        let (outcome, ()) = tokio::join!(done, listen);
        (outcome.unwrap().exit, said)
    }
    let here = here(Spec::default()).await;
    let script = "trap 'echo taken; exit 5' USR1; echo up; while :; do sleep 0.1; done";
    assert_eq!(
        signalled(&here, script, |control| control.signal(10)).await,
        (Exit::Code { code: 5 }, b"up\ntaken\n".to_vec())
    );
    let (exit, _) = signalled(&here, "echo up; exec sleep 4000", Control::interrupt).await;
    assert_eq!(exit.code(), 130);
}

/// A folder with programs of this machine, and no others.
fn programs(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        std::os::unix::fs::symlink(format!("/bin/{name}"), folder.path().join(name)).unwrap();
    }
    folder
}

#[tokio::test]
async fn without_process_groups_an_interrupt_is_for_what_a_command_has_started() {
    let here = here(Spec::default()).await;
    let folder = programs(&["sh", "env", "dd", "base64", "sleep", "ps"]);
    *here.daemon.path.lock().unwrap() = Some(folder.path().to_str().unwrap().to_owned());
    let script = "trap 'echo on' INT; echo up; sleep 9000; exit 7";
    let (mut events, done, control) = here.sandbox.spawn(shell(script)).await.unwrap().split();
    let mut said = Vec::new();
    let listen = async {
        while let Some(Event::Output { bytes, .. }) = events.recv().await {
            said.extend_from_slice(&bytes);
            if said == b"up\n" {
                until(|| running("sleep 9000") == 1).await;
                control.interrupt();
            }
        }
    };
    let (outcome, ()) = tokio::join!(done, listen);
    assert_eq!(outcome.unwrap().exit, Exit::Code { code: 7 });
    assert_eq!(String::from_utf8_lossy(&said), "up\non\n");
}

#[tokio::test]
async fn dropping_a_command_ends_it() {
    let here = here(Spec::default()).await;
    let (mut events, done, _control) =
        here.sandbox.spawn(shell("echo up; sleep 5000")).await.unwrap().split();
    tokio::select! {
        _ = events.recv() => {}
        outcome = done => panic!("{outcome:?}"),
    }
    until(|| here.daemon.sessions() == 0 && running("sleep 5000") == 0).await;
}

#[tokio::test]
async fn what_is_left_running_ends_with_its_command() {
    let here = here(Spec::default()).await;
    let outcome = run(&*here.sandbox, shell("sleep 6000 & echo up")).await.unwrap();
    assert_eq!((outcome.exit, outcome.stdout.bytes), (Exit::Code { code: 0 }, b"up\n".to_vec()));
    until(|| running("sleep 6000") == 0).await;
}

#[tokio::test]
async fn commands_run_side_by_side() {
    let here = here(Spec::default()).await;
    let commands = (0..8).map(|number| {
        let sandbox = &here.sandbox;
        async move {
            let running = sandbox.spawn(shell(&format!("echo {number}"))).await.unwrap();
            assert_eq!(collect(running).await.unwrap().stdout.bytes, format!("{number}\n").into_bytes());
        }
    });
    futures_util::future::join_all(commands).await;
}

#[tokio::test]
async fn git_by_the_host_is_refused() {
    #[derive(Debug)]
    struct NoGit;
    impl sandpiper_core::Git for NoGit {
        fn start(
            &self,
            _: sandpiper_core::GitCommand,
        ) -> Result<Box<dyn sandpiper_core::GitRunning>, sandpiper_core::BoxError> {
            Err("none".into())
        }
    }
    let here = here(Spec::default()).await;
    let exec = Exec::new(["true"]).git(std::sync::Arc::new(NoGit));
    let err = run(&*here.sandbox, exec).await.unwrap_err();
    assert!(matches!(err, Error::Unsupported { operation: "git that the host carries out", .. }), "{err}");
}

/// How many processes of this machine have this command line.
pub fn running(command: &str) -> usize {
    let is_it = |entry: std::io::Result<std::fs::DirEntry>| {
        let words = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        (String::from_utf8_lossy(&words).replace('\0', " ").trim() == command).then_some(())
    };
    std::fs::read_dir("/proc").unwrap().filter_map(is_it).count()
}
