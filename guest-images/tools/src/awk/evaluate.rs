//! Expressions to values.

use std::cmp::Ordering;
use std::rc::Rc;

use super::run::{Flow, Machine, Run};
use super::tree::{Expression, Operator, Place, Source};
use super::value::{Cell, Shared, Value};
use crate::posix::Regex;

impl<'p> Machine<'p> {
    pub fn cell(&self, place: Place) -> &Cell {
        const UNTYPED: &Cell = &Cell::Untyped;
        match place {
            Place::Global(at) => self.globals.get(at),
            Place::Local(at) => self.frames.last().and_then(|frame| frame.get(at)),
        }
        .unwrap_or(UNTYPED)
    }

    pub fn cell_mut(&mut self, place: Place) -> &mut Cell {
        let cells = match place {
            Place::Global(_) => &mut self.globals,
            Place::Local(_) => {
                if self.frames.is_empty() {
                    self.frames.push(Vec::new());
                }
                let last = self.frames.len() - 1;
                &mut self.frames[last]
            }
        };
        let (Place::Global(at) | Place::Local(at)) = place;
        if cells.len() <= at {
            cells.resize(at + 1, Cell::Untyped);
        }
        &mut cells[at]
    }

    pub fn array(&mut self, place: Place) -> Run<Shared> {
        let cell = self.cell_mut(place);
        let shared = match cell {
            Cell::Array(shared) => return Ok(Rc::clone(shared)),
            Cell::Pending(shared) => Rc::clone(shared),
            Cell::Untyped => Shared::default(),
            Cell::Scalar(_) => return Err(Flow::Failed("attempt to use a scalar value as array".to_owned())),
        };
        *cell = Cell::Array(Rc::clone(&shared));
        Ok(shared)
    }

    fn variable(&mut self, place: Place) -> Run<Value> {
        // The number of fields is known once they are.
        if place == Place::Global(super::run::NF) {
            self.need_fields()?;
        }
        match self.cell(place) {
            Cell::Scalar(value) => Ok(value.clone()),
            Cell::Untyped | Cell::Pending(_) => Ok(Value::Unset),
            Cell::Array(_) => Err(Flow::Failed("attempt to use an array in a scalar context".to_owned())),
        }
    }

    pub fn set_variable(&mut self, place: Place, value: Value) -> Run<()> {
        if place == Place::Global(super::run::NF) {
            self.need_fields()?;
        }
        let cell = self.cell_mut(place);
        if matches!(cell, Cell::Array(_)) {
            return Err(Flow::Failed("attempt to use an array in a scalar context".to_owned()));
        }
        *cell = Cell::Scalar(value);
        match place {
            Place::Global(at) if at < super::run::SPECIAL.len() => self.changed(at),
            _ => Ok(()),
        }
    }

    pub fn key(&mut self, keys: &'p [Expression]) -> Run<Vec<u8>> {
        if let [only] = keys {
            return Ok(self.value(only)?.bytes(&self.convert).to_vec());
        }
        let mut out = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            if at > 0 {
                out.extend_from_slice(&self.key_separator());
            }
            let value = self.value(key)?;
            out.extend_from_slice(&value.bytes(&self.convert));
        }
        Ok(out)
    }

    pub fn assign_to(&mut self, target: &'p Expression, value: Value) -> Run<()> {
        match target {
            Expression::Variable(place) => self.set_variable(*place, value),
            Expression::Element(place, keys) => {
                let key = self.key(keys)?;
                self.array(*place)?.borrow_mut().set(key, value);
                Ok(())
            }
            Expression::Field(number) => {
                let number = self.value(number)?.number();
                self.set_field(number, value)
            }
            Expression::Group(inner) => self.assign_to(inner, value),
            _ => Err(Flow::Failed("assignment to what is no variable".to_owned())),
        }
    }

    /// The expression that a value is matched with.
    pub fn regex(&mut self, pattern: &'p Expression) -> Run<Rc<Regex>> {
        if let Expression::Regex(regex) = pattern {
            return Ok(Rc::clone(regex));
        }
        let text = self.value(pattern)?.bytes(&self.convert);
        self.regex_of(&text)
    }

    pub fn bytes(&mut self, expression: &'p Expression) -> Run<Rc<Vec<u8>>> {
        Ok(self.value(expression)?.bytes(&self.convert))
    }

    pub fn value(&mut self, expression: &'p Expression) -> Run<Value> {
        let truth = |holds: bool| Value::Number(f64::from(u8::from(holds)));
        Ok(match expression {
            Expression::Number(number) => Value::Number(*number),
            Expression::Text(text) => Value::Text(Rc::clone(text)),
            Expression::Regex(regex) => {
                let record = self.whole();
                truth(regex.is_match(&record))
            }
            Expression::Variable(place) => self.variable(*place)?,
            Expression::Element(place, keys) => {
                let key = self.key(keys)?;
                let array = self.array(*place)?;
                let value = array.borrow_mut().entry(key).clone();
                value
            }
            Expression::Field(number) => {
                let number = self.value(number)?.number();
                self.field(number)?
            }
            Expression::Group(inner) => self.value(inner)?,
            Expression::Assign(target, value) => {
                let value = self.value(value)?;
                self.assign_to(target, value.clone())?;
                value
            }
            Expression::Update(operator, target, value) => {
                let right = self.value(value)?.number();
                let left = self.value(target)?.number();
                let value = Value::Number(arithmetic(*operator, left, right)?);
                self.assign_to(target, value.clone())?;
                value
            }
            Expression::Step(target, by, before) => {
                let old = self.value(target)?.number();
                self.assign_to(target, Value::Number(old + by))?;
                Value::Number(if *before { old } else { old + by })
            }
            Expression::Not(inner) => truth(!self.value(inner)?.truth()),
            Expression::Minus(inner) => Value::Number(-self.value(inner)?.number()),
            Expression::Plus(inner) => Value::Number(self.value(inner)?.number()),
            Expression::Binary(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                match operator {
                    Operator::Less
                    | Operator::LessEqual
                    | Operator::Equal
                    | Operator::NotEqual
                    | Operator::Greater
                    | Operator::GreaterEqual => truth(self.compares(*operator, &left, &right)),
                    _ => Value::Number(arithmetic(*operator, left.number(), right.number())?),
                }
            }
            Expression::Concat(left, right) => {
                let mut joined = self.bytes(left)?;
                let right = self.bytes(right)?;
                Rc::make_mut(&mut joined).extend_from_slice(&right);
                Value::Text(joined)
            }
            Expression::And(left, right) => truth(self.value(left)?.truth() && self.value(right)?.truth()),
            Expression::Or(left, right) => truth(self.value(left)?.truth() || self.value(right)?.truth()),
            Expression::Choose(condition, yes, no) => {
                if self.value(condition)?.truth() { self.value(yes)? } else { self.value(no)? }
            }
            Expression::Match(value, pattern, positive) => {
                let text = self.bytes(value)?;
                truth(self.regex(pattern)?.is_match(&text) == *positive)
            }
            Expression::In(keys, place) => {
                let key = self.key(keys)?;
                let array = self.array(*place)?;
                let found = array.borrow().get(&key).is_some();
                truth(found)
            }
            Expression::Call(at, arguments) => self.call(*at, arguments)?,
            Expression::Builtin(name, arguments) => self.builtin(name, arguments)?,
            Expression::GetLine(source, target) => Value::Number(self.get_line(source, target.as_deref())?),
        })
    }

    fn compares(&self, operator: Operator, left: &Value, right: &Value) -> bool {
        let order = match (left.numeric(), right.numeric()) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => Some(left.bytes(&self.convert).cmp(&right.bytes(&self.convert))),
        };
        match operator {
            Operator::Less => order == Some(Ordering::Less),
            Operator::LessEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Operator::Equal => order == Some(Ordering::Equal),
            Operator::NotEqual => order != Some(Ordering::Equal),
            Operator::Greater => order == Some(Ordering::Greater),
            _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }

    /// 1 for a record, 0 for none, -1 for a file that cannot be read.
    fn get_line(&mut self, source: &'p Source, target: Option<&'p Expression>) -> Run<f64> {
        let (record, counts) = match source {
            Source::Main => (self.main_record()?, false),
            Source::File(name) | Source::Command(name) => {
                let name = self.bytes(name)?;
                let separator = self.record_separator()?;
                let command = matches!(source, Source::Command(_));
                let read = self.streams.reader(command, &name).and_then(|reader| reader.record(&separator));
                match read {
                    Ok(record) => (record.map(|(record, _)| record), command),
                    Err(_) => return Ok(-1.0),
                }
            }
        };
        let Some(record) = record else { return Ok(0.0) };
        if counts {
            let number = self.special(super::run::NR).number();
            self.set_number(super::run::NR, number + 1.0);
        }
        match target {
            None => self.set_record(record),
            Some(target) => self.assign_to(target, Value::Input(Rc::new(record)))?,
        }
        Ok(1.0)
    }
}

fn arithmetic(operator: Operator, left: f64, right: f64) -> Run<f64> {
    Ok(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide if right == 0.0 => return Err(Flow::Failed("division by zero".to_owned())),
        Operator::Divide => left / right,
        Operator::Modulo if right == 0.0 => return Err(Flow::Failed("division by zero in %".to_owned())),
        Operator::Modulo => left % right,
        _ => left.powf(right),
    })
}
