//! Many processes work on one repository, beside a person who commits.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::repository::{Repository, write};

const PROCESSES: usize = 16;
const PATIENCE: Duration = Duration::from_mins(2);

/// For how long; `SANDPIPER_CONCURRENCY_SECONDS` says otherwise.
fn duration() -> Duration {
    let seconds = std::env::var("SANDPIPER_CONCURRENCY_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(5))
}

#[test]
fn no_commit_is_lost_and_nothing_is_corrupted() {
    let directory = tempfile::tempdir().unwrap();
    let repository = &Repository::new(directory.path());
    let stop = &AtomicBool::new(false);
    let (merges, persons, collisions) = (&AtomicUsize::new(0), &AtomicUsize::new(0), &AtomicUsize::new(0));
    thread::scope(|scope| {
        for process in 0..PROCESSES {
            scope.spawn(move || {
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    cycle(repository, process, round, collisions);
                    merges.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(move || {
            for round in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                if commits(repository, round) {
                    persons.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let start = Instant::now();
        // On a machine that is busy with other tests, the person's turn may come late.
        let has_had_a_turn = || persons.load(Ordering::Relaxed) > 0;
        while start.elapsed() < duration() || !has_had_a_turn() && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(50));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let (merges, persons) = (merges.load(Ordering::Relaxed), persons.load(Ordering::Relaxed));
    println!(
        "{merges} merges, {persons} commits of the person, {} collisions told",
        collisions.load(Ordering::Relaxed)
    );
    assert!(merges >= PROCESSES && persons > 0, "{merges} {persons}");
    repository.check();
    // A `git commit` reads the index before it locks it, and so may write what was in it before a merge, of
    // ours or of another git. The files are right, and the index again after this.
    repository.git(["reset", "--quiet"]);
    let status = repository.git(["status", "--porcelain"]);
    assert!(["", " M person.txt\n", "?? person.txt\n"].contains(&status.as_str()), "{status}");
    assert_eq!(repository.done(&["worktree", "list"]), "");
    let subjects = repository.git(["log", "--format=%s", "main"]);
    let count = |prefix: &str| subjects.lines().filter(|subject| subject.starts_with(prefix)).count();
    assert_eq!(count("work "), merges, "each worktree's commit is in the branch");
    assert_eq!(count("person "), persons, "each of the person's commits is in the branch");
    let files = repository.git(["ls-tree", "-r", "--name-only", "main"]);
    assert_eq!(files.lines().filter(|file| file.starts_with("work/")).count(), merges);
}

/// Makes a worktree, commits in it, merges and removes it.
fn cycle(repository: &Repository, process: usize, round: usize, collisions: &AtomicUsize) {
    let id = format!("p{process}/{round}");
    repository.done(&["worktree", "create", &id]);
    let listed = repository.root();
    let name = std::fs::read_dir(&listed).unwrap().next().unwrap().unwrap().file_name();
    write(&listed.join(name).join(&id).join(format!("work/{process}-{round}")), &id);
    repository.done(&["worktree", "commit", &id, "-m", &format!("work {id}")]);
    loop {
        let output = repository.sandpiper(&["worktree", "merge", &id]);
        if output.status.success() {
            break;
        }
        let said = String::from_utf8(output.stderr).unwrap();
        // Told, with nothing changed, and to be tried again.
        let told = ["moved by somebody else", "lock", "changes that would be lost"];
        assert!(told.iter().any(|reason| said.contains(reason)), "{said}");
        collisions.fetch_add(1, Ordering::Relaxed);
    }
    repository.done(&["worktree", "remove", &id]);
}

/// Whether git could commit; it says that somebody has a lock, else.
fn commits(repository: &Repository, round: usize) -> bool {
    repository.write("person.txt", &format!("{round}\n"));
    let run = |arguments: &[&str]| {
        let output = repository.try_git(arguments);
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        let told =
            said.contains(".lock") || said.contains("cannot lock ref") || said.contains("nothing to commit");
        assert!(output.status.success() || told, "{said}");
        output.status.success()
    };
    let message = format!("person {round}");
    run(&["add", "person.txt"]) && run(&["commit", "--quiet", "--message", &message, "--only", "person.txt"])
}
