//! A service that lacks something is not asked for it.

use sandpiper_core::{Backend, Capabilities, Error, Lack, Network, Refusal, Spec, admit};
use sandpiper_remote::{Daytona, DaytonaConfig, E2b, Secret};

use crate::fake::{Fake, KEY};

const LACKS: [Lack; 6] =
    [Lack::NetworkEverything, Lack::Pause, Lack::Snapshot, Lack::Fork, Lack::Ports, Lack::Metrics];

#[track_caller]
fn is_less(usual: Capabilities, lacking: Capabilities) {
    assert_eq!(lacking, usual.without(&LACKS));
    assert!(usual.ports && !lacking.ports && lacking.signals);
}

#[tokio::test]
async fn what_e2b_lacks_is_refused_before_it_is_asked() {
    let fake = Fake::start().await;
    let mut config = fake.config();
    config.lacks = LACKS.to_vec();
    let backend = E2b::new(config).unwrap();
    let image = Spec::default().image;
    let offered = backend.capabilities(&image);
    is_less(fake.backend().capabilities(&image), offered);
    let networked = Spec { network: Network::Everything, ..Spec::default() };
    let refused = admit(networked, backend.name(), offered).unwrap_err();
    assert!(matches!(refused, Refusal::NotEnforced { field: "network", .. }), "{refused:?}");

    let held = backend.create(admit(Spec::default(), backend.name(), offered).unwrap()).await.unwrap();
    let asked = fake.server.lines().len();
    let operations = [
        held.pause().await.err(),
        held.snapshot().await.err(),
        held.fork().await.err(),
        held.metrics().await.err(),
        held.port(80).await.err(),
    ];
    let refused = operations.map(|err| match err {
        Some(Error::Unsupported { backend, operation }) if backend == "e2b" => operation,
        other => panic!("{other:?}"),
    });
    assert_eq!(refused, ["pause", "snapshot", "fork", "metrics", "ports"]);
    assert_eq!(fake.server.lines().len(), asked);
}

#[test]
fn what_daytona_lacks_is_not_among_its_capabilities() {
    let mut config = DaytonaConfig::new("http://127.0.0.1:1/api", Secret::new(KEY));
    let image = Spec::default().image;
    let usual = Daytona::new(config.clone()).unwrap().capabilities(&image);
    config.lacks = LACKS.to_vec();
    is_less(usual, Daytona::new(config).unwrap().capabilities(&image));
}
