//! The tree of a page written as Markdown.

use super::{
    hidden,
    tree::{Id, Tree},
};
use crate::{address, text};

/// Deeper than this a page is not read: nobody writes so, and a stack is finite.
const DEPTH: usize = 200;

/// Quotes and lists further in are written as if they were not: beyond this, in bytes, a line is more sign than word.
const PREFIX_BYTES: usize = 40;

/// The longest label of a link, in characters.
const LABEL_CHARS: usize = 300;

struct Writer<'a> {
    tree: &'a Tree,
    base: Option<&'a str>,
    limit_bytes: usize,
    out: String,
    /// Line ends that stand before the next word: 1 for a new line, 2 for a new block.
    breaks: usize,
    /// A space stands before the next word, if it is in the same line.
    space: bool,
    /// What every line begins with, by the quotes and lists around.
    prefix: String,
    /// How much of the prefix a blank line has: no more than the line before and the line after share.
    shared: usize,
    /// What the next line begins with instead of the last part of the prefix: the sign of a list's item.
    bullet: Option<String>,
}

pub(super) fn write(tree: &Tree, id: Id, base: Option<&str>, limit_chars: usize) -> String {
    let mut writer = Writer {
        tree,
        base,
        // A character has at most four bytes; one more, so that a cut is seen.
        limit_bytes: limit_chars.saturating_mul(4).saturating_add(4),
        out: String::new(),
        breaks: 0,
        space: false,
        prefix: String::new(),
        shared: 0,
        bullet: None,
    };
    writer.children(id, 0);
    writer.out
}

impl Writer<'_> {
    fn full(&self) -> bool {
        self.out.len() > self.limit_bytes
    }

    /// The next word begins a line, with a blank one before it if `breaks` is 2; not between an item's sign and its first word.
    fn block(&mut self, breaks: usize) {
        if self.bullet.is_none() {
            self.breaks = self.breaks.max(breaks);
        }
    }

    /// Line ends and the start of the line, if a line is to begin.
    fn begin(&mut self) {
        if self.out.is_empty() || self.breaks > 0 {
            if !self.out.is_empty() {
                for _break in 1..self.breaks {
                    self.out.push('\n');
                    self.out.push_str(self.prefix.get(..self.shared).unwrap_or_default().trim_end());
                }
                self.out.push('\n');
            }
            match self.bullet.take() {
                Some(bullet) => {
                    let around = self.prefix.len().saturating_sub(bullet.len());
                    self.out.push_str(self.prefix.get(..around).unwrap_or_default());
                    self.out.push_str(&bullet);
                }
                None => self.out.push_str(&self.prefix),
            }
        } else if self.space {
            self.out.push(' ');
        }
        self.breaks = 0;
        self.space = false;
        self.shared = self.prefix.len();
    }

    /// Words in the running line.
    fn words(&mut self, words: &str) {
        if words.starts_with(char::is_whitespace) {
            self.space = true;
        }
        let line = text::line(words);
        if !line.is_empty() {
            self.begin();
            self.out.push_str(&line);
            self.space = words.ends_with(char::is_whitespace);
        }
    }

    fn children(&mut self, id: Id, depth: usize) {
        let tree = self.tree;
        for child in tree.children(id) {
            if self.full() || depth >= DEPTH {
                return;
            }
            match tree.text_of(*child) {
                Some(words) => self.words(words),
                None => self.element(*child, depth + 1),
            }
        }
    }

    /// What stands in an element, on one line.
    fn inline(&self, id: Id, depth: usize) -> String {
        let mut inner = Writer {
            tree: self.tree,
            base: self.base,
            limit_bytes: self.limit_bytes,
            out: String::new(),
            breaks: 0,
            space: false,
            prefix: String::new(),
            shared: 0,
            bullet: None,
        };
        inner.children(id, depth);
        text::line(&inner.out)
    }

    fn element(&mut self, id: Id, depth: usize) {
        if hidden::is(self.tree, id) {
            return;
        }
        let Some(name) = self.tree.name(id) else { return };
        match name {
            "br" => self.block(1),
            "hr" => self.whole(2, "---"),
            "img" => self.picture(id),
            "a" => self.link(id, depth),
            "strong" | "b" => self.marked(id, depth, "**"),
            "em" | "i" => self.marked(id, depth, "_"),
            "code" | "kbd" | "samp" => self.marked(id, depth, "`"),
            "pre" => self.fenced(id),
            "blockquote" => self.within(id, depth, "> ", None),
            "ul" | "ol" => self.list(id, depth),
            "table" => self.table(id, depth),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading(id, depth, name),
            "li" | "dt" | "dd" | "summary" | "option" => self.around(id, depth, 1),
            "p" | "div" | "section" | "article" | "main" | "header" | "figure" | "figcaption" | "address" | "details" | "fieldset"
            | "dl" | "form" | "body" | "html" | "center" => self.around(id, depth, 2),
            "footer" | "aside" => {}
            _ => self.children(id, depth),
        }
    }

    fn around(&mut self, id: Id, depth: usize, breaks: usize) {
        self.block(breaks);
        self.children(id, depth);
        self.block(breaks);
    }

    /// A block of one line.
    fn whole(&mut self, breaks: usize, line: &str) {
        self.block(breaks);
        self.begin();
        self.out.push_str(line);
        self.block(breaks);
    }

    fn heading(&mut self, id: Id, depth: usize, name: &str) {
        let level = name.as_bytes().get(1).map_or(1, |digit| usize::from(digit.saturating_sub(b'0')));
        let inner = self.inline(id, depth);
        if !inner.is_empty() {
            self.whole(2, &format!("{} {inner}", "#".repeat(level)));
        }
    }

    fn marked(&mut self, id: Id, depth: usize, mark: &str) {
        let inner = self.inline(id, depth);
        if !inner.is_empty() {
            self.begin();
            self.out.push_str(&format!("{mark}{inner}{mark}"));
        }
    }

    /// Pictures are not fetched by whoever shows this: their description is words, not a link.
    fn picture(&mut self, id: Id) {
        let alt = self.tree.attribute(id, "alt").map(text::line).unwrap_or_default();
        if !alt.is_empty() {
            self.begin();
            self.out.push_str(&format!("(picture: {})", text::cut(&alt, LABEL_CHARS).0));
        }
    }

    fn link(&mut self, id: Id, depth: usize) {
        let inner = self.inline(id, depth);
        if inner.is_empty() {
            return;
        }
        let target = self.tree.attribute(id, "href").and_then(|href| address::resolve(self.base, href));
        self.begin();
        match target {
            Some(target) => {
                let label = text::cut(&inner, LABEL_CHARS).0.replace('[', "(").replace(']', ")");
                let target = text::clean(&target).replace('(', "%28").replace(')', "%29").replace(['<', '>'], "");
                self.out.push_str(&format!("[{label}]({target})"));
            }
            None => self.out.push_str(&inner),
        }
    }

    fn fenced(&mut self, id: Id) {
        let inner = text::clean(&self.tree.text(id));
        let inner = inner.trim_matches('\n').trim_end();
        if inner.is_empty() {
            return;
        }
        let longest = inner.split(|character| character != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest.max(2) + 1);
        self.whole(2, &fence);
        for line in inner.lines().take(self.limit_bytes) {
            if self.full() {
                break;
            }
            self.breaks = 1;
            self.begin();
            self.out.push_str(line);
        }
        self.breaks = 1;
        self.whole(1, &fence);
        self.block(2);
    }

    /// A block with something before each of its lines.
    fn within(&mut self, id: Id, depth: usize, prefix: &str, bullet: Option<String>) {
        self.block(if bullet.is_some() { 1 } else { 2 });
        // Line ends so far belong to what is around.
        let length = self.prefix.len();
        let waiting = self.breaks;
        if length < PREFIX_BYTES {
            self.prefix.push_str(prefix);
            self.bullet = bullet.or(self.bullet.take());
        }
        self.breaks = waiting.max(1);
        self.children(id, depth);
        self.prefix.truncate(length);
        self.shared = self.shared.min(length);
        self.bullet = None;
        self.block(1);
        if prefix == "> " {
            self.block(2);
        }
    }

    fn list(&mut self, id: Id, depth: usize) {
        // A list in a list is part of it, not a block of its own.
        let outermost = !self.prefix.ends_with(' ') || self.prefix.ends_with("> ");
        self.block(if outermost { 2 } else { 1 });
        let ordered = self.tree.name(id) == Some("ol");
        let tree = self.tree;
        let mut number = tree.attribute(id, "start").and_then(|start| start.parse::<u32>().ok()).unwrap_or(1);
        for child in tree.children(id) {
            if self.full() || depth >= DEPTH {
                break;
            }
            if tree.name(*child) == Some("li") && !hidden::is(tree, *child) {
                let bullet = if ordered { format!("{number}. ") } else { "- ".to_owned() };
                number = number.saturating_add(1);
                let indent = " ".repeat(bullet.len());
                self.within(*child, depth + 1, &indent, Some(bullet));
            } else if tree.text_of(*child).is_none() {
                self.element(*child, depth + 1);
            }
        }
        self.block(if outermost { 2 } else { 1 });
    }

    fn table(&mut self, id: Id, depth: usize) {
        self.block(2);
        let mut rows = Vec::new();
        self.rows(id, 0, &mut rows);
        let columns = |row: &Id| self.tree.children(*row).iter().filter(|cell| matches!(self.tree.name(**cell), Some("td" | "th"))).count();
        // A table of one column, or one with a table in it, is there for the looks.
        let nested = rows.iter().any(|row| self.tree.children(*row).iter().any(|cell| self.holds_table(*cell, 0)));
        if nested || rows.iter().all(|row| columns(row) < 2) {
            self.children(id, depth);
            self.block(2);
            return;
        }
        for (number, row) in rows.iter().enumerate() {
            if self.full() {
                break;
            }
            let cells = self.tree.children(*row).iter().filter(|cell| matches!(self.tree.name(**cell), Some("td" | "th")));
            let shown = cells.filter(|cell| !hidden::is(self.tree, **cell)).map(|cell| self.inline(*cell, depth + 1).replace('|', "\\|"));
            let shown: Vec<String> = shown.collect();
            if shown.iter().all(String::is_empty) {
                continue;
            }
            self.whole(1, &format!("| {} |", shown.join(" | ")));
            if number == 0 {
                self.whole(1, &format!("|{}", "---|".repeat(shown.len())));
            }
        }
        self.block(2);
    }

    fn holds_table(&self, id: Id, depth: usize) -> bool {
        depth < 8
            && self.tree.children(id).iter().any(|child| self.tree.name(*child) == Some("table") || self.holds_table(*child, depth + 1))
    }

    fn rows(&self, id: Id, depth: usize, rows: &mut Vec<Id>) {
        for child in self.tree.children(id) {
            if hidden::is(self.tree, *child) || depth > 2 {
                continue;
            }
            match self.tree.name(*child) {
                Some("tr") => rows.push(*child),
                Some("thead" | "tbody" | "tfoot") => self.rows(*child, depth + 1, rows),
                _ => {}
            }
        }
    }
}
