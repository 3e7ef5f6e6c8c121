//! Modules that are hostile before they run: what they are made of would take the host's time, memory
//! or disk. Each ends in a clear refusal, soon, or is bounded by a limit with a name.

use std::time::{Duration, Instant};

use sandpiper::{Error, Exec, Exit, Image, Limits, Spec, Trap};

use super::bare;
use crate::harness::Printed;

/// How long a refusal may take on a busy machine; what is refused here would take minutes.
const SOON: Duration = Duration::from_secs(20);

fn spec(wasm: &[u8]) -> (tempfile::TempDir, Spec) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.wasm");
    std::fs::write(&path, wasm).unwrap();
    (folder, Spec { image: Image::File(path), ..Spec::default() })
}

#[track_caller]
fn refused(wasm: &[u8], words: &str) {
    let (_folder, spec) = spec(wasm);
    let start = Instant::now();
    let err = bare(spec, Exec::new(["bomb"])).unwrap_err();
    let shown = match &err {
        Error::Image { reason, source, .. } => {
            format!("{reason}: {}", source.as_ref().map(ToString::to_string).unwrap_or_default())
        }
        other => other.to_string(),
    };
    assert!(shown.contains(words), "no `{words}` in: {shown}");
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[track_caller]
fn ends(wasm: &[u8], exit: &Exit) {
    let (_folder, spec) = spec(wasm);
    let start = Instant::now();
    let outcome = bare(spec, Exec::new(["bomb"])).unwrap();
    assert_eq!(outcome.exit, *exit, "{}", outcome.stderr());
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

const DONE: Exit = Exit::Code { code: 0 };

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], leb(content.len()).as_slice(), content].concat()
}

/// A command of functions `() -> ()`, the last being `_start`; each of locals and instructions.
fn command(functions: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let count = leb(functions.len());
    let mut code = count.clone();
    for (locals, instructions) in functions {
        let locals = if *locals == 0 { vec![0] } else { [&[1], leb(*locals).as_slice(), &[0x7f]].concat() };
        let body = [&locals, instructions.as_slice(), &[0x0b]].concat();
        code.extend(leb(body.len()));
        code.extend(body);
    }
    let start = leb(functions.len() - 1);
    let exports = [b"\x02\x06memory\x02\x00\x06_start\x00", start.as_slice()].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, b"\x01\x60\0\0"),
        section(3, &[count, vec![0; functions.len()]].concat()),
        section(5, b"\x01\0\x01"),
        section(7, &exports),
        section(10, &code),
    ]
    .concat()
}

const LOOP: [u8; 2] = [0x03, 0x40];
const BLOCK: [u8; 2] = [0x02, 0x40];
const END: [u8; 1] = [0x0b];

/// Attack: 60 KB of loops in loops took more than a minute. Twin: a hundred of them.
#[test]
fn loops_in_loops_are_weighed_before_they_are_compiled() {
    let nested = |depth: usize| command(&[(0, [LOOP.repeat(depth), END.repeat(depth)].concat())]);
    refused(&nested(20_000), "it would take too long to compile: function 0 weighs");
    ends(&nested(100), &DONE);
}

/// Attack: 300 KB of blocks in blocks. Twin: a thousand of them.
#[test]
fn blocks_in_blocks_are_weighed_before_they_are_compiled() {
    let nested = |depth: usize| command(&[(0, [BLOCK.repeat(depth), END.repeat(depth)].concat())]);
    refused(&nested(100_000), "function 0 weighs");
    ends(&nested(1000), &DONE);
}

/// A function of loops, one after the other, each of which changes one of so many locals.
fn looping(loops: usize, locals: usize) -> Vec<u8> {
    let one = |index: usize| {
        let local = leb(index % locals);
        [&LOOP, &[0x20][..], &local, &[0x41, 1, 0x6a, 0x21], &local, &END].concat()
    };
    command(&[(locals, (0..loops).flat_map(one).collect())])
}

/// Attack: loops in a function of a thousand locals. Twin: of ten.
#[test]
fn loops_weigh_by_the_locals_that_they_keep() {
    refused(&looping(1000, 1000), "function 0 weighs");
    ends(&looping(1000, 10), &DONE);
}

/// Attack: ten thousand loops, 80 KB, took half a minute. Twin: a thousand.
#[test]
fn loops_weigh_by_how_many_there_are() {
    refused(&looping(10_000, 1), "function 0 weighs");
    ends(&looping(1000, 1), &DONE);
}

/// Attack: values on the stack while blocks come and go. Twin: few.
#[test]
fn blocks_weigh_by_the_values_on_the_stack() {
    let live = |values: usize, blocks: usize| {
        let load = [0x41, 0, 0x28, 2, 0];
        let branch = [&load[..], &[0x04, 0x40, 0x0b]].concat();
        command(&[(0, [load.repeat(values), branch.repeat(blocks), vec![0x1a; values]].concat())])
    };
    refused(&live(50_000, 50_000), "function 0 weighs");
    ends(&live(100, 100), &DONE);
}

/// Attack: 800 KB of calls took a gigabyte. Twin: a thousand calls.
#[test]
fn calls_weigh_what_they_become() {
    let calling = |calls: usize| command(&[(0, Vec::new()), (0, [0x10, 0].repeat(calls))]);
    refused(&calling(400_000), "function 1 weighs");
    ends(&calling(1000), &DONE);
}

/// Attack: half a million functions of nothing. Twin: a thousand.
#[test]
fn functions_of_nothing_weigh_too() {
    let empty = |count: usize| command(&vec![(0, Vec::new()); count]);
    refused(&empty(600_000), "it weighs more than 200000000 units");
    ends(&empty(1000), &DONE);
}

/// Attack: thousands of functions with the most locals that there may be; and more than that in one.
/// Twin: one with the most.
#[test]
fn locals_are_bounded() {
    refused(&command(&vec![(50_000, Vec::new()); 5000]), "it weighs more than");
    refused(&command(&[(50_001, Vec::new())]), "too many locals");
    ends(&command(&[(50_000, Vec::new())]), &DONE);
}

/// Attack: a hundred thousand types, each to have its own way in from the host. Twin: a hundred.
#[test]
fn types_and_imports_weigh_too() {
    let types = |count: usize| {
        let wasm = command(&[(0, Vec::new())]);
        let types = section(1, &[leb(count), b"\x60\0\0".repeat(count)].concat());
        [&wasm[..8], types.as_slice(), &wasm[14..]].concat()
    };
    refused(&types(501_000), "it weighs more than");
    ends(&types(100), &DONE);
}

/// Attack: a table of ten million at the start, which the limit of tables does not have. Twin: the
/// limit itself.
#[test]
fn tables_are_bounded_before_they_are_made() {
    let table = |elements: u32| {
        wat::parse_str(format!(
            "(module (table {elements} funcref) (memory (export \"memory\") 1) (func (export \"_start\")))"
        ))
        .unwrap()
    };
    refused(&table(10_000_000), "the limit of table elements is 100000, but the image starts with 10000000");
    ends(&table(100_000), &DONE);
}

/// Attack: tables that each are below the limit and together are not. Twin: that together are.
#[test]
fn tables_are_bounded_together() {
    let tables = |count: usize, elements: u32| {
        let tables = format!("(table {elements} funcref)").repeat(count);
        wat::parse_str(format!("(module {tables} (memory (export \"memory\") 1) (func (export \"_start\")))"))
            .unwrap()
    };
    refused(
        &tables(100, 50_000),
        "the limit of table elements is 100000, but the image starts with 150000 or more",
    );
    ends(&tables(100, 1000), &DONE);
}

/// Attack: memories of 4 GiB, and of more than the limit. Twin: the limit itself.
#[test]
fn a_memory_is_bounded_before_it_is_made() {
    let memory = |pages: u32| {
        wat::parse_str(format!("(module (memory (export \"memory\") {pages}) (func (export \"_start\")))"))
            .unwrap()
    };
    let limit = u32::try_from(Limits::default().memory_bytes >> 16).unwrap();
    refused(&memory(65_536), "the memory limit is 268435456 bytes, but the image starts with 4294967296");
    refused(&memory(limit + 1), "but the image starts with");
    ends(&memory(limit), &DONE);
}

/// Attack: data far from the start, in a file of a few bytes, for which a memory image would be large;
/// and data outside of the memory. Twin: the same data in the first page.
#[test]
fn data_far_away_takes_no_disk() {
    let data = |offset: u32| {
        wat::parse_str(format!(
            "(module (memory (export \"memory\") 4096) (data (i32.const {offset}) \"x\") (func (export \"_start\")
               (if (i32.ne (i32.load8_u (i32.const {offset})) (i32.const 120)) (then unreachable))))"
        ))
        .unwrap()
    };
    ends(&data(0x0fff_ffff), &DONE);
    ends(&data(0x1000_0000), &Exit::Trap { trap: Trap::MemoryOutOfBounds });
    ends(&data(0), &DONE);
}

/// Attack: twenty megabytes of data, and of sections that mean nothing. Twin: the same, and the
/// module runs.
#[test]
fn much_data_and_custom_sections_are_only_bytes() {
    let data = [&leb(1)[..], &[0, 0x41, 0, 0x0b], &leb(20 << 20), &vec![b'a'; 20 << 20]].concat();
    let wasm = [command(&[(0, Vec::new())]), section(11, &data)].concat();
    // Longer than the one page of memory that there is.
    ends(&wasm, &Exit::Trap { trap: Trap::MemoryOutOfBounds });
    let custom = section(0, &[&b"\x04name"[..], &vec![b'a'; 20 << 20]].concat());
    ends(&[command(&[(0, Vec::new())]), custom].concat(), &DONE);
}

/// Attack: what proposals would add: memories of 64 bits, shared ones, several, threads. Twin: one
/// plain memory.
#[test]
fn memories_of_other_kinds_are_no_valid_modules() {
    for memory in
        ["(memory i64 1)", "(memory 1 1 shared)", "(memory 1) (memory 1)", "(memory 1 (pagesize 1))"]
    {
        let text = format!("(module {memory} (export \"memory\" (memory 0)) (func (export \"_start\")))");
        refused(&wat::parse_str(text).unwrap(), "it is not a valid WebAssembly module");
    }
    ends(&command(&[(0, Vec::new())]), &DONE);
}

/// Attack: imports of memories, tables, globals, of functions that no sandbox offers, and of WASI's
/// with another type. Twin: one that is offered.
#[test]
fn imports_are_those_of_wasi_alone() {
    let import = |import: &str| {
        wat::parse_str(format!("(module {import} (memory (export \"memory\") 1) (func (export \"_start\")))"))
            .unwrap()
    };
    for (text, words) in [
        (
            r#"(import "env" "system" (func (param i32) (result i32)))"#,
            "imports env.system, which is not offered",
        ),
        (r#"(import "env" "table" (table 1 funcref))"#, "imports env.table, which is not offered"),
        (r#"(import "env" "global" (global i32))"#, "imports env.global, which is not offered"),
        (
            r#"(import "wasi_snapshot_preview1" "fork" (func))"#,
            "wasi_snapshot_preview1.fork, which is not offered",
        ),
        (r#"(import "wasi_unstable" "fd_write" (func))"#, "wasi_unstable.fd_write, which is not offered"),
        (r#"(import "wasi_snapshot_preview1" "fd_close" (func (param i64) (result i32)))"#, "fd_close"),
        (r#"(import "wasi_snapshot_preview1" "fd_close" (global i32))"#, "fd_close"),
    ] {
        refused(&import(text), words);
    }
    ends(&import(r#"(import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))"#), &DONE);
}

/// Attack: an entry point that is no function, or takes or gives something. Twin: one that is right.
#[test]
fn an_entry_point_of_another_type_is_refused() {
    for text in [
        r#"(func (export "_start") (param i32))"#,
        r#"(func (export "_start") (result i32) (i32.const 1))"#,
        r#"(global (export "_start") i32 (i32.const 1))"#,
        r#"(table (export "_start") 1 funcref)"#,
    ] {
        let wasm = wat::parse_str(format!("(module (memory (export \"memory\") 1) {text})")).unwrap();
        refused(&wasm, "it exports no function _start");
    }
    let memory =
        wat::parse_str(r#"(module (func (export "_start")) (global (export "memory") i32 (i32.const 1)))"#);
    refused(&memory.unwrap(), "it exports no memory named memory");
    ends(&command(&[(0, Vec::new())]), &DONE);
}

/// Attack: bytes that are no module, cut ones, machine code of the engine itself. Twin: the whole one.
#[test]
fn what_is_no_module_is_refused_whatever_it_is() {
    let whole = command(&[(0, Vec::new())]);
    for end in [0, 4, 8, 12, whole.len() - 1] {
        let (_folder, spec) = spec(&whole[..end]);
        assert!(matches!(bare(spec, Exec::new(["cut"])), Err(Error::Image { .. })), "{end} bytes");
    }
    refused(b"\x7fELF\x02\x01\x01\0", "it is not a valid WebAssembly module");
    refused(b"#!/bin/sh\nexit 0\n", "it is not a valid WebAssembly module");
    refused(b"\0asm\x0d\0\x02\0", "it is not a valid WebAssembly module");
    refused(b"\0asm\x0d\0\x01\0\x01", "it is not a valid WebAssembly component");
    ends(&whole, &DONE);
}
