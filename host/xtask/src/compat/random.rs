//! Random pipelines, with Python among their stages: the same seed gives the same ones.

use super::case::Case;

/// The longest pipeline.
const MAX_STAGES: u64 = 6;

/// What the first stage can be.
const SOURCES: [&str; 8] = [
    "seq 1 2000",
    "seq -w 300 -1 1",
    "yes 'to be or not to be' | head -n 500",
    "printf '%s,%s\\n' b 2 a 10 c 3 a 7 b 1",
    "for i in {1..300}; do echo \"$((i * 7919 % 101)) line $i\"; done",
    "head -c 20000 /dev/zero | tr '\\0' 'x' | fold -w 77",
    "python3 -c 'for i in range(1000): print(i * i % 97, chr(97 + i % 26) * (i % 5))'",
    "python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(32, 127)) * 50 + b\"\\n\")'",
];

/// What the others can be. None says more of its input than that.
const STAGES: [&str; 26] = [
    "cat",
    "sort",
    "sort -rn",
    "sort -u",
    "uniq -c",
    "tac",
    "rev",
    "wc -lc",
    "head -n 40",
    "tail -n 25",
    "tr a-z A-Z",
    "tr -d 0-3",
    "cut -c 2-9",
    "sed 's/[aeiou]/_/g; 3d'",
    "grep -v 7",
    "awk '{ s += $1; print NR, $NF } END { print s }'",
    "nl -ba",
    "fold -w 13",
    "paste -sd,",
    "while read -r line; do echo \"<$line>\"; done | head -n 200",
    "{ read -r first; echo \"first: $first\"; cat; }",
    "python3 -c 'import sys; sys.stdout.writelines(sorted(sys.stdin))'",
    "python3 -c 'import sys; [print(line[::-1].strip()) for line in sys.stdin]'",
    "python3 -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'",
    "python3 -c 'import subprocess, sys; sys.exit(subprocess.run([\"sort\", \"-r\"]).returncode)'",
    "python3 -c 'import os, sys; print(len(sys.stdin.read())); sys.stdout.flush(); os.system(\"echo from a shell\")'",
];

/// So many pipelines.
pub(super) fn cases(count: u32, seed: u64) -> Vec<Case> {
    let mut state = seed;
    let mut pick = |below: u64| {
        // Knuth's MMIX generator; its low bits are the poor ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((state >> 33) % below).unwrap_or(0)
    };
    let mut one = || {
        let mut stages = vec![SOURCES[pick(SOURCES.len() as u64)]];
        for _ in 0..pick(MAX_STAGES) {
            stages.push(STAGES[pick(STAGES.len() as u64)]);
        }
        format!("{}; echo $?", stages.join(" | "))
    };
    (1..=count).map(|number| Case::plain(format!("random {number}"), one())).collect()
}
