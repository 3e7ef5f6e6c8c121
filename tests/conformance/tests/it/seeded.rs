//! Each fault breaks the claims that are about it, and each claim is broken by a fault.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use sandpiper_conformance::{Claim, Suite, Verdict, claims};

use crate::double::Double;
use crate::faults::{Seed, seeds};

/// A fault makes many a claim wait for what never comes.
const PATIENCE: Duration = Duration::from_secs(3);

/// Waiting takes no processor.
const AT_A_TIME: usize = 12;

async fn verdict(seed: &Seed, claim: &Claim) -> Verdict {
    let double = Double::new(seed.capabilities, seed.fault);
    Suite::new(&double).patience(PATIENCE).check(claim).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_breaks_the_claims_that_are_about_it() {
    let named = |name: &str| *claims().find(|claim| claim.name == name).unwrap_or_else(|| panic!("{name}"));
    let seeds = seeds();
    let pairs: Vec<(&Seed, Claim)> =
        seeds.iter().flat_map(|seed| seed.breaks().map(move |name| (seed, named(name)))).collect();
    let wrong: Vec<String> = stream::iter(pairs)
        .map(async |(seed, claim)| match verdict(seed, &claim).await {
            Verdict::Broken(_) => None,
            other => Some(format!("{} with {seed:?}: {other:?}", claim.name)),
        })
        .buffer_unordered(AT_A_TIME)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    assert!(wrong.is_empty(), "{} claims are blind:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_claim_is_broken_by_a_fault() {
    let broken: BTreeSet<&str> = seeds().iter().flat_map(Seed::breaks).collect();
    let never: Vec<&str> = claims().map(|claim| claim.name).filter(|name| !broken.contains(name)).collect();
    assert!(never.is_empty(), "{} claims: {never:#?}", never.len());
}
