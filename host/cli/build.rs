//! Tells the tests which guest programs there are, so that one without a test does not compile.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs, io};

/// Programs of claims about WASI preview 1, one for each function.
const PROGRAMS: &str = "../../tests/programs/preview1";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={PROGRAMS}");
    let mut names: Vec<String> = match fs::read_dir(PROGRAMS) {
        Ok(entries) => entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<_>>()?,
        // A package of this crate alone has no tests.
        Err(err) if err.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(err) => return Err(err),
    };
    names.sort();
    let mut code = "macro_rules! each_program {\n    ($check:ident) => {\n".to_owned();
    for name in names.iter().filter_map(|name| name.strip_suffix(".claims")) {
        let _ = writeln!(code, "        $check!({name});");
    }
    code.push_str("    };\n}\n");
    let folder = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&folder).join("programs.rs"), code)
}
