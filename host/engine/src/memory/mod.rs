//! The memories and stacks of guests: reserved once, pooled, and put back into their first state
//! between runs by undoing only what was written (I11).
//!
//! A memory starts as a private copy-on-write mapping of its image's file, so that starting costs
//! nothing and only written pages cost anything. The platform's part is in `unix` (with `pagemap`
//! on Linux) and `windows`.

#[cfg(target_os = "linux")]
mod pagemap;
#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;
mod stack;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

pub(crate) use platform::MemoryImage;
pub(crate) use stack::StackPool;

/// Address space of a memory: all that a 32-bit guest can address, so that it never moves and
/// bounds are checked by the hardware.
pub(crate) const RESERVATION_BYTES: u64 = 4 << 30;

/// Unused memories kept for the next runs of an image; more are unmapped.
const MAX_IDLE: usize = 32;

/// Has the C allocator give back what it keeps between what is still used; only glibc's has to be
/// asked.
pub(crate) fn trim_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes a number, and locks the allocator itself.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Makes the memories of one image's instances.
#[derive(Clone, Default)]
pub(crate) struct MemoryPool {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    image: OnceLock<MemoryImage>,
    idle: Mutex<Vec<platform::Mapping>>,
}

impl MemoryPool {
    /// Has the memories start as `image` and not as zeros; to be called once, before the first
    /// memory is made.
    pub(crate) fn start_as(&self, image: MemoryImage) {
        let set = self.shared.image.set(image);
        debug_assert!(set.is_ok(), "a pool has one image");
    }

    /// Unmaps the memories that no instance uses.
    pub(crate) fn trim(&self) {
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

// SAFETY: a memory is reserved, guarded and accessible as asked for (checked in `Mapping::new`),
// never moves, is handed to one instance at a time, and holds its image or zeros when handed out.
unsafe impl MemoryCreator for MemoryPool {
    fn new_memory(
        &self,
        _ty: MemoryType,
        minimum: usize,
        _maximum: Option<usize>,
        reserved_size_in_bytes: Option<usize>,
        guard_size_in_bytes: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let layout = Layout {
            minimum,
            reserved: reserved_size_in_bytes.ok_or("the engine asks for a memory that may move")?,
            guard: guard_size_in_bytes,
        };
        let idle = {
            let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.pop_if(|mapping| mapping.layout() == layout)
        };
        let mapping = match idle {
            Some(mapping) => mapping,
            None => platform::Mapping::new(layout, self.shared.image.get())
                .map_err(|err| format!("cannot reserve a memory of {minimum} bytes: {err}"))?,
        };
        Ok(Box::new(PooledMemory { mapping: Some(mapping), shared: Arc::clone(&self.shared) }))
    }
}

/// Sizes of a memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// Accessible at first.
    minimum: usize,
    /// Reserved for growth.
    reserved: usize,
    /// Inaccessible before and after.
    guard: usize,
}

struct PooledMemory {
    /// `None` only while dropping.
    mapping: Option<platform::Mapping>,
    shared: Arc<Shared>,
}

impl PooledMemory {
    fn mapping(&self) -> &platform::Mapping {
        self.mapping.as_ref().expect("a memory has its mapping until it is dropped")
    }
}

// SAFETY: the mapping is stable for the life of this object and grows in place within its
// reservation.
unsafe impl LinearMemory for PooledMemory {
    fn byte_size(&self) -> usize {
        self.mapping().accessible()
    }

    fn byte_capacity(&self) -> usize {
        self.mapping().layout().reserved
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        let mapping = self.mapping.as_mut().expect("a memory has its mapping until it is dropped");
        Ok(mapping.grow_to(new_size)?)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.mapping().base()
    }
}

impl Drop for PooledMemory {
    fn drop(&mut self) {
        let Some(mut mapping) = self.mapping.take() else { return };
        // A memory that cannot be put back is unmapped instead.
        if mapping.reset(self.shared.image.get()).is_err() {
            return;
        }
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(mapping);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LAYOUT: Layout = Layout { minimum: 4 << 16, reserved: 1 << 30, guard: 1 << 16 };

    fn image(bytes: &[u8]) -> MemoryImage {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        MemoryImage::new(&file, bytes.len()).unwrap()
    }

    #[expect(clippy::mut_from_ref, reason = "the mapping is memory that the test alone writes")]
    fn bytes(mapping: &platform::Mapping) -> &mut [u8] {
        // SAFETY: the test has the only mapping and reads within what is accessible.
        unsafe { std::slice::from_raw_parts_mut(mapping.base(), mapping.accessible()) }
    }

    #[test]
    fn a_reset_memory_is_its_image_then_zeros() {
        let first: Vec<u8> = (0..2 << 16).map(|index: u32| (index % 251) as u8 + 1).collect();
        let image = image(&first);
        let mut mapping = platform::Mapping::new(LAYOUT, Some(&image)).unwrap();
        for round in 0..3 {
            assert_eq!(&bytes(&mapping)[..first.len()], first, "round {round}");
            assert!(bytes(&mapping)[first.len()..].iter().all(|byte| *byte == 0), "round {round}");
            for index in (0..LAYOUT.minimum).step_by(3 * 4096 + 17 + round) {
                bytes(&mapping)[index] = 0xAA;
            }
            mapping.grow_to(LAYOUT.minimum + (3 << 16)).unwrap();
            bytes(&mapping)[LAYOUT.minimum..].fill(0xBB);
            mapping.reset(Some(&image)).unwrap();
            assert_eq!(mapping.accessible(), LAYOUT.minimum);
        }
    }

    #[test]
    fn a_memory_written_all_over_is_reset() {
        let layout = Layout { minimum: 32 << 20, ..LAYOUT };
        let image = image(&vec![7; 20 << 20]);
        let mut mapping = platform::Mapping::new(layout, Some(&image)).unwrap();
        bytes(&mapping).fill(0xCC);
        mapping.reset(Some(&image)).unwrap();
        assert!(bytes(&mapping)[..20 << 20].iter().all(|byte| *byte == 7));
        assert!(bytes(&mapping)[20 << 20..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn discarded_memory_is_zeros_and_the_rest_stays() {
        let mut mapping = platform::Mapping::new(LAYOUT, None).unwrap();
        bytes(&mapping).fill(0xEE);
        mapping.discard(1 << 16).unwrap();
        assert!(bytes(&mapping)[..1 << 16].iter().all(|byte| *byte == 0));
        assert!(bytes(&mapping)[1 << 16..].iter().all(|byte| *byte == 0xEE));
    }

    #[test]
    fn growth_after_a_reset_shows_zeros() {
        let mut mapping = platform::Mapping::new(LAYOUT, None).unwrap();
        mapping.grow_to(LAYOUT.minimum + (1 << 16)).unwrap();
        bytes(&mapping).fill(0xDD);
        mapping.reset(None).unwrap();
        mapping.grow_to(LAYOUT.minimum + (1 << 16)).unwrap();
        assert!(bytes(&mapping).iter().all(|byte| *byte == 0));
    }

    #[test]
    fn growth_beyond_the_reservation_is_an_error() {
        let mut mapping = platform::Mapping::new(LAYOUT, None).unwrap();
        assert!(mapping.grow_to(LAYOUT.reserved).is_ok());
        assert!(mapping.grow_to(LAYOUT.reserved + (1 << 16)).is_err());
    }
}
