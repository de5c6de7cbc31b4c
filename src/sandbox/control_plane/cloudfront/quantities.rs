//! Lists in CloudFront's documents: each says how many items it has.

use super::{SandboxAwsError, XmlElement};

/// Checks every list of a document, at any depth.
///
/// # Errors
/// Refuses a Quantity that isn't the number of the items.
pub fn check_xml_list_quantities(node: &XmlElement) -> Result<(), SandboxAwsError> {
    if let Some(quantity) = node.find_text_at_path("Quantity") {
        let items = node.find_child("Items").map_or(0, |items| items.children.len());
        if quantity != items.to_string() {
            return Err(SandboxAwsError::new(
                400,
                "InconsistentQuantities",
                "The value of Quantity and the size of Items don't match.",
            ));
        }
    }
    node.children.iter().try_for_each(check_xml_list_quantities)
}
