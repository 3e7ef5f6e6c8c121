//! The command line of the shell, and where its commands come from.

use std::ffi::OsString;

use crate::flow::{Flow, Status};
use crate::options::is_unsupported;
use crate::shell::{Input, Shell};
use crate::syntax::Parser;
use crate::syntax::ast::Bytes;
use crate::system;

/// What the arguments ask for.
#[derive(Default)]
struct Wanted {
    command: bool,
    standard_input: bool,
    login: bool,
    interactive: bool,
    no_profile: bool,
    no_rc: bool,
    rest: Vec<Bytes>,
}

#[cfg(unix)]
fn bytes_of(text: OsString) -> Bytes {
    use std::os::unix::ffi::OsStringExt as _;
    text.into_vec()
}

#[cfg(target_os = "wasi")]
fn bytes_of(text: OsString) -> Bytes {
    use std::os::wasi::ffi::OsStringExt as _;
    text.into_vec()
}

pub fn main() -> u8 {
    let mut arguments = std::env::args_os().map(bytes_of);
    let zeroth = arguments.next().unwrap_or_else(|| b"bash".to_vec());
    let environment: Vec<(Bytes, Bytes)> =
        std::env::vars_os().map(|(name, value)| (bytes_of(name), bytes_of(value))).collect();
    let mut shell = Shell::new(zeroth.clone(), system::program());
    shell.start_directory(&environment);
    let functions: Vec<(Bytes, Bytes)> =
        environment.iter().filter(|(name, _)| name.starts_with(b"BASH_FUNC_")).cloned().collect();
    shell.initial_variables(environment);
    for (name, value) in functions {
        shell.import_function(&name, &value);
    }
    let base = zeroth.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    if base == b"sh" {
        shell.options.posix = false;
    }
    let wanted = match read(&mut shell, arguments, &zeroth) {
        Ok(wanted) => wanted,
        Err(status) => return status,
    };
    let result = shell.run_wanted(wanted);
    shell.end(result)
}

fn complain(zeroth: &[u8], message: &str) -> Status {
    system::write_all(2, &[zeroth, b": ", message.as_bytes(), b"\n"].concat()).ok();
    2
}

fn read(shell: &mut Shell, arguments: impl Iterator<Item = Bytes>, zeroth: &[u8]) -> Result<Wanted, Status> {
    let mut wanted = Wanted { login: zeroth.starts_with(b"-"), ..Wanted::default() };
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.peek() {
        if argument == b"--" || argument == b"-" {
            arguments.next();
            break;
        }
        let on = match argument.first() {
            Some(b'-') => true,
            Some(b'+') if argument.len() > 1 => false,
            _ => break,
        };
        let argument = arguments.next().unwrap_or_default();
        if let Some(long) = argument.strip_prefix(b"--") {
            match long {
                b"login" => wanted.login = true,
                b"noprofile" => wanted.no_profile = true,
                b"norc" => wanted.no_rc = true,
                b"posix" => shell.options.posix = true,
                b"verbose" => shell.options.verbose = true,
                b"noediting" => {}
                b"rcfile" | b"init-file" => {
                    arguments.next();
                }
                b"version" => {
                    let version = "GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)\nthe shell of sandpiper, which follows it\n";
                    system::write_all(1, version.as_bytes()).ok();
                    return Err(0);
                }
                b"help" => {
                    system::write_all(1, b"Usage:\tbash [option] ...\n\tbash [option] script-file ...\n")
                        .ok();
                    return Err(0);
                }
                _ => {
                    return Err(complain(
                        zeroth,
                        &format!("{}: invalid option", String::from_utf8_lossy(&argument)),
                    ));
                }
            }
            continue;
        }
        for &letter in &argument[1..] {
            match letter {
                b'c' => wanted.command = true,
                b's' => wanted.standard_input = true,
                b'l' => wanted.login = true,
                b'i' => wanted.interactive = true,
                b'r' => {
                    return Err(shell.unsupported("a restricted shell"));
                }
                b'o' => {
                    let Some(name) = arguments.next() else {
                        shell.list_options(on);
                        shell.flush_to(1);
                        return Err(0);
                    };
                    if on && is_unsupported(&String::from_utf8_lossy(&name)) {
                        return Err(shell.unsupported(&String::from_utf8_lossy(&name)));
                    }
                    if !shell.options.set(&String::from_utf8_lossy(&name), on) {
                        return Err(complain(
                            zeroth,
                            &format!("{}: invalid option name", String::from_utf8_lossy(&name)),
                        ));
                    }
                }
                b'O' => {
                    let Some(name) = arguments.next() else { return Err(0) };
                    if on && is_unsupported(&String::from_utf8_lossy(&name)) {
                        return Err(shell.unsupported(&String::from_utf8_lossy(&name)));
                    }
                    if !shell.shopt.set(&String::from_utf8_lossy(&name), on) {
                        return Err(complain(
                            zeroth,
                            &format!("{}: invalid shell option name", String::from_utf8_lossy(&name)),
                        ));
                    }
                }
                b'k' if on => return Err(shell.unsupported("keyword")),
                b'D' => return Err(shell.unsupported("-D")),
                letter if shell.options.set_letter(letter, on) => {}
                letter => {
                    let sign = if on { '-' } else { '+' };
                    return Err(complain(zeroth, &format!("{sign}{}: invalid option", char::from(letter))));
                }
            }
        }
    }
    wanted.rest = arguments.collect();
    Ok(wanted)
}

impl Shell {
    /// `$PWD` keeps a path through links, when it is where the shell is.
    fn start_directory(&mut self, environment: &[(Bytes, Bytes)]) {
        let given = environment.iter().find(|(name, _)| name == b"PWD").map(|(_, value)| value);
        if let Some(given) = given
            && given.starts_with(b"/")
            && let (Some(left), Some(right)) = (system::metadata(given), system::metadata(b"."))
            && left.identity == right.identity
        {
            self.directory.clone_from(given);
        }
    }

    /// A function that the caller exported.
    fn import_function(&mut self, name: &[u8], value: &[u8]) {
        let Some(name) = name.strip_prefix(b"BASH_FUNC_").and_then(|name| name.strip_suffix(b"%%")) else {
            return;
        };
        if value.starts_with(b"() ") {
            let text = [name, b" ", value].concat();
            if let Ok(list) = Parser::new(&text, 1, self.parser_settings()).whole() {
                let only_function = matches!(list.items.as_slice(), [item] if item.rest.is_empty()
                    && matches!(item.first.stages.as_slice(), [command] if matches!(command.kind, crate::syntax::ast::Kind::Function(_))));
                if only_function {
                    self.run_list(&list).ok();
                    self.exported_functions.insert(name.to_vec());
                }
            }
        }
    }

    fn run_wanted(&mut self, wanted: Wanted) -> crate::flow::Result<Status> {
        self.shopt.login_shell = wanted.login;
        let mut rest = wanted.rest.into_iter();
        if wanted.command {
            let Some(text) = rest.next() else {
                let name = self.name.clone();
                return Err(Flow::Exit(complain(&name, "-c: option requires an argument")));
            };
            if let Some(name) = rest.next() {
                self.name = name;
            }
            self.positional = rest.collect();
            self.input = Input::CommandString;
            self.profiles(wanted.login && !wanted.no_profile)?;
            let mut parser = Parser::new(&text, 1, self.parser_settings());
            return self.run_parser(&mut parser, true);
        }
        if !wanted.standard_input
            && let Some(file) = rest.next()
        {
            self.positional = rest.collect();
            return self.run_file(file, wanted.login && !wanted.no_profile);
        }
        self.positional = rest.collect();
        self.input = Input::Standard;
        let terminal = system::is_terminal(0) && system::is_terminal(2);
        self.interactive = wanted.interactive || (terminal && !wanted.standard_input);
        self.profiles(wanted.login && !wanted.no_profile)?;
        if self.interactive {
            return self.interact(!wanted.login && !wanted.no_rc);
        }
        let reader = Box::new(|| match line_of(0, false) {
            Line::Read(line) => Some(line),
            Line::Interrupted | Line::End => None,
        });
        let mut parser = Parser::from_reader(reader, self.parser_settings());
        self.run_parser(&mut parser, true)
    }

    fn run_file(&mut self, file: Bytes, login: bool) -> crate::flow::Result<Status> {
        self.input = Input::File;
        let found = if system::metadata(&file).is_none() && !file.contains(&b'/') {
            self.search_path(&file, false)
        } else {
            None
        };
        let path = found.unwrap_or_else(|| file.clone());
        if system::is_directory(&path) {
            let message = [self.name.as_slice(), b": ", &file, b": Is a directory\n"].concat();
            system::write_all(2, &message).ok();
            return Err(Flow::Exit(126));
        }
        let text = match system::read_file(&path) {
            Ok(text) => text,
            Err(error) => {
                let message = [self.name.as_slice(), b": ", &file, b": ", &error.message(), b"\n"].concat();
                system::write_all(2, &message).ok();
                return Err(Flow::Exit(if error == system::errno::NOENT { 127 } else { 126 }));
            }
        };
        let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        if first.iter().take(80).any(|&byte| byte == 0) {
            let message = [file.as_slice(), b": ", &file, b": cannot execute binary file\n"].concat();
            system::write_all(2, &message).ok();
            return Err(Flow::Exit(126));
        }
        self.name.clone_from(&file);
        self.main_source = Some(file);
        self.profiles(login)?;
        if let Some(environment_file) = self.variable_value(b"BASH_ENV") {
            let path = self.expand_text(&environment_file);
            if system::metadata(&path).is_some() {
                self.source_file(&path, None)?;
            }
        }
        let mut parser = Parser::new(&text, 1, self.parser_settings());
        self.run_parser(&mut parser, true)
    }

    /// What a login shell reads first, where it is there.
    fn profiles(&mut self, login: bool) -> crate::flow::Result<()> {
        if !login {
            return Ok(());
        }
        let home = self.value_or_empty(b"HOME");
        if system::metadata(b"/etc/profile").is_some() {
            self.source_file(b"/etc/profile", None)?;
        }
        for name in [b"/.bash_profile".as_slice(), b"/.bash_login", b"/.profile"] {
            let path = [home.as_slice(), name].concat();
            if system::may(&path, system::Access::Read) && system::metadata(&path).is_some() {
                self.source_file(&path, None)?;
                break;
            }
        }
        self.status = 0;
        Ok(())
    }

    /// A prompt, a line, and again.
    fn interact(&mut self, reads_rc: bool) -> crate::flow::Result<Status> {
        self.shopt.expand_aliases = true;
        if reads_rc {
            let path = [self.value_or_empty(b"HOME").as_slice(), b"/.bashrc"].concat();
            if system::metadata(&path).is_some() {
                self.source_file(&path, None)?;
            }
        }
        if self.variable_value(b"PS1").is_none() {
            self.assign(b"PS1", b"\\s-\\v\\$ ".to_vec())?;
        }
        if self.variable_value(b"PS2").is_none() {
            self.assign(b"PS2", b"> ".to_vec())?;
        }
        self.traps.give_up_at_interrupts();
        let mut status = 0;
        loop {
            // Of what has just ended.
            if let Err(Flow::Discard(given_up)) = self.run_traps() {
                status = given_up;
                self.status = status;
            }
            if let Some(command) = self.variable_value(b"PROMPT_COMMAND") {
                let line = self.line;
                self.run_text(&command, line)?;
            }
            let prompt = self.value_or_empty(b"PS1");
            let prompt = self.expand_prompt(&prompt);
            system::write_all(2, &prompt).ok();
            let mut text = match line_of(0, true) {
                Line::Read(text) => text,
                Line::Interrupted => continue,
                Line::End => {
                    system::write_all(2, b"exit\n").ok();
                    return Ok(status);
                }
            };
            // More lines, as long as the command is not complete.
            while Parser::new(&text, 1, self.parser_settings()).whole().is_err_and(|error| error.incomplete) {
                let prompt = self.value_or_empty(b"PS2");
                let prompt = self.expand_prompt(&prompt);
                system::write_all(2, &prompt).ok();
                match line_of(0, true) {
                    Line::Read(more) => text.extend(more),
                    Line::Interrupted => text.clear(),
                    Line::End => break,
                }
            }
            let mut parser = Parser::new(&text, 1, self.parser_settings());
            match self.run_parser(&mut parser, true) {
                Ok(done) => status = done,
                Err(Flow::Exit(done)) => return Err(Flow::Exit(done)),
                Err(_) => status = self.status,
            }
            self.status = status;
            self.depth = 0;
            self.guarded = 0;
        }
    }
}

/// What reading a line has come to.
enum Line {
    Read(Bytes),
    Interrupted,
    End,
}

/// One line, and no byte more, so that commands read on behind it.
fn line_of(fd: u32, interruptible: bool) -> Line {
    let mut line = Bytes::new();
    let mut buffer = [0; 512];
    // Where one can go back, in pieces; else byte by byte.
    let seeks = system::seek_back(fd, 0);
    loop {
        let want = if seeks { buffer.len() } else { 1 };
        match system::read(fd, &mut buffer[..want]) {
            Ok(0) if line.is_empty() => return Line::End,
            Ok(0) => return Line::Read(line),
            Err(system::errno::INTR) if interruptible => return Line::Interrupted,
            Err(system::errno::INTR) => {}
            Ok(count) => {
                let piece = &buffer[..count];
                if let Some(end) = piece.iter().position(|&byte| byte == b'\n') {
                    line.extend_from_slice(&piece[..=end]);
                    if seeks && end + 1 < count {
                        system::seek_back(fd, count - end - 1);
                    }
                    return Line::Read(line);
                }
                line.extend_from_slice(piece);
            }
            Err(_) if line.is_empty() => return Line::End,
            Err(_) => return Line::Read(line),
        }
    }
}
