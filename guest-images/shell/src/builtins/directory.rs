//! `cd`, `pwd` and the stack of directories.

use crate::flow::{Result, Status};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;
use crate::system::{self, errno};

/// The path without `.`, `..` and doubled slashes.
fn cleaned(path: &[u8]) -> Bytes {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    [b"/".as_slice(), &parts.join(b"/".as_slice())].concat()
}

impl Shell {
    /// Goes to a directory; says why not.
    fn go_to(&mut self, who: &str, given: &[u8], path: &[u8], physical: bool) -> bool {
        let absolute = if path.starts_with(b"/") {
            path.to_vec()
        } else {
            [self.directory.as_slice(), b"/", path].concat()
        };
        // `..` takes away what stands before it, but that has to be there.
        let logical = cleaned(&absolute);
        let mut checked = Bytes::new();
        let parts: Vec<&[u8]> = absolute.split(|&byte| byte == b'/').collect();
        let mut gone = false;
        for part in &parts {
            if *part == b".." && !system::is_directory(if checked.is_empty() { b"/" } else { &checked }) {
                gone = true;
                break;
            }
            checked.push(b'/');
            checked.extend_from_slice(part);
        }
        let changed = match (physical, gone) {
            (_, true) => Err(errno::NOENT),
            (true, false) => system::change_directory(path),
            (false, false) => system::change_directory(&logical),
        };
        if let Err(error) = changed {
            let error = if error == errno::NOENT
                && system::metadata(&absolute).is_some_and(|found| !found.is_directory())
            {
                errno::NOTDIR
            } else {
                error
            };
            self.complain_as(who, [given, b": ", &error.message()].concat());
            return false;
        }
        let old = self.value_or_empty(b"PWD");
        self.directory = if physical { system::directory() } else { logical };
        let new = self.directory.clone();
        self.assign(b"OLDPWD", old).ok();
        self.assign(b"PWD", new).ok();
        self.variables.entry(b"OLDPWD").attributes.export = true;
        true
    }

    fn shown_directories(&mut self) -> Vec<Bytes> {
        let mut all = vec![self.directory.clone()];
        all.extend(self.directory_stack.iter().rev().cloned());
        all
    }

    /// `~` for the home directory.
    fn abbreviated(&mut self, path: &[u8]) -> Bytes {
        let home = self.value_or_empty(b"HOME");
        match path.strip_prefix(home.as_slice()) {
            Some(rest) if !home.is_empty() && home != b"/" && (rest.is_empty() || rest[0] == b'/') => {
                [b"~", rest].concat()
            }
            _ => path.to_vec(),
        }
    }

    fn print_stack(&mut self) {
        let all = self.shown_directories();
        let shown: Vec<Bytes> = all.iter().map(|path| self.abbreviated(path)).collect();
        self.put(shown.join(b" ".as_slice()));
        self.put("\n");
    }
}

pub fn cd(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let (letters, rest) = match shell.builtin_letters(arguments, b"LPe@", "cd [-L|[-P [-e]] [-@]] [dir]") {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    let physical = match letters.iter().rev().find(|letter| b"LP".contains(letter)) {
        Some(b'P') => true,
        Some(_) => false,
        None => shell.options.physical,
    };
    if rest.len() > 1 {
        shell.complain_as("cd", "too many arguments");
        return Ok(1);
    }
    let mut show = false;
    let target = match rest.first() {
        None => match shell.variable_value(b"HOME") {
            Some(home) => home,
            None => {
                shell.complain_as("cd", "HOME not set");
                return Ok(1);
            }
        },
        Some(dash) if dash == b"-" => match shell.variable_value(b"OLDPWD") {
            Some(old) => {
                show = true;
                old
            }
            None => {
                shell.complain_as("cd", "OLDPWD not set");
                return Ok(1);
            }
        },
        Some(target) => target.clone(),
    };
    let first = target.split(|&byte| byte == b'/').next().unwrap_or_default();
    if (target.is_empty() || !matches!(first, b"" | b"." | b".."))
        && let Some(search) = shell.variable_value(b"CDPATH")
    {
        for folder in search.split(|&byte| byte == b':') {
            let candidate = if folder.is_empty() { target.clone() } else { [folder, b"/", &target].concat() };
            if system::is_directory(&candidate) {
                if !shell.go_to("cd", &target, &candidate, physical) {
                    return Ok(1);
                }
                if !folder.is_empty() {
                    let path = shell.directory.clone();
                    shell.put([path.as_slice(), b"\n"].concat());
                }
                return Ok(0);
            }
        }
    }
    // As in bash, an empty name is no mistake.
    let target = if target.is_empty() { b".".to_vec() } else { target };
    if !shell.go_to("cd", &target, &target, physical) {
        return Ok(1);
    }
    if show {
        let path = shell.directory.clone();
        shell.put([path.as_slice(), b"\n"].concat());
    }
    Ok(0)
}

pub fn pwd(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let (letters, _) = match shell.builtin_letters(arguments, b"LP", "pwd [-LP]") {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    let physical = letters.last().map_or(shell.options.physical, |letter| *letter == b'P');
    let path = if physical { system::directory() } else { shell.directory.clone() };
    shell.put([path.as_slice(), b"\n"].concat());
    Ok(0)
}

/// `+2` or `-1` in the stack that is shown.
fn position(text: &[u8], count: usize) -> Option<usize> {
    let number = std::str::from_utf8(text.get(1..)?).ok()?.parse::<usize>().ok()?;
    match text[0] {
        b'+' => Some(number).filter(|&number| number < count),
        b'-' => count.checked_sub(number + 1),
        _ => None,
    }
}

fn is_position(text: &[u8]) -> bool {
    text.len() > 1 && matches!(text[0], b'+' | b'-') && text[1..].iter().all(u8::is_ascii_digit)
}

pub fn pushd(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let mut rest = &arguments[1..];
    let mut stay = false;
    if rest.first().is_some_and(|first| first == b"-n") {
        stay = true;
        rest = &rest[1..];
    }
    if rest.first().is_some_and(|first| first == b"--") {
        rest = &rest[1..];
    }
    let mut all = shell.shown_directories();
    match rest.first() {
        None => {
            if all.len() < 2 {
                shell.complain_as("pushd", "no other directory");
                return Ok(1);
            }
            all.swap(0, 1);
        }
        Some(text) if is_position(text) => match position(text, all.len()) {
            Some(at) => all.rotate_left(at),
            None => {
                shell.complain_as(
                    "pushd",
                    [text.as_slice(), b": directory stack index out of range"].concat(),
                );
                return Ok(1);
            }
        },
        Some(target) => {
            let target = if target == b"-" { shell.value_or_empty(b"OLDPWD") } else { target.clone() };
            if stay {
                let at = 1.min(all.len());
                all.insert(at, target);
                shell.directory_stack = all[1..].iter().rev().cloned().collect();
                shell.print_stack();
                return Ok(0);
            }
            if !shell.go_to("pushd", &target, &target, false) {
                return Ok(1);
            }
            shell.directory_stack = all.iter().rev().cloned().collect();
            shell.print_stack();
            return Ok(0);
        }
    }
    if !stay && !shell.go_to("pushd", &all[0].clone(), &all[0].clone(), false) {
        return Ok(1);
    }
    shell.directory_stack = all[1..].iter().rev().cloned().collect();
    shell.print_stack();
    Ok(0)
}

pub fn popd(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let mut rest = &arguments[1..];
    let mut stay = false;
    if rest.first().is_some_and(|first| first == b"-n") {
        stay = true;
        rest = &rest[1..];
    }
    let mut all = shell.shown_directories();
    if all.len() < 2 {
        shell.complain_as("popd", "directory stack empty");
        return Ok(1);
    }
    let at = match rest.first() {
        None => usize::from(stay),
        Some(text) => match position(text, all.len()) {
            Some(at) => at,
            None => {
                shell
                    .complain_as("popd", [text.as_slice(), b": directory stack index out of range"].concat());
                return Ok(1);
            }
        },
    };
    all.remove(at);
    if at == 0 && !shell.go_to("popd", &all[0].clone(), &all[0].clone(), false) {
        return Ok(1);
    }
    shell.directory_stack = all[1..].iter().rev().cloned().collect();
    shell.print_stack();
    Ok(0)
}

pub fn dirs(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let mut all = shell.shown_directories();
    let mut long = false;
    let mut lines = false;
    let mut numbers = false;
    for argument in &arguments[1..] {
        if is_position(argument) {
            let Some(at) = position(argument, all.len()) else {
                shell.complain_as(
                    "dirs",
                    [argument.as_slice(), b": directory stack index out of range"].concat(),
                );
                return Ok(1);
            };
            all = vec![all[at].clone()];
            continue;
        }
        for letter in argument.iter().skip(1) {
            match letter {
                b'c' => {
                    shell.directory_stack.clear();
                    return Ok(0);
                }
                b'l' => long = true,
                b'p' => lines = true,
                b'v' => numbers = true,
                _ => return Ok(shell.usage("dirs [-clpv] [+N] [-N]")),
            }
        }
    }
    let shown: Vec<Bytes> =
        all.iter().map(|path| if long { path.clone() } else { shell.abbreviated(path) }).collect();
    if numbers {
        for (at, path) in shown.iter().enumerate() {
            shell.put(format!("{at:2}  "));
            shell.put([path.as_slice(), b"\n"].concat());
        }
    } else {
        let joiner: &[u8] = if lines { b"\n" } else { b" " };
        shell.put(shown.join(joiner));
        shell.put("\n");
    }
    Ok(0)
}
