//! Names of a program as numbers, and for each how surely code that is reached mentions it.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::need::Certainty;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameId(u32);

macro_rules! known_names {
    ($($constant:ident = $text:literal,)*) => {
        /// Names that mean something here, by their numbers, which are their places in this list.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[derive(Clone, Copy)]
        enum Known { $($constant,)* }
        $(pub const $constant: NameId = NameId(Known::$constant as u32);)*
        const KNOWN: &[&str] = &[$($text,)*];
    };
}

known_names! {
    IMPORT = "import", FROM = "from", AS = "as", DEF = "def", CLASS = "class", ASYNC = "async", IF = "if",
    ELIF = "elif", ELSE = "else", TRY = "try", EXCEPT = "except", FINALLY = "finally", FOR = "for", WHILE = "while",
    WITH = "with", MATCH = "match", RETURN = "return", RAISE = "raise", LAMBDA = "lambda", NOT = "not",
    AND = "and", OR = "or", NONE = "None", TRUE = "True", FALSE = "False",
    TYPE_CHECKING = "TYPE_CHECKING", NAME = "__name__", START = "start", EVAL = "eval", EXEC = "exec",
    GETATTR = "getattr", DUNDER_IMPORT = "__import__", SUPPRESS = "suppress", IMPORT_ERROR = "ImportError",
    MODULE_NOT_FOUND = "ModuleNotFoundError", EXCEPTION = "Exception", BASE_EXCEPTION = "BaseException",
    OS_ERROR = "OSError", FILE_NOT_FOUND = "FileNotFoundError",
    SYS = "sys", OS = "os", EXIT = "exit", QUIT = "quit", UNDERSCORE_EXIT = "_exit", SHELL = "shell", CWD = "cwd",
    PREEXEC_FN = "preexec_fn", FILE = "__file__", DIRNAME = "dirname", PARENT = "parent", PARENTS = "parents",
    GETCWD = "getcwd", RUN_IN_EXECUTOR = "run_in_executor", GLOBALS = "globals", PLATFORM = "platform",
    VERSION_INFO = "version_info", STARTSWITH = "startswith", SET_DEFAULTS = "set_defaults", ARGV = "argv", LEN = "len", IN = "in", SYSTEM = "system", NAME_OF_OS = "name", SPLIT = "split",
    SHLEX = "shlex", EXECUTABLE = "executable", OBJECT = "object", STR = "str",

}

/// The names of one program.
pub struct Names {
    ids: HashMap<Box<[u8]>, NameId, RandomState>,
    /// By number: mentioned by code that is reached, and how surely.
    mentioned: Vec<Option<Certainty>>,
    /// By number: imported under this name by some module.
    imported: Vec<bool>,
}

impl Names {
    pub fn new() -> Self {
        let mut names = Self { ids: HashMap::default(), mentioned: Vec::new(), imported: Vec::new() };
        for known in KNOWN {
            names.id(known.as_bytes());
        }
        names
    }

    /// The number of a name.
    pub fn id(&mut self, name: &[u8]) -> NameId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = NameId(u32::try_from(self.ids.len()).unwrap_or(u32::MAX));
        self.ids.insert(name.into(), id);
        self.mentioned.push(None);
        self.imported.push(false);
        id
    }

    /// Notes that code mentions a name; true if that is surer than it was.
    pub fn mention(&mut self, id: NameId, certainty: Certainty) -> bool {
        match usize::try_from(id.0).ok().and_then(|index| self.mentioned.get_mut(index)) {
            Some(mentioned) if *mentioned < Some(certainty) => {
                *mentioned = Some(certainty);
                true
            }
            _ => false,
        }
    }

    /// How surely a name is mentioned.
    pub fn mentioned(&self, id: NameId) -> Option<Certainty> {
        usize::try_from(id.0).ok().and_then(|index| self.mentioned.get(index).copied().flatten())
    }

    /// Notes that a module imports something as this name.
    pub fn note_imported(&mut self, id: NameId) {
        if let Some(imported) = usize::try_from(id.0).ok().and_then(|index| self.imported.get_mut(index)) {
            *imported = true;
        }
    }

    /// Whether some module imports something as this name.
    pub fn is_imported(&self, id: NameId) -> bool {
        usize::try_from(id.0).ok().and_then(|index| self.imported.get(index)).copied().unwrap_or(false)
    }
}
