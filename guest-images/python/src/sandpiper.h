/* What the parts of the guest share. */
#ifndef SANDPIPER_H
#define SANDPIPER_H

#ifndef Py_BUILD_CORE
#  define Py_BUILD_CORE 1
#endif
#include "Python.h"

/* The hash seed of the image; the manifest names it in `hash_seed`. */
#define SANDPIPER_HASH_SEED 0

/* Whether this instance came out of the snapshot. */
extern int sandpiper_is_warm;
/* Whether the snapshot is being made (pinned.c). */
extern int sandpiper_is_initialising;
/* Whether the program ended with an uncaught MemoryError (teardown.c). */
extern int sandpiper_has_memory_error;

/* The builtin module `_sandpiper` (refusals.c). */
PyObject *PyInit__sandpiper(void);
/* pbkdf2_hmac and scrypt (kdf.c). */
extern PyMethodDef sandpiper_kdf_methods[];

/* Makes every object immortal and the heap dense; the last act before the snapshot (density.c). */
void sandpiper_settle(void);

/* The standard streams (streams.c). */
int sandpiper_streams_prepare(void);
int sandpiper_streams_open(const PyConfig *config);
/* Encoding and error handler from PYTHONIOENCODING; NULL where not given. */
extern const char *sandpiper_stream_encoding;
extern const char *sandpiper_stream_errors;

#endif
