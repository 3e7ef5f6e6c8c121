//! A list of calls as a seccomp program: a search tree over the calls' numbers.
//!
//! The kernel walks the program once for each call that there is when it is installed, so a chain of
//! comparisons, which is what the usual compilers of filters make, costs half a millisecond of a
//! start; the tree costs a tenth of it.
//!
//! Source: `Documentation/userspace-api/seccomp_filter.rst` and `linux/filter.h` of the Linux kernel.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, sock_filter};

/// Calls that are allowed, each with the rules of which one has to hold; without rules, always.
pub(super) type Calls = BTreeMap<u32, Vec<Rule>>;

/// Conditions that all have to hold.
pub(super) type Rule = Vec<Condition>;

/// A condition on an argument: of its bits in `mask`, exactly those of `value` are set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition {
    pub(super) argument: u32,
    pub(super) mask: u64,
    pub(super) value: u64,
}

/// `struct seccomp_data`: the call's number, the processor, then the arguments from here on.
const NUMBER: u32 = 0;
const PROCESSOR: u32 = 4;
const ARGUMENTS: u32 = 16;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// The program that allows these calls of a processor, and answers `errno` to all others; calls of
/// another processor's kind end the process.
pub(super) fn program(processor: u32, calls: &Calls, errno: u32) -> BpfProgram {
    let absent = libc::SECCOMP_RET_ERRNO | errno;
    // Where the answer changes: at a call, and behind one that the next does not follow.
    let mut stretches: Vec<(u32, Option<&[Rule]>)> = vec![(0, None)];
    for (number, rules) in calls {
        if stretches.last().is_some_and(|(start, _)| start == number) {
            stretches.pop();
        }
        let same =
            rules.is_empty() && matches!(stretches.last(), Some((_, Some(before))) if before.is_empty());
        if !same {
            stretches.push((*number, Some(rules)));
        }
        if let Some(next) = number.checked_add(1) {
            stretches.push((next, None));
        }
    }
    let mut program = vec![
        step(LOAD, PROCESSOR),
        branch(IF_EQUAL, processor, 1, 0),
        step(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD, NUMBER),
    ];
    program.extend(search(&stretches, absent));
    program
}

/// Finds the stretch that the loaded number is in.
fn search(stretches: &[(u32, Option<&[Rule]>)], absent: u32) -> BpfProgram {
    if let [(_, rules)] = stretches {
        return decide(*rules, absent);
    }
    let (low, high) = stretches.split_at(stretches.len() / 2);
    let Some((start, _)) = high.first() else { return vec![step(RETURN, absent)] };
    let low = search(low, absent);
    let mut program = match u8::try_from(low.len()) {
        Ok(over) => vec![branch(IF_AT_LEAST, *start, over, 0)],
        Err(_) => {
            vec![branch(IF_AT_LEAST, *start, 0, 1), step(JUMP, u32::try_from(low.len()).unwrap_or(u32::MAX))]
        }
    };
    program.extend(low);
    program.extend(search(high, absent));
    program
}

fn decide(rules: Option<&[Rule]>, absent: u32) -> BpfProgram {
    let Some(rules) = rules else { return vec![step(RETURN, absent)] };
    let mut program = Vec::new();
    for rule in rules {
        // From behind, because each step knows how far it is to the next rule.
        let mut checks = vec![step(RETURN, libc::SECCOMP_RET_ALLOW)];
        for condition in rule.iter().rev() {
            for half in [1, 0] {
                let mask = low_word(condition.mask >> (32 * half));
                if mask != 0 {
                    let over = u8::try_from(checks.len()).unwrap_or(u8::MAX);
                    checks.insert(0, branch(IF_EQUAL, low_word(condition.value >> (32 * half)), 0, over));
                    checks.insert(0, step(AND, mask));
                    checks.insert(0, step(LOAD, ARGUMENTS + 8 * condition.argument + 4 * half));
                }
            }
        }
        program.extend(checks);
    }
    let otherwise = if rules.is_empty() { libc::SECCOMP_RET_ALLOW } else { absent };
    program.push(step(RETURN, otherwise));
    program
}

fn low_word(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn step(code: u32, k: u32) -> sock_filter {
    branch(code, k, 0, 0)
}

fn branch(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or(u16::MAX), jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESSOR: u32 = 0xc000_003e;
    const ABSENT: u32 = libc::SECCOMP_RET_ERRNO | 0x26;

    /// What a program answers to a call, as the kernel interprets it.
    fn answer(program: &[sock_filter], processor: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let mut data = vec![number, processor, 0, 0];
        for argument in arguments {
            data.extend([low_word(argument), low_word(argument >> 32)]);
        }
        let (mut at, mut loaded) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            let (code, jt, jf) = (u32::from(code), usize::from(jt), usize::from(jf));
            at += 1;
            match code {
                LOAD => loaded = data[usize::try_from(k / 4).unwrap()],
                AND => loaded &= k,
                IF_EQUAL => at += if loaded == k { jt } else { jf },
                IF_AT_LEAST => at += if loaded >= k { jt } else { jf },
                JUMP => at += usize::try_from(k).unwrap(),
                RETURN => return k,
                _ => panic!("{code:#x}"),
            }
        }
    }

    #[test]
    fn exactly_the_calls_on_the_list_are_allowed() {
        // Neighbours, single ones, the first and the last there can be, and more than 255 steps.
        let listed = |number: u32| number < 3 || number == u32::MAX || (number % 7 < 3 && number < 1000);
        let calls: Calls =
            (0..1000).chain([u32::MAX]).filter(|number| listed(*number)).map(|n| (n, vec![])).collect();
        let program = program(PROCESSOR, &calls, 0x26);
        assert!(program.len() > 512);
        for number in (0..1100).chain([1 << 30, u32::MAX - 1, u32::MAX]) {
            let expected = if listed(number) { libc::SECCOMP_RET_ALLOW } else { ABSENT };
            assert_eq!(answer(&program, PROCESSOR, number, [0; 6]), expected, "{number}");
        }
    }

    #[test]
    fn one_of_the_rules_has_to_hold_whole() {
        let condition = |argument, mask, value| Condition { argument, mask, value };
        let rules =
            vec![vec![condition(0, u64::MAX, 1 << 40)], vec![condition(1, 0xff, 2), condition(5, 4, 0)]];
        let program = program(PROCESSOR, &Calls::from([(9, rules), (10, vec![])]), 0x26);
        for (arguments, allowed) in [
            ([1 << 40, 0, 0, 0, 0, 0], true),
            ([1 << 40 | 1, 0, 0, 0, 0, 0], false),
            ([0; 6], false),
            ([0, 2, 0, 0, 0, 0], true),
            ([0, 0xff02, 0, 0, 0, 3], true),
            ([0, 2, 0, 0, 0, 4], false),
            ([0, 3, 0, 0, 0, 0], false),
        ] {
            let expected = if allowed { libc::SECCOMP_RET_ALLOW } else { ABSENT };
            assert_eq!(answer(&program, PROCESSOR, 9, arguments), expected, "{arguments:?}");
        }
        assert_eq!(answer(&program, PROCESSOR, 10, [9; 6]), libc::SECCOMP_RET_ALLOW);
        assert_eq!(answer(&program, PROCESSOR, 11, [9; 6]), ABSENT);
    }

    #[test]
    fn calls_of_another_kind_end_the_process() {
        let program = program(PROCESSOR, &Calls::from([(1, vec![])]), 0x26);
        assert_eq!(answer(&program, 0x4000_0003, 1, [0; 6]), libc::SECCOMP_RET_KILL_PROCESS);
    }
}
