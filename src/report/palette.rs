//! Colours for terminals, by what they mean.

use anstyle::{AnsiColor, Style};

/// Colours by meaning.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    /// Names.
    pub bold: Style,
    /// Refusals and errors.
    pub bad: Style,
    /// What needs a look.
    pub warn: Style,
    /// What is in order.
    pub good: Style,
    /// What is said beside.
    pub dim: Style,
}

impl Palette {
    /// The colours, or none.
    #[must_use]
    pub const fn new(colour: bool) -> Self {
        if !colour {
            let plain = Style::new();
            return Self {
                bold: plain,
                bad: plain,
                warn: plain,
                good: plain,
                dim: plain,
            };
        }
        Self {
            bold: Style::new().bold(),
            bad: AnsiColor::Red.on_default().bold(),
            warn: AnsiColor::Yellow.on_default().bold(),
            good: AnsiColor::Green.on_default(),
            dim: Style::new().dimmed(),
        }
    }
}

/// Paints `text` with `style`.
#[must_use]
pub fn paint(style: Style, text: &str) -> String {
    format!("{}{text}{}", style.render(), style.render_reset())
}
