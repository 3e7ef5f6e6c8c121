//! A run on another machine: the workspace goes there, the command runs, and what changed comes back.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use sandpiper::journal::{Change, FileChange, Record, Transfer};
use sandpiper::policy::{Backend, Resolved, Upload, Uploads};
use sandpiper::transfer::{
    self, ChangeKind, Changes, EntryKind, Keep, PackLimits, RelativePath, TransferError,
};
use sandpiper::{Access, Exec, Exit, Limits, Network, Outcome, Quota, Sandbox, Spec, Stdin};
use serde_json::{Value, json};

use crate::arguments::JournalMode;
use crate::interrupts::{Caller, Interrupts};
use crate::journaled::{About, Journaled};
use crate::report::Hinted;
use crate::run::{self, WORKSPACE};
use crate::{backends, policy, render, results, runtime, slots};

/// How long a sandbox outlives its command at most: for what comes back.
const GRACE: Duration = Duration::from_mins(5);

/// How long a sandbox that outlives this process lives where nobody says.
const USUAL_LIFETIME: Duration = Duration::from_hours(1);

/// What a second of a sandbox is taken to cost, in millionths of a US dollar: more than any size of either service
/// did when this was written, as there is no way to ask for the price.
const MICROS_PER_SECOND: u64 = 100;

/// Where the workspace is on machines whose root is not the guest's to write.
const IN_HOME: &str = "workspace";

/// What runs elsewhere.
pub(crate) struct Journey<'a> {
    pub(crate) policy: &'a Resolved,
    pub(crate) backend: Backend,
    /// Why not here, where that was not said by the person.
    pub(crate) because: Option<String>,
    pub(crate) exec: Exec,
    /// As it would be here.
    pub(crate) spec: Spec,
    pub(crate) journal: JournalMode,
    pub(crate) task: Option<String>,
    pub(crate) json: bool,
    /// The process for which this one does it, if it does.
    pub(crate) caller: Option<Caller>,
}

/// How a run elsewhere ended.
pub(crate) struct Arrived {
    pub(crate) outcome: Outcome,
    /// What was done with its files, as `--json` prints it.
    pub(crate) workspace: Value,
    /// The key of the policy by which it had less time than its own limit.
    cut_by: Option<&'static str>,
}

/// What a run elsewhere has to do with while it goes on.
struct Underway<'a> {
    journaled: &'a mut Journaled,
    interrupts: &'a Interrupts,
    is_running: &'a Cell<bool>,
}

/// For how long the policy lets something be on another machine.
#[derive(Clone, Copy)]
struct Paid {
    time: Duration,
    /// The key that says so.
    key: &'static str,
}

/// The directory of this machine that goes there.
pub(crate) struct Workspace {
    pub(crate) directory: PathBuf,
    access: Access,
}

impl Journey<'_> {
    /// Runs the command there, and brings back what it changed.
    ///
    /// # Errors
    /// Those of the backend, and where the workspace cannot go or come back; it is then as it was.
    pub(crate) fn run(self) -> Result<Arrived> {
        runtime::block_on(self.travel())
    }

    async fn travel(mut self) -> Result<Arrived> {
        let interrupts = Interrupts::listen(self.caller.take())?;
        let name = self.backend;
        let workspace = workspace(&self.spec)?;
        let paid = paid(self.policy, name)?;
        let _slot = slots::take(self.policy, name)?;
        let (env, secrets) = policy::variables(self.policy, name)?;
        self.exec.env = env;
        // No backend elsewhere has terminals; what a person types there comes as a stream.
        self.exec.stdin = match self.exec.stdin {
            Stdin::Terminal(stream) => Stdin::Stream(stream),
            stdin => stdin,
        };
        let cut_by = (paid.time < self.spec.limits.wall).then_some(paid.key);
        let spec = self.spec_there(paid.time);
        let limits = spec.limits.clone();
        let about = About {
            policy: self.policy.path().map(|path| path.display().to_string()),
            task: self.task.clone(),
            secrets,
            is_precious: true,
        };
        let mut journaled = Journaled::begin(self.journal, (&spec, &self.exec, name.name()), about)?;
        let arrived = self.there(spec, workspace, &mut journaled, &interrupts).await;
        let arrived = arrived.map(|arrived| Arrived { cut_by, ..arrived });
        let ended = arrived.as_ref().map(|arrived| (&arrived.outcome, &limits));
        journaled.finish(&[], ended)?;
        arrived
    }

    /// The spec of the sandbox there: its files come by other ways than mounts.
    fn spec_there(&self, time: Duration) -> Spec {
        let wall = self.spec.limits.wall.min(time);
        Spec {
            mounts: Vec::new(),
            limits: Limits {
                wall,
                memory_bytes: self.policy.limits_of(self.backend).memory_bytes,
                ..self.spec.limits.clone()
            },
            network: network(self.policy, self.backend),
            lifetime: Some(whole_minutes(wall.saturating_add(GRACE))),
            ..self.spec.clone()
        }
    }

    async fn there(
        self,
        spec: Spec,
        workspace: Option<Workspace>,
        journaled: &mut Journaled,
        interrupts: &Interrupts,
    ) -> Result<Arrived> {
        let name = self.backend;
        if let Some(because) = self.because.clone() {
            render::note(&format!("runs on {name}: {because}"));
            let from = Backend::Wasm.to_string();
            journaled.note(&Record::Fallback { from, to: name.to_string(), because })?;
        }
        let packed = workspace.as_ref().map(|workspace| self.pack(&workspace.directory)).transpose()?;
        let backend = backends::open(name, self.policy)?;
        let is_running = Cell::new(false);
        let mut create = std::pin::pin!(sandpiper::create(&*backend, spec));
        let (sandbox, is_wanted) = tokio::select! {
            sandbox = &mut create => (sandbox?, true),
            () = interrupted(interrupts, &is_running) => {
                render::note("interrupted: the sandbox that is being made is closed");
                (create.await?, false)
            }
        };
        let reference = sandbox.reference();
        journaled.note(&Record::SandboxCreated { sandbox: reference.clone() })?;
        let done = if is_wanted {
            let run = Underway { journaled, interrupts, is_running: &is_running };
            tokio::select! {
                done = self.with(&*sandbox, workspace, packed, run) => done,
                () = interrupted(interrupts, &is_running) => {
                    render::note("interrupted: what was not brought back by now stays there and is lost");
                    Ok(cancelled())
                }
            }
        } else {
            Ok(cancelled())
        };
        let closed = sandbox.close().await;
        if closed.is_ok() {
            journaled.note(&Record::SandboxClosed { sandbox: reference })?;
        }
        let arrived = done?;
        closed?;
        Ok(arrived)
    }

    async fn with(
        self,
        sandbox: &dyn Sandbox,
        workspace: Option<Workspace>,
        packed: Option<transfer::Packed>,
        Underway { journaled, interrupts, is_running }: Underway<'_>,
    ) -> Result<Arrived> {
        let mut exec = self.exec;
        let mut far = None;
        if let (Some(_), Some(packed)) = (&workspace, &packed) {
            let directory = far_directory(sandbox).await?;
            sandbox.upload(&directory, packed.archive.clone()).await?;
            let went = packed.manifest.entries().filter(|(_, entry)| entry.keep == Keep::Pack).count();
            journaled.note(&Record::Uploaded(transfer_of(
                sandbox,
                &directory,
                went,
                packed.archive.len(),
            )))?;
            exec.cwd = Some(moved(exec.cwd.as_deref(), &directory));
            far = Some(directory);
        }
        is_running.set(true);
        let running = sandbox.spawn(exec).await?;
        let wall = self.spec.limits.wall;
        let outcome = run::stop_at_interrupts(running, interrupts.clone(), async |running| {
            run::drive(running, self.json, wall).await
        })
        .await?;
        is_running.set(false);
        let (Some(workspace), Some(packed), Some(directory)) = (workspace, packed, far) else {
            return Ok(Arrived { outcome, workspace: Value::Null, cut_by: None });
        };
        let limits = PackLimits { max_bytes: self.spec.limits.disk_bytes, max_files: self.spec.limits.files };
        // A tar has half a kilobyte before each file, and as much at its end.
        let archive_limit = limits.max_bytes.saturating_add(limits.max_files.saturating_mul(2048));
        let archive = download(sandbox, &directory, archive_limit).await?;
        journaled.note(&Record::Downloaded(transfer_of(sandbox, &directory, 0, archive.len())))?;
        let changes = Changes::between(&packed.manifest, &archive, limits)
            .map_err(|err| results::keep(&archive, &err.into()))?;
        let left_out: Vec<String> = changes.left_out().iter().map(ToString::to_string).collect();
        tell_left_out(&left_out);
        let records: Vec<Record> = changes.iter().map(record).collect();
        if workspace.access == Access::ReadOnly && !changes.is_empty() {
            let count = changes.len();
            render::note(&format!("{count} changes of a read-only workspace stay there and are lost"));
            let workspace = json!({ "changes": count, "applied": false });
            return Ok(Arrived { outcome, workspace, cut_by: None });
        }
        // Before anybody can see them, so that they are known whatever happens.
        journaled.note_all(&records)?;
        let applied = match changes.apply(&workspace.directory, &packed.manifest) {
            Ok(applied) => applied,
            Err(err) => {
                let is_undone = !matches!(err, TransferError::NotUndone { .. });
                let mut err = anyhow::Error::from(err);
                if is_undone {
                    journaled.note(&Record::ChangesNotMade { because: err.to_string() })?;
                    err = err.context("the workspace is as it was");
                }
                return Err(results::keep(&archive, &err));
            }
        };
        if !self.json && !applied.changes.is_empty() {
            render::note(&format!("{} files came back", applied.changes.len()));
        }
        let workspace = json!({ "changes": applied.changes.len(), "applied": true, "left_out": left_out });
        Ok(Arrived { outcome, workspace, cut_by: None })
    }

    fn pack(&self, directory: &Path) -> Result<transfer::Packed> {
        let uploads = self.policy.uploads()?;
        let mut budget = uploads.budget();
        let mut beyond = None;
        let (mut went, mut stayed, mut is_consent_missing) = (0_usize, 0_usize, false);
        let mut filter = |path: &RelativePath, kind: EntryKind, size: u64| {
            let keep = keep(&uploads, path, kind);
            if kind == EntryKind::Directory || keep == Keep::HoldBack {
                stayed += usize::from(keep == Keep::HoldBack);
                is_consent_missing |=
                    keep == Keep::HoldBack && decision(&uploads, path) == Upload::NotAllowed;
                return keep;
            }
            if let Err(limit) = budget.take(size) {
                beyond.get_or_insert(limit);
                return Keep::HoldBack;
            }
            went += 1;
            keep
        };
        let unbounded = PackLimits { max_bytes: u64::MAX, max_files: u64::MAX };
        let packed = transfer::pack(directory, &mut filter, unbounded)?;
        if let Some(limit) = beyond {
            return Err(limit.into());
        }
        if went == 0 && stayed > 0 {
            render::note(if is_consent_missing {
                "no file goes along: the policy allows none (`[uploads] allow = [\"**\"]` in sandpiper.toml lets \
                 all go but those that look like secrets)"
            } else {
                "no file goes along: each looks like a secret, or is in `uploads.deny` of sandpiper.toml"
            });
        }
        Ok(packed)
    }
}

/// How long a sandbox that outlives this process lives, of which the person may have said something.
///
/// # Errors
/// Where the policy pays for less, or for nothing.
pub(crate) fn lifetime(policy: &Resolved, backend: Backend, asked: Option<Duration>) -> Result<Duration> {
    if !backend.is_remote() {
        return Ok(asked.unwrap_or(USUAL_LIFETIME));
    }
    let Paid { time, key } = paid(policy, backend)?;
    match asked {
        None if time < USUAL_LIFETIME => Ok(Duration::from_mins((time.as_secs() / 60).max(1)).min(time)),
        None => Ok(USUAL_LIFETIME),
        Some(asked) if asked <= time => Ok(asked),
        Some(asked) => {
            let (asked, time) = (humantime::format_duration(asked), humantime::format_duration(time));
            Err(Hinted {
                message: format!("--lifetime {asked} is more than `{key}` allows, which is {time}"),
                hint: format!("ask for {time} or less, or allow more in sandpiper.toml"),
            }
            .into())
        }
    }
}

/// Whether the policy pays for runs on a backend.
pub(crate) fn is_paid_for(policy: &Resolved, backend: Backend) -> bool {
    paid(policy, backend).is_ok()
}

/// What commands may reach on the machines of a backend. One that cannot enforce rules gives them nothing.
pub(crate) fn network(policy: &Resolved, backend: Backend) -> Network {
    match run::network(policy) {
        Network::Rules { .. } if backend == Backend::Docker => {
            render::note("docker cannot enforce the rules of `[network]`: what runs there reaches nothing");
            Network::Nothing
        }
        network => network,
    }
}

fn paid(policy: &Resolved, backend: Backend) -> Result<Paid> {
    let caps = policy.remote();
    let is_paid = matches!(backend, Backend::E2b | Backend::Daytona);
    let micros = caps.max_cost.micros();
    if is_paid && micros == 0 && !policy.is_backend_named() {
        return Err(Hinted {
            message: format!("a run on {backend} costs money, and `remote.max_cost` is 0"),
            hint: "write what a run may cost into sandpiper.toml: [remote] max_cost = \"0.50\"".to_owned(),
        }
        .into());
    }
    let by_time = Paid { time: caps.max_time, key: "remote.max_time" };
    let by_cost =
        Paid { time: Duration::from_secs((micros / MICROS_PER_SECOND).max(1)), key: "remote.max_cost" };
    let is_cost_less = is_paid && micros > 0 && by_cost.time < by_time.time;
    Ok(if is_cost_less { by_cost } else { by_time })
}

/// Waits for an interrupt while no command runs, for which it would be.
async fn interrupted(interrupts: &Interrupts, is_running: &Cell<bool>) {
    let mut interrupts = interrupts.clone();
    loop {
        interrupts.next().await;
        if !is_running.get() {
            return;
        }
    }
}

/// What a run is that was ended before its command began, or before its files were back.
fn cancelled() -> Arrived {
    Arrived { outcome: run::cancelled(), workspace: Value::Null, cut_by: None }
}

/// Whether something of the workspace may leave this machine.
fn keep(uploads: &Uploads, path: &RelativePath, kind: EntryKind) -> Keep {
    match (decision(uploads, path), kind) {
        // Its name leaves with what is in it, or not at all: what may be in it may still be denied.
        (Upload::Allowed(_), EntryKind::Directory) if is_denied_within(uploads, path) => Keep::LookInto,
        (Upload::NotAllowed, EntryKind::Directory) => Keep::LookInto,
        (Upload::Allowed(_), _) => Keep::Pack,
        _ => Keep::HoldBack,
    }
}

/// What the policy says of a path; one that is no text is in no pattern.
fn decision<'a>(uploads: &'a Uploads, path: &RelativePath) -> Upload<'a> {
    std::str::from_utf8(path.as_bytes()).map_or(Upload::NotAllowed, |text| uploads.decide(text))
}

/// Whether a file of a directory, of a name that no pattern has, is held back.
fn is_denied_within(uploads: &Uploads, directory: &RelativePath) -> bool {
    let Ok(text) = std::str::from_utf8(directory.as_bytes()) else { return true };
    matches!(uploads.decide(&format!("{text}/\u{1}")), Upload::Denied(_) | Upload::Secret(_))
}

/// The one directory that goes; others would have to be kept apart there.
pub(crate) fn workspace(spec: &Spec) -> Result<Option<Workspace>> {
    let mut found = None;
    for mount in &spec.mounts {
        if mount.guest.as_str() != WORKSPACE {
            return Err(Hinted {
                message: format!(
                    "{} at {} cannot go to another machine, only what is at {WORKSPACE}",
                    mount.host.display(),
                    mount.guest
                ),
                hint: "run it here, or grant that directory alone".to_owned(),
            }
            .into());
        }
        found = Some(Workspace { directory: mount.host.clone(), access: mount.access });
    }
    Ok(found)
}

/// Where the workspace is there: where it would be here, or in the home of its user.
async fn far_directory(sandbox: &dyn Sandbox) -> Result<String> {
    if sandbox.files().make_directory(WORKSPACE).await.is_ok() {
        let probe = format!("{WORKSPACE}/.sandpiper-probe");
        if sandbox.files().write(&probe, Bytes::new()).await.is_ok() {
            sandbox.files().remove(&probe, false).await?;
            return Ok(WORKSPACE.to_owned());
        }
    }
    let exec = Exec::new(["sh", "-c", "cd && pwd"]);
    let outcome = sandpiper::collect(sandbox.spawn(exec).await?).await?;
    let home = String::from_utf8_lossy(&outcome.stdout.bytes).trim().to_owned();
    if !outcome.exit.success() || !home.starts_with('/') {
        anyhow::bail!("the sandbox has no directory for the workspace: neither {WORKSPACE} nor a home");
    }
    let directory = format!("{}/{IN_HOME}", home.trim_end_matches('/'));
    sandbox.files().make_directory(&directory).await?;
    Ok(directory)
}

/// The working directory there.
fn moved(cwd: Option<&str>, directory: &str) -> String {
    let cwd = cwd.unwrap_or(WORKSPACE);
    match cwd.strip_prefix(WORKSPACE) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{directory}{rest}"),
        _ => cwd.to_owned(),
    }
}

fn transfer_of(sandbox: &dyn Sandbox, directory: &str, files: usize, bytes: usize) -> Transfer {
    Transfer {
        sandbox: sandbox.reference(),
        path: directory.into(),
        files: u64::try_from(files).unwrap_or(u64::MAX),
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
    }
}

fn record(change: &transfer::Change) -> Record {
    let digest = |digest: Option<transfer::Digest>| digest.and_then(|digest| digest.to_string().parse().ok());
    Record::FileChanged(FileChange {
        path: change.path.as_bytes().into(),
        change: match change.kind() {
            ChangeKind::Created(_) => Change::Created,
            ChangeKind::Modified(_) | ChangeKind::KindChanged { .. } => Change::Modified,
            ChangeKind::ModeChanged(_) => Change::Attributes,
            ChangeKind::Deleted(_) => Change::Removed,
        },
        moved_from: None,
        before: digest(change.digest_before()),
        after: digest(change.digest_after()),
    })
}

/// The directory as it is there. What its owner may not read is made readable first, where that alone is in the way.
async fn download(sandbox: &dyn Sandbox, directory: &str, limit: u64) -> Result<Bytes> {
    let failed = match sandbox.download(directory, limit).await {
        Err(err @ sandpiper::Error::Archive { .. }) => err,
        done => return Ok(done?),
    };
    let script = "cd \"$1\" && find . \\( -type f ! -perm -400 -o -type d ! -perm -700 \\) -print -exec chmod u+rwX {} \\;";
    let outcome =
        sandpiper::collect(sandbox.spawn(Exec::new(["sh", "-c", script, "sh", directory])).await?).await?;
    let changed: Vec<String> =
        String::from_utf8_lossy(&outcome.stdout.bytes).lines().map(ToOwned::to_owned).collect();
    if changed.is_empty() {
        return Err(failed.into());
    }
    let archive = sandbox.download(directory, limit).await?;
    render::note(&format!(
        "nobody could read {} there: it comes back with other permissions",
        some_of(&changed)
    ));
    Ok(archive)
}

fn tell_left_out(left_out: &[String]) {
    if !left_out.is_empty() {
        render::note(&format!("does not come back: {}", some_of(left_out)));
    }
}

/// The first of many names.
pub(crate) fn some_of(names: &[String]) -> String {
    const MAX_NAMED: usize = 5;
    let named = names.get(..MAX_NAMED).unwrap_or(names).join(", ");
    match names.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// What a run elsewhere printed as JSON, with its worktree in it.
///
/// # Errors
/// Where it is no JSON.
pub(crate) fn with_worktree(printed: &[u8], worktree: Option<&Value>) -> Result<String> {
    let mut report: Value =
        serde_json::from_slice(printed).context("a run elsewhere has printed no report")?;
    if let (Some(report), Some(worktree)) = (report.as_object_mut(), worktree) {
        report.insert("worktree".to_owned(), worktree.clone());
    }
    Ok(report.to_string())
}

/// The exit code of a run elsewhere, and what is printed of it.
pub(crate) fn ended(arrived: &Arrived, worktree: Option<&Value>, json: bool) -> Result<u8> {
    let Arrived { outcome, workspace, cut_by } = arrived;
    if json {
        let mut report: Value = serde_json::from_str(&render::outcome_as_json(outcome, None, worktree)?)?;
        report["workspace"] = workspace.clone();
        render::line(&report.to_string())?;
    } else if let (Exit::Timeout, Some(key)) = (&outcome.exit, cut_by) {
        render::note(&format!("the wall-clock limit was reached (`{key}` in sandpiper.toml)"));
    } else {
        render::end(outcome);
    }
    let is_cut = outcome.stdout.cut || outcome.stderr.cut;
    if !json && is_cut && !matches!(outcome.exit, Exit::Quota { quota: Quota::Output }) {
        render::note("the command has written more than came back: its output is not all here");
    }
    Ok(outcome.exit.code())
}

/// The whole minutes that a time fits into: some backends count lifetimes in those.
fn whole_minutes(time: Duration) -> Duration {
    Duration::from_mins(time.as_secs() / 60 + 1)
}
