//! The calls that make, find, change and delete sandboxes.

use std::collections::BTreeMap;
use std::time::Duration;

use sandpiper_core::{Error, SandboxRef};
use tokio::time::{Instant, sleep};

use super::NAME;
use super::wire::{CreateSandbox, Labels, Named, Page, PreviewUrl, Sandbox, State, ToolboxUrl};
use crate::http::{Answer, Call, Client, IsGone, Method, StatusCode};

/// Sandboxes of one page of a list; the most that the API gives.
const PAGE: &str = "200";

/// Pages of a list, which a server that never ends it does not exceed.
const MAX_PAGES: usize = 500;

/// How often a sandbox that is on its way to another state is asked to be deleted.
const DELETE_TRIES: u32 = 6;

const GONE: IsGone = |status, _| status == StatusCode::NOT_FOUND || status == StatusCode::GONE;

/// The API by which sandboxes are made.
#[derive(Clone, Debug)]
pub(super) struct Control {
    pub(super) client: Client,
}

impl Control {
    /// Asks for a sandbox. That it is not answered does not mean that there is none.
    pub(super) async fn create(&self, sandbox: &CreateSandbox) -> Result<Answer, Error> {
        self.client.call(Method::POST, &["sandbox"], "make a sandbox").json(sandbox).send().await
    }

    pub(super) async fn get(&self, reference: &SandboxRef) -> Result<Sandbox, Error> {
        let sandbox: Sandbox =
            self.of(Method::GET, reference, &[], "look at a sandbox").send().await?.json()?;
        if sandbox.state == State::Destroyed {
            return Err(Error::Gone { reference: reference.clone() });
        }
        Ok(sandbox)
    }

    /// Whether there is a snapshot of this name.
    pub(super) async fn has_snapshot(&self, name: &str) -> Result<bool, Error> {
        let call = self.client.call(Method::GET, &["snapshots", name], "look for a snapshot");
        let answer = call.send().await?;
        if answer.status == StatusCode::NOT_FOUND { Ok(false) } else { answer.checked().map(|_| true) }
    }

    /// The sandboxes that have all of these labels.
    pub(super) async fn list(&self, labels: &BTreeMap<String, String>) -> Result<Vec<Sandbox>, Error> {
        let labels = serde_json::to_string(labels).unwrap_or_default();
        let (mut sandboxes, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..MAX_PAGES {
            let mut call = self.client.call(Method::GET, &["sandbox"], "list sandboxes").query("limit", PAGE);
            if labels != "{}" {
                call = call.query("labels", &labels);
            }
            if let Some(cursor) = &cursor {
                call = call.query("cursor", cursor);
            }
            let answer = call.send().await?.checked()?;
            let page: Page = serde_json::from_slice(&answer.body).map_err(|err| {
                answer.protocol(format!("the body is not the JSON that is expected: {err}"))
            })?;
            sandboxes.extend(page.items);
            match page.next_cursor.filter(|next| !next.is_empty()) {
                None => return Ok(sandboxes),
                Some(next) if cursor.as_ref() == Some(&next) => {
                    return Err(answer.protocol("a page of the list leads to itself"));
                }
                Some(next) => cursor = Some(next),
            }
        }
        Err(Error::Protocol {
            backend: NAME.to_owned(),
            action: "list sandboxes",
            what: format!("the list has more than {MAX_PAGES} pages"),
        })
    }

    /// A cheap call that asks for a key.
    pub(super) async fn probe(&self) -> Result<(), Error> {
        let call =
            self.client.call(Method::GET, &["sandbox"], "say whether it is there").query("limit", "1").once();
        call.send().await?.json::<Page>().map(drop)
    }

    /// Deletes a sandbox; one that is gone is deleted.
    pub(super) async fn delete(&self, reference: &SandboxRef) -> Result<(), Error> {
        let mut wait = Duration::from_millis(250);
        for tried in 1.. {
            let answer = self.of(Method::DELETE, reference, &[], "delete a sandbox").send().await?;
            if answer.status.is_success() || GONE(answer.status, &answer.body) {
                return Ok(());
            }
            // It is on its way from one state to another.
            if answer.status != StatusCode::CONFLICT || tried == DELETE_TRIES {
                return Err(answer.error());
            }
            sleep(wait).await;
            wait *= 2;
        }
        Ok(())
    }

    /// Waits until a sandbox has one of these states.
    pub(super) async fn wait(
        &self,
        reference: &SandboxRef,
        action: &'static str,
        until: fn(State) -> bool,
        most: Duration,
    ) -> Result<Sandbox, Error> {
        let deadline = Instant::now() + most;
        let mut pause = Duration::from_millis(50);
        loop {
            let sandbox = self.get(reference).await?;
            if until(sandbox.state) {
                return Ok(sandbox);
            }
            match sandbox.state {
                State::Error | State::BuildFailed => {
                    let reason = sandbox.error_reason.unwrap_or_else(|| "it gives no reason".to_owned());
                    let message = format!("the sandbox has failed: {reason}");
                    return Err(Error::Backend { backend: NAME.to_owned(), action, message });
                }
                State::Destroying => return Err(Error::Gone { reference: reference.clone() }),
                _ => {}
            }
            if Instant::now() + pause >= deadline {
                return Err(Error::Slow { backend: NAME.to_owned(), action, after: most });
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Starts a sandbox that was stopped, archived or paused.
    pub(super) async fn start(&self, reference: &SandboxRef) -> Result<(), Error> {
        self.change(reference, &["start"], "start a sandbox").await
    }

    pub(super) async fn stop(&self, reference: &SandboxRef) -> Result<(), Error> {
        self.change(reference, &["stop"], "stop a sandbox").await
    }

    /// Has a sandbox end this many minutes from now.
    pub(super) async fn set_ttl(&self, reference: &SandboxRef, minutes: u64) -> Result<(), Error> {
        self.change(reference, &["ttl", &minutes.to_string()], "set the lifetime").await
    }

    /// Keeps a sandbox from being stopped when nothing is asked of it.
    pub(super) async fn never_stop(&self, reference: &SandboxRef) -> Result<(), Error> {
        self.change(reference, &["autostop", "0"], "set the lifetime").await
    }

    async fn change(
        &self,
        reference: &SandboxRef,
        segments: &[&str],
        action: &'static str,
    ) -> Result<(), Error> {
        let call = self.of(Method::POST, reference, segments, action).repeatable();
        call.send().await?.checked().map(drop)
    }

    pub(super) async fn set_labels(
        &self,
        reference: &SandboxRef,
        labels: BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let call = self.of(Method::PUT, reference, &["labels"], "set metadata").json(&Labels { labels });
        call.send().await?.checked().map(drop)
    }

    /// Makes a sandbox of another, under a name that nobody else has.
    pub(super) async fn fork(&self, reference: &SandboxRef, name: &str) -> Result<Sandbox, Error> {
        let named = Named { name: name.to_owned() };
        self.of(Method::POST, reference, &["fork"], "fork a sandbox").json(&named).send().await?.json()
    }

    /// Keeps a sandbox's files under a name.
    pub(super) async fn snapshot(&self, reference: &SandboxRef, name: &str) -> Result<(), Error> {
        let named = Named { name: name.to_owned() };
        let call = self.of(Method::POST, reference, &["snapshot"], "keep a snapshot").json(&named);
        call.send().await?.checked().map(drop)
    }

    pub(super) async fn preview_url(&self, reference: &SandboxRef, port: u16) -> Result<PreviewUrl, Error> {
        let segments = ["ports", &port.to_string(), "preview-url"];
        self.of(Method::GET, reference, &segments, "reach a port").send().await?.json()
    }

    pub(super) async fn toolbox_url(&self, reference: &SandboxRef) -> Result<String, Error> {
        let call = self.of(Method::GET, reference, &["toolbox-proxy-url"], "look at a sandbox");
        Ok(call.send().await?.json::<ToolboxUrl>()?.url)
    }

    fn of(&self, method: Method, reference: &SandboxRef, segments: &[&str], action: &'static str) -> Call {
        let segments: Vec<&str> =
            ["sandbox", reference.id.as_str()].into_iter().chain(segments.iter().copied()).collect();
        self.client.call(method, &segments, action).of(reference, GONE)
    }
}
