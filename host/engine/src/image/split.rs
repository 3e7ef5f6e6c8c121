//! Splits a module into its code and the first content of its memory, so that the memory can be a
//! mapping of a file instead of data that is copied at each start.

use std::ops::Range;

use wasm_encoder::RawSection;
use wasmparser::{BinaryReaderError, DataKind, Operator, Parser, Payload, TypeRef};

/// Longest memory content that is split off; a longer one is left to the engine's copying.
const MAX_IMAGE_BYTES: usize = 512 << 20;
/// How much longer than its data a memory content may be, so that a few bytes at the end of the
/// address space do not make a huge file.
const MAX_GAP_BYTES: usize = 64 << 20;
const WASM_PAGE_BYTES: usize = 64 << 10;

/// A module's code, and what its memory holds at first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// The module without the data that is in `memory`.
    pub(super) module: Vec<u8>,
    /// The first content of the memory, a multiple of the WebAssembly page size.
    pub(super) memory: Vec<u8>,
}

/// Splits a valid module, or answers `None` where it has no data, or where the data cannot be split
/// off without a change of meaning (several memories, an imported one, data placed by a global,
/// data that instructions refer to, data beyond the memory).
///
/// # Errors
/// For bytes that are no module.
pub(super) fn split(wasm: &[u8]) -> Result<Option<Split>, BinaryReaderError> {
    let Some(layout) = layout(wasm)? else { return Ok(None) };
    let data_bytes: usize = layout.segments.iter().map(|(_, bytes)| bytes.len()).sum();
    let end =
        layout.segments.iter().map(|(offset, bytes)| offset.saturating_add(bytes.len())).max().unwrap_or(0);
    let len = end.next_multiple_of(WASM_PAGE_BYTES);
    if data_bytes == 0 || len > layout.minimum || len > MAX_IMAGE_BYTES || len > data_bytes + MAX_GAP_BYTES {
        return Ok(None);
    }
    let mut memory = vec![0; len];
    for (offset, bytes) in &layout.segments {
        if let Some(target) = memory.get_mut(*offset..offset + bytes.len()) {
            target.copy_from_slice(bytes);
        }
    }
    let mut module = wasm_encoder::Module::new();
    for (id, range) in layout.kept {
        module.section(&RawSection { id, data: wasm.get(range).unwrap_or_default() });
    }
    Ok(Some(Split { module: module.finish(), memory }))
}

struct Layout<'a> {
    /// Sections that stay, by their id and the range of their content.
    kept: Vec<(u8, Range<usize>)>,
    segments: Vec<(usize, &'a [u8])>,
    /// Bytes of the memory at first.
    minimum: usize,
}

fn layout(wasm: &[u8]) -> Result<Option<Layout<'_>>, BinaryReaderError> {
    const DATA_COUNT: u8 = 12;
    const DATA: u8 = 11;
    const CUSTOM: u8 = 0;

    let mut layout = Layout { kept: Vec::new(), segments: Vec::new(), minimum: 0 };
    let mut memories = 0;
    let mut counted = false;
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        match &payload {
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    if matches!(import?.ty, TypeRef::Memory(_)) {
                        return Ok(None);
                    }
                }
            }
            Payload::MemorySection(section) => {
                for memory in section.clone() {
                    let memory = memory?;
                    memories += 1;
                    if memory.memory64 || memory.shared || memory.page_size_log2.is_some() {
                        return Ok(None);
                    }
                    layout.minimum = usize::try_from(memory.initial)
                        .ok()
                        .and_then(|pages| pages.checked_mul(WASM_PAGE_BYTES))
                        .unwrap_or(0);
                }
            }
            Payload::DataCountSection { .. } => counted = true,
            Payload::CodeSectionEntry(body) if counted => {
                for operator in body.get_operators_reader()? {
                    if matches!(operator?, Operator::MemoryInit { .. } | Operator::DataDrop { .. }) {
                        return Ok(None);
                    }
                }
            }
            Payload::DataSection(section) => {
                for data in section.clone() {
                    let data = data?;
                    let DataKind::Active { memory_index: 0, offset_expr } = data.kind else {
                        // Passive: no instruction refers to it, as the code before showed.
                        continue;
                    };
                    let mut operators = offset_expr.get_operators_reader();
                    let Operator::I32Const { value } = operators.read()? else { return Ok(None) };
                    if !matches!(operators.read()?, Operator::End) {
                        return Ok(None);
                    }
                    let Ok(offset) = usize::try_from(value.cast_unsigned()) else { return Ok(None) };
                    layout.segments.push((offset, data.data));
                }
            }
            _ => {}
        }
        if let Some((id, range)) = payload.as_section()
            && !matches!(id, DATA | DATA_COUNT | CUSTOM)
        {
            layout.kept.push((id, range));
        }
    }
    Ok((memories == 1).then_some(layout))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_text(text: &str) -> Option<Split> {
        split(&wat::parse_str(text).unwrap()).unwrap()
    }

    #[test]
    fn data_becomes_the_memory() {
        let split = split_text(
            r#"(module (memory (export "memory") 2) (data (i32.const 8) "abc") (data (i32.const 65536) "z")
                 (func (export "f") (result i32) (i32.load8_u (i32.const 8))))"#,
        )
        .unwrap();
        assert_eq!(split.memory.len(), 2 << 16);
        assert_eq!(&split.memory[7..12], b"\0abc\0");
        assert_eq!(split.memory[65536], b'z');
        let without = wat::parse_str(
            r#"(module (memory (export "memory") 2) (func (export "f") (result i32) (i32.load8_u (i32.const 8))))"#,
        )
        .unwrap();
        assert_eq!(split.module, without);
    }

    #[test]
    fn later_data_overwrites_earlier() {
        let split =
            split_text(r#"(module (memory 1) (data (i32.const 0) "aaaa") (data (i32.const 1) "bb"))"#)
                .unwrap();
        assert_eq!(&split.memory[..5], b"abba\0");
    }

    #[test]
    fn passive_data_that_nothing_refers_to_is_dropped() {
        let split = split_text(r#"(module (memory 1) (data "passive") (data (i32.const 0) "a"))"#).unwrap();
        assert_eq!(split.memory[0], b'a');
        assert_eq!(split.module, wat::parse_str("(module (memory 1))").unwrap());
    }

    #[test]
    fn what_would_change_meaning_is_left_alone() {
        for text in [
            r"(module (memory 1))",
            r#"(module (import "a" "m" (memory 1)) (data (i32.const 0) "a"))"#,
            r#"(module (import "a" "g" (global i32)) (memory 1) (data (global.get 0) "a"))"#,
            r#"(module (memory 1) (data "passive") (func (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 1))))"#,
            r#"(module (memory 1) (data (i32.const 0) "a") (func (data.drop 0)))"#,
            r#"(module (memory 1) (data (i32.const 65536) "out of bounds"))"#,
            r#"(module (memory 65536) (data (i32.const -2) "a"))"#,
        ] {
            assert_eq!(split_text(text), None, "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_module_are_an_error() {
        assert!(split(b"#!/bin/sh").is_err());
    }
}
