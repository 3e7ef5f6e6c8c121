//! jq: the jaq crates behind jq's command line.

use std::io::{self, Write as _};

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Ctx, DataT, Lut, Vars, data, unwrap_valr};
use jaq_json::{Val, read, write};
use jaq_std::input::{HasInputs, Inputs, RcIter};

use crate::options::{Ended, Nothing, Option_, Order, Value, parse};
use crate::text::{reason, shown};

const OPTIONS: &[Option_] = &[
    ("n", "null-input", Nothing),
    ("r", "raw-output", Nothing),
    ("j", "join-output", Nothing),
    ("a", "ascii-output", Nothing),
    ("c", "compact-output", Nothing),
    ("C", "color-output", Nothing),
    ("M", "monochrome-output", Nothing),
    ("S", "sort-keys", Nothing),
    ("s", "slurp", Nothing),
    ("R", "raw-input", Nothing),
    ("e", "exit-status", Nothing),
    ("f", "from-file", Value),
    ("", "tab", Nothing),
    ("", "indent", Value),
    ("", "unbuffered", Nothing),
    ("", "raw-output0", Nothing),
];

/// What jq has and the crates do not, or do otherwise.
const DEFINITIONS: &str = r#"
def @csv: if type == "array" then map(
    if type == "string" then "\"" + gsub("\""; "\"\"") + "\""
    elif type == "null" then ""
    elif type == "array" or type == "object" then error("\(type) (\(tojson)) is not valid in a csv row")
    else tojson end) | join(",") else error("\(type) (\(tojson)) cannot be csv-formatted, only array") end;
def @tsv: if type == "array" then map(
    if type == "string" then gsub("\\\\"; "\\\\") | gsub("\t"; "\\t") | gsub("\n"; "\\n") | gsub("\r"; "\\r")
    elif type == "null" then ""
    elif type == "array" or type == "object" then error("\(type) (\(tojson)) is not valid in a tsv row")
    else tojson end) | join("\t") else error("\(type) (\(tojson)) cannot be tsv-formatted, only array") end;
def from_entries: reduce .[] as $x ({}; . + {
    ($x | (if has("key") then .key elif has("k") then .k elif has("name") then .name
        elif has("Name") then .Name elif has("Key") then .Key else .K end)
        | if type == "string" then . else tojson end):
    ($x | if has("value") then .value elif has("v") then .v elif has("Value") then .Value else .V end)});
"#;

struct Kind;

#[derive(Clone)]
struct Data<'a> {
    lut: &'a Lut<Kind>,
    inputs: Inputs<'a, Val>,
}

impl DataT for Kind {
    type V<'a> = Val;
    type Data<'a> = Data<'a>;
}

impl<'a> data::HasLut<'a, Kind> for Data<'a> {
    fn lut(&self) -> &'a Lut<Kind> {
        self.lut
    }
}

impl<'a> HasInputs<'a, Val> for Data<'a> {
    fn inputs(&self) -> Inputs<'a, Val> {
        self.inputs
    }
}

pub fn main(tool: &str, arguments: &[Vec<u8>]) -> i32 {
    match run(tool, arguments) {
        Ok(code) | Err(Ended(code)) => code,
    }
}

/// What `--arg` and its like define, taken out of the arguments, which options of two values are not made for.
struct Defined {
    variables: Vec<(String, Val)>,
    positional: Vec<Val>,
    rest: Vec<Vec<u8>>,
}

fn fail(message: &str) -> Ended {
    eprintln!("jq: {message}");
    Ended(2)
}

fn json(text: &[u8]) -> Result<Val, Ended> {
    read::parse_single(text).map_err(|error| fail(&format!("Invalid JSON text: {error}")))
}

fn definitions(arguments: &[Vec<u8>]) -> Result<Defined, Ended> {
    let mut found = Defined { variables: Vec::new(), positional: Vec::new(), rest: Vec::new() };
    let mut words = arguments.iter();
    // Behind these, operands that follow the filter are values.
    let mut values: Option<bool> = None;
    let mut filter = false;
    while let Some(word) = words.next() {
        let name = shown(word);
        match name.as_str() {
            "--arg" | "--argjson" | "--slurpfile" | "--rawfile" => {
                let (Some(variable), Some(value)) = (words.next(), words.next()) else {
                    return Err(fail(&format!("{name} takes two parameters (e.g. {name} name value)")));
                };
                let file = || {
                    crate::text::read(value)
                        .map_err(|error| fail(&format!("Bad JSON in --{name} {}: {}", shown(value), reason(&error))))
                };
                let value = match name.as_str() {
                    "--arg" => Val::utf8_str(value.clone()),
                    "--argjson" => json(value)?,
                    "--rawfile" => Val::utf8_str(file()?),
                    _ => {
                        let text = file()?;
                        let list: Result<Vec<Val>, _> = read::parse_many(&text).collect();
                        list.map_err(|error| fail(&error.to_string()))?.into_iter().collect()
                    }
                };
                found.variables.push((format!("${}", shown(variable)), value));
            }
            "--args" => values = Some(false),
            "--jsonargs" => values = Some(true),
            "--seq" | "--stream" | "-L" => return Err(fail(&format!("{name} is not supported"))),
            _ => {
                let operand = !name.starts_with('-') || name == "-";
                match values {
                    Some(json_values) if operand && filter => {
                        found.positional.push(if json_values { json(word)? } else { Val::utf8_str(word.clone()) });
                    }
                    _ => {
                        filter |= operand;
                        found.rest.push(word.clone());
                    }
                }
            }
        }
    }
    Ok(found)
}

fn run(tool: &str, arguments: &[Vec<u8>]) -> Result<i32, Ended> {
    let Defined { mut variables, positional, rest } = definitions(arguments)?;
    let mut given = parse(tool, OPTIONS, &rest, (Order::Permuted, 2))?;
    if given.has("color-output") || given.has("ascii-output") || given.has("raw-output0") {
        return Err(fail("-C, -a and --raw-output0 are not supported"));
    }
    let code = match given.value("from-file") {
        Some(name) => crate::text::read(name)
            .map_err(|error| fail(&format!("error: Could not open {}: {}", shown(name), reason(&error))))?,
        None if given.operands.is_empty() => {
            eprintln!("Usage:\tjq [OPTIONS] FILTER [FILES...]");
            return Err(Ended(2));
        }
        None => given.operands.remove(0),
    };
    let named: jaq_json::Map<Val, Val> = variables
        .iter()
        .map(|(name, value)| (Val::utf8_str(name.trim_start_matches('$').as_bytes().to_vec()), value.clone()))
        .collect();
    let positional: Val = positional.into_iter().collect();
    let arguments_value: jaq_json::Map<Val, Val> = [
        (Val::utf8_str(b"positional".to_vec()), positional),
        (Val::utf8_str(b"named".to_vec()), Val::obj(named)),
    ]
    .into_iter()
    .collect();
    variables.push(("$ARGS".to_owned(), Val::obj(arguments_value)));
    let environment: jaq_json::Map<Val, Val> = std::env::vars_os()
        .map(|(name, value)| {
            let text = |text: &std::ffi::OsStr| Val::utf8_str(sandpiper_guest::bytes(text).to_vec());
            (text(&name), text(&value))
        })
        .collect();
    variables.push(("$ENV".to_owned(), Val::obj(environment)));

    let code = shown(&code);
    let own = jaq_core::load::parse(DEFINITIONS, |parser| parser.defs()).unwrap_or_default();
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).chain(own);
    let arena = Arena::default();
    let modules = Loader::new(defs).load(&arena, File { code: code.as_str(), path: () }).map_err(|errors| {
        let what: Vec<String> = errors.iter().map(|(_, error)| format!("{error:?}")).collect();
        eprintln!("jq: error: syntax error in {code}: {}\njq: 1 compile error", what.join("; "));
        Ended(3)
    })?;
    let funs = jaq_core::funs::<Kind>()
        .chain(jaq_std::funs::<Kind>())
        .chain(jaq_json::funs::<Kind>())
        .chain(jaq_std::input::funs::<Kind>().into_vec().into_iter().map(|native| jaq_core::native::run::<Kind>(native)));
    let filter = jaq_core::Compiler::default()
        .with_funs(funs)
        .with_global_vars(variables.iter().map(|(name, _)| name.as_str()))
        .compile(modules)
        .map_err(|errors| {
            for (_, undefined) in errors {
                for (name, what) in undefined {
                    eprintln!("jq: error: {name} is not defined ({what:?})");
                }
            }
            eprintln!("jq: 1 compile error");
            Ended(3)
        })?;

    let (text, missing) = input(&given.operands, given.has("null-input"));
    let raw = given.has("raw-input");
    let values: Box<dyn Iterator<Item = Result<Val, String>> + '_> = if raw && given.has("slurp") {
        Box::new(std::iter::once(Ok(Val::utf8_str(text.clone()))))
    } else if raw {
        let lines = text.split_inclusive(|&byte| byte == b'\n');
        Box::new(lines.map(|line| Ok(Val::utf8_str(line.strip_suffix(b"\n").unwrap_or(line).to_vec()))))
    } else if given.has("slurp") {
        let all: Result<Vec<Val>, _> = read::parse_many(&text).collect();
        Box::new(std::iter::once(all.map(|all| all.into_iter().collect()).map_err(|error| error.to_string())))
    } else {
        Box::new(read::parse_many(&text).map(|value| value.map_err(|error| error.to_string())))
    };
    let inputs = RcIter::new(values);
    let inputs: Inputs<'_, Val> = &inputs;
    let indent = match given.last(&["compact-output", "tab", "indent"]) {
        Some("compact-output") => None,
        Some("tab") => Some("\t".to_owned()),
        Some(_) => match shown(given.value("indent").unwrap_or_default()).parse::<usize>() {
            Ok(0) => None,
            Ok(width) if width <= 7 => Some(" ".repeat(width)),
            _ => return Err(fail("Cannot indent more than 7 characters")),
        },
        None => Some("  ".to_owned()),
    };
    let join = given.has("join-output");
    let mut printer = Printer {
        out: io::BufWriter::with_capacity(1 << 16, io::stdout()),
        pretty: write::Pp { sep_space: indent.is_some(), indent, sort_keys: given.has("sort-keys"), ..write::Pp::default() },
        raw: given.has("raw-output") || join,
        join,
        last: None,
    };
    let mut exit = if missing { 2 } else { 0 };
    let mut one = |value: Val| -> Result<(), Ended> {
        let variables = Vars::new(variables.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>());
        let context = Ctx::<Kind>::new(Data { lut: &filter.lut, inputs }, variables);
        for result in filter.id.run((context, value)).map(unwrap_valr) {
            match result {
                Ok(value) => printer.print(value).map_err(|error| {
                    eprintln!("jq: error: writing output failed: {}", reason(&error));
                    Ended(2)
                })?,
                Err(error) => {
                    let _ = printer.out.flush();
                    eprintln!("jq: error: {error}");
                    exit = 5;
                    break;
                }
            }
        }
        Ok(())
    };
    if given.has("null-input") {
        one(Val::Null)?;
    } else {
        while let Some(value) = { inputs }.next() {
            match value {
                Ok(value) => one(value)?,
                Err(error) => {
                    eprintln!("jq: error (at <stdin>:0): {error}");
                    exit = 2;
                    break;
                }
            }
        }
    }
    if printer.out.flush().is_err() {
        return Ok(2);
    }
    if exit == 0 && given.has("exit-status") {
        return Ok(match printer.last {
            None => 4,
            Some(holds) => i32::from(!holds),
        });
    }
    Ok(exit)
}

struct Printer {
    out: io::BufWriter<io::Stdout>,
    pretty: write::Pp,
    raw: bool,
    join: bool,
    /// Whether the last value was neither null nor false.
    last: Option<bool>,
}

impl Printer {
    fn print(&mut self, value: Val) -> io::Result<()> {
        self.last = Some(!matches!(value, Val::Null | Val::Bool(false)));
        match &value {
            Val::TStr(text) if self.raw => self.out.write_all(text)?,
            other => write::write(&mut self.out, &self.pretty, 0, other)?,
        }
        if self.join { Ok(()) } else { self.out.write_all(b"\n") }
    }
}

/// All of the input; whether a file was missing.
fn input(names: &[Vec<u8>], null: bool) -> (Vec<u8>, bool) {
    let mut text = Vec::new();
    let mut missing = false;
    if names.is_empty() {
        // A filter that reads no input does not wait for one.
        if !null || !io::IsTerminal::is_terminal(&io::stdin()) {
            text = crate::text::read(b"-").unwrap_or_default();
        }
    }
    for name in names {
        match crate::text::read(name) {
            Ok(more) => text.extend_from_slice(&more),
            Err(error) => {
                eprintln!("jq: error: Could not open {}: {}", shown(name), reason(&error));
                missing = true;
            }
        }
    }
    (text, missing)
}
