//! A file that ends anywhere is read up to its last whole record.

use std::fs;

use proptest::prelude::*;
use sandpiper_journal::{Condition, Filter, Found, Reader, Record, State, Tail};

use crate::harness::{Bench, changed, entries, run, succeeded};

#[test]
fn a_file_that_is_cut_at_any_byte_is_read_up_to_the_last_whole_record() {
    let bench = Bench::new();
    let id = run(0);
    bench.ended(&id, 5);
    let bytes = fs::read(bench.file(&id)).unwrap();
    for length in 0..=bytes.len() {
        let there = &bytes[..length];
        let whole = there.split(|byte| *byte == b'\n').count() - 1;
        let rest = there.iter().rev().take_while(|byte| **byte != b'\n').count();
        let (read, tail) = entries(Reader::new(&id, there));
        assert_eq!(read.len(), whole, "{length}");
        let expected = match u64::try_from(rest).unwrap() {
            0 => Tail::Whole,
            bytes => Tail::Torn { bytes, after_sequence: u64::try_from(whole).unwrap().checked_sub(1) },
        };
        assert_eq!(tail, expected, "{length}");
    }
}

#[test]
fn verify_says_of_each_cut_what_is_lost() {
    let bench = Bench::new();
    let id = run(0);
    // The process ended without an end of the run, so the index knows the first record only.
    let mut writer = bench.begin(&id);
    for file in 0..3 {
        writer.append(&changed(file)).unwrap();
    }
    drop(writer);
    let bytes = fs::read(bench.file(&id)).unwrap();
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let file = fs::File::options().write(true).open(bench.file(&id)).unwrap();
    for length in (0..=bytes.len()).rev() {
        file.set_len(u64::try_from(length).unwrap()).unwrap();
        let verified = bench.journal.verify(&id).unwrap();
        let expected = match length {
            length if length < first => Condition::Damaged,
            length if bytes[length - 1] == b'\n' => Condition::Unfinished,
            _ => Condition::Torn,
        };
        assert_eq!(verified.condition, expected, "{length}");
    }
    fs::write(bench.file(&id), &bytes).unwrap();
    assert_eq!(bench.journal.list(&Filter::default()).unwrap()[0].state, State::Unfinished);
}

#[test]
fn zeros_of_a_power_cut_are_a_torn_tail() {
    let bench = Bench::new();
    let id = run(0);
    bench.ended(&id, 1);
    let mut bytes = fs::read(bench.file(&id)).unwrap();
    let whole = bytes.len();
    bytes.resize(whole + (3 << 20), 0);
    let (read, tail) = entries(Reader::new(&id, &bytes[..]));
    assert_eq!((read.len(), tail), (3, Tail::Torn { bytes: 3 << 20, after_sequence: Some(2) }));
}

#[test]
fn a_reader_goes_on_where_the_file_grew() {
    let bench = Bench::new();
    let id = run(0);
    let mut writer = bench.begin(&id);
    let mut reader = bench.journal.read(&id).unwrap();
    assert_eq!(reader.by_ref().count(), 1);
    writer.append(&changed(0)).unwrap();
    writer.append(&changed(1)).unwrap();
    assert_eq!(reader.by_ref().count(), 2);
    writer.finish(&succeeded()).unwrap();
    assert_eq!(reader.by_ref().count(), 1);
    assert_eq!(reader.tail(), Tail::Whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_make_the_reader_panic_or_lose_a_record(
        before in prop::collection::vec(any::<u8>(), 0..200),
        position in 0..4_usize,
    ) {
        let bench = Bench::new();
        let id = run(0);
        bench.ended(&id, 2);
        let text = bench.text(&id);
        let mut lines: Vec<&[u8]> = text.split_inclusive('\n').map(str::as_bytes).collect();
        let junk = [&before[..], b"\n"].concat();
        lines.insert(position, &junk);
        let bytes = lines.concat();
        let mut reader = Reader::new(&id, &bytes[..]);
        let (mut records, mut damages) = (0, 0);
        for found in reader.by_ref() {
            match found.unwrap() {
                Found::Record(_) => records += 1,
                Found::Damage(_) => damages += 1,
            }
        }
        prop_assert_eq!(records, 4);
        prop_assert!(damages >= 1);
        prop_assert_eq!(reader.tail(), Tail::Whole);
    }

    #[test]
    fn any_texts_come_back_as_they_were(operation in any::<String>(), subject in any::<String>()) {
        let bench = Bench::new();
        let id = run(0);
        let record = Record::Operation { operation, subject };
        let mut writer = bench.begin(&id);
        writer.append(&record).unwrap();
        drop(writer);
        let (read, _) = entries(bench.journal.read(&id).unwrap());
        prop_assert_eq!(read[1].record(), Some(record));
    }
}
