//! Commands that change the index, the files or the branch, on copies of one repository.

use super::harness::{World, assert_same, lines, same_on_copies};

fn world() -> World {
    let body = lines("line", 30);
    let world = World::new(&[
        ("a.txt", &body),
        ("b.txt", "b\n"),
        ("src/main.rs", "fn main() {\n    one();\n}\n"),
        ("src/lib.rs", "// lib\n"),
        (".gitignore", "*.log\nbuild/\n"),
    ]);
    world.write("a.txt", body.replace("line 3\n", "line three\n"));
    world.write("new.txt", "new\n");
    world.write("dir/other.txt", "other\n");
    world.write("x.log", "log\n");
    world.write("build/out", "out\n");
    world
}

#[test]
fn add_takes_paths_and_refuses_ignored_ones() {
    let world = world();
    std::fs::remove_file(world.tree().join("b.txt")).unwrap();
    same_on_copies(&world, &[&["add", "a.txt"], &["add", "dir"], &["add", "-n", "."], &["add", "-v", "."]]);
    same_on_copies(&world, &[&["add", "-u"], &["add", "-A"]]);
    same_on_copies(
        &world,
        &[&["add", "x.log"], &["add", "build/out"], &["add", "build"], &["add", "-f", "x.log"]],
    );
    same_on_copies(&world, &[&["add"], &["add", "nonsense"], &["add", "b.txt"], &["add", "*.txt"]]);
}

#[test]
fn commit_tells_what_it_made() {
    let world = world();
    std::fs::remove_file(world.tree().join("b.txt")).unwrap();
    same_on_copies(
        &world,
        &[
            &["commit", "-m", "nothing staged"],
            &["commit", "-am", "all tracked"],
            &["add", "-A"],
            &["commit", "-m", "subject", "-m", "body", "-s"],
            &["commit", "-m", "nothing"],
            &["commit", "--allow-empty", "-m", "empty"],
            &["commit", "--amend", "-m", "amended\n\n\n\nbody  \n"],
            &["commit", "--amend", "--no-edit", "--author", "Eve Else <eve@example.com>"],
            &["mv", "src/lib.rs", "src/library.rs"],
            &["rm", "-q", "src/main.rs"],
            &["commit", "-qF", "a.txt"],
            &["commit", "-m", ""],
            &["log", "--stat"],
        ],
    );
}

#[test]
fn a_rewritten_file_is_told_by_its_lines() {
    let world = World::new(&[("big", &lines("old line number", 80))]);
    world.write("big", lines("quite another text", 80));
    same_on_copies(&world, &[&["commit", "-am", "rewritten"], &["show", "--stat"]]);
}

#[test]
fn restore_and_checkout_bring_files_back() {
    let world = world();
    same_on_copies(
        &world,
        &[
            &["add", "-A"],
            &["restore", "--staged", "a.txt"],
            &["restore", "a.txt"],
            &["restore", "--staged", "."],
        ],
    );
    same_on_copies(
        &world,
        &[&["checkout", "--", "a.txt"], &["checkout", "nonsense"], &["restore", "nonsense"]],
    );
    same_on_copies(
        &world,
        &[
            &["commit", "-qam", "one"],
            &["checkout", "HEAD~1", "--", "a.txt"],
            &["restore", "--source=HEAD", "--staged", "--worktree", "a.txt"],
            &["restore", "--source", "HEAD~1", "a.txt"],
            &["checkout", "a.txt"],
        ],
    );
}

#[test]
fn reset_moves_the_branch_of_the_run() {
    let world = world();
    same_on_copies(
        &world,
        &[
            &["add", "-A"],
            &["reset"],
            &["add", "-A"],
            &["reset", "--", "new.txt"],
            &["reset", "-q", "HEAD", "a.txt"],
            &["commit", "-qam", "one"],
            &["reset", "--soft", "HEAD~1"],
            &["commit", "-qm", "two"],
            &["reset", "HEAD~1"],
            &["commit", "-qam", "three"],
            &["reset", "--hard", "HEAD~1"],
        ],
    );
}

#[test]
fn mv_and_rm_change_files_and_index() {
    let world = world();
    same_on_copies(
        &world,
        &[
            &["mv", "b.txt", "c.txt"],
            &["mv", "src", "source"],
            &["mv", "c.txt", "source"],
            &["mv", "nonsense", "x"],
            &["mv", "new.txt", "x"],
            &["mv", "a.txt", "source/main.rs"],
        ],
    );
    same_on_copies(
        &world,
        &[
            &["rm", "b.txt"],
            &["rm", "a.txt"],
            &["rm", "--cached", "a.txt"],
            &["rm", "src"],
            &["rm", "-r", "src"],
            &["rm", "nonsense"],
        ],
    );
}

#[test]
fn a_switch_to_the_own_branch_is_none() {
    let (theirs, ours) = (world(), world());
    for arguments in [["switch", "sandpiper/t/r"], ["checkout", "sandpiper/t/r"], ["switch", "nonsense"]] {
        assert_same(&arguments, &theirs.theirs(&arguments), &ours.ours(&arguments));
    }
    ours.same(&["status", "--porcelain=v2", "--branch"]);
}

/// Their stash lies elsewhere, so only outputs and files are compared.
fn same_but_for_stashes(world: &World, commands: &[&[&str]]) {
    let (mut theirs, mut ours) = (world.copy(), world.copy());
    for arguments in commands {
        theirs.minute += 1;
        ours.minute += 1;
        let (their, our) = (theirs.theirs(arguments), ours.ours(arguments));
        assert_same(arguments, &their, &our);
        let without_history = |world: &World| {
            let mut state = world.state();
            state.drain(3..5);
            state
        };
        assert_eq!(without_history(&theirs), without_history(&ours), "after git {arguments:?}");
        ours.check();
    }
}

#[test]
fn stash_keeps_changes_and_brings_them_back() {
    same_but_for_stashes(
        &world(),
        &[
            &["stash", "list"],
            &["stash", "pop"],
            &["add", "new.txt"],
            &["stash"],
            &["stash", "list"],
            &["stash", "show"],
            &["stash", "show", "-p"],
            &["stash"],
            &["stash", "pop"],
            &["stash", "push", "-m", "named", "-u"],
            &["stash", "list"],
            &["stash", "apply"],
            &["stash", "drop"],
            &["stash", "push", "-q"],
            &["commit", "--allow-empty", "-qm", "later"],
            &["stash", "pop", "stash@{0}"],
            &["stash", "drop"],
        ],
    );
}

#[test]
fn line_ends_are_converted_as_configured() {
    let world = World::new(&[(".gitattributes", "*.txt text eol=crlf\n*.bin -text\n*.auto text=auto\n")]);
    world.write("a.txt", "one\r\ntwo\r\n");
    world.write("a.bin", "one\r\n");
    world.write("a.auto", "one\r\n");
    same_on_copies(
        &world,
        &[
            &["add", "a.bin"],
            &["commit", "-qm", "a file"],
            &["rm", "-q", "a.bin"],
            &["restore", "--staged", "--worktree", "a.bin"],
            &["status", "-s"],
        ],
    );
    let ours = world.copy();
    assert_eq!(ours.ours(&["add", "-A"]).code, 0);
    world.theirs(&["add", "-A"]);
    assert_eq!(world.must(&world.tree(), &["ls-files", "-s"]), ours.must(&ours.tree(), &["ls-files", "-s"]));
}
