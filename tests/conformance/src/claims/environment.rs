//! The environment and the working directory of commands.

use sandpiper_core::{Error, Exec, Refusal, Spec, Stdin, collect};

use crate::claim::{Claim, claim};
use crate::wrong::{printed, same_bytes, succeeded};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(a_variable_of_the_command_arrives),
    claim!(a_variable_of_the_spec_arrives_in_each_command),
    claim!(the_commands_variable_wins_over_the_specs),
    claim!(the_later_of_two_variables_wins),
    claim!(a_variable_may_be_set_that_the_image_has),
    claim!(odd_values_of_variables_arrive_as_they_are),
    claim!(a_variable_of_100_kb_arrives),
    claim!(variables_do_not_stay_for_the_next_command),
    claim!(variables_of_commands_at_one_time_are_apart),
    claim!(the_home_and_the_temporary_directory_are_writable),
    claim!(commands_begin_in_the_workspace_or_at_the_root),
    claim!(a_command_begins_where_it_is_told),
    claim!(a_directory_with_an_odd_name_is_begun_in),
    claim!(a_change_of_directory_does_not_stay_for_the_next_command),
    claim!(a_directory_that_is_not_there_is_refused),
    claim!(a_file_is_no_directory_to_begin_in),
];

async fn a_variable_of_the_command_arrives(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    printed(&place.run(place.bash("echo \"$GREETING\"").env("GREETING", "hi there")).await?, "hi there\n")
}

fn greeting(context: &Context<'_>, value: &str) -> Spec {
    Spec { env: vec![("GREETING".to_owned(), value.to_owned())], ..context.spec() }
}

async fn a_variable_of_the_spec_arrives_in_each_command(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place_of(greeting(context, "of the spec")).await?;
    for _ in 0..2 {
        printed(&place.script("echo \"$GREETING\"").await?, "of the spec\n")?;
    }
    let outcome = place.run(place.python("import os; print(os.environ['GREETING'])")).await?;
    printed(&outcome, "of the spec\n")
}

async fn the_commands_variable_wins_over_the_specs(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place_of(greeting(context, "of the spec")).await?;
    let own = place.bash("echo \"$GREETING\"").env("GREETING", "its own");
    printed(&place.run(own).await?, "its own\n")?;
    printed(&place.script("echo \"$GREETING\"").await?, "of the spec\n")?;
    let empty = place.bash("echo \"[$GREETING]\"").env("GREETING", "");
    printed(&place.run(empty).await?, "[]\n")
}

async fn the_later_of_two_variables_wins(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let exec = place.bash("echo \"$A\"").env("A", "first").env("B", "x").env("A", "second");
    printed(&place.run(exec).await?, "second\n")?;
    let mut spec = greeting(context, "first");
    spec.env.push(("GREETING".to_owned(), "second".to_owned()));
    printed(&context.place_of(spec).await?.script("echo \"$GREETING\"").await?, "second\n")
}

async fn a_variable_may_be_set_that_the_image_has(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let exec = place.bash("echo \"$HOME $LANG\"").env("HOME", "/tmp").env("LANG", "C");
    printed(&place.run(exec).await?, "/tmp C\n")
}

async fn odd_values_of_variables_arrive_as_they_are(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let values = [
        "",
        " ",
        "a b",
        "=",
        "a=b",
        "'",
        "\"",
        "\\",
        "$HOME",
        "$(echo x)",
        "`x`",
        "a\nb",
        "\n",
        "é日🦀",
        "*",
        "~",
        "\t",
        "--",
        "%s",
        "a;b",
        "!",
        "\x01\x1b",
    ];
    let mut exec = place.python(
        "import os, sys\nfor i in range(int(os.environ['COUNT'])): sys.stdout.buffer.write(os.environb[b'V%d' % i] + b'\\0')",
    );
    exec = exec.env("COUNT", values.len().to_string());
    for (index, value) in values.iter().enumerate() {
        exec = exec.env(format!("V{index}"), *value);
    }
    let outcome = place.run(exec).await?;
    let expected: Vec<u8> = values.iter().flat_map(|value| value.bytes().chain([0])).collect();
    succeeded(&outcome)?;
    same_bytes("the values", &outcome.stdout.bytes, &expected)
}

async fn a_variable_of_100_kb_arrives(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let value = "0123456789".repeat(10_000);
    printed(&place.run(place.bash("printf %s \"$LONG\"").env("LONG", &*value)).await?, value)
}

async fn variables_do_not_stay_for_the_next_command(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.run(place.bash("export LEFT=shell").env("GIVEN", "to one")).await?;
    printed(&place.script("echo \"[$GIVEN][$LEFT]\"").await?, "[][]\n")
}

async fn variables_of_commands_at_one_time_are_apart(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let run = async |value: &str| place.run(place.bash("sleep 0.2; echo \"$V\"").env("V", value)).await;
    let (one, other) = tokio::join!(run("one"), run("other"));
    printed(&one?, "one\n")?;
    printed(&other?, "other\n")
}

async fn the_home_and_the_temporary_directory_are_writable(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let script = "for at in \"$HOME\" /tmp; do cd \"$at\" && echo x > probe && cat probe && rm probe; done";
    printed(&place.script(script).await?, "x\nx\n")
}

async fn commands_begin_in_the_workspace_or_at_the_root(context: &Context<'_>) -> Result<(), Wrong> {
    let sandbox = context.sandbox_of(context.spec()).await?;
    // Nothing is mounted, but a backend may have one of its own.
    let workspace = sandbox.files().stat("/workspace").await;
    let expected = if workspace.is_ok() { "/workspace\n" } else { "/\n" };
    printed(&collect(sandbox.spawn(Exec::new(["bash", "-c", "pwd"])).await?).await?, expected)
}

async fn a_command_begins_where_it_is_told(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    printed(&place.run(place.bash("pwd").cwd("/tmp")).await?, "/tmp\n")?;
    place.write("here", "found\n").await?;
    printed(&place.run(place.exec(["cat", "here"])).await?, "found\n")?;
    let outcome = place.run(place.python("import os; print(os.getcwd())")).await?;
    printed(&outcome, format!("{}\n", place.directory))
}

async fn a_directory_with_an_odd_name_is_begun_in(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    for name in ["with space", "it's", "$HOME", "-n", "日本語", "a;b", "\"q\""] {
        let directory = place.path(name);
        place.files.make_directory(&directory).await?;
        let outcome = place.run(Exec::new(["bash", "-c", "pwd"]).cwd(&*directory)).await?;
        printed(&outcome, format!("{directory}\n"))?;
    }
    Ok(())
}

async fn a_change_of_directory_does_not_stay_for_the_next_command(
    context: &Context<'_>,
) -> Result<(), Wrong> {
    let place = context.place().await?;
    printed(&place.script("cd /tmp; pwd").await?, "/tmp\n")?;
    printed(&place.script("pwd").await?, format!("{}\n", place.directory))
}

async fn refused(context: &Context<'_>, content: Option<&str>) -> Result<(), Wrong> {
    let place = context.place().await?;
    if let Some(content) = content {
        place.write("at", content.to_owned()).await?;
    }
    let directory = place.path("at");
    let (_writer, silent) = tokio::io::duplex(1);
    for stdin in [Stdin::Empty, Stdin::Stream(Box::new(silent))] {
        let seen = match place.sandbox.spawn(Exec::new(["true"]).cwd(&*directory).stdin(stdin)).await {
            Ok(running) => collect(running).await,
            Err(err) => Err(err),
        };
        match seen {
            Err(Error::Refused(Refusal::Exec { what })) if what.contains(&directory) => {}
            seen => {
                return Err(Wrong::other(
                    "a command",
                    &format!("Error::Refused that names {directory}"),
                    &seen,
                ));
            }
        }
    }
    Ok(())
}

async fn a_directory_that_is_not_there_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    refused(context, None).await
}

async fn a_file_is_no_directory_to_begin_in(context: &Context<'_>) -> Result<(), Wrong> {
    refused(context, Some("content")).await
}
