//! What differs from run to run, written over at its own width: a snapshot shows the layout as it stands.

/// Ids, paths, dates and durations of a screen.
pub fn redact_screen(picture: &str) -> String {
    picture.lines().map(redact_line).collect::<Vec<_>>().join("\n")
}

fn redact_line(line: &str) -> String {
    let mut letters: Vec<char> = line.chars().collect();
    let text: String = letters.iter().collect();
    let mut at = 0;
    for word in split_words(&text) {
        let width = word.chars().count();
        if let Some(changed) = redact_word(&word) {
            letters.splice(at..at + width, changed.chars().chain(std::iter::repeat(' ')).take(width));
        }
        at += width;
    }
    // 4.0 s, 12 s
    for end in 1..letters.len().saturating_sub(1) {
        if letters[end] == ' '
            && letters[end + 1] == 's'
            && letters.get(end + 2).is_none_or(|l| !l.is_alphanumeric())
        {
            for at in (0..end).rev().take_while(|at| is_number_letter(&letters, *at)).collect::<Vec<_>>() {
                if letters[at].is_ascii_digit() {
                    letters[at] = '0';
                }
            }
        }
    }
    letters.into_iter().collect::<String>().trim_end().to_owned()
}

fn is_number_letter(letters: &[char], at: usize) -> bool {
    letters[at].is_ascii_digit() || letters[at] == '.'
}

/// Runs of letters that words are made of, and what parts them, in order.
fn split_words(text: &str) -> Vec<String> {
    let inside = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | ':' | '.');
    let mut words: Vec<String> = Vec::new();
    let mut last = None;
    for letter in text.chars() {
        let kind = inside(letter);
        match words.last_mut() {
            Some(word) if last == Some(kind) => word.push(letter),
            _ => words.push(letter.to_string()),
        }
        last = Some(kind);
    }
    words
}

fn redact_word(word: &str) -> Option<String> {
    let shape = |keep: &dyn Fn(char) -> bool, with: char| -> String {
        word.chars().map(|letter| if keep(letter) { letter } else { with }).collect()
    };
    let digits = |letter: char| !letter.is_ascii_digit();
    let lower =
        |text: &str| text.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    let hex = |text: &str| text.chars().all(|letter| letter.is_ascii_hexdigit());
    if let Some(rest) = word.strip_prefix("wizard-") {
        return (!rest.is_empty()).then(|| format!("wizard-{}", "x".repeat(rest.chars().count())));
    }
    // E1A2B3C4D5E6F7: distributions and identities
    let bare = word.trim_end_matches(['.', ':']);
    if bare.len() >= 12
        && bare.starts_with('E')
        && bare.chars().all(|l| l.is_ascii_uppercase() || l.is_ascii_digit())
    {
        return Some(shape(&|l| matches!(l, '.' | ':'), 'E'));
    }
    // d1a2b3.cloudfront.net, its end cut where there is no room
    let name = word.split('.').next().unwrap_or_default();
    // Without a digit it is a word, unless its end follows.
    let is_drawn = name.chars().any(|l| l.is_ascii_digit()) || name.len() == 14 && word.contains(".cloudf");
    let cut = name.len() >= 8 && name.starts_with('d') && is_drawn && lower(name);
    if cut && (word == name || ".cloudfront.net".starts_with(&word[name.len()..]) || word.contains(".cloudf"))
    {
        return Some(word.replacen(name, &"d".repeat(name.len()), 1));
    }
    // 11111111-2222-…: keys; wrapped, its last part begins a line
    let parts = word.matches('-').count();
    if hex(&word.replace('-', ""))
        && (parts >= 2 && word.len() >= 20 || parts == 0 && (4..=8).contains(&word.len()) && lower(word))
    {
        return Some(shape(&|l| l == '-', 'f'));
    }
    // packagecloud.rb.20261123T223135Z.bak
    let stamp = |(at, letter): (usize, char)| {
        letter == 'T'
            && at >= 8
            && word.is_char_boundary(at - 8)
            && word[at - 8..at].bytes().all(|b| b.is_ascii_digit())
    };
    // Where a backup's name is wrapped, its last part begins a line.
    let is_stamps_end =
        word.contains(".bak") && word.trim_start_matches(|l: char| l.is_ascii_digit()).starts_with('Z');
    if word.char_indices().any(stamp) || is_stamps_end {
        // The second backup of one second has a number behind it; which it is depends on the machine's speed.
        let masked = shape(&|l| !l.is_ascii_digit(), '0');
        return Some(masked.replace("Z-0.bak", "Z.bak"));
    }
    // dates, times and durations
    let clock = word.len() >= 3
        && word.chars().any(|l| l.is_ascii_digit())
        && word.chars().any(|l| l == ':' || l == '-')
        && word.chars().all(|l| l.is_ascii_digit() || matches!(l, ':' | '-' | 'T' | 'Z' | '.'));
    (clock && !word.contains("..")).then(|| shape(&digits, '0'))
}
