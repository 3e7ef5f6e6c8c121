//! The interpreters of one sandbox: each a long-lived `python3` that keeps its names between calls.

mod messages;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use sandpiper_core::{Error, Exec, Exit, Stream};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::failure::Failure;
use crate::guest_path::HOME;
use crate::held::Held;
use crate::interpreter::messages::{Messages, Said};
use crate::output::{Ended, Piece, Subscription};
use crate::process::{Command, Process};
use crate::random;

/// What the interpreter runs to understand us.
const DRIVER: &str = include_str!("interpreter/driver.py");

/// Events that may wait for a client that is slow.
const EVENTS_WAITING: usize = 64;

/// How long code that is interrupted may take to end before its interpreter is killed.
const INTERRUPT_TIME: Duration = Duration::from_secs(2);

/// `SIGINT`, as Linux counts.
const INTERRUPT: u8 = 2;

/// How an error is named that is no exception of the code.
const FAILED: &str = "InterpreterError";

/// Characters of an interpreter's id.
const ID_LENGTH: usize = 16;

/// What happens while code runs; [`Events`] end with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InterpreterEvent {
    /// The number of this call, from 1.
    Count(u64),
    /// Output.
    Output(Stream, String),
    /// A value that is shown; its fields by their names in the API of E2B.
    Result(Map<String, Value>),
    /// The code failed, or the interpreter did.
    Error {
        /// The exception's type.
        name: String,
        /// Its text.
        value: String,
        /// Where it came from, as Python writes it.
        traceback: String,
    },
}

/// An interpreter.
#[derive(Debug)]
pub(crate) struct Interpreter {
    /// By which clients name it.
    pub(crate) id: String,
    /// Where it runs.
    pub(crate) cwd: String,
    /// Calls wait for each other here.
    state: Arc<tokio::sync::Mutex<State>>,
    /// The call that goes on, whoever listens; it ends with the interpreter.
    calls: Mutex<JoinSet<()>>,
    /// Why the calls of now were cut off, once they are.
    cut_off: Mutex<Arc<OnceLock<String>>>,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Running>,
    /// Why the names of before are gone, until that was told.
    lost: Option<String>,
}

#[derive(Debug)]
struct Running {
    process: Process,
    output: Subscription,
    messages: Messages,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Interpreters {
    limit: usize,
    table: Mutex<BTreeMap<String, Arc<Interpreter>>>,
}

impl Interpreters {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, table: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Interpreter>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an interpreter, whose process starts with its first call; with an id of its own or a given one, which
    /// may be there already.
    pub(crate) fn create(&self, id: Option<&str>, cwd: &str) -> Result<Arc<Interpreter>, Failure> {
        let id = id.map_or_else(|| random::name(ID_LENGTH), |id| Ok(id.to_owned()))?;
        let mut table = self.lock();
        if let Some(interpreter) = table.get(&id) {
            return Ok(Arc::clone(interpreter));
        }
        if table.len() >= self.limit {
            let limit = self.limit;
            return Err(Failure::Limit(format!(
                "the sandbox has {limit} interpreters, and may have no more"
            )));
        }
        let interpreter = Arc::new(Interpreter {
            id: id.clone(),
            cwd: cwd.to_owned(),
            state: Arc::default(),
            calls: Mutex::default(),
            cut_off: Mutex::default(),
        });
        table.insert(id, Arc::clone(&interpreter));
        Ok(interpreter)
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<Interpreter>> {
        self.lock().get(id).cloned()
    }

    pub(crate) fn list(&self) -> Vec<Arc<Interpreter>> {
        self.lock().values().cloned().collect()
    }

    /// Ends an interpreter.
    pub(crate) fn remove(&self, id: &str) -> Option<Arc<Interpreter>> {
        let removed = self.lock().remove(id);
        if let Some(interpreter) = &removed {
            interpreter.end("the context was deleted");
        }
        removed
    }

    /// Ends all, and says why to who waits for one.
    pub(crate) fn end_all(&self, reason: &str) {
        for interpreter in std::mem::take(&mut *self.lock()).values() {
            interpreter.end(reason);
        }
    }
}

impl Interpreter {
    /// Ends what runs, says why to who waits for it, and forgets all names.
    pub(crate) fn end(&self, reason: &str) {
        // Whoever sees the end of the events below finds the reason there.
        let cut_off = std::mem::take(&mut *self.lock_cut_off());
        let _ = cut_off.set(reason.to_owned());
        self.lock_calls().abort_all();
        let state = Arc::clone(&self.state);
        // At once, unless a call is just letting go of it; then with that.
        if let Ok(mut state) = state.try_lock() {
            *state = State::default();
            return;
        }
        self.lock_calls().spawn(async move { *state.lock().await = State::default() });
    }

    fn lock_cut_off(&self) -> MutexGuard<'_, Arc<OnceLock<String>>> {
        self.cut_off.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_calls(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs code after what was given before. When nobody takes the events any more, the code is interrupted, as
    /// E2B does; code that goes on nevertheless costs the interpreter its names, which the next call tells.
    ///
    /// # Errors
    /// [`Failure::Invalid`] for variables that are none.
    pub(crate) fn execute(
        &self,
        held: &Arc<Held>,
        code: &str,
        env: &BTreeMap<String, String>,
        timeout: Option<Duration>,
    ) -> Result<Events, Failure> {
        let variables = env.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Exec { env: variables, ..Exec::new(["python3"]) }.check().map_err(Error::from)?;
        let (tx, rx) = mpsc::channel(EVENTS_WAITING);
        let is_done = Arc::new(AtomicBool::new(false));
        let events = Events {
            rx,
            is_done: Arc::clone(&is_done),
            cut_off: Arc::clone(&self.lock_cut_off()),
            is_told: false,
        };
        let (state, held, cwd) = (Arc::clone(&self.state), Arc::clone(held), self.cwd.clone());
        let request = json!({ "code": code, "env": env });
        let mut calls = self.lock_calls();
        while calls.try_join_next().is_some() {}
        calls.spawn(async move {
            let mut state = state.lock().await;
            let until_done = tx.clone();
            let call = Call { held: &held, cwd: &cwd, request, timeout, tx };
            call.carry_out(&mut state).await;
            is_done.store(true, Ordering::Release);
            drop(until_done);
        });
        Ok(events)
    }
}

/// The events of a call.
#[derive(Debug)]
pub(crate) struct Events {
    rx: mpsc::Receiver<InterpreterEvent>,
    is_done: Arc<AtomicBool>,
    cut_off: Arc<OnceLock<String>>,
    is_told: bool,
}

impl Events {
    /// The next event; where the call was cut off, the last one says so.
    pub(crate) async fn next(&mut self) -> Option<InterpreterEvent> {
        if let Some(event) = self.rx.recv().await {
            return Some(event);
        }
        if self.is_done.load(Ordering::Acquire) || std::mem::replace(&mut self.is_told, true) {
            return None;
        }
        let why = self.cut_off.get().map_or("the server ended it", String::as_str);
        Some(failed(format!("the code was cut off: {why}")))
    }
}

/// That no code was run, or not to its end.
fn failed(value: String) -> InterpreterEvent {
    let (name, traceback) = (FAILED.to_owned(), format!("{FAILED}: {value}"));
    InterpreterEvent::Error { name, value, traceback }
}

/// One call.
struct Call<'a> {
    held: &'a Held,
    cwd: &'a str,
    request: Value,
    timeout: Option<Duration>,
    tx: mpsc::Sender<InterpreterEvent>,
}

/// How the code of a call came to its end.
enum CodeEnd {
    Done,
    /// The process ended, or says what is not understood.
    Broken(String),
}

impl Call<'_> {
    async fn carry_out(self, state: &mut State) {
        if let Some(lost) = state.lost.take() {
            let _ = self.tx.send(InterpreterEvent::Output(Stream::Stderr, format!("{lost}\n"))).await;
        }
        if state.running.is_none() {
            match self.start().await {
                Ok(running) => state.running = Some(running),
                Err(err) => return self.pass_on(failed(err.to_string())).await,
            }
        }
        let Some(running) = state.running.as_mut() else { return };
        let deadline = async {
            match self.timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let why = tokio::select! {
            end = self.follow(running) => match end {
                CodeEnd::Done => return,
                CodeEnd::Broken(why) => {
                    state.running = None;
                    let value = format!("{why}; the names of this context are gone, the next call starts anew");
                    return self.pass_on(failed(value)).await;
                }
            },
            () = deadline => "the code took longer than it may",
            () = self.tx.closed() => "nobody waits for the code any more",
        };
        if !self.interrupt(running).await {
            state.running = None;
            state.lost = Some(format!(
                "the context was restarted, its names are gone: {why}, and it did not end when it was interrupted"
            ));
        }
        if self.timeout.is_some() {
            let lost = state.lost.clone().unwrap_or_else(|| why.to_owned());
            let traceback = format!("TimeoutError: {lost}");
            let name = "TimeoutError".to_owned();
            self.pass_on(InterpreterEvent::Error { name, value: lost, traceback }).await;
        }
    }

    async fn start(&self) -> Result<Running, Failure> {
        let token = random::token()?;
        let command = Command {
            argv: ["python3", "-c", DRIVER].map(str::to_owned).to_vec(),
            env: vec![("HOME".to_owned(), HOME.to_owned())],
            cwd: Some(self.cwd.to_owned()),
            stdin: true,
            timeout: None,
        };
        let sandbox = self.held.running()?;
        let (process, output) = self.held.processes.start_unlisted(&sandbox, command).await?;
        process.write(line(&json!({ "token": token }))).await?;
        Ok(Running { process, output, messages: Messages::new(&token) })
    }

    /// Gives the code to the interpreter and passes on what comes of it.
    async fn follow(&self, running: &mut Running) -> CodeEnd {
        let Running { process, output, messages } = running;
        let request = line(&self.request);
        let write = process.write(request);
        let read = async {
            loop {
                match output.next().await {
                    Some(Piece::Output(Stream::Stdout, bytes)) => {
                        let mut said = Vec::new();
                        let understood = messages.take(&bytes, &mut said);
                        for said in said {
                            match said {
                                Said::Event(event) => self.pass_on(event).await,
                                Said::Done => return CodeEnd::Done,
                            }
                        }
                        if let Err(err) = understood {
                            return CodeEnd::Broken(err);
                        }
                    }
                    Some(Piece::Output(Stream::Stderr, bytes)) => {
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        self.pass_on(InterpreterEvent::Output(Stream::Stderr, text)).await;
                    }
                    Some(Piece::Ended(ended)) => return CodeEnd::Broken(reason(&ended)),
                    None => return CodeEnd::Broken("the interpreter has ended".to_owned()),
                }
            }
        };
        // An interpreter that has ended does not read; the reader knows why it has.
        let (_, end) = tokio::join!(write, read);
        end
    }

    async fn pass_on(&self, event: InterpreterEvent) {
        // Without a receiver the call is ended by who waits for that.
        let _ = self.tx.send(event).await;
    }

    /// Whether the code ends when it is interrupted, and the interpreter goes on.
    async fn interrupt(&self, running: &mut Running) -> bool {
        if running.process.signal(INTERRUPT).is_err() {
            return false;
        }
        let Running { output, messages, .. } = running;
        let rest = async {
            while let Some(Piece::Output(stream, bytes)) = output.next().await {
                if stream == Stream::Stdout {
                    let mut said = Vec::new();
                    let understood = messages.take(&bytes, &mut said);
                    if said.contains(&Said::Done) {
                        return true;
                    }
                    if understood.is_err() {
                        return false;
                    }
                }
            }
            false
        };
        tokio::time::timeout(INTERRUPT_TIME, rest).await.unwrap_or(false)
    }
}

fn line(message: &Value) -> Bytes {
    Bytes::from(format!("{message}\n"))
}

fn reason(ended: &Ended) -> String {
    match ended {
        Ended::Exit(Exit::NotFound { command }) => format!("there is no {command} in the sandbox"),
        Ended::Exit(Exit::Memory) => "the interpreter ended: the memory of the sandbox is used up".to_owned(),
        Ended::Exit(Exit::Fuel) => "the interpreter ended: the fuel of the sandbox is used up".to_owned(),
        Ended::Exit(exit) => format!("the interpreter ended with {exit:?}"),
        Ended::TimedOut(after) => format!("the interpreter was ended after {after:?}"),
        Ended::Failed(why) => format!("the interpreter ended: {why}"),
    }
}
