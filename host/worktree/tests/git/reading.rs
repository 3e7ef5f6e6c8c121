//! Commands that change nothing.

use super::harness::{World, lines};

/// Two commits on main, a few on the branch, and changes of every kind in the index and the tree.
fn world() -> World {
    let body = lines("line", 60);
    let mut world = World::new(&[
        ("a.txt", &body),
        ("src/main.rs", "fn main() {\n    one();\n    two();\n}\n\nfn other() {\n    three();\n}\n"),
        ("src/deep/x.rs", "// x\n"),
        ("gone.txt", "soon gone\n"),
        (".gitignore", "*.log\nbuild/\n"),
    ]);
    let commit = |world: &mut World, message: &str| {
        world.minute += 1;
        world.must(&world.tree(), &["add", "-A"]);
        world.must(&world.tree(), &["commit", "-q", "-m", message]);
    };
    world.write("a.txt", body.replace("line 30\n", "line thirty\nand one more\n"));
    commit(&mut world, "Change a line\n\nWith a body\tand a tab.\n\n\nAnd more.");
    world.must(&world.tree(), &["mv", "src/deep/x.rs", "src/y.rs"]);
    world.write("sp ace.txt", "with a space\n");
    world.write("bin", b"\0\x01\x02");
    commit(&mut world, "Move and add (things)");
    world.write(
        "src/main.rs",
        "fn main() {\n    one();\n    two_and_a_half();\n}\n\nfn other() {\n    three();\n}\n",
    );
    commit(&mut world, "Änder main");
    world.write("a.txt", body.replace("line 10\n", "LINE 10\n"));
    world.must(&world.tree(), &["add", "a.txt"]);
    world.write("a.txt", body.replace("line 10\n", "LINE 10\n").replace("line 50\n", ""));
    std::fs::remove_file(world.tree().join("gone.txt")).unwrap();
    world.write("new dir/n\u{e4}w.txt", "new\n");
    world.write("new dir/x.log", "ignored\n");
    world.write("build/out", "ignored\n");
    world.write("only/ignored/a.log", "ignored\n");
    world.write("mixed/a.log", "ignored\n");
    world.write("mixed/b", "new\n");
    world.write("bin", b"\0\x01\x03\x04");
    world
}

#[test]
fn status_in_every_form() {
    let world = world();
    for arguments in [
        &["status"][..],
        &["status", "-s"],
        &["status", "-sb"],
        &["status", "-z"],
        &["status", "--porcelain"],
        &["status", "--porcelain=v2", "-b", "-z"],
        &["status", "-uno"],
        &["status", "-uall", "-s"],
        &["status", "--ignored"],
        &["status", "--ignored", "-uall", "--porcelain"],
        &["status", "-s", "src", "new dir"],
        &["status", "-s", "--", "*.txt"],
        &["status", "-s", "--", ".", ":!a.txt"],
    ] {
        world.same(arguments);
    }
    for arguments in
        [&["status"][..], &["status", "-s"], &["status", "--porcelain=v2"], &["status", "--porcelain"]]
    {
        world.same_in("src", arguments);
    }
}

#[test]
fn diff_in_every_form() {
    let world = world();
    for arguments in [
        &["diff"][..],
        &["diff", "--cached"],
        &["diff", "--staged", "--stat"],
        &["diff", "HEAD"],
        &["diff", "HEAD~2", "--stat"],
        &["diff", "HEAD~3", "HEAD"],
        &["diff", "HEAD~3..HEAD", "--name-status"],
        &["diff", "main...HEAD", "--shortstat"],
        &["diff", "main", "--", "src"],
        &["diff", "-U0", "HEAD~3"],
        &["diff", "-U10", "HEAD"],
        &["diff", "--no-renames", "--summary", "HEAD~3"],
        &["diff", "-M90%", "--name-only", "HEAD~3"],
        &["diff", "--numstat", "-z", "HEAD~3"],
        &["diff", "--raw", "-z", "HEAD~3"],
        &["diff", "--raw", "-p", "--stat", "HEAD~3"],
        &["diff", "--quiet"],
        &["diff", "--exit-code", "--", "src"],
        &["diff", "--full-index", "HEAD~3", "--", "a.txt"],
        &["diff", "--diff-filter=D", "--name-only"],
        &["diff", "--diff-filter=d", "--name-only"],
        &["diff", "@", "--stat"],
        &["diff", "a.txt"],
        &["diff", "HEAD:a.txt", "nonsense"],
    ] {
        world.same(arguments);
    }
    world.same_in("src", &["diff", "HEAD", "--stat"]);
    world.same_in("src", &["diff", "HEAD~3", "--", "."]);
}

#[test]
fn white_space_is_ignored_on_demand() {
    let world = World::new(&[("a", "one\n\ttwo\nthree\n"), ("b", "x y\n")]);
    world.write("a", "one \n  two\nthree\nfour\n");
    world.write("b", "x  y\n");
    for option in ["-w", "-b", "--ignore-space-at-eol"] {
        world.same(&["diff", option]);
        world.same(&["diff", option, "--stat"]);
        world.same(&["diff", option, "--quiet", "b"]);
    }
}

#[test]
fn log_in_every_form() {
    let world = world();
    for arguments in [
        &["log"][..],
        &["log", "--oneline"],
        &["log", "-2"],
        &["log", "-n", "1", "-p"],
        &["log", "-p", "--stat"],
        &["log", "--stat", "--oneline"],
        &["log", "--name-only"],
        &["log", "--name-status", "--oneline"],
        &["log", "--reverse", "--format=%h %s"],
        &["log", "--format=format:%H%n%an <%ae>%n%ad%n%B"],
        &["log", "--pretty=tformat:%T %p %f %cI %ci %as %at"],
        &["log", "--pretty=full"],
        &["log", "--pretty=fuller", "--date=iso"],
        &["log", "--pretty=short"],
        &["log", "--pretty=raw"],
        &["log", "--pretty=reference"],
        &["log", "--date=short", "--format=%ad|%b|%%|%x41|%Cred%C(auto)%z"],
        &["log", "--format=%s", "-p", "-1"],
        &["log", "--format=%s", "--stat"],
        &["log", "--format=format:%s", "--stat"],
        &["log", "--format=", "--name-only"],
        &["log", "--grep=line", "--oneline"],
        &["log", "--grep=LINE", "-i", "--oneline"],
        &["log", "--grep=(things)", "--oneline"],
        &["log", "--author=Ann", "--oneline", "-1"],
        &["log", "--author=Nobody"],
        &["log", "main..HEAD", "--oneline"],
        &["log", "main..", "--oneline", "--skip=1"],
        &["log", "--oneline", "--", "src"],
        &["log", "--oneline", "a.txt"],
        &["log", "--oneline", "--decorate"],
        &["log", "--format=%D|%d"],
        &["log", "--since=@1700000060", "--oneline"],
        &["log", "--until=2023-11-14 22:15:00 +0000", "--oneline"],
        &["log", "--oneline", "-M", "--summary"],
        &["log", "nonsense"],
    ] {
        world.same(arguments);
    }
    world.same_in("src", &["log", "--oneline", "--", "."]);
}

#[test]
fn merges_in_log_and_show() {
    let mut world = World::new(&[("a", "1\n"), ("b", "1\n")]);
    for (directory, file) in [(world.repository(), "a"), (world.tree(), "b")] {
        for number in 2..4 {
            world.minute += 1;
            std::fs::write(directory.join(file), format!("{number}\n")).unwrap();
            world.must(&directory, &["commit", "-qam", &format!("{file} {number}")]);
        }
    }
    world.minute += 1;
    world.must(&world.tree(), &["merge", "-q", "-m", "a merge", "main"]);
    for arguments in [
        &["log"][..],
        &["log", "-p"],
        &["log", "--oneline", "--first-parent"],
        &["log", "--oneline", "--no-merges"],
        &["log", "--oneline", "--merges"],
        &["log", "--oneline", "a"],
        &["log", "--oneline", "HEAD^2..HEAD"],
        &["log", "--oneline", "main...HEAD~1"],
        &["show"],
        &["show", "--stat"],
        &["diff", "main...HEAD"],
        &["rev-parse", "HEAD^2", "HEAD^1~1", "main...HEAD~1"],
        &["blame", "a"],
        &["branch", "--contains", "main"],
    ] {
        world.same(arguments);
    }
}

#[test]
fn show_in_every_form() {
    let mut world = world();
    world.must(&world.tree(), &["tag", "-a", "-m", "a tag", "v1"]);
    world.minute += 1;
    for arguments in [
        &["show"][..],
        &["show", "--stat", "HEAD~1"],
        &["show", "-s", "--format=%s", "HEAD~2"],
        &["show", "--name-only", "--oneline"],
        &["show", "HEAD:src/main.rs"],
        &["show", "HEAD:bin"],
        &["show", "HEAD:src"],
        &["show", ":a.txt"],
        &["show", "v1"],
        &["show", "main"],
        &["show", "HEAD", "HEAD~1"],
        &["show", "HEAD~1", "--", "bin"],
        &["show", "nonsense"],
    ] {
        world.same(arguments);
    }
    world.same_in("src", &["show", "HEAD:./main.rs"]);
}

#[test]
fn rev_parse_branch_ls_files_and_config() {
    let world = world();
    world.must(&world.repository(), &["config", "user.name", "Uwe User"]);
    for arguments in [
        &["rev-parse", "HEAD"][..],
        &["rev-parse", "--short", "HEAD~1"],
        &["rev-parse", "--short=12", "HEAD"],
        &["rev-parse", "--abbrev-ref", "HEAD"],
        &["rev-parse", "--abbrev-ref", "main"],
        &["rev-parse", "--show-toplevel"],
        &["rev-parse", "--is-inside-work-tree"],
        &["rev-parse", "--verify", "main"],
        &["rev-parse", "--verify", "nonsense"],
        &["rev-parse", "-q", "--verify", "nonsense"],
        &["rev-parse", "nonsense"],
        &["rev-parse", "main..HEAD"],
        &["rev-parse", "HEAD^{tree}", "@"],
        &["branch"],
        &["branch", "--show-current"],
        &["branch", "-v"],
        &["branch", "--list", "s*"],
        &["ls-files"],
        &["ls-files", "-s"],
        &["ls-files", "-z"],
        &["ls-files", "-o"],
        &["ls-files", "-o", "--exclude-standard"],
        &["ls-files", "-o", "-i", "--exclude-standard"],
        &["ls-files", "-m"],
        &["ls-files", "-d"],
        &["ls-files", "-t"],
        &["ls-files", "-co", "--exclude-standard", "src"],
        &["ls-files", "--error-unmatch", "nonsense"],
        &["config", "--get", "user.name"],
        &["config", "user.name"],
        &["--version"],
    ] {
        world.same(arguments);
    }
    for arguments in [
        &["rev-parse", "--show-prefix"][..],
        &["ls-files"],
        &["rev-parse", "--show-cdup"],
        &["-C", "..", "status", "-s"],
    ] {
        world.same_in("src", arguments);
    }
}

#[test]
fn blame_in_every_form() {
    let world = world();
    for arguments in [
        &["blame", "HEAD", "a.txt"][..],
        &["blame", "-L", "28,35", "HEAD", "--", "a.txt"],
        &["blame", "-L", "30,+2", "HEAD", "a.txt"],
        &["blame", "-s", "HEAD", "a.txt"],
        &["blame", "-e", "HEAD~1", "a.txt"],
        &["blame", "-l", "HEAD", "src/y.rs"],
        &["blame", "HEAD", "src/y.rs"],
        &["blame", "src/main.rs"],
        &["blame", "--porcelain", "HEAD", "a.txt"],
        &["blame", "--line-porcelain", "HEAD", "src/main.rs"],
        &["blame", "nonsense.txt"],
    ] {
        world.same(arguments);
    }
}

#[test]
fn grep_in_every_form() {
    let world = world();
    for arguments in [
        &["grep", "line 1"][..],
        &["grep", "-n", "two"],
        &["grep", "-i", "LINE 10"],
        &["grep", "-l", "line"],
        &["grep", "-L", "line"],
        &["grep", "-c", "line"],
        &["grep", "-w", "main"],
        &["grep", "-v", "line", "--", "src"],
        &["grep", "-E", "one|two"],
        &["grep", "one\\|two"],
        &["grep", "-F", "main()"],
        &["grep", "-e", "one", "-e", "three"],
        &["grep", "-q", "one"],
        &["grep", "nowhere to be found"],
        &["grep", "thirty", "HEAD~1"],
        &["grep", "-h", "one"],
        &["grep", "--cached", "line 50"],
    ] {
        world.same(arguments);
    }
    world.same_in("src", &["grep", "one"]);
}
