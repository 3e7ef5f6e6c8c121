//! `sandpiper journal ...`: what runs did.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use sandpiper::journal::{
    Condition, Ended, Entry, Filter, Followed, Found, Journal, JournalError, NetChange, Retention, RunId,
    State, Summary, Tail, Verified,
};
use serde_json::{Value, json};

use crate::arguments::{JournalArguments, JournalCommand};
use crate::{render, report, surroundings};

/// How often a run that is being written is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// A journal that is not what was written.
const DAMAGED: u8 = 1;

pub(crate) fn journal(arguments: JournalArguments) -> Result<ExitCode> {
    let json = arguments.json;
    report::or_as_json(json, execute(arguments))
}

fn execute(arguments: JournalArguments) -> Result<ExitCode> {
    let json = arguments.json;
    let directory = arguments.directory.map_or_else(surroundings::journal_directory, Ok)?;
    let journal = Journal::open(&directory)?;
    match arguments.command {
        JournalCommand::List { since, until, failed, code, backend, task, most } => {
            let ended = code.map(Ended::Code).or(failed.then_some(Ended::Failure));
            let most = Some(most);
            let filter = Filter { since, until, ended, backend, task, most, ..Filter::default() };
            for summary in journal.list(&filter)? {
                let text = if json { serde_json::to_string(&summary)? } else { listed(&summary) };
                render::line(&text)?;
            }
        }
        JournalCommand::Show { run } => {
            let run = journal.find(&run)?;
            let mut reader = journal.read(&run)?;
            for found in &mut reader {
                show(&found.map_err(|source| unreadable(&run, source))?, json)?;
            }
            tail(reader.tail());
        }
        JournalCommand::Tail { run } => follow(&journal, &journal.find(&run)?, json)?,
        JournalCommand::Verify { run } => return verify(&journal, run.as_deref(), json),
        JournalCommand::Export { run } => journal.export(&journal.find(&run)?, &mut render::output())?,
        JournalCommand::Files { run } => {
            let changed = journal.files_changed(&journal.find(&run)?)?;
            for file in &changed.files {
                let text = if json { file_as_json(file).to_string() } else { file_line(file) };
                render::line(&text)?;
            }
            if !changed.is_complete {
                render::note("records are missing: there may be more");
            }
        }
        JournalCommand::Gc { age, size } => {
            let retention =
                Retention { max_age: Some(age), max_total_bytes: Some(size), ..Retention::default() };
            let collected = journal.collect(&retention, SystemTime::now())?;
            let runs = collected.runs.len();
            if json {
                render::line(&json!({ "removed": collected.runs, "bytes": collected.bytes }).to_string())?;
            } else {
                render::line(&format!("{runs} runs removed, {} KiB", collected.bytes.div_ceil(1024)))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn unreadable(run: &RunId, source: std::io::Error) -> anyhow::Error {
    anyhow::Error::from(source).context(format!("cannot read the journal of {run}"))
}

fn listed(summary: &Summary) -> String {
    let end = match (&summary.exit, summary.state) {
        (Some(exit), _) => exit.code().to_string(),
        (None, State::Running) => "running".to_owned(),
        (None, State::Ended) => "failed".to_owned(),
        (None, State::Damaged) => "damaged".to_owned(),
        (None, State::Missing) => "missing".to_owned(),
        (None, _) => "killed".to_owned(),
    };
    let took = match (summary.started, summary.ended) {
        (Some(started), Some(ended)) => ended
            .duration_since(started)
            .map_or_else(|_| String::new(), |took| format!("{} ms", took.as_millis())),
        _ => String::new(),
    };
    format!("{}  {:<8} {end:>7} {took:>10}  {}", summary.run, summary.backend, summary.command)
}

fn show(found: &Found, json: bool) -> Result<()> {
    match found {
        Found::Record(entry) => {
            Ok(render::line(&if json { entry.line().to_owned() } else { record(entry) })?)
        }
        Found::Damage(damage) => {
            render::note(&format!("damaged: {}", serde_json::to_string(damage)?));
            Ok(())
        }
    }
}

/// A record as a person reads it: when, what, and its fields.
fn record(entry: &Entry) -> String {
    const OWN: [&str; 5] = ["sequence", "time", "previous", "kind", "format"];
    let fields: Vec<String> = entry
        .fields()
        .iter()
        .filter(|(name, value)| !OWN.contains(&name.as_str()) && !value.is_null())
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            value => format!("{name}={value}"),
        })
        .collect();
    let time = humantime::format_rfc3339_millis(entry.time());
    format!("{time}  {:<15} {}", entry.kind(), fields.join(" "))
}

fn tail(tail: Tail) {
    if let Tail::Torn { bytes, .. } = tail {
        render::note(&format!("the last record is torn: {bytes} bytes of it are there"));
    }
}

fn follow(journal: &Journal, run: &RunId, json: bool) -> Result<()> {
    let mut follow = journal.follow(run)?;
    loop {
        match follow.poll().map_err(|source| unreadable(run, source))? {
            Followed::Found(found) => show(&found, json)?,
            Followed::Idle => std::thread::sleep(INTERVAL),
            Followed::End(end) => {
                tail(end);
                return Ok(());
            }
        }
    }
}

fn verify(journal: &Journal, run: Option<&str>, json: bool) -> Result<ExitCode> {
    let runs = match run {
        Some(run) => vec![journal.find(run)?],
        None => journal.list(&Filter::default())?.into_iter().map(|summary| summary.run).collect(),
    };
    let mut is_sound = true;
    for run in runs {
        let verified = match journal.verify(&run) {
            Ok(verified) => verified,
            Err(JournalError::Missing { .. }) => {
                is_sound = false;
                let text = json!({ "run": run, "condition": "missing" }).to_string();
                render::line(&if json { text } else { format!("{run}  missing: its file is not there") })?;
                continue;
            }
            Err(err) => return Err(err.into()),
        };
        is_sound &= !matches!(verified.condition, Condition::Damaged);
        render::line(&if json { verified_as_json(&verified).to_string() } else { verified_line(&verified) })?;
    }
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Complete => "complete",
        Condition::Running => "running",
        Condition::Unfinished => "unfinished",
        Condition::Torn => "torn",
        Condition::Damaged => "damaged",
    }
}

fn verified_line(verified: &Verified) -> String {
    let what = match verified.condition {
        Condition::Complete => "all is there",
        Condition::Running => "all is there so far",
        Condition::Unfinished => "there is no end: its process was killed",
        Condition::Torn => "the last record is torn: its process was killed while it wrote",
        Condition::Damaged => "it is not what was written",
    };
    let head = verified.head.map(|head| format!(", head {head}")).unwrap_or_default();
    let mut line = format!(
        "{}  {}: {what} ({} records{head})",
        verified.run,
        condition(verified.condition),
        verified.records
    );
    for damage in &verified.damage {
        // Writing to a string cannot fail.
        let _ = write!(line, "\n  at byte {}: {:?}", damage.offset, damage.kind);
    }
    for (kind, count) in &verified.not_written {
        let _ = write!(line, "\n  {count} records of the kind {kind} were left out, for its size");
    }
    line
}

fn verified_as_json(verified: &Verified) -> Value {
    json!({
        "run": verified.run,
        "condition": condition(verified.condition),
        "records": verified.records,
        "last_sequence": verified.last_sequence,
        "head": verified.head,
        "damage": verified.damage,
        "tail": verified.tail,
        "not_written": verified.not_written,
    })
}

fn file_line(file: &NetChange) -> String {
    let digest = |digest: &Option<_>| {
        digest.map_or_else(|| "-".to_owned(), |digest: sandpiper::journal::Digest| digest.to_string())
    };
    let change = format!("{:?}", file.change).to_lowercase();
    format!("{change:<10} {}  {} -> {}", file.path, digest(&file.before), digest(&file.after))
}

fn file_as_json(file: &NetChange) -> Value {
    json!({ "path": file.path, "change": file.change, "before": file.before, "after": file.after })
}
