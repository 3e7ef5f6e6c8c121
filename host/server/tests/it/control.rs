//! The control plane of E2B.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sandpiper_core::{Image, Network};
use sandpiper_server::{ServerLimits, Stopped};
use serde_json::{Value, json};

use crate::client::{KEY, serve, serve_with};
use crate::double::{Double, MORE};

#[tokio::test]
async fn a_sandbox_is_made_of_its_template_and_told() {
    let served = serve().await;
    let body = json!({
        "templateID": "base", "timeout": 60, "metadata": { "a": "b" }, "envVars": { "X": "1" },
        "allow_internet_access": true, "autoPause": false, "autoPauseMemory": true
    });
    let place = served.create(body).await;
    let detail = served.api(&format!("GET /sandboxes/{}", place.id), &Value::Null).await.json();
    assert_eq!(detail["metadata"], json!({ "a": "b" }));
    assert_eq!(detail["templateID"], "base");
    assert_eq!(detail["state"], "running");
    assert_eq!(detail["allowInternetAccess"], false, "a client adds no network");
    assert_eq!(detail["envdAccessToken"], place.token.as_str());
    let specs = served.double.seen.specs.lock().unwrap().clone();
    assert_eq!(specs.len(), 1);
    assert_eq!(specs[0].env, [("X".to_owned(), "1".to_owned())]);
    assert_eq!(specs[0].lifetime, Some(Duration::from_mins(1)));
    assert_eq!(specs[0].metadata["a"], "b");
    assert_eq!(specs[0].network, Network::Nothing);
}

#[tokio::test]
async fn a_client_takes_network_away() {
    let served = serve().await;
    served.create(json!({ "templateID": "open" })).await;
    served.create(json!({ "templateID": "open", "allow_internet_access": false })).await;
    let networks: Vec<Network> =
        served.double.seen.specs.lock().unwrap().iter().map(|spec| spec.network.clone()).collect();
    assert_eq!(networks, [Network::Everything, Network::Nothing]);
}

#[tokio::test]
async fn without_a_key_nobody_is_let_in() {
    let served = serve().await;
    for (headers, message) in [
        (vec![], "an API key is needed in the header X-API-Key"),
        (vec![("X-API-Key", "wrong")], "the API key is not one of this server's"),
        (vec![("Authorization", "Bearer wrong")], "the API key is not one of this server's"),
    ] {
        let answer = served.request("GET /v2/sandboxes", &headers, b"").await;
        assert_eq!((answer.status, answer.json()), (401, json!({ "code": 401, "message": message })));
    }
    assert_eq!(served.request("GET /v2/sandboxes", &[("X-API-Key", KEY)], b"").await.status, 200);
}

#[tokio::test]
async fn what_is_not_offered_is_refused_by_name() {
    let served = serve().await;
    for (field, value) in [
        ("iam", json!({ "tokens": [] })),
        ("volumeMounts", json!([{ "name": "v", "path": "/v" }])),
        ("mcp", json!({ "server": {} })),
        ("autoResume", json!({ "enabled": true })),
    ] {
        let answer = served.api("POST /v2/sandboxes", &json!({ "templateID": "base", field: value })).await;
        let message = format!("`{field}` is not offered by this server; leave it out");
        assert_eq!((answer.status, answer.json()), (400, json!({ "code": 400, "message": message })));
    }
    let network = json!({ "templateID": "open", "network": { "egressProxy": { "address": "x" } } });
    let answer = served.api("POST /v2/sandboxes", &network).await;
    assert_eq!(answer.json()["message"], "`network.egressProxy` is not offered by this server; leave it out");
    let rules = json!({ "templateID": "base", "network": { "denyOut": ["10.0.0.0/8"] } });
    let answer = served.api("POST /v2/sandboxes", &rules).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.json()["message"]
            .as_str()
            .unwrap()
            .starts_with("the network of this server's sandboxes is Nothing")
    );
    let answer = served.api("POST /v2/sandboxes", &json!({ "templateID": "other" })).await;
    let message = "template \"other\" not found, expected one of: base, open";
    assert_eq!((answer.status, answer.json()), (404, json!({ "code": 404, "message": message })));
    assert_eq!(served.double.seen.specs.lock().unwrap().len(), 0);
    assert_eq!(served.api("POST /v2/sandboxes", &json!({ "templateID": "base" })).await.status, 201);
}

#[tokio::test]
async fn lists_are_filtered_and_in_pages() {
    let served = serve().await;
    let mut ids = Vec::new();
    for number in 0..3 {
        let metadata = json!({ "n": number.to_string(), "all": "a b" });
        ids.push(served.create(json!({ "templateID": "base", "metadata": metadata })).await.id);
    }
    let list = async |query: &str| {
        let answer = served.api(&format!("GET /v2/sandboxes?{query}"), &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let listed: Vec<String> = answer
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["sandboxID"].as_str().unwrap().to_owned())
            .collect();
        (listed, answer.headers.get("x-next-token").cloned())
    };
    assert_eq!(list("metadata=n%3D1").await, (vec![ids[1].clone()], None));
    assert_eq!(list("metadata=n%3D1%26all%3Da%252520b").await.0, [ids[1].clone()]);
    assert_eq!(list("metadata=n%3D7").await.0, Vec::<String>::new());
    assert_eq!(list("state=paused").await.0, Vec::<String>::new());
    let newest_first: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(list("state=running,paused").await.0, newest_first);
    let (page, token) = list("limit=2&order=asc").await;
    assert_eq!(page, ids[..2]);
    let (page, token) = list(&format!("limit=2&order=asc&nextToken={}", token.unwrap())).await;
    assert_eq!((page, token), (vec![ids[2].clone()], None));
    let (page, token) = list("limit=2").await;
    assert_eq!(page, newest_first[..2]);
    let next = list(&format!("limit=2&nextToken={}", token.unwrap())).await;
    assert_eq!(next, (vec![ids[0].clone()], None));
    for query in ["limit=0", "limit=101", "order=up", "metadata=n", "startedAfter=noon"] {
        assert_eq!(
            served.api(&format!("GET /v2/sandboxes?{query}"), &Value::Null).await.status,
            400,
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_sandbox_that_is_killed_is_gone() {
    let served = serve().await;
    let place = served.base().await;
    let kill = format!("DELETE /sandboxes/{}", place.id);
    assert_eq!(served.api(&kill, &Value::Null).await.status, 204);
    assert_eq!(served.double.seen.closed.load(Ordering::Relaxed), 1);
    let answer = served.api(&kill, &Value::Null).await;
    assert_eq!((answer.status, &answer.json()["code"]), (404, &json!(404)));
    let answer = place.call("process.Process/List", json!({})).await;
    let expected = json!({ "sandboxId": place.id, "message": "The sandbox was not found", "code": 502 });
    assert_eq!((answer.status, answer.json()), (502, expected));
    assert_eq!(place.request("GET /health", &[], b"").await.status, 502);
}

#[tokio::test]
async fn a_life_ends_by_itself_and_can_be_made_longer() {
    let served = serve().await;
    let long = served.base().await;
    let answer = served.api(&format!("POST /sandboxes/{}/timeout", long.id), &json!({ "timeout": 0 })).await;
    assert_eq!(answer.status, 204);
    loop {
        // The end is the expiry task's, which is woken at once.
        if served.api(&format!("GET /sandboxes/{}", long.id), &Value::Null).await.status == 404 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(served.double.seen.closed.load(Ordering::Relaxed), 1);
    let other = served.base().await;
    let timeout = format!("POST /sandboxes/{}/timeout", other.id);
    assert_eq!(served.api(&timeout, &json!({ "timeout": 500 })).await.status, 204);
    assert_eq!(served.double.seen.calls.lock().unwrap().last().unwrap(), "lifetime 500");
    let refresh = format!("POST /sandboxes/{}/refreshes", other.id);
    assert_eq!(served.api(&refresh, &json!({ "duration": 5 })).await.status, 204);
    let last = served.double.seen.calls.lock().unwrap().last().unwrap().clone();
    assert_eq!(last, "lifetime 500", "a refresh makes no life shorter");
    let answer = served.api(&timeout, &json!({ "timeout": 1_000_000 })).await;
    let message = "a sandbox may live 86400 seconds at most, not 1000000";
    assert_eq!((answer.status, answer.json()["message"].as_str()), (400, Some(message)));
}

#[tokio::test]
async fn without_the_backend_the_server_sets_aside_what_does_not_run() {
    let served = serve().await;
    let place = served.base().await;
    let mut running = place.start("wait", &[]).await;
    running.frame().await;
    let pause = format!("POST /sandboxes/{}/pause", place.id);
    let answer = served.api(&pause, &json!({})).await;
    assert_eq!(answer.status, 501);
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("the backend double cannot keep what runs in the sandbox"), "{message}");
    assert_eq!(served.api(&pause, &json!({ "memory": false })).await.status, 204);
    assert_eq!(running.frame().await.1["error"]["code"], "unavailable");
    assert_eq!(served.api(&pause, &json!({})).await.status, 409);
    assert_eq!(place.call("process.Process/List", json!({})).await.status, 502);
    let detail = served.api(&format!("GET /sandboxes/{}", place.id), &Value::Null).await.json();
    assert_eq!(detail["state"], "paused");
    let connect = format!("POST /v2/sandboxes/{}/connect", place.id);
    assert_eq!(served.api(&connect, &json!({ "timeout": 60 })).await.status, 201);
    assert_eq!(served.api(&connect, &json!({ "timeout": 60 })).await.status, 200);
    assert_eq!(place.call("process.Process/List", json!({})).await.json(), json!({ "processes": [] }));
    assert_eq!(served.api("POST /sandboxes/none/connect", &json!({})).await.status, 404);
}

#[tokio::test]
async fn a_backend_that_can_is_asked() {
    let served = serve_with(Double::new(MORE), ServerLimits::default()).await;
    let place = served.base().await;
    assert_eq!(
        place
            .request("POST /files?path=kept", &[("Content-Type", "application/octet-stream")], b"1")
            .await
            .status,
        200
    );
    let path = |rest: &str| format!("{rest}/sandboxes/{}", place.id);
    assert_eq!(served.api(&format!("{}/pause", path("POST ")), &json!({})).await.status, 204);
    assert_eq!(served.api(&format!("{}/connect", path("POST ")), &json!({})).await.status, 201);
    assert_eq!(place.request("GET /files?path=kept", &[], b"").await.body, b"1");
    let calls = served.double.seen.calls.lock().unwrap().clone();
    assert_eq!(calls[..2], ["pause 0", "connect 0"]);

    let metrics = served.api(&format!("{}/metrics", path("GET ")), &Value::Null).await.json();
    assert_eq!((&metrics[0]["cpuCount"], &metrics[0]["memUsed"]), (&json!(2), &json!(7)));
    let snapshot = served.api(&format!("{}/snapshots", path("POST ")), &json!({ "name": "mine" })).await;
    let expected = json!({ "snapshotID": "mine:default", "names": ["mine:default"] });
    assert_eq!((snapshot.status, snapshot.json()), (201, expected.clone()));
    let twice = served.api(&format!("{}/snapshots", path("POST ")), &json!({ "name": "mine" })).await;
    assert_eq!(twice.status, 409);
    assert_eq!(served.api("GET /snapshots", &Value::Null).await.json(), json!([expected]));
    served.create(json!({ "templateID": "mine:default" })).await;
    let image = served.double.seen.specs.lock().unwrap().last().unwrap().image.clone();
    assert_eq!(image, Image::Named("snapshot-of-0".to_owned()));
    assert_eq!(served.api("DELETE /templates/mine%3Adefault", &Value::Null).await.status, 204);
    assert_eq!(served.api("DELETE /templates/mine%3Adefault", &Value::Null).await.status, 404);
    assert_eq!(served.api("DELETE /templates/base", &Value::Null).await.status, 400);

    let forks = served.api(&format!("{}/fork", path("POST ")), &json!({ "count": 2 })).await.json();
    assert_eq!(forks.as_array().unwrap().len(), 2);
    assert_ne!(forks[0]["sandbox"]["sandboxID"], forks[1]["sandbox"]["sandboxID"]);
}

#[tokio::test]
async fn a_backend_that_cannot_says_so() {
    let served = serve().await;
    let place = served.base().await;
    for (call, operation) in
        [("GET {}/metrics", "metrics"), ("POST {}/snapshots", "snapshot"), ("POST {}/fork", "fork")]
    {
        let line = call.replace("{}", &format!("/sandboxes/{}", place.id));
        let answer = served.api(&line, &Value::Null).await;
        let message = format!("the backend double does not offer this: {operation}");
        assert_eq!((answer.status, answer.json()), (501, json!({ "code": 501, "message": message })));
    }
}

#[tokio::test]
async fn stopping_closes_all_sandboxes() {
    let served = serve().await;
    let place = served.base().await;
    served.base().await;
    let mut running = place.start("wait", &[]).await;
    running.frame().await;
    let double = served.double.clone();
    let closed = {
        let served = served;
        served.stop().await
    };
    assert_eq!(closed, Stopped { closed: 2, failed: Vec::new() });
    assert_eq!(double.seen.closed.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn what_nobody_knows_is_a_json_error() {
    let served = serve().await;
    let answer = served.api("GET /v9/anything", &Value::Null).await;
    let message = "GET /v9/anything is not offered by this server";
    assert_eq!((answer.status, answer.json()), (404, json!({ "code": 404, "message": message })));
    let place = served.base().await;
    let answer = place.request("GET /", &[("E2b-Sandbox-Port", "8000")], b"").await;
    assert_eq!(answer.status, 502);
    assert!(answer.json()["message"].as_str().unwrap().contains("port is not open"));
}

#[tokio::test]
async fn a_life_that_ends_in_a_pause_is_gone_on_with() {
    let served = serve_with(Double::new(MORE), ServerLimits::default()).await;
    let place = served.create(json!({ "templateID": "base", "timeout": 30, "autoPause": true })).await;
    let lifetime = served.double.seen.specs.lock().unwrap()[0].lifetime;
    assert_eq!(lifetime, Some(Duration::from_secs(90)), "the backend does not close it at its pause");
    let octets = [("Content-Type", "application/octet-stream")];
    assert_eq!(place.request("POST /files?path=kept", &octets, b"1").await.status, 200);
    let mut running = place.start("wait", &[]).await;
    running.frame().await;
    let path = |rest: &str| format!("{rest}/sandboxes/{}", place.id);
    let timeout = format!("{}/timeout", path("POST "));
    assert_eq!(served.api(&timeout, &json!({ "timeout": 0 })).await.status, 204);
    let state = async || served.api(&path("GET "), &Value::Null).await.json()["state"].clone();
    while state().await == "running" {
        tokio::task::yield_now().await;
    }
    assert_eq!(state().await, "paused");
    let connected = served.api(&format!("{}/connect", path("POST ")), &json!({ "timeout": 40 })).await;
    assert_eq!(connected.status, 201);
    assert_eq!(place.request("GET /files?path=kept", &[], b"").await.body, b"1");
    let calls = served.double.seen.calls.lock().unwrap().clone();
    assert_eq!(calls, ["lifetime 60", "pause 0", "connect 0", "lifetime 100"]);
}

#[tokio::test]
async fn a_snapshot_that_is_deleted_is_removed_and_missed_by_no_sandbox() {
    let served = serve_with(Double::new(MORE), ServerLimits::default()).await;
    let place = served.base().await;
    let snapshots = format!("POST /sandboxes/{}/snapshots", place.id);
    assert_eq!(served.api(&snapshots, &json!({ "name": "one" })).await.status, 201);
    let made = served.create(json!({ "templateID": "one:default" })).await;
    assert_eq!(served.api("DELETE /templates/one%3Adefault", &Value::Null).await.status, 204);
    let removed = "remove snapshot-of-0".to_owned();
    assert_eq!(served.double.seen.calls.lock().unwrap().last(), Some(&removed));
    let key = format!("Bearer {KEY}");
    let daytona = [("Authorization", &*key)];
    assert_eq!(served.request("GET /api/sandbox", &daytona, b"").await.status, 200);
    let home = format!("GET /toolbox/{}/user-home-dir", made.id);
    assert_eq!(served.request(&home, &daytona, b"").await.status, 200);
    let of_it = format!("POST /sandboxes/{}/snapshots", made.id);
    assert_eq!(served.api(&of_it, &json!({ "name": "two" })).await.status, 201);
    let seen = served.double.seen.clone();
    served.stop().await;
    let removed = "remove snapshot-of-1".to_owned();
    assert_eq!(seen.calls.lock().unwrap().last(), Some(&removed), "nobody knows it any more");
}
