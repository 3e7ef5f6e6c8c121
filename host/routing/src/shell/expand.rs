//! Words to arguments, as far as they are known before the run.

use std::rc::Rc;

use super::tree::{Kind, List, Node, Part};
use super::walk::Shell;
use crate::analysis::{Analysis, Word};
use crate::limits::{ARGUMENTS_MAX, VALUE_BYTES_MAX};
use crate::path;

impl Shell {
    /// The arguments that words become; the commands in their substitutions are looked at.
    pub(super) fn expand(&mut self, analysis: &mut Analysis, words: &[super::tree::Word]) -> Vec<Word> {
        let mut arguments = Vec::new();
        for word in words {
            match word.parts.as_slice() {
                // Unquoted, a value is as many arguments as it has words.
                [Part::Variable { name, default: None, quoted: false }] => match self.value(name) {
                    Some(value) => {
                        arguments.extend(value.split_whitespace().map(|part| Some(part.to_owned())));
                    }
                    None => arguments.push(None),
                },
                [Part::Variable { name, .. }] if name == "@" => match &self.positional {
                    Some(positional) => arguments.extend(positional.iter().cloned()),
                    None => arguments.push(None),
                },
                _ => arguments.push(self.text(analysis, &word.parts)),
            }
        }
        arguments.truncate(ARGUMENTS_MAX);
        arguments
    }

    /// The one text that parts become.
    pub(super) fn text(&mut self, analysis: &mut Analysis, parts: &[Part]) -> Word {
        let mut text = Some(String::new());
        for part in parts {
            let value = match part {
                Part::Text(literal) => Some(literal.clone()),
                Part::Variable { name, default, .. } => match (self.value(name), default) {
                    (Some(value), Some(default)) if value.is_empty() => self.text(analysis, default),
                    (None, Some(default)) => {
                        self.text(analysis, default);
                        None
                    }
                    (value, _) => value,
                },
                Part::Substitution(list) => self.substitution(analysis, list),
                Part::Process(list) => {
                    self.subshell(analysis, list);
                    None
                }
                Part::Unknown => None,
            };
            text = match (text, value) {
                (Some(mut text), Some(value))
                    if text.len() + value.len() <= VALUE_BYTES_MAX.max(value.len()) =>
                {
                    text.push_str(&value);
                    Some(text)
                }
                _ => None,
            };
        }
        let home = text.as_deref().and_then(|text| text.strip_prefix("~/"));
        home.map(|rest| format!("/home/user/{rest}")).or(text)
    }

    /// The value of a parameter; none where it is not known.
    pub(super) fn value(&self, name: &str) -> Word {
        if let Ok(position) = name.parse::<usize>() {
            if position == 0 {
                return self.file.clone();
            }
            return match &self.positional {
                Some(positional) => positional.get(position - 1).cloned().unwrap_or(Some(String::new())),
                None => None,
            };
        }
        match name {
            "BASH_SOURCE" => self.file.clone(),
            "PWD" => self.context.cwd.clone(),
            "#" => self.positional.as_ref().map(|positional| positional.len().to_string()),
            "@" | "*" => {
                let known: Option<Vec<String>> = self.positional.as_ref()?.iter().cloned().collect();
                known.map(|known| known.join(" "))
            }
            "$" | "?" | "!" | "-" | "RANDOM" | "SECONDS" | "LINENO" | "EPOCHSECONDS" | "OPTARG"
            | "OPTIND" | "REPLY" => None,
            _ => match self.variables.get(name) {
                Some(value) => value.clone(),
                None => (!self.forgetful).then(String::new),
            },
        }
    }

    /// What `$( )` gives, where it is one of the few commands whose output is known.
    fn substitution(&mut self, analysis: &mut Analysis, list: &Rc<List>) -> Word {
        let known = self.known_output(analysis, list);
        if known.is_none() {
            self.subshell(analysis, list);
        }
        known
    }

    fn known_output(&mut self, analysis: &mut Analysis, list: &List) -> Word {
        let [item] = list.items.as_slice() else { return None };
        let commands: Vec<&Node> = std::iter::once(&item.first)
            .chain(item.rest.iter().map(|(_, pipeline)| pipeline))
            .flat_map(|pipeline| &pipeline.commands)
            .collect();
        let (last, before) = commands.split_last()?;
        let mut cwd = self.context.cwd.clone();
        for command in before {
            let Kind::Simple { words, .. } = &command.kind else { return None };
            let argv = self.plain(analysis, words)?;
            match argv.as_slice() {
                [cd, rest @ ..] if cd == "cd" => {
                    let to = rest.iter().find(|text| !text.starts_with('-'))?;
                    cwd = Some(path::join(&cwd?, to));
                }
                _ => return None,
            }
        }
        let Kind::Simple { words, .. } = &last.kind else { return None };
        let argv = self.plain(analysis, words)?;
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        match argv.as_slice() {
            ["pwd", ..] => cwd,
            ["dirname", file] | ["dirname", "--", file] => {
                let parent = path::split(file).0;
                Some(if parent.is_empty() { "." } else { parent }.to_owned())
            }
            ["basename", file] => Some(path::split(file).1.to_owned()),
            ["realpath" | "readlink", rest @ ..] => {
                let file = rest.iter().find(|text| !text.starts_with('-'))?;
                cwd.map(|cwd| path::join(&cwd, file))
            }
            ["echo", rest @ ..] if !rest.first().is_some_and(|text| text.starts_with('-')) => {
                Some(rest.join(" "))
            }
            ["which", name] | ["command", "-v", name] => {
                analysis.image.offers(name).then(|| (*name).to_owned())
            }
            ["uname"] => Some("Linux".to_owned()),
            _ => None,
        }
    }

    /// Words that are all known, without running anything: none where one holds a command.
    fn plain(&mut self, analysis: &mut Analysis, words: &[super::tree::Word]) -> Option<Vec<String>> {
        fn quiet(shell: &mut Shell, analysis: &mut Analysis, parts: &[Part], depth: usize) -> Option<String> {
            let mut text = String::new();
            for part in parts {
                match part {
                    Part::Text(literal) => text.push_str(literal),
                    Part::Variable { name, default: None, .. } => text.push_str(&shell.value(name)?),
                    Part::Substitution(list) if depth < 4 => {
                        text.push_str(&shell.known_output(analysis, list)?);
                    }
                    _ => return None,
                }
            }
            Some(text)
        }
        let texts = words.iter().map(|word| quiet(self, analysis, &word.parts, 0));
        texts.collect()
    }
}
