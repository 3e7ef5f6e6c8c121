//! CPython's own tests pass in the sandbox, but for those that `tests/cpython/expected.toml` names with
//! their causes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::harness::{self, Printed};

/// What is known about all modules.
#[derive(Deserialize)]
struct Expected {
    /// Name -> why a test that fails for this fails.
    causes: BTreeMap<String, String>,
    /// What a module's tests end in.
    modules: BTreeMap<String, Module>,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Module {
    /// The folder in which the tests make their files.
    #[serde(default = "usual_place")]
    place: String,
    passed: usize,
    /// CPython's reason -> how many tests it skips.
    #[serde(default)]
    skipped: BTreeMap<String, usize>,
    /// Cause -> the tests that fail for it.
    #[serde(default)]
    failed: BTreeMap<String, BTreeSet<String>>,
    /// Pattern of tests that are not run -> why.
    #[serde(default)]
    left_out: BTreeMap<String, String>,
    /// Natively, on Linux: passed, failed, skipped.
    native: [usize; 3],
}

fn usual_place() -> String {
    "/tmp".to_owned()
}

impl Module {
    fn skips(&self) -> usize {
        self.skipped.values().sum()
    }

    fn failures(&self) -> usize {
        self.failed.values().map(BTreeSet::len).sum()
    }
}

/// What a run of a module came to.
#[derive(Default)]
struct Results {
    passed: usize,
    skipped: BTreeMap<String, usize>,
    /// Test -> what it said.
    failed: BTreeMap<String, String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cpython")
}

fn expected() -> Expected {
    let expected: Expected =
        toml::from_str(&fs::read_to_string(folder().join("expected.toml")).unwrap()).unwrap();
    for (name, module) in &expected.modules {
        for cause in module.failed.keys() {
            assert!(expected.causes.contains_key(cause), "{name}: nothing explains {cause}");
        }
    }
    expected
}

fn run(name: &str, module: &Module) -> Results {
    let work = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut command = harness::command(work.path());
    command.args(["run", "--timeout", "10m", "--memory", "2GiB", "--tmp", "1GiB"]);
    // test_io writes beyond 2 GiB, sparsely.
    command.args(["--fuel", "1000000000000000", "--disk", "64GiB", "--max-output", "64MiB"]);
    for (host, guest) in [
        (work.path(), "/workspace"),
        (out.path(), "/out"),
        (&*harness::reference().library.join("test"), "/usr/lib/python3.13/test:ro"),
        (&*folder(), "/cpython:ro"),
    ] {
        command.arg("--dir").arg(format!("{}:{guest}", host.canonicalize().unwrap().display()));
    }
    command.args(["--", "python3", "/cpython/run.py", "/out/results.jsonl", "--tempdir", &module.place]);
    for pattern in module.left_out.keys() {
        command.args(["--ignore", pattern]);
    }
    let output = command.arg(name).output().unwrap();
    let lines = fs::read_to_string(out.path().join("results.jsonl")).unwrap_or_default();
    let results = results(name, &lines);
    // regrtest's own exit: 2 when a test failed. Anything else did not come to its end.
    let code = if results.failed.is_empty() { 0 } else { 2 };
    assert_eq!(output.status.code(), Some(code), "{}\n{}", output.stdout(), output.stderr());
    results
}

/// Reads what run.py noted; the worst end of a test counts.
fn results(name: &str, lines: &str) -> Results {
    let mut ends = BTreeMap::<String, (u8, Option<String>)>::new();
    for line in lines.lines() {
        let (id, outcome, why): (String, String, Option<String>) = serde_json::from_str(line).unwrap();
        let rank = match &*outcome {
            "started" => 0,
            "passed" => 1,
            "skipped" => 2,
            "failed" => 3,
            other => panic!("{other} is no outcome"),
        };
        let id = id.replace(&format!("test.{name}."), "");
        let end = ends.entry(id).or_insert((rank, None));
        if rank >= end.0 {
            *end = (rank, why);
        }
    }
    let mut results = Results::default();
    for (id, (rank, why)) in ends {
        let why = why.unwrap_or_else(|| "it did not end".to_owned());
        match rank {
            1 => results.passed += 1,
            2 => *results.skipped.entry(why).or_default() += 1,
            _ => _ = results.failed.insert(id, why),
        }
    }
    results
}

fn check(name: &str) {
    let expected = expected();
    let module = &expected.modules[name];
    let results = run(name, module);
    let failed: BTreeSet<_> = results.failed.keys().cloned().collect();
    let known: BTreeSet<_> = module.failed.values().flatten().cloned().collect();
    let mut told = String::new();
    for id in failed.difference(&known) {
        writeln!(told, "{id} failed, and no cause is known:\n{}", results.failed[id]).unwrap();
    }
    for id in known.difference(&failed) {
        writeln!(told, "{id} is said to fail, and did not").unwrap();
    }
    if results.skipped != module.skipped {
        writeln!(told, "skipped: {:#?}\nbut expected: {:#?}", results.skipped, module.skipped).unwrap();
    }
    if results.passed != module.passed {
        writeln!(told, "passed: {}, but expected: {}", results.passed, module.passed).unwrap();
    }
    assert!(told.is_empty(), "{name}:\n{told}");
}

#[test]
fn the_readable_table_says_what_is_expected() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let table = table(&expected());
    assert!(readme.contains(&table), "tests/cpython/README.md should hold:\n{table}");
}

/// The table for people: a row for each module, the totals, and the causes.
fn table(expected: &Expected) -> String {
    let mut table = String::from(
        "| module | passed | failed | skipped | natively passed | failed | skipped |\n|---|---|---|---|---|---|---|\n",
    );
    let mut totals = [0; 6];
    for (name, module) in &expected.modules {
        let [passed, failed, skipped] = module.native;
        let row = [module.passed, module.failures(), module.skips(), passed, failed, skipped];
        for (total, figure) in totals.iter_mut().zip(row) {
            *total += figure;
        }
        writeln!(table, "| {name} | {} |", row.map(|figure| figure.to_string()).join(" | ")).unwrap();
    }
    writeln!(table, "| **all** | {} |", totals.map(|figure| format!("**{figure}**")).join(" | ")).unwrap();
    table.push_str("\n| tests | cause of failure |\n|---|---|\n");
    for (cause, why) in &expected.causes {
        let tests: usize =
            expected.modules.values().filter_map(|module| module.failed.get(cause)).map(BTreeSet::len).sum();
        writeln!(table, "| {tests} | {why} |").unwrap();
    }
    table
}

macro_rules! modules {
    ($($name:ident $(= $module:literal)?)*) => {
        $(#[test]
        fn $name() {
            check(modules!(@ $name $($module)?));
        })*

        #[test]
        fn every_expected_module_is_a_test() {
            let mut tests = vec![$(modules!(@ $name $($module)?)),*];
            tests.sort_unstable();
            assert_eq!(expected().modules.keys().collect::<Vec<_>>(), tests);
        }
    };
    (@ $name:ident) => { stringify!($name) };
    (@ $name:ident $module:literal) => { $module };
}

modules! {
    test_argparse
    test_ast
    test_asyncio_base_events = "test_asyncio.test_base_events"
    test_asyncio_context = "test_asyncio.test_context"
    test_asyncio_eager_task_factory = "test_asyncio.test_eager_task_factory"
    test_asyncio_futures = "test_asyncio.test_futures"
    test_asyncio_futures2 = "test_asyncio.test_futures2"
    test_asyncio_locks = "test_asyncio.test_locks"
    test_asyncio_pep492 = "test_asyncio.test_pep492"
    test_asyncio_protocols = "test_asyncio.test_protocols"
    test_asyncio_queues = "test_asyncio.test_queues"
    test_asyncio_runners = "test_asyncio.test_runners"
    test_asyncio_staggered = "test_asyncio.test_staggered"
    test_asyncio_streams = "test_asyncio.test_streams"
    test_asyncio_taskgroups = "test_asyncio.test_taskgroups"
    test_asyncio_tasks = "test_asyncio.test_tasks"
    test_asyncio_timeouts = "test_asyncio.test_timeouts"
    test_asyncio_transports = "test_asyncio.test_transports"
    test_asyncio_waitfor = "test_asyncio.test_waitfor"
    test_base64
    test_bisect
    test_bytes
    test_bz2
    test_cmath
    test_collections
    test_complex
    test_configparser
    test_copy
    test_csv
    test_dataclasses
    test_datetime
    test_decimal
    test_dict
    test_difflib
    test_email
    test_enum
    test_fileio
    test_float
    test_fractions
    test_functools
    test_glob
    test_gzip
    test_hashlib
    test_heapq
    test_html
    test_htmlparser
    test_inspect
    test_int
    test_io
    test_itertools
    test_json
    test_list
    test_logging
    test_lzma
    test_math
    test_os
    test_pathlib
    test_pickle
    test_popen
    test_random
    test_re
    test_set
    test_shutil
    test_sqlite3
    test_statistics
    test_str
    test_struct
    test_subprocess
    test_tarfile
    test_tempfile
    test_textwrap
    test_typing
    test_uuid
    test_xml_etree
    test_zipfile
    test_zlib
}
