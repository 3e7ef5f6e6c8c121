//! How the image's interpreters are called: which of their arguments is the program.

use crate::analysis::{Analysis, Context, Input, Word};
use crate::commands::after_options;
use crate::files::Found;
use crate::need::{Certainty, Evidence, What};
use crate::python::Entry;

impl Analysis<'_> {
    /// `bash` and `sh` with their arguments.
    pub fn shell(&mut self, arguments: &[Word], context: &Context) {
        let mut rest = arguments;
        while let Some((first, after)) = rest.split_first() {
            let Some(text) = first else {
                return self.unseen("an argument of the shell is a variable", context);
            };
            if let Some(long) = text.strip_prefix("--") {
                if long.is_empty() {
                    rest = after;
                    break;
                }
                if matches!(long, "version" | "help") {
                    return;
                }
                rest = if matches!(long, "rcfile" | "init-file") {
                    after.get(1..).unwrap_or_default()
                } else {
                    after
                };
            } else if let Some(letters) = text.strip_prefix(['-', '+']).filter(|letters| !letters.is_empty())
            {
                rest = after;
                if letters.contains('c') {
                    let (script, arguments) = match after_options(rest, &["-o", "-O"]).split_first() {
                        Some((script, arguments)) => (script.clone(), arguments),
                        None => return,
                    };
                    let Some(script) = script else {
                        return self.unseen("the script is a variable", context);
                    };
                    // The first argument is `$0`.
                    return self.shell_script(
                        script.as_bytes(),
                        None,
                        arguments.get(1..).unwrap_or_default(),
                        context,
                    );
                }
                if letters.contains('s') {
                    return self.shell_input(context);
                }
                if letters.ends_with(['o', 'O']) {
                    rest = rest.get(1..).unwrap_or_default();
                }
            } else {
                break;
            }
        }
        let Some((script, arguments)) = rest.split_first() else { return self.shell_input(context) };
        let Some(file) = script.as_deref().and_then(|script| context.absolute(script)) else {
            return self.unseen("the script's path is not known", context);
        };
        match self.view.read(&file) {
            Found::Content(content, _) => {
                let mut inner = context.clone();
                inner.evidence = Evidence::new(Some(file.clone()), 0, b"");
                self.shell_script(&content, Some(&file), arguments, &inner);
            }
            Found::Made => self.unseen("made by the command itself", context),
            Found::Beyond => self.unseen("not looked at", context),
            Found::Missing => self.unseen("not there before the run", context),
        }
    }

    fn shell_input(&mut self, context: &Context) {
        match context.stdin.clone() {
            Input::Text(text) => self.shell_script(&text, None, &[], context),
            Input::Unknown => self.unseen("the shell reads its commands", context),
        }
    }

    /// `python3` with its arguments.
    pub fn python_command(&mut self, arguments: &[Word], context: &Context) {
        let mut rest = arguments;
        while let Some((first, after)) = rest.split_first() {
            let Some(text) = first else {
                return self.unseen("an argument of Python is a variable", context);
            };
            let Some(letters) = text.strip_prefix('-').filter(|letters| !letters.is_empty()) else { break };
            rest = after;
            if letters == "-" {
                break;
            }
            if matches!(letters, "-version" | "-help" | "-help-all") {
                return;
            }
            if letters.starts_with('-') {
                rest = if letters == "-check-hash-based-pycs" {
                    after.get(1..).unwrap_or_default()
                } else {
                    after
                };
                continue;
            }
            let Some(at) = letters.find(['c', 'm', 'W', 'X', 'V', 'h']) else { continue };
            let attached = letters.get(at + 1..).unwrap_or_default();
            let value = if attached.is_empty() {
                rest = after.get(1..).unwrap_or_default();
                after.first().cloned().flatten()
            } else {
                Some(attached.to_owned())
            };
            match letters.as_bytes().get(at) {
                Some(b'c') => {
                    let Some(code) = value else { return self.unseen("the code is a variable", context) };
                    return self.python(&Entry::Code(code.into_bytes().into()), rest, context);
                }
                Some(b'm') => {
                    let Some(module) = value else { return self.unseen("the module is a variable", context) };
                    return self.python_module(&module, rest, context);
                }
                Some(b'V' | b'h') => return,
                _ => {}
            }
        }
        match rest.split_first() {
            None => self.python_input(&[], context),
            Some((Some(file), arguments)) if file == "-" => self.python_input(arguments, context),
            Some((Some(file), arguments)) => match context.absolute(file) {
                Some(path) => self.python(&Entry::File(path), arguments, context),
                None => self.unseen("the program's directory is not known", context),
            },
            Some((None, _)) => self.unseen("the program is a variable", context),
        }
    }

    fn python_input(&mut self, arguments: &[Word], context: &Context) {
        match context.stdin.clone() {
            Input::Text(text) => self.python(&Entry::Code(text), arguments, context),
            Input::Unknown => self.unseen("Python reads its program", context),
        }
    }

    fn python_module(&mut self, module: &str, arguments: &[Word], context: &Context) {
        let has = |option: &str| arguments.iter().flatten().any(|text| text == option);
        if has("--help") || has("-h") && module != "http.server" {
            return;
        }
        match module {
            "pip" => {
                self.need(What::PackageManager { name: "pip".to_owned() }, context);
            }
            "http.server" | "wsgiref.simple_server" | "xmlrpc.server" => self.need(What::Port, context),
            "pydoc" if has("-p") || has("-b") => self.need(What::Port, context),
            "webbrowser" | "idlelib" | "turtledemo" | "ensurepip" | "venv" => {
                let what = What::PythonModule { name: module.to_owned(), why: crate::ModuleLack::NotInImage };
                self.need(what, &context.at_most(Certainty::Certain));
            }
            _ => self.python(&Entry::Module(module.to_owned()), arguments, context),
        }
    }
}
