//! stub
use super::super::{
    arguments::Arguments,
    command::Context,
    failure::{Failure, Result},
};
pub(super) fn checkout(_cx: &Context<'_>, arguments: Arguments<'_>) -> Result<u8> {
    Err(Failure::error(arguments.command))
}
pub(super) fn restore(_cx: &Context<'_>, arguments: Arguments<'_>) -> Result<u8> {
    Err(Failure::error(arguments.command))
}
pub(super) fn switch(_cx: &Context<'_>, arguments: Arguments<'_>) -> Result<u8> {
    Err(Failure::error(arguments.command))
}
