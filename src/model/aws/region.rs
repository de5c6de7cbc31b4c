//! A region's name: whether it can be one of AWS's, and what it was meant to be where it can't.

/// Explains why no region of AWS has this name, with what to give instead; none where it has a region's form.
#[must_use]
pub fn explain_impossible_region(name: &str) -> Option<String> {
    if has_region_form(name) {
        return None;
    }
    let meant: String = name.trim().to_lowercase().replace([' ', '_'], "-");
    let zone =
        meant.strip_suffix(|last: char| last.is_ascii_lowercase()).filter(|rest| has_region_form(rest));
    let help = match zone {
        Some(region) => format!("that is an availability zone: give its region, {region}"),
        None if has_region_form(&meant) => format!("give {meant}"),
        None => "give one as AWS writes it, such as eu-central-1".to_owned(),
    };
    Some(format!(
        "no region of AWS is named \"{name}\": {help} (--region, AWS_REGION, or `region` in the profile)"
    ))
}

/// Whether it is two letters, words, and a number, with hyphens between: `eu-central-1`, `us-gov-west-1`.
fn has_region_form(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let [area, words @ .., number] = parts.as_slice() else { return false };
    let letters = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
    let digits = |text: &str| matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
    (2..=4).contains(&area.len())
        && letters(area)
        && !words.is_empty()
        && words.iter().copied().all(letters)
        && digits(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_region_is_named_says_what_was_meant() {
        for name in
            ["us-east-1", "eu-central-2", "us-gov-west-1", "ap-southeast-5", "cn-north-1", "eusc-de-east-1"]
        {
            assert_eq!(explain_impossible_region(name), None, "{name}");
        }
        for (name, help) in [
            ("eu-west-1a", "that is an availability zone: give its region, eu-west-1"),
            ("EU-WEST-1", "give eu-west-1"),
            ("eu central 1", "give eu-central-1"),
            (" us_east_1 ", "give us-east-1"),
            ("nowhere", "such as eu-central-1"),
            ("Frankfurt", "such as eu-central-1"),
            ("eu--1", "such as eu-central-1"),
            ("", "such as eu-central-1"),
        ] {
            let said = explain_impossible_region(name).unwrap_or_else(|| panic!("{name}"));
            assert!(said.contains(help) && said.contains("--region"), "{name}: {said}");
        }
    }
}
