//! `python -m`: a module as the program, and runners of tests and of other programs.

use super::program::Program;
use super::resolve::Found;
use crate::analysis::Word;
use crate::executable::has_extension;
use crate::files::{self, FileKind};
use crate::need::Certainty;
use crate::path;

/// How deep below a directory tests are looked for, and how many files of them count.
const TEST_DEPTH_MAX: usize = 6;
const TEST_FILES_MAX: usize = 300;
/// Modules that run a program that is their argument.
const RUNNERS: &[&str] =
    &["cProfile", "profile", "pdb", "trace", "tracemalloc", "runpy", "coverage", "asyncio"];

impl Program<'_, '_> {
    pub(super) fn run_module(&mut self, module: &str, arguments: &[Word]) {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' || byte >= 0x80;
        if !module.bytes().all(is_name) || module.len() > 200 {
            let context = self.context.clone();
            return self.analysis.unseen("no module's name", &context);
        }
        // Its packages are imported first, and what is missing is noted.
        let import =
            self.add_module(None, String::new(), format!("import {module}").into_bytes().into(), false);
        if let Some(import) = self.modules.get_mut(import) {
            import.is_made_up = true;
        }
        self.push_module(import, self.context.certainty);
        match module {
            "unittest" => return self.find_tests(arguments, |name| name.starts_with("test")),
            "pytest" | "nose2" => {
                let is_test = |name: &str| {
                    name.starts_with("test_") || name.ends_with("_test.py") || name == "conftest.py"
                };
                return self.find_tests(arguments, is_test);
            }
            runner if RUNNERS.contains(&runner) => {
                let file = arguments.iter().flatten().find(|text| has_extension(text, "py"));
                if let Some(file) = file.and_then(|file| self.context.absolute(file)) {
                    self.run_file(&file);
                }
                return;
            }
            _ => {}
        }
        let mut parts = module.split('.');
        let mut found = Some(self.find_top(parts.next().unwrap_or_default()));
        for part in parts {
            found = match found {
                Some(Found::Source { package: Some(package), .. }) => {
                    self.find_in(&[package], part, &mut Vec::new())
                }
                Some(Found::Namespace(folders)) => self.find_in(&folders, part, &mut Vec::new()),
                _ => None,
            };
        }
        let file = match found {
            Some(Found::Source { file, package: None }) => file,
            Some(Found::Source { package: Some(package), .. }) => path::join(&package, "__main__.py"),
            Some(Found::Namespace(folders)) => match folders.first() {
                Some(folder) => path::join(folder, "__main__.py"),
                None => return,
            },
            _ => return,
        };
        self.add_main_file(&file);
    }

    fn add_main_file(&mut self, file: &str) {
        let context = self.context.clone();
        if let files::Found::Content(content, _) = self.analysis.view.read(file)
            && self.analysis.spend(content.len(), &context)
        {
            self.add_main(Some(file), path::parent(file).to_owned(), &content);
        }
    }

    /// Has files of tests looked at: those that are named, or all below a directory.
    fn find_tests(&mut self, arguments: &[Word], is_test: impl Fn(&str) -> bool) {
        self.runs_tests = true;
        let Some(cwd) = self.context.cwd.clone() else { return };
        let mut folders = Vec::new();
        let mut files = Vec::new();
        for text in arguments.iter().flatten().filter(|text| !text.starts_with('-') && *text != "discover") {
            let named = path::join(&cwd, text.split("::").next().unwrap_or_default());
            let dotted = path::join(&cwd, &format!("{}.py", text.replace('.', "/")));
            match self.analysis.view.kind(&named) {
                Some(FileKind::Directory) => folders.push((named, 0)),
                Some(FileKind::File) => files.push(named),
                None if self.analysis.view.kind(&dotted) == Some(FileKind::File) => files.push(dotted),
                None => {}
            }
        }
        if folders.is_empty() && files.is_empty() {
            folders.push((cwd, 0));
        }
        while let Some((folder, depth)) = folders.pop() {
            let Some(listing) = self.analysis.view.list(&folder) else { continue };
            let mut names: Vec<_> = listing.names.iter().collect();
            names.sort();
            for (name, kind) in names {
                let file = path::join(&folder, name);
                match kind {
                    FileKind::File if has_extension(name, "py") && is_test(name) => files.push(file),
                    FileKind::Directory
                        if depth < TEST_DEPTH_MAX && !name.starts_with('.') && name != "node_modules" =>
                    {
                        folders.push((file, depth + 1));
                    }
                    _ => {}
                }
            }
        }
        for file in files.into_iter().take(TEST_FILES_MAX) {
            let folder = path::parent(&file).to_owned();
            if !self.search.contains(&folder) && self.search.len() < 32 {
                self.search.push(folder);
            }
            self.add_test(&file);
        }
    }

    fn add_test(&mut self, file: &str) {
        let context = self.context.clone();
        if let files::Found::Content(content, _) = self.analysis.view.read(file)
            && self.analysis.spend(content.len(), &context)
        {
            let index = self.add_module(Some(file), path::parent(file).to_owned(), content, false);
            self.push_module(index, self.context.certainty.min(Certainty::Likely));
        }
    }
}
