//! What an image says of itself: `image.json`.

use serde::{Deserialize, Serialize};

/// The content of `image.json`. Paths are relative to the image's folder, with `/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format; [`Manifest::SCHEMA`].
    pub schema: u32,
    /// The image's name.
    pub name: String,
    /// Version of sandpiper that it is of.
    pub version: String,
    /// SHA-256 of the recipe that made it.
    pub recipe: String,
    /// SHA-256 of the WIT that it was built for.
    pub wit: String,
    /// The programs; of several that offer a command, the first has it.
    pub programs: Vec<Program>,
    /// Environment variables that every command gets.
    pub env: Vec<(String, String)>,
    /// Folders of the image that the guest sees read-only.
    pub mounts: Vec<GuestMount>,
    /// The list of all files: JSON, an array of [`FileDigest`]. It is a file of its own because a
    /// run does not read it.
    pub files: FileDigest,
}

impl Manifest {
    /// The version of the format that is read and written.
    pub const SCHEMA: u32 = 4;

    /// All modules.
    pub(crate) fn modules(&self) -> impl Iterator<Item = &FileDigest> {
        self.programs.iter().flat_map(|program| {
            program.alternative.iter().map(|other| &other.module).chain([&program.module])
        })
    }
}

/// A program: a module that offers commands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The module that runs the commands.
    pub module: FileDigest,
    /// The module that takes over for some.
    pub alternative: Option<AlternativeModule>,
    /// The commands.
    pub commands: Vec<String>,
    /// Whether its runs are short, so that how long they take to start counts for more than how fast they
    /// compute.
    pub short_lived: bool,
}

/// A module that takes over when a command asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlternativeModule {
    /// The module.
    pub module: FileDigest,
    /// Variables that ask for it.
    pub env: Vec<EnvRule>,
    /// Single-letter options that do not ask for it; any other does, and any long one, before the
    /// first operand.
    pub usual_options: String,
    /// As `usual_options`, for those that take an argument.
    pub usual_options_with_argument: String,
    /// As `usual_options`, for those after which the program's own arguments follow.
    pub usual_last_options: String,
}

/// A variable that asks for the alternative module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvRule {
    /// The variable.
    pub name: String,
    /// Values that do not ask for it.
    pub except: Vec<String>,
}

/// A folder of the image in the guest's file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestMount {
    /// The folder in the image.
    pub path: String,
    /// Where the guest sees it.
    pub guest: String,
}

/// A file's digest and size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// The file.
    pub path: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}
