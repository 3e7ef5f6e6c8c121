//! Variables, their attributes and scopes.

mod access;
mod array;
mod dynamic;
pub mod print;
mod scope;

pub use access::{is_place, split_subscript};
pub use array::Associative;
pub use dynamic::Clock;
pub use scope::Scope;

use std::collections::{BTreeMap, HashMap};

use crate::syntax::ast::Bytes;

#[derive(Debug, Clone, Default)]
pub enum Value {
    #[default]
    Unset,
    Scalar(Bytes),
    Indexed(BTreeMap<i64, Bytes>),
    Associative(Associative),
}

#[derive(Debug, Clone, Default)]
pub struct Variable {
    pub value: Value,
    pub attributes: Attributes,
    /// An array that was declared but not given a value.
    pub empty_declaration: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    pub export: bool,
    pub readonly: bool,
    pub integer: bool,
    pub lower: bool,
    pub upper: bool,
    pub nameref: bool,
    pub trace: bool,
}

impl Variable {
    pub fn indexed(values: impl IntoIterator<Item = Bytes>) -> Self {
        let value = Value::Indexed((0..).zip(values).collect());
        Variable { value, ..Variable::default() }
    }

    /// The value that `$name` has.
    pub fn first(&self) -> Option<&Bytes> {
        match &self.value {
            Value::Unset => None,
            Value::Scalar(value) => Some(value),
            Value::Indexed(values) => values.get(&0),
            Value::Associative(values) => values.get(b"0"),
        }
    }
}

/// All variables: those that are seen now, and behind them in the scopes those that will be seen again.
#[derive(Debug, Default)]
pub struct Variables {
    current: HashMap<Bytes, Variable>,
    scopes: Vec<Scope>,
}
