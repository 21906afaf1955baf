//! What a reader does not see.

use super::tree::{Id, Tree};

/// Elements whose content is not the page's text.
const SKIPPED: &[&str] = &[
    "head", "script", "style", "noscript", "template", "svg", "math", "iframe", "frame", "object", "embed", "canvas", "audio", "video",
    "map", "input", "select", "button", "textarea", "datalist", "dialog", "nav", "title", "meta", "link",
];

/// Classes by which style sheets everywhere hide text.
const CLASSES: &[&str] =
    &["hidden", "d-none", "is-hidden", "invisible", "sr-only", "visually-hidden", "visuallyhidden", "screen-reader-text"];

/// Whether an element and all in it is left out.
pub(super) fn is(tree: &Tree, id: Id) -> bool {
    let Some(name) = tree.name(id) else { return false };
    if SKIPPED.contains(&name) || tree.attribute(id, "hidden").is_some() {
        return true;
    }
    if tree.attribute(id, "aria-hidden").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return true;
    }
    if tree.attribute(id, "class").is_some_and(|classes| classes.split_ascii_whitespace().any(|class| CLASSES.contains(&class))) {
        return true;
    }
    tree.attribute(id, "style").is_some_and(styled_away)
}

/// The number at the start of a value: `0`, `0.5px`, `-9999px`.
fn number(value: &str) -> Option<f64> {
    let end = value.find(|character: char| !character.is_ascii_digit() && !matches!(character, '.' | '-' | '+')).unwrap_or(value.len());
    value.get(..end)?.parse().ok()
}

/// Further out than this nobody scrolls, in any unit.
const FAR: f64 = 500.0;

fn styled_away(style: &str) -> bool {
    let mut small = 0;
    let mut clipped = false;
    for declaration in style.to_ascii_lowercase().split(';') {
        let Some((property, value)) = declaration.split_once(':') else { continue };
        let value = value.replace("!important", "");
        let (property, value) = (property.trim(), value.trim());
        let number = number(value);
        let gone = match property {
            "display" => value == "none",
            "visibility" => matches!(value, "hidden" | "collapse"),
            "opacity" => number.is_some_and(|number| number < 0.05),
            // Below two pixels, or two hundredths of what is around.
            "font-size" => number.is_some_and(|number| if value.ends_with("em") { number < 0.1 } else { number < 2.0 }),
            "color" => value == "transparent",
            "text-indent" | "left" | "top" | "right" | "bottom" | "margin-left" | "margin-top" => {
                number.is_some_and(|number| number < -FAR)
            }
            "clip" => value.replace([' ', ','], "").starts_with("rect(00") || value.replace([' ', ','], "").starts_with("rect(0px0"),
            "clip-path" => value.starts_with("inset(50%") || value.starts_with("inset(100%") || value.starts_with("circle(0"),
            "transform" => value.replace(' ', "").contains("scale(0)"),
            _ => false,
        };
        if gone {
            return true;
        }
        match property {
            "width" | "height" | "max-height" | "max-width"
                if number.is_some_and(|number| number <= 1.0) && value != "1" && !value.ends_with("em") =>
            {
                small += 1
            }
            "overflow" | "overflow-x" | "overflow-y" if matches!(value, "hidden" | "clip") => clipped = true,
            _ => {}
        }
    }
    small > 0 && clipped
}

#[cfg(test)]
mod tests {
    use super::styled_away;

    #[test]
    fn usual_ways_to_hide_are_known() {
        for style in [
            "display:none",
            "DISPLAY : None !important",
            "color:red; visibility: hidden",
            "opacity:0",
            "font-size:0px",
            "font-size: 1px",
            "position:absolute;left:-9999px",
            "text-indent:-9999em",
            "height:0;overflow:hidden",
            "width:1px;height:1px;overflow:hidden",
            "clip: rect(0, 0, 0, 0)",
            "color:transparent",
        ] {
            assert!(styled_away(style), "{style}");
        }
        for style in [
            "display:block",
            "opacity:0.5",
            "font-size:1em",
            "font-size:12px",
            "left:-10px",
            "height:0",
            "width:100%;overflow:hidden",
            "color:#000",
        ] {
            assert!(!styled_away(style), "{style}");
        }
    }
}
