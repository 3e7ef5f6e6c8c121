//! A server: its port, its connections, its end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::App;
use crate::config::{ConfigError, ServerConfig};
use crate::connections::Connections;
use crate::daytona::watch_activity;
use crate::lifetime::end_lives;

/// How long a client may take for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// How long is waited after a connection could not be taken, such as for want of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// A server that has not begun.
pub struct Server {
    app: App,
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Server").finish_non_exhaustive()
    }
}

/// What a server that has stopped did with its sandboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// How many it closed.
    pub closed: usize,
    /// Those that it could not close, each with the reason.
    pub failed: Vec<String>,
}

impl Server {
    /// A server of a checked configuration.
    ///
    /// # Errors
    /// [`ConfigError`] when it contradicts itself.
    pub fn new(config: ServerConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { app: App::new(config) })
    }

    /// Answers on a listener until `shutdown` is there, then closes all sandboxes that were made here, also those
    /// that another process could go on with: nobody but this server knows them.
    ///
    /// Dropping the future ends everything without waiting.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) -> Stopped {
        let registry = Arc::clone(&self.app.registry);
        let (stop, _) = watch::channel(false);
        let mut background = JoinSet::new();
        background.spawn(end_lives(Arc::clone(&registry)));
        background.spawn(watch_activity(Arc::clone(&registry)));
        let mut connections = JoinSet::new();
        tokio::select! {
            () = shutdown => {}
            () = self.accept(listener, &mut connections, &stop) => {}
        }
        stop.send_replace(true);
        background.shutdown().await;
        let (closed, failed) = registry.close_all().await;
        let ended = async { while connections.join_next().await.is_some() {} };
        // What does not end by then is ended with the set.
        let _ = tokio::time::timeout(registry.limits.grace, ended).await;
        Stopped { closed, failed }
    }

    /// Takes connections, as many as may be there at a time, and one that waits for a place; it does not return.
    async fn accept(&self, listener: TcpListener, connections: &mut JoinSet<()>, stop: &watch::Sender<bool>) {
        let table = Arc::new(Connections::new(self.app.registry.limits.connections));
        let service = TowerToHyperService::new(self.app.router());
        loop {
            let Ok((stream, _peer)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            };
            let place = table.place().await;
            while connections.try_join_next().is_some() {}
            // Answers are small and waited for.
            let _ = stream.set_nodelay(true);
            let (service, mut stopped) = (service.clone(), stop.subscribe());
            let answering = Arc::clone(&place.connection);
            let service = service_fn(move |request| Arc::clone(&answering).answer(service.call(request)));
            connections.spawn(async move {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIME)
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                let mut connection = std::pin::pin!(connection);
                // How a connection breaks off is the client's affair.
                tokio::select! {
                    _ = connection.as_mut() => {}
                    () = place.shed() => {}
                    () = async { let _ = stopped.wait_for(|stopped| *stopped).await; } => {
                        connection.as_mut().graceful_shutdown();
                        let _ = connection.await;
                    }
                }
                drop(place);
            });
        }
    }
}
