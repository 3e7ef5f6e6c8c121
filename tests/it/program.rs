//! A real program in a real directory does byte for byte what it does natively.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{self, Printed};

const ROWS: usize = 100_000;
const REGIONS: [&str; 7] = ["north", "south", "east", "west", "Zürich", "São Paulo", "東京"];

/// What a program left behind, by path.
type Files = BTreeMap<PathBuf, Vec<u8>>;

#[test]
fn an_agents_errand_is_byte_identical_to_native_python() {
    let reference = harness::reference();
    for arguments in [
        &["agent.py", "sales.csv", "--verbose", "--least", "2.50"] as &[&str],
        &["agent.py", "sales.csv", "--out", "deep/er", "--least", "100000"],
        &["agent.py", "missing.csv"],
        &["agent.py", "--help"],
        &["agent.py", "--least"],
        &["-m", "report.table"],
    ] {
        let (native_folder, guest_folder) = (workspace(), workspace());
        let site_packages = native_folder.path().join(SITE_PACKAGES);
        let native = Command::new(&reference.python)
            .args(arguments)
            .current_dir(native_folder.path())
            .env_clear()
            .env("PYTHONPATH", site_packages)
            // As the guest's standard streams and locale are.
            .envs([("LANG", "C.UTF-8"), ("PYTHONDONTWRITEBYTECODE", "1"), ("COLUMNS", "80")])
            .output()
            .unwrap();
        let guest = harness::command(guest_folder.path())
            .args(["run", "--env", "COLUMNS=80", "--env", "PYTHONDONTWRITEBYTECODE=1", "--", "python3"])
            .args(arguments)
            .output()
            .unwrap();
        // Tracebacks name the folder and the library, whose places are others by design.
        let told = native.stderr().replace(native_folder.path().to_str().unwrap(), "/workspace");
        let told = told.replace(reference.library.to_str().unwrap(), "/usr/lib/python3.13");
        assert_eq!(native.stdout(), guest.stdout(), "{arguments:?}");
        assert_eq!(told, guest.stderr(), "{arguments:?}");
        assert_eq!(native.status.code(), guest.status.code(), "{arguments:?}");
        let (native_files, guest_files) = (files(native_folder.path()), files(guest_folder.path()));
        let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&native_files), names(&guest_files), "{arguments:?}");
        for (name, bytes) in &native_files {
            assert!(guest_files[name] == *bytes, "{arguments:?}: {} differs", name.display());
        }
    }
}

#[test]
fn the_errand_leaves_what_it_should() {
    let folder = workspace();
    let output = harness::command(folder.path())
        .args(["run", "--", "python3", "agent.py", "sales.csv"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", output.stderr());
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.path().join("out/report.json")).unwrap()).unwrap();
    let sales: u64 = report.as_array().unwrap().iter().map(|row| row["sales"].as_u64().unwrap()).sum();
    assert_eq!(sales, ROWS as u64);
    assert!(output.stdout().contains("1. "), "{}", output.stdout());
}

const SITE_PACKAGES: &str = ".venv/lib/python3.13/site-packages";

/// A folder with the script, its package, a wheel in `.venv`, and the sales.
fn workspace() -> tempfile::TempDir {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/programs");
    let folder = tempfile::tempdir().unwrap();
    copy(&programs.join("agent"), folder.path());
    copy(&programs.join("wheel"), &folder.path().join(SITE_PACKAGES));
    fs::write(folder.path().join(".venv/pyvenv.cfg"), "version = 3.13.5\n").unwrap();
    fs::write(folder.path().join("sales.csv"), sales()).unwrap();
    folder
}

fn sales() -> String {
    let mut text = String::from("id,day,region,amount\n");
    let mut state: u64 = 7;
    for id in 0..ROWS {
        // The constants of Knuth's MMIX.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let draw = usize::try_from(state >> 33).unwrap();
        let (region, cents, day) = (REGIONS[draw % 7], draw / 7 % 99_999, draw / 700_000 % 28 + 1);
        writeln!(text, "{id},2026-{:02}-{day:02},{region},{}.{:02}", id % 12 + 1, cents / 100, cents % 100)
            .unwrap();
    }
    text
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files(root: &Path) -> Files {
    let (mut found, mut folders) = (Files::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}
