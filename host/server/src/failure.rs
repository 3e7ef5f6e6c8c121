//! Why something that was asked of the server was not done, before a face puts it into its own words.

use sandpiper_core::{Error, FileError};

/// What a face answers with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The request is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The state of what is there does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// A limit of the server is reached.
    #[error("{0}")]
    Limit(String),
    /// It is not offered here.
    #[error("{0}")]
    Unsupported(String),
    /// The client is not let in.
    #[error("{0}")]
    Unauthorized(String),
    /// Something of a file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The server or its backend failed.
    #[error("{0}")]
    Internal(String),
}

impl Failure {
    /// That a sandbox is not there.
    pub(crate) fn no_sandbox(id: &str) -> Self {
        Self::NotFound(format!("sandbox {id:?} doesn't exist or you don't have access to it"))
    }
}

impl From<Error> for Failure {
    fn from(err: Error) -> Self {
        let text = with_causes(&err);
        match err {
            Error::Refused(_) | Error::Image { .. } | Error::Archive { .. } => Self::Invalid(text),
            Error::Unsupported { .. } => Self::Unsupported(text),
            Error::Gone { .. } => Self::NotFound(text),
            Error::RateLimited { .. } => Self::Limit(text),
            Error::File(err) => Self::File(err),
            _ => Self::Internal(text),
        }
    }
}

/// An error with what caused it.
pub(crate) fn with_causes(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        // A transparent error has its cause's words already.
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}
