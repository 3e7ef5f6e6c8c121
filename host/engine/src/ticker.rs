//! The one thread that moves the epochs of all engines.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use wasmtime::EngineWeak;

/// Between two epochs: how late a deadline may be noticed by a guest that computes.
const TICK: Duration = Duration::from_millis(2);

/// Moves the epochs of registered engines; starts its thread with the first engine, which ends
/// when the ticker is dropped.
#[derive(Default)]
pub(crate) struct Ticker {
    engines: Arc<Mutex<Vec<EngineWeak>>>,
    started: OnceLock<()>,
}

impl Ticker {
    /// Has the engine's epoch moved from now on, once however often it is called.
    pub(crate) fn register(&self, engine: &wasmtime::Engine) {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            |known: &EngineWeak| known.upgrade().is_some_and(|known| wasmtime::Engine::same(&known, engine));
        if !engines.iter().any(known) {
            engines.push(engine.weak());
        }
        drop(engines);
        self.started.get_or_init(|| {
            let engines = Arc::downgrade(&self.engines);
            std::thread::Builder::new()
                .name("sandpiper-ticker".to_owned())
                .spawn(move || tick(&engines))
                .expect("a process can start one more thread");
        });
    }
}

fn tick(engines: &Weak<Mutex<Vec<EngineWeak>>>) {
    while let Some(engines) = engines.upgrade() {
        engines.lock().unwrap_or_else(PoisonError::into_inner).retain(|engine| {
            let engine = engine.upgrade();
            if let Some(engine) = &engine {
                engine.increment_epoch();
            }
            engine.is_some()
        });
        drop(engines);
        std::thread::sleep(TICK);
    }
}
