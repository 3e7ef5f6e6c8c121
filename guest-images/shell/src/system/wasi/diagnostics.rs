//! What the shell tells the host of itself: `sandpiper:host/diagnostics` in the canonical ABI.

#[link(wasm_import_module = "sandpiper:host/diagnostics@0.1.0")]
unsafe extern "C" {
    fn unsupported(feature: *const u8, feature_length: usize, detail: *const u8, detail_length: usize);
}

/// Tells the host of a command that the sandbox has not.
pub fn tell_absent(command: &[u8]) {
    let feature = b"command";
    // SAFETY: the host reads both texts and keeps neither.
    unsafe { unsupported(feature.as_ptr(), feature.len(), command.as_ptr(), command.len()) };
}
