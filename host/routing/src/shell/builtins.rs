//! Builtin commands of the shell that change what later commands are, or answer a question.

use super::tree;
use super::walk::{Shell, Status};
use crate::analysis::{Analysis, Word};
use crate::files::{FileKind, Found};
use crate::image::BUILTINS;
use crate::need::Certainty;
use crate::path;

impl Shell {
    /// Runs a command: a function of the script, a builtin, or a program.
    pub(super) fn invoke(&mut self, analysis: &mut Analysis, argv: &[Word], words: &[tree::Word]) -> Status {
        let Some((first, arguments)) = argv.split_first() else { return Status::Yes };
        let Some(name) = first else {
            analysis.command(argv, &self.context);
            return Status::Ran;
        };
        if self.call_function(analysis, name, arguments) {
            return Status::Ran;
        }
        let texts: Vec<Option<&str>> = arguments.iter().map(Option::as_deref).collect();
        match (name.as_str(), texts.as_slice()) {
            ("true" | ":" | "return", _) => Status::Yes,
            ("false", _) => Status::No,
            ("exit", _) => {
                self.ended = true;
                Status::Yes
            }
            ("cd" | "pushd", rest) => {
                let to =
                    rest.iter().find(|text| text.is_none_or(|text| !text.starts_with('-') || text == "-"));
                self.context.cwd = match to {
                    None => Some("/home/user".to_owned()),
                    Some(Some(to)) if *to != "-" => self.context.absolute(to),
                    Some(_) => None,
                };
                Status::Ran
            }
            ("popd", _) => {
                self.context.cwd = None;
                Status::Ran
            }
            ("export" | "declare" | "typeset" | "local" | "readonly", _) => {
                self.declare(arguments, words);
                Status::Yes
            }
            ("unset", rest) => {
                for name in rest.iter().flatten() {
                    self.variables.remove(*name);
                }
                Status::Yes
            }
            ("read" | "mapfile" | "readarray" | "getopts", rest) => {
                for name in rest.iter().flatten().filter(|text| !text.starts_with('-')) {
                    self.assign(name, None);
                }
                Status::Open
            }
            ("shift", _) => {
                if let Some(positional) = &mut self.positional
                    && !positional.is_empty()
                {
                    positional.remove(0);
                }
                Status::Yes
            }
            ("set", [Some("--"), ..]) => {
                self.positional = Some(arguments.get(1..).unwrap_or_default().to_vec());
                Status::Yes
            }
            ("alias", rest) => {
                for (name, text) in rest.iter().flatten().filter_map(|text| text.split_once('=')) {
                    self.aliases.insert(name.to_owned(), text.to_owned());
                }
                Status::Yes
            }
            ("command", [Some("-v" | "-V"), asked])
            | ("which" | "type" | "hash", [asked])
            | ("type" | "which", [Some(_), asked]) => self.is_there(analysis, *asked),
            ("eval", rest) => {
                let known: Option<Vec<&str>> = rest.iter().copied().collect();
                match known {
                    Some(known) => {
                        let text = known.join(" ");
                        let context = self.context.clone();
                        analysis.deeper(&context, |analysis| self.run(analysis, text.as_bytes()));
                    }
                    None => analysis.unseen("text that is made while it runs", &self.context),
                }
                Status::Ran
            }
            ("source" | ".", [file, ..]) => {
                self.source_file(analysis, *file);
                Status::Ran
            }
            ("exec", rest) => {
                if !rest.is_empty() {
                    analysis.command(crate::commands::after_options(arguments, &["-a"]), &self.context);
                    self.ended = true;
                }
                Status::Ran
            }
            ("command" | "builtin", [Some(inner), ..]) if !inner.starts_with('-') => {
                self.invoke(analysis, arguments, words)
            }
            ("trap", [Some(action), ..]) if !action.starts_with('-') => {
                let mut inner = self.clone();
                inner.context.certainty = inner.context.certainty.min(Certainty::Likely);
                let text = (*action).to_owned();
                let context = self.context.clone();
                analysis.deeper(&context, |analysis| inner.run(analysis, text.as_bytes()));
                Status::Yes
            }
            ("[" | "test", _) => self.question(analysis, arguments),
            ("echo" | "printf" | "pwd" | "set" | "shopt" | "umask" | "wait" | "kill", _) => Status::Ran,
            ("coproc", _) => {
                analysis.need(crate::What::Tool { name: "coproc".to_owned() }, &self.context);
                Status::Ran
            }
            _ => {
                analysis.command(argv, &self.context);
                self.note_files(analysis, name, &texts);
                match name.as_str() {
                    "grep" | "diff" | "cmp" => Status::Open,
                    _ => Status::Ran,
                }
            }
        }
    }

    /// Files that programs of the image make.
    fn note_files(&mut self, analysis: &mut Analysis, name: &str, arguments: &[Option<&str>]) {
        let files: Vec<Option<String>> = arguments
            .iter()
            .filter(|text| text.is_none_or(|text| !text.starts_with('-')))
            .map(|text| text.and_then(|text| self.context.absolute(text)))
            .collect();
        match (name, files.as_slice()) {
            ("cp" | "mv" | "ln", [Some(from), Some(to)]) => {
                let to = match analysis.view.kind(to) {
                    Some(FileKind::Directory) => path::join(to, path::split(from).1),
                    _ => to.clone(),
                };
                let content = match analysis.view.read(from) {
                    Found::Content(content, false) => Some(content.to_vec()),
                    _ => None,
                };
                if content.is_some() || analysis.view.kind(from).is_none() {
                    analysis.view.write(&to, content);
                }
            }
            ("tee", files) => {
                let content = match &self.context.stdin {
                    crate::analysis::Input::Text(text) => Some(text.to_vec()),
                    crate::analysis::Input::Unknown => None,
                };
                for file in files.iter().flatten() {
                    analysis.view.write(file, content.clone());
                }
            }
            ("touch", files) => {
                for file in files.iter().flatten() {
                    if analysis.view.kind(file).is_none() {
                        analysis.view.write(file, Some(Vec::new()));
                    }
                }
            }
            ("tar" | "unzip" | "patch", _) => analysis.view.made_unknown = true,
            _ => {}
        }
    }

    fn declare(&mut self, arguments: &[Word], words: &[tree::Word]) {
        for (argument, word) in arguments.iter().zip(words.iter().skip(1)) {
            if let Some((name, value)) = argument.as_deref().and_then(|text| text.split_once('=')) {
                self.assign(name, Some(value.to_owned()));
            } else if let Some(tree::Part::Text(text)) = word.parts.first()
                && let Some((name, _)) = text.split_once('=')
            {
                self.assign(name, None);
            }
        }
    }

    fn is_there(&mut self, analysis: &Analysis, name: Option<&str>) -> Status {
        match name {
            Some(name) if analysis.image.offers(name) || BUILTINS.contains(&name) => Status::Yes,
            Some(name) if self.aliases.contains_key(name) || self.has_function(name) => Status::Yes,
            Some(name) if self.context.search_path.is_empty() => {
                self.asked_for = Some(name.to_owned());
                Status::No
            }
            _ => Status::Open,
        }
    }

    fn source_file(&mut self, analysis: &mut Analysis, file: Option<&str>) {
        let Some(file) = file.and_then(|file| self.context.absolute(file)) else {
            return analysis.unseen("the sourced file is not known", &self.context);
        };
        // It sets variables only, and puts a directory of links out of the sandbox into PATH.
        if file.ends_with("/bin/activate") {
            return;
        }
        match analysis.view.read(&file) {
            Found::Content(content, _) => {
                let context = self.context.clone();
                analysis.deeper(&context, |analysis| {
                    let outer = std::mem::replace(
                        &mut self.context.evidence,
                        crate::Evidence::new(Some(file.clone()), 0, b""),
                    );
                    let outer_file = self.file.replace(file.clone());
                    self.run(analysis, &content);
                    self.file = outer_file;
                    self.context.evidence = outer;
                });
            }
            _ => analysis.unseen("the sourced file is not there before the run", &self.context),
        }
    }

    /// `[`, `test` and `[[ ]]`.
    pub(super) fn question(&mut self, analysis: &mut Analysis, words: &[Word]) -> Status {
        let mut texts: Vec<Option<&str>> = words.iter().map(Option::as_deref).collect();
        if texts.last() == Some(&Some("]")) {
            texts.pop();
        }
        let answer = match texts.as_slice() {
            [Some("!"), rest @ ..] => {
                let rest: Vec<Word> = rest.iter().map(|text| text.map(str::to_owned)).collect();
                return match self.question(analysis, &rest) {
                    Status::Yes => Status::No,
                    Status::No => Status::Yes,
                    other => other,
                };
            }
            [Some("-n"), Some(text)] | [Some(text)] => Some(!text.is_empty()),
            [Some("-z"), Some(text)] => Some(text.is_empty()),
            [Some(question @ ("-e" | "-f" | "-d" | "-s" | "-r" | "-x")), Some(file)] => {
                let file = self.context.absolute(file);
                let kind = file.filter(|_| !analysis.view.made_unknown).map(|file| analysis.view.kind(&file));
                match (*question, kind) {
                    ("-d", Some(kind)) => Some(kind == Some(FileKind::Directory)),
                    ("-f", Some(kind)) => Some(kind == Some(FileKind::File)),
                    ("-e", Some(kind)) => Some(kind.is_some()),
                    (_, Some(None)) => Some(false),
                    _ => None,
                }
            }
            [Some(left), Some("=" | "=="), Some(right)] => Some(left == right),
            [Some(left), Some("!="), Some(right)] => Some(left != right),
            [Some(left), Some(operator @ ("-eq" | "-ne" | "-gt" | "-ge" | "-lt" | "-le")), Some(right)] => {
                match (left.parse::<i64>(), right.parse::<i64>()) {
                    (Ok(left), Ok(right)) => Some(match *operator {
                        "-eq" => left == right,
                        "-ne" => left != right,
                        "-gt" => left > right,
                        "-ge" => left >= right,
                        "-lt" => left < right,
                        _ => left <= right,
                    }),
                    _ => None,
                }
            }
            _ => None,
        };
        match answer {
            Some(true) => Status::Yes,
            Some(false) => Status::No,
            None => Status::Open,
        }
    }
}
