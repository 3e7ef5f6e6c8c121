//! Images: from a WebAssembly file to compiled code and a memory that instances start from.

mod cache;
mod composition;
mod kind;
mod loaded;
mod source;
mod split;
mod weight;

pub use cache::CacheError;
pub use source::{Alternative, ImageSource, ModuleSource, ProgramSource};

pub(crate) use cache::{CompileCache, Stamp, stamp};
pub(crate) use kind::Kind;
pub(crate) use loaded::{Compiler, ENTRY_POINT, Loaded, Start, compile_or_load, load_cached};
