//! Sandboxes are made, found, changed and ended.

use sandpiper_core::Network;
use sandpiper_server::ServerLimits;
use serde_json::{Value, json};

use super::{base, call, create, is_fault};
use crate::client::{serve, serve_with};
use crate::double::{Double, MORE};

#[tokio::test]
async fn without_a_key_nobody_is_let_in() {
    let served = serve().await;
    let made = base(&served).await;
    for line in ["GET /api/sandbox", &made.line("toolbox", "GET /version"), "POST /api/sandbox"] {
        let answer = served.request(line, &[], b"").await;
        let message = "no API key was given, expected the header `Authorization: Bearer KEY`";
        is_fault(&answer, 401, "UNAUTHORIZED", message);
        let answer = served.request(line, &[("Authorization", "Bearer sword")], b"").await;
        is_fault(&answer, 401, "UNAUTHORIZED", "the API key is not one of this server's");
    }
}

#[tokio::test]
async fn a_fault_says_where_it_is_from() {
    let served = serve().await;
    let body = call(&served, "GET /api/sandbox/none", &Value::Null).await.json();
    let told = (&body["path"], &body["method"], &body["source"]);
    assert_eq!(told, (&json!("/sandbox/none"), &json!("GET"), &json!("DAYTONA_API")));
    let body = call(&served, "GET /toolbox/none/version", &Value::Null).await.json();
    assert_eq!((&body["statusCode"], &body["source"]), (&json!(404), &json!("DAYTONA_DAEMON")));
}

#[tokio::test]
async fn a_sandbox_is_told_with_all_that_the_sdks_ask_for() {
    let served = serve().await;
    let asked = json!({
        "name": "one", "snapshot": "open", "env": {"A": "b"}, "labels": {"l": "m"}, "networkBlockAll": true,
        "autoStopInterval": 5, "autoDeleteInterval": 7, "volumes": [],
    });
    let made = create(&served, asked).await;
    let told = call(&served, "GET /api/sandbox/one", &Value::Null).await.json();
    for (field, expected) in [
        ("id", json!(made.id)),
        ("name", json!("one")),
        ("organizationId", json!("local")),
        ("snapshot", json!("open")),
        ("user", json!("user")),
        ("env", json!({"A": "b"})),
        ("labels", json!({"l": "m"})),
        ("public", json!(false)),
        ("networkBlockAll", json!(true)),
        ("kvm", json!(false)),
        ("target", json!("local")),
        ("cpu", json!(1)),
        ("gpu", json!(0)),
        ("memory", json!(1)),
        ("disk", json!(1)),
        ("state", json!("started")),
        ("autoStopInterval", json!(5)),
        ("autoArchiveInterval", json!(10_080)),
        ("autoDeleteInterval", json!(7)),
    ] {
        assert_eq!(told[field], expected, "{field}");
    }
    let proxy = told["toolboxProxyUrl"].as_str().unwrap();
    assert!(proxy.starts_with("http://127.0.0.1:") && proxy.ends_with("/toolbox"), "{proxy}");
    assert_eq!(served.double.seen.specs.lock().unwrap()[0].network, Network::Nothing);
}

#[tokio::test]
async fn a_sandbox_of_another_face_is_there_too() {
    let served = serve().await;
    let other = served.base().await;
    let told = call(&served, &format!("GET /api/sandbox/{}", other.id), &Value::Null).await.json();
    assert_eq!((&told["name"], &told["autoStopInterval"]), (&json!(other.id), &json!(0)));
}

#[tokio::test]
async fn what_would_be_ignored_is_refused() {
    let served = serve().await;
    let refuse = async |body: Value| call(&served, "POST /api/sandbox", &body).await;
    let answer = refuse(json!({"kvm": true})).await;
    is_fault(&answer, 400, "BAD_REQUEST", "`kvm` is not offered here: there is no virtual machine");
    let answer = refuse(json!({"name": "a/b"})).await;
    is_fault(
        &answer,
        400,
        "BAD_REQUEST",
        "`a/b` is no name, expected 1 to 128 letters, digits, `-`, `_` and `.`",
    );
    let answer = refuse(json!({"domainAllowList": "a.org"})).await;
    assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("BAD_REQUEST")));
    let answer = refuse(json!({"surprise": 1})).await;
    assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("INVALID_REQUEST_BODY")));
    assert_eq!(served.double.seen.specs.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_name_is_free_again_when_its_sandbox_is_gone() {
    let served = serve().await;
    let one = create(&served, json!({"name": "one"})).await;
    let again = call(&served, "POST /api/sandbox", &json!({"name": "one"})).await;
    is_fault(&again, 409, "CONFLICT", "there is a sandbox `one` already");
    let gone = one.api("DELETE ", &Value::Null).await;
    assert_eq!((gone.status, &gone.json()["state"]), (200, &json!("destroyed")));
    create(&served, json!({"name": "one"})).await;
}

#[tokio::test]
async fn lists_go_page_by_page_and_by_what_is_asked() {
    let served = serve().await;
    for name in ["a", "b", "c"] {
        create(&served, json!({"name": name, "labels": {"kind": "test"}})).await;
    }
    create(&served, json!({"name": "d"})).await;
    let labels = "labels=%7B%22kind%22%3A%22test%22%7D&sort=name&order=asc";
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = call(&served, &format!("GET /api/sandbox?{labels}&limit=2"), &Value::Null).await.json();
    assert_eq!(names(&first), ["a", "b"]);
    let cursor = first["nextCursor"].as_str().unwrap();
    let line = format!("GET /api/sandbox?{labels}&limit=2&cursor={cursor}");
    let second = call(&served, &line, &Value::Null).await.json();
    assert_eq!((names(&second), &second["nextCursor"]), (vec!["c".to_owned()], &Value::Null));
    let stopped = call(&served, "GET /api/sandbox?states=stopped", &Value::Null).await.json();
    assert_eq!(names(&stopped), Vec::<String>::new());
}

#[tokio::test]
async fn a_stopped_sandbox_runs_nothing_until_it_is_started() {
    let served = serve().await;
    let made = base(&served).await;
    let session = made.toolbox("POST /process/session", &json!({"sessionId": "s"})).await;
    assert_eq!(session.status, 201);
    assert_eq!(made.api("POST /stop", &Value::Null).await.json()["state"], json!("stopped"));
    let answer = made.toolbox("POST /process/execute", &json!({"command": "echo a"})).await;
    is_fault(&answer, 409, "CONFLICT", &format!("the sandbox {} is paused", made.id));
    assert_eq!(made.api("POST /archive", &Value::Null).await.json()["state"], json!("archived"));
    assert_eq!(made.api("POST /start", &Value::Null).await.json()["state"], json!("started"));
    let answer = made.toolbox("POST /process/execute", &json!({"command": "echo a"})).await;
    assert_eq!(answer.json(), json!({"exitCode": 0, "result": "a\n"}));
    assert_eq!(made.toolbox("GET /process/session", &Value::Null).await.json(), json!([]));
}

#[tokio::test]
async fn what_runs_is_archived_and_an_ephemeral_one_is_gone_when_it_stops() {
    let served = serve().await;
    let made = create(&served, json!({"autoDeleteInterval": 0})).await;
    let answer = made.api("POST /archive", &Value::Null).await;
    let message = format!("the sandbox {} runs; stop it before it is archived", made.id);
    is_fault(&answer, 409, "CONFLICT", &message);
    assert_eq!(made.api("POST /stop", &Value::Null).await.json()["state"], json!("destroyed"));
    assert_eq!(made.api("GET ", &Value::Null).await.status, 404);
}

#[tokio::test]
async fn pause_fork_and_snapshot_are_the_backends() {
    let served = serve_with(Double::new(MORE), ServerLimits::default()).await;
    let made = base(&served).await;
    let forked = made.api("POST /fork", &json!({"name": "twin"})).await;
    assert_eq!((forked.status, &forked.json()["name"]), (200, &json!("twin")));
    assert_eq!(made.api("POST /snapshot", &json!({"name": "kept"})).await.status, 200);
    let kept = call(&served, "GET /api/snapshots/kept", &Value::Null).await.json();
    assert_eq!((&kept["sourceSandboxId"], &kept["general"]), (&json!(made.id), &json!(false)));
    create(&served, json!({"snapshot": "kept"})).await;
    assert_eq!(call(&served, "DELETE /api/snapshots/kept", &Value::Null).await.status, 200);
    assert_eq!(call(&served, "GET /api/snapshots/kept", &Value::Null).await.status, 404);
    assert_eq!(made.api("POST /pause", &Value::Null).await.json()["state"], json!("paused"));
    assert_eq!(made.api("POST /start", &Value::Null).await.json()["state"], json!("started"));
}

#[tokio::test]
async fn what_a_backend_lacks_is_said() {
    let served = serve().await;
    let made = base(&served).await;
    let fork = made.api("POST /fork", &json!({})).await;
    is_fault(&fork, 501, "NOT_IMPLEMENTED", "the backend double does not offer this: fork");
    let preview = made.api("GET /ports/3000/preview-url", &Value::Null).await;
    assert_eq!(preview.status, 501);
    assert!(preview.json()["message"].as_str().unwrap().starts_with("port 3000 of the sandbox"));
}

#[tokio::test]
async fn settings_are_kept() {
    let served = serve().await;
    let made = base(&served).await;
    for (path, field, expected) in [
        ("autostop/3", "autoStopInterval", json!(3)),
        ("autoarchive/4", "autoArchiveInterval", json!(4)),
        ("autodelete/5", "autoDeleteInterval", json!(5)),
        ("autodelete/-1", "autoDeleteInterval", json!(-1)),
    ] {
        let answer = made.api(&format!("POST /{path}"), &Value::Null).await;
        assert_eq!((answer.status, &answer.json()[field]), (200, &expected), "{path}");
    }
    let labels = json!({"labels": {"a": "b"}});
    assert_eq!(made.api("PUT /labels", &labels).await.json(), labels);
    assert_eq!(made.api("GET ", &Value::Null).await.json()["labels"], labels["labels"]);
    let answer = made.api("POST /autostop/-1", &Value::Null).await;
    is_fault(&answer, 400, "BAD_REQUEST", "an interval of -1 minutes is not valid, expected 0 or more");
    assert_eq!(made.api("POST /ttl/1", &Value::Null).await.status, 200);
    assert_eq!(made.api("POST /ttl/100000", &Value::Null).await.status, 400);
}

#[tokio::test]
async fn a_snapshot_that_is_not_there_makes_the_request_wrong() {
    let served = serve().await;
    let answer = call(&served, "POST /api/sandbox", &json!({"snapshot": "none"})).await;
    is_fault(&answer, 400, "BAD_REQUEST", "template \"none\" not found, expected one of: base, open");
    assert_eq!(call(&served, "GET /api/snapshots/none", &Value::Null).await.status, 404);
}

#[tokio::test]
async fn what_else_there_is() {
    let served = serve().await;
    assert_eq!(call(&served, "GET /api/volumes", &Value::Null).await.json(), json!([]));
    assert_eq!(call(&served, "GET /api/volumes/by-name/v", &Value::Null).await.status, 404);
    let config = call(&served, "GET /api/config", &Value::Null).await.json();
    assert_eq!(config["defaultSnapshot"], json!("base"));
    let page = call(&served, "GET /api/snapshots?limit=1&page=2", &Value::Null).await.json();
    assert_eq!(
        (&page["items"][0]["name"], &page["total"], &page["totalPages"]),
        (&json!("open"), &json!(2), &json!(2))
    );
    assert_eq!(call(&served, "GET /api/socket.io/", &Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_time_to_live_ends_what_is_stopped_and_without_one_it_stays() {
    let served = serve_with(Double::new(MORE), ServerLimits::default()).await;
    let (mortal, other) = (create(&served, json!({"ttlMinutes": 1})).await, base(&served).await);
    for made in [&mortal, &other] {
        let timeout = format!("POST /sandboxes/{}/timeout", made.id);
        assert_eq!(served.api(&timeout, &json!({"timeout": 1})).await.status, 204);
        assert_eq!(made.api("POST /stop", &Value::Null).await.json()["state"], json!("stopped"));
    }
    while mortal.api("GET ", &Value::Null).await.status == 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(other.api("GET ", &Value::Null).await.json()["state"], json!("stopped"));
    assert_eq!(other.api("POST /start", &Value::Null).await.json()["state"], json!("started"));
    let day = (24 * 60 * 60).to_string();
    assert_eq!(served.double.seen.calls.lock().unwrap().last(), Some(&format!("lifetime {day}")));
}
