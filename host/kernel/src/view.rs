//! What a path walk sees: the sandbox, and the descriptors of the process that walks.

use crate::abi::FileKind;
use crate::descriptors::Descriptors;
use crate::fault::Attempt;
use crate::file_system::Listed;
use crate::world::World;

/// The sandbox as one process sees it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) world: &'a World,
    pub(crate) descriptors: &'a Descriptors,
}

impl View<'_> {
    /// The guest's real time.
    pub(crate) fn now_ns(&self) -> u64 {
        self.world.now_ns()
    }

    /// The open descriptor that a name in `/dev/fd` means.
    pub(crate) fn has_descriptor(&self, name: &str) -> Option<u32> {
        let fd: u32 = name.parse().ok()?;
        let canonical =
            name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
        (canonical && self.descriptors.get(fd).is_ok()).then_some(fd)
    }

    /// Gives every open descriptor to `each`.
    pub(crate) fn list_descriptors(&self, each: &mut dyn FnMut(Listed) -> Attempt<()>) -> Attempt<()> {
        for fd in self.descriptors.open() {
            let name = fd.to_string().into_bytes().into_boxed_slice();
            each(Listed { name, ino: u64::from(fd) + 1, kind: FileKind::CharacterDevice })?;
        }
        Ok(())
    }
}
