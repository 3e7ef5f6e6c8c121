//! The invariants of the design that are shown on a whole sandbox.

use sandpiper::{Access, Backend, Clock, Exec, Limits, Metering, Spec, admit};

use crate::harness::{Printed, assert_prints, engine, granting, python, run, workspace};

#[test]
fn the_empty_policy_grants_nothing() {
    let program = "import os\nprint(sorted(os.listdir('/')), sorted(os.environ), os.getcwd())";
    let outcome = python(Spec::default(), program);
    assert_prints(
        &outcome,
        "['bin', 'dev', 'etc', 'home', 'tmp', 'usr'] ['HOME', 'LANG', 'PATH', 'PWD'] /\n",
    );
}

#[test]
fn the_same_inputs_give_the_same_bytes_and_the_same_fuel() {
    let program = "import os, random, time, uuid, tempfile\n\
        print(random.random(), os.urandom(8).hex(), uuid.uuid4(), time.time(), hash('a'), {'b', 'a', 'c'})\n\
        print(tempfile.mktemp(), time.perf_counter())";
    let once = || {
        let clock = Clock::Virtual { start_ns: 1_000_000_000_000_000_000 };
        let outcome = python(Spec { seed: Some(7), clock, ..Spec::default() }, program);
        assert!(outcome.exit.success(), "{}", outcome.stderr());
        (outcome.stdout.bytes, outcome.usage.fuel)
    };
    let first = once();
    for _ in 0..5 {
        assert_eq!(once(), first);
    }
}

#[test]
fn runs_differ_where_nothing_is_pinned() {
    let program = "import os, random, uuid\nprint(random.random(), os.urandom(8).hex(), uuid.uuid4())";
    let once = || python(Spec::default(), program).stdout();
    assert_ne!(once(), once());
}

#[test]
fn a_run_sees_nothing_of_an_earlier_one() {
    let (_folder, spec) = workspace();
    let leave = "import sys, os\nsys.modules['left'] = 1\nopen('/tmp/left', 'w').write('x')\n\
        open(os.path.expanduser('~/left'), 'w').write('x')\nos.environ['LEFT'] = '1'\n\
        marker = bytearray(b'left behind in memory ' * 200000)\nprint(len(marker))";
    let look = "import sys, os\nprint('left' in sys.modules, os.listdir('/tmp'), os.listdir(os.path.expanduser('~')), 'LEFT' in os.environ)";
    for _ in 0..5 {
        assert_prints(&python(spec.clone(), leave), "4400000\n");
        assert_prints(&python(spec.clone(), look), "False [] [] False\n");
    }
}

#[test]
fn memory_that_a_run_grows_into_holds_nothing_of_another() {
    // The guest fills what it allocates, the next one looks at what it gets without clearing it.
    let fill = "x = [bytearray(b'SECRET-OF-ANOTHER') * 4096 for _ in range(1500)]\nprint(len(x))";
    let raw = wat::parse_str(
        r#"(module
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (memory (export "memory") 1)
          (func (export "_start") (local $at i32)
            (drop (memory.grow (i32.const 1024)))
            (loop $next
              (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (call $exit (i32.const 1))))
              (i64.store (local.get $at) (i64.const -1))
              (local.set $at (i32.add (local.get $at) (i32.const 8)))
              (br_if $next (i32.lt_u (local.get $at) (i32.const 67174400))))))"#,
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("look.wasm");
    std::fs::write(&path, raw).unwrap();
    let spec = Spec { image: sandpiper::Image::File(path), ..Spec::default() };
    for _ in 0..4 {
        assert!(python(Spec::default(), fill).exit.success());
        assert!(run(spec.clone(), Exec::new(["look"])).exit.success());
    }
}

#[test]
fn closing_twice_is_closing_once_and_dropping_is_enough() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let spec = || {
            admit(Spec::default(), engine().name(), engine().capabilities(&Spec::default().image)).unwrap()
        };
        let sandbox = engine().create(spec()).await.unwrap();
        sandbox.close().await.unwrap();
        sandbox.close().await.unwrap();
        let dropped = engine().create(spec()).await.unwrap();
        let running = dropped.spawn(Exec::new(["python3", "-c", "while True: pass"])).await.unwrap();
        let (_events, done, _control) = running.split();
        let ended = tokio::time::timeout(std::time::Duration::from_millis(100), done).await;
        assert!(ended.is_err(), "the guest loops until its future is dropped");
        drop(dropped);
    });
    assert_prints(&python(Spec::default(), "print(1)"), "1\n");
}

#[test]
fn a_control_ends_the_guest() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        let spec =
            admit(Spec::default(), engine().name(), engine().capabilities(&Spec::default().image)).unwrap();
        let sandbox = engine().create(spec).await.unwrap();
        let running =
            sandbox.spawn(Exec::new(["python3", "-c", "import time; time.sleep(3600)"])).await.unwrap();
        let control = running.control().clone();
        let (outcome, ()) = tokio::join!(sandpiper::collect(running), async {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            control.cancel();
        });
        outcome.unwrap()
    });
    assert_eq!(outcome.exit, sandpiper::Exit::Cancelled);
    assert_eq!(outcome.exit.code(), 130);
}

#[test]
fn many_sandboxes_run_at_once_on_several_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    engine();
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for index in 0..64 {
            tasks.push(tokio::spawn(async move {
                let metering = if index % 2 == 0 { Metering::Fuel } else { Metering::Deadline };
                let spec = Spec { limits: Limits { metering, ..Limits::default() }, ..Spec::default() };
                let program = format!("import time; time.sleep(0.01); print({index} * 3)");
                let outcome =
                    sandpiper::run(engine(), spec, Exec::new(["python3", "-c", &program])).await.unwrap();
                assert_eq!(outcome.stdout(), format!("{}\n", index * 3), "{}", outcome.stderr());
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_read_only_mount_can_be_read_and_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f"), "kept").unwrap();
    let spec = granting(folder.path(), Access::ReadOnly);
    assert_prints(&python(spec.clone(), "print(open('f').read())"), "kept\n");
    let outcome = python(spec, "open('f', 'w')");
    assert!(outcome.stderr().contains("Read-only file system"), "{}", outcome.stderr());
    assert_eq!(std::fs::read_to_string(folder.path().join("f")).unwrap(), "kept");
}

#[test]
fn a_trimmed_engine_runs_on() {
    let engine = engine();
    let program = "x = bytearray(8 << 20); print(len(x))";
    for _ in 0..2 {
        assert_prints(&python(Spec::default(), program), "8388608\n");
        engine.trim();
    }
}
