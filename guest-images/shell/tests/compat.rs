//! Runs each case of `tests/compat` with the machine's bash and with this shell, and compares what comes out: standard
//! output, exit code and the files that are there afterwards. Nothing of what bash says is stored.
//!
//! `cargo test --test compat -- [FILTER...]`: a filter is a part of a case's name or of its file's. `-v` shows standard
//! error; `--shell=PATH` compares another shell than the one just built.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Run as `bash -c SCRIPT bash ARGS...`.
    script: String,
    /// Files that are there before, by path; one whose content begins with `#!` can be executed.
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    stdin: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// Why the two differ. One that does not is an error too.
    differs: Option<String>,
}

/// What is compared, and standard error to be shown.
#[derive(Debug)]
struct Outcome {
    stdout: Vec<u8>,
    code: Option<i32>,
    tree: BTreeMap<PathBuf, String>,
    stderr: Vec<u8>,
}

/// No case needs longer, however slow the machine is.
const LIMIT: Duration = Duration::from_mins(1);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let verbose = arguments.iter().any(|argument| argument == "-v");
    let chosen = arguments.iter().find_map(|argument| argument.strip_prefix("--shell="));
    let shell = Path::new(chosen.unwrap_or(env!("CARGO_BIN_EXE_bash")));
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/compat");
    let mut cases = Vec::new();
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yaml")) {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(file).unwrap();
        let list: Vec<Case> =
            serde_yaml_ng::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        cases.extend(list.into_iter().map(|case| (format!("{stem}: {}", case.name), case)));
    }
    let mut names: Vec<&String> = cases.iter().map(|(name, _)| name).collect();
    names.sort();
    if let Some([twice, _]) = names.array_windows().find(|[left, right]| left == right) {
        println!("two cases are called {twice}");
        return ExitCode::FAILURE;
    }
    cases.retain(|(name, _)| {
        filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
    });

    let root = std::env::temp_dir().join(format!("sandpiper-compat-{}", std::process::id()));
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let differing = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for worker in 0..workers {
            let place = root.join(worker.to_string());
            let (next, failures, differing, cases) = (&next, &failures, &differing, &cases);
            scope.spawn(move || {
                while let Some((name, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let theirs = run(Path::new("/bin/bash"), case, &place);
                    let ours = run(shell, case, &place);
                    let difference = difference(&theirs, &ours, verbose);
                    let report = match (&case.differs, difference) {
                        (None, None) => continue,
                        (None, Some(text)) => text,
                        (Some(_), Some(_)) => {
                            differing.fetch_add(1, Ordering::Relaxed);
                            continue;
                        }
                        (Some(reason), None) => {
                            format!("is the same, though it is said to differ: {reason}\n")
                        }
                    };
                    failures.lock().unwrap().push(format!("--- {name}\n{report}"));
                }
            });
        }
    });
    fs::remove_dir_all(&root).ok();
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    for failure in &failures {
        println!("{failure}");
    }
    let differing = differing.into_inner();
    println!(
        "{} cases, {} the same, {differing} differ as said, {} failed",
        cases.len(),
        cases.len() - failures.len() - differing,
        failures.len()
    );
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a case in a fresh directory, always at the same path.
fn run(shell: &Path, case: &Case, place: &Path) -> Outcome {
    make_writable(place);
    fs::remove_dir_all(place).ok();
    let (tools, work, home) = (place.join("bin"), place.join("work"), place.join("home"));
    for folder in [&tools, &work, &home] {
        fs::create_dir_all(folder).unwrap();
    }
    for name in ["bash", "sh"] {
        symlink(shell, tools.join(name)).unwrap();
    }
    for (path, content) in &case.files {
        let path = work.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        if content.starts_with("#!") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let mut command = Command::new(tools.join("bash"));
    command.arg0("bash").arg("-c").arg(&case.script).arg("bash").args(&case.args);
    command.env_clear().env("PATH", format!("{}:/usr/bin:/bin", tools.display())).env("HOME", &home);
    command.env("LANG", "C.UTF-8").env("TZ", "UTC").envs(&case.environment);
    command
        .current_dir(&work)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = case.stdin.clone();
    let feeding = std::thread::spawn(move || input.write_all(text.as_bytes()).ok());
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let reading = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        out.read_to_end(&mut bytes).ok();
        bytes
    });
    let reading_errors = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        err.read_to_end(&mut bytes).ok();
        bytes
    });
    let group = format!("-{}", child.id());
    let started = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code().or(status.signal().map(|signal| -signal));
        }
        if started.elapsed() > LIMIT {
            Command::new("/bin/kill").args(["-KILL", "--", &group]).status().ok();
            child.wait().ok();
            break None;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    // What was left in the background could hold the pipes open.
    while !(reading.is_finished() && reading_errors.is_finished()) {
        if started.elapsed() > LIMIT {
            Command::new("/bin/kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status().ok();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    feeding.join().ok();
    let mut tree = BTreeMap::new();
    walk(&work, &work, &mut tree);
    Outcome { stdout: reading.join().unwrap(), code, tree, stderr: reading_errors.join().unwrap() }
}

fn make_writable(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o755)).ok();
            make_writable(&entry.path());
        }
    }
}

fn walk(root: &Path, folder: &Path, tree: &mut BTreeMap<PathBuf, String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let mut shown = format!("{:o}", metadata.mode());
        if metadata.is_symlink() {
            write!(shown, " -> {}", fs::read_link(&path).unwrap().display()).unwrap();
        } else if metadata.is_file() {
            let content = fs::read(&path).unwrap_or_default();
            write!(shown, " {:?}", String::from_utf8_lossy(&content)).unwrap();
        }
        tree.insert(path.strip_prefix(root).unwrap().to_owned(), shown);
        if metadata.is_dir() {
            walk(root, &path, tree);
        }
    }
}

/// What is not the same, as text; none when all is.
fn difference(theirs: &Outcome, ours: &Outcome, verbose: bool) -> Option<String> {
    let mut text = String::new();
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if theirs.stdout != ours.stdout {
        let (left, right) = (lossy(&theirs.stdout), lossy(&ours.stdout));
        writeln!(text, "stdout of bash: {}\nstdout of ours: {}", clipped(&left), clipped(&right)).unwrap();
    }
    if theirs.code != ours.code {
        writeln!(text, "code of bash: {:?}\ncode of ours: {:?}", theirs.code, ours.code).unwrap();
    }
    if theirs.tree != ours.tree {
        for path in theirs.tree.keys().chain(ours.tree.keys()).collect::<std::collections::BTreeSet<_>>() {
            let (left, right) = (theirs.tree.get(path), ours.tree.get(path));
            if left != right {
                writeln!(text, "{}: bash {left:?}, ours {right:?}", path.display()).unwrap();
            }
        }
    }
    if text.is_empty() {
        return None;
    }
    if verbose {
        writeln!(text, "stderr of bash: {}\nstderr of ours: {}", lossy(&theirs.stderr), lossy(&ours.stderr))
            .unwrap();
    }
    Some(text)
}

fn clipped(text: &str) -> String {
    let shown = format!("{text:?}");
    if shown.len() > 1500 { format!("{}...", shown.chars().take(1500).collect::<String>()) } else { shown }
}
