//! There are no threads: starting one fails, as POSIX has it when there is no room for another.
//!
//! std asks for these, and not every wasi-libc has them; without them nothing links.

use std::ffi::{c_int, c_void};

const EAGAIN: c_int = 6;
const ESRCH: c_int = 71;

#[unsafe(no_mangle)]
extern "C" fn pthread_create(_: *mut c_void, _: *const c_void, _: *const c_void, _: *mut c_void) -> c_int {
    EAGAIN
}

#[unsafe(no_mangle)]
extern "C" fn pthread_join(_: *mut c_void, _: *mut *mut c_void) -> c_int {
    ESRCH
}

#[unsafe(no_mangle)]
extern "C" fn pthread_detach(_: *mut c_void) -> c_int {
    ESRCH
}
