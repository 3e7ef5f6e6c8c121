//! Binds `sandpiper:host/process`.

use wasmtime::{Caller, Linker, Result};

use super::lists::{allocated, give_list};
use super::{PROCESS, begin, end, parts, unless_stopped};
use crate::fork::fork;
use crate::store::State;

/// A record of `list`: three numbers, of which the third is a `bool`, and the address and length of a list.
const LISTED_BYTES: usize = 20;

/// Calls `$expand!` with the functions that take numbers and write a result into the guest's memory.
macro_rules! functions {
    ($expand:ident) => {
        $expand! {
            "kill" process_kill(pid: u32, signal: u32, result: u32);
            "act" process_act(signal: u32, action: u32, result: u32);
            "pipe" process_pipe(result: u32);
            "dup" process_dup(from: u32, lowest: u32, result: u32);
            "dup-to" process_dup_to(from: u32, to: u32, result: u32);
            "mode" process_mode(path: u32, path_length: u32, follow: u32, result: u32);
            "set-mode" process_set_mode(path: u32, path_length: u32, mode: u32, result: u32);
            "access" process_access(path: u32, path_length: u32, kinds: u32, result: u32);
        }
    };
}

macro_rules! bind {
    ($($name:literal $function:ident($($a:ident: $A:ty),*);)*) => {
        fn bind_plain(linker: &mut Linker<State>) -> Result<()> {
            $(linker.func_wrap_async(PROCESS, $name, |mut caller: Caller<'_, State>, ($($a,)*): ($($A,)*)| {
                Box::new(async move {
                    let start = begin(&mut caller);
                    let (memory, process) = parts(&mut caller)?;
                    let result = process.$function(memory, $($a),*);
                    end(&mut caller, start).await;
                    unless_stopped(result)
                })
            })?;)*
            Ok(())
        }

        /// The names of all functions.
        pub(super) const FUNCTIONS: &[&str] = &[
            $($name,)* "root", "directory", "command", "umask", "id", "parent", "take-signals", "wait", "spawn", "fork-call",
            "list",
        ];
    };
}

functions!(bind);

pub(super) fn bind(linker: &mut Linker<State>) -> Result<()> {
    bind_plain(linker)?;
    linker.func_wrap(PROCESS, "root", |mut caller: Caller<'_, State>| -> u32 {
        caller.data_mut().guest.process.process_root()
    })?;
    linker.func_wrap(PROCESS, "id", |caller: Caller<'_, State>| -> u32 {
        caller.data().guest.process.process_id()
    })?;
    linker.func_wrap(PROCESS, "parent", |caller: Caller<'_, State>| -> u32 {
        caller.data().guest.process.process_parent()
    })?;
    linker.func_wrap(PROCESS, "take-signals", |mut caller: Caller<'_, State>| -> u64 {
        caller.data_mut().guest.process.process_take_signals()
    })?;
    linker.func_wrap(PROCESS, "umask", |mut caller: Caller<'_, State>, mask: u32| -> u32 {
        caller.data_mut().guest.process.process_umask(mask)
    })?;
    linker.func_wrap_async(PROCESS, "directory", |mut caller: Caller<'_, State>, (result,): (u32,)| {
        Box::new(async move {
            let directory = caller.data().guest.process.process_directory().to_owned();
            give_list(&mut caller, directory.as_bytes(), 1, result).await
        })
    })?;
    linker.func_wrap_async(PROCESS, "command", |mut caller: Caller<'_, State>, (result,): (u32,)| {
        Box::new(async move {
            let command = caller.data().guest.process.process_command().to_owned();
            give_list(&mut caller, command.as_bytes(), 1, result).await
        })
    })?;
    linker.func_wrap_async(PROCESS, "list", |mut caller: Caller<'_, State>, (result,): (u32,)| {
        Box::new(async move {
            let start = begin(&mut caller);
            let list = caller.data().guest.process.process_list();
            end(&mut caller, start).await;
            let mut records = Vec::with_capacity(list.len() * LISTED_BYTES);
            for entry in &list {
                let (address, length) = allocated(&mut caller, &entry.arguments, 1).await?;
                for number in [entry.pid, entry.parent, u32::from(entry.ended), address, length] {
                    records.extend_from_slice(&number.to_le_bytes());
                }
            }
            give_list(&mut caller, &records, LISTED_BYTES, result).await
        })
    })?;
    linker.func_wrap_async(
        PROCESS,
        "wait",
        |mut caller: Caller<'_, State>, (is_one, child, block, result): (u32, u32, u32, u32)| {
            Box::new(async move {
                begin(&mut caller);
                let (memory, process) = parts(&mut caller)?;
                let waited = process.process_wait(memory, is_one, child, block, result).await;
                caller.data().guest.meter.at_return();
                unless_stopped(waited)
            })
        },
    )?;
    linker.func_wrap_async(
        PROCESS,
        "spawn",
        |mut caller: Caller<'_, State>,
         (
            program,
            program_length,
            argv,
            argc,
            env,
            envc,
            directory,
            directory_length,
            files,
            files_length,
            result,
        ): (u32, u32, u32, u32, u32, u32, u32, u32, u32, u32, u32)| {
            Box::new(async move {
                let start = begin(&mut caller);
                let (memory, process) = parts(&mut caller)?;
                let spawned = process.process_spawn(
                    memory,
                    program,
                    program_length,
                    argv,
                    argc,
                    env,
                    envc,
                    directory,
                    directory_length,
                    files,
                    files_length,
                    result,
                );
                if let Some(spawned) = unless_stopped(spawned)?
                    && let Some((group, _)) = &caller.data().guest.group
                {
                    group.spawn(spawned);
                }
                end(&mut caller, start).await;
                Ok(())
            })
        },
    )?;
    linker.func_wrap_async(
        PROCESS,
        "fork-call",
        |mut caller: Caller<'_, State>, (argument, files, files_length, result): (u32, u32, u32, u32)| {
            Box::new(async move {
                let start = begin(&mut caller);
                let available =
                    caller.data().guest.group.as_ref().map_or(0, |(group, _)| group.memory.available());
                let (memory, process) = parts(&mut caller)?;
                let forked = process.process_fork(memory, files, files_length, result, available);
                if let Some(process) = unless_stopped(forked)? {
                    fork(&mut caller, process, argument).await?;
                }
                end(&mut caller, start).await;
                Ok(())
            })
        },
    )?;
    Ok(())
}
