//! Stacks: recursion of every kind ends in the guest's own trap, and never in the host's stack.

use std::time::Duration;

use sandpiper::{Exec, Exit, Image, Metering, Spec, Trap};

use super::{bare, module};
use crate::harness::assert_exit;

#[track_caller]
fn ends(text: &str, exit: &Exit) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recursion.wasm");
    std::fs::write(&path, module(text)).unwrap();
    for metering in [Metering::Fuel, Metering::Deadline] {
        let mut spec = Spec { image: Image::File(path.clone()), ..Spec::default() };
        spec.limits.metering = metering;
        spec.limits.wall = Duration::from_secs(20);
        assert_exit(&bare(spec, Exec::new(["recursion"])).unwrap(), exit);
    }
}

const OVERFLOW: Exit = Exit::Trap { trap: Trap::StackOverflow };
const DONE: Exit = Exit::Code { code: 0 };

/// Attack: a function that calls itself, directly and through a table. Twin: a thousand deep.
#[test]
fn a_function_that_calls_itself_overflows_its_own_stack() {
    ends(r#"(func $f (call $f)) (func (export "_start") (call $f))"#, &OVERFLOW);
    ends(
        r#"(table funcref (elem $f)) (func $f (call_indirect (i32.const 0))) (func (export "_start") (call $f))"#,
        &OVERFLOW,
    );
    ends(
        r#"(func $f (param i32) (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))
          (func (export "_start") (call $f (i32.const 1000)))"#,
        &DONE,
    );
}

/// Attack: before `_start`, in the start function, which runs while the instance is made. Twin: one that
/// returns.
#[test]
fn a_start_function_overflows_its_own_stack() {
    ends(r#"(func $f (call $f)) (start $f) (func (export "_start"))"#, &OVERFLOW);
    ends(r#"(func $f) (start $f) (func (export "_start"))"#, &DONE);
}

/// Attack: two that call each other with many values, so that each frame is large. Twin: ten deep.
#[test]
fn large_frames_overflow_as_soon_and_no_worse() {
    let parameters = "(param i64) ".repeat(500);
    let values =
        (0..499).map(|index| format!("(i64.mul (local.get {index}) (i64.const 3))")).collect::<String>();
    let zeros = "(i64.const 1)".repeat(499);
    let program = |depth: i64| {
        format!(
            r#"(func $a {parameters} (if (i64.ne (local.get 499) (i64.const 0)) (then (call $b {values} (i64.sub (local.get 499) (i64.const 1))))))
              (func $b {parameters} (call $a {values} (local.get 499)))
              (func (export "_start") (call $a {zeros} (i64.const {depth})))"#
        )
    };
    ends(&program(-1), &OVERFLOW);
    ends(&program(10), &DONE);
}

/// Attack: a tail call that never ends takes no stack, and ends with the fuel or the time. Twin: one
/// that counts down.
#[test]
fn tail_calls_end_by_the_limits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tail.wasm");
    std::fs::write(&path, module(r#"(func $f (return_call $f)) (func (export "_start") (call $f))"#))
        .unwrap();
    let mut spec = Spec { image: Image::File(path), ..Spec::default() };
    spec.limits.wall = Duration::from_millis(300);
    assert_exit(&bare(spec.clone(), Exec::new(["tail"])).unwrap(), &Exit::Timeout);
    spec.limits.metering = Metering::Deadline;
    assert_exit(&bare(spec.clone(), Exec::new(["tail"])).unwrap(), &Exit::Timeout);
    spec.limits.metering = Metering::Fuel;
    spec.limits.fuel = 100_000;
    assert_exit(&bare(spec, Exec::new(["tail"])).unwrap(), &Exit::Fuel);
    ends(
        r#"(func $f (param i32) (if (local.get 0) (then (return_call $f (i32.sub (local.get 0) (i32.const 1))))))
          (func (export "_start") (call $f (i32.const 100000)))"#,
        &DONE,
    );
}

/// Attack: functions of the host, those that need most of its stack, called at every depth to the very
/// end of the guest's. Twin: at a depth of a hundred.
#[test]
fn functions_of_the_host_have_stack_left_wherever_they_are_called() {
    let program = |depth: i32| {
        format!(
            r#"(data (i32.const 100) "tmp/../home/../usr/../bin/../tmp/../tmp/./././x")
              (func $f (param $n i32)
                (i32.store (i32.const 1000) (i32.const 100))
                (i32.store (i32.const 1004) (i32.const 8))
                (drop (call $path_open (i32.const 3) (i32.const 1) (i32.const 100) (i32.const 46) (i32.const 1) (i64.const -1) (i64.const 0) (i32.const 0) (i32.const 2000)))
                (drop (call $fd_close (i32.const 4)))
                (drop (call $fd_readdir (i32.const 3) (i32.const 4000) (i32.const 1000) (i64.const 0) (i32.const 2000)))
                (drop (call $fd_read (i32.const 0) (i32.const 1000) (i32.const 1) (i32.const 2000)))
                (drop (call $path_open (i32.const 9) (i32.const 1) (i32.const -1) (i32.const 46) (i32.const 1) (i64.const -1) (i64.const 0) (i32.const 0) (i32.const 2000)))
                (drop (call $poll_oneoff (i32.const 8000) (i32.const 9000) (i32.const 3) (i32.const 2000)))
                (drop (call $random_get (i32.const 8000) (i32.const 0)))
                (drop (call $path_rename (i32.const 3) (i32.const 100) (i32.const 46) (i32.const 3) (i32.const 100) (i32.const 46)))
                (if (local.get $n) (then (call $f (i32.sub (local.get $n) (i32.const 1))))))
              (func (export "_start") (call $f (i32.const {depth})))"#
        )
    };
    ends(&program(-1), &OVERFLOW);
    ends(&program(100), &DONE);
}
