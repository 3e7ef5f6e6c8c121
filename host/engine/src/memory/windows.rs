//! Memories on Windows: a copy-on-write view of the image's file, and behind it reserved address
//! space that is committed as the memory grows.
//!
//! A view cannot be laid into a reservation there. So a memory with an image is three neighbours:
//! the guard before it, the view, and the rest. Their address is found by reserving all of it and
//! giving that back; what another thread takes meanwhile makes a call fail, never share, and the
//! next address is tried. (Placeholders of Windows 10 would do without; Wine 8 has none to test with.)
//!
//! A reset maps the view anew. Which pages were written cannot be asked reliably there: the system
//! may have written them out meanwhile.

use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{self, NonNull};

use windows_sys::Win32::Foundation::ERROR_INVALID_ADDRESS;
use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP_COPY, MEM_COMMIT, MEM_DECOMMIT, MEM_RELEASE, MEM_RESERVE,
    MEMORY_MAPPED_VIEW_ADDRESS, MapViewOfFileEx, PAGE_NOACCESS, PAGE_READWRITE, PAGE_WRITECOPY,
    UnmapViewOfFile, VirtualAlloc, VirtualFree,
};

use super::Layout;

/// How often an address is looked for while other threads take it.
const MAX_RACES: u32 = 32;

/// The first content of a memory: a section of a file.
pub(crate) struct MemoryImage {
    section: OwnedHandle,
    len: usize,
}

impl MemoryImage {
    /// The first `len` bytes of the file, which must not change while this lives; a multiple of
    /// 64 KiB.
    ///
    /// # Errors
    /// When the file cannot be mapped, or is shorter.
    pub(crate) fn new(file: &File, len: usize) -> io::Result<Self> {
        // To Windows, zero is the whole file.
        if len == 0 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let bytes = u64::try_from(len).map_err(io::Error::other)?;
        let high = u32::try_from(bytes >> 32).map_err(io::Error::other)?;
        let low = u32::try_from(bytes & u64::from(u32::MAX)).map_err(io::Error::other)?;
        // SAFETY: the handle is open, and neither security attributes nor a name are given.
        let section = unsafe {
            CreateFileMappingW(file.as_raw_handle(), ptr::null(), PAGE_WRITECOPY, high, low, ptr::null())
        };
        if section.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the handle is new, and nobody else's.
        Ok(Self { section: unsafe { OwnedHandle::from_raw_handle(section) }, len })
    }
}

/// The address space of one memory.
pub(super) struct Mapping {
    base: NonNull<u8>,
    layout: Layout,
    accessible: usize,
    /// The image's pages; none where there is no image.
    view: Option<View>,
    /// The guard before the view, where there is one.
    _before: Option<Reservation>,
    /// What is behind the view; without one, all.
    _rest: Reservation,
}

// SAFETY: a mapping owns its address space.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    pub(super) fn new(layout: Layout, image: Option<&MemoryImage>) -> io::Result<Self> {
        let image_len = image.map_or(0, |image| image.len);
        let whole_len = layout.reserved.checked_add(2 * layout.guard).ok_or(io::ErrorKind::OutOfMemory)?;
        if image_len > layout.minimum || layout.minimum > layout.reserved {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut mapping = if let Some(image) = image {
            Self::over(image, layout, whole_len)?
        } else {
            let rest = Reservation::new(None, whole_len)?;
            let base = offset(rest.start, layout.guard);
            Self { base, layout, accessible: 0, view: None, _before: None, _rest: rest }
        };
        mapping.grow_to(layout.minimum)?;
        Ok(mapping)
    }

    /// A mapping with the image in it, and nothing else accessible.
    fn over(image: &MemoryImage, layout: Layout, whole_len: usize) -> io::Result<Self> {
        let try_once = || {
            let start = {
                let found = Reservation::new(None, whole_len)?;
                found.start
            };
            let before =
                (layout.guard > 0).then(|| Reservation::new(Some(start), layout.guard)).transpose()?;
            let base = offset(start, layout.guard);
            let view = View::new(image, base)?;
            let rest_len = whole_len - layout.guard - image.len;
            let rest = Reservation::new(Some(offset(base, image.len)), rest_len)?;
            Ok(Self { base, layout, accessible: image.len, view: Some(view), _before: before, _rest: rest })
        };
        let mut races = 0;
        loop {
            match try_once() {
                Err(err) if is_taken(&err) && races < MAX_RACES => races += 1,
                result => return result,
            }
        }
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    pub(super) fn accessible(&self) -> usize {
        self.accessible
    }

    pub(super) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    pub(super) fn grow_to(&mut self, new_size: usize) -> io::Result<()> {
        if new_size > self.layout.reserved {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        if new_size > self.accessible {
            // SAFETY: the range is within the reservation (checked above) and behind the view, which
            // is accessible from the start.
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
        let image_len = image.map_or(0, |image| image.len);
        if self.accessible > image_len {
            // SAFETY: the range was committed by this mapping and no instance uses it.
            let decommitted = unsafe {
                let start = self.base().add(image_len);
                VirtualFree(start.cast(), self.accessible - image_len, MEM_DECOMMIT)
            };
            if decommitted == 0 {
                return Err(io::Error::last_os_error());
            }
        }
        self.accessible = image_len;
        if let Some(image) = image {
            self.view = None;
            // Where another thread took the place, the caller drops this mapping.
            self.view = Some(View::new(image, self.base)?);
        }
        self.grow_to(self.layout.minimum)
    }

    /// Gives the memory before `len`, which has no image, back to the system; it reads as zeros again.
    pub(super) fn discard(&mut self, len: usize) -> io::Result<()> {
        debug_assert!(self.view.is_none(), "only memory without an image is discarded");
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
}

/// Reserved address space, given back on drop.
struct Reservation {
    start: NonNull<u8>,
}

impl Reservation {
    /// Reserves `len` bytes, which lie at `start` where that is given.
    fn new(start: Option<NonNull<u8>>, len: usize) -> io::Result<Self> {
        let wanted = start.map_or(ptr::null(), |start| start.as_ptr().cast_const());
        // SAFETY: a new reservation; what is there already makes it fail.
        let found = unsafe { VirtualAlloc(wanted.cast(), len, MEM_RESERVE, PAGE_NOACCESS) };
        let found = NonNull::new(found.cast()).ok_or_else(io::Error::last_os_error)?;
        let reservation = Self { start: found };
        // A start that is no multiple of the granularity is rounded down.
        if start.is_some_and(|start| start != found) {
            Err(io::ErrorKind::InvalidInput.into())
        } else {
            Ok(reservation)
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the reservation is this object's own.
        unsafe { VirtualFree(self.start.as_ptr().cast(), 0, MEM_RELEASE) };
    }
}

/// A copy-on-write view of an image, unmapped on drop.
struct View {
    start: NonNull<u8>,
}

impl View {
    fn new(image: &MemoryImage, start: NonNull<u8>) -> io::Result<Self> {
        let section = image.section.as_raw_handle();
        // SAFETY: a new view; what is there already makes the call fail.
        let view = unsafe {
            MapViewOfFileEx(section, FILE_MAP_COPY, 0, 0, image.len, start.as_ptr().cast_const().cast())
        };
        let start = NonNull::new(view.Value.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { start })
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the view is this object's own.
        unsafe { UnmapViewOfFile(MEMORY_MAPPED_VIEW_ADDRESS { Value: self.start.as_ptr().cast() }) };
    }
}

/// Whether the address space that was asked for is another's.
fn is_taken(err: &io::Error) -> bool {
    err.raw_os_error().and_then(|number| u32::try_from(number).ok()) == Some(ERROR_INVALID_ADDRESS)
}

fn offset(start: NonNull<u8>, bytes: usize) -> NonNull<u8> {
    // Addresses of the user's never wrap.
    start.map_addr(|address| address.saturating_add(bytes))
}
