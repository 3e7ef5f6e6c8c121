//! A case by the command of this repository, behind the wall that it raises around its process.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::case::{Case, Place};
use super::native::{LIMIT, ended};
use super::{Ended, Side};

pub(super) struct Commanded {
    pub(super) program: PathBuf,
}

impl Side for Commanded {
    fn run(&self, case: &Case, place: &Place) -> Result<Ended> {
        let mut command = Command::new(&self.program);
        command.args(["run", "--wall", "auto", "--fuel", &u64::MAX.to_string()]);
        command.arg("--timeout").arg(format!("{}s", LIMIT.as_secs()));
        for folder in [&place.work, &place.home] {
            command.arg("--dir").arg(format!("{0}:{0}", folder.display()));
        }
        command.arg("--cwd").arg(&place.work);
        command.arg("--env").arg(format!("HOME={}", place.home.display())).args(["--env", "TZ=UTC"]);
        for (name, value) in &case.environment {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        ended(command.arg("--").args(case.argv()), case, place)
    }
}
