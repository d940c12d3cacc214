//! Reads the pages: headings, links, and blocks of code with the comment before each.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub struct Page {
    /// From the repository's root.
    pub path: PathBuf,
    /// What a link can name behind `#`.
    pub anchors: BTreeSet<String>,
    pub links: Vec<String>,
    pub blocks: Vec<Block>,
}

pub struct Block {
    pub line: usize,
    pub language: String,
    pub text: String,
    /// The comment right before it.
    pub comment: Option<String>,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages of the book.
pub fn book() -> Vec<Page> {
    pages_in("docs")
}

/// The pages directly in a folder.
pub fn pages_in(folder: &str) -> Vec<Page> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| Path::new(folder).join(entry.unwrap().file_name()));
    let mut paths: Vec<PathBuf> =
        names.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

pub fn read(path: &Path) -> Page {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let mut page = Page {
        path: path.to_owned(),
        anchors: BTreeSet::new(),
        links: Vec::new(),
        blocks: Vec::new(),
    };
    let (mut heading, mut block, mut comment): (Option<String>, Option<Block>, Option<String>) =
        (None, None, None);
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    for (event, range) in Parser::new_ext(&text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap());
                let numbered = (1..).map(|n| format!("{anchor}-{n}"));
                let mut names = std::iter::once(anchor.clone()).chain(numbered);
                let free = names.find(|name| !page.anchors.contains(name)).unwrap();
                page.anchors.insert(free);
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links.push(dest_url.to_string());
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(language) => language.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                let line = text[..range.start].matches('\n').count() + 1;
                let (text, comment) = (String::new(), comment.take());
                block = Some(Block { line, language, text, comment });
            }
            Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
            Event::Html(html) => {
                let html = html.trim();
                let inner = html.strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
                comment = inner.map(|inner| inner.trim().to_owned());
                page.links.extend(sources(html));
            }
            Event::InlineHtml(html) => page.links.extend(sources(&html)),
            Event::Text(part) => match (&mut block, &mut heading) {
                (Some(block), _) => block.text += &part,
                (_, Some(heading)) => *heading += &part,
                _ => {}
            },
            Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    *heading += &part;
                }
            }
            Event::Start(Tag::HtmlBlock) | Event::End(TagEnd::HtmlBlock) => {}
            _ => comment = None,
        }
    }
    page
}

/// The files that HTML shows.
fn sources(html: &str) -> Vec<String> {
    let parts = ["src=\"", "srcset=\""].into_iter().flat_map(|name| html.split(name).skip(1));
    parts.filter_map(|part| Some(part.split_once('"')?.0.to_owned())).collect()
}

/// As GitHub and mdBook make it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn pages_are_read() {
    assert_eq!(anchor("`precast-rustc`, and more: C++"), "precast-rustc-and-more-c");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("book-page.md");
    let text = "# A `b`\n\n## A b\n\n[x](y.md#z)\n\n<!-- run: tiny -->\n```console\n$ a\nb\n```\n\ntext\n\n```sh\nc\n```\n";
    fs::write(&folder, text).unwrap();
    let page = read(&folder);
    assert_eq!(page.anchors.iter().collect::<Vec<_>>(), ["a-b", "a-b-1"]);
    assert_eq!(page.links, ["y.md#z"]);
    let [run, other] = &page.blocks[..] else { panic!("two blocks") };
    assert_eq!((run.line, &*run.language, &*run.text), (8, "console", "$ a\nb\n"));
    assert_eq!((run.comment.as_deref(), other.comment.as_deref()), (Some("run: tiny"), None));
}
