//! One command by its arguments: a program of the image, one that starts others, a file, or nothing that is here.

use crate::analysis::{Analysis, Context, Word};
use crate::declared::Declared;
use crate::executable::{Executable, classify};
use crate::files::{FileKind, Found};
use crate::image::BUILTINS;
use crate::need::{Certainty, What};
use crate::programs;
use crate::shell::Shell;

impl Analysis<'_> {
    /// Notes what a command needs.
    pub fn command(&mut self, argv: &[Word], context: &Context) {
        self.deeper(context, |analysis| analysis.command_here(argv, context));
    }

    fn command_here(&mut self, argv: &[Word], context: &Context) {
        let Some((name, arguments)) = argv.split_first() else { return };
        let Some(name) = name else {
            // Arguments may still be commands, as in `$SUDO npm ci`, but nothing tells.
            self.unseen("the command is a variable", context);
            return;
        };
        if name.is_empty() {
            return;
        }
        let name = match name.strip_prefix("/usr/bin/").or_else(|| name.strip_prefix("/bin/")) {
            Some(name) if !name.contains('/') => name,
            _ => match name.strip_prefix("/usr/local/bin/") {
                Some(name) if !name.contains('/') => name,
                _ => name.as_str(),
            },
        };
        if name.contains('/') {
            if let Some(file) = context.absolute(name) {
                self.program_file(name, &file, arguments, context);
            } else {
                self.unseen("the program's directory is not known", context);
            }
            return;
        }
        for directory in &context.search_path {
            let file = crate::path::join(directory, name);
            if self.view.kind(&file) == Some(FileKind::File) {
                self.program_file(name, &file, arguments, context);
                return;
            }
        }
        self.named(name, arguments, context);
    }

    /// A command that is found by its name.
    fn named(&mut self, name: &str, arguments: &[Word], context: &Context) {
        let offered = self.image.offers(name) || BUILTINS.contains(&name);
        if !offered {
            self.need(programs::absent(name), context);
        }
        if let Some(network) = programs::connects(name, arguments) {
            self.need(network, context);
        }
        if offered && let Some(option) = programs::refused_option(name, arguments) {
            self.need(What::Tool { name: option }, context);
        }
        match name {
            "bash" | "sh" => self.shell(arguments, context),
            "python" | "python3" | "python3.13" if offered => self.python_command(arguments, context),
            "env" => self.env(arguments, context),
            "nohup" | "setsid" | "exec" | "command" | "builtin" | "time" | "doas" | "unbuffer"
            | "catchsegv" => {
                self.command(after_options(arguments, &[]), context);
            }
            "sudo" => {
                let rest =
                    after_options(arguments, &["-u", "-g", "-h", "-p", "-C", "-D", "--user", "--group"]);
                self.command(after_assignments(rest), context);
            }
            "nice" => self.command(after_options(arguments, &["-n", "--adjustment"]), context),
            "ionice" => self.command(after_options(arguments, &["-c", "-n", "-p"]), context),
            "stdbuf" => self.command(after_options(arguments, &["-i", "-o", "-e"]), context),
            "strace" | "ltrace" => self.command(after_options(arguments, &["-e", "-o", "-p", "-s"]), context),
            "watch" => self.command(after_options(arguments, &["-n", "--interval"]), context),
            "timeout" => {
                let rest = after_options(arguments, &["-k", "-s", "--kill-after", "--signal"]);
                self.command(rest.get(1..).unwrap_or_default(), context);
            }
            "xargs" | "parallel" => self.xargs(arguments, context),
            "find" => self.find(arguments, context),
            _ => {}
        }
    }

    fn env(&mut self, arguments: &[Word], context: &Context) {
        let mut context = context.clone();
        let mut rest = arguments;
        while let Some((first, after)) = rest.split_first() {
            let Some(text) = first else { break };
            if text == "-S" || text == "--split-string" || text.starts_with("-S") {
                let inline = text.strip_prefix("-S").filter(|inline| !inline.is_empty());
                let (split, after) = match inline {
                    Some(inline) => (Some(inline.to_owned()), after),
                    None => (after.first().cloned().flatten(), after.get(1..).unwrap_or_default()),
                };
                let Some(split) = split else { return };
                let words = split.split_whitespace().map(|word| Some(word.to_owned()));
                let words: Vec<Word> = words.chain(after.iter().cloned()).collect();
                self.env(&words, &context);
                return;
            }
            if matches!(text.as_str(), "-u" | "--unset" | "-C" | "--chdir") {
                if text == "-C" || text == "--chdir" {
                    context.cwd = after.first().cloned().flatten().and_then(|to| context.absolute(&to));
                }
                rest = after.get(1..).unwrap_or_default();
            } else if text.starts_with('-') {
                rest = after;
            } else if let Some((name, value)) = text.split_once('=') {
                context.assign(name, value);
                rest = after;
            } else {
                break;
            }
        }
        self.command(rest, &context);
    }

    fn xargs(&mut self, arguments: &[Word], context: &Context) {
        let with_value = [
            "-I",
            "-n",
            "-P",
            "-L",
            "-d",
            "-E",
            "-s",
            "-a",
            "-j",
            "--jobs",
            "--max-args",
            "--max-procs",
            "--delimiter",
            "--max-lines",
            "--replace",
            "--arg-file",
        ];
        let rest = after_options(arguments, &with_value);
        if rest.is_empty() {
            return;
        }
        let replaced = arguments.iter().flatten().any(|text| text.starts_with("-I"));
        let mut argv: Vec<Word> =
            rest.iter().map(|word| word.clone().filter(|text| !text.contains("{}"))).collect();
        if !replaced {
            argv.push(None);
        }
        self.command(&argv, context);
    }

    fn find(&mut self, arguments: &[Word], context: &Context) {
        let mut rest = arguments;
        while let Some(start) = rest
            .iter()
            .position(|word| matches!(word.as_deref(), Some("-exec" | "-execdir" | "-ok" | "-okdir")))
        {
            let after = rest.get(start + 1..).unwrap_or_default();
            let end = after
                .iter()
                .position(|word| matches!(word.as_deref(), Some(";" | "+")))
                .unwrap_or(after.len());
            let argv: Vec<Word> = after
                .get(..end)
                .unwrap_or_default()
                .iter()
                .map(|word| word.clone().filter(|text| !text.contains("{}")))
                .collect();
            self.command(&argv, context);
            rest = after.get(end..).unwrap_or_default();
        }
    }

    /// A program by its path.
    fn program_file(&mut self, name: &str, file: &str, arguments: &[Word], context: &Context) {
        let content = match self.view.read(file) {
            Found::Content(content, _) => content,
            Found::Made => return self.unseen("made by the command itself", context),
            Found::Beyond => return self.unseen("not looked at", context),
            Found::Missing => {
                let base = crate::path::split(name).1;
                if programs::is_python(base)
                    || name.contains("/node_modules/")
                    || name.contains("/site-packages/")
                {
                    // A virtual environment's Python is a link out of it.
                    self.need(
                        What::NativeCode { path: file.to_owned() },
                        &context.at_most(Certainty::Likely),
                    );
                } else {
                    self.unseen("not there before the run", context);
                }
                return;
            }
        };
        let mut inner = context.clone();
        match classify(&content) {
            Executable::MachineCode => self.need(What::NativeCode { path: file.to_owned() }, context),
            Executable::Text => {
                inner.evidence.file = Some(file.to_owned());
                self.shell_script(&content, Some(file), arguments, &inner);
            }
            Executable::Script { interpreter, argument } => {
                inner.evidence = crate::Evidence::new(
                    Some(file.to_owned()),
                    1,
                    content.split(|&byte| byte == b'\n').next().unwrap_or_default(),
                );
                let base = crate::path::split(&interpreter).1.to_owned();
                let argument = argument.map(Some);
                let argv = std::iter::once(Some(base))
                    .chain(argument)
                    .chain([Some(file.to_owned())])
                    .chain(arguments.iter().cloned());
                self.command(&argv.collect::<Vec<_>>(), &inner);
            }
        }
    }

    /// The text of a shell script, from a file or a `-c`.
    pub fn shell_script(&mut self, text: &[u8], file: Option<&str>, arguments: &[Word], context: &Context) {
        if self.declares(text, context) {
            return;
        }
        Shell::new(file, arguments, context).run(self, text);
    }
}

impl Analysis<'_> {
    /// Takes over what a script declares; whether that is all.
    pub fn declares(&mut self, text: &[u8], context: &Context) -> bool {
        let Some((line, declared)) = Declared::of_script(text) else { return false };
        let mut context = context.clone();
        let number = usize::try_from(line).unwrap_or(0);
        let shown = text.split(|&byte| byte == b'\n').nth(number.saturating_sub(1)).unwrap_or_default();
        context.evidence = crate::Evidence::new(context.evidence.file, line, shown);
        declared.apply_at(self, &context);
        declared.nothing_else()
    }
}

/// What follows options, some of which take a value.
pub fn after_options<'w>(arguments: &'w [Word], with_value: &[&str]) -> &'w [Word] {
    let mut rest = arguments;
    while let Some((Some(text), after)) = rest.split_first() {
        if text == "--" {
            return after;
        }
        if !text.starts_with('-') || text == "-" {
            return rest;
        }
        rest = if with_value.contains(&text.as_str()) { after.get(1..).unwrap_or_default() } else { after };
    }
    rest
}

fn after_assignments(arguments: &[Word]) -> &[Word] {
    let is_assignment = |word: &Word| word.as_deref().is_some_and(|text| text.contains('='));
    let count = arguments.iter().take_while(|word| is_assignment(word)).count();
    arguments.get(count..).unwrap_or_default()
}

impl Context {
    /// Sets a variable of the environment for what is inside.
    pub fn assign(&mut self, name: &str, value: &str) {
        let cwd = self.cwd.clone().unwrap_or_else(|| "/".to_owned());
        match name {
            "PYTHONPATH" => self.python_path = crate::analysis::directories(value, &cwd),
            "PATH" => self.search_path = crate::analysis::directories(value, &cwd),
            _ => {}
        }
    }
}
