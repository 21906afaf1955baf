use proptest::prelude::*;

use super::*;

fn text(html: &str) -> String {
    page(html, Some("https://host/dir/page"), 10_000).text
}

#[test]
fn a_page_is_read_as_a_reader_sees_it() {
    let html = "<!doctype html><title> A  title </title><nav><a href=/>Home</a></nav><h1>Heading</h1>
        <p>Some <b>bold</b> and <em>other</em> words, a <a href='../x?y=1#z'>link</a>.<p>Second&nbsp;paragraph<br>new line
        <ul><li>one<li>two <ul><li>deeper</ul><li><p>three</p></ul><ol start=3><li>c</ol>
        <blockquote><p>said</p><p>more</p></blockquote><pre>a  b\n  c</pre><hr><img src=x alt='a cat'>
        <footer>imprint</footer><script>evil()</script>";
    let page = page(html, Some("https://host/dir/page"), 10_000);
    assert_eq!(page.title, "A title");
    let wanted = "# Heading\n\nSome **bold** and _other_ words, a [link](https://host/x?y=1#z).\n\nSecond paragraph\nnew line\n\n- one\n- two\n  - deeper\n- three\n\n3. c\n\n> said\n>\n> more\n\n```\na  b\n  c\n```\n\n---\n\n(picture: a cat)";
    assert_eq!(page.text, wanted);
    assert!(!page.cut);
}

#[test]
fn what_is_hidden_is_dropped() {
    let html = "<p>seen</p><p style='display:none'>a</p><p hidden>b</p><div aria-hidden=true>c</div><span class='x sr-only'>d</span>
        <template>e</template><noscript>f</noscript><!-- g --><p style='font-size:0'>h<b>i</b></p><svg><text>j</text></svg><p>s\u{200b}een</p>";
    assert_eq!(text(html), "seen\n\nseen");
}

#[test]
fn the_main_part_is_taken_if_there_is_enough_of_it() {
    let long = "word ".repeat(200);
    assert_eq!(text(&format!("<div>menu</div><main><p>{long}</p></main><div>ads</div>")), long.trim());
    assert!(
        text("<div>The text of this page is outside, and is much longer than the main part is.</div><main>x</main>").contains("outside")
    );
}

#[test]
fn links_that_lead_nowhere_are_words_and_pictures_are_not_links() {
    assert_eq!(text("<a href='javascript:x()'>a</a> <a href='data:,x'>b</a> <a href=#c>c</a> <a name=d>d</a>"), "a b c d");
    assert_eq!(text("<img src='https://evil/?q=1'><img src='https://evil/' alt='[x](y)'>"), "(picture: [x](y))");
    assert_eq!(text("<a href='https://a/(b)'>x](https://evil/)[y</a>"), "[x)(https://evil/)(y](https://a/%28b%29)");
}

#[test]
fn a_table_is_a_table_unless_it_is_there_for_the_looks() {
    let table = "<table><tr><th>a<th>b|c<tr><td>1<td>2</table>";
    assert_eq!(text(table), "| a | b\\|c |\n|---|---|\n| 1 | 2 |");
    assert_eq!(text("<table><tr><td><h1>x</h1><p>y</table>"), "# x\n\ny");
}

#[test]
fn a_page_of_any_depth_and_length_ends() {
    let deep = format!("{}x{}", "<div>".repeat(2_000), "</div>".repeat(2_000));
    assert_eq!(text(&format!("<p>before</p>{deep}")), "before");
    let cut = page(&"<p>word</p>".repeat(50_000), None, 1_000);
    assert!(cut.cut && cut.text.chars().count() <= 1_000);
    let quotes = text(&"<blockquote>a".repeat(90));
    assert!(quotes.ends_with("> a") && quotes.len() < 20_000);
}

proptest! {
    #[test]
    fn any_text_is_a_page_within_its_limit(html in "(<(div|p|b|a href=x|ul|li|table|tr|td|pre|script|p hidden|template|svg)>|</(div|p|b|a|ul|table|pre)>|[a-z&;\"'<>\u{e9} \n]{0,8}){0,60}", limit in 0_usize..200) {
        let page = page(&html, Some("https://host/"), limit);
        prop_assert!(page.text.chars().count() <= limit);
        let _piece = piece(&html, None, limit);
    }
}
