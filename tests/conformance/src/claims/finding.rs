//! Files are found by their names and by their content.

use sandpiper_core::{FileErrorKind, FileType, FindQuery, FoundFile, FoundLine, Results, SearchQuery};

use crate::claim::{Claim, claim};
use crate::place::Place;
use crate::wrong::{failed, holds, same};
use crate::{Context, Wrong};

pub(super) const CLAIMS: &[Claim] = &[
    claim!(a_glob_without_a_slash_is_for_the_name),
    claim!(a_glob_with_a_slash_is_for_the_path),
    claim!(what_is_hidden_is_found_where_that_is_asked_for),
    claim!(directories_and_symlinks_are_found_and_not_followed),
    claim!(what_is_found_is_told_with_what_it_is),
    claim!(a_limit_of_findings_is_kept_and_told),
    claim!(a_glob_that_is_none_is_refused),
    claim!(nothing_is_found_where_nothing_is),
    claim!(lines_are_found_by_an_expression),
    claim!(lines_are_found_by_their_text),
    claim!(case_is_ignored_where_that_is_asked_for),
    claim!(lines_are_found_in_files_of_a_glob),
    claim!(lines_are_found_in_one_file),
    claim!(hidden_files_are_searched_where_that_is_asked_for),
    claim!(files_that_are_no_text_are_not_searched),
    claim!(a_limit_of_lines_is_kept_and_told),
    claim!(an_expression_that_is_none_is_refused),
    claim!(a_long_line_is_shortened),
    claim!(lines_end_where_they_end),
];

const TREE: &str = "mkdir -p src/deep .git 'a b'; printf 'fn one() {}\n\n  fn two() {}\n' > src/a.rs; \
    printf 'no FN here\n' > src/b.txt; printf 'fn three() {}' > src/deep/c.rs; printf 'fn hidden() {}\n' > .git/x.rs; \
    printf 'fn spaced() {}\n' > 'a b/d.rs'; printf 'fn\\0binary' > src/bin; ln -s src link";

async fn tree(context: &Context<'_>) -> Result<Place, Wrong> {
    let place = context.place().await?;
    place.output(TREE).await?;
    Ok(place)
}

fn query(place: &Place, pattern: &str) -> FindQuery {
    FindQuery { directory: place.directory.clone(), pattern: pattern.to_owned(), hidden: false, limit: 100 }
}

/// What was found, by the path below the directory.
fn below(place: &Place, path: &str) -> String {
    path.strip_prefix(&place.directory).unwrap_or(path).trim_start_matches('/').to_owned()
}

async fn finds(place: &Place, query: FindQuery, expected: &[&str]) -> Result<(), Wrong> {
    let what = format!("what {:?} finds", query.pattern);
    let Results { found, complete } = place.files.find(query).await?;
    let found: Vec<String> = found.iter().map(|file: &FoundFile| below(place, &file.path)).collect();
    same(&what, &*found, &expected.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>()[..])?;
    holds("that is all", complete, &complete)
}

async fn a_glob_without_a_slash_is_for_the_name(context: &Context<'_>) -> Result<(), Wrong> {
    let place = tree(context).await?;
    finds(&place, query(&place, "*.rs"), &["a b/d.rs", "src/a.rs", "src/deep/c.rs"]).await?;
    finds(&place, query(&place, "?.txt"), &["src/b.txt"]).await?;
    finds(&place, query(&place, "[ab].*"), &["src/a.rs", "src/b.txt"]).await
}

async fn a_glob_with_a_slash_is_for_the_path(context: &Context<'_>) -> Result<(), Wrong> {
    let place = tree(context).await?;
    finds(&place, query(&place, "src/*.rs"), &["src/a.rs"]).await?;
    finds(&place, query(&place, "src/**/*.rs"), &["src/a.rs", "src/deep/c.rs"]).await?;
    finds(&place, query(&place, "*/c.rs"), &[]).await
}

async fn what_is_hidden_is_found_where_that_is_asked_for(context: &Context<'_>) -> Result<(), Wrong> {
    let place = tree(context).await?;
    finds(&place, query(&place, "x.rs"), &[]).await?;
    finds(&place, FindQuery { hidden: true, ..query(&place, "x.rs") }, &[".git/x.rs"]).await?;
    finds(&place, FindQuery { hidden: true, ..query(&place, ".g*") }, &[".git"]).await
}

async fn directories_and_symlinks_are_found_and_not_followed(context: &Context<'_>) -> Result<(), Wrong> {
    let place = tree(context).await?;
    let all =
        ["a b", "a b/d.rs", "link", "src", "src/a.rs", "src/b.txt", "src/bin", "src/deep", "src/deep/c.rs"];
    finds(&place, query(&place, "**"), &all).await
}

async fn what_is_found_is_told_with_what_it_is(context: &Context<'_>) -> Result<(), Wrong> {
    let place = tree(context).await?;
    for (pattern, kind) in
        [("deep", FileType::Directory), ("link", FileType::Symlink), ("b.txt", FileType::File)]
    {
        let found = place.files.find(query(&place, pattern)).await?.found;
        same("the kinds", &found.iter().map(|file| file.stat.kind).collect::<Vec<_>>(), &vec![kind])?;
        for file in found {
            same(pattern, &file.stat, &place.files.stat(&file.path).await?)?;
        }
    }
    Ok(())
}

async fn a_limit_of_findings_is_kept_and_told(context: &Context<'_>) -> Result<(), Wrong> {
    let place = tree(context).await?;
    let results = place.files.find(FindQuery { limit: 2, ..query(&place, "*.rs") }).await?;
    let found: Vec<String> = results.found.iter().map(|file| below(&place, &file.path)).collect();
    same("what is found", &*found, &["a b/d.rs".to_owned(), "src/a.rs".to_owned()][..])?;
    holds("it says that it is not all", !results.complete, &results.complete)?;
    let exactly = place.files.find(FindQuery { limit: 3, ..query(&place, "*.rs") }).await?;
    same("the number within the limit", &exactly.found.len(), &3)
}

async fn a_glob_that_is_none_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    match place.files.find(query(&place, "[")).await {
        Err(err) if matches!(err.kind, FileErrorKind::Pattern(_)) => same("the pattern", &*err.path, "["),
        seen => Err(Wrong::other("a glob that is none", "FileErrorKind::Pattern", &seen)),
    }
}

async fn nothing_is_found_where_nothing_is(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    finds(&place, query(&place, "*"), &[]).await?;
    let nowhere = FindQuery { directory: place.path("none"), ..query(&place, "*") };
    failed("finding", place.files.find(nowhere).await, &FileErrorKind::NotFound)?;
    let nowhere = SearchQuery { directory: place.path("none"), ..search(&place, "x") };
    failed("searching", place.files.search(nowhere).await, &FileErrorKind::NotFound)
}

fn search(place: &Place, pattern: &str) -> SearchQuery {
    SearchQuery {
        directory: place.directory.clone(),
        pattern: pattern.to_owned(),
        literal: false,
        ignore_case: false,
        files: None,
        hidden: false,
        limit: 100,
    }
}

async fn shows(place: &Place, query: SearchQuery, expected: &[&str]) -> Result<(), Wrong> {
    let what = format!("the lines of {:?}", query.pattern);
    let Results { found, complete } = place.files.search(query).await?;
    let line = |line: &FoundLine| {
        format!("{}:{}:{}:{}", below(place, &line.path), line.line, line.column, line.text)
    };
    let found: Vec<String> = found.iter().map(line).collect();
    same(&what, &*found, &expected.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()[..])?;
    holds("that is all", complete, &complete)
}

const FUNCTIONS: [&str; 4] = [
    "a b/d.rs:1:1:fn spaced() {}",
    "src/a.rs:1:1:fn one() {}",
    "src/a.rs:3:3:  fn two() {}",
    "src/deep/c.rs:1:1:fn three() {}",
];

async fn lines_are_found_by_an_expression(context: &Context<'_>) -> Result<(), Wrong> {
    let place = tree(context).await?;
    shows(&place, search(&place, r"fn \w+\(\)"), &FUNCTIONS).await?;
    shows(&place, search(&place, r"^fn (one|two)"), &FUNCTIONS[1..2]).await?;
    shows(
        &place,
        search(&place, r"\{\}$"),
        &[
            "a b/d.rs:1:13:fn spaced() {}",
            "src/a.rs:1:10:fn one() {}",
            "src/a.rs:3:12:  fn two() {}",
            "src/deep/c.rs:1:12:fn three() {}",
        ],
    )
    .await
}

async fn lines_are_found_by_their_text(context: &Context<'_>) -> Result<(), Wrong> {
    let place = tree(context).await?;
    shows(&place, SearchQuery { literal: true, ..search(&place, "one()") }, &["src/a.rs:1:4:fn one() {}"])
        .await?;
    shows(&place, SearchQuery { literal: true, ..search(&place, r"\w+") }, &[]).await
}

async fn case_is_ignored_where_that_is_asked_for(context: &Context<'_>) -> Result<(), Wrong> {
    let place = tree(context).await?;
    shows(&place, search(&place, "FN "), &["src/b.txt:1:4:no FN here"]).await?;
    let files = Some("*.txt".to_owned());
    let ignoring = SearchQuery { ignore_case: true, files, ..search(&place, "fn h") };
    shows(&place, ignoring, &["src/b.txt:1:4:no FN here"]).await
}

async fn lines_are_found_in_files_of_a_glob(context: &Context<'_>) -> Result<(), Wrong> {
    let place = tree(context).await?;
    let in_files = |files: &str| SearchQuery { files: Some(files.to_owned()), ..search(&place, "(?i)fn") };
    shows(&place, in_files("*.txt"), &["src/b.txt:1:4:no FN here"]).await?;
    shows(&place, in_files("src/*/*.rs"), &FUNCTIONS[3..]).await
}

async fn lines_are_found_in_one_file(context: &Context<'_>) -> Result<(), Wrong> {
    let place = tree(context).await?;
    let one = SearchQuery { directory: place.path("src/a.rs"), ..search(&place, "fn") };
    shows(&place, one, &FUNCTIONS[1..3]).await
}

async fn hidden_files_are_searched_where_that_is_asked_for(context: &Context<'_>) -> Result<(), Wrong> {
    let place = tree(context).await?;
    shows(&place, search(&place, "hidden"), &[]).await?;
    let hidden = SearchQuery { hidden: true, ..search(&place, "hidden") };
    shows(&place, hidden, &[".git/x.rs:1:4:fn hidden() {}"]).await
}

async fn files_that_are_no_text_are_not_searched(context: &Context<'_>) -> Result<(), Wrong> {
    let place = tree(context).await?;
    shows(&place, search(&place, "binary"), &[]).await?;
    // Other encodings are text, and are shown as far as they can be.
    place.write("latin", b"caf\xe9 au lait\n".to_vec()).await?;
    shows(&place, search(&place, "lait"), &["latin:1:9:caf\u{fffd} au lait"]).await
}

async fn a_limit_of_lines_is_kept_and_told(context: &Context<'_>) -> Result<(), Wrong> {
    let place = tree(context).await?;
    let results = place.files.search(SearchQuery { limit: 2, ..search(&place, "fn") }).await?;
    let found: Vec<(String, u64)> =
        results.found.iter().map(|line| (below(&place, &line.path), line.line)).collect();
    same("the lines", &*found, &[("a b/d.rs".to_owned(), 1), ("src/a.rs".to_owned(), 1)][..])?;
    holds("it says that it is not all", !results.complete, &results.complete)
}

async fn an_expression_that_is_none_is_refused(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    match place.files.search(search(&place, "(")).await {
        Err(err) if matches!(err.kind, FileErrorKind::Pattern(_)) => same("the pattern", &*err.path, "("),
        seen => Err(Wrong::other("an expression that is none", "FileErrorKind::Pattern", &seen)),
    }
}

async fn a_long_line_is_shortened(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("long", format!("{}needle", "x".repeat(5000))).await?;
    let found = place.files.search(search(&place, "needle")).await?.found;
    let told: Vec<(u64, u64, usize)> =
        found.iter().map(|line| (line.line, line.column, line.text.len())).collect();
    same("line, column and bytes", &told, &vec![(1, 5001, 1000)])
}

async fn lines_end_where_they_end(context: &Context<'_>) -> Result<(), Wrong> {
    let place = context.place().await?;
    place.write("windows", "one\r\ntwo\r\n\r\nthree").await?;
    shows(&place, search(&place, "e$"), &["windows:1:3:one", "windows:4:5:three"]).await?;
    place.write("unicode", "日本 needle\n").await?;
    // Columns are bytes.
    shows(&place, search(&place, "needle"), &["unicode:1:8:日本 needle"]).await
}
