//! What a component tries on its read-only mounts and the network, by the calls that advisories against
//! wasmtime-wasi were about and by all others; the same calls succeed for a module on a writable mount.

use std::collections::BTreeMap;
use std::path::Path;

use sandpiper::{Access, Denial, DenialReason, Exec, Exit, Limits, Outcome, Trap};
use tempfile::TempDir;

use super::{adapted, file, mounting};
use crate::harness::{assert_exit, run};

/// The calls that attempts are made of: parameters as `i` (i32) and `I` (i64).
const CALLS: [(&str, &str); 17] = [
    ("path_open", "iiiiiIIii"),
    ("path_link", "iiiiiii"),
    ("path_rename", "iiiiii"),
    ("path_unlink_file", "iii"),
    ("path_create_directory", "iii"),
    ("path_remove_directory", "iii"),
    ("path_symlink", "iiiii"),
    ("path_filestat_set_times", "iiiiIIi"),
    ("path_filestat_get", "iiiii"),
    ("path_readlink", "iiiiii"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_allocate", "iII"),
    ("fd_write", "iiii"),
    ("fd_pwrite", "iiiIi"),
    ("fd_readdir", "iiiIi"),
    ("fd_close", "i"),
];

/// A preview 1 command that makes the calls and prints the number that each answers. A call is a line of
/// the function, numbers, and paths in quotes.
fn attempts(calls: &[String]) -> String {
    let mut data = String::new();
    let mut at = 1024;
    let mut body = String::new();
    for call in calls {
        let (name, arguments) = call.split_once(' ').unwrap();
        let (_, signature) = CALLS.iter().find(|(known, _)| *known == name).unwrap();
        let mut types = signature.chars();
        let mut values = String::new();
        for argument in arguments.split(' ') {
            if let Some(path) = argument.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
                data += &format!("(data (i32.const {at}) \"{path}\")");
                values += &format!("(i32.const {at}) (i32.const {})", path.len());
                at += path.len();
                types.next();
                types.next();
            } else {
                let ty = if types.next().unwrap() == 'I' { "i64" } else { "i32" };
                values += &format!("({ty}.const {argument})");
            }
        }
        assert_eq!(types.next(), None, "{call}");
        body += &format!("(call $say (call ${name} {values}))");
    }
    let imports: String = CALLS
        .iter()
        .map(|(name, signature)| {
            let types: Vec<_> =
                signature.chars().map(|letter| if letter == 'i' { "i32" } else { "i64" }).collect();
            format!(
                "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param {}) (result i32)))",
                types.join(" ")
            )
        })
        .collect();
    format!(
        r#"(module {imports} (memory (export "memory") 2) {data} (global $said (mut i32) (i32.const 65536))
          (func $say (param $number i32)
            (i32.store8 (global.get $said) (local.get $number))
            (global.set $said (i32.add (global.get $said) (i32.const 1))))
          (func (export "_start") {body}
            (i32.store (i32.const 16) (i32.const 65536))
            (i32.store (i32.const 20) (i32.sub (global.get $said) (i32.const 65536)))
            (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))"#
    )
}

/// A folder as the attempts find it.
fn victim() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("file"), "content").unwrap();
    std::fs::write(path.join("other"), "other").unwrap();
    for directory in ["d", "empty"] {
        std::fs::create_dir(path.join(directory)).unwrap();
    }
    std::fs::write(path.join("d/inner"), "inner").unwrap();
    folder
}

/// All that is in a folder, with contents and times of modification.
fn state(folder: &Path) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let content = if metadata.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
            found.insert(
                path.strip_prefix(folder).unwrap().display().to_string(),
                (content, metadata.modified().unwrap()),
            );
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

fn numbers(outcome: &Outcome) -> Vec<u8> {
    assert_exit(outcome, &Exit::Code { code: 0 });
    outcome.stdout.bytes.clone()
}

/// What the calls answer to a component with the folder read-only at its third descriptor.
fn as_component(folder: &Path, calls: &[&str]) -> (Vec<u8>, Vec<Denial>) {
    let calls: Vec<_> = calls.iter().map(|call| call.replace("{}", "")).collect();
    let (_files, path) = file(&adapted(&attempts(&calls)));
    let outcome = run(mounting(&path, &[(folder, "/w", Access::ReadOnly)]), Exec::new(["p"]));
    (numbers(&outcome), outcome.denials)
}

/// What they answer to a module with the folder at /w.
fn as_module(folder: &Path, calls: &[&str]) -> Vec<u8> {
    let calls: Vec<_> = calls.iter().map(|call| call.replace("{}", "w/")).collect();
    let (_files, path) = file(&wat::parse_str(attempts(&calls)).unwrap());
    numbers(&run(mounting(&path, &[(folder, "/w", Access::ReadWrite)]), Exec::new(["p"])))
}

const ROFS: u8 = 69;
const OK: u8 = 0;

/// Attempts that each change something, with the denial's operation.
const CHANGES: [(&str, &str); 16] = [
    // GHSA-2r75-cxrj-cmph: truncation needed no permission to write.
    ("path_open 3 0 '{}file' 8 2 0 0 32", "open-at"),
    ("path_open 3 1 '{}file' 8 66 0 0 32", "open-at"),
    ("path_open 3 0 '{}new1' 1 64 0 0 32", "open-at"),
    ("path_open 3 0 '{}new2' 5 64 0 0 32", "open-at"),
    ("path_open 3 0 '{}file' 0 64 0 0 32", "open-at"),
    ("path_open 3 0 '{}file' 0 66 0 1 32", "open-at"),
    ("path_open 3 0 '{}d/inner' 0 66 0 0 32", "open-at"),
    // GHSA-4ch3: hard links needed no permission where they come from.
    ("path_link 3 0 '{}file' 3 '{}name'", "link-at"),
    ("path_symlink 'file' 3 '{}link'", "symlink-at"),
    ("path_create_directory 3 '{}made'", "create-directory-at"),
    // Trailing slashes took another way through the checks.
    ("path_create_directory 3 '{}made2/'", "create-directory-at"),
    ("path_rename 3 '{}d/' 3 '{}moved/'", "rename-at"),
    ("path_remove_directory 3 '{}empty/'", "remove-directory-at"),
    ("path_rename 3 '{}file' 3 '{}renamed'", "rename-at"),
    ("path_unlink_file 3 '{}other'", "unlink-file-at"),
    ("path_filestat_set_times 3 0 '{}moved' 1 1 5", "set-times-at"),
];

#[test]
fn nothing_in_a_read_only_mount_is_changed_by_a_component() {
    let calls: Vec<_> = CHANGES.iter().map(|(call, _)| *call).collect();
    let folder = victim();
    let before = state(folder.path());
    let (answers, denials) = as_component(folder.path(), &calls);
    for (call, answer) in calls.iter().zip(&answers) {
        assert_eq!(*answer, ROFS, "{call}");
    }
    assert_eq!(answers.len(), calls.len());
    assert_eq!(state(folder.path()), before);
    for (call, operation) in CHANGES {
        let denied = denials
            .iter()
            .any(|denial| denial.operation == operation && denial.reason == DenialReason::ReadOnly);
        assert!(denied, "{call}: {denials:?}");
    }
    // The same succeeds where it is allowed.
    let twin = victim();
    for (call, answer) in calls.iter().zip(as_module(twin.path(), &calls)) {
        assert_eq!(answer, OK, "{call}");
    }
    assert_ne!(state(twin.path()), before);
}

#[test]
fn an_open_file_is_not_changed_by_a_component_either() {
    let (open, rest) = (
        "path_open 3 0 '{}file' 0 2 0 0 32",
        [
            "fd_filestat_set_size 4 1",
            "fd_filestat_set_times 4 1 1 5",
            "fd_allocate 4 0 100",
            "fd_write 4 16 1 24",
            "fd_pwrite 4 16 1 0 24",
        ],
    );
    let mut calls = vec![open];
    calls.extend(rest);
    let folder = victim();
    let before = state(folder.path());
    let (answers, _) = as_component(folder.path(), &calls);
    // WASI 0.2 has no allocation, which the adapter says.
    assert_eq!(answers, [OK, ROFS, ROFS, 58, ROFS, ROFS]);
    assert_eq!(state(folder.path()), before);
    let writable: Vec<_> = calls.iter().map(|call| call.replace("0 2 0 0 32", "0 12583270 0 0 32")).collect();
    let writable: Vec<_> = writable.iter().map(String::as_str).collect();
    let twin = as_module(victim().path(), &writable);
    assert_eq!(twin, [OK; 6], "{twin:?}");
}

#[test]
fn a_handle_that_is_open_changes_nothing_by_calls_that_only_components_have() {
    let program = include_str!("../../programs/components/handles.wat");
    let (_files, path) = file(&wat::parse_str(program).unwrap());
    let folder = victim();
    let before = state(folder.path());
    let outcome = run(mounting(&path, &[(folder.path(), "/w", Access::ReadOnly)]), Exec::new(["p"]));
    assert_exit(&outcome, &Exit::Code { code: 0 });
    assert_eq!(state(folder.path()), before);
    let operations: Vec<_> = outcome.denials.iter().map(|denial| denial.operation.as_str()).collect();
    assert_eq!(
        operations,
        ["set-size", "set-times", "write", "write-via-stream", "append-via-stream", "open-at"]
    );
    // What it says when something is not refused: there is no such file to begin with.
    std::fs::remove_file(folder.path().join("file")).unwrap();
    let outcome = run(mounting(&path, &[(folder.path(), "/w", Access::ReadOnly)]), Exec::new(["p"]));
    assert_exit(&outcome, &Exit::Code { code: 1 });
}

#[test]
fn a_component_makes_no_socket_and_resolves_no_name() {
    let program = include_str!("../../programs/components/sockets.wat");
    let (_files, path) = file(&wat::parse_str(program).unwrap());
    let outcome = run(mounting(&path, &[]), Exec::new(["p"]));
    assert_exit(&outcome, &Exit::Code { code: 0 });
    let denied = |operation: &str, subject: &str, count| Denial {
        operation: operation.to_owned(),
        subject: subject.to_owned(),
        reason: DenialReason::Unsupported,
        count,
    };
    assert_eq!(
        outcome.denials,
        [
            denied("create-tcp-socket", "", 2),
            denied("create-udp-socket", "", 1),
            denied("resolve-addresses", "localhost", 1)
        ]
    );
}

#[cfg(unix)]
#[test]
fn no_path_leads_out_of_a_mount() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let folder = victim();
    let link = |target: &Path, name: &str| {
        std::os::unix::fs::symlink(target, folder.path().join(name)).unwrap();
    };
    link(&outside.path().join("secret"), "absolute");
    let above = Path::new("..").join(outside.path().file_name().unwrap()).join("secret");
    link(&above, "relative");
    link(outside.path(), "directory");
    link(Path::new("d/inner"), "within");
    let relative = format!("path_open 3 0 '{}' 0 2 0 0 32", above.display());
    let absolute = format!("path_open 3 0 '{}' 0 2 0 0 32", outside.path().join("secret").display());
    const PERM: u8 = 63;
    let (answers, denials) = as_component(
        folder.path(),
        &[
            &relative,
            &absolute,
            "path_open 3 1 'absolute' 0 2 0 0 32",
            "path_open 3 1 'relative' 0 2 0 0 32",
            "path_open 3 0 'directory/secret' 0 2 0 0 32",
            "path_open 3 0 'd/../../x' 0 2 0 0 32",
            "path_filestat_get 3 1 'relative' 512",
            "path_filestat_get 3 0 '..' 512",
            "path_open 3 1 'within' 0 2 0 0 32",
            "path_open 3 0 'd/../file' 0 2 0 0 32",
            "path_filestat_get 3 1 'within' 512",
        ],
    );
    assert_eq!(answers, [PERM, PERM, PERM, PERM, PERM, PERM, PERM, PERM, OK, OK, OK]);
    assert!(denials.iter().all(|denial| denial.reason == DenialReason::Escape), "{denials:?}");
    assert_eq!(denials.iter().map(|denial| denial.count).sum::<u64>(), 8);
}

#[cfg(target_os = "linux")]
#[test]
fn a_fifo_or_a_device_is_not_opened() {
    let folder = victim();
    let fifo = folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    std::os::unix::fs::symlink("fifo", folder.path().join("link")).unwrap();
    const NXIO: u8 = 60;
    let (answers, denials) = as_component(
        folder.path(),
        &[
            "path_open 3 0 'fifo' 0 2 0 0 32",
            "path_open 3 1 'link' 0 2 0 0 32",
            "path_filestat_get 3 0 'fifo' 512",
            "path_open 3 0 'file' 0 2 0 0 32",
        ],
    );
    assert_eq!(answers, [NXIO, NXIO, OK, OK]);
    assert!(denials.iter().all(|denial| denial.reason == DenialReason::Unsupported), "{denials:?}");
    let (answers, _) = as_component(Path::new("/dev"), &["path_open 3 0 'zero' 0 2 0 0 32"]);
    assert_eq!(answers, [NXIO]);
}

#[test]
fn handles_are_limited_by_the_limit_of_descriptors() {
    let folder = victim();
    let calls = vec!["path_open 3 0 'file' 0 2 0 0 32".to_owned(); 40];
    let (_files, path) = file(&adapted(&attempts(&calls)));
    let with = |descriptors| {
        let mut spec = mounting(&path, &[(folder.path(), "/w", Access::ReadOnly)]);
        spec.limits = Limits { descriptors, ..Limits::default() };
        run(spec, Exec::new(["p"]))
    };
    assert_eq!(numbers(&with(100)), [OK; 40]);
    let limited = with(20);
    const DQUOT: u8 = 19;
    let answers = numbers(&limited);
    let opened = answers.iter().filter(|answer| **answer == OK).count();
    assert!((5..20).contains(&opened), "{answers:?}");
    assert!(answers[opened..].iter().all(|answer| *answer == DQUOT), "{answers:?}");
    assert_eq!(limited.denials[0].reason, DenialReason::DescriptorLimit);
    assert_eq!(limited.denials[0].count, 40 - opened as u64);
    // Where not even the mounts have room, the guest ends.
    let places = ["/a", "/b", "/c", "/d", "/e"].map(|guest| (folder.path(), guest, Access::ReadOnly));
    let mut spec = mounting(&path, &places);
    spec.limits.descriptors = 4;
    let none = run(spec, Exec::new(["p"]));
    assert_exit(&none, &Exit::Trap { trap: Trap::Other });
    assert_eq!(none.denials[0].reason, DenialReason::DescriptorLimit);
}
