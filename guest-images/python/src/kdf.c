/* Key derivation for hashlib, which CPython leaves to OpenSSL: PBKDF2-HMAC (RFC 8018) over the HACL*
 * hashes that CPython carries, and scrypt (RFC 7914). */
#include "sandpiper.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "_hacl/Hacl_Hash_MD5.h"
#include "_hacl/Hacl_Hash_SHA1.h"
#include "_hacl/Hacl_Hash_SHA2.h"

enum { LARGEST_BLOCK = 128, LARGEST_DIGEST = 64 };

struct hash {
    const char *name;
    size_t block_length;
    size_t digest_length;
    void (*run)(uint8_t *output, uint8_t *input, uint32_t input_length);
};

static const struct hash hashes[] = {
    {"md5", 64, 16, Hacl_Hash_MD5_hash},          {"sha1", 64, 20, Hacl_Hash_SHA1_hash},
    {"sha224", 64, 28, Hacl_Hash_SHA2_hash_224},  {"sha256", 64, 32, Hacl_Hash_SHA2_hash_256},
    {"sha384", 128, 48, Hacl_Hash_SHA2_hash_384}, {"sha512", 128, 64, Hacl_Hash_SHA2_hash_512},
};

struct hmac {
    const struct hash *hash;
    uint8_t inner[LARGEST_BLOCK + LARGEST_DIGEST];
    uint8_t outer[LARGEST_BLOCK + LARGEST_DIGEST];
};

static void hmac_start(struct hmac *hmac, const struct hash *hash, const uint8_t *key, size_t key_length)
{
    uint8_t padded[LARGEST_BLOCK] = {0};
    if (key_length > hash->block_length) {
        hash->run(padded, (uint8_t *)key, (uint32_t)key_length);
    } else {
        memcpy(padded, key, key_length);
    }
    hmac->hash = hash;
    for (size_t index = 0; index < hash->block_length; index++) {
        hmac->inner[index] = padded[index] ^ 0x36;
        hmac->outer[index] = padded[index] ^ 0x5c;
    }
}

/* HMAC of a message no longer than a digest. */
static void hmac_short(struct hmac *hmac, uint8_t *output, const uint8_t *message)
{
    const struct hash *hash = hmac->hash;
    memcpy(hmac->inner + hash->block_length, message, hash->digest_length);
    hash->run(hmac->outer + hash->block_length, hmac->inner, (uint32_t)(hash->block_length + hash->digest_length));
    hash->run(output, hmac->outer, (uint32_t)(hash->block_length + hash->digest_length));
}

/* The HMAC of salt and block number; 0 when memory is out. */
static int hmac_first(struct hmac *hmac, uint8_t *output, const uint8_t *salt, size_t salt_length, uint32_t number)
{
    const struct hash *hash = hmac->hash;
    uint8_t *message = malloc(hash->block_length + salt_length + 4);
    if (message == NULL) {
        return 0;
    }
    memcpy(message, hmac->inner, hash->block_length);
    memcpy(message + hash->block_length, salt, salt_length);
    uint8_t *tail = message + hash->block_length + salt_length;
    tail[0] = (uint8_t)(number >> 24);
    tail[1] = (uint8_t)(number >> 16);
    tail[2] = (uint8_t)(number >> 8);
    tail[3] = (uint8_t)number;
    hash->run(hmac->outer + hash->block_length, message, (uint32_t)(hash->block_length + salt_length + 4));
    hash->run(output, hmac->outer, (uint32_t)(hash->block_length + hash->digest_length));
    free(message);
    return 1;
}

static int pbkdf2(const struct hash *hash, const Py_buffer *password, const uint8_t *salt, size_t salt_length,
                  unsigned long iterations, uint8_t *output, size_t output_length)
{
    struct hmac hmac;
    hmac_start(&hmac, hash, password->buf, (size_t)password->len);
    uint32_t number = 1;
    while (output_length > 0) {
        uint8_t round[LARGEST_DIGEST];
        uint8_t sum[LARGEST_DIGEST];
        if (!hmac_first(&hmac, round, salt, salt_length, number++)) {
            return 0;
        }
        memcpy(sum, round, sizeof sum);
        for (unsigned long iteration = 1; iteration < iterations; iteration++) {
            hmac_short(&hmac, round, round);
            for (size_t index = 0; index < hash->digest_length; index++) {
                sum[index] ^= round[index];
            }
        }
        size_t taken = output_length < hash->digest_length ? output_length : hash->digest_length;
        memcpy(output, sum, taken);
        output += taken;
        output_length -= taken;
    }
    return 1;
}

static PyObject *pbkdf2_hmac(PyObject *module, PyObject *args)
{
    const char *name;
    Py_buffer password = {0};
    Py_buffer salt = {0};
    long iterations;
    Py_ssize_t length;
    PyObject *key = NULL;
    (void)module;
    if (!PyArg_ParseTuple(args, "sy*y*ln:pbkdf2_hmac", &name, &password, &salt, &iterations, &length)) {
        return NULL;
    }
    const struct hash *hash = NULL;
    for (size_t index = 0; index < sizeof hashes / sizeof hashes[0]; index++) {
        if (strcmp(hashes[index].name, name) == 0) {
            hash = &hashes[index];
        }
    }
    if (hash == NULL) {
        PyErr_Format(PyExc_ValueError, "unsupported hash type %s", name);
    } else if (iterations < 1) {
        PyErr_SetString(PyExc_ValueError, "iteration value must be greater than 0.");
    } else if (length < 1) {
        PyErr_SetString(PyExc_ValueError, "key length must be greater than 0.");
    } else {
        key = PyBytes_FromStringAndSize(NULL, length);
        if (key != NULL
            && !pbkdf2(hash, &password, salt.buf, (size_t)salt.len, (unsigned long)iterations,
                       (uint8_t *)PyBytes_AS_STRING(key), (size_t)length)) {
            Py_CLEAR(key);
            PyErr_NoMemory();
        }
    }
    PyBuffer_Release(&password);
    PyBuffer_Release(&salt);
    return key;
}

#define ROTATE(value, bits) (((value) << (bits)) | ((value) >> (32 - (bits))))

static void salsa20_8(uint32_t block[16])
{
    uint32_t x[16];
    memcpy(x, block, sizeof x);
#define QUARTER(a, b, c, d)        \
    x[b] ^= ROTATE(x[a] + x[d], 7);  \
    x[c] ^= ROTATE(x[b] + x[a], 9);  \
    x[d] ^= ROTATE(x[c] + x[b], 13); \
    x[a] ^= ROTATE(x[d] + x[c], 18)
    for (int round = 0; round < 8; round += 2) {
        QUARTER(0, 4, 8, 12);
        QUARTER(5, 9, 13, 1);
        QUARTER(10, 14, 2, 6);
        QUARTER(15, 3, 7, 11);
        QUARTER(0, 1, 2, 3);
        QUARTER(5, 6, 7, 4);
        QUARTER(10, 11, 8, 9);
        QUARTER(15, 12, 13, 14);
    }
#undef QUARTER
    for (int index = 0; index < 16; index++) {
        block[index] += x[index];
    }
}

static void block_mix(uint32_t *blocks, uint32_t *scratch, size_t r)
{
    uint32_t x[16];
    memcpy(x, &blocks[(2 * r - 1) * 16], sizeof x);
    for (size_t index = 0; index < 2 * r; index++) {
        for (int word = 0; word < 16; word++) {
            x[word] ^= blocks[index * 16 + (size_t)word];
        }
        salsa20_8(x);
        memcpy(&scratch[(index / 2 + (index % 2) * r) * 16], x, sizeof x);
    }
    memcpy(blocks, scratch, 128 * r);
}

/* wasm32 is little-endian, as scrypt's words are. */
static void ro_mix(uint32_t *blocks, uint32_t *table, uint32_t *scratch, size_t r, size_t n)
{
    size_t words = 32 * r;
    for (size_t index = 0; index < n; index++) {
        memcpy(&table[index * words], blocks, 128 * r);
        block_mix(blocks, scratch, r);
    }
    for (size_t index = 0; index < n; index++) {
        const uint32_t *row = &table[(blocks[(2 * r - 1) * 16] & (n - 1)) * words];
        for (size_t word = 0; word < words; word++) {
            blocks[word] ^= row[word];
        }
        block_mix(blocks, scratch, r);
    }
}

static PyObject *scrypt(PyObject *module, PyObject *args)
{
    Py_buffer password = {0};
    Py_buffer salt = {0};
    unsigned long n;
    unsigned long r;
    unsigned long p;
    unsigned long memory_limit;
    Py_ssize_t length;
    PyObject *key = NULL;
    (void)module;
    if (!PyArg_ParseTuple(args, "y*y*kkkkn:scrypt", &password, &salt, &n, &r, &p, &memory_limit, &length)) {
        return NULL;
    }
    const struct hash *sha256 = &hashes[3];
    uint64_t needed = 128ULL * r * ((uint64_t)n + p + 2);
    if (n < 2 || (n & (n - 1)) != 0) {
        PyErr_SetString(PyExc_ValueError, "n must be a power of 2.");
    } else if (r < 1 || p < 1 || r > 1UL << 20 || p > 1UL << 20 || (uint64_t)r * p >= 1ULL << 30 || needed > memory_limit) {
        PyErr_SetString(PyExc_ValueError, "Invalid parameter combination for n, r, p, maxmem.");
    } else if (length < 1) {
        PyErr_SetString(PyExc_ValueError, "dklen must be greater than 0 and smaller than 2147483647");
    } else {
        size_t chunk = 128 * (size_t)r;
        uint8_t *blocks = malloc(chunk * p);
        uint32_t *table = malloc(chunk * n);
        uint32_t *scratch = malloc(chunk);
        key = PyBytes_FromStringAndSize(NULL, length);
        int is_done = blocks != NULL && table != NULL && scratch != NULL && key != NULL
            && pbkdf2(sha256, &password, salt.buf, (size_t)salt.len, 1, blocks, chunk * p);
        for (size_t index = 0; is_done && index < p; index++) {
            ro_mix((uint32_t *)(void *)(blocks + index * chunk), table, scratch, r, n);
        }
        is_done = is_done && pbkdf2(sha256, &password, blocks, chunk * p, 1, (uint8_t *)PyBytes_AS_STRING(key), (size_t)length);
        free(blocks);
        free(table);
        free(scratch);
        if (!is_done) {
            Py_CLEAR(key);
            PyErr_NoMemory();
        }
    }
    PyBuffer_Release(&password);
    PyBuffer_Release(&salt);
    return key;
}

PyMethodDef sandpiper_kdf_methods[] = {
    {"pbkdf2_hmac", pbkdf2_hmac, METH_VARARGS, "pbkdf2_hmac(hash_name, password, salt, iterations, length)"},
    {"scrypt", scrypt, METH_VARARGS, "scrypt(password, salt, n, r, p, maxmem, length)"},
    {NULL, NULL, 0, NULL},
};
