//! Memories on Linux and macOS: mappings that are copy-on-write over the image's file.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mmap_anonymous, mprotect, munmap};

use super::Layout;

/// The first content of a memory: a file, and a read-only view of it to copy from.
pub(crate) struct MemoryImage {
    file: File,
    view: View,
}

impl MemoryImage {
    /// The first `len` bytes of the file, which must not change while this lives; a multiple of
    /// the page size.
    ///
    /// # Errors
    /// When the file cannot be mapped.
    pub(crate) fn new(file: &File, len: usize) -> io::Result<Self> {
        let file = file.try_clone()?;
        // SAFETY: a new mapping at an address of the system's choice.
        let base = unsafe { mmap(ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE, &file, 0) }?;
        Ok(Self { file, view: View { base: non_null(base)?, len } })
    }

    fn len(&self) -> usize {
        self.view.len
    }
}

/// A mapping that is unmapped on drop.
struct View {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a view owns its mapping; access to the bytes is up to the owner.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the range is the mapping that this view owns.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// The address space of one memory.
pub(super) struct Mapping {
    /// Guard, reservation, guard.
    whole: View,
    layout: Layout,
    accessible: usize,
}

impl Mapping {
    pub(super) fn new(layout: Layout, image: Option<&MemoryImage>) -> io::Result<Self> {
        let image_len = image.map_or(0, MemoryImage::len);
        let whole_len = layout.reserved.checked_add(2 * layout.guard).ok_or(io::ErrorKind::OutOfMemory)?;
        if image_len > layout.minimum || layout.minimum > layout.reserved {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address of the system's choice.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), whole_len, ProtFlags::empty(), flags) }?;
        let mapping = Self {
            whole: View { base: non_null(base)?, len: whole_len },
            layout,
            accessible: layout.minimum,
        };
        mapping.map_image(image)?;
        mapping.map_zeros(image_len, layout.minimum)?;
        Ok(mapping)
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    pub(super) fn accessible(&self) -> usize {
        self.accessible
    }

    pub(super) fn base(&self) -> *mut u8 {
        self.at(0).cast()
    }

    pub(super) fn grow_to(&mut self, new_size: usize) -> io::Result<()> {
        if new_size > self.layout.reserved {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        if new_size > self.accessible {
            let read_write = MprotectFlags::READ | MprotectFlags::WRITE;
            // SAFETY: the range is within this mapping's reservation (checked above).
            unsafe { mprotect(self.at(self.accessible), new_size - self.accessible, read_write) }?;
            self.accessible = new_size;
        }
        Ok(())
    }

    /// Puts the memory back into its first state.
    pub(super) fn reset(&mut self, image: Option<&MemoryImage>) -> io::Result<()> {
        if self.accessible > self.layout.minimum {
            let (start, len) = (self.layout.minimum, self.accessible - self.layout.minimum);
            self.map_anonymous(start, len, ProtFlags::empty())?;
            self.accessible = self.layout.minimum;
        }
        #[cfg(target_os = "linux")]
        if self.undo_writes(image).is_ok() {
            return Ok(());
        }
        self.map_image(image)?;
        self.map_zeros(image.map_or(0, MemoryImage::len), self.layout.minimum)
    }

    /// Gives the memory before `len` back to the system; it reads as zeros again.
    pub(super) fn discard(&mut self, len: usize) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        {
            use rustix::mm::{Advice, madvise};

            debug_assert!(len <= self.accessible, "what is discarded is accessible");
            // SAFETY: the range is anonymous memory of this mapping, which no instance uses now.
            unsafe { madvise(self.at(0), len, Advice::LinuxDontNeed) }.map_err(Into::into)
        }
        #[cfg(not(target_os = "linux"))]
        self.map_zeros(0, len)
    }

    /// Copies the image over the pages that were written, and gives those beyond a bound back to
    /// the system.
    #[cfg(target_os = "linux")]
    fn undo_writes(&self, image: Option<&MemoryImage>) -> io::Result<()> {
        use rustix::mm::{Advice, madvise};

        /// Written pages that stay resident for the next run; undoing one costs some 0.2 us, a
        /// page fault 3 us and more.
        const KEEP_RESIDENT_BYTES: usize = 8 << 20;

        let image_len = image.map_or(0, MemoryImage::len);
        let mut kept = 0;
        super::pagemap::written(self.base(), self.layout.minimum, |start, len| {
            if kept + len > KEEP_RESIDENT_BYTES {
                // SAFETY: the range is within this mapping; its pages become the file's or zeros.
                return unsafe { madvise(self.at(start), len, Advice::LinuxDontNeed) }.map_err(Into::into);
            }
            kept += len;
            let from_image = image_len.saturating_sub(start).min(len);
            // SAFETY: the range is accessible memory of this mapping, which no instance uses now;
            // the image is a different mapping and has `image_len` bytes.
            unsafe {
                let target = self.base().add(start);
                if let Some(image) = image {
                    ptr::copy_nonoverlapping(
                        image.view.base.as_ptr().add(start.min(image_len)),
                        target,
                        from_image,
                    );
                }
                ptr::write_bytes(target.add(from_image), 0, len - from_image);
            }
            Ok(())
        })
    }

    fn map_image(&self, image: Option<&MemoryImage>) -> io::Result<()> {
        let Some(image) = image.filter(|image| image.len() > 0) else { return Ok(()) };
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        let read_write = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the range is within this mapping (the image is no longer than the minimum), and
        // no instance uses it.
        unsafe { mmap(self.at(0), image.len(), read_write, flags, &image.file, 0) }?;
        Ok(())
    }

    fn map_zeros(&self, start: usize, end: usize) -> io::Result<()> {
        self.map_anonymous(start, end.saturating_sub(start), ProtFlags::READ | ProtFlags::WRITE)
    }

    fn map_anonymous(&self, start: usize, len: usize, protection: ProtFlags) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        // SAFETY: callers pass ranges within the reservation that no instance uses.
        unsafe { mmap_anonymous(self.at(start), len, protection, flags) }?;
        Ok(())
    }

    fn at(&self, offset: usize) -> *mut c_void {
        debug_assert!(offset <= self.layout.reserved, "an offset is within the reservation");
        // SAFETY: guard and reservation are within the mapping.
        unsafe { self.whole.base.as_ptr().add(self.layout.guard + offset).cast() }
    }
}

fn non_null(pointer: *mut c_void) -> io::Result<NonNull<u8>> {
    NonNull::new(pointer.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}
