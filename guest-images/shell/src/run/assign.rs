//! Assignments of commands and of `declare`.

use std::collections::BTreeMap;

use super::Shell;
use crate::flow::Result;
use crate::syntax::ast::{AssignedValue, Assignment, Bytes, Element, Word};
use crate::variables::{Associative, Value};

/// An argument of a builtin that declares.
#[derive(Debug, Clone)]
pub enum Operand<'a> {
    Text(Bytes),
    Assignment { name: Bytes, subscript: Option<Bytes>, append: bool, value: OperandValue<'a>, text: Bytes },
}

#[derive(Debug, Clone)]
pub enum OperandValue<'a> {
    Scalar(Bytes),
    Array(&'a [Element]),
}

impl Operand<'_> {
    pub fn text(&self) -> Bytes {
        match self {
            Operand::Text(text) | Operand::Assignment { text, .. } => text.clone(),
        }
    }
}

impl Shell {
    pub(super) fn operand<'a>(&mut self, assignment: &'a Assignment, word: &Word) -> Result<Operand<'a>> {
        let subscript = match &assignment.subscript {
            Some(subscript) => Some(self.expand_subscript(&assignment.name, subscript)?),
            None => None,
        };
        let (value, text) = match &assignment.value {
            AssignedValue::Scalar(value) => {
                let value = self.expand_to_string(value)?;
                let mut text = assignment.name.clone();
                if let Some(subscript) = &subscript {
                    text = [text.as_slice(), b"[", subscript, b"]"].concat();
                }
                text.extend_from_slice(if assignment.append { b"+=" } else { b"=" });
                text.extend_from_slice(&value);
                (OperandValue::Scalar(value), text)
            }
            AssignedValue::Array(elements) => (OperandValue::Array(elements), word.text.to_vec()),
        };
        Ok(Operand::Assignment {
            name: assignment.name.clone(),
            subscript,
            append: assignment.append,
            value,
            text,
        })
    }

    /// An assignment that stands alone.
    pub(super) fn run_assignment(&mut self, assignment: &Assignment) -> Result<()> {
        let name = &assignment.name;
        match &assignment.value {
            AssignedValue::Array(elements) => {
                if self.options.xtrace {
                    self.trace_array(assignment);
                }
                self.assign_elements(name, elements, assignment.append)
            }
            AssignedValue::Scalar(word) => {
                if let Some(subscript) = &assignment.subscript {
                    let subscript = self.expand_subscript(name, subscript)?;
                    let value = self.expand_to_string(word)?;
                    if self.options.xtrace {
                        self.trace_assignment(name, Some(&subscript), assignment.append, &value);
                    }
                    return self.assign_one(name, Some(&subscript), assignment.append, value);
                }
                let value = self.expand_to_string(word)?;
                if self.options.xtrace {
                    self.trace_assignment(name, None, assignment.append, &value);
                }
                self.assign_one(name, None, assignment.append, value)
            }
        }
    }

    pub fn assign_one(
        &mut self,
        name: &[u8],
        subscript: Option<&[u8]>,
        append: bool,
        value: Bytes,
    ) -> Result<()> {
        match subscript {
            Some(subscript) => {
                let value = if append {
                    let old = self.element_value(name, subscript)?;
                    let (name, _) = self.resolve(name);
                    self.appended(&name, old, &value)?
                } else {
                    value
                };
                self.assign_element(name, subscript, value)
            }
            None if append => {
                let (target, subscript) = self.resolve(name);
                if let Some(subscript) = subscript {
                    return self.assign_one(&target, Some(&subscript), true, value);
                }
                // In place, so that a loop that appends stays linear.
                let plain = !self.variables.attributes(&target).integer
                    && !self.variables.attributes(&target).readonly
                    && !self.variables.attributes(&target).lower
                    && !self.variables.attributes(&target).upper;
                if plain
                    && let Some(variable) = self.variables.get_mut(&target)
                    && let Value::Scalar(old) = &mut variable.value
                {
                    old.extend_from_slice(&value);
                    self.after_scope(&target);
                    return Ok(());
                }
                let old = self.variable_value(&target);
                let value = self.appended(&target, old, &value)?;
                self.assign(&target, value)
            }
            None => self.assign(name, value),
        }
    }

    /// `name=( ... )`.
    pub fn assign_elements(&mut self, name: &[u8], elements: &[Element], append: bool) -> Result<()> {
        let (name, _) = self.resolve(name);
        self.refuse_readonly(&name)?;
        let associative =
            matches!(self.variables.get(&name).map(|variable| &variable.value), Some(Value::Associative(_)));
        if associative {
            return self.assign_pairs(&name, elements, append);
        }
        let mut fresh: Vec<(Option<Bytes>, bool, Bytes)> = Vec::new();
        for element in elements {
            match &element.subscript {
                Some(subscript) => {
                    let subscript = self.expand_subscript(&name, subscript)?;
                    let value = self.expand_to_string(&element.value)?;
                    fresh.push((Some(subscript), element.append, value));
                }
                None => {
                    let mut values = Vec::new();
                    self.expand_word(&element.value, &mut values)?;
                    fresh.extend(values.into_iter().map(|value| (None, false, value)));
                }
            }
        }
        let variable = self.variables.entry(&name);
        let old = std::mem::take(&mut variable.value);
        variable.empty_declaration = false;
        let mut values = match old {
            Value::Indexed(values) if append => values,
            Value::Scalar(value) if append => BTreeMap::from([(0, value)]),
            _ => BTreeMap::new(),
        };
        let mut next = values.last_key_value().map_or(0, |(last, _)| last + 1);
        for (subscript, append, value) in fresh {
            if let Some(subscript) = subscript {
                // Expressions may be about the array itself.
                self.variables.entry(&name).value = Value::Indexed(values);
                let index = self.index(&name, &subscript);
                values = match std::mem::take(&mut self.variables.entry(&name).value) {
                    Value::Indexed(values) => values,
                    _ => BTreeMap::new(),
                };
                let Some(index) = index? else {
                    self.variables.entry(&name).value = Value::Indexed(values);
                    self.complain(
                        &[b"[".as_slice(), &subscript, b"]=", &value, b": bad array subscript"].concat(),
                    );
                    return Err(crate::flow::Flow::Discard(1));
                };
                next = index;
            }
            let value = if append {
                let old = values.get(&next).cloned();
                self.appended(&name, old, &value)?
            } else {
                self.converted(&name, value)?
            };
            values.insert(next, value);
            next += 1;
        }
        self.variables.entry(&name).value = Value::Indexed(values);
        if self.options.allexport {
            self.variables.entry(&name).attributes.export = true;
        }
        Ok(())
    }

    fn assign_pairs(&mut self, name: &[u8], elements: &[Element], append: bool) -> Result<()> {
        let mut pairs: Vec<(Bytes, bool, Bytes)> = Vec::new();
        let mut waiting: Option<Bytes> = None;
        for element in elements {
            match &element.subscript {
                Some(subscript) => {
                    let key = self.expand_to_string(subscript)?;
                    let value = self.expand_to_string(&element.value)?;
                    pairs.push((key, element.append, value));
                }
                // Keys and values in turn.
                None => {
                    let mut values = vec![self.expand_to_string(&element.value)?];
                    for value in values.drain(..) {
                        match waiting.take() {
                            None => waiting = Some(value),
                            Some(key) => pairs.push((key, false, value)),
                        }
                    }
                }
            }
        }
        if let Some(key) = waiting {
            pairs.push((key, false, Bytes::new()));
        }
        let mut values = match std::mem::take(&mut self.variables.entry(name).value) {
            Value::Associative(values) if append => values,
            _ => Associative::default(),
        };
        for (key, append, value) in pairs {
            let value = if append {
                let old = values.get(&key).cloned();
                self.appended(name, old, &value)?
            } else {
                self.converted(name, value)?
            };
            values.insert(&key, value);
        }
        let variable = self.variables.entry(name);
        variable.value = Value::Associative(values);
        variable.empty_declaration = false;
        Ok(())
    }

    /// The value of an assignment before a command.
    pub(super) fn temporary_value(&mut self, assignment: &Assignment) -> Result<Bytes> {
        match &assignment.value {
            AssignedValue::Scalar(word) => {
                let mut value = self.expand_to_string(word)?;
                if assignment.append {
                    let old = self.variable_value(&assignment.name);
                    value = self.appended(&assignment.name, old, &value)?;
                }
                if self.options.xtrace {
                    self.trace_assignment(&assignment.name, None, false, &value);
                }
                Ok(value)
            }
            AssignedValue::Array(_) => Ok(Bytes::new()),
        }
    }
}
