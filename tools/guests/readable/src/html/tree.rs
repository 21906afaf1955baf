//! The tree of a page: nodes in one list, so that however deep a page is, letting it go recurses nowhere.

use std::{borrow::Cow, cell::RefCell, rc::Rc};

use html5ever::{
    Attribute, ExpandedName, QualName,
    interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink},
    tendril::StrTendril,
};

/// A place in the list.
pub(super) type Id = usize;

#[derive(Debug)]
enum Kind {
    /// The document, a comment, a processing instruction.
    Other,
    Element(Rc<QualName>, Vec<(String, String)>),
    Text(String),
}

#[derive(Debug)]
struct Node {
    kind: Kind,
    parent: Option<Id>,
    children: Vec<Id>,
}

/// What the parser holds of a node.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    id: Id,
    name: Option<Rc<QualName>>,
}

/// What the parser writes into.
#[derive(Debug)]
pub(super) struct TreeMaker {
    nodes: RefCell<Vec<Node>>,
    nothing: QualName,
}

impl Default for TreeMaker {
    fn default() -> Self {
        let root = Node { kind: Kind::Other, parent: None, children: Vec::new() };
        Self { nodes: RefCell::new(vec![root]), nothing: QualName::new(None, html5ever::ns!(), html5ever::local_name!("")) }
    }
}

impl TreeMaker {
    fn add(&self, kind: Kind) -> Handle {
        let name = match &kind {
            Kind::Element(name, _) => Some(Rc::clone(name)),
            Kind::Other | Kind::Text(_) => None,
        };
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node { kind, parent: None, children: Vec::new() });
        Handle { id: nodes.len() - 1, name }
    }

    fn detach(&self, id: Id) {
        let mut nodes = self.nodes.borrow_mut();
        let Some(parent) = nodes.get_mut(id).and_then(|node| node.parent.take()) else { return };
        if let Some(parent) = nodes.get_mut(parent)
            && let Some(at) = parent.children.iter().rposition(|child| *child == id)
        {
            parent.children.remove(at);
        }
    }

    /// Puts a node, or text that joins the text before it, at this place among the children.
    fn insert(&self, parent: Id, at: Option<usize>, child: NodeOrText<Handle>) {
        let text = match child {
            NodeOrText::AppendNode(node) => {
                self.detach(node.id);
                self.place(parent, at, node.id);
                return;
            }
            NodeOrText::AppendText(text) => text,
        };
        let before = {
            let nodes = self.nodes.borrow();
            let children = nodes.get(parent).map(|node| node.children.as_slice()).unwrap_or_default();
            at.unwrap_or(children.len()).checked_sub(1).and_then(|before| children.get(before).copied())
        };
        if let Some(before) = before
            && let Some(Node { kind: Kind::Text(known), .. }) = self.nodes.borrow_mut().get_mut(before)
        {
            known.push_str(&text);
            return;
        }
        let node = self.add(Kind::Text(text.to_string()));
        self.place(parent, at, node.id);
    }

    fn place(&self, parent: Id, at: Option<usize>, child: Id) {
        let mut nodes = self.nodes.borrow_mut();
        if let Some(node) = nodes.get_mut(child) {
            node.parent = Some(parent);
        }
        if let Some(node) = nodes.get_mut(parent) {
            let at = at.unwrap_or(node.children.len()).min(node.children.len());
            node.children.insert(at, child);
        }
    }
}

impl TreeSink for TreeMaker {
    type Handle = Handle;
    type Output = Tree;
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) -> Tree {
        Tree { nodes: self.nodes.into_inner() }
    }

    fn parse_error(&self, _error: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        Handle { id: 0, name: None }
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> ExpandedName<'a> {
        target.name.as_deref().unwrap_or(&self.nothing).expanded()
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _flags: ElementFlags) -> Handle {
        let attributes = attributes.into_iter().map(|attribute| (attribute.name.local.to_string(), attribute.value.to_string()));
        self.add(Kind::Element(Rc::new(name), attributes.collect()))
    }

    fn create_comment(&self, _text: StrTendril) -> Handle {
        self.add(Kind::Other)
    }

    fn create_pi(&self, _target: StrTendril, _data: StrTendril) -> Handle {
        self.add(Kind::Other)
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        self.insert(parent.id, None, child);
    }

    fn append_based_on_parent_node(&self, element: &Handle, previous: &Handle, child: NodeOrText<Handle>) {
        let has_parent = self.nodes.borrow().get(element.id).is_some_and(|node| node.parent.is_some());
        if has_parent { self.append_before_sibling(element, child) } else { self.append(previous, child) }
    }

    fn append_doctype_to_document(&self, _name: StrTendril, _public_id: StrTendril, _system_id: StrTendril) {}

    /// A node of its own that hangs nowhere: what a template holds is not seen.
    fn get_template_contents(&self, _target: &Handle) -> Handle {
        self.add(Kind::Other)
    }

    fn same_node(&self, x: &Handle, y: &Handle) -> bool {
        x.id == y.id
    }

    fn set_quirks_mode(&self, _mode: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        if let NodeOrText::AppendNode(node) = &child {
            self.detach(node.id);
        }
        let place = {
            let nodes = self.nodes.borrow();
            let parent = nodes.get(sibling.id).and_then(|node| node.parent);
            parent.and_then(|parent| Some((parent, nodes.get(parent)?.children.iter().position(|child| *child == sibling.id)?)))
        };
        if let Some((parent, at)) = place {
            self.insert(parent, Some(at), child);
        }
    }

    fn add_attrs_if_missing(&self, target: &Handle, attributes: Vec<Attribute>) {
        if let Some(Node { kind: Kind::Element(_, known), .. }) = self.nodes.borrow_mut().get_mut(target.id) {
            for attribute in attributes {
                let name = attribute.name.local.to_string();
                if !known.iter().any(|(known, _)| *known == name) {
                    known.push((name, attribute.value.to_string()));
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &Handle) {
        self.detach(target.id);
    }

    fn reparent_children(&self, node: &Handle, new_parent: &Handle) {
        let children = match self.nodes.borrow_mut().get_mut(node.id) {
            Some(node) => std::mem::take(&mut node.children),
            None => Vec::new(),
        };
        for child in children {
            self.place(new_parent.id, None, child);
        }
    }
}

/// A page that was read.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    pub(super) fn root(&self) -> Id {
        0
    }

    pub(super) fn children(&self, id: Id) -> &[Id] {
        self.nodes.get(id).map(|node| node.children.as_slice()).unwrap_or_default()
    }

    /// The element's name, in lower case; none for what is no element of HTML, such as a part of a drawing.
    pub(super) fn name(&self, id: Id) -> Option<&str> {
        match self.nodes.get(id).map(|node| &node.kind) {
            Some(Kind::Element(name, _)) => Some(&name.local),
            _ => None,
        }
    }

    /// The text itself, of a text node.
    pub(super) fn text_of(&self, id: Id) -> Option<&str> {
        match self.nodes.get(id).map(|node| &node.kind) {
            Some(Kind::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn attribute(&self, id: Id, name: &str) -> Option<&str> {
        match self.nodes.get(id).map(|node| &node.kind) {
            Some(Kind::Element(_, attributes)) => attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()),
            _ => None,
        }
    }

    /// Everything below in the order of the page, without recursion.
    fn below(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        let mut open = vec![id];
        std::iter::from_fn(move || {
            let id = open.pop()?;
            open.extend(self.children(id).iter().rev());
            Some(id)
        })
    }

    pub(super) fn all(&self, name: &str) -> Vec<Id> {
        self.below(self.root()).filter(|id| self.name(*id) == Some(name)).collect()
    }

    pub(super) fn first(&self, name: &str) -> Option<Id> {
        self.below(self.root()).find(|id| self.name(*id) == Some(name))
    }

    /// All text below, as it stands.
    pub(super) fn text(&self, id: Id) -> String {
        self.below(id).filter_map(|id| self.text_of(id)).collect()
    }
}
