//! The kernel through its narrowest door: the functions of preview 1, called as a guest calls them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]
#![allow(clippy::many_single_char_names, reason = "the raw words of a call have no meaning")]

mod changes;
mod choices;
mod descriptor_model;
mod descriptors;
mod devices;
mod digest;
mod directories;
mod files;
mod fuzz;
mod git;
mod guest;
mod hidden_git;
mod host;
mod hostile;
mod mounts;
mod names;
mod path_model;
mod paths;
mod quotas;
mod races;
mod read_only;
mod streams;
mod time;
