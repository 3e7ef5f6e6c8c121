//! The commands that are part of the shell.

mod control;
mod declare;
mod directory;
mod echo;
mod getopts;
mod limits;
mod mapfile;
mod names;
mod printf;
mod processes;
mod read;
mod set;
mod test;
mod trap;
mod unset;

use crate::flow::Result;
use crate::flow::Status;
use crate::run::Operand;
use crate::shell::Shell;
use crate::syntax::ast::Bytes;

#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    pub name: &'static str,
    pub run: Run,
    /// POSIX calls it special.
    pub special: bool,
}

#[derive(Debug, Clone, Copy)]
pub enum Run {
    Plain(fn(&mut Shell, &[Bytes]) -> Result<Status>),
    Declaring(fn(&mut Shell, &[Operand]) -> Result<Status>),
}

const fn plain(name: &'static str, run: fn(&mut Shell, &[Bytes]) -> Result<Status>) -> Builtin {
    Builtin { name, run: Run::Plain(run), special: false }
}

const fn special(name: &'static str, run: fn(&mut Shell, &[Bytes]) -> Result<Status>) -> Builtin {
    Builtin { name, run: Run::Plain(run), special: true }
}

const fn declaring(
    name: &'static str,
    run: fn(&mut Shell, &[Operand]) -> Result<Status>,
    special: bool,
) -> Builtin {
    Builtin { name, run: Run::Declaring(run), special }
}

/// Sorted by name.
pub static BUILTINS: [Builtin; 61] = [
    special(".", control::source),
    special(":", control::colon),
    plain("[", test::bracket),
    plain("alias", names::alias),
    plain("bg", processes::bg),
    plain("bind", names::refused),
    special("break", control::break_),
    plain("builtin", control::builtin),
    plain("caller", names::caller),
    plain("cd", directory::cd),
    plain("command", control::command),
    plain("compgen", names::compgen),
    plain("complete", names::refused),
    plain("compopt", names::refused),
    special("continue", control::continue_),
    declaring("declare", declare::declare, false),
    plain("dirs", directory::dirs),
    plain("disown", processes::disown),
    plain("echo", echo::echo),
    plain("enable", names::enable),
    special("eval", control::eval),
    special("exec", control::exec),
    special("exit", control::exit),
    declaring("export", declare::export, true),
    plain("false", control::false_),
    plain("fc", names::refused),
    plain("fg", processes::fg),
    plain("getopts", getopts::getopts),
    plain("hash", names::hash),
    plain("help", names::help),
    plain("history", names::history),
    plain("jobs", processes::jobs),
    plain("kill", processes::kill),
    plain("let", control::let_),
    declaring("local", declare::local, false),
    plain("logout", control::logout),
    plain("mapfile", mapfile::mapfile),
    plain("popd", directory::popd),
    plain("printf", printf::printf),
    plain("pushd", directory::pushd),
    plain("pwd", directory::pwd),
    plain("read", read::read),
    plain("readarray", mapfile::mapfile),
    declaring("readonly", declare::readonly, true),
    special("return", control::return_),
    special("set", set::set),
    special("shift", set::shift),
    plain("shopt", set::shopt),
    special("source", control::source),
    plain("suspend", processes::suspend),
    plain("test", test::test),
    special("times", processes::times),
    special("trap", trap::trap),
    plain("true", control::colon),
    plain("type", names::type_),
    declaring("typeset", declare::declare, false),
    plain("ulimit", limits::ulimit),
    plain("umask", limits::umask),
    plain("unalias", names::unalias),
    special("unset", unset::unset),
    plain("wait", processes::wait),
];

pub fn find(name: &[u8]) -> Option<Builtin> {
    BUILTINS.binary_search_by(|builtin| builtin.name.as_bytes().cmp(name)).ok().map(|at| BUILTINS[at])
}

/// The option letters at the front, and what stands behind them. A letter that is none is the error.
pub fn letters<'a>(arguments: &'a [Bytes], known: &[u8]) -> std::result::Result<(Vec<u8>, &'a [Bytes]), u8> {
    let mut found = Vec::new();
    let mut rest = arguments;
    while let Some((first, others)) = rest.split_first() {
        if first == b"--" {
            return Ok((found, others));
        }
        if first.len() < 2 || first[0] != b'-' {
            break;
        }
        for &letter in &first[1..] {
            if !known.contains(&letter) {
                return Err(letter);
            }
            found.push(letter);
        }
        rest = others;
    }
    Ok((found, rest))
}

impl Shell {
    /// Options of a builtin; a wrong one is told about, and the status is that of wrong use.
    pub(crate) fn builtin_letters<'a>(
        &mut self,
        arguments: &'a [Bytes],
        known: &[u8],
        usage: &str,
    ) -> std::result::Result<(Vec<u8>, &'a [Bytes]), Status> {
        letters(&arguments[1..], known).map_err(|letter| {
            let who = self.builtin.unwrap_or("bash");
            self.complain_as(who, format!("-{}: invalid option", char::from(letter)));
            self.usage(usage)
        })
    }

    pub(crate) fn put(&mut self, text: impl AsRef<[u8]>) {
        self.out.extend_from_slice(text.as_ref());
    }
}
