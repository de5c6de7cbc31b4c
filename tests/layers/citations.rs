//! What a comment cites stands in `assets`: each `contract section N` and `aws-facts section N`.

use std::{collections::BTreeSet, fs};

use crate::sources::{list_files, repository_root};

const CITED_DOCUMENTS: [&str; 2] = ["contract", "aws-facts"];
const CITING_EXTENSIONS: [&str; 5] = ["rs", "mjs", "py", "sh", "md"];

/// The numbers of a document's sections: its headings are `## 4. Secrets, identity, bucket`.
fn section_numbers(document: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(repository_root().join(format!("assets/{document}.md"))).unwrap();
    let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
    headings.filter_map(|heading| heading.split_once(". ")).map(|(number, _)| number.to_owned()).collect()
}

/// Joins the lines of comments, so that a citation that goes over a line's end is read too.
fn join_comment_lines(text: &str) -> String {
    text.split_whitespace()
        .filter(|word| !["//", "///", "//!", "#"].contains(word))
        .collect::<Vec<_>>()
        .join(" ")
}

fn cited_numbers<'t>(text: &'t str, document: &str) -> Vec<&'t str> {
    let phrase = format!("{document} section ");
    let ends = text.match_indices(&phrase).map(|(at, _)| at + phrase.len());
    let numbers = ends.map(|at| {
        let rest = &text[at..];
        &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())]
    });
    numbers.filter(|number| !number.is_empty()).collect()
}

#[test]
fn every_cited_section_exists() {
    let mut citations = 0;
    for document in CITED_DOCUMENTS {
        let sections = section_numbers(document);
        for path in ["src", "tests", "edge"].iter().flat_map(|folder| list_files(folder, &CITING_EXTENSIONS))
        {
            let text = join_comment_lines(&fs::read_to_string(&path).unwrap());
            for number in cited_numbers(&text, document) {
                citations += 1;
                assert!(sections.contains(number), "{} cites {document} section {number}", path.display());
            }
        }
    }
    assert!(citations > 20, "only {citations} citations were found");
}
