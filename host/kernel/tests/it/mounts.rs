//! Mounts, mounts inside mounts, and the borders between them.

use sandpiper_core::{Access, DenialReason, Spec};
use sandpiper_kernel::{Errno, Fault};
use tempfile::TempDir;

use crate::guest::*;
use crate::host;

#[test]
fn a_mount_that_is_not_there_is_an_error_that_names_it() {
    let host = TempDir::new().unwrap();
    let spec = spec(&host.path().join("missing"));
    let system = sandpiper_kernel::SystemTree::builder().build().unwrap();
    let error = sandpiper_kernel::World::new(&spec, system).unwrap_err();
    match error {
        sandpiper_core::Error::Mount { host, guest, source } => {
            assert!(host.ends_with("missing"));
            assert_eq!(guest, "/workspace");
            assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_mount_shows_at_any_depth_and_so_do_the_directories_above_it() {
    let host = TempDir::new().unwrap();
    std::fs::write(host.path().join("f"), "x").unwrap();
    let mut guest = Guest::new(&mounted(&[(host.path(), "/srv/data/here", Access::ReadOnly)]));
    assert_eq!(guest.content("/srv/data/here/f"), Ok(b"x".to_vec()));
    assert_eq!(guest.list("/srv"), Ok(vec!["data".to_owned()]));
    assert_eq!(guest.list("/srv/data"), Ok(vec!["here".to_owned()]));
    assert_eq!(guest.stat("/srv/data/here/../..").unwrap(), guest.stat("/srv").unwrap());
    assert_eq!(guest.mkdir("/srv/new"), errno(Errno::ROFS));
    guest.assert_denied("path_create_directory", "/srv/new", DenialReason::ReadOnly);
    assert_eq!(guest.rmdir("/srv/data"), errno(Errno::BUSY));
}

#[test]
fn the_empty_spec_shows_nothing_of_the_host() {
    let mut guest = Guest::new(&Spec::default());
    let names = ["bin", "dev", "etc", "home", "tmp", "usr"].map(str::to_owned).to_vec();
    assert_eq!(guest.list("/"), Ok(names));
    assert_eq!(guest.stat("/workspace"), errno(Errno::NOENT));
    assert_eq!(guest.list("/home"), Ok(vec!["user".to_owned()]));
}

/// A project with `.git` and `a/data` mounted read-only over themselves.
fn nested() -> (TempDir, Guest) {
    let host = TempDir::new().unwrap();
    std::fs::create_dir_all(host.path().join(".git")).unwrap();
    std::fs::create_dir_all(host.path().join("a/data")).unwrap();
    std::fs::write(host.path().join(".git/config"), "secret").unwrap();
    std::fs::write(host.path().join("a/data/f"), "fixed").unwrap();
    std::fs::write(host.path().join("a/other"), "free").unwrap();
    let guest = Guest::new(&mounted(&[
        (host.path(), "/workspace", Access::ReadWrite),
        (&host.path().join(".git"), "/workspace/.git", Access::ReadOnly),
        (&host.path().join("a/data"), "/workspace/a/data", Access::ReadOnly),
    ]));
    (host, guest)
}

#[test]
fn a_read_only_mount_inside_a_writable_one_stays_read_only() {
    let (host, mut guest) = nested();
    for path in ["/workspace/.git/config", "/workspace/a/../.git/config", "/workspace/.git/../.git/config"] {
        assert_eq!(guest.content(path), Ok(b"secret".to_vec()));
        assert_eq!(guest.open(path, 0, RDWR), errno(Errno::ROFS), "{path}");
        assert_eq!(guest.unlink(path), errno(Errno::ROFS), "{path}");
    }
    let fd = guest.open("/workspace", DIRECTORY, RDONLY).unwrap();
    assert_eq!(guest.open_at(fd, ".git/config", 0, 0, RDWR, 0), errno(Errno::ROFS));
    assert_eq!(guest.open_at(fd, "a/data/f", 0, 0, RDWR, 0), errno(Errno::ROFS));
    if host::makes_symlinks() {
        guest.symlink(".git", "/workspace/alias").unwrap();
        assert_eq!(guest.open("/workspace/alias/config", 0, RDWR), errno(Errno::ROFS));
    }
    guest.create("/workspace/a/other", b"changed").unwrap();
    assert_eq!(std::fs::read(host.path().join(".git/config")).unwrap(), b"secret");
    assert_eq!(std::fs::read(host.path().join("a/other")).unwrap(), b"changed");
}

#[test]
fn what_a_mount_covers_cannot_be_moved_or_removed_from_under_it() {
    let (host, mut guest) = nested();
    guest.mkdir("/workspace/empty").unwrap();
    for path in
        ["/workspace/.git", "/workspace/a", "/workspace/a/data", "/workspace", "/tmp", "/home/user", "/"]
    {
        assert_eq!(guest.rename(path, "/workspace/elsewhere"), errno(Errno::BUSY), "{path}");
        assert_eq!(guest.rename("/workspace/empty", path), errno(Errno::BUSY), "{path}");
        assert_eq!(guest.rmdir(path), errno(Errno::BUSY), "{path}");
        assert_eq!(guest.rmdir(&format!("{path}/")), errno(Errno::BUSY), "{path}");
        assert_eq!(guest.mkdir(path), errno(Errno::EXIST), "{path}");
        assert!(matches!(guest.unlink(path), Err(Fault::Errno(Errno::BUSY | Errno::ISDIR))), "{path}");
    }
    assert!(host.path().join("a/data/f").exists());
}

#[test]
#[cfg(unix)]
fn a_second_name_of_what_a_mount_covers_leads_to_the_mount() {
    // As on a host that ignores case: another name leads to the very directory that is covered. A
    // bind mount or a case-insensitive disk cannot be had here, so the directory is moved instead.
    let (host, mut guest) = nested();
    std::fs::rename(host.path().join(".git"), host.path().join(".GIT")).unwrap();
    std::fs::rename(host.path().join("a/data"), host.path().join("a/DATA")).unwrap();
    assert_eq!(guest.content("/workspace/.GIT/config"), Ok(b"secret".to_vec()));
    assert_eq!(guest.open("/workspace/.GIT/config", 0, RDWR), errno(Errno::ROFS));
    assert_eq!(guest.unlink("/workspace/a/DATA/f"), errno(Errno::ROFS));
    assert_eq!(guest.rename("/workspace/.GIT", "/workspace/moved"), errno(Errno::BUSY));
    std::fs::rename(host.path().join("a"), host.path().join("A")).unwrap();
    assert_eq!(guest.rename("/workspace/A", "/workspace/moved"), errno(Errno::BUSY));
    assert_eq!(guest.open("/workspace/A/data/f", 0, RDWR), errno(Errno::ROFS));
}

#[test]
fn names_do_not_cross_from_mount_to_mount() {
    let (one, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut guest = Guest::new(&mounted(&[
        (one.path(), "/one", Access::ReadWrite),
        (other.path(), "/other", Access::ReadWrite),
        // The same directory twice is two mounts.
        (one.path(), "/again", Access::ReadWrite),
    ]));
    guest.create("/one/f", b"x").unwrap();
    guest.create("/tmp/f", b"x").unwrap();
    for (old, new) in
        [("/one/f", "/other/f"), ("/one/f", "/tmp/g"), ("/tmp/f", "/one/g"), ("/tmp/f", "/home/user/f")]
    {
        assert_eq!(guest.rename(old, new), errno(Errno::XDEV), "{old} {new}");
        assert_eq!(guest.link(old, new, 0), errno(Errno::XDEV), "{old} {new}");
    }
    assert_eq!(guest.rename("/one/f", "/again/g"), errno(Errno::XDEV));
    assert_eq!(guest.denials(), []);
}

#[test]
fn mount_points_that_the_host_lacks_are_listed_and_those_it_has_are_listed_once() {
    let (outer, inner) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    std::fs::write(outer.path().join("hidden"), "x").unwrap();
    std::fs::write(outer.path().join("plain"), "x").unwrap();
    std::fs::write(inner.path().join("f"), "x").unwrap();
    let mut guest = Guest::new(&mounted(&[
        (outer.path(), "/w", Access::ReadWrite),
        (inner.path(), "/w/hidden", Access::ReadWrite),
        (inner.path(), "/w/way/to/it", Access::ReadWrite),
    ]));
    assert_eq!(guest.list("/w"), Ok(["hidden", "plain", "way"].map(str::to_owned).to_vec()));
    assert_eq!(guest.list("/w/hidden"), Ok(vec!["f".to_owned()]));
    assert_eq!(guest.list("/w/way"), Ok(vec!["to".to_owned()]));
    assert_eq!(guest.content("/w/way/to/it/f"), Ok(b"x".to_vec()));
    assert_eq!(guest.mkdir("/w/way/new"), errno(Errno::ROFS));
    assert!(!outer.path().join("way").exists());
}

#[test]
fn a_mount_may_cover_the_tmp_of_the_sandbox() {
    let host = TempDir::new().unwrap();
    let mut guest = Guest::new(&mounted(&[(host.path(), "/tmp", Access::ReadWrite)]));
    guest.create("/tmp/f", b"x").unwrap();
    assert!(host.path().join("f").exists());
}

#[test]
fn each_sandbox_has_its_own_tmp() {
    let (_host, mut one) = workspace();
    let (_other_host, mut other) = workspace();
    one.create("/tmp/f", b"x").unwrap();
    assert_eq!(other.stat("/tmp/f"), errno(Errno::NOENT));
}

#[test]
#[cfg(target_os = "linux")]
fn special_files_of_the_host_are_seen_and_never_opened() {
    let (host, mut guest) = workspace();
    let _listener = std::os::unix::net::UnixListener::bind(host.path().join("socket")).unwrap();
    let directory = std::fs::File::open(host.path()).unwrap();
    rustix::fs::mknodat(&directory, "fifo", rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
    for name in ["socket", "fifo"] {
        let path = format!("/workspace/{name}");
        assert!(guest.stat(&path).is_ok());
        for (open, rights) in [(0, RDONLY), (0, RDWR), (0, FD_WRITE), (CREAT, RDWR), (TRUNC, RDWR)] {
            assert_eq!(guest.open(&path, open, rights), errno(Errno::NXIO), "{path}");
            guest.assert_denied("path_open", &path, DenialReason::Unsupported);
        }
    }
    let names = guest.list("/workspace").unwrap();
    assert_eq!(names, ["fifo", "socket"]);
}
