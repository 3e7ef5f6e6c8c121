//! Command lines in the manner of git: long options with `=`, short ones in bundles, operands among
//! them and only paths after `--`.

use super::failure::{Failure, Result};

/// One part of a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument<'a> {
    /// `--name`; its value is asked for separately.
    Long(&'a str),
    /// One letter of `-abc`.
    Short(char),
    Operand(&'a [u8]),
    /// What stands after `--`.
    Path(&'a [u8]),
}

/// The rest of a command line.
#[derive(Clone, Debug)]
pub(super) struct Arguments<'a> {
    pub(super) command: &'static str,
    rest: &'a [Vec<u8>],
    bundle: &'a [u8],
    inline: Option<&'a [u8]>,
    shown: String,
    separated: bool,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(command: &'static str, arguments: &'a [Vec<u8>]) -> Self {
        Self { command, rest: arguments, bundle: b"", inline: None, shown: String::new(), separated: false }
    }

    /// The next part.
    pub(super) fn next(&mut self) -> Result<Option<Argument<'a>>> {
        if self.inline.take().is_some() {
            return Err(Failure::usage(format!("option `{}' takes no value", self.shown)));
        }
        if let Some((letter, rest)) = self.bundle.split_first() {
            self.bundle = rest;
            return Ok(Some(self.short(*letter)));
        }
        let Some((argument, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        if self.separated {
            return Ok(Some(Argument::Path(argument)));
        }
        match argument.as_slice() {
            b"--" => {
                self.separated = true;
                self.next()
            }
            [b'-', b'-', long @ ..] => {
                let at = long.iter().position(|byte| *byte == b'=');
                let (name, value) = long.split_at(at.unwrap_or(long.len()));
                self.inline = at.and(value.get(1..));
                let name = std::str::from_utf8(name).map_err(|_| Failure::usage("an option is no UTF-8"))?;
                self.shown = format!("--{name}");
                Ok(Some(Argument::Long(name)))
            }
            [b'-', letter, rest @ ..] => {
                self.bundle = rest;
                Ok(Some(self.short(*letter)))
            }
            operand => Ok(Some(Argument::Operand(operand))),
        }
    }

    fn short(&mut self, letter: u8) -> Argument<'a> {
        let letter = char::from(letter);
        self.shown = format!("-{letter}");
        Argument::Short(letter)
    }

    /// The value of the option that came last: after its `=`, the rest of its bundle, or the next
    /// argument.
    pub(super) fn value(&mut self) -> Result<&'a [u8]> {
        if let Some(value) = self.optional_value() {
            return Ok(value);
        }
        let (value, rest) = self
            .rest
            .split_first()
            .ok_or_else(|| Failure::usage(format!("option `{}' requires a value", self.shown)))?;
        self.rest = rest;
        Ok(value)
    }

    /// The value as text.
    pub(super) fn text(&mut self) -> Result<&'a str> {
        let value = self.value()?;
        std::str::from_utf8(value)
            .map_err(|_| Failure::usage(format!("the value of `{}' is no UTF-8", self.shown)))
    }

    /// The value as a number.
    pub(super) fn number(&mut self) -> Result<u32> {
        let text = self.text()?;
        text.parse()
            .map_err(|_| Failure::usage(format!("option `{}' expects a number, not '{text}'", self.shown)))
    }

    /// A value that stands in the same argument.
    pub(super) fn optional_value(&mut self) -> Option<&'a [u8]> {
        if let Some(value) = self.inline.take() {
            return Some(value);
        }
        let bundle = std::mem::take(&mut self.bundle);
        (!bundle.is_empty()).then_some(bundle)
    }

    /// Tells whether `--` was there.
    pub(super) fn is_separated(&self) -> bool {
        self.separated
    }

    /// All that is left, unread.
    pub(super) fn rest(&self) -> &'a [Vec<u8>] {
        self.rest
    }

    /// A failure that names the option which came last.
    pub(super) fn unsupported(&self) -> Failure {
        Failure::usage(format!("option `{}' of git {} is not supported here", self.shown, self.command))
    }

    /// A failure for an option, or for an operand where none is taken.
    pub(super) fn refuse(&self, argument: Argument<'a>) -> Failure {
        match argument {
            Argument::Long(_) | Argument::Short(_) => self.unsupported(),
            Argument::Operand(operand) | Argument::Path(operand) => Failure::usage(format!(
                "git {} takes no argument '{}' here",
                self.command,
                String::from_utf8_lossy(operand)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Argument, Arguments};

    #[test]
    fn bundles_values_and_the_separator_are_read() {
        let arguments: Vec<_> = ["-am", "text", "--pretty=x", "-U5", "a", "--", "-b"]
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect();
        let mut arguments = Arguments::new("commit", &arguments);
        assert_eq!(arguments.next().unwrap(), Some(Argument::Short('a')));
        assert_eq!(arguments.next().unwrap(), Some(Argument::Short('m')));
        assert_eq!(arguments.value().unwrap(), b"text");
        assert_eq!(arguments.next().unwrap(), Some(Argument::Long("pretty")));
        assert_eq!(arguments.value().unwrap(), b"x");
        assert_eq!(arguments.next().unwrap(), Some(Argument::Short('U')));
        assert_eq!(arguments.number().unwrap(), 5);
        assert_eq!(arguments.next().unwrap(), Some(Argument::Operand(b"a")));
        assert_eq!(arguments.next().unwrap(), Some(Argument::Path(b"-b")));
        assert_eq!(arguments.next().unwrap(), None);
    }

    #[test]
    fn a_value_that_nobody_asks_for_is_an_error() {
        let arguments = vec![b"--quiet=yes".to_vec()];
        let mut arguments = Arguments::new("commit", &arguments);
        arguments.next().unwrap();
        assert_eq!(arguments.next().unwrap_err().code, 129);
    }
}
