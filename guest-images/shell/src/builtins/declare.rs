//! `declare`, `local`, `export`, `readonly`.

use crate::bytes::is_name;
use crate::flow::{Result, Status};
use crate::run::{Operand, OperandValue};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;
use crate::variables::{Value, split_subscript};

/// What the letters of a declaration ask for.
#[derive(Debug, Default, Clone)]
struct Wanted {
    array: bool,
    associative: bool,
    functions: bool,
    function_names: bool,
    global: bool,
    print: bool,
    inherit: bool,
    /// Attribute letters to set and to take away.
    set: Vec<u8>,
    clear: Vec<u8>,
}

enum Place {
    /// Local in a function, as `declare` has it.
    Here,
    /// Where the variable is now.
    Visible,
    Local,
}

pub fn declare(shell: &mut Shell, operands: &[Operand]) -> Result<Status> {
    run(shell, operands, &Place::Here, None)
}

pub fn local(shell: &mut Shell, operands: &[Operand]) -> Result<Status> {
    if !shell.variables.in_function() {
        shell.complain_as("local", "can only be used in a function");
        return Ok(1);
    }
    run(shell, operands, &Place::Local, None)
}

pub fn export(shell: &mut Shell, operands: &[Operand]) -> Result<Status> {
    run(shell, operands, &Place::Visible, Some(b'x'))
}

pub fn readonly(shell: &mut Shell, operands: &[Operand]) -> Result<Status> {
    run(shell, operands, &Place::Visible, Some(b'r'))
}

fn letters(
    shell: &mut Shell,
    operands: &[Operand],
    implied: Option<u8>,
) -> std::result::Result<(Wanted, usize), Status> {
    let mut wanted = Wanted::default();
    let known: &[u8] = match implied {
        Some(b'x') => b"fnp",
        Some(_) => b"aAfp",
        None => b"aAfFgiIlnprtux",
    };
    let mut at = 1;
    let mut removes = false;
    while let Some(Operand::Text(text)) = operands.get(at) {
        if text == b"--" {
            at += 1;
            break;
        }
        let sets = match text.first() {
            Some(b'-') if text.len() > 1 => true,
            Some(b'+') if text.len() > 1 && implied.is_none() => false,
            _ => break,
        };
        for &letter in &text[1..] {
            if !known.contains(&letter) {
                let who = shell.builtin.unwrap_or("declare");
                shell.complain_as(
                    who,
                    format!("{}{}: invalid option", if sets { '-' } else { '+' }, char::from(letter)),
                );
                return Err(shell.usage(
                    "declare [-aAfFgiIlnrtux] [name[=value] ...] or declare -p [-aAfFilnrtux] [name ...]",
                ));
            }
            match letter {
                b'a' if sets => wanted.array = true,
                b'A' if sets => wanted.associative = true,
                b'f' => wanted.functions = true,
                b'F' => wanted.function_names = true,
                b'g' => wanted.global = true,
                b'I' => wanted.inherit = true,
                b'p' => wanted.print = true,
                b'n' if implied.is_some() => removes = true,
                letter if sets => wanted.set.push(letter),
                letter => wanted.clear.push(letter),
            }
        }
        at += 1;
    }
    match implied {
        Some(letter) if removes => wanted.clear.push(letter),
        Some(letter) => wanted.set.push(letter),
        None => {}
    }
    Ok((wanted, at))
}

fn run(shell: &mut Shell, operands: &[Operand], place: &Place, implied: Option<u8>) -> Result<Status> {
    let (wanted, at) = match letters(shell, operands, implied) {
        Ok(found) => found,
        Err(status) => return Ok(status),
    };
    let rest = &operands[at..];
    if let ([Operand::Text(dash)], Place::Local) = (rest, place)
        && dash == b"-"
    {
        let options = shell.options.clone();
        shell.local_options.push((shell.calls.len(), options));
        return Ok(0);
    }
    if wanted.functions || wanted.function_names {
        return Ok(functions(shell, rest, &wanted));
    }
    if rest.is_empty() {
        print_all(shell, &wanted, place, implied);
        return Ok(0);
    }
    let mut status = 0;
    for operand in rest {
        let one = if wanted.print && implied.is_none() {
            print_one(shell, &operand.text())
        } else {
            declare_one(shell, operand, &wanted, place)?
        };
        status = status.max(one);
    }
    Ok(status)
}

fn print_one(shell: &mut Shell, name: &[u8]) -> Status {
    let line = shell.variables.get(name).map(|variable| variable.declaration(name));
    if let Some(line) = line {
        shell.put(line);
        return 0;
    }
    let values = shell.is_dynamic(name).then(|| shell.variable_value(name)).flatten();
    if let Some(value) = values {
        let line =
            [b"declare -- ", name, b"=", &crate::expand::escape::quoted_double(&value), b"\n"].concat();
        shell.put(line);
        return 0;
    }
    shell.complain_as("declare", [name, b": not found"].concat());
    1
}

fn print_all(shell: &mut Shell, wanted: &Wanted, place: &Place, implied: Option<u8>) {
    if matches!(place, Place::Local) {
        for name in shell.variables.local_names() {
            let Some(variable) = shell.variables.get(&name) else { continue };
            let line = match &variable.value {
                Value::Unset => continue,
                Value::Scalar(value) => {
                    [name.as_slice(), b"=", &crate::expand::escape::quoted_for_set(value), b"\n"].concat()
                }
                _ => variable.declaration(&name),
            };
            shell.put(line);
        }
        return;
    }
    if wanted.set.is_empty() && !wanted.array && !wanted.associative && !wanted.print && implied.is_none() {
        shell.print_variables();
        shell.print_functions();
        return;
    }
    let names: Vec<Bytes> = shell.variables.names().into_iter().cloned().collect();
    for name in names {
        let Some(variable) = shell.variables.get(&name) else { continue };
        let flags = variable.flags();
        let fits = wanted.set.iter().all(|&letter| flags.contains(char::from(letter)))
            && (!wanted.array || flags.contains('a'))
            && (!wanted.associative || flags.contains('A'));
        if fits {
            let line = variable.declaration(&name);
            shell.put(line);
        }
    }
}

fn functions(shell: &mut Shell, rest: &[Operand], wanted: &Wanted) -> Status {
    if rest.is_empty() {
        let functions: Vec<_> = shell.functions.values().cloned().collect();
        for function in functions {
            let exported = shell.exported_functions.contains(&function.name);
            let readonly = shell.readonly_functions.contains(&function.name);
            if (wanted.set.contains(&b'x') && !exported) || (wanted.set.contains(&b'r') && !readonly) {
                continue;
            }
            if !wanted.function_names {
                let text = crate::syntax::print::function(&function);
                shell.put(text);
            }
            if wanted.function_names || exported || readonly {
                let flags = format!(
                    "declare -f{}{} ",
                    if readonly { "r" } else { "" },
                    if exported { "x" } else { "" }
                );
                shell.put(flags);
                shell.put(&function.name);
                shell.put("\n");
            }
        }
        return 0;
    }
    let mut status = 0;
    for operand in rest {
        let name = operand.text();
        let Some(function) = shell.functions.get(&name).cloned() else {
            if !wanted.set.is_empty() || !wanted.clear.is_empty() {
                let who = shell.builtin.unwrap_or("declare");
                shell.complain_as(who, [name.as_slice(), b": not a function"].concat());
            }
            status = 1;
            continue;
        };
        let mut changed = false;
        for (letter, set) in [(b'x', 0), (b'r', 1), (b't', 2)] {
            let sets = match set {
                0 => &mut shell.exported_functions,
                1 => &mut shell.readonly_functions,
                _ => &mut shell.traced_functions,
            };
            if wanted.set.contains(&letter) {
                sets.insert(name.clone());
                changed = true;
            }
            if wanted.clear.contains(&letter) {
                sets.remove(&name);
                changed = true;
            }
        }
        if changed {
            continue;
        }
        if wanted.function_names {
            shell.put(&name);
            if shell.shopt.extdebug {
                let line = format!(" {} ", function.body.line);
                shell.put(line);
                shell.put(function.source.get().cloned().unwrap_or_default());
            }
            shell.put("\n");
        } else {
            let text = crate::syntax::print::function(&function);
            shell.put(text);
        }
    }
    status
}

/// An operand taken apart. One that was a text at parse time, like `"$name=$value"`, is read here.
type Parts<'a> = (Bytes, Option<Bytes>, bool, Option<OperandValue<'a>>);

fn apart<'a>(operand: &Operand<'a>) -> Parts<'a> {
    match operand {
        Operand::Assignment { name, subscript, append, value, .. } => {
            (name.clone(), subscript.clone(), *append, Some(value.clone()))
        }
        Operand::Text(text) => {
            let Some(equals) = text.iter().position(|&byte| byte == b'=') else {
                return match split_subscript(text) {
                    Some((name, subscript)) => (name.to_vec(), Some(subscript.to_vec()), false, None),
                    None => (text.clone(), None, false, None),
                };
            };
            let (left, value) = (&text[..equals], text[equals + 1..].to_vec());
            let (left, append) = match left.strip_suffix(b"+") {
                Some(left) => (left, true),
                None => (left, false),
            };
            let value = Some(OperandValue::Scalar(value));
            match split_subscript(left) {
                Some((name, subscript)) => (name.to_vec(), Some(subscript.to_vec()), append, value),
                None => (left.to_vec(), None, append, value),
            }
        }
    }
}

fn declare_one(shell: &mut Shell, operand: &Operand, wanted: &Wanted, place: &Place) -> Result<Status> {
    let (name, subscript, append, value) = apart(operand);
    let who = shell.builtin.unwrap_or("declare");
    if !is_name(&name) {
        shell.complain_as(who, [b"`".as_slice(), &operand.text(), b"': not a valid identifier"].concat());
        return Ok(1);
    }
    let reference = wanted.set.contains(&b'n');
    let local = match place {
        Place::Local => true,
        Place::Here => shell.variables.in_function() && !wanted.global,
        Place::Visible => false,
    };
    if local && !shell.variables.is_local(&name) {
        if shell.variables.attributes(&name).readonly {
            shell.complain_as(who, [name.as_slice(), b": readonly variable"].concat());
            return Ok(1);
        }
        let old = shell.variables.get(&name).cloned();
        shell.variables.hide(&name, false);
        if (wanted.inherit || shell.shopt.localvar_inherit)
            && let Some(old) = old
        {
            shell.variables.insert(&name, old);
        }
    }
    if wanted.global && shell.variables.in_function() && !local {
        return declare_global(shell, &name, append, value, wanted);
    }
    // Attributes of a reference's target, unless it is about the reference itself.
    let target =
        if reference || wanted.clear.contains(&b'n') { name.clone() } else { shell.resolve(&name).0 };
    if reference {
        if let Some(OperandValue::Scalar(to)) = &value {
            if *to == name {
                shell.complain_as(
                    who,
                    [name.as_slice(), b": nameref variable self references not allowed"].concat(),
                );
                return Ok(1);
            }
            if !crate::variables::is_place(to) && !to.is_empty() {
                shell.complain_as(
                    who,
                    [b"`".as_slice(), to, b"': invalid variable name for name reference"].concat(),
                );
                return Ok(1);
            }
        }
        let variable = shell.variables.entry(&name);
        variable.attributes.nameref = true;
        if let Some(OperandValue::Scalar(to)) = value {
            variable.value = Value::Scalar(to);
        }
        return Ok(0);
    }
    if shell.variables.attributes(&target).readonly && (value.is_some() || wanted.clear.contains(&b'r')) {
        shell.complain_as(who, [target.as_slice(), b": readonly variable"].concat());
        return Ok(1);
    }
    if wanted.associative {
        if matches!(shell.variables.get(&target).map(|variable| &variable.value), Some(Value::Indexed(_))) {
            shell.complain_as(
                who,
                [target.as_slice(), b": cannot convert indexed to associative array"].concat(),
            );
            return Ok(1);
        }
        shell.make_associative(&target);
    } else if wanted.array || (subscript.is_some() && value.is_none()) {
        if matches!(shell.variables.get(&target).map(|variable| &variable.value), Some(Value::Associative(_)))
            && wanted.array
        {
            shell.complain_as(
                who,
                [target.as_slice(), b": cannot convert associative to indexed array"].concat(),
            );
            return Ok(1);
        }
        shell.make_indexed(&target);
    }
    apply_letters(shell, &target, wanted);
    match value {
        None => {
            shell.variables.entry(&target);
        }
        Some(OperandValue::Array(elements)) => shell.assign_elements(&target, elements, append)?,
        Some(OperandValue::Scalar(value)) => {
            // `declare -a x='(1 2)'` is a list too.
            let compound = (wanted.array || wanted.associative)
                && subscript.is_none()
                && value.starts_with(b"(")
                && value.ends_with(b")");
            if compound
                && let Ok(elements) =
                    crate::syntax::parse_assignment_text(&value[1..value.len() - 1], &shell.parser_settings())
            {
                shell.assign_elements(&target, &elements, append)?;
            } else if let Some(subscript) = subscript {
                let subscript = match operand {
                    Operand::Text(_) => shell.expanded_subscript(&target, &subscript)?,
                    Operand::Assignment { .. } => subscript,
                };
                shell.assign_one(&target, Some(&subscript), append, value)?;
            } else {
                shell.assign_one(&name, None, append, value)?;
            }
        }
    }
    if wanted.set.contains(&b'r') {
        shell.variables.entry(&target).attributes.readonly = true;
    }
    Ok(0)
}

/// All but `readonly`, which comes after the value.
fn apply_letters(shell: &mut Shell, name: &[u8], wanted: &Wanted) {
    let attributes = &mut shell.variables.entry(name).attributes;
    for (letters, on) in [(&wanted.set, true), (&wanted.clear, false)] {
        for letter in letters {
            match letter {
                b'i' => attributes.integer = on,
                b'x' => attributes.export = on,
                b'l' => {
                    attributes.lower = on;
                    attributes.upper &= !on;
                }
                b'u' => {
                    attributes.upper = on;
                    attributes.lower &= !on;
                }
                b't' => attributes.trace = on,
                b'n' if !on => attributes.nameref = false,
                _ => {}
            }
        }
    }
}

/// `declare -g` in a function: the variable outside of all functions, though a local one may hide it.
fn declare_global(
    shell: &mut Shell,
    name: &[u8],
    append: bool,
    value: Option<OperandValue>,
    wanted: &Wanted,
) -> Result<Status> {
    let hidden = shell.variables.is_hidden(name);
    if !hidden {
        let plain = Wanted { global: false, ..wanted.clone() };
        let operand = match value {
            None => Operand::Text(name.to_vec()),
            Some(value) => Operand::Assignment {
                name: name.to_vec(),
                subscript: None,
                append,
                value,
                text: name.to_vec(),
            },
        };
        return declare_one(shell, &operand, &plain, &Place::Visible);
    }
    // Put the global one in place for a moment.
    let inner = shell.variables.get(name).cloned();
    let outer = std::mem::take(shell.variables.global(name));
    shell.variables.insert(name, outer);
    let plain = Wanted { global: false, ..wanted.clone() };
    let operand = match value {
        None => Operand::Text(name.to_vec()),
        Some(value) => {
            Operand::Assignment { name: name.to_vec(), subscript: None, append, value, text: name.to_vec() }
        }
    };
    let result = declare_one(shell, &operand, &plain, &Place::Visible);
    let changed = shell.variables.get(name).cloned().unwrap_or_default();
    *shell.variables.global(name) = changed;
    if let Some(inner) = inner {
        shell.variables.insert(name, inner);
    }
    result
}

impl Shell {
    /// As `set` without arguments does.
    pub fn print_variables(&mut self) {
        let names: Vec<Bytes> = self.variables.names().into_iter().cloned().collect();
        for name in names {
            let line = self.variables.get(&name).and_then(|variable| variable.setting(&name));
            if let Some(line) = line {
                self.put(line);
            }
        }
    }

    pub fn print_functions(&mut self) {
        let functions: Vec<_> = self.functions.values().cloned().collect();
        for function in functions {
            let text = crate::syntax::print::function(&function);
            self.put(text);
        }
    }
}
