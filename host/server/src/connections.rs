//! The connections of a server: no more than its limit, of which one that does nothing gives way to a new one.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How long is waited for a place before it is looked again who does nothing.
const LOOK: Duration = Duration::from_millis(50);

/// The table.
#[derive(Debug)]
pub(crate) struct Connections {
    places: Arc<Semaphore>,
    table: Mutex<Vec<Arc<Connection>>>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    state: Mutex<State>,
    shed: Notify,
    /// Its place.
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct State {
    /// Requests that are being answered.
    requests: usize,
    /// When the last of them ended, or the connection began.
    since: Instant,
}

impl Connections {
    pub(crate) fn new(limit: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(limit)), table: Mutex::default() }
    }

    /// Waits for a place; when there is none, the connection that has been idle for longest is ended. Idle is also
    /// one whose request has no whole head yet.
    pub(crate) async fn place(self: &Arc<Self>) -> Place {
        loop {
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                let state = Mutex::new(State { requests: 0, since: Instant::now() });
                let connection = Arc::new(Connection { state, shed: Notify::new(), _place: place });
                self.lock().push(Arc::clone(&connection));
                return Place { table: Arc::clone(self), connection };
            }
            self.shed_one();
            let _ = tokio::time::timeout(LOOK, self.places.acquire()).await;
        }
    }

    fn shed_one(&self) {
        let table = self.lock();
        let idle = table.iter().filter_map(|connection| Some((connection.idle_since()?, connection)));
        if let Some((_, oldest)) = idle.min_by_key(|(since, _)| *since) {
            oldest.shed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Connection>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place in the table; dropping it frees the place.
pub(crate) struct Place {
    table: Arc<Connections>,
    pub(crate) connection: Arc<Connection>,
}

impl Place {
    /// Waits until the connection has to give way.
    pub(crate) async fn shed(&self) {
        loop {
            self.connection.shed.notified().await;
            // A request may have begun meanwhile.
            if self.connection.idle_since().is_some() {
                return;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.lock().retain(|other| !Arc::ptr_eq(other, &self.connection));
    }
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        (state.requests == 0).then_some(state.since)
    }

    /// Answers a request, and counts it until the answer's body has ended.
    pub(crate) async fn answer(
        self: Arc<Self>,
        response: impl Future<Output = Result<Response, Infallible>>,
    ) -> Result<Response, Infallible> {
        self.lock().requests += 1;
        let in_use = InUse(self);
        Ok(response.await?.map(|body| Body::new(Answer { body, _in_use: in_use })))
    }
}

struct InUse(Arc<Connection>);

impl Drop for InUse {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.requests = state.requests.saturating_sub(1);
        state.since = Instant::now();
    }
}

/// A body, during which its connection is in use.
struct Answer {
    body: Body,
    _in_use: InUse,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
