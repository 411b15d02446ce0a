#pragma once
// S3's answers in XML, as a small tree.

#include <string>
#include <string_view>
#include <vector>

namespace weir::s3 {

struct Element {
  std::string name;  ///< without its namespace
  std::string text;
  std::vector<Element> children;

  const Element* child(std::string_view wanted) const;
  /// The text of a child; empty if there is none.
  std::string text_of(std::string_view wanted) const;
};

/// The root element. Throws std::runtime_error where it is not well-formed.
Element parse_xml(std::string_view text);

/// Text as it stands in XML.
std::string xml_escape(std::string_view text);

}  // namespace weir::s3
