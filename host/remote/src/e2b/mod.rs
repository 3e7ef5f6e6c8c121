//! Sandboxes of E2B, or of what speaks as E2B does.
//!
//! The control plane is REST; commands and files go to envd, the agent in each sandbox, over the Connect
//! protocol in JSON. What the wire cannot do, the contract's way:
//! - The output of a command is not kept for who was cut off. When the connection breaks, the command is
//!   followed anew, and both streams count as cut ([`Captured::cut`](sandpiper_core::Captured)), for what it
//!   wrote in between is lost.
//! - Only `SIGTERM` and `SIGKILL` can be sent, to the first process, and what it writes when it has got one is not read.
//!   So signals are sent by a `kill` that is run in the sandbox, to the processes that have the command's variable
//!   `SANDPIPER_COMMAND`; one that drops its environment is reached by these two alone. A `sandpiper
//!   serve`, whose sandboxes have no `/proc`, says that it takes all, by their numbers, and gets commands without a shell.
//! - To connect sets the time that a sandbox has to live. What its spec said is noted as metadata, and not extended.
//! - A stream that is closed ([`Control::close`](sandpiper_core::Control)) is a `SIGPIPE` at the next output.
//! - Domains that rules allow take precedence over what they deny, so rules that deny are refused, unless
//!   they deny just what they allow. E2B lets DNS servers be reached where a domain is allowed.

mod arguments;
mod backend;
mod connect;
mod create;
mod files;
mod kill;
mod process;
mod sandbox;
mod shell;
mod stdin;
mod stream;
mod time;
mod wire;

pub use backend::{E2b, E2bConfig};

/// The backend's name.
const NAME: &str = "e2b";
