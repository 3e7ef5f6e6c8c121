//! Commands and programs, run to their ends.

use serde_json::{Value, json};

use super::{base, create, is_fault};
use crate::client::{serve, serve_with};
use crate::double::{CAPABILITIES, Double};

#[tokio::test]
async fn a_command_prints_and_ends() {
    let served = serve().await;
    let made = create(&served, json!({"env": {"A": "sandbox"}})).await;
    for (body, expected) in [
        (json!({"command": "echo a; echo b >&2; exit 3"}), json!({"exitCode": 3, "result": "a\nb\n"})),
        (json!({"command": "printenv A"}), json!({"exitCode": 0, "result": "sandbox\n"})),
        (json!({"command": "printenv A", "envs": {"A": "own"}}), json!({"exitCode": 0, "result": "own\n"})),
        (json!({"command": "pwd"}), json!({"exitCode": 0, "result": "/home/user\n"})),
        (json!({"command": "pwd", "cwd": "a/../b"}), json!({"exitCode": 0, "result": "/home/user/b\n"})),
        (
            json!({"command": "echo a; crash"}),
            json!({"exitCode": 152, "result": "a\nsandpiper: the fuel limit of the sandbox ended the command\n"}),
        ),
    ] {
        let answer = made.toolbox("POST /process/execute", &body).await;
        assert_eq!((answer.status, answer.json()), (200, expected), "{body}");
    }
}

#[tokio::test]
async fn a_command_ends_at_its_timeout() {
    let served = serve().await;
    let made = base(&served).await;
    let answer = made.toolbox("POST /process/execute", &json!({"command": "wait", "timeout": 1})).await;
    is_fault(&answer, 408, "PROCESS_EXECUTION_TIMEOUT", "the command did not end within 1 seconds");
}

#[tokio::test]
async fn a_command_of_a_client_that_has_gone_ends() {
    let limits = sandpiper_server::ServerLimits { processes: 1, ..Default::default() };
    let served = serve_with(Double::new(CAPABILITIES), limits).await;
    let made = base(&served).await;
    let key = format!("Bearer {}", crate::client::KEY);
    let body = json!({"command": "wait"}).to_string();
    let line = made.line("toolbox", "POST /process/execute");
    let connection = served.send(&line, &[("Authorization", &key)], body.as_bytes()).await;
    // With one place for processes, the next one has it only when the first has ended.
    while made.toolbox("POST /process/execute", &json!({"command": "echo a"})).await.status != 429 {}
    drop(connection);
    while made.toolbox("POST /process/execute", &json!({"command": "echo a"})).await.status != 200 {}
}

#[tokio::test]
async fn a_program_is_run_with_its_arguments() {
    let served = serve().await;
    let made = base(&served).await;
    let body = json!({"code": "print(1)", "language": "python", "argv": ["a", "b c"]});
    let answer = made.toolbox("POST /process/code-run", &body).await;
    let expected = json!({"exitCode": 0, "result": "print(1)|a|b c\n", "artifacts": {"charts": []}});
    assert_eq!((answer.status, answer.json()), (200, expected));
    let answer =
        made.toolbox("POST /process/code-run", &json!({"code": "1", "language": "javascript"})).await;
    is_fault(&answer, 501, "NOT_IMPLEMENTED", "there is no node in the image of this sandbox");
    let answer = made.toolbox("POST /process/code-run", &json!({"code": "1", "language": "cobol"})).await;
    is_fault(
        &answer,
        400,
        "BAD_REQUEST",
        "programs in `cobol` are not run here, expected python or javascript",
    );
}

#[tokio::test]
async fn a_wrong_body_is_said() {
    let served = serve().await;
    let made = base(&served).await;
    let answer = made.toolbox("POST /process/execute", &json!({"command": " "})).await;
    is_fault(&answer, 400, "BAD_REQUEST", "the command is empty");
    let answer = made.toolbox("POST /process/execute", &Value::Null).await;
    let message = "the body is not what is expected: missing field `command` at line 1 column 2";
    is_fault(&answer, 400, "INVALID_REQUEST_BODY", message);
    assert_eq!(made.toolbox("GET /process/pty", &Value::Null).await.status, 501);
    assert_eq!(made.toolbox("GET /process/pty/a/connect", &Value::Null).await.status, 501);
}

#[tokio::test]
async fn the_sandbox_tells_of_itself() {
    let served = serve().await;
    let made = create(&served, json!({"env": {"OWN": "1"}})).await;
    for (path, expected) in [
        ("user-home-dir", json!({"dir": "/home/user"})),
        ("work-dir", json!({"dir": "/home/user"})),
        ("port", json!({"ports": []})),
        ("port/80/in-use", json!({"isInUse": false})),
    ] {
        let answer = made.toolbox(&format!("GET /{path}"), &Value::Null).await;
        assert_eq!((answer.status, answer.json()), (200, expected), "{path}");
    }
    assert_eq!(made.toolbox("POST /env", &json!({"set": {"B": "c"}})).await.status, 200);
    let answer = made.toolbox("POST /process/execute", &json!({"command": "printenv B"})).await;
    assert_eq!(answer.json()["result"], json!("c\n"));
    let answer = made.toolbox("POST /env", &json!({"unset": ["OWN"]})).await;
    assert_eq!(answer.status, 501);
    assert_eq!(made.toolbox("GET /system/metrics", &Value::Null).await.status, 501);
}
