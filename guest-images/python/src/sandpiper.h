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
/* Tells the host of what the sandbox cannot do (refusals.c). */
void sandpiper_tell_unsupported(const char *feature, const char *detail);
/* Tells the host of what the sandbox cannot do, and raises the exception: NULL (refusals.c). `advice` may be
 * NULL. */
PyObject *sandpiper_refuse(PyObject *exception, int number, const char *feature, const char *subject,
                           const char *advice);
/* The builtin module `_posixsubprocess` (fork_exec.c). */
PyObject *PyInit__posixsubprocess(void);
/* Tells the host of the program that is not there and that this exception is about, if it is (fork_exec.c). */
void sandpiper_tell_absent_program(PyObject *exception);
/* pbkdf2_hmac and scrypt (kdf.c). */
extern PyMethodDef sandpiper_kdf_methods[];

/* Makes every object immortal and the heap dense; the last act before the snapshot (density.c). */
void sandpiper_settle(void);

/* Finds the root and the working directory (start.c); -1 when that cannot be. */
int sandpiper_begin(void);
/* Tells the host what CPython's initialisation has signals do (signals.c). Whether SIGINT was to be ignored. */
int sandpiper_begin_signals(void);
/* Whether the program ignores a signal (signals.c). */
int sandpiper_is_ignored(int number);

/* Errno with Linux's numbers (errno.c). */
int *sandpiper_errno(void);

/* The standard streams (streams.c). */
int sandpiper_streams_prepare(void);
int sandpiper_streams_open(const PyConfig *config);
/* Encoding and error handler from PYTHONIOENCODING; NULL where not given. */
extern const char *sandpiper_stream_encoding;
extern const char *sandpiper_stream_errors;

#endif
