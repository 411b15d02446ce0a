#include "xml.h"

#include <expat.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

namespace weir::s3 {

namespace {

constexpr std::size_t kDeepest = 64;

struct Building {
  Element top;
  std::vector<Element*> open{&top};
  bool too_deep = false;
};

void XMLCALL begin(void* data, const char* name, const char**) {
  auto& building = *static_cast<Building*>(data);
  const std::string_view qualified = name;
  building.too_deep |= building.open.size() > kDeepest;
  if (building.too_deep) return;
  auto& element = building.open.back()->children.emplace_back();
  element.name = qualified.substr(qualified.rfind(':') + 1);
  building.open.push_back(&element);
}

void XMLCALL end(void* data, const char*) {
  auto& building = *static_cast<Building*>(data);
  if (!building.too_deep) building.open.pop_back();
}

void XMLCALL characters(void* data, const char* text, int size) {
  auto& building = *static_cast<Building*>(data);
  if (!building.too_deep) building.open.back()->text.append(text, static_cast<std::size_t>(size));
}

}  // namespace

const Element* Element::child(std::string_view wanted) const {
  const auto at = std::find_if(children.begin(), children.end(), [&](const Element& c) { return c.name == wanted; });
  return at == children.end() ? nullptr : &*at;
}

std::string Element::text_of(std::string_view wanted) const {
  const auto* found = child(wanted);
  return found == nullptr ? std::string() : found->text;
}

Element parse_xml(std::string_view text) {
  const std::unique_ptr<XML_ParserStruct, void (*)(XML_Parser)> parser(XML_ParserCreate(nullptr), XML_ParserFree);
  if (!parser) throw std::bad_alloc();
  Building building;
  XML_SetUserData(parser.get(), &building);
  XML_SetElementHandler(parser.get(), begin, end);
  XML_SetCharacterDataHandler(parser.get(), characters);
  if (XML_Parse(parser.get(), text.data(), static_cast<int>(text.size()), 1) != XML_STATUS_OK)
    throw std::runtime_error(std::string("the answer is no XML: ") + XML_ErrorString(XML_GetErrorCode(parser.get())));
  if (building.too_deep || building.top.children.empty())
    throw std::runtime_error("the answer is no XML that S3 sends");
  return std::move(building.top.children.front());
}

std::string xml_escape(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else if (c == '"') {
      result += "&quot;";
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace weir::s3
