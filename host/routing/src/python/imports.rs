//! Import statements: what they name, and what follows from it.

use std::rc::Rc;

use super::lexer::{Kind, Source};
use super::names::{self, NameId};
use super::program::Program;
use super::resolve::Found;
use super::statements::Frame;
use crate::files;
use crate::image::MISSING_MODULES;
use crate::need::{Certainty, ModuleLack, What};
use crate::path;

/// Where an import has come to.
enum Place {
    /// A package's directories, in which submodules are looked for.
    Package(Vec<String>),
    /// A module without submodules, or of the image.
    Module,
    /// Nothing: what is missing was noted.
    Nowhere,
}

impl Program<'_, '_> {
    /// `import a.b as c, d`
    pub fn import_statement(&mut self, source: &Source, tokens: (usize, usize), frame: Frame) {
        let mut at = tokens.0;
        while at < tokens.1 {
            let (name, next) = dotted(source, at, tokens.1);
            at = next;
            if name.is_empty() {
                at += 1;
                continue;
            }
            let (alias, next) = alias(source, at, tokens.1);
            at = next;
            let top = name.split('.').next().unwrap_or_default();
            if let Some(alias) = alias {
                self.alias(frame.module, alias, &name);
            } else {
                let id = self.names.id(top.as_bytes());
                self.alias(frame.module, id, top);
            }
            self.import(&name, frame);
        }
    }

    /// `from a.b import c as d, e`
    pub fn import_from_statement(&mut self, source: &Source, tokens: (usize, usize), frame: Frame) {
        let (mut at, end) = tokens;
        let mut level = 0;
        while source.tokens.get(at).is_some_and(|token| token.kind == Kind::Mark(b'.')) && at < end {
            level += 1;
            at += 1;
        }
        let (base, next) = dotted(source, at, end);
        at = next;
        if source.tokens.get(at).map(|token| token.kind) != Some(Kind::Name(names::IMPORT)) {
            return;
        }
        // A module of the program is not the library's of the same name.
        let prefix = if level > 0 { format!(".{base}") } else { base.clone() };
        let place =
            if level > 0 { self.import_relative(level, &base, frame) } else { self.import(&base, frame) };
        at += 1;
        while at < end {
            let Some(token) = source.tokens.get(at) else { return };
            let Kind::Name(name) = token.kind else {
                at += 1;
                continue;
            };
            let text = String::from_utf8_lossy(source.bytes(token)).into_owned();
            let (renamed, next) = alias(source, at + 1, end);
            at = next.max(at + 1);
            self.alias(frame.module, renamed.unwrap_or(name), &format!("{prefix}.{text}"));
            // What is imported by name is mentioned under its own.
            if renamed.is_some() {
                self.mention(name, frame.certainty);
            }
            match &place {
                Place::Package(folders) => {
                    let folders = folders.clone();
                    self.import_in(&folders, &text, &format!("{prefix}.{text}"), frame);
                }
                Place::Module => {
                    let full = format!("{base}.{text}");
                    if MISSING_MODULES.contains(&full.as_str()) {
                        self.missing(&full, ModuleLack::NotInImage, frame);
                    }
                }
                Place::Nowhere => {}
            }
        }
    }

    /// Imports a module by its full name.
    pub fn import_named(&mut self, name: &str, frame: Frame) {
        self.import(name, frame);
    }

    fn alias(&mut self, module: usize, name: NameId, full: &str) {
        self.names.note_imported(name);
        if let Some(module) = self.modules.get_mut(module) {
            module.aliases.insert(name, Rc::from(full));
        }
    }

    fn import(&mut self, name: &str, frame: Frame) -> Place {
        let mut parts = name.split('.');
        let top = parts.next().unwrap_or_default();
        if top.is_empty() {
            return Place::Nowhere;
        }
        let found = self.find_top(top);
        let mut place = self.arrive(found, top, frame);
        let mut full = top.to_owned();
        for part in parts {
            full.push('.');
            full.push_str(part);
            place = match place {
                Place::Package(folders) => {
                    let found = self.find_in(&folders, part, &mut Vec::new());
                    match found {
                        Some(found) => self.arrive(found, &full, frame),
                        None => self.descend(&folders, part, &full, frame),
                    }
                }
                Place::Module => {
                    if MISSING_MODULES.contains(&full.as_str()) {
                        self.missing(&full, ModuleLack::NotInImage, frame);
                    }
                    Place::Module
                }
                Place::Nowhere => Place::Nowhere,
            };
        }
        place
    }

    /// A part of a package that has no file: a namespace within it, or nothing.
    fn descend(&mut self, folders: &[String], part: &str, full: &str, frame: Frame) -> Place {
        let inner: Vec<String> = folders.iter().map(|folder| path::join(folder, part)).collect();
        let there: Vec<String> =
            inner.into_iter().filter(|folder| self.analysis.view.list(folder).is_some()).collect();
        if !there.is_empty() {
            return Place::Package(there);
        }
        let context = self.context_of(frame);
        self.analysis.unseen(&format!("no module {full} before the run"), &context);
        Place::Nowhere
    }

    fn import_relative(&mut self, level: usize, base: &str, frame: Frame) -> Place {
        let Some(module) = self.modules.get(frame.module) else { return Place::Nowhere };
        let mut folder = module.folder.clone();
        for _ in 1..level.min(64) {
            folder.truncate(path::parent(&folder).len());
        }
        let mut place = Place::Package(vec![folder]);
        for part in base.split('.').filter(|part| !part.is_empty()) {
            place = match place {
                Place::Package(folders) => match self.find_in(&folders, part, &mut Vec::new()) {
                    Some(found) => self.arrive(found, part, frame),
                    None => self.descend(&folders, part, part, frame),
                },
                other => other,
            };
        }
        place
    }

    /// Of `from package import name`: a submodule, if there is one of that name.
    fn import_in(&mut self, folders: &[String], name: &str, full: &str, frame: Frame) {
        if let Some(found) = self.find_in(folders, name, &mut Vec::new()) {
            self.arrive(found, full, frame);
        }
    }

    fn arrive(&mut self, found: Found, name: &str, frame: Frame) -> Place {
        match found {
            Found::Source { file, package } => {
                self.enter(&file, frame);
                package.map_or(Place::Module, |package| Place::Package(vec![package]))
            }
            Found::Namespace(folders) => Place::Package(folders),
            Found::Builtin => Place::Module,
            Found::Native(file) => {
                self.missing(&package_of(&file), ModuleLack::NativeCode, frame);
                Place::Nowhere
            }
            Found::NotInImage => {
                self.missing(name, ModuleLack::NotInImage, frame);
                Place::Nowhere
            }
            Found::Missing => {
                self.missing(name, ModuleLack::NotInstalled, frame);
                Place::Nowhere
            }
        }
    }

    /// Has a module's file looked at.
    fn enter(&mut self, file: &str, frame: Frame) {
        let index = if let Some(index) = self.by_file.get(file) {
            *index
        } else {
            let files::Found::Content(content, _) = self.analysis.view.read(file) else {
                let context = self.context_of(frame);
                self.analysis.unseen("a module that is made while it runs", &context);
                return;
            };
            if !self.analysis.spend(content.len(), &self.context) {
                return;
            }
            let is_installed = file.contains("/site-packages/") || file.contains("/dist-packages/");
            if is_installed && !self.modules.get(frame.module).is_some_and(|module| module.is_installed) {
                let context = self.context_of(frame);
                self.analysis.unseen("an installed package", &context);
            }
            self.add_module(Some(file), path::parent(file).to_owned(), content, is_installed)
        };
        // What is missing further in is cared for as what is missing here.
        let most = if frame.tolerates_import { Certainty::Possible } else { frame.certainty };
        self.push_module(index, frame.certainty.min(most));
    }

    fn missing(&mut self, name: &str, why: ModuleLack, frame: Frame) {
        self.missing += 1;
        let mut frame = frame;
        let is_installed = self.modules.get(frame.module).is_some_and(|module| module.is_installed);
        let top = name.split('.').next().unwrap_or_default();
        let may_be_made =
            self.search_unknown || self.analysis.view.makes(top) || self.analysis.view.made_unknown;
        if frame.tolerates_import || (may_be_made && why == ModuleLack::NotInstalled) {
            frame.certainty = Certainty::Possible;
        }
        if is_installed && frame.certainty == Certainty::Possible {
            // Packages try many things, and do without.
            return;
        }
        let context = self.context_of(frame);
        self.analysis.need(What::PythonModule { name: name.to_owned(), why }, &context);
    }
}

/// The installed package that a file is of, or else the file's module.
fn package_of(file: &str) -> String {
    let installed = ["/site-packages/", "/dist-packages/"].iter().find_map(|mark| file.split_once(mark));
    let name =
        installed.map_or(path::split(file).1, |(_, inside)| inside.split('/').next().unwrap_or_default());
    name.split('.').next().unwrap_or_default().to_owned()
}

/// A dotted name from a token on, and the token after it.
pub fn dotted(source: &Source, start: usize, end: usize) -> (String, usize) {
    let mut name = String::new();
    let mut at = start;
    while at < end {
        let Some(token) = source.tokens.get(at) else { break };
        match token.kind {
            Kind::Name(names::IMPORT | names::AS) => break,
            Kind::Name(_) if name.is_empty() || name.ends_with('.') => {
                name.push_str(&String::from_utf8_lossy(source.bytes(token)));
            }
            Kind::Mark(b'.') if !name.is_empty() && !name.ends_with('.') => name.push('.'),
            _ => break,
        }
        at += 1;
    }
    (name.trim_end_matches('.').to_owned(), at)
}

fn alias(source: &Source, at: usize, end: usize) -> (Option<NameId>, usize) {
    let kind = |index: usize| source.tokens.get(index).filter(|_| index < end).map(|token| token.kind);
    match (kind(at), kind(at + 1)) {
        (Some(Kind::Name(names::AS)), Some(Kind::Name(name))) => (Some(name), at + 2),
        _ => (None, at),
    }
}
