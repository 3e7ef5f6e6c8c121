//! No calls of a guest make the kernel panic or reach beyond mounts and limits.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sandpiper_fuzz::hostile::run(bytes));
