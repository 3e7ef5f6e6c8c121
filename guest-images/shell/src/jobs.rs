//! Processes that were started: which are waited for, and how they ended.

use std::collections::HashMap;
use std::rc::Rc;

use crate::shell::Shell;
use crate::syntax::ast::Bytes;
use crate::system::{self, Ended, errno};

#[derive(Debug)]
pub struct Job {
    pub number: u32,
    pub processes: Vec<u32>,
    pub text: Rc<[u8]>,
    /// How the last process ended.
    pub ended: Option<Ended>,
}

#[derive(Debug, Default)]
pub struct Jobs {
    pub list: Vec<Job>,
    pub last_background: Option<u32>,
    /// Children that ended and that nobody has asked for yet.
    ended: HashMap<u32, Ended>,
    /// Background children that are not known to have ended.
    running: Vec<u32>,
}

/// The ends of so many background processes are kept for a `wait` that may come.
const REMEMBERED_MAX: usize = 4096;

impl Jobs {
    pub fn add(&mut self, processes: Vec<u32>, text: Rc<[u8]>) -> u32 {
        self.list.retain(|job| job.ended.is_none());
        let number = self.list.iter().map(|job| job.number).max().unwrap_or(0) + 1;
        self.last_background = processes.last().copied();
        self.running.extend(&processes);
        self.list.push(Job { number, processes, text, ended: None });
        number
    }

    pub fn note_running(&mut self, process: u32) {
        self.running.push(process);
    }

    pub fn running(&self) -> &[u32] {
        &self.running
    }

    /// All background children whose end was not asked for.
    pub fn waitable(&self) -> Vec<u32> {
        self.running.iter().chain(self.ended.keys()).copied().collect()
    }

    pub fn forget_job(&mut self, process: u32) {
        self.list.retain(|job| job.processes.last() != Some(&process));
    }

    /// Is it a child that can be waited for?
    pub fn knows(&self, process: u32) -> bool {
        self.running.contains(&process) || self.ended.contains_key(&process)
    }

    pub fn take_ended(&mut self, process: u32) -> Option<Ended> {
        self.ended.remove(&process)
    }

    fn record(&mut self, process: u32, ended: Ended) {
        self.running.retain(|&running| running != process);
        for job in &mut self.list {
            if job.processes.last() == Some(&process) {
                job.ended = Some(ended);
            }
        }
        if self.ended.len() >= REMEMBERED_MAX {
            self.ended.clear();
        }
        self.ended.insert(process, ended);
    }

    /// The job that `%1`, `%%`, `%-` or `%text` names.
    pub fn find(&self, name: &[u8]) -> Option<&Job> {
        let rest = name.strip_prefix(b"%").unwrap_or(name);
        match rest {
            b"" | b"%" | b"+" => self.list.last(),
            b"-" => self.list.iter().rev().nth(1).or(self.list.last()),
            _ => {
                if let Some(number) = std::str::from_utf8(rest).ok().and_then(|text| text.parse::<u32>().ok())
                {
                    return self.list.iter().find(|job| job.number == number);
                }
                match rest.strip_prefix(b"?") {
                    Some(part) => self.list.iter().find(|job| crate::bytes::find(&job.text, part).is_some()),
                    None => self.list.iter().find(|job| job.text.starts_with(rest)),
                }
            }
        }
    }

    /// A subshell has no children yet; it shows the jobs that its parent had.
    pub fn forget(&mut self) {
        self.running.clear();
        self.ended.clear();
    }
}

impl Shell {
    /// Waits for a child of the foreground; signals that have traps are left for later.
    pub fn wait_for(&mut self, process: u32) -> Ended {
        loop {
            if let Some(ended) = self.jobs.take_ended(process) {
                return ended;
            }
            match system::wait(Some(process), true) {
                Ok(Some((_, ended))) => {
                    self.reap();
                    return ended;
                }
                Ok(None) | Err(errno::INTR) => {}
                Err(_) => return Ended::Exited(127),
            }
        }
    }

    /// Takes the ends of background children that ended, so that they do not count against the limit of processes.
    pub fn reap(&mut self) {
        let mut at = 0;
        while at < self.jobs.running.len() {
            let process = self.jobs.running[at];
            match system::wait(Some(process), false) {
                Ok(Some((_, ended))) => self.jobs.record(process, ended),
                _ => at += 1,
            }
        }
    }

    /// Waits until one of the background children ends; none when a signal came first or there is none.
    pub fn wait_any(&mut self, among: &[u32]) -> Option<(u32, Ended)> {
        loop {
            for &process in among {
                if let Some(ended) = self.jobs.take_ended(process) {
                    return Some((process, ended));
                }
            }
            if !among.iter().any(|process| self.jobs.running.contains(process)) {
                return None;
            }
            match system::wait(None, true) {
                Ok(Some((process, ended))) => self.jobs.record(process, ended),
                Ok(None) => {}
                Err(_) => return None,
            }
        }
    }

    /// Waits for a background child; none when a signal came first.
    pub fn wait_background(&mut self, process: u32) -> Option<Ended> {
        if let Some(ended) = self.jobs.take_ended(process) {
            return Some(ended);
        }
        match system::wait(Some(process), true) {
            Ok(Some((_, ended))) => {
                self.jobs.record(process, ended);
                self.jobs.take_ended(process)
            }
            Err(errno::INTR) => None,
            _ => Some(Ended::Exited(127)),
        }
    }

    /// The line of `jobs`.
    pub fn job_line(&self, job: &Job, with_process: bool) -> Bytes {
        let mark = match self.jobs.list.iter().rev().position(|other| other.number == job.number) {
            Some(0) => '+',
            Some(1) => '-',
            _ => ' ',
        };
        let state = match job.ended {
            None => "Running".to_owned(),
            Some(Ended::Exited(0)) => "Done".to_owned(),
            Some(Ended::Exited(status)) => format!("Exit {status}"),
            Some(Ended::Signaled(signal)) => crate::traps::describe(signal),
        };
        let process = if with_process {
            format!("{} ", job.processes.first().copied().unwrap_or(0))
        } else {
            String::new()
        };
        let mut line = format!("[{}]{mark}  {process}{state:<24}", job.number).into_bytes();
        line.extend_from_slice(&job.text);
        if job.ended.is_none() {
            line.extend_from_slice(b" &");
        }
        line.push(b'\n');
        line
    }
}
