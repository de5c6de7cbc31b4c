//! Tells a packagecloud.rb of nothing but plain literals, line by line, from one that only running it could tell.
//!
//! It knows a few forms and takes everything else for more: it never relies on the reader that the product edits by,
//! whose mistakes the sandbox is to show.

/// Returns whether each line of it sets one name or key to one literal, is a comment, or is empty.
pub(super) fn holds_plain_literals_only(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).enumerate();
    while let Some((index, line)) = lines.next() {
        if line.contains(|c: char| c.is_control() && c != '\t') {
            return false;
        }
        let line = line.trim_matches([' ', '\t']);
        if let Some(comment) = line.strip_prefix('#') {
            // Ruby reads the file's encoding, and more, from a comment at its beginning.
            if index < 2 && comment.contains("coding") {
                return false;
            }
            continue;
        }
        match line.is_empty().then_some("").or_else(|| parse_assigned_right_side(line)) {
            Some("") => {}
            Some(right) => match parse_quoted_heredoc_tag(right) {
                Some(tag) => {
                    if !lines.any(|(_, line)| line.trim_matches([' ', '\t']) == tag) {
                        return false;
                    }
                }
                None if is_one_literal(right) => {}
                None => return false,
            },
            None => return false,
        }
    }
    true
}

/// What stands right of `name['key'] =`, or after `external_url`.
fn parse_assigned_right_side(line: &str) -> Option<&str> {
    if let Some(url) = line.strip_prefix("external_url ") {
        return Some(url.trim_start()).filter(|url| url.starts_with(['\'', '"']));
    }
    let (name, rest) = line.split_once('[')?;
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let quote = rest.chars().next().filter(|quote| ['\'', '"'].contains(quote))?;
    let (key, rest) = rest[1..].split_once(quote)?;
    let is_key = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    let right = rest.strip_prefix(']')?.trim_start().strip_prefix('=')?;
    let right = right.strip_prefix([' ', '\t']).unwrap_or(right).trim_start();
    (is_name && is_key && !right.is_empty()).then_some(right)
}

/// `<<~'TEXT'`: nothing in such a heredoc is evaluated.
fn parse_quoted_heredoc_tag(right: &str) -> Option<&str> {
    let quoted = right.strip_prefix("<<~").or_else(|| right.strip_prefix("<<-"))?;
    let tag = quoted.strip_prefix('\'')?.strip_suffix('\'')?;
    (!tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')).then_some(tag)
}

/// One literal, and at most a comment after it.
fn is_one_literal(right: &str) -> bool {
    let is_end = |rest: &str| {
        let comment = rest.trim_start_matches([' ', '\t']);
        comment.is_empty() || (comment.len() < rest.len() && comment.starts_with('#'))
    };
    if let Some(quote) = right.chars().next().filter(|quote| ['\'', '"'].contains(quote)) {
        return right[1..].split_once(quote).is_some_and(|(body, rest)| {
            // Between double quotes `#` may begin an interpolation.
            !body.contains('\\') && (quote == '\'' || !body.contains('#')) && is_end(rest)
        });
    }
    let word = &right[..right.find([' ', '\t']).unwrap_or(right.len())];
    let is_number = word == "0"
        || (!word.starts_with('0') && word.len() < 19 && word.bytes().all(|b| b.is_ascii_digit()));
    (["true", "false", "nil"].contains(&word) || is_number) && is_end(&right[word.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_more_than_a_literal_is_never_taken_for_one() {
        for (text, plain) in [
            ("", true),
            ("# a comment\n\n  # another\r\n", true),
            ("packagecloud_rails['cloudfront_enabled'] = true", true),
            ("packagecloud_rails[\"cloudfront_enabled\"]=false # why\r\n", true),
            ("external_url 'https://packages.example.com'\nunicorn['worker_processes'] = 4\n", true),
            ("a['b'] = \"x y\"\na['c'] = nil\na['d'] = '#{x}'\n", true),
            (include_str!("../seed/packagecloud.rb"), true),
            ("a['b'] = <<~'TEXT'\n  from_file 'x'\n  TEXT\n", true),
            ("a['b'] = <<~'TEXT'\n  no end\n", false),
            ("a['b'] = <<~TEXT\n  #{x}\nTEXT\n", false),
            ("a['b'] = <<~'TEXT'.strip\n  x\nTEXT\n", false),
            ("# -*- coding: latin-1 -*-\na['b'] = 'x'\n", false),
            ("#!/usr/bin/ruby\n# coding=latin-1\n", false),
            ("a['b'] = \"#{x}\"", false),
            ("a['b'] = \"#$x\"", false),
            ("a['b'] = 'it\\'s'", false),
            ("a['b'] = 'x' if ENV['y']", false),
            ("a['b'] = 'x' 'y'", false),
            ("a['b'] = 'x'; from_file 'y'", false),
            ("a['b'] = 'x\ny'", false),
            ("a['b'] = true && false", false),
            ("a['b'] = true\n  .nil?", false),
            ("a['b'] = truer", false),
            ("a['b'] = 4\n+ 1", false),
            ("a['b'] = 012", false),
            ("a['b'] = c['d'] = true", false),
            ("a['b'] == true", false),
            ("a['b'] ||= true", false),
            ("a[:b] = true", false),
            ("A['b'] = true", false),
            ("self.a['b'] = true", false),
            ("a.merge!('b' => true)", false),
            ("from_file 'x'", false),
            ("external_url x", false),
            ("external_url 'x' + 'y'", false),
            ("=begin\n=end", false),
            ("__END__\n", false),
            ("return", false),
            ("\u{feff}a['b'] = true", false),
            ("a['b'] = true\u{4}", false),
        ] {
            assert_eq!(holds_plain_literals_only(text.as_bytes()), plain, "{text:?}");
        }
        assert!(!holds_plain_literals_only(b"a['b'] = 'caf\xe9'"));
    }
}
