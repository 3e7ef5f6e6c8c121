//! Commands and files that are made to cost, to confuse or to crash.

use std::fmt::Write;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use sandpiper_routing::{Command, Files, Image, MemoryFiles, Needs, Permission, analyze, decide};

use crate::corpus::offers;

/// No text of a megabyte costs more than this, many times over what each took where it was tried.
const LONGEST: Duration = Duration::from_secs(20);

fn look(argv: &[&str], files: &dyn Files) -> Needs {
    let begin = Instant::now();
    let needs = analyze(&Command::new(argv.iter().copied()), files, &Image::default());
    assert!(begin.elapsed() < LONGEST, "{:?} for {:.60?}", begin.elapsed(), argv);
    needs
}

fn python(text: impl Into<Vec<u8>>) -> Needs {
    look(&["python3", "a.py"], &MemoryFiles::new([("/workspace/a.py", text)]))
}

fn shell(text: impl Into<Vec<u8>>) -> Needs {
    look(&["bash", "a.sh"], &MemoryFiles::new([("/workspace/a.sh", text)]))
}

const MEGABYTE: usize = 1024 * 1024;

fn repeated(text: &str) -> String {
    text.repeat(MEGABYTE / text.len())
}

#[test]
fn a_megabyte_of_one_thing_is_looked_at_in_time() {
    for text in [
        "(",
        "[",
        "'",
        "\"\"\"",
        "f'{",
        "not ",
        "a.",
        "a(",
        "lambda:",
        "if a:",
        "a;",
        "\\\n",
        "import a\n",
        "from a import b\n",
        "def f(): f()\n",
        "requests.get(",
        "x = [1,\n",
        "@a\n",
        "try:\n",
        "else:\n",
        "a\n b\n",
        "import requests;requests.get(requests.get(\n",
        "class A(B): pass\n",
        "subprocess.run([",
        "\0",
        "\u{feff}",
        "é",
    ] {
        python(repeated(text));
        python(format!("import requests, subprocess, os.path as p, sys, threading\n{}", repeated(text)));
    }
    for text in [
        "(",
        "$(",
        "${x:-",
        "`",
        "\"",
        "'",
        "{ ",
        "if ",
        "case x in ",
        "<<A\n",
        "<<A $(",
        "a|",
        "a&&",
        "a||b;",
        "f() {",
        "f() ",
        "x=$x$x;",
        "[[ a ",
        "((",
        "$((",
        "for i in a b; do ",
        "while a; do ",
        "a ",
        "! ",
        "time ",
        "git;",
        "f(){ g; g; };",
        "exec 3<>a;",
        "a=(",
        "export a=b;",
        "eval 'eval ",
        "\\",
        "\\\n",
        "#\n",
        "}\n",
        "fi\n",
        "\0",
        "é",
    ] {
        shell(repeated(text));
    }
}

#[test]
fn what_grows_when_it_is_run_does_not_grow_here() {
    // Each calls the next twice, and doubles its arguments.
    let mut text = String::new();
    for number in 0..200 {
        writeln!(text, "f{number}() {{ x=$x$x; f{} \"$@\" \"$@\"; f{} $x; }}", number + 1, number + 1)
            .unwrap();
    }
    text.push_str("x=1234567890; f0 a b\n");
    let needs = shell(text);
    assert!(needs.unseen.iter().any(|unseen| unseen.text.contains("than are looked at")));
    // A script that runs itself twice, and a program that does.
    shell("bash a.sh; bash a.sh; git status");
    let needs = python(
        "import subprocess\nsubprocess.run(['python3', 'a.py'])\nsubprocess.run(['python3', 'a.py'])\n",
    );
    assert!(needs.needs.is_empty());
    let nested = (0..100).fold("git status".to_owned(), |inner, _| format!("eval \"{inner}\""));
    shell(nested);
}

#[test]
fn many_variables_and_branches_are_no_product() {
    let mut text = String::new();
    for number in 0..20_000 {
        writeln!(text, "v{number}=x; if [ $y ]; then v{number}=y; (w=1); fi").unwrap();
    }
    shell(text);
}

#[test]
fn a_thousand_and_more_files_are_not_all_read() {
    let files = (0..3000).map(|number| {
        (format!("/workspace/m{number}.py"), format!("import m{}\n", (number + 1) % 3000).into_bytes())
    });
    let needs = look(&["python3", "m0.py"], &MemoryFiles::new(files));
    assert!(needs.unseen.iter().any(|unseen| unseen.text == "more files than are looked at"), "{needs:?}");
}

#[test]
fn modules_that_import_each_other_are_looked_at_once() {
    let files = MemoryFiles::new([
        ("/workspace/a.py", "import b\nfrom c import *\n"),
        ("/workspace/b.py", "import a, c\n"),
        ("/workspace/c.py", "from a import x\nimport numpy\n"),
    ]);
    let needs = look(&["python3", "a.py"], &files);
    assert_eq!(needs.needs.len(), 1);
}

#[test]
fn what_is_not_read_is_never_called_sure() {
    let long = "x = 1\n".repeat(2 * MEGABYTE / 6);
    let needs = python(format!("{long}import numpy\n"));
    assert!(needs.needs.is_empty() && !needs.unseen.is_empty());
    let decision = decide(needs, &offers(), &Permission::Any);
    assert_eq!(decision.verdict, sandpiper_routing::Verdict::LocalWatched);
}

/// Pieces of shell and Python, so that random texts reach further than the first byte.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&'static str> = vec![
        "import ",
        "from ",
        " as ",
        "def f():\n",
        "class A(B):\n",
        "if ",
        "else:\n",
        "try:\n",
        "except ImportError:\n",
        "    ",
        "\n",
        "\t",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "'",
        "\"",
        "'''",
        "f'{",
        "#",
        "\\",
        ";",
        ":",
        ",",
        ".",
        "=",
        "numpy",
        "os.fork()",
        "requests.get(",
        "subprocess.run(",
        "threading.Thread(",
        ".start()",
        "sys.path.insert(0,",
        "__file__",
        "getattr(",
        "if x; then ",
        "fi",
        "do ",
        "done",
        "case x in",
        "esac",
        "$(",
        "`",
        "${",
        "}",
        "<<E\n",
        "E\n",
        "|",
        "||",
        "&&",
        "&",
        ">",
        "<",
        "2>&1",
        "git ",
        "curl https://a.b/",
        "python3 -c ",
        "eval ",
        "exec ",
        "$1",
        "$x",
        "x=",
        "f() {",
        "[[ ",
        " ]]",
        "((",
        "))",
        "xargs ",
        "find . -exec ",
        "env -S ",
        "sudo ",
        "# needs: ",
        "#!/usr/bin/env ",
        "\x7fELF",
        "\u{feff}",
        "é",
    ];
    prop_oneof![
        8 => prop::sample::select(known).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic_or_give_two_answers(pieces in prop::collection::vec(piece(), 0..60)) {
        let text: Vec<u8> = pieces.concat();
        let files = MemoryFiles::new([
            ("/workspace/a.py", text.clone()),
            ("/workspace/a.sh", text.clone()),
            ("/workspace/tool", text.clone()),
            ("/workspace/b/__init__.py", text.clone()),
        ]);
        let line = String::from_utf8_lossy(&text).into_owned();
        for argv in [
            vec!["python3", "a.py"], vec!["python3", "-m", "b"], vec!["bash", "a.sh"], vec!["./tool"],
            vec!["bash", "-c", &line], vec!["python3", "-c", &line], vec!["python3", "-m", &line],
        ] {
            let command = Command::new(argv);
            let needs = analyze(&command, &files, &Image::default());
            prop_assert!(needs.needs.len() <= sandpiper_routing::limits::NEEDS_MAX);
            prop_assert!(needs.unseen.len() <= sandpiper_routing::limits::UNSEEN_MAX);
            let again = analyze(&command, &files, &Image::default());
            prop_assert_eq!(&needs, &again);
            decide(needs, &offers(), &Permission::LocalOnly).to_string();
        }
    }

    #[test]
    fn any_arguments_are_looked_at(argv in prop::collection::vec("[ -~]{0,12}|python3|-c|-m|bash|env|-S|xargs|timeout|find|-exec|;|sudo|git|.", 0..8)) {
        analyze(&Command::new(argv), &MemoryFiles::default(), &Image::default());
    }
}
