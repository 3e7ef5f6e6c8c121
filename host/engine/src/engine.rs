//! The engine: images by name, loaded once each, and the backend that makes sandboxes of them.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, fs};

use sandpiper_core::{
    Admitted, Backend, BoxFuture, Capabilities, Error, Exec, Health, Image, Metering, Sandbox, Spec,
};
use sandpiper_kernel::SystemTree;
use tokio::sync::OnceCell;

use crate::image::{
    CompileCache, Compiler, ImageSource, Kind, Loaded, ModuleSource, ProgramSource, Stamp, compile_or_load,
    load_cached, stamp,
};
use crate::memory::{StackPool, trim_allocator};
use crate::sandbox::LocalSandbox;
use crate::ticker::Ticker;

/// Runs WebAssembly programs in this process. Cheap to clone; clones share images and caches.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    config: EngineConfig,
    cache: Option<CompileCache>,
    stacks: StackPool,
    ticker: Ticker,
    programs: Mutex<Programs>,
}

/// Images that were used, and stay loaded.
#[derive(Default)]
struct Programs {
    named: HashMap<String, Arc<Program>>,
    /// The least recently used first.
    files: VecDeque<LoadedFile>,
}

/// A module file as it was when it was loaded; a changed file is loaded anew.
struct LoadedFile {
    path: PathBuf,
    stamp: Option<Stamp>,
    program: Arc<Program>,
}

/// The backend's name.
pub(crate) const NAME: &str = "wasm";

/// Module files that stay loaded; a host may be given any number of them.
const MAX_FILES: usize = 64;

/// What an engine is made of.
#[derive(Default)]
pub struct EngineConfig {
    /// Folder of the compile cache, made when it is missing; `None` compiles anew in each process.
    pub cache: Option<PathBuf>,
    /// The images that specs can name.
    pub images: Vec<ImageSource>,
    /// Called when something takes long.
    pub notify: Option<Notify>,
}

/// Hears of what takes long.
pub type Notify = Box<dyn Fn(Notice<'_>) + Send + Sync>;

/// Something that takes long, told to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// A module is compiled; seconds for a large one, once.
    Compiling {
        /// The image's name.
        image: &'a str,
    },
    /// The module is compiled.
    Compiled {
        /// The image's name.
        image: &'a str,
    },
}

impl Engine {
    /// An engine.
    ///
    /// # Errors
    /// [`Error::Host`] when the cache folder cannot be used.
    pub fn new(config: EngineConfig) -> Result<Self, Error> {
        let cache = config.cache.as_deref().map(CompileCache::open).transpose().map_err(|err| {
            Error::Host { context: "cannot use the compile cache".to_owned(), source: err.into() }
        })?;
        Ok(Self(Arc::new(Inner {
            config,
            cache,
            stacks: StackPool::default(),
            ticker: Ticker::default(),
            programs: Mutex::default(),
        })))
    }

    /// Loads an image, and compiles it where that was not done on this machine.
    ///
    /// # Errors
    /// As [`Backend::create`].
    pub async fn prepare(&self, image: &str) -> Result<(), Error> {
        let program = self.program(&Image::Named(image.to_owned()))?;
        self.load_all(&program, Metering::Fuel).await
    }

    /// Gives back to the system what is kept for the next runs: unused memories and stacks, and what
    /// glibc's allocator keeps. For a host that held many sandboxes and now holds few; the next runs
    /// take a millisecond longer.
    pub fn trim(&self) {
        let programs = self.0.programs.lock().unwrap_or_else(PoisonError::into_inner);
        let files = programs.files.iter().map(|file| &file.program);
        for program in programs.named.values().chain(files) {
            for loaded in program.modules.iter().flatten().filter_map(OnceCell::get) {
                loaded.memories.trim();
            }
        }
        self.0.stacks.trim();
        trim_allocator();
    }

    /// Loads what a command of a spec runs, as [`Engine::prepare`] does, so that starting it needs no
    /// file and no thread any more; nothing where the image does not offer the command.
    ///
    /// # Errors
    /// As [`Backend::create`].
    pub async fn prepare_for(&self, spec: &Spec, exec: &Exec) -> Result<(), Error> {
        let program = self.program(&spec.image)?;
        let command = exec.argv.first().map(String::as_str).unwrap_or_default();
        let Some(selected) = program.select(command, &exec.argv, &exec.env) else {
            // A script may name any of them.
            let is_path = command.contains('/');
            return if is_path { self.load_all(&program, spec.limits.metering).await } else { Ok(()) };
        };
        let loaded = self.load(&program, selected, spec.limits.metering).await?;
        if loaded.knows_processes {
            // It may start any other.
            self.load_all(&program, spec.limits.metering).await?;
        }
        Ok(())
    }

    async fn load_all(&self, program: &Arc<Program>, metering: Metering) -> Result<(), Error> {
        for (index, source) in program.source.programs.iter().enumerate() {
            let alternative = source.alternative.as_ref().map(|_| Variant::Alternative);
            for variant in alternative.into_iter().chain([Variant::Usual]) {
                self.load(program, Selected { index, variant }, metering).await?;
            }
        }
        Ok(())
    }

    /// The host's folders, besides mounts, whose files the guests of an image see.
    ///
    /// # Errors
    /// [`Error::Image`] for an image that is not there.
    pub fn folders(&self, image: &Image) -> Result<Vec<PathBuf>, Error> {
        let program = self.program(image)?;
        Ok(program.source.files.iter().map(|(host, _)| host.clone()).collect())
    }

    /// Has the epoch of a module moved, where its deadline is looked at by it.
    pub(crate) fn tick(&self, loaded: &Loaded, metering: Metering) {
        if metering == Metering::Deadline {
            self.0.ticker.register(&loaded.engine);
        }
    }

    fn program(&self, image: &Image) -> Result<Arc<Program>, Error> {
        let mut programs = self.0.programs.lock().unwrap_or_else(PoisonError::into_inner);
        match image {
            Image::Named(name) => {
                if let Some(program) = programs.named.get(name) {
                    return Ok(Arc::clone(program));
                }
                let found = self.0.config.images.iter().find(|source| source.name == *name);
                let source = found.ok_or_else(|| Error::Image {
                    image: name.clone(),
                    reason: "there is no image of this name".to_owned(),
                    source: None,
                })?;
                let program = Arc::new(Program::new(source.clone(), Kind::Module)?);
                programs.named.insert(name.clone(), Arc::clone(&program));
                Ok(program)
            }
            Image::File(path) => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                // A file that is not there, or cannot be looked at, is told when it is read.
                let stamp = fs::metadata(&path).and_then(|metadata| stamp(&metadata)).ok();
                let known = |file: &LoadedFile| file.path == path && file.stamp == stamp;
                if let Some(index) = programs.files.iter().position(known)
                    && let Some(file) = programs.files.remove(index)
                {
                    let program = Arc::clone(&file.program);
                    programs.files.push_back(file);
                    return Ok(program);
                }
                let module = ModuleSource { path: path.clone(), ..ModuleSource::default() };
                let name = path.display().to_string();
                let program = ProgramSource { module, ..ProgramSource::default() };
                let source = ImageSource { name, programs: vec![program], ..ImageSource::default() };
                let program = Arc::new(Program::new(source, Kind::of_file(&path))?);
                programs.files.retain(|file| file.path != path);
                if programs.files.len() == MAX_FILES {
                    programs.files.pop_front();
                }
                let file = LoadedFile { path, stamp, program: Arc::clone(&program) };
                programs.files.push_back(file);
                Ok(program)
            }
        }
    }

    pub(crate) async fn load(
        &self,
        program: &Arc<Program>,
        selected: Selected,
        metering: Metering,
    ) -> Result<Arc<Loaded>, Error> {
        let loaded = program.module(selected, metering)?.get_or_try_init(async || {
            let loaded = if let Some(loaded) = self.0.load(program, selected, metering, load_cached)? {
                loaded
            } else {
                let (inner, program) = (Arc::clone(&self.0), Arc::clone(program));
                let compile = move || inner.load(&program, selected, metering, compile_or_load);
                // Compiling takes seconds, which an executor's thread does not have.
                tokio::task::spawn_blocking(compile).await.map_err(|err| Error::Host {
                    context: "loading an image was cut short".to_owned(),
                    source: err.into(),
                })??
            };
            Ok(Arc::new(loaded))
        });
        loaded.await.cloned()
    }
}

impl Inner {
    /// Loads one of an image's modules by `how`.
    fn load<T>(
        &self,
        program: &Program,
        selected: Selected,
        metering: Metering,
        how: impl FnOnce(&str, &ModuleSource, Metering, &Compiler<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let source = program.source.programs.get(selected.index).ok_or_else(no_such_program)?;
        let module = match (selected.variant, &source.alternative) {
            (Variant::Alternative, Some(alternative)) => &alternative.module,
            _ => &source.module,
        };
        let notify = |notice: Notice<'_>| {
            if let Some(notify) = &self.config.notify {
                notify(notice);
            }
        };
        let compiler = Compiler {
            kind: program.kind,
            cache: self.cache.as_ref(),
            stacks: &self.stacks,
            notify: &notify,
        };
        how(&program.source.name, module, metering, &compiler)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Engine").field("cache", &self.0.cache).finish_non_exhaustive()
    }
}

impl Backend for Engine {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self, image: &Image) -> Capabilities {
        // What is not there is refused by its name, when the sandbox is made.
        capabilities(self.program(image).map_or(Kind::Module, |program| program.kind))
    }

    fn create(&self, spec: Admitted) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(async move {
            let admitted = spec.capabilities();
            let spec: Spec = spec.into_spec();
            let program = self.program(&spec.image)?;
            if capabilities(program.kind) != admitted {
                return Err(Error::Image {
                    image: program.source.name.clone(),
                    reason: "it was changed while it was looked at".to_owned(),
                    source: None,
                });
            }
            let sandbox: Box<dyn Sandbox> = Box::new(LocalSandbox::new(self.clone(), program, spec)?);
            Ok(sandbox)
        })
    }

    fn health(&self) -> BoxFuture<'_, Result<Health, Error>> {
        let version = Some(env!("CARGO_PKG_VERSION").to_owned());
        Box::pin(std::future::ready(Ok(Health { latency: Duration::ZERO, version })))
    }
}

/// An image in use: what it is made of, its system tree, and its modules as far as they are loaded.
pub(crate) struct Program {
    pub(crate) source: ImageSource,
    pub(crate) kind: Kind,
    pub(crate) system: Arc<SystemTree>,
    /// Of each program, for each variant and metering, in the order of `Program::module`.
    modules: Vec<[OnceCell<Arc<Loaded>>; 4]>,
}

/// One of an image's modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Selected {
    /// The program.
    index: usize,
    variant: Variant,
}

/// Which of a program's modules runs a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    /// The module.
    Usual,
    /// The one that takes over for some commands.
    Alternative,
}

impl Program {
    fn new(source: ImageSource, kind: Kind) -> Result<Self, Error> {
        let mut system = SystemTree::builder();
        for program in &source.programs {
            system = system.commands(&program.commands);
        }
        for (host, guest) in &source.files {
            system = system.read_only_dir(host, guest);
        }
        let modules = source.programs.iter().map(|_| std::array::from_fn(|_| OnceCell::new())).collect();
        Ok(Self { source, kind, system: system.build()?, modules })
    }

    /// The module that runs a command, named as it is or by its path in `/usr/bin`, with its arguments and
    /// the variables that are its own; `None` when the image does not offer it.
    pub(crate) fn select(
        &self,
        command: &str,
        arguments: &[String],
        env: &[(String, String)],
    ) -> Option<Selected> {
        let name = command.strip_prefix("/usr/bin/").unwrap_or(command);
        let offers = |program: &ProgramSource| {
            program.commands.is_empty() || program.commands.iter().any(|offered| offered == name)
        };
        let index = self.source.programs.iter().position(offers)?;
        let alternative = self.source.programs.get(index)?.alternative.as_ref();
        let variant = match alternative {
            Some(alternative) if alternative.wanted_by(arguments, env) => Variant::Alternative,
            _ => Variant::Usual,
        };
        Some(Selected { index, variant })
    }

    fn module(&self, selected: Selected, metering: Metering) -> Result<&OnceCell<Arc<Loaded>>, Error> {
        let modules = self.modules.get(selected.index).ok_or_else(no_such_program)?;
        let [usual_fuel, usual_deadline, alternative_fuel, alternative_deadline] = modules;
        Ok(match (selected.variant, metering) {
            (Variant::Usual, Metering::Fuel) => usual_fuel,
            (Variant::Usual, Metering::Deadline) => usual_deadline,
            (Variant::Alternative, Metering::Fuel) => alternative_fuel,
            (Variant::Alternative, Metering::Deadline) => alternative_deadline,
        })
    }
}

/// What can be enforced for guests of a kind.
fn capabilities(kind: Kind) -> Capabilities {
    // The files of a component are served by wasmtime-wasi, which counts nothing that is written and
    // does not know of mounts that cover each other.
    let by_kernel = kind == Kind::Module;
    Capabilities {
        mounts: true,
        nested_mounts: by_kernel,
        hidden_git: by_kernel,
        disk_bytes: by_kernel,
        files: by_kernel,
        fuel: true,
        deadline_metering: true,
        virtual_clock: true,
        seed: true,
        module_files: true,
        memory: true,
        table_elements: true,
        tmp_bytes: true,
        descriptors: true,
        processes: true,
        network_nothing: true,
        host_git: by_kernel,
        tells_changes: by_kernel,
        signals: by_kernel,
        denials: true,
        ..Capabilities::default()
    }
}

/// A bug of the host: programs are selected from those of the image.
fn no_such_program() -> Error {
    Error::Host { context: "cannot load a program".to_owned(), source: "the image does not have it".into() }
}
