//! What a decision says for itself, and what permissions make of it.

use sandpiper_routing::{Command, Decision, Image, MemoryFiles, Offer, Permission, Verdict, analyze, decide};

use crate::corpus::offers;

fn decided(command: &Command, files: &[(&str, &str)], permission: &Permission) -> Decision {
    let files = MemoryFiles::new(files.iter().map(|(path, text)| (*path, *text)));
    decide(analyze(command, &files, &Image::default()), &offers(), permission)
}

const FETCH: [(&str, &str); 1] =
    [("/workspace/fetch.py", "import sys\nimport httpx\n\nprint(httpx.get('https://example.org/a'))\n")];

#[test]
fn a_routed_command_says_what_was_needed_and_what_each_offers() {
    let decision = decided(&Command::new(["python3", "fetch.py"]), &FETCH, &Permission::Any);
    assert_eq!(
        decision.to_string(),
        "e2b: wasm lacks the Python package `httpx`, the network (`example.org`); e2b is the first that has it\n\
         \x20 needs the Python package `httpx`  (/workspace/fetch.py:2: import httpx)\n\
         \x20 needs the network (`example.org`)  (/workspace/fetch.py:4: print(httpx.get('https://example.org/a')))\n\
         \x20 wasm: lacks the Python package `httpx`, the network (`example.org`)\n\
         \x20 e2b: has all of it\n\
         \x20 docker: has all of it\n"
    );
}

#[test]
fn a_command_that_may_not_leave_is_refused_with_what_to_allow() {
    let command = Command::new(["python3", "fetch.py"]);
    let decision = decided(&command, &FETCH, &Permission::LocalOnly);
    assert_eq!((decision.verdict, decision.backend), (Verdict::Forbidden, None));
    assert_eq!(
        decision.hint.as_deref(),
        Some("allow the backend e2b in the policy, or declare `needs: nothing`")
    );
    let decision = decided(&command, &FETCH, &Permission::Named(vec!["docker".into()]));
    assert_eq!((decision.verdict, decision.backend.as_deref()), (Verdict::Routed, Some("docker")));
}

#[test]
fn what_nobody_has_stays_undecided_and_says_what_is_nearest() {
    let decision =
        decided(&Command::new(["bash", "-c", "helm lint && curl example.org"]), &[], &Permission::Any);
    assert_eq!(decision.verdict, Verdict::Nowhere);
    assert_eq!(decision.hint.as_deref(), Some("e2b is nearest: add the program `helm` to it"));
}

#[test]
fn a_need_that_is_only_possible_routes_nothing_and_is_watched() {
    let text = "try:\n    import numpy\nexcept ImportError:\n    numpy = None\n";
    let command = Command::new(["python3", "a.py"]);
    let decision = decided(&command, &[("/workspace/a.py", text)], &Permission::Any);
    assert_eq!(decision.verdict, Verdict::LocalWatched);
    assert_eq!(decision.why, "it may need the Python package `numpy`, which the run tells");
    // Its twin without the care for it.
    let decision = decided(&command, &[("/workspace/a.py", "import numpy\n")], &Permission::Any);
    assert_eq!(decision.verdict, Verdict::Routed);
}

#[test]
fn a_declaration_is_obeyed_over_what_the_code_looks_like() {
    let command = Command::new(["python3", "fetch.py"]).declared("nothing".parse().unwrap());
    assert_eq!(decided(&command, &FETCH, &Permission::Any).verdict, Verdict::Local);
    let command = Command::new(["ls"]).declared("network, cargo".parse().unwrap());
    assert_eq!(decided(&command, &[], &Permission::Any).backend.as_deref(), Some("docker"));
    assert_eq!(decided(&Command::new(["ls"]), &[], &Permission::Any).verdict, Verdict::Local);
}

#[test]
fn a_backend_with_these_packages_alone_has_no_others() {
    let mut small = Offer::linux("small");
    small.python_modules = sandpiper_routing::PythonModules::Only(["numpy".to_owned()].into());
    let offers = [Offer::local("wasm"), small];
    let backend = |code: &str| {
        let needs =
            analyze(&Command::new(["python3", "-c", code]), &MemoryFiles::default(), &Image::default());
        decide(needs, &offers, &Permission::Any).backend
    };
    assert_eq!(backend("import numpy").as_deref(), Some("small"));
    assert_eq!(backend("import torch"), None);
}

#[test]
fn a_decision_is_one_json_object() {
    let decision = decided(&Command::new(["npm", "ci"]), &[], &Permission::Any);
    let json = serde_json::to_value(&decision).unwrap();
    assert_eq!(json["verdict"], "routed");
    assert_eq!(
        json["needs"]["needs"][0]["what"],
        serde_json::json!({"kind": "package_manager", "name": "npm"})
    );
}
