//! The interface `git`: what a guest's command line becomes for whoever carries it out, and what comes back.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use sandpiper_core::{
    BoxError, BoxFuture, DenialReason, Git, GitCommand, GitEvent, GitOutput, GitRunning, Spec, Stream,
};
use sandpiper_kernel::{Errno, GitStep, Stop};

use crate::guest::{BUFFER, Guest, MEMORY_BYTES, RESULT, limited, stop};

/// Records what it is asked, and answers with what it was given.
#[derive(Debug, Default)]
struct Recorder {
    commands: Mutex<Vec<GitCommand>>,
    allowed: Arc<Mutex<Vec<u64>>>,
    events: Mutex<VecDeque<Vec<GitEvent>>>,
}

struct Answers {
    allowed: Arc<Mutex<Vec<u64>>>,
    events: VecDeque<GitEvent>,
}

impl Git for Recorder {
    fn start(&self, command: GitCommand) -> Result<Box<dyn GitRunning>, BoxError> {
        self.commands.lock().unwrap().push(command);
        let events = self.events.lock().unwrap().pop_front();
        let events = events.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(Box::new(Answers { allowed: Arc::clone(&self.allowed), events: events.into() }))
    }
}

impl GitRunning for Answers {
    fn next(&mut self, disk_bytes: u64) -> BoxFuture<'static, Result<GitEvent, BoxError>> {
        self.allowed.lock().unwrap().push(disk_bytes);
        let event = self.events.pop_front();
        Box::pin(async move { event.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe).into()) })
    }
}

fn printed(bytes: &'static [u8], written_bytes: u64) -> GitEvent {
    GitEvent { written_bytes, what: GitOutput::Bytes { stream: Stream::Stdout, bytes: bytes.into() } }
}

fn ended(code: u8, written_bytes: u64) -> GitEvent {
    GitEvent { written_bytes, what: GitOutput::Ended { code } }
}

fn offered(guest: &mut Guest, commands: &[&[GitEvent]]) -> Arc<Recorder> {
    let events = commands.iter().map(|events| events.to_vec()).collect();
    let git = Arc::new(Recorder { events: Mutex::new(events), ..Recorder::default() });
    guest.process.set_git(Some(Arc::clone(&git) as Arc<dyn Git>));
    git
}

/// Starts the command; the number of the error, 0 for none.
fn start(guest: &mut Guest, stdin: &[u8]) -> u32 {
    let (at, length) = guest.put(BUFFER, stdin);
    guest.process.git_start(&mut guest.memory, at, length, RESULT).unwrap();
    let failed = guest.u32_at(RESULT) & 0xffff != 0;
    let errno = guest.u32_at(RESULT) >> 16;
    assert_eq!(failed, errno != 0);
    errno
}

fn next(guest: &mut Guest) -> GitStep {
    guest.block_on(async |process, _| process.git_next().await)
}

#[test]
fn without_a_repository_nothing_is_carried_out_and_that_is_recorded() {
    let mut guest = Guest::new(&Spec::default());
    assert_eq!(start(&mut guest, b""), u32::from(Errno::NOTSUP.raw()));
    guest.assert_denied_once("git", "", DenialReason::Unsupported);
    assert_eq!(next(&mut guest), Err(Errno::INVAL));
}

#[test]
fn the_command_line_goes_out_and_its_events_come_back() {
    let mut guest = Guest::new(&Spec::default());
    let git = offered(&mut guest, &[&[printed(b"hi", 0), ended(3, 0)]]);
    assert_eq!(start(&mut guest, b"message"), 0);
    let command = git.commands.lock().unwrap().remove(0);
    assert_eq!((command.stdin.as_slice(), command.directory.as_str()), (&b"message"[..], "/"));
    assert!(command.environment.is_empty(), "only what is git's goes out: {:?}", command.environment);
    assert_eq!(next(&mut guest).unwrap(), printed(b"hi", 0).what);
    assert_eq!(next(&mut guest).unwrap(), GitOutput::Ended { code: 3 });
    assert_eq!(next(&mut guest), Err(Errno::INVAL), "it has ended");
}

#[test]
fn what_is_written_is_taken_from_the_disk_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut guest = limited(folder.path(), |limits| limits.disk_bytes = 100);
    let git = offered(&mut guest, &[&[printed(b"", 60), ended(0, 40)], &[ended(0, 0)]]);
    assert_eq!(start(&mut guest, b""), 0);
    next(&mut guest).unwrap();
    next(&mut guest).unwrap();
    assert_eq!(start(&mut guest, b""), 0);
    next(&mut guest).unwrap();
    assert_eq!(*git.allowed.lock().unwrap(), [100, 40, 0]);
    assert_eq!(guest.world.bytes_written(), 100);
}

#[test]
fn an_input_of_a_mebibyte_is_taken_and_a_longer_one_refused() {
    let mut guest = Guest::new(&Spec::default());
    let git = offered(&mut guest, &[&[ended(0, 0)]]);
    assert_eq!(start(&mut guest, &vec![b'x'; (1 << 20) + 1]), u32::from(Errno::TOO_BIG.raw()));
    assert!(git.commands.lock().unwrap().is_empty());
    assert_eq!(start(&mut guest, &vec![b'x'; 1 << 20]), 0);
}

#[test]
fn addresses_outside_of_the_memory_end_the_guest_before_anything_is_done() {
    let mut guest = Guest::new(&Spec::default());
    let git = offered(&mut guest, &[&[ended(0, 0)]]);
    let end = u32::try_from(MEMORY_BYTES).unwrap();
    for result in [end - 3, end, u32::MAX] {
        let started = guest.process.git_start(&mut guest.memory, BUFFER, 0, result);
        assert_eq!(started, stop(Stop::BadAddress));
    }
    guest.process.git_start(&mut guest.memory, end - 1, 2, RESULT).unwrap();
    assert_eq!(guest.u32_at(RESULT) >> 16, u32::from(Errno::FAULT.raw()));
    assert!(git.commands.lock().unwrap().is_empty());
    guest.process.git_start(&mut guest.memory, end - 1, 1, end - 4).unwrap();
    assert_eq!(git.commands.lock().unwrap().len(), 1);
}

#[test]
fn who_is_gone_is_an_error_of_input_and_output() {
    let mut guest = Guest::new(&Spec::default());
    offered(&mut guest, &[&[printed(b"hi", 0)]]);
    assert_eq!(start(&mut guest, b""), 0);
    next(&mut guest).unwrap();
    assert_eq!(next(&mut guest), Err(Errno::IO));
    assert_eq!(start(&mut guest, b""), u32::from(Errno::IO.raw()));
}
