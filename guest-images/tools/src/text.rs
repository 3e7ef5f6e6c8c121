//! Reading whole texts, and saying what went wrong as the C library does.

use std::io::{self, Read as _};

use sandpiper_guest::os;

/// All of a file, or of standard input for `-`.
///
/// # Errors
///
/// As reading has them.
pub fn read(name: &[u8]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if name == b"-" {
        io::stdin().lock().read_to_end(&mut text)?;
        return Ok(text);
    }
    std::fs::File::open(os(name))?.read_to_end(&mut text)?;
    Ok(text)
}

/// What went wrong, without Rust's number behind it.
pub fn reason(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::IsADirectory {
        return "Is a directory".to_owned();
    }
    let text = error.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// A name for a message.
pub fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// Whether a category of the locale is the C locale, in which some tools have other words or formats.
pub fn plain_locale(category: &str) -> bool {
    let set = ["LC_ALL", category, "LANG"].into_iter().filter_map(std::env::var_os).find(|value| !value.is_empty());
    set.is_none_or(|value| value == "C" || value == "POSIX")
}
