//! The wall around the process itself: that it is up while a guest runs, that nothing is different
//! for the guest, and that what is missing is said. What it stops is tried in `host/wall/tests`.

#[cfg(target_os = "linux")]
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Child;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{Printed, command};

fn run(folder: &Path, wall: &str, options: &[&str], program: &str) -> Value {
    let output = command(folder)
        .args(["run", "--json", "--wall", wall])
        .args(options)
        .args(["--", "python3", "-c", program])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    serde_json::from_str(&output.stdout()).unwrap_or_else(|_| panic!("{output:?}"))
}

/// Whether this machine can have the whole wall; where it cannot, requiring it is refused with the
/// reason, and that is all that there is to be tested.
fn stands(outcome: &Value) -> bool {
    if outcome["wall"] == json!({ "held": ["landlock", "seccomp"], "missing": [] }) {
        return true;
    }
    let message = outcome["error"]["message"].as_str().unwrap_or_else(|| panic!("{outcome}"));
    let reasons = [": the kernel ", "it is there for Linux on"];
    assert!(message.starts_with("--wall require: there is no "), "{message}");
    assert!(reasons.iter().any(|reason| message.contains(reason)), "{message}");
    println!("not tested: {message}");
    false
}

const USE_A_FOLDER: &str = "
import os, sys
print(open('given').read())
os.mkdir('d'); open('d/made', 'w').write('made'); os.rename('d/made', 'moved'); os.rmdir('d')
os.symlink('moved', 'link'); print(open('link').read(), sorted(os.listdir()))
open('/tmp/x', 'w').write('private'); print(open('/tmp/x').read(), sys.stdin.read())
import json, sqlite3, random, datetime; random.random(); datetime.datetime.now()
";

#[test]
fn python_works_behind_the_whole_wall_as_without_it() {
    let mut seen = Vec::new();
    for wall in ["require", "auto", "off"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("given"), "given").unwrap();
        let mut outcome = run(folder.path(), wall, &["--seed", "1", "--virtual-clock"], USE_A_FOLDER);
        if wall == "require" && !stands(&outcome) {
            return;
        }
        assert_eq!(outcome["exit_code"], 0, "{outcome}");
        assert_eq!(outcome["stdout"]["text"], "given\nmade ['given', 'link', 'moved']\nprivate \n");
        assert_eq!(std::fs::read(folder.path().join("moved")).unwrap(), b"made");
        let usage = outcome["usage"].as_object_mut().unwrap();
        usage.retain(|name, _| name == "fuel" || name.starts_with("bytes"));
        seen.push((outcome["usage"].clone(), outcome["denials"].clone()));
    }
    assert_eq!(seen[0], seen[2], "fuel, bytes and denials are the same");
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn what_the_guest_is_denied_is_denied_by_the_same_errno() {
    let attack = "
import os, socket
def attempt(call, *arguments):
    try: print('done', call(*arguments))
    except OSError as error: print(error.errno)
attempt(os.open, '/etc/shadow', os.O_RDONLY)
attempt(os.open, '../../secret', os.O_RDONLY)
attempt(os.open, '/usr/bin/python3', os.O_WRONLY)
attempt(os.symlink, '/etc/passwd', 'link')
attempt(os.link, '/usr/bin/python3', 'link')
attempt(os.rename, '/workspace', '/elsewhere')
attempt(os.rename, 'd/given', '/tmp/given')
attempt(socket.socket)
attempt(os.rename, 'd/given', 'given')
";
    let folder = || {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        std::fs::write(folder.path().join("d/given"), "given").unwrap();
        folder
    };
    let outcomes = ["auto", "off"].map(|wall| run(folder().path(), wall, &["--no-fuel"], attack));
    assert_eq!(outcomes[0]["stdout"], outcomes[1]["stdout"]);
    assert_eq!(outcomes[0]["denials"], outcomes[1]["denials"]);
    let lines: Vec<_> = outcomes[0]["stdout"]["text"].as_str().unwrap().lines().collect();
    assert_eq!(lines.len(), 9, "{lines:?}");
    assert!(lines[..8].iter().all(|line| line.parse::<u32>().is_ok()), "{lines:?}");
    assert_eq!(lines[8], "done None");
}

#[test]
fn limits_hold_behind_the_wall() {
    let folder = tempfile::tempdir().unwrap();
    for (options, program, code) in [
        (&["--timeout", "300ms"][..], "while True: pass", 124),
        (&["--timeout", "300ms"], "import time; time.sleep(9)", 124),
        (&["--timeout", "300ms", "--no-fuel"], "while True: pass", 124),
        (&["--fuel", "1000000"], "while True: pass", 152),
        (&["--memory", "64MiB"], "x = bytearray(1 << 30)", 137),
        (&["--disk", "1MiB"], "open('x', 'wb').write(bytes(2 << 20))", 153),
        (&["--max-output", "1MiB"], "print('x' * (2 << 20))", 153),
    ] {
        let outcome = run(folder.path(), "require", options, program);
        if !stands(&outcome) {
            return;
        }
        assert_eq!(outcome["exit_code"], code, "{options:?}: {outcome}");
    }
}

#[test]
fn a_module_that_is_compiled_first_runs_behind_the_whole_wall() {
    let folder = tempfile::tempdir().unwrap();
    let program = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    std::fs::write(folder.path().join("program.wasm"), wat::parse_str(program).unwrap()).unwrap();
    for metering in [&[][..], &["--no-fuel"]] {
        let output = command(folder.path())
            .env("SANDPIPER_CACHE", folder.path().join("new"))
            .args(["run", "--json", "--wall", "require", "--no-dir", "--image", "program.wasm"])
            .args(metering)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let outcome: Value = serde_json::from_str(&output.stdout()).unwrap_or_else(|_| panic!("{output:?}"));
        if !stands(&outcome) {
            return;
        }
        assert!(output.stderr().contains("compiling"), "{output:?}");
        assert_eq!(outcome["exit_code"], 0);
    }
}

#[test]
fn a_component_that_is_compiled_first_reads_its_files_behind_the_whole_wall() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/given"), "given").unwrap();
    std::fs::write(folder.path().join("program.wasm"), crate::components::reader()).unwrap();
    for options in [&["--seed", "1", "--virtual-clock"][..], &["--no-fuel"], &[]] {
        let mut fuel = Vec::new();
        for wall in ["require", "off"] {
            let output = command(folder.path())
                .env("SANDPIPER_CACHE", folder.path().join("new"))
                .args(["run", "--json", "--wall", wall, "--dir", "data:/data:ro", "--image", "program.wasm"])
                .args(options)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let outcome: Value =
                serde_json::from_str(&output.stdout()).unwrap_or_else(|_| panic!("{output:?}"));
            if wall == "require" && !stands(&outcome) {
                return;
            }
            assert_eq!(output.stderr().contains("compiling"), wall == "require" && !options.is_empty());
            assert_eq!((&outcome["exit_code"], &outcome["stdout"]["text"]), (&json!(0), &json!("given")));
            assert_eq!(outcome["denials"], json!([]));
            fuel.push(outcome["usage"]["fuel"].clone());
        }
        assert!(fuel[0] == fuel[1] || !options.contains(&"--virtual-clock"), "{fuel:?}");
    }
}

#[test]
fn a_wall_that_is_switched_off_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = run(folder.path(), "off", &[], "pass");
    let reason = "it was switched off (--wall off)";
    let missing = json!([{ "part": "landlock", "reason": reason }, { "part": "seccomp", "reason": reason }]);
    assert_eq!(outcome["wall"], json!({ "held": [], "missing": missing }));
}

/// A guest that said something and now waits for input, with all threads that it takes.
#[cfg(target_os = "linux")]
fn waiting(folder: &Path, wall: &str, metering: &[&str]) -> Child {
    let mut child = command(folder)
        .args(["run", "--wall", wall])
        .args(metering)
        .args(["--", "python3", "-c", "print('ready', flush=True); input()"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

#[cfg(target_os = "linux")]
#[test]
fn every_thread_of_the_process_is_behind_the_wall() {
    let folder = tempfile::tempdir().unwrap();
    if !stands(&run(folder.path(), "require", &[], "pass")) {
        return;
    }
    for (wall, metering, filtered) in
        [("auto", &[][..], true), ("auto", &["--no-fuel"][..], true), ("off", &[][..], false)]
    {
        let mut child = waiting(folder.path(), wall, metering);
        let mut threads = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap() {
            let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
            let expected =
                if filtered { ["NoNewPrivs:\t1", "Seccomp:\t2"] } else { ["NoNewPrivs:\t0", "Seccomp:\t0"] };
            for line in expected {
                assert!(status.contains(line), "{wall} {metering:?}: {status}");
            }
            threads += 1;
        }
        assert!(threads >= 2, "{threads}");
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(child.wait().unwrap().success());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_a_guest_behind_the_wall() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = waiting(folder.path(), "auto", &[]);
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[cfg(target_os = "linux")]
#[test]
fn permission_bits_are_set_behind_the_wall() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f"), "").unwrap();
    let program = "import os; os.chmod('f', 0o751); os.umask(0o077); open('g', 'w')\n\
        try: os.chmod('f', 0o4755)\n\
        except PermissionError as e: print(e)";
    let outcome = run(folder.path(), "auto", &[], program);
    assert_eq!(outcome["stdout"]["text"], "[Errno 1] Operation not permitted: 'f'\n", "{outcome}");
    let mode = |name: &str| folder.path().join(name).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("f"), mode("g")), (0o751, 0o600));
}
