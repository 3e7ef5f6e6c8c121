//! Paths as git prints them: between quotes with escapes where a byte is unusual, and relative to the
//! directory that the command works in.

/// Whether bytes from 128 on count as unusual (`core.quotePath`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusual {
    /// `core.quotePath=true`, git's default.
    WithHighBytes,
    /// `core.quotePath=false`.
    ControlOnly,
}

/// A path as git prints it where no `-z` is given.
pub(super) fn quoted(path: &[u8], unusual: Unusual) -> Vec<u8> {
    escaped(path, unusual).map_or_else(|| path.to_vec(), |inner| between(&inner))
}

/// The same, which quotes paths with spaces too, as `status --short` does.
pub(super) fn quoted_with_spaces(path: &[u8], unusual: Unusual) -> Vec<u8> {
    match escaped(path, unusual) {
        Some(inner) => between(&inner),
        None if path.contains(&b' ') => between(path),
        None => path.to_vec(),
    }
}

/// `a/` or `b/` and a path, quoted as one.
pub(super) fn quoted_after(prefix: &str, path: &[u8], unusual: Unusual) -> Vec<u8> {
    let mut whole = prefix.as_bytes().to_vec();
    whole.extend_from_slice(path);
    quoted(&whole, unusual)
}

/// A path relative to `prefix` (a directory with its slash, or empty for the root).
pub(super) fn relative(path: &[u8], prefix: &[u8]) -> Vec<u8> {
    if let Some(rest) = path.strip_prefix(prefix) {
        return if rest.is_empty() { b"./".to_vec() } else { rest.to_vec() };
    }
    let common = path
        .iter()
        .zip(prefix)
        .take_while(|(left, right)| left == right)
        .enumerate()
        .filter(|(_, (byte, _))| **byte == b'/')
        .last()
        .map_or(0, |(at, _)| at + 1);
    let above = prefix.get(common..).unwrap_or_default().split(|byte| *byte == b'/').count() - 1;
    let mut result = b"../".repeat(above);
    result.extend_from_slice(path.get(common..).unwrap_or_default());
    result
}

fn between(inner: &[u8]) -> Vec<u8> {
    let mut result = vec![b'"'];
    result.extend_from_slice(inner);
    result.push(b'"');
    result
}

/// The path with escapes, if it needs any.
fn escaped(path: &[u8], unusual: Unusual) -> Option<Vec<u8>> {
    let is_unusual = |byte: u8| {
        byte < 0x20
            || matches!(byte, b'"' | b'\\' | 0x7f)
            || (byte >= 0x80 && unusual == Unusual::WithHighBytes)
    };
    if !path.iter().any(|byte| is_unusual(*byte)) {
        return None;
    }
    let mut result = Vec::with_capacity(path.len() * 2);
    for byte in path {
        let letter = match byte {
            0x07 => b'a',
            0x08 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            0x0b => b'v',
            0x0c => b'f',
            b'\r' => b'r',
            b'"' | b'\\' => *byte,
            byte if is_unusual(*byte) => {
                result.extend_from_slice(format!("\\{byte:03o}").as_bytes());
                continue;
            }
            byte => {
                result.push(*byte);
                continue;
            }
        };
        result.extend_from_slice(&[b'\\', letter]);
    }
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::{Unusual, quoted, quoted_with_spaces, relative};

    #[test]
    fn unusual_bytes_are_escaped_and_usual_paths_left() {
        assert_eq!(quoted(b"a b", Unusual::WithHighBytes), b"a b");
        assert_eq!(quoted_with_spaces(b"a b", Unusual::WithHighBytes), b"\"a b\"");
        assert_eq!(quoted("ä\t".as_bytes(), Unusual::WithHighBytes), b"\"\\303\\244\\t\"");
        assert_eq!(quoted("ä".as_bytes(), Unusual::ControlOnly), "ä".as_bytes());
    }

    #[test]
    fn paths_are_told_from_the_directory_of_the_command() {
        assert_eq!(relative(b"a/b/c", b"a/"), b"b/c");
        assert_eq!(relative(b"x", b"a/b/"), b"../../x");
        assert_eq!(relative(b"a/x", b"a/b/"), b"../x");
        assert_eq!(relative(b"a/", b"a/"), b"./");
    }
}
