//! What the user says that a command needs: `--needs`, `needs:` of a policy, and `# needs:` in a script.

use std::fmt;
use std::str::FromStr;

use crate::analysis::{Analysis, Context};
use crate::need::{Certainty, Evidence, ModuleLack, What};
use crate::programs;

/// Words of a declaration that are read, and bytes of one.
const WORDS_MAX: usize = 64;
const WORD_BYTES_MAX: usize = 100;
/// Lines of a script in which a declaration is looked for.
const LINES_MAX: usize = 40;

/// Needs that are declared, by words with commas or blanks between them.
///
/// `network`, `network:HOST`, `ports`, `threads`, `fork`, `native`, the name of a program, `tool:NAME`, the name
/// of a Python package, or `python:NAME`. `nothing` alone says that nothing is needed whatever the code looks like.
///
/// # Examples
/// ```
/// use sandpiper_routing::Declared;
/// let declared: Declared = "network, numpy".parse().unwrap();
/// assert!(!declared.nothing_else());
/// assert!("nothing".parse::<Declared>().unwrap().nothing_else());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    words: Vec<String>,
    nothing_else: bool,
}

/// The kinds that a name is given of, before a colon.
const KINDS: [&str; 3] = ["network", "tool", "python"];

/// A declaration that is no list of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredError {
    word: String,
}

impl fmt::Display for DeclaredError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`{}` is no need: give network, network:HOST, ports, threads, fork, native, tool:NAME, python:NAME or a Python \
             package, or `nothing` alone",
            self.word
        )
    }
}

impl std::error::Error for DeclaredError {}

impl FromStr for Declared {
    type Err = DeclaredError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut declared = Self::default();
        for word in text.split([',', ' ', '\t']).filter(|word| !word.is_empty()) {
            let plain = |character: char| character.is_ascii_alphanumeric() || "-_.:+@".contains(character);
            let is_of_kind =
                word.split_once(':').is_none_or(|(kind, name)| KINDS.contains(&kind) && !name.is_empty());
            if word.len() > WORD_BYTES_MAX
                || declared.words.len() >= WORDS_MAX
                || !word.chars().all(plain)
                || !is_of_kind
            {
                let word = word.chars().take(WORD_BYTES_MAX).collect();
                return Err(DeclaredError { word });
            }
            declared.words.push(word.to_owned());
        }
        declared.nothing_else = declared.words == ["nothing"] || declared.words == ["none"];
        Ok(declared)
    }
}

impl Declared {
    /// Whether it says that nothing is needed.
    pub fn nothing_else(&self) -> bool {
        self.nothing_else
    }

    /// The declaration in the comments at the head of a script.
    pub(crate) fn of_script(text: &[u8]) -> Option<(u32, Self)> {
        for (index, line) in text.split(|&byte| byte == b'\n').take(LINES_MAX).enumerate() {
            let Ok(line) = std::str::from_utf8(line.get(..1000).unwrap_or(line)) else { continue };
            let Some(comment) = line.trim().strip_prefix('#') else { continue };
            let Some(words) = comment.trim_start().strip_prefix("needs:") else { continue };
            return words.parse().ok().map(|declared| (u32::try_from(index + 1).unwrap_or(0), declared));
        }
        None
    }

    /// Adds the needs to those of an analysis.
    pub(crate) fn apply(&self, analysis: &mut Analysis, context: &Context) {
        if self.nothing_else || self.words.is_empty() {
            return;
        }
        let evidence = Evidence::new(None, 0, format!("needs: {}", self.words.join(", ")).as_bytes());
        self.apply_at(analysis, &Context { certainty: Certainty::Certain, evidence, ..context.clone() });
    }

    pub(crate) fn apply_at(&self, analysis: &mut Analysis, context: &Context) {
        for word in &self.words {
            let what = match word.split_once(':') {
                Some(("network", host)) => What::Network { host: Some(host.to_owned()) },
                Some(("tool", name)) => programs::absent(name),
                Some(("python", name)) => module(name),
                _ => match word.as_str() {
                    "network" | "internet" => What::Network { host: None },
                    "port" | "ports" => What::Port,
                    "threads" => What::Threads,
                    "fork" | "processes" | "multiprocessing" => What::Fork,
                    "native" | "native-code" => What::NativeCode { path: "declared".to_owned() },
                    "nothing" | "none" | "python" | "shell" => continue,
                    name if analysis.image.offers(name) || analysis.image.python_modules.contains(name) => {
                        continue;
                    }
                    name if programs::is_known(name) => programs::absent(name),
                    name => module(name),
                },
            };
            analysis.need(what, context);
        }
    }
}

fn module(name: &str) -> What {
    What::PythonModule { name: name.to_owned(), why: ModuleLack::NotInstalled }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_found_at_the_head_of_a_script() {
        let (line, declared) = Declared::of_script(b"#!/bin/sh\n# needs: network, numpy\n").unwrap();
        assert_eq!((line, declared), (2, "network numpy".parse().unwrap()));
        assert_eq!(Declared::of_script(b"x = '# needs: network'\n"), None);
    }

    #[test]
    fn what_is_no_word_is_refused() {
        let error = "a;b".parse::<Declared>().unwrap_err();
        assert!(error.to_string().starts_with("`a;b` is no need: give network"));
    }

    #[test]
    fn a_kind_that_is_not_known_is_no_package() {
        for word in ["docker:x", "tool:", ":numpy"] {
            let error = word.parse::<Declared>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{word}` is no need: give network")), "{error}");
        }
        for word in ["tool:docker", "python:numpy", "network:example.org:443"] {
            assert!(word.parse::<Declared>().is_ok(), "{word}");
        }
    }
}
