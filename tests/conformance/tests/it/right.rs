//! A double that is right keeps all claims, whatever it offers.

use sandpiper_conformance::{Suite, Verdict, claims};
use sandpiper_core::Capabilities;

use crate::double::{ABLE, Double, UNABLE};
use crate::faults::{ENDING, MINUTES, MOUNTING, MOUNTING_BYTES, SECLUDED};

async fn keeps_all(capabilities: Capabilities, only: Option<&str>, least: usize) {
    let double = Double::new(capabilities, None);
    let report = Suite::new(&double).at_a_time(8).run(only).await;
    assert!(report.is_kept() && report.kept() >= least, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_backend_keeps_all_claims() {
    keeps_all(ABLE, None, 250).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_backend_that_offers_little_keeps_all_claims() {
    keeps_all(UNABLE, None, 240).await;
}

#[tokio::test]
async fn what_is_not_offered_is_refused_by_backends_that_offer_other_things() {
    keeps_all(ENDING, Some("what_runs_ends"), 1).await;
    keeps_all(MINUTES, Some("lifetime"), 3).await;
    keeps_all(SECLUDED, Some("network_is_refused"), 1).await;
    keeps_all(MOUNTING, Some("mounts_"), 3).await;
    keeps_all(MOUNTING_BYTES, Some("a_count_of_files"), 1).await;
}

#[tokio::test]
async fn a_claim_is_skipped_by_capabilities_alone() {
    let double = Double::new(UNABLE, None);
    let report = Suite::new(&double).run(Some("a_dropped_sandbox_is_gone")).await;
    assert!(!report.is_kept());
    let told: Vec<String> = report.not_applicable().map(|(name, need)| format!("{name}: {need}")).collect();
    assert_eq!(told, ["a_dropped_sandbox_is_gone: has `connect`"]);
}

#[test]
fn there_are_claims_enough_and_each_has_a_name_of_its_own() {
    let mut names: Vec<&str> = claims().map(|claim| claim.name).collect();
    assert!(names.len() >= 290, "{}", names.len());
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
}

#[tokio::test]
async fn a_report_tells_what_was_expected_and_what_was_seen() {
    let double = Double::new(ABLE, Some(crate::fault::Fault::DropsStderr));
    let report = Suite::new(&double).run(Some("stdout_and_stderr_arrive_apart")).await;
    let [(_, Verdict::Broken(why))] = &*report.verdicts else { panic!("{report}") };
    assert_eq!(why, "stderr: expected 4 bytes, saw 0; from byte 0 on \"err\\n\" was expected, \"\" seen");
}
