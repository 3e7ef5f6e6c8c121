//! System calls, by seccomp: a list of those that stay, each with what its arguments may be.
//!
//! To a process that is locked in, the other calls do not exist (`ENOSYS`): that is the one answer
//! after which every C library tries an older call, `clone` instead of `clone3` among them. What is
//! on the list is what running a guest took in strace with glibc, and what the same work takes with
//! other C libraries and on aarch64.

use std::ffi::c_long;

use seccompiler::apply_filter_all_threads;

use super::Failure;
use crate::Terminal;

use super::filter::{Calls, Condition, Rule, program};

/// Installs the filter for all threads.
pub(crate) fn raise(terminal: Terminal) -> Result<(), Failure> {
    let program = program(PROCESSOR, &calls(terminal), libc::ENOSYS.cast_unsigned());
    Ok(apply_filter_all_threads(&program)?)
}

/// The processor's name in `linux/audit.h`, of those that the list below was made for.
const PROCESSOR: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };

/// Calls that stay with any arguments. Those that take paths are Landlock's to decide on.
const PLAIN: &[c_long] = &[
    // Open files.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_getdents64,
    // Names.
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_utimensat,
    libc::SYS_getcwd,
    // Memory; `mmap` and `mprotect` are below.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_membarrier,
    // Threads; `clone` is below.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    // Signals that come, and alternate stacks, on which traps of a guest are caught.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // Time and waiting.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    // Who and what this is.
    libc::SYS_getrandom,
    libc::SYS_geteuid,
    libc::SYS_getuid,
    libc::SYS_getegid,
    libc::SYS_getgid,
    libc::SYS_getrusage,
    libc::SYS_uname,
];

/// Older forms of the same calls, as far as the processor has them.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[
    libc::SYS_poll,
    libc::SYS_epoll_wait,
    libc::SYS_dup2,
    libc::SYS_time,
    libc::SYS_renameat,
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_link,
    libc::SYS_symlink,
];
#[cfg(target_arch = "aarch64")]
const OLDER: &[c_long] = &[
    // renameat, which the crate libc leaves out.
    38,
];

/// `PAGEMAP_SCAN` of `linux/fs.h`.
const PAGEMAP_SCAN: u64 = 0xc060_6610;
/// What a terminal is asked for: `TCGETS` and `TIOCGWINSZ` of `asm-generic/ioctls.h`.
const TERMINAL: [u64; 2] = [0x5401, 0x5413];
/// How a terminal's modes are set: `TCSETS`, `TCSETSW` and `TCSETSF` of the same; and how they are asked for
/// and set with speeds, by `TCGETS2` and those that belong to it.
const TERMINAL_MODES: [u64; 7] = [0x5402, 0x5403, 0x5404, 0x802c_542a, 0x402c_542b, 0x402c_542c, 0x402c_542d];
/// `FIONBIO` and `FIOCLEX`, by which files are opened and sockets set up.
const FILE: [u64; 2] = [0x5421, 0x5451];
/// `PR_GET_AUXV`, by which a program reads what it was started with.
const PR_GET_AUXV: u64 = 0x4155_5856;
/// `PR_SET_VMA`, by which C libraries name their memory.
const PR_SET_VMA: u64 = 0x5356_4d41;

/// Set-user-id, set-group-id and sticky.
const SPECIAL_MODES: libc::c_int = 0o7000;

/// Bits of an argument that the kernel takes as an `int`.
const INT: u64 = 0xffff_ffff;

fn calls(terminal: Terminal) -> Calls {
    let mut calls = Calls::new();
    let mut allow = |call: c_long, rules: Vec<Rule>| {
        // All numbers of calls fit.
        if let Ok(number) = u32::try_from(call) {
            calls.insert(number, rules);
        }
    };
    for call in PLAIN.iter().chain(OLDER) {
        allow(*call, Vec::new());
    }
    if terminal == Terminal::Edited {
        // By these, the editor of lines waits for keys, and for the terminal to get another size.
        for call in [
            libc::SYS_pselect6,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_select,
        ] {
            allow(call, Vec::new());
        }
        allow(libc::SYS_socketpair, vec![vec![is(0, word(libc::AF_UNIX))]]);
    }
    // Permission bits of open files; none by which a program runs as its owner.
    allow(libc::SYS_fchmod, vec![vec![without(1, SPECIAL_MODES)]]);
    // No memory becomes executable: the guest's code is mapped before.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        allow(call, vec![vec![without(2, libc::PROT_EXEC)]]);
    }
    // A thread, and no process. Its flags are the first argument; `clone3` keeps them in memory,
    // where no filter sees them.
    let thread = word(libc::CLONE_THREAD);
    allow(libc::SYS_clone, vec![vec![Condition { argument: 0, mask: thread, value: thread }]]);
    // Signals to this process alone, as `abort` sends one.
    allow(libc::SYS_tgkill, vec![vec![is(0, std::process::id().into())]]);
    // Terminals take input by ioctl too (TIOCSTI): a shell's that waits outside.
    let modes: &[u64] = if terminal == Terminal::Edited { &TERMINAL_MODES } else { &[] };
    let controls = [&[PAGEMAP_SCAN][..], &TERMINAL, modes, &FILE].concat();
    allow(libc::SYS_ioctl, one_of(1, &controls));
    // No owner of a file, who gets its signals.
    let settings = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_DUPFD, libc::F_DUPFD_CLOEXEC];
    let mut settings = one_of(1, &settings.map(word));
    settings.push(vec![is(1, word(libc::F_SETFL)), without(2, libc::O_ASYNC)]);
    allow(libc::SYS_fcntl, settings);
    let own = [word(libc::PR_SET_NAME), word(libc::PR_GET_NAME), PR_SET_VMA, PR_GET_AUXV];
    allow(libc::SYS_prctl, one_of(0, &own));
    // This process's own limits, which size the stacks of threads; they are not changed.
    allow(libc::SYS_prlimit64, vec![vec![is(0, 0), nothing(2)]]);
    // On what is a socket already and connected, as standard input may be: no address.
    for call in [libc::SYS_sendto, libc::SYS_recvfrom] {
        allow(call, vec![vec![nothing(4)]]);
    }
    calls
}

/// That an `int` has this value.
fn is(argument: u32, value: u64) -> Condition {
    Condition { argument, mask: INT, value }
}

/// That a pointer is null.
fn nothing(argument: u32) -> Condition {
    Condition { argument, mask: u64::MAX, value: 0 }
}

/// That a flag is not set.
fn without(argument: u32, flag: i32) -> Condition {
    Condition { argument, mask: word(flag), value: 0 }
}

/// A rule for each value that an `int` may have.
fn one_of(argument: u32, values: &[u64]) -> Vec<Rule> {
    values.iter().map(|value| vec![is(argument, *value)]).collect()
}

/// A C constant as an argument of a call.
fn word(value: i32) -> u64 {
    u64::from(value.cast_unsigned())
}
