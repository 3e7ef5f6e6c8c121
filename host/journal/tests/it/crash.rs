//! Killed at each of its calls that change anything, in the middle of each write too, or with a disk that is
//! full from there on, a writer loses nothing that it has written, and the next look puts the index right.
//!
//! The writer is a process of its own under ptrace(2), one call further each time.

use std::fs;
use std::io::{IoSlice, PipeWriter, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use sandpiper_journal::{
    Condition, DamageKind, Filter, Fsync, Journal, Reader, Record, Retention, State, Tail, WriterOptions,
};

use crate::harness::{Bench, changed, entries, options, run, started, succeeded};
use crate::traced::{End, Fault, traced};

/// Records between the start and the end: changes of files and others by turns.
const RECORDS: u32 = 110;

fn record(index: u32) -> Record {
    if index.is_multiple_of(2) {
        changed(index)
    } else {
        Record::Operation { operation: "step".to_owned(), subject: index.to_string() }
    }
}

/// Says that one more record has been appended, with a call that is not counted.
fn say(said: &mut PipeWriter) {
    assert_eq!(said.write_vectored(&[IoSlice::new(b".")]).unwrap(), 1);
}

/// Writes a whole run, and collects old ones; what fails is tried no second time.
fn write_a_run(directory: &Path, fsync: Fsync, said: &mut PipeWriter) {
    let Ok(journal) = Journal::open(directory) else { return };
    let options = WriterOptions { fsync, ..options() };
    if let Ok(mut writer) = journal.begin(&run(9), options, started("wasm")) {
        say(said);
        for index in 0..RECORDS {
            if writer.append(&record(index)).is_ok() {
                say(said);
            }
        }
        if writer.finish(&succeeded()).is_ok() {
            say(said);
        }
    }
    let retention = Retention { max_runs: Some(2), ..Retention::default() };
    let _ = journal.collect(&retention, SystemTime::now());
}

/// A journal with an ended and an unfinished run, and an index that is to be written anew.
fn prepared() -> Bench {
    let bench = Bench::new();
    bench.ended(&run(0), 1);
    bench.ended(&run(1), 2);
    drop(bench.begin(&run(2)));
    let index = bench.directory.path().join("index.jsonl");
    let text = fs::read_to_string(&index).unwrap();
    fs::write(&index, text + "torn").unwrap();
    bench
}

/// How often each condition was met.
#[derive(Debug, Default)]
struct Met {
    points: usize,
    none: usize,
    complete: usize,
    unfinished: usize,
    torn: usize,
}

fn everywhere(fault: Fault, fsync: Fsync) -> Met {
    let mut met = Met::default();
    loop {
        let bench = prepared();
        let (mut heard, mut said) = std::io::pipe().unwrap();
        let end = traced(met.points, fault, || write_a_run(bench.directory.path(), fsync, &mut said));
        drop(said);
        let mut appended = Vec::new();
        heard.read_to_end(&mut appended).unwrap();
        let place = format!("{fault:?} {fsync:?} at {}", met.points);
        check(&bench, appended.len(), fault, &mut met, &place);
        if end == End::NotReached {
            assert_eq!(appended.len(), usize::try_from(RECORDS).unwrap() + 2);
            println!("{fault:?} {fsync:?}: {met:?}");
            return met;
        }
        met.points += 1;
    }
}

fn check(bench: &Bench, appended: usize, fault: Fault, met: &mut Met, place: &str) {
    let id = run(9);
    let bytes = fs::read(bench.file(&id)).ok();
    let conditions = match &bytes {
        None => {
            assert_eq!(appended, 0, "{place}");
            met.none += 1;
            None
        }
        Some(bytes) => {
            let whole = check_records(bench, bytes, appended, fault, place);
            Some(check_verified(bench, bytes, whole, met, place))
        }
    };
    check_repaired(bench, bytes.is_some(), place);
    // Verifying again, after the repair, says the same.
    if let Some(condition) = conditions {
        assert_eq!(bench.journal.verify(&id).unwrap().condition, condition, "{place}");
    }
}

/// All whole lines of the file, and none else, are read; none that was said to be appended is not there.
fn check_records(bench: &Bench, bytes: &[u8], appended: usize, fault: Fault, place: &str) -> usize {
    let id = run(9);
    let whole = bytes.split(|byte| *byte == b'\n').count() - 1;
    let (read, tail) = entries(Reader::new(&id, bytes));
    assert_eq!(read.len(), whole, "{place}");
    assert!(appended <= whole, "{place}: {appended} were appended, and {whole} are there");
    // The one that was being written may be there too; with a full disk, what could not be said to be is not.
    let more = usize::from(fault != Fault::Full);
    assert!(whole <= appended + more, "{place}: {appended} were appended, and {whole} are there");
    for (index, entry) in read.iter().enumerate().skip(1) {
        let expected = u32::try_from(index - 1).unwrap();
        if expected < RECORDS && entry.kind() != "run-ended" {
            assert_eq!(entry.record(), Some(record(expected)), "{place}");
        }
    }
    let torn = bytes.len() - bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let after_sequence = u64::try_from(whole).unwrap().checked_sub(1);
    let expected = match u64::try_from(torn).unwrap() {
        0 => Tail::Whole,
        bytes => Tail::Torn { bytes, after_sequence },
    };
    assert_eq!(tail, expected, "{place}");
    let files = bench.journal.files_changed(&id).unwrap();
    let changes = read.iter().filter(|entry| entry.kind() == "file-changed").count();
    assert_eq!((files.files.len(), files.is_complete), (changes, true), "{place}");
    whole
}

fn check_verified(bench: &Bench, bytes: &[u8], whole: usize, met: &mut Met, place: &str) -> Condition {
    let verified = bench.journal.verify(&run(9)).unwrap();
    let has_ended = whole == usize::try_from(RECORDS).unwrap() + 2;
    let expected = if !bytes.ends_with(b"\n") && !bytes.is_empty() {
        met.torn += 1;
        Condition::Torn
    } else if has_ended {
        met.complete += 1;
        Condition::Complete
    } else {
        met.unfinished += 1;
        Condition::Unfinished
    };
    assert_eq!((verified.condition, verified.damage), (expected, vec![]), "{place}");
    assert_eq!(usize::try_from(verified.records).unwrap(), whole, "{place}");
    // Should what is whole now be cut off later, that is known.
    bench.journal.list(&Filter::default()).unwrap();
    if let Some(last) = bytes[..bytes.len().saturating_sub(1)].iter().rposition(|byte| *byte == b'\n') {
        fs::write(bench.file(&run(9)), &bytes[..=last]).unwrap();
        let cut = bench.journal.verify(&run(9)).unwrap();
        if expected == Condition::Torn {
            assert_eq!(cut.condition, Condition::Unfinished, "{place}");
        } else {
            assert_eq!(cut.condition, Condition::Damaged, "{place}");
            assert_eq!(cut.damage[0].kind, DamageKind::Missing { records: 1 }, "{place}");
        }
        fs::write(bench.file(&run(9)), bytes).unwrap();
    }
    expected
}

/// The next look finds all runs that have a file, and an index without a fault afterwards.
fn check_repaired(bench: &Bench, is_there: bool, place: &str) {
    let list = bench.journal.list(&Filter::default()).unwrap();
    let newest = list.iter().find(|summary| summary.run == run(9));
    assert_eq!(newest.is_some(), is_there, "{place}");
    for summary in &list {
        assert!(matches!(summary.state, State::Ended | State::Unfinished), "{place}: {summary:?}");
        assert_eq!(summary.bytes, fs::metadata(bench.file(&summary.run)).unwrap().len(), "{place}");
        let known = [(run(1), State::Ended, 4), (run(2), State::Unfinished, 1)];
        for (_, state, records) in known.iter().filter(|(run, ..)| *run == summary.run) {
            assert_eq!((&summary.state, &summary.records), (state, records), "{place}");
        }
    }
    // What a collection was about to remove is there or not, and the rest is there.
    assert!(list.iter().any(|summary| summary.run == run(2)), "{place}");
    let index = fs::read_to_string(bench.directory.path().join("index.jsonl")).unwrap();
    for line in index.lines() {
        assert!(line.starts_with("{\"run\":") && line.ends_with("\"}"), "{place}: {line}");
    }
    let again = bench.journal.list(&Filter::default()).unwrap();
    assert_eq!(again, list, "{place}");
    for entry in fs::read_dir(bench.directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let is_lock = path.extension().is_some_and(|extension| extension == "lock");
        assert!(!is_lock || path.ends_with("index.lock"), "{place}: {} is left", path.display());
    }
}

#[test]
fn a_writer_that_waits_for_the_disk_is_killed_before_each_call() {
    let met = everywhere(Fault::Before, Fsync::EachRecord);
    assert!(met.points > 2 * 110 && met.unfinished > 200 && met.complete > 5 && met.none > 2, "{met:?}");
}

#[test]
fn a_writer_is_killed_before_each_call() {
    let met = everywhere(Fault::Before, Fsync::Never);
    assert!(met.points > 110 && met.unfinished > 100 && met.complete > 5, "{met:?}");
}

#[test]
fn a_writer_is_killed_in_the_middle_of_each_write() {
    let met = everywhere(Fault::Half, Fsync::Never);
    assert!(met.points > 110 && met.torn >= 112, "{met:?}");
}

#[test]
fn a_writer_with_a_full_disk_loses_nothing() {
    let met = everywhere(Fault::Full, Fsync::Never);
    assert!(met.points > 110 && met.unfinished > 100 && met.torn == 0, "{met:?}");
}
