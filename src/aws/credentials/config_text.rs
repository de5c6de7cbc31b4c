//! The text of AWS's configuration files, read as the aws command reads it: sections, their settings, and the line that can't be read.
//!
//! The rules are those of Python's `configparser`, which the aws command reads them by; a comment behind a value is cut off,
//! as the SDK does.

/// `[profile work]` and what stands below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AwsConfigSection {
    /// What stands between the brackets.
    pub title: String,
    pub line: usize,
    pub settings: Vec<AwsConfigSetting>,
}

/// `name = value`; of a value that goes on in deeper lines, those too, each behind a line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AwsConfigSetting {
    /// In lower case.
    pub name: String,
    pub value: String,
    pub line: usize,
    /// A deeper line that looks like a setting of its own, and counts as a part of this value.
    pub swallowed_line: Option<usize>,
}

/// Why a file can't be read, without a word of what stands in that line: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AwsConfigTextProblem {
    pub line: usize,
    pub why: &'static str,
}

/// Parses the text of one of the files.
///
/// # Errors
/// Where a line is neither a section, a setting, a comment nor blank.
pub(super) fn parse_aws_config_text(text: &str) -> Result<Vec<AwsConfigSection>, AwsConfigTextProblem> {
    let mut sections: Vec<AwsConfigSection> = Vec::new();
    // How deep the setting begins that a deeper line goes on with; none behind a section's title.
    let mut open_depth = None;
    for (at, whole) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let problem = |why| Err(AwsConfigTextProblem { line: at + 1, why });
        let line = whole.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let depth = whole.len() - whole.trim_start().len();
        let open = sections.last_mut().and_then(|section| section.settings.last_mut());
        if let (Some(setting), true) = (open, open_depth.is_some_and(|begun| depth > begun)) {
            if setting.value.is_empty() || setting.value.starts_with('\n') {
                let Some((name, value)) = line.split_once('=') else {
                    return problem(
                        "it has no =, though it stands deeper than the setting that it belongs to",
                    );
                };
                setting.value.push_str(&format!("\n{} = {}", name.trim(), cut_off_comment(value)));
            } else {
                if looks_like_setting(line) {
                    setting.swallowed_line.get_or_insert(at + 1);
                }
                setting.value.push('\n');
                setting.value.push_str(cut_off_comment(line));
            }
        } else if line.starts_with('[') {
            let Some(title) = read_section_title(line) else { return problem("its [ isn't closed by a ]") };
            sections.push(AwsConfigSection { title, line: at + 1, settings: Vec::new() });
            open_depth = None;
        } else {
            let Some((name, value)) = line.split_once(['=', ':']).filter(|(name, _)| !name.trim().is_empty())
            else {
                return problem("it is neither a [section] nor a setting of the form name = value");
            };
            let Some(section) = sections.last_mut() else {
                return problem("it stands before the first [section]");
            };
            section.settings.push(AwsConfigSetting {
                name: name.trim().to_ascii_lowercase(),
                value: cut_off_comment(value).to_owned(),
                line: at + 1,
                swallowed_line: None,
            });
            open_depth = Some(depth);
        }
    }
    Ok(sections)
}

/// Returns what stands between the brackets; what follows them is let go. A bracket between quotes closes nothing.
fn read_section_title(line: &str) -> Option<String> {
    let inside = line.strip_prefix('[')?;
    let mut quote = None;
    let quoted_end = inside.char_indices().find(|(_, c)| {
        match quote {
            Some(open) if open == *c => quote = None,
            Some(_) => {}
            None if *c == '\'' || *c == '"' => quote = Some(*c),
            None => return *c == ']',
        }
        false
    });
    let end = quoted_end.map(|(at, _)| at).or_else(|| inside.find(']'))?;
    Some(inside[..end].trim().to_owned())
}

fn cut_off_comment(value: &str) -> &str {
    let value = value.trim();
    let comment = value
        .char_indices()
        .find(|(at, c)| matches!(c, '#' | ';') && (*at == 0 || value[..*at].ends_with([' ', '\t'])));
    comment.map_or(value, |(at, _)| value[..at].trim_end())
}

fn looks_like_setting(line: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.split_once('=').is_some_and(|(name, _)| !name.trim().is_empty() && name.trim().chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_the_aws_command_reads_it() {
        for (text, read) in [
            ("[a]\nx=1\n", "[a] x=1"),
            ("\u{feff}[a]\r\nx = 1\r\n", "[a] x=1"),
            ("[a]   # of the ops team\n    x = 1\n    y = 2\n", "[a] x=1 y=2"),
            ("  [a]\n\tX : 1\n\n# no = 2\n; no = 3\n", "[a] x=1"),
            ("[profile 'a ] b']\nx=1 # why\ny=1#2\nz=\n", "[profile 'a ] b'] x=1 y=1#2 z="),
            ("[it's]\nx=1", "[it's] x=1"),
            ("[a]\nurl = https://x?y=z\n", "[a] url=https://x?y=z"),
            ("[a]\ns3 =\n  b = c # d\n  e=f\nx=1\n", "[a] s3=|b = c|e = f x=1"),
            ("[a]\nx = 1\n  y = 2\n", "[a] x=1|y = 2!3"),
            ("[a]\nx = one\n  two three\n", "[a] x=one|two three"),
            ("", ""),
        ] {
            let sections = parse_aws_config_text(text).unwrap();
            let said: Vec<String> = sections
                .iter()
                .flat_map(|section| {
                    let settings = section.settings.iter().map(|setting| {
                        let swallowed = setting.swallowed_line.map(|line| format!("!{line}"));
                        let value = setting.value.replace('\n', "|");
                        format!("{}={value}{}", setting.name, swallowed.unwrap_or_default())
                    });
                    std::iter::once(format!("[{}]", section.title)).chain(settings).collect::<Vec<_>>()
                })
                .collect();
            assert_eq!(said.join(" "), read, "{text:?}");
        }
    }

    #[test]
    fn a_line_that_cant_be_read_is_named_and_never_shown() {
        for (text, line, why) in [
            ("x = 1\n", 1, "before the first"),
            ("[a]\nx = 1\nsecret\n", 3, "neither"),
            ("[a]\n= 1\n", 2, "neither"),
            ("[a\nx = 1\n", 1, "isn't closed"),
            ("[a]\ns3 =\n  secret\n", 3, "no ="),
        ] {
            let problem = parse_aws_config_text(text).unwrap_err();
            assert_eq!(problem.line, line, "{text:?}");
            assert!(problem.why.contains(why) && !problem.why.contains("secret"), "{problem:?}");
        }
    }
}
