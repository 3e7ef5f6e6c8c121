//! The fuzz targets: the same functions that the kernel's own tests run, so that there is one
//! generator and one model of each.
#![allow(dead_code, missing_docs, reason = "shared with the kernel's tests, which use more of it")]

#[path = "../../host/kernel/tests/it/choices.rs"]
pub mod choices;
#[path = "../../host/kernel/tests/it/descriptor_model.rs"]
pub mod descriptor_model;
#[path = "../../host/kernel/tests/it/guest.rs"]
pub mod guest;
#[path = "../../host/kernel/tests/it/host.rs"]
pub mod host;
#[path = "../../host/kernel/tests/it/hostile.rs"]
pub mod hostile;
#[path = "../../host/kernel/tests/it/path_model.rs"]
pub mod path_model;
