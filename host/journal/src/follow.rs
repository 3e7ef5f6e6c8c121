//! Reads a run's records while they are written.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::{Found, Reader, Tail, layout};

/// Reads a run's records while they are written. It never waits: who asks decides how long to wait before
/// asking again.
///
/// # Examples
/// ```no_run
/// use std::time::Duration;
/// use sandpiper_journal::{Followed, Found, Journal};
///
/// let journal = Journal::open("/var/lib/sandpiper/journal".as_ref())?;
/// let mut follow = journal.follow(&journal.find("latest")?)?;
/// loop {
///     match follow.poll()? {
///         Followed::Found(Found::Record(entry)) => println!("{}", entry.line()),
///         Followed::Found(Found::Damage(damage)) => eprintln!("{damage:?}"),
///         Followed::Idle => std::thread::sleep(Duration::from_millis(100)),
///         Followed::End(_) => break,
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Follow {
    reader: Reader<File>,
    lock: PathBuf,
    has_ended: bool,
}

/// What following has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// A record, or something that is damaged.
    Found(Found),
    /// Nothing now, and the run is being written.
    Idle,
    /// Nothing any more: the run has ended, or nobody writes it.
    End(Tail),
}

impl Follow {
    pub(crate) fn new(reader: Reader<File>, lock: PathBuf) -> Self {
        Self { reader, lock, has_ended: false }
    }

    /// The next record, if there is one.
    ///
    /// # Errors
    /// As reading fails.
    pub fn poll(&mut self) -> io::Result<Followed> {
        // Before the last look, or what is written between the two would be missed.
        let is_written = !self.has_ended && layout::is_locked(&self.lock)?;
        Ok(match self.reader.next().transpose()? {
            Some(found) => {
                self.has_ended |= matches!(&found, Found::Record(entry) if entry.kind() == "run-ended");
                Followed::Found(found)
            }
            None if is_written => Followed::Idle,
            None => Followed::End(self.reader.tail()),
        })
    }
}
