//! What clients may use is bounded.

use std::time::Duration;

use sandpiper_server::{ApiKeys, ConfigError, Server, ServerLimits};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::client::{config, serve_with};
use crate::double::{CAPABILITIES, Double};

fn limits() -> ServerLimits {
    ServerLimits {
        body_bytes: 10_000,
        sandboxes: 2,
        processes: 2,
        watchers: 1,
        interpreters: 1,
        metadata_bytes: 20,
        output_bytes: 2_000,
        ..ServerLimits::default()
    }
}

#[tokio::test]
async fn sandboxes_are_bounded() {
    let served = serve_with(Double::new(CAPABILITIES), limits()).await;
    let first = served.base().await;
    served.base().await;
    let answer = served.api("POST /v2/sandboxes", &json!({ "templateID": "base" })).await;
    let message = "the server holds 2 sandboxes, and may hold no more; close one before";
    assert_eq!((answer.status, answer.json()), (429, json!({ "code": 429, "message": message })));
    assert_eq!(answer.headers["should-retry"], "false");
    assert_eq!(served.api(&format!("DELETE /sandboxes/{}", first.id), &Value::Null).await.status, 204);
    served.base().await;
}

#[tokio::test]
async fn processes_are_bounded_and_ended_ones_give_way() {
    let served = serve_with(Double::new(CAPABILITIES), limits()).await;
    let place = served.base().await;
    let mut first = place.start("wait", &[]).await;
    first.frame().await;
    for _ in 0..3 {
        place.start("echo a", &[]).await.answer().await;
    }
    let mut second = place.start("wait", &[]).await;
    second.frame().await;
    let frames = place.start("echo a", &[]).await.answer().await.frames();
    let message = "the sandbox has 2 processes, and may have no more";
    assert_eq!(frames, [(2, json!({ "error": { "code": "resource_exhausted", "message": message } }))]);
}

#[tokio::test]
async fn output_that_nobody_takes_is_bounded_and_the_command_goes_on() {
    let served = serve_with(Double::new(CAPABILITIES), limits()).await;
    let place = served.base().await;
    let mut running = place.start("wait_first; flood 100", &[]).await;
    running.frame().await;
    drop(running);
    loop {
        let listed = place.call("process.Process/List", json!({})).await.json();
        if listed["processes"] == json!([]) {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn watchers_interpreters_metadata_and_bodies_are_bounded() {
    let served = serve_with(Double::new(CAPABILITIES), limits()).await;
    let place = served.base().await;
    let watch = async || place.call("filesystem.Filesystem/CreateWatcher", json!({ "path": "." })).await;
    assert_eq!(watch().await.status, 200);
    let answer = watch().await;
    assert_eq!((answer.status, &answer.json()["code"]), (429, &json!("resource_exhausted")));

    let headers = [("Content-Type", "application/json")];
    assert_eq!(place.request("POST /contexts", &headers, b"{}").await.status, 200);
    let answer = place.request("POST /contexts", &headers, b"{}").await;
    let message = "the sandbox has 1 interpreters, and may have no more";
    assert_eq!((answer.status, answer.json()["message"].as_str()), (429, Some(message)));

    for field in ["metadata", "envVars"] {
        let body = json!({ "templateID": "base", field: { "name": "x".repeat(17) } });
        assert_eq!(served.api("POST /v2/sandboxes", &body).await.status, 400, "{field}");
    }
    let octets = [("Content-Type", "application/octet-stream")];
    let answer = place.request("POST /files?path=a", &octets, &[0; 10_001]).await;
    assert_eq!(answer.status, 400);
    assert_eq!(place.request("POST /files?path=a", &octets, &[0; 10_000]).await.status, 200);
    let answer = place.request("POST /process.Process/Start", &[], &[0, 0, 0, 0x27, 0x11]).await;
    let message = "a message has 10001 bytes, expected at most 10000";
    let expected = json!({ "error": { "code": "invalid_argument", "message": message } });
    assert_eq!(answer.frames(), [(2, expected)]);
}

#[tokio::test]
async fn variables_of_commands_to_come_and_input_that_is_shown_are_bounded() {
    let served = serve_with(Double::new(CAPABILITIES), ServerLimits::default()).await;
    let made = crate::daytona::base(&served).await;
    let set = async |set: Value| made.toolbox("POST /env", &json!({ "set": set })).await.status;
    assert_eq!(set(json!({ "A": "x".repeat(60 << 10) })).await, 200);
    assert_eq!(set(json!({ "B": "x".repeat(5 << 10) })).await, 400);
    assert_eq!(set(json!({ "A=B": "" })).await, 400);
    let printed = made.toolbox("POST /process/execute", &json!({ "command": "printenv B" })).await;
    assert_eq!(printed.json()["result"], "\n", "what is refused changes nothing");

    made.toolbox("POST /process/session", &json!({ "sessionId": "s" })).await;
    let command = json!({ "command": "wait", "runAsync": true });
    let begun = made.toolbox("POST /process/session/s/exec", &command).await.json();
    let path = format!("/process/session/s/command/{}", begun["cmdId"].as_str().unwrap());
    for length in [600 << 10, 600 << 10, 1] {
        let answer =
            made.toolbox(&format!("POST {path}/input"), &json!({ "data": "i".repeat(length) })).await;
        assert_eq!(answer.status, 204);
    }
    let logs = made.toolbox(&format!("GET {path}/logs"), &Value::Null).await.json();
    assert_eq!(logs["stdout"], "i".repeat(600 << 10) + "\n");
    assert_eq!(logs["stderr"], "sandpiper: no more of the session's input is shown here\n");
}

#[tokio::test]
async fn who_does_nothing_gives_way_and_who_is_answered_does_not() {
    let limits = ServerLimits { connections: 3, ..ServerLimits::default() };
    let served = serve_with(Double::new(CAPABILITIES), limits).await;
    let place = served.base().await;
    let mut running = place.start("wait", &[]).await;
    running.frame().await;
    let mut half_heads = Vec::new();
    for _ in 0..5 {
        let mut stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
        half_heads.push(stream);
    }
    // Far less than the time that a head may take.
    let answer = tokio::time::timeout(Duration::from_secs(10), served.api("GET /v2/sandboxes", &Value::Null));
    assert_eq!(answer.await.unwrap().status, 200);
    let signal = json!({ "process": { "pid": 1 }, "signal": "SIGNAL_SIGKILL" });
    assert_eq!(place.call("process.Process/SendSignal", signal).await.status, 200);
    assert!(running.frame().await.1["event"]["end"].is_object());
}

#[test]
fn a_configuration_that_contradicts_itself_is_refused() {
    let double = Double::new(CAPABILITIES);
    let refused = |change: &dyn Fn(&mut sandpiper_server::ServerConfig)| {
        let mut config = config(&double, ServerLimits::default());
        change(&mut config);
        Server::new(config).err()
    };
    assert_eq!(refused(&|_| {}), None);
    assert_eq!(refused(&|config| config.keys = ApiKeys::new([""])), Some(ConfigError::NoKey));
    let unknown = ConfigError::DefaultTemplate { name: "x".to_owned(), known: "base, open".to_owned() };
    assert_eq!(refused(&|config| config.default_template = "x".to_owned()), Some(unknown));
    let none = ConfigError::Limit { limit: "connections", value: 0 };
    assert_eq!(refused(&|config| config.limits.connections = 0), Some(none));
    let (default, max) = (Duration::from_mins(5), Duration::from_secs(1));
    let longer = ConfigError::Lifetime { default, max };
    assert_eq!(refused(&|config| config.limits.max_lifetime = max), Some(longer));
}

#[test]
fn a_key_is_not_printed() {
    let config = config(&Double::new(CAPABILITIES), ServerLimits::default());
    let printed = format!(
        "{config:?}{:?}",
        Server::new(self::config(&Double::new(CAPABILITIES), ServerLimits::default()))
    );
    assert!(!printed.contains(crate::client::KEY), "{printed}");
}
