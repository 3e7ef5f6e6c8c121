//! The wasmtime side of sandpiper: images and their compile cache, the one place where a store is
//! made, memories, deadlines, and the bindings of the kernel to WebAssembly.
//!
//! [`Engine`] is a [`Backend`](sandpiper_core::Backend) that runs programs in this process.

mod bindings;
mod budget;
mod classify;
mod component;
mod config;
mod cpu_clock;
mod engine;
mod files;
mod fork;
mod group;
mod image;
mod limiter;
mod memory;
mod records;
mod sandbox;
mod snapshot;
mod stillness;
mod store;
mod supervise;
mod ticker;
mod turn;

pub use engine::{Engine, EngineConfig, Notice, Notify};
pub use image::{Alternative, CacheError, ImageSource, ModuleSource, ProgramSource};
pub use snapshot::{SnapshotError, snapshot};
