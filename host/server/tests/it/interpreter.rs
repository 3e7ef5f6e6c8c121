//! The code interpreter of E2B, with an interpreter that plays its part.

use serde_json::{Value, json};

use crate::client::{Answer, Place, serve};

const PORT: (&str, &str) = ("E2b-Sandbox-Port", "49999");
const JSON: (&str, &str) = ("Content-Type", "application/json");

async fn run(place: &Place<'_>, body: Value) -> Vec<Value> {
    messages(place.request("POST /execute", &[PORT, JSON], body.to_string().as_bytes()).await)
}

fn messages(answer: Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = String::from_utf8(answer.body).unwrap();
    text.lines()
        .map(|line| {
            let mut message: Value = serde_json::from_str(line).unwrap();
            message.as_object_mut().unwrap().remove("timestamp");
            message
        })
        .collect()
}

async fn code(place: &Place<'_>, code: &str) -> Vec<Value> {
    run(place, json!({ "code": code, "context_id": null, "language": null, "env_vars": null })).await
}

fn count(count: u64) -> Value {
    json!({ "type": "number_of_executions", "execution_count": count })
}

fn end() -> Value {
    json!({ "type": "end_of_execution" })
}

fn shown(text: &str) -> Value {
    json!({ "type": "result", "text": text, "is_main_result": true })
}

#[tokio::test]
async fn names_are_kept_between_calls() {
    let served = serve().await;
    let place = served.base().await;
    assert_eq!(code(&place, "keep it").await, [count(1), end()]);
    assert_eq!(code(&place, "kept").await, [count(2), shown("it"), end()]);
}

#[tokio::test]
async fn output_errors_and_variables_are_passed_on() {
    let served = serve().await;
    let place = served.base().await;
    let text = |kind: &str, text: &str| json!({ "type": kind, "text": text });
    assert_eq!(code(&place, "print hello").await, [count(1), text("stdout", "hello"), end()]);
    let error = json!({ "type": "error", "name": "Oops", "value": "v", "traceback": "t" });
    assert_eq!(code(&place, "raise Oops").await, [count(2), error, end()]);
    let children = code(&place, "child raw").await;
    assert_eq!(children, [count(3), text("stdout", "raw"), text("stderr", "from a child"), end()]);
    let with_env = json!({ "code": "env A", "env_vars": { "A": "1" } });
    assert_eq!(run(&place, with_env).await, [count(4), shown("1"), end()]);
}

#[tokio::test]
async fn contexts_are_apart_and_start_anew_when_they_are_told() {
    let served = serve().await;
    let place = served.base().await;
    code(&place, "keep default").await;
    let made = place.request("POST /contexts", &[PORT, JSON], br#"{"cwd":"/"}"#).await.json();
    assert_eq!((&made["language"], &made["cwd"]), (&json!("python"), &json!("/")));
    let id = made["id"].as_str().unwrap();
    let within = async |code: &str| run(&place, json!({ "code": code, "context_id": id })).await;
    assert_eq!(within("kept").await, [count(1), shown(""), end()]);
    within("keep own").await;
    assert_eq!(code(&place, "kept").await[1], shown("default"));
    let listed = place.request("GET /contexts", &[PORT], b"").await.json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let restart = format!("POST /contexts/{id}/restart");
    assert_eq!(place.request(&restart, &[PORT], b"").await.status, 204);
    assert_eq!(within("kept").await, [count(1), shown(""), end()]);
    let remove = format!("DELETE /contexts/{id}");
    assert_eq!(place.request(&remove, &[PORT], b"").await.status, 204);
    let gone = place.request(&remove, &[PORT], b"").await;
    assert_eq!((gone.status, gone.body), (404, format!("Context {id} not found").into_bytes()));
}

#[tokio::test]
async fn an_interpreter_that_dies_says_so_and_starts_anew() {
    let served = serve().await;
    let place = served.base().await;
    code(&place, "keep it").await;
    let told = code(&place, "die").await;
    let value = "the interpreter ended: the memory of the sandbox is used up; the names of this context are gone, \
                 the next call starts anew";
    let traceback = format!("InterpreterError: {value}");
    let error =
        json!({ "type": "error", "name": "InterpreterError", "value": value, "traceback": traceback });
    assert_eq!(told, [count(2), error, end()]);
    assert_eq!(code(&place, "kept").await, [count(1), shown(""), end()]);
    let told = code(&place, "lie").await;
    assert!(told[1]["value"].as_str().unwrap().starts_with("the interpreter says what is not understood"));
}

#[tokio::test]
async fn code_that_nobody_waits_for_is_ended_and_the_next_call_tells() {
    let served = serve().await;
    let place = served.base().await;
    let body = json!({ "code": "hang" }).to_string();
    let hanging = place.send("POST /execute", &[PORT, JSON], body.as_bytes()).await;
    // The process that runs it has begun when it can no longer be set aside.
    let pause = format!("POST /sandboxes/{}/pause", place.id);
    while served.api(&pause, &json!({})).await.status == 204 {
        served.api(&format!("POST /sandboxes/{}/connect", place.id), &json!({})).await;
    }
    drop(hanging);
    let told = code(&place, "kept").await;
    let lost = "the context was restarted, its names are gone: nobody waits for the code any more, and it did not \
                end when it was interrupted\n";
    assert_eq!(told, [json!({ "type": "stderr", "text": lost }), count(1), shown(""), end()]);
}

#[tokio::test]
async fn what_cannot_be_run_is_refused() {
    let served = serve().await;
    let place = served.base().await;
    for (body, status, words) in [
        (
            json!({ "code": "1", "language": "r" }),
            400,
            "the language is \"r\", and this server runs python alone",
        ),
        (json!({ "code": "1", "context_id": "none" }), 404, "Context none not found"),
        (json!({}), 400, "the message is not understood: missing field `code`"),
    ] {
        let answer = place.request("POST /execute", &[PORT, JSON], body.to_string().as_bytes()).await;
        let text = String::from_utf8_lossy(&answer.body).replace('\\', "");
        assert!(answer.status == status && text.contains(words), "{} {text}", answer.status);
    }
    let answer = place.request("POST /contexts", &[PORT, JSON], br#"{"cwd":"/none"}"#).await;
    assert_eq!((answer.status, &answer.json()["code"]), (404, &json!(404)));
    let bare = [("E2b-Sandbox-Id", &*place.id), PORT, JSON];
    assert_eq!(served.request("POST /execute", &bare, b"{}").await.status, 401);
    let traffic = [("E2B-Traffic-Access-Token", &*place.token)];
    assert_eq!(served.request("GET /contexts", &[&bare[..], &traffic].concat(), b"").await.status, 200);
}

#[tokio::test]
async fn code_that_is_cut_off_says_so() {
    let served = serve().await;
    for (cut, why) in [
        ("POST /contexts/ID/restart", "the context was restarted"),
        ("DELETE /contexts/ID", "the context was deleted"),
        ("DELETE /sandboxes/", "the sandbox was closed"),
    ] {
        let place = served.base().await;
        let made = place.request("POST /contexts", &[PORT, JSON], b"{}").await.json();
        let id = made["id"].as_str().unwrap();
        let body = json!({ "code": "hang", "context_id": id }).to_string();
        let mut hanging = place.send("POST /execute", &[PORT, JSON], body.as_bytes()).await;
        hanging.until("number_of_executions").await;
        let ended = match cut.strip_suffix('/') {
            Some(_) => served.api(&format!("{cut}{}", place.id), &Value::Null).await,
            None => place.request(&cut.replace("ID", id), &[PORT], b"").await,
        };
        assert_eq!(ended.status, 204);
        let value = format!("the code was cut off: {why}");
        let traceback = format!("InterpreterError: {value}");
        let error =
            json!({ "type": "error", "name": "InterpreterError", "value": value, "traceback": traceback });
        assert_eq!(messages(hanging.answer().await), [count(1), error, end()]);
    }
}

#[tokio::test]
async fn variables_that_are_none_are_refused_and_names_are_kept() {
    let served = serve().await;
    let place = served.base().await;
    code(&place, "keep it").await;
    for (name, value) in [("", "x"), ("A=B", "x"), ("A", "\0")] {
        let body = json!({ "code": "kept", "env_vars": { name: value } }).to_string();
        let answer = place.request("POST /execute", &[PORT, JSON], body.as_bytes()).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!(400)), "{name:?}");
    }
    assert_eq!(code(&place, "kept").await, [count(2), shown("it"), end()]);
}
