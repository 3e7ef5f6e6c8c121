//! `unset`.

use crate::bytes::is_name;
use crate::flow::{Result, Status};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;
use crate::variables::{Value, split_subscript};

pub fn unset(shell: &mut Shell, arguments: &[Bytes]) -> Result<Status> {
    let (letters, rest) = match shell.builtin_letters(arguments, b"fnv", "unset [-f] [-v] [-n] [name ...]") {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    let mut status = 0;
    for name in rest {
        let one = if letters.contains(&b'f') {
            unset_function(shell, name)
        } else {
            unset_variable(shell, name, letters.contains(&b'n'), letters.contains(&b'v'))?
        };
        status = status.max(one);
    }
    Ok(status)
}

fn unset_function(shell: &mut Shell, name: &[u8]) -> Status {
    if shell.readonly_functions.contains(name) {
        shell.complain_as("unset", [name, b": cannot unset: readonly function"].concat());
        return 1;
    }
    shell.functions.remove(name);
    shell.exported_functions.remove(name);
    0
}

fn unset_variable(shell: &mut Shell, text: &[u8], reference: bool, variable_only: bool) -> Result<Status> {
    if let Some((name, subscript)) = split_subscript(text) {
        let (name, subscript) = (name.to_vec(), subscript.to_vec());
        return unset_element(shell, &name, &subscript);
    }
    if !is_name(text) {
        if !variable_only && shell.functions.contains_key(text) {
            return Ok(unset_function(shell, text));
        }
        if !variable_only {
            return Ok(0);
        }
        shell.complain_as("unset", [b"`", text, b"': not a valid identifier"].concat());
        return Ok(1);
    }
    let (name, subscript) = if reference { (text.to_vec(), None) } else { shell.resolve(text) };
    if let Some(subscript) = subscript {
        return unset_element(shell, &name, &subscript);
    }
    if shell.variables.attributes(&name).readonly {
        shell.complain_as("unset", [name.as_slice(), b": cannot unset: readonly variable"].concat());
        return Ok(1);
    }
    if shell.variables.get(&name).is_some() {
        shell.variables.unset(&name);
    } else if shell.is_dynamic(&name) {
        shell.undynamic.insert(name);
    } else if !variable_only && shell.functions.contains_key(&name) {
        return Ok(unset_function(shell, &name));
    }
    Ok(0)
}

fn unset_element(shell: &mut Shell, name: &[u8], subscript: &[u8]) -> Result<Status> {
    let (name, _) = shell.resolve(name);
    if shell.variables.attributes(&name).readonly {
        shell.complain_as("unset", [name.as_slice(), b": cannot unset: readonly variable"].concat());
        return Ok(1);
    }
    let all = subscript == b"@" || subscript == b"*";
    match shell.variables.get(&name).map(|variable| &variable.value) {
        Some(Value::Associative(_)) => {
            let key = shell.expanded_subscript(&name, subscript)?;
            if let Value::Associative(values) = &mut shell.variables.entry(&name).value {
                values.remove(&key);
            }
        }
        Some(Value::Indexed(_)) if all => {
            shell.variables.entry(&name).value = Value::Indexed(std::collections::BTreeMap::new());
        }
        Some(Value::Indexed(_)) => {
            let expanded = shell.expanded_subscript(&name, subscript)?;
            let Some(index) = shell.index(&name, &expanded)? else {
                shell.complain_as("unset", [b"[".as_slice(), subscript, b"]: bad array subscript"].concat());
                return Ok(1);
            };
            if let Value::Indexed(values) = &mut shell.variables.entry(&name).value {
                values.remove(&index);
            }
        }
        Some(Value::Scalar(_)) => {
            let expanded = shell.expanded_subscript(&name, subscript)?;
            if all || shell.index(&name, &expanded)? == Some(0) {
                shell.variables.unset(&name);
            } else {
                shell.complain_as("unset", [name.as_slice(), b": not an array variable"].concat());
                return Ok(1);
            }
        }
        _ => {}
    }
    Ok(0)
}
