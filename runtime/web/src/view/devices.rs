//! The page of the devices on which members are logged in.

use hearth_domain::household::Member;
use hearth_domain::session::Session;
use hearth_domain::time::Timestamp;
use maud::{Markup, html};

use super::whole;
use crate::assets::Assets;
use crate::devices::Theirs;
use crate::principal::Principal;

/// The whole page.
pub(crate) fn page(household: &str, assets: &Assets, who: &Principal, all: &[Theirs]) -> Markup {
    let body = html! {
        body.outside {
            main.card.devices {
                h1 { "Where you are logged in" }
                @for (member, sessions) in all {
                    @if member.id == who.member().id {
                        (list(who, member, sessions))
                        @if sessions.len() > 1 {
                            form method="post" action="/sessions/end-others" {
                                (csrf(who))
                                button.quiet type="submit" { "Log out everywhere else" }
                            }
                        }
                    } @else if !sessions.is_empty() {
                        h2 { (member.name) }
                        (list(who, member, sessions))
                    }
                }
                p.hint { "A device that you do not know, or have lost: end its session. It stops at once." }
                p { a.button href="/" { "Back to the chat" } }
            }
        }
    };
    whole(&format!("Sessions · {household}"), Some(assets), &html! {}, &body)
}

fn list(who: &Principal, member: &Member, sessions: &[Session]) -> Markup {
    html! {
        ul.sessions {
            @for session in sessions {
                li data-session=(session.id) {
                    div {
                        b { (session.device) }
                        @if session.id == who.session().id { " " span.hint { "this browser" } }
                        p.hint { "Since " (shown(session.at, who)) ", last used about " (shown(session.seen, who)) "." }
                    }
                    form method="post" action="/sessions/end" {
                        (csrf(who))
                        input type="hidden" name="session" value=(session.id);
                        button.quiet type="submit" {
                            @if session.id == who.session().id { "Log out" } @else { "End" }
                            span.sr { " " (session.device) " of " (member.name) }
                        }
                    }
                }
            }
        }
    }
}

fn shown(at: Timestamp, who: &Principal) -> String {
    at.to_zoned(who.member().time_zone()).strftime("%-d %B %Y, %H:%M").to_string()
}

fn csrf(who: &Principal) -> Markup {
    html! { input type="hidden" name="csrf" value=(who.csrf()); }
}
