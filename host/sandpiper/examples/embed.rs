//! A host that runs a program, shows its output as it comes, and reads the outcome.
//!
//! `cargo run --package sandpiper --example embed -- CACHE` with the folder of `sandpiper image build`.

use std::path::PathBuf;
use std::time::Duration;

use sandpiper::{Event, Exec, Spec};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = PathBuf::from(std::env::args_os().nth(1).ok_or("name the cache folder")?);
    let engine = sandpiper::engine(&cache)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut spec = Spec::default();
        spec.limits.wall = Duration::from_secs(5);
        let sandbox = sandpiper::create(&engine, spec).await?;
        let running =
            sandbox.spawn(Exec::new(["python3", "-c", "for i in range(3): print(i, flush=True)"])).await?;
        let (mut events, done, _control) = running.split();
        let show = async {
            while let Some(event) = events.recv().await {
                if let Event::Output { stream, bytes } = event {
                    println!("{stream:?}: {}", String::from_utf8_lossy(&bytes).trim_end());
                }
            }
        };
        let (outcome, ()) = tokio::join!(done, show);
        println!("{:?}", outcome?.usage);
        Ok(())
    })
}
