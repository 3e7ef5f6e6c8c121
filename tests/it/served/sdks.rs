//! The SDKs of E2B and Daytona, unmodified, against `sandpiper serve`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Served;
use crate::harness::{Printed, cache};

fn checks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sdks").canonicalize().unwrap()
}

/// A folder of the cache with what a list of packages names, installed once for each content of the list.
fn installed(list: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let text = std::fs::read(checks().join(list)).unwrap();
    let folder = cache().join("sdks").join(sandpiper::journal::Digest::of(&text).to_string());
    let done = folder.join("installed");
    // Tests are processes of their own, and several need the same.
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    if !done.exists() {
        install(&folder);
        std::fs::write(done, "").unwrap();
    }
    folder
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap_or_else(|err| panic!("{command:?}: {err}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.stdout(), output.stderr());
}

fn python() -> PathBuf {
    let folder = installed("requirements.txt", |folder| {
        succeeds(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")));
        succeeds(
            Command::new(folder.join("venv/bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
                .arg(checks().join("requirements.txt")),
        );
    });
    folder.join("venv/bin/python")
}

/// The checks of an SDK: all of them hold, and there are so many.
#[track_caller]
fn holds(mut program: Command, check: &Path, served: &Served, at_least: usize) {
    served.lead_here(&mut program);
    let output = program.arg(check).output().unwrap();
    let told = output.stdout();
    assert!(output.status.success(), "{told}\n{}", output.stderr());
    let counted = told.lines().last().and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    assert!(counted.is_some_and(|counted| counted >= at_least), "{told}");
}

#[test]
fn e2bs_python_sdk_works_unmodified() {
    let served = Served::start(&[]);
    holds(Command::new(python()), &checks().join("e2b_check.py"), &served, 40);
}

#[test]
fn e2bs_code_interpreter_works_unmodified() {
    let served = Served::start(&[]);
    holds(Command::new(python()), &checks().join("code_interpreter_check.py"), &served, 40);
}

#[test]
fn daytonas_python_sdk_works_unmodified() {
    let served = Served::start(&[]);
    holds(Command::new(python()), &checks().join("daytona_check.py"), &served, 40);
}

#[test]
fn e2bs_javascript_sdk_works_unmodified() {
    let folder = installed("package.json", |folder| {
        std::fs::copy(checks().join("package.json"), folder.join("package.json")).unwrap();
        succeeds(
            Command::new("npm").args(["install", "--silent", "--no-fund", "--no-audit"]).current_dir(folder),
        );
    });
    // Node looks for packages beside the file.
    let check = folder.join("e2b_check.mjs");
    std::fs::copy(checks().join("e2b_check.mjs"), &check).unwrap();
    let served = Served::start(&[]);
    holds(Command::new("node"), &check, &served, 40);
}
