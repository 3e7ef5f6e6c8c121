//! What tests share: an engine with the installed images, sandboxes, and the command with a home of
//! its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use sandpiper::images::{BuildInputs, ImageStore, Reference, Silent};
use sandpiper::{Access, Engine, Error, Exec, Mount, Outcome, Spec};
use tempfile::TempDir;

/// The cache with the images: the user's, so that an image is built once for all test runs.
pub fn cache() -> PathBuf {
    match std::env::var_os("SANDPIPER_CACHE") {
        Some(path) => path.into(),
        None => dirs::cache_dir().expect("the user has a cache folder").join("sandpiper"),
    }
}

/// Where all commands of tests write down what they did, at the same time; not in their home, which their guests
/// see.
pub fn journal() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("journal")
}

/// Where the commands of one test count sandboxes on other machines: not those of other tests, nor in their home.
fn slots(folder: &Path) -> PathBuf {
    let name = folder.file_name().expect("a test has a folder of its own");
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("slots").join(name)
}

/// An engine with the Python image, which is built if it is not there.
pub fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        sandpiper::install(&cache(), "base", &build_inputs(), &Silent).unwrap();
        sandpiper::engine(&cache()).unwrap()
    })
}

/// The native Python of the image's own sources, which is built if it is not there.
pub fn reference() -> Reference {
    ImageStore::open(&cache()).unwrap().reference("base", &build_inputs(), &Silent).unwrap()
}

fn build_inputs() -> BuildInputs {
    BuildInputs::from_environment(|name| std::env::var_os(name))
}

/// Runs a command to its end.
pub fn try_run(spec: Spec, exec: Exec) -> Result<Outcome, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(sandpiper::run(engine(), spec, exec))
}

/// Runs a command to its end; a host error fails the test.
pub fn run(spec: Spec, exec: Exec) -> Outcome {
    try_run(spec, exec).unwrap()
}

/// Runs a Python program.
pub fn python(spec: Spec, program: &str) -> Outcome {
    run(spec, Exec::new(["python3", "-c", program]))
}

/// A spec with an empty folder of its own, read-write at `/workspace`.
pub fn workspace() -> (TempDir, Spec) {
    let folder = tempfile::tempdir().unwrap();
    let spec = granting(folder.path(), Access::ReadWrite);
    (folder, spec)
}

/// A spec that grants one folder at `/workspace`.
pub fn granting(folder: &Path, access: Access) -> Spec {
    Spec { mounts: vec![Mount::new(folder, "/workspace", access).unwrap()], ..Spec::default() }
}

pub trait Printed {
    fn stdout(&self) -> String;
    fn stderr(&self) -> String;
}

impl Printed for Outcome {
    fn stdout(&self) -> String {
        String::from_utf8(self.stdout.bytes.clone()).unwrap()
    }

    fn stderr(&self) -> String {
        String::from_utf8(self.stderr.bytes.clone()).unwrap()
    }
}

impl Printed for Output {
    fn stdout(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    fn stderr(&self) -> String {
        String::from_utf8(self.stderr.clone()).unwrap()
    }
}

/// The sandpiper command, in a folder, with nothing of the tester's environment but the cache.
pub fn command(folder: &Path) -> Command {
    // Built before, so that no test waits for an image within its own time.
    engine();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandpiper"));
    command.current_dir(folder).env_clear().env("SANDPIPER_CACHE", cache()).env("HOME", folder);
    command.env("SANDPIPER_JOURNAL", journal()).env("SANDPIPER_SLOTS", slots(folder));
    command
}

/// Where tests find Docker: an image that the daemon at `DOCKER_HOST`, or at Docker's own socket, has.
pub struct DockerPlace {
    pub image: String,
    pub host: Option<String>,
}

/// None where `SANDPIPER_DOCKER_IMAGE` names no image, which is said.
pub fn docker() -> Option<DockerPlace> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let image = variable("SANDPIPER_DOCKER_IMAGE");
    if image.is_none() {
        println!("not run: SANDPIPER_DOCKER_IMAGE names no image");
    }
    Some(DockerPlace { image: image?, host: variable("DOCKER_HOST") })
}

/// Asserts an exit and shows what was printed when it is another.
#[track_caller]
pub fn assert_exit(outcome: &Outcome, exit: &sandpiper::Exit) {
    assert_eq!(&outcome.exit, exit, "stdout: {}\nstderr: {}", outcome.stdout(), outcome.stderr());
}

/// Asserts that the guest ended by itself with status 0 and printed this.
#[track_caller]
pub fn assert_prints(outcome: &Outcome, stdout: &str) {
    assert_exit(outcome, &sandpiper::Exit::Code { code: 0 });
    assert_eq!(outcome.stdout(), stdout, "stderr: {}", outcome.stderr());
}
