//! A file of claims, and a run of one of them: its script goes to the caller in a sandbox of its
//! own, and what comes back is compared with it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use sandpiper::{Access, Clock, Engine, EngineConfig, Exec, Image, Mount, Outcome, Spec, Stdin};
use tokio::io::AsyncWriteExt;

use super::answer::{self, Value};
use super::call::{FUNCTIONS, Out, encode};
use super::script::{GUARD_BYTES, Region, Script};
use super::text::{bytes, number, rights, tokens};

/// A claim: what it says, and its lines with the places that it holds for.
pub struct Claim<'a> {
    pub says: &'a str,
    places: Vec<&'a str>,
    lines: Vec<&'a str>,
}

/// Takes a file of claims apart.
pub fn claims(text: &str) -> Vec<Claim<'_>> {
    let mut found: Vec<Claim<'_>> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(says) = line.strip_prefix("claim ") {
            found.push(Claim { says, places: vec![""], lines: Vec::new() });
            continue;
        }
        let claim = found.last_mut().expect("the first line is a claim");
        match line.strip_prefix("in ") {
            Some(places) => claim.places = places.split(' ').collect(),
            None => claim.lines.push(line),
        }
    }
    for claim in &found {
        assert!(!claim.lines.is_empty(), "{} calls nothing", claim.says);
    }
    found
}

/// A call as the script has it, and what is to come of it.
struct Step {
    line: String,
    function: String,
    regions: Vec<Region>,
    errno: String,
    expected: Vec<(String, String)>,
}

/// Everything of a claim that is not a call.
#[derive(Default)]
struct World {
    stdin: Vec<u8>,
    stdin_stays_open: bool,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    /// What is to hold at the end: of the host, the outcome.
    ends: Vec<Vec<String>>,
}

impl Claim<'_> {
    /// Checks the claim at every place.
    ///
    /// # Errors
    /// Says which line does not hold.
    pub fn check(&self) -> Result<(), String> {
        for place in &self.places {
            self.check_at(place).map_err(|err| format!("{} [{place}]: {err}", self.says))?;
        }
        Ok(())
    }

    fn check_at(&self, place: &str) -> Result<(), String> {
        let host = host_folder();
        let mut spec = Spec::default();
        spec.limits.output_bytes = 64 << 20;
        for (name, access) in
            [("workspace", Access::ReadWrite), ("other", Access::ReadWrite), ("readonly", Access::ReadOnly)]
        {
            spec.mounts.push(Mount::new(host.path().join(name), &format!("/{name}"), access).unwrap());
        }
        let (mut script, mut steps, mut world) = (Script::new(), Vec::new(), World::default());
        for line in &self.lines {
            let line = line.replace("{}", place);
            let words = tokens(&line);
            match words[0].as_str() {
                "with" => set_up(&words[1..], host.path(), &mut spec, &mut world),
                "host" | "exit" | "denied" | "stderr" | "within" => world.ends.push(words),
                _ => {
                    for line in calls(&words, &line) {
                        steps.push(step(&mut script, &line));
                    }
                }
            }
        }
        let untouched = contents(&host.path().join("readonly"));
        let outcome = run(&mut spec, world.exec(&script.finish()));
        let reported = compare(&steps, &outcome);
        // What the outcome says explains more than a report that is too short.
        let ends = world.ends.iter().try_for_each(|words| end(words, host.path(), &outcome));
        let exits = world.ends.iter().any(|words| words[0] == "exit");
        if !exits && !outcome.exit.success() {
            return Err(format!("the caller ended with {:?}; {:?}", outcome.exit, reported));
        }
        reported.and(ends)?;
        if contents(&host.path().join("readonly")) != untouched {
            return Err("the read-only folder was changed".to_owned());
        }
        Ok(())
    }
}

impl World {
    fn exec(&self, script: &[u8]) -> Exec {
        let whole = [script, &self.stdin].concat();
        let stdin = if self.stdin_stays_open {
            let (mut writer, reader) = tokio::io::duplex(whole.len() + 1);
            let (_, written) = runtime().block_on(async { (0, writer.write_all(&whole).await) });
            written.unwrap();
            // The other end stays open for as long as the test does.
            std::mem::forget(writer);
            Stdin::Stream(Box::new(reader))
        } else {
            Stdin::bytes(whole)
        };
        let mut exec = Exec::new(["caller".to_owned()].into_iter().chain(self.arguments.clone()));
        exec.env.clone_from(&self.environment);
        exec.stdin(stdin)
    }
}

/// The folders of the host, each with the same few files: `file` has "content", `dir/inner` "inner",
/// and `empty` nothing. `other` is empty.
fn host_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["workspace", "readonly"] {
        let at = |below: &str| folder.path().join(name).join(below);
        std::fs::create_dir_all(at("dir")).unwrap();
        std::fs::create_dir(at("empty")).unwrap();
        std::fs::write(at("file"), "content").unwrap();
        std::fs::write(at("dir/inner"), "inner").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("file", at("link")).unwrap();
    }
    std::fs::create_dir(folder.path().join("other")).unwrap();
    folder
}

fn contents(folder: &Path) -> BTreeMap<PathBuf, (Option<Vec<u8>>, std::time::SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_dir() {
            found.extend(contents(&path));
        }
        found.insert(path.clone(), (std::fs::read(&path).ok(), metadata.modified().unwrap()));
    }
    found
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    })
}

/// Runs the caller. It is compiled once for all claims of a process, and needs no image.
fn run(spec: &mut Spec, exec: Exec) -> Outcome {
    static ENGINE: OnceLock<(tempfile::TempDir, PathBuf, Engine)> = OnceLock::new();
    let (_, caller, engine) = ENGINE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let caller = folder.path().join("caller.wasm");
        let text = include_str!("../../programs/preview1/caller.wat");
        std::fs::write(&caller, wat::parse_str(text).unwrap()).unwrap();
        (folder, caller, Engine::new(EngineConfig::default()).unwrap())
    });
    spec.image = Image::File(caller.clone());
    runtime().block_on(sandpiper::run(engine, spec.clone(), exec)).unwrap()
}

/// `with` lines: the sandbox's own settings.
fn set_up(words: &[String], host: &Path, spec: &mut Spec, world: &mut World) {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let text = |token: &str| String::from_utf8(bytes(token)).unwrap();
    match words.as_slice() {
        ["stdin", token] => world.stdin = bytes(token),
        ["open", "stdin", token] => {
            world.stdin = bytes(token);
            world.stdin_stays_open = true;
        }
        ["argument", token] => world.arguments.push(text(token)),
        ["variable", name, value] => world.environment.push(((*name).to_owned(), text(value))),
        ["clock", start] => spec.clock = Clock::Virtual { start_ns: number(start).unwrap() },
        ["seed", seed] => spec.seed = number(seed),
        ["descriptors", count] => spec.limits.descriptors = count.parse().unwrap(),
        ["files", count] => spec.limits.files = count.parse().unwrap(),
        ["tmp", count] => spec.limits.tmp_bytes = count.parse().unwrap(),
        ["disk", count] => spec.limits.disk_bytes = count.parse().unwrap(),
        // A folder of the host, made where it is missing, at a path of the guest.
        ["mount", folder, guest, access] => {
            let access = if *access == "read-only" { Access::ReadOnly } else { Access::ReadWrite };
            std::fs::create_dir_all(host.join(folder)).unwrap();
            spec.mounts.push(Mount::new(host.join(folder), guest, access).unwrap());
        }
        ["file", path, content] => std::fs::write(host.join(path), bytes(content)).unwrap(),
        ["directory", path] => std::fs::create_dir(host.join(path)).unwrap(),
        #[cfg(unix)]
        ["link", target, path] => std::os::unix::fs::symlink(target, host.join(path)).unwrap(),
        other => panic!("nothing is known of `with {other:?}`"),
    }
}

/// The calls of a line: one, or those that its short form stands for.
fn calls(words: &[String], line: &str) -> Vec<String> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["make", path, content] => vec![
            format!("path_open 3 - {path} creat|excl fd_write -> ok fd=$_made"),
            format!("fd_write $_made [{content}] -> ok"),
            "fd_close $_made -> ok".to_owned(),
        ],
        ["directory", path] => vec![format!("path_create_directory 3 {path} -> ok")],
        ["link", target, path] => vec![format!("path_symlink {target} 3 {path} -> ok")],
        ["content", path, content] => vec![
            format!("path_open 3 follow {path} - fd_read|fd_seek -> ok fd=$_content"),
            format!("fd_pread $_content [{}] 0 -> ok bytes={content}", bytes(content).len() + 1),
            "fd_close $_content -> ok".to_owned(),
        ],
        ["names", path, names] => vec![
            format!("path_open 3 - {path} directory fd_readdir -> ok fd=$_names"),
            format!("fd_readdir $_names 65536 0 -> ok entries={names}"),
            "fd_close $_names -> ok".to_owned(),
        ],
        ["gone", path] => vec![format!("path_filestat_get 3 - {path} -> noent")],
        ["open", path, rights, rest @ ..] => {
            let name = rest.last().unwrap();
            let flags = if rest.len() > 1 { rest[0] } else { "-" };
            vec![format!("path_open 3 follow {path} {flags} {rights} all -> ok fd={name}")]
        }
        _ => vec![line.to_owned()],
    }
}

fn step(script: &mut Script, line: &str) -> Step {
    let words = tokens(line);
    let arrow = words.iter().position(|word| word == "->");
    let arrow = arrow.unwrap_or_else(|| panic!("a call says what is to come of it: {line}"));
    let function = words[0].clone();
    let regions = encode(script, &function, &words[1..arrow]);
    let expected: Vec<(String, String)> = words[arrow + 2..]
        .iter()
        .map(|word| {
            let (key, value) = word.split_once('=').unwrap_or_else(|| panic!("{word} in {line}"));
            (key.to_owned(), value.to_owned())
        })
        .collect();
    for (key, value) in &expected {
        let Some(name) = value.strip_prefix('$') else { continue };
        for region in &regions {
            let field = answer::fields(region.out).into_iter().find(|(field, _, _)| field == key);
            if let Some((_, offset, length)) = field {
                let offset = u32::try_from(offset).unwrap();
                script.name(name, region.address + offset, u32::try_from(length).unwrap());
            }
        }
    }
    for region in &regions {
        script.report(region);
    }
    Step { line: line.to_owned(), function, regions, errno: words[arrow + 1].clone(), expected }
}

/// Compares what the caller reported with the steps.
fn compare(steps: &[Step], outcome: &Outcome) -> Result<(), String> {
    let mut report = outcome.stdout.bytes.as_slice();
    let mut variables: HashMap<String, Value> = HashMap::new();
    let mut take = |length: usize| {
        let (taken, rest) = report.split_at_checked(length).ok_or("the caller reported no more")?;
        report = rest;
        Ok::<_, String>(taken.to_vec())
    };
    for step in steps {
        if step.errno == "ends" {
            return if take(1).is_err() { Ok(()) } else { Err(format!("{} returned", step.line)) };
        }
        let at = |err: String| format!("{}: {err}", step.line);
        let errno = answer::little_endian(&take(4).map_err(at)?);
        let mut regions = Vec::new();
        for region in &step.regions {
            let content = take((region.length + GUARD_BYTES) as usize).map_err(at)?;
            regions.push((region.clone(), content));
        }
        let errno = answer::errno_name(u32::try_from(errno).unwrap());
        if !step.errno.split('|').any(|expected| expected == errno) {
            return Err(format!("{} gives {errno}", step.line));
        }
        answer::check_untouched(&regions, errno != "ok").map_err(at)?;
        if errno != "ok" {
            continue;
        }
        let answers = answer::decode(&step.function, &regions).map_err(at)?;
        for (key, expected) in &step.expected {
            answer::check((key, expected), &answers, &mut variables).map_err(at)?;
        }
    }
    Ok(())
}

/// What is to hold at the end.
fn end(words: &[String], host: &Path, outcome: &Outcome) -> Result<(), String> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let wrong = |found: String| Err(format!("{words:?}: {found}"));
    match words.as_slice() {
        ["exit", code] => {
            if outcome.exit.code().to_string() != *code {
                return wrong(format!("{:?}", outcome.exit));
            }
        }
        ["stderr", text] => {
            if outcome.stderr.bytes != bytes(text) {
                return wrong(String::from_utf8_lossy(&outcome.stderr.bytes).into_owned());
            }
        }
        ["denied", "nothing"] => {
            if !outcome.denials.is_empty() {
                return wrong(format!("{:?}", outcome.denials));
            }
        }
        ["denied", operation, subject, reason] => {
            let subject = subject.trim_matches('"');
            let denials = serde_json::to_value(&outcome.denials).unwrap();
            let found = denials.as_array().unwrap().iter().any(|denial| {
                denial["operation"] == *operation
                    && denial["subject"] == subject
                    && denial["reason"] == *reason
            });
            if !found {
                return wrong(denials.to_string());
            }
        }
        // The wall time between two bounds, in milliseconds.
        ["within", least, most] => {
            let range = number(least).unwrap()..number(most).unwrap();
            if !range.contains(&outcome.usage.wall_ms) {
                return wrong(format!("{} ms", outcome.usage.wall_ms));
            }
        }
        ["host", path, rest @ ..] => {
            let path = host.join(path);
            let metadata = path.symlink_metadata();
            match (rest, metadata) {
                (["gone"], Err(_)) => {}
                (["directory"], Ok(metadata)) if metadata.is_dir() => {}
                (["content", content], Ok(_)) if std::fs::read(&path).unwrap() == bytes(content) => {}
                (["size", size], Ok(metadata)) if metadata.len() == number(size).unwrap() => {}
                (["target", target], Ok(metadata))
                    if metadata.is_symlink()
                        && std::fs::read_link(&path).unwrap().to_str() == Some(target) => {}
                (["mtim", time], Ok(metadata))
                    if metadata.modified().unwrap()
                        == UNIX_EPOCH + Duration::from_nanos(number(time).unwrap()) => {}
                (_, metadata) => return wrong(format!("{metadata:?}")),
            }
        }
        other => panic!("nothing is known of {other:?}"),
    }
    Ok(())
}

#[test]
fn the_table_of_the_harness_is_the_callers() {
    let text = include_str!("../../programs/preview1/caller.wat");
    let called = text.lines().filter_map(|line| line.strip_prefix("    $call_"));
    assert!(called.eq(FUNCTIONS.iter().map(|(name, _)| *name)));
    assert_eq!(rights("all-fd_read"), (1 << 30) - 3);
    assert_eq!(Out::Filestat.bytes(), 64);
}

#[test]
fn a_claim_that_does_not_hold_is_found_out() {
    for (text, found) in [
        ("claim x\nfd_close 9 -> ok", "gives badf"),
        ("claim x\nfd_tell 9 -> badf\nfd_prestat_get 3 -> ok length=2", "length is Number(1)"),
        ("claim x\nproc_exit 3 -> ends", "ended with"),
        ("claim x\nfd_close 9 -> badf\nhost workspace/file gone", "gone"),
        ("claim x\nfd_close 9 -> badf\nhost workspace/file content \"other\"", "content"),
        ("claim x\nfd_close 9 -> badf\ndenied fd_close /x read-only", "denied"),
        ("claim x\nnames \"/workspace\" \"a\"", "entries is"),
        ("claim x\nproc_exit 3 -> ends\nfd_close 9 -> ok\nexit 4", "exit"),
    ] {
        let err = claims(text)[0].check().unwrap_err();
        assert!(err.contains(found), "{err}");
    }
}
