//! Programs, which do what their scripts say.

use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Answered, Process, State, Step, process_of};
use crate::server::{Reply, Request};

/// Answers a request that starts a program or connects to one, and does what the program does.
pub(super) async fn stream(state: &Mutex<State>, request: &Request, mut reply: Reply) -> Answered {
    let body: Value = serde_json::from_slice(&request.body[5..]).unwrap();
    let started = {
        let mut state = state.lock().unwrap();
        if request.path.ends_with("/Start") {
            let line = body["process"]["args"][2].as_str().unwrap_or_default().to_owned();
            state.programs.push(body.clone());
            // What the adapter runs for itself is not scripted.
            let script = if line.contains("/proc/") {
                vec![Step::Exit(0)]
            } else if line.contains("type -P") {
                vec![Step::Stdout(state.look.as_bytes().to_vec()), Step::Exit(0)]
            } else {
                state.scripts.pop_front().unwrap_or_else(|| vec![Step::Exit(0)])
            };
            let pid = 100 + state.started;
            state.started += 1;
            let process = Process {
                tag: body["tag"].as_str().unwrap().to_owned(),
                script: script.into(),
                ended: watch::Sender::new(None),
                input: watch::Sender::new((Vec::new(), false)),
            };
            state.processes.insert(pid, process);
            Some(pid)
        } else {
            process_of(&state, &body["process"])
        }
    };
    reply.begin_chunks("application/connect+json").await?;
    let Some(pid) = started else {
        let end = json!({"error": {"code": "not_found", "message": "process not found"}});
        reply.chunk(&frame(2, &end)).await?;
        reply.end_chunks().await?;
        return Ok(None);
    };
    reply.chunk(&event(&json!({"start": {"pid": pid}}))).await?;
    loop {
        let (step, mut ended, mut input) = {
            let mut state = state.lock().unwrap();
            let Some(process) = state.processes.get_mut(&pid) else { return Ok(None) };
            let step = process.script.pop_front().unwrap_or(Step::Exit(0));
            (step, process.ended.subscribe(), process.input.subscribe())
        };
        let end = match step {
            Step::Stdout(bytes) => {
                reply.chunk(&event(&json!({"data": {"stdout": STANDARD.encode(bytes)}}))).await?;
                continue;
            }
            Step::Stderr(bytes) => {
                reply.chunk(&event(&json!({"data": {"stderr": STANDARD.encode(bytes)}}))).await?;
                continue;
            }
            Step::Drip(text) => {
                for byte in event(&json!({"data": {"stdout": STANDARD.encode(text)}})) {
                    reply.chunk(&[byte]).await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                continue;
            }
            Step::Flood(bytes) => {
                let piece = event(&json!({"data": {"stdout": STANDARD.encode(vec![b'x'; 32_768])}}));
                let mut left = bytes;
                while left > 0 && ended.borrow().is_none() {
                    reply.chunk(&piece).await?;
                    left = left.saturating_sub(32_768);
                }
                let killed = *ended.borrow();
                let Some(status) = killed else { continue };
                json!({"exitCode": -1, "status": status, "error": status})
            }
            Step::Sleep => {
                let live = async {
                    loop {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        if reply.chunk(&event(&json!({"keepalive": {}}))).await.is_err() {
                            std::future::pending::<()>().await;
                        }
                    }
                };
                let status = tokio::select! {
                    ended = ended.wait_for(Option::is_some) => ended.unwrap().unwrap(),
                    () = live => unreachable!(),
                };
                json!({"exitCode": -1, "status": status, "error": status})
            }
            Step::Cat => {
                let all = input.wait_for(|(_, closed)| *closed).await.unwrap().0.clone();
                reply.chunk(&event(&json!({"data": {"stdout": STANDARD.encode(all)}}))).await?;
                continue;
            }
            Step::Exit(code) => {
                let status = format!("exit status {code}");
                if code == 0 {
                    json!({"exited": true, "status": status})
                } else {
                    json!({"exited": true, "status": status, "exitCode": code, "error": status})
                }
            }
            Step::Signal(name) => json!({"exitCode": -1, "status": format!("signal: {name}")}),
            Step::Reset => {
                reply.reset();
                return Ok(None);
            }
            Step::Break => return Ok(None),
            Step::Vanish => {
                state.lock().unwrap().processes.remove(&pid);
                return Ok(None);
            }
            Step::EndOfBody => {
                reply.end_chunks().await?;
                return Ok(None);
            }
            Step::Truncate => {
                let whole = event(&json!({"data": {"stdout": STANDARD.encode("never whole")}}));
                reply.chunk(&whole[..whole.len() / 2]).await?;
                return Ok(None);
            }
            Step::Raw(bytes) => {
                reply.chunk(bytes).await?;
                reply.client_gone().await;
                return Ok(None);
            }
            Step::Fail(code) => {
                reply.chunk(&frame(2, &json!({"error": {"code": code, "message": "said so"}}))).await?;
                reply.end_chunks().await?;
                return Ok(None);
            }
            Step::FailWith(words) => {
                reply.chunk(&frame(2, &json!({"error": {"code": "internal", "message": words}}))).await?;
                reply.end_chunks().await?;
                return Ok(None);
            }
            Step::Killed => {
                state.lock().unwrap().sandboxes.clear();
                return Ok(None);
            }
            Step::Paused => {
                for sandbox in state.lock().unwrap().sandboxes.values_mut() {
                    sandbox.state = "paused";
                }
                return Ok(None);
            }
        };
        state.lock().unwrap().processes.remove(&pid);
        reply.chunk(&event(&json!({"end": end}))).await?;
        reply.chunk(&frame(2, &json!({}))).await?;
        reply.end_chunks().await?;
        return Ok(None);
    }
}

fn event(event: &Value) -> Vec<u8> {
    frame(0, &json!({"event": event}))
}

fn frame(flags: u8, value: &Value) -> Vec<u8> {
    let json = value.to_string();
    let mut bytes = vec![flags];
    bytes.extend_from_slice(&u32::try_from(json.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(json.as_bytes());
    bytes
}
