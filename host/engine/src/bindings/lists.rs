//! Lists that a call gives, in memory of the guest's own allocator, as the canonical ABI has it.

use wasmtime::{Caller, Result};

use super::unfit;
use crate::store::State;

/// The export by which the canonical ABI has a guest make room for what a call gives.
const ALLOCATE: &str = "cabi_realloc";

/// Writes a list, of elements of so many bytes, where the guest's allocator says, and its address and length
/// at `result`.
pub(super) async fn give_list(
    caller: &mut Caller<'_, State>,
    bytes: &[u8],
    element_bytes: usize,
    result: u32,
) -> Result<()> {
    let alignment = if element_bytes == 1 { 1 } else { 4 };
    let (address, length) = allocated(caller, bytes, alignment).await?;
    let count = length / u32::try_from(element_bytes)?;
    write(caller, result, &[address.to_le_bytes(), count.to_le_bytes()].concat())
}

/// Writes bytes where the guest's allocator says; their address and number.
pub(super) async fn allocated(
    caller: &mut Caller<'_, State>,
    bytes: &[u8],
    alignment: u32,
) -> Result<(u32, u32)> {
    let allocate = caller.get_export(ALLOCATE).and_then(wasmtime::Extern::into_func).ok_or_else(unfit)?;
    let allocate = allocate.typed::<(u32, u32, u32, u32), u32>(&*caller).map_err(|_| unfit())?;
    let length = u32::try_from(bytes.len())?;
    let address = allocate.call_async(&mut *caller, (0, 0, alignment, length)).await?;
    write(caller, address, bytes)?;
    Ok((address, length))
}

/// Writes at an address of the guest.
pub(super) fn write(caller: &mut Caller<'_, State>, address: u32, bytes: &[u8]) -> Result<()> {
    let memory = caller.data().memory.ok_or_else(unfit)?;
    let outside = |_| wasmtime::Trap::MemoryOutOfBounds;
    Ok(memory.write(&mut *caller, usize::try_from(address)?, bytes).map_err(outside)?)
}
