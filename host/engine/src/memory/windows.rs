//! Memories on Windows: reserved address space, committed as it grows, the image copied in.
//!
//! Not pooled beyond one reset: writes cannot be told from reads cheaply, so a reset decommits and
//! copies the image again.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::ptr::{self, NonNull};

use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_DECOMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_NOACCESS, PAGE_READWRITE, VirtualAlloc,
    VirtualFree,
};

use super::Layout;

/// The first content of a memory.
pub(crate) struct MemoryImage {
    bytes: Vec<u8>,
}

impl MemoryImage {
    /// The first `len` bytes of the file.
    ///
    /// # Errors
    /// When the file cannot be read, or is shorter.
    pub(crate) fn new(mut file: &File, len: usize) -> io::Result<Self> {
        let mut bytes = vec![0; len];
        file.rewind()?;
        file.read_exact(&mut bytes)?;
        Ok(Self { bytes })
    }
}

/// The address space of one memory.
pub(super) struct Mapping {
    whole: NonNull<u8>,
    layout: Layout,
    accessible: usize,
}

// SAFETY: a mapping owns its address space.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(super) fn new(layout: Layout, image: Option<&MemoryImage>) -> io::Result<Self> {
        let image_len = image.map_or(0, |image| image.bytes.len());
        let whole_len = layout.reserved.checked_add(2 * layout.guard).ok_or(io::ErrorKind::OutOfMemory)?;
        if image_len > layout.minimum || layout.minimum > layout.reserved {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: a new reservation at an address of the system's choice.
        let whole = unsafe { VirtualAlloc(ptr::null(), whole_len, MEM_RESERVE, PAGE_NOACCESS) };
        let whole = NonNull::new(whole.cast()).ok_or_else(io::Error::last_os_error)?;
        let mut mapping = Self { whole, layout, accessible: 0 };
        mapping.fill(image)?;
        Ok(mapping)
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    pub(super) fn accessible(&self) -> usize {
        self.accessible
    }

    pub(super) fn base(&self) -> *mut u8 {
        // SAFETY: the guard is within the reservation.
        unsafe { self.whole.as_ptr().add(self.layout.guard) }
    }

    pub(super) fn grow_to(&mut self, new_size: usize) -> io::Result<()> {
        if new_size > self.layout.reserved {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        if new_size > self.accessible {
            // SAFETY: the range is within the reservation (checked above).
            let committed = unsafe {
                let start = self.base().add(self.accessible);
                VirtualAlloc(start.cast(), new_size - self.accessible, MEM_COMMIT, PAGE_READWRITE)
            };
            if committed.is_null() {
                return Err(io::Error::last_os_error());
            }
            self.accessible = new_size;
        }
        Ok(())
    }

    /// Puts the memory back into its first state.
    pub(super) fn reset(&mut self, image: Option<&MemoryImage>) -> io::Result<()> {
        if self.accessible > 0 {
            // SAFETY: the range was committed by this mapping and no instance uses it.
            if unsafe { VirtualFree(self.base().cast(), self.accessible, MEM_DECOMMIT) } == 0 {
                return Err(io::Error::last_os_error());
            }
            self.accessible = 0;
        }
        self.fill(image)
    }

    /// Gives the memory before `len` back to the system; it reads as zeros again.
    pub(super) fn discard(&mut self, len: usize) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        // SAFETY: the range was committed by this mapping and no instance uses it.
        let given_back = unsafe {
            VirtualFree(self.base().cast(), len, MEM_DECOMMIT) != 0
                && !VirtualAlloc(self.base().cast(), len, MEM_COMMIT, PAGE_READWRITE).is_null()
        };
        if given_back { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn fill(&mut self, image: Option<&MemoryImage>) -> io::Result<()> {
        self.grow_to(self.layout.minimum)?;
        if let Some(image) = image {
            // SAFETY: the image is no longer than the minimum (checked in `new`), just committed.
            unsafe { ptr::copy_nonoverlapping(image.bytes.as_ptr(), self.base(), image.bytes.len()) };
        }
        Ok(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the reservation is this mapping's own.
        unsafe { VirtualFree(self.whole.as_ptr().cast(), 0, MEM_RELEASE) };
    }
}
