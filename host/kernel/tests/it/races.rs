//! What another process of the host changes while a guest walks leads nowhere outside.
#![cfg(unix)]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use sandpiper_kernel::Fault;
use tempfile::TempDir;

use crate::guest::*;

/// Swaps `at` between a directory or file `plain` and a symlink to `outside`, until told to stop.
fn swap(at: &Path, plain: &Path, outside: &Path, done: &AtomicBool) {
    let link = at.with_extension("link");
    let parked = at.with_extension("parked");
    while !done.load(Ordering::Relaxed) {
        symlink(outside, &link).unwrap();
        std::fs::rename(at, &parked).unwrap();
        std::fs::rename(&link, at).unwrap();
        std::fs::remove_file(at).unwrap();
        std::fs::rename(&parked, at).unwrap();
    }
    assert!(at.exists() && plain.exists());
}

#[test]
fn a_directory_swapped_for_a_link_never_leads_out() {
    let (inside, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    std::fs::create_dir(inside.path().join("d")).unwrap();
    std::fs::write(inside.path().join("d/f"), "inside").unwrap();
    std::fs::write(outside.path().join("f"), "outside").unwrap();
    let mut guest = Guest::new(&spec(inside.path()));
    let done = AtomicBool::new(false);
    let (mut read, mut made) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| swap(&inside.path().join("d"), inside.path(), outside.path(), &done));
        for round in 0..4000 {
            if let Ok(content) = guest.content("/workspace/d/f") {
                assert_eq!(content, b"inside");
                read += 1;
            }
            // Whatever is made, removed or renamed below it is not outside either.
            made += u32::from(guest.create("/workspace/d/new", b"x").is_ok());
            let _ = guest.mkdir(&format!("/workspace/d/{round}"));
            let _ = guest.rename("/workspace/d/new", "/workspace/d/renamed");
            let _ = guest.unlink("/workspace/d/renamed");
            let _ = guest.set_times("/workspace/d/f", FOLLOW, (1, 1), 0b0101);
            let _ = guest.rmdir(&format!("/workspace/d/{round}"));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(read > 0 && made > 0, "the race had both sides");
    assert_eq!(std::fs::read(outside.path().join("f")).unwrap(), b"outside");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    let modified = std::fs::metadata(outside.path().join("f")).unwrap().modified().unwrap();
    assert!(modified > std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000));
}

#[test]
fn a_file_swapped_for_a_link_is_never_opened_outside() {
    let (inside, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    std::fs::write(inside.path().join("f"), "inside").unwrap();
    std::fs::write(outside.path().join("secret"), "outside").unwrap();
    let mut guest = Guest::new(&spec(inside.path()));
    let done = AtomicBool::new(false);
    let mut read = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| swap(&inside.path().join("f"), outside.path(), &outside.path().join("secret"), &done));
        for _ in 0..4000 {
            if let Ok(content) = guest.content("/workspace/f") {
                assert_ne!(content, b"outside");
                read += 1;
            }
            if let Ok(fd) = guest.open("/workspace/f", TRUNC, RDWR) {
                assert!(matches!(guest.write(fd, b"inside"), Ok(6) | Err(Fault::Errno(_))));
                guest.close(fd).unwrap();
            }
            let _ = guest.set_times("/workspace/f", FOLLOW, (1, 1), 0b0101);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(read > 0);
    assert_eq!(std::fs::read(outside.path().join("secret")).unwrap(), b"outside");
}
