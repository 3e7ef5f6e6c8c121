//! `--wall`: locks this process in before the guest runs.

use anyhow::Result;
use sandpiper::wall::{Folder, Part, Terminal, Wall, lock_in};

use crate::arguments::WallMode;
use crate::report::Hinted;

/// Raises the wall as it is asked for.
///
/// # Errors
/// Where it is required and a part is missing.
pub(crate) fn raise(mode: WallMode, folders: &[Folder], terminal: Terminal) -> Result<Wall> {
    if mode == WallMode::Off {
        let missing = Part::ALL.map(|part| (part, "it was switched off (--wall off)".to_owned()));
        return Ok(Wall { held: Vec::new(), missing: missing.into() });
    }
    let wall = lock_in(folders, terminal);
    if mode == WallMode::Require
        && let Some((part, reason)) = wall.missing.first()
    {
        return Err(Hinted {
            message: format!("--wall require: there is no {part}: {reason}"),
            hint: "--wall auto goes on with what there is, and says what holds in the outcome".to_owned(),
        }
        .into());
    }
    Ok(wall)
}
