//! Reading and writing variables as commands do: attributes, references, names that the shell computes.

use std::collections::BTreeMap;

use super::{Associative, Value, Variable};
use crate::bytes::{is_name, lower, upper};
use crate::flow::{Flow, Result};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;

/// References to references are followed so far.
const REFERENCES_MAX: usize = 8;

impl Shell {
    /// The variable that a name stands for, behind references, and the subscript that a reference may have.
    pub fn resolve(&self, name: &[u8]) -> (Bytes, Option<Bytes>) {
        let mut name = name.to_vec();
        for _ in 0..REFERENCES_MAX {
            match self.variables.get(&name) {
                Some(variable) if variable.attributes.nameref => match &variable.value {
                    Value::Scalar(target) if !target.is_empty() => match split_subscript(target) {
                        Some((base, subscript)) => return (base.to_vec(), Some(subscript.to_vec())),
                        None => name.clone_from(target),
                    },
                    _ => break,
                },
                _ => break,
            }
        }
        (name, None)
    }

    fn is_reference(&self, name: &[u8]) -> bool {
        self.variables.get(name).is_some_and(|variable| variable.attributes.nameref)
    }

    /// The value of `$name`; none when it is unset.
    pub fn variable_value(&mut self, name: &[u8]) -> Option<Bytes> {
        if let Some(value) = self.dynamic_value(name) {
            return Some(value);
        }
        if self.is_reference(name) {
            let (target, subscript) = self.resolve(name);
            return match subscript {
                Some(subscript) => self.element_value(&target, &subscript).ok().flatten(),
                None if target == name => None,
                None => self.variable_value(&target),
            };
        }
        self.variables.get(name).and_then(Variable::first).cloned()
    }

    pub fn value_or_empty(&mut self, name: &[u8]) -> Bytes {
        self.variable_value(name).unwrap_or_default()
    }

    /// Which element of an indexed array a subscript names; negative ones count from the end.
    pub fn index(&mut self, name: &[u8], subscript: &[u8]) -> Result<Option<i64>> {
        let index = self.evaluate_text(subscript, 0)?;
        if index >= 0 {
            return Ok(Some(index));
        }
        let end = match self.variables.get(name).map(|variable| &variable.value) {
            Some(Value::Indexed(values)) => values.last_key_value().map_or(0, |(last, _)| last + 1),
            Some(Value::Scalar(_)) => 1,
            _ => match self.dynamic_array(name) {
                Some(values) => i64::try_from(values.len()).unwrap_or(i64::MAX),
                None => 0,
            },
        };
        Ok(Some(index + end).filter(|&index| index >= 0))
    }

    /// The value of `${name[subscript]}`, with the subscript expanded already.
    pub fn element_value(&mut self, name: &[u8], subscript: &[u8]) -> Result<Option<Bytes>> {
        let (name, _) = self.resolve(name);
        if let Some(Value::Associative(values)) = self.variables.get(&name).map(|variable| &variable.value) {
            return Ok(values.get(subscript).cloned());
        }
        let Some(index) = self.index(&name, subscript)? else {
            self.complain(&[name.as_slice(), b"[", subscript, b"]: bad array subscript"].concat());
            return Ok(None);
        };
        if let Some(values) = self.dynamic_array(&name) {
            return Ok(usize::try_from(index).ok().and_then(|index| values.into_iter().nth(index)));
        }
        if index == 0
            && let Some(value) = self.dynamic_value(&name)
        {
            return Ok(Some(value));
        }
        Ok(match self.variables.get(&name).map(|variable| &variable.value) {
            Some(Value::Indexed(values)) => values.get(&index).cloned(),
            Some(Value::Scalar(value)) if index == 0 => Some(value.clone()),
            _ => None,
        })
    }

    /// The values of `${name[@]}`.
    pub fn all_values(&mut self, name: &[u8]) -> Vec<Bytes> {
        let (name, subscript) = self.resolve(name);
        if let Some(subscript) = subscript {
            return self.element_value(&name, &subscript).ok().flatten().into_iter().collect();
        }
        if let Some(values) = self.dynamic_array(&name) {
            return values;
        }
        if let Some(value) = self.dynamic_value(&name) {
            return vec![value];
        }
        match self.variables.get(&name).map(|variable| &variable.value) {
            None | Some(Value::Unset) => Vec::new(),
            Some(Value::Scalar(value)) => vec![value.clone()],
            Some(Value::Indexed(values)) => values.values().cloned().collect(),
            Some(Value::Associative(values)) => {
                values.entries().into_iter().map(|(_, value)| value.clone()).collect()
            }
        }
    }

    /// The subscripts of `${!name[@]}`.
    pub fn all_keys(&mut self, name: &[u8]) -> Vec<Bytes> {
        let (name, _) = self.resolve(name);
        if let Some(values) = self.dynamic_array(&name) {
            return (0..values.len()).map(|index| index.to_string().into_bytes()).collect();
        }
        match self.variables.get(&name).map(|variable| &variable.value) {
            None | Some(Value::Unset) => Vec::new(),
            Some(Value::Scalar(_)) => vec![b"0".to_vec()],
            Some(Value::Indexed(values)) => {
                values.keys().map(|index| index.to_string().into_bytes()).collect()
            }
            Some(Value::Associative(values)) => {
                values.entries().into_iter().map(|(key, _)| key.clone()).collect()
            }
        }
    }

    pub fn refuse_readonly(&mut self, name: &[u8]) -> Result<()> {
        if self.variables.attributes(name).readonly {
            let who = self.builtin.filter(|name| matches!(*name, "declare" | "typeset" | "local" | "unset"));
            let prefix = who.map(|name| format!("{name}: ")).unwrap_or_default();
            self.complain(&[prefix.as_bytes(), name, b": readonly variable"].concat());
            return Err(Flow::Discard(1));
        }
        Ok(())
    }

    /// `name=value`.
    pub fn assign(&mut self, name: &[u8], value: Bytes) -> Result<()> {
        if self.is_reference(name) {
            let (target, subscript) = self.resolve(name);
            if let Some(subscript) = subscript {
                return self.assign_element(&target, &subscript, value);
            }
            if target != name {
                return self.assign(&target, value);
            }
            if !is_name(&value) && split_subscript(&value).is_none() {
                self.complain(&[b"`".as_slice(), &value, b"': not a valid identifier"].concat());
                return Err(Flow::Discard(1));
            }
            self.variables.entry(name).value = Value::Scalar(value);
            return Ok(());
        }
        self.refuse_readonly(name)?;
        if self.assign_dynamic(name, &value) {
            return Ok(());
        }
        let value = self.converted(name, value)?;
        let variable = self.variables.entry(name);
        variable.empty_declaration = false;
        match &mut variable.value {
            Value::Indexed(values) => {
                values.insert(0, value);
            }
            Value::Associative(values) => values.insert(b"0", value),
            plain => *plain = Value::Scalar(value),
        }
        if self.options.allexport {
            self.variables.entry(name).attributes.export = true;
        }
        self.after_assignment(name);
        Ok(())
    }

    /// The value as the attributes of the variable want it.
    pub fn converted(&mut self, name: &[u8], value: Bytes) -> Result<Bytes> {
        let attributes = self.variables.attributes(name);
        let value =
            if attributes.integer { self.evaluate_text(&value, 0)?.to_string().into_bytes() } else { value };
        Ok(if attributes.lower {
            lower(&value)
        } else if attributes.upper {
            upper(&value)
        } else {
            value
        })
    }

    /// `name[subscript]=value`, with the subscript expanded already.
    pub fn assign_element(&mut self, name: &[u8], subscript: &[u8], value: Bytes) -> Result<()> {
        let (name, _) = self.resolve(name);
        self.refuse_readonly(&name)?;
        let value = self.converted(&name, value)?;
        if let Some(Variable { value: Value::Associative(values), .. }) = self.variables.get_mut(&name) {
            values.insert(subscript, value);
            self.variables.entry(&name).empty_declaration = false;
            return Ok(());
        }
        let Some(index) = self.index(&name, subscript)? else {
            self.complain(&[name.as_slice(), b"[", subscript, b"]: bad array subscript"].concat());
            return Err(Flow::Discard(1));
        };
        let variable = self.variables.entry(&name);
        variable.empty_declaration = false;
        match &mut variable.value {
            Value::Indexed(values) => {
                values.insert(index, value);
            }
            other => {
                let mut values = BTreeMap::new();
                if let Value::Scalar(old) = std::mem::take(other) {
                    values.insert(0, old);
                }
                values.insert(index, value);
                *other = Value::Indexed(values);
            }
        }
        Ok(())
    }

    /// The old value with something behind it, or, of an integer, added to it.
    pub fn appended(&mut self, name: &[u8], old: Option<Bytes>, value: &[u8]) -> Result<Bytes> {
        if self.variables.attributes(name).integer {
            let left = self.evaluate_text(&old.unwrap_or_default(), 0)?;
            let right = self.evaluate_text(value, 0)?;
            return Ok(left.wrapping_add(right).to_string().into_bytes());
        }
        let mut joined = old.unwrap_or_default();
        joined.extend_from_slice(value);
        Ok(joined)
    }

    /// Replaces the whole array.
    pub fn set_array(&mut self, name: &[u8], values: Vec<Bytes>) -> Result<()> {
        let (name, _) = self.resolve(name);
        self.refuse_readonly(&name)?;
        let attributes = self.variables.attributes(&name);
        let mut variable = Variable::indexed(values);
        variable.attributes = attributes;
        self.variables.insert(&name, variable);
        Ok(())
    }

    pub fn make_associative(&mut self, name: &[u8]) {
        let variable = self.variables.entry(name);
        if !matches!(variable.value, Value::Associative(_)) {
            variable.empty_declaration = true;
            variable.value = Value::Associative(Associative::default());
        }
    }

    pub fn make_indexed(&mut self, name: &[u8]) {
        let variable = self.variables.entry(name);
        match std::mem::take(&mut variable.value) {
            Value::Unset => {
                variable.empty_declaration = true;
                variable.value = Value::Indexed(BTreeMap::new());
            }
            Value::Scalar(old) => variable.value = Value::Indexed(BTreeMap::from([(0, old)])),
            array => variable.value = array,
        }
    }

    /// Takes `name` or `name[subscript]`, as builtins do.
    pub fn assign_text(&mut self, place: &[u8], value: Bytes) -> Result<()> {
        match split_subscript(place) {
            Some((name, subscript)) => {
                let name = name.to_vec();
                let subscript = self.expanded_subscript(&name, subscript)?;
                self.assign_element(&name, &subscript, value)
            }
            None => self.assign(place, value),
        }
    }

    /// A subscript that a builtin was given as text.
    pub fn expanded_subscript(&mut self, name: &[u8], subscript: &[u8]) -> Result<Bytes> {
        let (name, _) = self.resolve(name);
        let associative =
            matches!(self.variables.get(&name).map(|variable| &variable.value), Some(Value::Associative(_)));
        if !subscript.iter().any(|byte| b"$`\"'\\".contains(byte)) {
            return Ok(subscript.to_vec());
        }
        let parsed = if associative {
            crate::syntax::parse_word_text(subscript, &self.parser_settings())
        } else {
            crate::syntax::parse_arithmetic_text(subscript, &self.parser_settings())
        };
        match parsed {
            Ok(word) => self.expand_to_string(&word),
            Err(_) => Ok(subscript.to_vec()),
        }
    }
}

/// `name[subscript]` taken apart.
pub fn split_subscript(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let open = text.iter().position(|&byte| byte == b'[')?;
    let inner = text[open + 1..].strip_suffix(b"]")?;
    is_name(&text[..open]).then_some((&text[..open], inner))
}

/// Can a builtin assign to it: a name, or a name with a subscript?
pub fn is_place(text: &[u8]) -> bool {
    is_name(text) || split_subscript(text).is_some_and(|(_, subscript)| !subscript.is_empty())
}
