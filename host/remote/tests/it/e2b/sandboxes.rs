//! Sandboxes: made, found again, kept, ended.

use std::time::{Duration, Instant, SystemTime};

use sandpiper_core::{
    Backend, Error, Exec, Exit, FileErrorKind, Image, Limits, Network, Refusal, SandboxRef, SandboxState,
    Spec, collect, run,
};
use sandpiper_remote::{E2b, E2bConfig, Secret};
use serde_json::{Value, json};

use super::{limited, made, program, sandbox, told};
use crate::fake::{Fake, Fault, Step};

#[tokio::test]
async fn a_spec_is_what_e2b_is_asked_for() {
    let fake = Fake::start().await;
    let backend = fake.backend();
    let spec = Spec {
        image: Image::Named("python".to_owned()),
        env: vec![("A".to_owned(), "b".to_owned())],
        lifetime: Some(Duration::from_millis(90_500)),
        metadata: [("task".to_owned(), "7 & 8".to_owned())].into(),
        ..Spec::default()
    };
    let held = made(&backend, spec).await.unwrap();
    let body = fake.body("i1");
    assert_eq!((&body["templateID"], &body["timeout"]), (&json!("python"), &json!(91)));
    assert_eq!(body["envVars"], json!({"A": "b"}));
    assert_eq!(body["allow_internet_access"], json!(false));
    assert_eq!(body["network"], json!({"allowPublicTraffic": false}));
    assert_eq!(body["metadata"]["task"], json!("7 & 8"));
    assert_eq!(body["metadata"]["sandpiper-creation"].as_str().unwrap().len(), 32);
    let key = fake.server.requests()[0].header("idempotency-key").to_owned();
    assert_eq!(body["metadata"]["sandpiper-creation"], json!(key));
    assert_eq!(held.reference().metadata["task"], "7 & 8");

    let listed = backend.list(&[("task".to_owned(), "7 & 8".to_owned())]).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].reference.clone(), listed[0].state), (held.reference(), SandboxState::Running));
    assert_eq!(backend.list(&[("task".to_owned(), "7".to_owned())]).await.unwrap(), []);
}

#[tokio::test]
async fn a_network_is_granted_as_it_is_asked_for_or_refused() {
    let fake = Fake::start().await;
    let backend = fake.backend();
    let asked = |network| Spec { network, ..Spec::default() };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let rules =
        |allow: &[&str], deny: &[&str]| asked(Network::Rules { allow: names(allow), deny: names(deny) });
    let first = made(&backend, asked(Network::Everything)).await.unwrap();
    assert_eq!(fake.body("i1")["allow_internet_access"], json!(true));
    assert_eq!(fake.body("i1")["network"]["allowOut"], Value::Null);
    let second = made(&backend, rules(&["a.org", "*.b.org"], &["a.org"])).await.unwrap();
    assert_eq!(fake.body("i2")["network"]["allowOut"], json!(["*.b.org"]));
    assert_eq!(fake.body("i2")["network"]["denyOut"], json!(["0.0.0.0/0"]));
    let third = made(&backend, rules(&["a.org"], &["a.org"])).await.unwrap();
    assert_eq!(fake.body("i3")["allow_internet_access"], json!(false));
    let err = made(&backend, rules(&["*.b.org"], &["x.b.org"])).await.err().unwrap();
    assert!(matches!(&err, Error::Refused(Refusal::NotEnforced { field: "network.deny", .. })), "{err:?}");
    assert_eq!(fake.sandboxes().len(), 3);
    drop((first, second, third));
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_found_and_killed() {
    let fake = Fake::start().await;
    // All of the tries.
    for _ in 0..3 {
        fake.fail("POST /v2/sandboxes", Fault::LoseAnswer);
    }
    let err = made(&fake.backend(), Spec::default()).await.err().unwrap();
    assert!(matches!(err, Error::Unreachable { action: "make a sandbox", .. }), "{err:?}");
    assert_eq!(fake.sandboxes(), Vec::<String>::new());
    let deleted: Vec<_> = fake.server.lines().into_iter().filter(|line| line.starts_with("DELETE")).collect();
    assert_eq!(deleted, ["DELETE /sandboxes/i1", "DELETE /sandboxes/i2", "DELETE /sandboxes/i3"]);
}

#[tokio::test]
async fn a_create_that_was_done_twice_leaves_one() {
    let fake = Fake::start().await;
    fake.fail("POST /v2/sandboxes", Fault::LoseAnswer);
    let held = sandbox(&fake).await;
    assert_eq!(fake.sandboxes(), [held.reference().id]);
}

#[tokio::test]
async fn a_create_that_is_too_slow_leaves_nothing() {
    let fake = Fake::start().await;
    fake.fail("POST /v2/sandboxes", Fault::Late(1));
    let err = made(&fake.backend(), Spec::default()).await.err().unwrap();
    assert!(matches!(err, Error::Slow { action: "make a sandbox", .. }), "{err:?}");
    assert!(fake.server.lines().contains(&"DELETE /sandboxes/i1".to_owned()));
    assert_eq!(fake.sandboxes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_sandbox_that_is_made_after_its_create_was_given_up_is_named_and_killed() {
    let fake = Fake::start().await;
    fake.fail("POST /v2/sandboxes", Fault::Late(3));
    let err = made(&fake.backend(), Spec::default()).await.err().unwrap();
    assert!(matches!(err, Error::Unreachable { action: "make a sandbox", .. }), "{err:?}");
    let creation = fake.server.requests()[0].header("idempotency-key").to_owned();
    let label = format!(
        "a sandbox with the metadata sandpiper-creation={creation} may be left until its time is over"
    );
    let text = told(&err);
    assert!(text.contains("it did not answer within 50") && text.ends_with(&label), "{text}");
    fake.until(|fake| fake.server.lines().contains(&"DELETE /sandboxes/i1".to_owned())).await;
    fake.until(|fake| fake.sandboxes().is_empty()).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_soon() {
    let fake = Fake::start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = Some(format!("http://{nobody}"));
    let begun = Instant::now();
    let away = E2b::new(E2bConfig { api_url: nobody.clone(), ..fake.config() }).unwrap();
    let err = made(&away, Spec::default()).await.err().unwrap();
    assert!(matches!(err, Error::Unreachable { action: "make a sandbox", .. }), "{err:?}");
    assert!(told(&err).contains("refused"), "{err:?}");
    assert!(matches!(away.health().await, Err(Error::Unreachable { action: "look at sandboxes", .. })));
    // The sandbox alone.
    let cut = E2b::new(E2bConfig { sandbox_url: nobody, ..fake.config() }).unwrap();
    let err = run(&cut, Spec::default(), Exec::new(["true"])).await.unwrap_err();
    assert!(matches!(err, Error::Unreachable { action: "run a command", .. }), "{err:?}");
    assert_eq!(fake.sandboxes(), Vec::<String>::new());
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_create_that_nobody_waits_for_is_closed() {
    let fake = Fake::start().await;
    let backend = fake.backend();
    let making = tokio::spawn(async move { made(&backend, Spec::default()).await.map(drop) });
    fake.until(|fake| !fake.server.requests().is_empty()).await;
    making.abort();
    fake.until(|fake| fake.server.lines().iter().any(|line| line == "DELETE /sandboxes/i1")).await;
    assert_eq!(fake.sandboxes(), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_control_plane_refuses_is_its_kind_of_error() {
    let fake = Fake::start().await;
    let refused = |status, body| fake.fail("POST /v2/sandboxes", Fault::Say(status, body));
    let message = |code: u16| json!({"code": code, "message": "no"});
    let backend = fake.backend();
    refused(401, message(401));
    let err = made(&backend, Spec::default()).await.err().unwrap();
    assert_eq!(told(&err), "the backend e2b refuses the credentials: no (HTTP 401 Unauthorized)");
    refused(409, message(409));
    let err = made(&backend, Spec::default()).await.err().unwrap();
    assert_eq!(told(&err), "the backend e2b cannot make a sandbox: no (HTTP 409 Conflict)");
    assert!(matches!(err, Error::Backend { .. }));
    let missing = Spec { image: Image::Named("missing".to_owned()), ..Spec::default() };
    let err = made(&backend, missing).await.err().unwrap();
    assert!(matches!(&err, Error::Image { image, .. } if image == "missing"), "{err:?}");
    for _ in 0..3 {
        refused(429, message(429));
    }
    let err = made(&backend, Spec::default()).await.err().unwrap();
    assert!(matches!(err, Error::RateLimited { action: "make a sandbox", .. }), "{err:?}");
    for _ in 0..2 {
        refused(502, message(502));
    }
    drop(made(&backend, Spec::default()).await.unwrap());
    fake.until(|fake| fake.sandboxes().is_empty()).await;
}

#[tokio::test]
async fn a_wrong_key_is_told_by_health() {
    let fake = Fake::start().await;
    assert!(fake.backend().health().await.unwrap().latency < Duration::from_secs(5));
    let mut config = fake.config();
    config.api_key = Secret::new("e2b_wrong");
    assert!(!format!("{config:?}").contains("e2b_wrong"));
    let err = E2b::new(config).unwrap().health().await.unwrap_err();
    assert!(matches!(&err, Error::Unauthorized { message, .. } if message.starts_with("Invalid API key")));
}

#[tokio::test]
async fn a_sandbox_is_closed_once_when_it_is_dropped_or_closed() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    held.close().await.unwrap();
    held.close().await.unwrap();
    drop(held);
    drop(sandbox(&fake).await);
    fake.until(|fake| fake.sandboxes().is_empty()).await;
    let deleted = fake.server.lines().into_iter().filter(|line| line.starts_with("DELETE")).count();
    assert_eq!(deleted, 2);
}

#[tokio::test]
async fn a_sandbox_that_is_let_go_is_connected_to_with_its_limits() {
    let fake = Fake::start().await;
    let limits = Limits { wall: Duration::from_millis(700), ..Limits::default() };
    let spec = Spec { metadata: [("a".to_owned(), "b".to_owned())].into(), ..limited(limits) };
    let held = made(&fake.backend(), spec).await.unwrap();
    held.pause().await.unwrap();
    held.pause().await.unwrap();
    let reference = held.detach().unwrap();
    let other = fake.backend();
    assert_eq!(other.list(&[]).await.unwrap()[0].state, SandboxState::Paused);
    let found = other.connect(&SandboxRef::new("e2b", &reference.id)).await.unwrap();
    assert_eq!(found.reference(), reference);
    fake.script([Step::Sleep]);
    let outcome = collect(found.spawn(Exec::new(["sleep"])).await.unwrap()).await.unwrap();
    assert_eq!(outcome.exit, Exit::Timeout);
    let err = other.connect(&SandboxRef::new("e2b", "gone")).await.err().unwrap();
    assert!(matches!(err, Error::Gone { reference } if reference.id == "gone"));
    found.close().await.unwrap();
}

#[tokio::test]
async fn a_sandbox_is_kept_alive_while_it_is_held() {
    let fake = Fake::start().await;
    let mut config = fake.config();
    config.lifetime = Duration::from_secs(10);
    let held = made(&E2b::new(config).unwrap(), Spec::default()).await.unwrap();
    fake.until(|fake| fake.timeouts("i1").len() > 1).await;
    assert_eq!(fake.timeouts("i1")[..2], [10, 10]);
    held.set_lifetime(Duration::from_secs(77)).await.unwrap();
    assert_eq!(fake.timeouts("i1").last(), Some(&77));
}

#[tokio::test]
async fn to_connect_makes_no_life_longer_that_was_set() {
    let fake = Fake::start().await;
    let lives = Spec { lifetime: Some(Duration::from_secs(90)), ..Spec::default() };
    let reference = made(&fake.backend(), lives).await.unwrap().detach().unwrap();
    let asked = async || {
        fake.backend().connect(&reference).await.unwrap().detach().unwrap();
        *fake.timeouts("i1").last().unwrap()
    };
    fake.set_end(SystemTime::now());
    assert_eq!(asked().await, 0);
    fake.set_end(SystemTime::now() + Duration::from_secs(30));
    let left = asked().await;
    assert!((20..30).contains(&left), "{left}");
    // One that is paused lives on when nobody holds it.
    let held = fake.backend().connect(&reference).await.unwrap();
    held.pause().await.unwrap();
    drop(held);
    assert_eq!(asked().await, 90);
    // It is not kept alive either, where one is that nothing was said of.
    let other = sandbox(&fake).await.detach().unwrap();
    let _held = fake.backend().connect(&other).await.unwrap();
    assert_eq!(fake.timeouts("i2"), [300, 300]);
}

#[tokio::test]
async fn what_is_left_of_a_life_is_by_the_clock_of_the_server() {
    let fake = Fake::start().await;
    let lives = Spec { lifetime: Some(Duration::from_secs(90)), ..Spec::default() };
    let reference = made(&fake.backend(), lives).await.unwrap().detach().unwrap();
    for ahead_seconds in [600, -600] {
        let now = fake.set_clock(ahead_seconds);
        fake.set_end(now + Duration::from_secs(30));
        fake.backend().connect(&reference).await.unwrap().detach().unwrap();
        let left = *fake.timeouts("i1").last().unwrap();
        assert!((20..30).contains(&left), "{ahead_seconds}: {left}");
    }
}

#[tokio::test]
async fn what_is_asked_too_often_waits_as_it_is_told() {
    let fake = Fake::start().await;
    let told: [&[(&str, &str)]; 2] = [
        &[("retry-after", "1")],
        // By the clock of the server, wherever that stands.
        &[("date", "Tue, 15 Nov 1994 08:12:31 GMT"), ("retry-after", "Tue, 15 Nov 1994 08:12:32 GMT")],
    ];
    for headers in told {
        let begun = Instant::now();
        fake.fail("POST /v2/sandboxes", Fault::TooOften(headers));
        sandbox(&fake).await.close().await.unwrap();
        assert!(begun.elapsed() >= Duration::from_secs(1), "{headers:?}");
    }
    let too_long: [&[(&str, &str)]; 2] = [
        &[("retry-after", "3600")],
        &[("date", "Tue, 15 Nov 1994 08:12:31 GMT"), ("retry-after", "Tue, 15 Nov 1994 09:12:31 GMT")],
    ];
    for headers in too_long {
        let begun = Instant::now();
        fake.fail("POST /v2/sandboxes", Fault::TooOften(headers));
        let err = made(&fake.backend(), Spec::default()).await.err().unwrap();
        let Error::RateLimited { action: "make a sandbox", retry_after, .. } = err else { panic!("{err:?}") };
        assert_eq!(retry_after, Some(Duration::from_hours(1)));
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
    assert_eq!(fake.sandboxes(), Vec::<String>::new());
}

#[tokio::test]
async fn what_else_a_sandbox_offers() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    assert_eq!(held.snapshot().await.unwrap(), Image::Named("i1:tag".to_owned()));
    let metrics = held.metrics().await.unwrap();
    assert_eq!((metrics.cpus, metrics.cpu_percent), (Some(2.0), Some(100.0)));
    assert_eq!((metrics.memory_bytes, metrics.disk_limit_bytes), (Some(10), Some(40)));
    let port = held.port(8080).await.unwrap();
    assert_eq!(port.url, "http://8080-i1.fake.test");
    let header = ("e2b-traffic-access-token".to_owned(), "traffic-token".to_owned());
    assert_eq!(port.header, Some(header));
    let fork = held.fork().await.unwrap();
    assert_eq!(fork.reference().id, "i2");
    assert_eq!(fake.timeouts("i2").last(), Some(&300));
    fork.close().await.unwrap();
    assert_eq!(fake.sandboxes(), ["i1"]);
}

#[tokio::test]
async fn a_fork_that_nobody_can_hold_is_ended() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    fake.fork_too_many(1);
    let err = held.fork().await.err().unwrap();
    assert!(told(&err).ends_with("2 sandboxes instead of one"), "{err:?}");
    assert_eq!(fake.sandboxes(), ["i1"]);
    fake.fork_too_many(0);
    fake.set_version("0.0.9");
    let err = held.fork().await.err().unwrap();
    assert!(told(&err).ends_with("envd has the version `0.0.9`"), "{err:?}");
    assert_eq!(fake.sandboxes(), ["i1"]);
    fake.set_version("");
    fake.fail("POST /sandboxes/i5/timeout", Fault::Say(500, json!({"code": 500, "message": "no"})));
    assert!(matches!(held.fork().await, Err(Error::Backend { .. })));
    fake.until(|fake| fake.sandboxes() == ["i1"]).await;
}

#[tokio::test]
async fn a_fork_whose_answer_is_lost_ends_within_a_minute() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    fake.fail("POST /sandboxes/i1/fork", Fault::LoseAnswer);
    assert!(matches!(held.fork().await, Err(Error::Unreachable { action: "fork a sandbox", .. })));
    assert_eq!(fake.timeouts("i2"), [60]);
}

#[tokio::test]
async fn a_sandbox_that_is_killed_meanwhile_is_gone_and_one_that_is_paused_is_not() {
    let fake = Fake::start().await;
    let err = program(&fake, [Step::Stdout(b"one".to_vec()), Step::Killed]).await.unwrap_err();
    assert!(matches!(err, Error::Gone { reference } if reference.to_string() == "e2b:i1"));
    let err = program(&fake, [Step::Paused]).await.unwrap_err();
    assert!(told(&err).contains("the sandbox is paused"), "{err:?}");
    let held = sandbox(&fake).await;
    fake.backend().connect(&held.reference()).await.unwrap().close().await.unwrap();
    let err = collect(held.spawn(Exec::new(["x"])).await.unwrap()).await.unwrap_err();
    assert!(matches!(err, Error::Gone { .. }), "{err:?}");
    assert_eq!(held.files().stat("/a").await.unwrap_err().kind, FileErrorKind::Gone);
    held.close().await.unwrap();
}

#[tokio::test]
async fn what_e2b_cannot_do_is_refused() {
    let fake = Fake::start().await;
    let held = sandbox(&fake).await;
    let exec = Exec { stop_at_unsupported: true, ..Exec::new(["x"]) };
    assert!(matches!(held.spawn(exec).await, Err(Error::Unsupported { .. })));
    let reserved = Spec { metadata: [("sandpiper-x".to_owned(), String::new())].into(), ..Spec::default() };
    let err = made(&fake.backend(), reserved).await.err().unwrap();
    assert!(matches!(err, Error::Refused(Refusal::NotEnforced { field: "metadata", .. })));
    assert_eq!(fake.sandboxes(), ["i1"]);
}
