//! stub
use super::super::{
    arguments::Arguments,
    command::Context,
    failure::{Failure, Result},
    session::Session,
};
pub(super) fn run(_cx: &Context<'_>, arguments: Arguments<'_>) -> Result<u8> {
    Err(Failure::error(arguments.command))
}
pub(in super::super) fn find<'s>(_session: &'s Session<'_>, _name: &str) -> Result<Option<git2::Object<'s>>> {
    Ok(None)
}
