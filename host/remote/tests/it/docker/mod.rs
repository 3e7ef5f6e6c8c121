//! The backend docker: its wire against a scripted daemon, and all that it does against a real one, where there
//! is one.

mod commands;
mod daemon;
mod faults;
mod files;
mod lifecycle;
