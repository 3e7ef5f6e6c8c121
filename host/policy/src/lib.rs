//! What a person allows sandboxes to do: `sandpiper.toml`, its profiles, and what follows from them.
//!
//! A [`Policy`] is read from a file, all mistakes of which are found at once, each with its line. With a
//! profile and what the command line says, it becomes a [`Resolved`], which gives the types of those who
//! enforce it and knows where each value comes from. The empty policy allows nothing: no directory, no
//! variable, no network, no other machine.
//!
//! # Examples
//! ```
//! use std::path::Path;
//! use sandpiper_policy::{Authority, Backend, Overrides, Policy};
//! let policy = Policy::parse(Path::new("/srv/project/sandpiper.toml"), r#"
//!     [mounts]
//!     "/workspace" = { host = ".", access = "read-only" }
//!     [environment]
//!     GITHUB_TOKEN = { env = "GITHUB_TOKEN" }
//! "#)?;
//! let run = policy.resolve(None, Overrides::default(), Authority::Person)?;
//! assert_eq!(run.mounts()[0].host, Path::new("/srv/project"));
//! let variables = run.environment(Backend::Wasm, |name| (name == "GITHUB_TOKEN").then(|| "hunter2".into()));
//! assert!(!format!("{variables:?}").contains("hunter2"));
//! # Ok::<(), sandpiper_policy::PolicyError>(())
//! ```

mod backend;
mod decimal;
mod entries;
mod file;
mod finding;
mod layer;
mod network;
mod overrides;
mod policy;
mod profiles;
mod read;
mod resolved;
mod review;
mod schema;
mod secret;
mod settings;
mod show;
mod uploads;
mod usual_secrets;
mod value;

pub use backend::{ApiUrl, Backend, RouteReason};
pub use decimal::{Cpus, Usd};
pub use file::FILE_NAME;
pub use finding::{Finding, Place, PolicyError};
pub use network::{Network, NetworkRule};
pub use overrides::{Authority, Overrides};
pub use policy::Policy;
pub use resolved::{
    Daytona, DaytonaBase, Docker, E2b, EnvironmentError, GuestValue, GuestVariable, RemoteCaps, Resolved,
    Routing,
};
pub use review::Notice;
pub use schema::json_schema;
pub use secret::{Secret, SecretError, SecretReference};
pub use settings::Origin;
pub use show::Explanation;
pub use uploads::{PathPattern, Upload, UploadBudget, UploadLimit, Uploads, UploadsError};
pub use value::Name;
