//! Names that a process of the host swaps while a guest uses them: whatever it meets, it reads and
//! writes nothing outside of its mounts.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sandpiper::{Access, Exec, Exit, Mount, Spec};

use super::{Host, SECRET};
use crate::harness::{Printed, assert_exit, run};

/// How long each race goes on at least; and at most, until both sides of the swap were met.
const RACE: Duration = Duration::from_millis(1500);
const LONGEST_RACE: Duration = Duration::from_secs(15);

/// A race: what the guest does over and over, and what it has to have met for the race to be one.
struct Race {
    access: Access,
    /// Python, which collects in `seen` what it could reach; the names of errors come by themselves.
    program: &'static str,
    meets: [&'static str; 2],
}

impl Race {
    /// Runs the guest, while a thread of the host does `swap` over and over.
    fn run(&self, host: &Host, swap: impl Fn(&Path) + Sync) {
        let before = host.outside();
        let over = AtomicBool::new(false);
        let mount = Mount::new(host.path("granted"), "/workspace", self.access).unwrap();
        let spec = Spec { mounts: vec![mount], ..Spec::default() };
        let program = format!(
            "import os, errno, time\nseen = set()\nstart = time.monotonic()\n\
             while (now := time.monotonic() - start) < {} or not seen >= {{*{:?}}} and now < {}:\n try:\n  {}\n \
             except OSError as err: seen.add(errno.errorcode[err.errno])\nprint('\\n'.join(sorted(seen)))",
            RACE.as_secs_f64(),
            self.meets,
            LONGEST_RACE.as_secs_f64(),
            self.program.trim().replace('\n', "\n  ")
        );
        let outcome = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    swap(&host.path("granted"));
                }
            });
            let outcome = run(spec, Exec::new(["python3", "-c", &program]));
            over.store(true, Ordering::Relaxed);
            outcome
        });
        assert_exit(&outcome, &Exit::Code { code: 0 });
        let seen = outcome.stdout();
        assert!(!seen.contains(SECRET), "{seen}");
        assert_eq!(host.outside(), before);
        for met in self.meets {
            assert!(seen.lines().any(|line| line == met), "{met} was never met: {seen}");
        }
    }
}

fn link(target: &str, at: &Path) {
    let _ = std::fs::remove_file(at);
    let _ = std::os::unix::fs::symlink(target, at);
}

/// Attack: a file that is a symlink to a secret every other moment. Twin: the file itself is read.
#[test]
fn a_file_swapped_for_a_symlink_is_never_read_outside() {
    let race = Race {
        access: Access::ReadOnly,
        program: "seen.add(open('swapped').read())",
        meets: ["plain", "ENOENT"],
    };
    race.run(&Host::new(), |granted| {
        let at = granted.join("swapped");
        link("../outside/secret", &at);
        let _ = std::fs::write(granted.join("plain"), "plain");
        let _ = std::fs::rename(granted.join("plain"), &at);
    });
}

/// Attack: a folder that is a symlink to one outside. Twin: the folder's own file is read.
#[test]
fn a_folder_swapped_for_a_symlink_is_never_entered() {
    let race = Race {
        access: Access::ReadOnly,
        program: "seen.add(open('swapped/secret').read())",
        meets: ["plain", "ENOENT"],
    };
    race.run(&Host::new(), |granted| {
        let at = granted.join("swapped");
        link("../outside", &at);
        let _ = std::fs::remove_file(&at);
        let _ = std::fs::create_dir(&at);
        let _ = std::fs::write(at.join("secret"), "plain");
        let _ = std::fs::remove_dir_all(&at);
    });
}

/// Attack: creation while the name, or the folder above it, becomes a symlink that leads out. Twin: what
/// is created inside.
#[test]
fn nothing_is_created_through_a_swapped_symlink() {
    let host = Host::new();
    let program = "fd = os.open('swapped', os.O_CREAT | os.O_WRONLY)\nos.write(fd, b'x')\nos.close(fd)\n\
        seen.add('written')\nos.unlink('swapped')\nos.mkdir('folder/made')\nos.rmdir('folder/made')";
    let race = Race { access: Access::ReadWrite, program, meets: ["written", "ENOENT"] };
    race.run(&host, |granted| {
        link("../outside/made", &granted.join("swapped"));
        let _ = std::fs::remove_file(granted.join("swapped"));
        let folder = granted.join("folder");
        link("../outside", &folder);
        let _ = std::fs::remove_file(&folder);
        let _ = std::fs::create_dir(&folder);
        let _ = std::fs::remove_dir_all(&folder);
    });
}

/// Attack: renaming, linking and removing while the folder becomes one outside. Twin: the names inside
/// move.
#[test]
fn nothing_is_renamed_or_removed_through_a_swapped_symlink() {
    let host = Host::new();
    let program = "open('mine', 'w').close()\nos.rename('mine', 'folder/secret')\nseen.add('moved')\n\
        os.link('folder/secret', 'folder/second')\nos.unlink('folder/second')\nos.unlink('folder/secret')";
    let race = Race { access: Access::ReadWrite, program, meets: ["moved", "ENOENT"] };
    race.run(&host, |granted| {
        let folder = granted.join("folder");
        let _ = std::fs::create_dir(&folder);
        let _ = std::fs::rename(&folder, granted.join("aside"));
        link("../outside", &folder);
        let _ = std::fs::remove_file(&folder);
        let _ = std::fs::rename(granted.join("aside"), &folder);
    });
}

/// Attack: times and sizes set while the file becomes a symlink. Twin: the file's own.
#[test]
fn no_time_or_size_is_set_through_a_swapped_symlink() {
    let host = Host::new();
    let modified = || std::fs::metadata(host.path("outside/secret")).unwrap().modified().unwrap();
    let before = modified();
    let program = "os.utime('swapped', (1, 1))\nos.truncate('swapped', 0)\nseen.add('set')";
    let race = Race { access: Access::ReadWrite, program, meets: ["set", "ENOENT"] };
    race.run(&host, |granted| {
        let at = granted.join("swapped");
        link("../outside/secret", &at);
        let _ = std::fs::write(granted.join("plain"), "plain");
        let _ = std::fs::rename(granted.join("plain"), &at);
    });
    assert_eq!(modified(), before);
}

/// Attack: a file that is a FIFO or a device every other moment, to block the host or to reach what no
/// sandbox has. Twin: the file is read.
#[test]
fn a_file_swapped_for_a_socket_is_never_opened() {
    let race = Race {
        access: Access::ReadOnly,
        program: "seen.add(open('swapped').read())",
        meets: ["plain", "ENXIO"],
    };
    race.run(&Host::new(), |granted| {
        let at = granted.join("swapped");
        let _ = std::fs::remove_file(&at);
        let socket = std::os::unix::net::UnixListener::bind(&at);
        let _ = std::fs::write(granted.join("plain"), "plain");
        let _ = std::fs::rename(granted.join("plain"), &at);
        drop(socket);
    });
}
