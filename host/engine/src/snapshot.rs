//! Runs a module's initialisation once and writes the module as it is after it (wizer).

use std::path::Path;
use std::sync::Arc;

use sandpiper_core::{Access, Clock, Control, GitDirectory, GuestPath, Limits, Metering, Mount, Spec, Stdin};
use sandpiper_kernel::{Process, SystemTree, World};
use tokio::sync::mpsc;
use wasmtime::{Instance, Module, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, Wizer};

use crate::budget::{Fuel, Memory};
use crate::config::config;
use crate::group::Member;
use crate::memory::{MemoryPool, StackPool};
use crate::store::{Grant, State, new_store};

/// The exported function that initialises.
const INITIALIZE: &str = "wizer-initialize";
/// The exported function that becomes the entry point.
const RESUME: &str = "wizer-resume";
/// Where the module finds the folder of its own files.
const FILES: &str = "/image";
/// 2026-01-01, the time that an initialisation sees, always.
const START_NS: u64 = 1_767_225_600_000_000_000;

/// Why a module cannot be snapshotted.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The module, or what it did.
    #[error("the module cannot be initialised: {0}")]
    Module(String),
    /// The host.
    #[error(transparent)]
    Host(#[from] sandpiper_core::Error),
}

/// Calls the module's `wizer-initialize` with `files` read-only at `/image`, and gives a module that
/// starts where that ended, with `wizer-resume` as its entry point.
///
/// The initialisation sees a pinned clock, pinned randomness and an empty environment, so that the
/// same module and files give the same bytes.
///
/// # Errors
/// [`SnapshotError::Module`] says what the module printed when it failed.
pub async fn snapshot(wasm: &[u8], files: &Path) -> Result<Vec<u8>, SnapshotError> {
    let module_error = |err: wasmtime::Error| SnapshotError::Module(format!("{err:#}"));
    let mut wizer = Wizer::new();
    wizer.init_func(INITIALIZE).func_rename(crate::image::ENTRY_POINT, RESUME).keep_init_func(false);
    let (context, instrumented) = wizer.instrument(wasm).map_err(module_error)?;

    let config = config(Metering::Fuel, Arc::new(MemoryPool::default()), Arc::new(StackPool::default()));
    let engine = wasmtime::Engine::new(&config).map_err(module_error)?;
    let module = Module::new(&engine, &instrumented).map_err(module_error)?;
    let (events, mut output) = mpsc::channel(1 << 10);
    let spec = Spec {
        mounts: vec![Mount {
            host: files.to_owned(),
            guest: guest_path(FILES),
            access: Access::ReadOnly,
            git: GitDirectory::Shown,
        }],
        limits: Limits { memory_bytes: 1 << 30, ..Limits::default() },
        clock: Clock::Virtual { start_ns: START_NS },
        seed: Some(0),
        ..Spec::default()
    };
    let world = World::new(&spec, SystemTree::builder().build()?)?;
    let argv = vec!["initialize".to_owned()];
    let process = Process::new(world, &argv, &[], Stdin::Empty, events, Control::default())?;
    let fuel = Fuel::new(&spec.limits);
    let member = Member { process, meter: fuel.meter(), group: None };
    let grant = Grant { fuel: spec.limits.fuel, memory: Arc::new(Memory::new(&spec.limits)) };
    let mut store = new_store(&engine, member, &spec.limits, grant)?;
    let linker = crate::bindings::linker(&engine).map_err(module_error)?;
    let done = async {
        let instance = linker.instantiate_async(&mut store, &module).await?;
        store.data_mut().memory = instance.get_memory(&mut store, crate::bindings::MEMORY);
        for name in ["_initialize", INITIALIZE] {
            if let Ok(function) = instance.get_typed_func::<(), ()>(&mut store, name) {
                function.call_async(&mut store, ()).await?;
            }
        }
        wasmtime::Result::<Instance>::Ok(instance)
    };
    let instance = done.await.map_err(|err| {
        let mut text = Vec::new();
        while let Ok(sandpiper_core::Event::Output { bytes, .. }) = output.try_recv() {
            text.extend_from_slice(&bytes);
        }
        SnapshotError::Module(format!("{err:#}\n{}", String::from_utf8_lossy(&text)))
    })?;
    wizer.snapshot(&context, &mut Initialised { store: &mut store, instance }).await.map_err(module_error)
}

fn guest_path(text: &str) -> GuestPath {
    text.parse().expect("the constant is a guest path")
}

/// The instance after its initialisation, as wizer reads it.
struct Initialised<'a> {
    store: &'a mut Store<State>,
    instance: Instance,
}

impl InstanceState for Initialised<'_> {
    async fn global_get(&mut self, name: &str, _: wasmparser::ValType) -> SnapshotVal {
        let global = self.instance.get_global(&mut *self.store, name).expect("wizer exports every global");
        match global.get(&mut *self.store) {
            Val::I32(value) => SnapshotVal::I32(value),
            Val::I64(value) => SnapshotVal::I64(value),
            Val::F32(value) => SnapshotVal::F32(value),
            Val::F64(value) => SnapshotVal::F64(value),
            Val::V128(value) => SnapshotVal::V128(value.as_u128()),
            other => unreachable!("wizer admits numeric globals only, not {other:?}"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        let memory = self.instance.get_memory(&mut *self.store, name).expect("wizer exports every memory");
        contents(memory.data(&self.store));
    }
}
