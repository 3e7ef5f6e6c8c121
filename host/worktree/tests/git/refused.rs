//! What a hostile guest tries, and what is not done for any guest.

use super::harness::{World, shown, text};
use sandpiper_worktree::git::Reply;
use std::os::unix::fs::symlink;

fn world() -> World {
    World::new(&[("a", "a\n"), ("d/b", "b\n")])
}

fn refused(reply: &Reply, code: u8, says: &str) {
    assert_eq!(reply.code, code, "{}", shown(reply));
    assert!(text(&reply.stderr).contains(says), "{}", shown(reply));
}

#[test]
fn a_path_behind_a_symbolic_link_is_neither_read_nor_written() {
    let world = world();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("b"), "secret\n").unwrap();
    std::fs::remove_dir_all(world.tree().join("d")).unwrap();
    symlink(outside.path(), world.tree().join("d")).unwrap();
    refused(&world.ours(&["add", "d/b"]), 128, "beyond a symbolic link");
    world.same(&["status", "--porcelain=v2"]);
    world.same(&["diff"]);
    assert_eq!(world.ours(&["checkout", "--", "d/b"]).code, 0);
    assert_eq!(std::fs::read(outside.path().join("b")).unwrap(), b"secret\n");
    assert_eq!(world.read("d/b"), b"b\n");
    assert!(!world.tree().join("d").is_symlink());
    // The twin: a link itself is a file like others.
    symlink("/etc/passwd", world.tree().join("link")).unwrap();
    assert_eq!(world.ours(&["add", "link"]).code, 0);
    assert_eq!(world.must(&world.tree(), &["cat-file", "-p", ":link"]), b"/etc/passwd");
}

#[test]
fn reset_and_stash_do_not_write_through_a_link() {
    for command in
        [&["reset", "--hard"][..], &["stash"], &["restore", "."], &["restore", "--source=HEAD", "d"]]
    {
        let world = world();
        let outside = tempfile::tempdir().unwrap();
        std::fs::remove_dir_all(world.tree().join("d")).unwrap();
        symlink(outside.path(), world.tree().join("d")).unwrap();
        assert_eq!(world.ours(command).code, 0, "{command:?}");
        assert!(outside.path().read_dir().unwrap().next().is_none(), "{command:?}");
        assert_eq!(world.read("d/b"), b"b\n", "{command:?}");
    }
}

#[test]
fn the_git_file_of_the_guest_leads_nowhere() {
    let world = world();
    let other = self::world();
    std::fs::write(world.tree().join(".git"), format!("gitdir: {}\n", other.git_directory().display()))
        .unwrap();
    world.write("a", "changed\n");
    assert_eq!(world.ours(&["commit", "-qam", "mine"]).code, 0);
    assert_eq!(
        text(&world.must(&world.repository(), &["log", "-1", "--format=%s", "sandpiper/t/r"])),
        "mine\n"
    );
    assert_eq!(
        text(&other.must(&other.repository(), &["log", "-1", "--format=%s", "sandpiper/t/r"])),
        "start\n"
    );
}

#[test]
fn no_spelling_of_git_is_added_or_written() {
    for name in [".GIT/config", "git~1/config", "d/.git./config", ".g\u{200c}it/x"] {
        let world = world();
        world.write(name, "[core]\n");
        let before = world.must(&world.tree(), &["ls-files", "-s"]);
        let reply = world.ours(&["add", name]);
        assert_ne!(reply.code, 0, "{name}");
        world.ours(&["add", "-A"]);
        assert_eq!(text(&world.must(&world.tree(), &["ls-files", "-s"])), text(&before), "{name}");
    }
}

#[test]
fn a_tree_that_holds_a_git_directory_is_not_written() {
    let world = world();
    let blob = text(&world.must(&world.tree(), &["rev-parse", "HEAD:a"]));
    let entry = format!("100644 blob {}\tconfig\n", blob.trim());
    let make = |input: &str| {
        use std::io::Write;
        let mut child = std::process::Command::new("git")
            .args(["mktree"])
            .current_dir(world.repository())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
    };
    let tree = make(&format!("040000 tree {}\t.GIT\n", make(&entry)));
    let commit = text(&world.must(&world.repository(), &["commit-tree", "-m", "evil", &tree]));
    for command in [["checkout", commit.trim(), "--", "."], ["restore", "--source", commit.trim(), "."]] {
        let reply = world.ours(&command);
        assert_ne!(reply.code, 0, "{command:?}");
        assert!(!world.tree().join(".GIT").exists(), "{command:?}");
    }
}

#[test]
fn a_nested_repository_is_not_opened_or_added() {
    let world = world();
    world.must(&world.tree(), &["init", "-q", "inner"]);
    world.write("inner/x", "x\n");
    world.same(&["status", "--porcelain"]);
    refused(&world.ours(&["add", "-A"]), 128, "has a .git of its own");
    assert_eq!(world.ours(&["add", "a"]).code, 0);
}

#[test]
fn no_filter_and_no_hook_is_run() {
    let world = world();
    let mark = world.home().join("ran");
    let program = format!("touch {}", mark.display());
    for key in [
        "filter.evil.clean",
        "filter.evil.smudge",
        "core.fsmonitor",
        "diff.external",
        "alias.status",
        "core.pager",
    ] {
        world.must(&world.repository(), &["config", key, &program]);
    }
    let hooks = world.repository().join(".git/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    for hook in ["pre-commit", "commit-msg", "post-commit", "reference-transaction"] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(hooks.join(hook), format!("#!/bin/sh\n{program}\n")).unwrap();
        std::fs::set_permissions(hooks.join(hook), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    world.write(".gitattributes", "*.evil filter=evil diff=evil\n");
    world.write("x.evil", "x\n");
    refused(&world.ours(&["add", "x.evil"]), 128, "goes through the filter 'evil'");
    assert_eq!(world.ours(&["add", ".gitattributes"]).code, 0);
    for command in [&["commit", "-qm", "x"][..], &["status"], &["diff", "HEAD~1"], &["stash"]] {
        assert_eq!(world.ours(command).code, 0, "{command:?}");
    }
    assert!(!mark.exists());
}

#[test]
fn paths_outside_are_refused_as_by_git() {
    let world = world();
    for path in ["../x", "/etc/passwd", "d/../../x"] {
        world.same(&["add", path]);
        world.same(&["status", path]);
    }
    world.same_in("d", &["add", "../../x"]);
}

#[test]
fn no_path_of_the_host_is_told() {
    let world = world();
    let mut scope = world.scope();
    "/workspace".clone_into(&mut scope.guest_path);
    std::fs::write(world.git_directory().join("index.lock"), "").unwrap();
    world.write("a", "changed\n");
    let host = world.tree().parent().unwrap().to_str().unwrap().to_owned();
    for command in [
        &["add", "a"][..],
        &["add", "../x"],
        &["rev-parse", "--git-dir", "--show-toplevel"],
        &["show", "nonsense"],
        &["commit", "-am", "x"],
        &["-C", "nowhere", "status"],
        &["stash"],
        &["log", "HEAD@{9}"],
        &["reset", "--hard"],
    ] {
        let reply = sandpiper_worktree::git::git(&scope, &world.invocation(command));
        assert!(!shown(&reply).contains(&host), "{command:?}: {}", shown(&reply));
    }
    std::fs::remove_dir_all(world.repository().join(".git/objects")).unwrap();
    let reply = sandpiper_worktree::git::git(&scope, &world.invocation(&["log"]));
    assert_ne!(reply.code, 0);
    assert!(!shown(&reply).contains(&host), "{}", shown(&reply));
}

#[test]
fn other_branches_stay_where_they_are() {
    let world = world();
    let before = world.must(&world.tree(), &["for-each-ref"]);
    for command in [
        &["branch", "mine"][..],
        &["branch", "-D", "main"],
        &["branch", "-m", "x"],
        &["switch", "main"],
        &["checkout", "main"],
        &["checkout", "-b", "x"],
        &["switch", "-c", "x"],
    ] {
        let reply = world.ours(command);
        refused(&reply, 128, "hint: ");
        assert_eq!(text(&world.must(&world.tree(), &["for-each-ref"])), text(&before), "{command:?}");
    }
    world.must(&world.tree(), &["symbolic-ref", "HEAD", "refs/heads/other"]);
    refused(&world.ours(&["commit", "--allow-empty", "-m", "x"]), 128, "only the branch 'sandpiper/t/r'");
}

#[test]
fn what_is_not_supported_is_named() {
    let world = world();
    for command in [
        &["status", "--column"][..],
        &["diff", "--word-diff"],
        &["log", "--graph"],
        &["log", "--all"],
        &["add", "-p"],
        &["commit", "-p"],
        &["-c", "core.fsmonitor=x", "status"],
        &["log", "--format=%G?"],
        &["stash", "branch", "x"],
    ] {
        refused(&world.ours(command), 129, "is not supported here");
    }
    refused(&world.ours(&["push"]), 1, "there is no network here");
    refused(&world.ours(&["frobnicate"]), 1, "git: 'frobnicate' is not a git command");
    refused(&world.ours(&["log", "HEAD^{/x}"]), 128, "is not supported here");
    assert_eq!(world.ours(&["-c", "color.ui=never", "status", "-s"]).code, 0);
}

#[test]
fn a_file_over_the_limit_is_refused_and_one_below_is_taken() {
    let world = world();
    let large = std::fs::File::create(world.tree().join("large")).unwrap();
    large.set_len(64 * 1024 * 1024 + 1).unwrap();
    refused(&world.ours(&["add", "large"]), 128, "is larger than 64 MiB");
    large.set_len(1024).unwrap();
    assert_eq!(world.ours(&["add", "large"]).code, 0);
}

#[test]
fn a_status_as_data_is_what_the_command_prints() {
    use sandpiper_worktree::git::{State, Untracked, status};
    let world = world();
    world.write("a", "changed\n");
    world.write("new", "new\n");
    let status = status(&world.scope(), Untracked::Normal).unwrap();
    assert_eq!(status.entries.len(), 2);
    let new = &status.entries[1];
    assert_eq!((new.path.as_slice(), &new.state), (&b"new"[..], &State::Untracked));
    assert_eq!(text(&status.porcelain), text(&world.theirs(&["status", "--porcelain=v2"]).stdout));
}

#[test]
fn a_directory_that_is_too_deep_is_refused_and_one_below_is_taken() {
    let world = world();
    let deep = |names: usize| vec!["d"; names].join("/") + "/file";
    world.write(&deep(150), "x\n");
    assert_eq!(world.ours(&["add", "-A"]).code, 0);
    assert_eq!(world.ours(&["commit", "-qm", "deep"]).code, 0);
    world.write(&deep(300), "x\n");
    refused(&world.ours(&["status"]), 128, "directories deep");
    refused(&world.ours(&["add", "-A"]), 128, "directories deep");
    assert_ne!(world.ours(&["add", &deep(300)]).code, 0);
}

#[test]
fn a_search_takes_no_long_time_whatever_is_searched_for() {
    let world = world();
    world.write("a", "a".repeat(100_000));
    assert_eq!(world.ours(&["grep", "-E", "(a*)*(a|aa)*Z"]).code, 1);
    assert_eq!(world.ours(&["ls-files", "*a*a*a*a*a*a*a*a*a*a*a*a*b"]).code, 0);
    refused(&world.ours(&["grep", "-E", "(x{1000}){1000}"]), 128, "not understood or too large");
}
