//! Bad input: a clear message, exit code 125, and nothing left behind.

use std::process::Output;

use crate::harness::{Printed, command};

#[track_caller]
fn refused(output: &Output, words: &[&str]) {
    assert_eq!(output.status.code(), Some(125), "{}", output.stderr());
    assert_eq!(output.stdout(), "");
    for word in words {
        assert!(output.stderr().contains(word), "no `{word}` in: {}", output.stderr());
    }
    assert!(!output.stderr().contains("panicked"), "{}", output.stderr());
}

fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path()).arg("run").args(arguments).output().unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    output
}

const HI: [&str; 4] = ["--", "python3", "-c", "print('hi')"];

fn run_hi(options: &[&str]) -> Output {
    run(&[options, &HI].concat())
}

#[test]
fn the_same_command_without_the_fault_passes() {
    let output = run_hi(&["--timeout", "30s", "--memory", "256MiB", "--dir", ".:/workspace:ro"]);
    assert_eq!((output.status.code(), output.stdout().as_str()), (Some(0), "hi\n"), "{}", output.stderr());
}

#[test]
fn an_image_that_is_not_there() {
    refused(&run_hi(&["--image", "ruby"]), &["ruby", "base"]);
    refused(&run_hi(&["--image", "missing.wasm"]), &["missing.wasm", "cannot be read"]);
    refused(&run_hi(&["--image", "./"]), &["not a file"]);
}

#[test]
fn a_file_that_is_no_module() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in
        [("empty.wasm", &b""[..]), ("text.wasm", b"#!/bin/sh\n"), ("cut.wasm", b"\0asm\x01\0\0\0\x01\x7f")]
    {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        let output = command(folder.path()).args(["run", "--image", name, "--"]).output().unwrap();
        refused(&output, &[name, "not a valid WebAssembly module"]);
    }
}

#[test]
fn a_directory_that_is_not_there() {
    refused(&run_hi(&["--dir", "nowhere"]), &["nowhere", "/workspace", "hint", "--dir"]);
}

#[test]
fn a_working_directory_that_is_not_there() {
    refused(&run_hi(&["--cwd", "/nowhere"]), &["/nowhere", "not a directory"]);
    refused(&run_hi(&["--cwd", "/dev/null"]), &["/dev/null", "not a directory"]);
    refused(&run_hi(&["--cwd", "workspace"]), &["workspace"]);
    assert_eq!(run_hi(&["--cwd", "/tmp"]).stdout(), "hi\n");
}

#[test]
fn the_same_guest_path_twice() {
    refused(&run_hi(&["--dir", ".:/a", "--dir", ".:/a"]), &["/a", "mounted twice", "--dir"]);
    refused(&run_hi(&["--dir", ".", "--dir", "."]), &["/workspace", "mounted twice"]);
}

#[test]
fn limits_that_cannot_be() {
    refused(&run_hi(&["--memory", "1"]), &["memory", "1 bytes", "64KiB"]);
    refused(&run_hi(&["--memory", "1MiB"]), &["memory limit", "starts with"]);
    refused(&run_hi(&["--memory", "lots"]), &["lots", "256MiB"]);
    refused(&run_hi(&["--memory", "8GiB"]), &["memory", "4GiB"]);
    refused(&run_hi(&["--timeout", "0"]), &["timeout", "more than 0"]);
    refused(&run_hi(&["--timeout", "soon"]), &["soon", "30s"]);
    refused(&run_hi(&["--fuel", "0"]), &["fuel", "at least 1"]);
    refused(&run_hi(&["--fuel", "-1"]), &["-1"]);
    refused(&run_hi(&["--fuel", "1", "--no-fuel"]), &["--fuel", "--no-fuel"]);
}

#[test]
fn options_that_are_not_there() {
    refused(&run_hi(&["--network", "on"]), &["--network"]);
    refused(&run_hi(&["--dir", "xx:/../y"]), &["/../y", "guest path"]);
    refused(&run_hi(&["--cwd", "tmp"]), &["tmp", "absolute"]);
    refused(&run_hi(&["--env", "NOT_SET_ANYWHERE"]), &["NOT_SET_ANYWHERE", "hint"]);
    refused(&run_hi(&["--env", "=x"]), &["variable's name"]);
    refused(&run(&[]), &["no command", "hint"]);
}

#[test]
fn a_command_that_the_image_lacks_is_127() {
    let output = run(&["--", "ruby", "-e", "1"]);
    assert_eq!(output.status.code(), Some(127));
    assert!(output.stderr().contains("ruby: command not found"), "{}", output.stderr());
}

#[test]
fn an_error_with_json_is_json() {
    let output = run_hi(&["--json", "--timeout", "0"]);
    assert_eq!(output.status.code(), Some(125));
    let error: serde_json::Value = serde_json::from_str(&output.stdout()).unwrap();
    assert!(error["error"]["message"].as_str().unwrap().contains("timeout"), "{error}");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Stdio};

    use super::*;

    /// A cache of its own, and in it a module that prints hi: quick to compile.
    fn own_cache() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let module = wat::parse_str(
            r#"(module
              (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
              (memory (export "memory") 1)
              (data (i32.const 8) "\10\00\00\00\03\00\00\00hi\0a")
              (func (export "_start") (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))))"#,
        )
        .unwrap();
        std::fs::write(folder.path().join("hi.wasm"), module).unwrap();
        folder
    }

    fn hi_in(cache: &std::path::Path) -> Command {
        let mut hi = command(cache);
        hi.args(["run", "--no-dir", "--image", "hi.wasm"]).env("SANDPIPER_CACHE", cache);
        hi
    }

    #[test]
    fn a_cache_that_others_can_write_is_refused() {
        let own = own_cache();
        let compiled = own.path().join("compiled");
        std::fs::create_dir(&compiled).unwrap();
        std::fs::set_permissions(&compiled, std::fs::Permissions::from_mode(0o777)).unwrap();
        refused(&hi_in(own.path()).output().unwrap(), &["compiled", "written by others", "chmod 700"]);
    }

    #[test]
    fn a_cache_that_cannot_be_made_is_refused() {
        let own = own_cache();
        std::fs::write(own.path().join("compiled"), "a file").unwrap();
        refused(&hi_in(own.path()).output().unwrap(), &["compiled", "SANDPIPER_CACHE"]);
        refused(
            &hi_in(std::path::Path::new("/dev/null/x")).current_dir("/").output().unwrap(),
            &["/dev/null/x"],
        );
    }

    #[test]
    fn a_corrupt_cache_entry_is_made_anew() {
        let own = own_cache();
        assert_eq!(hi_in(own.path()).output().unwrap().stdout(), "hi\n");
        let entry = std::fs::read_dir(own.path().join("compiled")).unwrap().next().unwrap().unwrap().path();
        for name in ["code", "memory", "stamps.json"] {
            std::fs::write(entry.join(name), "garbage").unwrap();
            let output = hi_in(own.path()).output().unwrap();
            assert_eq!(output.stdout(), "hi\n", "{name}: {}", output.stderr());
            assert!(output.stderr().contains("compiling"), "{name}: {}", output.stderr());
        }
        let output = hi_in(own.path()).output().unwrap();
        assert_eq!((output.stdout().as_str(), output.stderr().as_str()), ("hi\n", ""));
    }

    #[test]
    fn two_first_starts_at_once_both_work() {
        let own = own_cache();
        let start = || hi_in(own.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let started = [start(), start(), start()];
        for child in started {
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.stdout(), "hi\n", "{}", output.stderr());
        }
        let entries = std::fs::read_dir(own.path().join("compiled")).unwrap().count();
        assert_eq!(entries, 1, "one entry and nothing half made");
    }

    #[test]
    fn a_full_disk_is_the_guest_s_error() {
        let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
        let folder = tempfile::tempdir().unwrap();
        let output = command(folder.path())
            .args(["run", "--", "python3", "-c", "print('x' * 100000)"])
            .stdout(Stdio::from(full))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(125));
        assert!(output.stderr().contains("No space left"), "{}", output.stderr());
        assert!(!output.stderr().contains("panicked"), "{}", output.stderr());
    }

    #[test]
    fn a_closed_stdout_is_a_broken_pipe_in_the_guest() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = command(folder.path())
            .args(["run", "--timeout", "20s", "--", "python3", "-c", "while True: print('x' * 1000)"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.stderr().contains("BrokenPipeError"), "{}", output.stderr());
        assert_eq!(output.status.code(), Some(1));
    }
}
