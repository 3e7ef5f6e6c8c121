/* SHA-2 (FIPS 180-4), linked in the place of HACL*'s functions of these names: the host does the blocks, in a fraction of
 * the time that they take here. */
#include "sandpiper.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "_hacl/Hacl_Hash_SHA2.h"

/* What the host takes at once. */
enum { LARGEST_CALL = 64 * 1024 };

/* Results of `sandpiper:host/digest`, in the canonical ABI. */
struct host_words32 {
    uint8_t failed;
    uint32_t words[8];
};

struct host_words64 {
    uint8_t failed;
    uint64_t words[8];
};

__attribute__((import_module("sandpiper:host/digest@0.1.0"), import_name("sha256"))) void
host_sha256(uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, const void *blocks,
            size_t length, struct host_words32 *result);

__attribute__((import_module("sandpiper:host/digest@0.1.0"), import_name("sha512"))) void
host_sha512(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, const void *blocks,
            size_t length, struct host_words64 *result);

/* The functions for one size of words, BITS; a block is 16 words. WIDE is the hash whose digest is all of the state,
 * NARROW the one that begins with another state and leaves out its end. Callers hold a state by a pointer to HACL*'s
 * type, which has other fields. */
#define SHA2(BITS, WIDE, NARROW, HELD)                                                                                 \
    struct hash##BITS {                                                                                                \
        uint##BITS##_t words[8];                                                                                       \
        uint64_t length;                                                                                               \
        uint8_t waiting[2 * BITS];                                                                                     \
    };                                                                                                                 \
                                                                                                                       \
    static void blocks##BITS(uint##BITS##_t *words, const uint8_t *bytes, size_t length)                               \
    {                                                                                                                  \
        while (length > 0) {                                                                                           \
            size_t taken = length < LARGEST_CALL ? length : LARGEST_CALL;                                              \
            struct host_words##BITS next;                                                                              \
            host_sha##WIDE(words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7], bytes,      \
                           taken, &next);                                                                              \
            if (next.failed) {                                                                                         \
                abort();                                                                                               \
            }                                                                                                          \
            memcpy(words, next.words, sizeof next.words);                                                              \
            bytes += taken;                                                                                            \
            length -= taken;                                                                                           \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void add##BITS(struct hash##BITS *hash, const uint8_t *bytes, size_t length)                                \
    {                                                                                                                  \
        size_t waiting = hash->length % sizeof hash->waiting;                                                          \
        hash->length += length;                                                                                        \
        if (waiting > 0) {                                                                                             \
            size_t missing = sizeof hash->waiting - waiting;                                                           \
            size_t taken = length < missing ? length : missing;                                                        \
            memcpy(hash->waiting + waiting, bytes, taken);                                                             \
            if (taken < missing) {                                                                                     \
                return;                                                                                                \
            }                                                                                                          \
            blocks##BITS(hash->words, hash->waiting, sizeof hash->waiting);                                            \
            bytes += taken;                                                                                            \
            length -= taken;                                                                                           \
        }                                                                                                              \
        size_t rest = length % sizeof hash->waiting;                                                                   \
        blocks##BITS(hash->words, bytes, length - rest);                                                               \
        memcpy(hash->waiting, bytes + (length - rest), rest);                                                          \
    }                                                                                                                  \
                                                                                                                       \
    static void finish##BITS(struct hash##BITS hash, uint8_t *output, size_t output_length)                            \
    {                                                                                                                  \
        static const uint8_t padding[2 * BITS] = {0x80};                                                               \
        uint8_t bits[2 * sizeof(uint##BITS##_t)] = {0};                                                                \
        for (int index = 0; index < 8; index++) {                                                                      \
            bits[sizeof bits - 1 - index] = (uint8_t)((hash.length << 3) >> (8 * index));                              \
        }                                                                                                              \
        if (sizeof bits > 8) {                                                                                         \
            bits[sizeof bits - 9] = (uint8_t)(hash.length >> 61);                                                      \
        }                                                                                                              \
        size_t block = sizeof hash.waiting;                                                                            \
        size_t used = hash.length % block;                                                                             \
        size_t end = block - sizeof bits;                                                                              \
        add##BITS(&hash, padding, used < end ? end - used : block + end - used);                                       \
        add##BITS(&hash, bits, sizeof bits);                                                                           \
        for (size_t index = 0; index < output_length; index++) {                                                       \
            size_t word = index / sizeof hash.words[0];                                                                \
            size_t byte = index % sizeof hash.words[0];                                                                \
            output[index] = (uint8_t)(hash.words[word] >> (BITS - 8 - 8 * byte));                                      \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static HELD *begin##BITS(const uint##BITS##_t *words)                                                              \
    {                                                                                                                  \
        struct hash##BITS *hash = calloc(1, sizeof *hash);                                                             \
        if (hash != NULL) {                                                                                            \
            memcpy(hash->words, words, sizeof hash->words);                                                            \
        }                                                                                                              \
        return (HELD *)hash;                                                                                           \
    }                                                                                                                  \
                                                                                                                       \
    static void whole##BITS(const uint##BITS##_t *words, uint8_t *output, size_t output_length, uint8_t *input,        \
                            uint32_t length)                                                                           \
    {                                                                                                                  \
        struct hash##BITS hash = {.length = 0};                                                                        \
        memcpy(hash.words, words, sizeof hash.words);                                                                  \
        add##BITS(&hash, input, length);                                                                               \
        finish##BITS(hash, output, output_length);                                                                     \
    }                                                                                                                  \
                                                                                                                       \
    HELD *Hacl_Hash_SHA2_malloc_##WIDE(void)                                                                           \
    {                                                                                                                  \
        return begin##BITS(first_##WIDE);                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    HELD *Hacl_Hash_SHA2_malloc_##NARROW(void)                                                                         \
    {                                                                                                                  \
        return begin##BITS(first_##NARROW);                                                                            \
    }                                                                                                                  \
                                                                                                                       \
    HELD *Hacl_Hash_SHA2_copy_##WIDE(HELD *held)                                                                       \
    {                                                                                                                  \
        struct hash##BITS *copy = malloc(sizeof *copy);                                                                \
        if (copy != NULL) {                                                                                            \
            memcpy(copy, held, sizeof *copy);                                                                          \
        }                                                                                                              \
        return (HELD *)copy;                                                                                           \
    }                                                                                                                  \
                                                                                                                       \
    Hacl_Streaming_Types_error_code Hacl_Hash_SHA2_update_##WIDE(HELD *held, uint8_t *input, uint32_t length)          \
    {                                                                                                                  \
        struct hash##BITS *hash = (struct hash##BITS *)held;                                                           \
        if (length > UINT64_MAX / 8 - hash->length) {                                                                  \
            return Hacl_Streaming_Types_MaximumLengthExceeded;                                                         \
        }                                                                                                              \
        add##BITS(hash, input, length);                                                                                \
        return Hacl_Streaming_Types_Success;                                                                           \
    }                                                                                                                  \
                                                                                                                       \
    void Hacl_Hash_SHA2_digest_##WIDE(HELD *held, uint8_t *output)                                                     \
    {                                                                                                                  \
        finish##BITS(*(struct hash##BITS *)held, output, WIDE / 8);                                                    \
    }                                                                                                                  \
                                                                                                                       \
    void Hacl_Hash_SHA2_free_##WIDE(HELD *held)                                                                        \
    {                                                                                                                  \
        free(held);                                                                                                    \
    }                                                                                                                  \
                                                                                                                       \
    void Hacl_Hash_SHA2_hash_##WIDE(uint8_t *output, uint8_t *input, uint32_t length)                                  \
    {                                                                                                                  \
        whole##BITS(first_##WIDE, output, WIDE / 8, input, length);                                                    \
    }                                                                                                                  \
                                                                                                                       \
    void Hacl_Hash_SHA2_hash_##NARROW(uint8_t *output, uint8_t *input, uint32_t length)                                \
    {                                                                                                                  \
        whole##BITS(first_##NARROW, output, NARROW / 8, input, length);                                                \
    }

/* FIPS 180-4, 5.3. */
static const uint32_t first_224[8] = {
    0xc1059ed8, 0x367cd507, 0x3070dd17, 0xf70e5939, 0xffc00b31, 0x68581511, 0x64f98fa7, 0xbefa4fa4,
};
static const uint32_t first_256[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};
static const uint64_t first_384[8] = {
    0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
    0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4,
};
static const uint64_t first_512[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

SHA2(32, 256, 224, Hacl_Streaming_MD_state_32)
SHA2(64, 512, 384, Hacl_Streaming_MD_state_64)
