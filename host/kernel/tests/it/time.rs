//! Clocks, waiting, randomness, and the end of a process.

use std::time::{Duration, Instant};

use sandpiper_core::{Clock, DenialReason, Spec, Stdin};
use sandpiper_kernel::{Errno, Stop};
use tokio::io::AsyncWriteExt;

use crate::guest::*;

const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
const START_NS: u64 = 1_700_000_000_000_000_000;

fn time(guest: &mut Guest, clock: u32) -> u64 {
    guest.process.clock_time_get(&mut guest.memory, clock, 0, RESULT).unwrap();
    guest.u64_at(RESULT)
}

fn virtual_guest(stdin: Stdin) -> Guest {
    Guest::with_stdin(&Spec { clock: Clock::Virtual { start_ns: START_NS }, ..Spec::default() }, stdin)
}

fn clock_subscription(userdata: u8, clock: u32, timeout_ns: u64, absolute: u8) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[0] = userdata;
    bytes[16..20].copy_from_slice(&clock.to_le_bytes());
    bytes[24..32].copy_from_slice(&timeout_ns.to_le_bytes());
    bytes[40] = absolute;
    bytes
}

fn read_subscription(userdata: u8, fd: u32) -> [u8; 48] {
    let mut bytes = [0; 48];
    (bytes[0], bytes[8]) = (userdata, 1);
    bytes[16..20].copy_from_slice(&fd.to_le_bytes());
    bytes
}

fn write_subscription(userdata: u8, fd: u32) -> [u8; 48] {
    let mut bytes = read_subscription(userdata, fd);
    bytes[8] = 2;
    bytes
}

/// Userdata, errno, type, bytes and hangup of events.
fn shown(events: &[[u8; 32]]) -> Vec<(u8, u8, u8, u64, u8)> {
    let bytes = |event: &[u8; 32]| u64::from_le_bytes(event[16..24].try_into().unwrap());
    events.iter().map(|event| (event[0], event[8], event[10], bytes(event), event[24])).collect()
}

#[test]
fn the_host_clocks_tell_the_time() {
    let (_host, mut guest) = workspace();
    assert!(time(&mut guest, REALTIME) > START_NS);
    let first = time(&mut guest, MONOTONIC);
    assert!(first < 60_000_000_000, "starts with the sandbox");
    assert!(time(&mut guest, MONOTONIC) >= first);
    for clock in 0..4 {
        assert_eq!(guest.process.clock_res_get(&mut guest.memory, clock, RESULT), Ok(()));
        assert!((1..=1000).contains(&guest.u64_at(RESULT)));
    }
    assert_eq!(guest.process.clock_res_get(&mut guest.memory, 4, RESULT), errno(Errno::INVAL));
    assert_eq!(guest.process.clock_time_get(&mut guest.memory, 4, 0, RESULT), errno(Errno::INVAL));
    let end = u32::try_from(MEMORY_BYTES).unwrap();
    assert_eq!(guest.process.clock_time_get(&mut guest.memory, 0, 0, end - 7), errno(Errno::FAULT));
}

#[test]
fn the_virtual_clock_is_the_same_in_every_run() {
    let run = || {
        let mut guest = virtual_guest(Stdin::Empty);
        let mut readings = Vec::new();
        for clock in [REALTIME, MONOTONIC, 2, REALTIME, 3] {
            readings.push(time(&mut guest, clock));
        }
        guest.create("/tmp/f", b"x").unwrap();
        readings.push(guest.stat("/tmp/f").unwrap().modified_ns);
        guest.poll(&[clock_subscription(1, MONOTONIC, 3_600_000_000_000, 0)]).unwrap();
        readings.push(time(&mut guest, REALTIME));
        readings.push(time(&mut guest, 2));
        readings
    };
    let readings = run();
    assert_eq!(readings, run());
    assert_eq!(readings[0], START_NS);
    assert_eq!(readings[1], 1000);
    assert_eq!(readings[6], START_NS + 5000 + 3_600_000_000_000);
    assert_eq!(readings[7], 6000, "sleeping is no CPU time");
}

#[test]
fn a_sleep_of_the_virtual_clock_takes_no_time() {
    let start = Instant::now();
    let mut guest = virtual_guest(Stdin::Empty);
    for timeout_ns in [1_000_000_000_000, u64::MAX] {
        let events = guest.poll(&[clock_subscription(7, REALTIME, timeout_ns, 0)]).unwrap();
        assert_eq!(shown(&events), [(7, 0, 0, 0, 0)]);
    }
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_sleep_of_the_host_clock_takes_its_time_and_no_cpu_time() {
    let (_host, mut guest) = workspace();
    for clock in 0..2 {
        let now = time(&mut guest, clock);
        let events = guest.poll(&[clock_subscription(1, clock, 20_000_000, 0)]).unwrap();
        assert_eq!(shown(&events), [(1, 0, 0, 0, 0)]);
        assert!(time(&mut guest, clock) - now >= 20_000_000);
        guest.poll(&[clock_subscription(1, clock, now + 50_000_000, 1)]).unwrap();
        assert!(time(&mut guest, clock) - now >= 50_000_000);
        guest.poll(&[clock_subscription(1, clock, now, 1)]).unwrap();
    }
    assert!(time(&mut guest, MONOTONIC) - time(&mut guest, 2) >= 90_000_000);
}

#[test]
fn a_huge_timeout_waits_and_does_not_overflow() {
    let (_host, mut guest) = workspace();
    for absolute in [0, 1] {
        let subscriptions =
            [clock_subscription(1, MONOTONIC, u64::MAX, absolute), clock_subscription(2, 1, 1, 0)];
        assert_eq!(shown(&guest.poll(&subscriptions).unwrap()), [(2, 0, 0, 0, 0)]);
    }
}

#[test]
fn what_is_ready_is_told_at_once() {
    let mut guest = Guest::with_stdin(&Spec::default(), Stdin::bytes("hello"));
    guest.create("/tmp/f", b"abcdef").unwrap();
    let fd = guest.open("/tmp/f", 0, ALL_RIGHTS).unwrap();
    guest.seek(fd, 2, 0).unwrap();
    let subscriptions = [
        clock_subscription(1, MONOTONIC, u64::MAX, 0),
        read_subscription(2, 0),
        write_subscription(3, 1),
        read_subscription(4, fd),
        write_subscription(5, fd),
        read_subscription(6, 99),
        clock_subscription(7, 9, 0, 0),
        write_subscription(8, 0),
    ];
    let events = guest.poll(&subscriptions).unwrap();
    let (badf, inval, notcapable) = (8, 28, 76);
    let most = 1 << 20;
    let expected = [
        (2, 0, 1, 5, 0),
        (3, 0, 2, most, 0),
        (4, 0, 1, 4, 0),
        (5, 0, 2, most, 0),
        (6, badf, 1, 0, 0),
        (7, inval, 0, 0, 0),
        (8, notcapable, 2, 0, 0),
    ];
    assert_eq!(shown(&events), expected);
    guest.assert_denied("poll_oneoff", "/dev/stdin", DenialReason::Rights);
}

#[test]
fn the_end_of_input_and_a_gone_reader_are_hangups() {
    let (_host, mut guest) = workspace();
    assert_eq!(shown(&guest.poll(&[read_subscription(1, 0)]).unwrap()), [(1, 0, 1, 0, 1)]);
    guest.events.close();
    assert_eq!(shown(&guest.poll(&[write_subscription(1, 1)]).unwrap()), [(1, 0, 2, 0, 1)]);
}

#[test]
fn input_that_comes_while_polling_wakes_the_guest_and_is_not_lost() {
    let (mut writer, reader) = tokio::io::duplex(100);
    let mut guest = Guest::with_stdin(&Spec::default(), Stdin::Stream(Box::new(reader)));
    let timeout = clock_subscription(1, MONOTONIC, 1_000_000, 0);
    assert_eq!(shown(&guest.poll(&[timeout, read_subscription(2, 0)]).unwrap()), [(1, 0, 0, 0, 0)]);
    guest.put(BUFFER, &read_subscription(3, 0));
    let events = BUFFER + 0x1000;
    let polled = guest.block_on(async |process, memory| {
        let poll = process.poll_oneoff(memory, BUFFER, events, 1, RESULT);
        tokio::join!(poll, async { writer.write_all(b"abc").await.unwrap() }).0
    });
    assert_eq!((polled, guest.u32_at(RESULT), guest.u64_at(events + 16)), (Ok(()), 1, 3));
    assert_eq!(guest.read(0, 10), Ok(b"abc".to_vec()));
}

#[test]
fn the_virtual_clock_does_not_jump_over_input_that_is_there() {
    let (mut writer, reader) = tokio::io::duplex(100);
    let mut guest = virtual_guest(Stdin::Stream(Box::new(reader)));
    guest.block_on(async |_, _| writer.write_all(b"abc").await.unwrap());
    let subscriptions = [clock_subscription(1, MONOTONIC, 5_000_000_000, 0), read_subscription(2, 0)];
    assert_eq!(shown(&guest.poll(&subscriptions).unwrap()), [(2, 0, 1, 3, 0)]);
    assert!(time(&mut guest, MONOTONIC) < 5_000_000_000);
    guest.read(0, 10).unwrap();
    assert_eq!(shown(&guest.poll(&subscriptions).unwrap()), [(1, 0, 0, 0, 0)]);
}

#[test]
fn room_for_output_wakes_the_guest() {
    let (_host, mut guest) = workspace();
    for _ in 0..64 {
        guest.write(1, b"x").unwrap();
    }
    let subscriptions = [clock_subscription(1, MONOTONIC, 1_000_000, 0), write_subscription(2, 1)];
    assert_eq!(shown(&guest.poll(&subscriptions).unwrap()), [(1, 0, 0, 0, 0)]);
    guest.events.try_recv().unwrap();
    assert_eq!(shown(&guest.poll(&subscriptions).unwrap())[0].0, 2);
}

#[test]
fn subscriptions_are_counted_and_checked() {
    let (_host, mut guest) = workspace();
    assert_eq!(guest.poll(&[]), errno(Errno::INVAL));
    let mut unknown = read_subscription(1, 0);
    unknown[8] = 3;
    assert_eq!(guest.poll(&[unknown]), errno(Errno::INVAL));
    let poll = |guest: &mut Guest, count, events| {
        guest.block_on(async |process, memory| {
            process.poll_oneoff(memory, BUFFER, events, count, RESULT).await
        })
    };
    guest.put(BUFFER, clock_subscription(1, 0, 0, 0).repeat(4096).as_slice());
    assert_eq!(poll(&mut guest, 4096, BUFFER + 0x10_0000), Ok(()));
    assert_eq!(guest.u32_at(RESULT), 4096);
    assert_eq!(guest.denials(), []);
    assert_eq!(poll(&mut guest, 4097, BUFFER + 0x10_0000), errno(Errno::INVAL));
    guest.assert_denied("poll_oneoff", "", DenialReason::SizeLimit);
    assert_eq!(poll(&mut guest, 1, u32::try_from(MEMORY_BYTES).unwrap() - 31), errno(Errno::FAULT));
}

#[test]
fn a_seed_makes_randomness_repeat_and_no_seed_does_not() {
    let random = |seed| {
        let mut guest = Guest::new(&Spec { seed, ..Spec::default() });
        guest.process.random_get(&mut guest.memory, BUFFER, 100).unwrap();
        let device = guest.open("/dev/urandom", 0, RDONLY).unwrap();
        [guest.bytes_at(BUFFER, 100), guest.read(device, 100).unwrap()].concat()
    };
    assert_eq!(random(Some(5)), random(Some(5)));
    assert_ne!(random(Some(5)), random(Some(6)));
    assert_ne!(random(None), random(None));
    let mut guest = Guest::new(&Spec::default());
    assert_eq!(guest.process.random_get(&mut guest.memory, u32::MAX, 1), errno(Errno::FAULT));
    guest.memory.resize((16 << 20) + 1, 0);
    assert_eq!(guest.process.random_get(&mut guest.memory, 0, 16 << 20), Ok(()));
    assert_eq!(guest.process.random_get(&mut guest.memory, 0, (16 << 20) + 1), errno(Errno::INVAL));
    guest.assert_denied("random_get", "", DenialReason::SizeLimit);
}

#[test]
fn an_exit_status_is_a_byte_and_a_signal_is_128_and_its_number() {
    let (_host, mut guest) = workspace();
    for (status, code) in [(0, 0), (1, 1), (126, 126), (255, 255), (256, 0), (u32::MAX, 255)] {
        assert_eq!(guest.process.proc_exit(status), stop(Stop::Exit(code)));
    }
    for (signal, code) in [(6, 134), (9, 137), (15, 143), (2, 130), (30, 159)] {
        assert_eq!(guest.process.proc_raise(signal), stop(Stop::Exit(code)));
    }
    for ignored in [0, 16, 17, 22, 27] {
        assert_eq!(guest.process.proc_raise(ignored), Ok(()));
    }
    assert_eq!(guest.process.proc_raise(31), errno(Errno::INVAL));
    let yielded = guest.block_on(async |process, _| process.sched_yield().await);
    assert_eq!(yielded, Ok(()));
}
