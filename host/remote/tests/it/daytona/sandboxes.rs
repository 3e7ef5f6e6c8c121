//! Sandboxes: made, found, set aside, forked, deleted.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sandpiper_core::{
    Backend, Error, Exit, Image, Limits, Metrics, Network, Refusal, SandboxRef, SandboxState, Spec, SpecError,
};

use super::daemon::Daemon;
use super::{backend, create, here, run, shell, until};

fn noted(task: &str) -> Spec {
    Spec { metadata: [("task".to_owned(), task.to_owned())].into(), ..Spec::default() }
}

#[tokio::test]
async fn a_sandbox_is_waited_for_and_closed() {
    let daemon = Daemon::new();
    daemon.looks_until_started.store(3, Ordering::SeqCst);
    let server = daemon.start().await;
    let sandbox = create(&backend(&server.url), noted("7")).await.unwrap();
    assert_eq!(sandbox.reference().to_string(), "daytona:box-0");
    assert_eq!(sandbox.reference().metadata, [("task".to_owned(), "7".to_owned())].into());
    let made = daemon.sandboxes.lock().unwrap()["box-0"].clone();
    assert_eq!((&made.request["networkBlockAll"], &made.labels["task"]), (&true.into(), &"7".into()));
    sandbox.close().await.unwrap();
    sandbox.close().await.unwrap();
    assert_eq!(daemon.ids(), Vec::<String>::new());
    assert_eq!(server.lines().iter().filter(|line| line.starts_with("DELETE")).count(), 1);
}

#[tokio::test]
async fn dropping_a_sandbox_deletes_it_and_detaching_does_not() {
    let here = here(Spec::default()).await;
    drop(here.sandbox);
    until(|| here.daemon.ids().is_empty()).await;
    let sandbox = create(&backend(&here.server.url), Spec::default()).await.unwrap();
    let reference = sandbox.detach().unwrap();
    let again = backend(&here.server.url).connect(&reference).await.unwrap();
    assert_eq!(here.daemon.ids(), [reference.id]);
    again.close().await.unwrap();
    assert_eq!(here.daemon.ids(), Vec::<String>::new());
}

#[tokio::test]
async fn who_connects_has_the_metadata_and_the_limits() {
    let limits = Limits { output_bytes: 3, ..Limits::default() };
    let here = here(Spec { limits, ..noted("7") }).await;
    let reference = here.sandbox.detach().unwrap();
    let bare = SandboxRef::new("daytona", reference.id.clone());
    let again = backend(&here.server.url).connect(&bare).await.unwrap();
    assert_eq!(again.reference(), reference);
    let outcome = run(&*again, shell("echo 12345")).await.unwrap();
    assert_eq!((outcome.exit.code(), outcome.stdout.bytes), (153, b"123".to_vec()));
}

#[tokio::test]
async fn a_sandbox_that_is_gone_is_gone() {
    let here = here(Spec::default()).await;
    let reference = SandboxRef::new("daytona", "box-9");
    let err = backend(&here.server.url).connect(&reference).await.map(drop).unwrap_err();
    assert!(matches!(err, Error::Gone { reference } if reference.id == "box-9"));
    here.sandbox.close().await.unwrap();
    let err = run(&*here.sandbox, shell("true")).await.unwrap_err();
    assert!(matches!(&err, Error::Gone { reference } if reference.id == "box-0"), "{err}");
    let err = here.sandbox.files().stat("/").await.unwrap_err();
    assert_eq!(err.to_string(), "cannot look at /: the sandbox is gone");
}

#[tokio::test]
async fn a_sandbox_is_set_aside_and_goes_on() {
    let here = here(Spec::default()).await;
    here.sandbox.pause().await.unwrap();
    let err = run(&*here.sandbox, shell("true")).await.unwrap_err();
    assert_eq!(
        err.to_string(),
        "the backend daytona cannot run a command: the sandbox is stopped; connect to it to go on"
    );
    let daytona = backend(&here.server.url);
    assert_eq!(daytona.list(&[]).await.unwrap()[0].state, SandboxState::Paused);
    let reference = here.sandbox.detach().unwrap();
    let again = daytona.connect(&reference).await.unwrap();
    assert_eq!(run(&*again, shell("exit 4")).await.unwrap().exit, Exit::Code { code: 4 });
}

#[tokio::test]
async fn sandboxes_are_listed_over_pages_by_their_metadata() {
    let daemon = Daemon::new();
    let server = daemon.start().await;
    let daytona = backend(&server.url);
    for task in ["1", "2", "2", "2", "3"] {
        create(&daytona, noted(task)).await.unwrap().detach().unwrap();
    }
    let ids = |found: Vec<sandpiper_core::SandboxInfo>| {
        found.into_iter().map(|info| info.reference.id).collect::<Vec<_>>()
    };
    let all = daytona.list(&[]).await.unwrap();
    assert_eq!(all[0].created, Some(humantime::parse_rfc3339("2026-01-01T00:00:00Z").unwrap()));
    assert_eq!((all[0].expires, all[0].state), (None, SandboxState::Running));
    assert_eq!(ids(all), ["box-0", "box-1", "box-2", "box-3", "box-4"]);
    let of = ("task".to_owned(), "2".to_owned());
    assert_eq!(ids(daytona.list(&[of]).await.unwrap()), ["box-1", "box-2", "box-3"]);
}

#[tokio::test]
async fn a_lifetime_is_counted_from_now() {
    let here = here(Spec { lifetime: Some(Duration::from_mins(7)), ..Spec::default() }).await;
    let minutes = || here.daemon.sandboxes.lock().unwrap()["box-0"].ttl_minutes.unwrap();
    assert_eq!(minutes(), 7);
    here.sandbox.set_lifetime(Duration::from_mins(10)).await.unwrap();
    assert_eq!(minutes(), 10);
    let err = here.sandbox.set_lifetime(Duration::from_secs(59)).await.unwrap_err();
    assert!(matches!(err, Error::Refused(Refusal::Spec(SpecError::Limits(_)))), "{err}");
}

#[tokio::test]
async fn forks_snapshots_ports_and_metrics_are_those_of_the_api() {
    let here = here(noted("7")).await;
    let fork = here.sandbox.fork().await.unwrap();
    assert_eq!(fork.reference().to_string(), "daytona:box-1");
    assert_eq!(fork.reference().metadata, here.sandbox.reference().metadata);
    assert_eq!(here.daemon.sandboxes.lock().unwrap()["box-1"].labels["task"], "7");
    let Image::Named(name) = here.sandbox.snapshot().await.unwrap() else { panic!("a file") };
    assert!(name.starts_with("sandpiper-"));
    let address = here.sandbox.port(8080).await.unwrap();
    assert_eq!(address.url, "http://8080-box-0.local");
    assert_eq!(address.header, Some(("x-daytona-preview-token".to_owned(), "t0ken-of-port".to_owned())));
    assert_eq!(
        here.sandbox.metrics().await.unwrap(),
        Metrics {
            cpus: Some(2.0),
            cpu_percent: Some(25.0),
            memory_bytes: Some(10),
            memory_limit_bytes: Some(20),
            disk_bytes: Some(30),
            disk_limit_bytes: Some(40),
        }
    );
    assert!(backend(&here.server.url).health().await.unwrap().latency < Duration::from_secs(5));
}

#[tokio::test]
async fn rules_of_the_network_are_passed_on_or_refused() {
    let daemon = Daemon::new();
    let server = daemon.start().await;
    let daytona = backend(&server.url);
    let rules = |allow: &[&str]| Network::Rules {
        allow: allow.iter().map(|rule| (*rule).to_owned()).collect(),
        deny: Vec::new(),
    };
    let spec = Spec { network: rules(&["10.0.0.0/8", "example.org"]), ..Spec::default() };
    create(&daytona, spec).await.unwrap().detach().unwrap();
    let request = daemon.sandboxes.lock().unwrap()["box-0"].request.clone();
    assert_eq!(
        (&request["networkAllowList"], &request["domainAllowList"]),
        (&"10.0.0.0/8".into(), &"example.org".into())
    );
    let err =
        create(&daytona, Spec { network: rules(&["::1"]), ..Spec::default() }).await.map(drop).unwrap_err();
    assert_eq!(
        err.to_string(),
        "the network rule `allow ::1` cannot be enforced by daytona, expected an IPv4 address, a range such as 10.0.0.0/8, \
         a host such as example.org, or *.example.org"
    );
    assert_eq!(daemon.ids(), ["box-0"]);
}
