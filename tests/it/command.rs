//! The command: streams, exit codes, JSON, environment, signals.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use crate::harness::{Printed, command};

fn run(arguments: &[&str]) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    command(folder.path()).arg("run").args(arguments).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn stdout_and_stderr_stay_apart_and_the_exit_code_is_the_guests() {
    let output =
        run(&["--", "python3", "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"]);
    assert_eq!((output.stdout().as_str(), output.stderr().as_str()), ("out\n", "err\n"));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn every_exit_code_of_the_guest_passes_through() {
    for code in [0, 1, 124, 125, 126, 127, 130, 137, 255] {
        let output = run(&["--", "python3", "-c", &format!("import os; os._exit({code})")]);
        assert_eq!(output.status.code(), Some(code), "{}", output.stderr());
    }
}

#[test]
fn output_streams_while_the_guest_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path())
        .args(["run", "--", "python3", "-c", "print('first', flush=True); print(input())"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = [0; 6];
    stdout.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"first\n");
    child.stdin.take().unwrap().write_all(b"second\n").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "second\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn piped_stdin_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path())
        .args([
            "run",
            "--",
            "python3",
            "-c",
            "import sys; d = sys.stdin.buffer.read(); print(len(d), d[-3:])",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&vec![b'x'; 3_000_000]).unwrap();
    stdin.write_all(b"end").unwrap();
    drop(stdin);
    assert_eq!(child.wait_with_output().unwrap().stdout(), "3000003 b'end'\n");
}

#[test]
fn the_current_directory_is_the_workspace() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("hello.py"),
        "import os, sys; print(os.getcwd(), sys.argv); open('made', 'w').write('x')",
    )
    .unwrap();
    let output =
        command(folder.path()).args(["run", "--", "python3", "hello.py", "a", "--b"]).output().unwrap();
    assert_eq!(output.stdout(), "/workspace ['hello.py', 'a', '--b']\n", "{}", output.stderr());
    assert_eq!(std::fs::read_to_string(folder.path().join("made")).unwrap(), "x");
}

#[test]
fn only_the_variables_that_were_given_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path())
        .env("PASSED", "on")
        .env("SECRET_TOKEN", "hidden")
        .args(["run", "--env", "PASSED", "--env", "GIVEN=a=b", "--", "python3", "-c"])
        .arg("import os; print(os.environ.get('PASSED'), os.environ.get('GIVEN'), os.environ.get('SECRET_TOKEN'))")
        .output()
        .unwrap();
    assert_eq!(output.stdout(), "on a=b None\n");
}

#[test]
fn json_is_the_whole_outcome() {
    let output =
        run(&["--json", "--dir", ".:/workspace:ro", "--", "python3", "-c", "print('out')\nopen('f', 'w')"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stderr(), "");
    let outcome: serde_json::Value = serde_json::from_str(&output.stdout()).unwrap();
    assert_eq!(outcome["exit"], serde_json::json!({"kind": "code", "code": 1}));
    assert_eq!(outcome["exit_code"], 1);
    assert_eq!(outcome["stdout"], serde_json::json!({"text": "out\n", "cut": false}));
    assert!(outcome["stderr"]["text"].as_str().unwrap().contains("Read-only file system"));
    for figure in ["fuel", "wall_ms", "cpu_ms", "peak_memory_bytes", "bytes_read", "bytes_written"] {
        assert!(outcome["usage"][figure].is_u64(), "{figure}: {outcome}");
    }
    let denial = &outcome["denials"][0];
    assert_eq!(
        (denial["operation"].as_str(), denial["subject"].as_str(), denial["reason"].as_str()),
        (Some("path_open"), Some("/workspace/f"), Some("read-only"))
    );
}

#[test]
fn output_that_is_no_text_is_base64_in_json() {
    let output = run(&["--json", "--", "python3", "-c", "import os; os.write(1, bytes([255, 0]))"]);
    let outcome: serde_json::Value = serde_json::from_str(&output.stdout()).unwrap();
    assert_eq!(outcome["stdout"], serde_json::json!({"base64": "/wA=", "cut": false}));
}

#[test]
fn a_limit_says_which_option_sets_it() {
    let output = run(&["--timeout", "200ms", "--", "python3", "-c", "while True: pass"]);
    assert_eq!(output.status.code(), Some(124));
    assert!(output.stderr().contains("--timeout"), "{}", output.stderr());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_guest_with_130() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path())
        .args(["run", "--", "python3", "-c", "print('up', flush=True)\nwhile True: pass"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut up = [0; 3];
    child.stdout.take().unwrap().read_exact(&mut up).unwrap();
    let interrupted =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    for word in ["Examples:", "sandpiper run -- python3", "124 wall time", "--memory"] {
        assert!(output.stdout().contains(word), "{word}");
    }
}

#[test]
fn completions_are_made_for_each_shell() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = command(folder.path()).args(["completions", shell]).output().unwrap();
        assert!(output.status.success() && output.stdout().contains("sandpiper"), "{shell}");
    }
}

#[test]
fn a_file_that_is_no_program_is_126_and_a_name_that_is_nothing_127() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("script.py"), "print('ran')").unwrap();
    let exit_of = |program: &str| {
        let output =
            command(folder.path()).args(["run", "--", program]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.stdout(), "");
        (output.status.code().unwrap(), output.stderr())
    };
    for program in
        ["./script.py", "/workspace/script.py", "../workspace/script.py", "/workspace", "/dev/null"]
    {
        let (code, stderr) = exit_of(program);
        assert_eq!(code, 126, "{program}: {stderr}");
        assert!(stderr.contains(&format!("python3 {program}")), "{stderr}");
    }
    // Without a slash a command is looked up in the image only, as a shell's PATH has it.
    for program in ["script.py", "./missing", "/usr/bin/gcc", "gcc", "/workspace/../../etc/passwd/x"] {
        let (code, stderr) = exit_of(program);
        assert_eq!(code, 127, "{program}: {stderr}");
        assert!(stderr.contains(&format!("{program}: command not found")), "{stderr}");
    }
    let output = command(folder.path()).args(["run", "--", "python3", "script.py"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout().as_str()), (Some(0), "ran\n"));
}

#[cfg(unix)]
#[test]
fn a_script_runs_by_the_interpreter_that_it_names() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    let script = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("args.py", "#!/usr/bin/env python3\nimport sys\nprint(sys.argv, 6 * 7)\nsys.exit(3)\n");
    script("bin/args.sh", "#!/bin/bash -e\necho \"$0\" \"$#\" \"$2\"; false; echo not here\n");
    script("again", "#! /workspace/bin/args.sh\n");
    script("absent", "#!/usr/bin/ruby\n");
    script("endless", "#!/workspace/endless\n");
    script("machine", "\x7fELF\x02");
    let run = |program: &[&str]| {
        let output = command(folder.path())
            .args(["run", "--wall", "require", "--"])
            .args(program)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code().unwrap(), output.stdout())
    };
    assert_eq!(run(&["./args.py", "a b"]), (3, "['./args.py', 'a b'] 42\n".to_owned()));
    assert_eq!(run(&["bin/args.sh", "", "x y"]), (1, "bin/args.sh 2 x y\n".to_owned()));
    assert_eq!(run(&["/workspace/again", "z"]), (1, "/workspace/bin/args.sh 2 z\n".to_owned()));
    for program in ["./absent", "./endless", "./machine"] {
        assert_eq!(run(&[program]), (126, String::new()), "{program}");
    }
}

#[test]
fn a_component_is_told_apart_and_a_writable_directory_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("given"), "given\n").unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("reader.wasm", &crate::components::reader());
    write("empty.wasm", &wat::parse_str("(component)").unwrap());
    let run = |arguments: &[&str]| {
        let output = command(folder.path()).arg("run").args(arguments).stdin(Stdio::null()).output().unwrap();
        (output.status.code().unwrap(), output.stdout(), output.stderr())
    };
    let (code, stdout, stderr) = run(&["--dir", ".:/data:ro", "--image", "reader.wasm"]);
    assert_eq!((code, stdout.as_str()), (0, "given\n"), "{stderr}");
    let refusal = "sandpiper: the backend wasm cannot enforce `disk_bytes` for this image\n  \
        hint: mount it read-only (--dir HOST[:GUEST]:ro), or grant no directory (--no-dir)\n";
    assert_eq!(run(&["--image", "reader.wasm"]), (125, String::new(), refusal.to_owned()));
    let (code, _, stderr) = run(&["--no-dir", "--image", "empty.wasm"]);
    assert_eq!(code, 126);
    let told = "sandpiper: empty.wasm: is no WASI command: it exports no wasi:cli/run of 0.2\n";
    assert!(stderr.ends_with(told), "{stderr}");
}

#[test]
fn a_reader_that_takes_its_time_gets_all_of_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let program = "import os; os.write(1, b'x' * 400_000)";
    let mut child = command(folder.path())
        .args(["run", "--", "python3", "-c", program])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Longer than output is waited for whatever the limits are.
    std::thread::sleep(Duration::from_secs(4));
    let mut stdout = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    assert_eq!((child.wait().unwrap().code(), stdout.len()), (Some(0), 400_000));
}

#[test]
fn output_that_nobody_reads_is_said_to_be_lost() {
    let folder = tempfile::tempdir().unwrap();
    // More than the pipe holds, less than the events that may wait: the guest ends, its output not.
    let program = "import os; os.write(1, b'x' * 200_000)";
    let mut child = command(folder.path())
        .args(["run", "--timeout", "4s", "--", "python3", "-c", program])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(125), "{stderr}");
    assert!(stderr.contains("the guest's output was lost: its reader does not read"), "{stderr}");
    drop(stdout);
}
