//! Rewrites a module's exports, the one change that the cold module needs.

use std::path::Path;

use crate::error::ImageError;

const HEADER_BYTES: usize = 8;
const CUSTOM_SECTION: u8 = 0;
const EXPORT_SECTION: u8 = 7;
/// What the host looks for in a module besides its entry point: the canonical ABI's.
const KEPT: [&[u8]; 2] = [b"memory", b"cabi_realloc"];
const ENTRY_POINT: &[u8] = b"_start";

/// The module with the export `name` as its entry point `_start`, its memory and its allocator for the host,
/// no other exports and no custom sections. `path` is for the error.
pub(super) fn with_entry_point(module: &[u8], name: &str, path: &Path) -> Result<Vec<u8>, ImageError> {
    rewrite(module, name.as_bytes()).ok_or_else(|| ImageError::Unsound {
        path: path.to_owned(),
        reason: format!("it is no module that exports {name}"),
    })
}

fn rewrite(module: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut rest = module;
    let mut out = take(&mut rest, HEADER_BYTES)?.to_vec();
    let mut found = false;
    while let Some((&id, after)) = rest.split_first() {
        rest = after;
        let size = usize::try_from(read_u32(&mut rest)?).ok()?;
        let body = take(&mut rest, size)?;
        match id {
            CUSTOM_SECTION => {}
            EXPORT_SECTION => {
                let exports = rewrite_exports(body, name)?;
                found = true;
                push_section(&mut out, id, &exports)?;
            }
            _ => push_section(&mut out, id, body)?,
        }
    }
    found.then_some(out)
}

fn rewrite_exports(mut body: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    let mut count = 0;
    let mut has_entry_point = false;
    for _ in 0..read_u32(&mut body)? {
        let length = usize::try_from(read_u32(&mut body)?).ok()?;
        let export = take(&mut body, length)?;
        let kind = take(&mut body, 1)?;
        let index = read_u32(&mut body)?;
        let new_name = if export == name {
            has_entry_point = true;
            ENTRY_POINT
        } else if KEPT.contains(&export) {
            export
        } else {
            continue;
        };
        push_u32(&mut kept, u32::try_from(new_name.len()).ok()?);
        kept.extend_from_slice(new_name);
        kept.extend_from_slice(kind);
        push_u32(&mut kept, index);
        count += 1;
    }
    let mut exports = Vec::new();
    push_u32(&mut exports, count);
    exports.append(&mut kept);
    has_entry_point.then_some(exports)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

/// LEB128, unsigned.
fn read_u32(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn push_u32(out: &mut Vec<u8>, mut value: u32) {
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn push_section(out: &mut Vec<u8>, id: u8, body: &[u8]) -> Option<()> {
    out.push(id);
    push_u32(out, u32::try_from(body.len()).ok()?);
    out.extend_from_slice(body);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with an exported memory `memory`, and functions `cold-start` and `other`.
    fn module() -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        module.extend_from_slice(b"\x01\x04\x01\x60\0\0\x03\x03\x02\0\0\x05\x03\x01\0\x01");
        module.extend_from_slice(b"\x07\x1f\x03\x06memory\x02\0\x0acold-start\0\0\x05other\0\x01");
        module.extend_from_slice(b"\x0a\x07\x02\x02\0\x0b\x02\0\x0b\0\x05\x04name");
        module
    }

    #[test]
    fn the_entry_point_and_the_memory_are_the_only_exports() {
        let path = Path::new("module");
        let rewritten = with_entry_point(&module(), "cold-start", path).unwrap();
        let exports = b"\x07\x13\x02\x06memory\x02\0\x06_start\0\0";
        assert!(rewritten.windows(exports.len()).any(|window| window == exports));
        assert!(!rewritten.windows(4).any(|window| window == b"name"));
    }

    #[test]
    fn a_module_without_the_export_is_refused() {
        assert!(with_entry_point(&module(), "absent", Path::new("module")).is_err());
    }

    #[test]
    fn a_truncated_module_is_refused() {
        let module = module();
        for length in 0..module.len() - 7 {
            let part = module.get(..length).unwrap();
            let done = with_entry_point(part, "cold-start", Path::new("module"));
            // A cut between sections after the exports is not seen, nor need it be.
            assert!(done.is_err() || length >= 57, "{length}");
        }
    }

    #[test]
    fn numbers_survive_being_written_and_read() {
        for value in [0, 1, 127, 128, 300, 65_535, u32::MAX] {
            let mut bytes = Vec::new();
            push_u32(&mut bytes, value);
            assert_eq!(read_u32(&mut bytes.as_slice()), Some(value));
        }
    }
}
