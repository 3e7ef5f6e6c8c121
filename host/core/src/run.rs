//! The one path of a run: admit, create, spawn, collect, close.

use crate::{Backend, Captured, Error, Event, Exec, Outcome, Running, Spec, Stream, admit};

/// Runs one command in a fresh sandbox and gives its outcome with the output in it.
///
/// Dropping the future ends the guest.
///
/// # Errors
/// [`Error`] for a refused spec or command and for faults of the host; a guest cannot cause one.
pub async fn run(backend: &dyn Backend, spec: Spec, exec: Exec) -> Result<Outcome, Error> {
    exec.check()?;
    let capabilities = backend.capabilities(&spec.image);
    let admitted = admit(spec, backend.name(), capabilities)?;
    let sandbox = backend.create(admitted).await?;
    let outcome = collect(sandbox.spawn(exec).await?).await;
    sandbox.close().await?;
    outcome
}

/// Waits for the end of a command and keeps all its output, which its output limit bounds.
///
/// # Errors
/// As [`run`].
pub async fn collect(running: Running) -> Result<Outcome, Error> {
    let (mut events, done, _control) = running.split();
    let (mut stdout, mut stderr) = (Captured::default(), Captured::default());
    let take = async {
        while let Some(event) = events.recv().await {
            let Event::Output { stream, bytes } = event;
            match stream {
                Stream::Stdout => stdout.bytes.extend_from_slice(&bytes),
                Stream::Stderr => stderr.bytes.extend_from_slice(&bytes),
            }
        }
    };
    let (outcome, ()) = tokio::join!(done, take);
    let mut outcome = outcome?;
    stdout.cut = outcome.stdout.cut;
    stderr.cut = outcome.stderr.cut;
    outcome.stdout = stdout;
    outcome.stderr = stderr;
    Ok(outcome)
}
