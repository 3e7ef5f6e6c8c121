//! A compile cache that another user planted or changed: machine code in it would run unchecked, so
//! what is not the user's own, or not as it was written, is not used.

use std::fs;
#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;

use sandpiper::{Engine, EngineConfig, Error, Exec, Image, Outcome, Spec};

use crate::harness::Printed;

struct Planted {
    folder: tempfile::TempDir,
}

impl Planted {
    /// Two programs, in a cache that knows both.
    fn new() -> Self {
        let planted = Self { folder: tempfile::tempdir().unwrap() };
        for (name, text) in [("victim", r"victim\0a"), ("other", r"other!\0a")] {
            let wasm = wat::parse_str(format!(
                r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
                  (memory (export "memory") 1) (data (i32.const 0) "\08\00\00\00\07\00\00\00{text}")
                  (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))))"#
            ));
            fs::write(planted.program(name), wasm.unwrap()).unwrap();
        }
        planted.runs_as_itself("other");
        planted.runs_as_itself("victim");
        assert_eq!(planted.entries().len(), 2);
        planted
    }

    fn program(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("compiled")
    }

    fn entries(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.cache()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The entry of a program, by the text in its memory.
    #[cfg(unix)]
    fn entry(&self, text: &str) -> PathBuf {
        let holds = |path: &Path| {
            fs::read(path.join("memory")).unwrap().windows(6).any(|part| part == text.as_bytes())
        };
        self.entries().into_iter().find(|path| holds(path)).unwrap()
    }

    /// Runs a program with an engine of a new process, as far as the cache is concerned.
    fn run(&self, name: &str) -> Result<Outcome, Error> {
        let config = EngineConfig { cache: Some(self.cache()), ..EngineConfig::default() };
        let engine = Engine::new(config)?;
        let spec = Spec { image: Image::File(self.program(name)), ..Spec::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(sandpiper::run(&engine, spec, Exec::new([name])))
    }

    #[track_caller]
    fn runs_as_itself(&self, name: &str) {
        let text = if name == "other" { "other!\n" } else { "victim\n" };
        assert_eq!(self.run(name).unwrap().stdout(), text);
    }

    #[track_caller]
    #[cfg(unix)]
    fn refused(&self) {
        let err = self.run("victim").unwrap_err();
        let Error::Host { source, .. } = &err else { panic!("{err:?}") };
        assert!(source.to_string().contains("can be written by others than its owner"), "{source}");
    }
}

/// A file that is held open, so that its number is not given to another: an entry that is not used is
/// made anew.
#[cfg(unix)]
struct Held(fs::File);

#[cfg(unix)]
impl Held {
    fn new(path: &Path) -> Self {
        Self(fs::File::open(path).unwrap())
    }

    fn is_still_at(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        self.0.metadata().unwrap().ino() == fs::metadata(path).unwrap().ino()
    }
}

/// Attack: the code of another program is put in the place of one's. Twin: the entry as it was.
#[cfg(unix)]
#[test]
fn code_that_was_swapped_is_not_run() {
    let planted = Planted::new();
    let (victim, other) = (planted.entry("victim"), planted.entry("other!"));
    let held = Held::new(&victim.join("code"));
    planted.runs_as_itself("victim");
    assert!(held.is_still_at(&victim.join("code")), "a sound entry is used");
    for name in ["code", "memory"] {
        fs::remove_file(victim.join(name)).unwrap();
        fs::copy(other.join(name), victim.join(name)).unwrap();
        planted.runs_as_itself("victim");
    }
    // With everything that speaks for it: still not the file that was written here.
    for name in ["code", "memory", "stamps.json"] {
        fs::copy(other.join(name), victim.join(name)).unwrap();
    }
    planted.runs_as_itself("victim");
}

/// Attack: a file of the entry belongs to another user, or others can write it. Twin: the user's own.
#[cfg(unix)]
#[test]
fn files_of_another_user_are_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let planted = Planted::new();
    for name in ["code", "memory", "stamps.json"] {
        let path = planted.entry("victim").join(name);
        let held = Held::new(&path);
        planted.runs_as_itself("victim");
        assert!(held.is_still_at(&path), "{name}: a sound entry is used");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        planted.runs_as_itself("victim");
        assert!(!held.is_still_at(&path), "{name}: made anew");
        // Only root can give a file away.
        let held = Held::new(&path);
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
            planted.runs_as_itself("victim");
            assert!(!held.is_still_at(&path), "{name}: made anew");
        }
    }
}

/// Attack: an entry whose stamps were forged to fit, in a folder that others can write. Twin: the
/// folder closed.
#[cfg(unix)]
#[test]
fn an_entry_that_others_can_write_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let planted = Planted::new();
    let (victim, other) = (planted.entry("victim"), planted.entry("other!"));
    // A hard link keeps owner and mode; the stamps that it then has are known to whoever made it.
    for name in ["code", "memory"] {
        fs::remove_file(victim.join(name)).unwrap();
        fs::hard_link(other.join(name), victim.join(name)).unwrap();
    }
    let stamp = |name: &str| {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(victim.join(name)).unwrap();
        serde_json::json!({"len": metadata.len(), "inode": metadata.ino(), "changed": [metadata.ctime(), metadata.ctime_nsec()]})
    };
    let stamps = serde_json::json!({"code": stamp("code"), "memory": stamp("memory")});
    fs::write(victim.join("stamps.json"), stamps.to_string()).unwrap();
    fs::set_permissions(victim.join("stamps.json"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o777)).unwrap();
    planted.runs_as_itself("victim");
    planted.runs_as_itself("other");
}

/// Attack: the entry is a symlink to a folder of the attacker's. Twin: a folder.
#[cfg(unix)]
#[test]
fn an_entry_that_is_a_symlink_is_not_followed() {
    let planted = Planted::new();
    let victim = planted.entry("victim");
    let elsewhere = planted.folder.path().join("elsewhere");
    fs::rename(planted.entry("other!"), &elsewhere).unwrap();
    fs::remove_dir_all(&victim).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &victim).unwrap();
    planted.runs_as_itself("victim");
    assert!(!victim.is_symlink() && victim.is_dir(), "made anew");
    assert!(elsewhere.join("code").exists(), "nothing was removed through the link");
}

/// Attack: a file of the entry is a symlink. Twin: a file.
#[cfg(unix)]
#[test]
fn a_file_that_is_a_symlink_is_not_followed() {
    let planted = Planted::new();
    let victim = planted.entry("victim");
    let elsewhere = planted.folder.path().join("elsewhere");
    fs::rename(victim.join("code"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, victim.join("code")).unwrap();
    planted.runs_as_itself("victim");
    assert!(!planted.entry("victim").join("code").is_symlink(), "made anew");
    assert!(elsewhere.exists());
}

/// Attack: the cache's folder is open to others, belongs to another, is a symlink to one that is
/// sound. Twin: closed and one's own.
#[cfg(unix)]
#[test]
fn a_cache_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let planted = Planted::new();
    for mode in [0o777, 0o770, 0o722, 0o1777] {
        fs::set_permissions(planted.cache(), fs::Permissions::from_mode(mode)).unwrap();
        planted.refused();
    }
    fs::set_permissions(planted.cache(), fs::Permissions::from_mode(0o700)).unwrap();
    planted.runs_as_itself("victim");
    if std::os::unix::fs::chown(planted.cache(), Some(65_534), None).is_ok() {
        planted.refused();
        std::os::unix::fs::chown(planted.cache(), Some(0), None).unwrap();
    }
    let elsewhere = planted.folder.path().join("elsewhere");
    fs::rename(planted.cache(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, planted.cache()).unwrap();
    planted.refused();
    fs::remove_file(planted.cache()).unwrap();
    fs::rename(&elsewhere, planted.cache()).unwrap();
    planted.runs_as_itself("victim");
}

/// Attack: the program itself is another than the one that was compiled under its name. Twin: the same.
#[test]
fn code_belongs_to_the_bytes_of_its_program_and_not_to_its_name() {
    let planted = Planted::new();
    planted.runs_as_itself("victim");
    fs::copy(planted.program("other"), planted.program("victim")).unwrap();
    assert_eq!(planted.run("victim").unwrap().stdout(), "other!\n");
}
