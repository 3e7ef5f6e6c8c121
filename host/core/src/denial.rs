//! What a guest was refused, and why.

use serde::{Deserialize, Serialize};

/// One refusal: what the guest tried, where, and why it was not let.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// The operation, by its WASI name (`path_open`) or by the limit's (`memory.grow`).
    pub operation: String,
    /// The guest path or the thing it was tried on; empty where there is none.
    pub subject: String,
    /// The reason.
    pub reason: DenialReason,
    /// How many times the very same was refused.
    pub count: u64,
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DenialReason {
    /// The mount is read-only.
    ReadOnly,
    /// The path leads out of its mount.
    Escape,
    /// The descriptor lacks the right.
    Rights,
    /// A name that means a device or a stream on the host's platform.
    ReservedName,
    /// A name of git's own directory where it is hidden.
    GitDirectory,
    /// Memory limit.
    MemoryLimit,
    /// Table limit.
    TableLimit,
    /// Open descriptors limit.
    DescriptorLimit,
    /// Limit of processes.
    ProcessLimit,
    /// Files limit.
    FileLimit,
    /// Private in-memory file system full.
    TmpLimit,
    /// Bytes written to mounts.
    DiskLimit,
    /// Bytes written to stdout and stderr.
    OutputLimit,
    /// A path, an I/O vector or a list longer than allowed.
    SizeLimit,
    /// WASI has it, sandpiper does not offer it.
    Unsupported,
}

/// Denials of one run: identical ones are counted, distinct ones are bounded.
#[derive(Clone, Debug, Default)]
pub struct DenialLog {
    denials: Vec<Denial>,
}

impl DenialLog {
    /// Distinct denials kept; a guest picks the subjects, so their number is bounded.
    const MAX_DISTINCT: usize = 256;
    /// Longest subject kept, in bytes.
    const MAX_SUBJECT_BYTES: usize = 256;

    /// Records a refusal. A subject is cut at 256 bytes, and after 256 distinct refusals new ones
    /// are counted on the last.
    pub fn record(&mut self, operation: &str, subject: &str, reason: DenialReason) {
        let subject = shorten(subject, Self::MAX_SUBJECT_BYTES);
        let same = self.denials.iter_mut().find(|denial| {
            denial.operation == operation && denial.subject == subject && denial.reason == reason
        });
        if let Some(denial) = same {
            denial.count = denial.count.saturating_add(1);
        } else if self.denials.len() < Self::MAX_DISTINCT {
            self.denials.push(Denial {
                operation: operation.to_owned(),
                subject: subject.to_owned(),
                reason,
                count: 1,
            });
        } else if let Some(last) = self.denials.last_mut() {
            last.count = last.count.saturating_add(1);
        }
    }

    /// The denials, in the order of their first occurrence.
    pub fn as_slice(&self) -> &[Denial] {
        &self.denials
    }

    /// Takes the denials out.
    pub fn take(&mut self) -> Vec<Denial> {
        std::mem::take(&mut self.denials)
    }
}

fn shorten(text: &str, max_bytes: usize) -> &str {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_denial_is_counted_once() {
        let mut log = DenialLog::default();
        log.record("path_open", "/a", DenialReason::ReadOnly);
        log.record("path_open", "/a", DenialReason::ReadOnly);
        assert_eq!(log.as_slice().len(), 1);
        assert_eq!(log.as_slice()[0].count, 2);
    }

    #[test]
    fn distinct_denials_are_bounded_and_none_is_uncounted() {
        let mut log = DenialLog::default();
        for index in 0..1000 {
            log.record("path_open", &index.to_string(), DenialReason::ReadOnly);
        }
        assert_eq!(log.as_slice().len(), 256);
        assert_eq!(log.as_slice().iter().map(|denial| denial.count).sum::<u64>(), 1000);
    }

    #[test]
    fn a_long_subject_is_cut_on_a_character() {
        let mut log = DenialLog::default();
        log.record("path_open", &"é".repeat(300), DenialReason::SizeLimit);
        assert_eq!(log.as_slice()[0].subject, "é".repeat(128));
    }
}
