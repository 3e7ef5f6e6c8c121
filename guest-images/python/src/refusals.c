/* The builtin module `_sandpiper`: what this sandbox cannot do, said to the program as an exception and
 * to the host through `sandpiper:host/diagnostics`. */
#include "sandpiper.h"

#include <string.h>

#define WAY_OUT                                                                                                  \
    "not available in sandpiper's local WASM sandbox; route this to a remote backend (E2B, Daytona) when one is " \
    "configured"

/* The canonical ABI of `unsupported: func(feature: string, detail: string)`. */
__attribute__((import_module("sandpiper:host/diagnostics"), import_name("unsupported"))) extern void
host_unsupported(const char *feature, size_t feature_length, const char *detail, size_t detail_length);

static PyObject *unsupported(PyObject *module, PyObject *args)
{
    const char *feature;
    const char *detail;
    Py_ssize_t feature_length;
    Py_ssize_t detail_length;
    (void)module;
    if (!PyArg_ParseTuple(args, "s#s#:unsupported", &feature, &feature_length, &detail, &detail_length)) {
        return NULL;
    }
    host_unsupported(feature, (size_t)feature_length, detail, (size_t)detail_length);
    Py_RETURN_NONE;
}

/* Called in place of what is refused; `self` is (exception, errno, feature, subject). */
static PyObject *raise_refusal(PyObject *self, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    PyObject *exception = PyTuple_GET_ITEM(self, 0);
    PyObject *number = PyTuple_GET_ITEM(self, 1);
    Py_ssize_t feature_length;
    Py_ssize_t subject_length;
    const char *feature = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(self, 2), &feature_length);
    const char *subject = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(self, 3), &subject_length);
    if (feature == NULL || subject == NULL) {
        return NULL;
    }
    host_unsupported(feature, (size_t)feature_length, subject, (size_t)subject_length);
    PyObject *message = PyUnicode_FromFormat("%U: %s", PyTuple_GET_ITEM(self, 3), WAY_OUT);
    if (message == NULL) {
        return NULL;
    }
    PyObject *value = number == Py_None ? PyObject_CallOneArg(exception, message)
                                        : PyObject_CallFunctionObjArgs(exception, number, message, NULL);
    Py_DECREF(message);
    if (value != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(value), value);
        Py_DECREF(value);
    }
    return NULL;
}

#define REFUSAL_DOC "($self, /, *args, **kwargs)\n--\n\nRaises: " WAY_OUT "."

/* The function's name is the last part of its subject: `system` of `os.system`. */
static PyMethodDef *refusal_method(const char *subject)
{
    const char *dot = strrchr(subject, '.');
    const char *name = dot == NULL ? subject : dot + 1;
    size_t length = strlen(name) + 1;
    /* Never freed: refusals are made once, while the interpreter starts. */
    PyMethodDef *method = PyMem_Malloc(sizeof *method + 2 * length + sizeof REFUSAL_DOC);
    if (method == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    char *name_copy = (char *)(method + 1);
    char *doc = name_copy + length;
    memcpy(name_copy, name, length);
    memcpy(doc, name, length - 1);
    memcpy(doc + length - 1, REFUSAL_DOC, sizeof REFUSAL_DOC);
    *method = (PyMethodDef){name_copy, (PyCFunction)(void (*)(void))raise_refusal, METH_VARARGS | METH_KEYWORDS, doc};
    return method;
}

static PyObject *refusal(PyObject *module, PyObject *args)
{
    PyObject *exception;
    PyObject *number;
    PyObject *feature;
    PyObject *subject;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOUU:refusal", &exception, &number, &feature, &subject)) {
        return NULL;
    }
    const char *name = PyUnicode_AsUTF8(subject);
    PyMethodDef *method = name == NULL ? NULL : refusal_method(name);
    return method == NULL ? NULL : PyCFunction_NewEx(method, args, NULL);
}

static PyMethodDef methods[] = {
    {"unsupported", unsupported, METH_VARARGS, "Tells the host that the program asked for what the sandbox cannot do."},
    {"refusal", refusal, METH_VARARGS, "Makes a callable that tells the host and raises."},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module)
{
    if (PyModule_AddStringConstant(module, "WAY_OUT", WAY_OUT) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, sandpiper_kdf_methods);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
    {0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_sandpiper", .m_doc = "What the sandbox refuses.", .m_size = 0,
    .m_methods = methods, .m_slots = slots,
};

PyObject *PyInit__sandpiper(void)
{
    return PyModuleDef_Init(&definition);
}
