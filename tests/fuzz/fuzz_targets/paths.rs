//! Every path leads where the model says, and nothing changes outside of the mounts.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sandpiper_fuzz::path_model::run(bytes));
