//! WASI preview 1 as a guest meets it, through the whole engine: what the witx, POSIX and Linux say
//! of each function, as claims in `tests/programs/preview1`.
//!
//! A claim is a few lines, each a call with what is to come of it, which one small guest, the
//! caller, executes in a sandbox of the claim's own:
//!
//! ```text
//! claim a read moves the offset by what was read
//! in /workspace /tmp                          (holds at each; `{}` is the place)
//! make "{}/f" "hello"
//! open "{}/f" fd_read|fd_tell $f              (names the answer, here a descriptor)
//! fd_read $f [3] -> ok count=3 bytes="hel"
//! fd_tell $f -> ok offset=3
//! ```
//!
//! Of every call it is checked besides that one that failed wrote nothing, that one that succeeded
//! wrote nothing beyond what it says, and that the read-only folder of the host stays as it was.

mod answer;
mod call;
mod claim;
mod script;
mod text;

use std::path::Path;

use claim::claims;

/// The claims of a file, read when the test runs, so that a claim is changed without compiling.
fn program(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/programs/preview1");
    std::fs::read_to_string(folder.join(name).with_extension("claims")).unwrap()
}

fn check(name: &str) {
    let mut wrong = Vec::new();
    for claim in claims(&program(name)) {
        wrong.extend(claim.check().err());
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

macro_rules! programs {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(stringify!($name));
        })*
    };
}

programs! {
    args_get
    args_sizes_get
    clock_res_get
    clock_time_get
    environ_get
    environ_sizes_get
    fd_advise
    fd_allocate
    fd_close
    fd_datasync
    fd_fdstat_get
    fd_fdstat_set_flags
    fd_fdstat_set_rights
    fd_filestat_get
    fd_filestat_set_size
    fd_filestat_set_times
    fd_pread
    fd_prestat_dir_name
    fd_prestat_get
    fd_pwrite
    fd_read
    fd_readdir
    fd_renumber
    fd_seek
    fd_sync
    fd_tell
    fd_write
    path_create_directory
    path_filestat_get
    path_filestat_set_times
    path_link
    path_open
    path_readlink
    path_remove_directory
    path_rename
    path_symlink
    path_unlink_file
    poll_oneoff
    proc_exit
    proc_raise
    random_get
    sched_yield
    sock_accept
    sock_recv
    sock_send
    sock_shutdown
}

/// A program without a test does not compile.
macro_rules! has_a_test {
    ($name:ident) => {
        const _: fn() = $name;
    };
}

include!(concat!(env!("OUT_DIR"), "/programs.rs"));
each_program!(has_a_test);

#[test]
fn every_function_has_claims_and_together_they_are_many() {
    let mut total = 0;
    for (name, _) in call::FUNCTIONS {
        let text = program(name);
        assert!(text.contains(&format!("\n{name} ")), "{name}");
        total += claims(&text).len();
    }
    assert!(total >= 300, "{total}");
}
