//! Pipelines, background lists and `time`.

use std::time::Instant;

use super::Shell;
use crate::descriptors;
use crate::flow::{Flow, Result, Status};
use crate::syntax::ast::{Command, Item, Kind, Pipeline, TimeStyle};
use crate::system::{self, Mapping};

impl Shell {
    /// Starts all stages, then waits for them.
    pub(super) fn run_stages(&mut self, stages: &[Command]) -> Result<Status> {
        self.flush_to(1);
        let mut processes = Vec::with_capacity(stages.len());
        let mut input: Option<u32> = None;
        let here = self.shopt.lastpipe && !self.options.monitor;
        let mut own_status = None;
        for (at, stage) in stages.iter().enumerate() {
            let last = at + 1 == stages.len();
            let pipe = if last { None } else { Some(descriptors::pipe()) };
            let pipe = match pipe.transpose() {
                Ok(pipe) => pipe,
                Err(error) => {
                    self.complain(&[b"pipe error: ".as_slice(), &error.message()].concat());
                    return Err(Flow::Exit(1));
                }
            };
            let mut mappings = Vec::new();
            mappings.extend(input.map(|from| Mapping { from, to: 0 }));
            if let Some((_, writing)) = pipe {
                mappings.push(Mapping { from: writing, to: 1 });
            }
            if last && here {
                own_status = Some(self.run_last_here(stage, input)?);
                input = None;
                break;
            }
            let started = self.start_stage(stage, &mappings);
            if let Some(fd) = input.take() {
                system::close(fd).ok();
            }
            if let Some((reading, writing)) = pipe {
                system::close(writing).ok();
                input = Some(reading);
            }
            processes.push(started);
        }
        if let Some(fd) = input {
            system::close(fd).ok();
        }
        let mut statuses: Vec<Status> = processes
            .into_iter()
            .map(|started| match started {
                Ok(process) => {
                    let ended = self.wait_for(process);
                    self.report_signal(process, ended);
                    ended.status()
                }
                Err(status) => status,
            })
            .collect();
        statuses.extend(own_status);
        let mut status = statuses.last().copied().unwrap_or(0);
        if self.options.pipefail {
            status = statuses.iter().rev().copied().find(|&status| status != 0).unwrap_or(0);
        }
        self.pipe_status = statuses;
        Ok(status)
    }

    /// The last stage in this shell, as `lastpipe` wants it.
    fn run_last_here(&mut self, stage: &Command, input: Option<u32>) -> Result<Status> {
        let saved = system::dup(0, descriptors::INTERNAL_LOWEST).ok();
        if let Some(fd) = input {
            system::dup_to(fd, 0).ok();
            system::close(fd).ok();
        }
        let result = self.run_command(stage);
        self.flush_to(1);
        if let Some(saved) = saved {
            system::dup_to(saved, 0).ok();
            system::close(saved).ok();
        }
        result
    }

    /// Starts one stage; the status of one that could not be started.
    fn start_stage(&mut self, stage: &Command, mappings: &[Mapping]) -> std::result::Result<u32, Status> {
        if let Some(started) = self.start_simple_stage(stage, mappings) {
            return started;
        }
        let all = self.descriptors.mappings_with(mappings);
        let forked = self.fork(&all, |shell| {
            if stage.pipes_errors {
                system::dup_to(1, 2).ok();
            }
            match &stage.kind {
                // A subshell that is a stage needs no process of its own.
                Kind::Subshell(list) => match shell.redirect(&stage.redirects) {
                    Ok(_) => shell.run_list(list),
                    Err(failure) => failure.into_result(),
                },
                _ => shell.run_command(stage),
            }
        });
        forked.map_err(|error| {
            self.complain(&[b"fork: ".as_slice(), &error.message()].concat());
            254
        })
    }

    pub(super) fn run_background(&mut self, item: &Item) -> Result<Status> {
        self.flush_to(1);
        let mut mappings = self.descriptors.mappings();
        // Without job control a background command does not read the shell's standard input.
        let null = system::open(b"/dev/null", system::Open::Read).ok();
        if let Some(fd) = null {
            mappings.retain(|mapping| mapping.to != 0);
            mappings.push(Mapping { from: fd, to: 0 });
        }
        let simple =
            match (&item.first.stages[..], item.rest.is_empty(), item.first.negated, item.first.timed) {
                ([stage], true, false, None) => {
                    self.start_simple_stage(stage, &[Mapping { from: null.unwrap_or(0), to: 0 }])
                }
                _ => None,
            };
        let started = match simple {
            Some(started) => started,
            None => self
                .fork(&mappings, |shell| {
                    shell.traps.set(crate::traps::Event::Signal(2), Some(Vec::new()));
                    match (&item.first.stages[..], item.rest.is_empty(), item.first.negated, item.first.timed)
                    {
                        ([Command { kind: Kind::Subshell(list), redirects, .. }], true, false, None) => {
                            match shell.redirect(redirects) {
                                Ok(_) => shell.run_list(list),
                                Err(failure) => failure.into_result(),
                            }
                        }
                        _ => shell.run_and_or(item),
                    }
                })
                .map_err(|_| 254),
        };
        if let Some(fd) = null {
            system::close(fd).ok();
        }
        match started {
            Ok(process) => {
                let number = self.jobs.add(vec![process], item.text.clone());
                if self.interactive {
                    system::write_all(2, format!("[{number}] {process}\n").as_bytes()).ok();
                }
            }
            Err(254) => {
                self.complain(b"fork: Resource temporarily unavailable");
                self.status = 254;
                return Ok(254);
            }
            // It could not be started, but that is seen only by one who waits.
            Err(status) => {
                let forked = self.fork(&[], |_| Ok(status));
                if let Ok(process) = forked {
                    self.jobs.add(vec![process], item.text.clone());
                }
            }
        }
        self.reap();
        self.status = 0;
        self.pipe_status = vec![0];
        Ok(0)
    }

    pub(super) fn run_timed(&mut self, pipeline: &Pipeline, style: TimeStyle) -> Result<Status> {
        let started = Instant::now();
        let before = system::processor_times();
        let result = self.run_untimed(pipeline);
        self.flush_to(1);
        let after = system::processor_times();
        let real = started.elapsed().as_secs_f64();
        #[allow(clippy::cast_precision_loss)] // Nanoseconds are shown with three digits.
        let spent = |at: usize| {
            let sum = (after[at] + after[at + 2]).saturating_sub(before[at] + before[at + 2]);
            sum as f64 / 1e9
        };
        let format = match style {
            TimeStyle::Posix => b"real %2R\nuser %2U\nsys %2S".to_vec(),
            TimeStyle::Bash => self
                .variable_value(b"TIMEFORMAT")
                .unwrap_or_else(|| b"\nreal\t%3lR\nuser\t%3lU\nsys\t%3lS".to_vec()),
        };
        if !format.is_empty() {
            let mut line = time_report(&format, real, spent(0), spent(1));
            line.push(b'\n');
            system::write_all(2, &line).ok();
        }
        result
    }
}

fn time_report(format: &[u8], real: f64, user: f64, system: f64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < format.len() {
        if format[at] != b'%' || at + 1 == format.len() {
            out.push(format[at]);
            at += 1;
            continue;
        }
        at += 1;
        let mut digits = 3;
        if format[at].is_ascii_digit() {
            digits = usize::from(format[at] - b'0').min(3);
            at += 1;
        }
        let long = format.get(at) == Some(&b'l');
        at += usize::from(long);
        let seconds = match format.get(at) {
            Some(b'R') => real,
            Some(b'U') => user,
            Some(b'S') => system,
            Some(b'P') => {
                let share = if real > 0.0 { (user + system) * 100.0 / real } else { 0.0 };
                out.extend_from_slice(format!("{share:.2}").as_bytes());
                at += 1;
                continue;
            }
            Some(&other) => {
                out.push(other);
                at += 1;
                continue;
            }
            None => break,
        };
        at += 1;
        if long {
            let minutes = (seconds / 60.0).floor();
            out.extend_from_slice(format!("{minutes}m{:.digits$}s", seconds - minutes * 60.0).as_bytes());
        } else {
            out.extend_from_slice(format!("{seconds:.digits$}").as_bytes());
        }
    }
    out
}
