//! The descriptor table, rights, and what preopens look like.

use sandpiper_core::DenialReason;
use sandpiper_kernel::Errno;

use crate::guest::*;

#[test]
fn there_is_one_preopen_named_root() {
    let (_host, mut guest) = workspace();
    let Guest { process, memory, .. } = &mut guest;
    for fd in [0, 1, 2, 4, u32::MAX] {
        assert_eq!(process.fd_prestat_get(memory, fd, RESULT), errno(Errno::BADF), "{fd}");
        assert_eq!(process.fd_prestat_dir_name(memory, fd, BUFFER, 1), errno(Errno::BADF), "{fd}");
    }
    process.fd_prestat_get(memory, ROOT, RESULT).unwrap();
    process.fd_prestat_dir_name(memory, ROOT, BUFFER, 1).unwrap();
    assert_eq!(process.fd_prestat_dir_name(memory, ROOT, BUFFER, 0), errno(Errno::NAMETOOLONG));
    assert_eq!((guest.u64_at(RESULT), guest.bytes_at(BUFFER, 1)), (1 << 32, b"/".to_vec()));
    let opened = guest.open("/", DIRECTORY, RDONLY).unwrap();
    let Guest { process, memory, .. } = &mut guest;
    assert_eq!(process.fd_prestat_get(memory, opened, RESULT), errno(Errno::BADF));
}

#[test]
fn what_is_closed_is_closed_the_preopen_and_stdio_too() {
    let (_host, mut guest) = workspace();
    for fd in 0..4 {
        assert_eq!(guest.close(fd), Ok(()));
        assert_eq!(guest.close(fd), errno(Errno::BADF));
        assert_eq!(guest.read(fd, 1), errno(Errno::BADF));
        assert_eq!(guest.write(fd, b"x"), errno(Errno::BADF));
        assert_eq!(guest.fstat(fd), errno(Errno::BADF));
    }
    assert_eq!(guest.stat("/tmp"), errno(Errno::BADF));
}

#[test]
fn renumbering_moves_and_closes_what_was_there() {
    let (_host, mut guest) = workspace();
    let one = guest.open("/tmp/one", CREAT, RDWR).unwrap();
    let two = guest.open("/tmp/two", CREAT, RDWR).unwrap();
    guest.process.fd_renumber(one, two).unwrap();
    assert_eq!(guest.fstat(one), errno(Errno::BADF));
    guest.write(two, b"x").unwrap();
    assert_eq!(guest.content("/tmp/one"), Ok(b"x".to_vec()));
    assert_eq!(guest.process.fd_renumber(two, two), Ok(()));
    assert_eq!(guest.process.fd_renumber(one, two), errno(Errno::BADF));
    assert_eq!(guest.process.fd_renumber(two, u32::MAX), errno(Errno::BADF));
    // Over standard output, as a shell's redirection.
    guest.process.fd_renumber(two, 1).unwrap();
    guest.write(1, b"y").unwrap();
    assert_eq!(guest.output(), []);
    assert_eq!(guest.content("/tmp/one"), Ok(b"xy".to_vec()));
}

#[test]
fn each_right_is_needed_for_what_it_names() {
    let (_host, mut guest) = workspace();
    guest.create("/tmp/f", b"abc").unwrap();
    let without = |guest: &mut Guest, right: u64| guest.open("/tmp/f", 0, ALL_RIGHTS & !right).unwrap();
    let denied = |guest: &mut Guest, operation: &str| {
        guest.assert_denied(operation, "/tmp/f", DenialReason::Rights);
    };
    let fd = without(&mut guest, 1 << 1);
    assert_eq!(guest.read(fd, 1), errno(Errno::NOTCAPABLE));
    denied(&mut guest, "fd_read");
    let fd = without(&mut guest, 1 << 6);
    assert_eq!(guest.write(fd, b"x"), errno(Errno::NOTCAPABLE));
    denied(&mut guest, "fd_write");
    let fd = without(&mut guest, 1 << 2);
    assert_eq!(guest.seek(fd, 1, 0), errno(Errno::NOTCAPABLE));
    denied(&mut guest, "fd_seek");
    assert_eq!(guest.pread(fd, 1, 0), errno(Errno::NOTCAPABLE));
    denied(&mut guest, "fd_pread");
    assert_eq!(guest.seek(fd, 0, 1), Ok(0), "telling needs only its own right");
    let fd = without(&mut guest, 1 << 3);
    assert_eq!(guest.process.fd_fdstat_set_flags(fd, 0), errno(Errno::NOTCAPABLE));
    denied(&mut guest, "fd_fdstat_set_flags");
    let fd = without(&mut guest, 1 << 7);
    assert_eq!(guest.process.fd_advise(fd, 0, 0, 0), errno(Errno::NOTCAPABLE));
    denied(&mut guest, "fd_advise");
    let fd = without(&mut guest, 1 << 8);
    assert_eq!(guest.process.fd_allocate(fd, 0, 1), errno(Errno::NOTCAPABLE));
    denied(&mut guest, "fd_allocate");
    let fd = without(&mut guest, 1 << 21);
    assert_eq!(guest.fstat(fd), errno(Errno::NOTCAPABLE));
    denied(&mut guest, "fd_filestat_get");
    let fd = without(&mut guest, 1 << 22);
    assert_eq!(guest.process.fd_filestat_set_size(fd, 0), errno(Errno::NOTCAPABLE));
    denied(&mut guest, "fd_filestat_set_size");
    let fd = without(&mut guest, 1 << 23);
    assert_eq!(guest.process.fd_filestat_set_times(fd, 0, 0, 0), errno(Errno::NOTCAPABLE));
    denied(&mut guest, "fd_filestat_set_times");
    let fd = without(&mut guest, 1 << 4);
    assert_eq!(guest.process.fd_sync(fd), errno(Errno::NOTCAPABLE));
    denied(&mut guest, "fd_sync");
}

#[test]
fn rights_of_directories_are_needed_and_handed_down() {
    let (_host, mut guest) = workspace();
    guest.create("/tmp/f", b"abc").unwrap();
    let open = |guest: &mut Guest, base: u64, inheriting: u64| {
        let (at, length) = guest.put(0x1000, b"/tmp");
        let Guest { process, memory, .. } = guest;
        process.path_open(memory, ROOT, 0, at, length, DIRECTORY, base, inheriting, 0, RESULT).unwrap();
        guest.u32_at(RESULT)
    };
    let path_open = 1 << 13;
    let fd = open(&mut guest, RDONLY & !path_open, ALL_RIGHTS);
    assert_eq!(guest.open_at(fd, "f", 0, 0, RDONLY, 0), errno(Errno::NOTCAPABLE));
    guest.assert_denied("path_open", "/tmp", DenialReason::Rights);
    let fd = open(&mut guest, RDONLY & !(1 << 10), ALL_RIGHTS);
    assert_eq!(guest.open_at(fd, "g", 0, CREAT, RDWR, 0), errno(Errno::NOTCAPABLE));
    let fd = open(&mut guest, RDONLY & !(1 << 19), ALL_RIGHTS);
    assert_eq!(guest.open_at(fd, "f", 0, TRUNC, RDWR, 0), errno(Errno::NOTCAPABLE));
    let fd = open(&mut guest, RDONLY & !(1 << 9), ALL_RIGHTS);
    assert_eq!(guest.mkdir_at(fd, "d"), errno(Errno::NOTCAPABLE));
    let fd = open(&mut guest, RDONLY & !(1 << 18), ALL_RIGHTS);
    assert_eq!(guest.stat_at(fd, "f", 0), errno(Errno::NOTCAPABLE));
    let fd = open(&mut guest, RDONLY & !(1 << 14), ALL_RIGHTS);
    assert_eq!(guest.readdir(fd, 0, 100), errno(Errno::NOTCAPABLE));
    guest.denials();
    // What is not inherited is not had, however much is asked for.
    let fd = open(&mut guest, RDONLY, FD_READ | FD_SEEK);
    let file = guest.open_at(fd, "f", 0, 0, ALL_RIGHTS, 0).unwrap();
    assert_eq!(guest.read(file, 3), Ok(b"abc".to_vec()));
    assert_eq!(guest.write(file, b"x"), errno(Errno::NOTCAPABLE));
    assert_eq!(guest.fstat(file), errno(Errno::NOTCAPABLE));
}

#[test]
fn rights_can_be_narrowed_and_never_widened() {
    let (_host, mut guest) = workspace();
    let fd = guest.open("/tmp/f", CREAT, FD_READ | FD_WRITE).unwrap();
    assert_eq!(guest.process.fd_fdstat_set_rights(fd, FD_READ | FD_SEEK, 0), errno(Errno::NOTCAPABLE));
    guest.assert_denied("fd_fdstat_set_rights", "/tmp/f", DenialReason::Rights);
    assert_eq!(guest.process.fd_fdstat_set_rights(fd, FD_READ, 0), Ok(()));
    assert_eq!(guest.write(fd, b"x"), errno(Errno::NOTCAPABLE));
    assert_eq!(guest.process.fd_fdstat_set_rights(fd, FD_READ | FD_WRITE, 0), errno(Errno::NOTCAPABLE));
    assert_eq!(guest.process.fd_fdstat_set_rights(fd, FD_READ, FD_READ), errno(Errno::NOTCAPABLE));
    assert_eq!(guest.process.fd_fdstat_set_rights(ROOT, 0, 0), Ok(()));
    assert_eq!(guest.stat("/tmp"), errno(Errno::NOTCAPABLE));
}

#[test]
fn no_descriptor_is_a_socket() {
    let (_host, mut guest) = workspace();
    let process = &mut guest.process;
    for fd in 0..4 {
        assert_eq!(process.sock_accept(fd, 0, 0), errno(Errno::NOTSOCK));
        assert_eq!(process.sock_recv(fd, 0, 0, 0, 0, 0), errno(Errno::NOTSOCK));
        assert_eq!(process.sock_send(fd, 0, 0, 0, 0), errno(Errno::NOTSOCK));
        assert_eq!(process.sock_shutdown(fd, 0), errno(Errno::NOTSOCK));
    }
    assert_eq!(process.sock_shutdown(4, 0), errno(Errno::BADF));
}
