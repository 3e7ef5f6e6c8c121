//! Signals and other events that run commands.

use std::collections::BTreeMap;

use crate::flow::{Flow, Result, Status};
use crate::shell::Shell;
use crate::syntax::ast::Bytes;
use crate::system::{self, Action};

/// What a command can be set for: signals by number, and the shell's own events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    Exit,
    Signal(u8),
    Debug,
    Error,
    Return,
}

#[derive(Debug, Default)]
pub struct Traps {
    /// An empty command ignores.
    handlers: BTreeMap<Event, Bytes>,
    /// How many signals have a command.
    noted: usize,
    /// `INT` without a command gives up what runs, and not the shell, which is interactive.
    gives_up: bool,
    /// Events whose command runs now, which do not begin again.
    active: Vec<Event>,
    /// Those of the parent, which a subshell shows until it sets one.
    pub inherited: BTreeMap<Event, Bytes>,
}

const INT: u8 = 2;

pub const SIGNALS: [(&str, u8); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// Like `TERM`, without `SIG`.
pub fn signal_name(number: u8) -> Option<&'static str> {
    SIGNALS.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

pub fn signal_number(name: &[u8]) -> Option<u8> {
    if let Some(number) = crate::bytes::decimal(name) {
        return u8::try_from(number).ok().filter(|number| *number <= 64);
    }
    let upper = name.to_ascii_uppercase();
    let bare = upper.strip_prefix(b"SIG").unwrap_or(&upper);
    SIGNALS.iter().find(|(name, _)| name.as_bytes() == bare).map(|(_, number)| *number)
}

/// What bash says about a process that a signal ended.
pub fn describe(signal: u8) -> String {
    match signal {
        1 => "Hangup".into(),
        2 => "Interrupt".into(),
        3 => "Quit".into(),
        4 => "Illegal instruction".into(),
        6 => "Aborted".into(),
        8 => "Floating point exception".into(),
        9 => "Killed".into(),
        10 => "User defined signal 1".into(),
        11 => "Segmentation fault".into(),
        12 => "User defined signal 2".into(),
        14 => "Alarm clock".into(),
        15 => "Terminated".into(),
        number => format!("Signal {number}"),
    }
}

impl Event {
    pub fn parse(name: &[u8]) -> Option<Event> {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix(b"SIG").unwrap_or(&upper);
        match bare {
            b"EXIT" | b"0" => Some(Event::Exit),
            b"DEBUG" => Some(Event::Debug),
            b"ERR" => Some(Event::Error),
            b"RETURN" => Some(Event::Return),
            _ => signal_number(name).map(Event::Signal),
        }
    }

    pub fn name(self) -> String {
        match self {
            Event::Exit => "EXIT".into(),
            Event::Debug => "DEBUG".into(),
            Event::Error => "ERR".into(),
            Event::Return => "RETURN".into(),
            Event::Signal(number) => format!("SIG{}", signal_name(number).unwrap_or("?")),
        }
    }
}

impl Traps {
    pub fn get(&self, event: Event) -> Option<&Bytes> {
        self.handlers.get(&event)
    }

    pub fn all(&self) -> impl Iterator<Item = (Event, &Bytes)> {
        let shown = if self.inherited.is_empty() { &self.handlers } else { &self.inherited };
        shown.iter().map(|(event, command)| (*event, command))
    }

    pub fn is_active(&self) -> bool {
        !self.active.is_empty()
    }

    pub fn has(&self, event: Event) -> bool {
        self.handlers.contains_key(&event)
    }

    /// Sets, ignores (an empty command) or resets.
    pub fn set(&mut self, event: Event, command: Option<Bytes>) {
        self.inherited.clear();
        if let Event::Signal(number) = event {
            let action = match &command {
                None if self.gives_up && number == INT => Action::Note,
                None => Action::Default,
                Some(command) if command.is_empty() => Action::Ignore,
                Some(_) => Action::Note,
            };
            system::act(number, action).ok();
        }
        match command {
            Some(command) => self.handlers.insert(event, command),
            None => self.handlers.remove(&event),
        };
        self.count();
    }

    /// From now on `INT` gives up what runs, and not the shell.
    pub fn give_up_at_interrupts(&mut self) {
        self.gives_up = true;
        if !self.has(Event::Signal(INT)) {
            system::act(INT, Action::Note).ok();
        }
        self.count();
    }

    fn count(&mut self) {
        let noted =
            |(event, command): (&Event, &Bytes)| matches!(event, Event::Signal(_)) && !command.is_empty();
        self.noted = self.handlers.iter().filter(|entry| noted(*entry)).count() + usize::from(self.gives_up);
    }

    /// In a subshell only what is ignored stays.
    pub fn enter_subshell(&mut self, functrace: bool, errtrace: bool) {
        self.inherited = self.handlers.clone();
        if std::mem::take(&mut self.gives_up) && !self.has(Event::Signal(INT)) {
            system::act(INT, Action::Default).ok();
        }
        for (event, command) in &self.handlers {
            if let Event::Signal(number) = event
                && !command.is_empty()
            {
                system::act(*number, Action::Default).ok();
            }
        }
        self.handlers.retain(|event, command| match event {
            Event::Exit => false,
            Event::Signal(_) => command.is_empty(),
            Event::Debug | Event::Return => functrace,
            Event::Error => errtrace,
        });
        self.active.clear();
        self.count();
    }

    /// Takes the traps that functions do not inherit out of sight.
    pub fn hide(&mut self, functrace: bool, errtrace: bool) -> Vec<(Event, Bytes)> {
        let mut hidden = Vec::new();
        for (event, inherited) in
            [(Event::Debug, functrace), (Event::Return, functrace), (Event::Error, errtrace)]
        {
            if !inherited && let Some(command) = self.handlers.remove(&event) {
                hidden.push((event, command));
            }
        }
        hidden
    }

    pub fn show(&mut self, hidden: Vec<(Event, Bytes)>) {
        for (event, command) in hidden {
            self.handlers.entry(event).or_insert(command);
        }
    }
}

impl Shell {
    /// Runs the command that is set for an event, if there is one; `$?` is as before.
    pub fn trap(&mut self, event: Event) -> Result<()> {
        let Some(command) = self.traps.get(event) else { return Ok(()) };
        if command.is_empty() || self.traps.active.contains(&event) {
            return Ok(());
        }
        let command = command.clone();
        self.traps.active.push(event);
        let (status, pipe_status, line) = (self.status, self.pipe_status.clone(), self.line);
        let text = self.command_text.clone();
        let guarded = std::mem::replace(&mut self.guarded, 0);
        let result = self.run_text(&command, line);
        self.guarded = guarded;
        self.traps.active.retain(|active| *active != event);
        self.command_text = text;
        self.status = status;
        self.pipe_status = pipe_status;
        self.line = line;
        match result {
            Ok(_) => Ok(()),
            Err(Flow::Exit(status)) => Err(Flow::Exit(status)),
            Err(flow) => Err(flow),
        }
    }

    /// Runs the commands of signals that came.
    pub fn run_traps(&mut self) -> Result<()> {
        if self.traps.noted == 0 {
            return Ok(());
        }
        let signals = system::take_signals();
        if signals == 0 {
            return Ok(());
        }
        for number in 1..=64 {
            if signals & (1 << (number - 1)) != 0 {
                self.trap(Event::Signal(number))?;
            }
        }
        let interrupted = signals & (1 << (INT - 1)) != 0 && self.traps.gives_up;
        if interrupted && !self.traps.has(Event::Signal(INT)) {
            system::write_all(2, b"\n").ok();
            return Err(Flow::Discard(128 + INT));
        }
        Ok(())
    }

    /// The last thing that a shell does; gives its status.
    pub fn finish(&mut self, status: Status) -> Status {
        self.status = status;
        let mut status = status;
        if self.traps.has(Event::Exit) && !self.traps.active.contains(&Event::Exit) {
            if let Err(Flow::Exit(other) | Flow::Discard(other)) = self.trap(Event::Exit) {
                status = other;
            }
            self.traps.handlers.remove(&Event::Exit);
        }
        self.flush_to(1);
        status
    }
}
