//! What no mount is ever run as.

/// Whether a file of these first bytes is a program for a machine: ELF, Mach-O, PE, WebAssembly, or an archive of them.
/// A sandbox of this process runs the modules of its image and nothing else.
///
/// ```
/// use sandpiper_core::is_machine_code;
/// assert!(is_machine_code(b"\x7fELF\x02\x01"));
/// assert!(!is_machine_code(b"#!/bin/sh\n"));
/// ```
pub fn is_machine_code(first_bytes: &[u8]) -> bool {
    const BEGINNINGS: &[&[u8]] = &[
        b"\x7fELF",
        b"MZ",
        b"\0asm",
        b"\xfe\xed\xfa\xce",
        b"\xfe\xed\xfa\xcf",
        b"\xce\xfa\xed\xfe",
        b"\xcf\xfa\xed\xfe",
        b"\xca\xfe\xba\xbe",
        b"!<arch>",
    ];
    BEGINNINGS.iter().any(|beginning| first_bytes.starts_with(beginning))
}
