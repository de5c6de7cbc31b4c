//! Markdown that pastes into any tracker: headings, narrow tables, lists and code, no HTML (CommonMark 0.31, tables by GFM).
//!
//! Whatever a name holds stays text: nothing from outside makes a heading, a link, a cell or the end of a fence.

use super::display_text::escape_display_controls;

/// A document that grows from top to bottom, with an empty line between its blocks.
#[derive(Debug, Clone, Default)]
pub struct MarkdownDocument(Vec<String>);

impl MarkdownDocument {
    /// Adds a heading of this level, 1 to 6.
    pub fn add_heading(&mut self, level: usize, text: &str) {
        self.0.push(format!("{} {}", "#".repeat(level), escape_markdown_text(text)));
    }

    /// Adds a paragraph of text as it stands.
    pub fn add_paragraph(&mut self, text: &str) {
        self.0.push(escape_markdown_text(text));
    }

    /// Adds a sentence from elsewhere as a paragraph: it begins with a capital letter there.
    pub fn add_sentence(&mut self, text: &str) {
        let mut letters = text.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        self.add_paragraph(&(first + letters.as_str()));
    }

    /// Adds a paragraph that is Markdown already.
    pub fn add_markdown(&mut self, markdown: impl Into<String>) {
        self.0.push(markdown.into());
    }

    /// Adds a list; its entries are Markdown already, a line each.
    pub fn add_list(&mut self, entries: impl IntoIterator<Item = String>) {
        let lines: Vec<String> = entries.into_iter().map(|entry| format!("- {entry}")).collect();
        if !lines.is_empty() {
            self.0.push(lines.join("\n"));
        }
    }

    /// Adds a table; heads and cells are Markdown already, by [`escape_markdown_text`] or [`render_code_span`].
    pub fn add_table<const COLUMNS: usize>(
        &mut self,
        heads: [&str; COLUMNS],
        rows: impl IntoIterator<Item = [String; COLUMNS]>,
    ) {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |", cells.join(" | "))
        };
        let mut lines = vec![line(&heads.map(str::to_owned)), line(&heads.map(|_| "---".to_owned()))];
        lines.extend(rows.into_iter().map(|row| line(&row)));
        if lines.len() > 2 {
            self.0.push(lines.join("\n"));
        }
    }

    /// Adds lines as they stand, between fences longer than any run of backticks in them.
    pub fn add_code_block(&mut self, language: &str, text: &str) {
        let fence = "`".repeat(find_longest_backtick_run(text).max(2) + 1);
        let text = escape_display_controls(text);
        self.0.push(format!("{fence}{language}\n{}\n{fence}", text.trim_end_matches('\n')));
    }

    /// Renders all of it.
    #[must_use]
    pub fn render_markdown(&self) -> String {
        self.0.join("\n\n") + "\n"
    }
}

/// Renders text from outside so that it is read as it stands, on one line. A pipe is escaped by the table that it comes into.
#[must_use]
pub fn escape_markdown_text(text: &str) -> String {
    let text = put_on_one_line(text);
    let mut escaped = String::with_capacity(text.len());
    let letters: Vec<char> = text.chars().collect();
    for (at, &letter) in letters.iter().enumerate() {
        let is_word = |place: Option<usize>| {
            place.and_then(|place| letters.get(place)).is_some_and(|one| one.is_alphanumeric())
        };
        let special = match letter {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '~' | '&' => true,
            // Between letters it emphasizes nothing.
            '_' => !(is_word(at.checked_sub(1)) && is_word(Some(at + 1))),
            // A heading, a list, a rule: at the beginning alone.
            '#' | '+' | '-' | '=' | '|' => at == 0,
            '.' | ')' => at > 0 && letters[..at].iter().all(char::is_ascii_digit),
            _ => false,
        };
        if special {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// Renders a name or a command as code on one line.
#[must_use]
pub fn render_code_span(text: &str) -> String {
    let text = put_on_one_line(text);
    if text.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(find_longest_backtick_run(&text) + 1);
    let room = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{room}{text}{room}{fence}")
}

/// Renders a link; its text is Markdown already.
#[must_use]
pub fn render_markdown_link(markdown: &str, url: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&'*+,;=%".contains(byte);
    let mut address = String::with_capacity(url.len());
    for byte in url.as_bytes() {
        if plain(byte) {
            address.push(char::from(*byte));
        } else {
            address.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("[{markdown}]({address})")
}

fn put_on_one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    escape_display_controls(&line).into_owned()
}

fn find_longest_backtick_run(text: &str) -> usize {
    text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        for (text, wanted) in [
            ("# a", r"\# a"),
            ("- a", r"\- a"),
            ("1. a", r"1\. a"),
            ("version 1.2 (a)", "version 1.2 (a)"),
            ("*a* _b_ c_d", r"\*a\* \_b\_ c_d"),
            ("[x](javascript:y) <b>", r"\[x\](javascript:y) \<b\>"),
            ("a\nb\u{1b}[31m", r"a b\u001b\[31m"),
            ("a`b", r"a\`b"),
        ] {
            assert_eq!(escape_markdown_text(text).replace(r"\\u", r"\u"), wanted, "{text}");
        }
        assert_eq!(render_code_span("a`b"), "``a`b``");
        assert_eq!(render_code_span("`a``"), "``` `a`` ```");
        assert_eq!(render_code_span("a\n|b"), "`a |b`");
        assert_eq!(render_code_span(" "), "");
        assert_eq!(render_markdown_link("x", "https://a/b c)(d"), "[x](https://a/b%20c%29%28d)");
    }

    #[test]
    fn a_table_has_its_cells_and_a_fence_ends_where_its_text_does() {
        let mut document = MarkdownDocument::default();
        document.add_heading(2, "One");
        document.add_table(["A", "B"], [[render_code_span("x|y"), escape_markdown_text("p|q")]]);
        document.add_table(["none"], []);
        document.add_code_block("text", "a\n````\nb\n");
        document.add_list(["one".to_owned()]);
        assert_eq!(
            document.render_markdown(),
            "## One\n\n| A | B |\n| --- | --- |\n| `x\\|y` | p\\|q |\n\n`````text\na\n````\nb\n`````\n\n- one\n"
        );
    }
}
