//! The Unix tools of a sandbox in one module: the command that the host runs, or the name that it is started by,
//! says which.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

mod awk;
mod cat;
mod cmp;
mod crates;
mod dd;
mod diff;
mod du;
mod expr;
mod file;
mod find;
mod git;
mod glob;
mod grep;
mod gzip;
mod head;
mod install;
mod jq;
mod ls;
mod made;
mod mode;
mod options;
mod patch;
mod posix;
mod program;
mod ps;
mod rg;
mod sed;
mod small;
mod stat;
mod tac;
mod tar;
mod test;
mod text;
mod time;
mod tree;
mod xxd;
mod zip;

/// A tool of our own: its name and the arguments behind that, as bytes; its exit code comes back.
type Tool = fn(&str, &[Vec<u8>]) -> i32;

const OWN: &[(&str, Tool)] = &[
    ("[", test::main),
    ("dir", ls::main),
    ("install", install::main),
    ("jq", jq::main),
    ("ls", ls::main),
    ("stat", stat::main),
    ("tac", tac::main),
    ("tar", tar::main),
    ("test", test::main),
    ("awk", awk::main),
    ("cat", cat::main),
    ("chmod", mode::main),
    ("cmp", cmp::main),
    ("dd", dd::main),
    ("df", small::df),
    ("diff", diff::main),
    ("du", du::main),
    ("env", small::env),
    ("expr", expr::main),
    ("false", small::false_),
    ("file", file::main),
    ("find", find::main),
    ("git", git::main),
    ("gunzip", gzip::main),
    ("gzip", gzip::main),
    ("hostname", small::hostname),
    ("head", head::main),
    ("id", small::id),
    ("mkdir", made::mkdir),
    ("mktemp", made::mktemp),
    ("nohup", small::nohup),
    ("patch", patch::main),
    ("ps", ps::main),
    ("rev", small::rev),
    ("rg", rg::main),
    ("timeout", small::timeout),
    ("tree", tree::main),
    ("true", small::true_),
    ("unzip", zip::unzip),
    ("which", small::which),
    ("whoami", small::whoami),
    ("zcat", gzip::main),
    ("xargs", find::xargs),
    ("xxd", xxd::main),
    ("zip", zip::zip),
    ("egrep", grep::main),
    ("fgrep", grep::main),
    ("grep", grep::main),
    ("sed", sed::main),
];

fn main() {
    sandpiper_guest::start();
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    let mut name = sandpiper_guest::command().unwrap_or_else(|| tool_name(&arguments));
    if name.starts_with("tools") && arguments.len() > 1 {
        arguments.remove(0);
        if arguments.first().is_some_and(|argument| argument == "--list") {
            std::process::exit(list());
        }
        uucore::set_utility_is_second_arg();
        name = tool_name(&arguments);
    }
    let code = if let Some((_, tool)) = OWN.iter().find(|(own, _)| *own == name) {
        let behind: Vec<Vec<u8>> =
            arguments.iter().skip(1).map(|argument| sandpiper_guest::bytes(argument).to_vec()).collect();
        tool(&name, &behind)
    } else if let Some(code) = crates::run(&name, &arguments) {
        code
    } else {
        eprintln!("{name}: not one of these tools; `tools --list` names them");
        127
    };
    std::process::exit(code);
}

fn tool_name(arguments: &[OsString]) -> String {
    let path = arguments.first().map(Path::new);
    path.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn list() -> i32 {
    let mut names: Vec<&str> = OWN.iter().map(|(name, _)| *name).chain(crates::names()).collect();
    names.sort_unstable();
    names.dedup();
    match writeln!(std::io::stdout(), "{}", names.join("\n")) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}
