//! Interpreters, by WebSocket.

use serde_json::{Value, json};

use super::socket::{Frame, Socket};
use super::{Box, base, is_fault};
use crate::client::serve;

impl Box<'_> {
    async fn interpret(&self, request: Value) -> Vec<Frame> {
        let mut socket =
            Socket::open(self.served, &self.line("toolbox", "GET /process/interpreter/execute")).await;
        socket.send(&request.to_string()).await;
        socket.rest().await
    }
}

fn messages(frames: &[Frame]) -> Vec<Value> {
    let texts = frames.iter().filter_map(|frame| match frame {
        Frame::Text(text) => Some(serde_json::from_str(text).unwrap()),
        _ => None,
    });
    texts.collect()
}

#[tokio::test]
async fn what_is_printed_and_raised_is_told() {
    let served = serve().await;
    let made = base(&served).await;
    let frames = made.interpret(json!({"code": "print hi"})).await;
    assert_eq!(messages(&frames), [json!({"type": "stdout", "text": "hi"})]);
    assert_eq!(frames.last(), Some(&Frame::Close(1000, String::new())));
    let frames = made.interpret(json!({"code": "raise ValueError"})).await;
    let expected = json!({"type": "error", "name": "ValueError", "value": "v", "traceback": "t"});
    assert_eq!(messages(&frames), [expected]);
}

#[tokio::test]
async fn contexts_are_made_listed_and_deleted() {
    let served = serve().await;
    let made = base(&served).await;
    made.toolbox("POST /files/folder?path=there", &Value::Null).await;
    let one = made.toolbox("POST /process/interpreter/context", &json!({"cwd": "there"})).await.json();
    assert_eq!(
        (&one["cwd"], &one["language"], &one["active"]),
        (&json!("/home/user/there"), &json!("python"), &json!(true))
    );
    made.interpret(json!({"code": "print hi"})).await;
    let listed = made.toolbox("GET /process/interpreter/context", &Value::Null).await.json();
    assert_eq!(listed, json!({"contexts": [one]}));
    let path = format!("DELETE /process/interpreter/context/{}", one["id"].as_str().unwrap());
    assert_eq!(made.toolbox(&path, &Value::Null).await.status, 200);
    let again = made.toolbox(&path, &Value::Null).await;
    let message = format!("there is no context `{}`", one["id"].as_str().unwrap());
    is_fault(&again, 404, "PROCESS_NOT_FOUND", &message);
    let none = made.toolbox("POST /process/interpreter/context", &json!({"cwd": "/none"})).await;
    assert_eq!(none.status, 404);
}

#[tokio::test]
async fn how_it_ends_is_in_the_close() {
    let served = serve().await;
    let made = base(&served).await;
    for (request, code, reason) in [
        (json!({"code": ""}), 1008, "the code is empty"),
        (json!({"code": "print", "timeout": -1}), 1008, "the timeout is negative"),
        (json!({"code": "print", "contextId": "none"}), 1008, "there is no context `none`"),
        (
            json!({"no": "code"}),
            1002,
            "the program is not as expected: missing field `code` at line 1 column 13",
        ),
    ] {
        assert_eq!(made.interpret(request).await, [Frame::Close(code, reason.to_owned())]);
    }
    let frames = made.interpret(json!({"code": "hang", "timeout": 1})).await;
    assert!(matches!(frames[..], [Frame::Close(4008, _)]), "{frames:?}");
}

#[tokio::test]
async fn a_program_that_is_cut_off_says_so() {
    let served = serve().await;
    let made = base(&served).await;
    made.toolbox("POST /files/folder?path=there", &Value::Null).await;
    let context = made.toolbox("POST /process/interpreter/context", &json!({"cwd": "there"})).await.json();
    let id = context["id"].as_str().unwrap();
    let line = made.line("toolbox", "GET /process/interpreter/execute");
    let mut socket = Socket::open(&served, &line).await;
    // What it prints says that it runs.
    socket.send(&json!({"code": "say-and-hang", "contextId": id}).to_string()).await;
    assert_eq!(socket.frame().await, Frame::Text(json!({"type": "stdout", "text": "hi"}).to_string()));
    let delete = format!("DELETE /process/interpreter/context/{id}");
    assert_eq!(made.toolbox(&delete, &Value::Null).await.status, 200);
    let value = "the code was cut off: the context was deleted";
    let traceback = format!("InterpreterError: {value}");
    let error = json!({"type": "error", "name": "InterpreterError", "value": value, "traceback": traceback});
    assert_eq!(messages(&socket.rest().await), [error]);
}
