//! A journal is read while it is written.

use std::fs;
use std::io::Write;

use sandpiper_journal::{Followed, Found, Tail};

use crate::harness::{Bench, changed, run, succeeded};

fn kind(followed: Followed) -> String {
    match followed {
        Followed::Found(Found::Record(entry)) => entry.kind().to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn records_come_as_they_are_written_up_to_the_end() {
    let bench = Bench::new();
    let mut writer = bench.begin(&run(0));
    let mut follow = bench.journal.follow(&run(0)).unwrap();
    let mut next = || kind(follow.poll().unwrap());
    assert_eq!(next(), "run-started");
    assert_eq!((next(), next()), ("Idle".to_owned(), "Idle".to_owned()));
    writer.append(&changed(0)).unwrap();
    assert_eq!((next(), next()), ("file-changed".to_owned(), "Idle".to_owned()));
    writer.finish(&succeeded()).unwrap();
    assert_eq!((next(), next()), ("run-ended".to_owned(), "End(Whole)".to_owned()));
}

#[test]
fn following_ends_when_the_writer_is_gone() {
    let bench = Bench::new();
    let writer = bench.begin(&run(0));
    let mut follow = bench.journal.follow(&run(0)).unwrap();
    assert_eq!(kind(follow.poll().unwrap()), "run-started");
    assert_eq!(follow.poll().unwrap(), Followed::Idle);
    fs::File::options().append(true).open(bench.file(&run(0))).unwrap().write_all(b"{\"seq").unwrap();
    drop(writer);
    let torn = Tail::Torn { bytes: 5, after_sequence: Some(0) };
    assert_eq!(follow.poll().unwrap(), Followed::End(torn));
}

#[test]
fn following_ends_with_the_run_although_its_process_goes_on() {
    let bench = Bench::new();
    bench.ended(&run(0), 0);
    let lock = fs::File::create(bench.directory.path().join(format!("{}.lock", run(0)))).unwrap();
    lock.lock().unwrap();
    let mut follow = bench.journal.follow(&run(0)).unwrap();
    let mut next = || kind(follow.poll().unwrap());
    assert_eq!((&*next(), &*next(), &*next()), ("run-started", "run-ended", "End(Whole)"));
}
