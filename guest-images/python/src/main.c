/* How the interpreter starts: once at image-build time (`wizer-initialize`), then either resumed from
 * that snapshot (`wizer-resume`) or, for what a warm interpreter cannot honour, from nothing
 * (`cold-start`). Both ends hand over to CPython's own Py_RunMain. */
#include "sandpiper.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>
#include <wasi/libc.h>
#include <wasi/libc-environ.h>

#include "pycore_fileutils.h"
#include "pycore_getopt.h"
#include "pycore_initconfig.h"
#include "pycore_interp.h"
#include "pycore_pylifecycle.h"
#include "pycore_pystate.h"

#define STDLIB_DIR "/usr/lib/python3.13"
#define PROGRAM L"/usr/bin/python3"
#define EXIT_USAGE 2
#define EXIT_REFUSED 125
#define EXIT_MEMORY 137

extern void __wasm_call_ctors(void);
/* In every wasi-libc; older headers do not declare it. */
extern void __wasilibc_reset_preopens(void);

int sandpiper_is_warm;

/* `_sandpiper_boot.begin`, held by the snapshot. */
static PyObject *begin;

/* libwasi-emulated-process-clocks takes its base in a constructor, which a snapshot would bake in. */
clock_t clock(void)
{
    __wasi_timestamp_t now_ns = 0;
    if (__wasi_clock_time_get(__WASI_CLOCKID_PROCESS_CPUTIME_ID, 0, &now_ns) != __WASI_ERRNO_SUCCESS) {
        (void)!__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &now_ns);
    }
    return (clock_t)now_ns;
}

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "python image: %s failed\n", what);
    if (PyErr_Occurred()) {
        PyErr_Print();
    }
    __wasi_proc_exit(EXIT_REFUSED);
}

static void check(PyStatus status)
{
    if (PyStatus_Exception(status)) {
        Py_ExitStatusException(status);
    }
}

static void set_paths(PyConfig *config)
{
    check(PyConfig_SetString(config, &config->executable, PROGRAM));
    check(PyConfig_SetString(config, &config->base_executable, PROGRAM));
    check(PyConfig_SetString(config, &config->prefix, L"/usr"));
    check(PyConfig_SetString(config, &config->base_prefix, L"/usr"));
    check(PyConfig_SetString(config, &config->exec_prefix, L"/usr"));
    check(PyConfig_SetString(config, &config->base_exec_prefix, L"/usr"));
    check(PyConfig_SetString(config, &config->stdlib_dir, L"" STDLIB_DIR));
    config->module_search_paths_set = 1;
    check(PyWideStringList_Append(&config->module_search_paths, L"/usr/lib/python313.zip"));
    check(PyWideStringList_Append(&config->module_search_paths, L"" STDLIB_DIR));
}

/* Compiles boot.py under the name of CPython's own import machinery, whose frames CPython cuts out of
 * tracebacks. */
static PyObject *load_boot(void)
{
    FILE *file = fopen(STDLIB_DIR "/_sandpiper_boot.py", "rb");
    if (file == NULL) {
        fail("opening " STDLIB_DIR "/_sandpiper_boot.py");
    }
    struct stat status;
    if (fstat(fileno(file), &status) != 0) {
        fail("fstat of _sandpiper_boot.py");
    }
    char *source = malloc((size_t)status.st_size + 1);
    if (source == NULL) {
        fail("malloc");
    }
    size_t length = fread(source, 1, (size_t)status.st_size, file);
    fclose(file);
    source[length] = 0;
    PyObject *code = Py_CompileString(source, "<frozen importlib._bootstrap_external>", Py_file_input);
    free(source);
    if (code == NULL) {
        fail("compiling _sandpiper_boot");
    }
    PyObject *module = PyImport_ExecCodeModule("_sandpiper_boot", code);
    Py_DECREF(code);
    if (module == NULL) {
        fail("running _sandpiper_boot");
    }
    return module;
}

static void call_boot(PyObject *boot, const char *name)
{
    PyObject *result = PyObject_CallMethod(boot, name, NULL);
    if (result == NULL) {
        fail(name);
    }
    Py_DECREF(result);
}

/* The image's files are under /image while the snapshot is made, and at / when it runs: a later preopen
 * for / goes before the first. */
static void mount_image_at_root(void)
{
    int image = open("/image", O_RDONLY | O_DIRECTORY);
    if (image < 0 || __wasilibc_register_preopened_fd(image, "/") != 0) {
        fail("opening /image");
    }
}

__attribute__((export_name("wizer-initialize"))) void sandpiper_initialize(void)
{
    sandpiper_is_initialising = 1;
    mount_image_at_root();
    PyImport_AppendInittab("_sandpiper", PyInit__sandpiper);
    PyImport_AppendInittab("_posixsubprocess", PyInit__posixsubprocess);

    PyPreConfig preconfig;
    PyPreConfig_InitPythonConfig(&preconfig);
    /* libc's locale is C.UTF-8 whatever the environment says, as on most machines of today. */
    preconfig.utf8_mode = 0;
    preconfig.coerce_c_locale = 0;
    preconfig.parse_argv = 0;
    check(Py_PreInitialize(&preconfig));

    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    config.parse_argv = 0;
    config.use_hash_seed = 1;
    config.hash_seed = SANDPIPER_HASH_SEED;
    config.pathconfig_warnings = 0;
    config.site_import = 0;
    config.write_bytecode = 0;
    set_paths(&config);
    PyStatus status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    check(status);

    PyThreadState *tstate = _PyThreadState_GET();
    PyConfig *active = (PyConfig *)_PyInterpreterState_GetConfig(tstate->interp);

    PyObject *boot = load_boot();
    call_boot(boot, "install");
    call_boot(boot, "prepare");
    active->site_import = 1;
    active->write_bytecode = 1;
    if (_PySys_UpdateConfig(tstate) < 0) {
        fail("updating the configuration");
    }
    if (sandpiper_streams_prepare() < 0) {
        fail("preparing the streams");
    }
    call_boot(boot, "settle");
    begin = PyObject_GetAttrString(boot, "begin");
    if (begin == NULL) {
        fail("_sandpiper_boot.begin");
    }
    Py_DECREF(boot);
    sandpiper_is_initialising = 0;
    sandpiper_is_warm = 1;
    fflush(NULL);
    __wasilibc_reset_preopens();
    __wasilibc_deinitialize_environ();
    sandpiper_settle();
}

struct arguments {
    int count;
    char **values;
};

/* Reads the command line of this run. */
static struct arguments read_arguments(void)
{
    struct arguments arguments = {0, NULL};
    size_t count = 0;
    size_t size = 0;
    if (__wasi_args_sizes_get(&count, &size) != __WASI_ERRNO_SUCCESS) {
        fail("args_sizes_get");
    }
    arguments.values = calloc(count + 1, sizeof(char *));
    char *buffer = malloc(size + 1);
    if (arguments.values == NULL || buffer == NULL) {
        fail("reading the arguments");
    }
    if (count > 0 && __wasi_args_get((uint8_t **)arguments.values, (uint8_t *)buffer) != __WASI_ERRNO_SUCCESS) {
        fail("args_get");
    }
    arguments.count = (int)count;
    return arguments;
}

/* Before anything else of a run. */
static void begin_process(void)
{
    if (sandpiper_begin() < 0) {
        fail("finding the root directory");
    }
}

/* After CPython's initialisation, which has signals do what they do in every Python. */
static void begin_signals(void)
{
    if (!sandpiper_begin_signals()) {
        return;
    }
    PyObject *module = PyImport_ImportModule("_signal");
    PyObject *ignore = module == NULL ? NULL : PyObject_GetAttrString(module, "SIG_IGN");
    PyObject *before = ignore == NULL ? NULL : PyObject_CallMethod(module, "signal", "iO", SIGINT, ignore);
    if (before == NULL) {
        fail("ignoring SIGINT");
    }
    Py_DECREF(before);
    Py_DECREF(ignore);
    Py_DECREF(module);
}

/* The value of a PYTHON* variable; NULL when unset, empty, or when the environment is to be ignored. */
static const char *environment(const PyConfig *config, const char *name)
{
    const char *value = config->use_environment ? getenv(name) : NULL;
    return value != NULL && value[0] != 0 ? value : NULL;
}

static int is_flag_set(const PyConfig *config, const char *name)
{
    const char *value = environment(config, name);
    if (value == NULL) {
        return 0;
    }
    int number = 0;
    return _Py_str_to_int(value, &number) < 0 || number != 0;
}

/* The options that a warm interpreter honours. The manifest's cold_when rule sends all others to
 * the cold start, so that meeting one here is a fault of the host. Follows config_parse_cmdline(). */
static int parse_command_line(PyConfig *config, PyWideStringList *warnings)
{
    PyWideStringList *argv = &config->orig_argv;
    int changed = 0;
    _PyOS_ResetGetOpt();
    for (;;) {
        int long_index = -1;
        int option = _PyOS_GetOpt(argv->length, argv->items, &long_index);
        if (option == EOF) {
            break;
        }
        if (option == 'c') {
            size_t length = wcslen(_PyOS_optarg);
            wchar_t *command = PyMem_RawMalloc(sizeof(wchar_t) * (length + 2));
            if (command == NULL) {
                fail("reading the command");
            }
            memcpy(command, _PyOS_optarg, length * sizeof(wchar_t));
            command[length] = '\n';
            command[length + 1] = 0;
            config->run_command = command;
            break;
        }
        if (option == 'm') {
            check(PyConfig_SetString(config, &config->run_module, _PyOS_optarg));
            break;
        }
        changed = 1;
        switch (option) {
        case 'B': config->write_bytecode = 0; break;
        case 'E': config->use_environment = 0; break;
        case 'I':
            config->isolated = 1;
            config->use_environment = 0;
            config->user_site_directory = 0;
            config->safe_path = 1;
            break;
        case 'P': config->safe_path = 1; break;
        case 'q': config->quiet++; break;
        case 's': config->user_site_directory = 0; break;
        case 'S': config->site_import = 0; break;
        case 'u': config->buffered_stdio = 0; break;
        case 'W': check(PyWideStringList_Append(warnings, _PyOS_optarg)); break;
        case 'x': config->skip_source_first_line = 1; break;
        case '_':
            /* An option without its argument, which _PyOS_GetOpt has said; as config_usage(). */
            fprintf(stderr,
                    "usage: %ls [option] ... [-c cmd | -m mod | file | -] [arg] ...\n"
                    "Try `python -h' for more information.\n",
                    argv->items[0]);
            __wasi_proc_exit(EXIT_USAGE);
        default:
            fprintf(stderr, "python image: option -%c needs the cold module\n", option);
            __wasi_proc_exit(EXIT_REFUSED);
        }
    }
    if (config->run_command == NULL && config->run_module == NULL && _PyOS_optind < argv->length
        && wcscmp(argv->items[_PyOS_optind], L"-") != 0) {
        wchar_t *absolute = NULL;
        if (_Py_abspath(argv->items[_PyOS_optind], &absolute) < 0 || absolute == NULL) {
            fail("making the file name absolute");
        }
        config->run_filename = absolute;
        /* What messages about the file begin with. */
        check(PyConfig_SetString(config, &config->program_name, argv->items[0]));
    }

    Py_ssize_t first = _PyOS_optind;
    const wchar_t *replaced = NULL;
    if (config->run_command != NULL) {
        replaced = L"-c";
    } else if (config->run_module != NULL) {
        replaced = L"-m";
    }
    if (replaced != NULL) {
        check(PyWideStringList_Append(&config->argv, replaced));
    } else if (first >= argv->length) {
        check(PyWideStringList_Append(&config->argv, L""));
    }
    for (Py_ssize_t index = first; index < argv->length; index++) {
        check(PyWideStringList_Append(&config->argv, argv->items[index]));
    }
    return changed;
}

/* PYTHON* variables, after the options, which may say to ignore them. Returns whether sys changes. */
static int parse_environment(PyConfig *config, PyWideStringList *warnings)
{
    int changed = 0;
    if (!config->use_environment) {
        return 0;
    }
    if (is_flag_set(config, "PYTHONDONTWRITEBYTECODE")) {
        config->write_bytecode = 0;
        changed = 1;
    }
    if (is_flag_set(config, "PYTHONNOUSERSITE")) {
        config->user_site_directory = 0;
        changed = 1;
    }
    if (is_flag_set(config, "PYTHONUNBUFFERED")) {
        config->buffered_stdio = 0;
    }
    if (environment(config, "PYTHONSAFEPATH") != NULL) {
        config->safe_path = 1;
        changed = 1;
    }
    const char *list = environment(config, "PYTHONWARNINGS");
    if (list != NULL) {
        wchar_t *decoded = Py_DecodeLocale(list, NULL);
        if (decoded == NULL) {
            fail("decoding PYTHONWARNINGS");
        }
        wchar_t *context = NULL;
        for (wchar_t *item = wcstok(decoded, L",", &context); item != NULL; item = wcstok(NULL, L",", &context)) {
            check(PyWideStringList_Append(warnings, item));
        }
        PyMem_RawFree(decoded);
    }
    const char *encoding = environment(config, "PYTHONIOENCODING");
    if (encoding != NULL) {
        char *copy = strdup(encoding);
        if (copy == NULL) {
            fail("strdup");
        }
        char *colon = strchr(copy, ':');
        if (colon != NULL) {
            *colon = 0;
            if (colon[1] != 0) {
                sandpiper_stream_errors = colon + 1;
            }
        }
        if (copy[0] != 0) {
            sandpiper_stream_encoding = copy;
            if (sandpiper_stream_errors == NULL) {
                sandpiper_stream_errors = "strict";
            }
        }
    }
    return changed;
}

static PyObject *environment_dict(void)
{
    PyObject *dict = PyDict_New();
    if (dict == NULL) {
        fail("making the environment");
    }
    char **entries = __wasilibc_get_environ();
    for (; entries != NULL && *entries != NULL; entries++) {
        const char *equals = strchr(*entries, '=');
        if (equals == NULL) {
            continue;
        }
        PyObject *name = PyBytes_FromStringAndSize(*entries, equals - *entries);
        PyObject *value = PyBytes_FromString(equals + 1);
        /* The first of two equal names counts, as in os.environ. */
        if (name == NULL || value == NULL || PyDict_SetDefaultRef(dict, name, value, NULL) < 0) {
            fail("making the environment");
        }
        Py_DECREF(name);
        Py_DECREF(value);
    }
    return dict;
}

/* Sets one list of sys from a wide string list. */
static void set_sys_list(const char *name, const PyWideStringList *list)
{
    PyObject *object = PyList_New(list->length);
    if (object == NULL) {
        fail(name);
    }
    for (Py_ssize_t index = 0; index < list->length; index++) {
        PyObject *item = PyUnicode_FromWideChar(list->items[index], -1);
        if (item == NULL) {
            fail(name);
        }
        PyList_SET_ITEM(object, index, item);
    }
    if (PySys_SetObject(name, object) < 0) {
        fail(name);
    }
    Py_DECREF(object);
}

static int exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

/* Whether boot.py has to add a site directory: one stat for each place that may have one. */
static int has_site_directories(const PyConfig *config)
{
    if (!config->site_import) {
        return 0;
    }
    if (exists(".venv/lib") || exists(STDLIB_DIR "/site-packages")) {
        return 1;
    }
    if (config->user_site_directory) {
        if (environment(config, "PYTHONUSERBASE") != NULL) {
            return 1;
        }
        const char *home = getenv("HOME");
        char path[512];
        if (home != NULL && snprintf(path, sizeof path, "%s/.local/lib", home) < (int)sizeof path && exists(path)) {
            return 1;
        }
    }
    return 0;
}

/* Runs the program as Py_RunMain does; an uncaught MemoryError becomes exit code 137. */
_Noreturn static void run_main(void)
{
    int code = Py_RunMain();
    if (code == 1 && sandpiper_has_memory_error) {
        code = EXIT_MEMORY;
    }
    fflush(NULL);
    __wasi_proc_exit((__wasi_exitcode_t)(code & 0xff));
}

__attribute__((export_name("wizer-resume"))) void sandpiper_resume(void)
{
    __wasilibc_maybe_reinitialize_environ_eagerly();
    begin_process();
    struct arguments arguments = read_arguments();

    PyThreadState *tstate = _PyThreadState_GET();
    PyConfig *config = (PyConfig *)_PyInterpreterState_GetConfig(tstate->interp);
    _PyWideStringList_Clear(&config->argv);
    _PyWideStringList_Clear(&config->orig_argv);
    for (int index = 0; index < arguments.count; index++) {
        wchar_t *decoded = Py_DecodeLocale(arguments.values[index], NULL);
        if (decoded == NULL) {
            fail("decoding the arguments");
        }
        check(PyWideStringList_Append(&config->orig_argv, decoded));
        PyMem_RawFree(decoded);
    }
    PyWideStringList options = {0, NULL};
    int changed = parse_command_line(config, &options);
    /* As natively: the variable's filters first, so that the option's, which come later, win. */
    changed |= parse_environment(config, &config->warnoptions);
    for (Py_ssize_t index = 0; index < options.length; index++) {
        check(PyWideStringList_Append(&config->warnoptions, options.items[index]));
    }
    if (changed && _PySys_UpdateConfig(tstate) < 0) {
        fail("updating the configuration");
    }
    set_sys_list("argv", &config->argv);
    set_sys_list("orig_argv", &config->orig_argv);
    if (config->warnoptions.length > 0) {
        set_sys_list("warnoptions", &config->warnoptions);
    }
    if (sandpiper_streams_open(config) < 0) {
        fail("opening the standard streams");
    }

    const char *search_path = environment(config, "PYTHONPATH");
    PyObject *search_path_object = search_path != NULL ? PyUnicode_DecodeFSDefault(search_path) : Py_NewRef(Py_None);
    PyObject *environ = environment_dict();
    PyObject *flags = PyLong_FromLong((config->warnoptions.length > 0 ? 1 : 0) | (has_site_directories(config) ? 2 : 0)
                                      | (config->site_import ? 0 : 4));
    if (search_path_object == NULL || flags == NULL) {
        fail("preparing the run");
    }
    PyObject *result = PyObject_CallFunctionObjArgs(begin, environ, search_path_object, flags, NULL);
    if (result == NULL) {
        fail("_sandpiper_boot.begin");
    }
    Py_DECREF(result);
    Py_DECREF(environ);
    Py_DECREF(search_path_object);
    Py_DECREF(flags);
    begin_signals();
    run_main();
}

__attribute__((export_name("cold-start"))) void sandpiper_cold_start(void)
{
    __wasm_call_ctors();
    begin_process();
    struct arguments arguments = read_arguments();
    PyImport_AppendInittab("_sandpiper", PyInit__sandpiper);
    PyImport_AppendInittab("_posixsubprocess", PyInit__posixsubprocess);

    PyPreConfig preconfig;
    PyPreConfig_InitPythonConfig(&preconfig);
    preconfig.coerce_c_locale = 0;
    check(Py_PreInitializeFromBytesArgs(&preconfig, arguments.count, arguments.values));

    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    set_paths(&config);
    PyStatus status = PyConfig_SetBytesArgv(&config, arguments.count, arguments.values);
    if (!PyStatus_Exception(status)) {
        status = Py_InitializeFromConfig(&config);
    }
    PyConfig_Clear(&config);
    if (PyStatus_IsExit(status)) {
        fflush(NULL);
        __wasi_proc_exit((__wasi_exitcode_t)(status.exitcode & 0xff));
    }
    check(status);

    PyObject *boot = load_boot();
    call_boot(boot, "install");
    const PyConfig *active = _PyInterpreterState_GetConfig(_PyThreadState_GET()->interp);
    PyObject *result = PyObject_CallMethod(boot, "begin_cold", "zi", environment(active, "PYTHONPATH"), active->site_import);
    if (result == NULL) {
        fail("_sandpiper_boot.begin_cold");
    }
    Py_DECREF(result);
    Py_DECREF(boot);
    begin_signals();
    run_main();
}
