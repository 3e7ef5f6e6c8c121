//! A run that goes elsewhere when it meets what is not here: it is watched, and what it read and printed is kept, so that
//! it begins anew there as if it had never begun here.

use std::future::poll_fn;
use std::io::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Result;
use sandpiper::policy::{Backend, Resolved};
use sandpiper::routing::{Decision, need_of_run};
use sandpiper::{BoxError, Event, Exec, Exit, Git, GitCommand, GitRunning, Outcome, Running, Spec, Stdin};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::carrier::{Carried, Carrier};
use crate::interrupts::Interrupts;
use crate::report::Hinted;
use crate::run::WORKSPACE;
use crate::touched::{Own, Touched};
use crate::{consent, render, route, run};

/// The most of its input that is kept: a run that reads more stays here.
const MAX_INPUT_BYTES: usize = 64 << 20;

/// How long a run elsewhere takes at most to end, when it is not wanted any more.
const TIME_TO_END: Duration = Duration::from_secs(10);

/// The longest line that is read as an answer.
const MAX_ANSWER_BYTES: usize = 1 << 10;

/// What watches a run.
pub(crate) struct Watch<'a> {
    policy: &'a Resolved,
    decision: Decision,
    carrier: Carrier,
    input: Input,
    git_was_used: Arc<AtomicBool>,
    held: Vec<Event>,
    touched: Option<Arc<Touched>>,
}

/// What becomes of a run that has ended.
pub(crate) enum Onward {
    /// It is over.
    Over,
    /// It goes elsewhere, once what it has changed here is undone.
    To(Decision, Own),
    /// It would go elsewhere, and what it has done here cannot be undone.
    Stuck(Hinted),
}

impl<'a> Watch<'a> {
    /// Watches a command that is to run here; none where it could not go on elsewhere, which is said.
    pub(crate) fn begin(
        policy: &'a Resolved,
        decision: Decision,
        mut carrier: Carrier,
        exec: &mut Exec,
    ) -> Result<Option<Self>> {
        if let Err(reason) = carrier.wait()? {
            render::note(&format!("this run stays here whatever it meets: {reason}"));
            return Ok(None);
        }
        let input = Input::default();
        exec.stdin = match exec.stdin {
            Stdin::Terminal(_) => Stdin::Terminal(Box::new(input.clone())),
            _ => Stdin::Stream(Box::new(input.clone())),
        };
        let git_was_used = Arc::new(AtomicBool::new(false));
        exec.git = exec
            .git
            .take()
            .map(|git| Arc::new(WatchedGit { git, was_used: Arc::clone(&git_was_used) }) as Arc<dyn Git>);
        exec.stop_at_unsupported = true;
        Ok(Some(Self { policy, decision, carrier, input, git_was_used, held: Vec::new(), touched: None }))
    }

    /// Notes what the command changes in its workspace, so that this alone is undone where it goes elsewhere.
    pub(crate) fn follow_changes(&mut self, spec: &Spec, exec: &mut Exec) {
        if let Some(mount) = spec.mounts.iter().find(|mount| mount.guest.as_str() == WORKSPACE) {
            let touched = Arc::new(Touched::new(mount.host.clone(), exec.changes.take()));
            exec.changes = Some(Arc::clone(&touched) as _);
            self.touched = Some(touched);
        }
    }

    /// Runs the command to its end. A person sees what it prints as it comes; from whoever else reads it, it is held
    /// back until it is known to be all there is.
    pub(crate) async fn drive(&mut self, running: Running, keep: bool) -> Result<Outcome> {
        if keep || render::is_output_to_terminal() {
            return run::drive(running, keep, self.policy.limits().wall).await;
        }
        let (mut events, done, _control) = running.split();
        let hold = async {
            while let Some(event) = events.recv().await {
                self.held.push(event);
            }
        };
        let (outcome, ()) = tokio::join!(done, hold);
        Ok(outcome?)
    }

    /// Whether it goes elsewhere now.
    pub(crate) async fn onward(&self, outcome: &Outcome) -> Onward {
        let Some(need) = need_of_run(&outcome.exit, &outcome.denials) else { return Onward::Over };
        let decision = route::again(self.policy, &self.decision, need);
        let Some(backend) = decision.backend.as_deref().filter(|name| *name != Backend::Wasm.name()) else {
            return Onward::Over;
        };
        let reason = match () {
            () if self.git_was_used.load(Ordering::Relaxed) => "it has used git, whose repository is here",
            () if self.input.is_cut() => "it has read more input than is kept",
            () if !self.may_go(backend, &decision).await => "it was not let go",
            () => {
                let own = self.touched.as_ref().map_or(Ok(Own::default()), |touched| touched.take());
                return match own {
                    Ok(own) => Onward::To(decision, own),
                    Err(why) => Onward::Stuck(stuck(backend, &why)),
                };
            }
        };
        render::note(&format!("it does not go to {backend}: {reason}"));
        Onward::Over
    }

    /// Asks the person, if they are to be asked.
    async fn may_go(&self, backend: &str, decision: &Decision) -> bool {
        if !self.policy.routing().ask {
            return true;
        }
        match consent::question(backend, Some(&decision.why)) {
            Ok(()) => consent::is_yes(&self.input.answer().await),
            Err(_) => false,
        }
    }

    /// Prints what was held back.
    ///
    /// # Errors
    /// Where it cannot be written, unless its reader is gone.
    pub(crate) fn release(self) -> std::io::Result<()> {
        render::replay(&self.held)
    }

    /// Has the run done elsewhere, from its beginning, with the same input.
    pub(crate) async fn carry(
        self,
        (decision, own): (&Decision, Own),
        keep: bool,
        mut interrupts: Interrupts,
    ) -> Result<Carried> {
        let Self { carrier, mut input, .. } = self;
        let (mut feed, printed, wanted) =
            carrier.go(decision.backend.as_deref().unwrap_or_default(), &decision.why, own)?;
        let mut printed = tokio::task::spawn_blocking(move || printed.take(keep));
        let feeding = async move {
            let mut chunk = input.replay();
            loop {
                // Nobody reads it any more when the command has ended.
                let fed = tokio::task::spawn_blocking(move || {
                    let fed = feed.write_all(&chunk).and_then(|()| feed.flush());
                    fed.map(|()| (feed, chunk))
                });
                let Ok(Ok(fed)) = fed.await else { break };
                (feed, chunk) = fed;
                chunk.resize(64 << 10, 0);
                match input.read(&mut chunk).await {
                    Ok(read) if read > 0 => chunk.truncate(read),
                    _ => break,
                }
            }
        };
        let feeding = tokio::spawn(feeding);
        let carried = tokio::select! {
            carried = &mut printed => carried?,
            () = interrupts.request() => {
                drop(wanted);
                // Who does not take what it still prints does not keep this process.
                match tokio::time::timeout(TIME_TO_END, printed).await {
                    Ok(carried) => carried?,
                    Err(_) => Ok(Carried { exit_code: Exit::Cancelled.code(), printed: Vec::new() }),
                }
            }
        };
        feeding.abort();
        carried
    }
}

/// That a run cannot go elsewhere, for what it did here cannot be undone.
pub(crate) fn stuck(backend: &str, why: &str) -> Hinted {
    Hinted {
        message: format!("the run cannot begin anew on {backend}: {why}; its files are left as they are"),
        hint: format!("look at what it did here, and run it there from its beginning: --backend {backend}"),
    }
}

/// Standard input, of which what was read is kept.
#[derive(Clone)]
struct Input(Arc<Mutex<Kept>>);

struct Kept {
    from: tokio::io::Stdin,
    /// None once there was too much of it.
    read: Option<Vec<u8>>,
}

impl Default for Input {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Kept { from: tokio::io::stdin(), read: Some(Vec::new()) })))
    }
}

impl Input {
    fn is_cut(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read.is_none()
    }

    /// A line for this process, which the command does not get. What was typed before counts.
    async fn answer(&self) -> String {
        let mut answer = Vec::new();
        while answer.len() < MAX_ANSWER_BYTES && answer.last() != Some(&b'\n') {
            let mut byte = [0];
            let mut buffer = ReadBuf::new(&mut byte);
            let read = poll_fn(|context| {
                let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                Pin::new(&mut kept.from).poll_read(context, &mut buffer)
            });
            match read.await {
                Ok(()) if !buffer.filled().is_empty() => answer.extend_from_slice(buffer.filled()),
                _ => break,
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// What was read; from now on nothing is kept.
    fn replay(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read.take().unwrap_or_default()
    }
}

impl AsyncRead for Input {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = buffer.filled().len();
        let polled = Pin::new(&mut kept.from).poll_read(context, buffer);
        let new = buffer.filled().get(before..).unwrap_or_default();
        match &mut kept.read {
            Some(read) if read.len() + new.len() <= MAX_INPUT_BYTES => read.extend_from_slice(new),
            read => *read = None,
        }
        polled
    }
}

/// Git for a guest, with a note of whether it was asked for anything.
#[derive(Debug)]
struct WatchedGit {
    git: Arc<dyn Git>,
    was_used: Arc<AtomicBool>,
}

impl Git for WatchedGit {
    fn start(&self, command: GitCommand) -> Result<Box<dyn GitRunning>, BoxError> {
        self.was_used.store(true, Ordering::Relaxed);
        self.git.start(command)
    }
}
