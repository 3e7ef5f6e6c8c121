//! What the command makes of worktrees.

use std::fs;

use serde_json::Value;

use super::repository::{Repository, write};

fn repository() -> (tempfile::TempDir, Repository) {
    let directory = tempfile::tempdir().unwrap();
    let repository = Repository::new(directory.path());
    (directory, repository)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|err| panic!("{err}: {text}"))
}

#[test]
fn a_worktree_is_made_listed_compared_committed_merged_and_removed() {
    let (_directory, repository) = repository();
    let made = json(&repository.done(&["worktree", "create", "t/1", "--json"]));
    assert_eq!((&made["id"], &made["branch"]), (&"t/1".into(), &"sandpiper/t/1".into()));
    let path = std::path::PathBuf::from(made["path"].as_str().unwrap());
    assert!(path.starts_with(repository.root()));
    write(&path.join("a.txt"), "ONE\ntwo\nthree\nfour\nfive\nsix\n");
    write(&path.join("new.txt"), "new\n");

    let listed = json(&repository.done(&["worktree", "list", "--json"]));
    let item = &listed.as_array().unwrap()[0];
    for (key, value) in
        [("id", "t/1"), ("task", "t"), ("run", "1"), ("branch", "sandpiper/t/1"), ("state", "idle")]
    {
        assert_eq!(item[key], value, "{key}");
    }
    assert_eq!(item["path"], path.to_str().unwrap());
    assert_eq!(repository.done(&["worktree", "status", "t/1"]), "modified     a.txt\nadded        new.txt\n");
    let patch = repository.done(&["worktree", "diff", "sandpiper/t/1"]);
    assert!(patch.contains("\n-one\n+ONE\n two\n") && patch.contains("\n+new\n"), "{patch}");
    let stat = repository.done(&["worktree", "diff", "t/1", "--stat"]);
    assert!(stat.contains("2 files changed, 2 insertions(+), 1 deletion(-)"), "{stat}");

    let committed = json(&repository.done(&["worktree", "commit", "t/1", "-m", "Change", "--json"]));
    assert_eq!(committed["commit"].as_str().unwrap(), repository.git(["rev-parse", "sandpiper/t/1"]).trim());
    repository.done(&["worktree", "merge", "t/1"]);
    assert_eq!(repository.read("new.txt").as_deref(), Some("new\n"));
    repository.done(&["worktree", "remove", "t/1"]);
    assert_eq!(repository.done(&["worktree", "list", "--json"]), "[]\n");
    assert!(!path.exists());
    repository.check();
}

#[test]
fn refusals_say_what_would_work() {
    let (_directory, repository) = repository();
    let made = json(&repository.done(&["worktree", "create", "t/1", "--json"]));
    write(&std::path::Path::new(made["path"].as_str().unwrap()).join("x"), "x");
    for (arguments, message, hint) in [
        (
            &["worktree", "remove", "t/1"][..],
            "holds work that is nowhere else: changes that are not committed",
            "remove --discard t/1",
        ),
        (&["worktree", "merge", "t/1"], "holds work", "worktree commit t/1"),
        (&["worktree", "remove", "t/2"], "there is no worktree \"t/2\"", ""),
        (&["worktree", "create", "t/1"], "there is already a worktree t/1", ""),
        (&["worktree", "create", "t/2", "--base", "nowhere"], "\"nowhere\" names no commit", ""),
        (&["run", "--base", "main", "-c", "true"], "--base", "--worktree"),
    ] {
        let output = repository.sandpiper(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(125), "{said}");
        assert!(said.contains(message) && said.contains(hint), "{arguments:?}: {said}");
    }
    let output = repository.sandpiper(&["worktree", "remove", "t/1", "--json"]);
    let said = json(std::str::from_utf8(&output.stdout).unwrap());
    assert!(said["error"]["message"].as_str().unwrap().contains("holds work"), "{said}");
}

#[test]
fn what_is_exported_is_taken_by_git() {
    let (directory, repository) = repository();
    let made = json(&repository.done(&["worktree", "create", "t/1", "--json"]));
    let path = std::path::PathBuf::from(made["path"].as_str().unwrap());
    write(&path.join("new.txt"), "new\n");
    fs::write(path.join("binary"), [0, 159, 1, 0]).unwrap();
    fs::remove_file(path.join("b/c.txt")).unwrap();
    repository.done(&["worktree", "commit", "t/1", "-m", "Change"]);
    let (patch, bundle) = (directory.path().join("p"), directory.path().join("b"));
    let [patch, bundle] = [patch.to_str().unwrap(), bundle.to_str().unwrap()];
    repository.done(&["worktree", "export", "t/1", "--patch", patch, "--bundle", bundle]);
    repository.git(["bundle", "verify", "--quiet", bundle]);
    repository.git(["fetch", "--quiet", bundle, "sandpiper/t/1:fetched"]);
    assert_eq!(repository.git(["rev-parse", "fetched"]), repository.git(["rev-parse", "sandpiper/t/1"]));
    repository.git(["apply", patch]);
    repository.git(["add", "--all"]);
    assert_eq!(repository.git(["write-tree"]), repository.git(["rev-parse", "fetched^{tree}"]));
}

#[test]
fn a_run_in_a_worktree_touches_nothing_of_the_checkout() {
    let (_directory, repository) = repository();
    repository.write("untracked", "mine");
    let before = repository.git(["status", "--porcelain"]);
    let output = repository.sandpiper(&[
        "run",
        "--worktree",
        "--task",
        "t",
        "--run-id",
        "1",
        "-c",
        "sed -i s/one/ONE/ a.txt; echo new > n; ls -a",
    ]);
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    // Neither git's own file nor what is not committed.
    assert_eq!(stdout, ".\n..\na.txt\nb\nn\n");
    assert!(stderr.contains("2 files changed") && stderr.contains("kept as t/1"), "{stderr}");
    assert_eq!(repository.git(["status", "--porcelain"]), before);
    assert_eq!(repository.done(&["worktree", "status", "t/1"]), "modified     a.txt\nadded        n\n");
    repository.check();
}

#[test]
fn a_run_is_in_the_directory_that_the_user_is_in() {
    let (_directory, repository) = repository();
    repository.write("untracked/x", "x");
    for (directory, there) in [("b", "/workspace/b\nc.txt\n"), ("untracked", "/workspace\na.txt\nb\n")] {
        let mut command = repository.command(&["run", "--worktree", "-c", "pwd; ls"]);
        let output = command.current_dir(repository.path().join(directory)).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), there);
    }
}

#[test]
fn a_run_without_changes_leaves_no_worktree() {
    let (_directory, repository) = repository();
    repository.done(&["run", "--worktree", "-c", "cat a.txt"]);
    assert_eq!(repository.done(&["worktree", "list"]), "");
    repository.done(&["run", "--worktree", "--keep", "-c", "true"]);
    assert_eq!(repository.done(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn a_run_ends_as_it_is_told_to() {
    let (_directory, repository) = repository();
    let run = |end: &[&str], script: &str| {
        let mut arguments = vec!["run", "--worktree", "--json"];
        arguments.extend(end);
        arguments.extend(["-c", script]);
        json(std::str::from_utf8(&repository.sandpiper(&arguments).stdout).unwrap())["worktree"].clone()
    };
    let committed = run(&["--commit", "Add x"], "echo x > x");
    assert_eq!(committed["removed"], false);
    let branch = committed["branch"].as_str().unwrap();
    assert_eq!(repository.git(["log", "-1", "--format=%s", branch]), "Add x\n");

    let applied = run(&["--apply"], "echo y > y");
    assert_eq!((&applied["applied"], &applied["removed"]), (&true.into(), &true.into()), "{applied}");
    assert_eq!(repository.read("y").as_deref(), Some("y\n"));

    let failed = run(&["--apply"], "echo z > z; false");
    assert_eq!((&failed["applied"], &failed["removed"]), (&false.into(), &false.into()), "{failed}");
    assert_eq!(repository.read("z"), None);

    let discarded = run(&["--discard-on-failure"], "echo z > z; false");
    assert_eq!(discarded["removed"], true);
    let trash = discarded["trash"].as_str().unwrap();
    assert_eq!(repository.git(["show", &format!("{trash}:z")]), "z\n");
    repository.check();
}

#[test]
fn the_journal_says_what_a_run_in_a_worktree_has_changed() {
    let (directory, repository) = repository();
    let journal = directory.path().join("journal");
    let done = |arguments: &[&str]| {
        let output = repository.command(arguments).env("SANDPIPER_JOURNAL", &journal).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let data = directory.path().join("data");
    fs::create_dir(&data).unwrap();
    done(&[
        "run",
        "--worktree",
        "--dir",
        &format!("{}:/data", data.display()),
        "-c",
        "rm a.txt; echo C > b/c.txt; echo new > n; echo d > /data/d; git add -A; git commit -qm x",
    ]);
    let shown = done(&["journal", "show", "latest", "--json"]);
    let changed: Vec<Value> =
        shown.lines().map(json).filter(|record| record["kind"] == "file-changed").collect();
    let digest = |content: &str| Value::from(sandpiper::journal::Digest::of(content.as_bytes()).to_string());
    let told = |path: &str, change: &str, before: Option<&str>, after: Option<&str>| {
        let record = changed.iter().find(|record| record["path"] == path);
        let record = record.unwrap_or_else(|| panic!("no {path} in {shown}"));
        assert_eq!(record["change"], change, "{record}");
        assert_eq!(record["before"], before.map_or(Value::Null, digest), "{record}");
        assert_eq!(record["after"], after.map_or(Value::Null, digest), "{record}");
    };
    told("a.txt", "removed", Some("one\ntwo\nthree\nfour\nfive\nsix\n"), None);
    told("b/c.txt", "modified", Some("c\n"), Some("C\n"));
    told("n", "created", None, Some("new\n"));
    // Of a directory besides the worktree, before the change and at the end.
    let beside: Vec<_> = changed.iter().filter(|record| record["path"] == "/data/d").collect();
    assert_eq!(beside.iter().map(|record| &record["change"]).collect::<Vec<_>>(), ["created"; 2], "{shown}");
    assert_eq!((&beside[0]["after"], &beside[1]["after"]), (&Value::Null, &digest("d\n")), "{shown}");
    assert_eq!(changed.len(), 5, "{shown}");
    repository.check();
}

#[test]
fn a_guest_neither_sees_nor_makes_gits_own_directory() {
    let (_directory, repository) = repository();
    let output = repository.sandpiper(&[
        "run", "--worktree", "-c",
        "cat .git; mkdir -p .GIT/hooks; mkdir b/.git; ln -s b .git; python3 -c \"print(__import__('os').path.exists('.git'))\"",
    ]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "False\n");
    let said = String::from_utf8(output.stderr).unwrap();
    // The last is how `ln` words the same error.
    assert_eq!(said.matches("Operation not permitted").count(), 3, "{said}");
    assert_eq!(said.matches("'.git': Permission denied").count(), 1, "{said}");
    repository.check();
}

#[test]
fn a_wrong_mount_leaves_no_worktree() {
    let (_directory, repository) = repository();
    let output = repository.sandpiper(&["run", "--worktree", "--dir", "/nowhere/at/all:/x", "-c", "true"]);
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(repository.done(&["worktree", "list"]), "");
    assert!(repository.git(["branch", "--list", "sandpiper/*"]).is_empty());
}

#[test]
fn a_clone_is_worked_on_and_what_was_made_is_pushed_and_fetched() {
    let (directory, repository) = repository();
    let bare = directory.path().join("server.git");
    repository.git(["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    repository.git(["remote", "add", "origin", bare.to_str().unwrap()]);
    repository.done(&["worktree", "create", "t/1"]);
    let path = repository
        .root()
        .join(json(&repository.done(&["worktree", "list", "--json"]))[0]["path"].as_str().unwrap());
    write(&path.join("new.txt"), "new\n");
    repository.done(&["worktree", "commit", "t/1", "-m", "New"]);
    let pushed = json(&repository.done(&["worktree", "push", "t/1", "--json"]));
    assert_eq!(pushed["after"].as_str().unwrap(), repository.git(["rev-parse", "sandpiper/t/1"]).trim());
    assert_eq!(pushed["before"], Value::Null);

    let clone = directory.path().join("clone");
    repository.done(&["clone", bare.to_str().unwrap(), clone.to_str().unwrap(), "--branch", "sandpiper/t/1"]);
    assert_eq!(fs::read_to_string(clone.join("new.txt")).unwrap(), "new\n");
    let again = repository.sandpiper(&["clone", bare.to_str().unwrap(), clone.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(125), "{}", String::from_utf8_lossy(&again.stderr));

    // The branch there loses a commit only when that is said.
    repository.git(["-C", path.to_str().unwrap(), "commit", "--quiet", "--amend", "-m", "Newer"]);
    let refused = repository.sandpiper(&["worktree", "push", "t/1"]);
    assert_eq!(refused.status.code(), Some(125), "{}", String::from_utf8_lossy(&refused.stderr));
    let seen = pushed["after"].as_str().unwrap();
    repository.done(&["worktree", "push", "t/1", &format!("--force-with-lease={seen}")]);
    let fetched = repository.done(&["worktree", "fetch"]);
    assert!(fetched.contains("refs/remotes/origin/main is at"), "{fetched}");
    repository.check();
}

#[test]
fn addresses_that_run_programs_are_refused() {
    let (directory, repository) = repository();
    let mark = directory.path().join("mark");
    for address in [
        format!("ext::touch {}", mark.display()),
        format!("-oProxyCommand=touch {}", mark.display()),
        "git://localhost/x".to_owned(),
    ] {
        let output = repository.sandpiper(&["clone", "--", &address, "there"]);
        assert_eq!(output.status.code(), Some(125), "{address}");
        assert!(!mark.exists() && !repository.path().join("there").exists(), "{address}");
    }
}

#[test]
fn where_there_is_no_repository_a_run_has_a_copy_of_the_directory() {
    let (_directory, repository) = repository();
    fs::remove_dir_all(repository.path().join(".git")).unwrap();
    let script = "cat b/c.txt; echo new > new.txt; git status; echo $?";
    let arguments = ["run", "--worktree", "--task", "t", "--run-id", "1", "-c", script];
    let output = repository.sandpiper(&arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "c\n128\n", "{said}");
    assert!(said.contains("fatal: not a git repository"), "{said}");
    assert_eq!(repository.read("new.txt"), None);
    let listed = json(&repository.done(&["worktree", "list", "--json"]));
    assert_eq!(listed[0]["id"], "t/1", "{listed:#}");
    repository.done(&["worktree", "apply", "t/1"]);
    assert_eq!(repository.read("new.txt").as_deref(), Some("new\n"));
    let empty = ["run", "--worktree", "--empty", "--task", "t", "--run-id", "2", "-c", "ls | wc -l"];
    assert_eq!(repository.done(&empty).trim(), "0");
}

#[test]
fn a_worktree_can_have_some_directories_only() {
    let (_directory, repository) = repository();
    repository.write("d/e/f.txt", "f\n");
    repository.git(["add", "--all"]);
    repository.git(["commit", "--quiet", "--message", "second"]);
    let run = ["run", "--worktree", "--sparse", "d/e", "--task", "t", "--run-id", "1"];
    let script = "find . -type f | sort; echo x > d/e/x; git add .; git commit -qm x; git ls-files | wc -l";
    let printed = repository.done(&[&run[..], &["-c", script]].concat());
    assert_eq!(printed, "./a.txt\n./d/e/f.txt\n4\n");
    assert_eq!(repository.git(["diff", "--name-only", "main", "sandpiper/t/1"]), "d/e/x\n");
    repository.check();
}
