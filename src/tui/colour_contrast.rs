//! How well one colour is read on another: relative luminance and contrast ratio as WCAG 2.2 defines them,
//! <https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>.

/// A colour of the sRGB space, each part from 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RgbColour(pub u8, pub u8, pub u8);

/// Computes the luminance, from 0 for black to 1 for white.
#[must_use]
pub fn relative_luminance(colour: RgbColour) -> f64 {
    let linear = |part: u8| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(colour.0) + 0.7152 * linear(colour.1) + 0.0722 * linear(colour.2)
}

/// Computes the ratio, from 1 for the same colour to 21 for black on white; WCAG asks for 4.5 of text (criterion 1.4.3).
#[must_use]
pub fn contrast_ratio(one: RgbColour, other: RgbColour) -> f64 {
    let (one, other) = (relative_luminance(one), relative_luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// Returns the colour of an index from 16 on, which xterm's 256 colours fix: a cube of six steps a part, then 24 greys.
#[must_use]
pub fn indexed_colour_to_rgb(index: u8) -> Option<RgbColour> {
    const CUBE_STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    match index {
        0..16 => None,
        16..232 => {
            let place = usize::from(index - 16);
            Some(RgbColour(CUBE_STEPS[place / 36], CUBE_STEPS[place / 6 % 6], CUBE_STEPS[place % 6]))
        }
        232..=255 => {
            let grey = 8 + 10 * (index - 232);
            Some(RgbColour(grey, grey, grey))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_that_are_published() {
        let white = RgbColour(255, 255, 255);
        for (colour, expected) in [
            (RgbColour(0, 0, 0), 21.0),
            (white, 1.0),
            (RgbColour(119, 119, 119), 4.48),
            (RgbColour(255, 0, 0), 4.0),
        ] {
            let ratio = contrast_ratio(colour, white);
            assert!((ratio - expected).abs() < 0.005, "{colour:?}: {ratio}");
        }
    }

    #[test]
    fn indexes_are_xterms() {
        for (index, expected) in [
            (15, None),
            (16, Some(RgbColour(0, 0, 0))),
            (81, Some(RgbColour(95, 215, 255))),
            (231, Some(RgbColour(255, 255, 255))),
            (249, Some(RgbColour(178, 178, 178))),
        ] {
            assert_eq!(indexed_colour_to_rgb(index), expected);
        }
    }
}
