//! The operators of `${name...}` that change a value.

use super::escape::{ansi, quoted_double, quoted_reusable};
use super::parameter::Subject;
use crate::bytes::{char_count, char_length, chars, lower, upper};
use crate::flow::{Flow, Result};
use crate::pattern::Pattern;
use crate::shell::Shell;
use crate::syntax::ast::{Arithmetic, Bytes, Name, Operator, Replace};
use crate::variables::Value;

impl Shell {
    pub(super) fn pattern(&mut self, text: &[u8]) -> Pattern {
        Pattern::new(text, self.shopt.extglob, false)
    }

    /// One value through an operator; none when nothing comes of it.
    pub(super) fn operate(
        &mut self,
        operator: &Operator,
        subject: &Subject,
        value: Option<Bytes>,
    ) -> Result<Option<Bytes>> {
        if let Operator::Transform(kind) = operator {
            return self.transform(*kind, subject, value);
        }
        let Some(value) = value else { return Ok(None) };
        if let Operator::Substring { offset, length } = operator {
            return self.substring(&value, offset, length.as_ref()).map(Some);
        }
        let mut values = self.operate_on_all(operator, subject, vec![value])?;
        Ok(values.pop())
    }

    pub(super) fn operate_on_all(
        &mut self,
        operator: &Operator,
        subject: &Subject,
        values: Vec<Bytes>,
    ) -> Result<Vec<Bytes>> {
        Ok(match operator {
            Operator::Remove { suffix, longest, pattern } => {
                let text = self.expand_pattern(pattern)?;
                let pattern = self.pattern(&text);
                values.into_iter().map(|value| removed(&pattern, value, *suffix, *longest)).collect()
            }
            Operator::Replace { kind, pattern, replacement } => {
                let text = self.expand_pattern(pattern)?;
                // With `patsub_replacement` an unquoted `&` is what matched.
                let replacement = self.replacement(replacement)?;
                let pattern = Pattern::new(&text, self.shopt.extglob, self.shopt.nocasematch);
                // bash goes through the characters for `//`, so that of what is empty only `*` replaces something.
                let skips_empty = *kind == Replace::All && text != b"*";
                let replace = |value: Bytes| {
                    if value.is_empty() && skips_empty {
                        value
                    } else {
                        replaced(&pattern, &value, *kind, &replacement)
                    }
                };
                values.into_iter().map(replace).collect()
            }
            Operator::Case { kind, all, pattern } => {
                let pattern = match pattern {
                    Some(word) => {
                        let text = self.expand_pattern(word)?;
                        Some(self.pattern(&text))
                    }
                    None => None,
                };
                values.into_iter().map(|value| recased(&value, *kind, *all, pattern.as_ref())).collect()
            }
            Operator::Substring { offset, length } => self.slice(subject, values, offset, length.as_ref())?,
            Operator::Transform(kind) => self.transform_all(*kind, subject, values)?,
            _ => values,
        })
    }

    fn replacement(&mut self, word: &crate::syntax::ast::Word) -> Result<Vec<Replacement>> {
        let field = self.expand_one(word)?;
        let mut out = vec![Replacement::Text(Bytes::new())];
        let mut at = 0;
        let active = self.shopt.patsub_replacement;
        while at < field.text.len() {
            let (mut byte, quoted) = (field.text[at], field.quoted[at]);
            if active && !quoted && byte == b'&' {
                out.push(Replacement::Matched);
                out.push(Replacement::Text(Bytes::new()));
            } else {
                if active
                    && !quoted
                    && byte == b'\\'
                    && field.text.get(at + 1).is_some_and(|next| b"&\\".contains(next))
                {
                    at += 1;
                    byte = field.text[at];
                }
                if let Some(Replacement::Text(text)) = out.last_mut() {
                    text.push(byte);
                }
            }
            at += 1;
        }
        Ok(out)
    }

    fn substring(&mut self, value: &[u8], offset: &Arithmetic, length: Option<&Arithmetic>) -> Result<Bytes> {
        let total = i64::try_from(char_count(value)).unwrap_or(i64::MAX);
        let Some((from, to)) = self.range(total, total, offset, length)? else { return Ok(Bytes::new()) };
        if value.is_ascii() {
            return Ok(value[from..to].to_vec());
        }
        Ok(chars(value).skip(from).take(to - from).flatten().copied().collect())
    }

    /// From where to where an offset and a length go.
    fn range(
        &mut self,
        total: i64,
        end: i64,
        offset: &Arithmetic,
        length: Option<&Arithmetic>,
    ) -> Result<Option<(usize, usize)>> {
        let mut from = self.arithmetic(offset)?;
        if from < 0 {
            from += end;
        }
        let length = match length {
            Some(length) => Some(self.arithmetic(length)?),
            None => None,
        };
        if from < 0 || from > total {
            return Ok(None);
        }
        let to = match length {
            None => total,
            Some(length) if length < 0 => {
                let to = total + length;
                if to < from {
                    self.complain(&[&*offset_text(length), b": substring expression < 0"].concat());
                    return Err(Flow::Discard(1));
                }
                to
            }
            Some(length) => from.saturating_add(length).min(total),
        };
        Ok(Some((usize::try_from(from).unwrap_or(0), usize::try_from(to).unwrap_or(0))))
    }

    /// `${array[@]:offset:length}`, `${@:offset:length}`.
    fn slice(
        &mut self,
        subject: &Subject,
        values: Vec<Bytes>,
        offset: &Arithmetic,
        length: Option<&Arithmetic>,
    ) -> Result<Vec<Bytes>> {
        let mut values = values;
        let mut keys: Option<Vec<i64>> = None;
        let mut from_one = false;
        match &subject.name {
            Name::Special(_) => values.insert(0, self.name.clone()),
            Name::Variable(name) => {
                let (name, _) = self.resolve(name);
                match self.variables.get(&name).map(|variable| &variable.value) {
                    Some(Value::Indexed(array)) => keys = Some(array.keys().copied().collect()),
                    // bash counts the elements of these from one.
                    Some(Value::Associative(_)) => from_one = true,
                    _ => {}
                }
            }
            Name::Positional(_) => {}
        }
        let count = i64::try_from(values.len()).unwrap_or(i64::MAX);
        let end =
            keys.as_ref().and_then(|keys| keys.last()).map_or(count + i64::from(from_one), |last| last + 1);
        let mut from = self.arithmetic(offset)?;
        if from < 0 {
            from += end;
        }
        let length = match length {
            Some(length) => Some(self.arithmetic(length)?),
            None => None,
        };
        if let Some(length) = length
            && length < 0
        {
            self.complain(&[&*offset_text(length), b": substring expression < 0"].concat());
            return Err(Flow::Discard(1));
        }
        if from < 0 {
            return Ok(Vec::new());
        }
        // `$0` counts only when the offset is zero.
        let skip = match &keys {
            Some(keys) => keys.iter().take_while(|&&key| key < from).count(),
            None => usize::try_from(from).unwrap_or(usize::MAX).saturating_sub(usize::from(from_one)),
        };
        // Of an associative array it takes at least one.
        let take = length
            .map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0).max(usize::from(from_one)));
        Ok(values.into_iter().skip(skip).take(take).collect())
    }

    fn transform(&mut self, kind: u8, subject: &Subject, value: Option<Bytes>) -> Result<Option<Bytes>> {
        let name = match &subject.name {
            Name::Variable(name) => Some(name.clone()),
            _ => None,
        };
        if kind == b'a' {
            let Some(name) = name else { return Ok(Some(Bytes::new())) };
            let (name, _) = self.resolve(&name);
            return Ok(self.variables.get(&name).map(|variable| variable.flags().into_bytes()));
        }
        if kind == b'A' {
            let Some(name) = name else { return Ok(value.map(|value| quoted_reusable(&value))) };
            let (name, _) = self.resolve(&name);
            let Some(variable) = self.variables.get(&name) else { return Ok(None) };
            let flags = variable.flags();
            let mut out = Bytes::new();
            if !flags.is_empty() {
                out.extend_from_slice(format!("declare -{flags} ").as_bytes());
            }
            out.extend_from_slice(&name);
            if let Some(value) = value {
                out.push(b'=');
                out.extend_from_slice(&quoted_reusable(&value));
            } else if flags.is_empty() {
                return Ok(None);
            }
            return Ok(Some(out));
        }
        let Some(value) = value else { return Ok(None) };
        Ok(Some(match kind {
            b'Q' | b'K' | b'k' => quoted_reusable(&value),
            b'E' => ansi(&value),
            b'P' => self.expand_prompt(&value),
            b'U' => upper(&value),
            b'L' => lower(&value),
            _ => {
                let first = char_length(&value);
                [upper(&value[..first]).as_slice(), &value[first..]].concat()
            }
        }))
    }

    fn transform_all(&mut self, kind: u8, subject: &Subject, values: Vec<Bytes>) -> Result<Vec<Bytes>> {
        if let Name::Variable(name) = &subject.name {
            let (name, _) = self.resolve(name);
            match kind {
                b'A' => {
                    let Some(variable) = self.variables.get(&name) else { return Ok(Vec::new()) };
                    let Some(elements) = variable.elements() else {
                        return self.transform_each(kind, subject, values);
                    };
                    let mut out = format!("declare -{} ", variable.flags()).into_bytes();
                    out.extend_from_slice(&name);
                    out.push(b'=');
                    out.extend_from_slice(&elements);
                    return Ok(vec![out]);
                }
                b'K' | b'k' => {
                    let keys = self.all_keys(&name);
                    let pairs = keys.into_iter().zip(values);
                    if kind == b'k' {
                        return Ok(pairs.flat_map(|(key, value)| [key, value]).collect());
                    }
                    let shown: Vec<Bytes> = pairs
                        .map(|(key, value)| [key.as_slice(), b" ", &quoted_double(&value)].concat())
                        .collect();
                    let mut line = shown.join(b" ".as_slice());
                    if matches!(
                        self.variables.get(&name).map(|variable| &variable.value),
                        Some(Value::Associative(_))
                    ) {
                        line.push(b' ');
                    }
                    return Ok(vec![line]);
                }
                _ => {}
            }
        }
        if kind == b'A' {
            let shown: Vec<Bytes> = values.iter().map(|value| quoted_reusable(value)).collect();
            return Ok(vec![[b"set -- ".as_slice(), &shown.join(b" ".as_slice())].concat()]);
        }
        self.transform_each(kind, subject, values)
    }

    fn transform_each(&mut self, kind: u8, subject: &Subject, values: Vec<Bytes>) -> Result<Vec<Bytes>> {
        let mut out = Vec::new();
        for value in values {
            out.extend(self.transform(kind, subject, Some(value))?);
        }
        Ok(out)
    }
}

fn offset_text(value: i64) -> Bytes {
    value.to_string().into_bytes()
}

#[derive(Debug)]
enum Replacement {
    Text(Bytes),
    Matched,
}

fn removed(pattern: &Pattern, value: Bytes, suffix: bool, longest: bool) -> Bytes {
    if suffix {
        match pattern.suffix(&value, longest) {
            Some(from) => value[..from].to_vec(),
            None => value,
        }
    } else {
        match pattern.prefix(&value, longest) {
            Some(to) => value[to..].to_vec(),
            None => value,
        }
    }
}

fn replaced(pattern: &Pattern, value: &[u8], kind: Replace, replacement: &[Replacement]) -> Bytes {
    let mut out = Bytes::new();
    let put = |out: &mut Bytes, matched: &[u8]| {
        for piece in replacement {
            match piece {
                Replacement::Text(text) => out.extend_from_slice(text),
                Replacement::Matched => out.extend_from_slice(matched),
            }
        }
    };
    match kind {
        Replace::Prefix => {
            let to = pattern.prefix(value, true);
            match to {
                Some(to) => {
                    put(&mut out, &value[..to]);
                    out.extend_from_slice(&value[to..]);
                }
                None => out.extend_from_slice(value),
            }
        }
        Replace::Suffix => match pattern.suffix(value, true) {
            Some(from) => {
                out.extend_from_slice(&value[..from]);
                put(&mut out, &value[from..]);
            }
            None => out.extend_from_slice(value),
        },
        Replace::First | Replace::All => {
            if pattern.is_empty() {
                return value.to_vec();
            }
            let mut finder = pattern.finder(value);
            let mut at = 0;
            while let Some((from, to)) = finder.next(at) {
                out.extend_from_slice(&value[at..from]);
                put(&mut out, &value[from..to]);
                if to == from {
                    // An empty match replaces once at its place and goes on behind the next character.
                    let step = char_length(&value[from..]);
                    out.extend_from_slice(&value[from..from + step]);
                    at = from + step;
                    if step == 0 {
                        break;
                    }
                } else {
                    at = to;
                }
                if kind == Replace::First || at >= value.len() {
                    break;
                }
            }
            out.extend_from_slice(&value[at..]);
        }
    }
    out
}

fn recased(value: &[u8], kind: u8, all: bool, pattern: Option<&Pattern>) -> Bytes {
    let mut out = Bytes::with_capacity(value.len());
    for (at, character) in chars(value).enumerate() {
        let wanted = (all || at == 0) && pattern.is_none_or(|pattern| pattern.matches(character));
        if wanted {
            out.extend(if kind == b'^' { upper(character) } else { lower(character) });
        } else {
            out.extend_from_slice(character);
        }
    }
    out
}
