//! The interface `digest`, against the examples of NIST for SHA-2 (FIPS 180-4).

use sandpiper_core::Spec;
use sandpiper_kernel::{Errno, Fault, Stop};

use crate::guest::{BUFFER, Guest, MEMORY_BYTES, RESULT, errno, stop};

const FIRST_256: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

const FIRST_512: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

/// The text `abc`, padded to one block.
fn abc(block_bytes: usize) -> Vec<u8> {
    let mut block = vec![0; block_bytes];
    block[..4].copy_from_slice(b"abc\x80");
    block[block_bytes - 1] = 24;
    block
}

fn sha256(guest: &mut Guest, blocks: (u32, u32), result: u32) -> Result<u64, Fault> {
    guest.process.digest_sha256(&mut guest.memory, FIRST_256, blocks, result)
}

#[test]
fn a_block_of_sha_256_is_that_of_the_standard() {
    let mut guest = Guest::new(&Spec::default());
    let blocks = guest.put(BUFFER, &abc(64));
    assert_eq!(sha256(&mut guest, blocks, RESULT), Ok(4 * 64));
    let words: Vec<u32> = (0..8).map(|word| guest.u32_at(RESULT + 4 + 4 * word)).collect();
    assert_eq!(guest.bytes_at(RESULT, 1), [0]);
    assert_eq!(
        words,
        [
            0xba78_16bf,
            0x8f01_cfea,
            0x4141_40de,
            0x5dae_2223,
            0xb003_61a3,
            0x9617_7a9c,
            0xb410_ff61,
            0xf200_15ad
        ]
    );
}

#[test]
fn a_block_of_sha_512_is_that_of_the_standard() {
    let mut guest = Guest::new(&Spec::default());
    let blocks = guest.put(BUFFER, &abc(128));
    let done = guest.process.digest_sha512(&mut guest.memory, FIRST_512, blocks, RESULT);
    assert_eq!(done, Ok(4 * 128));
    let words: Vec<u64> = (0..8).map(|word| guest.u64_at(RESULT + 8 + 8 * word)).collect();
    assert_eq!(guest.bytes_at(RESULT, 1), [0]);
    assert_eq!(
        words,
        [
            0xddaf_35a1_9361_7aba,
            0xcc41_7349_ae20_4131,
            0x12e6_fa4e_89a9_7ea2,
            0x0a9e_eee6_4b55_d39a,
            0x2192_992a_274f_c1a8,
            0x36ba_3c23_a3fe_ebbd,
            0x454d_4423_643c_e80e,
            0x2a9a_c94f_a54c_a49f
        ]
    );
}

#[test]
fn blocks_follow_each_other() {
    let mut guest = Guest::new(&Spec::default());
    let block = abc(64);
    let blocks = guest.put(BUFFER, &[block.clone(), block.clone()].concat());
    assert_eq!(sha256(&mut guest, blocks, RESULT), Ok(4 * 128));
    let both = guest.bytes_at(RESULT + 4, 32);
    sha256(&mut guest, (BUFFER, 64), RESULT).unwrap();
    let after_one = [0, 1, 2, 3, 4, 5, 6, 7].map(|word| guest.u32_at(RESULT + 4 + 4 * word));
    guest.process.digest_sha256(&mut guest.memory, after_one, (BUFFER, 64), RESULT).unwrap();
    assert_eq!(guest.bytes_at(RESULT + 4, 32), both);
}

#[test]
fn what_is_not_blocks_or_too_much_is_refused_and_costs_nothing() {
    let mut guest = Guest::new(&Spec::default());
    for (length, refusal) in [(63, Errno::INVAL), ((64 << 10) + 64, Errno::TOO_BIG)] {
        assert_eq!(sha256(&mut guest, (BUFFER, length), RESULT), Ok(0), "{length}");
        let told = guest.bytes_at(RESULT, 6);
        assert_eq!((told[0], u16::from_le_bytes([told[4], told[5]])), (1, refusal.raw()), "{length}");
    }
    assert_eq!(sha256(&mut guest, (BUFFER, 0), RESULT), Ok(0));
    assert_eq!(guest.u32_at(RESULT + 4), FIRST_256[0], "nothing is hashed");
}

#[test]
fn what_is_outside_of_the_memory_is_not_read_or_written() {
    let mut guest = Guest::new(&Spec::default());
    let end = u32::try_from(MEMORY_BYTES).unwrap();
    assert_eq!(sha256(&mut guest, (end - 63, 64), RESULT), errno(Errno::FAULT));
    assert_eq!(sha256(&mut guest, (u32::MAX - 63, 64), RESULT), errno(Errno::FAULT));
    assert_eq!(sha256(&mut guest, (BUFFER, 64), end - 35), stop(Stop::BadAddress));
    assert!(sha256(&mut guest, (end - 64, 64), end - 36).is_ok());
}
