//! Terminals, which sandboxes have not.

use crate::daytona::fault::Fault;

/// Says so, whatever was asked of one.
pub(super) async fn refuse() -> Fault {
    Fault::not_offered(
        "a sandbox here has no pseudo-terminal; run the commands in a session (/process/session), \
         which keeps its directory and variables between them",
    )
}
