//! `wasi:random`: the sandbox's random stream.

use std::sync::Arc;

use sandpiper_core::DenialReason;
use sandpiper_kernel::World;
use wasmtime::Result;
use wasmtime::component::HasData;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};

use super::Command;
use crate::store::State;

/// Most random bytes of one call, as of preview 1: the host's thread makes them in some milliseconds.
const MAX_RANDOM_BYTES: u64 = 16 << 20;

pub(super) struct Random;

impl HasData for Random {
    type Data<'a> = View<'a>;
}

pub(super) struct View<'a>(&'a Arc<World>);

pub(super) fn view(state: &mut State<Command>) -> View<'_> {
    View(&state.guest.world)
}

impl View<'_> {
    fn bytes(&self, length: u64) -> Result<Vec<u8>> {
        if length > MAX_RANDOM_BYTES {
            self.0.deny("get-random-bytes", "", DenialReason::SizeLimit);
            wasmtime::bail!("{length} random bytes were asked for, at most {MAX_RANDOM_BYTES} are given");
        }
        let mut bytes = vec![0; usize::try_from(length)?];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<()> {
        self.0.random(bytes).map_err(|_| wasmtime::format_err!("the host has no entropy to give"))
    }

    fn number(&self) -> Result<u64> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

impl random::Host for View<'_> {
    fn get_random_bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        self.bytes(length)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        self.number()
    }
}

impl insecure::Host for View<'_> {
    fn get_insecure_random_bytes(&mut self, length: u64) -> Result<Vec<u8>> {
        self.bytes(length)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        self.number()
    }
}

impl insecure_seed::Host for View<'_> {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        Ok((self.number()?, self.number()?))
    }
}
