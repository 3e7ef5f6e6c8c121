//! install: copies files and sets their modes, or makes directories.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sandpiper_guest::status::Kind;
use sandpiper_guest::{Status, bytes, os, set_mode};

use crate::mode;
use crate::options::{Ended, Nothing, Option_, Order, Value, parse};
use crate::text::{reason, shown};

const OPTIONS: &[Option_] = &[
    ("c", "", Nothing),
    ("d", "directory", Nothing),
    ("D", "", Nothing),
    ("m", "mode", Value),
    ("p", "preserve-timestamps", Nothing),
    ("t", "target-directory", Value),
    ("T", "no-target-directory", Nothing),
    ("v", "verbose", Nothing),
];

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

/// What is asked for.
struct Task {
    mode: mode::Change,
    leading: bool,
    times: bool,
    verbose: bool,
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let given = parse(tool, OPTIONS, arguments, (Order::Permuted, 2))?;
    let fail = |message: String| {
        eprintln!("{tool}: {message}");
        Ended(1)
    };
    let usage = |message: String| fail(format!("{message}\nTry '{tool} --help' for more information."));
    let wanted = given.value("mode").unwrap_or(b"755");
    let mode = mode::parse(wanted).ok_or_else(|| fail(format!("invalid mode '{}'", shown(wanted))))?;
    let task = Task {
        mode,
        leading: given.has("D"),
        times: given.has("preserve-timestamps"),
        verbose: given.has("verbose"),
    };
    let mut sources = given.operands.clone();
    if sources.is_empty() {
        return Err(usage("missing file operand".to_owned()));
    }
    if given.has("directory") {
        if given.has("target-directory") {
            return Err(fail("target directory not allowed when installing a directory".to_owned()));
        }
        let made = sources.iter().map(|name| task.directory(name));
        return Ok(made.max().unwrap_or(0));
    }
    let target = match given.value("target-directory") {
        Some(target) => target.to_vec(),
        None => {
            let target = sources.pop().unwrap_or_default();
            if sources.is_empty() {
                return Err(usage(format!("missing destination file operand after '{}'", shown(&target))));
            }
            target
        }
    };
    let is_directory = Path::new(&os(&target)).is_dir();
    if given.has("no-target-directory") || (!is_directory && !given.has("target-directory")) {
        return match sources.as_slice() {
            [only] => Ok(task.file(only, Path::new(&os(&target)))),
            [_, extra, ..] if given.has("no-target-directory") => {
                Err(usage(format!("extra operand '{}'", shown(extra))))
            }
            _ if Path::new(&os(&target)).exists() => {
                Err(fail(format!("target '{}' is not a directory", shown(&target))))
            }
            _ => Err(fail(format!("target '{}': No such file or directory", shown(&target)))),
        };
    }
    if !is_directory {
        if !task.leading {
            return Err(fail(format!("failed to access '{}': No such file or directory", shown(&target))));
        }
        if let Err(error) = task.above(&PathBuf::from(os(&target))) {
            return Err(fail(format!("cannot create directory '{}': {}", shown(&target), reason(&error))));
        }
    }
    let copied = sources.iter().map(|source| {
        let path = PathBuf::from(os(source));
        match path.file_name() {
            Some(name) => task.file(source, &PathBuf::from(os(&target)).join(name)),
            None => {
                eprintln!("{tool}: omitting directory '{}'", shown(source));
                1
            }
        }
    });
    Ok(copied.max().unwrap_or(0))
}

impl Task {
    fn tell(&self, message: &str) {
        if self.verbose {
            println!("{message}");
        }
    }

    /// Makes a directory and those above it, which get mode 755.
    fn above(&self, path: &Path) -> io::Result<()> {
        let mut above = PathBuf::new();
        for part in path.components() {
            above.push(part);
            if above.is_dir() {
                continue;
            }
            fs::create_dir(&above)?;
            set_mode(&above, 0o755)?;
            self.tell(&format!("install: creating directory '{}'", above.display()));
        }
        Ok(())
    }

    fn directory(&self, name: &[u8]) -> i32 {
        let path = PathBuf::from(os(name));
        let made = self.above(&path).and_then(|()| set_mode(&path, self.mode.apply(0, true, 0)));
        match made {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("install: cannot create directory '{}': {}", shown(name), reason(&error));
                1
            }
        }
    }

    fn file(&self, source: &[u8], target: &Path) -> i32 {
        let from = PathBuf::from(os(source));
        let to = bytes(target.as_os_str());
        let status = match Status::of(&from, true) {
            Ok(status) if status.kind == Kind::Directory => {
                eprintln!("install: omitting directory '{}'", shown(source));
                return 1;
            }
            Ok(status) => status,
            Err(error) => {
                eprintln!("install: cannot stat '{}': {}", shown(source), reason(&error));
                return 1;
            }
        };
        if self.leading
            && let Some(parent) = target.parent()
            && let Err(error) = self.above(parent)
        {
            eprintln!("install: cannot create directory '{}': {}", parent.display(), reason(&error));
            return 1;
        }
        if let Ok(there) = Status::of(target, true) {
            if there.kind == Kind::Directory {
                eprintln!("install: cannot overwrite directory '{}' with non-directory", shown(to));
                return 1;
            }
            if (there.device, there.inode) == (status.device, status.inode) && there.inode != 0 {
                eprintln!("install: '{}' and '{}' are the same file", shown(source), shown(to));
                return 1;
            }
        }
        if let Err(error) = self.copy(&from, target, &status) {
            eprintln!("install: cannot create regular file '{}': {}", shown(to), reason(&error));
            return 1;
        }
        self.tell(&format!("'{}' -> '{}'", shown(source), shown(to)));
        0
    }

    /// What is there is replaced and not written to, as another program may be running it.
    fn copy(&self, from: &Path, target: &Path, status: &Status) -> io::Result<()> {
        if target.symlink_metadata().is_ok() {
            fs::remove_file(target)?;
        }
        let mut input = fs::File::open(from)?;
        let mut output = fs::File::create(target)?;
        io::copy(&mut input, &mut output)?;
        if self.times {
            let (seconds, nanoseconds) = status.modified;
            let stamp = std::time::Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds);
            output.set_modified(std::time::UNIX_EPOCH + stamp)?;
        }
        drop(output);
        set_mode(target, self.mode.apply(0, false, 0))
    }
}
