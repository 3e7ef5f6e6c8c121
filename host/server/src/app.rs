//! What all faces share, and the routes of all of them on one port.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;

use crate::config::ServerConfig;
use crate::keys::ApiKeys;
use crate::registry::Registry;
use crate::{daytona, e2b};

/// What a handler works with.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) keys: ApiKeys,
    pub(crate) registry: Arc<Registry>,
}

impl App {
    pub(crate) fn new(config: ServerConfig) -> Self {
        Self { keys: config.keys.clone(), registry: Registry::new(config) }
    }

    /// The routes of all faces; their paths do not collide.
    pub(crate) fn router(&self) -> Router {
        let body_bytes = self.registry.limits.body_bytes;
        e2b::router(self.clone())
            .merge(daytona::router(self.clone()))
            .layer(DefaultBodyLimit::max(body_bytes))
    }
}
