//! `http://` and `https://`: gitprotocol-http(5), the smart half of it.

mod client;
mod exchange;

pub(super) use client::Http;
pub(super) use exchange::{Body, Exchange};
