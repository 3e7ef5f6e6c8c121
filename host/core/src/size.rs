//! Sizes as people write them: `256MiB`, `64k`, `1048576`.

/// Parses a size in bytes. Units: none or `B`, and `K M G T` with or without `iB` (powers of 1024,
/// as in `ulimit` and `docker run --memory`), in any case; `KB MB GB TB` are powers of 1000.
///
/// # Errors
/// [`ParseSizeError`] when the text is not a whole number with a unit, or exceeds 64 bits.
///
/// # Examples
/// ```
/// assert_eq!(sandpiper_core::parse_size("64KiB"), Ok(65_536));
/// assert_eq!(sandpiper_core::parse_size("2MB"), Ok(2_000_000));
/// assert!(sandpiper_core::parse_size("lots").is_err());
/// ```
pub fn parse_size(text: &str) -> Result<u64, ParseSizeError> {
    let error = || ParseSizeError { text: text.to_owned() };
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| error())?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(error()),
    };
    number.checked_mul(factor).ok_or_else(error)
}

/// A text that is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a size; write a whole number with a unit, such as 256MiB or 64k")]
pub struct ParseSizeError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_what_they_say() {
        for (text, bytes) in
            [("0", 0), ("7B", 7), ("1k", 1024), ("3 GiB", 3 << 30), ("5TB", 5_000_000_000_000)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "MiB", "-1", "1.5G", "1X", "99999999999999999999", "99999999T"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
