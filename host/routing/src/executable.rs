//! Files that are started by their path: machine code, scripts, or neither.

use sandpiper_core::is_machine_code;

/// What the first bytes of a file make of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Executable {
    /// ELF, Mach-O, PE or WebAssembly: nothing of a mount is ever loaded as code.
    MachineCode,
    /// `#!`: the interpreter's path, and its one argument.
    Script { interpreter: String, argument: Option<String> },
    /// Any other text is the shell's.
    Text,
}

/// Tells by a file's first bytes what starting it does.
pub fn classify(content: &[u8]) -> Executable {
    if is_machine_code(content) {
        return Executable::MachineCode;
    }
    let Some(rest) = content.strip_prefix(b"#!") else { return Executable::Text };
    let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
    // As Linux cuts it.
    let line = String::from_utf8_lossy(line.get(..255).unwrap_or(line));
    let line = line.trim();
    let (interpreter, argument) = match line.split_once([' ', '\t']) {
        Some((interpreter, argument)) => (interpreter, Some(argument.trim().to_owned())),
        None => (line, None),
    };
    if interpreter.is_empty() {
        Executable::Text
    } else {
        Executable::Script { interpreter: interpreter.to_owned(), argument }
    }
}

/// Whether a name ends with a dot and this, in this case: as Python's finders compare.
pub fn has_extension(name: &str, extension: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, last)| last == extension)
}

/// Whether a name is that of a native extension of Python.
pub fn is_native_library(name: &str) -> bool {
    ["so", "pyd", "dylib"].iter().any(|extension| has_extension(name, extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shebang_has_an_interpreter_and_one_argument() {
        let script = classify(b"#! /usr/bin/env -S uv run\nx");
        let Executable::Script { interpreter, argument } = script else { panic!("{script:?}") };
        assert_eq!(interpreter, "/usr/bin/env");
        assert_eq!(argument.as_deref(), Some("-S uv run"));
    }

    #[test]
    fn machine_code_is_told_by_its_first_bytes() {
        assert_eq!(classify(b"\x7fELF\x02"), Executable::MachineCode);
        assert_eq!(classify(b"echo hi"), Executable::Text);
        assert_eq!(classify(b"#!\n"), Executable::Text);
        assert_eq!(classify(b""), Executable::Text);
    }
}
