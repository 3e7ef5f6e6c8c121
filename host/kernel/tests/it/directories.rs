//! Reading directories.

use sandpiper_core::DenialReason;
use sandpiper_kernel::Errno;

use crate::guest::*;
use crate::host;

fn names(entries: &[(u64, String)]) -> Vec<&str> {
    entries.iter().map(|(_, name)| name.as_str()).collect()
}

#[test]
fn names_come_sorted_after_the_dots_with_cookies_that_count() {
    let (_host, mut guest) = workspace();
    for base in ["/workspace", "/tmp"] {
        for name in ["b", "a", "c", "!", "-x", "Z"] {
            guest.create(&format!("{base}/{name}"), b"").unwrap();
        }
        let fd = guest.open(base, DIRECTORY, RDONLY).unwrap();
        let (entries, _) = guest.readdir(fd, 0, 4096).unwrap();
        assert_eq!(names(&entries), [".", "..", "!", "-x", "Z", "a", "b", "c"]);
        assert!(entries.iter().map(|(cookie, _)| *cookie).eq(1..=8));
    }
}

#[test]
fn reading_goes_on_from_any_cookie_in_buffers_of_any_size() {
    let (_host, mut guest) = workspace();
    let expected: Vec<String> = (0..100).map(|index| format!("name-{index:03}")).collect();
    for base in ["/workspace", "/tmp"] {
        for name in &expected {
            guest.create(&format!("{base}/{name}"), b"").unwrap();
        }
        let fd = guest.open(base, DIRECTORY, RDONLY).unwrap();
        for length in [32, 33, 64, 100, 1000, 5000] {
            let (mut found, mut cookie) = (Vec::new(), 0);
            loop {
                let (entries, used) = guest.readdir(fd, cookie, length).unwrap();
                cookie = entries.last().map_or(cookie, |(next, _)| *next);
                found.extend(entries);
                if used < length {
                    break;
                }
            }
            assert_eq!(names(&found)[2..], expected, "{length}");
        }
        let (entries, _) = guest.readdir(fd, 50, 4096).unwrap();
        assert_eq!(entries[0].1, "name-048");
        assert_eq!(guest.readdir(fd, 1000, 4096), Ok((Vec::new(), 0)));
        assert_eq!(guest.readdir(fd, u64::MAX, 4096), Ok((Vec::new(), 0)));
        assert_eq!(
            guest.readdir(fd, 0, 10),
            Ok((Vec::new(), 10)),
            "a buffer too short for one entry is full"
        );
        assert_eq!(guest.readdir(fd, 0, 0), Ok((Vec::new(), 0)));
    }
}

#[test]
fn cookies_stay_true_while_names_come_and_go_and_zero_reads_again() {
    let (_host, mut guest) = workspace();
    for base in ["/workspace", "/tmp"] {
        for name in ["a", "c"] {
            guest.create(&format!("{base}/{name}"), b"").unwrap();
        }
        let fd = guest.open(base, DIRECTORY, RDONLY).unwrap();
        let (entries, _) = guest.readdir(fd, 0, 4096).unwrap();
        assert_eq!(names(&entries), [".", "..", "a", "c"]);
        guest.create(&format!("{base}/b"), b"").unwrap();
        guest.unlink(&format!("{base}/a")).unwrap();
        let (entries, _) = guest.readdir(fd, 3, 4096).unwrap();
        assert_eq!(names(&entries), ["c"]);
        let (entries, _) = guest.readdir(fd, 0, 4096).unwrap();
        assert_eq!(names(&entries), [".", "..", "b", "c"]);
    }
}

#[test]
fn entries_tell_kinds_and_inode_numbers() {
    let (_host, mut guest) = workspace();
    for base in host::with_symlinks(&["/workspace", "/tmp"]) {
        guest.create(&format!("{base}/f"), b"").unwrap();
        guest.mkdir(&format!("{base}/d")).unwrap();
        guest.symlink("f", &format!("{base}/l")).unwrap();
        let fd = guest.open(base, DIRECTORY, RDONLY).unwrap();
        guest.readdir(fd, 2, 4096).unwrap();
        let used = guest.u32_at(RESULT);
        let mut at = BUFFER;
        for (name, kind) in [("d", KIND_DIRECTORY), ("f", KIND_FILE), ("l", KIND_SYMLINK)] {
            let (ino, found) = (guest.u64_at(at + 8), guest.bytes_at(at + 20, 1)[0]);
            assert_eq!(found, kind, "{name}");
            assert_eq!(ino, guest.lstat(&format!("{base}/{name}")).unwrap().ino, "{name}");
            at += 25;
        }
        assert_eq!(used, 75);
        let fd = guest.open(&format!("{base}/f"), 0, RDONLY).unwrap();
        assert_eq!(guest.readdir(fd, 0, 100), errno(Errno::NOTDIR));
    }
}

#[test]
fn the_listings_held_are_bounded_and_given_back() {
    let (_host, mut guest) = workspace();
    for index in 0..5000 {
        guest.create(&format!("/tmp/{index:0200}"), b"").unwrap();
    }
    let mut open = Vec::new();
    let refused = loop {
        let fd = guest.open("/tmp", DIRECTORY, RDONLY).unwrap();
        open.push(fd);
        if let Err(fault) = guest.readdir(fd, 0, 4096) {
            break fault;
        }
        assert!(open.len() < 100, "some 1.3 MB each");
    };
    assert_eq!(Err::<(), _>(refused), errno(Errno::NOMEM));
    guest.assert_denied("fd_readdir", "/tmp", DenialReason::SizeLimit);
    guest.close(open[0]).unwrap();
    assert!(guest.readdir(open[open.len() - 1], 0, 4096).is_ok());
}
