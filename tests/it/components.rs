//! WASI 0.2 commands: they run as modules do, under the same limits, and what cannot be enforced for them
//! is refused by its name.

mod attacks;
mod compiling;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sandpiper::{
    Access, Clock, DenialReason, Error, Exec, Exit, Image, Limits, Metering, Mount, Outcome, Quota, Refusal,
    Spec, Stdin, Trap,
};
use tempfile::TempDir;

use crate::harness::{Printed, assert_exit, assert_prints, engine, run, try_run};

/// A component of a preview 1 command, as toolchains make it.
pub fn adapted(module: &str) -> Vec<u8> {
    wit_component::ComponentEncoder::default()
        .module(&wat::parse_str(module).unwrap())
        .unwrap()
        .adapter(
            wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
            wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
        )
        .unwrap()
        .encode()
        .unwrap()
}

/// A folder with a program in it.
fn file(program: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program.wasm");
    std::fs::write(&path, program).unwrap();
    (folder, path)
}

fn running(program: &[u8]) -> (TempDir, Spec) {
    let (folder, path) = file(program);
    (folder, Spec { image: Image::File(path), ..Spec::default() })
}

/// A command without imports, whose body answers 0 for success and 1 for failure.
fn bare(body: &str) -> String {
    format!(
        r#"(component
          (core module $m (memory 1) (table $t 10 funcref) (global $g (mut i32) (i32.const 0))
            (func (export "run") (result i32) {body}))
          (core instance $i (instantiate $m))
          (func $run (result (result)) (canon lift (core func $i "run")))
          (instance $run (export "run" (func $run)))
          (export "wasi:cli/run@0.2.0" (instance $run)))"#
    )
}

#[track_caller]
fn run_bare(body: &str, limits: Limits) -> Outcome {
    let (_folder, spec) = running(&wat::parse_str(bare(body)).unwrap());
    run(Spec { limits, ..spec }, Exec::new(["program"]))
}

/// Copies standard input to standard output, after its arguments and variables.
const ECHO: &str = r#"(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $say (param $fd i32) (param $from i32) (param $length i32)
    (i32.store (i32.const 16) (local.get $from))
    (i32.store (i32.const 20) (local.get $length))
    (drop (call $write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24))))
  (func (export "_start")
    (drop (call $args_sizes (i32.const 0) (i32.const 4)))
    (drop (call $args (i32.const 64) (i32.const 1024)))
    (call $say (i32.const 1) (i32.const 1024) (i32.load (i32.const 4)))
    (drop (call $env_sizes (i32.const 0) (i32.const 4)))
    (drop (call $env (i32.const 64) (i32.const 1024)))
    (call $say (i32.const 2) (i32.const 1024) (i32.load (i32.const 4)))
    (loop $again
      (i32.store (i32.const 16) (i32.const 4096))
      (i32.store (i32.const 20) (i32.const 8192))
      (drop (call $read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24)))
      (if (i32.load (i32.const 24)) (then
        (call $say (i32.const 1) (i32.const 4096) (i32.load (i32.const 24)))
        (br $again))))))"#;

#[test]
fn arguments_variables_and_streams_are_the_guests_own() {
    let (_folder, spec) = running(&adapted(ECHO));
    let exec = Exec::new(["program.wasm", "a", "b c"]).env("K", "v").stdin(Stdin::bytes("input\n"));
    let outcome = run(spec, exec);
    assert_prints(&outcome, "program.wasm\0a\0b c\0input\n");
    // No home and no path: there is no such directory.
    assert_eq!(outcome.stderr(), "LANG=C.UTF-8\0K=v\0PWD=/\0");
    assert_eq!(outcome.usage.bytes_read, 6);
    assert_eq!(outcome.usage.bytes_written, 25 + 23);
    assert!(outcome.usage.fuel.unwrap() > 1000);
    assert!(outcome.usage.peak_memory_bytes >= 1 << 16);
}

/// A component that uses what a mount, the clocks and the randomness have, and prints the file `given`.
pub fn reader() -> Vec<u8> {
    adapted(include_str!("../programs/components/reader.wat"))
}

#[test]
fn a_file_of_a_mount_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let given: Vec<u8> = (0..200_000_u32).map(|index| (index % 251) as u8).collect();
    std::fs::write(folder.path().join("given"), &given).unwrap();
    let (_files, path) = file(&reader());
    let outcome = run(mounting(&path, &[(folder.path(), "/data", Access::ReadOnly)]), Exec::new(["p"]));
    assert_exit(&outcome, &Exit::Code { code: 0 });
    assert!(outcome.stdout.bytes == given);
    assert_eq!((outcome.usage.bytes_read, outcome.usage.bytes_written), (200_000, 200_000));
    assert_eq!(outcome.denials, []);
}

#[test]
fn a_module_and_its_component_do_the_same() {
    let input: Vec<u8> = (0..300_000_u32).map(|index| (index % 251) as u8).collect();
    let [module, component] = [wat::parse_str(ECHO).unwrap(), adapted(ECHO)].map(|program| {
        let (_folder, spec) = running(&program);
        let outcome = run(spec, Exec::new(["p", "é"]).stdin(Stdin::bytes(input.clone())));
        assert_exit(&outcome, &Exit::Code { code: 0 });
        outcome.stdout.bytes
    });
    assert!(module == component);
    assert!(module.ends_with(&input));
}

#[test]
fn statuses_are_passed_on() {
    for (body, code) in [("(i32.const 0)", 0), ("(i32.const 1)", 1)] {
        assert_exit(&run_bare(body, Limits::default()), &Exit::Code { code });
    }
    for code in [0, 1, 126, 127, 128, 137, 255] {
        let program = format!(
            r#"(component
              (import "wasi:cli/exit@0.2.12" (instance $exit
                (export "exit-with-code" (func (param "status-code" u8)))))
              (core func $exit (canon lower (func $exit "exit-with-code")))
              (core module $m (import "" "exit" (func $exit (param i32)))
                (func (export "run") (result i32) (call $exit (i32.const {code})) (i32.const 0)))
              (core instance $i (instantiate $m (with "" (instance (export "exit" (func $exit))))))
              (func $run (result (result)) (canon lift (core func $i "run")))
              (instance $run (export "run" (func $run)))
              (export "wasi:cli/run@0.2.0" (instance $run)))"#
        );
        let (_folder, spec) = running(&wat::parse_str(program).unwrap());
        assert_exit(&run(spec, Exec::new(["program"])), &Exit::Code { code });
    }
}

const SPIN: &str = "(loop $l (br $l)) (i32.const 0)";

#[test]
fn fuel_ends_a_component() {
    let ended = run_bare(SPIN, Limits { fuel: 1_000_000, ..Limits::default() });
    assert_exit(&ended, &Exit::Fuel);
    assert_eq!(ended.exit.code(), 152);
    assert_eq!(ended.usage.fuel, Some(1_000_000));
}

#[test]
fn the_deadline_ends_a_component_that_computes() {
    for metering in [Metering::Fuel, Metering::Deadline] {
        let wall = Duration::from_millis(200);
        let ended = run_bare(SPIN, Limits { wall, metering, ..Limits::default() });
        assert_exit(&ended, &Exit::Timeout);
        assert_eq!(ended.exit.code(), 124);
        assert!((200..10_000).contains(&ended.usage.wall_ms), "{}", ended.usage.wall_ms);
    }
}

#[test]
fn the_deadline_ends_a_component_that_waits() {
    let (_folder, mut spec) = running(&adapted(ECHO));
    spec.limits.wall = Duration::from_millis(200);
    let (_writer, reader) = tokio::io::duplex(64);
    let ended = run(spec, Exec::new(["p"]).stdin(Stdin::Stream(Box::new(reader))));
    assert_exit(&ended, &Exit::Timeout);
    assert_eq!(ended.stdout(), "p\0");
}

#[test]
fn the_deadline_ends_a_component_that_only_calls_long_functions_of_the_host() {
    let program = r#"(module
      (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
      (memory (export "memory") 300)
      (func (export "_start")
        (loop $l (drop (call $random (i32.const 65536) (i32.const 0x1000000))) (br $l))))"#;
    let (_folder, mut spec) = running(&adapted(program));
    spec.limits.wall = Duration::from_millis(200);
    for metering in [Metering::Fuel, Metering::Deadline] {
        spec.limits.metering = metering;
        let ended = run(spec.clone(), Exec::new(["p"]));
        assert_exit(&ended, &Exit::Timeout);
        // By fuel alone the guest would have a turn of many thousand calls, of milliseconds each.
        assert!((200..5_000).contains(&ended.usage.wall_ms), "{}", ended.usage.wall_ms);
    }
}

#[test]
fn a_start_function_is_metered_too() {
    let program = r#"(component (core module $m (func $spin (loop $l (br $l))) (start $spin)
            (func (export "run") (result i32) (i32.const 0)))
          (core instance $i (instantiate $m))
          (func $run (result (result)) (canon lift (core func $i "run")))
          (instance $run (export "run" (func $run)))
          (export "wasi:cli/run@0.2.0" (instance $run)))"#;
    let (_folder, mut spec) = running(&wat::parse_str(program).unwrap());
    spec.limits.fuel = 1_000_000;
    assert_exit(&run(spec, Exec::new(["program"])), &Exit::Fuel);
}

#[test]
fn memory_is_limited_over_all_memories() {
    let grow = |pages: u32| {
        let body = format!(
            "(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable)) (i32.const 0)"
        );
        run_bare(&body, Limits { memory_bytes: 10 << 16, ..Limits::default() })
    };
    assert_exit(&grow(9), &Exit::Code { code: 0 });
    let ended = grow(10);
    assert_exit(&ended, &Exit::Memory);
    assert_eq!(ended.exit.code(), 137);
    assert_eq!(ended.denials[0].reason, DenialReason::MemoryLimit);
    // Two instances of six pages each are more than ten, and each alone is not.
    let with = |instances: usize| {
        let text = format!(
            r#"(component (core module $m (memory 6) (func (export "run") (result i32) (i32.const 0)))
              {} (core instance $i (instantiate $m))
              (func $run (result (result)) (canon lift (core func $i "run")))
              (instance $run (export "run" (func $run)))
              (export "wasi:cli/run@0.2.0" (instance $run)))"#,
            "(core instance (instantiate $m))".repeat(instances - 1)
        );
        let (_folder, mut spec) = running(&wat::parse_str(text).unwrap());
        spec.limits.memory_bytes = 10 << 16;
        run(spec, Exec::new(["program"])).exit
    };
    assert_eq!(with(1), Exit::Code { code: 0 });
    assert_eq!(with(2), Exit::Memory);
}

#[test]
fn tables_are_limited() {
    let grow = |elements: u32| {
        let body = format!("(i32.eq (table.grow $t (ref.null func) (i32.const {elements})) (i32.const -1))");
        run_bare(&body, Limits { table_elements: 1000, ..Limits::default() })
    };
    assert_exit(&grow(990), &Exit::Code { code: 0 });
    let refused = grow(991);
    assert_exit(&refused, &Exit::Code { code: 1 });
    assert_eq!(refused.denials[0].operation, "table.grow");
}

#[test]
fn traps_are_named_and_are_134() {
    for (body, trap) in [
        ("unreachable", Trap::Unreachable),
        ("(i32.div_u (i32.const 1) (i32.const 0))", Trap::Arithmetic),
        ("(i32.load (i32.const -4))", Trap::MemoryOutOfBounds),
        ("(call_indirect (i32.const 0)) (i32.const 0)", Trap::IndirectCall),
        ("(call 0)", Trap::StackOverflow),
        // Neither success nor failure.
        ("(i32.const 7)", Trap::Other),
    ] {
        let outcome = run_bare(body, Limits::default());
        assert_exit(&outcome, &Exit::Trap { trap });
        assert_eq!(outcome.exit.code(), 134);
    }
}

#[test]
fn output_up_to_the_limit_is_kept_and_the_next_byte_ends_the_guest() {
    let (_folder, mut spec) = running(&adapted(ECHO));
    spec.limits.output_bytes = 100_000;
    // The arguments and the variables are output too.
    let with = |bytes: usize| run(spec.clone(), Exec::new(["p"]).stdin(Stdin::bytes(vec![b'x'; bytes])));
    let variables = "LANG=C.UTF-8\0PWD=/\0".len();
    let within = with(100_000 - 2 - variables);
    assert_exit(&within, &Exit::Code { code: 0 });
    assert!(!within.stdout.cut);
    let ended = with(100_000 - 2 - variables + 1);
    assert_exit(&ended, &Exit::Quota { quota: Quota::Output });
    assert_eq!(ended.exit.code(), 153);
    assert!(ended.stdout.cut);
    for outcome in [&within, &ended] {
        assert_eq!(outcome.stdout.bytes.len() + outcome.stderr.bytes.len(), 100_000);
    }
    assert_eq!(ended.denials[0].reason, DenialReason::OutputLimit);
}

#[test]
fn a_component_is_cancelled() {
    let (_folder, mut spec) = running(&wat::parse_str(bare(SPIN)).unwrap());
    spec.limits.wall = Duration::from_secs(60);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        use sandpiper::{Backend, admit};
        let capabilities = engine().capabilities(&spec.image);
        let sandbox = engine().create(admit(spec, "wasm", capabilities).unwrap()).await.unwrap();
        let running = sandbox.spawn(Exec::new(["program"])).await.unwrap();
        let control = running.control().clone();
        let cancel = async {
            tokio::task::yield_now().await;
            control.cancel();
        };
        tokio::join!(sandpiper::collect(running), cancel).0.unwrap()
    });
    assert_exit(&outcome, &Exit::Cancelled);
}

/// Prints the real and the monotonic time and random bytes, sleeps for an hour, and prints the monotonic
/// time once more.
const TIMES: &str = r#"(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $time (i32.const 0) (i64.const 0) (i32.const 1024)))
    (drop (call $time (i32.const 1) (i64.const 0) (i32.const 1032)))
    (drop (call $random (i32.const 1048) (i32.const 32)))
    (i32.store (i32.const 80) (i32.const 1))
    (i64.store (i32.const 88) (i64.const 3600000000000))
    (drop (call $poll (i32.const 64) (i32.const 256) (i32.const 1) (i32.const 512)))
    (drop (call $time (i32.const 1) (i64.const 0) (i32.const 1040)))
    (i32.store (i32.const 16) (i32.const 1024))
    (i32.store (i32.const 20) (i32.const 56))
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))))"#;

#[test]
fn the_same_seed_and_clock_give_the_same_bytes_and_fuel() {
    let (_folder, spec) = running(&adapted(TIMES));
    let with = |seed| {
        let clock = Clock::Virtual { start_ns: 5_000_000_000 };
        let start = Instant::now();
        let outcome = run(Spec { clock, seed: Some(seed), ..spec.clone() }, Exec::new(["p"]));
        assert_exit(&outcome, &Exit::Code { code: 0 });
        assert!(start.elapsed() < Duration::from_secs(60), "an hour is jumped over");
        (outcome.stdout.bytes, outcome.usage.fuel.unwrap())
    };
    let (bytes, fuel) = with(7);
    let time = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!(time(0), 5_000_000_000);
    let slept = time(16) - time(8);
    assert!((3_600_000_000_000..3_600_001_000_000).contains(&slept), "{slept}");
    assert_eq!(with(7), (bytes.clone(), fuel));
    let (other, other_fuel) = with(8);
    assert_eq!((&other[..24], other_fuel), (&bytes[..24], fuel));
    assert_ne!(other[24..], bytes[24..]);
}

#[test]
fn the_host_clock_sleeps_until_the_deadline() {
    let (_folder, mut spec) = running(&adapted(TIMES));
    spec.limits.wall = Duration::from_millis(200);
    assert_exit(&run(spec, Exec::new(["p"])), &Exit::Timeout);
}

#[test]
fn what_is_no_command_is_not_runnable() {
    for (text, reason) in [
        ("(component)", "is no WASI command: it exports no wasi:cli/run of 0.2"),
        (r#"(component (import "wasi:http/types@0.2.0" (instance)))"#, "is no WASI command"),
        (
            r#"(component (import "wasi:http/types@0.2.0" (instance (export "f" (func)))))"#,
            "imports what is not offered (WASI 0.2 is): component imports instance `wasi:http/types@0.2.0`",
        ),
    ] {
        let (_folder, spec) = running(&wat::parse_str(text).unwrap());
        let outcome = run(spec, Exec::new(["program.wasm"]));
        assert_eq!(outcome.exit.code(), 126);
        let Exit::NotRunnable { command, reason: told } = &outcome.exit else { panic!("{outcome:?}") };
        assert_eq!(command, "program.wasm");
        assert!(told.starts_with(reason), "{told}");
    }
}

fn mounting(path: &Path, mounts: &[(&Path, &str, Access)]) -> Spec {
    let mounts = mounts.iter().map(|(host, guest, access)| Mount::new(*host, guest, *access).unwrap());
    Spec { image: Image::File(path.to_owned()), mounts: mounts.collect(), ..Spec::default() }
}

#[test]
fn what_is_not_enforced_for_components_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let given = folder.path();
    let (_files, path) = file(&wat::parse_str(bare("(i32.const 0)")).unwrap());
    let (_files, module) =
        file(&wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#).unwrap());
    let read_only = (given, "/a", Access::ReadOnly);
    for (mounts, field) in [
        (vec![read_only, (given, "/b", Access::ReadWrite)], "disk_bytes"),
        (vec![read_only, (given, "/a/b", Access::ReadOnly)], "mounts"),
    ] {
        match try_run(mounting(&path, &mounts), Exec::new(["p"])) {
            Err(Error::Refused(Refusal::NotEnforced { field: named, .. })) => assert_eq!(named, field),
            other => panic!("{other:?}"),
        }
        let outcome = run(mounting(&module, &mounts), Exec::new(["p"]));
        assert_exit(&outcome, &Exit::Code { code: 0 });
    }
    let outcome = run(mounting(&path, &[read_only, (given, "/b", Access::ReadOnly)]), Exec::new(["p"]));
    assert_exit(&outcome, &Exit::Code { code: 0 });
}

#[test]
fn a_working_directory_is_a_mount_or_below() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("d")).unwrap();
    let (_files, path) = file(&adapted(ECHO));
    let within = |cwd| {
        let spec = mounting(&path, &[(folder.path(), "/workspace", Access::ReadOnly)]);
        try_run(spec, Exec::new(["p"]).cwd(cwd))
    };
    for cwd in ["/workspace", "/workspace/d", "/"] {
        assert_eq!(within(cwd).unwrap().stderr(), format!("LANG=C.UTF-8\0PWD={cwd}\0"));
    }
    // Directories that modules have.
    for cwd in ["/tmp", "/home/user", "/usr/bin", "/workspace/../tmp", "/workspace/missing"] {
        assert!(matches!(within(cwd), Err(Error::Refused(Refusal::Exec { .. }))), "{cwd}");
    }
}
