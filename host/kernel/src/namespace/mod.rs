//! The guest's one tree of paths: which mount is where, and how a path is walked.

mod mounts;
mod resolve;

pub(crate) use mounts::{Namespace, Place};
pub(crate) use resolve::{Last, Links, Name, Target, resolve};
