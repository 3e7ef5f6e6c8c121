//! Runs that go to another machine and come back: there, another `sandpiper serve` whose template has a package
//! that is not here.

use std::path::Path;
use std::process::Output;

use crate::harness::{Printed, command, docker};
use crate::served::Served;

/// A project whose program needs numpy, and a policy.
struct Project {
    folder: tempfile::TempDir,
    served: Served,
    _packages: tempfile::TempDir,
}

const TRAIN: &str = "\
import numpy, os, sys
print(numpy.zeros(3), sys.argv[1:], sys.stdin.read())
open('model.bin', 'wb').write(bytes(range(256)))
open('data/log.txt', 'a').write('trained\\n')
os.remove('old.txt')
os.chmod('tool.sh', 0o755)
os.symlink('model.bin', 'latest')
";

/// What it needs is not to be seen before it runs, and by then it has read, written, removed and printed.
const MEETS: &str = "\
import importlib, os, sys
print('begun with', sys.stdin.read(), flush=True)
open('data/log.txt', 'a').write(os.environ.get('PYTHONPATH', 'here') + '\\n')
os.remove('old.txt')
quick = importlib.import_module('qu' + 'ick')
print(quick.root(int(sys.argv[1])))
";

impl Project {
    fn new(policy: &str) -> Self {
        let packages = tempfile::tempdir().unwrap();
        std::fs::create_dir(packages.path().join("numpy")).unwrap();
        std::fs::write(packages.path().join("numpy/__init__.py"), "def zeros(n):\n    return [0.0] * n\n")
            .unwrap();
        std::fs::write(packages.path().join("quick.py"), "def root(n):\n    return n ** 0.5\n").unwrap();
        let mount = format!("{}:/packages:ro", packages.path().display());
        let served = Served::start(&[
            "--dir",
            &mount,
            "--env",
            "PYTHONPATH=/packages",
            "--env",
            "PYTHONDONTWRITEBYTECODE=1",
        ]);
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join("project").join(name), text).unwrap();
        std::fs::create_dir_all(folder.path().join("project/data")).unwrap();
        write("train.py", TRAIN);
        write("old.txt", "old\n");
        write("tool.sh", "#!/bin/sh\n");
        write("data/log.txt", "begun\n");
        write("meets.py", MEETS);
        write("quick.cpython-313-x86_64-linux-gnu.so", "\x7fELF");
        write(".env", "TOKEN=swordfish\n");
        let text = format!(
            "[mounts]\n\"/workspace\" = {{ host = \"project\", access = \"read-write\" }}\n[e2b]\napi_url = \"{}\"\n{policy}",
            served.address
        );
        std::fs::write(folder.path().join("policy.toml"), text).unwrap();
        Self { folder, served, _packages: packages }
    }

    fn sandpiper(&self, arguments: &[&str]) -> Output {
        self.sandpiper_in("", arguments)
    }

    fn sandpiper_in(&self, directory: &str, arguments: &[&str]) -> Output {
        use std::io::Write;

        let mut child = self.start(directory, arguments);
        // Whoever is refused reads nothing.
        let _ = child.stdin.take().unwrap().write_all(b"input");
        child.wait_with_output().unwrap()
    }

    /// A run whose input stays open.
    fn start(&self, directory: &str, arguments: &[&str]) -> std::process::Child {
        self.command(directory)
            .args(arguments)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn command(&self, directory: &str) -> std::process::Command {
        let mut command = command(self.folder.path());
        command
            .current_dir(self.folder.path().join(directory))
            .env("HIDDEN", "swordfish")
            .env("SANDPIPER_JOURNAL", self.folder.path().join("journal"))
            .env("E2B_SANDBOX_URL", &self.served.address)
            .env("E2B_API_KEY", "key-of-tests");
        command
    }

    /// Runs a program that says by a file that it has begun; what happens then, happens before its input ends.
    fn meanwhile(&self, program: &str, happens: impl FnOnce()) -> Output {
        let text =
            format!("import os, sys\n{program}\n__import__('qu' + 'ick')\nprint(open('notes.txt').read())\n");
        std::fs::write(self.path("waits.py"), text).unwrap();
        let mut child = self.start("", &["run", "--policy", "policy.toml", "--", "python3", "waits.py"]);
        while !self.path("begun").exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it began");
            std::thread::yield_now();
        }
        happens();
        drop(child.stdin.take());
        child.wait_with_output().unwrap()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|err| panic!("{name}: {err}"))
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.folder.path()).join("project").join(name)
    }
}

const RUN: [&str; 10] =
    ["run", "--policy", "policy.toml", "--backend", "auto", "--", "python3", "train.py", "a b", "-x"];

const ALLOWED: &str = "[routing]\nbackends = [\"wasm\", \"e2b\"]\non = [\"needs\"]\nask = false\n[uploads]\nallow = [\"**\"]\n\
                       [remote]\nmax_cost = \"0.50\"\n";

#[test]
fn a_run_goes_where_its_package_is_and_its_files_come_back() {
    let project = Project::new(ALLOWED);
    // Auto is among the backends of the policy.
    let run = project.sandpiper(&[&["run", "--policy", "policy.toml"], &RUN[5..]].concat());
    assert_eq!(
        (run.status.code(), run.stdout().as_str()),
        (Some(0), "[0.0, 0.0, 0.0] ['a b', '-x'] input\n"),
        "{}",
        run.stderr()
    );
    assert!(run.stderr().contains("runs on e2b") && run.stderr().contains("numpy"), "{}", run.stderr());
    assert_eq!(project.read("model.bin"), (0..=255).collect::<Vec<u8>>());
    assert_eq!(project.read("data/log.txt"), b"begun\ntrained\n");
    assert!(!project.path("old.txt").exists());
    assert_eq!(project.read(".env"), b"TOKEN=swordfish\n");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;

        assert_eq!(std::fs::metadata(project.path("tool.sh")).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(std::fs::read_link(project.path("latest")).unwrap(), Path::new("model.bin"));
    }
    let shown = project.sandpiper(&["journal", "show", "latest", "--json"]).stdout();
    let kinds: Vec<String> = shown
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(kinds[..4], ["run-started", "fallback", "sandbox-created", "uploaded"], "{shown}");
    assert!(kinds.contains(&"downloaded".to_owned()) && kinds.last().unwrap() == "run-ended", "{shown}");
    assert!(!shown.contains("swordfish") && !shown.contains("key-of-tests"), "{shown}");
    let files = project.sandpiper(&["journal", "files", "latest"]).stdout();
    for name in ["model.bin", "data/log.txt", "old.txt", "tool.sh", "latest"] {
        assert!(files.contains(name), "no {name} in {files}");
    }
}

#[test]
fn a_run_that_may_not_go_is_refused_with_the_line_to_add() {
    let project = Project::new("");
    let run = project.sandpiper(&RUN);
    assert_eq!((run.status.code(), run.stdout().as_str()), (Some(125), ""));
    assert!(run.stderr().contains("backends = [\"wasm\", \"e2b\"]"), "{}", run.stderr());
    assert_eq!(project.read("old.txt"), b"old\n");
}

#[test]
fn nothing_leaves_without_consent() {
    let project = Project::new(&ALLOWED.replace("[\"**\"]", "[\"data/**\"]"));
    let run = project.sandpiper(&RUN);
    // The program itself was not let go.
    assert_eq!(run.status.code(), Some(2), "{} {}", run.stdout(), run.stderr());
    assert!(run.stderr().contains("train.py"), "{}", run.stderr());
    assert_eq!(project.read("old.txt"), b"old\n");
}

#[test]
fn a_machine_that_is_not_there_leaves_all_as_it_was() {
    let mut project = Project::new(ALLOWED);
    project.served = Served::start(&[]);
    let run = project.sandpiper(&RUN);
    assert_eq!((run.status.code(), run.stdout().as_str()), (Some(125), ""));
    assert!(run.stderr().contains("cannot be reached"), "{}", run.stderr());
    assert_eq!(project.read("old.txt"), b"old\n");
}

const WATCHED: &str = "[routing]\nbackends = [\"wasm\", \"e2b\"]\non = [\"needs\", \"unsupported\"]\nask = false\n\
                       [uploads]\nallow = [\"**\"]\n[remote]\nmax_cost = \"0.50\"\n";
const MEET: [&str; 7] = ["run", "--policy", "policy.toml", "--", "python3", "meets.py", "16"];

#[test]
fn a_run_that_meets_what_is_not_here_begins_anew_where_it_is() {
    let project = Project::new(WATCHED);
    let run = project.sandpiper(&MEET);
    // Nothing that it printed here is printed, and it gets the whole input again.
    assert_eq!(
        (run.status.code(), run.stdout().as_str()),
        (Some(0), "begun with input\n4.0\n"),
        "{}",
        run.stderr()
    );
    assert!(run.stderr().contains("runs on e2b") && run.stderr().contains("quick"), "{}", run.stderr());
    // It began with the files as they were: what it did here is not there.
    assert_eq!(project.read("data/log.txt"), b"begun\n/packages\n");
    assert!(!project.path("old.txt").exists());
    let runs = project.sandpiper(&["journal", "list", "--json"]).stdout();
    let runs: Vec<serde_json::Value> = runs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(runs.len(), 2, "{runs:?}");
    for run in &runs {
        let shown = project.sandpiper(&["journal", "show", run["run"].as_str().unwrap(), "--json"]).stdout();
        assert!(shown.contains(r#""kind":"fallback""#) && shown.contains(r#""kind":"run-ended""#), "{shown}");
    }
}

#[test]
fn a_watched_run_that_stays_prints_what_was_held_back() {
    let project = Project::new(WATCHED);
    let run = |script| project.sandpiper(&["run", "--policy", "policy.toml", "--", "python3", script]);
    let none = run("nosuch.py");
    assert_eq!((none.status.code(), none.stdout().as_str()), (Some(2), ""));
    assert!(none.stderr().contains("nosuch.py"), "{}", none.stderr());
    let text = "import sys\nprint('out', sys.stdin.read())\nname = 'js' + 'on'\n__import__(name)\nprint('err', file=sys.stderr)\n";
    std::fs::write(project.path("stays.py"), text).unwrap();
    let stays = run("stays.py");
    assert_eq!(
        (stays.status.code(), stays.stdout().as_str(), stays.stderr().as_str()),
        (Some(0), "out input\n", "err\n")
    );
}

#[test]
fn a_run_that_moves_undoes_what_it_did_and_nothing_that_somebody_else_did() {
    let project = Project::new(WATCHED);
    std::fs::write(project.path("notes.txt"), "v1").unwrap();
    let run =
        project.meanwhile("open('begun', 'w')\nos.mkdir('own')\nsys.stdin.read()\nos.rmdir('own')", || {
            std::fs::write(project.path("notes.txt"), "v2").unwrap();
            std::fs::write(project.path("todo.txt"), "new").unwrap();
        });
    // What goes elsewhere is the workspace as it is then.
    assert_eq!((run.status.code(), run.stdout().as_str()), (Some(0), "v2\n"), "{}", run.stderr());
    assert_eq!((project.read("notes.txt"), project.read("todo.txt")), (b"v2".to_vec(), b"new".to_vec()));
}

#[test]
fn what_a_run_and_somebody_else_have_changed_is_left_and_nothing_goes_elsewhere() {
    let write = "open('notes.txt', 'a').write('guest\\n')";
    let begin = "open('begun', 'w')\nsys.stdin.read()";
    for (program, left) in [
        (format!("{write}\n{begin}"), "v2\n"),
        (format!("{begin}\n{write}"), "v2\nguest\n"),
        (
            format!(
                "file = open('notes.txt', 'a', 1)\nfile.write('guest\\n')\n{begin}\nfile.write('more\\n')"
            ),
            "v2\nmore\n",
        ),
        (format!("os.remove('notes.txt')\n{begin}"), "v2\n"),
    ] {
        let project = Project::new(WATCHED);
        std::fs::write(project.path("notes.txt"), "v1\n").unwrap();
        let run = project.meanwhile(&program, || std::fs::write(project.path("notes.txt"), "v2\n").unwrap());
        assert_eq!(
            (run.status.code(), run.stdout().as_str()),
            (Some(125), ""),
            "{program}: {}",
            run.stderr()
        );
        assert!(run.stderr().contains("has changed notes.txt, and somebody else has"), "{}", run.stderr());
        assert_eq!(String::from_utf8(project.read("notes.txt")).unwrap(), left, "{program}");
    }
}

#[test]
fn a_run_that_has_moved_a_directory_stays() {
    let project = Project::new(WATCHED);
    std::fs::write(project.path("notes.txt"), "v1").unwrap();
    let run = project.meanwhile("os.rename('data', 'moved')\nopen('begun', 'w')", || ());
    assert_eq!(run.status.code(), Some(125), "{}", run.stderr());
    assert!(run.stderr().contains("it has moved the directory data"), "{}", run.stderr());
    assert_eq!(project.read("moved/log.txt"), b"begun\n");
}

#[test]
#[cfg(unix)]
fn what_is_undone_has_the_mode_that_it_had() {
    use std::os::unix::fs::PermissionsExt;

    let project = Project::new(WATCHED);
    let mode = |name| std::fs::metadata(project.path(name)).unwrap().permissions().mode() & 0o777;
    for name in ["old.txt", "tool.sh"] {
        std::fs::set_permissions(project.path(name), PermissionsExt::from_mode(0o664)).unwrap();
    }
    let text = "import os\nif 'PYTHONPATH' not in os.environ:\n    os.remove('old.txt')\n    os.chmod('tool.sh', 0o644)\n\
                __import__('qu' + 'ick')\n";
    std::fs::write(project.path("modes.py"), text).unwrap();
    let run = project.sandpiper(&["run", "--policy", "policy.toml", "--", "python3", "modes.py"]);
    assert!(run.status.success() && run.stderr().contains("runs on e2b"), "{}", run.stderr());
    assert_eq!((mode("old.txt"), mode("tool.sh")), (0o664, 0o664));
}

#[test]
fn a_report_of_a_run_that_moved_is_that_of_the_run_elsewhere() {
    let project = Project::new(WATCHED);
    let run = project.sandpiper(&[&["run", "--json"], &MEET[1..]].concat());
    let report: serde_json::Value = serde_json::from_str(&run.stdout()).unwrap();
    assert_eq!(report["stdout"]["text"], "begun with input\n4.0\n", "{report}");
    assert_eq!(
        (&report["exit_code"], &report["workspace"]["applied"]),
        (&0.into(), &true.into()),
        "{report}"
    );
}

#[test]
fn a_run_in_a_worktree_moves_with_it() {
    let project = Project::new(WATCHED);
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        let git = git.current_dir(project.path("")).args(["-c", "user.name=a", "-c", "user.email=a@b.c"]);
        assert!(git.args(arguments).stdout(std::process::Stdio::null()).status().unwrap().success());
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "begin"]);
    let run = |id: &str, what: &[&str]| {
        let run = ["run", "--policy", "../policy.toml", "--worktree", "--task", "t", "--run-id", id];
        project.sandpiper_in("project", &[&run, what].concat())
    };
    let moved = run("1", &["--json", "--", "python3", "meets.py", "9"]);
    let report: serde_json::Value = serde_json::from_str(&moved.stdout()).unwrap();
    assert_eq!(report["stdout"]["text"], "begun with input\n3.0\n", "{report} {}", moved.stderr());
    assert_eq!(report["worktree"]["files"], 2, "{report}");
    let worktree = Path::new(report["worktree"]["path"].as_str().unwrap());
    assert_eq!(std::fs::read(worktree.join("data/log.txt")).unwrap(), b"begun\n/packages\n");
    assert_eq!(project.read("data/log.txt"), b"begun\n");
    // A run that goes there has no git of the worktree there, and is told so.
    let both = run("3", &["-c", "git status; python3 -c 'import numpy'"]);
    assert!(both.stderr().contains("git on e2b finds no repository"), "{}", both.stderr());
    assert!(!moved.stderr().contains("finds no repository"), "{}", moved.stderr());
    // What git did here cannot be done there again.
    let stayed = run("2", &["-c", "git add -A; python3 meets.py 9"]);
    assert_ne!(stayed.status.code(), Some(0));
    assert!(stayed.stderr().contains("does not go to e2b: it has used git"), "{}", stayed.stderr());
}

#[test]
fn a_run_that_may_not_move_fails_here_with_the_line_that_would_let_it() {
    let project = Project::new(ALLOWED);
    let run = project.sandpiper(&MEET);
    assert_eq!((run.status.code(), run.stdout().as_str()), (Some(1), "begun with input\n"));
    assert!(run.stderr().contains("on = [\"needs\", \"unsupported\"]"), "{}", run.stderr());
    assert_eq!(project.read("data/log.txt"), b"begun\nhere\n");
}

#[test]
fn a_run_that_was_not_to_move_is_not_told_to_write_what_the_policy_says_already() {
    let project = Project::new(WATCHED);
    let run = project.sandpiper(&[&["run", "--needs", "nothing"], &MEET[1..]].concat());
    assert_eq!(
        (run.status.code(), run.stdout().as_str()),
        (Some(1), "begun with input\n"),
        "{}",
        run.stderr()
    );
    assert!(run.stderr().contains("to run it there: --backend e2b"), "{}", run.stderr());
    assert!(!run.stderr().contains("[routing]"), "{}", run.stderr());
}

#[test]
fn commands_and_packages_that_only_the_run_names_move_it() {
    for (script, printed) in [
        ("name=qui; python3 -c \"import ${name}ck; print(${name}ck.root(4))\"", "2.0\n"),
        ("$(printf nod)e --version || echo none there", "none there\n"),
        ("env $(printf nod)e --version || echo none there", "none there\n"),
        (
            "python3 -c 'import subprocess; subprocess.run([\"no\" + \"de\"])' || echo none there",
            "none there\n",
        ),
    ] {
        let project = Project::new(WATCHED);
        std::fs::remove_file(project.path("quick.cpython-313-x86_64-linux-gnu.so")).unwrap();
        let run = project.sandpiper(&["run", "--policy", "policy.toml", "-c", script]);
        assert!(run.stderr().contains("runs on e2b"), "{script}: {}", run.stderr());
        assert_eq!(run.stdout(), printed, "{script}: {}", run.stderr());
    }
}

#[test]
fn a_secret_goes_to_the_backend_that_it_is_for_wherever_that_was_decided() {
    let project = Project::new(&format!(
        "{ALLOWED}[environment]\nTOKEN = {{ env = \"HIDDEN\", backends = [\"e2b\"] }}\n"
    ));
    let script = "import numpy, os\nprint(len(os.environ['TOKEN']))";
    let run = project.sandpiper(&["run", "--policy", "policy.toml", "--", "python3", "-c", script]);
    assert_eq!((run.status.code(), run.stdout().as_str()), (Some(0), "9\n"), "{}", run.stderr());
    let run = project.sandpiper(&["run", "--policy", "policy.toml", "--", "python3", "-c", "print(1)"]);
    assert_eq!((run.status.code(), run.stdout().as_str()), (Some(125), ""));
    assert!(run.stderr().contains("TOKEN"), "{}", run.stderr());
}

const ONLY_THERE: &str = "[routing]\nbackends = [\"e2b\"]\nask = false\n[uploads]\nallow = [\"*.py\"]\n[remote]\nmax_cost = \"0.50\"\n";

fn there(program: &str) -> [&str; 7] {
    ["run", "--policy", "policy.toml", "--", "python3", "-c", program]
}

#[test]
fn a_policy_that_pays_nothing_runs_nothing_on_what_costs_money() {
    let project = Project::new("[routing]\nbackends = [\"e2b\"]\nask = false\n[remote]\nmax_cost = \"0\"\n");
    let refused = project.sandpiper(&there("print('paid')"));
    assert_eq!((refused.status.code(), refused.stdout().as_str()), (Some(125), ""));
    assert!(refused.stderr().contains("`remote.max_cost` is 0"), "{}", refused.stderr());
    let created = project.sandpiper(&["sandbox", "create", "--policy", "policy.toml", "--no-dir"]);
    assert_eq!(created.status.code(), Some(125), "{}", created.stdout());
    assert!(created.stderr().contains("`remote.max_cost` is 0"), "{}", created.stderr());
    let named = project.sandpiper(&[&["run", "--backend", "e2b"], &there("print('paid')")[1..]].concat());
    assert_eq!((named.status.code(), named.stdout().as_str()), (Some(0), "paid\n"), "{}", named.stderr());
}

#[test]
fn the_name_of_a_directory_does_not_leave_when_nothing_in_it_may() {
    let project = Project::new(ONLY_THERE);
    std::fs::create_dir_all(project.path("client-acme-merger/q3")).unwrap();
    std::fs::write(project.path("client-acme-merger/q3/notes.txt"), "secret\n").unwrap();
    std::fs::create_dir_all(project.path("lib/deep")).unwrap();
    std::fs::write(project.path("lib/deep/a.py"), "").unwrap();
    let run =
        project.sandpiper(&there("import os; print(sorted(d for _, ds, _ in os.walk('.') for d in ds))"));
    assert_eq!(
        (run.status.code(), run.stdout().as_str()),
        (Some(0), "['deep', 'lib']\n"),
        "{}",
        run.stderr()
    );
    assert_eq!(project.read("client-acme-merger/q3/notes.txt"), b"secret\n");
}

#[test]
fn the_name_of_a_directory_does_not_leave_when_all_in_it_is_denied() {
    let policy = "[routing]\nbackends = [\"e2b\"]\nask = false\n[remote]\nmax_cost = \"0.50\"\n\
                  [uploads]\nallow = [\"**\"]\ndeny = [\"acme-merger/\", \"q*/**\"]\n";
    let project = Project::new(policy);
    for directory in ["acme-merger/q3", "q4", "lib"] {
        std::fs::create_dir_all(project.path(directory)).unwrap();
        std::fs::write(project.path(directory).join("notes.txt"), "secret\n").unwrap();
    }
    let run =
        project.sandpiper(&there("import os; print(sorted(d for _, ds, _ in os.walk('.') for d in ds))"));
    assert_eq!(
        (run.status.code(), run.stdout().as_str()),
        (Some(0), "['data', 'lib']\n"),
        "{}",
        run.stderr()
    );
    assert_eq!(project.read("acme-merger/q3/notes.txt"), b"secret\n");
}

/// A run that has begun elsewhere, and what it prints there; its first line was read.
#[cfg(unix)]
struct Begun<'a> {
    project: &'a Project,
    run: std::process::Child,
    printed: std::io::BufReader<std::process::ChildStdout>,
}

#[cfg(unix)]
impl<'a> Begun<'a> {
    fn new(project: &'a Project, program: &str, stdin: std::process::Stdio) -> Self {
        let text = format!("import sys, time\n{program}");
        std::fs::write(project.path("begins.py"), text).unwrap();
        let mut command = project.command("");
        command.args(["run", "--policy", "policy.toml", "--timeout", "60s", "--", "python3", "begins.py"]);
        let stdout = std::process::Stdio::piped();
        let mut run = command.stdin(stdin).stdout(stdout).spawn().unwrap();
        let mut printed = std::io::BufReader::new(run.stdout.take().unwrap());
        let mut line = String::new();
        while line != "begun\n" {
            line.clear();
            assert_ne!(std::io::BufRead::read_line(&mut printed, &mut line).unwrap(), 0, "it has ended");
        }
        let begun = Self { project, run, printed };
        assert_eq!(begun.sandboxes().lines().count(), 1);
        begun
    }

    fn sandboxes(&self) -> String {
        let list = ["sandbox", "list", "--policy", "policy.toml", "--backend", "e2b"];
        self.project.sandpiper(&list).stdout()
    }

    /// Sends a signal, and waits until run and sandbox are gone; the exit code.
    fn end(mut self, signal: rustix::process::Signal) -> Option<i32> {
        let asked = std::time::Instant::now();
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.run), signal).unwrap();
        let status = self.run.wait().unwrap();
        while !self.sandboxes().is_empty() {
            assert!(asked.elapsed() < std::time::Duration::from_secs(20), "{}", self.sandboxes());
        }
        drop(self.printed);
        status.code()
    }
}

#[cfg(unix)]
const MOVES: &str = "print('moving')\n__import__('qu' + 'ick')\nprint('begun', flush=True)\n";

#[cfg(unix)]
#[test]
fn a_run_that_is_asked_to_end_leaves_no_sandbox() {
    use std::process::Stdio;

    use rustix::process::Signal;

    let waits = "sys.stdin.read()\n";
    let there = Project::new(ONLY_THERE);
    let begun = Begun::new(&there, &format!("print('begun', flush=True)\n{waits}"), Stdio::piped());
    assert_eq!(begun.end(Signal::TERM), Some(130));
    let project = Project::new(WATCHED);
    let moves = format!("{MOVES}{waits}");
    assert_eq!(Begun::new(&project, &moves, Stdio::piped()).end(Signal::TERM), Some(130));
    // Who cannot say that it wants no more: the process that took its run elsewhere notices.
    assert_eq!(Begun::new(&project, &moves, Stdio::piped()).end(Signal::KILL), None);
}

#[cfg(unix)]
#[test]
fn a_run_ends_though_nobody_takes_its_input_or_its_output() {
    use rustix::process::Signal;

    let project = Project::new(WATCHED);
    std::fs::write(project.folder.path().join("input"), vec![b'y'; 40 << 20]).unwrap();
    let input = || std::fs::File::open(project.folder.path().join("input")).unwrap().into();
    let leaves = format!("{MOVES}time.sleep(60)\n");
    assert_eq!(Begun::new(&project, &leaves, input()).end(Signal::TERM), Some(130));
    assert_eq!(Begun::new(&project, &leaves, input()).end(Signal::KILL), None);
    let prints = format!("{MOVES}while True: print('y' * 1000)\n");
    assert_eq!(Begun::new(&project, &prints, std::process::Stdio::null()).end(Signal::TERM), Some(130));
}

#[cfg(unix)]
#[test]
fn a_moved_run_prints_at_once_what_looks_like_its_end() {
    use std::io::{Read, Write};

    let project = Project::new(WATCHED);
    let asks = "for asks in (b'one\\0', b'two\\0end', b'\\0\\0'):\n    sys.stdout.buffer.write(asks)\n    \
                sys.stdout.flush()\n    sys.stdin.readline()\nsys.stdout.buffer.write(b'\\0end')\nsys.exit(3)\n";
    let mut begun = Begun::new(&project, &format!("{MOVES}{asks}"), std::process::Stdio::piped());
    let mut stdin = begun.run.stdin.take().unwrap();
    for asked in [&b"one\0"[..], b"two\0end", b"\0\0"] {
        let mut got = vec![0; asked.len()];
        begun.printed.read_exact(&mut got).unwrap();
        assert_eq!(got, asked);
        stdin.write_all(b"answer\n").unwrap();
    }
    let mut rest = Vec::new();
    begun.printed.read_to_end(&mut rest).unwrap();
    assert_eq!((rest, begun.run.wait().unwrap().code()), (b"\0end".to_vec(), Some(3)));
}

#[test]
fn no_more_sandboxes_are_elsewhere_at_one_time_than_may_be() {
    use std::io::Read;

    let none = Project::new(&format!("{ONLY_THERE}max_sandboxes = 0\n"));
    let refused = none.sandpiper(&there("print(1)"));
    assert_eq!((refused.status.code(), refused.stdout().as_str()), (Some(125), ""));
    assert!(refused.stderr().contains("`remote.max_sandboxes` is 0"), "{}", refused.stderr());

    let one = Project::new(&format!("{ONLY_THERE}max_sandboxes = 1\n"));
    let mut first = one.command("");
    let waits = "import sys; print('up', flush=True); sys.stdin.read()";
    let mut first = first
        .args(there(waits))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut up = [0; 3];
    first.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
    let second = one.sandpiper(&there("print(2)"));
    assert_eq!((second.status.code(), second.stdout().as_str()), (Some(125), ""));
    assert!(second.stderr().contains("`remote.max_sandboxes` is 1"), "{}", second.stderr());
    // A process that is killed lets go.
    first.kill().unwrap();
    first.wait().unwrap();
    let third = one.sandpiper(&there("print(3)"));
    assert_eq!((third.status.code(), third.stdout().as_str()), (Some(0), "3\n"), "{}", third.stderr());
}

#[test]
fn a_sandbox_that_is_kept_counts_until_it_is_closed() {
    let project = Project::new(&format!("{ONLY_THERE}max_sandboxes = 1\n"));
    let sandpiper = |arguments: &[&str]| {
        let mut command = project.command("");
        command.env("SANDPIPER_POLICY", "policy.toml").args(arguments).output().unwrap()
    };
    let create = ["sandbox", "create", "--no-dir"];
    let created = sandpiper(&create);
    assert_eq!(created.status.code(), Some(0), "{}", created.stderr());
    let long = sandpiper(&[&create[..], &["--lifetime", "11m"]].concat());
    assert_eq!(long.status.code(), Some(125), "{}", long.stdout());
    assert!(long.stderr().contains("`remote.max_time` allows, which is 10m"), "{}", long.stderr());
    let second = sandpiper(&create);
    assert_eq!(second.status.code(), Some(125), "{}", second.stdout());
    assert!(second.stderr().contains("`remote.max_sandboxes` is 1"), "{}", second.stderr());
    let closed = sandpiper(&["sandbox", "close", created.stdout().trim()]);
    assert_eq!(closed.status.code(), Some(0), "{}", closed.stderr());
    let third = sandpiper(&create);
    assert_eq!(third.status.code(), Some(0), "{}", third.stderr());
}

#[test]
fn a_run_that_had_less_time_by_a_cap_says_by_which() {
    let project = Project::new(&format!("{ONLY_THERE}max_time = \"2s\"\n"));
    let sleeps = "import time; time.sleep(60)";
    let run = project.sandpiper(&there(sleeps));
    assert_eq!(run.status.code(), Some(124), "{}", run.stderr());
    assert!(run.stderr().contains("`remote.max_time`"), "{}", run.stderr());
    let own = project.sandpiper(&[&["run", "--timeout", "1s"], &there(sleeps)[1..]].concat());
    assert_eq!(own.status.code(), Some(124), "{}", own.stderr());
    assert!(own.stderr().contains("--timeout"), "{}", own.stderr());
}

/// A run there that says that it has begun, does something when its input ends; what happens before that, happens here.
fn while_it_is_there(project: &Project, program: &str, happens: impl FnOnce()) -> Output {
    use std::io::Read;

    let text = format!("import numpy, os, sys\nprint('begun', flush=True)\nsys.stdin.read()\n{program}\n");
    std::fs::write(project.path("there.py"), text).unwrap();
    let mut child = project.start("", &["run", "--policy", "policy.toml", "--", "python3", "there.py"]);
    let mut begun = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut begun).unwrap();
    happens();
    drop(child.stdin.take());
    child.wait_with_output().unwrap()
}

#[test]
fn what_cannot_come_back_is_told_and_the_rest_comes() {
    let project = Project::new(ALLOWED);
    let program = "os.mkdir('.git')\nfor name in ['.git/config', '.env', 'fresh.txt']:\n    open(name, 'w').write('new')";
    let run = while_it_is_there(&project, program, || ());
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr());
    let told = "does not come back: .env (held back here), .git (git's own)";
    assert!(run.stderr().contains(told), "{}", run.stderr());
    assert_eq!(
        (project.read("fresh.txt"), project.read(".env")),
        (b"new".to_vec(), b"TOKEN=swordfish\n".to_vec())
    );
    assert!(!project.path(".git").exists());
}

#[test]
fn what_meets_changes_made_here_is_kept_beside_and_the_journal_says_that_it_was_not_done() {
    let project = Project::new(ALLOWED);
    let program = "for name in ['old.txt', 'fresh.txt']:\n    open(name, 'w').write('from there')";
    let run =
        while_it_is_there(&project, program, || std::fs::write(project.path("old.txt"), "mine").unwrap());
    assert_eq!(run.status.code(), Some(125), "{}", run.stderr());
    assert_eq!(project.read("old.txt"), b"mine");
    assert!(!project.path("fresh.txt").exists());
    let told = run.stderr();
    let kept = told.split("what came back is kept in ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let kept = std::fs::read(kept).unwrap();
    assert!(kept.windows(10).any(|bytes| bytes == b"from there"));
    let files = project.sandpiper(&["journal", "files", "latest"]);
    assert_eq!((files.status.code(), files.stdout().as_str()), (Some(0), ""), "{}", files.stderr());
}

#[test]
fn nothing_leaves_the_machine_where_nobody_can_be_asked() {
    for what in [&RUN[..], &MEET] {
        let asks = if what == MEET { WATCHED } else { ALLOWED }.replace("ask = false\n", "");
        let project = Project::new(&asks);
        let run = project.sandpiper(what);
        assert!(run.stderr().contains("[routing]\n    ask = false\n"), "{}", run.stderr());
        assert!(!run.stderr().contains("runs on e2b"), "{}", run.stderr());
        // What is known before is refused, what is met ends here as it would alone.
        let expected = if what == MEET { (Some(1), "begun with input\n") } else { (Some(125), "") };
        assert_eq!((run.status.code(), run.stdout().as_str()), expected);
    }
    // Who names the backend has said so.
    let project = Project::new(&ALLOWED.replace("ask = false\n", ""));
    let run = project.sandpiper(&[
        "run",
        "--policy",
        "policy.toml",
        "--backend",
        "e2b",
        "--",
        "python3",
        "train.py",
    ]);
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr());
}

#[test]
#[cfg(unix)]
fn the_person_at_the_terminal_is_asked_and_what_they_say_holds() {
    use std::io::{Read, Write};

    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    for (what, answer, expected) in [
        (&RUN[..], "y\n", "[0.0, 0.0, 0.0]"),
        (&RUN[..], "\n", "the answer was not yes"),
        (&MEET[..], "yes\n", "4.0"),
        (&MEET[..], "n\n", "it does not go to e2b: it was not let go"),
    ] {
        let project = Project::new(&WATCHED.replace("ask = false\n", ""));
        // It reads no input, which would wait for the person.
        std::fs::write(project.path("meets.py"), MEETS.replace("sys.stdin.read()", "''")).unwrap();
        std::fs::write(project.path("train.py"), "import numpy\nprint(numpy.zeros(3))\n").unwrap();
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let side = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let side = std::fs::File::from(side);
        let mut child = project
            .command("")
            .args(what)
            .stdin(side.try_clone().unwrap())
            .stdout(side.try_clone().unwrap())
            .stderr(side)
            .spawn()
            .unwrap();
        let (mut screen, mut shown, mut bytes) = (std::fs::File::from(terminal), String::new(), [0; 4096]);
        let mut is_answered = false;
        // The last who has the other side is the run.
        while let Ok(count @ 1..) = screen.read(&mut bytes) {
            shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
            if !is_answered && shown.contains("May it? [y/N]") {
                assert!(!shown.contains("runs on e2b"), "{shown}");
                screen.write_all(answer.as_bytes()).unwrap();
                is_answered = true;
            }
        }
        child.wait().unwrap();
        assert!(is_answered && shown.contains(expected), "{what:?} {answer:?}: {shown}");
        assert_eq!(shown.contains("runs on e2b"), answer.starts_with('y'), "{shown}");
    }
}

#[test]
fn what_nobody_can_read_there_comes_back_readable_and_pipes_are_left() {
    let Some(place) = docker() else { return };
    let project = Project::new(&format!("{WATCHED}[docker]\nimage = \"{}\"\n", place.image));
    let script = "mkfifo pipe; echo text > shut; mkdir in; echo text > in/f; chmod 0 shut in";
    let mut run = project.command("");
    run.envs(place.host.map(|host| ("DOCKER_HOST", host)));
    run.args(["run", "--policy", "policy.toml", "--backend", "docker", "-c", script]);
    let run = run.stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr());
    assert!(run.stderr().contains("does not come back: pipe (a named pipe)"), "{}", run.stderr());
    assert!(run.stderr().contains("nobody could read ./"), "{}", run.stderr());
    assert_eq!((project.read("shut"), project.read("in/f")), (b"text\n".to_vec(), b"text\n".to_vec()));
}
