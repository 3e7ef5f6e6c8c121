//! What is tried on Linux, each with what is still allowed beside it.

use std::ffi::{CString, c_long};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use sandpiper_wall::{Folder, Part, Terminal, Wall, lock_in};
use tempfile::TempDir;

pub const TESTS: &[(&str, fn())] = &[
    ("granted_folders_work_as_before", granted_folders_work_as_before),
    ("files_outside_are_neither_read_nor_changed", files_outside_are_neither_read_nor_changed),
    ("a_read_only_folder_is_read_and_not_changed", a_read_only_folder_is_read_and_not_changed),
    ("links_and_dots_lead_nowhere_outside", links_and_dots_lead_nowhere_outside),
    ("no_program_and_no_process_is_started", no_program_and_no_process_is_started),
    ("a_thread_is_started_and_locked_in_too", a_thread_is_started_and_locked_in_too),
    ("no_socket_is_opened_or_connected", no_socket_is_opened_or_connected),
    ("no_other_process_is_touched", no_other_process_is_touched),
    ("calls_that_a_guest_never_needs_are_not_there", calls_that_a_guest_never_needs_are_not_there),
    ("no_memory_becomes_executable", no_memory_becomes_executable),
    ("a_terminal_takes_no_input_from_here", a_terminal_takes_no_input_from_here),
    ("a_file_sends_no_signals", a_file_sends_no_signals),
    ("threads_that_run_already_are_said_to_be_outside", threads_that_run_already_are_said_to_be_outside),
    ("a_folder_that_is_not_there_is_said_to_be_missing", a_folder_that_is_not_there_is_said_to_be_missing),
];

/// A writable folder, a read-only one, and one that is not granted, each with a file.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["rw", "ro", "outside"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("file"), name).unwrap();
        }
        Self { folder }
    }

    fn path(&self, below: &str) -> std::path::PathBuf {
        self.folder.path().join(below)
    }

    fn lock_in(&self) -> Option<Wall> {
        let folders = [
            Folder { path: self.path("rw"), writable: true },
            Folder { path: self.path("ro"), writable: false },
        ];
        let wall = lock_in(&folders, Terminal::LeftAlone);
        whole(&wall).then_some(wall)
    }
}

/// Whether the wall stands; where the machine's kernel cannot have it, that is said, and nothing to
/// be tested.
fn whole(wall: &Wall) -> bool {
    for (part, reason) in &wall.missing {
        assert!(reason.starts_with("the kernel "), "{part}: {reason}");
        println!("not tested: {part}: {reason}");
    }
    wall.is_whole()
}

fn errno<T>(result: io::Result<T>) -> i32 {
    result.err().map_or(0, |error| error.raw_os_error().unwrap_or(-1))
}

/// Makes a call with arguments that do no harm, and gives its errno.
fn call(number: c_long, arguments: [c_long; 6]) -> i32 {
    let [first, second, third, fourth, fifth, sixth] = arguments;
    let result = unsafe { libc::syscall(number, first, second, third, fourth, fifth, sixth) };
    if result == -1 { io::Error::last_os_error().raw_os_error().unwrap() } else { 0 }
}

fn granted_folders_work_as_before() {
    let place = Place::new();
    let Some(wall) = place.lock_in() else { return };
    assert_eq!(wall, Wall { held: vec![Part::Landlock, Part::Seccomp], missing: vec![] });
    let rw = |name: &str| place.path("rw").join(name);
    assert_eq!(fs::read(rw("file")).unwrap(), b"rw");
    fs::write(rw("new"), "content").unwrap();
    OpenOptions::new().append(true).open(rw("new")).unwrap().write_all(b"!").unwrap();
    File::options().write(true).open(rw("new")).unwrap().set_len(4).unwrap();
    fs::create_dir_all(rw("d/e")).unwrap();
    fs::rename(rw("new"), rw("d/e/moved")).unwrap();
    fs::hard_link(rw("d/e/moved"), rw("linked")).unwrap();
    symlink("linked", rw("link")).unwrap();
    assert_eq!(fs::read(rw("link")).unwrap(), b"cont");
    assert_eq!(fs::read_dir(place.path("rw")).unwrap().count(), 4);
    fs::remove_file(rw("d/e/moved")).unwrap();
    fs::remove_dir(rw("d/e")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1));
    assert!(std::time::SystemTime::now() > std::time::UNIX_EPOCH);
}

fn files_outside_are_neither_read_nor_changed() {
    let place = Place::new();
    let outside = place.path("outside");
    let before = File::open(outside.join("file")).unwrap();
    if place.lock_in().is_none() {
        return;
    }
    for path in ["/etc/passwd", "/proc/self/maps", "/proc/self/mem", "/dev/null"].map(Path::new) {
        assert_eq!(errno(File::open(path)), libc::EACCES, "{}", path.display());
    }
    let file = outside.join("file");
    assert_eq!(errno(fs::read(&file)), libc::EACCES);
    assert_eq!(errno(fs::write(&file, "x")), libc::EACCES);
    assert_eq!(errno(fs::write(outside.join("new"), "x")), libc::EACCES);
    assert_eq!(errno(fs::read_dir(&outside)), libc::EACCES);
    assert_eq!(errno(fs::create_dir(outside.join("d"))), libc::EACCES);
    assert_eq!(errno(fs::remove_file(&file)), libc::EACCES);
    assert_eq!(errno(symlink("x", outside.join("link"))), libc::EACCES);
    let path = CString::new(file.to_str().unwrap()).unwrap();
    // By its path; the call is not there at all.
    assert_eq!(errno_of(unsafe { libc::truncate(path.as_ptr(), 0) }), libc::ENOSYS);
    assert_eq!(errno(fs::rename(&file, place.path("rw/stolen"))), libc::EACCES);
    assert_ne!(errno(fs::hard_link(&file, place.path("rw/stolen"))), 0);
    assert!(!place.path("rw/stolen").exists());
    // The twin: what was open stays open.
    let mut content = String::new();
    (&before).read_to_string(&mut content).unwrap();
    assert_eq!(content, "outside");
}

fn a_read_only_folder_is_read_and_not_changed() {
    let place = Place::new();
    if place.lock_in().is_none() {
        return;
    }
    let ro = place.path("ro");
    assert_eq!(fs::read(ro.join("file")).unwrap(), b"ro");
    assert_eq!(fs::read_dir(&ro).unwrap().count(), 1);
    assert_eq!(errno(OpenOptions::new().write(true).open(ro.join("file"))), libc::EACCES);
    assert_eq!(errno(OpenOptions::new().write(true).truncate(true).open(ro.join("file"))), libc::EACCES);
    assert_eq!(errno(fs::write(ro.join("new"), "x")), libc::EACCES);
    assert_eq!(errno(fs::create_dir(ro.join("d"))), libc::EACCES);
    assert_eq!(errno(fs::remove_file(ro.join("file"))), libc::EACCES);
    assert_eq!(errno(fs::rename(ro.join("file"), ro.join("moved"))), libc::EACCES);
    assert_eq!(fs::read(ro.join("file")).unwrap(), b"ro");
}

fn links_and_dots_lead_nowhere_outside() {
    let place = Place::new();
    symlink("../outside/file", place.path("rw/link")).unwrap();
    symlink("file", place.path("rw/twin")).unwrap();
    if place.lock_in().is_none() {
        return;
    }
    assert_eq!(errno(fs::read(place.path("rw/link"))), libc::EACCES);
    assert_eq!(errno(fs::read(place.path("rw/../outside/file"))), libc::EACCES);
    assert_eq!(fs::read(place.path("rw/twin")).unwrap(), b"rw");
    assert_eq!(fs::read(place.path("rw/../rw/file")).unwrap(), b"rw");
}

fn no_program_and_no_process_is_started() {
    let place = Place::new();
    let program = CString::new("/bin/true").unwrap();
    let nothing = [std::ptr::null::<std::ffi::c_char>()];
    if place.lock_in().is_none() {
        return;
    }
    let started = unsafe { libc::execve(program.as_ptr(), nothing.as_ptr(), nothing.as_ptr()) };
    assert_eq!(errno_of(started), libc::ENOSYS);
    assert_eq!(call(libc::SYS_execveat, [-1, 0, 0, 0, 0, 0]), libc::ENOSYS);
    let forked = unsafe { libc::fork() };
    if forked == 0 {
        unsafe { libc::_exit(0) };
    }
    assert_eq!(errno_of(forked), libc::ENOSYS);
    assert_eq!(call(libc::SYS_clone3, [0, 0, 0, 0, 0, 0]), libc::ENOSYS);
    assert_eq!(errno(std::process::Command::new("/bin/true").status()), libc::ENOSYS);
}

fn a_thread_is_started_and_locked_in_too() {
    let place = Place::new();
    if place.lock_in().is_none() {
        return;
    }
    let inside = place.path("rw/file");
    let thread = std::thread::spawn(move || {
        let socket =
            call(libc::SYS_socket, [c_long::from(libc::AF_INET), c_long::from(libc::SOCK_DGRAM), 0, 0, 0, 0]);
        (fs::read(inside).unwrap(), errno(fs::read("/etc/passwd")), socket)
    });
    assert_eq!(thread.join().unwrap(), (b"rw".to_vec(), libc::EACCES, libc::ENOSYS));
}

fn no_socket_is_opened_or_connected() {
    let place = Place::new();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut one, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
    let address = listener.local_addr().unwrap();
    if place.lock_in().is_none() {
        return;
    }
    assert_eq!(errno(std::net::TcpStream::connect(address)), libc::ENOSYS);
    assert_eq!(errno(std::net::TcpListener::bind("127.0.0.1:0")), libc::ENOSYS);
    assert_eq!(errno(std::os::unix::net::UnixStream::pair()), libc::ENOSYS);
    // A socket that was there already is not turned elsewhere either.
    assert_eq!(errno(socket.connect(address)), libc::ENOSYS);
    assert_eq!(errno(socket.send_to(b"x", address)), libc::ENOSYS);
    assert_eq!(errno(listener.accept()), libc::ENOSYS);
    // The twin: one that was connected works, as standard input may be one.
    one.write_all(b"x").unwrap();
    other.read_exact(&mut [0]).unwrap();
}

fn no_other_process_is_touched() {
    let place = Place::new();
    let (own, parent) = unsafe { (libc::getpid(), libc::getppid()) };
    if place.lock_in().is_none() {
        return;
    }
    let (own, parent) = (c_long::from(own), c_long::from(parent));
    assert_eq!(call(libc::SYS_kill, [parent, 0, 0, 0, 0, 0]), libc::ENOSYS);
    assert_eq!(call(libc::SYS_kill, [own, 0, 0, 0, 0, 0]), libc::ENOSYS);
    assert_eq!(call(libc::SYS_tgkill, [parent, parent, 0, 0, 0, 0]), libc::ENOSYS);
    assert_eq!(call(libc::SYS_tgkill, [own, own, 0, 0, 0, 0]), 0);
    for number in
        [libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_pidfd_open]
    {
        assert_eq!(call(number, [parent, 0, 0, 0, 0, 0]), libc::ENOSYS, "{number}");
    }
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) }, 0);
    assert_eq!(errno_of(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }), libc::ENOSYS);
}

fn calls_that_a_guest_never_needs_are_not_there() {
    const CALLS: &[c_long] = &[
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_setns,
        libc::SYS_unshare,
        libc::SYS_perf_event_open,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_open_by_handle_at,
        libc::SYS_memfd_create,
        libc::SYS_io_uring_setup,
        libc::SYS_bpf,
        libc::SYS_userfaultfd,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_fchmodat,
        libc::SYS_fchownat,
        libc::SYS_mknodat,
        libc::SYS_setxattr,
        libc::SYS_setuid,
        libc::SYS_socketpair,
        libc::SYS_sendmsg,
        libc::SYS_seccomp,
        libc::SYS_landlock_restrict_self,
    ];
    // A kernel may be built without some; that most are there before shows that this can fail.
    const BAD: [c_long; 6] = [-1, -1, -1, -1, -1, -1];
    let before = CALLS.iter().filter(|number| call(**number, BAD) != libc::ENOSYS).count();
    assert!(before >= 18, "{before}");
    if Place::new().lock_in().is_none() {
        return;
    }
    for number in CALLS {
        assert_eq!(call(*number, BAD), libc::ENOSYS, "{number}");
    }
    assert_eq!(call(libc::SYS_getpid, BAD), 0);
}

fn no_memory_becomes_executable() {
    let map = |protection: i32| unsafe {
        libc::mmap(std::ptr::null_mut(), 4096, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    };
    let (write, execute) = (libc::PROT_READ | libc::PROT_WRITE, libc::PROT_READ | libc::PROT_EXEC);
    assert_ne!(map(execute), libc::MAP_FAILED);
    if Place::new().lock_in().is_none() {
        return;
    }
    assert_eq!(map(execute), libc::MAP_FAILED);
    assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::ENOSYS));
    let memory = map(write);
    assert_ne!(memory, libc::MAP_FAILED);
    assert_eq!(errno_of(unsafe { libc::mprotect(memory, 4096, execute) }), libc::ENOSYS);
    assert_eq!(unsafe { libc::mprotect(memory, 4096, libc::PROT_READ) }, 0);
}

fn a_terminal_takes_no_input_from_here() {
    let place = Place::new();
    let file = File::open(place.path("rw/file")).unwrap();
    if place.lock_in().is_none() {
        return;
    }
    let byte = b'x';
    assert_eq!(
        errno_of(unsafe { libc::ioctl(file.as_raw_fd(), libc::TIOCSTI, &raw const byte) }),
        libc::ENOSYS
    );
    // The twin reaches the kernel, which sees that this is no terminal.
    let mut size = [0_u16; 4];
    let asked = unsafe { libc::ioctl(file.as_raw_fd(), libc::TIOCGWINSZ, size.as_mut_ptr()) };
    assert_eq!(errno_of(asked), libc::ENOTTY);
}

fn a_file_sends_no_signals() {
    let place = Place::new();
    let file = File::open(place.path("rw/file")).unwrap();
    if place.lock_in().is_none() {
        return;
    }
    let fd = file.as_raw_fd();
    assert_eq!(errno_of(unsafe { libc::fcntl(fd, libc::F_SETOWN, 1) }), libc::ENOSYS);
    assert_eq!(errno_of(unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_ASYNC) }), libc::ENOSYS);
    assert_eq!(errno_of(unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) }), 0);
}

fn threads_that_run_already_are_said_to_be_outside() {
    let (stop, wait) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        wait.recv().unwrap_err();
        let socket = call(libc::SYS_socket, [c_long::from(libc::AF_INET), 1, 0, 0, 0, 0]);
        (errno(fs::read("/etc/passwd")), socket)
    });
    let wall = lock_in(&[], Terminal::LeftAlone);
    drop(stop);
    let (file, socket) = thread.join().unwrap();
    if wall.held.contains(&Part::Seccomp) {
        assert_eq!(socket, libc::ENOSYS);
    }
    if wall.held.contains(&Part::Landlock) {
        // Linux 7.0 and later.
        assert_eq!(file, libc::EACCES);
    } else {
        assert_eq!(file, 0);
        let (part, reason) = &wall.missing[0];
        let none = reason == "the kernel has no Landlock of 5.19 or later";
        let threads = reason == "2 threads run already, and this kernel's Landlock would hold for one";
        assert!(*part == Part::Landlock && (none || threads), "{wall:?}");
    }
}

fn a_folder_that_is_not_there_is_said_to_be_missing() {
    let wall = lock_in(&[Folder { path: "/nowhere/at/all".into(), writable: false }], Terminal::LeftAlone);
    let (part, reason) = &wall.missing[0];
    assert_eq!(*part, Part::Landlock);
    assert!(
        reason.starts_with("/nowhere/at/all cannot be opened: ") || reason.contains("the kernel has no"),
        "{reason}"
    );
    assert!(!wall.is_whole());
}

fn errno_of(result: i32) -> i32 {
    if result == -1 { io::Error::last_os_error().raw_os_error().unwrap() } else { 0 }
}
