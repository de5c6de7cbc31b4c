//! How many colours the terminal's description promises: one number of a compiled terminfo entry, term(5).

use std::path::PathBuf;

/// Where descriptions lie beside what the environment names.
const TERMINFO_FOLDERS: [&str; 3] = ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"];

/// `max_colors`, by its place among the numbers, which curses fixes.
const MAX_COLOURS_PLACE: usize = 13;

/// Reads how many colours the description of `term` promises; none where it has none, or promises no colour.
#[must_use]
pub fn read_terminfo_colour_count(term: &str, variable: impl Fn(&str) -> Option<String>) -> Option<u32> {
    let first = term.bytes().next()?;
    if term.contains('/') || term.starts_with('.') {
        return None;
    }
    let mut folders: Vec<PathBuf> = variable("TERMINFO").map(PathBuf::from).into_iter().collect();
    folders.extend(variable("HOME").map(|home| PathBuf::from(home).join(".terminfo")));
    let listed = variable("TERMINFO_DIRS").unwrap_or_default();
    folders.extend(listed.split(':').filter(|folder| !folder.is_empty()).map(PathBuf::from));
    folders.extend(TERMINFO_FOLDERS.map(PathBuf::from));
    let entry = folders.iter().find_map(|folder| {
        let by_letter = folder.join((first as char).to_string()).join(term);
        let by_number = folder.join(format!("{first:x}")).join(term);
        std::fs::read(by_letter).or_else(|_| std::fs::read(by_number)).ok()
    })?;
    parse_terminfo_colour_count(&entry)
}

/// Takes the number out of an entry: a header of six numbers of two bytes, the names, the flags, then the numbers.
fn parse_terminfo_colour_count(entry: &[u8]) -> Option<u32> {
    const MAGIC_TWO_BYTES: u16 = 0o432;
    const MAGIC_FOUR_BYTES: u16 = 0o1036;
    const HEADER_BYTES: usize = 12;
    let header = |place: usize| {
        let bytes = entry.get(place * 2..place * 2 + 2)?;
        Some(u16::from_le_bytes([bytes[0], bytes[1]]))
    };
    let bytes_per_number = match header(0)? {
        MAGIC_TWO_BYTES => 2,
        MAGIC_FOUR_BYTES => 4,
        _ => return None,
    };
    let (names, flags, numbers) = (header(1)?, header(2)?, header(3)?);
    if usize::from(numbers) <= MAX_COLOURS_PLACE {
        return None;
    }
    let before = HEADER_BYTES + usize::from(names) + usize::from(flags);
    let at = before + before % 2 + MAX_COLOURS_PLACE * bytes_per_number;
    let bytes = entry.get(at..at + bytes_per_number)?;
    let count = match *bytes {
        [low, high] => i32::from(i16::from_le_bytes([low, high])),
        [a, b, c, d] => i32::from_le_bytes([a, b, c, d]),
        _ => return None,
    };
    u32::try_from(count).ok().filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry of this many colours, as tic(1) writes it.
    fn compiled_entry(magic: u16, colours: i32) -> Vec<u8> {
        let names = b"xterm|a terminal\0";
        let header = [magic, names.len() as u16, 2, 14, 0, 0];
        let mut entry: Vec<u8> = header.iter().flat_map(|number| number.to_le_bytes()).collect();
        entry.extend(names);
        entry.extend([1, 0]);
        if entry.len() % 2 == 1 {
            entry.push(0);
        }
        for place in 0..14 {
            let number = if place == MAX_COLOURS_PLACE { colours } else { -1 };
            if magic == 0o432 {
                entry.extend((number as i16).to_le_bytes());
            } else {
                entry.extend(number.to_le_bytes());
            }
        }
        entry
    }

    #[test]
    fn the_number_of_colours_is_read_in_both_forms() {
        for (magic, colours, expected) in [
            (0o432, 8, Some(8)),
            (0o432, 256, Some(256)),
            (0o432, -1, None),
            (0o1036, 0x0100_0000, Some(0x0100_0000)),
            (0o777, 8, None),
        ] {
            assert_eq!(parse_terminfo_colour_count(&compiled_entry(magic, colours)), expected);
        }
        let whole = compiled_entry(0o1036, 256);
        (0..whole.len()).for_each(|end| assert_eq!(parse_terminfo_colour_count(&whole[..end]), None));
    }

    #[test]
    fn an_entry_is_found_where_the_environment_names_it_and_never_outside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("x")).unwrap();
        std::fs::write(folder.path().join("x/xterm-of-test"), compiled_entry(0o432, 88)).unwrap();
        let variable =
            |name: &str| (name == "TERMINFO").then(|| folder.path().to_string_lossy().into_owned());
        assert_eq!(read_terminfo_colour_count("xterm-of-test", variable), Some(88));
        assert_eq!(read_terminfo_colour_count("", variable), None);
        assert_eq!(read_terminfo_colour_count("../x/xterm-of-test", variable), None);
    }
}
