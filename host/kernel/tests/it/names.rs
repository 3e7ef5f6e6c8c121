//! Renaming, linking and removing names, as POSIX has it, in mounts and in memory.

use sandpiper_kernel::Errno;

use crate::guest::*;
use crate::host;

const WRITABLE: [&str; 2] = ["/workspace", "/tmp"];

#[test]
fn renaming_replaces_what_is_of_the_same_kind() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        let at = |name: &str| format!("{base}/{name}");
        guest.create(&at("f"), b"f").unwrap();
        guest.create(&at("g"), b"g").unwrap();
        for name in ["d", "empty", "full"] {
            guest.mkdir(&at(name)).unwrap();
        }
        guest.create(&at("full/x"), b"").unwrap();
        guest.rename(&at("f"), &at("g")).unwrap();
        assert_eq!(guest.content(&at("g")), Ok(b"f".to_vec()));
        assert_eq!(guest.stat(&at("f")), errno(Errno::NOENT));
        assert_eq!(guest.rename(&at("f"), &at("h")), errno(Errno::NOENT));
        assert_eq!(guest.rename(&at("g"), &at("d")), errno(Errno::ISDIR));
        assert_eq!(guest.rename(&at("d"), &at("g")), errno(Errno::NOTDIR));
        assert_eq!(guest.rename(&at("d"), &at("full")), errno(Errno::NOTEMPTY));
        assert_eq!(guest.rename(&at("d"), &at("d/below")), errno(Errno::INVAL));
        guest.mkdir(&at("full/e")).unwrap();
        assert_eq!(guest.rename(&at("full/e"), &at("full")), errno(Errno::NOTEMPTY));
        guest.rmdir(&at("full/e")).unwrap();
        assert_eq!(guest.rename(&at("full"), &at("empty")), Ok(()));
        assert_eq!(guest.list(&at("empty")), Ok(vec!["x".to_owned()]));
        assert_eq!(guest.rename(&at("g"), &at("g")), Ok(()));
        assert_eq!(guest.rename(&at("empty"), &at("d/moved")), Ok(()));
        assert_eq!(guest.stat(&at("d/moved/..")).unwrap(), guest.stat(&at("d")).unwrap());
        for path in [".", "..", "d/.", "d/.."] {
            assert_eq!(guest.rename(&at(path), &at("new")), errno(Errno::BUSY), "{path}");
            assert_eq!(guest.rename(&at("g"), &at(path)), errno(Errno::BUSY), "{path}");
        }
    }
}

#[test]
fn renaming_acts_on_a_link_itself() {
    let (_host, mut guest) = workspace();
    for base in host::with_symlinks(&WRITABLE) {
        let at = |name: &str| format!("{base}/{name}");
        guest.create(&at("f"), b"f").unwrap();
        guest.symlink("f", &at("l")).unwrap();
        guest.rename(&at("l"), &at("m")).unwrap();
        assert_eq!(guest.readlink(&at("m")), Ok("f".to_owned()));
        guest.create(&at("g"), b"g").unwrap();
        guest.rename(&at("g"), &at("m")).unwrap();
        assert_eq!(guest.lstat(&at("m")).unwrap().kind, KIND_FILE);
        assert_eq!(guest.content(&at("f")), Ok(b"f".to_vec()));
    }
}

#[test]
fn a_second_name_is_the_same_file() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        let at = |name: &str| format!("{base}/{name}");
        guest.create(&at("f"), b"one").unwrap();
        guest.mkdir(&at("d")).unwrap();
        guest.link(&at("f"), &at("d/g"), 0).unwrap();
        let (one, other) = (guest.stat(&at("f")).unwrap(), guest.stat(&at("d/g")).unwrap());
        assert_eq!((one.ino, one.links), (other.ino, 2));
        guest.create(&at("d/g"), b"two").unwrap();
        assert_eq!(guest.content(&at("f")), Ok(b"two".to_vec()));
        assert_eq!(guest.rename(&at("f"), &at("d/g")), Ok(()));
        assert_eq!(guest.stat(&at("f")).unwrap().links, 2);
        guest.unlink(&at("f")).unwrap();
        assert_eq!(guest.stat(&at("d/g")).unwrap().links, 1);
        assert_eq!(guest.link(&at("missing"), &at("h"), 0), errno(Errno::NOENT));
        assert_eq!(guest.link(&at("d"), &at("h"), 0), errno(Errno::PERM));
        assert_eq!(guest.link(&at("d/g"), &at("d"), 0), errno(Errno::EXIST));
        assert_eq!(guest.link(&at("d/g"), &at("d/g"), 0), errno(Errno::EXIST));
        assert_eq!(guest.link(&at("d/g"), "/", 0), errno(Errno::EXIST));
        assert_eq!(guest.link("/", &at("h"), 0), errno(Errno::PERM));
    }
}

#[test]
fn linking_a_link_takes_the_link_or_follows_it_as_asked() {
    let (_host, mut guest) = workspace();
    for base in host::with_symlinks(&WRITABLE) {
        let at = |name: &str| format!("{base}/{name}");
        guest.create(&at("f"), b"x").unwrap();
        guest.symlink("f", &at("l")).unwrap();
        guest.link(&at("l"), &at("itself"), 0).unwrap();
        guest.link(&at("l"), &at("target"), FOLLOW).unwrap();
        assert_eq!(guest.lstat(&at("itself")).unwrap().kind, KIND_SYMLINK);
        assert_eq!(guest.lstat(&at("target")).unwrap().kind, KIND_FILE);
        assert_eq!(guest.stat(&at("f")).unwrap().links, 2);
    }
}

#[test]
fn removing_wants_the_right_kind() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        let at = |name: &str| format!("{base}/{name}");
        guest.create(&at("f"), b"").unwrap();
        guest.mkdir(&at("d")).unwrap();
        guest.create(&at("d/g"), b"").unwrap();
        assert_eq!(guest.unlink(&at("d")), errno(Errno::ISDIR));
        assert_eq!(guest.rmdir(&at("f")), errno(Errno::NOTDIR));
        let open = guest.open(&at("d"), DIRECTORY, RDONLY).unwrap();
        assert_eq!(guest.rmdir(&at("d")), errno(Errno::NOTEMPTY));
        guest.close(open).unwrap();
        assert_eq!(guest.rmdir(&at("d/.")), errno(Errno::INVAL));
        assert_eq!(guest.rmdir(&at("d/..")), errno(Errno::NOTEMPTY));
        assert_eq!(guest.unlink(&at("missing")), errno(Errno::NOENT));
        assert_eq!(guest.rmdir(&at("missing")), errno(Errno::NOENT));
        if host::makes_symlinks_at(base) {
            guest.symlink("d", &at("l")).unwrap();
            assert_eq!(guest.rmdir(&at("l")), errno(Errno::NOTDIR));
            assert_eq!(guest.unlink(&at("l")), Ok(()));
        }
        assert_eq!(guest.unlink(&at("d/g")), Ok(()));
        assert_eq!(guest.rmdir(&at("d")), Ok(()));
        assert_eq!(guest.list(base), Ok(vec!["f".to_owned()]));
        guest.unlink(&at("f")).unwrap();
    }
}

#[test]
fn a_removed_directory_holds_nothing_and_takes_nothing() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        let at = |name: &str| format!("{base}/{name}");
        guest.mkdir(&at("d")).unwrap();
        let fd = guest.open(&at("d"), DIRECTORY, RDONLY).unwrap();
        if cfg!(windows) && base == "/workspace" {
            // There an open directory stays where it is, which is what keeps its path true.
            assert_eq!(guest.rmdir(&at("d")), errno(Errno::BUSY));
            guest.close(fd).unwrap();
            assert_eq!(guest.rmdir(&at("d")), Ok(()));
            continue;
        }
        guest.rmdir(&at("d")).unwrap();
        assert_eq!(guest.open_at(fd, "new", 0, CREAT, RDWR, 0), errno(Errno::NOENT));
        assert_eq!(guest.mkdir_at(fd, "new"), errno(Errno::NOENT));
        assert_eq!(guest.stat_at(fd, "x", 0), errno(Errno::NOENT));
    }
}

#[test]
fn links_of_directories_are_counted() {
    let (_host, mut guest) = workspace();
    guest.mkdir("/tmp/d").unwrap();
    guest.mkdir("/tmp/d/e").unwrap();
    guest.mkdir("/tmp/f").unwrap();
    assert_eq!(guest.stat("/tmp").unwrap().links, 4);
    assert_eq!(guest.stat("/tmp/d").unwrap().links, 3);
    guest.rename("/tmp/d/e", "/tmp/f").unwrap();
    assert_eq!(guest.stat("/tmp").unwrap().links, 4);
    assert_eq!(guest.stat("/tmp/d").unwrap().links, 2);
    guest.rmdir("/tmp/f").unwrap();
    assert_eq!(guest.stat("/tmp").unwrap().links, 3);
}

#[test]
fn directories_nest_as_deep_as_a_path_is_long_and_deeper_ones_are_dropped_without_recursion() {
    let (_host, mut guest) = workspace();
    // Each round makes a chain of 2,000 directories and hangs the last one below its end.
    for round in 0..40 {
        let top = format!("/tmp/{round}");
        guest.mkdir(&top).unwrap();
        let mut at = guest.open(&top, DIRECTORY, RDONLY).unwrap();
        let mut depth = 1;
        let refused = loop {
            guest.mkdir_at(at, "d").unwrap();
            let below = guest.open_at(at, "d", 0, DIRECTORY, RDONLY, 0);
            guest.close(at).unwrap();
            match below {
                Ok(fd) => at = fd,
                Err(fault) => break fault,
            }
            depth += 1;
        };
        assert_eq!(Err::<(), _>(refused), errno(Errno::NAMETOOLONG));
        assert!(depth > 2000, "{depth}");
        if round > 0 {
            let end = format!("{top}{}", "/d".repeat(2000));
            let last = guest.open(&end, DIRECTORY, RDONLY).unwrap();
            guest.rename_at(ROOT, &format!("/tmp/{}", round - 1), last, "deeper").unwrap();
            guest.close(last).unwrap();
        }
    }
    drop(guest);
}
