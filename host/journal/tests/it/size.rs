//! A journal has a size, and says what it left out.

use std::fs;

use sandpiper_core::{Denial, DenialReason};
use sandpiper_journal::{Condition, JournalError, Record, RunEnded, WriterOptions};

use crate::harness::{Bench, changed, options, run, started};

const SMALLEST: u64 = 128 << 10;

fn denial(index: u32) -> Record {
    Record::Denial(Denial {
        operation: "path_open".to_owned(),
        subject: format!("/etc/{index}"),
        reason: DenialReason::Escape,
        count: 1,
    })
}

#[test]
fn what_has_no_room_is_counted_and_the_end_is_written() {
    let bench = Bench::new();
    let options = WriterOptions { max_bytes: SMALLEST, ..options() };
    let mut writer = bench.journal.begin(&run(0), options, started("wasm")).unwrap();
    (0..2000).for_each(|index| writer.append(&denial(index)).unwrap());
    (0..30).for_each(|file| writer.append(&changed(file)).unwrap());
    // The longest end that there is.
    let text = "\u{1}".repeat(100_000);
    let exit = sandpiper_core::Exit::NotRunnable { command: text.clone(), reason: text.clone() };
    writer.finish(&RunEnded { exit: Some(exit), usage: None, error: Some(text) }).unwrap();

    assert!(fs::metadata(bench.file(&run(0))).unwrap().len() <= SMALLEST);
    let verified = bench.journal.verify(&run(0)).unwrap();
    assert_eq!(verified.condition, Condition::Complete);
    let kinds = bench.kinds(&run(0));
    let count = |kind| kinds.iter().filter(|other| *other == kind).count();
    let left_out = usize::try_from(verified.not_written["denial"]).unwrap();
    assert_eq!(count("denial") + left_out, 2000);
    assert!(count("denial") > 50);
    assert_eq!(verified.not_written.len(), 1);
    // Refusals do not crowd out changes.
    assert_eq!(count("file-changed"), 30);
    assert_eq!(kinds.last().unwrap(), "run-ended");
    assert_eq!(kinds[kinds.len() - 2], "truncated");
    assert_eq!(count("truncated"), 2);
    let files = bench.journal.files_changed(&run(0)).unwrap();
    assert!(files.is_complete && files.files.len() == 30);
}

#[test]
fn changes_that_have_no_room_are_said_to_be_missing() {
    let bench = Bench::new();
    let options = WriterOptions { max_bytes: SMALLEST, ..options() };
    let mut writer = bench.journal.begin(&run(0), options, started("wasm")).unwrap();
    (0..1000).for_each(|file| writer.append(&changed(file)).unwrap());
    // Without an end too: the first that was left out is told at once.
    drop(writer);
    assert!(!bench.journal.files_changed(&run(0)).unwrap().is_complete);
}

#[test]
fn a_batch_and_single_records_are_cut_alike() {
    let kinds = |in_batch: bool| {
        let bench = Bench::new();
        let options = WriterOptions { max_bytes: SMALLEST, ..options() };
        let mut writer = bench.journal.begin(&run(0), options, started("wasm")).unwrap();
        let records: Vec<Record> = (0..300).flat_map(|index| [denial(index), changed(index)]).collect();
        if in_batch {
            writer.append_all(&records).unwrap();
        } else {
            for record in &records {
                writer.append(record).unwrap();
            }
        }
        drop(writer);
        bench.kinds(&run(0))
    };
    assert_eq!(kinds(true), kinds(false));
}

#[test]
fn a_record_longer_than_a_line_is_counted() {
    let bench = Bench::new();
    let mut writer = bench.begin(&run(0));
    let argv = vec!["x".repeat(100); 100_000];
    writer.append(&Record::ProcessStarted { pid: 2, parent: 1, argv }).unwrap();
    writer.append(&changed(0)).unwrap();
    drop(writer);
    assert_eq!(bench.kinds(&run(0)), ["run-started", "truncated", "file-changed"]);
    assert_eq!(bench.journal.verify(&run(0)).unwrap().not_written["process-started"], 1);
}

#[test]
fn a_size_without_room_for_start_and_end_is_refused() {
    let bench = Bench::new();
    let begin = |max_bytes| {
        let options = WriterOptions { max_bytes, ..options() };
        bench.journal.begin(&run(0), options, started("wasm")).map(drop)
    };
    assert!(matches!(begin(SMALLEST - 1), Err(JournalError::TooSmall { least: SMALLEST, .. })));
    assert!(begin(SMALLEST).is_ok());
    let mut long = started("wasm");
    long.argv = vec!["x".repeat(1000); 1000];
    let begin = bench.journal.begin(&run(1), WriterOptions { max_bytes: SMALLEST, ..options() }, long);
    assert!(matches!(begin, Err(JournalError::StartTooLong { .. })));
    assert!(!bench.file(&run(1)).exists());
}
