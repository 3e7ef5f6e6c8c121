//! Guests that pass anything at all: never a panic, never outside of the mount.

use proptest::prelude::*;
use sandpiper_core::{Access, Clock, Spec, Stdin};
use sandpiper_kernel::Fault;
use tempfile::TempDir;

use crate::guest::*;

/// Numbers at and around the borders, and any number.
fn word() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => 0..16_u32,
        4 => 0..0x1_0000_u32,
        2 => (0..64_u32).prop_map(|below| u32::MAX - below),
        2 => (0..64_u32).prop_map(|below| 0x1_0000 - below),
        1 => any::<u32>(),
    ]
}

fn long() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..64_u64, 2 => Just(u64::MAX), 2 => Just(i64::MAX.cast_unsigned()), 2 => any::<u64>()]
}

/// Paths, most of them of things that are there, or bytes that are not even text.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        5 => Just("/workspace"), 4 => Just("/tmp"), 2 => Just("/ro"), 1 => Just("/dev"), 1 => Just("/dev/fd"), 1 => Just("/etc"),
        1 => Just(""), 1 => Just("."), 1 => Just("/workspace/.."), 1 => Just("/workspace/up"), 1 => Just("/tmp/a"),
    ];
    let middle =
        prop_oneof![6 => Just(""), 3 => Just("/d"), 1 => Just("/.."), 1 => Just("/."), 1 => Just("/link")];
    let last = prop_oneof![
        6 => Just("/a"), 6 => Just("/b"), 4 => Just("/d"), 1 => Just("/link"), 1 => Just("/out"), 1 => Just("/abs"), 1 => Just("/up"),
        1 => Just("/.."), 1 => Just("/."), 1 => Just("/"), 1 => Just(""), 1 => Just("/null"), 1 => Just("/4"), 1 => Just("/passwd"),
    ];
    prop_oneof![
        12 => (start, middle, last).prop_map(|(start, middle, last)| [start, middle, last].concat().into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ]
}

/// Mostly low descriptors, which are open.
fn descriptor() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 4..8_u32, 1 => 0..12_u32, 1 => word()]
}

/// Mostly the root.
fn directory() -> impl Strategy<Value = u32> {
    prop_oneof![12 => Just(ROOT), 1 => descriptor()]
}

/// Rights, flags and lookups that are mostly known.
fn rights() -> impl Strategy<Value = u64> {
    prop_oneof![4 => Just(RDWR), 4 => Just(RDONLY), 1 => Just(ALL_RIGHTS), 1 => any::<u64>()]
}

#[derive(Clone, Debug)]
struct Call {
    function: u32,
    words: [u32; 8],
    longs: [u64; 3],
    descriptors: [u32; 2],
    directories: [u32; 2],
    rights: [u64; 2],
    flags: [u32; 3],
    texts: [Vec<u8>; 2],
    /// Whether the words that are addresses and lengths of paths are the texts', or just words.
    proper: bool,
}

fn call() -> impl Strategy<Value = Call> {
    let words = proptest::array::uniform8(word());
    let longs = proptest::array::uniform3(long());
    let lookup = prop_oneof![4 => Just(0), 4 => Just(FOLLOW), 1 => 0..3_u32];
    let open = prop_oneof![
        2 => Just(0), 4 => Just(CREAT), 1 => Just(CREAT | TRUNC), 1 => Just(CREAT | EXCL), 2 => Just(DIRECTORY), 1 => Just(TRUNC),
        1 => 0..17_u32,
    ];
    let flags = prop_oneof![6 => Just(0), 2 => Just(APPEND), 1 => 0..33_u32];
    let flags = (lookup, open, flags).prop_map(|(lookup, open, flags)| [lookup, open, flags]);
    let choices = ([descriptor(), descriptor()], [directory(), directory()], [rights(), rights()], flags);
    (0..60_u32, words, longs, choices, [text(), text()], proptest::bool::weighted(0.9)).prop_map(
        |(function, words, longs, (descriptors, directories, rights, flags), texts, proper)| Call {
            function,
            words,
            longs,
            descriptors,
            directories,
            rights,
            flags,
            texts,
            proper,
        },
    )
}

async fn perform(
    process: &mut sandpiper_kernel::Process,
    memory: &mut [u8],
    call: &Call,
) -> Result<(), Fault> {
    let [a, b, c, d, e, f, g, h] = call.words;
    let [x, y, z] = call.longs;
    let mut paths = [(a, b), (c, d)];
    if call.proper {
        for (index, (text, path)) in call.texts.iter().zip(&mut paths).enumerate() {
            let start = 0x100 * index;
            memory[start..start + text.len()].copy_from_slice(text);
            *path = (u32::try_from(start).unwrap(), u32::try_from(text.len()).unwrap());
        }
    }
    let [(p, pn), (q, qn)] = paths;
    let [fd, other] = call.descriptors;
    let [at, new_at] = call.directories;
    let [base, inheriting] = call.rights;
    let [lookup, open, flags] = call.flags;
    match call.function {
        0 => process.args_get(memory, a, b),
        1 => process.args_sizes_get(memory, a, b),
        2 => process.environ_get(memory, a, b),
        3 => process.environ_sizes_get(memory, a, b),
        4 => process.clock_res_get(memory, a, b),
        5 => process.clock_time_get(memory, a, x, b),
        6 => process.fd_advise(fd, x, y, a),
        7 => process.fd_allocate(fd, x, y),
        8 => process.fd_close(fd),
        9 => process.fd_datasync(fd),
        10 => process.fd_fdstat_get(memory, fd, a),
        11 => process.fd_fdstat_set_flags(fd, flags),
        12 => process.fd_fdstat_set_rights(fd, base, inheriting),
        13 => process.fd_filestat_get(memory, fd, a),
        14 => process.fd_filestat_set_size(fd, x),
        15 => process.fd_filestat_set_times(fd, x, y, open),
        16 => process.fd_pread(memory, fd, a, b % 2000, x, c).await,
        17 => process.fd_prestat_get(memory, e, a),
        18 => process.fd_prestat_dir_name(memory, e, a, b),
        19 => process.fd_pwrite(memory, fd, a, b % 2000, x, c).await,
        20 => process.fd_read(memory, fd, a, b, c).await,
        21 => process.fd_readdir(memory, fd, a, b % 0x2000, z, c),
        22 => process.fd_renumber(fd, other),
        23 => process.fd_seek(memory, fd, x, a % 4, b),
        24 => process.fd_sync(fd),
        25 => process.fd_tell(memory, fd, a),
        26 => process.fd_write(memory, fd, a, b % 2000, c).await,
        27 => process.path_create_directory(memory, at, p, pn),
        28 => process.path_filestat_get(memory, at, lookup, p, pn, g),
        29 => process.path_filestat_set_times(memory, at, lookup, p, pn, x, y, open),
        30 | 54..57 => process.path_link(memory, at, lookup, p, pn, new_at, q, qn),
        31 | 32 | 46..54 => {
            process.path_open(memory, at, lookup, p, pn, open, base, inheriting, flags, 0x800)
        }
        33 => process.path_readlink(memory, at, p, pn, f, g, h),
        34 => process.path_remove_directory(memory, at, p, pn),
        35 | 57..60 => process.path_rename(memory, at, p, pn, new_at, q, qn),
        36 => process.path_symlink(memory, p, pn, at, q, qn),
        37 => process.path_unlink_file(memory, at, p, pn),
        38 => process.poll_oneoff(memory, a, b, c, d).await,
        39 => process.proc_exit(a),
        40 => process.proc_raise(a),
        41 => process.sched_yield().await,
        42 => process.random_get(memory, a, b),
        43 => process.sock_recv(e, a, b, c, d, f),
        44 => process.sock_send(e, a, b, c, d),
        _ => process.sock_shutdown(e, a).and(process.sock_accept(e, a, b)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_call_panics_or_reaches_outside_its_mount(
        calls in proptest::collection::vec(call(), 1..80),
        noise in proptest::collection::vec(any::<u8>(), 0x400),
    ) {
        let outside = TempDir::new().unwrap();
        let (writable, read_only) = (outside.path().join("rw"), outside.path().join("ro"));
        for directory in [&writable, &read_only] {
            std::fs::create_dir(directory).unwrap();
            std::fs::write(directory.join("a"), "content").unwrap();
            #[cfg(unix)]
            for (target, link) in [("a", "link"), ("../secret", "out"), ("/etc/passwd", "abs"), ("..", "up")] {
                std::os::unix::fs::symlink(target, directory.join(link)).unwrap();
            }
        }
        std::fs::write(outside.path().join("secret"), "secret").unwrap();
        let mut spec = Spec { clock: Clock::Virtual { start_ns: 0 }, ..mounted(&[
            (&writable, "/workspace", Access::ReadWrite),
            (&read_only, "/ro", Access::ReadOnly),
        ]) };
        spec.limits.disk_bytes = 1 << 20;
        spec.limits.tmp_bytes = 1 << 20;
        spec.limits.descriptors = 12;
        let mut guest = Guest::with_stdin(&spec, Stdin::bytes("input"));
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
        guest.memory = vec![0; 0x1_0000];
        for (index, chunk) in noise.chunks(16).enumerate() {
            let at = index * 0x400 + 0x300;
            guest.memory[at..at + chunk.len()].copy_from_slice(chunk);
        }
        for call in &calls {
            // A poll may wait for ever, as a guest may; its host drops it.
            let _ = guest.block_on(async |process, memory| {
                let call = perform(process, memory, call);
                tokio::time::timeout(std::time::Duration::from_millis(20), call).await
            });
            while guest.events.try_recv().is_ok() {}
        }
        drop(guest);
        prop_assert_eq!(std::fs::read(outside.path().join("secret")).unwrap(), b"secret");
        prop_assert_eq!(std::fs::read(read_only.join("a")).unwrap(), b"content");
        let names = |directory: &std::path::Path| std::fs::read_dir(directory).unwrap().count();
        prop_assert_eq!(names(outside.path()), 3);
        prop_assert_eq!(names(&read_only), if cfg!(unix) { 5 } else { 1 });
    }
}
