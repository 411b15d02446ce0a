#pragma once
// Takes checked JSON apart: the members of an object, the elements of an array, as the tokens that stand there.

#include <cstdint>
#include <string_view>

#include "weir/json.h"

namespace weir {

/// Calls `visit(name, token)` for each member of an object that was checked (JsonObject::read), in their order and also
/// where a name comes twice. The name is as it stands inside its quotes.
template <class F>
void each_json_member(std::string_view object, F&& visit) {
  detail::JsonWalker walker(object);
  walker.space();
  walker.expect('{', "");
  walker.space();
  while (!walker.at_end() && walker.peek() != '}') {
    const char* quote = walker.position();
    walker.string();
    const std::string_view name(quote + 1, static_cast<std::size_t>(walker.position() - quote) - 2);
    walker.space();
    walker.expect(':', "");
    walker.space();
    const char* from = walker.position();
    walker.value();
    visit(name, std::string_view(from, static_cast<std::size_t>(walker.position() - from)));
    walker.space();
    walker.expect(',', "");
    walker.space();
  }
}

/// Calls `visit(token)` for each element of an array that was checked.
template <class F>
void each_json_element(std::string_view array, F&& visit) {
  detail::JsonWalker walker(array);
  walker.space();
  walker.expect('[', "");
  walker.space();
  while (!walker.at_end() && walker.peek() != ']') {
    const char* from = walker.position();
    walker.value();
    visit(std::string_view(from, static_cast<std::size_t>(walker.position() - from)));
    walker.space();
    walker.expect(',', "");
    walker.space();
  }
}

}  // namespace weir
