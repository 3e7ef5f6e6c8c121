//! What a record costs, by when the disk is waited for: `cargo run -p sandpiper-journal --example cost DIRECTORY`.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use sandpiper_core::{Exec, Exit, Spec, Usage};
use sandpiper_journal::{
    Change, Digest, FileChange, Filter, Fsync, Journal, Record, Redactor, RunEnded, RunId, RunStarted,
    WriterOptions,
};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).ok_or("expected a directory that is not there yet")?;
    let journal = Journal::open(Path::new(&directory))?;
    let change = Record::FileChanged(FileChange {
        path: "src/main.rs".into(),
        change: Change::Modified,
        moved_from: None,
        before: Some(Digest::of(b"before")),
        after: Some(Digest::of(b"after")),
    });
    let operation = Record::Operation { operation: "merge".to_owned(), subject: "main".to_owned() };
    let mut number = 0;
    for (name, fsync, count) in [
        ("never", Fsync::Never, 20_000),
        ("at points", Fsync::AtPoints, 500),
        ("each", Fsync::EachRecord, 500),
    ] {
        for (kind, record) in [("change", &change), ("operation", &operation)] {
            for secrets in [0, 10] {
                let redactor = Redactor::new((0..secrets).map(|index| format!("secret-number-{index:02}")));
                let options = WriterOptions { fsync, redactor, ..WriterOptions::default() };
                number += 1;
                let run = RunId::new(SystemTime::now(), number);
                let start = RunStarted::of(&Spec::default(), &Exec::new(["true"]), "wasm");
                let began = Instant::now();
                let mut writer = journal.begin(&run, options, start)?;
                let begin = began.elapsed();
                let mut times = Vec::new();
                for _ in 0..count {
                    let began = Instant::now();
                    writer.append(record)?;
                    times.push(began.elapsed());
                }
                let began = Instant::now();
                writer.finish(&RunEnded::with(Exit::Code { code: 0 }, Usage::default()))?;
                let end = began.elapsed();
                let (middle, late) = percentiles(times).ok_or("nothing was measured")?;
                println!(
                    "{name:9} {kind:9} {secrets:2} secrets: p50 {middle:?} p99 {late:?}; begin {begin:?}, end {end:?}"
                );
            }
        }
    }
    let began = Instant::now();
    let listed = journal.list(&Filter::default())?;
    println!("list of {} runs: {:?}", listed.len(), began.elapsed());
    if let Some(longest) = listed.iter().max_by_key(|summary| summary.bytes) {
        let began = Instant::now();
        journal.verify(&longest.run)?;
        println!("verify of {} bytes: {:?}", longest.bytes, began.elapsed());
    }
    Ok(())
}

fn percentiles(mut times: Vec<Duration>) -> Option<(Duration, Duration)> {
    times.sort();
    Some((*times.get(times.len() / 2)?, *times.get(times.len() * 99 / 100)?))
}
