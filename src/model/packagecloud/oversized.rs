//! Objects that are larger than CloudFront serves: how many of packagecloud's there are, and some of them by name.

use super::unlinkable::render_key_in_words;

/// CloudFront serves nothing larger as a whole (aws-facts section 10), in bytes.
pub const SERVED_OBJECT_MAX_BYTES: u64 = 50_000_000_000;
/// Objects that are named.
const NAMED_OBJECTS_MAX: usize = 3;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OversizedObjects {
    count: u64,
    named: Vec<String>,
}

impl OversizedObjects {
    /// Counts the object where it is too large.
    pub fn add_oversized_object(&mut self, key: &str, size_bytes: u64) {
        if size_bytes <= SERVED_OBJECT_MAX_BYTES {
            return;
        }
        self.count += 1;
        if self.named.len() < NAMED_OBJECTS_MAX {
            self.named.push(format!("{} ({} GB)", render_key_in_words(key), size_bytes / 1_000_000_000));
        }
    }

    /// Adds what was counted elsewhere.
    pub fn merge_oversized_objects(&mut self, other: &Self) {
        self.count += other.count;
        let room = NAMED_OBJECTS_MAX.saturating_sub(self.named.len());
        self.named.extend(other.named.iter().take(room).cloned());
    }

    /// Renders what was counted, without a full stop; `None` where there is none.
    #[must_use]
    pub fn render_oversized_objects(&self) -> Option<String> {
        const WHY: &str = "over 50 GB CloudFront answers an error instead of an object; S3 serves it where CloudFront is off";
        let named = self.named.join(", ");
        match self.count {
            0 => None,
            1 => Some(format!("CloudFront can't serve {named}: {WHY}")),
            count => Some(format!("CloudFront can't serve {count} of the objects, such as {named}: {WHY}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_counted_and_some_are_named() {
        let mut all = OversizedObjects::default();
        all.add_oversized_object("7/8/package_files/1.deb", SERVED_OBJECT_MAX_BYTES);
        assert_eq!(all.render_oversized_objects(), None);
        all.add_oversized_object("7/8/package_files/2.deb", 64_424_509_440);
        let said = all.render_oversized_objects().unwrap();
        assert!(
            said.starts_with("CloudFront can't serve 7/8/package_files/2.deb (64 GB): over 50 GB"),
            "{said}"
        );
        let mut more = OversizedObjects::default();
        for number in 0..9 {
            more.add_oversized_object(&format!("7/9/{number}.deb"), u64::MAX);
        }
        all.merge_oversized_objects(&more);
        let said = all.render_oversized_objects().unwrap();
        assert!(said.starts_with("CloudFront can't serve 10 of the objects, such as 7/8/"), "{said}");
        assert_eq!(said.matches("7/9/").count(), 2, "{said}");
    }
}
