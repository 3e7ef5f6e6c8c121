//! Which pages of a private mapping were written: Linux's `PAGEMAP_SCAN` (6.7 and later).
//!
//! Source: `Documentation/admin-guide/mm/pagemap.rst` of the Linux kernel.

use std::fs::File;
use std::io;
use std::mem::size_of;
use std::sync::OnceLock;

use rustix::ioctl::{Opcode, Updater, ioctl, opcode};
use rustix::process::{Pid, getpid};

/// Calls `visit(start, len)`, both in bytes from `base`, for each run of pages that were written
/// since they were mapped.
///
/// # Errors
/// When the kernel has no `PAGEMAP_SCAN`, or from `visit`.
pub(super) fn written(
    base: *mut u8,
    len: usize,
    mut visit: impl FnMut(usize, usize) -> io::Result<()>,
) -> io::Result<()> {
    let pagemap = pagemap()?;
    let base = u64::try_from(base.addr()).map_err(io::Error::other)?;
    let end = base + u64::try_from(len).map_err(io::Error::other)?;
    let mut regions = [PageRegion::default(); 512];
    let mut start = base;
    while start < end {
        let mut scan = ScanArgument {
            size: u64::try_from(size_of::<ScanArgument>()).map_err(io::Error::other)?,
            start,
            end,
            regions: u64::try_from(regions.as_mut_ptr().addr()).map_err(io::Error::other)?,
            regions_len: u64::try_from(regions.len()).map_err(io::Error::other)?,
            category_inverted: PAGE_IS_FILE | PAGE_IS_PFNZERO,
            category_mask: PAGE_IS_FILE | PAGE_IS_PFNZERO,
            category_any_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            ..ScanArgument::default()
        };
        // SAFETY: the opcode is that of PAGEMAP_SCAN, the argument has its layout, and the region
        // buffer it points to outlives the call.
        let found = unsafe { ioctl(pagemap, Scan(Updater::new(&mut scan))) }?;
        for region in regions.iter().take(found) {
            let offset = usize::try_from(region.start - base).map_err(io::Error::other)?;
            visit(offset, usize::try_from(region.end - region.start).map_err(io::Error::other)?)?;
        }
        if scan.walk_end <= start {
            return Err(io::ErrorKind::Unsupported.into());
        }
        start = scan.walk_end;
    }
    Ok(())
}

/// The pagemap of this process. A child that was forked off has other pages than the open file
/// tells of, so it is refused there.
fn pagemap() -> io::Result<&'static File> {
    static PAGEMAP: OnceLock<Option<(File, Pid)>> = OnceLock::new();
    let opened = PAGEMAP.get_or_init(|| Some((File::open("/proc/self/pagemap").ok()?, getpid())));
    match opened {
        Some((file, pid)) if *pid == getpid() => Ok(file),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
const PAGE_IS_PFNZERO: u64 = 1 << 5;

/// `struct pm_scan_arg`.
#[repr(C)]
#[derive(Default)]
struct ScanArgument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    regions: u64,
    regions_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_any_mask: u64,
    return_mask: u64,
}

/// `struct page_region`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

const PAGEMAP_SCAN: Opcode = opcode::read_write::<ScanArgument>(b'f', 16);

/// The scan as an ioctl that answers the number of regions found.
struct Scan<'a>(Updater<'a, PAGEMAP_SCAN, ScanArgument>);

// SAFETY: the opcode and the pointer are those of the updater; the output is the call's result.
unsafe impl rustix::ioctl::Ioctl for Scan<'_> {
    type Output = usize;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.0.opcode()
    }

    fn as_ptr(&mut self) -> *mut std::ffi::c_void {
        self.0.as_ptr()
    }

    unsafe fn output_from_ptr(
        out: rustix::ioctl::IoctlOutput,
        _argument: *mut std::ffi::c_void,
    ) -> rustix::io::Result<Self::Output> {
        usize::try_from(out).map_err(|_| rustix::io::Errno::INVAL)
    }
}
