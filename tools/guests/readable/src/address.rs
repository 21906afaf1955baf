//! Where a link leads.

/// Scheme and host, and the path, of a web address.
fn split(base: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = base.split_once("://")?;
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let origin = base.get(..scheme.len() + 3 + host_end)?;
    let path = rest.get(host_end..)?;
    Some((origin, path.find(['?', '#']).and_then(|end| path.get(..end)).unwrap_or(path)))
}

/// Removes `.` and `..` from a path (RFC 3986, section 5.2.4).
fn straight(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for step in path.split('/') {
        ends_in_folder = matches!(step, "." | "..");
        match step {
            "." => {}
            // The first is empty, before the first slash.
            ".." if kept.len() > 1 => _ = kept.pop(),
            ".." => {}
            step => kept.push(step),
        }
    }
    if ends_in_folder {
        kept.push("");
    }
    kept.join("/")
}

/// The address of a link on a page; none if it leads nowhere a reader could go (`javascript:`, `data:`, an anchor of the page itself).
#[must_use]
pub fn resolve(base: Option<&str>, link: &str) -> Option<String> {
    let link: String = link.trim().chars().filter(|character| !character.is_control()).map(|c| if c == ' ' { '+' } else { c }).collect();
    if link.is_empty() || link.starts_with('#') {
        return None;
    }
    let scheme_end = link.find(|character: char| !character.is_ascii_alphanumeric() && !matches!(character, '+' | '-' | '.'));
    if let Some(end) = scheme_end.filter(|end| *end > 0 && link.get(*end..).is_some_and(|rest| rest.starts_with(':'))) {
        let scheme = link.get(..end).unwrap_or_default().to_ascii_lowercase();
        return matches!(scheme.as_str(), "http" | "https" | "mailto" | "tel").then_some(link);
    }
    let base = base?;
    let (origin, path) = split(base)?;
    if let Some(rest) = link.strip_prefix("//") {
        let (scheme, _) = origin.split_once("://")?;
        return Some(format!("{scheme}://{rest}"));
    }
    let (way, query) = link.find(['?', '#']).map_or((link.as_str(), ""), |at| link.split_at(at));
    let path = if way.is_empty() {
        path.to_owned()
    } else if way.starts_with('/') {
        straight(way)
    } else {
        let folder = path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or("/");
        straight(&format!("{folder}{way}"))
    };
    Some(format!("{origin}{path}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_where_a_browser_would_go() {
        for (link, wanted) in [
            ("b", Some("https://host/d/b")),
            ("../b?q=1", Some("https://host/b?q=1")),
            ("../../../b", Some("https://host/b")),
            ("./", Some("https://host/d/")),
            ("/x/y", Some("https://host/x/y")),
            ("?p=2", Some("https://host/d/a?p=2")),
            ("//other/x", Some("https://other/x")),
            ("https://else/", Some("https://else/")),
            ("mailto:a@b", Some("mailto:a@b")),
            ("JavaScript:alert(1)", None),
            ("java\nscript:alert(1)", None),
            ("data:text/html,x", None),
            ("#top", None),
        ] {
            assert_eq!(resolve(Some("https://host/d/a?q=0#f"), link).as_deref(), wanted, "{link}");
        }
        assert_eq!(resolve(Some("https://host"), "a").as_deref(), Some("https://host/a"));
        assert_eq!(resolve(None, "a"), None);
    }
}
