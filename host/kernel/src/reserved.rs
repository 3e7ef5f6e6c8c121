//! Names that must not reach a host directory on this platform: those to which Windows gives another meaning.
//!
//! cap-std refuses only some of them, so the kernel refuses them all before a name reaches a mount there.

use sandpiper_core::is_reserved_windows_name;

/// Whether one of a path's names must not reach a host directory on this platform.
pub fn path_is_reserved(path: &str) -> bool {
    path.split('/').any(refused_here)
}

/// Whether a name must not reach a host directory on this platform.
pub(crate) fn refused_here(name: &str) -> bool {
    cfg!(windows) && is_reserved_windows_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_windows_refuses_them() {
        assert_eq!(refused_here("NUL"), cfg!(windows));
        assert!(!refused_here("plain.txt"));
    }
}
