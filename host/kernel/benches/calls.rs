//! What a sandbox and its calls cost: `cargo bench -p sandpiper-kernel`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sandpiper_core::{Access, Control, Mount, Spec, Stdin};
use sandpiper_kernel::{Process, SystemTree, World};

const ROUNDS: usize = 20_000;

fn main() {
    let host = tempfile::TempDir::new().expect("a temporary directory");
    std::fs::write(host.path().join("f"), vec![b'x'; 100 << 20]).expect("a file");
    let mount = Mount::new(host.path(), "/workspace", Access::ReadWrite).expect("a guest path");
    let spec = Spec { mounts: vec![mount], ..Spec::default() };
    let system = SystemTree::builder().commands(["python3", "sh"]).build().expect("a system tree");
    let argv = ["python3".to_owned()];
    let (events, mut receiver) = tokio::sync::mpsc::channel(64);
    let make = || {
        let world = World::new(&spec, Arc::clone(&system)).expect("a world");
        Process::new(world, &argv, &[], Stdin::Empty, events.clone(), Control::default()).expect("a process")
    };
    measure("make and drop a sandbox with one mount", || drop(make()));
    let mut process = make();
    let mut memory = vec![0; 8 << 20];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    memory[0x100..0x100 + 12].copy_from_slice(b"/workspace/f");
    memory[0x200..0x200 + 11].copy_from_slice(b"/etc/passwd");
    memory[0x300..0x308].copy_from_slice(&[0, 16, 0, 0, 8, 0, 0, 0]);
    measure("clock_time_get", || process.clock_time_get(&mut memory, 1, 0, 0).expect("a time"));
    measure("random_get of 16 bytes", || process.random_get(&mut memory, 0x1000, 16).expect("bytes"));
    measure("fd_fdstat_get", || process.fd_fdstat_get(&mut memory, 3, 0).expect("a stat"));
    measure("fd_prestat_get", || process.fd_prestat_get(&mut memory, 3, 0).expect("a prestat"));
    measure("fd_write of 8 bytes to stdout", || {
        let write = process.fd_write(&mut memory, 1, 0x300, 1, 0);
        runtime.block_on(write).expect("a write");
        receiver.try_recv().expect("an event");
    });
    measure("path_filestat_get of /etc/passwd", || {
        process.path_filestat_get(&mut memory, 3, 1, 0x200, 11, 0x400).expect("a stat");
    });
    measure("path_filestat_get of a file of the mount", || {
        process.path_filestat_get(&mut memory, 3, 1, 0x100, 12, 0x400).expect("a stat");
    });
    measure("path_open and fd_close of a file of the mount", || {
        process.path_open(&mut memory, 3, 1, 0x100, 12, 0, 1 << 1, 0, 0, 0x400).expect("a descriptor");
        process.fd_close(4).expect("a close");
    });
    measure("std: open and close of the same file", || {
        drop(std::fs::File::open(host.path().join("f")).expect("a file"));
    });
    process.path_open(&mut memory, 3, 1, 0x100, 12, 0, 1 << 1, 0, 0, 0x400).expect("a descriptor");
    memory[0x300..0x308].copy_from_slice(&[0, 0, 16, 0, 0, 0, 16, 0]);
    let start = Instant::now();
    for _ in 0..100 {
        runtime.block_on(process.fd_read(&mut memory, 4, 0x300, 1, 0x400)).expect("a read");
    }
    println!("{:<50} {:>9.1} ms", "fd_read of 100 MiB", start.elapsed().as_secs_f64() * 1e3);
    let start = Instant::now();
    let mut file = std::fs::File::open(host.path().join("f")).expect("a file");
    for _ in 0..100 {
        std::io::Read::read(&mut file, &mut memory[1 << 20..2 << 20]).expect("a read");
    }
    println!("{:<50} {:>9.1} ms", "std: read of the same", start.elapsed().as_secs_f64() * 1e3);
}

/// Prints the median and the 99th percentile of a call.
fn measure(name: &str, mut call: impl FnMut()) {
    let mut times: Vec<Duration> = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        call();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| times[ROUNDS * share / 100].as_nanos();
    println!("{name:<50} p50 {:>6} ns  p99 {:>6} ns", at(50), at(99));
}
