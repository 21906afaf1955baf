//! What somebody else wrote, as text for a model: HTML as Markdown, links kept, what a reader would not see dropped, sizes bounded.

pub mod address;
pub mod charset;
pub mod html;
pub mod text;
