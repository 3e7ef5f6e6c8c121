//! What is not as it was written is told, and where.

use std::fs;

use sandpiper_journal::{Condition, DamageKind, Filter, JournalError, RunId, State};

use crate::harness::{Bench, changed, run, succeeded};

/// A run of seven records, whose lines are changed.
fn verified_after(change: impl Fn(&mut Vec<String>)) -> (Condition, Vec<(u64, Option<u64>, DamageKind)>) {
    let (bench, id) = (Bench::new(), run(0));
    bench.ended(&id, 5);
    let mut lines: Vec<String> = bench.text(&id).split_inclusive('\n').map(str::to_owned).collect();
    change(&mut lines);
    fs::write(bench.file(&id), lines.concat()).unwrap();
    let verified = bench.journal.verify(&id).unwrap();
    let damage =
        verified.damage.into_iter().map(|damage| (damage.offset, damage.after_sequence, damage.kind));
    (verified.condition, damage.collect())
}

fn offset(lines: usize) -> u64 {
    let (bench, id) = (Bench::new(), run(0));
    bench.ended(&id, 5);
    u64::try_from(bench.text(&id).split_inclusive('\n').take(lines).map(str::len).sum::<usize>()).unwrap()
}

#[test]
fn a_journal_as_it_was_written_is_complete() {
    assert_eq!(verified_after(|_| {}), (Condition::Complete, vec![]));
}

#[test]
fn an_edited_record_is_told_with_its_number_and_offset() {
    let (condition, damage) = verified_after(|lines| lines[3] = lines[3].replace("src/2.txt", "src/9.txt"));
    assert_eq!(condition, Condition::Damaged);
    assert_eq!(damage, [(offset(3), Some(2), DamageKind::Edited { sequence: 3 })]);
}

#[test]
fn an_edited_record_with_a_hash_of_its_own_does_not_fit_the_next() {
    let forged = |lines: &mut Vec<String>| {
        let (other, id) = (Bench::new(), run(0));
        let mut writer = other.begin(&id);
        (0..5).for_each(|file| writer.append(&changed(file + 1)).unwrap());
        let text = other.text(&id);
        lines[1] = text.split_inclusive('\n').nth(1).unwrap().to_owned();
    };
    let (condition, damage) = verified_after(forged);
    assert_eq!(condition, Condition::Damaged);
    let kinds: Vec<_> = damage.iter().map(|(_, after, kind)| (*after, *kind)).collect();
    assert_eq!(kinds, [(Some(0), DamageKind::Unchained), (Some(1), DamageKind::Unchained)]);
}

#[test]
fn removed_records_are_counted() {
    let (condition, damage) = verified_after(|lines| drop(lines.drain(2..5)));
    assert_eq!(condition, Condition::Damaged);
    assert_eq!(damage, [(offset(2), Some(1), DamageKind::Missing { records: 3 })]);
}

#[test]
fn records_removed_from_the_end_are_counted_by_the_index() {
    let (condition, damage) = verified_after(|lines| lines.truncate(4));
    assert_eq!(condition, Condition::Damaged);
    assert_eq!(damage, [(offset(4), Some(3), DamageKind::Missing { records: 3 })]);
}

#[test]
fn a_line_that_is_no_record_is_told_and_nothing_else_is_lost() {
    let (condition, damage) = verified_after(|lines| lines[2] = "\0\0\0\n".to_owned());
    assert_eq!(condition, Condition::Damaged);
    assert_eq!(damage, [(offset(2), Some(1), DamageKind::Unreadable { bytes: 4 })]);
}

#[test]
fn a_repeated_record_and_one_behind_the_end_are_told() {
    let (_, damage) = verified_after(|lines| lines.insert(3, lines[1].clone()));
    assert!(matches!(damage[0], (_, Some(2), DamageKind::Repeated { sequence: 1 })), "{damage:?}");
    let (_, damage) = verified_after(|lines| lines.swap(2, 3));
    assert!(!damage.is_empty());
}

#[test]
fn the_file_of_another_run_is_told() {
    let bench = Bench::new();
    bench.ended(&run(0), 2);
    bench.ended(&run(1), 2);
    fs::copy(bench.file(&run(0)), bench.file(&run(1))).unwrap();
    let verified = bench.journal.verify(&run(1)).unwrap();
    assert_eq!(verified.condition, Condition::Damaged);
    assert_eq!(verified.damage[0].kind, DamageKind::Unchained);
    assert_eq!(bench.journal.verify(&run(0)).unwrap().condition, Condition::Complete);
}

#[test]
fn a_line_that_is_too_long_costs_no_memory_and_no_other_record() {
    let long = "x".repeat(5 << 20) + "\n";
    let bytes = u64::try_from(long.len()).unwrap();
    let (_, damage) = verified_after(|lines| lines[2] = long.clone());
    assert_eq!(damage, [(offset(2), Some(1), DamageKind::Unreadable { bytes })]);
}

#[test]
fn a_cut_file_is_shown_as_damaged_and_the_evidence_stays() {
    let (bench, id) = (Bench::new(), run(0));
    bench.ended(&id, 5);
    let text = bench.text(&id);
    let cut: String = text.split_inclusive('\n').take(4).collect();
    fs::write(bench.file(&id), cut).unwrap();
    for _ in 0..2 {
        let listed = bench.journal.list(&Filter::default()).unwrap();
        assert_eq!((listed[0].state, listed[0].records), (State::Damaged, 7));
    }
    fs::write(bench.file(&id), text).unwrap();
    assert_eq!(bench.journal.list(&Filter::default()).unwrap()[0].state, State::Ended);
}

#[test]
fn what_is_known_of_a_run_without_an_end_is_not_forgotten_with_its_file() {
    let (bench, id) = (Bench::new(), run(0));
    drop(bench.begin(&id));
    fs::write(bench.file(&id), "").unwrap();
    for _ in 0..2 {
        let listed = bench.journal.list(&Filter::default()).unwrap();
        assert_eq!((listed[0].state, listed[0].records), (State::Damaged, 1));
        assert_eq!(listed[0].command, "python3 -c print(1)");
    }
}

#[test]
fn the_end_is_noted_behind_a_torn_line_of_the_index() {
    let (bench, id) = (Bench::new(), run(0));
    let writer = bench.begin(&id);
    // Another process was killed while it wrote.
    let index = bench.directory.path().join("index.jsonl");
    fs::write(&index, fs::read_to_string(&index).unwrap() + "{\"run\":\"20").unwrap();
    writer.finish(&succeeded()).unwrap();
    let cut: String = bench.text(&id).split_inclusive('\n').take(1).collect();
    fs::write(bench.file(&id), cut).unwrap();
    let verified = bench.journal.verify(&id).unwrap();
    assert_eq!(verified.damage[0].kind, DamageKind::Missing { records: 1 });
}

#[test]
fn a_file_that_somebody_removed_is_missing_and_one_that_never_was_is_unknown() {
    let (bench, id) = (Bench::new(), run(0));
    bench.ended(&id, 1);
    fs::remove_file(bench.file(&id)).unwrap();
    assert_eq!(bench.journal.list(&Filter::default()).unwrap()[0].state, State::Missing);
    assert!(matches!(bench.journal.verify(&id), Err(JournalError::Missing { run }) if run == id));
    let never: RunId = run(1);
    assert!(matches!(bench.journal.verify(&never), Err(JournalError::Unknown { .. })));
}
