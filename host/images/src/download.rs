//! Downloads to files.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::error::ImageError;
use crate::progress::Progress;

/// Largest download; an image is some 60 MB.
const MAX_BYTES: u64 = 1 << 30;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const WHOLE_TIMEOUT: Duration = Duration::from_mins(30);

/// Downloads `url` into a new file.
///
/// # Errors
/// [`ImageError::Download`] with the address and why; [`ImageError::Io`] for the file.
pub(crate) fn download(url: &str, to: &Path, progress: &dyn Progress) -> Result<(), ImageError> {
    let failed = |reason: String| ImageError::Download { url: url.to_owned(), reason };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(WHOLE_TIMEOUT))
        .build()
        .into();
    let mut response = agent.get(url).call().map_err(|err| failed(err.to_string()))?;
    let total = response.body().content_length().unwrap_or(0);
    let mut reader = response.body_mut().with_config().limit(MAX_BYTES).reader();
    let mut file = File::create_new(to).map_err(ImageError::io("create", to))?;
    let mut buffer = vec![0; 1 << 16];
    let mut done = 0;
    loop {
        let count = reader.read(&mut buffer).map_err(|err| failed(err.to_string()))?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        file.write_all(bytes).map_err(ImageError::io("write", to))?;
        done += u64::try_from(count).unwrap_or(0);
        progress.advance(done, total);
    }
    Ok(())
}
