//! What a guest tells of itself: `sandpiper:host/diagnostics` of the project's WIT.

use sandpiper_core::DenialReason;

use crate::{Process, memory};

/// Longest text that is taken; the guest picks the length.
const MAX_TEXT_BYTES: u32 = 1024;

impl Process {
    /// `unsupported`: records that the program asked for what the sandbox cannot do. The texts are
    /// taken as UTF-8, lossily, and cut at 1 KiB; addresses outside the memory give an empty text.
    pub fn diagnostics_unsupported(
        &mut self,
        memory: &mut [u8],
        feature: u32,
        feature_length: u32,
        detail: u32,
        detail_length: u32,
    ) {
        let text = |address: u32, length: u32| {
            let bytes = memory::bytes(memory, address, length.min(MAX_TEXT_BYTES)).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let (feature, detail) = (text(feature, feature_length), text(detail, detail_length));
        self.world.deny(&feature, &detail, DenialReason::Unsupported);
    }
}
