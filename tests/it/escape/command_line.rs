//! Hostile arguments and environments: what a library's caller passes on may be a stranger's choice.

use sandpiper::{Error, Exec, Refusal, Spec};

use crate::harness::{assert_prints, run, try_run};

const SHOW: &str =
    "import os, sys\nprint(len(sys.argv[1]), sorted(set(os.environ) - {'HOME', 'LANG', 'PATH', 'PWD'}))";

fn exec(argument: &str) -> Exec {
    Exec::new(["python3", "-c", SHOW, argument])
}

#[track_caller]
fn refused(exec: Exec, words: &str) {
    match try_run(Spec::default(), exec) {
        Err(Error::Refused(Refusal::Exec { what })) => assert!(what.contains(words), "{what}"),
        other => panic!("{other:?}"),
    }
}

/// Attack: a NUL, which would end the argument early. Twin: any other character.
#[test]
fn an_argument_with_nul_is_refused() {
    refused(exec("a\0b"), "argument 3 contains NUL");
    refused(Exec::new(["python3\0", "-c", SHOW]), "argument 0 contains NUL");
    assert_prints(&run(Spec::default(), exec("a\u{1}\n\u{7f}é\u{10ffff}")), "6 []\n");
}

/// Attack: a name with `=`, which would set another variable than it says; an empty one; NUL. Twin: `=`
/// in the value.
#[test]
fn a_variable_is_what_it_says() {
    refused(exec("").env("A=B", "c"), "`A=B` is not a variable's name");
    refused(exec("").env("=A", "c"), "`=A` is not a variable's name");
    refused(exec("").env("", "c"), "`` is not a variable's name");
    refused(exec("").env("A\0B", "c"), "is not a variable's name");
    refused(exec("").env("A", "b\0PATH=/x"), "the value of the variable A contains NUL");
    assert_prints(&run(Spec::default(), exec("").env("A", "B=c").env("a b\n", "")), "0 ['A', 'a b\\n']\n");
}

/// Attack: the same name over and over, so that a check sees one value and the guest another. Twin: once.
#[test]
fn of_a_variable_given_twice_the_later_counts_alone() {
    let show = "import os\nprint(os.environ['A'], os.environ['PATH'])";
    let twice = Exec::new(["python3", "-c", show]).env("A", "1").env("A", "2").env("PATH", "/x");
    assert_prints(&run(Spec::default(), twice), "2 /x\n");
    let once = Exec::new(["python3", "-c", show]).env("A", "1");
    assert_prints(&run(Spec::default(), once), "1 /usr/bin\n");
}

/// Attack: arguments and variables of hundreds of megabytes, or a hundred thousand of them. Twin: a
/// hundred kilobytes.
#[test]
fn arguments_and_variables_together_are_bounded() {
    refused(exec(&"x".repeat(64 << 20)), "at most");
    refused(exec("").env("A", "x".repeat(64 << 20)), "at most");
    let many = std::iter::repeat_n("x".to_owned(), 100_000);
    refused(Exec::new(["python3", "-c", SHOW].map(str::to_owned).into_iter().chain(many)), "at most");
    assert_prints(&run(Spec::default(), exec(&"x".repeat(100_000))), "100000 []\n");
}

/// Attack: a working directory that is relative, climbs, is a file or holds NUL. Twin: one that is there.
#[test]
fn a_working_directory_is_one_of_the_guests() {
    for (cwd, words) in [
        ("tmp", "is not an absolute guest path"),
        ("", "is not an absolute guest path"),
        ("/tmp\0", "is not an absolute guest path"),
        ("/etc/passwd", "is not a directory in the sandbox"),
        ("/root", "is not a directory in the sandbox"),
        ("/tmp/../proc/self", "is not a directory in the sandbox"),
    ] {
        refused(exec("").cwd(cwd), words);
    }
    let show = Exec::new(["python3", "-c", "import os\nprint(os.getcwd())"]);
    assert_prints(&run(Spec::default(), show.cwd("/home/user")), "/home/user\n");
}

/// Attack: a command by a path that climbs, or of a name that the image does not offer. Twin: by its name
/// and by its path.
#[test]
fn a_command_is_one_of_the_images() {
    for (command, code) in [
        ("/bin/sh\n", 127),
        ("../usr/bin/python3", 126),
        ("/usr/bin/../bin/python3", 126),
        ("python3 ", 127),
        ("PYTHON3", 127),
    ] {
        assert_eq!(run(Spec::default(), Exec::new([command])).exit.code(), code, "{command:?}");
    }
    for command in ["python3", "/usr/bin/python3"] {
        assert_prints(&run(Spec::default(), Exec::new([command, "-c", "print(1)"])), "1\n");
    }
}
