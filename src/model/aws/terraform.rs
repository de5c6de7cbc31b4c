//! `import` blocks for Terraform: what stands of an install, by its import ids (contract section 2, `export terraform-import`).
//!
//! The ids are those that the aws provider's documentation names under Import for each resource type.

/// One resource that stands, as Terraform imports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerraformImportBlock {
    /// `aws_iam_role`.
    pub resource_type: &'static str,
    /// What it is called in the configuration.
    pub resource_name: String,
    pub import_id: String,
    /// The provider's configuration, where it isn't the default one: `aws.packages`.
    pub provider: Option<&'static str>,
    /// What stands above the block, a line each.
    pub remarks: Vec<String>,
    /// Whether it is shown and not imported: it isn't of this install.
    pub is_commented_out: bool,
}

impl TerraformImportBlock {
    /// Returns a block for what this install made.
    #[must_use]
    pub fn new(resource_type: &'static str, resource_name: &str, import_id: &str) -> Self {
        Self {
            resource_type,
            resource_name: convert_to_terraform_name(resource_name),
            import_id: import_id.to_owned(),
            provider: None,
            remarks: Vec::new(),
            is_commented_out: false,
        }
    }

    /// Says something above it.
    #[must_use]
    pub fn add_remark(mut self, remark: impl Into<String>) -> Self {
        self.remarks.push(remark.into());
        self
    }

    /// Has it shown, but not imported.
    #[must_use]
    pub fn comment_out(self) -> Self {
        Self { is_commented_out: true, ..self }
    }

    fn render_import_block_lines(&self) -> Vec<String> {
        let mut lines = vec!["import {".to_owned()];
        lines.extend(self.provider.map(|provider| format!("  provider = {provider}")));
        lines.push(format!("  to = {}.{}", self.resource_type, self.resource_name));
        lines.push(format!("  id = \"{}\"", escape_hcl_string(&self.import_id)));
        lines.push("}".to_owned());
        if self.is_commented_out {
            lines.iter_mut().for_each(|line| line.insert_str(0, "# "));
        }
        let remarks = self.remarks.iter().map(|remark| render_hcl_comment(remark));
        remarks.chain(lines).collect()
    }
}

/// Renders a file for Terraform: `head` as comments, the blocks, then `tail` as comments.
#[must_use]
pub fn render_terraform_import_file(
    head: &[String],
    blocks: &[TerraformImportBlock],
    tail: &[String],
) -> String {
    let comments = |lines: &[String]| lines.iter().map(|line| render_hcl_comment(line)).collect::<Vec<_>>();
    let mut parts = vec![comments(head)];
    parts.extend(blocks.iter().map(TerraformImportBlock::render_import_block_lines));
    parts.push(comments(tail));
    let texts: Vec<String> =
        parts.iter().filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n")).collect();
    texts.join("\n\n")
}

/// A comment of one line, whatever is in it.
fn render_hcl_comment(text: &str) -> String {
    let plain: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    format!("# {plain}").trim_end().to_owned()
}

/// A text between the quotes of HCL's native syntax, where `${` and `%{` begin a template.
fn escape_hcl_string(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' | '\\' => escaped.extend(['\\', letter]),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            letter if letter.is_control() => escaped.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => escaped.push(letter),
        }
    }
    escaped.replace("${", "$${").replace("%{", "%%{")
}

/// A name that Terraform takes: letters, digits, `_` and `-`, and no digit or hyphen first.
fn convert_to_terraform_name(text: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let name: String = text.chars().map(|letter| if fits(letter) { letter } else { '_' }).collect();
    if name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_') {
        name
    } else {
        format!("_{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_what_terraform_reads_whatever_a_name_holds() {
        let hostile = TerraformImportBlock::new("aws_s3_bucket_policy", "7 \"x\"\n${y}", "a\"b\\${c}%{d}\n")
            .add_remark("one\nline");
        assert_eq!(
            render_terraform_import_file(&["head".to_owned()], std::slice::from_ref(&hostile), &[]),
            "# head\n\n# one line\nimport {\n  to = aws_s3_bucket_policy._7__x____y_\n  id = \"a\\\"b\\\\$${c}%%{d}\\n\"\n}"
        );
        let shown = TerraformImportBlock { provider: Some("aws.packages"), ..hostile }.comment_out();
        let text = render_terraform_import_file(&[], &[shown], &["tail".to_owned()]);
        assert!(text.lines().all(|line| line.is_empty() || line.starts_with('#')), "{text}");
        assert!(text.contains("\n#   provider = aws.packages\n") && text.ends_with("\n\n# tail"), "{text}");
    }
}
