//! What an image is made of, as the host describes it to the engine.

use std::path::PathBuf;

use sandpiper_core::GuestPath;

/// An image: programs that offer commands, with the files they need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSource {
    /// The name by which a spec asks for it.
    pub name: String,
    /// The programs; of several that offer a command, the first has it.
    pub programs: Vec<ProgramSource>,
    /// Environment variables that every command gets, before its own.
    pub env: Vec<(String, String)>,
    /// Host directories that the guest sees read-only.
    pub files: Vec<(PathBuf, GuestPath)>,
}

/// A program: a WebAssembly module that offers commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramSource {
    /// The module.
    pub module: ModuleSource,
    /// A module to be used instead for some commands.
    pub alternative: Option<Alternative>,
    /// Commands that the module offers, listed in `/usr/bin`. Empty for a module that is the one command
    /// itself, whatever the first `argv` is.
    pub commands: Vec<String>,
}

/// A WebAssembly module file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleSource {
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256 in hexadecimal where it is known and the file is trusted to have it.
    pub sha256: Option<String>,
    /// Whether its runs are short, so that how long they take to start counts for more than how fast they
    /// compute.
    pub short_lived: bool,
}

/// A module that takes over when a command asks for what the first one cannot do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// The module.
    pub module: ModuleSource,
    /// Variables that ask for it, each with the values that do not.
    pub env: Vec<(String, Vec<String>)>,
    /// Single-letter options that do not ask for it; any other does, and any long one, before the
    /// first operand.
    pub usual_options: String,
    /// As `usual_options`, for those that take an argument.
    pub usual_options_with_argument: String,
    /// As `usual_options`, for those after which the program's own arguments follow (such as `-c`).
    pub usual_last_options: String,
}

impl Alternative {
    /// Whether a command, with the variables that are its own, asks for this module.
    pub(crate) fn wanted_by(&self, arguments: &[String], env: &[(String, String)]) -> bool {
        let by_env = env.iter().any(|(name, value)| {
            self.env.iter().any(|(asks, except)| asks == name && !except.contains(value))
        });
        by_env || self.wanted_by_options(arguments.get(1..).unwrap_or_default())
    }

    fn wanted_by_options(&self, arguments: &[String]) -> bool {
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let Some(letters) = argument.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                return false;
            };
            if letters == "-" {
                return false;
            }
            for (index, letter) in letters.char_indices() {
                if self.usual_last_options.contains(letter) {
                    return false;
                }
                if self.usual_options_with_argument.contains(letter) {
                    if index + letter.len_utf8() == letters.len() {
                        arguments.next();
                    }
                    break;
                }
                if !self.usual_options.contains(letter) {
                    return true;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(env: &[(&str, &str)], argv: &[&str]) -> bool {
        let alternative = Alternative {
            module: ModuleSource::default(),
            env: vec![("SEED".to_owned(), vec!["0".to_owned(), String::new()])],
            usual_options: "qu".to_owned(),
            usual_options_with_argument: "W".to_owned(),
            usual_last_options: "cm".to_owned(),
        };
        let argv: Vec<String> = argv.iter().map(|argument| (*argument).to_owned()).collect();
        let env: Vec<(String, String)> =
            env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        alternative.wanted_by(&argv, &env)
    }

    #[test]
    fn a_variable_asks_unless_it_has_an_excepted_value() {
        assert!(wanted(&[("SEED", "random")], &["p"]));
        assert!(!wanted(&[("SEED", "0")], &["p"]));
        assert!(!wanted(&[("SEED", "")], &["p"]));
        assert!(!wanted(&[("OTHER", "random")], &["p"]));
    }

    #[test]
    fn an_option_asks_only_before_the_first_operand() {
        assert!(wanted(&[], &["p", "-O", "x.py"]));
        assert!(wanted(&[], &["p", "-qO"]));
        assert!(wanted(&[], &["p", "--version"]));
        assert!(wanted(&[], &["p", "-W", "error", "-X", "dev"]));
        assert!(!wanted(&[], &["p", "-qu"]));
        assert!(!wanted(&[], &["p", "-WO", "x.py", "-O"]));
        assert!(!wanted(&[], &["p", "-c", "-O"]));
        assert!(!wanted(&[], &["p", "-uc", "-O"]));
        assert!(!wanted(&[], &["p", "x.py", "-O"]));
        assert!(!wanted(&[], &["p", "--", "-O"]));
        assert!(!wanted(&[], &["p", "-", "-O"]));
    }
}
