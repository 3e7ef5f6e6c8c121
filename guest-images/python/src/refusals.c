/* The builtin module `_sandpiper`: what this sandbox cannot do, said to the program as an exception and
 * to the host through `sandpiper:host/diagnostics`. */
#include "sandpiper.h"

#include <string.h>

#define NOT_HERE "not available in sandpiper's local WASM sandbox"
#define ELSEWHERE "route this to a remote backend (E2B, Daytona) when one is configured"
#define WAY_OUT NOT_HERE "; " ELSEWHERE

/* The canonical ABI of `unsupported: func(feature: string, detail: string)`. */
__attribute__((import_module("sandpiper:host/diagnostics@0.1.0"), import_name("unsupported"))) extern void
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

void sandpiper_tell_unsupported(const char *feature, const char *detail)
{
    host_unsupported(feature, strlen(feature), detail, strlen(detail));
}

PyObject *sandpiper_refuse(PyObject *exception, int number, const char *feature, const char *subject,
                           const char *advice)
{
    sandpiper_tell_unsupported(feature, subject);
    PyObject *message = advice == NULL
        ? PyUnicode_FromFormat("%s: %s", subject, WAY_OUT)
        : PyUnicode_FromFormat("%s: %s; %s, or %s", subject, NOT_HERE, advice, ELSEWHERE);
    if (message == NULL) {
        return NULL;
    }
    PyObject *value = number == 0 ? PyObject_CallOneArg(exception, message)
                                  : PyObject_CallFunction(exception, "iO", number, message);
    Py_DECREF(message);
    if (value != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(value), value);
        Py_DECREF(value);
    }
    return NULL;
}

/* Called in place of what is refused; `self` is what it was made with (refusal). */
static PyObject *raise_refusal(PyObject *self, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    PyObject *exception;
    int number;
    const char *feature;
    const char *subject;
    const char *advice;
    if (!PyArg_ParseTuple(self, "Oissz", &exception, &number, &feature, &subject, &advice)) {
        return NULL;
    }
    return sandpiper_refuse(exception, number, feature, subject, advice);
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

/* refusal(exception, errno or 0, feature, subject, advice or None) */
static PyObject *refusal(PyObject *module, PyObject *args)
{
    PyObject *exception;
    int number;
    const char *feature;
    const char *subject;
    const char *advice;
    (void)module;
    if (!PyArg_ParseTuple(args, "Oissz:refusal", &exception, &number, &feature, &subject, &advice)) {
        return NULL;
    }
    PyMethodDef *method = refusal_method(subject);
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
