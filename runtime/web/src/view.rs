//! The pages, as HTML. Everything that is not a literal here is escaped by the templates, but for what [`crate::markdown`] made.

pub(crate) mod chat;
pub(crate) mod devices;
pub(crate) mod outside;

use maud::{DOCTYPE, Markup, html};

use crate::assets::Assets;

/// A whole page.
fn whole(title: &str, assets: Option<&Assets>, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content";
                meta name="color-scheme" content="light dark";
                title { (title) }
                @if let Some(assets) = assets {
                    link rel="icon" href=(assets.icon) type="image/svg+xml";
                    link rel="stylesheet" href=(assets.style);
                    script src=(assets.script) defer {}
                }
                (head)
            }
            (body)
        }
    }
}
