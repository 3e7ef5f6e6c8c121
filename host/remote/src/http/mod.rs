//! The one client by which all adapters speak HTTP: time-outs, retries, bounds, secrets, errors.
//!
//! A [`Client`] knows a base address and secret headers; a [`Call`] is one request to it. What comes back is
//! an [`Answer`] in memory, or a [`Streaming`] body. Nothing is redirected, no proxy of the environment is
//! taken, and no clock of this machine is believed.

mod answer;
mod call;
mod client;
mod fault;
mod multipart;
mod retry;
mod secret;
mod upgrade;
mod websocket;

pub use answer::{Answer, Opened, Streaming};
pub use call::Call;
pub use client::{Client, ClientConfig, ConfigError, Times};
pub use fault::{IsGone, NoConnection};
pub use multipart::{Part, multipart};
pub use reqwest::header::HeaderMap;
pub use reqwest::{Method, StatusCode};
pub use retry::Retries;
pub use secret::Secret;
pub use upgrade::Upgraded;
pub use websocket::WebSocket;
