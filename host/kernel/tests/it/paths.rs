//! How paths are walked: dots, slashes, symlinks and lengths.

use std::path::Path;

use sandpiper_core::DenialReason;
use sandpiper_kernel::{Errno, Fault};

use crate::guest::*;
use crate::host;

const WRITABLE: [&str; 2] = ["/workspace", "/tmp"];

#[test]
fn dots_and_slashes_are_walked_as_in_posix() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        guest.mkdir(&format!("{base}/d")).unwrap();
        guest.create(&format!("{base}/d/f"), b"x").unwrap();
        for path in ["d/f", "d//f", "./d/./f", "d/../d/f", "d/../../../..{base}/d/f", "//d/../d/f"] {
            let path = format!("{base}/{}", path.replace("{base}", base));
            assert_eq!(guest.content(&path), Ok(b"x".to_vec()), "{path}");
        }
        for path in ["d/f/", "d/f/.", "d/f/..", "d/f/../f", "d/f/x"] {
            assert_eq!(guest.stat(&format!("{base}/{path}")), errno(Errno::NOTDIR), "{path}");
        }
        for path in ["x/../d", "x/.", "x/"] {
            assert_eq!(guest.stat(&format!("{base}/{path}")), errno(Errno::NOENT), "{path}");
        }
        assert_eq!(guest.stat(&format!("{base}/d/")).unwrap().kind, KIND_DIRECTORY);
    }
}

#[test]
fn the_root_is_its_own_parent() {
    let (_host, mut guest) = workspace();
    let root = guest.stat("/").unwrap();
    for path in ["..", "../..", "/..", "/../../.", "/workspace/..", "/tmp/../..", "/dev/fd/.."] {
        let expected = if path == "/dev/fd/.." { guest.stat("/dev").unwrap() } else { root };
        assert_eq!(guest.stat(path), Ok(expected), "{path}");
    }
}

#[test]
fn the_empty_path_is_not_there_and_bad_names_have_their_errno() {
    let (_host, mut guest) = workspace();
    assert_eq!(guest.stat(""), errno(Errno::NOENT));
    assert_eq!(guest.stat("/tmp/a\0b"), errno(Errno::INVAL));
    let (at, length) = guest.put(0x1000, b"/tmp/\xff");
    let Guest { process, memory, .. } = &mut guest;
    assert_eq!(process.path_create_directory(memory, ROOT, at, length), errno(Errno::ILSEQ));
}

#[test]
fn lengths_are_limited_exactly() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        let name = "n".repeat(255);
        guest.create(&format!("{base}/{name}"), b"").unwrap();
        assert_eq!(guest.open(&format!("{base}/{name}n"), CREAT, RDWR), errno(Errno::NAMETOOLONG));
        assert_eq!(guest.stat(&format!("{base}/{name}n/x")), errno(Errno::NAMETOOLONG));
        assert_eq!(guest.denials(), []);
        let path = format!("{base}/{}", "./".repeat(3000));
        assert!(guest.stat(&path[..4096]).is_ok());
        assert_eq!(guest.stat(&path[..4097]), errno(Errno::NAMETOOLONG));
        let denials = guest.denials();
        assert_eq!(denials[0].2, DenialReason::SizeLimit);
    }
}

#[test]
fn links_are_followed_within_the_guests_tree() {
    let (host, mut guest) = workspace();
    guest.mkdir("/tmp/d").unwrap();
    guest.create("/tmp/d/f", b"x").unwrap();
    for (link, target) in
        [("abs", "/tmp/d/f"), ("rel", "d/f"), ("up", "../tmp/d/f"), ("far", "../../../../tmp/d/f")]
    {
        guest.symlink(target, &format!("/tmp/{link}")).unwrap();
        assert_eq!(guest.content(&format!("/tmp/{link}")), Ok(b"x".to_vec()), "{link}");
        assert_eq!(guest.readlink(&format!("/tmp/{link}")), Ok(target.to_owned()));
        assert_eq!(guest.open_at(ROOT, &format!("/tmp/{link}"), 0, 0, RDONLY, 0), errno(Errno::LOOP));
    }
    // A link of the host's that leads out of the mount is resolved in the guest's tree.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/tmp/d/f", host.path().join("abs")).unwrap();
        std::os::unix::fs::symlink("../tmp/d/f", host.path().join("up")).unwrap();
        std::os::unix::fs::symlink("/etc", host.path().join("etc")).unwrap();
        assert_eq!(guest.content("/workspace/abs"), Ok(b"x".to_vec()));
        assert_eq!(guest.content("/workspace/up"), Ok(b"x".to_vec()));
        assert_eq!(guest.list("/workspace/etc"), Ok(vec!["group".to_owned(), "passwd".to_owned()]));
        assert_eq!(guest.stat("/workspace/etc/hosts"), errno(Errno::NOENT));
    }
    let _ = host;
}

#[test]
fn links_in_the_middle_and_before_a_slash_are_always_followed() {
    let (_host, mut guest) = workspace();
    for base in host::with_symlinks(&WRITABLE) {
        guest.mkdir(&format!("{base}/d")).unwrap();
        guest.create(&format!("{base}/d/f"), b"x").unwrap();
        guest.symlink("d", &format!("{base}/l")).unwrap();
        guest.symlink("l/f", &format!("{base}/lf")).unwrap();
        assert_eq!(guest.open_at(ROOT, &format!("{base}/l/f"), 0, 0, RDONLY, 0).map(|_| ()), Ok(()));
        assert_eq!(guest.content(&format!("{base}/lf")), Ok(b"x".to_vec()));
        assert_eq!(guest.lstat(&format!("{base}/l")).unwrap().kind, KIND_SYMLINK);
        assert_eq!(guest.lstat(&format!("{base}/l/")).unwrap().kind, KIND_DIRECTORY);
        assert_eq!(guest.lstat(&format!("{base}/lf/")), errno(Errno::NOTDIR));
        assert_eq!(guest.lstat(&format!("{base}/l/..")), guest.lstat(base));
    }
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let (_host, mut guest) = workspace();
    for base in host::with_symlinks(&WRITABLE) {
        guest.create(&format!("{base}/l0"), b"x").unwrap();
        for index in 1..=41 {
            guest.symlink(&format!("l{}", index - 1), &format!("{base}/l{index}")).unwrap();
        }
        assert_eq!(guest.content(&format!("{base}/l40")), Ok(b"x".to_vec()));
        assert_eq!(guest.content(&format!("{base}/l41")), errno(Errno::LOOP));
        guest.symlink("self", &format!("{base}/self")).unwrap();
        assert_eq!(guest.stat(&format!("{base}/self")), errno(Errno::LOOP));
        assert_eq!(guest.stat(&format!("{base}/self/x")), errno(Errno::LOOP));
        assert_eq!(guest.lstat(&format!("{base}/self")).unwrap().kind, KIND_SYMLINK);
    }
}

#[test]
fn the_steps_of_one_walk_are_bounded() {
    let (_host, mut guest) = workspace();
    let mut deep = "/tmp".to_owned();
    for _ in 0..100 {
        deep.push_str("/d");
        guest.mkdir(&deep).unwrap();
    }
    // Each `..` walks down again from the mount; a thousand of them a hundred deep are too many steps.
    let path = format!("{deep}{}", "/../d".repeat(700));
    assert_eq!(guest.stat(&path), errno(Errno::LOOP));
    assert_eq!(guest.stat(&format!("{deep}{}", "/../d".repeat(40))).unwrap().kind, KIND_DIRECTORY);
}

#[test]
fn paths_start_at_the_directory_of_the_descriptor() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        guest.mkdir(&format!("{base}/d")).unwrap();
        guest.mkdir(&format!("{base}/d/e")).unwrap();
        let fd = guest.open(&format!("{base}/d"), DIRECTORY, RDONLY).unwrap();
        assert_eq!(guest.stat_at(fd, "e", 0), guest.stat(&format!("{base}/d/e")));
        assert_eq!(guest.stat_at(fd, ".", 0), guest.stat(&format!("{base}/d")));
        assert_eq!(guest.stat_at(fd, "..", 0), guest.stat(base));
        assert_eq!(guest.stat_at(fd, "../..", 0), guest.stat("/"));
        assert_eq!(guest.stat_at(fd, "/etc", 0), guest.stat("/etc"));
        guest.create(&format!("{base}/f"), b"").unwrap();
        let file = guest.open(&format!("{base}/f"), 0, RDONLY).unwrap();
        assert_eq!(guest.stat_at(file, "x", 0), errno(Errno::NOTDIR));
        assert_eq!(guest.stat_at(99, "x", 0), errno(Errno::BADF));
    }
}

#[test]
fn trailing_slashes_want_a_directory() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        let at = |name: &str| format!("{base}/{name}");
        guest.create(&at("f"), b"").unwrap();
        guest.mkdir(&at("d/")).unwrap();
        assert_eq!(guest.open(&at("f/"), 0, RDONLY), errno(Errno::NOTDIR));
        assert_eq!(guest.open(&at("f/"), CREAT, RDWR), errno(Errno::NOTDIR));
        assert_eq!(guest.open(&at("new/"), CREAT, RDWR), errno(Errno::ISDIR));
        assert_eq!(guest.unlink(&at("f/")), errno(Errno::NOTDIR));
        if host::makes_symlinks_at(base) {
            guest.symlink("d", &at("l")).unwrap();
            guest.symlink("missing", &at("dangling")).unwrap();
            assert_eq!(guest.unlink(&at("l/")), errno(Errno::NOTDIR));
            assert_eq!(guest.rmdir(&at("l/")), errno(Errno::NOTDIR));
            assert_eq!(guest.mkdir(&at("dangling/")), errno(Errno::EXIST));
        }
        assert_eq!(guest.symlink("x", &at("new/")), errno(Errno::NOENT));
        assert_eq!(guest.link(&at("f"), &at("new/"), 0), errno(Errno::NOENT));
        assert_eq!(guest.rename(&at("f"), &at("new/")), errno(Errno::NOTDIR));
        assert_eq!(guest.rename(&at("f/"), &at("new")), errno(Errno::NOTDIR));
        assert_eq!(guest.rename(&at("d/"), &at("e/")), Ok(()));
        assert_eq!(guest.rmdir(&at("e/")), Ok(()));
    }
}

#[test]
fn readlink_reads_links_only_and_cuts_at_the_buffer() {
    let (_host, mut guest) = workspace();
    for base in host::with_symlinks(&WRITABLE) {
        guest.symlink("target", &format!("{base}/l")).unwrap();
        assert_eq!(guest.readlink(&format!("{base}/l")), Ok("target".to_owned()));
        assert_eq!(guest.readlink(base), errno(Errno::INVAL));
        assert_eq!(guest.readlink(&format!("{base}/x")), errno(Errno::NOENT));
        let (at, length) = guest.put(0x1000, format!("{base}/l").as_bytes());
        guest.put(BUFFER, b"........");
        let Guest { process, memory, .. } = &mut guest;
        process.path_readlink(memory, ROOT, at, length, BUFFER, 3, RESULT).unwrap();
        assert_eq!((guest.u32_at(RESULT), guest.bytes_at(BUFFER, 4)), (3, b"tar.".to_vec()));
    }
}

#[test]
fn a_link_in_a_mount_may_not_lead_out_of_it() {
    let (host, mut guest) = workspace();
    guest.mkdir("/workspace/d").unwrap();
    for (target, link) in
        [("/etc/passwd", "/workspace/l"), ("..", "/workspace/l"), ("a/../..", "/workspace/l")]
    {
        assert_eq!(guest.symlink(target, link), errno(Errno::PERM), "{target}");
        guest.assert_denied("path_symlink", link, DenialReason::Escape);
    }
    assert_eq!(guest.symlink("../..", "/workspace/d/l"), errno(Errno::PERM));
    if host::makes_symlinks() {
        assert_eq!(guest.symlink("../x", "/workspace/d/l"), Ok(()));
    }
    assert_eq!(guest.symlink("/etc/passwd", "/tmp/l"), Ok(()));
    assert!(host.path().join("l").symlink_metadata().is_err());
}

#[test]
fn a_link_in_a_mount_goes_up_at_its_start_alone() {
    if !host::makes_symlinks() {
        return;
    }
    let (host, mut guest) = workspace();
    // By its names `here/../x` stays; but what is above `here` is above the mount.
    guest.symlink(".", "/workspace/here").unwrap();
    assert_eq!(guest.symlink("here/../x", "/workspace/l"), errno(Errno::PERM));
    guest.assert_denied("path_symlink", "/workspace/l", DenialReason::Escape);
    assert_eq!(guest.symlink("here/x", "/workspace/l"), Ok(()));
    assert_eq!(std::fs::read_link(host.path().join("l")).unwrap(), Path::new("here").join("x"));
}

#[test]
fn a_link_does_not_move_to_where_it_leads_out() {
    if !host::makes_symlinks() {
        return;
    }
    let (host, mut guest) = workspace();
    guest.mkdir("/workspace/a").unwrap();
    guest.mkdir("/workspace/a/b").unwrap();
    guest.symlink("../../x", "/workspace/a/b/l").unwrap();
    for up in ["/workspace/l", "/workspace/a/l"] {
        assert_eq!(guest.rename("/workspace/a/b/l", up), errno(Errno::PERM), "{up}");
        guest.assert_denied("path_rename", "/workspace/a/b/l", DenialReason::Escape);
        assert_eq!(guest.link("/workspace/a/b/l", up, 0), errno(Errno::PERM), "{up}");
        guest.assert_denied("path_link", "/workspace/a/b/l", DenialReason::Escape);
        assert_eq!(guest.stat(up), errno(Errno::NOENT));
    }
    assert_eq!(guest.rename("/workspace/a/b", "/workspace/b"), errno(Errno::PERM));
    guest.assert_denied("path_rename", "/workspace/a/b", DenialReason::Escape);
    assert_eq!(guest.rename("/workspace/a/b/l", "/workspace/a/b/m"), Ok(()));
    guest.mkdir("/workspace/a/c").unwrap();
    assert_eq!(guest.rename("/workspace/a/b/m", "/workspace/a/c/m"), Ok(()));
    assert_eq!(guest.rename("/workspace/a/b", "/workspace/b"), Ok(()));
    assert!(host.path().join("a/c/m").is_symlink());
}

#[test]
fn a_directory_moves_up_with_the_links_that_stay_inside() {
    if !host::makes_symlinks() {
        return;
    }
    let (_host, mut guest) = workspace();
    for path in ["/workspace/a", "/workspace/a/b", "/workspace/a/b/c"] {
        guest.mkdir(path).unwrap();
    }
    guest.symlink("../d", "/workspace/a/b/c/l").unwrap();
    assert_eq!(guest.rename("/workspace/a/b", "/workspace/b"), Ok(()));
    assert_eq!(guest.rename("/workspace/b/c", "/workspace/c"), Ok(()));
    guest.mkdir("/workspace/d").unwrap();
    assert_eq!(guest.stat("/workspace/c/l").unwrap(), guest.stat("/workspace/d").unwrap());
}

#[test]
fn links_of_the_hosts_own_that_lead_out_can_be_moved() {
    if !host::makes_symlinks() {
        return;
    }
    let (host, mut guest) = workspace();
    guest.mkdir("/workspace/a").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../../../outside", host.path().join("a/l")).unwrap();
    #[cfg(windows)]
    std::os::windows::fs::symlink_file("..\\..\\..\\outside", host.path().join("a/l")).unwrap();
    assert_eq!(guest.rename("/workspace/a/l", "/workspace/l"), Ok(()));
    assert!(host.path().join("l").is_symlink());
}

#[test]
fn a_directory_that_moved_since_it_was_opened_does_not_hide_how_deep_it_is() {
    let (_host, mut guest) = workspace();
    for path in ["/workspace/a", "/workspace/a/b", "/workspace/a/b/c"] {
        guest.mkdir(path).unwrap();
    }
    let moved = guest.open("/workspace/a/b/c", DIRECTORY, RDONLY).unwrap();
    if cfg!(windows) {
        // There an open directory does not move.
        let refused = guest.rename("/workspace/a/b/c", "/workspace/c");
        assert!(matches!(refused, Err(Fault::Errno(Errno::ACCES | Errno::BUSY))), "{refused:?}");
        return;
    }
    assert_eq!(guest.symlink_at("../../../x", moved, "before"), Ok(()));
    guest.unlink("/workspace/a/b/c/before").unwrap();
    guest.rename("/workspace/a/b/c", "/workspace/c").unwrap();
    assert_eq!(guest.symlink_at("../../../x", moved, "l"), errno(Errno::PERM));
    // Nor with the old path made to lead to it again.
    guest.rmdir("/workspace/a/b").unwrap();
    guest.symlink("..", "/workspace/a/b").unwrap();
    assert_eq!(guest.stat("/workspace/a/b/c").unwrap(), guest.stat("/workspace/c").unwrap());
    assert_eq!(guest.symlink_at("../../../x", moved, "l"), errno(Errno::PERM));
    assert_eq!(guest.symlink_at("x", moved, "l"), Ok(()));
}

#[test]
fn the_bin_directory_and_the_commands_can_be_listed() {
    let (_host, mut guest) = workspace();
    assert_eq!(guest.list("/usr/bin"), Ok(vec!["python3".to_owned(), "sh".to_owned()]));
    assert_eq!(guest.list("/bin"), guest.list("/usr/bin"));
    assert_eq!(guest.stat("/usr/bin/python3").unwrap().kind, KIND_FILE);
    assert_eq!(guest.stat("/usr/bin/perl"), errno(Errno::NOENT));
    let root: Vec<_> = ["bin", "dev", "etc", "home", "tmp", "usr", "workspace"].map(str::to_owned).into();
    assert_eq!(guest.list("/"), Ok(root));
    assert!(guest.content("/etc/passwd").unwrap().starts_with(b"root:"));
}
