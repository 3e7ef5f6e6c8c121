//! Whether a WebAssembly file is a module or a component.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What a WebAssembly file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A core module: a WASI preview 1 command.
    #[default]
    Module,
    /// A component: a WASI 0.2 command.
    Component,
}

/// The magic number, and the version and layer of components: see the binary format of the component
/// model, "Component Definitions".
const COMPONENT_PREAMBLE: [u8; 8] = *b"\0asm\x0d\0\x01\0";

impl Kind {
    /// The kind of a file with this content. What is neither is told by reading it as a module.
    pub(crate) fn of(wasm: &[u8]) -> Self {
        if wasm.starts_with(&COMPONENT_PREAMBLE) { Self::Component } else { Self::Module }
    }

    /// The kind of a file; a module where it cannot be read, which loading it tells.
    pub(crate) fn of_file(path: &Path) -> Self {
        let mut preamble = [0; COMPONENT_PREAMBLE.len()];
        // Nothing else is opened: opening a FIFO waits.
        let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
        match is_file.then(|| File::open(path).and_then(|mut file| file.read_exact(&mut preamble))) {
            Some(Ok(())) => Self::of(&preamble),
            _ => Self::Module,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preamble_tells() {
        assert_eq!(Kind::of(&wat::parse_str("(component)").unwrap()), Kind::Component);
        assert_eq!(Kind::of(&wat::parse_str("(module)").unwrap()), Kind::Module);
        for other in [&b""[..], b"\0asm", b"\0asm\x0d\0\x02\0"] {
            assert_eq!(Kind::of(other), Kind::Module, "{other:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_to_the_loading_of_modules() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wasm");
        assert_eq!(Kind::of_file(&file), Kind::Module);
        assert_eq!(Kind::of_file(folder.path()), Kind::Module);
        std::fs::write(&file, wat::parse_str("(component)").unwrap()).unwrap();
        assert_eq!(Kind::of_file(&file), Kind::Component);
    }
}
