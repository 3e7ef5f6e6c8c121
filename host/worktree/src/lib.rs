//! Git worktrees for runs: made beside the user's repository, looked at, committed, merged back and
//! removed, without touching the user's checkout and without losing anything.
//!
//! It knows no sandbox; it hands out a path. libgit2 does the work, so that no `git` program is
//! needed and none of the commands that a configuration names (hooks, filters, `core.fsmonitor`) is
//! ever run.
