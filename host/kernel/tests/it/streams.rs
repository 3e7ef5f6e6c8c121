//! Standard input, output and error.

use std::pin::Pin;
use std::task::{Context, Poll};

use sandpiper_core::{Spec, Stdin, Stream};
use sandpiper_kernel::Errno;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use crate::guest::*;

#[test]
fn every_future_can_move_between_threads() {
    fn check(_: &impl Send) {}
    let (_host, mut guest) = workspace();
    let Guest { process, memory, .. } = &mut guest;
    check(process);
    check(&process.fd_read(memory, 0, 0, 0, 0));
    check(&process.fd_pread(memory, 0, 0, 0, 0, 0));
    check(&process.fd_write(memory, 1, 0, 0, 0));
    check(&process.fd_pwrite(memory, 1, 0, 0, 0, 0));
    check(&process.poll_oneoff(memory, 0, 0, 0, 0));
    check(&process.sched_yield());
}

#[test]
fn output_keeps_its_order_over_both_streams() {
    let (_host, mut guest) = workspace();
    for (fd, text) in [(1, "a"), (2, "b"), (1, "c"), (2, "d")] {
        assert_eq!(guest.write(fd, text.as_bytes()), Ok(1));
    }
    let expected =
        [(Stream::Stdout, "a"), (Stream::Stderr, "b"), (Stream::Stdout, "c"), (Stream::Stderr, "d")];
    assert_eq!(guest.output(), expected.map(|(stream, text)| (stream, text.as_bytes().to_vec())));
}

#[test]
fn large_output_comes_in_pieces_of_64_kib() {
    let (_host, mut guest) = workspace();
    let bytes: Vec<u8> = (0..200_000_u32).map(|index| index.to_le_bytes()[0]).collect();
    assert_eq!(guest.write(1, &bytes), Ok(200_000));
    let output = guest.output();
    assert!(output.iter().all(|(_, piece)| piece.len() <= 64 << 10));
    assert!(output.into_iter().flat_map(|(_, piece)| piece).eq(bytes));
}

#[test]
fn a_full_channel_makes_the_guest_wait_and_a_reader_lets_it_go_on() {
    let (_host, mut guest) = workspace();
    for _ in 0..64 {
        guest.write(1, b"x").unwrap();
    }
    guest.process.fd_fdstat_set_flags(1, NONBLOCK).unwrap();
    assert_eq!(guest.write(1, b"y"), errno(Errno::AGAIN));
    guest.process.fd_fdstat_set_flags(1, 0).unwrap();
    guest.put(BUFFER, b"y");
    guest.put(0x8000, &[BUFFER.to_le_bytes(), 1_u32.to_le_bytes()].concat());
    let mut waited = false;
    let Guest { process, memory, events, .. } = &mut guest;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut write = Box::pin(process.fd_write(memory, 1, 0x8000, 1, RESULT));
        let result = std::future::poll_fn(|context| {
            let polled = write.as_mut().poll(context);
            if polled.is_pending() {
                waited = true;
                assert!(events.try_recv().is_ok());
            }
            polled
        })
        .await;
        assert_eq!(result, Ok(()));
    });
    assert!(waited);
    assert_eq!(guest.output().len(), 64);
}

#[test]
fn a_reader_that_is_gone_is_a_broken_pipe() {
    let (_host, mut guest) = workspace();
    guest.events.close();
    assert_eq!(guest.write(1, b"x"), errno(Errno::PIPE));
}

#[test]
fn standard_streams_are_no_terminals_and_no_files() {
    let (_host, mut guest) = workspace();
    for fd in 0..3 {
        guest.process.fd_fdstat_get(&mut guest.memory, fd, RESULT).unwrap();
        assert_eq!(guest.bytes_at(RESULT, 1), [0]);
        assert_eq!(guest.seek(fd, 0, 0), errno(Errno::SPIPE));
        assert_eq!(guest.pread(fd, 1, 0), errno(Errno::SPIPE));
        assert_eq!(guest.pwrite(fd, b"x", 0), errno(Errno::SPIPE));
        assert!(guest.fstat(fd).is_ok());
    }
    assert_eq!(guest.write(0, b"x"), errno(Errno::NOTCAPABLE));
    assert_eq!(guest.read(1, 1), errno(Errno::NOTCAPABLE));
}

#[test]
fn a_terminal_is_a_character_device_that_cannot_seek() {
    let mut guest = Guest::with_stdin(&Spec::default(), Stdin::Terminal(Box::new(tokio::io::empty())));
    guest.process.fd_fdstat_get(&mut guest.memory, 0, RESULT).unwrap();
    assert_eq!(guest.bytes_at(RESULT, 1), [2]);
    let seek_and_tell = (1 << 2) | (1 << 5);
    assert_eq!(guest.u64_at(RESULT + 8) & seek_and_tell, 0);
    assert!(guest.open("/dev/tty", 0, RDONLY).is_ok());
    let mut guest = Guest::new(&Spec::default());
    assert_eq!(guest.open("/dev/tty", 0, RDONLY), errno(Errno::NXIO));
}

#[test]
fn standard_input_is_read_to_its_end() {
    let mut guest = Guest::new(&Spec::default());
    assert_eq!(guest.read(0, 10), Ok(Vec::new()));
    let mut guest = Guest::with_stdin(&Spec::default(), Stdin::bytes("hello"));
    assert_eq!(guest.read(0, 2), Ok(b"he".to_vec()));
    assert_eq!(guest.read(0, 0), Ok(Vec::new()));
    assert_eq!(guest.read(0, 10), Ok(b"llo".to_vec()));
    assert_eq!(guest.read(0, 10), Ok(Vec::new()));
    assert_eq!(guest.world.bytes_read(), 5);
}

/// A stream that counts what is asked of it.
struct Counted(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.0.fetch_add(buffer.remaining(), std::sync::atomic::Ordering::Relaxed);
        let bytes = vec![b'x'; buffer.remaining()];
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_stream_is_read_only_as_far_as_the_guest_asks() {
    let asked = std::sync::Arc::default();
    let stream = Counted(std::sync::Arc::clone(&asked));
    let mut guest = Guest::with_stdin(&Spec::default(), Stdin::Stream(Box::new(stream)));
    assert_eq!(guest.read(0, 7), Ok(b"xxxxxxx".to_vec()));
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 7);
}

#[test]
fn a_stream_that_has_nothing_yet_is_waited_for_or_said_to_have_nothing() {
    let (mut writer, reader) = tokio::io::duplex(100);
    let mut guest = Guest::with_stdin(&Spec::default(), Stdin::Stream(Box::new(reader)));
    guest.process.fd_fdstat_set_flags(0, NONBLOCK).unwrap();
    assert_eq!(guest.read(0, 5), errno(Errno::AGAIN));
    guest.process.fd_fdstat_set_flags(0, 0).unwrap();
    guest.put(0x8000, &[BUFFER.to_le_bytes(), 5_u32.to_le_bytes()].concat());
    let read = guest.block_on(async |process, memory| {
        let read = process.fd_read(memory, 0, 0x8000, 1, RESULT);
        tokio::join!(read, async { writer.write_all(b"abc").await.unwrap() }).0
    });
    assert_eq!((read, guest.bytes_at(BUFFER, 3)), (Ok(()), b"abc".to_vec()));
    drop(writer);
    assert_eq!(guest.read(0, 5), Ok(Vec::new()));
}

#[test]
fn an_input_that_fails_is_an_error_once_and_then_the_end() {
    struct Broken;
    impl AsyncRead for Broken {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            Poll::Ready(Err(std::io::Error::other("/home/secret/path")))
        }
    }
    let mut guest = Guest::with_stdin(&Spec::default(), Stdin::Stream(Box::new(Broken)));
    assert_eq!(guest.read(0, 5), errno(Errno::IO));
    assert_eq!(guest.read(0, 5), Ok(Vec::new()));
}

#[test]
fn arguments_and_environment_are_handed_over() {
    let (_host, mut guest) = workspace();
    let Guest { process, memory, .. } = &mut guest;
    process.args_sizes_get(memory, RESULT, RESULT + 4).unwrap();
    process.args_get(memory, BUFFER, BUFFER + 100).unwrap();
    process.environ_sizes_get(memory, RESULT + 8, RESULT + 12).unwrap();
    process.environ_get(memory, BUFFER + 200, BUFFER + 300).unwrap();
    assert_eq!((guest.u32_at(RESULT), guest.u32_at(RESULT + 4)), (2, 11));
    assert_eq!((guest.u32_at(BUFFER), guest.u32_at(BUFFER + 4)), (BUFFER + 100, BUFFER + 108));
    assert_eq!(guest.bytes_at(BUFFER + 100, 11), b"python3\0-c\0");
    assert_eq!((guest.u32_at(RESULT + 8), guest.u32_at(RESULT + 12)), (1, 16));
    assert_eq!(guest.bytes_at(BUFFER + 300, 16), b"HOME=/home/user\0");
}
