//! Dynamic scopes: a local variable hides the caller's until the function returns.

use super::{Attributes, Value, Variable, Variables};
use crate::syntax::ast::Bytes;

/// What the variables were that a function, or an assignment before a command, hides.
#[derive(Debug, Default)]
pub struct Scope {
    hidden: Vec<(Bytes, Option<Variable>)>,
    /// Of an assignment before a command, not of a function.
    temporary: bool,
}

impl Variables {
    pub fn get(&self, name: &[u8]) -> Option<&Variable> {
        self.current.get(name)
    }

    pub fn get_mut(&mut self, name: &[u8]) -> Option<&mut Variable> {
        self.current.get_mut(name)
    }

    pub fn entry(&mut self, name: &[u8]) -> &mut Variable {
        if !self.current.contains_key(name) {
            self.current.insert(name.to_vec(), Variable::default());
        }
        self.current.get_mut(name).unwrap_or_else(|| unreachable!("it was just made"))
    }

    pub fn insert(&mut self, name: &[u8], variable: Variable) {
        self.current.insert(name.to_vec(), variable);
    }

    pub fn enter(&mut self, temporary: bool) {
        self.scopes.push(Scope { hidden: Vec::new(), temporary });
    }

    pub fn leave(&mut self) {
        let Some(scope) = self.scopes.pop() else { return };
        for (name, variable) in scope.hidden.into_iter().rev() {
            match variable {
                Some(variable) => self.current.insert(name, variable),
                None => self.current.remove(&name),
            };
        }
    }

    pub fn in_function(&self) -> bool {
        self.scopes.iter().any(|scope| !scope.temporary)
    }

    /// Is the variable local to the function that runs?
    pub fn is_local(&self, name: &[u8]) -> bool {
        self.scopes
            .iter()
            .rev()
            .find(|scope| !scope.temporary)
            .is_some_and(|scope| scope.hidden.iter().any(|(hidden, _)| hidden == name))
    }

    /// Hides the variable in the innermost scope (of a function, unless `temporary`), with a new one that is unset.
    /// A temporary one that is there already gives its value.
    pub fn hide(&mut self, name: &[u8], temporary: bool) {
        let inner = self.scopes.iter().rposition(|scope| temporary || !scope.temporary);
        let Some(position) = inner else { return };
        if self.scopes[position].hidden.iter().any(|(hidden, _)| hidden == name) {
            return;
        }
        let old = self.current.get(name).cloned();
        let mut fresh = Variable::default();
        if !temporary {
            // The local of a function that was called with `name=value` before it begins with that.
            let given = self.scopes[..=position]
                .iter()
                .rev()
                .take(2)
                .any(|scope| scope.temporary && scope.hidden.iter().any(|(hidden, _)| hidden == name));
            if given && let Some(old) = &old {
                fresh = old.clone();
            }
        }
        self.scopes[position].hidden.push((name.to_vec(), old));
        self.current.insert(name.to_vec(), fresh);
    }

    /// Unsets; a local one goes on being local.
    pub fn unset(&mut self, name: &[u8]) {
        let innermost =
            self.scopes.iter().rposition(|scope| scope.hidden.iter().any(|(hidden, _)| hidden == name));
        let Some(position) = innermost else {
            self.current.remove(name);
            return;
        };
        let own = self.scopes.iter().rposition(|scope| !scope.temporary);
        if own == Some(position) && !self.scopes[position].temporary {
            self.current.insert(name.to_vec(), Variable::default());
            return;
        }
        // That of a caller: what it hides is seen again.
        let hidden = &mut self.scopes[position].hidden;
        if let Some(at) = hidden.iter().rposition(|(hidden, _)| hidden == name) {
            let (_, variable) = hidden.remove(at);
            match variable {
                Some(variable) => self.current.insert(name.to_vec(), variable),
                None => self.current.remove(name),
            };
        }
    }

    /// Does a scope hide another variable of that name?
    pub fn is_hidden(&self, name: &[u8]) -> bool {
        self.scopes.iter().any(|scope| scope.hidden.iter().any(|(hidden, _)| hidden == name))
    }

    /// The variable as it is outside of all functions.
    pub fn global(&mut self, name: &[u8]) -> &mut Variable {
        let place = self.scopes.iter().enumerate().find_map(|(scope, found)| {
            found.hidden.iter().position(|(hidden, _)| hidden == name).map(|at| (scope, at))
        });
        match place {
            Some((scope, at)) => self.scopes[scope].hidden[at].1.get_or_insert_default(),
            None => self.entry(name),
        }
    }

    /// Names that are set or declared, sorted.
    pub fn names(&self) -> Vec<&Bytes> {
        let mut names: Vec<&Bytes> = self.current.keys().collect();
        names.sort_unstable();
        names
    }

    pub fn local_names(&self) -> Vec<Bytes> {
        let scope = self.scopes.iter().rev().find(|scope| !scope.temporary);
        let mut names: Vec<Bytes> = scope
            .map(|scope| scope.hidden.iter().map(|(name, _)| name.clone()).collect())
            .unwrap_or_default();
        names.sort_unstable();
        names
    }

    /// `NAME=value` of all that is exported.
    pub fn environment(&self) -> Vec<Bytes> {
        let mut environment: Vec<Bytes> = self
            .current
            .iter()
            .filter(|(_, variable)| variable.attributes.export)
            .filter_map(|(name, variable)| match &variable.value {
                Value::Scalar(value) => Some([name.as_slice(), b"=", value].concat()),
                _ => None,
            })
            .collect();
        environment.sort_unstable();
        environment
    }

    pub fn attributes(&self, name: &[u8]) -> Attributes {
        self.current.get(name).map(|variable| variable.attributes).unwrap_or_default()
    }
}
