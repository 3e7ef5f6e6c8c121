//! Runs are listed, newest first, and the index is never the truth.

use std::fs;
use std::time::SystemTime;

use sandpiper_core::{Exit, Usage};
use sandpiper_journal::{Ended, Filter, JournalError, RunEnded, RunStarted, State, Summary};

use crate::harness::{Bench, options, run, started, succeeded};

fn listed(bench: &Bench, filter: &Filter) -> Vec<Summary> {
    bench.journal.list(filter).unwrap()
}

#[test]
fn runs_are_listed_newest_first_with_what_became_of_them() {
    let bench = Bench::new();
    bench.ended(&run(0), 1);
    let running = bench.begin(&run(1));
    drop(bench.begin(&run(2)));
    let list = listed(&bench, &Filter::default());
    let states: Vec<_> = list.iter().map(|summary| (summary.run.clone(), summary.state)).collect();
    assert_eq!(states, [(run(2), State::Unfinished), (run(1), State::Running), (run(0), State::Ended)]);
    assert_eq!(list[2].command, "python3 -c print(1)");
    assert_eq!(list[2].exit, Some(Exit::Code { code: 0 }));
    assert_eq!((list[2].records, &*list[2].backend, list[2].image.to_string()), (3, "wasm", "base".into()));
    running.finish(&succeeded()).unwrap();
    assert_eq!(listed(&bench, &Filter::default())[1].state, State::Ended);
}

#[test]
fn a_filter_lets_through_what_it_names() {
    let bench = Bench::new();
    let before = SystemTime::now();
    bench.ended(&run(0), 0);
    let end = |exit| RunEnded::with(exit, Usage::default());
    let task = RunStarted { task: Some("login".to_owned()), ..started("remote") };
    let writer = bench.journal.begin(&run(1), options(), task).unwrap();
    writer.finish(&end(Exit::Timeout)).unwrap();
    let between = SystemTime::now();
    bench.begin(&run(2)).finish(&RunEnded::failed("no backend")).unwrap();

    let all = Filter::default();
    let runs = |filter: Filter| -> Vec<_> {
        listed(&bench, &filter).into_iter().map(|summary| summary.run).collect()
    };
    assert_eq!(runs(Filter { ended: Some(Ended::Success), ..all.clone() }), [run(0)]);
    assert_eq!(runs(Filter { ended: Some(Ended::Failure), ..all.clone() }), [run(2), run(1)]);
    assert_eq!(runs(Filter { ended: Some(Ended::Code(124)), ..all.clone() }), [run(1)]);
    assert_eq!(runs(Filter { backend: Some("remote".to_owned()), ..all.clone() }), [run(1)]);
    assert_eq!(runs(Filter { task: Some("login".to_owned()), ..all.clone() }), [run(1)]);
    assert_eq!(runs(Filter { state: Some(State::Running), ..all.clone() }), []);
    assert_eq!(runs(Filter { most: Some(1), ..all.clone() }), [run(2)]);
    assert_eq!(runs(Filter { since: Some(between), ..all.clone() }), [run(2)]);
    assert_eq!(runs(Filter { until: Some(between), ..all.clone() }), [run(1), run(0)]);
    assert_eq!(runs(Filter { until: Some(before), ..all }), []);
}

#[test]
fn a_lost_torn_or_stale_index_is_made_anew() {
    let bench = Bench::new();
    bench.ended(&run(0), 2);
    drop(bench.begin(&run(1)));
    let list = listed(&bench, &Filter::default());
    let index = bench.directory.path().join("index.jsonl");
    let whole = fs::read(&index).unwrap();
    // Each of them waits for the disk.
    for length in (0..whole.len()).step_by(13) {
        fs::write(&index, &whole[..length]).unwrap();
        assert_eq!(listed(&bench, &Filter::default()), list, "{length}");
        let repaired = fs::read(&index).unwrap();
        assert!(repaired.ends_with(b"\n") && repaired.len() >= 2, "{length}");
    }
    fs::remove_file(&index).unwrap();
    assert_eq!(listed(&bench, &Filter::default()), list);
    let mut junk = whole.clone();
    junk.splice(0..20, *b"\0\0\0");
    fs::write(&index, [&junk[..], b"{\"run\":"].concat()).unwrap();
    assert_eq!(listed(&bench, &Filter::default()), list);
}

#[test]
fn a_run_ends_although_the_index_cannot_be_opened_any_more() {
    let bench = Bench::new();
    let writer = bench.begin(&run(0));
    let index = bench.directory.path().join("index.jsonl");
    fs::rename(&index, index.with_extension("away")).unwrap();
    fs::create_dir(&index).unwrap();
    writer.finish(&succeeded()).unwrap();
    fs::remove_dir(&index).unwrap();
    // It was open from the beginning, so the end is in it.
    let away = fs::read_to_string(index.with_extension("away")).unwrap();
    assert!(away.lines().last().unwrap().contains(r#""state":"ended""#), "{away}");
    assert_eq!(listed(&bench, &Filter::default())[0].state, State::Ended);
}

#[test]
fn a_run_is_found_by_a_part_of_its_id() {
    let bench = Bench::new();
    assert!(matches!(bench.journal.find("latest"), Err(JournalError::Unknown { .. })));
    bench.ended(&run(0), 0);
    bench.ended(&run(1), 0);
    assert_eq!(bench.journal.find("latest").unwrap(), run(1));
    assert_eq!(bench.journal.find(run(0).as_str()).unwrap(), run(0));
    assert_eq!(bench.journal.find("000000001").unwrap(), run(1));
    assert!(matches!(bench.journal.find("0000"), Err(JournalError::Ambiguous { .. })));
    for wrong in ["", "zzz", "../index"] {
        assert!(matches!(bench.journal.find(wrong), Err(JournalError::Unknown { .. })), "{wrong}");
    }
}

#[test]
fn a_run_has_one_journal() {
    let bench = Bench::new();
    let writer = bench.begin(&run(0));
    let again = || bench.journal.begin(&run(0), options(), started("wasm")).map(drop);
    assert!(matches!(again(), Err(JournalError::Taken { .. })));
    writer.finish(&succeeded()).unwrap();
    assert!(matches!(again(), Err(JournalError::Taken { .. })));
    assert_eq!(bench.kinds(&run(0)), ["run-started", "run-ended"]);
}

#[test]
fn an_export_says_of_each_line_which_run_it_is_of() {
    let bench = Bench::new();
    bench.ended(&run(0), 2);
    let text = bench.text(&run(0));
    fs::write(bench.file(&run(0)), text.replacen("src/0", "src/9", 1) + "{\"torn").unwrap();
    let mut exported = Vec::new();
    bench.journal.export(&run(0), &mut exported).unwrap();
    let exported = String::from_utf8(exported).unwrap();
    let front = format!("{{\"run\":\"{}\",", run(0));
    let lines: Vec<String> =
        exported.lines().map(|line| format!("{{{}", line.strip_prefix(&front).unwrap())).collect();
    let written: Vec<&str> = text.lines().collect();
    assert_eq!((&*lines[0], &*lines[2], &*lines[3]), (written[0], written[2], written[3]));
    assert!(lines[1].ends_with(r#""after_sequence":0,"damage":"edited","sequence":1}"#), "{}", lines[1]);
    assert_eq!(lines[4], r#"{"tail":{"torn":{"bytes":6,"after_sequence":3}}}"#);
    assert_eq!(lines.len(), 5);
}

#[cfg(unix)]
#[test]
fn what_is_written_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let bench = Bench::new();
    let directory = bench.directory.path().join("new");
    let journal = sandpiper_journal::Journal::open(&directory).unwrap();
    let writer = journal.begin(&run(0), options(), started("wasm")).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for entry in fs::read_dir(&directory).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    drop(writer);
}
