//! stub
use super::super::{
    arguments::Arguments,
    command::Context,
    failure::{Failure, Result},
};
pub(super) fn run(_cx: &Context<'_>, arguments: Arguments<'_>) -> Result<u8> {
    Err(Failure::error(arguments.command))
}
