//! The corpus of `tests/routing`: how much is decided right before the run, and that nothing is decided wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sandpiper_routing::{
    Certainty, Command, Image, MemoryFiles, ModuleLack, Need, Offer, Permission, Verdict, What, analyze,
    decide,
};

/// Right decisions before the run, in a thousand, below which the test fails.
const RIGHT_PER_MILLE_MIN: usize = 950;

#[derive(serde::Deserialize)]
struct Corpus {
    case: Vec<Case>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    run: Option<String>,
    argv: Option<Vec<String>>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    backend: String,
    #[serde(default)]
    needs: Vec<String>,
}

impl Case {
    fn argv(&self) -> Vec<String> {
        match (&self.argv, &self.run) {
            (Some(argv), None) => argv.clone(),
            (None, Some(run)) => vec!["bash".into(), "-c".into(), run.clone()],
            _ => panic!("a case has either argv or run"),
        }
    }

    fn files(&self) -> MemoryFiles {
        MemoryFiles::new(
            self.files.iter().map(|(path, text)| (format!("/workspace/{path}"), text.clone().into_bytes())),
        )
    }
}

fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/routing");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "toml"))
    {
        let corpus: Corpus = toml::from_str(&std::fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        for (index, case) in corpus.case.into_iter().enumerate() {
            cases.push((format!("{name} {}", index + 1), case));
        }
    }
    cases
}

pub fn offers() -> Vec<Offer> {
    let docker = ["cargo", "go", "java", "javac", "ping", "poetry", "rsync", "ruby", "uv"];
    vec![Offer::local("wasm"), Offer::linux("e2b"), Offer::linux("docker").with_tools(docker)]
}

fn word(need: &Need) -> String {
    match &need.what {
        What::Interpreter { name } => format!("interpreter {name}"),
        What::Tool { name } => format!("tool {name}"),
        What::PackageManager { name } => format!("packages {name}"),
        What::PythonModule { name, why: ModuleLack::NativeCode } => format!("native module {name}"),
        What::PythonModule { name, .. } => format!("module {name}"),
        What::NativeCode { .. } => "native".into(),
        What::Network { host: Some(host) } => format!("network {host}"),
        What::Network { host: None } => "network".into(),
        What::Port => "port".into(),
        What::Threads => "threads".into(),
        What::Fork => "fork".into(),
        other => format!("{other:?}"),
    }
}

#[test]
fn at_least_95_of_100_are_decided_before_the_run_and_none_is_wrong() {
    let (mut right, mut exact, mut sure) = (0, 0, 0);
    let mut left_to_the_run = Vec::new();
    let mut wrong = Vec::new();
    let cases = cases();
    for (name, case) in &cases {
        let needs = analyze(&Command::new(case.argv()), &case.files(), &Image::default());
        let found: BTreeSet<String> =
            needs.needs.iter().filter(|need| need.certainty > Certainty::Possible).map(word).collect();
        let decision = decide(needs, &offers(), &Permission::Any);
        let decided = decision.backend.clone().unwrap_or_else(|| "nowhere".into());
        let labelled: BTreeSet<String> = case.needs.iter().cloned().collect();
        if found == labelled {
            exact += 1;
        } else if decided == case.backend {
            println!("{name}: the needs are {labelled:?}, found were {found:?}");
        }
        let shown = format!("{name}: {:?} is for {}\n{decision}", case.argv(), case.backend);
        sure += usize::from(decision.verdict == Verdict::Local);
        if decided == case.backend {
            right += 1;
        } else if decision.verdict == Verdict::LocalWatched {
            left_to_the_run.push(shown);
        } else {
            wrong.push(shown);
        }
    }
    let count = cases.len();
    println!(
        "{count} cases: {right} decided right before the run ({}.{} %), {} left to the run, {} wrong; needs exactly as \
         labelled in {exact}; {sure} sure to run here",
        right * 100 / count,
        right * 1000 / count % 10,
        left_to_the_run.len(),
        wrong.len()
    );
    for shown in left_to_the_run.iter().map(|shown| format!("left to the run: {shown}")) {
        println!("{shown}");
    }
    assert!(count >= 150);
    assert!(wrong.is_empty(), "wrong:\n{}", wrong.join("\n"));
    assert!(right * 1000 >= count * RIGHT_PER_MILLE_MIN);
}

#[test]
fn each_decision_is_the_same_each_time() {
    for (_, case) in cases() {
        let decide_once = || {
            let needs = analyze(&Command::new(case.argv()), &case.files(), &Image::default());
            decide(needs, &offers(), &Permission::Any).to_string()
        };
        assert_eq!(decide_once(), decide_once());
    }
}
