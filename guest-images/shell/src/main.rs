//! `bash` and `sh` inside a sandpiper sandbox.
//!
//! The bash manual is the specification, GNU bash 5.2 the judge: `tests/compat` compares the two. What is not supported says
//! so on standard error and fails.

mod arithmetic;
mod builtins;
mod bytes;
mod descriptors;
mod expand;
mod flow;
mod invocation;
mod jobs;
mod options;
mod pattern;
mod redirect;
mod regex;
mod run;
mod shell;
mod syntax;
mod system;
mod time;
mod traps;
mod variables;

fn main() {
    system::exit(system::run(invocation::main));
}
