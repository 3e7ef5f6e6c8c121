//! `sandpiper worktree ...`: git worktrees for runs.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use sandpiper::worktree::{
    Collect, Collected, Commit, Condition, Create, Id, Listed, Merge, MergeKind, Plain, Progress, Record,
    Remove, WorktreeError, Worktrees,
    agent::{self, Refusal},
};
use serde_json::{Value, json};

use crate::arguments::{WorktreeArguments, WorktreeBase, WorktreeCommand};
use crate::{remote, render, report, surroundings};

/// Files from which on the writing of a worktree is shown; to a terminal only, as bars are.
const SHOWN_FILES: usize = 2_000;

pub(crate) fn worktree(arguments: WorktreeArguments) -> Result<ExitCode> {
    if matches!(arguments.command, WorktreeCommand::Agent) {
        agent::serve(std::io::stdin().lock(), render::output(), &|err| Refusal {
            message: explain(err),
            hint: hint(err),
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let json = arguments.json;
    match execute(arguments) {
        Ok(code) => Ok(code),
        Err(err) if json => {
            let error = report::as_json(&err);
            let conflicts = match err.downcast_ref::<WorktreeError>() {
                Some(WorktreeError::Conflicts { conflicts }) => serde_json::to_value(conflicts)?,
                _ => Value::Null,
            };
            render::line(&json!({ "error": error, "conflicts": conflicts }).to_string())?;
            Ok(ExitCode::from(report::REFUSED))
        }
        Err(err) => Err(err),
    }
}

fn execute(arguments: WorktreeArguments) -> Result<ExitCode> {
    let json = arguments.json;
    let root = arguments.root.map_or_else(surroundings::worktree_root, Ok)?;
    let directory = surroundings::directory()?;
    let worktrees = match &arguments.command {
        WorktreeCommand::Create { base, .. } => Worktrees::open_to_create(&directory, &root, &base.create())?,
        _ => Worktrees::open(&directory, &root)?,
    };
    for done in worktrees.repair()? {
        render::note(&format!("{}: {}", done.name, done.what));
    }
    match arguments.command {
        WorktreeCommand::Push { name, remote, to, force_with_lease, access } => {
            let worktree = worktrees.hold(&name)?;
            remote::push(&worktree, (remote, to), force_with_lease, (&access, json))
        }
        WorktreeCommand::Fetch { remote, branches, access } => {
            remote::fetch(&worktrees, (remote, branches), (&access, json))
        }
        command => local(&worktrees, command, json).map(|()| ExitCode::SUCCESS),
    }
}

/// What needs no other repository.
fn local(worktrees: &Worktrees, command: WorktreeCommand, json: bool) -> Result<()> {
    match command {
        WorktreeCommand::Create { id, base } => create(worktrees, id, &base, json),
        WorktreeCommand::List => list(worktrees, json),
        WorktreeCommand::Status { name } => {
            let changes = worktrees.hold(&name)?.changes()?;
            let files = changes.files()?;
            if json {
                return print(&json!({ "files": files }));
            }
            for file in &files {
                let old = file.old_path.as_ref().map(|old| format!("{old} -> ")).unwrap_or_default();
                render::line(&format!("{:<12} {old}{}", file.change, file.path))?;
            }
            Ok(())
        }
        WorktreeCommand::Diff { name, stat } => {
            let changes = worktrees.hold(&name)?.changes()?;
            if json {
                let patch = String::from_utf8_lossy(&changes.patch()?).into_owned();
                return print(&json!({ "files": changes.files()?, "patch": patch }));
            }
            if stat {
                return Ok(render::bytes(changes.stat()?.as_bytes())?);
            }
            Ok(render::bytes(&changes.patch()?)?)
        }
        WorktreeCommand::Commit { name, message, author, trailers } => {
            let commit = Commit { author, trailers, ..Commit::new(&message) };
            let worktree = worktrees.hold(&name)?;
            let oid = worktree.commit(&commit)?;
            if json {
                return print(&json!({ "id": worktree.record().id, "commit": oid }));
            }
            Ok(render::line(&format!("{oid} on {}", worktree.record().id.branch()))?)
        }
        WorktreeCommand::Apply { name } => {
            let applied = worktrees.hold(&name)?.apply()?;
            if json {
                return print(&serde_json::to_value(&applied)?);
            }
            for path in &applied.written {
                render::line(&format!("wrote    {path}"))?;
            }
            for path in &applied.deleted {
                render::line(&format!("deleted  {path}"))?;
            }
            Ok(())
        }
        WorktreeCommand::Merge { name, into, message, ff_only, no_ff, squash } => {
            let kind = match (ff_only, no_ff, squash) {
                (true, ..) => MergeKind::FastForward,
                (_, true, _) => MergeKind::ThreeWay,
                (.., true) => MergeKind::Squash,
                _ => MergeKind::Usual,
            };
            let merged = worktrees.hold(&name)?.merge(&Merge { into, kind, message })?;
            if json {
                return print(&serde_json::to_value(&merged)?);
            }
            if merged.before.as_ref() == Some(&merged.after) {
                return Ok(render::line(&format!("{} has all commits already", merged.branch))?);
            }
            Ok(render::line(&format!("{} is at {}", merged.branch, merged.after))?)
        }
        WorktreeCommand::Export { name, patch, bundle } => {
            export(worktrees, &name, patch.as_deref(), bundle.as_deref(), json)
        }
        WorktreeCommand::Remove { name, discard } => {
            let removed = worktrees.hold(&name)?.remove(Remove { discard })?;
            if json {
                return print(&serde_json::to_value(&removed)?);
            }
            render::line(&format!("{} is removed", removed.id))?;
            if let Some(trash) = removed.trash {
                render::line(&format!("what it held is kept for thirty days: {trash}"))?;
            }
            Ok(())
        }
        WorktreeCommand::Gc { idle, trash } => {
            let seconds = |duration: Duration| duration.as_secs();
            let collect = Collect { idle_seconds: seconds(idle), trash_seconds: seconds(trash) };
            said(&worktrees.collect(collect)?, json)
        }
        WorktreeCommand::Push { .. } | WorktreeCommand::Fetch { .. } | WorktreeCommand::Agent => {
            unreachable!("it was done above")
        }
    }
}

fn create(worktrees: &Worktrees, id: Option<Id>, base: &WorktreeBase, json: bool) -> Result<()> {
    let id = match id {
        Some(id) => id,
        None => new_id("work", None)?,
    };
    let mut bar = None;
    let worktree = worktrees.create(&id, &base.create(), &mut |progress| show(&mut bar, progress))?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let record = worktree.record();
    render::notes(&record.notes);
    if json {
        return print(&described(record, Condition::Idle.name()));
    }
    Ok(render::line(&format!("{id}  {}", record.path.display()))?)
}

fn show(bar: &mut Option<indicatif::ProgressBar>, progress: Progress) {
    if progress.total < SHOWN_FILES {
        return;
    }
    let total = u64::try_from(progress.total).unwrap_or(u64::MAX);
    let bar = bar.get_or_insert_with(|| indicatif::ProgressBar::new(total).with_message("files"));
    bar.set_position(u64::try_from(progress.done).unwrap_or(total));
}

fn list(worktrees: &Worktrees, json: bool) -> Result<()> {
    let listed = worktrees.list()?;
    if json {
        let rows: Vec<Value> = listed.iter().map(row).collect();
        return print(&Value::Array(rows));
    }
    for item in &listed {
        let record = &item.record;
        render::line(&format!(
            "{:<32} {:<11} {:>6} {:>8} KiB {:>4} commits  {}",
            record.id.to_string(),
            item.condition.name(),
            age(item.age_seconds),
            item.size_bytes.div_ceil(1024),
            item.commits,
            record.path.display()
        ))?;
    }
    Ok(())
}

fn row(item: &Listed) -> Value {
    let mut row = described(&item.record, item.condition.name());
    row["age_seconds"] = item.age_seconds.into();
    row["size_bytes"] = item.size_bytes.into();
    row["commits"] = item.commits.into();
    row
}

fn described(record: &Record, state: &str) -> Value {
    json!({
        "id": record.id,
        "task": record.id.task(),
        "run": record.id.run(),
        "branch": record.id.branch(),
        "path": record.path.display().to_string(),
        "state": state,
        "base": record.base,
        "base_name": record.base_name,
        "created_seconds": record.created_seconds,
        "notes": record.notes,
    })
}

fn export(
    worktrees: &Worktrees,
    name: &str,
    patch: Option<&Path>,
    bundle: Option<&Path>,
    json: bool,
) -> Result<()> {
    let worktree = worktrees.hold(name)?;
    if let Some(path) = patch {
        let text = worktree.changes()?.patch()?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = bundle {
        worktree.bundle(path)?;
    }
    if json {
        return print(&json!({ "patch": patch, "bundle": bundle }));
    }
    for path in patch.iter().chain(&bundle) {
        render::line(&format!("wrote {}", path.display()))?;
    }
    Ok(())
}

fn said(done: &[Collected], json: bool) -> Result<()> {
    if json {
        return print(&serde_json::to_value(done)?);
    }
    for item in done {
        let kept = if item.kept { "kept: " } else { "" };
        render::line(&format!("{}: {kept}{}", item.name, item.what))?;
    }
    Ok(())
}

fn print(value: &Value) -> Result<()> {
    Ok(render::line(&value.to_string())?)
}

fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// An id for a run that was given none: when it began, and what tells it from others of that second.
pub(crate) fn new_id(task: &str, run: Option<&str>) -> Result<Id, WorktreeError> {
    if let Some(run) = run {
        return Id::new(task, run);
    }
    let now = SystemTime::now();
    let digits: String =
        humantime::format_rfc3339_seconds(now).to_string().chars().filter(char::is_ascii_digit).collect();
    let (date, time) = digits.split_at_checked(8).unwrap_or((&digits, ""));
    let nanos = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    Id::new(task, &format!("{date}-{time}-{:04x}", (nanos ^ std::process::id().rotate_left(7)) & 0xFFFF))
}

/// The error with its causes.
fn explain(err: &WorktreeError) -> String {
    let mut text = err.to_string();
    let mut cause = std::error::Error::source(err);
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}

/// The next step, where there is one.
pub(crate) fn hint(err: &WorktreeError) -> Option<String> {
    Some(match err {
        WorktreeError::HoldsWork { id, .. } => format!(
            "`sandpiper worktree commit {id}`, `merge {id}` or `apply {id}` bring it along; `remove --discard {id}` \
             removes it and keeps what it held for thirty days"
        ),
        WorktreeError::Dirty { .. } => "commit or stash them first".to_owned(),
        WorktreeError::Conflicts { .. } => {
            "merge the branch with git and resolve them there, or change the worktree".to_owned()
        }
        WorktreeError::NoRepository { .. } => {
            "run it in a repository, or make one with `git init`".to_owned()
        }
        WorktreeError::NoAuthor => "git config --global user.name 'Your Name', and user.email".to_owned(),
        _ => return None,
    })
}

impl WorktreeBase {
    /// What a worktree begins with.
    pub(crate) fn create(&self) -> Create {
        Create {
            base: self.base.clone(),
            include_uncommitted: self.include_uncommitted,
            include_untracked: self.include_untracked,
            sparse: self.sparse.clone(),
            plain: Some(if self.empty { Plain::Empty } else { Plain::Copy }),
        }
    }
}
