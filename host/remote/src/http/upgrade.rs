//! A connection that becomes something else than HTTP (RFC 9110, 7.8).

use reqwest::StatusCode;
use reqwest::header::{CONNECTION, HeaderMap, UPGRADE};
use sandpiper_core::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::answer::Streaming;
use super::call::Call;

/// A connection that is no longer HTTP's.
#[derive(Debug)]
pub struct Upgraded {
    /// The headers of the answer that said so.
    pub headers: HeaderMap,
    connection: reqwest::Upgraded,
}

impl Upgraded {
    /// The connection's bytes.
    pub fn into_stream(self) -> impl AsyncRead + AsyncWrite + Send + Unpin + 'static {
        self.connection
    }
}

impl Call {
    /// Sends the call, once, and takes over its connection for `protocol`.
    ///
    /// # Errors
    /// [`Error::Protocol`] when the server goes on with HTTP; what any other status means;
    /// [`Error::Unreachable`], [`Error::Slow`].
    pub async fn upgrade(self, protocol: &str) -> Result<Upgraded, Error> {
        let mut call = self.header(CONNECTION.as_str(), "upgrade").header(UPGRADE.as_str(), protocol).once();
        let request = call.request()?;
        let wait = call.times.first_byte;
        let deadline = Instant::now() + wait;
        let context = &call.context;
        let late = |_| context.slow(wait);
        let broken = |err| context.unreachable(err);
        let response =
            timeout_at(deadline, call.http.execute(request)).await.map_err(late)?.map_err(broken)?;
        if response.status().is_success() {
            return Err(context.protocol(format!("the connection does not become {protocol}")));
        }
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let refused = Streaming::new(response, call.times.between_bytes, context.clone());
            return Err(refused.refused(deadline).await.error());
        }
        let headers = response.headers().clone();
        let connection = timeout_at(deadline, response.upgrade()).await.map_err(late)?.map_err(broken)?;
        Ok(Upgraded { headers, connection })
    }
}
