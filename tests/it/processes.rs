//! Processes: forked instances, pipes between them, how they end, and the limits that they share.

use std::time::Duration;

use sandpiper::{Exec, Exit, Image, Limits, Metering, Outcome, Spec, Trap};
use tempfile::TempDir;

use crate::harness::{assert_exit, assert_prints, run};

/// Imports and small functions of a program that forks. Addresses below 1024 are scratch; `$say` writes
/// a text of the data at 1024.
const PRELUDE: &str = r#"
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "sandpiper:host/process@0.1.0" "fork-call" (func $fork_call (param i32 i32 i32 i32)))
  (import "sandpiper:host/process@0.1.0" "pipe" (func $pipe_call (param i32)))
  (import "sandpiper:host/process@0.1.0" "wait" (func $wait_call (param i32 i32 i32 i32)))
  (import "sandpiper:host/process@0.1.0" "kill" (func $kill_call (param i32 i32 i32)))
  (import "sandpiper:host/process@0.1.0" "id" (func $id (result i32)))
  (memory (export "memory") 2)
  (global (export "__stack_pointer") (mut i32) (i32.const 65536))
  ;; Writes bytes to a descriptor.
  (func $write (param $fd i32) (param $at i32) (param $length i32) (result i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $length))
    (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
  ;; Reads at most 64 bytes to address 256, and gives how many.
  (func $read (param $fd i32) (result i32)
    (i32.store (i32.const 0) (i32.const 256))
    (i32.store (i32.const 4) (i32.const 64))
    (if (call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
    (i32.load (i32.const 8)))
  ;; Forks with descriptors that are listed at an address; gives the child's number, or 1000 + errno.
  (func $fork (param $argument i32) (param $map i32) (param $count i32) (result i32)
    (call $fork_call (local.get $argument) (local.get $map) (local.get $count) (i32.const 16))
    (if (result i32) (i32.load8_u (i32.const 16))
      (then (i32.add (i32.const 1000) (i32.load16_u (i32.const 20))))
      (else (i32.load (i32.const 20)))))
  ;; Waits for any child; gives 256 * (1 for a signal) + status or signal, or 1000 + errno.
  (func $wait (result i32)
    (call $wait_call (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32))
    (if (result i32) (i32.load8_u (i32.const 32))
      (then (i32.add (i32.const 1000) (i32.load16_u (i32.const 36))))
      (else (i32.add (i32.shl (i32.load8_u (i32.const 44)) (i32.const 8)) (i32.load8_u (i32.const 45))))))
  (func $expect (param $one i32) (param $other i32)
    (if (i32.ne (local.get $one) (local.get $other)) (then unreachable)))
"#;

fn program(body: &str) -> (TempDir, Spec) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program.wasm");
    std::fs::write(&path, wat::parse_str(format!("(module {PRELUDE} {body})")).unwrap()).unwrap();
    (folder, Spec { image: Image::File(path), ..Spec::default() })
}

fn outcome(body: &str) -> Outcome {
    let (_folder, spec) = program(body);
    run(spec, Exec::new(["program"]))
}

#[test]
fn a_forked_process_has_its_parents_memory_and_what_it_writes_there_is_its_own() {
    let ended = outcome(
        r#"(data (i32.const 1024) "from the child\n")
        (func (export "_start")
          (i32.store (i32.const 2048) (i32.const 11))
          (call $pipe_call (i32.const 64))
          ;; The child has the pipe's end to write at 1, and nothing else.
          (i32.store (i32.const 80) (i32.load (i32.const 72)))
          (i32.store (i32.const 84) (i32.const 1))
          (drop (call $fork (i32.const 5) (i32.const 80) (i32.const 1)))
          (drop (call $fd_close (i32.load (i32.const 72))))
          (call $expect (call $wait) (i32.const 16))
          (call $expect (call $read (i32.load (i32.const 68))) (i32.const 15))
          (call $expect (call $write (i32.const 1) (i32.const 256) (i32.const 15)) (i32.const 0))
          (call $expect (call $read (i32.load (i32.const 68))) (i32.const 0))
          (call $expect (i32.load (i32.const 2048)) (i32.const 11))
          (call $expect (call $wait) (i32.const 1012)))
        (func (export "sandpiper-forked") (param $argument i32)
          (local $sum i32)
          (local.set $sum (i32.add (local.get $argument) (i32.load (i32.const 2048))))
          (i32.store (i32.const 2048) (i32.const 99))
          (call $expect (call $write (i32.const 2) (i32.const 1024) (i32.const 15)) (i32.const 8))
          (call $expect (call $write (i32.const 1) (i32.const 1024) (i32.const 15)) (i32.const 0))
          (call $exit (local.get $sum)))"#,
    );
    assert_prints(&ended, "from the child\n");
}

#[test]
fn a_writer_waits_for_a_reader_and_goes_on() {
    // The child writes 1 MiB through a pipe of 64 KiB; the parent counts it.
    let ended = outcome(
        r#"(func (export "_start")
          (local $count i32) (local $all i32)
          (call $pipe_call (i32.const 64))
          (i32.store (i32.const 80) (i32.load (i32.const 72)))
          (i32.store (i32.const 84) (i32.const 1))
          (drop (call $fork (i32.const 0) (i32.const 80) (i32.const 1)))
          (drop (call $fd_close (i32.load (i32.const 72))))
          (loop $more
            (local.set $count (call $read (i32.load (i32.const 68))))
            (local.set $all (i32.add (local.get $all) (local.get $count)))
            (br_if $more (local.get $count)))
          (call $expect (local.get $all) (i32.const 1048576))
          (call $expect (call $wait) (i32.const 0)))
        (func (export "sandpiper-forked") (param i32)
          (local $round i32)
          (loop $more
            (call $expect (call $write (i32.const 1) (i32.const 0) (i32.const 65536)) (i32.const 0))
            (local.set $round (i32.add (local.get $round) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $round) (i32.const 16)))))"#,
    );
    assert_exit(&ended, &Exit::Code { code: 0 });
}

#[test]
fn a_write_that_nobody_reads_ends_the_process_by_sigpipe() {
    let ended = outcome(
        r#"(func (export "_start")
          (call $pipe_call (i32.const 64))
          (drop (call $fd_close (i32.load (i32.const 68))))
          (drop (call $write (i32.load (i32.const 72)) (i32.const 0) (i32.const 1)))
          (call $exit (i32.const 0)))
        (func (export "sandpiper-forked") (param i32))"#,
    );
    assert_exit(&ended, &Exit::Signal { signal: 13 });
    assert_eq!(ended.exit.code(), 141);
}

#[test]
fn a_child_that_computes_for_ever_can_be_killed() {
    for metering in [Metering::Fuel, Metering::Deadline] {
        let (_folder, mut spec) = program(
            r#"(func (export "_start")
              (local $child i32)
              (local.set $child (call $fork (i32.const 0) (i32.const 0) (i32.const 0)))
              (call $kill_call (local.get $child) (i32.const 9) (i32.const 48))
              (call $expect (i32.load8_u (i32.const 48)) (i32.const 0))
              (call $expect (call $wait) (i32.const 265))
              (call $kill_call (local.get $child) (i32.const 9) (i32.const 48))
              (call $expect (i32.load8_u (i32.const 48)) (i32.const 1))
              (call $expect (i32.load16_u (i32.const 50)) (i32.const 71)))
            (func (export "sandpiper-forked") (param i32) (loop $more (br $more)))"#,
        );
        spec.limits.metering = metering;
        assert_exit(&run(spec, Exec::new(["program"])), &Exit::Code { code: 0 });
    }
}

#[test]
fn a_process_that_ends_itself_by_a_signal_does_nothing_more() {
    let ended = outcome(
        r#"(func (export "_start")
          (call $kill_call (call $id) (i32.const 15) (i32.const 48))
          (call $exit (i32.const 0)))
        (func (export "sandpiper-forked") (param i32))"#,
    );
    assert_exit(&ended, &Exit::Signal { signal: 15 });
}

#[test]
fn the_end_of_the_first_process_ends_the_others() {
    let ended = outcome(
        r#"(func (export "_start")
          (drop (call $fork (i32.const 0) (i32.const 0) (i32.const 0)))
          (call $exit (i32.const 3)))
        (func (export "sandpiper-forked") (param i32) (loop $more (br $more)))"#,
    );
    assert_exit(&ended, &Exit::Code { code: 3 });
}

#[test]
fn a_fork_bomb_ends_at_the_limit_of_processes() {
    // Each process forks until it may not, and then waits for ever in a pipe.
    let (_folder, mut spec) = program(
        r#"(func $bomb
          (block $full
            (loop $more
              (br_if $full (i32.ge_u (call $fork (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 1000)))
              (br $more)))
          (call $expect (i32.load16_u (i32.const 20)) (i32.const 6)))
        (func (export "_start") (call $bomb) (call $exit (i32.const 4)))
        (func (export "sandpiper-forked") (param i32) (call $bomb)
          (call $pipe_call (i32.const 64))
          (drop (call $read (i32.load (i32.const 68)))))"#,
    );
    spec.limits.processes = 40;
    let ended = run(spec, Exec::new(["program"]));
    assert_exit(&ended, &Exit::Code { code: 4 });
    assert!(ended.denials.iter().any(|denial| denial.operation == "fork-call"), "{:?}", ended.denials);
}

/// Forks so many children, each of which does the body, and waits for them.
fn children(count: u32, body: &str) -> String {
    format!(
        r#"(func (export "_start")
          (local $left i32)
          (local.set $left (i32.const {count}))
          (loop $more
            (drop (call $fork (i32.const 0) (i32.const 0) (i32.const 0)))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $more (local.get $left)))
          (loop $rest (br_if $rest (i32.lt_u (call $wait) (i32.const 1000)))))
        (func (export "sandpiper-forked") (param i32) {body})"#
    )
}

#[test]
fn fuel_is_one_budget_for_all_and_the_same_in_each_run() {
    let body = "(local $left i32) (local.set $left (i32.const 1000000))
        (loop $more (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br_if $more (local.get $left)))";
    let (_folder, spec) = program(&children(4, body));
    let used = run(spec.clone(), Exec::new(["program"])).usage.fuel.unwrap();
    assert!(used > 4 * 4_000_000, "{used}");
    assert_eq!(run(spec.clone(), Exec::new(["program"])).usage.fuel, Some(used));
    let limits = Limits { fuel: used / 2, ..Limits::default() };
    assert_exit(&run(Spec { limits, ..spec }, Exec::new(["program"])), &Exit::Fuel);
}

#[test]
fn memory_is_one_budget_for_all() {
    // Each has 128 KiB and takes 1 MiB more, and holds it.
    let body = "(call $expect (i32.ne (memory.grow (i32.const 16)) (i32.const -1)) (i32.const 1))
        (call $pipe_call (i32.const 64)) (drop (call $read (i32.load (i32.const 68))))";
    let (_folder, mut spec) = program(&children(8, body));
    spec.limits.memory_bytes = 4 << 20;
    spec.limits.wall = Duration::from_secs(2);
    let ended = run(spec, Exec::new(["program"]));
    // Some get what they ask for and wait for ever, others do not and trap.
    assert_exit(&ended, &Exit::Timeout);
    assert!(ended.usage.peak_memory_bytes <= 4 << 20, "{}", ended.usage.peak_memory_bytes);
    assert!(ended.denials.iter().any(|denial| denial.operation == "memory.grow"), "{:?}", ended.denials);
}

#[test]
fn ten_thousand_processes_one_after_the_other_leave_nothing() {
    let (_folder, mut spec) = program(
        r#"(func (export "_start")
          (local $left i32)
          (local.set $left (i32.const 10000))
          (loop $more
            (if (i32.ge_u (call $fork (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 1000000)) (then unreachable))
            (call $expect (call $wait) (i32.const 7))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $more (local.get $left))))
        (func (export "sandpiper-forked") (param i32) (call $exit (i32.const 7)))"#,
    );
    spec.limits.processes = 2;
    spec.limits.memory_bytes = 256 << 10;
    assert_exit(&run(spec, Exec::new(["program"])), &Exit::Code { code: 0 });
}

#[test]
fn a_fork_without_the_function_for_it_is_a_trap_of_the_caller() {
    let ended = outcome(
        r#"(func (export "_start")
          (drop (call $fork (i32.const 0) (i32.const 0) (i32.const 0))))"#,
    );
    assert_exit(&ended, &Exit::Trap { trap: Trap::Unreachable });
}
