//! A connection that becomes something else than HTTP (RFC 9110, 7.8).

use reqwest::StatusCode;
use reqwest::header::{CONNECTION, HeaderMap, UPGRADE};
use sandpiper_core::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::answer::Answer;
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
        let context = &call.context;
        let asked = async {
            let response = call.http.execute(request).await.map_err(|err| context.unreachable(err))?;
            let (status, headers) = (response.status(), response.headers().clone());
            if status != StatusCode::SWITCHING_PROTOCOLS {
                let body = response.bytes().await.unwrap_or_default();
                let answer = Answer { status, headers, body, tries: 1, context: context.clone() };
                return Err(if status.is_success() {
                    answer.protocol(format!("the connection does not become {protocol}"))
                } else {
                    answer.error()
                });
            }
            let connection = response.upgrade().await.map_err(|err| context.unreachable(err))?;
            Ok(Upgraded { headers, connection })
        };
        timeout(wait, asked).await.unwrap_or_else(|_| Err(context.slow(wait)))
    }
}
