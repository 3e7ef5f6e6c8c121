//! What GNU patch would ask about; there is nobody to answer, so that the answer is the default.

use super::parse::Patch;
use super::{Task, quoted};
use crate::text::shown;

impl Task<'_> {
    /// Tells that nothing is known of a file that a patch is for.
    pub fn unknown(&self, patch: &Patch, lines: &[&[u8]]) {
        self.say(&format!("can't find file to patch at input line {}\n", patch.at + 1));
        self.say(if self.strip.is_none() {
            "Perhaps you should have used the -p or --strip option?\n"
        } else {
            "Perhaps you used the wrong -p or --strip option?\n"
        });
        let leading = lines.get(patch.start..patch.at).unwrap_or_default();
        if !leading.is_empty() {
            self.say("The text leading up to this was:\n--------------------------\n");
            for line in leading {
                self.say(&format!("|{}", shown(line)));
            }
            self.say("--------------------------\n");
        }
        if !self.given.has("force") && !self.given.has("batch") {
            self.say("File to patch: \nSkip this patch? [y] \n");
        } else {
            self.say("No file to patch.  ");
        }
        self.say("Skipping patch.\n");
        let count = patch.hunks.len();
        self.say(&format!("{count} out of {count} hunk{} ignored\n", if count == 1 { "" } else { "s" }));
    }

    /// What is done about a patch that seems to be in already, without anybody to ask.
    pub fn reverses(&self) -> bool {
        if self.given.has("forward") {
            self.say("  Skipping patch.\n");
            return false;
        }
        if self.given.has("batch") {
            self.say(if self.reverse { "  Ignoring -R.\n" } else { "  Assuming -R.\n" });
            return true;
        }
        let question = if self.reverse { "Ignore -R?" } else { "Assume -R?" };
        self.say(&format!("  {question} [n] \nApply anyway? [n] \nSkipping patch.\n"));
        false
    }

    /// Whether a patch makes a file that is there, or removes one that is not, and is therefore skipped.
    pub fn done(&self, patch: &mut Patch, name: &[u8], before: Option<&[u8]>) -> bool {
        let empty = before.is_none_or(<[u8]>::is_empty);
        let (creates, removes) = patch.says();
        let looks = if empty { removes > 0 } else { creates == 2 };
        if !looks || self.given.has("force") {
            return false;
        }
        let (does, but) = match before {
            None => ("delete", "does not exist"),
            Some(b"") => ("empty out", "is already empty"),
            Some(_) => ("create", "already exists"),
        };
        let reversed = if self.reverse { ", when reversed," } else { "" };
        self.say(&format!("The next patch{reversed} would {does} the file {},\nwhich {but}!", quoted(name)));
        if self.reverses() {
            patch.reverse();
            return false;
        }
        let count = patch.hunks.len();
        self.tell(&format!("{count} out of {count} hunk{} ignored\n", if count == 1 { "" } else { "s" }));
        true
    }
}
