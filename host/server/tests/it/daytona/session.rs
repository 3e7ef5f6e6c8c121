//! Sessions.

use serde_json::{Value, json};

use super::socket::{Frame, Socket};
use super::{Box, base, is_fault};
use crate::client::{Served, serve};

async fn with_session(served: &Served) -> Box<'_> {
    let made = base(served).await;
    let answer = made.toolbox("POST /process/session", &json!({"sessionId": "s"})).await;
    assert_eq!(answer.status, 201);
    made
}

impl Box<'_> {
    async fn run(&self, body: Value) -> Value {
        let answer = self.toolbox("POST /process/session/s/exec", &body).await;
        assert!([200, 202].contains(&answer.status), "{answer:?}");
        answer.json()
    }

    async fn follow(&self, command: &Value) -> Vec<Frame> {
        let path = format!("GET /process/session/s/command/{}/logs?follow=true", command.as_str().unwrap());
        Socket::open(self.served, &self.line("toolbox", &path)).await.rest().await
    }
}

#[tokio::test]
async fn commands_run_one_after_the_other_and_their_streams_are_apart() {
    let served = serve().await;
    let made = with_session(&served).await;
    let first = made.run(json!({"command": "echo a; echo b >&2"})).await;
    let told = (&first["exitCode"], &first["output"], &first["stdout"], &first["stderr"]);
    assert_eq!(told, (&json!(0), &json!("a\nb\n"), &json!("a\n"), &json!("b\n")));
    let second = made.run(json!({"command": "false\necho c"})).await;
    assert_eq!((&second["exitCode"], &second["output"]), (&json!(1), &json!("c\n")));
    let session = made.toolbox("GET /process/session/s", &Value::Null).await.json();
    let commands = json!([
        {"id": first["cmdId"], "command": "echo a; echo b >&2", "exitCode": 0},
        {"id": second["cmdId"], "command": "false\necho c", "exitCode": 1},
    ]);
    assert_eq!(session, json!({"sessionId": "s", "commands": commands}));
}

#[tokio::test]
async fn a_command_that_is_not_waited_for_is_followed() {
    let served = serve().await;
    let made = with_session(&served).await;
    let begun = made.run(json!({"command": "echo a; read; echo b >&2", "runAsync": true})).await;
    assert_eq!(begun, json!({"cmdId": begun["cmdId"]}));
    let input = format!("POST /process/session/s/command/{}/input", begun["cmdId"].as_str().unwrap());
    assert_eq!(made.toolbox(&input, &json!({"data": "in"})).await.status, 204);
    let frames = made.follow(&begun["cmdId"]).await;
    let (mut out, mut err) = (String::new(), String::new());
    for frame in &frames[..frames.len() - 1] {
        let Frame::Binary(bytes) = frame else { panic!("{frame:?}") };
        let (prefix, text) = bytes.split_at(3);
        let text = std::str::from_utf8(text).unwrap();
        match prefix {
            [1, 1, 1] => out.push_str(text),
            [2, 2, 2] => err.push_str(text),
            _ => panic!("{prefix:?}"),
        }
    }
    assert_eq!((err.as_str(), frames.last()), ("b\n", Some(&Frame::Close(1000, String::new()))));
    // What was sent is shown, before or after what was printed meanwhile.
    assert!(["a\nin\nread in\n", "in\na\nread in\n"].contains(&out.as_str()), "{out}");
    let over = made.toolbox(&input, &json!({"data": "in"})).await;
    is_fault(&over, 410, "COMMAND_ALREADY_COMPLETED", "the command has ended already");
}

#[tokio::test]
async fn input_that_was_not_read_is_no_command() {
    let served = serve().await;
    let made = with_session(&served).await;
    let begun = made.run(json!({"command": "read", "runAsync": true, "suppressInputEcho": true})).await;
    let input = format!("POST /process/session/s/command/{}/input", begun["cmdId"].as_str().unwrap());
    made.toolbox(&input, &json!({"data": "one\neval -- $'echo bad' <&60 printf 'x%03d'\nrest"})).await;
    let next = made.run(json!({"command": "echo next"})).await;
    assert_eq!(next["output"], json!("next\n"));
    let logs = format!("GET /process/session/s/command/{}/logs", begun["cmdId"].as_str().unwrap());
    let expected = json!({"output": "read one\n", "stdout": "read one\n", "stderr": ""});
    assert_eq!(made.toolbox(&logs, &Value::Null).await.json(), expected);
}

#[tokio::test]
async fn a_shell_that_ends_ends_its_session() {
    let served = serve().await;
    let made = with_session(&served).await;
    let waiting = made.run(json!({"command": "wait", "runAsync": true})).await;
    let queued = made.run(json!({"command": "echo never", "runAsync": true})).await;
    made.toolbox("DELETE /process/session/s", &Value::Null).await;
    assert_eq!(made.toolbox("GET /process/session/s", &Value::Null).await.status, 404);
    assert_ne!(waiting["cmdId"], queued["cmdId"]);

    let made = with_session(&served).await;
    let last = made.run(json!({"command": "echo a; exit 4"})).await;
    assert_eq!((&last["exitCode"], &last["output"]), (&json!(4), &json!("a\n")));
    let more = made.toolbox("POST /process/session/s/exec", &json!({"command": "echo b"})).await;
    let message = "the shell of the session `s` has ended; delete the session and make another";
    is_fault(&more, 410, "SESSION_ENDED", message);
}

#[tokio::test]
async fn who_waits_for_a_command_is_told_when_its_session_is_deleted() {
    let served = serve().await;
    let made = with_session(&served).await;
    let begun = made.run(json!({"command": "wait", "runAsync": true})).await;
    let path =
        format!("GET /process/session/s/command/{}/logs?follow=true", begun["cmdId"].as_str().unwrap());
    let socket = Socket::open(&served, &made.line("toolbox", &path)).await;
    let never = json!({"command": "echo never"});
    let sync = made.toolbox("POST /process/session/s/exec", &never);
    let delete = async {
        let both = || async { made.toolbox("GET /process/session/s", &Value::Null).await.json() };
        while both().await["commands"].as_array().unwrap().len() < 2 {}
        made.toolbox("DELETE /process/session/s", &Value::Null).await;
    };
    let (answer, ()) = tokio::join!(sync, delete);
    let message = "the shell of the session `s` has ended; delete the session and make another";
    is_fault(&answer, 410, "SESSION_ENDED", message);
    let told = Frame::Binary(b"\x02\x02\x02sandpiper: the session was deleted\n".to_vec());
    assert_eq!(socket.rest().await, [told, Frame::Close(1000, String::new())]);
}

#[tokio::test]
async fn names_are_taken_once() {
    let served = serve().await;
    let made = with_session(&served).await;
    let again = made.toolbox("POST /process/session", &json!({"sessionId": "s"})).await;
    is_fault(&again, 409, "CONFLICT", "there is a session \"s\" already");
    let entry = made.toolbox("POST /process/session", &json!({"sessionId": "entrypoint"})).await;
    is_fault(&entry, 400, "BAD_REQUEST", "`entrypoint` cannot be the name of a session");
    let none = made.toolbox("GET /process/session/s/command/none", &Value::Null).await;
    is_fault(&none, 404, "PROCESS_NOT_FOUND", "there is no command `none` in the session `s`");
}
