//! Every limit at its edge: what fits passes, and what was done before is kept.

use sandpiper_core::{DenialReason, Quota, Stream};
use sandpiper_kernel::{Errno, Stop};
use tempfile::TempDir;

use crate::guest::*;
use crate::host;

#[test]
fn output_up_to_the_limit_passes_and_the_next_byte_ends() {
    let host = TempDir::new().unwrap();
    let mut guest = limited(host.path(), |limits| limits.output_bytes = 10);
    assert_eq!(guest.write(1, b"12345"), Ok(5));
    assert_eq!(guest.write(2, b"67890"), Ok(5));
    assert_eq!(guest.write(1, b""), Ok(0));
    assert_eq!(guest.denials(), []);
    assert_eq!(guest.write(1, b"x"), stop(Stop::Quota(Quota::Output)));
    guest.assert_denied("fd_write", "/dev/stdout", DenialReason::OutputLimit);
    let expected = [(Stream::Stdout, b"12345".to_vec()), (Stream::Stderr, b"67890".to_vec())];
    assert_eq!(guest.output(), expected);
}

#[test]
fn output_beyond_the_limit_is_delivered_up_to_it() {
    let host = TempDir::new().unwrap();
    let mut guest = limited(host.path(), |limits| limits.output_bytes = 10);
    assert_eq!(guest.write(1, b"1234567890+"), stop(Stop::Quota(Quota::Output)));
    assert_eq!(guest.output(), [(Stream::Stdout, b"1234567890".to_vec())]);
    assert_eq!(guest.world.bytes_written(), 10);
}

#[test]
fn disk_writes_up_to_the_limit_pass_and_the_next_byte_ends() {
    let host = TempDir::new().unwrap();
    let mut guest = limited(host.path(), |limits| limits.disk_bytes = 10);
    let fd = guest.open("/workspace/f", CREAT, RDWR).unwrap();
    assert_eq!(guest.write(fd, b"123456789"), Ok(9));
    assert_eq!(guest.write(fd, b"0+"), Ok(1), "what fits is written");
    assert_eq!(guest.denials(), []);
    assert_eq!(guest.write(fd, b""), Ok(0));
    assert_eq!(guest.write(fd, b"+"), stop(Stop::Quota(Quota::Disk)));
    guest.assert_denied("fd_write", "/workspace/f", DenialReason::DiskLimit);
    assert_eq!(std::fs::read(host.path().join("f")).unwrap(), b"1234567890");
}

#[test]
fn disk_writes_count_also_where_they_overwrite_or_are_removed() {
    let host = TempDir::new().unwrap();
    let mut guest = limited(host.path(), |limits| limits.disk_bytes = 10);
    guest.create("/workspace/f", b"12345").unwrap();
    guest.unlink("/workspace/f").unwrap();
    guest.create("/workspace/f", b"1234").unwrap();
    let fd = guest.open("/workspace/f", 0, RDWR).unwrap();
    assert_eq!(guest.pwrite(fd, b"x", 0), Ok(1));
    assert_eq!(guest.pwrite(fd, b"x", 0), stop(Stop::Quota(Quota::Disk)));
}

#[test]
fn growth_of_a_file_counts_by_whatever_way_it_grows() {
    for way in 0..4 {
        for (limit, fits) in [(100, true), (99, false)] {
            let host = TempDir::new().unwrap();
            std::fs::write(host.path().join("f"), [1; 50]).unwrap();
            let mut guest = limited(host.path(), |limits| limits.disk_bytes = limit);
            let fd = guest.open("/workspace/f", 0, RDWR).unwrap();
            let result = match way {
                0 => guest.process.fd_filestat_set_size(fd, 150),
                1 => guest.process.fd_allocate(fd, 100, 50),
                2 => guest.pwrite(fd, b"x", 149).map(|_| ()),
                _ => {
                    guest.seek(fd, 149, 0).unwrap();
                    guest.write(fd, b"x").map(|_| ())
                }
            };
            let expected = if fits { Ok(()) } else { stop(Stop::Quota(Quota::Disk)) };
            assert_eq!(result, expected, "way {way} limit {limit}");
            let size = std::fs::metadata(host.path().join("f")).unwrap().len();
            assert_eq!(size, if fits { 150 } else { 50 }, "way {way} limit {limit}");
        }
    }
}

#[test]
fn a_write_over_several_vectors_stops_where_the_quota_does() {
    let host = TempDir::new().unwrap();
    let mut guest = limited(host.path(), |limits| limits.disk_bytes = 7);
    let fd = guest.open("/workspace/f", CREAT, RDWR).unwrap();
    guest.put(BUFFER, b"helloworld");
    let vectors: Vec<u8> =
        [BUFFER, 5, BUFFER + 5, 5, BUFFER, 5].iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
    guest.put(0x8000, &vectors);
    let written =
        guest.block_on(async |process, memory| process.fd_write(memory, fd, 0x8000, 3, RESULT).await);
    assert_eq!((written, guest.u32_at(RESULT)), (Ok(()), 7));
    assert_eq!(std::fs::read(host.path().join("f")).unwrap(), b"hellowo");
}

#[test]
fn memory_up_to_the_limit_is_given_and_given_back() {
    let host = TempDir::new().unwrap();
    let mut guest = limited(host.path(), |limits| limits.tmp_bytes = 100);
    guest.create("/tmp/f", &[1; 60]).unwrap();
    let fd = guest.open("/home/user/g", CREAT, RDWR).unwrap();
    assert_eq!(guest.write(fd, &[2; 60]), Ok(40), "one budget for both");
    assert_eq!(guest.write(fd, b"x"), errno(Errno::NOSPC));
    guest.assert_denied("fd_write", "/home/user/g", DenialReason::TmpLimit);
    guest.unlink("/tmp/f").unwrap();
    assert_eq!(guest.write(fd, &[2; 61]), Ok(60));
    assert_eq!(guest.write(fd, b"x"), errno(Errno::NOSPC));
    guest.process.fd_filestat_set_size(fd, 99).unwrap();
    assert_eq!(guest.write(fd, b"x"), errno(Errno::NOSPC), "the offset is beyond the limit still");
    assert_eq!(guest.pwrite(fd, b"xy", 99), Ok(1));
    guest.unlink("/home/user/g").unwrap();
    assert_eq!(guest.open("/tmp/h", CREAT, RDWR).map(|fd| guest.write(fd, b"x")), Ok(errno(Errno::NOSPC)));
    guest.close(fd).unwrap();
    guest.create("/tmp/i", &[3; 100]).unwrap();
}

#[test]
fn holes_in_memory_are_charged_in_full() {
    let host = TempDir::new().unwrap();
    let mut guest = limited(host.path(), |limits| limits.tmp_bytes = 100);
    let fd = guest.open("/tmp/f", CREAT, RDWR).unwrap();
    assert_eq!(guest.pwrite(fd, b"x", 100), errno(Errno::NOSPC));
    assert_eq!(guest.process.fd_filestat_set_size(fd, 101), errno(Errno::NOSPC));
    assert_eq!(guest.process.fd_allocate(fd, 0, 101), errno(Errno::NOSPC));
    assert_eq!(guest.pwrite(fd, b"x", 1 << 60), errno(Errno::NOSPC));
    assert_eq!(guest.fstat(fd).unwrap().size, 0);
    assert_eq!(guest.pwrite(fd, b"xyz", 98), Ok(2));
    assert_eq!(guest.fstat(fd).unwrap().size, 100);
    guest.denials();
    assert_eq!(guest.symlink("t", "/tmp/l"), errno(Errno::NOSPC), "targets are charged too");
    guest.assert_denied("path_symlink", "/tmp/l", DenialReason::TmpLimit);
}

#[test]
fn names_up_to_the_limit_can_be_made_by_whatever_way() {
    for (base, full) in [("/tmp", Errno::NOSPC), ("/workspace", Errno::DQUOT)] {
        let host = TempDir::new().unwrap();
        let mut guest = limited(host.path(), |limits| limits.files = 4);
        let at = |name: &str| format!("{base}/{name}");
        guest.create(&at("f"), b"").unwrap();
        guest.mkdir(&at("d")).unwrap();
        // A file is a name like any other.
        if host::makes_symlinks_at(base) {
            guest.symlink("f", &at("l")).unwrap();
        } else {
            guest.create(&at("l"), b"").unwrap();
        }
        guest.link(&at("f"), &at("g"), 0).unwrap();
        assert_eq!(guest.denials(), []);
        for (operation, made) in [
            ("path_open", guest.open(&at("new"), CREAT, RDWR).map(|_| ())),
            ("path_create_directory", guest.mkdir(&at("new"))),
            ("path_symlink", guest.symlink("f", &at("new"))),
        ] {
            assert_eq!(made, errno(full), "{operation}");
            guest.assert_denied_once(operation, &at("new"), DenialReason::FileLimit);
        }
        assert_eq!(guest.link(&at("f"), &at("new"), 0), errno(full));
        guest.denials();
        // What exists can be opened and renamed, and what is removed makes room.
        guest.create(&at("f"), b"x").unwrap();
        guest.rename(&at("g"), &at("h")).unwrap();
        guest.rename(&at("l"), &at("h")).unwrap();
        guest.mkdir(&at("e")).unwrap();
        assert_eq!(guest.mkdir(&at("new")), errno(full));
        guest.rmdir(&at("e")).unwrap();
        guest.unlink(&at("f")).unwrap();
        guest.mkdir(&at("e")).unwrap();
        guest.mkdir(&at("i")).unwrap();
        assert_eq!(guest.mkdir(&at("new")), errno(full));
    }
}

#[test]
fn a_refused_creation_costs_nothing() {
    let host = TempDir::new().unwrap();
    let mut guest = limited(host.path(), |limits| limits.files = 2);
    guest.mkdir("/workspace/d").unwrap();
    for _ in 0..10 {
        assert_eq!(guest.mkdir("/workspace/d"), errno(Errno::EXIST));
        assert_eq!(guest.mkdir("/workspace/x/y"), errno(Errno::NOENT));
        assert_eq!(guest.open("/workspace/d", CREAT | EXCL, RDWR), errno(Errno::EXIST));
    }
    guest.mkdir("/workspace/e").unwrap();
    assert_eq!(guest.mkdir("/workspace/f"), errno(Errno::DQUOT));
}

#[test]
fn descriptors_up_to_the_limit_are_given_and_the_lowest_first() {
    let host = TempDir::new().unwrap();
    let mut guest = limited(host.path(), |limits| limits.descriptors = 6);
    assert_eq!(guest.open("/tmp/f", CREAT, RDWR), Ok(4));
    assert_eq!(guest.open("/tmp/f", 0, RDWR), Ok(5));
    assert_eq!(guest.open("/tmp/g", CREAT, RDWR), errno(Errno::MFILE));
    guest.assert_denied("path_open", "/tmp/g", DenialReason::DescriptorLimit);
    assert_eq!(guest.stat("/tmp/g"), errno(Errno::NOENT), "nothing was made");
    guest.close(4).unwrap();
    assert_eq!(guest.open("/tmp/g", CREAT, RDWR), Ok(4));
    assert_eq!(guest.process.fd_renumber(4, 6), errno(Errno::BADF));
}
