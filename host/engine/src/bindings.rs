//! Binds the kernel's functions to WebAssembly imports; each is a call and the conversion of its
//! answer.

mod digest;
mod git;
mod lists;
mod processes;

use std::time::Instant;

use sandpiper_kernel::{Fault, Process, Stop};
use wasmtime::{Caller, Engine, Linker, Result};

use crate::classify::Stopped;
use crate::store::State;

/// The export by which a WASI command shows its memory.
pub(crate) const MEMORY: &str = "memory";

const PREVIEW1: &str = "wasi_snapshot_preview1";
const DIAGNOSTICS: &str = "sandpiper:host/diagnostics@0.1.0";
const DIGEST: &str = "sandpiper:host/digest@0.1.0";
const GIT: &str = "sandpiper:host/git@0.1.0";
/// The functions about processes, as the WIT names them.
pub(crate) const PROCESS: &str = "sandpiper:host/process@0.1.0";

/// Calls `$expand!` with the table of WASI preview 1: functions that take some ten nanoseconds
/// whatever their arguments, those that reach the guest's memory, those that do not, and those that
/// may wait.
macro_rules! preview1 {
    ($expand:ident) => {
        $expand! {
            brief {
                args_sizes_get(argc: u32, argv_buf_size: u32);
                environ_sizes_get(count: u32, buf_size: u32);
                clock_res_get(id: u32, resolution: u32);
                clock_time_get(id: u32, precision: u64, time: u32);
                fd_fdstat_get(fd: u32, stat: u32);
                fd_prestat_get(fd: u32, prestat: u32);
                fd_prestat_dir_name(fd: u32, path: u32, path_len: u32);
            }
            memory {
                args_get(argv: u32, argv_buf: u32);
                environ_get(environ: u32, environ_buf: u32);
                fd_filestat_get(fd: u32, stat: u32);
                fd_readdir(fd: u32, buf: u32, buf_len: u32, cookie: u64, used: u32);
                fd_seek(fd: u32, offset: u64, whence: u32, position: u32);
                fd_tell(fd: u32, position: u32);
                path_create_directory(fd: u32, path: u32, path_len: u32);
                path_filestat_get(fd: u32, flags: u32, path: u32, path_len: u32, stat: u32);
                path_filestat_set_times(fd: u32, flags: u32, path: u32, path_len: u32, atim: u64, mtim: u64, times: u32);
                path_link(fd: u32, flags: u32, path: u32, path_len: u32, new_fd: u32, new_path: u32, new_path_len: u32);
                path_open(fd: u32, dirflags: u32, path: u32, path_len: u32, oflags: u32, base: u64, inheriting: u64, fdflags: u32, opened: u32);
                path_readlink(fd: u32, path: u32, path_len: u32, buf: u32, buf_len: u32, used: u32);
                path_remove_directory(fd: u32, path: u32, path_len: u32);
                path_rename(fd: u32, path: u32, path_len: u32, new_fd: u32, new_path: u32, new_path_len: u32);
                path_symlink(target: u32, target_len: u32, fd: u32, path: u32, path_len: u32);
                path_unlink_file(fd: u32, path: u32, path_len: u32);
                random_get(buf: u32, buf_len: u32);
            }
            bare {
                fd_advise(fd: u32, offset: u64, len: u64, advice: u32);
                fd_allocate(fd: u32, offset: u64, len: u64);
                fd_close(fd: u32);
                fd_datasync(fd: u32);
                fd_fdstat_set_flags(fd: u32, flags: u32);
                fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
                fd_filestat_set_size(fd: u32, size: u64);
                fd_filestat_set_times(fd: u32, atim: u64, mtim: u64, flags: u32);
                fd_renumber(fd: u32, to: u32);
                fd_sync(fd: u32);
                proc_raise(signal: u32);
                sock_accept(fd: u32, flags: u32, accepted: u32);
                sock_recv(fd: u32, iovs: u32, iovs_len: u32, flags: u32, count: u32, out_flags: u32);
                sock_send(fd: u32, iovs: u32, iovs_len: u32, flags: u32, count: u32);
                sock_shutdown(fd: u32, how: u32);
            }
            waiting {
                fd_pread(fd: u32, iovs: u32, iovs_len: u32, offset: u64, count: u32);
                fd_pwrite(fd: u32, iovs: u32, iovs_len: u32, offset: u64, count: u32);
                fd_read(fd: u32, iovs: u32, iovs_len: u32, count: u32);
                fd_write(fd: u32, iovs: u32, iovs_len: u32, count: u32);
                poll_oneoff(subscriptions: u32, events: u32, subscriptions_len: u32, count: u32);
            }
        }
    };
}

macro_rules! bind {
    (
        brief { $($brief:ident($($z:ident: $Z:ty),*);)* }
        memory { $($memory:ident($($a:ident: $A:ty),*);)* }
        bare { $($bare:ident($($b:ident: $B:ty),*);)* }
        waiting { $($waiting:ident($($c:ident: $C:ty),*);)* }
    ) => {
        fn bind_preview1(linker: &mut Linker<State>) -> Result<()> {
            $(linker.func_wrap(PREVIEW1, stringify!($brief), |mut caller: Caller<'_, State>, $($z: $Z),*| -> Result<u32> {
                let (memory, process) = parts(&mut caller)?;
                answer(process.$brief(memory, $($z),*))
            })?;)*
            $(linker.func_wrap_async(PREVIEW1, stringify!($memory), |mut caller: Caller<'_, State>, ($($a,)*): ($($A,)*)| {
                Box::new(async move {
                    let start = begin(&mut caller);
                    let (memory, process) = parts(&mut caller)?;
                    let result = process.$memory(memory, $($a),*);
                    end(&mut caller, start).await;
                    answer(result)
                })
            })?;)*
            $(linker.func_wrap_async(PREVIEW1, stringify!($bare), |mut caller: Caller<'_, State>, ($($b,)*): ($($B,)*)| {
                Box::new(async move {
                    let start = begin(&mut caller);
                    let result = caller.data_mut().guest.process.$bare($($b),*);
                    end(&mut caller, start).await;
                    answer(result)
                })
            })?;)*
            $(linker.func_wrap_async(PREVIEW1, stringify!($waiting), |mut caller: Caller<'_, State>, ($($c,)*): ($($C,)*)| {
                Box::new(async move {
                    let start = begin(&mut caller);
                    let (memory, process) = parts(&mut caller)?;
                    let result = process.$waiting(memory, $($c),*).await;
                    end(&mut caller, start).await;
                    answer(result)
                })
            })?;)*
            Ok(())
        }

        const PREVIEW1_FUNCTIONS: &[&str] =
            &[$(stringify!($brief),)* $(stringify!($memory),)* $(stringify!($bare),)* $(stringify!($waiting),)* "proc_exit", "sched_yield"];
    };
}

preview1!(bind);

/// A linker with everything a guest may import.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    bind_preview1(&mut linker)?;
    // Unlike the others it answers nothing: it does not return.
    linker.func_wrap(PREVIEW1, "proc_exit", |mut caller: Caller<'_, State>, status: u32| -> Result<()> {
        answer(caller.data_mut().guest.process.proc_exit(status)).map(|_| ())
    })?;
    linker.func_wrap_async(PREVIEW1, "sched_yield", |mut caller: Caller<'_, State>, (): ()| {
        Box::new(async move {
            begin(&mut caller);
            let result = caller.data_mut().guest.process.sched_yield().await;
            caller.data().guest.meter.at_return();
            answer(result)
        })
    })?;
    linker.func_wrap(
        DIAGNOSTICS,
        "unsupported",
        |mut caller: Caller<'_, State>,
         feature: u32,
         feature_len: u32,
         detail: u32,
         detail_len: u32|
         -> Result<()> {
            let (memory, process) = parts(&mut caller)?;
            unless_stopped(process.diagnostics_unsupported(memory, feature, feature_len, detail, detail_len))
        },
    )?;
    processes::bind(&mut linker)?;
    git::bind(&mut linker)?;
    digest::bind(&mut linker)?;
    Ok(linker)
}

/// Whether a guest may import this function.
pub(crate) fn offers(module: &str, name: &str) -> bool {
    match module {
        PREVIEW1 => PREVIEW1_FUNCTIONS.contains(&name),
        DIAGNOSTICS => name == "unsupported",
        PROCESS => processes::FUNCTIONS.contains(&name),
        GIT => git::FUNCTIONS.contains(&name),
        DIGEST => digest::FUNCTIONS.contains(&name),
        _ => false,
    }
}

/// The guest's memory and its process. Before the instance is made (a start function runs then)
/// the memory is looked up by its name.
pub(crate) fn parts<'a>(caller: &'a mut Caller<'_, State>) -> Result<(&'a mut [u8], &'a mut Process)> {
    let memory = match caller.data().memory {
        Some(memory) => memory,
        None => caller
            .get_export(MEMORY)
            .and_then(wasmtime::Extern::into_memory)
            .ok_or_else(|| wasmtime::Error::from(wasmtime::Trap::MemoryOutOfBounds))?,
    };
    let (memory, state) = memory.data_and_store_mut(caller);
    Ok((memory, &mut state.guest.process))
}

/// A call of the host begins: says how much fuel is left, and when it is.
pub(crate) fn begin(caller: &mut Caller<'_, State>) -> Instant {
    if let Ok(left) = caller.get_fuel() {
        caller.data().guest.meter.at_call(left);
    }
    Instant::now()
}

/// Counts the time of a call that `begin` began, and is ready when the guest may go on.
pub(crate) async fn end(caller: &mut Caller<'_, State>, start: Instant) {
    caller.data_mut().turn.end_call(start).await;
    caller.data().guest.meter.at_return();
}

fn answer(result: std::result::Result<(), Fault>) -> Result<u32> {
    match result {
        Ok(()) => Ok(0),
        Err(Fault::Errno(errno)) => Ok(u32::from(errno.raw())),
        Err(Fault::Stop(stop)) => Err(stopped(stop)),
    }
}

/// The value of a call, or what ends the guest; numbers of errors are in the call's own result.
pub(crate) fn unless_stopped<T>(result: std::result::Result<T, Fault>) -> Result<T> {
    result.map_err(|fault| match fault {
        Fault::Stop(stop) => stopped(stop),
        Fault::Errno(_) => wasmtime::Trap::MemoryOutOfBounds.into(),
    })
}

/// What ends a guest that lacks what a call takes: an export, or a group that it could be in.
pub(crate) fn unfit() -> wasmtime::Error {
    wasmtime::Trap::UnreachableCodeReached.into()
}

/// The error that ends a guest.
pub(crate) fn stopped(stop: Stop) -> wasmtime::Error {
    match stop {
        Stop::BadAddress => wasmtime::Trap::MemoryOutOfBounds.into(),
        stop => Stopped(stop).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The functions of WASI preview 1 as its witx lowers them to core WebAssembly: parameters, and
    /// results after the colon; `i` is an i32, `I` an i64.
    const WITX: [(&str, &str); 46] = [
        ("args_get", "ii:i"),
        ("args_sizes_get", "ii:i"),
        ("environ_get", "ii:i"),
        ("environ_sizes_get", "ii:i"),
        ("clock_res_get", "ii:i"),
        ("clock_time_get", "iIi:i"),
        ("fd_advise", "iIIi:i"),
        ("fd_allocate", "iII:i"),
        ("fd_close", "i:i"),
        ("fd_datasync", "i:i"),
        ("fd_fdstat_get", "ii:i"),
        ("fd_fdstat_set_flags", "ii:i"),
        ("fd_fdstat_set_rights", "iII:i"),
        ("fd_filestat_get", "ii:i"),
        ("fd_filestat_set_size", "iI:i"),
        ("fd_filestat_set_times", "iIIi:i"),
        ("fd_pread", "iiiIi:i"),
        ("fd_prestat_get", "ii:i"),
        ("fd_prestat_dir_name", "iii:i"),
        ("fd_pwrite", "iiiIi:i"),
        ("fd_read", "iiii:i"),
        ("fd_readdir", "iiiIi:i"),
        ("fd_renumber", "ii:i"),
        ("fd_seek", "iIii:i"),
        ("fd_sync", "i:i"),
        ("fd_tell", "ii:i"),
        ("fd_write", "iiii:i"),
        ("path_create_directory", "iii:i"),
        ("path_filestat_get", "iiiii:i"),
        ("path_filestat_set_times", "iiiiIIi:i"),
        ("path_link", "iiiiiii:i"),
        ("path_open", "iiiiiIIii:i"),
        ("path_readlink", "iiiiii:i"),
        ("path_remove_directory", "iii:i"),
        ("path_rename", "iiiiii:i"),
        ("path_symlink", "iiiii:i"),
        ("path_unlink_file", "iii:i"),
        ("poll_oneoff", "iiii:i"),
        ("proc_exit", "i:"),
        ("proc_raise", "i:i"),
        ("random_get", "ii:i"),
        ("sched_yield", ":i"),
        ("sock_accept", "iii:i"),
        ("sock_recv", "iiiiii:i"),
        ("sock_send", "iiiii:i"),
        ("sock_shutdown", "ii:i"),
    ];

    fn types(letters: &str) -> String {
        let names = letters.chars().map(|letter| if letter == 'i' { "i32" } else { "i64" });
        names.collect::<Vec<_>>().join(" ")
    }

    fn links(name: &str, signature: &str) -> bool {
        let (parameters, results) = signature.split_once(':').unwrap();
        let text = format!(
            "(module (import \"{PREVIEW1}\" \"{name}\" (func (param {}) (result {}))))",
            types(parameters),
            types(results)
        );
        let engine = Engine::default();
        let module = wasmtime::Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        linker(&engine).unwrap().instantiate_pre(&module).is_ok()
    }

    #[test]
    fn all_46_functions_are_bound_with_the_signatures_of_the_witx() {
        for (name, signature) in WITX {
            assert!(offers(PREVIEW1, name), "{name}");
            assert!(links(name, signature), "{name} {signature}");
            assert!(!links(name, &format!("i{signature}")), "{name} takes one parameter more");
        }
        assert_eq!(PREVIEW1_FUNCTIONS.len(), WITX.len());
    }
}
