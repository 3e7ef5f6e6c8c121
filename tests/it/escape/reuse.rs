//! What an earlier run left behind: memory, tables and globals are pooled or made anew, and either
//! way a run finds none of another's in them (GHSA-6wgr).

use sandpiper::{Exec, Exit, Image, Metering, Spec};

use super::bare;
use crate::harness::assert_exit;

/// A program that leaves its mark wherever it can when it is called with an argument, and otherwise
/// looks for marks there, and ends with 1 where it finds one.
const MARKS: &str = r#"(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 40)
  (data (i32.const 2097152) "data of the image")
  (table $t 1000 funcref)
  (global $g (mut i64) (i64.const 0))
  (func $mark)
  (elem declare func $mark)
  (func (export "_start") (local $at i32) (local $end i32)
    (drop (call $sizes (i32.const 0) (i32.const 4)))
    (if (i32.gt_u (i32.load (i32.const 0)) (i32.const 1))
      (then
        (i64.store (i32.const 0) (i64.const 0))
        (drop (memory.grow (i32.const 500)))
        (drop (table.grow $t (ref.func $mark) (i32.const 1000)))
        (local.set $end (i32.mul (memory.size) (i32.const 65536)))
        ;; All of it, by the guest, by a bulk instruction and by the host.
        (loop $next
          (i64.store (local.get $at) (i64.const 0x6b72616d6b72616d))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
        (memory.fill (i32.const 3000000) (i32.const 0x6d) (i32.const 1000000))
        (drop (call $random (i32.const 1000000) (i32.const 1000000)))
        (table.fill $t (i32.const 0) (ref.func $mark) (i32.const 2000))
        (global.set $g (i64.const -1)))
      (else
        (i64.store (i32.const 0) (i64.const 0))
        (if (i64.ne (global.get $g) (i64.const 0)) (then (call $exit (i32.const 2))))
        (if (i32.ne (table.size $t) (i32.const 1000)) (then (call $exit (i32.const 3))))
        (drop (table.grow $t (ref.null func) (i32.const 1000)))
        (loop $next
          (if (i32.eqz (ref.is_null (table.get $t (local.get $at)))) (then (call $exit (i32.const 4))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br_if $next (i32.lt_u (local.get $at) (i32.const 2000))))
        (if (i32.ne (memory.size) (i32.const 40)) (then (call $exit (i32.const 5))))
        (drop (memory.grow (i32.const 500)))
        ;; The image's own data are there, and are all there is.
        (if (i64.ne (i64.load (i32.const 2097152)) (i64.const 0x20666f2061746164)) (then (call $exit (i32.const 6))))
        (memory.fill (i32.const 2097152) (i32.const 0) (i32.const 17))
        (local.set $at (i32.const 0))
        (local.set $end (i32.mul (memory.size) (i32.const 65536)))
        (loop $next
          (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (call $exit (i32.const 1))))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br_if $next (i32.lt_u (local.get $at) (local.get $end))))))))"#;

fn marks(text: &str, metering: Metering) -> (tempfile::TempDir, Spec) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("marks.wasm");
    std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
    let mut spec = Spec { image: Image::File(path), ..Spec::default() };
    spec.limits.metering = metering;
    (folder, spec)
}

/// Attack: a run looks all over its memory, table and global for what the one before it left. Twin: it
/// finds what its image has.
#[test]
fn a_run_finds_no_mark_of_another() {
    for metering in [Metering::Fuel, Metering::Deadline] {
        let (_folder, spec) = marks(MARKS, metering);
        for _ in 0..5 {
            assert_exit(&bare(spec.clone(), Exec::new(["marks", "leave"])).unwrap(), &Exit::Code { code: 0 });
            assert_exit(&bare(spec.clone(), Exec::new(["marks"])).unwrap(), &Exit::Code { code: 0 });
        }
    }
}

/// Attack: as before, with a memory that has no image behind it. Twin: the mark is found by the run that
/// left it, so that the search is one.
#[test]
fn a_run_finds_no_mark_in_a_memory_without_an_image() {
    let without = MARKS.replace(r#"(data (i32.const 2097152) "data of the image")"#, "").replace(
        "(if (i64.ne (i64.load (i32.const 2097152)) (i64.const 0x20666f2061746164)) (then (call $exit (i32.const 6))))",
        "",
    );
    let (_folder, spec) = marks(&without, Metering::Fuel);
    for _ in 0..5 {
        assert_exit(&bare(spec.clone(), Exec::new(["marks", "leave"])).unwrap(), &Exit::Code { code: 0 });
        assert_exit(&bare(spec.clone(), Exec::new(["marks"])).unwrap(), &Exit::Code { code: 0 });
    }
    let found = without.replace(
        "(drop (memory.grow (i32.const 500)))\n        ;; The",
        "(i64.store (i32.const 2000000) (i64.const 7))\n        ;; The",
    );
    let (_folder, spec) = marks(&found, Metering::Fuel);
    assert_exit(&bare(spec, Exec::new(["marks"])).unwrap(), &Exit::Code { code: 1 });
}

/// Attack: a run that ends in the middle, by a trap, by its fuel, by its deadline, or while the host
/// writes into its memory. Twin: the next one finds nothing all the same.
#[test]
fn a_run_that_ended_badly_leaves_no_mark_either() {
    let text = MARKS.replace("(global.set $g (i64.const -1))", "(loop $ever (br $ever))");
    let (_folder, spec) = marks(&text, Metering::Fuel);
    let trapping = MARKS.replace("(global.set $g (i64.const -1))", "unreachable");
    let (_other_folder, trapping) = marks(&trapping, Metering::Fuel);
    for _ in 0..2 {
        let mut leave = spec.clone();
        leave.limits.fuel = 100_000_000;
        assert_exit(&bare(leave, Exec::new(["marks", "leave"])).unwrap(), &Exit::Fuel);
        assert_exit(&bare(spec.clone(), Exec::new(["marks"])).unwrap(), &Exit::Code { code: 0 });
        let mut leave = spec.clone();
        leave.limits.wall = std::time::Duration::from_millis(500);
        assert_exit(&bare(leave, Exec::new(["marks", "leave"])).unwrap(), &Exit::Timeout);
        assert_exit(&bare(spec.clone(), Exec::new(["marks"])).unwrap(), &Exit::Code { code: 0 });
        assert_eq!(bare(trapping.clone(), Exec::new(["marks", "leave"])).unwrap().exit.code(), 134);
        assert_exit(&bare(trapping.clone(), Exec::new(["marks"])).unwrap(), &Exit::Code { code: 0 });
    }
}
