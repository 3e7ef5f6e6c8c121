//! `git config`, of which a guest may ask for its own name and address only.

use super::super::arguments::{Argument, Arguments};
use super::super::command::Context;
use super::super::failure::{Failure, Result};

pub(super) fn run(cx: &Context<'_>, mut arguments: Arguments<'_>) -> Result<u8> {
    let mut names = Vec::new();
    let mut get = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Argument::Long("get") => get = true,
            Argument::Operand(b"get") if names.is_empty() && !get => get = true,
            Argument::Operand(name) | Argument::Path(name) => {
                names.push(String::from_utf8_lossy(name).to_ascii_lowercase());
            }
            other => {
                return Err(arguments
                    .refuse(other)
                    .hint("git config --get user.name and user.email work here"));
            }
        }
    }
    let [name] = names.as_slice() else {
        return Err(Failure::error("the configuration is the user's and is not changed here")
            .hint("git -c user.name=NAME -c user.email=ADDRESS sets them for one command"));
    };
    if !matches!(name.as_str(), "user.name" | "user.email") {
        return Err(Failure::error(format!("the setting '{name}' is not told here"))
            .hint("git config --get user.name and user.email work here"));
    }
    let set = cx.settings.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let value = set.or_else(|| cx.session.config.get_string(name).ok());
    let value = value.ok_or_else(|| Failure::silent(1))?;
    cx.print(value + "\n");
    Ok(0)
}
