/* Makes a start cheap: what a run writes decides its cost, page by page. Every object of the snapshot
 * becomes immortal, so that using it does not write its reference count, and the holes of the heap are
 * filled, so that what a run allocates lies close together. */
#include "sandpiper.h"

#include <stdlib.h>
#include <string.h>

#include "pycore_code.h"
#include "pycore_dict.h"
#include "pycore_gc.h"
#include "pycore_global_objects.h"
#include "pycore_interp.h"
#include "pycore_obmalloc.h"
#include "pycore_pystate.h"
#include "pycore_unicodeobject.h"

struct worklist {
    PyObject **items;
    size_t length;
    size_t capacity;
};

static void push(struct worklist *list, PyObject *object)
{
    if (list->length == list->capacity) {
        list->capacity = list->capacity == 0 ? 1 << 16 : list->capacity * 2;
        list->items = realloc(list->items, list->capacity * sizeof(PyObject *));
        if (list->items == NULL) {
            abort();
        }
    }
    list->items[list->length++] = object;
}

static int visit(PyObject *object, void *list)
{
    if (object != NULL && !_Py_IsImmortal(object)) {
        object->ob_refcnt = _Py_IMMORTAL_REFCNT;
        push(list, object);
    }
    return 0;
}

/* What tp_traverse leaves out because it cannot be part of a cycle. */
static void visit_leaves(PyObject *object, struct worklist *list)
{
    if (PyCode_Check(object)) {
        PyCodeObject *code = (PyCodeObject *)object;
        visit(code->co_consts, list);
        visit(code->co_names, list);
        visit(code->co_exceptiontable, list);
        visit(code->co_localsplusnames, list);
        visit(code->co_localspluskinds, list);
        visit(code->co_filename, list);
        visit(code->co_name, list);
        visit(code->co_qualname, list);
        visit(code->co_linetable, list);
        if (code->_co_cached != NULL) {
            visit(code->_co_cached->_co_code, list);
            visit(code->_co_cached->_co_varnames, list);
            visit(code->_co_cached->_co_cellvars, list);
            visit(code->_co_cached->_co_freevars, list);
        }
    } else if (PyDict_Check(object)) {
        Py_ssize_t position = 0;
        PyObject *key;
        PyObject *value;
        while (PyDict_Next(object, &position, &key, &value)) {
            visit(key, list);
            visit(value, list);
        }
    } else if (PyType_Check(object)) {
        PyTypeObject *type = (PyTypeObject *)object;
        visit(type->tp_dict, list);
        visit(type->tp_bases, list);
        visit(type->tp_mro, list);
        visit(type->tp_cache, list);
        if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) {
            PyHeapTypeObject *heap_type = (PyHeapTypeObject *)type;
            visit(heap_type->ht_name, list);
            visit(heap_type->ht_slots, list);
            visit(heap_type->ht_qualname, list);
            if (heap_type->ht_cached_keys != NULL && DK_IS_UNICODE(heap_type->ht_cached_keys)) {
                PyDictUnicodeEntry *entries = DK_UNICODE_ENTRIES(heap_type->ht_cached_keys);
                for (Py_ssize_t index = 0; index < heap_type->ht_cached_keys->dk_nentries; index++) {
                    visit(entries[index].me_key, list);
                }
            }
        }
    } else if (PyUnicode_Check(object)) {
        if (((PyASCIIObject *)object)->state.interned == SSTATE_INTERNED_MORTAL) {
            ((PyASCIIObject *)object)->state.interned = SSTATE_INTERNED_IMMORTAL;
        }
    } else if (PyCFunction_Check(object)) {
        visit(((PyCFunctionObject *)object)->m_self, list);
        visit(((PyCFunctionObject *)object)->m_module, list);
    }
}

static void process(PyObject *object, struct worklist *list)
{
    traverseproc traverse = Py_TYPE(object)->tp_traverse;
    /* Static builtin types refuse tp_traverse of type, which is for heap types. */
    if (traverse != NULL && !(PyType_Check(object) && !(((PyTypeObject *)object)->tp_flags & Py_TPFLAGS_HEAPTYPE))) {
        traverse(object, visit, list);
    }
    visit_leaves(object, list);
}

static int add_root(PyObject *object, void *list)
{
    if (!_Py_IsImmortal(object)) {
        object->ob_refcnt = _Py_IMMORTAL_REFCNT;
    }
    push(list, object);
    return 1;
}

static void make_immortal(PyInterpreterState *interp)
{
    struct worklist list = {NULL, 0, 0};
    PyUnstable_GC_VisitObjects(add_root, &list);
    push(&list, interp->sysdict);
    push(&list, interp->builtins);
    PyObject *interned = _Py_INTERP_CACHED_OBJECT(interp, interned_strings);
    if (interned != NULL) {
        push(&list, interned);
    }
    while (list.length > 0) {
        PyObject *object = list.items[--list.length];
        process(object, &list);
    }
    free(list.items);
}

/* Allocates every free block below the top of the heap for good; what is allocated afterwards comes from
 * the fresh, contiguous top. The blocks are zeroed, so that the image does not carry what was freed. */
static void fill_holes(void)
{
    enum { FRESH = 4 << 20, PAGE = 4096 };
    char *border;
    size_t pages;
    /* Only a block that made the memory grow is known to lie at the top. */
    do {
        pages = __builtin_wasm_memory_size(0);
        border = malloc(FRESH);
        if (border == NULL) {
            return;
        }
        memset(border, 0, FRESH);
    } while (__builtin_wasm_memory_size(0) == pages);
    for (size_t size = FRESH; size >= 16;) {
        char *block = malloc(size);
        if (block == NULL) {
            return;
        }
        if (block < border) {
            memset(block, 0, size);
            continue;
        }
        free(block);
        size = size > 1024 ? (size - size / 8) & ~(size_t)15 : size - 16;
    }
    free(border);
    /* The first allocation of the run starts a page. */
    char *first = malloc(16);
    size_t rest = PAGE - ((size_t)first & (PAGE - 1));
    if (rest > 64 && malloc(rest - 40) == NULL) {
        return;
    }
}

/* Allocates every free block in pymalloc's pools for good: a run fills pages of its own one by one, where it
 * would write a page of the snapshot for each block that happened to be free there. */
static void fill_pools(void)
{
    for (size_t size = 1; size <= SMALL_REQUEST_THRESHOLD; size += ALIGNMENT) {
        for (;;) {
            void *block = PyObject_Malloc(size);
            if (block == NULL) {
                return;
            }
            if (POOL_ADDR(block)->ref.count == 1) {
                /* The first of a fresh pool. */
                PyObject_Free(block);
                break;
            }
            memset(block, 0, size);
        }
    }
}

/* A fresh __main__, which each run ends and collects as its own. */
static int renew_main(PyInterpreterState *interp)
{
    PyObject *old = PyImport_AddModule("__main__");
    PyObject *module = old == NULL ? NULL : PyModule_New("__main__");
    if (module == NULL) {
        return -1;
    }
    PyObject *dict = PyModule_GetDict(module);
    if (PyDict_Update(dict, PyModule_GetDict(old)) < 0) {
        return -1;
    }
    int result = PyDict_SetItemString(interp->imports.modules, "__main__", module);
    Py_DECREF(module);
    return result;
}

void sandpiper_settle(void)
{
    PyThreadState *tstate = _PyThreadState_GET();
    PyInterpreterState *interp = tstate->interp;
    PyGC_Collect();
    _PyGC_Freeze(interp);
    make_immortal(interp);
    if (renew_main(interp) < 0) {
        abort();
    }
    fill_pools();
    fill_holes();
}
