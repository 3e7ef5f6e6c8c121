//! Secrets are named by reference, go where they may, and are never shown.

use std::ffi::OsString;

use sandpiper_policy::{Backend, EnvironmentError, GuestValue, SecretError, SecretReference};

use crate::resolve;

const TEXT: &str = "[environment]\nPLAIN = \"text\"\nTOKEN = { env = \"HOST_TOKEN\" }\n";

fn host(name: &str) -> Option<OsString> {
    (name == "HOST_TOKEN").then(|| "hunter2".into())
}

#[test]
fn a_secret_reaches_the_guest_and_nothing_that_is_printed() {
    let resolved = resolve(TEXT);
    let variables = resolved.environment(Backend::Wasm, host).unwrap();
    let [plain, token] = variables.as_slice() else { panic!() };
    assert!(matches!(&plain.value, GuestValue::Text(text) if text == "text"));
    assert!(matches!(&token.value, GuestValue::Secret(secret) if secret.expose() == "hunter2"));
    let printed = format!("{variables:?}{variables:#?}{resolved:?}{}", resolved.show());
    assert!(!printed.contains("hunter2"));
    assert!(format!("{token:?}").contains("Secret(..)"));
}

#[test]
fn a_secret_goes_to_the_backends_that_it_may_go_to() {
    match resolve(TEXT).environment(Backend::E2b, host) {
        Err(err @ EnvironmentError::Withheld { backend: Backend::E2b, .. }) => {
            assert_eq!(err.to_string(), "the variable TOKEN may not go to e2b (/p/sandpiper.toml:3:9)");
        }
        other => panic!("{other:?}"),
    }
    let allowed = TEXT.replace("TOKEN\" }", "TOKEN\", backends = [\"e2b\"] }");
    assert_eq!(resolve(&allowed).environment(Backend::E2b, host).unwrap().len(), 2);
}

#[test]
fn a_secret_that_is_not_there_is_an_error_when_it_is_used() {
    let look_up = |value: Option<&str>| {
        SecretReference::Environment("KEY".to_owned()).look_up(|_| value.map(OsString::from))
    };
    assert!(matches!(look_up(None), Err(SecretError::NotSet { name }) if name == "KEY"));
    assert!(matches!(look_up(Some("")), Err(SecretError::Empty { .. })));
    assert!(matches!(look_up(Some("a\0b")), Err(SecretError::NotText { .. })));
    assert_eq!(look_up(Some("x")).unwrap().expose(), "x");
}

#[test]
fn a_file_holds_a_secret_without_the_newline_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let look_up = |content: &[u8]| {
        let path = folder.path().join("key");
        std::fs::write(&path, content).unwrap();
        SecretReference::File(path).look_up(|_| None)
    };
    assert_eq!(look_up(b"hunter2\n").unwrap().expose(), "hunter2");
    assert_eq!(look_up(b"hunter2\r\n").unwrap().expose(), "hunter2");
    assert_eq!(look_up(b" a\nb ").unwrap().expose(), " a\nb ");
    assert_eq!(look_up(&vec![b'x'; 64 << 10]).unwrap().expose().len(), 64 << 10);
    assert!(matches!(look_up(&vec![b'x'; (64 << 10) + 1]), Err(SecretError::NotAFile { .. })));
    assert!(matches!(look_up(b"\n"), Err(SecretError::Empty { .. })));
    assert!(matches!(look_up(b"\xff"), Err(SecretError::NotText { .. })));
    let directory = SecretReference::File(folder.path().to_owned()).look_up(|_| None);
    assert!(matches!(directory, Err(SecretError::NotAFile { .. })));
    let missing = SecretReference::File(folder.path().join("none")).look_up(|_| None);
    assert!(
        matches!(missing, Err(SecretError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound)
    );
}
