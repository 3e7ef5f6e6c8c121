//! What is told of changes of mounts before they are made.

use std::fs;
use std::sync::{Arc, Mutex};

use sandpiper_core::{BoxError, ChangeObserver, DenialReason};
use sandpiper_kernel::{Errno, Fault};
use tempfile::TempDir;

use crate::guest::*;
use crate::host::makes_symlinks;

/// Notes what it is told before, with what is told when it is done, and refuses what is below `refused`.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>, Mutex<Vec<String>>);

impl ChangeObserver for Told {
    fn about_to_change(&self, path: &str) -> Result<(), BoxError> {
        self.0.lock().unwrap().push(path.to_owned());
        if path.contains("refused") { Err("refused".into()) } else { Ok(()) }
    }

    fn has_changed(&self, path: &str) {
        self.1.lock().unwrap().push(path.to_owned());
    }
}

/// A guest with a file `f` and a directory `d` in a mount, and what is told of it.
fn observed() -> (TempDir, Guest, Arc<Told>) {
    let (host, mut guest) = workspace();
    fs::write(host.path().join("f"), "f").unwrap();
    fs::create_dir(host.path().join("d")).unwrap();
    let told = Arc::new(Told::default());
    guest.process.set_changes(Some(Arc::clone(&told) as Arc<dyn ChangeObserver>));
    (host, guest, told)
}

#[test]
fn each_call_that_changes_a_mount_is_told() {
    type Call = fn(&mut Guest) -> Result<(), Fault>;
    let calls: [(&str, Call, &[&str]); 14] = [
        ("create", |guest| guest.open("/workspace/n", CREAT, RDWR).map(drop), &["n"]),
        ("open to write", |guest| guest.open("/workspace/f", 0, RDWR).map(drop), &["f"]),
        ("truncate", |guest| guest.open("/workspace/f", TRUNC, RDONLY).map(drop), &["f"]),
        ("by another name", |guest| guest.open("/workspace/d/../f", 0, RDWR).map(drop), &["f"]),
        ("unlink", |guest| guest.unlink("/workspace/f"), &["f"]),
        ("rmdir", |guest| guest.rmdir("/workspace/d"), &["d"]),
        ("mkdir", |guest| guest.mkdir("/workspace/d/e"), &["d/e"]),
        ("rename", |guest| guest.rename("/workspace/f", "/workspace/d/g"), &["f", "d/g"]),
        ("rename a directory", |guest| guest.rename("/workspace/d", "/workspace/e"), &["d", "e"]),
        ("link", |guest| guest.link("/workspace/f", "/workspace/g", 0), &["g"]),
        ("times", |guest| guest.set_times("/workspace/f", 0, (1, 1), 0b0101), &["f"]),
        ("times of the mount", |guest| guest.set_times("/workspace", 0, (1, 1), 0b0101), &[""]),
        (
            "times of what is open to read",
            |guest| {
                let fd = guest.open("/workspace/f", 0, RDONLY)?;
                guest.process.fd_filestat_set_times(fd, 1, 1, 0b0101)
            },
            &["f"],
        ),
        (
            "times of an open directory",
            |guest| {
                let fd = guest.open("/workspace/d", DIRECTORY, RDONLY)?;
                guest.process.fd_filestat_set_times(fd, 1, 1, 0b0101)
            },
            &["d"],
        ),
    ];
    for (name, call, paths) in calls {
        let (_host, mut guest, told) = observed();
        assert_eq!(call(&mut guest), Ok(()), "{name}");
        let expected: Vec<String> =
            paths.iter().map(|path| format!("/workspace/{path}").trim_end_matches('/').to_owned()).collect();
        assert_eq!(*told.0.lock().unwrap(), expected, "{name}");
        assert_eq!(*told.1.lock().unwrap(), expected, "{name}");
    }
}

#[test]
fn each_write_to_an_open_file_is_told() {
    let (_host, mut guest, told) = observed();
    let fd = guest.open("/workspace/f", 0, RDWR).unwrap();
    guest.write(fd, b"text").unwrap();
    guest.process.fd_filestat_set_size(fd, 2).unwrap();
    guest.process.fd_allocate(fd, 0, 8).unwrap();
    guest.process.fd_allocate(fd, 0, 8).unwrap();
    assert_eq!(*told.0.lock().unwrap(), ["/workspace/f"; 4]);
    assert_eq!(*told.1.lock().unwrap(), ["/workspace/f"; 4]);
}

#[test]
fn a_symlink_is_told_by_its_own_name_and_what_is_written_through_it_by_the_files() {
    if !makes_symlinks() {
        return;
    }
    let (_host, mut guest, told) = observed();
    guest.symlink("f", "/workspace/s").unwrap();
    guest.open("/workspace/s", 0, RDWR).unwrap();
    assert_eq!(*told.0.lock().unwrap(), ["/workspace/s", "/workspace/f"]);
}

#[test]
fn what_only_looks_or_is_refused_or_is_no_mounts_is_not_told() {
    let (_host, mut guest, told) = observed();
    guest.open("/workspace/f", 0, RDONLY).unwrap();
    guest.stat("/workspace/f").unwrap();
    guest.list("/workspace").unwrap();
    assert_eq!(guest.unlink("/workspace/none"), errno(Errno::NOENT));
    assert_eq!(guest.mkdir("/workspace/d"), errno(Errno::EXIST));
    assert_eq!(guest.open("/etc/passwd", 0, RDWR), errno(Errno::ROFS));
    guest.assert_denied_once("path_open", "/etc/passwd", DenialReason::ReadOnly);
    guest.create("/tmp/x", b"x").unwrap();
    guest.rename("/tmp/x", "/tmp/y").unwrap();
    guest.unlink("/tmp/y").unwrap();
    assert_eq!(*told.0.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn what_the_observer_refuses_is_an_error_of_the_disk_and_not_done() {
    let (host, mut guest, _told) = observed();
    fs::write(host.path().join("refused"), "as it was").unwrap();
    let refused = "/workspace/refused";
    assert_eq!(guest.open(refused, TRUNC, RDWR), errno(Errno::IO));
    assert_eq!(guest.unlink(refused), errno(Errno::IO));
    assert_eq!(guest.rename("/workspace/f", refused), errno(Errno::IO));
    assert_eq!(guest.rename(refused, "/workspace/f"), errno(Errno::IO));
    assert_eq!(guest.mkdir("/workspace/refused2"), errno(Errno::IO));
    assert_eq!(guest.open("/workspace/refused2", CREAT, RDWR), errno(Errno::IO));
    assert_eq!(fs::read_to_string(host.path().join("refused")).unwrap(), "as it was");
    assert_eq!(fs::read_to_string(host.path().join("f")).unwrap(), "f");
    assert!(!host.path().join("refused2").exists());
    assert!(guest.denials().is_empty());
}
