//! A module or component that is ready to be instantiated: checked, compiled, linked, with its memory
//! pool.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use sandpiper_core::{Error, Metering};
use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::{ExternType, InstancePre, Module, ResourcesRequired};
use wasmtime_wasi::p2::bindings::CommandPre;

use super::cache::Entry;
use super::split::split;
use super::weight::{self, Unfit};
use super::{CompileCache, Kind, ModuleSource, composition};
use crate::component::{self, Command};
use crate::config::config;
use crate::memory::{MemoryImage, MemoryPool, StackPool};
use crate::store::State;
use crate::{bindings, engine::Notice};

/// Largest module file that is read.
const MAX_MODULE_BYTES: u64 = 512 << 20;
/// Part of the cache key: changes when the meaning of an entry changes.
const ENTRY_FORMAT: u32 = 1;
/// The exported function that runs a command.
pub(crate) const ENTRY_POINT: &str = "_start";

/// A compiled and linked module or component.
pub(crate) struct Loaded {
    pub(crate) engine: wasmtime::Engine,
    pub(crate) start: Start,
    pub(crate) memories: MemoryPool,
    /// Bytes of memory and elements of tables that an instance starts with.
    pub(crate) minimum_memory_bytes: u64,
    pub(crate) minimum_table_elements: u64,
    /// Whether it imports the functions about processes.
    pub(crate) knows_processes: bool,
}

/// What is there to be started.
pub(crate) enum Start {
    /// A WASI preview 1 command.
    Module(InstancePre<State>),
    /// A WASI 0.2 command.
    Component(CommandPre<State<Command>>),
    /// A component that is no command, and why.
    Nothing(String),
}

/// Where modules are compiled to and how the host hears of it.
pub(crate) struct Compiler<'a> {
    pub(crate) kind: Kind,
    pub(crate) cache: Option<&'a CompileCache>,
    pub(crate) stacks: &'a StackPool,
    pub(crate) notify: &'a (dyn Fn(Notice<'_>) + Send + Sync),
}

/// Loads a module that is in the cache: a millisecond, where compiling takes seconds. `None` where
/// it is not in the cache, or where the module must be read to tell.
///
/// # Errors
/// As [`compile_or_load`].
pub(crate) fn load_cached(
    name: &str,
    source: &ModuleSource,
    metering: Metering,
    compiler: &Compiler<'_>,
) -> Result<Option<Loaded>, Error> {
    let (Some(sha256), Some(cache)) = (&source.sha256, compiler.cache) else { return Ok(None) };
    let prepared = Prepared::new(source, metering, compiler)?;
    cache.load(&prepared.cache_key(sha256)).map(|entry| prepared.load(name, entry)).transpose()
}

/// Loads a module from the cache, or compiles it into the cache.
///
/// # Errors
/// [`Error::Image`] for a file that is missing, no module, no command, or imports what is not
/// offered; [`Error::Host`] for a cache that cannot be used.
pub(crate) fn compile_or_load(
    name: &str,
    source: &ModuleSource,
    metering: Metering,
    compiler: &Compiler<'_>,
) -> Result<Loaded, Error> {
    let kind = compiler.kind;
    let prepared = Prepared::new(source, metering, compiler)?;
    let mut wasm = None;
    let sha256 = match &source.sha256 {
        Some(sha256) => sha256.clone(),
        None => hex(&Sha256::digest(wasm.insert(read_module(name, kind, &source.path)?))),
    };
    let key = prepared.cache_key(&sha256);
    if let Some(entry) = compiler.cache.and_then(|cache| cache.load(&key)) {
        return prepared.load(name, entry);
    }
    let wasm = match wasm {
        Some(wasm) => wasm,
        None => read_module(name, kind, &source.path)?,
    };
    (compiler.notify)(Notice::Compiling { image: name });
    let entry = compile(&wasm, &prepared, &key, compiler.cache).map_err(|err| match err {
        CompileError::Module(err) => Error::Image {
            image: name.to_owned(),
            reason: match kind {
                Kind::Module => "it is not a valid WebAssembly module".to_owned(),
                Kind::Component => "it is not a valid WebAssembly component".to_owned(),
            },
            source: Some(err),
        },
        CompileError::TooHeavy(reason) => Error::Image { image: name.to_owned(), reason, source: None },
        CompileError::Host(err) => err,
    })?;
    (compiler.notify)(Notice::Compiled { image: name });
    prepared.load(name, entry)
}

/// A wasmtime engine of its own for each image, because memories are made by the engine and start
/// as the image.
struct Prepared {
    kind: Kind,
    engine: wasmtime::Engine,
    memories: MemoryPool,
}

impl Prepared {
    fn new(source: &ModuleSource, metering: Metering, compiler: &Compiler<'_>) -> Result<Self, Error> {
        let memories = MemoryPool::default();
        let mut config = config(metering, Arc::new(memories.clone()), Arc::new(compiler.stacks.clone()));
        // Filled when the instance is made, so that no indirect call asks whether its entry is there yet: 2 %
        // of computing, for starts that are some 0.7 ms longer with CPython's 15,000 functions. Not worth it
        // where fuel is counted, which costs many times that.
        config.table_lazy_init(metering == Metering::Fuel || source.short_lived);
        let engine =
            wasmtime::Engine::new(&config).map_err(|err| host("cannot start the engine", err.into()))?;
        Ok(Self { kind: compiler.kind, engine, memories })
    }

    fn cache_key(&self, sha256: &str) -> String {
        cache_key(sha256, self.kind, &self.engine)
    }

    fn load(self, name: &str, entry: Entry) -> Result<Loaded, Error> {
        if let Some((file, len)) = &entry.memory {
            let image = MemoryImage::new(file, usize::try_from(*len).unwrap_or(usize::MAX))
                .map_err(|err| host("cannot map the image's memory", err.into()))?;
            self.memories.start_as(image);
        }
        match self.kind {
            Kind::Module => {
                // SAFETY: the file was written by this engine's serializer, in this process or in
                // another of the same user, and has not been changed since (see `cache`).
                let module = unsafe { load_code(&self.engine, entry.code) }
                    .map_err(|err| host("cannot load compiled code", err))?;
                link_module(name, self, &module)
            }
            Kind::Component => {
                let code =
                    read_all(entry.code).map_err(|err| host("cannot load compiled code", err.into()))?;
                // SAFETY: as above.
                let component = unsafe { Component::deserialize(&self.engine, code) }
                    .map_err(|err| host("cannot load compiled code", err.into()))?;
                link_component(self, &component)
            }
        }
    }
}

/// Maps machine code.
///
/// # Safety
/// As [`Module::deserialize`].
#[cfg(not(windows))]
unsafe fn load_code(engine: &wasmtime::Engine, file: File) -> Result<Module, sandpiper_core::BoxError> {
    // SAFETY: the caller's.
    unsafe { Module::deserialize_open_file(engine, file) }.map_err(Into::into)
}

/// Maps machine code; reads it where it cannot be mapped, as a file that was not opened to be executed
/// (those without a name), and under Wine.
///
/// # Safety
/// As [`Module::deserialize`].
#[cfg(windows)]
unsafe fn load_code(engine: &wasmtime::Engine, file: File) -> Result<Module, sandpiper_core::BoxError> {
    // SAFETY: the caller's.
    if let Ok(module) = unsafe { Module::deserialize_open_file(engine, file.try_clone()?) } {
        return Ok(module);
    }
    // SAFETY: the caller's.
    unsafe { Module::deserialize(engine, read_all(file)?) }.map_err(Into::into)
}

fn read_all(mut file: File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn host(context: &str, source: sandpiper_core::BoxError) -> Error {
    Error::Host { context: context.to_owned(), source }
}

fn link_module(name: &str, prepared: Prepared, module: &Module) -> Result<Loaded, Error> {
    let Prepared { engine, memories, .. } = prepared;
    let bad = |reason: String| Error::Image { image: name.to_owned(), reason, source: None };
    match module.get_export(ENTRY_POINT) {
        Some(ExternType::Func(ty)) if ty.params().len() == 0 && ty.results().len() == 0 => {}
        _ => return Err(bad(format!("it is no WASI command: it exports no function {ENTRY_POINT}"))),
    }
    if !matches!(module.get_export(bindings::MEMORY), Some(ExternType::Memory(_))) {
        return Err(bad(format!("it is no WASI command: it exports no memory named {}", bindings::MEMORY)));
    }
    let resources = module.resources_required();
    let linker = bindings::linker(&engine)
        .map_err(|err| Error::Host { context: "cannot bind the kernel".to_owned(), source: err.into() })?;
    let missing = module.imports().find(|import| !bindings::offers(import.module(), import.name()));
    if let Some(import) = missing {
        let (module, name) = (import.module(), import.name());
        return Err(bad(format!("it imports {module}.{name}, which is not offered (WASI preview 1 is)")));
    }
    let pre = linker.instantiate_pre(module).map_err(|err| bad(format!("{err:#}")))?;
    Ok(Loaded {
        engine,
        start: Start::Module(pre),
        memories,
        knows_processes: module.imports().any(|import| import.module() == bindings::PROCESS),
        minimum_memory_bytes: resources.max_initial_memory_size.unwrap_or(0).saturating_mul(64 << 10),
        minimum_table_elements: resources.max_initial_table_size.unwrap_or(0),
    })
}

fn link_component(prepared: Prepared, component: &Component) -> Result<Loaded, Error> {
    let Prepared { engine, memories, .. } = prepared;
    let linker = component::linker(&engine)
        .map_err(|err| Error::Host { context: "cannot bind WASI 0.2".to_owned(), source: err.into() })?;
    let start = match linker.instantiate_pre(component).map(CommandPre::new) {
        Ok(Ok(command)) => Start::Component(command),
        Ok(Err(_)) => Start::Nothing("is no WASI command: it exports no wasi:cli/run of 0.2".to_owned()),
        Err(err) => Start::Nothing(format!("imports what is not offered (WASI 0.2 is): {err:#}")),
    };
    let resources = component.resources_required();
    let minimum = |of: fn(&ResourcesRequired) -> Option<u64>| resources.as_ref().and_then(of).unwrap_or(0);
    Ok(Loaded {
        engine,
        start,
        memories,
        knows_processes: false,
        minimum_memory_bytes: minimum(|of| of.max_initial_memory_size).saturating_mul(64 << 10),
        minimum_table_elements: minimum(|of| of.max_initial_table_size),
    })
}

enum CompileError {
    Module(sandpiper_core::BoxError),
    TooHeavy(String),
    Host(Error),
}

fn compile(
    wasm: &[u8],
    prepared: &Prepared,
    key: &str,
    cache: Option<&CompileCache>,
) -> Result<Entry, CompileError> {
    let host = |context: &str, source: sandpiper_core::BoxError| {
        CompileError::Host(Error::Host { context: context.to_owned(), source })
    };
    let (code, memory) = in_own_threads(|| translate(wasm, prepared))
        .map_err(|err| host("cannot start the threads that compile", err.into()))??;
    let kept = match cache {
        Some(cache) => cache.store(key, &code, memory.as_deref()).map_err(Into::into),
        None => unnamed(&code, memory.as_deref()).map_err(Into::into),
    };
    kept.map_err(|err| host("cannot keep compiled code", err))
}

/// The machine code of a module or component, and the memory that a module starts with.
fn translate(wasm: &[u8], prepared: &Prepared) -> Result<(Vec<u8>, Option<Vec<u8>>), CompileError> {
    let Prepared { kind, engine, .. } = prepared;
    let module = |err: sandpiper_core::BoxError| CompileError::Module(err);
    let unfit = |unfit| match unfit {
        Unfit::Malformed(err) => module(err.into()),
        Unfit::TooHeavy(reason) => CompileError::TooHeavy(reason),
    };
    if *kind == Kind::Component {
        // Weighing validates, with all that WebAssembly has; compiling, with what the engine allows.
        weight::check(wasm).map_err(unfit)?;
        composition::check(wasm).map_err(unfit)?;
        let code = engine.precompile_component(wasm).map_err(|err| module(err.into()))?;
        return Ok((code, None));
    }
    // Validated whole before it is weighed and split, so that these see only sound modules.
    Module::validate(engine, wasm).map_err(|err| module(err.into()))?;
    weight::check(wasm).map_err(unfit)?;
    let split = split(wasm).map_err(|err| module(err.into()))?;
    let code = engine
        .precompile_module(split.as_ref().map_or(wasm, |split| &split.module))
        .map_err(|err| module(err.into()))?;
    Ok((code, split.map(|split| split.memory)))
}

/// Compiles on threads that are gone afterwards. Those of the process's own pool would stay, and a
/// wall that is raised later may not hold for them.
fn in_own_threads<T: Send>(compile: impl FnOnce() -> T + Send) -> Result<T, rayon::ThreadPoolBuildError> {
    let mut threads = Vec::new();
    let pool = rayon::ThreadPoolBuilder::new()
        .spawn_handler(|thread| {
            threads.push(std::thread::Builder::new().spawn(|| thread.run())?);
            Ok(())
        })
        .build()?;
    let compiled = pool.install(compile);
    // The pool's end is told to its threads; the wait is for them.
    drop(pool);
    for thread in threads {
        // A panic while compiling has come up to here through `install`.
        let _ = thread.join();
    }
    Ok(compiled)
}

/// An entry in files without a name, for engines without a cache.
fn unnamed(code: &[u8], memory: Option<&[u8]>) -> std::io::Result<Entry> {
    let write = |bytes: &[u8]| -> std::io::Result<File> {
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        Ok(file)
    };
    let memory = match memory {
        Some(memory) => Some((write(memory)?, u64::try_from(memory.len()).map_err(std::io::Error::other)?)),
        None => None,
    };
    Ok(Entry { code: write(code)?, memory })
}

fn read_module(name: &str, kind: Kind, path: &Path) -> Result<Vec<u8>, Error> {
    let bad = |reason: String, source| Error::Image { image: name.to_owned(), reason, source };
    let failed = |err: std::io::Error| bad(format!("{} cannot be read", path.display()), Some(err.into()));
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(bad(format!("{} is not a file", path.display()), None));
    }
    if metadata.len() > MAX_MODULE_BYTES {
        return Err(bad(
            format!("{} has {} bytes, at most {MAX_MODULE_BYTES} are read", path.display(), metadata.len()),
            None,
        ));
    }
    let wasm = std::fs::read(path).map_err(failed)?;
    // What was admitted is the kind that the file had then.
    if Kind::of(&wasm) != kind {
        return Err(bad(format!("{} was changed while it was loaded", path.display()), None));
    }
    Ok(wasm)
}

fn cache_key(sha256: &str, kind: Kind, engine: &wasmtime::Engine) -> String {
    let mut hasher = Sha256Hasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    ENTRY_FORMAT.hash(&mut hasher);
    // The content tells it too; what is loaded as machine code is told apart twice.
    if kind == Kind::Component {
        hasher.write(b"component");
    }
    let configuration = hex(&hasher.0.finalize());
    format!("{sha256}-{}", configuration.get(..16).unwrap_or(&configuration))
}

/// Feeds what is hashed into SHA-256, whose result does not change between builds of the host.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
