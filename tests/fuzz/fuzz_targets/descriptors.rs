//! The descriptor table and what descriptors share are as the model says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sandpiper_fuzz::descriptor_model::run(bytes));
