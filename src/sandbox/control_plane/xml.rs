//! XML as a tree that loses nothing: elements, in their order, known or not.
//!
//! What is read and written back is the same document but for white space between elements.

use std::{cell::RefCell, collections::VecDeque, sync::Arc};

use quick_xml::{Reader, events::Event};

/// How many of the documents that were read last are kept.
const KEPT_DOCUMENTS_MAX: usize = 16;

thread_local! {
    /// The documents that were read last, with their texts: each request to an edge reads the same few.
    static KEPT_DOCUMENTS: RefCell<VecDeque<(String, Arc<XmlElement>)>> = RefCell::default();
}

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XmlElement {
    pub name: String,
    /// Raw, as written: `xmlns="…"`.
    pub attributes: String,
    pub text: String,
    pub children: Vec<XmlElement>,
}

impl XmlElement {
    /// Makes an element without text and children.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Makes an element that holds text.
    pub fn new_text_element(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.to_owned(), text: text.into(), ..Self::default() }
    }

    /// Adds a child at the end.
    #[must_use]
    pub fn append_child_element(mut self, child: XmlElement) -> Self {
        self.children.push(child);
        self
    }

    /// Reads the root element of a document that is likely to be read again soon.
    ///
    /// # Errors
    /// Says what is wrong with it, where it is not well-formed.
    pub fn parse_xml_and_keep(document: &str) -> Result<Arc<Self>, String> {
        let known = KEPT_DOCUMENTS.with_borrow(|kept| {
            kept.iter().find(|(text, _)| text == document).map(|(_, root)| Arc::clone(root))
        });
        if let Some(root) = known {
            return Ok(root);
        }
        let root = Arc::new(Self::parse_xml(document)?);
        KEPT_DOCUMENTS.with_borrow_mut(|kept| {
            kept.truncate(KEPT_DOCUMENTS_MAX - 1);
            kept.push_front((document.to_owned(), Arc::clone(&root)));
        });
        Ok(root)
    }

    /// Reads the root element of a document.
    ///
    /// # Errors
    /// Says what is wrong with it, where it is not well-formed.
    pub fn parse_xml(document: &str) -> Result<Self, String> {
        let mut reader = Reader::from_str(document);
        let mut open: Vec<XmlElement> = Vec::new();
        loop {
            match reader.read_event().map_err(|error| error.to_string())? {
                Event::Start(start) => open.push(parse_xml_start_tag(&start)?),
                Event::Empty(start) => {
                    let node = parse_xml_start_tag(&start)?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(node),
                        None => return Ok(node),
                    }
                }
                Event::End(_) => {
                    let mut node = open.pop().ok_or("an element ends that never began")?;
                    if !node.children.is_empty() {
                        node.text.clear();
                    }
                    match open.last_mut() {
                        Some(parent) => parent.children.push(node),
                        None => return Ok(node),
                    }
                }
                Event::Text(text) => {
                    if let Some(node) = open.last_mut() {
                        node.text.push_str(&text.decode().map_err(|error| error.to_string())?);
                    }
                }
                Event::GeneralRef(entity) => {
                    if let Some(node) = open.last_mut() {
                        let name = entity.decode().map_err(|error| error.to_string())?;
                        let raw = format!("&{name};");
                        node.text
                            .push_str(&quick_xml::escape::unescape(&raw).map_err(|error| error.to_string())?);
                    }
                }
                Event::CData(text) => {
                    if let Some(node) = open.last_mut() {
                        node.text.push_str(&String::from_utf8_lossy(&text));
                    }
                }
                Event::Eof => return Err("the document ends too early".into()),
                _ => {}
            }
        }
    }

    /// Finds the first child of this name.
    pub fn find_child(&self, name: &str) -> Option<&XmlElement> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Finds the first child of this name, to change it.
    pub fn find_child_mut(&mut self, name: &str) -> Option<&mut XmlElement> {
        self.children.iter_mut().find(|child| child.name == name)
    }

    /// Finds the element at `a/b/c` below this one.
    pub fn find_element_at_path(&self, path: &str) -> Option<&XmlElement> {
        path.split('/').try_fold(self, |node, name| node.find_child(name))
    }

    /// Its text, where it is there and not empty.
    pub fn find_text_at_path(&self, path: &str) -> Option<&str> {
        self.find_element_at_path(path).map(|node| node.text.trim()).filter(|text| !text.is_empty())
    }

    /// Whether `true` stands there.
    pub fn is_xml_element_true(&self, path: &str) -> bool {
        self.find_text_at_path(path) == Some("true")
    }

    /// Returns the items of a CloudFront list: `<Quantity/><Items>…</Items>`.
    pub fn list_items_at_path(&self, path: &str) -> &[XmlElement] {
        self.find_element_at_path(path)
            .and_then(|list| list.find_child("Items"))
            .map_or(&[], |items| &items.children)
    }

    /// Puts a child in the place of the one with its name, or at the end.
    pub fn set_child(&mut self, child: XmlElement) {
        match self.find_child_mut(&child.name) {
            Some(old) => *old = child,
            None => self.children.push(child),
        }
    }

    /// Puts a child where none of its name is.
    pub fn add_child_if_missing(&mut self, child: XmlElement) {
        if self.find_child(&child.name).is_none() {
            self.children.push(child);
        }
    }
}

fn parse_xml_start_tag(start: &quick_xml::events::BytesStart<'_>) -> Result<XmlElement, String> {
    let name = std::str::from_utf8(start.name().into_inner()).map_err(|error| error.to_string())?.to_owned();
    let attributes =
        std::str::from_utf8(start.attributes_raw()).map_err(|error| error.to_string())?.trim().to_owned();
    Ok(XmlElement { name, attributes, ..XmlElement::default() })
}

impl std::fmt::Display for XmlElement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let gap = if self.attributes.is_empty() { "" } else { " " };
        write!(f, "<{}{gap}{}>", self.name, self.attributes)?;
        if self.children.is_empty() {
            write!(f, "{}", escape_xml(&self.text))?;
        }
        for child in &self.children {
            write!(f, "{child}")?;
        }
        write!(f, "</{}>", self.name)
    }
}

/// Escapes text for XML.
pub fn escape_xml(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_elements_come_back_in_their_place() {
        let document = "<A xmlns=\"u\"><B>1 &amp; 2 &#65;</B><Unheard of=\"x\"><Of/></Unheard><C></C></A>";
        let root = XmlElement::parse_xml(document).unwrap();
        assert_eq!(root.find_text_at_path("B"), Some("1 & 2 A"));
        assert_eq!(
            root.to_string(),
            "<A xmlns=\"u\"><B>1 &amp; 2 A</B><Unheard of=\"x\"><Of></Of></Unheard><C></C></A>"
        );
    }

    #[test]
    fn what_is_cut_off_is_no_document() {
        for cut in ["", "<A><B></A>", "<A>", "plain"] {
            assert!(XmlElement::parse_xml(cut).is_err(), "{cut}");
        }
    }
}
