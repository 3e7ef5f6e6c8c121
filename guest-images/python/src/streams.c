/* The standard streams. The snapshot holds ready ones for pipes, the usual case; a terminal, a seekable
 * file, `-u` or PYTHONIOENCODING get new ones, made as create_stdio() of pylifecycle.c makes them. */
#include "sandpiper.h"

#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

const char *sandpiper_stream_encoding;
const char *sandpiper_stream_errors;

static const char *const names[3] = {"stdin", "stdout", "stderr"};
static const char *const dunder_names[3] = {"__stdin__", "__stdout__", "__stderr__"};
static const char *const file_names[3] = {"<stdin>", "<stdout>", "<stderr>"};

static int is_true(PyObject *stream, const char *method)
{
    PyObject *answer = PyObject_CallMethod(stream, method, NULL);
    int truth = answer == NULL ? -1 : PyObject_IsTrue(answer);
    Py_XDECREF(answer);
    return truth;
}

/* Checks that the streams which CPython made while the snapshot is built behave as a pipe's. */
int sandpiper_streams_prepare(void)
{
    for (int fd = 0; fd < 3; fd++) {
        PyObject *stream = PySys_GetObject(names[fd]);
        if (stream == NULL || stream == Py_None || is_true(stream, "isatty") != 0 || is_true(stream, "seekable") != 0) {
            if (!PyErr_Occurred()) {
                PyErr_Format(PyExc_RuntimeError, "%s must be a pipe while the image is built", names[fd]);
            }
            return -1;
        }
    }
    return 0;
}

static PyObject *open_stream(const PyConfig *config, int fd)
{
    int is_output = fd != 0;
    int is_raw = is_output && !config->buffered_stdio;
    PyObject *stream = NULL;
    PyObject *raw = NULL;
    PyObject *io = PyImport_ImportModule("io");
    if (io == NULL) {
        return NULL;
    }
    PyObject *buffer = PyObject_CallMethod(io, "open", "isiOOOO", fd, is_output ? "wb" : "rb", is_raw ? 0 : -1,
                                           Py_None, Py_None, Py_None, Py_False);
    if (buffer == NULL) {
        goto done;
    }
    raw = is_raw ? Py_NewRef(buffer) : PyObject_GetAttrString(buffer, "raw");
    if (raw == NULL) {
        goto done;
    }
    PyObject *name = PyUnicode_FromString(file_names[fd]);
    if (name == NULL || PyObject_SetAttrString(raw, "name", name) < 0) {
        Py_XDECREF(name);
        goto done;
    }
    Py_DECREF(name);
    int is_terminal = is_true(raw, "isatty");
    if (is_terminal < 0) {
        goto done;
    }
    const char *encoding = sandpiper_stream_encoding != NULL ? sandpiper_stream_encoding : "utf-8";
    const char *errors = "surrogateescape";
    if (fd == 2) {
        errors = "backslashreplace";
    } else if (sandpiper_stream_errors != NULL) {
        errors = sandpiper_stream_errors;
    }
    int is_line_buffered = config->buffered_stdio && (is_terminal || fd == 2);
    stream = PyObject_CallMethod(io, "TextIOWrapper", "OsssOO", buffer, encoding, errors, "\n",
                                 is_line_buffered ? Py_True : Py_False, is_raw ? Py_True : Py_False);
    if (stream != NULL) {
        PyObject *mode = PyUnicode_FromString(is_output ? "w" : "r");
        if (mode == NULL || PyObject_SetAttrString(stream, "mode", mode) < 0) {
            Py_CLEAR(stream);
        }
        Py_XDECREF(mode);
    }

done:
    Py_XDECREF(raw);
    Py_XDECREF(buffer);
    Py_DECREF(io);
    return stream;
}

static int set_stream(int fd, PyObject *stream)
{
    if (PySys_SetObject(names[fd], stream) < 0 || PySys_SetObject(dunder_names[fd], stream) < 0) {
        return -1;
    }
    return 0;
}

int sandpiper_streams_open(const PyConfig *config)
{
    for (int fd = 0; fd < 3; fd++) {
        __wasi_fdstat_t status;
        if (__wasi_fd_fdstat_get((__wasi_fd_t)fd, &status) != __WASI_ERRNO_SUCCESS) {
            if (set_stream(fd, Py_None) < 0) {
                return -1;
            }
            continue;
        }
        int is_seekable = (status.fs_rights_base & (__WASI_RIGHTS_FD_SEEK | __WASI_RIGHTS_FD_TELL)) != 0;
        int is_terminal = status.fs_filetype == __WASI_FILETYPE_CHARACTER_DEVICE && !is_seekable;
        int is_file = status.fs_filetype == __WASI_FILETYPE_REGULAR_FILE
            || (status.fs_filetype == __WASI_FILETYPE_CHARACTER_DEVICE && is_seekable);
        int is_plain = !is_terminal && !is_file && sandpiper_stream_encoding == NULL && sandpiper_stream_errors == NULL
            && (config->buffered_stdio || fd == 0);
        if (is_plain) {
            continue;
        }
        PyObject *stream = open_stream(config, fd);
        if (stream == NULL || set_stream(fd, stream) < 0) {
            return -1;
        }
        Py_DECREF(stream);
    }
    return 0;
}
