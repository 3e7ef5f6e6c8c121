//! Runs something in a process of its own, and stops it at one of its calls that change files.

use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Killed before it.
    Before,
    /// A write does half of what it was to do, and the process is killed.
    Half,
    /// From this call on, nothing that needs room succeeds; the first write does half of what it was to do.
    Full,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Killed,
    Exited,
    /// It ended before it came to the point.
    NotReached,
}

/// Runs `work` in a child until its call number `point` of those that the fault is about.
pub fn traced(point: usize, fault: Fault, work: impl FnOnce()) -> End {
    // SAFETY: the child has this thread alone, and uses nothing that another may have locked: its own files,
    // and the allocator, which glibc makes usable in the child.
    let pid = match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            ptrace::traceme().unwrap();
            raise(Signal::SIGSTOP).unwrap();
            work();
            // SAFETY: ends the process at once, without what the test's process has to do at its end.
            unsafe { libc::_exit(0) }
        }
    };
    assert!(matches!(wait(pid), WaitStatus::Stopped(_, Signal::SIGSTOP)));
    let options = ptrace::Options::PTRACE_O_TRACESYSGOOD | ptrace::Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(pid, options).unwrap();
    follow(pid, point, fault)
}

fn follow(pid: Pid, point: usize, fault: Fault) -> End {
    let (mut calls, mut entering) = (0, true);
    // What is to be done when the call that is being made returns.
    let mut at_return: Option<AtReturn> = None;
    let mut signal = None;
    loop {
        ptrace::syscall(pid, signal.take()).unwrap();
        match wait(pid) {
            WaitStatus::PtraceSyscall(_) if entering => {
                entering = false;
                let mut registers = ptrace::getregs(pid).unwrap();
                let Some(call) = Call::of(&registers) else { continue };
                let concerns = match fault {
                    Fault::Before => true,
                    Fault::Half => call == Call::Write,
                    Fault::Full => matches!(call, Call::Write | Call::Makes),
                };
                if !concerns {
                    continue;
                }
                let number = calls;
                calls += 1;
                if number < point {
                    continue;
                }
                match fault {
                    Fault::Before => return kill(pid),
                    Fault::Half => {
                        at_return = Some(AtReturn::Kill);
                    }
                    Fault::Full if number > point || call != Call::Write => {
                        at_return = Some(AtReturn::NoSpace);
                    }
                    Fault::Full => {}
                }
                if at_return == Some(AtReturn::NoSpace) {
                    // No such call: it does nothing, and its result is set when it returns.
                    registers.orig_rax = u64::MAX;
                } else {
                    registers.rdx /= 2;
                }
                ptrace::setregs(pid, registers).unwrap();
            }
            WaitStatus::PtraceSyscall(_) => {
                entering = true;
                match at_return.take() {
                    Some(AtReturn::Kill) => return kill(pid),
                    Some(AtReturn::NoSpace) => {
                        let mut registers = ptrace::getregs(pid).unwrap();
                        registers.rax = (-i64::from(libc::ENOSPC)).cast_unsigned();
                        ptrace::setregs(pid, registers).unwrap();
                    }
                    None => {}
                }
            }
            WaitStatus::Stopped(_, received) => signal = Some(received),
            WaitStatus::Exited(_, 0) => return if calls > point { End::Exited } else { End::NotReached },
            other => panic!("{other:?}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtReturn {
    Kill,
    NoSpace,
}

fn kill(pid: Pid) -> End {
    ptrace::kill(pid).unwrap();
    while !matches!(wait(pid), WaitStatus::Signaled(..)) {}
    End::Killed
}

fn wait(pid: Pid) -> WaitStatus {
    waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap()
}

/// A call that changes files, or waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Write,
    /// Makes a file or a directory.
    Makes,
    Other,
}

impl Call {
    fn of(registers: &libc::user_regs_struct) -> Option<Self> {
        let makes = |flags: u64| flags & u64::try_from(libc::O_CREAT | libc::O_TRUNC).unwrap() != 0;
        match i64::try_from(registers.orig_rax).ok()? {
            // Standard output and error are no files.
            libc::SYS_write if registers.rdi > 2 => Some(Self::Write),
            libc::SYS_openat if makes(registers.rdx) => Some(Self::Makes),
            libc::SYS_open if makes(registers.rsi) => Some(Self::Makes),
            libc::SYS_mkdir | libc::SYS_mkdirat => Some(Self::Makes),
            libc::SYS_rename
            | libc::SYS_renameat
            | libc::SYS_renameat2
            | libc::SYS_unlink
            | libc::SYS_unlinkat
            | libc::SYS_ftruncate
            | libc::SYS_fsync
            | libc::SYS_fdatasync
            | libc::SYS_flock => Some(Self::Other),
            _ => None,
        }
    }
}
