//! Directory listings: read once, sorted, held with the descriptor, and bounded.

use std::sync::Arc;

use sandpiper_core::DenialReason;

use crate::Errno;
use crate::abi::FileKind;
use crate::budget::Budgets;
use crate::fault::{Attempt, Failure};
use crate::file_system::Listed;
use crate::namespace::Place;
use crate::view::View;

/// Memory charged for a name besides its bytes.
const NAME_OVERHEAD_BYTES: usize = 64;

/// The names of a directory as they were when it was read, in the order of their bytes: an entry's
/// cookie is its index plus one, and two runs see one order.
#[derive(Debug)]
pub(crate) struct Listing {
    entries: Vec<Listed>,
    charge: Charge,
}

/// What a listing takes of the sandbox's budget, given back with it.
#[derive(Debug)]
struct Charge {
    budgets: Arc<Budgets>,
    bytes: u64,
}

impl Listing {
    /// Reads a directory: `.` and `..`, its names, and the mount points in it.
    ///
    /// # Errors
    /// `NOMEM` (recorded) when the listings held exceed their limit, and the host's.
    pub(crate) fn read(view: &View<'_>, place: &Place) -> Attempt<Self> {
        let charge = Charge { budgets: Arc::clone(view.world.budgets()), bytes: 0 };
        let mut listing = Self { entries: Vec::new(), charge };
        place.directory.list(view, &mut |entry| {
            if view.world.namespace().hides(place, &entry.name) { Ok(()) } else { listing.push(entry) }
        })?;
        for name in view.world.namespace().names(place) {
            match listing.entries.iter_mut().find(|entry| *entry.name == *name.as_bytes()) {
                Some(entry) => entry.kind = FileKind::Directory,
                None => listing.push(Listed {
                    name: name.as_bytes().into(),
                    ino: u64::MAX,
                    kind: FileKind::Directory,
                })?,
            }
        }
        listing.entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let ino = place.directory.stat(view)?.ino;
        let dot = |name: &str, ino| Listed { name: name.as_bytes().into(), ino, kind: FileKind::Directory };
        // The parent's number would need a walk; 0 is the witx's unknown.
        listing.entries.splice(0..0, [dot(".", ino), dot("..", 0)]);
        Ok(listing)
    }

    /// The entries from a cookie on, each with the cookie of the next.
    pub(crate) fn entries_from(&self, cookie: u64) -> impl Iterator<Item = (u64, &Listed)> {
        let start = usize::try_from(cookie).unwrap_or(usize::MAX);
        let rest = self.entries.get(start..).unwrap_or_default();
        rest.iter().zip(1_u64..).map(move |(entry, nth)| (cookie.saturating_add(nth), entry))
    }

    fn push(&mut self, entry: Listed) -> Attempt<()> {
        let bytes = u64::try_from(entry.name.len() + NAME_OVERHEAD_BYTES).unwrap_or(u64::MAX);
        if !self.charge.budgets.listing_bytes.take(bytes) {
            return Err(Failure::denied(Errno::NOMEM, DenialReason::SizeLimit));
        }
        self.charge.bytes += bytes;
        self.entries.push(entry);
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budgets.listing_bytes.give(self.bytes);
    }
}
