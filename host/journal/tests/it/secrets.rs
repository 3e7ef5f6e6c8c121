//! No secret is in any file of a journal.

use std::fs;
use std::time::SystemTime;

use base64::Engine as _;
use sandpiper_core::{Denial, DenialReason, Exec, Exit, ProcessUsage, SandboxRef, Spec};
use sandpiper_journal::{
    Change, Condition, FileChange, Filter, Record, Redactor, Retention, RunEnded, RunStarted, Transfer,
    Verdict, WriterOptions,
};

use crate::harness::{Bench, options, run};

const SECRET: &str = "hunter2/\"é\n+token";

/// The secret in each form in which it may come along.
fn forms() -> String {
    let base64 = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    let percent: String = SECRET.bytes().flat_map(|byte| ["%".to_owned(), format!("{byte:02X}")]).collect();
    let json = serde_json::to_string(SECRET).unwrap();
    let encoded = [base64(SECRET.to_owned()), base64(format!("u:{SECRET}")), base64(format!("me:{SECRET}!"))];
    format!("a {SECRET} b {percent} c {json} d {} e", encoded.join(" "))
}

/// A record of each kind with the secret in each of its texts.
fn records() -> Vec<Record> {
    let metadata = || std::collections::BTreeMap::from([(forms(), forms())]);
    let sandbox = || SandboxRef { backend: forms(), id: forms(), metadata: metadata() };
    let transfer = || Transfer { sandbox: sandbox(), path: forms().as_str().into(), files: 1, bytes: 1 };
    let mut invalid = forms().into_bytes();
    invalid.push(0xff);
    vec![
        Record::SandboxCreated { sandbox: sandbox() },
        Record::SandboxClosed { sandbox: sandbox() },
        Record::Operation { operation: forms(), subject: forms() },
        Record::PolicyDecision {
            operation: forms(),
            subject: forms(),
            rule: Some(forms()),
            verdict: Verdict::Denied,
        },
        Record::Denial(Denial {
            operation: forms(),
            subject: forms(),
            reason: DenialReason::Escape,
            count: 1,
        }),
        Record::LimitReached { limit: forms(), value: 1 },
        Record::Fallback { from: forms(), to: forms(), because: forms() },
        Record::ProcessStarted { pid: 1, parent: 1, argv: vec![forms(), forms()] },
        Record::ProcessEnded(ProcessUsage {
            pid: 1,
            parent: 1,
            command: forms(),
            exit: Some(Exit::NotFound { command: forms() }),
            fuel: None,
            wall_ms: 0,
            peak_memory_bytes: 0,
        }),
        Record::FileChanged(FileChange {
            path: invalid[..].into(),
            change: Change::Moved,
            moved_from: Some(forms().as_str().into()),
            before: None,
            after: None,
        }),
        Record::Uploaded(transfer()),
        Record::Downloaded(transfer()),
    ]
}

#[test]
fn no_form_of_a_secret_reaches_a_file() {
    let bench = Bench::new();
    let mut spec = Spec { image: sandpiper_core::Image::File(forms().into()), ..Spec::default() };
    spec.mounts
        .push(sandpiper_core::Mount::new(forms(), "/workspace", sandpiper_core::Access::ReadOnly).unwrap());
    let exec = Exec::new([forms()]).cwd(forms()).env("TOKEN", SECRET);
    let started =
        RunStarted { policy: Some(forms()), task: Some(forms()), ..RunStarted::of(&spec, &exec, &forms()) };
    let options = WriterOptions { redactor: Redactor::new([SECRET]), ..options() };
    let mut writer = bench.journal.begin(&run(0), options, started).unwrap();
    let records = records();
    writer.append_all(&records).unwrap();
    let exit = Exit::NotRunnable { command: forms(), reason: forms() };
    writer.finish(&RunEnded { exit: Some(exit), usage: None, error: Some(forms()) }).unwrap();
    // The index, as it is added to and as it is written anew.
    drop(bench.begin(&run(1)));
    bench.journal.list(&Filter::default()).unwrap();
    let retention = Retention { max_runs: Some(1), ..Retention::default() };
    let all = |name: &str| {
        for entry in fs::read_dir(bench.directory.path()).unwrap() {
            let path = entry.unwrap().path();
            let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
            for trace in ["hunter2", "token", "aHVudGVyM", "h1bnRlcj", "odW50ZXIy", "%68%75", "68756e74"] {
                assert!(!text.contains(trace), "{name} {}: {trace} in {text}", path.display());
            }
        }
    };
    all("added to");
    let exported = bench.text(&run(0));
    assert!(exported.matches("[redacted]").count() > 100);
    // It is still a journal whose records are known.
    assert_eq!(bench.journal.verify(&run(0)).unwrap().condition, Condition::Complete);
    let (entries, _) = crate::harness::entries(bench.journal.read(&run(0)).unwrap());
    assert!(entries.iter().all(|entry| entry.record().is_some()));
    assert_eq!(entries.len(), records.len() + 2);
    bench.journal.collect(&retention, SystemTime::now()).unwrap();
    all("written anew");
}

#[test]
fn without_a_redactor_texts_stay_as_they_are() {
    let bench = Bench::new();
    let mut writer = bench.begin(&run(0));
    writer.append(&Record::Operation { operation: "hunter2".to_owned(), subject: String::new() }).unwrap();
    assert!(bench.text(&run(0)).contains("hunter2"));
}
