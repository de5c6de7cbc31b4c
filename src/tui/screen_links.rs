//! Links on the screen (OSC 8): what AWS's console has a page of is opened from where its name stands.

use ratatui::{
    buffer::{Buffer, Cell},
    layout::Position,
};

/// A row's cells that lead somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScreenLink {
    pub row: u16,
    pub first_column: u16,
    /// Behind the last.
    pub end_column: u16,
    pub url: String,
}

impl ScreenLink {
    /// Whether a cell is one of the link's.
    #[must_use]
    pub fn covers_cell(&self, place: Position) -> bool {
        place.y == self.row && (self.first_column..self.end_column).contains(&place.x)
    }
}

/// Finds what the console has a page of on a frame. A name that goes on in the next row is none: half of it would lead
/// nowhere.
#[must_use]
pub fn find_console_links(buffer: &Buffer) -> Vec<ScreenLink> {
    let width = usize::from(buffer.area.width.max(1));
    let mut links = Vec::new();
    for (row, cells) in buffer.content.chunks(width).enumerate() {
        let is_part = |column: usize| {
            let symbol = cells[column].symbol();
            symbol.len() == 1 && !symbol.starts_with([' ', ',', ';', '(', ')', '"', '\''])
        };
        let mut column = 0;
        while column < cells.len() {
            let end = (column..cells.len()).find(|at| !is_part(*at)).unwrap_or(cells.len());
            if !matches!(cells[column].symbol(), "E" | "a") {
                column = end + 1;
                continue;
            }
            let word: String = cells[column..end].iter().map(Cell::symbol).collect();
            let word = word.trim_end_matches(['.', ':']);
            let ends_row = end + 1 >= cells.len();
            if let Some(url) = build_console_url(word).filter(|_| !ends_row) {
                links.push(ScreenLink {
                    row: row as u16,
                    first_column: column as u16,
                    end_column: (column + word.len()) as u16,
                    url,
                });
            }
            column = end + 1;
        }
    }
    links
}

/// Returns the console's page of a resource that is named by its ARN, or of a distribution by its id; none in another
/// partition than AWS's commercial one, whose console is elsewhere.
#[must_use]
pub fn build_console_url(name: &str) -> Option<String> {
    let is_id =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if name.starts_with('E')
        && (12..=16).contains(&name.len())
        && is_id(name)
        && name.bytes().any(|b| b.is_ascii_digit())
    {
        return Some(format!("https://console.aws.amazon.com/cloudfront/v4/home#/distributions/{name}"));
    }
    let parts: Vec<&str> = name.strip_prefix("arn:aws:")?.splitn(4, ':').collect();
    let [service, region, _account, resource] = parts.as_slice() else { return None };
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-/.:@+=$".contains(&b));
    if resource.is_empty() || !is_plain(resource) || !is_plain(region) {
        return None;
    }
    let (kind, id) = resource.split_once(['/', ':']).unwrap_or(("", resource));
    Some(match (*service, kind) {
        ("cloudfront", "distribution") => {
            format!("https://console.aws.amazon.com/cloudfront/v4/home#/distributions/{id}")
        }
        ("iam", "role") => {
            let name = id.rsplit('/').next().unwrap_or(id);
            format!("https://console.aws.amazon.com/iam/home#/roles/{name}")
        }
        ("lambda", "function") => {
            let (function, version) = id.split_once(':').unwrap_or((id, ""));
            let version = if version.is_empty() { String::new() } else { format!("/versions/{version}") };
            format!(
                "https://{region}.console.aws.amazon.com/lambda/home?region={region}#/functions/{function}{version}"
            )
        }
        ("kms", "key") => {
            format!("https://{region}.console.aws.amazon.com/kms/home?region={region}#/kms/keys/{id}")
        }
        ("s3", "") => format!("https://console.aws.amazon.com/s3/buckets/{id}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use ratatui::{layout::Rect, style::Style};

    use super::*;

    #[test]
    fn names_lead_to_the_consoles_pages() {
        for (name, page) in [
            ("E2QWRUHAPOMQZL", Some("cloudfront/v4/home#/distributions/E2QWRUHAPOMQZL")),
            (
                "arn:aws:cloudfront::999999999999:distribution/E2QWRUHAPOMQZL",
                Some("#/distributions/E2QWRUHAPOMQZL"),
            ),
            ("arn:aws:iam::999999999999:role/service-role/edge", Some("iam/home#/roles/edge")),
            ("arn:aws:lambda:us-east-1:999999999999:function:auth:7", Some("#/functions/auth/versions/7")),
            ("arn:aws:kms:us-east-1:999999999999:key/1234-ab", Some("#/kms/keys/1234-ab")),
            ("arn:aws:s3:::pkgs-example", Some("s3/buckets/pkgs-example")),
            ("arn:aws-cn:s3:::pkgs-example", None),
            ("arn:aws:sns:us-east-1:999999999999:topic", None),
            ("arn:aws:iam::999999999999:role/\u{1b}]", None),
            ("ENABLEDALWAYS", None),
            ("E12", None),
        ] {
            let url = build_console_url(name);
            match page {
                Some(page) => {
                    assert!(url.as_deref().is_some_and(|url| url.ends_with(page)), "{name}: {url:?}");
                }
                None => assert_eq!(url, None, "{name}"),
            }
        }
    }

    #[test]
    fn a_link_covers_its_name_alone_and_half_a_name_is_none() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 2));
        buffer.set_string(2, 0, "at E2QWRUHAPOMQZL, now", Style::new());
        buffer.set_string(26, 1, "E2QWRUHAPOMQZL", Style::new());
        let links = find_console_links(&buffer);
        assert_eq!(links.len(), 1, "{links:?}");
        assert_eq!((links[0].row, links[0].first_column, links[0].end_column), (0, 5, 19));
        assert!(links[0].covers_cell(Position::new(18, 0)) && !links[0].covers_cell(Position::new(19, 0)));
    }
}
