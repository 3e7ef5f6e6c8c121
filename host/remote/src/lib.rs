//! Backends of sandpiper that live elsewhere.

pub mod daytona;
pub mod docker;
pub mod e2b;
pub mod http;
mod quote;
mod search;

pub use daytona::{Daytona, DaytonaConfig};
pub use docker::{Docker, DockerConfig};
pub use e2b::{E2b, E2bConfig};
pub use http::Secret;
