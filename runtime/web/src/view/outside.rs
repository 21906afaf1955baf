//! The pages of somebody who is not, or not yet, in the house.

use actix_web::http::StatusCode;
use maud::{Markup, html};

use super::whole;
use crate::assets::Assets;

/// Where a login link is handed over.
pub(crate) fn login(household: &str, assets: &Assets, notice: Option<&str>) -> Markup {
    let body = html! {
        body.outside {
            main.card {
                img.mark src=(assets.icon) alt="" width="56" height="56";
                h1 { (household) }
                @if let Some(notice) = notice {
                    p.notice role="alert" { (upper(notice)) "." }
                }
                p #login-lead { "Paste the login link that the house gave you." }
                form #login method="post" action="/login" autocomplete="off" {
                    label for="token" { "Login link" }
                    input #token name="token" required maxlength="400" spellcheck="false" autocapitalize="off";
                    button.primary type="submit" { "Log in on this browser" }
                }
                p.hint { "A link works once and for ten minutes. The person who runs the house gets a new one with " code { "hearth login" } "." }
            }
        }
    };
    whole(&format!("Log in · {household}"), Some(assets), &html! {}, &body)
}

/// For a browser without a session. A page that was opened from elsewhere is sent no cookie: its own link is.
pub(crate) fn not_logged_in() -> Markup {
    let body = html! {
        body.outside {
            main.card {
                h1 { "You are not logged in" }
                p { "This browser has no session here, or it has ended. Ask the person who runs the house for a login link: " code { "hearth login" } " prints one." }
                p.buttons {
                    a.button href="/login" { "I have a link" }
                    a.quiet href="/" { "I am logged in: open the chat" }
                }
            }
        }
    };
    whole("Not logged in", Some(&Assets::new()), &html! {}, &body)
}

/// One sentence about what went wrong.
pub(crate) fn problem(status: StatusCode, sentence: &str) -> Markup {
    let title = status.canonical_reason().unwrap_or("Problem");
    let body = html! {
        body.outside {
            main.card {
                h1 { (title) }
                p { (sentence) }
                p { a.button href="/" { "Back to the chat" } }
            }
        }
    };
    whole(title, Some(&Assets::new()), &html! {}, &body)
}

fn upper(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}
