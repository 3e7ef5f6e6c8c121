//! Arguments arrive as they were given: nothing on the way is a shell.

use sandpiper_core::{Error, Exec, Refusal};

use crate::claim::{Claim, claim};
use crate::wrong::{printed, same_bytes, succeeded};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(plain_arguments_arrive),
    claim!(spaces_and_tabs_do_not_part_an_argument),
    claim!(quotes_and_backslashes_arrive),
    claim!(what_a_shell_would_expand_arrives_as_it_is),
    claim!(newlines_and_control_characters_arrive),
    claim!(unicode_arrives_in_arguments),
    claim!(empty_arguments_are_kept),
    claim!(leading_dashes_are_the_commands_alone),
    claim!(an_argument_of_100_kb_arrives),
    claim!(a_thousand_arguments_arrive),
    claim!(a_program_gets_no_other_arguments),
    claim!(a_command_is_found_by_its_name_without_a_shell),
    claim!(what_is_no_command_is_refused),
];

/// What arrives of arguments, each ended by NUL.
async fn arriving(context: &Context<'_>, arguments: &[&str]) -> Result<(), Wrong> {
    let place = context.place().await?;
    let script = r#"for argument; do printf '%s\0' "$argument"; done"#;
    let argv = ["bash", "-c", script, "name"].into_iter().chain(arguments.iter().copied());
    let outcome = place.run(place.exec(argv)).await?;
    let expected: Vec<u8> = arguments.iter().flat_map(|text| text.bytes().chain([0])).collect();
    succeeded(&outcome)?;
    same_bytes("the arguments", &outcome.stdout.bytes, &expected)
}

async fn plain_arguments_arrive(context: &Context<'_>) -> Result<(), Wrong> {
    arriving(context, &["one", "two", "two", "3"]).await
}

async fn spaces_and_tabs_do_not_part_an_argument(context: &Context<'_>) -> Result<(), Wrong> {
    arriving(context, &["a b", "  a", "b  ", "\ta\t", " ", "a   b"]).await
}

async fn quotes_and_backslashes_arrive(context: &Context<'_>) -> Result<(), Wrong> {
    arriving(context, &["'", "\"", "it's", "a'\\''b", "\"quoted\"", "\\", "\\\\", "\\n", "a\\", "'\"'\"'"])
        .await
}

async fn what_a_shell_would_expand_arrives_as_it_is(context: &Context<'_>) -> Result<(), Wrong> {
    let arguments =
        ["$HOME", "${HOME}", "$(echo x)", "`echo x`", "*", "?", "[a-z]", "~", "{a,b}", "!!", "a;b", "a|b"];
    arriving(context, &arguments).await?;
    arriving(context, &["a&b", "a>b", "<a", "#a", "a # b", "%s%n", "$'x'", "(a)", "=a", "&&", "||"]).await
}

async fn newlines_and_control_characters_arrive(context: &Context<'_>) -> Result<(), Wrong> {
    arriving(context, &["a\nb", "\n", "a\n", "\r\n", "a\rb", "\x01\x07\x1b[31m\x7f", "\n\n\n"]).await
}

async fn unicode_arrives_in_arguments(context: &Context<'_>) -> Result<(), Wrong> {
    arriving(context, &["é", "e\u{301}", "日本語", "🦀", "\u{feff}", "\u{202e}abc", "\u{a0}", "ﬀ"]).await
}

async fn empty_arguments_are_kept(context: &Context<'_>) -> Result<(), Wrong> {
    arriving(context, &["", "a", "", "", "b", ""]).await
}

async fn leading_dashes_are_the_commands_alone(context: &Context<'_>) -> Result<(), Wrong> {
    arriving(context, &["-", "--", "-c", "-n", "--help", "--version", "-rf", "--cwd=/"]).await
}

async fn an_argument_of_100_kb_arrives(context: &Context<'_>) -> Result<(), Wrong> {
    arriving(context, &[&"0123456789".repeat(10_000), "after"]).await
}

async fn a_thousand_arguments_arrive(context: &Context<'_>) -> Result<(), Wrong> {
    let arguments: Vec<String> = (0..1000).map(|index| format!("argument {index}")).collect();
    arriving(context, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
}

async fn a_program_gets_no_other_arguments(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    let program = "import sys; print(len(sys.argv), sys.argv)";
    let outcome = place.run(place.exec(["python3", "-c", program, "a b", ""])).await?;
    printed(&outcome, "3 ['-c', 'a b', '']\n")
}

async fn a_command_is_found_by_its_name_without_a_shell(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    printed(&place.run(place.exec(["printf", "%s|", "a b", "$HOME"])).await?, "a b|$HOME|")?;
    place.write("-n", "a file\n").await?;
    printed(&place.run(place.exec(["cat", "--", "-n"])).await?, "a file\n")
}

async fn what_is_no_command_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let sandbox = context.sandbox_of(context.spec()).await?;
    let wrong = [
        ("no command", Exec::default()),
        ("an empty command", Exec::new([""])),
        ("NUL in an argument", Exec::new(["cat", "a\0b"])),
        ("a variable without a name", Exec::new(["true"]).env("", "x")),
        ("= in the name of a variable", Exec::new(["true"]).env("A=B", "x")),
        ("NUL in a variable", Exec::new(["true"]).env("A", "\0")),
        ("a relative directory", Exec::new(["true"]).cwd("tmp")),
    ];
    for (what, exec) in wrong {
        match sandbox.spawn(exec).await {
            Err(Error::Refused(Refusal::Exec { .. })) => {}
            seen => return Err(Wrong::other(what, "Error::Refused of the command", &seen)),
        }
    }
    Ok(())
}
