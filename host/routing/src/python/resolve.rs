//! Where a module is: as CPython's path finders look for it.

use super::program::Program;
use crate::executable::{has_extension, is_native_library};
use crate::files::{FileKind, Listing};
use crate::image::MISSING_MODULES;
use crate::path;

/// What an import finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A file, and the package's directory if it is one's `__init__.py`.
    Source { file: String, package: Option<String> },
    /// Directories without `__init__.py`.
    Namespace(Vec<String>),
    /// Machine code.
    Native(String),
    /// Of the image.
    Builtin,
    /// CPython's, and not of the image.
    NotInImage,
    /// Without a file.
    Missing,
}

/// Modules that are found before any file.
const BEFORE_FILES: &[&str] = &[
    "_abc",
    "_codecs",
    "_collections",
    "_functools",
    "_imp",
    "_io",
    "_operator",
    "_signal",
    "_sre",
    "_stat",
    "_thread",
    "_warnings",
    "_weakref",
    "abc",
    "array",
    "atexit",
    "binascii",
    "builtins",
    "cmath",
    "codecs",
    "errno",
    "faulthandler",
    "gc",
    "genericpath",
    "io",
    "itertools",
    "marshal",
    "math",
    "ntpath",
    "os",
    "posix",
    "posixpath",
    "pyexpat",
    "select",
    "site",
    "stat",
    "sys",
    "time",
    "unicodedata",
    "zipimport",
    "zlib",
];

/// Modules of other systems, which no backend has.
const ELSEWHERE: &[&str] = &["_winapi", "java", "msvcrt", "winreg", "winsound", "nt", "pywin32", "win32api"];

impl Program<'_, '_> {
    /// Finds a top-level module.
    pub fn find_top(&mut self, name: &str) -> Found {
        if BEFORE_FILES.contains(&name) {
            return Found::Builtin;
        }
        if let Some(found) = self.found.get(name).filter(|(count, _)| *count == self.search.len()) {
            return found.1.clone();
        }
        let found = self.find_top_anew(name);
        self.found.insert(name.to_owned(), (self.search.len(), found.clone()));
        found
    }

    fn find_top_anew(&mut self, name: &str) -> Found {
        let mut namespaces = Vec::new();
        let search = std::mem::take(&mut self.search);
        let found = self.find_in(&search, name, &mut namespaces);
        self.search = search;
        if let Some(found) = found {
            return found;
        }
        if self.analysis.image.python_modules.contains(name) || ELSEWHERE.contains(&name) {
            return Found::Builtin;
        }
        let sites = std::mem::take(&mut self.sites);
        let found = self.find_in(&sites, name, &mut namespaces);
        self.sites = sites;
        if let Some(found) = found {
            return found;
        }
        if MISSING_MODULES.contains(&name) {
            return Found::NotInImage;
        }
        if namespaces.is_empty() { Found::Missing } else { Found::Namespace(namespaces) }
    }

    /// Finds a module in directories; one without `__init__.py` is noted, and the search goes on.
    pub fn find_in(&mut self, folders: &[String], name: &str, namespaces: &mut Vec<String>) -> Option<Found> {
        let file = format!("{name}.py");
        let compiled = format!("{name}.pyc");
        for folder in folders {
            let Some(listing) = self.analysis.view.list(folder) else { continue };
            let inner = listing.get(name) == Some(FileKind::Directory);
            if inner {
                let package = path::join(folder, name);
                if let Some(inside) = self.analysis.view.list(&package) {
                    if inside.get("__init__.py").is_some() {
                        let file = path::join(&package, "__init__.py");
                        return Some(Found::Source { file, package: Some(package) });
                    }
                    if holds_modules(&inside) && namespaces.len() < 8 {
                        namespaces.push(package);
                    }
                }
            }
            if listing.get(&file) == Some(FileKind::File) {
                return Some(Found::Source { file: path::join(folder, &file), package: None });
            }
            if listing.get(&compiled).is_some() {
                return Some(Found::Builtin);
            }
            if let Some(native) = native_library(&listing, name) {
                return Some(Found::Native(path::join(folder, &native)));
            }
        }
        None
    }
}

fn holds_modules(listing: &Listing) -> bool {
    listing.names.iter().any(|(name, kind)| match kind {
        FileKind::Directory => name != "__pycache__" && !name.starts_with('.'),
        FileKind::File => has_extension(name, "py") || is_native_library(name),
    })
}

fn native_library(listing: &Listing, name: &str) -> Option<String> {
    if !listing.has_native {
        return None;
    }
    let is_it = |file: &&String| {
        file.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')) && is_native_library(file)
    };
    listing.names.keys().filter(is_it).min().cloned()
}
