//! Components are weighed before they are compiled, kept in the compile cache, and never mixed up with
//! modules.

use std::time::{Duration, Instant};

use sandpiper::{Engine, EngineConfig, Error, Exec, Exit, Image, Spec};

use super::{bare, file, running};
use crate::harness::{assert_exit, try_run};

#[track_caller]
fn is_refused(text: &str, reason: &str) {
    let (_folder, spec) = running(&wat::parse_str(text).unwrap());
    let start = Instant::now();
    match try_run(spec, Exec::new(["program"])) {
        Err(Error::Image { reason: told, .. }) => assert!(told.contains(reason), "{told}"),
        other => panic!("{other:?}"),
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn a_compile_bomb_in_a_component_is_refused() {
    let calls = format!("(func {})", "(call 0)".repeat(200_000));
    is_refused(&format!("(component (core module {calls}))"), "function 0 weighs");
    is_refused(&format!("(component (component (core module {calls})))"), "function 0 weighs");
    // Two instances of two instances of two instances.
    let mut text = String::from("(component $c0 (core module $m) (core instance (instantiate $m)))");
    for level in 1..=40 {
        let below = level - 1;
        text = format!(
            "(component $c{level} {text} (instance (instantiate $c{below})) (instance (instantiate $c{below})))"
        );
    }
    is_refused(&text, "more than 256 instances");
    // An instance of two of an instance of two of an instance.
    let mut text = String::from("(instance $i0)");
    for level in 1..=18 {
        let below = level - 1;
        text += &format!(
            r#"(instance $i{level} (export "a" (instance $i{below})) (export "b" (instance $i{below})))"#
        );
    }
    is_refused(&format!("(component {text})"), "instances within instances");
}

#[test]
fn what_is_no_valid_component_is_refused() {
    let (_folder, path) = file(b"\0asm\x0d\0\x01\0garbage");
    let spec = Spec { image: Image::File(path), ..Spec::default() };
    match try_run(spec, Exec::new(["program"])) {
        Err(Error::Image { reason, .. }) => assert_eq!(reason, "it is not a valid WebAssembly component"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_component_is_compiled_once() {
    let cache = tempfile::tempdir().unwrap();
    let (_folder, path) = file(&wat::parse_str(bare("(i32.const 1)")).unwrap());
    let compiled = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for _ in 0..3 {
        let count = std::sync::Arc::clone(&compiled);
        let engine = Engine::new(EngineConfig {
            cache: Some(cache.path().join("compiled")),
            notify: Some(Box::new(move |notice| {
                if matches!(notice, sandpiper::Notice::Compiled { .. }) {
                    count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            })),
            ..EngineConfig::default()
        })
        .unwrap();
        let spec = Spec { image: Image::File(path.clone()), ..Spec::default() };
        let outcome = runtime.block_on(sandpiper::run(&engine, spec, Exec::new(["program"]))).unwrap();
        assert_exit(&outcome, &Exit::Code { code: 1 });
    }
    assert_eq!(compiled.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn a_file_that_becomes_a_component_is_one_from_then_on() {
    let module = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    let (_folder, path) = file(&wat::parse_str(module).unwrap());
    let component = bare("(i32.const 1)");
    for (text, code) in [(module, 0), (component.as_str(), 1), (module, 0)] {
        std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
        let spec = Spec { image: Image::File(path.clone()), ..Spec::default() };
        assert_exit(&try_run(spec, Exec::new(["program"])).unwrap(), &Exit::Code { code });
    }
}

#[test]
fn a_spec_that_was_admitted_for_a_module_is_not_run_by_a_component() {
    use sandpiper::{Backend, admit};
    let module = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    let (_folder, path) = file(&wat::parse_str(module).unwrap());
    let engine = crate::harness::engine();
    let spec = Spec { image: Image::File(path.clone()), ..Spec::default() };
    let admitted = admit(spec.clone(), "wasm", engine.capabilities(&spec.image)).unwrap();
    std::fs::write(&path, wat::parse_str(bare("(i32.const 0)")).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(engine.create(admitted)).map(|_| ()) {
        Err(Error::Image { reason, .. }) => assert_eq!(reason, "it was changed while it was looked at"),
        other => panic!("{other:?}"),
    }
    let admitted = admit(spec.clone(), "wasm", engine.capabilities(&spec.image)).unwrap();
    assert!(runtime.block_on(engine.create(admitted)).is_ok());
}
