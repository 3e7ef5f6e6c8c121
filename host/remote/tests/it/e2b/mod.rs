//! The E2B adapter against a fake that fails.

mod commands;
mod files;
mod sandboxes;
mod signals;

use sandpiper_core::{Backend, Error, Exec, Exit, Limits, Outcome, Sandbox, Spec, admit, collect};
use sandpiper_remote::E2b;

use crate::fake::{Fake, KEY, Step};

pub async fn made(backend: &E2b, spec: Spec) -> Result<Box<dyn Sandbox>, Error> {
    let capabilities = backend.capabilities(&spec.image);
    backend.create(admit(spec, backend.name(), capabilities).unwrap()).await
}

pub async fn sandbox(fake: &Fake) -> Box<dyn Sandbox> {
    made(&fake.backend(), Spec::default()).await.unwrap()
}

pub fn limited(limits: Limits) -> Spec {
    Spec { limits, ..Spec::default() }
}

/// Runs a program that does this.
pub async fn program(fake: &Fake, steps: impl Into<Vec<Step>>) -> Result<Outcome, Error> {
    let sandbox = sandbox(fake).await;
    fake.script(steps);
    let outcome = collect(sandbox.spawn(Exec::new(["program"])).await.unwrap()).await;
    sandbox.close().await.unwrap();
    assert_eq!(fake.sandboxes(), Vec::<String>::new());
    outcome
}

/// Whether a line sends a signal to what carries the mark of the first program, and names no process by number.
pub fn marks(fake: &Fake, line: &str, kill: &str) -> bool {
    let tag = fake.programs()[0]["tag"].as_str().unwrap().to_owned();
    let sends = line.ends_with(kill) || line.contains(&format!("{kill};;"));
    sends && line.contains(&format!("SANDPIPER_COMMAND={tag} "))
}

/// All that an error says.
pub fn told(err: &Error) -> String {
    let mut text = err.to_string();
    let mut source = std::error::Error::source(err);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    assert!(!format!("{text}{err:?}").contains(KEY), "{text}");
    text
}

pub fn code(code: u8) -> Exit {
    Exit::Code { code }
}
