//! What a backend does not enforce is refused before anything is made, by the name of the field.

use std::path::PathBuf;
use std::time::Duration;

use sandpiper_core::{Access, Clock, Image, Limits, Metering, Mount, Network, Refusal, Spec, admit};

use crate::claim::{Claim, claim};
use crate::wrong::in_minutes_alone;
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(mounts_are_refused, lacks mounts),
    claim!(mounts_in_mounts_are_refused, has mounts, lacks nested_mounts),
    claim!(mounts_that_hide_git_are_refused, has mounts, lacks hidden_git),
    claim!(writable_mounts_without_a_count_of_bytes_are_refused, has mounts, lacks disk_bytes),
    claim!(writable_mounts_without_a_count_of_files_are_refused, has mounts, has disk_bytes, lacks files),
    claim!(a_limit_of_fuel_is_refused, lacks fuel),
    claim!(a_limit_of_memory_is_refused, lacks memory),
    claim!(a_limit_of_table_elements_is_refused, lacks table_elements),
    claim!(a_limit_of_temporary_files_is_refused, lacks tmp_bytes),
    claim!(a_limit_of_descriptors_is_refused, lacks descriptors),
    claim!(a_limit_of_processes_is_refused, lacks processes),
    claim!(the_absence_of_network_is_refused, lacks network_nothing),
    claim!(rules_of_network_are_refused, lacks network_rules),
    claim!(the_whole_network_is_refused, lacks network_everything),
    claim!(a_lifetime_is_refused, lacks lifetime),
    claim!(a_lifetime_in_seconds_is_refused, has lifetime, lacks lifetime_in_seconds),
    claim!(metadata_is_refused, lacks metadata),
    claim!(metering_by_deadline_alone_is_refused, lacks deadline_metering),
    claim!(a_virtual_clock_is_refused, lacks virtual_clock),
    claim!(a_seed_is_refused, lacks seed),
    claim!(a_module_file_is_refused, lacks module_files),
];

fn refused(context: &Context<'_>, field: &'static str, spec: Spec) -> Result<(), Wrong> {
    let capabilities = context.backend().capabilities(&spec.image);
    let expected = Refusal::NotEnforced { backend: context.backend().name().to_owned(), field };
    match admit(spec, context.backend().name(), capabilities) {
        Err(refusal) if refusal == expected => Ok(()),
        seen => Err(Wrong::other("admission", &format!("{expected:?}"), &seen)),
    }
}

fn mounting(context: &Context<'_>, mounts: &[(&str, Access)]) -> Result<Spec, Wrong> {
    let mount = |(guest, access): &(&str, Access)| {
        Mount::new(PathBuf::from("nowhere"), guest, *access).map_err(|err| Wrong::new(err.to_string()))
    };
    Ok(Spec { mounts: mounts.iter().map(mount).collect::<Result<_, _>>()?, ..context.spec() })
}

fn limiting(context: &Context<'_>, field: &'static str, limit: fn(&mut Limits)) -> Result<(), Wrong> {
    refused(context, field, context.limited(limit))
}

async fn mounts_are_refused(context: &Context<'_>) -> Result<(), Wrong> {
    refused(context, "mounts", mounting(context, &[("/workspace", Access::ReadOnly)])?)
}

async fn mounts_in_mounts_are_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let mounts = [("/workspace", Access::ReadOnly), ("/workspace/inner", Access::ReadOnly)];
    refused(context, "mounts", mounting(context, &mounts)?)
}

async fn mounts_that_hide_git_are_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let mut spec = mounting(context, &[("/workspace", Access::ReadOnly)])?;
    spec.mounts = spec.mounts.into_iter().map(Mount::hiding_git).collect();
    refused(context, "mounts.git", spec)
}

async fn writable_mounts_without_a_count_of_bytes_are_refused(context: &Context<'_>) -> Result<(), Wrong> {
    refused(context, "disk_bytes", mounting(context, &[("/workspace", Access::ReadWrite)])?)
}

async fn writable_mounts_without_a_count_of_files_are_refused(context: &Context<'_>) -> Result<(), Wrong> {
    refused(context, "files", mounting(context, &[("/workspace", Access::ReadWrite)])?)
}

async fn a_limit_of_fuel_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    limiting(context, "fuel", |limits| limits.fuel = 1_000_000)
}

async fn a_limit_of_memory_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    limiting(context, "memory", |limits| limits.memory_bytes = 128 << 20)
}

async fn a_limit_of_table_elements_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    limiting(context, "table_elements", |limits| limits.table_elements = 90_000)
}

async fn a_limit_of_temporary_files_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    limiting(context, "tmp", |limits| limits.tmp_bytes = 1 << 20)
}

async fn a_limit_of_descriptors_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    limiting(context, "descriptors", |limits| limits.descriptors = 32)
}

async fn a_limit_of_processes_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    limiting(context, "processes", |limits| limits.processes = 8)
}

async fn the_absence_of_network_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    refused(context, "network", Spec { network: Network::Nothing, ..context.spec() })
}

async fn rules_of_network_are_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let network = Network::Rules { allow: vec!["example.org".to_owned()], deny: Vec::new() };
    refused(context, "network", Spec { network, ..context.spec() })
}

async fn the_whole_network_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    refused(context, "network", Spec { network: Network::Everything, ..context.spec() })
}

async fn a_lifetime_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    refused(context, "lifetime", Spec { lifetime: Some(Duration::from_mins(5)), ..context.spec() })
}

async fn a_lifetime_in_seconds_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let spec = Spec { lifetime: Some(Duration::from_secs(90)), ..context.spec() };
    let capabilities = context.backend().capabilities(&spec.image);
    match admit(spec, context.backend().name(), capabilities) {
        Err(refusal) => in_minutes_alone(&refusal),
        seen => Err(Wrong::other("admission", "a refusal", &seen)),
    }
}

async fn metadata_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let metadata = [("task".to_owned(), "one".to_owned())].into();
    refused(context, "metadata", Spec { metadata, ..context.spec() })
}

async fn metering_by_deadline_alone_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    limiting(context, "metering", |limits| limits.metering = Metering::Deadline)
}

async fn a_virtual_clock_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    refused(context, "clock", Spec { clock: Clock::Virtual { start_ns: 1 }, ..context.spec() })
}

async fn a_seed_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    refused(context, "seed", Spec { seed: Some(1), ..context.spec() })
}

async fn a_module_file_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let image = Image::File(PathBuf::from("nowhere.wasm"));
    // What is said of a file may differ in more than this from what is said of the image.
    let offered = context.backend().capabilities(&image).network_nothing;
    let network = if offered { Network::Nothing } else { Network::Everything };
    refused(context, "image", Spec { image, network, ..context.spec() })
}
