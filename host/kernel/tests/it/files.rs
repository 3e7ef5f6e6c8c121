//! Opening, reading, writing, seeking and resizing files.

use sandpiper_core::DenialReason;
use sandpiper_kernel::{Errno, Fault};

use crate::guest::*;
use crate::host;

/// Where files can be made: a mount and the two in-memory directories.
const WRITABLE: [&str; 3] = ["/workspace", "/tmp", "/home/user"];

#[test]
fn what_is_written_is_read_in_every_writable_file_system() {
    let (host, mut guest) = workspace();
    for path in ["/workspace/f", "/tmp/f", "/home/user/f", "workspace/./g", "tmp/../tmp/g"] {
        guest.create(path, b"hello").unwrap();
        assert_eq!(guest.content(path).unwrap(), b"hello", "{path}");
    }
    assert_eq!(std::fs::read(host.path().join("f")).unwrap(), b"hello");
    assert_eq!(std::fs::read(host.path().join("g")).unwrap(), b"hello");
    assert_eq!(guest.denials(), []);
}

#[test]
fn a_missing_file_is_not_there() {
    let (_host, mut guest) = workspace();
    for path in ["/workspace/f", "/tmp/f", "/etc/f", "/f", "/workspace/d/f"] {
        assert_eq!(guest.open(path, 0, RDONLY), errno(Errno::NOENT), "{path}");
    }
}

#[test]
fn exclusive_creation_makes_a_file_once() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        let path = format!("{base}/f");
        assert!(guest.open(&path, CREAT | EXCL, RDWR).is_ok());
        assert_eq!(guest.open(&path, CREAT | EXCL, RDWR), errno(Errno::EXIST));
        assert!(guest.open(&path, CREAT, RDWR).is_ok());
        assert_eq!(guest.open(base, CREAT | EXCL, RDWR), errno(Errno::EXIST));
    }
}

#[test]
fn creation_does_not_follow_a_link_when_exclusive_and_does_when_not() {
    let (_host, mut guest) = workspace();
    for base in host::with_symlinks(&WRITABLE) {
        guest.symlink("target", &format!("{base}/link")).unwrap();
        assert_eq!(guest.open(&format!("{base}/link"), CREAT | EXCL, RDWR), errno(Errno::EXIST));
        guest.create(&format!("{base}/link"), b"x").unwrap();
        assert_eq!(guest.content(&format!("{base}/target")).unwrap(), b"x");
    }
}

#[test]
fn truncation_empties_and_plain_opening_does_not() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        let path = format!("{base}/f");
        guest.create(&path, b"hello").unwrap();
        guest.open(&path, 0, RDWR).unwrap();
        assert_eq!(guest.content(&path).unwrap(), b"hello");
        guest.open(&path, TRUNC, RDWR).unwrap();
        assert_eq!(guest.content(&path).unwrap(), b"");
    }
}

#[test]
fn a_directory_is_opened_as_one_and_never_for_writing() {
    let (_host, mut guest) = workspace();
    for path in ["/", "/workspace", "/tmp", "/etc", "/dev", "/home", "."] {
        assert!(guest.open(path, DIRECTORY, RDONLY).is_ok(), "{path}");
        assert!(guest.open(path, 0, RDONLY).is_ok(), "{path}");
        assert_eq!(guest.open(path, 0, RDWR), errno(Errno::ISDIR), "{path}");
        assert_eq!(guest.open(path, TRUNC, RDONLY), errno(Errno::ISDIR), "{path}");
        assert_eq!(guest.open(path, CREAT, RDONLY), errno(Errno::ISDIR), "{path}");
    }
    guest.create("/workspace/f", b"").unwrap();
    assert_eq!(guest.open("/workspace/f", DIRECTORY, RDONLY), errno(Errno::NOTDIR));
    assert_eq!(guest.open("/etc/passwd", DIRECTORY, RDONLY), errno(Errno::NOTDIR));
    assert_eq!(guest.open("/workspace/new", CREAT | DIRECTORY, RDONLY), errno(Errno::INVAL));
}

#[test]
fn reading_and_writing_a_directory_says_so() {
    let (_host, mut guest) = workspace();
    assert_eq!(guest.read(ROOT, 1), errno(Errno::ISDIR));
    assert_eq!(guest.write(ROOT, b"x"), errno(Errno::ISDIR));
    assert_eq!(guest.seek(ROOT, 0, 0), errno(Errno::BADF));
}

#[test]
fn offsets_are_shared_by_reads_writes_and_seeks() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        let fd = guest.open(&format!("{base}/f"), CREAT, RDWR).unwrap();
        assert_eq!(guest.write(fd, b"0123456789"), Ok(10));
        assert_eq!(guest.seek(fd, 2, 0), Ok(2));
        assert_eq!(guest.read(fd, 3), Ok(b"234".to_vec()));
        assert_eq!(guest.seek(fd, 0, 1), Ok(5));
        assert_eq!(guest.seek(fd, -1, 2), Ok(9));
        assert_eq!(guest.read(fd, 3), Ok(b"9".to_vec()));
        assert_eq!(guest.read(fd, 3), Ok(Vec::new()));
        assert_eq!(guest.seek(fd, -11, 1), errno(Errno::INVAL));
        assert_eq!(guest.seek(fd, i64::MAX, 1), errno(Errno::INVAL));
        assert_eq!(guest.seek(fd, i64::MAX, 0), Ok(u64::try_from(i64::MAX).unwrap()));
        assert_eq!(guest.seek(fd, 0, 3), errno(Errno::INVAL));
    }
}

#[test]
fn positioned_reads_and_writes_leave_the_offset_alone() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        let fd = guest.open(&format!("{base}/f"), CREAT, RDWR).unwrap();
        assert_eq!(guest.pwrite(fd, b"abc", 5), Ok(3));
        assert_eq!(guest.pread(fd, 10, 4), Ok(b"\0abc".to_vec()));
        assert_eq!(guest.seek(fd, 0, 1), Ok(0));
        assert_eq!(guest.pread(fd, 10, 100), Ok(Vec::new()));
        assert_eq!(guest.pread(fd, 10, u64::MAX), errno(Errno::INVAL));
        assert_eq!(guest.pwrite(fd, b"x", u64::MAX), errno(Errno::INVAL));
    }
}

#[test]
fn appending_writes_at_the_end_whatever_the_offset() {
    let (host, mut guest) = workspace();
    for base in WRITABLE {
        let path = format!("{base}/f");
        guest.create(&path, b"one").unwrap();
        let fd = guest.open_at(ROOT, &path, FOLLOW, 0, RDWR, APPEND).unwrap();
        if base == "/workspace" {
            // What another process of the host appended meanwhile is not overwritten.
            std::fs::write(host.path().join("f"), b"onetwo").unwrap();
        } else {
            guest.pwrite(fd, b"two", 3).unwrap();
        }
        assert_eq!(guest.write(fd, b"three"), Ok(5));
        assert_eq!(guest.seek(fd, 0, 1), Ok(11));
        assert_eq!(guest.content(&path).unwrap(), b"onetwothree");
    }
}

#[test]
fn appending_can_be_switched_on_after_opening() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        let path = format!("{base}/f");
        guest.create(&path, b"abc").unwrap();
        let fd = guest.open(&path, 0, RDWR).unwrap();
        guest.process.fd_fdstat_set_flags(fd, APPEND).unwrap();
        assert_eq!(guest.write(fd, b"d"), Ok(1));
        guest.process.fd_fdstat_set_flags(fd, 0).unwrap();
        assert_eq!(guest.pwrite(fd, b"A", 0), Ok(1));
        assert_eq!(guest.content(&path).unwrap(), b"Abcd");
    }
}

#[test]
fn several_vectors_are_filled_and_drained_in_order() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        let fd = guest.open(&format!("{base}/f"), CREAT, RDWR).unwrap();
        guest.put(BUFFER, b"helloworld");
        let vectors = |lengths: [u32; 3]| {
            let addresses = [BUFFER + 5, BUFFER, BUFFER + 100];
            let pairs = addresses.iter().zip(lengths);
            pairs
                .flat_map(|(at, length)| [at.to_le_bytes(), length.to_le_bytes()].concat())
                .collect::<Vec<_>>()
        };
        guest.put(0x8000, &vectors([5, 5, 0]));
        let written =
            guest.block_on(async |process, memory| process.fd_write(memory, fd, 0x8000, 3, RESULT).await);
        assert_eq!((written, guest.u32_at(RESULT)), (Ok(()), 10));
        assert_eq!(guest.pread(fd, 20, 0), Ok(b"worldhello".to_vec()));
        guest.put(0x8000, &vectors([4, 2, 20]));
        guest.seek(fd, 0, 0).unwrap();
        let read =
            guest.block_on(async |process, memory| process.fd_read(memory, fd, 0x8000, 3, RESULT).await);
        assert_eq!((read, guest.u32_at(RESULT)), (Ok(()), 10));
        assert_eq!(guest.bytes_at(BUFFER + 5, 4), b"worl");
        assert_eq!(guest.bytes_at(BUFFER, 2), b"dh");
        assert_eq!(guest.bytes_at(BUFFER + 100, 4), b"ello");
    }
}

#[test]
fn one_call_moves_all_however_much_it_is() {
    let (_host, mut guest) = workspace();
    let bytes: Vec<u8> = (0..3_500_000_u32).map(|index| index.to_le_bytes()[1]).collect();
    for base in WRITABLE {
        let fd = guest.open(&format!("{base}/f"), CREAT, RDWR).unwrap();
        assert_eq!(guest.write(fd, &bytes), Ok(bytes.len()));
        guest.seek(fd, 0, 0).unwrap();
        assert!(guest.read(fd, bytes.len() + 9).unwrap() == bytes);
        assert_eq!(guest.pwrite(fd, &bytes, 7), Ok(bytes.len()));
        assert!(guest.pread(fd, bytes.len() + 9, 7).unwrap() == bytes);
    }
}

#[test]
fn a_large_write_that_does_not_fit_is_a_partial_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut guest = limited(folder.path(), |limits| limits.tmp_bytes = 2_500_000);
    let bytes = vec![1; 3_500_000];
    let fd = guest.open("/tmp/f", CREAT, RDWR).unwrap();
    let written = guest.write(fd, &bytes).unwrap();
    assert!((2 << 20..=2_500_000).contains(&written), "{written}");
    assert_eq!(guest.write(fd, &bytes), errno(Errno::NOSPC));
    assert_eq!(guest.fstat(fd).unwrap().size, u64::try_from(written).unwrap());
}

#[test]
fn too_many_vectors_are_refused_and_recorded() {
    let (_host, mut guest) = workspace();
    let fd = guest.open("/tmp/f", CREAT, RDWR).unwrap();
    let write = |guest: &mut Guest, count| {
        guest.block_on(async |process, memory| process.fd_write(memory, fd, 0x10_0000, count, RESULT).await)
    };
    assert_eq!(write(&mut guest, 1024), Ok(()));
    assert_eq!(write(&mut guest, 1025), errno(Errno::INVAL));
    guest.assert_denied("fd_write", "/tmp/f", DenialReason::SizeLimit);
}

#[test]
fn addresses_outside_the_memory_are_faults_before_anything_happens() {
    let (_host, mut guest) = workspace();
    let end = u32::try_from(MEMORY_BYTES).unwrap();
    let fd = guest.open("/tmp/f", CREAT, RDWR).unwrap();
    guest.write(fd, b"abc").unwrap();
    let vector = [BUFFER.to_le_bytes(), 3_u32.to_le_bytes()].concat();
    guest.put(0x8000, &vector);
    let write =
        guest.block_on(async |process, memory| process.fd_write(memory, fd, 0x8000, 1, end - 3).await);
    assert_eq!(write, errno(Errno::FAULT));
    assert_eq!(guest.fstat(fd).unwrap().size, 3);
    let (at, length) = guest.put(0x1000, b"/tmp/g");
    let Guest { process, memory, .. } = &mut guest;
    let open = process.path_open(memory, ROOT, 0, at, length, CREAT, RDWR, 0, 0, end - 3);
    assert_eq!(open, errno(Errno::FAULT));
    let Guest { process, memory, .. } = &mut guest;
    assert_eq!(process.path_create_directory(memory, ROOT, end - 1, 2), errno(Errno::FAULT));
    assert_eq!(guest.stat("/tmp/g"), errno(Errno::NOENT));
}

#[test]
fn sizes_are_set_and_holes_read_as_zeros() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        let path = format!("{base}/f");
        let fd = guest.open(&path, CREAT, RDWR).unwrap();
        guest.write(fd, b"abcdef").unwrap();
        guest.process.fd_filestat_set_size(fd, 3).unwrap();
        guest.process.fd_filestat_set_size(fd, 5).unwrap();
        assert_eq!(guest.content(&path).unwrap(), b"abc\0\0");
        guest.process.fd_allocate(fd, 2, 2).unwrap();
        assert_eq!(guest.fstat(fd).unwrap().size, 5);
        guest.process.fd_allocate(fd, 4, 3).unwrap();
        assert_eq!(guest.fstat(fd).unwrap().size, 7);
        assert_eq!(guest.process.fd_allocate(fd, 0, 0), errno(Errno::INVAL));
        assert_eq!(guest.process.fd_allocate(fd, u64::MAX, 1), errno(Errno::FBIG));
        let huge = guest.process.fd_filestat_set_size(fd, u64::MAX);
        assert!(matches!(huge, Err(Fault::Errno(Errno::FBIG | Errno::NOSPC))), "{huge:?}");
        assert_eq!(guest.fstat(fd).unwrap().size, 7);
    }
}

#[test]
fn syncing_and_advice_succeed_on_files_and_not_on_streams() {
    let (_host, mut guest) = workspace();
    for path in ["/workspace/f", "/tmp/f", "/etc/passwd"] {
        let (open, rights) = if path.starts_with("/etc") { (0, RDONLY) } else { (CREAT, RDWR | 1) };
        let fd = guest.open(path, open, rights).unwrap();
        assert_eq!(guest.process.fd_sync(fd), Ok(()), "{path}");
        assert_eq!(guest.process.fd_datasync(fd), Ok(()), "{path}");
        assert_eq!(guest.process.fd_advise(fd, 0, 0, 3), Ok(()), "{path}");
        assert_eq!(guest.process.fd_advise(fd, 0, 0, 6), errno(Errno::INVAL));
        assert_eq!(guest.process.fd_advise(fd, u64::MAX, 1, 0), errno(Errno::INVAL));
    }
    assert_eq!(guest.process.fd_sync(1), errno(Errno::INVAL));
    assert_eq!(guest.process.fd_advise(1, 0, 0, 0), errno(Errno::SPIPE));
}

#[test]
fn a_removed_file_lives_while_it_is_open() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        if base == "/workspace" && !host::removes_what_is_open() {
            continue;
        }
        let path = format!("{base}/f");
        guest.create(&path, b"abc").unwrap();
        let fd = guest.open(&path, 0, RDWR).unwrap();
        guest.unlink(&path).unwrap();
        assert_eq!(guest.open(&path, 0, RDONLY), errno(Errno::NOENT));
        assert_eq!(guest.write(fd, b"x"), Ok(1));
        assert_eq!(guest.pread(fd, 9, 0), Ok(b"xbc".to_vec()));
        assert_eq!(guest.fstat(fd).unwrap().links, 0);
    }
}

#[test]
fn times_are_set_as_the_flags_say() {
    let (_host, mut guest) = workspace();
    for base in WRITABLE {
        let path = format!("{base}/f");
        guest.create(&path, b"").unwrap();
        guest.set_times(&path, FOLLOW, (1_000_000_000, 2_000_000_000), 0b0101).unwrap();
        let stat = guest.stat(&path).unwrap();
        assert_eq!((stat.accessed_ns, stat.modified_ns), (1_000_000_000, 2_000_000_000));
        let fd = guest.open(&path, 0, RDWR).unwrap();
        guest.process.fd_filestat_set_times(fd, 3_000_000_000, 0, 0b1001).unwrap();
        let stat = guest.fstat(fd).unwrap();
        assert_eq!(stat.accessed_ns, 3_000_000_000);
        assert!(stat.modified_ns > 1_700_000_000_000_000_000, "now");
        guest.process.fd_filestat_set_times(fd, 0, 0, 0).unwrap();
        assert_eq!(guest.fstat(fd).unwrap().accessed_ns, 3_000_000_000);
        for flags in [0b0011, 0b1100, 0b1_0000] {
            assert_eq!(guest.process.fd_filestat_set_times(fd, 0, 0, flags), errno(Errno::INVAL));
            assert_eq!(guest.set_times(&path, 0, (0, 0), flags), errno(Errno::INVAL));
        }
    }
}

#[test]
fn times_of_directories_and_links_are_set_without_touching_their_targets() {
    let (_host, mut guest) = workspace();
    for base in ["/workspace", "/tmp"] {
        guest.mkdir(&format!("{base}/d")).unwrap();
        if host::makes_symlinks_at(base) {
            guest.symlink("d", &format!("{base}/l")).unwrap();
            guest.set_times(&format!("{base}/l"), 0, (0, 7_000_000_000), 0b0100).unwrap();
            assert_eq!(guest.lstat(&format!("{base}/l")).unwrap().modified_ns, 7_000_000_000);
            assert_ne!(guest.stat(&format!("{base}/l")).unwrap().modified_ns, 7_000_000_000);
            guest.set_times(&format!("{base}/l"), FOLLOW, (0, 8_000_000_000), 0b0100).unwrap();
            assert_eq!(guest.stat(&format!("{base}/d")).unwrap().modified_ns, 8_000_000_000);
        }
        let fd = guest.open(&format!("{base}/d"), 0, RDONLY).unwrap();
        guest.process.fd_filestat_set_times(fd, 0, 9_000_000_000, 0b0100).unwrap();
        assert_eq!(guest.fstat(fd).unwrap().modified_ns, 9_000_000_000);
        // The mount's root itself.
        guest.set_times(base, FOLLOW, (0, 5_000_000_000), 0b0100).unwrap();
        assert_eq!(guest.stat(base).unwrap().modified_ns, 5_000_000_000);
    }
}

#[test]
fn a_filestat_tells_kind_size_links_and_mount() {
    let (_host, mut guest) = workspace();
    guest.create("/workspace/f", b"abc").unwrap();
    guest.create("/tmp/f", b"abc").unwrap();
    let (file, memory) = (guest.stat("/workspace/f").unwrap(), guest.stat("/tmp/f").unwrap());
    for stat in [file, memory] {
        assert_eq!((stat.kind, stat.size, stat.links), (KIND_FILE, 3, 1));
        assert_ne!(stat.ino, 0);
    }
    assert_ne!(file.device, memory.device);
    let fd = guest.open("/workspace/f", 0, RDONLY).unwrap();
    assert_eq!(guest.fstat(fd).unwrap(), file);
    assert_eq!(guest.stat("/tmp").unwrap().kind, KIND_DIRECTORY);
    assert_eq!(guest.stat("/dev/null").unwrap().kind, KIND_DEVICE);
    guest.symlink("f", "/tmp/l").unwrap();
    assert_eq!(guest.lstat("/tmp/l").unwrap().kind, KIND_SYMLINK);
    assert_eq!(guest.stat("/tmp/l").unwrap(), memory);
}

#[test]
fn what_is_read_and_written_is_counted() {
    let (_host, mut guest) = workspace();
    guest.create("/workspace/f", b"hello").unwrap();
    guest.content("/workspace/f").unwrap();
    guest.write(1, b"out").unwrap();
    assert_eq!((guest.world.bytes_read(), guest.world.bytes_written()), (5, 8));
}
