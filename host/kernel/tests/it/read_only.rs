//! Nothing read-only is ever changed: every way to change something, over every read-only place.

use std::collections::BTreeMap;
use std::path::Path;

use sandpiper_core::{Access, DenialReason};
use sandpiper_kernel::{Errno, Fault};
use tempfile::TempDir;

use crate::guest::*;

/// A read-only mount at `/ro` with a file, a directory, an empty one and a link; a writable one at `/rw`.
fn worlds() -> (TempDir, TempDir, Guest) {
    let (read_only, writable) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    std::fs::write(read_only.path().join("f"), "content").unwrap();
    std::fs::create_dir(read_only.path().join("d")).unwrap();
    std::fs::create_dir(read_only.path().join("empty")).unwrap();
    std::fs::write(read_only.path().join("d/g"), "content").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("f", read_only.path().join("l")).unwrap();
    #[cfg(not(unix))]
    std::fs::write(read_only.path().join("l"), "content").unwrap();
    let guest = Guest::new(&mounted(&[
        (read_only.path(), "/ro", Access::ReadOnly),
        (writable.path(), "/rw", Access::ReadWrite),
    ]));
    (read_only, writable, guest)
}

/// Everything below a host directory that a guest could have changed.
fn snapshot(directory: &Path) -> BTreeMap<String, (u64, Option<std::time::SystemTime>, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let content = if metadata.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
            let key = path.strip_prefix(directory).unwrap().to_string_lossy().into_owned();
            found.insert(key, (metadata.len(), metadata.modified().ok(), content));
            if metadata.is_dir() {
                open.push(path);
            }
        }
    }
    found
}

#[test]
fn every_way_of_opening_for_change_is_refused_in_a_read_only_mount() {
    let (host, _other, mut guest) = worlds();
    let before = snapshot(host.path());
    for open in 0..16 {
        for rights in [RDONLY, RDWR, FD_WRITE, FD_ALLOCATE, SET_SIZE, FD_READ, ALL_RIGHTS, u64::MAX, 0] {
            for flags in 0..32 {
                for (path, there) in [("/ro/f", true), ("/ro/new", false), ("/ro/d/g", true), ("/ro/l", true)]
                {
                    let opened = guest.open_at(ROOT, path, FOLLOW, open, rights, flags);
                    let changes = rights & (FD_WRITE | FD_ALLOCATE | SET_SIZE) != 0 || open & TRUNC != 0;
                    let expected = match () {
                        () if open & CREAT != 0 && open & DIRECTORY != 0 => errno(Errno::INVAL),
                        () if !there && open & CREAT == 0 => errno(Errno::NOENT),
                        () if !there => errno(Errno::ROFS),
                        () if open & CREAT != 0 && open & EXCL != 0 => errno(Errno::EXIST),
                        () if open & DIRECTORY != 0 => errno(Errno::NOTDIR),
                        () if changes => errno(Errno::ROFS),
                        () => Ok(()),
                    };
                    let shown = format!("{path} oflags {open:#b} rights {rights:#x} fdflags {flags:#b}");
                    assert_eq!(opened.clone().map(|_| ()), expected, "{shown}");
                    if expected == errno(Errno::ROFS) {
                        guest.assert_denied("path_open", path, DenialReason::ReadOnly);
                    }
                    if let Ok(fd) = opened {
                        assert_eq!(guest.write(fd, b"x"), errno(Errno::NOTCAPABLE), "{shown}");
                        guest.denials();
                        guest.close(fd).unwrap();
                    }
                }
            }
        }
    }
    assert_eq!(snapshot(host.path()), before);
}

#[test]
fn an_open_file_of_a_read_only_mount_cannot_be_changed() {
    let (host, _other, mut guest) = worlds();
    let before = snapshot(host.path());
    let fd = guest.open("/ro/f", 0, RDONLY).unwrap();
    assert_eq!(guest.read(fd, 100), Ok(b"content".to_vec()));
    assert_eq!(guest.denials(), []);
    assert_eq!(guest.write(fd, b"x"), errno(Errno::NOTCAPABLE));
    guest.assert_denied("fd_write", "/ro/f", DenialReason::Rights);
    assert_eq!(guest.pwrite(fd, b"x", 0), errno(Errno::NOTCAPABLE));
    guest.assert_denied("fd_pwrite", "/ro/f", DenialReason::Rights);
    assert_eq!(guest.process.fd_filestat_set_size(fd, 0), errno(Errno::ROFS));
    guest.assert_denied("fd_filestat_set_size", "/ro/f", DenialReason::ReadOnly);
    assert_eq!(guest.process.fd_allocate(fd, 0, 100), errno(Errno::ROFS));
    guest.assert_denied("fd_allocate", "/ro/f", DenialReason::ReadOnly);
    assert_eq!(guest.process.fd_filestat_set_times(fd, 0, 0, 0b0101), errno(Errno::ROFS));
    guest.assert_denied("fd_filestat_set_times", "/ro/f", DenialReason::ReadOnly);
    let directory = guest.open("/ro", DIRECTORY, RDONLY).unwrap();
    assert_eq!(guest.process.fd_filestat_set_times(directory, 0, 0, 0b0101), errno(Errno::ROFS));
    guest.assert_denied("fd_filestat_set_times", "/ro", DenialReason::ReadOnly);
    guest.process.fd_sync(fd).unwrap();
    assert_eq!(snapshot(host.path()), before);
}

/// A call that would change something below `at`, and the path that it is recorded on.
type Change = (&'static str, &'static str, fn(&mut Guest, &str) -> Result<(), Fault>);

const CHANGES: &[Change] = &[
    ("path_create_directory", "/new", |guest, at| guest.mkdir(&format!("{at}/new"))),
    ("path_create_directory", "/new/", |guest, at| guest.mkdir(&format!("{at}/new/"))),
    ("path_symlink", "/new", |guest, at| guest.symlink("f", &format!("{at}/new"))),
    ("path_unlink_file", "/f", |guest, at| guest.unlink(&format!("{at}/f"))),
    ("path_unlink_file", "/l", |guest, at| guest.unlink(&format!("{at}/l"))),
    ("path_remove_directory", "/empty", |guest, at| guest.rmdir(&format!("{at}/empty"))),
    ("path_remove_directory", "/empty/", |guest, at| guest.rmdir(&format!("{at}/empty/"))),
    ("path_rename", "/f", |guest, at| guest.rename(&format!("{at}/f"), &format!("{at}/new"))),
    ("path_rename", "/empty", |guest, at| guest.rename(&format!("{at}/empty"), &format!("{at}/d"))),
    ("path_rename", "/f", |guest, at| guest.rename(&format!("{at}/f"), "/rw/new")),
    ("path_rename", "/f", |guest, at| guest.rename("/rw/f", &format!("{at}/f"))),
    ("path_rename", "/new", |guest, at| guest.rename("/rw/f", &format!("{at}/new"))),
    ("path_rename", "/f", |guest, at| guest.rename(&format!("{at}/f"), "/tmp/new")),
    ("path_link", "/f", |guest, at| guest.link(&format!("{at}/f"), &format!("{at}/new"), 0)),
    ("path_link", "/f", |guest, at| guest.link(&format!("{at}/f"), "/rw/new", 0)),
    ("path_link", "/f", |guest, at| guest.link(&format!("{at}/l"), "/rw/new", FOLLOW)),
    ("path_link", "/new", |guest, at| guest.link("/rw/f", &format!("{at}/new"), 0)),
    ("path_filestat_set_times", "/f", |guest, at| guest.set_times(&format!("{at}/f"), 0, (1, 1), 0b0101)),
    ("path_filestat_set_times", "/l", |guest, at| guest.set_times(&format!("{at}/l"), 0, (1, 1), 0b0101)),
    ("path_filestat_set_times", "/d", |guest, at| {
        guest.set_times(&format!("{at}/d"), FOLLOW, (1, 1), 0b0101)
    }),
    ("path_filestat_set_times", "", |guest, at| guest.set_times(at, FOLLOW, (1, 1), 0b0101)),
    ("path_filestat_set_times", "/.", |guest, at| {
        guest.set_times(&format!("{at}/."), FOLLOW, (1, 1), 0b1010)
    }),
];

#[test]
fn every_change_of_names_and_times_is_refused_in_a_read_only_mount() {
    for (index, (operation, subject, change)) in CHANGES.iter().enumerate() {
        let (host, other, mut guest) = worlds();
        std::fs::write(other.path().join("f"), "other").unwrap();
        if cfg!(not(unix)) && *operation == "path_link" {
            continue;
        }
        let before = (snapshot(host.path()), snapshot(other.path()));
        assert_eq!(change(&mut guest, "/ro"), errno(Errno::ROFS), "change {index}: {operation}");
        let denials = guest.denials();
        let [(recorded, path, reason)] = denials.as_slice() else { panic!("{index}: {denials:?}") };
        assert_eq!((recorded.as_str(), *reason), (*operation, DenialReason::ReadOnly), "change {index}");
        let expected = format!("/ro{subject}");
        assert!(*path == expected, "change {index}: {path}");
        assert_eq!((snapshot(host.path()), snapshot(other.path())), before, "change {index}");
    }
}

#[test]
fn every_change_that_a_read_only_mount_refuses_a_writable_one_allows() {
    for (index, (operation, _, change)) in CHANGES.iter().enumerate() {
        let (host, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        for directory in [host.path(), other.path()] {
            std::fs::write(directory.join("f"), "content").unwrap();
        }
        std::fs::create_dir(host.path().join("d")).unwrap();
        std::fs::create_dir(host.path().join("empty")).unwrap();
        std::fs::write(host.path().join("l"), "content").unwrap();
        let mut guest = Guest::new(&mounted(&[
            (host.path(), "/ro", Access::ReadWrite),
            (other.path(), "/rw", Access::ReadWrite),
        ]));
        // Between two mounts nothing can be renamed or linked; within one all of it can.
        let expected = match change(&mut guest, "/ro") {
            Err(Fault::Errno(Errno::XDEV)) => continue,
            result => result,
        };
        assert_eq!(expected, Ok(()), "change {index}: {operation}");
        assert_eq!(guest.denials(), []);
    }
}

#[test]
fn the_system_tree_is_read_only() {
    let (_host, _other, mut guest) = worlds();
    for path in ["/etc/passwd", "/usr/bin/python3"] {
        assert_eq!(guest.open(path, 0, RDWR), errno(Errno::ROFS));
        guest.assert_denied("path_open", path, DenialReason::ReadOnly);
        assert_eq!(guest.open(path, TRUNC, RDONLY), errno(Errno::ROFS));
        assert_eq!(guest.unlink(path), errno(Errno::ROFS));
        assert_eq!(guest.rename(path, "/tmp/x"), errno(Errno::ROFS));
        assert_eq!(guest.link(path, "/tmp/x", 0), errno(Errno::ROFS));
        assert_eq!(guest.set_times(path, 0, (0, 0), 0b0101), errno(Errno::ROFS));
        let fd = guest.open(path, 0, RDONLY).unwrap();
        assert_eq!(guest.process.fd_filestat_set_size(fd, 0), errno(Errno::ROFS));
        assert_eq!(guest.process.fd_filestat_set_times(fd, 0, 0, 0b0101), errno(Errno::ROFS));
        guest.denials();
    }
    for directory in ["", "/etc", "/usr", "/home", "/dev", "/dev/fd", "/usr/bin"] {
        let new = format!("{directory}/new");
        assert_eq!(guest.mkdir(&new), errno(Errno::ROFS), "{new}");
        guest.assert_denied("path_create_directory", &new, DenialReason::ReadOnly);
        assert_eq!(guest.open(&new, CREAT, RDWR), errno(Errno::ROFS), "{new}");
        assert_eq!(guest.symlink("x", &new), errno(Errno::ROFS), "{new}");
        guest.denials();
    }
}

#[test]
fn a_read_only_directory_of_the_image_is_read_only() {
    let image = TempDir::new().unwrap();
    std::fs::write(image.path().join("os.py"), "content").unwrap();
    let before = snapshot(image.path());
    let path = "/usr/lib/python3.13".parse().unwrap();
    let system = sandpiper_kernel::SystemTree::builder().read_only_dir(image.path(), &path).build().unwrap();
    let mut guest = Guest::with_system(&sandpiper_core::Spec::default(), system);
    assert_eq!(guest.content("/usr/lib/python3.13/os.py"), Ok(b"content".to_vec()));
    assert_eq!(guest.list("/usr/lib"), Ok(vec!["python3.13".to_owned()]));
    assert_eq!(guest.open("/usr/lib/python3.13/os.py", TRUNC, RDWR), errno(Errno::ROFS));
    assert_eq!(guest.open("/usr/lib/python3.13/new", CREAT, RDWR), errno(Errno::ROFS));
    assert_eq!(guest.unlink("/usr/lib/python3.13/os.py"), errno(Errno::ROFS));
    assert_eq!(guest.rmdir("/usr/lib/python3.13"), errno(Errno::BUSY));
    assert_eq!(snapshot(image.path()), before);
}

#[test]
fn flags_of_a_read_only_file_can_be_set_for_they_change_nothing_of_it() {
    let (_host, _other, mut guest) = worlds();
    let fd = guest.open("/ro/f", 0, RDONLY).unwrap();
    assert_eq!(guest.process.fd_fdstat_set_flags(fd, APPEND | NONBLOCK), Ok(()));
    assert_eq!(guest.write(fd, b"x"), errno(Errno::NOTCAPABLE));
    assert_eq!(guest.read(fd, 100), Ok(b"content".to_vec()));
}

#[test]
fn wasi_libc_opens_files_of_a_read_only_mount_for_reading() {
    let (_host, _other, mut guest) = worlds();
    // As wasi-libc does: the inheriting rights of the directory, without those of writing.
    guest.process.fd_fdstat_get(&mut guest.memory, ROOT, RESULT).unwrap();
    let inheriting = guest.u64_at(RESULT + 16);
    let not_for_reading = 1 | FD_WRITE | FD_ALLOCATE | SET_SIZE;
    let fd = guest.open("/ro/f", 0, inheriting & !not_for_reading).unwrap();
    assert_eq!(guest.read(fd, 100), Ok(b"content".to_vec()));
    let fd = guest.open("/ro/d", DIRECTORY, inheriting & !not_for_reading).unwrap();
    assert_eq!(guest.stat_at(fd, "g", 0).unwrap().kind, KIND_FILE);
    assert_eq!(guest.open("/ro/f", CREAT, inheriting & !not_for_reading).map(|_| ()), Ok(()));
    assert_eq!(guest.denials(), []);
}
