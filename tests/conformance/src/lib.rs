//! The contract of backends as a suite of claims, to which each backend is held.
//!
//! Only what [`Capabilities`](sandpiper_core::Capabilities) names may differ between backends. So a claim is
//! skipped for a capability that is missing (or, where it is about what happens without it, for one that is
//! there), and never for the name of a backend.
//!
//! ```no_run
//! # async fn check(backend: &dyn sandpiper_core::Backend) {
//! let report = sandpiper_conformance::Suite::new(backend).run(None).await;
//! assert!(report.is_kept(), "{report}");
//! # }
//! ```

mod claim;
mod claims;
mod context;
mod live;
mod place;
mod report;
mod suite;
mod wrong;

pub use claim::{Claim, Need};
pub use claims::claims;
pub use context::Context;
pub use report::{Report, Verdict};
pub use suite::Suite;
pub use wrong::Wrong;
