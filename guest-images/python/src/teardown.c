/* How a warm interpreter ends: what a program can see of CPython's finalization (thread shutdown, atexit,
 * flushing, the end of the program's own modules with their finalizers and open files), without taking
 * down what came out of the snapshot. Linked over Py_FinalizeEx and Py_Exit with --wrap. */
#include "sandpiper.h"

#include <stdlib.h>
#include <wasi/api.h>

#include "pycore_fileutils.h"
#include "pycore_gc.h"
#include "pycore_interp.h"
#include "pycore_moduleobject.h"
#include "pycore_pylifecycle.h"
#include "pycore_pystate.h"
#include "pycore_sysmodule.h"
#include "pycore_weakref.h"

int __real_Py_FinalizeEx(void);
_Noreturn void __real_Py_Exit(int code);

int sandpiper_has_memory_error;

static void ignore_error(const char *where)
{
    if (PyErr_Occurred()) {
        PyErr_FormatUnraisable("Exception ignored %s", where);
    }
}

/* As wait_for_thread_shutdown(): what threading registered to run before atexit. */
static void shut_threading_down(void)
{
    PyObject *name = PyUnicode_InternFromString("threading");
    PyObject *threading = name == NULL ? NULL : PyImport_GetModule(name);
    Py_XDECREF(name);
    if (threading != NULL) {
        PyObject *result = PyObject_CallMethod(threading, "_shutdown", NULL);
        Py_XDECREF(result);
        Py_DECREF(threading);
    }
    ignore_error("on threading shutdown");
}

static int is_closed(PyObject *file)
{
    PyObject *closed = PyObject_GetAttrString(file, "closed");
    int truth = closed == NULL ? -1 : PyObject_IsTrue(closed);
    Py_XDECREF(closed);
    if (truth < 0) {
        PyErr_Clear();
        return 0;
    }
    return truth;
}

/* As flush_std_files(). */
static int flush_standard_streams(void)
{
    int status = 0;
    PyObject *file = PySys_GetObject("stdout");
    if (file != NULL && file != Py_None && !is_closed(file)) {
        Py_INCREF(file);
        if (_PyFile_Flush(file) < 0) {
            PyErr_FormatUnraisable("Exception ignored on flushing sys.stdout");
            status = -1;
        }
        Py_DECREF(file);
    }
    file = PySys_GetObject("stderr");
    if (file != NULL && file != Py_None && !is_closed(file)) {
        Py_INCREF(file);
        if (_PyFile_Flush(file) < 0) {
            PyErr_Clear();
            status = -1;
        }
        Py_DECREF(file);
    }
    return status;
}

/* As finalize_modules_delete_special(): where user values hide. Only what the program set is touched. */
static void forget_special_values(PyInterpreterState *interp)
{
    static const char *const names[] = {"path", "argv", "ps1", "ps2", "last_exc", "last_type",
                                        "last_value", "last_traceback", "__interactivehook__", NULL};
    if (PyDict_GetItemString(interp->builtins, "_") != NULL) {
        PyDict_SetItemString(interp->builtins, "_", Py_None);
    }
    for (int index = 0; names[index] != NULL; index++) {
        PyObject *value = PyDict_GetItemString(interp->sysdict, names[index]);
        if (value != NULL && value != Py_None && !_Py_IsImmortal(value)) {
            PyDict_SetItemString(interp->sysdict, names[index], Py_None);
        }
    }
    static const char *const streams[][2] = {{"stdin", "__stdin__"}, {"stdout", "__stdout__"}, {"stderr", "__stderr__"}};
    for (int index = 0; index < 3; index++) {
        PyObject *original = PyDict_GetItemString(interp->sysdict, streams[index][1]);
        if (original != NULL && PyDict_GetItemString(interp->sysdict, streams[index][0]) != original) {
            PyDict_SetItemString(interp->sysdict, streams[index][0], original);
        }
    }
    PyErr_Clear();
}

/* As finalize_modules(), for the modules that did not come out of the snapshot. */
static void end_modules(PyInterpreterState *interp)
{
    PyObject *modules = interp->imports.modules;
    PyObject *weak = PyList_New(0);
    PyObject *names = PyList_New(0);
    if (modules == NULL || weak == NULL || names == NULL) {
        PyErr_Clear();
        return;
    }
    Py_ssize_t position = 0;
    PyObject *name;
    PyObject *module;
    while (PyDict_Next(modules, &position, &name, &module)) {
        if (_Py_IsImmortal(module)) {
            continue;
        }
        if (PyModule_Check(module)) {
            PyObject *reference = PyWeakref_NewRef(module, NULL);
            if (reference == NULL || PyList_Append(weak, reference) < 0) {
                PyErr_Clear();
            }
            Py_XDECREF(reference);
        }
        if (PyList_Append(names, name) < 0) {
            PyErr_Clear();
        }
    }
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(names); index++) {
        if (PyDict_SetItem(modules, PyList_GET_ITEM(names, index), Py_None) < 0) {
            PyErr_Clear();
        }
    }
    for (Py_ssize_t index = 0; index < PyList_GET_SIZE(names); index++) {
        if (PyDict_DelItem(modules, PyList_GET_ITEM(names, index)) < 0) {
            PyErr_Clear();
        }
    }
    Py_DECREF(names);
    _PyGC_CollectNoFail(_PyThreadState_GET());
    for (Py_ssize_t index = PyList_GET_SIZE(weak) - 1; index >= 0; index--) {
        PyObject *alive = _PyWeakref_GET_REF(PyList_GET_ITEM(weak, index));
        if (alive != NULL) {
            _PyModule_Clear(alive);
            Py_DECREF(alive);
        }
    }
    Py_DECREF(weak);
    _PyGC_CollectNoFail(_PyThreadState_GET());
}

/* Files that only the snapshot's modules still hold (a logger's stream, a cache): CPython would close them
 * when it clears those modules. */
static void flush_files_left_open(PyInterpreterState *interp)
{
    PyObject *io = PyImport_ImportModule("_io");
    PyObject *text = io == NULL ? NULL : PyObject_GetAttrString(io, "TextIOWrapper");
    PyObject *buffered = io == NULL ? NULL : PyObject_GetAttrString(io, "_BufferedIOBase");
    PyObject *objects = _PyGC_GetObjects(interp, -1);
    if (text != NULL && buffered != NULL && objects != NULL) {
        for (Py_ssize_t index = PyList_GET_SIZE(objects) - 1; index >= 0; index--) {
            PyObject *object = PyList_GET_ITEM(objects, index);
            if ((PyObject_TypeCheck(object, (PyTypeObject *)text) || PyObject_TypeCheck(object, (PyTypeObject *)buffered))
                && !is_closed(object) && _PyFile_Flush(object) < 0) {
                PyErr_Clear();
            }
        }
    }
    PyErr_Clear();
    Py_XDECREF(objects);
    Py_XDECREF(buffered);
    Py_XDECREF(text);
    Py_XDECREF(io);
}

static int finish(void)
{
    PyThreadState *tstate = _PyThreadState_GET();
    PyInterpreterState *interp = tstate->interp;
    int status = 0;
    shut_threading_down();
    _PyAtExit_Call(interp);
    if (flush_standard_streams() < 0) {
        status = -1;
    }
    PyGC_Collect();
    forget_special_values(interp);
    end_modules(interp);
    flush_files_left_open(interp);
    if (flush_standard_streams() < 0) {
        status = -1;
    }
    return status;
}

/* Exceptions that one was raised in the place of, at most. */
#define CHAIN_MAX 16

/* Tells the host of a package that an exception says is not there. */
static void tell_absent_package(PyObject *exception)
{
    if (!PyErr_GivenExceptionMatches(exception, PyExc_ModuleNotFoundError)) {
        return;
    }
    PyObject *name = PyObject_GetAttrString(exception, "name");
    const char *text = name != NULL && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    if (text != NULL) {
        sandpiper_tell_unsupported("package", text);
    }
    PyErr_Clear();
    Py_XDECREF(name);
}

/* Tells the host of what the program ended without: of the exception that ended it, and of those that this one was
 * raised for. */
static void tell_what_was_absent(PyObject *last)
{
    PyObject *exception = Py_NewRef(last);
    for (int depth = 0; exception != NULL && depth < CHAIN_MAX; depth++) {
        tell_absent_package(exception);
        sandpiper_tell_absent_program(exception);
        PyObject *cause = PyException_GetCause(exception);
        Py_SETREF(exception, cause != NULL ? cause : PyException_GetContext(exception));
    }
    Py_XDECREF(exception);
}

int __wrap_Py_FinalizeEx(void)
{
    PyObject *last = PySys_GetObject("last_exc");
    sandpiper_has_memory_error = last != NULL && PyErr_GivenExceptionMatches(last, PyExc_MemoryError);
    if (last != NULL && PyExceptionInstance_Check(last)) {
        tell_what_was_absent(last);
    }
    return sandpiper_is_warm ? finish() : __real_Py_FinalizeEx();
}

_Noreturn void __wrap_Py_Exit(int code)
{
    if (!sandpiper_is_warm) {
        __real_Py_Exit(code);
    }
    if (finish() < 0) {
        code = 120;
    }
    fflush(NULL);
    __wasi_proc_exit((__wasi_exitcode_t)(code & 0xff));
}
