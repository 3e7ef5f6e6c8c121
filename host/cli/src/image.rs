//! `sandpiper image ...`, and the image that a run needs.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use sandpiper::images::{BuildInputs, Image, ImageError, ImageStore, Source};
use sandpiper::{Engine, EngineConfig, Notice};

use crate::arguments::ImageCommand;
use crate::progress::Bar;
use crate::report::Hinted;
use crate::{render, runtime, surroundings};

pub(crate) fn image(command: ImageCommand) -> Result<ExitCode> {
    let cache = surroundings::cache_dir()?;
    let store = ImageStore::open(&cache).map_err(in_cache)?;
    match command {
        ImageCommand::List { json } => list(&store, json)?,
        ImageCommand::Build { name } => {
            let image = build(&cache, &name)?;
            compile(&cache, &name)?;
            say_ready(&image);
        }
        ImageCommand::Pull { from, name } => {
            let progress = Bar::new();
            let image = store.pull(&name, &Source::parse(&from), &progress);
            progress.finish();
            say_ready(&image.map_err(|err| match err {
                // The same kind of error, but about what was to be pulled.
                err @ ImageError::Io { .. } if !Path::new(&from).exists() => err.into(),
                err => in_cache(err),
            })?);
        }
        ImageCommand::Verify { name } => {
            let image = installed(&store, &name)?;
            let files = store.verify(&image)?;
            render::line(&format!("{name} is sound: {files} files agree with its manifest"))?;
        }
        ImageCommand::Export { to, name } => {
            store.export(&installed(&store, &name)?, &to)?;
            render::line(&format!("{name} written to {}", to.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// An engine for a spec's image, which is built first where it is missing.
pub(crate) fn engine_for(image: &sandpiper::Image) -> Result<Engine> {
    let cache = surroundings::cache_dir()?;
    let mut config = match image {
        sandpiper::Image::Named(name) => {
            let store = ImageStore::open(&cache).map_err(in_cache)?;
            let found = match store.find(name)? {
                Some(found) => found,
                None => build(&cache, name)?,
            };
            EngineConfig { images: vec![sandpiper::image_source(&found)?], ..EngineConfig::default() }
        }
        sandpiper::Image::File(_) => EngineConfig::default(),
    };
    config.cache = Some(sandpiper::compile_cache(&cache));
    config.notify = Some(Box::new(notify));
    Ok(Engine::new(config)?)
}

fn notify(notice: Notice<'_>) {
    if let Notice::Compiling { image } = notice {
        render::note(&format!("compiling {image} for this machine, once"));
    }
}

fn build(cache: &Path, name: &str) -> Result<Image> {
    let progress = Bar::new();
    let inputs: BuildInputs = surroundings::build_inputs();
    let built = sandpiper::install(cache, name, &inputs, &progress);
    progress.finish();
    built.map_err(|err| match err {
        ImageError::Toolchain { .. } | ImageError::Download { .. } | ImageError::Build { .. } => {
            let err = anyhow::Error::from(err);
            Hinted {
                message: crate::report::text(&err),
                hint: format!(
                    "install it from another machine: `sandpiper image export {name}.sandpiper` there, \
                     `sandpiper image pull {name}.sandpiper` here"
                ),
            }
            .into()
        }
        err => in_cache(err),
    })
}

/// An error of the cache's folder with its next step.
fn in_cache(err: ImageError) -> anyhow::Error {
    let is_io = matches!(err, ImageError::Io { .. });
    let err = anyhow::Error::from(err);
    if !is_io {
        return err;
    }
    let hint = "name a folder that can be written, and has room, with SANDPIPER_CACHE".to_owned();
    Hinted { message: crate::report::text(&err), hint }.into()
}

/// Compiles the image's module into the cache, so that the first run is not the slow one.
fn compile(cache: &Path, name: &str) -> Result<()> {
    let engine = engine_for(&sandpiper::Image::Named(name.to_owned()))?;
    runtime::block_on(async {
        engine.prepare(name).await.with_context(|| format!("cannot compile into {}", cache.display()))
    })
}

fn installed(store: &ImageStore, name: &str) -> Result<Image> {
    store.find(name)?.ok_or_else(|| {
        let message = format!("the image {name} of this version is not installed");
        Hinted { message, hint: format!("`sandpiper image build {name}` builds it") }.into()
    })
}

fn list(store: &ImageStore, json: bool) -> Result<()> {
    let images = store.list()?;
    if json {
        let rows: Vec<_> = images
            .iter()
            .map(|info| {
                serde_json::json!({
                    "name": info.name,
                    "version": info.version,
                    "recipe": info.recipe,
                    "current": info.current,
                    "bytes": info.bytes,
                    "path": info.root.display().to_string(),
                })
            })
            .collect();
        return Ok(render::line(&serde_json::to_string(&rows)?)?);
    }
    for info in images {
        let state = if info.current { "current" } else { "of another version" };
        render::line(&format!(
            "{:<10} {:<10} {:>6} MiB  {state}  {}",
            info.name,
            info.version,
            info.bytes >> 20,
            info.root.display()
        ))?;
    }
    Ok(())
}

fn say_ready(image: &Image) {
    render::note(&format!("{} {} is ready", image.manifest.name, image.manifest.version));
}
