//! The devices of `/dev`.

use sandpiper_core::{Spec, Stdin, Stream};
use sandpiper_kernel::Errno;

use crate::guest::*;

#[test]
fn devices_read_and_write_as_on_linux() {
    let (_host, mut guest) = workspace();
    for (path, read, written) in [
        ("/dev/null", Ok(Vec::new()), Ok(3)),
        ("/dev/zero", Ok(vec![0; 4]), Ok(3)),
        ("/dev/full", Ok(vec![0; 4]), errno(Errno::NOSPC)),
    ] {
        let fd = guest.open(path, 0, RDWR).unwrap();
        assert_eq!(guest.read(fd, 4), read, "{path}");
        assert_eq!(guest.write(fd, b"abc"), written, "{path}");
        assert_eq!(guest.seek(fd, 5, 0), Ok(0), "{path}");
        assert_eq!(guest.process.fd_filestat_set_size(fd, 0), errno(Errno::INVAL));
        let opened = guest.open(path, CREAT | TRUNC, RDWR);
        assert!(opened.is_ok(), "shells write to {path} so");
    }
    for path in ["/dev/random", "/dev/urandom"] {
        let fd = guest.open(path, 0, RDONLY).unwrap();
        assert_ne!(guest.read(fd, 16), guest.read(fd, 16));
    }
    assert_eq!(guest.open("/dev/null", DIRECTORY, RDONLY), errno(Errno::NOTDIR));
    assert_eq!(guest.unlink("/dev/null"), errno(Errno::ROFS));
}

#[test]
fn the_device_directory_lists_them_all() {
    let (_host, mut guest) = workspace();
    let names = ["fd", "full", "null", "random", "stderr", "stdin", "stdout", "tty", "urandom", "zero"];
    assert_eq!(guest.list("/dev"), Ok(names.map(str::to_owned).to_vec()));
}

#[test]
fn standard_streams_open_by_name_are_the_descriptors_themselves() {
    let mut guest = Guest::with_stdin(&Spec::default(), Stdin::bytes("hello"));
    let input = guest.open("/dev/stdin", 0, RDONLY).unwrap();
    assert_eq!(guest.read(input, 2), Ok(b"he".to_vec()));
    let again = guest.open("/dev/fd/0", 0, RDONLY).unwrap();
    assert_eq!(guest.read(again, 10), Ok(b"llo".to_vec()));
    let output = guest.open("/dev/stderr", CREAT | TRUNC, FD_WRITE).unwrap();
    guest.write(output, b"x").unwrap();
    assert_eq!(guest.output(), [(Stream::Stderr, b"x".to_vec())]);
    assert_eq!(guest.open("/dev/stdin", 0, FD_WRITE), errno(Errno::ACCES));
    assert_eq!(guest.open("/dev/stdout", 0, FD_READ), errno(Errno::ACCES));
    assert_eq!(guest.seek(output, 0, 0), errno(Errno::SPIPE));
    guest.close(0).unwrap();
    assert_eq!(guest.open("/dev/stdin", 0, RDONLY), errno(Errno::NOENT));
}

#[test]
fn open_descriptors_are_listed_and_open_as_a_dup() {
    let (_host, mut guest) = workspace();
    guest.create("/tmp/f", b"abcdef").unwrap();
    let fd = guest.open("/tmp/f", 0, RDONLY).unwrap();
    assert_eq!(guest.list("/dev/fd"), Ok(["0", "1", "2", "3", "4", "5"].map(str::to_owned).to_vec()));
    let same = guest.open("/dev/fd/4", 0, RDONLY).unwrap();
    assert_eq!(guest.read(fd, 2), Ok(b"ab".to_vec()));
    assert_eq!(guest.read(same, 2), Ok(b"cd".to_vec()), "one offset");
    assert_eq!(guest.open("/dev/fd/4", 0, FD_WRITE), errno(Errno::ACCES));
    assert_eq!(guest.stat("/dev/fd/4"), guest.stat("/tmp/f"));
    for name in ["9", "04", "+4", "-1", "x", "4294967296", ""] {
        let path = format!("/dev/fd/{name}");
        if !name.is_empty() {
            assert_eq!(guest.open(&path, 0, RDONLY), errno(Errno::NOENT), "{name}");
        }
    }
    assert_eq!(guest.open("/dev/fd/new", CREAT, RDWR), errno(Errno::ROFS));
}
