//! A case in a sandbox, which sees the place at the same paths.

use std::io::Cursor;

use anyhow::{Context, Result};
use sandpiper::{Access, Engine, Exec, Exit, Limits, Mount, Spec, Stdin};

use super::case::{Case, Place};
use super::native::LIMIT;
use super::{Ended, Side};
use crate::reference::cache_dir;

pub(super) struct Sandboxed {
    engine: Engine,
}

impl Sandboxed {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { engine: sandpiper::engine(&cache_dir()?)? })
    }
}

impl Side for Sandboxed {
    fn run(&self, case: &Case, place: &Place) -> Result<Ended> {
        let mut mounts = Vec::new();
        for folder in [&place.work, &place.home] {
            let path = folder.to_str().context("the temporary folder's path is not UTF-8")?;
            mounts.push(Mount::new(folder, path, Access::ReadWrite)?);
        }
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let fixed = [variable("HOME", &place.home.to_string_lossy()), variable("TZ", "UTC")];
        let own = case.environment.iter().map(|(name, value)| variable(name, value));
        let exec = Exec {
            env: fixed.into_iter().chain(own).collect(),
            cwd: Some(place.work.to_string_lossy().into_owned()),
            stdin: Stdin::Stream(Box::new(Cursor::new(case.stdin.clone().into_bytes()))),
            ..Exec::new(case.argv())
        };
        let limits = Limits { wall: LIMIT, fuel: u64::MAX, ..Limits::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ended = runtime.block_on(sandpiper::run(
            &self.engine,
            Spec { mounts, limits, ..Spec::default() },
            exec,
        ))?;
        let code = (ended.exit != Exit::Timeout).then(|| ended.exit.code());
        Ok(Ended { stdout: ended.stdout.bytes, code, tree: place.tree()?, stderr: ended.stderr.bytes })
    }
}
