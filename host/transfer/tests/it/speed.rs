//! How long ten thousand files take.

use std::time::Instant;

use sandpiper_transfer::Changes;

use crate::tree::{PLENTY, Workspace};

#[test]
fn ten_thousand_files_go_and_come_back() {
    let here = Workspace::of(&[]);
    for number in 0..10_000 {
        let (one, other) = (number / 1000, number / 100 % 10);
        here.put(&format!("{one}/{other}/{number}.txt"), &format!("{number}").repeat(200));
    }
    let started = Instant::now();
    let packed = here.pack();
    let after_pack = started.elapsed();
    let there = Workspace::unpacked(&packed.archive);
    for number in (0..10_000).step_by(2) {
        there.put(&format!("{}/{}/{number}.txt", number / 1000, number / 100 % 10), "changed");
    }
    let archive = there.archive();
    let started = Instant::now();
    let changes = Changes::between(&packed.manifest, &archive, PLENTY).unwrap();
    let after_between = started.elapsed();
    assert_eq!(changes.len(), 5_000);
    let started = Instant::now();
    changes.apply(&here.path(), &packed.manifest).unwrap();
    println!(
        "10,000 files, {} bytes: packed in {after_pack:?}, compared in {after_between:?}, 5,000 applied in {:?}",
        packed.archive.len(),
        started.elapsed()
    );
    assert_eq!(here.look(), there.look());
}
