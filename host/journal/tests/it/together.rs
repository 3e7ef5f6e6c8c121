//! Many use one journal at once.

use std::thread;
use std::time::SystemTime;

use sandpiper_journal::{Condition, Filter, Journal, Retention, State};

use crate::harness::{Bench, changed, options, run, started, succeeded};

#[test]
fn writers_lists_and_collections_at_once_lose_nothing() {
    const WRITERS: u64 = 8;
    const RUNS: u64 = 10;
    let bench = Bench::new();
    let directory = bench.directory.path();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || {
                // Of its own, as another process has it.
                let journal = Journal::open(directory).unwrap();
                for index in 0..RUNS {
                    let id = run(writer * RUNS + index);
                    let mut writer = journal.begin(&id, options(), started("wasm")).unwrap();
                    (0..5).for_each(|file| writer.append(&changed(file)).unwrap());
                    if index % 2 == 0 {
                        writer.finish(&succeeded()).unwrap();
                    }
                }
            });
        }
        scope.spawn(|| {
            let journal = Journal::open(directory).unwrap();
            let all = usize::try_from(WRITERS * RUNS).unwrap();
            while journal.list(&Filter::default()).unwrap().len() < all {
                // It removes nothing, and looks at all as if it would.
                let retention = Retention { max_runs: Some(all), ..Retention::default() };
                assert_eq!(journal.collect(&retention, SystemTime::now()).unwrap().runs, []);
            }
        });
    });
    let list = bench.journal.list(&Filter::default()).unwrap();
    assert_eq!(list.len(), 80);
    assert_eq!(list.iter().filter(|summary| summary.state == State::Ended).count(), 40);
    assert_eq!(list.iter().filter(|summary| summary.state == State::Unfinished).count(), 40);
    for summary in list {
        let verified = bench.journal.verify(&summary.run).unwrap();
        let expected =
            if summary.state == State::Ended { Condition::Complete } else { Condition::Unfinished };
        assert_eq!((verified.condition, verified.damage), (expected, vec![]));
        assert_eq!(bench.journal.files_changed(&summary.run).unwrap().files.len(), 5);
    }
}
