//! The engine: images by name, loaded once each, and the backend that makes sandboxes of them.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sandpiper_core::{
    Admitted, Backend, BoxFuture, Capabilities, Error, Exec, Image, Metering, Sandbox, Spec,
};
use sandpiper_kernel::SystemTree;
use tokio::sync::OnceCell;

use crate::image::{CompileCache, Compiler, ImageSource, Loaded, ModuleSource, compile_or_load, load_cached};
use crate::memory::StackPool;
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
    programs: Mutex<HashMap<PathBuf, Arc<Program>>>,
}

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
        self.load(&program, Variant::Usual, Metering::Fuel).await?;
        Ok(())
    }

    fn program(&self, image: &Image) -> Result<Arc<Program>, Error> {
        let (key, source) = match image {
            Image::Named(name) => {
                let found = self.0.config.images.iter().find(|source| source.name == *name);
                let source = found.ok_or_else(|| Error::Image {
                    image: name.clone(),
                    reason: "there is no image of this name".to_owned(),
                    source: None,
                })?;
                (Path::new(name).to_owned(), source.clone())
            }
            Image::File(path) => {
                // Keyed by its full path, so that no file shares a name with an image.
                let key = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                let module = ModuleSource { path: path.clone(), sha256: None };
                (key, ImageSource { name: path.display().to_string(), module, ..ImageSource::default() })
            }
        };
        let mut programs = self.0.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = programs.get(&key) {
            return Ok(Arc::clone(program));
        }
        let program = Arc::new(Program::new(source)?);
        programs.insert(key, Arc::clone(&program));
        Ok(program)
    }

    pub(crate) async fn load(
        &self,
        program: &Arc<Program>,
        variant: Variant,
        metering: Metering,
    ) -> Result<Arc<Loaded>, Error> {
        let cell = match (variant, metering) {
            (Variant::Usual, Metering::Fuel) => &program.usual_fuel,
            (Variant::Usual, Metering::Deadline) => &program.usual_deadline,
            (Variant::Alternative, Metering::Fuel) => &program.alternative_fuel,
            (Variant::Alternative, Metering::Deadline) => &program.alternative_deadline,
        };
        let loaded = cell.get_or_try_init(async || {
            let loaded = if let Some(loaded) = self.0.load(program, variant, metering, load_cached)? {
                loaded
            } else {
                let (inner, program) = (Arc::clone(&self.0), Arc::clone(program));
                let compile = move || inner.load(&program, variant, metering, compile_or_load);
                // Compiling takes seconds, which an executor's thread does not have.
                tokio::task::spawn_blocking(compile).await.map_err(|err| Error::Host {
                    context: "loading an image was cut short".to_owned(),
                    source: err.into(),
                })??
            };
            if metering == Metering::Deadline {
                self.0.ticker.register(&loaded.engine);
            }
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
        variant: Variant,
        metering: Metering,
        how: impl FnOnce(&str, &ModuleSource, Metering, &Compiler<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let source = &program.source;
        let module = match (variant, &source.alternative) {
            (Variant::Alternative, Some(alternative)) => &alternative.module,
            _ => &source.module,
        };
        let notify = |notice: Notice<'_>| {
            if let Some(notify) = &self.config.notify {
                notify(notice);
            }
        };
        let compiler = Compiler { cache: self.cache.as_ref(), stacks: &self.stacks, notify: &notify };
        how(&source.name, module, metering, &compiler)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Engine").field("cache", &self.0.cache).finish_non_exhaustive()
    }
}

impl Backend for Engine {
    fn name(&self) -> &'static str {
        "local"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            mounts: true,
            fuel: true,
            deadline_metering: true,
            virtual_clock: true,
            seed: true,
            module_files: true,
        }
    }

    fn create(&self, spec: Admitted) -> BoxFuture<'_, Result<Box<dyn Sandbox>, Error>> {
        Box::pin(async move {
            let spec: Spec = spec.into_spec();
            let program = self.program(&spec.image)?;
            let sandbox: Box<dyn Sandbox> = Box::new(LocalSandbox::new(self.clone(), program, spec)?);
            Ok(sandbox)
        })
    }
}

/// An image in use: what it is made of, its system tree, and its modules as far as they are loaded.
pub(crate) struct Program {
    pub(crate) source: ImageSource,
    pub(crate) system: Arc<SystemTree>,
    usual_fuel: OnceCell<Arc<Loaded>>,
    usual_deadline: OnceCell<Arc<Loaded>>,
    alternative_fuel: OnceCell<Arc<Loaded>>,
    alternative_deadline: OnceCell<Arc<Loaded>>,
}

/// Which of an image's modules runs a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// The module.
    Usual,
    /// The one that takes over for some commands.
    Alternative,
}

impl Program {
    fn new(source: ImageSource) -> Result<Self, Error> {
        let mut system = SystemTree::builder().commands(&source.commands);
        for (host, guest) in &source.files {
            system = system.read_only_dir(host, guest);
        }
        Ok(Self {
            source,
            system: system.build()?,
            usual_fuel: OnceCell::new(),
            usual_deadline: OnceCell::new(),
            alternative_fuel: OnceCell::new(),
            alternative_deadline: OnceCell::new(),
        })
    }

    pub(crate) fn variant(&self, exec: &Exec) -> Variant {
        match &self.source.alternative {
            Some(alternative) if alternative.wanted_by(exec) => Variant::Alternative,
            _ => Variant::Usual,
        }
    }

    /// Whether the image offers the command, by its name or by its path in `/usr/bin`.
    pub(crate) fn offers(&self, command: &str) -> bool {
        let name = command.strip_prefix("/usr/bin/").unwrap_or(command);
        self.source.commands.is_empty() || self.source.commands.iter().any(|offered| offered == name)
    }
}
