//! The one path of a run: admit, create, spawn, collect, close.

use crate::{Backend, Captured, Error, Event, Exec, Outcome, Running, Sandbox, Spec, Stream, admit};

/// Runs one command in a fresh sandbox and gives its outcome with the output in it.
///
/// Dropping the future ends the guest.
///
/// # Errors
/// [`Error`] for a refused spec or command and for faults of the host; a guest cannot cause one.
pub async fn run(backend: &dyn Backend, spec: Spec, exec: Exec) -> Result<Outcome, Error> {
    exec.check()?;
    let sandbox = create(backend, spec).await?;
    let outcome = collect(sandbox.spawn(exec).await?).await;
    sandbox.close().await?;
    outcome
}

/// Makes a sandbox, if the backend can hold it to all that its spec asks for.
///
/// # Errors
/// [`Error::Refused`] where it cannot; those of [`Backend::create`].
pub async fn create(backend: &dyn Backend, spec: Spec) -> Result<Box<dyn Sandbox>, Error> {
    let capabilities = backend.capabilities(&spec.image);
    backend.create(admit(spec, backend.name(), capabilities)?).await
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
