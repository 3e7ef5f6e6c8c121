//! Guests that pass anything at all: never a panic, never an error of the host, never outside of the
//! mounts, never more than the limits.

use std::collections::BTreeSet;
use std::path::Path;
use std::pin::pin;
use std::task::Poll;

use sandpiper_core::{Access, Clock, Spec, Stdin};
use sandpiper_kernel::{Errno, Fault, Process, Stop};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use crate::choices::Choices;
use crate::guest::*;

const MAX_CALLS: usize = 96;
/// How often a call that waits is asked again before it is dropped, as a host drops a guest.
const MAX_POLLS: u32 = 6;

const DISK_BYTES: u64 = 64 << 10;
const OUTPUT_BYTES: u64 = 32 << 10;
const DESCRIPTORS: u32 = 12;
const GUEST_MEMORY_BYTES: usize = 0x1_0000;

/// Where a well-formed call puts what it points to.
const PATHS: [u32; 2] = [0x100, 0x200];
const LIST: u32 = 0x400;
const ANSWER: u32 = 0x800;
const SPACE: u32 = 0x1000;

/// Runs the calls that the bytes choose, and looks at the host afterwards.
///
/// # Panics
/// When the kernel did, or did what no guest may make it do.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let host = Host::new();
    let mut guest = host.guest(&mut choices);
    guest.memory = vec![0; GUEST_MEMORY_BYTES];
    let mut last_ns = 0;
    for _ in 0..MAX_CALLS {
        if choices.is_empty() {
            break;
        }
        match choices.below(32) {
            0 => poke(&mut choices, &mut guest.memory),
            1 => while guest.events.try_recv().is_ok() {},
            2 if choices.one_in(8) => guest.events = tokio::sync::mpsc::channel(1).1,
            _ => {
                // A call may wait for ever, as a guest may; its host drops it.
                let result = guest.block_on(async |process, memory| {
                    few_polls(perform(process, memory, &mut choices)).await
                });
                if let Some(Err(Fault::Stop(stop))) = result {
                    assert!(matches!(stop, Stop::Exit(_) | Stop::Quota(_)));
                    break;
                }
            }
        }
        check_table(&mut guest, &mut last_ns);
    }
    host.check(guest);
}

/// What is on the host: two directories that are granted, and things beside them.
struct Host {
    outside: TempDir,
    /// Not to be guessed, and so never in the guest's memory by chance.
    secret: String,
}

impl Host {
    fn new() -> Self {
        let outside = TempDir::new().unwrap();
        let secret = outside.path().file_name().unwrap().to_str().unwrap().to_owned();
        for directory in ["rw", "ro"] {
            let directory = outside.path().join(directory);
            std::fs::create_dir(&directory).unwrap();
            std::fs::write(directory.join("a"), "content").unwrap();
            #[cfg(unix)]
            for (target, link) in [("a", "link"), ("../secret", "out"), ("/etc/passwd", "abs"), ("..", "up")]
            {
                std::os::unix::fs::symlink(target, directory.join(link)).unwrap();
            }
        }
        std::fs::write(outside.path().join("secret"), &secret).unwrap();
        Self { outside, secret }
    }

    fn guest(&self, choices: &mut Choices<'_>) -> Guest {
        let clock = if choices.one_in(8) { Clock::Host } else { Clock::Virtual { start_ns: 0 } };
        let (rw, ro) = (self.outside.path().join("rw"), self.outside.path().join("ro"));
        let mounts = [(&*rw, "/workspace", Access::ReadWrite), (&*ro, "/ro", Access::ReadOnly)];
        let mut spec = Spec { clock, seed: Some(1), ..mounted(&mounts) };
        spec.limits.disk_bytes = DISK_BYTES;
        spec.limits.tmp_bytes = DISK_BYTES;
        spec.limits.output_bytes = OUTPUT_BYTES;
        spec.limits.descriptors = DESCRIPTORS;
        spec.limits.files = 24;
        let mut guest = Guest::with_stdin(&spec, stdin(choices));
        for (path, open, rights) in [
            ("/workspace/a", 0, RDWR),
            ("/tmp/a", CREAT, RDWR),
            ("/ro/a", 0, RDONLY),
            ("/workspace", DIRECTORY, RDONLY),
        ] {
            guest.open(path, open, rights).unwrap();
        }
        guest.mkdir("/workspace/d").unwrap();
        guest.mkdir("/tmp/d").unwrap();
        guest
    }

    fn check(&self, guest: Guest) {
        for denial in guest.world.take_denials() {
            assert!(!denial.subject.contains(&self.secret), "{denial:?}");
        }
        let seen = String::from_utf8_lossy(&guest.memory).contains(&self.secret);
        assert!(!seen, "a name of the host is in the guest's memory");
        drop(guest);
        let outside = self.outside.path();
        assert_eq!(std::fs::read(outside.join("secret")).unwrap(), self.secret.as_bytes());
        assert_eq!(std::fs::read(outside.join("ro/a")).unwrap(), b"content");
        let names = |directory: &Path| std::fs::read_dir(directory).unwrap().count();
        assert_eq!(names(outside), 3);
        assert_eq!(names(&outside.join("ro")), if cfg!(unix) { 5 } else { 1 });
        let bytes = bytes_below(&outside.join("rw"), &mut BTreeSet::new());
        assert!(bytes <= DISK_BYTES + 7, "{bytes} bytes are in the writable directory");
    }
}

fn stdin(choices: &mut Choices<'_>) -> Stdin {
    match choices.below(3) {
        0 => Stdin::bytes("input"),
        1 => Stdin::Empty,
        _ => {
            // Some bytes and then neither more nor an end: its writer is kept, and writes nothing.
            let (mut writer, reader) = tokio::io::duplex(64);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(writer.write_all(b"input")).unwrap();
            Stdin::Stream(Box::new(tokio::io::join(reader, writer)))
        }
    }
}

/// The sizes of all files, each once however many names it has.
fn bytes_below(directory: &Path, seen: &mut BTreeSet<u64>) -> u64 {
    let mut sum = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        #[cfg(unix)]
        let new = seen.insert(std::os::unix::fs::MetadataExt::ino(&metadata));
        #[cfg(not(unix))]
        let new = seen.is_empty();
        if metadata.is_dir() {
            sum += bytes_below(&entry.path(), seen);
        } else if metadata.is_file() && new {
            sum += metadata.len();
        }
    }
    sum
}

/// Asks a call for its end a few times; `None` where it still waits.
async fn few_polls<T>(call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut polls = 0;
    std::future::poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(end) => Poll::Ready(Some(end)),
        Poll::Pending if polls == MAX_POLLS => Poll::Ready(None),
        Poll::Pending => {
            polls += 1;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

/// No number beyond the limit is open, and time does not go back.
fn check_table(guest: &mut Guest, last_ns: &mut u64) {
    let (process, mut memory) = (&mut guest.process, [0; 24]);
    for fd in [DESCRIPTORS, DESCRIPTORS + 1, u32::MAX] {
        assert_eq!(process.fd_fdstat_get(&mut memory, fd, 0), errno(Errno::BADF), "{fd}");
    }
    process.clock_time_get(&mut memory, 1, 0, 0).unwrap();
    let now_ns = u64::from_le_bytes(memory[..8].try_into().unwrap());
    assert!(now_ns >= *last_ns, "the clock went from {last_ns} to {now_ns}");
    *last_ns = now_ns;
}

/// Numbers at and around the borders, and any number.
fn word(choices: &mut Choices<'_>) -> u32 {
    match choices.below(16) {
        0..5 => choices.below(16),
        5..10 => choices.u32() & 0xffff,
        10 | 11 => u32::MAX - choices.below(64),
        12 | 13 => 0x1_0000 - choices.below(64),
        _ => choices.u32(),
    }
}

fn long(choices: &mut Choices<'_>) -> u64 {
    match choices.below(10) {
        0..4 => u64::from(choices.byte()),
        4..6 => u64::from(choices.u32() & 0x3_ffff),
        6 => u64::MAX,
        7 => i64::MAX.cast_unsigned(),
        _ => choices.u64(),
    }
}

/// Mostly low descriptors, which are open.
fn descriptor(choices: &mut Choices<'_>) -> u32 {
    match choices.below(12) {
        0..9 => 4 + choices.below(5),
        9 | 10 => choices.below(14),
        _ => word(choices),
    }
}

/// Mostly the root.
fn directory(choices: &mut Choices<'_>) -> u32 {
    if choices.below(8) < 6 { ROOT } else { descriptor(choices) }
}

/// Rights that are mostly what wasi-libc asks for.
fn rights(choices: &mut Choices<'_>) -> u64 {
    match choices.below(10) {
        0..4 => RDWR,
        4..7 => RDONLY,
        7 | 8 => ALL_RIGHTS,
        _ => choices.u64(),
    }
}

/// An address for an answer.
fn answer(choices: &mut Choices<'_>) -> u32 {
    if choices.below(8) < 7 { ANSWER } else { word(choices) }
}

/// An address and a length of what may be read or overwritten.
fn space(choices: &mut Choices<'_>) -> (u32, u32) {
    if choices.below(8) < 6 {
        (SPACE, u32::from(choices.byte()) * 16)
    } else {
        (word(choices), word(choices))
    }
}

fn write(memory: &mut [u8], at: u32, bytes: &[u8]) {
    let at = usize::try_from(at).unwrap();
    memory[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Puts a path into memory, most of them of things that are there, some not even text.
fn path(choices: &mut Choices<'_>, memory: &mut [u8], place: usize) -> (u32, u32) {
    const START: [(u32, &str); 13] = [
        (5, "/workspace"),
        (4, "/tmp"),
        (2, "/ro"),
        (1, "/dev"),
        (1, "/dev/fd"),
        (1, "/etc"),
        (1, ""),
        (1, "."),
        (1, "/workspace/.."),
        (1, "/workspace/up"),
        (1, "/tmp/a"),
        (1, "/workspace/out"),
        (1, "/home/user"),
    ];
    const MIDDLE: [(u32, &str); 5] = [(6, ""), (3, "/d"), (1, "/.."), (1, "/."), (1, "/link")];
    const LAST: [(u32, &str); 15] = [
        (6, "/a"),
        (6, "/b"),
        (4, "/d"),
        (2, ""),
        (1, "/link"),
        (1, "/out"),
        (1, "/abs"),
        (1, "/up"),
        (1, "/.."),
        (1, "/."),
        (1, "/"),
        (1, "/null"),
        (1, "/4"),
        (1, "/passwd"),
        (1, "/d/"),
    ];
    let text = match choices.below(24) {
        0 => choices.bytes(20).to_vec(),
        1 => return (word(choices), word(choices)),
        _ => [choices.of(&START), choices.of(&MIDDLE), choices.of(&LAST)].concat().into_bytes(),
    };
    write(memory, PATHS[place], &text);
    (PATHS[place], u32::try_from(text.len()).unwrap())
}

/// Puts a scatter or gather list into memory.
fn vectors(choices: &mut Choices<'_>, memory: &mut [u8]) -> (u32, u32) {
    if choices.one_in(10) {
        return (word(choices), word(choices));
    }
    let count = choices.below(8);
    for index in 0..count {
        let (at, length) = space(choices);
        write(memory, LIST + index * 8, &at.to_le_bytes());
        write(memory, LIST + index * 8 + 4, &length.to_le_bytes());
    }
    (LIST, count)
}

/// Puts subscriptions into memory.
fn subscriptions(choices: &mut Choices<'_>, memory: &mut [u8]) -> (u32, u32) {
    if choices.one_in(10) {
        return (word(choices), word(choices));
    }
    let count = choices.below(5);
    for index in 0..count {
        let mut record = [0; 48];
        record[0] = choices.byte();
        record[8] = choices.below(4).to_le_bytes()[0];
        if record[8] == 0 {
            record[16..20].copy_from_slice(&choices.below(5).to_le_bytes());
            record[24..32].copy_from_slice(&long(choices).to_le_bytes());
            record[40] = choices.below(3).to_le_bytes()[0];
        } else {
            record[16..20].copy_from_slice(&descriptor(choices).to_le_bytes());
        }
        write(memory, LIST + index * 48, &record);
    }
    (LIST, count)
}

/// Puts any bytes anywhere.
fn poke(choices: &mut Choices<'_>, memory: &mut [u8]) {
    let at = usize::try_from(choices.u32()).unwrap() % memory.len();
    let count = usize::try_from(choices.below(64)).unwrap().min(memory.len() - at);
    let bytes = choices.bytes(count);
    memory[at..at + bytes.len()].copy_from_slice(bytes);
}

fn lookup(choices: &mut Choices<'_>) -> u32 {
    choices.of(&[(4, 0), (4, FOLLOW), (1, 2)])
}

/// Makes one of all the calls; arguments are mostly sound.
async fn perform(process: &mut Process, memory: &mut [u8], choices: &mut Choices<'_>) -> Result<(), Fault> {
    let c = choices;
    match c.below(64) {
        0 => process.args_get(memory, word(c), word(c)),
        1 => process.args_sizes_get(memory, answer(c), answer(c)),
        2 => process.environ_get(memory, word(c), word(c)),
        3 => process.environ_sizes_get(memory, answer(c), answer(c)),
        4 => process.clock_res_get(memory, c.below(6), answer(c)),
        5 => process.clock_time_get(memory, c.below(6), long(c), answer(c)),
        6 => process.fd_advise(descriptor(c), long(c), long(c), c.below(8)),
        7 => process.fd_allocate(descriptor(c), long(c), long(c)),
        8 => process.fd_close(descriptor(c)),
        9 => process.fd_datasync(descriptor(c)),
        10 => process.fd_fdstat_get(memory, descriptor(c), answer(c)),
        11 => {
            process.fd_fdstat_set_flags(descriptor(c), c.of(&[(6, 0), (4, APPEND), (2, NONBLOCK), (1, 40)]))
        }
        12 => process.fd_fdstat_set_rights(descriptor(c), rights(c), rights(c)),
        13 => process.fd_filestat_get(memory, descriptor(c), answer(c)),
        14 => process.fd_filestat_set_size(descriptor(c), long(c)),
        15 => process.fd_filestat_set_times(descriptor(c), long(c), long(c), c.below(18)),
        16 => {
            let (list, count) = vectors(c, memory);
            process.fd_pread(memory, descriptor(c), list, count, long(c), answer(c)).await
        }
        17 => process.fd_prestat_get(memory, c.below(6), answer(c)),
        18 => {
            let (at, length) = space(c);
            process.fd_prestat_dir_name(memory, c.below(6), at, length)
        }
        19 => {
            let (list, count) = vectors(c, memory);
            process.fd_pwrite(memory, descriptor(c), list, count, long(c), answer(c)).await
        }
        20 | 21 => {
            let (list, count) = vectors(c, memory);
            process.fd_read(memory, descriptor(c), list, count, answer(c)).await
        }
        22 | 23 => {
            let (at, length) = space(c);
            process.fd_readdir(memory, descriptor(c), at, length, long(c), answer(c))
        }
        24 => process.fd_renumber(descriptor(c), descriptor(c)),
        25 => process.fd_seek(memory, descriptor(c), long(c), c.below(4), answer(c)),
        26 => process.fd_sync(descriptor(c)),
        27 => process.fd_tell(memory, descriptor(c), answer(c)),
        28..31 => {
            let (list, count) = vectors(c, memory);
            process.fd_write(memory, descriptor(c), list, count, answer(c)).await
        }
        31 | 32 => {
            let (at, length) = path(c, memory, 0);
            process.path_create_directory(memory, directory(c), at, length)
        }
        33 => {
            let (at, length) = path(c, memory, 0);
            process.path_filestat_get(memory, directory(c), lookup(c), at, length, answer(c))
        }
        34 => {
            let (at, length) = path(c, memory, 0);
            let (accessed_ns, modified_ns, flags) = (long(c), long(c), c.below(18));
            process.path_filestat_set_times(
                memory,
                directory(c),
                lookup(c),
                at,
                length,
                accessed_ns,
                modified_ns,
                flags,
            )
        }
        35..38 => {
            let ((old, old_length), (new, new_length)) = (path(c, memory, 0), path(c, memory, 1));
            let (at, new_at) = (directory(c), directory(c));
            process.path_link(memory, at, lookup(c), old, old_length, new_at, new, new_length)
        }
        38..46 => {
            let (at, length) = path(c, memory, 0);
            let open = match c.below(12) {
                0..2 => 0,
                2..6 => CREAT,
                6 => CREAT | TRUNC,
                7 => CREAT | EXCL,
                8 | 9 => DIRECTORY,
                10 => TRUNC,
                _ => c.below(18),
            };
            let flags = c.of(&[(6, 0), (2, APPEND), (1, NONBLOCK), (1, 0x1f), (1, 32)]);
            let (base, inheriting) = (rights(c), rights(c));
            process.path_open(
                memory,
                directory(c),
                lookup(c),
                at,
                length,
                open,
                base,
                inheriting,
                flags,
                answer(c),
            )
        }
        46 => {
            let ((at, length), (into, into_length)) = (path(c, memory, 0), space(c));
            process.path_readlink(memory, directory(c), at, length, into, into_length, answer(c))
        }
        47 => {
            let (at, length) = path(c, memory, 0);
            process.path_remove_directory(memory, directory(c), at, length)
        }
        48..51 => {
            let ((old, old_length), (new, new_length)) = (path(c, memory, 0), path(c, memory, 1));
            process.path_rename(memory, directory(c), old, old_length, directory(c), new, new_length)
        }
        51 | 52 => {
            let ((target, target_length), (at, length)) = (path(c, memory, 0), path(c, memory, 1));
            process.path_symlink(memory, target, target_length, directory(c), at, length)
        }
        53 | 54 => {
            let (at, length) = path(c, memory, 0);
            process.path_unlink_file(memory, directory(c), at, length)
        }
        55 | 56 => {
            let (list, count) = subscriptions(c, memory);
            process.poll_oneoff(memory, list, SPACE, count, answer(c)).await
        }
        57 => process.proc_raise(c.of(&[(6, 0), (6, 17), (4, 31), (1, 9)])),
        58 if c.one_in(8) => process.proc_exit(word(c)),
        58 | 59 => process.sched_yield().await,
        60 => {
            let (at, length) = space(c);
            process.random_get(memory, at, length)
        }
        61 => {
            let ((at, length), (feature, feature_length)) = (path(c, memory, 0), space(c));
            process.diagnostics_unsupported(memory, at, length, feature, feature_length).unwrap();
            Ok(())
        }
        62 => {
            let (list, count) = vectors(c, memory);
            process.sock_recv(descriptor(c), list, count, word(c), answer(c), answer(c))?;
            process.sock_send(descriptor(c), list, count, word(c), answer(c))
        }
        _ => process.sock_shutdown(descriptor(c), c.below(4)).and(process.sock_accept(
            descriptor(c),
            word(c),
            word(c),
        )),
    }
}
