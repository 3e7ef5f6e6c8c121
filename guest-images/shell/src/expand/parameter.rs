//! `$name`, `${name...}`: which values they are about.

use super::Fields;
use crate::flow::{Flow, Result};
use crate::shell::Shell;
use crate::syntax::ast::{Bytes, Name, Operator, Parameter, Subscript, Word};
use crate::system;
use crate::variables::Value;

/// What a parameter is before its operator.
#[derive(Debug)]
pub(super) enum Fetched {
    One(Option<Bytes>),
    /// Of `[@]`, `[*]`, `$@` and `$*`.
    Many {
        values: Vec<Bytes>,
        star: bool,
    },
}

/// The place that operators like `:=` and `@A` are about.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub name: Name,
    pub subscript: Option<Bytes>,
    /// `@` or `*` when it is about all of them.
    pub all: Option<u8>,
}

impl Shell {
    pub(super) fn expand_parameter(
        &mut self,
        parameter: &Parameter,
        doubled: bool,
        fields: &mut Fields,
    ) -> Result<()> {
        // The most frequent one first.
        if let (Name::Variable(name), None, false, Operator::None) =
            (&parameter.name, &parameter.subscript, parameter.indirect, &parameter.operator)
        {
            match self.variable_value(name) {
                Some(value) => self.push_value(&value, doubled, fields),
                None => self.refuse_unset(name)?,
            }
            return Ok(());
        }
        match &parameter.operator {
            Operator::Names(kind) => {
                let Name::Variable(prefix) = &parameter.name else { return Ok(()) };
                let values = self.names_with_prefix(prefix);
                self.push_list(&values, *kind == b'*', doubled, fields);
                return Ok(());
            }
            Operator::Keys(kind) => {
                let Name::Variable(name) = &parameter.name else { return Ok(()) };
                let values = self.all_keys(name);
                self.push_list(&values, *kind == b'*', doubled, fields);
                return Ok(());
            }
            _ => {}
        }
        let mut subject = self.subject(&parameter.name, parameter.subscript.as_ref())?;
        if parameter.indirect {
            // Of a reference `${!name}` is the name that it stands for.
            if let (Name::Variable(name), None) = (&subject.name, &subject.subscript)
                && self.variables.attributes(name).nameref
            {
                let (target, subscript) = self.resolve(name);
                let text = match subscript {
                    Some(subscript) => [target.as_slice(), b"[", &subscript, b"]"].concat(),
                    None => target,
                };
                self.push_value(&text, doubled, fields);
                return Ok(());
            }
            match self.indirect(&subject, parameter)? {
                Some(target) => subject = target,
                None => return Ok(()),
            }
        }
        let fetched = self.fetch(&subject)?;
        self.apply(parameter, &subject, fetched, doubled, fields)
    }

    fn refuse_unset(&mut self, name: &[u8]) -> Result<()> {
        if self.options.nounset {
            self.complain(&[name, b": unbound variable"].concat());
            return Err(self.fatal_expansion());
        }
        Ok(())
    }

    pub(super) fn subject(&mut self, name: &Name, subscript: Option<&Subscript>) -> Result<Subject> {
        let mut all = match name {
            Name::Special(kind @ (b'@' | b'*')) => Some(*kind),
            _ => None,
        };
        let subscript = match subscript {
            Some(Subscript::All(kind)) => {
                all = Some(*kind);
                None
            }
            Some(Subscript::Index(word)) => Some(self.subscript(name, word)?),
            None => None,
        };
        Ok(Subject { name: name.clone(), subscript, all })
    }

    /// A subscript's text: a key, or an expression.
    fn subscript(&mut self, name: &Name, word: &Word) -> Result<Bytes> {
        let Name::Variable(name) = name else { return self.expand_to_string(word) };
        self.expand_subscript(name, word)
    }

    pub fn expand_subscript(&mut self, name: &[u8], word: &Word) -> Result<Bytes> {
        let (name, _) = self.resolve(name);
        let associative =
            matches!(self.variables.get(&name).map(|variable| &variable.value), Some(Value::Associative(_)));
        let text = self.expand_to_string(word)?;
        if !associative && text.is_empty() {
            return Ok(b"0".to_vec());
        }
        Ok(text)
    }

    fn indirect(&mut self, subject: &Subject, parameter: &Parameter) -> Result<Option<Subject>> {
        let Fetched::One(value) = self.fetch(subject)? else {
            return self.bad(parameter);
        };
        let Some(target) = value else {
            self.complain(&[bare_text(parameter), b": invalid indirect expansion"].concat());
            return Err(Flow::Discard(1));
        };
        let Some(target) = self.subject_of_text(&target)? else {
            self.complain(&[target.as_slice(), b": invalid variable name"].concat());
            return Err(Flow::Discard(1));
        };
        Ok(Some(target))
    }

    fn subject_of_text(&mut self, text: &[u8]) -> Result<Option<Subject>> {
        let plain = |name| Some(Subject { name, subscript: None, all: None });
        if crate::bytes::is_name(text) {
            return Ok(plain(Name::Variable(text.to_vec())));
        }
        if text.iter().all(u8::is_ascii_digit) && !text.is_empty() {
            let number =
                std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(usize::MAX);
            return Ok(plain(if number == 0 { Name::Special(b'0') } else { Name::Positional(number) }));
        }
        if let [kind] = text
            && b"@*#?-$!".contains(kind)
        {
            let all = Some(*kind).filter(|kind| b"@*".contains(kind));
            return Ok(Some(Subject { name: Name::Special(*kind), subscript: None, all }));
        }
        let Some((name, subscript)) = crate::variables::split_subscript(text) else { return Ok(None) };
        let name = name.to_vec();
        if let [kind @ (b'@' | b'*')] = subscript {
            return Ok(Some(Subject { name: Name::Variable(name), subscript: None, all: Some(*kind) }));
        }
        let subscript = self.expanded_subscript(&name, subscript)?;
        Ok(Some(Subject { name: Name::Variable(name), subscript: Some(subscript), all: None }))
    }

    fn bad<T>(&mut self, parameter: &Parameter) -> Result<T> {
        self.complain(&[&*parameter.text, b": bad substitution"].concat());
        Err(Flow::Discard(1))
    }

    pub(super) fn fetch(&mut self, subject: &Subject) -> Result<Fetched> {
        Ok(match &subject.name {
            Name::Special(b'@') => Fetched::Many { values: self.positional.clone(), star: false },
            Name::Special(b'*') => Fetched::Many { values: self.positional.clone(), star: true },
            Name::Special(kind) => Fetched::One(self.special(*kind)),
            Name::Positional(number) => Fetched::One(self.positional.get(number - 1).cloned()),
            Name::Variable(name) => match (&subject.subscript, subject.all) {
                (Some(subscript), _) => Fetched::One(self.element_value(name, subscript)?),
                (None, Some(kind)) => Fetched::Many { values: self.all_values(name), star: kind == b'*' },
                (None, None) => Fetched::One(self.variable_value(name)),
            },
        })
    }

    fn special(&mut self, kind: u8) -> Option<Bytes> {
        Some(match kind {
            b'#' => self.positional.len().to_string().into_bytes(),
            b'?' => self.status.to_string().into_bytes(),
            b'$' => self.process.to_string().into_bytes(),
            b'!' => return self.jobs.last_background.map(|pid| pid.to_string().into_bytes()),
            b'0' => self.name.clone(),
            _ => {
                let mut letters = self.options.letters();
                if self.interactive {
                    letters.push(b'i');
                }
                letters.sort_unstable_by_key(|letter| (letter.is_ascii_uppercase(), *letter));
                match self.input {
                    crate::shell::Input::CommandString => letters.push(b'c'),
                    crate::shell::Input::Standard => letters.push(b's'),
                    crate::shell::Input::File => {}
                }
                letters
            }
        })
    }

    fn names_with_prefix(&mut self, prefix: &[u8]) -> Vec<Bytes> {
        self.variables
            .names()
            .into_iter()
            .filter(|name| name.starts_with(prefix))
            .filter(|name| {
                self.variables.get(name).is_some_and(|variable| {
                    !matches!(variable.value, Value::Unset) && !variable.empty_declaration
                })
            })
            .cloned()
            .collect()
    }

    /// Adds the values of a list, as quotes and `*` or `@` want it.
    pub(super) fn push_list(&mut self, values: &[Bytes], star: bool, doubled: bool, fields: &mut Fields) {
        if doubled && star {
            let joiner = fields.joiner().to_vec();
            fields.quoted(&values.join(joiner.as_slice()));
            return;
        }
        if !fields.splits {
            let joiner = if star { fields.joiner().to_vec() } else { b" ".to_vec() };
            let joined = values.join(joiner.as_slice());
            self.push_value(&joined, doubled, fields);
            return;
        }
        if doubled && values.is_empty() {
            fields.empty_list = true;
        }
        // Joined by what `IFS` begins with and split again, which keeps empty ones when that is no blank.
        // In `${x:-$@}` they are one text, which is split like the rest of it.
        if !doubled && !star && fields.splits_literals {
            fields.value(&values.join(b" ".as_slice()));
            return;
        }
        let joiner = fields.joiner().to_vec();
        if !doubled && !joiner.is_empty() && !b" \t\n".contains(&joiner[0]) {
            fields.value(&values.join(joiner.as_slice()));
            return;
        }
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                fields.next();
            }
            if doubled {
                fields.quoted(value);
                fields.start();
            } else {
                fields.value(value);
            }
        }
    }

    /// An operator on what was fetched.
    fn apply(
        &mut self,
        parameter: &Parameter,
        subject: &Subject,
        fetched: Fetched,
        doubled: bool,
        fields: &mut Fields,
    ) -> Result<()> {
        if let Operator::Test { kind, colon, word } = &parameter.operator {
            return self.apply_test(parameter, subject, fetched, (*kind, *colon, word), doubled, fields);
        }
        if let Operator::Length = parameter.operator {
            let length = match &fetched {
                Fetched::Many { values, .. } => values.len(),
                Fetched::One(Some(value)) => crate::bytes::char_count(value),
                Fetched::One(None) => {
                    self.refuse_unset_parameter(parameter, subject)?;
                    0
                }
            };
            self.push_value(length.to_string().as_bytes(), doubled, fields);
            return Ok(());
        }
        match fetched {
            Fetched::One(None) if !matches!(parameter.operator, Operator::Transform(_)) => {
                // Nothing comes of nothing, whatever the operator.
                self.refuse_unset_parameter(parameter, subject)?;
            }
            Fetched::One(value) => {
                if let Some(value) = self.operate(&parameter.operator, subject, value)? {
                    self.push_value(&value, doubled, fields);
                }
            }
            Fetched::Many { values, star } => {
                let values = self.operate_on_all(&parameter.operator, subject, values)?;
                self.push_list(&values, star, doubled, fields);
            }
        }
        Ok(())
    }

    fn refuse_unset_parameter(&mut self, parameter: &Parameter, subject: &Subject) -> Result<()> {
        if !self.options.nounset {
            return Ok(());
        }
        let name = match (&subject.name, &subject.subscript) {
            (Name::Variable(name), Some(subscript)) => [name.as_slice(), b"[", subscript, b"]"].concat(),
            (Name::Variable(name), None) => name.clone(),
            (Name::Positional(number), _) => format!("${number}").into_bytes(),
            (Name::Special(kind), _) => vec![b'$', *kind],
        };
        let _ = parameter;
        self.refuse_unset(&name)
    }

    fn apply_test(
        &mut self,
        parameter: &Parameter,
        subject: &Subject,
        fetched: Fetched,
        (kind, colon, word): (u8, bool, &Word),
        doubled: bool,
        fields: &mut Fields,
    ) -> Result<()> {
        let present = match &fetched {
            Fetched::One(None) => false,
            Fetched::One(Some(value)) => !colon || !value.is_empty(),
            Fetched::Many { values, star } => match values.as_slice() {
                [] => false,
                [only] => !colon || !only.is_empty(),
                // `"${*:-x}"` joins them first.
                _ if *star && colon => {
                    values.iter().any(|value| !value.is_empty()) || !fields.joiner().is_empty()
                }
                _ => true,
            },
        };
        if kind == b'+' {
            if present {
                return self.expand_operand(word, doubled, fields);
            }
            return Ok(());
        }
        if present {
            match fetched {
                Fetched::One(value) => self.push_value(&value.unwrap_or_default(), doubled, fields),
                Fetched::Many { values, star } => self.push_list(&values, star, doubled, fields),
            }
            return Ok(());
        }
        match kind {
            b'-' => self.expand_operand(word, doubled, fields),
            b'=' => {
                let value = self.expand_to_string(word)?;
                let Name::Variable(name) = &subject.name else {
                    let name = bare_text(parameter).to_vec();
                    self.complain(&[b"$".as_slice(), &name, b": cannot assign in this way"].concat());
                    return Err(Flow::Discard(1));
                };
                match &subject.subscript {
                    Some(subscript) => self.assign_element(name, subscript, value)?,
                    None => self.assign(name, value)?,
                }
                let value = match self.fetch(subject)? {
                    Fetched::One(value) => value.unwrap_or_default(),
                    Fetched::Many { values, .. } => values.concat(),
                };
                self.push_value(&value, doubled, fields);
                Ok(())
            }
            _ => {
                let message = if word.parts.is_empty() {
                    if colon { b"parameter null or not set".to_vec() } else { b"parameter not set".to_vec() }
                } else {
                    self.expand_to_string(word)?
                };
                let name = bare_text(parameter).to_vec();
                self.complain(&[name.as_slice(), b": ", &message].concat());
                Err(self.fatal_expansion())
            }
        }
    }

    fn expand_operand(&mut self, word: &Word, doubled: bool, fields: &mut Fields) -> Result<()> {
        if doubled {
            return self.expand_parts(&word.parts, true, fields);
        }
        let outer = std::mem::replace(&mut fields.splits_literals, true);
        let result = self.expand_parts(&word.parts, false, fields);
        fields.splits_literals = outer;
        result
    }

    /// The directory that `~2` stands for.
    pub(super) fn stacked_directory(&mut self, digits: &[u8]) -> Option<Bytes> {
        let mut all = vec![self.variable_value(b"PWD").unwrap_or_else(system::directory)];
        all.extend(self.directory_stack.iter().rev().cloned());
        let (from_end, number) = match digits.strip_prefix(b"-") {
            Some(number) => (true, number),
            None => (false, digits.strip_prefix(b"+").unwrap_or(digits)),
        };
        let number: usize = std::str::from_utf8(number).ok()?.parse().ok()?;
        let at = if from_end { all.len().checked_sub(number + 1)? } else { number };
        all.get(at).cloned()
    }
}

/// The name in `${name...}`.
fn bare_text(parameter: &Parameter) -> &[u8] {
    match &parameter.name {
        Name::Variable(name) => name,
        _ => {
            let text = parameter
                .text
                .strip_prefix(b"${")
                .or_else(|| parameter.text.strip_prefix(b"$"))
                .unwrap_or(&parameter.text);
            let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count().max(1);
            &text[..length.min(text.len())]
        }
    }
}
