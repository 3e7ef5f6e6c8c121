//! Old journals are removed, and none that is being written.

use std::fs;
use std::time::{Duration, SystemTime};

use sandpiper_journal::{Filter, Retention};

use crate::harness::{Bench, run, succeeded};

fn left(bench: &Bench) -> Vec<String> {
    let list = bench.journal.list(&Filter::default()).unwrap();
    list.into_iter().map(|summary| summary.run.to_string()).collect()
}

#[test]
fn the_oldest_above_a_number_are_removed() {
    let bench = Bench::new();
    (0..5).for_each(|index| bench.ended(&run(index), 1));
    let retention = Retention { max_runs: Some(2), ..Retention::default() };
    let collected = bench.journal.collect(&retention, SystemTime::now()).unwrap();
    assert_eq!(collected.runs, [run(2), run(1), run(0)]);
    assert!(collected.bytes > 0);
    assert_eq!(left(&bench), [run(4).to_string(), run(3).to_string()]);
    assert!(!bench.file(&run(0)).exists() && bench.file(&run(4)).exists());
    let again = bench.journal.collect(&retention, SystemTime::now()).unwrap();
    assert_eq!(again.runs, []);
}

#[test]
fn what_does_not_fit_is_removed() {
    let bench = Bench::new();
    (0..5).for_each(|index| bench.ended(&run(index), 10));
    let one = fs::metadata(bench.file(&run(0))).unwrap().len();
    let retention = Retention { max_total_bytes: Some(one * 3 + 10), ..Retention::default() };
    bench.journal.collect(&retention, SystemTime::now()).unwrap();
    assert_eq!(left(&bench).len(), 3);
}

#[test]
fn what_is_too_old_is_removed() {
    let bench = Bench::new();
    bench.ended(&run(0), 1);
    let retention = Retention { max_age: Some(Duration::from_hours(1)), ..Retention::default() };
    let now = SystemTime::now();
    assert_eq!(bench.journal.collect(&retention, now).unwrap().runs, []);
    let later = now + Duration::from_hours(2);
    assert_eq!(bench.journal.collect(&retention, later).unwrap().runs, [run(0)]);
}

#[test]
fn a_journal_that_is_being_written_stays() {
    let bench = Bench::new();
    let writer = bench.begin(&run(0));
    drop(bench.begin(&run(1)));
    let retention = Retention { max_runs: Some(0), ..Retention::default() };
    let collected = bench.journal.collect(&retention, SystemTime::now()).unwrap();
    assert_eq!(collected.runs, [run(1)]);
    writer.finish(&succeeded()).unwrap();
    assert_eq!(bench.kinds(&run(0)), ["run-started", "run-ended"]);
    let collected = bench.journal.collect(&retention, SystemTime::now()).unwrap();
    assert_eq!(collected.runs, [run(0)]);
    assert_eq!(left(&bench), Vec::<String>::new());
}

#[test]
fn locks_that_killed_writers_left_are_removed() {
    let bench = Bench::new();
    let lock = bench.directory.path().join(format!("{}.lock", run(7)));
    fs::write(&lock, "").unwrap();
    bench.ended(&run(0), 0);
    assert_eq!(left(&bench), [run(0).to_string()]);
    assert!(!lock.exists());
}

#[cfg(unix)]
#[test]
fn a_writer_whose_lock_cannot_be_looked_at_is_not_taken_for_dead() {
    let bench = Bench::new();
    let writer = bench.begin(&run(0));
    let lock = bench.directory.path().join(format!("{}.lock", run(0)));
    fs::rename(&lock, lock.with_extension("away")).unwrap();
    std::os::unix::fs::symlink(&lock, &lock).unwrap();
    let retention = Retention { max_runs: Some(0), ..Retention::default() };
    let collected = bench.journal.collect(&retention, SystemTime::now());
    assert!(
        matches!(collected, Err(sandpiper_journal::JournalError::Io { action: "look at the lock", .. })),
        "{collected:?}"
    );
    assert!(bench.file(&run(0)).exists());
    fs::rename(lock.with_extension("away"), &lock).unwrap();
    assert_eq!(bench.journal.collect(&retention, SystemTime::now()).unwrap().runs, []);
    drop(writer);
    assert_eq!(bench.journal.collect(&retention, SystemTime::now()).unwrap().runs, [run(0)]);
}
