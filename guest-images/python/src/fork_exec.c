/* The builtin module `_posixsubprocess`, which `subprocess` starts programs with: `fork_exec` over the host's
 * spawn. What CPython's does between fork and exec is done here before, or asked of the host. */
#include "sandpiper.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/libc-environ.h>

#include "host.h"
#include "posix.h"

/* More descriptors than a process may have are not kept. */
#define MAPPINGS 4096
/* As Linux has it. */
#define LINUX_ENOTSUP 95

/* What fork_exec is asked for. */
struct request {
    PyObject *args;
    PyObject *executables;
    int close_fds;
    PyObject *kept;
    PyObject *cwd;
    PyObject *env;
    int p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, errpipe_read, errpipe_write;
    int restore_signals;
    int call_setsid;
    int process_group;
    PyObject *gid;
    PyObject *groups;
    PyObject *uid;
    int umask;
    PyObject *preexec_fn;
    int allow_vfork;
};

/* It in C. */
struct prepared {
    char **executables;
    char **arguments;
    char **environment;
    char directory[SANDPIPER_PATH_MAX];
    struct host_mapping *mappings;
    size_t mappings_length;
};

/* What happened before the program could be started, as subprocess.py reads it. */
enum stage { STARTING, PREPARING, CHANGING_DIRECTORY };

static const char *const stage_names[] = {"", "noexec", "noexec:chdir"};

/* Writes to the pipe what the child would have written, with the number that errno has. */
static void report(int fd, enum stage stage)
{
    char text[64];
    int length = snprintf(text, sizeof text, "OSError:%X:%s", (unsigned)*sandpiper_errno(), stage_names[stage]);
    (void)!write(fd, text, (size_t)length);
}

/* Functions of os that are called in the child to lead a group or a session, as every process here does. */
static int makes_a_group(PyObject *function)
{
    static const char *const names[] = {"setsid", "setpgrp"};
    PyObject *posix = PyImport_ImportModule("posix");
    int found = 0;
    for (int index = 0; posix != NULL && index < 2; index++) {
        PyObject *known = PyObject_GetAttrString(posix, names[index]);
        found |= known == function;
        Py_XDECREF(known);
    }
    Py_XDECREF(posix);
    PyErr_Clear();
    return found;
}

static PyObject *converted(PyObject *args)
{
    PyObject *items = PySequence_Tuple(args);
    PyObject *result = items == NULL ? NULL : PyTuple_New(PyTuple_GET_SIZE(items));
    for (Py_ssize_t index = 0; result != NULL && index < PyTuple_GET_SIZE(items); index++) {
        PyObject *bytes;
        if (!PyUnicode_FSConverter(PyTuple_GET_ITEM(items, index), &bytes)) {
            Py_CLEAR(result);
            break;
        }
        PyTuple_SET_ITEM(result, index, bytes);
    }
    Py_XDECREF(items);
    return result;
}

/* The strings of a tuple of bytes, whose they are, and a NULL; NULL with an exception. */
static char **strings(PyObject *tuple)
{
    Py_ssize_t length = PyTuple_GET_SIZE(tuple);
    char **list = malloc(((size_t)length + 1) * sizeof *list);
    if (list == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t index = 0; index < length; index++) {
        if (PyBytes_AsStringAndSize(PyTuple_GET_ITEM(tuple, index), &list[index], NULL) < 0) {
            free(list);
            return NULL;
        }
    }
    list[length] = NULL;
    return list;
}

/* The numbers to keep have to come in order, which says too that there are no doubles. */
static int are_in_order(PyObject *kept)
{
    long before = -1;
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(kept); index++) {
        PyObject *item = PyTuple_GET_ITEM(kept, index);
        long fd = PyLong_Check(item) ? PyLong_AsLong(item) : -1;
        if (fd < 0 || fd <= before || fd > INT_MAX) {
            PyErr_Clear();
            return 0;
        }
        before = fd;
    }
    return 1;
}

static void map(struct prepared *prepared, int from, int to)
{
    if (prepared->mappings_length < MAPPINGS) {
        prepared->mappings[prepared->mappings_length++] = (struct host_mapping){(uint32_t)from, (uint32_t)to};
    }
}

/* The child's descriptors: the three streams, those to keep, and where others are not closed, those which the
 * program lets programs have. */
static void map_descriptors(const struct request *request, struct prepared *prepared)
{
    const int streams[] = {request->p2cread, request->c2pwrite, request->errwrite};
    for (int to = 0; to < 3; to++) {
        if (streams[to] >= 0) {
            map(prepared, streams[to], to);
        } else if (sandpiper_is_inheritable(to) && sandpiper_is_open(to)) {
            map(prepared, to, to);
        }
    }
    if (!request->close_fds) {
        struct host_mapping *inherited = malloc(MAPPINGS * sizeof *inherited);
        size_t count = inherited == NULL ? 0 : sandpiper_inherited(inherited, MAPPINGS);
        for (size_t index = 0; index < count; index++) {
            if (inherited[index].from > 2) {
                map(prepared, (int)inherited[index].from, (int)inherited[index].to);
            }
        }
        free(inherited);
    }
    for (Py_ssize_t index = 0; index < PyTuple_GET_SIZE(request->kept); index++) {
        int fd = (int)PyLong_AsLong(PyTuple_GET_ITEM(request->kept, index));
        if (fd > 2 && fd != request->errpipe_write && (request->close_fds || !sandpiper_is_inheritable(fd))) {
            map(prepared, fd, fd);
        }
    }
}

/* The directory in which the program starts; 0 when there is none, with errno. */
static int find_directory(const char *cwd, char directory[SANDPIPER_PATH_MAX])
{
    if (cwd == NULL) {
        return getcwd(directory, SANDPIPER_PATH_MAX) != NULL;
    }
    struct stat status;
    if (stat(cwd, &status) != 0) {
        return 0;
    }
    if (!S_ISDIR(status.st_mode)) {
        errno = ENOTDIR;
        return 0;
    }
    if (access(cwd, X_OK) != 0) {
        return 0;
    }
    char *real = realpath(cwd, NULL);
    char buffer[SANDPIPER_PATH_MAX];
    const char *absolute = real != NULL ? real : sandpiper_absolute(cwd, buffer);
    int is_found = absolute != NULL && strlen(absolute) < SANDPIPER_PATH_MAX;
    if (is_found) {
        memcpy(directory, absolute, strlen(absolute) + 1);
    } else if (absolute != NULL) {
        errno = ENAMETOOLONG;
    }
    free(real);
    return is_found;
}

/* The program that was looked for last and is nowhere, as it was named; empty where there is none. */
static char absent_program[256];

static void note_if_absent(char *const *executables)
{
    const char *name = NULL;
    for (size_t index = 0; executables[index] != NULL; index++) {
        if (access(executables[index], F_OK) == 0) {
            return;
        }
        name = strrchr(executables[index], '/');
    }
    if (name != NULL && strlen(name + 1) < sizeof absent_program) {
        strcpy(absent_program, name + 1);
    }
}

void sandpiper_tell_absent_program(PyObject *exception)
{
    if (absent_program[0] == '\0' || !PyErr_GivenExceptionMatches(exception, PyExc_FileNotFoundError)) {
        return;
    }
    PyObject *filename = PyObject_GetAttrString(exception, "filename");
    PyObject *bytes = NULL;
    /* A path is not that name: the program may have been about to make it. */
    if (filename != NULL && PyUnicode_FSConverter(filename, &bytes)
        && strcmp(PyBytes_AS_STRING(bytes), absent_program) == 0) {
        sandpiper_tell_unsupported("command", absent_program);
    }
    PyErr_Clear();
    Py_XDECREF(bytes);
    Py_XDECREF(filename);
}

/* Tries one place after the other, and says of the failures what execvp says. */
static int start(const struct request *request, const struct prepared *prepared)
{
    int kept_error = 0;
    for (size_t index = 0; prepared->executables[index] != NULL; index++) {
        struct sandpiper_start start = {
            prepared->executables[index], prepared->arguments,
            request->env == Py_None ? __wasilibc_get_environ() : prepared->environment, prepared->directory,
            prepared->mappings, prepared->mappings_length,
        };
        int pid = sandpiper_spawn(&start);
        if (pid >= 0) {
            return pid;
        }
        if (errno != ENOENT && errno != ENOTDIR && kept_error == 0) {
            kept_error = errno;
        }
        if (errno == EAGAIN) {
            break;
        }
    }
    if (kept_error != 0) {
        errno = kept_error;
    }
    return -1;
}

/* With the signals and the mask that the program is to begin with. */
static int start_with_its_state(const struct request *request, const struct prepared *prepared)
{
    struct host_action before;
    int is_restored = request->restore_signals && sandpiper_is_ignored(SIGPIPE);
    if (is_restored) {
        host_act(SIGPIPE, HOST_DEFAULT, &before);
    }
    uint32_t mask = request->umask >= 0 ? host_umask((uint32_t)request->umask) : 0;
    int pid = start(request, prepared);
    int error = errno;
    if (request->umask >= 0) {
        host_umask(mask);
    }
    if (is_restored) {
        host_act(SIGPIPE, HOST_IGNORE, &before);
    }
    errno = error;
    return pid;
}

/* The child's number; -1 with an exception. What keeps the program from starting is said through the pipe. */
static int run(const struct request *request, const char *cwd, struct prepared *prepared)
{
    if (!find_directory(cwd, prepared->directory)) {
        report(request->errpipe_write, CHANGING_DIRECTORY);
        return sandpiper_stillborn();
    }
    if (request->process_group > 0) {
        /* There is no group of several processes. */
        errno = EPERM;
        report(request->errpipe_write, PREPARING);
        return sandpiper_stillborn();
    }
    map_descriptors(request, prepared);
    int pid = start_with_its_state(request, prepared);
    if (pid < 0 && errno == EAGAIN) {
        /* Natively it is fork that fails. */
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (pid < 0) {
        int error = errno;
        note_if_absent(prepared->executables);
        errno = error;
        report(request->errpipe_write, STARTING);
        return sandpiper_stillborn();
    }
    return pid;
}

/* Whether the request makes sense; 0 with an exception. */
static int is_sound(const struct request *request)
{
    if (request->close_fds && request->errpipe_write < 3) {
        PyErr_SetString(PyExc_ValueError, "errpipe_write must be >= 3");
        return 0;
    }
    if (!are_in_order(request->kept)) {
        PyErr_SetString(PyExc_ValueError, "bad value(s) in fds_to_keep");
        return 0;
    }
    return 1;
}

/* Says no to what cannot be had; 0 with an exception. */
static int is_possible(const struct request *request)
{
    if (request->gid != Py_None || request->uid != Py_None || request->groups != Py_None) {
        sandpiper_refuse(PyExc_OSError, LINUX_ENOTSUP, "processes", "running a program as another user", NULL);
        return 0;
    }
    if (request->preexec_fn != Py_None && !makes_a_group(request->preexec_fn)) {
        sandpiper_refuse(PyExc_OSError, LINUX_ENOTSUP, "processes", "subprocess with preexec_fn",
                         "say what the child needs with cwd, env, umask, pass_fds or start_new_session");
        return 0;
    }
    return 1;
}

static PyObject *fork_exec(PyObject *module, PyObject *args)
{
    struct request request;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOpO!OOiiiiiiiippiOOOiOp:fork_exec", &request.args, &request.executables,
                          &request.close_fds, &PyTuple_Type, &request.kept, &request.cwd, &request.env,
                          &request.p2cread, &request.p2cwrite, &request.c2pread, &request.c2pwrite, &request.errread,
                          &request.errwrite, &request.errpipe_read, &request.errpipe_write, &request.restore_signals,
                          &request.call_setsid, &request.process_group, &request.gid, &request.groups, &request.uid,
                          &request.umask, &request.preexec_fn, &request.allow_vfork)) {
        return NULL;
    }
    if (!is_sound(&request)) {
        return NULL;
    }
    int pid = -1;
    struct prepared prepared = {0};
    PyObject *cwd = NULL;
    PyObject *arguments = converted(request.args);
    PyObject *executables = PySequence_Tuple(request.executables);
    PyObject *environment = request.env == Py_None ? PyTuple_New(0) : PySequence_Tuple(request.env);
    if (arguments == NULL || executables == NULL || environment == NULL
        || (request.cwd != Py_None && !PyUnicode_FSConverter(request.cwd, &cwd))
        || (prepared.arguments = strings(arguments)) == NULL || (prepared.executables = strings(executables)) == NULL
        || (prepared.environment = strings(environment)) == NULL || !is_possible(&request)) {
        goto done;
    }
    prepared.mappings = malloc(MAPPINGS * sizeof *prepared.mappings);
    if (prepared.mappings == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    pid = run(&request, cwd == NULL ? NULL : PyBytes_AS_STRING(cwd), &prepared);

done:
    free(prepared.mappings);
    free(prepared.environment);
    free(prepared.executables);
    free(prepared.arguments);
    Py_XDECREF(environment);
    Py_XDECREF(executables);
    Py_XDECREF(arguments);
    Py_XDECREF(cwd);
    return pid < 0 ? NULL : PyLong_FromLong(pid);
}

static PyMethodDef methods[] = {
    {"fork_exec", fork_exec, METH_VARARGS, "Starts a program, as subprocess asks for it."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
    {0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_posixsubprocess", .m_doc = "Starts programs for the subprocess module.",
    .m_size = 0, .m_methods = methods, .m_slots = slots,
};

PyObject *PyInit__posixsubprocess(void)
{
    return PyModuleDef_Init(&definition);
}
