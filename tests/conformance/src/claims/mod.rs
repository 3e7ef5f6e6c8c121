//! The claims, by what they are about.

mod admission;
mod archives;
mod arguments;
mod closing;
mod deadline;
mod directories;
mod edits;
mod ending;
mod environment;
mod exits;
mod finding;
mod grants;
mod holding;
mod hosted;
mod keeping;
mod limits;
mod links;
mod output;
mod reading;
mod stdin;
mod together;
mod watching;
mod writing;

use crate::Claim;

/// All claims, in the order in which they are checked.
pub fn claims() -> impl Iterator<Item = &'static Claim> {
    [
        closing::CLAIMS,
        admission::CLAIMS,
        grants::CLAIMS,
        limits::CLAIMS,
        arguments::CLAIMS,
        exits::CLAIMS,
        output::CLAIMS,
        deadline::CLAIMS,
        ending::CLAIMS,
        stdin::CLAIMS,
        environment::CLAIMS,
        together::CLAIMS,
        hosted::CLAIMS,
        reading::CLAIMS,
        writing::CLAIMS,
        edits::CLAIMS,
        links::CLAIMS,
        directories::CLAIMS,
        finding::CLAIMS,
        watching::CLAIMS,
        archives::CLAIMS,
        holding::CLAIMS,
        keeping::CLAIMS,
    ]
    .into_iter()
    .flatten()
}
