//! `git` in the sandbox, with git itself to say what is right.

use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::repository::Repository;

/// Who commits, and when, in the sandbox and outside alike.
const PERSON: [&str; 6] = [
    "GIT_AUTHOR_NAME=Guest",
    "GIT_AUTHOR_EMAIL=guest@example.org",
    "GIT_AUTHOR_DATE=2001-02-03T04:05:06+0700",
    "GIT_COMMITTER_NAME=Guest",
    "GIT_COMMITTER_EMAIL=guest@example.org",
    "GIT_COMMITTER_DATE=@1000000000 +0000",
];

fn repository() -> (tempfile::TempDir, Repository) {
    let directory = tempfile::tempdir().unwrap();
    let repository = Repository::new(directory.path());
    (directory, repository)
}

/// Runs a script in a worktree of its own, `t/NAME`, which is kept.
fn guest(repository: &Repository, name: &str, options: &[&str], script: &str) -> Output {
    let mut arguments = vec!["run", "--worktree", "--keep", "--task", "t", "--run-id", name];
    for variable in PERSON {
        arguments.extend(["--env", variable]);
    }
    arguments.extend(options);
    arguments.extend(["-c", script]);
    repository.sandpiper(&arguments)
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The script of a session: what people and agents type.
const SESSION: &str = r#"
    git --version | cut -d' ' -f1,2
    git status; git status --porcelain; git status --porcelain=v2 --branch
    sed -i 's/one/ONE/' a.txt; printf 'new\n' >new.txt; mkdir d; printf 'x\n' >d/x
    git status -s; git diff; git diff --stat; git diff --name-status
    git add new.txt d; git status --porcelain=v2; git diff --cached
    git commit -m 'Add things'; echo "exit $?"
    git commit -qam 'Change one' -m 'And say why.'
    git log; git log --oneline --stat; git log -1 -p; git log --format='%H %an <%ae> %ad %s' --date=iso
    git show HEAD~1 --stat; git show HEAD:a.txt | head -2; git rev-parse HEAD HEAD^ HEAD^{tree} --abbrev-ref HEAD
    git blame a.txt | cut -c1-8; git ls-files; git ls-files -s; git grep -n two; git branch
    mv new.txt moved.txt; git add -A; git status -s; git reset -q; git status -s
    rm b/c.txt; git checkout -- b/c.txt; cat b/c.txt
    echo more >>a.txt; git stash; git status -s; git stash list; git stash pop; git diff --numstat
    git restore a.txt; git restore new.txt; rm moved.txt; git status --short
    git reset --hard HEAD~1; git log --oneline
    cd d && git status -s . && git log --oneline -- x && cd ..
    git nothing; echo "exit $?"; git diff --exit-code HEAD~1 >/dev/null; echo "exit $?"
    git commit -q --allow-empty -F - <<<'From standard input'; git log -1 --format=%B
"#;

#[test]
fn a_session_reads_as_with_git_itself() {
    let (_directory, repository) = repository();
    let ours = guest(&repository, "1", &[], &format!("exec 2>&1; {SESSION}"));
    let tip = |name| repository.git(["rev-parse", name]);
    let ours_at = tip("sandpiper/t/1");
    repository.done(&["worktree", "remove", "--discard", "t/1"]);
    repository.git(["worktree", "add", "-q", "-b", "sandpiper/t/1", "../worktrees/theirs"]);
    let mut native = Command::new("bash");
    native.args(["-c", &format!("exec 2>&1; {SESSION}")]).current_dir(repository.root().join("theirs"));
    native.envs(PERSON.map(|variable| variable.split_once('=').unwrap()));
    native.env("LC_ALL", "C").env("TZ", "UTC");
    let theirs = repository.settled(&mut native);
    let ours = stdout(&ours);
    let theirs = String::from_utf8_lossy(&theirs.stdout).into_owned();
    // What git does not know it tells with all that it knows.
    let told = |text: &str| -> Vec<String> {
        let known = |line: &&str| !line.starts_with("hint: ") && !line.is_empty();
        text.lines().filter(known).map(str::to_owned).collect()
    };
    pretty_eq(&told(&ours), &told(&theirs));
    assert_eq!(ours_at, tip("sandpiper/t/1"), "the commits are the same");
    repository.check();
}

fn pretty_eq(ours: &[String], theirs: &[String]) {
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(ours, theirs, "line {at}");
    }
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn a_commit_of_the_guest_is_on_the_branch_of_the_run_and_the_checkout_stays() {
    let (_directory, repository) = repository();
    let head = repository.git(["rev-parse", "HEAD"]);
    let script = "sed -i s/one/ONE/ a.txt; git commit -am x; git log --oneline | head -3";
    let printed = stdout(&guest(&repository, "1", &[], script));
    let short = repository.git(["rev-parse", "--short", "sandpiper/t/1"]);
    let first = format!(
        "[sandpiper/t/1 {}] x\n 1 file changed, 1 insertion(+), 1 deletion(-)\n{} x\n",
        short.trim(),
        short.trim()
    );
    assert!(printed.starts_with(&first), "{printed}");
    assert_eq!(repository.git(["rev-parse", "HEAD"]), head);
    assert_eq!(repository.git(["status", "--porcelain"]), "");
    repository.done(&["worktree", "merge", "t/1"]);
    assert!(repository.read("a.txt").unwrap().starts_with("ONE\n"));
    repository.check();
}

#[test]
fn output_is_read_while_another_command_of_git_runs() {
    let (_directory, repository) = repository();
    let body = "x".repeat(3000);
    for number in 0..40 {
        repository.git(["commit", "--quiet", "--allow-empty", "-m", &format!("commit {number}\n\n{body}")]);
    }
    // More than a pipe holds, so that the first waits in the middle for its reader.
    let script = "git log --format='%H %b' | grep . | while read id rest; do git show -s --format=%s $id; done | sort | uniq | wc -l";
    assert_eq!(stdout(&guest(&repository, "1", &[], script)), "41\n");
}

#[test]
fn a_reader_that_has_enough_ends_a_long_history_early() {
    let (_directory, repository) = repository();
    let body = "x".repeat(50_000);
    for number in 0..60 {
        repository.git(["commit", "--quiet", "--allow-empty", "-m", &format!("{number}\n\n{body}")]);
    }
    let printed =
        stdout(&guest(&repository, "1", &[], "git log | head -n 1 | cut -c1-6; echo ${PIPESTATUS[0]}"));
    // As a program that a signal ended: 128 and SIGPIPE.
    assert_eq!(printed, "commit\n141\n");
    let whole = stdout(&guest(&repository, "2", &[], "git log | wc -c"));
    assert!(whole.trim().parse::<u64>().unwrap() > 3_000_000, "{whole}");
}

#[test]
fn without_a_repository_git_says_so_and_the_outcome_too() {
    let (_directory, repository) = repository();
    let output = repository.sandpiper(&["run", "--json", "-c", "git status"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["exit_code"], 128);
    let stderr = said["stderr"]["text"].as_str().unwrap();
    assert!(stderr.starts_with("fatal: not a git repository"), "{stderr}");
    assert!(stderr.contains("sandpiper run --worktree"), "{stderr}");
    assert_eq!(said["denials"][0]["operation"], "git");
    assert_eq!(said["denials"][0]["reason"], "unsupported");
}

#[test]
fn what_git_writes_counts_against_the_disk_limit() {
    let (_directory, repository) = repository();
    let script = "head -c 3000000 /dev/urandom >big; for at in 1 2 3; do python3 -c \"f = open('big', 'r+b'); f.write(b'$at')\"; git add big || exit; done";
    let refused = guest(&repository, "1", &["--disk", "8MB"], script);
    assert_eq!(refused.status.code(), Some(128));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("fatal: no space left: the run may write no more"), "{said}");
    stdout(&guest(&repository, "2", &["--disk", "20MB"], script));
    repository.check();
}

#[test]
fn the_deadline_ends_git_too_and_the_worktree_is_kept_in_order() {
    let (_directory, repository) = repository();
    let start = Instant::now();
    let output =
        guest(&repository, "1", &["--timeout", "2s"], "while git commit -q --allow-empty -m x; do :; done");
    assert_eq!(output.status.code(), Some(124), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(start.elapsed() < Duration::from_secs(20));
    let commits: u64 = repository.git(["rev-list", "--count", "main..sandpiper/t/1"]).trim().parse().unwrap();
    assert!(commits > 0);
    repository.check();
    repository.done(&["worktree", "remove", "--discard", "t/1"]);
    repository.check();
}

#[test]
fn the_same_run_makes_the_same_commits_and_uses_the_same_fuel() {
    let (_directory, repository) = repository();
    repository.git(["config", "user.name", "Ada"]);
    let run = |name: &str| {
        let arguments = ["run", "--json", "--worktree", "--keep", "--task", "t", "--run-id", name];
        let inputs = ["--seed", "1", "--virtual-clock"];
        let script = "echo $RANDOM >r; git add r; git commit -qm r; git log -p | cat; git status | wc -l";
        let output = repository.sandpiper(&[&arguments[..], &inputs[..], &["-c", script]].concat());
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["exit_code"], 0, "{said:#}");
        let fuel = said["usage"]["fuel"].as_u64().unwrap();
        (repository.git(["rev-parse", &format!("sandpiper/t/{name}")]), fuel, said["stdout"]["text"].clone())
    };
    assert_eq!(run("1"), run("2"));
}

#[test]
fn python_uses_git_as_anywhere() {
    let (_directory, repository) = repository();
    let script = r#"python3 - <<'END'
import subprocess
open("a.txt", "a").write("seven\n")
print(subprocess.run(["git", "commit", "-qam", "seven"], check=True).returncode)
print(subprocess.check_output(["git", "-C", "b", "log", "--oneline", "--", "../a.txt"], text=True).count("\n"))
print(subprocess.run(["git", "rev-parse", "no-such"], capture_output=True, text=True).returncode)
END"#;
    assert_eq!(stdout(&guest(&repository, "1", &[], script)), "0\n2\n128\n");
}

#[test]
fn a_worktree_whose_run_was_killed_keeps_its_commits() {
    let (_directory, repository) = repository();
    let loop_ = "i=0; while git commit -q --allow-empty -m $i; do i=$((i+1)); done";
    let mut child = repository
        .command(&["run", "--worktree", "--task", "t", "--run-id", "1", "-c", loop_])
        .spawn()
        .unwrap();
    let start = Instant::now();
    let count = || {
        let output = repository.try_git(["rev-list", "--count", "main..sandpiper/t/1"]);
        String::from_utf8_lossy(&output.stdout).trim().parse::<u64>().unwrap_or(0)
    };
    while count() < 5 {
        assert!(start.elapsed() < Duration::from_secs(60), "no commit was made");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let listed =
        || -> Value { serde_json::from_str(&repository.done(&["worktree", "list", "--json"])).unwrap() };
    while listed()[0]["state"] != "idle" {
        assert!(start.elapsed() < Duration::from_secs(60), "{:#}", listed());
    }
    let made = count();
    assert!(made >= 5);
    repository.check();
    repository.done(&["worktree", "gc"]);
    assert_eq!(count(), made, "nothing of a killed run is lost");
    fs::metadata(repository.path().join("a.txt")).unwrap();
    repository.done(&["worktree", "remove", "--discard", "t/1"]);
}
