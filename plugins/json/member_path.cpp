#include "member_path.h"

#include <algorithm>

#include "flat_record.h"
#include "weir/errors.h"
#include "weir/json_members.h"

namespace weir::json {

namespace {

/// The member's token, empty if there is none or `value` is no object.
std::string_view member(std::string_view value, const std::string& name) {
  std::string_view found;
  if (!value.starts_with('{')) return found;
  each_json_member(value, [&](std::string_view raw, std::string_view token) {
    if (raw == name || (raw.find('\\') != std::string_view::npos && decode_json_string(raw) == name)) found = token;
  });
  return found;
}

/// `early`: visits where the path ends early, too.
void walk(Chain& chain, const MemberPath& path, const std::function<void(const Chain&, std::size_t)>& visit,
          std::size_t index, bool early) {
  const auto step = chain.size() - 1;
  if (step == path.size()) return visit(chain, index);
  const auto value = member(chain.back(), path[step]);
  const auto nothing = [&] {
    if (early) visit(chain, 0);
  };
  if (value.empty() || value == "null") return nothing();
  const auto into = [&](std::string_view element, std::size_t place) {
    chain.push_back(element);
    walk(chain, path, visit, place, early);
    chain.pop_back();
  };
  if (!value.starts_with('[')) return into(value, 0);
  std::size_t place = 0;
  each_json_element(value, [&](std::string_view element) { into(element, place++); });
  if (place == 0) nothing();
}

}  // namespace

MemberPath parse_member_path(std::string_view property, std::string_view text) {
  const bool pointer = text.starts_with('/');
  MemberPath path;
  const auto rest = pointer ? text.substr(1) : text;
  for (std::size_t from = 0; from <= rest.size();) {
    const auto end = std::min(rest.find(pointer ? '/' : '.', from), rest.size());
    std::string name;
    for (auto i = from; i < end; ++i) {
      const bool escaped = pointer && rest[i] == '~' && i + 1 < end && (rest[i + 1] == '0' || rest[i + 1] == '1');
      name += !escaped ? rest[i] : rest[++i] == '0' ? '~' : '/';
    }
    if (name.empty())
      throw Misconfigured(std::string(property) + ": '" + std::string(text) +
                          "' has an empty name in it; names joined by dots are expected, as in orders.items, or a "
                          "JSON Pointer, as in /orders/items");
    path.push_back(std::move(name));
    from = end + 1;
  }
  return path;
}

void each_element_at(std::string_view record, const MemberPath& path,
                     const std::function<void(const Chain&, std::size_t)>& visit) {
  Chain chain{record};
  walk(chain, path, visit, 0, false);
}

void each_row_at(std::string_view record, const MemberPath& path, const std::function<void(const Chain&)>& visit) {
  Chain chain{record};
  walk(chain, path, [&](const Chain& found, std::size_t) { visit(found); }, 0, true);
}

std::string_view token_at(const Chain& chain, const MemberPath& path, const MemberPath& key) {
  std::size_t shared = 0;
  while (shared < path.size() && shared < key.size() && path[shared] == key[shared]) ++shared;
  auto value = chain[shared];
  for (auto step = shared; step < key.size() && !value.empty(); ++step) value = member(value, key[step]);
  return value;
}

}  // namespace weir::json
