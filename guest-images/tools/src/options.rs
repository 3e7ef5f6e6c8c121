//! Options as GNU getopt reads them: short ones together, long ones by any unambiguous beginning, operands between them.

use std::io::Write as _;

/// Whether an option takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    Value,
    /// A value that has to be attached: `--color=auto`, `-i.bak`.
    Attached,
}

pub use Takes::{Attached, Nothing, Value};

/// An option: its letters, its long name, and whether it takes a value. It is called by its long name, or by its
/// first letter when it has none.
pub type Option_ = (&'static str, &'static str, Takes);

/// Where options end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Operands can come before options.
    Permuted,
    /// The first operand ends them, for what runs other programs.
    Strict,
}

/// What the arguments say.
#[derive(Debug, Default)]
pub struct Given {
    pub options: Vec<(&'static str, Vec<u8>)>,
    pub operands: Vec<Vec<u8>>,
}

impl Given {
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(given, _)| *given == name)
    }

    /// The last value of an option.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.options.iter().rev().find(|(given, _)| *given == name).map(|(_, value)| value.as_slice())
    }

    /// The last of these options that was given.
    pub fn last<'a>(&self, names: &[&'a str]) -> Option<&'a str> {
        self.options.iter().rev().find_map(|(given, _)| names.iter().find(|name| *name == given).copied())
    }
}

/// A usage error, already told about, or help that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Ended(pub i32);

/// Reads the arguments behind the tool's name. `usage` is the tool's exit code for wrong ones.
///
/// # Errors
///
/// For an option that there is none of, with a message; and for `--help` and `--version`, which are answered here.
pub fn parse(
    tool: &str,
    table: &[Option_],
    arguments: &[Vec<u8>],
    (order, usage): (Order, i32),
) -> Result<Given, Ended> {
    let mut given = Given::default();
    let mut rest = arguments.iter();
    let fail = |message: String| {
        eprintln!("{tool}: {message}\nTry '{tool} --help' for more information.");
        Ended(usage)
    };
    while let Some(argument) = rest.next() {
        if argument == b"--" {
            given.operands.extend(rest.cloned());
            break;
        }
        if let Some(long) = argument.strip_prefix(b"--") {
            let cut = long.iter().position(|&byte| byte == b'=');
            let name = String::from_utf8_lossy(long.get(..cut.unwrap_or(long.len())).unwrap_or_default()).into_owned();
            let attached = cut.and_then(|at| long.get(at + 1..));
            let option = match find(table, &name) {
                Ok(option) => option,
                Err(candidates) if candidates.is_empty() => match name.as_str() {
                    "help" => return Err(help(tool, table)),
                    "version" => {
                        println!("{tool} (sandpiper tools) {}", env!("CARGO_PKG_VERSION"));
                        return Err(Ended(0));
                    }
                    _ => return Err(fail(format!("unrecognized option '--{name}'"))),
                },
                Err(candidates) => {
                    let list: Vec<String> = candidates.iter().map(|name| format!("'--{name}'")).collect();
                    return Err(fail(format!(
                        "option '--{name}' is ambiguous; possibilities: {}",
                        list.join(" ")
                    )));
                }
            };
            let value = match (option.2, attached) {
                (Nothing, Some(_)) => {
                    return Err(fail(format!("option '--{}' doesn't allow an argument", option.1)));
                }
                (Value, None) => match rest.next() {
                    Some(next) => next.clone(),
                    None => return Err(fail(format!("option '--{}' requires an argument", option.1))),
                },
                (_, attached) => attached.unwrap_or_default().to_vec(),
            };
            given.options.push((called(option), value));
        } else if argument.len() > 1 && argument.first() == Some(&b'-') {
            let mut letters = argument.get(1..).unwrap_or_default();
            while let Some((&letter, behind)) = letters.split_first() {
                letters = behind;
                let Some(option) = table.iter().find(|option| option.0.as_bytes().contains(&letter)) else {
                    return Err(fail(format!("invalid option -- '{}'", char::from(letter))));
                };
                let value = match option.2 {
                    Nothing => Vec::new(),
                    Attached => std::mem::take(&mut letters).to_vec(),
                    Value if !letters.is_empty() => std::mem::take(&mut letters).to_vec(),
                    Value => match rest.next() {
                        Some(next) => next.clone(),
                        None => {
                            return Err(fail(format!("option requires an argument -- '{}'", char::from(letter))));
                        }
                    },
                };
                given.options.push((called(option), value));
            }
        } else {
            given.operands.push(argument.clone());
            if order == Order::Strict {
                given.operands.extend(rest.cloned());
                break;
            }
        }
    }
    Ok(given)
}

fn called(option: &Option_) -> &'static str {
    if option.1.is_empty() { option.0.get(..1).unwrap_or_default() } else { option.1 }
}

/// The option of a long name or of a beginning of one, or the names that begin like this.
fn find<'a>(table: &'a [Option_], name: &str) -> Result<&'a Option_, Vec<&'static str>> {
    if let Some(option) = table.iter().find(|option| option.1 == name && !name.is_empty()) {
        return Ok(option);
    }
    let candidates: Vec<&Option_> =
        table.iter().filter(|option| !option.1.is_empty() && option.1.starts_with(name)).collect();
    match candidates.as_slice() {
        [only] => Ok(only),
        several => Err(several.iter().map(|option| option.1).collect()),
    }
}

fn help(tool: &str, table: &[Option_]) -> Ended {
    let mut out = std::io::stdout().lock();
    let mut text = format!("Usage: {tool} [OPTION]... [ARGUMENT]...\n");
    for (letters, long, takes) in table {
        let mut forms: Vec<String> = letters.chars().map(|letter| format!("-{letter}")).collect();
        if !long.is_empty() {
            forms.push(format!("--{long}"));
        }
        let value = match takes {
            Nothing => "",
            Value => "=VALUE",
            Attached => "[=VALUE]",
        };
        text.push_str(&format!("  {}{value}\n", forms.join(", ")));
    }
    match out.write_all(text.as_bytes()) {
        Ok(()) => Ended(0),
        Err(_) => Ended(1),
    }
}
