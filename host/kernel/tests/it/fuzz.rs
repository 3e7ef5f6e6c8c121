//! What `tests/fuzz` fuzzes, as tests: any bytes, and the corpus with what is near to it.

use std::path::Path;

use proptest::prelude::*;

use crate::{descriptor_model, hostile, path_model};

/// Changed copies of each input of a corpus.
const NEIGHBOURS: u64 = 2;

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..600)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_path_leads_where_the_model_says(bytes in any_bytes()) {
        path_model::run(&bytes);
    }

    #[test]
    fn the_table_and_what_its_descriptors_share_are_as_the_model_says(bytes in any_bytes()) {
        descriptor_model::run(&bytes);
    }

    #[test]
    fn no_call_panics_or_reaches_outside_its_mount(bytes in any_bytes()) {
        hostile::run(&bytes);
    }
}

#[test]
fn the_corpus_of_paths_holds() {
    near_the_corpus("paths", path_model::run);
}

#[test]
fn the_corpus_of_descriptors_holds() {
    near_the_corpus("descriptors", descriptor_model::run);
}

#[test]
fn the_corpus_of_preview1_holds() {
    near_the_corpus("preview1", hostile::run);
}

/// Runs every input of a corpus, and copies with some bytes changed, the same in every run.
fn near_the_corpus(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
    let mut inputs: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(inputs.len() >= 20, "the corpus of {target} has {} inputs", inputs.len());
    inputs.sort();
    let mut random = 0x5eed_u64;
    for input in inputs {
        let bytes = std::fs::read(&input).unwrap();
        // Which one it was, where it does not hold; shown only then.
        println!("{}", input.display());
        run(&bytes);
        for neighbour in 0..NEIGHBOURS {
            let mut bytes = bytes.clone();
            for _ in 0..=neighbour {
                change(&mut bytes, &mut random);
            }
            println!("{bytes:?}");
            run(&bytes);
        }
    }
}

/// Changes, doubles or drops a byte.
fn change(bytes: &mut Vec<u8>, random: &mut u64) {
    // Xorshift: the same sequence on every platform.
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    let [value, action, low, high, ..] = random.to_le_bytes();
    let at = usize::from(u16::from_le_bytes([low, high])) % bytes.len().max(1);
    match action % 4 {
        0 if at < bytes.len() => drop(bytes.remove(at)),
        1 => bytes.insert(at, value),
        _ => match bytes.get_mut(at) {
            Some(byte) => *byte = value,
            None => bytes.push(value),
        },
    }
}
