//! What a guest tells of itself: `sandpiper:host/diagnostics` of the project's WIT.

use sandpiper_core::DenialReason;

use crate::{Fault, Process, Stop, memory};

/// Longest text that is taken; the guest picks the length.
const MAX_TEXT_BYTES: u16 = 1024;

impl Process {
    /// Has the process, and those that it starts, end when they ask for what the sandbox cannot do.
    pub fn stop_at_unsupported(&mut self) {
        self.stops_at_unsupported = true;
    }

    /// `unsupported`: records that the program asked for what the sandbox cannot do. The texts are
    /// taken as UTF-8, lossily, and cut at 1 KiB; addresses outside the memory give an empty text.
    ///
    /// # Errors
    /// [`Stop::Unsupported`] where [`Process::stop_at_unsupported`] was called.
    pub fn diagnostics_unsupported(
        &mut self,
        memory: &mut [u8],
        feature: u32,
        feature_length: u32,
        detail: u32,
        detail_length: u32,
    ) -> Result<(), Fault> {
        let text = |address: u32, length: u32| {
            let length = length.min(MAX_TEXT_BYTES.into());
            let bytes = memory::bytes(memory, address, length).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        self.tell_unsupported(&text(feature, feature_length), &text(detail, detail_length))
    }

    /// Records that the program asked for what the sandbox cannot do, and ends it where that is wanted. The subject is
    /// cut at 1 KiB.
    pub(crate) fn tell_unsupported(&self, feature: &str, subject: &str) -> Result<(), Fault> {
        let (subject, _) = subject.split_at(subject.floor_char_boundary(MAX_TEXT_BYTES.into()));
        self.world.deny(feature, subject, DenialReason::Unsupported);
        if self.stops_at_unsupported {
            let (operation, subject) = (feature.into(), subject.into());
            return Err(Fault::Stop(Stop::Unsupported { operation, subject }));
        }
        Ok(())
    }
}
