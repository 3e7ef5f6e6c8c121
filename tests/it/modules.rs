//! Any WASI preview 1 command runs; what is none is refused with the reason.

use std::path::PathBuf;

use sandpiper::{Error, Exec, Exit, Image, Spec, Trap};
use tempfile::TempDir;

use crate::harness::{assert_exit, assert_prints, run, try_run};

fn module(text: &str) -> (TempDir, Spec) {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("program.wasm");
    std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
    (folder, Spec { image: Image::File(path), ..Spec::default() })
}

const ECHO_ARGUMENTS: &str = r#"(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (drop (call $get (i32.const 64) (i32.const 1024)))
    (i32.store (i32.const 16) (i32.const 1024))
    (i32.store (i32.const 20) (i32.load (i32.const 4)))
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))"#;

#[test]
fn a_module_gets_its_arguments() {
    let (_folder, spec) = module(ECHO_ARGUMENTS);
    assert_prints(&run(spec, Exec::new(["program.wasm", "a", "b c"])), "program.wasm\0a\0b c\0");
}

#[test]
fn a_module_with_data_finds_it_in_each_run() {
    let (_folder, spec) = module(
        r#"(module
          (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 2)
          (data (i32.const 8) "\14\00\00\00\06\00\00\00") (data (i32.const 20) "hello\0a") (data (i32.const 65600) "far")
          (func (export "_start")
            (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))
            (i32.store8 (i32.const 20) (i32.const 88))
            (if (i32.ne (i32.load8_u (i32.const 65602)) (i32.const 114)) (then unreachable))
            (i32.store8 (i32.const 65602) (i32.const 0))))"#,
    );
    for _ in 0..3 {
        assert_prints(&run(spec.clone(), Exec::new(["program"])), "hello\n");
    }
}

#[test]
fn traps_are_named_and_are_134() {
    for (body, trap) in [
        ("unreachable", Trap::Unreachable),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", Trap::Arithmetic),
        ("(drop (i32.load (i32.const 65536)))", Trap::MemoryOutOfBounds),
        ("(drop (i32.load (i32.const -4)))", Trap::MemoryOutOfBounds),
        ("(call_indirect (i32.const 0))", Trap::IndirectCall),
        ("(call_indirect (i32.const 9))", Trap::TableOutOfBounds),
        ("(call 0)", Trap::StackOverflow),
    ] {
        let (_folder, spec) = module(&format!(
            r#"(module (memory (export "memory") 1) (table 1 funcref) (func (export "_start") {body}))"#
        ));
        let outcome = run(spec, Exec::new(["program"]));
        assert_exit(&outcome, &Exit::Trap { trap });
        assert_eq!(outcome.exit.code(), 134);
    }
}

#[test]
fn every_status_of_proc_exit_is_passed_on() {
    for status in [0, 1, 126, 127, 128, 255] {
        let (_folder, spec) = module(&format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
              (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const {status}))))"#
        ));
        assert_exit(&run(spec, Exec::new(["program"])), &Exit::Code { code: u8::try_from(status).unwrap() });
    }
}

#[test]
fn growth_is_refused_at_the_limit_and_granted_below() {
    let grow = |pages: u32| {
        let (_folder, mut spec) = module(&format!(
            r#"(module (memory (export "memory") 1)
              (func (export "_start") (if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable))))"#
        ));
        spec.limits.memory_bytes = 10 << 16;
        run(spec, Exec::new(["program"])).exit
    };
    assert_eq!(grow(9), Exit::Code { code: 0 });
    assert_eq!(grow(10), Exit::Memory);
}

#[test]
fn tables_are_limited() {
    let grow = |elements: u32| {
        let (_folder, mut spec) = module(&format!(
            r#"(module (memory (export "memory") 1) (table $t 10 funcref)
              (func (export "_start")
                (if (i32.eq (table.grow $t (ref.null func) (i32.const {elements})) (i32.const -1)) (then unreachable))))"#
        ));
        spec.limits.table_elements = 1000;
        run(spec, Exec::new(["program"]))
    };
    assert_exit(&grow(990), &Exit::Code { code: 0 });
    let refused = grow(991);
    assert_exit(&refused, &Exit::Trap { trap: Trap::Unreachable });
    assert_eq!(refused.denials[0].operation, "table.grow");
}

#[track_caller]
fn is_refused(text: &str, words: &[&str]) {
    let (_folder, spec) = module(text);
    let err = try_run(spec, Exec::new(["program"])).unwrap_err();
    let Error::Image { reason, .. } = &err else { panic!("{err:?}") };
    for word in words {
        assert!(reason.contains(word), "no `{word}` in: {reason}");
    }
}

#[test]
fn what_is_no_command_is_refused() {
    is_refused(r#"(module (memory (export "memory") 1))"#, &["exports no function _start"]);
    is_refused(r#"(module (memory (export "memory") 1) (func (export "_start") (param i32)))"#, &["_start"]);
    is_refused(r#"(module (func (export "_start")))"#, &["memory"]);
    is_refused(
        r#"(module (import "env" "fork" (func)) (memory (export "memory") 1) (func (export "_start")))"#,
        &["env.fork", "not offered"],
    );
    is_refused(
        r#"(module (import "wasi_snapshot_preview1" "fd_close" (func (param i64))) (memory (export "memory") 1) (func (export "_start")))"#,
        &["fd_close"],
    );
}

#[test]
fn a_memory_that_starts_above_the_limit_is_refused_before_it_runs() {
    let (_folder, spec) = module(r#"(module (memory (export "memory") 65536) (func (export "_start")))"#);
    let err = try_run(spec, Exec::new(["program"])).unwrap_err();
    assert!(err.to_string().contains("starts with 4294967296 bytes"), "{err}");
}

#[test]
fn a_start_function_is_metered_too() {
    let (_folder, mut spec) = module(
        r#"(module (memory (export "memory") 1) (func $spin (loop $l (br $l))) (start $spin) (func (export "_start")))"#,
    );
    spec.limits.fuel = 1_000_000;
    assert_exit(&run(spec.clone(), Exec::new(["program"])), &Exit::Fuel);
    spec.limits.fuel = u64::MAX / 2;
    spec.limits.wall = std::time::Duration::from_millis(100);
    assert_exit(&run(spec, Exec::new(["program"])), &Exit::Timeout);
}

#[test]
fn a_module_file_that_changes_is_loaded_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.wasm");
    for status in [3, 5, 7] {
        let text = format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const {status}))))"#
        );
        std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
        for _ in 0..2 {
            let spec = Spec { image: Image::File(path.clone()), ..Spec::default() };
            assert_exit(&run(spec, Exec::new(["status"])), &Exit::Code { code: status });
        }
    }
}
