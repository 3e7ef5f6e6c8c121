//! What names stand for: `type`, `alias`, `hash`, `enable`, `help`.

use super::BUILTINS;
use crate::expand::escape::quoted_single;
use crate::flow::{Result, Status};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;

const KEYWORDS: [&str; 22] = [
    "if", "then", "else", "elif", "fi", "case", "esac", "for", "select", "while", "until", "do", "done",
    "in", "function", "time", "{", "}", "!", "[[", "]]", "coproc",
];

fn is_keyword(name: &[u8]) -> bool {
    KEYWORDS.iter().any(|keyword| keyword.as_bytes() == name)
}

pub fn refused(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let name = crate::bytes::text(&arguments[0]).into_owned();
    Ok(shell.unsupported(&name))
}

/// There is none, which is what bash has in scripts too.
pub fn history(_: &mut Shell, _: &[Bytes]) -> Result<Status> {
    Ok(0)
}

impl Shell {
    /// `command -v` and `command -V`; says whether there is something of that name.
    pub(super) fn describe_command(&mut self, name: &[u8], long: bool) -> bool {
        if self.shopt.expand_aliases
            && let Some(value) = self.aliases.get(name).cloned()
        {
            if long {
                self.put([name, b" is aliased to `", &value, b"'\n"].concat());
            } else {
                self.put([b"alias ", name, b"=", &quoted_single(&value), b"\n"].concat());
            }
            return true;
        }
        let what: &[u8] = if is_keyword(name) {
            b" is a shell keyword\n"
        } else if self.functions.contains_key(name) {
            b" is a function\n"
        } else if self.is_builtin(name) {
            b" is a shell builtin\n"
        } else {
            if name.contains(&b'/') {
                if !crate::system::may(name, crate::system::Access::Execute)
                    || crate::system::is_directory(name)
                {
                    return false;
                }
                self.put(if long { [name, b" is ", name, b"\n"].concat() } else { [name, b"\n"].concat() });
                return true;
            }
            let hashed = self.hashed.get(name).map(|(path, _)| path.clone());
            if long && let Some(path) = hashed {
                self.put([name, b" is hashed (", &path, b")\n"].concat());
                return true;
            }
            let Some(path) = self.search_path(name, false) else { return false };
            self.put(if long {
                [name, b" is ", &path, b"\n"].concat()
            } else {
                [path.as_slice(), b"\n"].concat()
            });
            return true;
        };
        if long {
            self.put([name, what].concat());
            if let Some(function) = self.functions.get(name).cloned()
                && what == b" is a function\n"
            {
                let text = crate::syntax::print::function(&function);
                self.put(text);
            }
        } else {
            self.put([name, b"\n"].concat());
        }
        true
    }
}

pub fn type_(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let (letters, rest) = match shell.builtin_letters(arguments, b"afptP", "type [-afptP] name [name ...]") {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    let has = |letter: u8| letters.contains(&letter);
    let mut status = 0;
    for name in rest {
        let mut found = false;
        let mut kinds: Vec<(&str, Option<Bytes>)> = Vec::new();
        if !has(b'P') {
            if shell.shopt.expand_aliases && shell.aliases.contains_key(name) {
                kinds.push(("alias", None));
            }
            if is_keyword(name) {
                kinds.push(("keyword", None));
            }
            if !has(b'f') && shell.functions.contains_key(name) {
                kinds.push(("function", None));
            }
            if shell.is_builtin(name) {
                kinds.push(("builtin", None));
            }
        }
        if kinds.is_empty() || has(b'a') {
            if name.contains(&b'/') {
                if crate::system::may(name, crate::system::Access::Execute)
                    && !crate::system::is_directory(name)
                {
                    kinds.push(("file", Some(name.clone())));
                }
            } else {
                for path in shell.search_all(name, false) {
                    if crate::system::may(&path, crate::system::Access::Execute) {
                        kinds.push(("file", Some(path)));
                    }
                }
            }
        }
        for (kind, path) in kinds {
            found = true;
            if has(b't') {
                shell.put(format!("{kind}\n"));
            } else if has(b'p') || has(b'P') {
                if let Some(path) = path {
                    shell.put([path.as_slice(), b"\n"].concat());
                }
            } else if let Some(path) = path {
                let hashed = !has(b'a') && shell.hashed.contains_key(name);
                if hashed {
                    shell.put([name.as_slice(), b" is hashed (", &path, b")\n"].concat());
                } else {
                    shell.put([name.as_slice(), b" is ", &path, b"\n"].concat());
                }
            } else {
                describe_kind(shell, name, kind);
            }
            if !has(b'a') {
                break;
            }
        }
        if !found {
            status = 1;
            if !has(b't') && !has(b'p') && !has(b'P') {
                shell.complain_as("type", [name.as_slice(), b": not found"].concat());
            }
        }
    }
    Ok(status)
}

fn describe_kind(shell: &mut Shell, name: &[u8], kind: &str) {
    let line = match kind {
        "alias" => {
            let value = shell.aliases.get(name).cloned().unwrap_or_default();
            [name, b" is aliased to `", &value, b"'\n"].concat()
        }
        "keyword" => [name, b" is a shell keyword\n"].concat(),
        "builtin" => {
            let special = super::find(name).is_some_and(|builtin| builtin.special) && shell.options.posix;
            [
                name,
                if special { b" is a special shell builtin\n".as_slice() } else { b" is a shell builtin\n" },
            ]
            .concat()
        }
        _ => {
            let text = shell.functions.get(name).map(|function| crate::syntax::print::function(function));
            [name, b" is a function\n", &text.unwrap_or_default()].concat()
        }
    };
    shell.put(line);
}

pub fn alias(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let rest: Vec<&Bytes> =
        arguments[1..].iter().filter(|argument| *argument != b"-p" && *argument != b"--").collect();
    let line = |name: &[u8], value: &[u8]| [b"alias ", name, b"=", &quoted_single(value), b"\n"].concat();
    if rest.is_empty() {
        let lines: Vec<Bytes> = shell.aliases.iter().map(|(name, value)| line(name, value)).collect();
        shell.put(lines.concat());
        return Ok(0);
    }
    let mut status = 0;
    for argument in rest {
        match argument.iter().position(|&byte| byte == b'=').filter(|&at| at > 0) {
            Some(at) => {
                shell.aliases.insert(argument[..at].to_vec(), argument[at + 1..].to_vec());
            }
            None => match shell.aliases.get(argument) {
                Some(value) => {
                    let line = line(argument, value);
                    shell.put(line);
                }
                None => {
                    shell.complain_as("alias", [argument.as_slice(), b": not found"].concat());
                    status = 1;
                }
            },
        }
    }
    Ok(status)
}

pub fn unalias(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    if arguments.len() == 1 {
        return Ok(shell.usage("unalias [-a] name [name ...]"));
    }
    let mut status = 0;
    for argument in &arguments[1..] {
        if argument == b"-a" {
            shell.aliases.clear();
        } else if shell.aliases.remove(argument).is_none() {
            shell.complain_as("unalias", [argument.as_slice(), b": not found"].concat());
            status = 1;
        }
    }
    Ok(status)
}

pub fn hash(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let mut status = 0;
    let mut rest = arguments[1..].iter();
    if arguments.len() == 1 {
        if shell.hashed.is_empty() {
            shell.put("hash: hash table empty\n");
            return Ok(0);
        }
        let lines: Vec<Bytes> = shell
            .hashed
            .values()
            .map(|(path, hits)| [format!("{hits:4}\t").as_bytes(), path, b"\n"].concat())
            .collect();
        shell.put("hits\tcommand\n");
        shell.put(lines.concat());
        return Ok(0);
    }
    let mut prints = false;
    let mut forgets = false;
    while let Some(argument) = rest.next() {
        match argument.as_slice() {
            b"-r" => shell.hashed.clear(),
            b"-t" => prints = true,
            b"-d" => forgets = true,
            b"-l" | b"--" => {}
            b"-p" => {
                if let (Some(path), Some(name)) = (rest.next(), rest.next()) {
                    shell.hashed.insert(name.clone(), (path.clone(), 0));
                }
            }
            name if forgets => {
                if shell.hashed.remove(name).is_none() {
                    shell.complain_as("hash", [name, b": not found"].concat());
                    status = 1;
                }
            }
            name if prints => match shell.hashed.get(name).map(|(path, _)| path.clone()) {
                Some(path) => shell.put([path.as_slice(), b"\n"].concat()),
                None => {
                    shell.complain_as("hash", [name, b": not found"].concat());
                    status = 1;
                }
            },
            name if shell.is_builtin(name) || shell.functions.contains_key(name) || name.contains(&b'/') => {}
            name => match shell.search_path(name, false) {
                Some(path) => {
                    shell.hashed.insert(name.to_vec(), (path, 0));
                }
                None => {
                    shell.complain_as("hash", [name, b": not found"].concat());
                    status = 1;
                }
            },
        }
    }
    Ok(status)
}

pub fn enable(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let (letters, rest) =
        match shell.builtin_letters(arguments, b"anps", "enable [-a] [-dnps] [-f filename] [name ...]") {
            Ok(found) => found,
            Err(status) => return Ok(status),
        };
    let off = letters.contains(&b'n');
    if rest.is_empty() {
        for builtin in &BUILTINS {
            let disabled = shell.disabled_builtins.contains(builtin.name.as_bytes());
            if letters.contains(&b's') && !builtin.special {
                continue;
            }
            if letters.contains(&b'a') || disabled == off {
                let word = if disabled { "enable -n" } else { "enable" };
                shell.put(format!("{word} {}\n", builtin.name));
            }
        }
        return Ok(0);
    }
    let mut status = 0;
    for name in rest {
        if super::find(name).is_none() {
            shell.complain_as("enable", [name.as_slice(), b": not a shell builtin"].concat());
            status = 1;
        } else if off {
            shell.disabled_builtins.insert(name.clone());
        } else {
            shell.disabled_builtins.remove(name);
        }
    }
    Ok(status)
}

pub fn help(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let Some(name) = arguments.get(1) else {
        shell.put("These commands are part of the shell; `help NAME' says whether NAME is one:\n");
        for builtin in &BUILTINS {
            shell.put(format!(" {}\n", builtin.name));
        }
        return Ok(0);
    };
    if super::find(name).is_some() || is_keyword(name) {
        shell.put([name.as_slice(), b": see the bash manual\n"].concat());
        return Ok(0);
    }
    shell.complain_as("help", [b"no help topics match `".as_slice(), name, b"'."].concat());
    Ok(1)
}

pub fn caller(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let depth = match arguments.get(1) {
        None => 0,
        Some(text) => match crate::bytes::decimal(text).and_then(|number| usize::try_from(number).ok()) {
            Some(depth) => depth,
            None => {
                shell.complain_as("caller", [text.as_slice(), b": invalid number"].concat());
                return Ok(shell.usage("caller [expr]"));
            }
        },
    };
    let count = shell.calls.len();
    let Some(at) = count.checked_sub(depth + 1) else { return Ok(1) };
    let line = shell.calls[at].line;
    let outer = at.checked_sub(1).map(|outer| &shell.calls[outer]);
    let source = match outer {
        Some(outer) => outer.source.clone(),
        None => shell.main_source.clone().unwrap_or_else(|| b"NULL".to_vec()),
    };
    let function = match outer {
        Some(outer) => outer.name.clone(),
        None => b"main".to_vec(),
    };
    let text = if arguments.len() > 1 {
        [line.to_string().as_bytes(), b" ", &function, b" ", &source, b"\n"].concat()
    } else {
        [line.to_string().as_bytes(), b" ", &source, b"\n"].concat()
    };
    shell.put(text);
    Ok(0)
}

/// Lists names; everything else of completion is refused.
pub fn compgen(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let mut names: Vec<Bytes> = Vec::new();
    let mut prefix = Bytes::new();
    let mut rest = arguments[1..].iter();
    while let Some(argument) = rest.next() {
        let action: &[u8] = match argument.as_slice() {
            b"-A" => rest.next().map_or(b"", Vec::as_slice),
            other => other,
        };
        match action {
            b"-b" | b"builtin" => {
                names.extend(BUILTINS.iter().map(|builtin| builtin.name.as_bytes().to_vec()));
            }
            b"-k" | b"keyword" => names.extend(KEYWORDS.iter().map(|keyword| keyword.as_bytes().to_vec())),
            b"-a" | b"alias" => names.extend(shell.aliases.keys().cloned()),
            b"function" => names.extend(shell.functions.keys().cloned()),
            b"-v" | b"variable" => names.extend(shell.variables.names().into_iter().cloned()),
            b"-e" | b"export" => {
                let all: Vec<Bytes> = shell.variables.names().into_iter().cloned().collect();
                names.extend(all.into_iter().filter(|name| shell.variables.attributes(name).export));
            }
            b"-W" => {
                let words = rest.next().cloned().unwrap_or_default();
                let words = crate::syntax::parse_word_text(&words, &shell.parser_settings());
                if let Ok(word) = words {
                    let text = shell.expand_to_string(&word)?;
                    names.extend(
                        text.split(|byte| b" \t\n".contains(byte))
                            .filter(|word| !word.is_empty())
                            .map(<[u8]>::to_vec),
                    );
                }
            }
            b"--" | b"" => {}
            other if other[0] == b'-' => {
                let what = format!("compgen {}", crate::bytes::text(other));
                return Ok(shell.unsupported(&what));
            }
            word => prefix = word.to_vec(),
        }
    }
    names.retain(|name| name.starts_with(&prefix));
    if names.is_empty() {
        return Ok(1);
    }
    for name in names {
        shell.put([name.as_slice(), b"\n"].concat());
    }
    Ok(0)
}
