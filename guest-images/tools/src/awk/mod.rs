//! awk: POSIX's, with gawk's functions that are commonly used.

use crate::options::{Ended, Option_, Order, Value, parse as parse_options};

mod builtin;
mod evaluate;
mod format;
mod lex;
mod parse;
mod record;
mod run;
mod streams;
mod tree;
mod value;

const OPTIONS: &[Option_] = &[
    ("F", "field-separator", Value),
    ("v", "assign", Value),
    ("f", "file", Value),
    ("e", "source", Value),
];

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match start(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

fn start(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let mut given = parse_options(tool, OPTIONS, arguments, (Order::Strict, 2))?;
    let fail = |message: String| {
        eprintln!("{tool}: {message}");
        Ended(2)
    };
    let mut source: Option<Vec<u8>> = None;
    for (name, value) in &given.options {
        let text = match *name {
            "file" => crate::text::read(value).map_err(|error| {
                fail(format!("cannot open \"{}\": {}", crate::text::shown(value), crate::text::reason(&error)))
            })?,
            "source" => value.clone(),
            _ => continue,
        };
        let source = source.get_or_insert_default();
        source.extend_from_slice(&text);
        source.push(b'\n');
    }
    let source = match source {
        Some(source) => source,
        None if given.operands.is_empty() => {
            eprintln!("usage: {tool} [-F fs][-v var=value][prog | -f progfile][file ...]");
            return Err(Ended(2));
        }
        None => given.operands.remove(0),
    };
    let program = parse::parse(&source).map_err(fail)?;
    let mut machine = run::Machine::new(&program, tool, &given.operands);
    for (name, value) in &given.options {
        match *name {
            "field-separator" => {
                let value = if value == b"t" { b"\t".to_vec() } else { value.clone() };
                machine.assign(b"FS", &value).map_err(fail)?;
            }
            "assign" => {
                let at = value.iter().position(|&byte| byte == b'=').ok_or_else(|| {
                    fail(format!("`{}' argument to `-v' not in `var=value' form", crate::text::shown(value)))
                })?;
                let (name, value) = value.split_at(at);
                machine.assign(name, value.get(1..).unwrap_or_default()).map_err(fail)?;
            }
            _ => {}
        }
    }
    Ok(machine.run())
}
