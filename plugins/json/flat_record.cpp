#include "flat_record.h"

#include <algorithm>

#include "weir/json_members.h"

namespace weir::json {

namespace {

/// Beyond so many members, names are looked up instead of searched for.
constexpr std::size_t kFew = 16;

void append_name(std::string& to, std::string_view name) {
  constexpr char kHex[] = "0123456789abcdef";
  to += '"';
  for (const char c : name) {
    if (c == '"' || c == '\\') {
      to += '\\';
      to += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      to += "\\u00";
      to += kHex[static_cast<unsigned char>(c) >> 4];
      to += kHex[c & 15];
    } else {
      to += c;
    }
  }
  to += "\":";
}

}  // namespace

std::vector<JsonMember> members_of(std::string_view object) {
  std::vector<JsonMember> members;
  std::unordered_map<std::string, std::size_t> places;
  each_json_member(object, [&](std::string_view raw, std::string_view token) {
    auto name = raw.find('\\') == std::string_view::npos ? std::string(raw) : decode_json_string(raw);
    if (members.size() < kFew) {
      for (auto& known : members) {
        if (known.name == name) return void(known.token = token);
      }
    } else {
      if (places.empty()) {
        for (std::size_t i = 0; i < members.size(); ++i) places[members[i].name] = i;
      }
      const auto [at, fresh] = places.try_emplace(name, members.size());
      if (!fresh) return void(members[at->second].token = token);
    }
    members.push_back({std::move(name), token});
  });
  return members;
}

void FlatRecord::clear() {
  fields_.clear();
  places_.clear();
}

bool FlatRecord::add(const std::string& name, std::string_view token) {
  const auto [at, fresh] = places_.try_emplace(name, fields_.size());
  if (fresh) {
    fields_.push_back({name, token});
    return true;
  }
  if (last_wins_) fields_[at->second].token = token;
  return last_wins_;
}

std::string FlatRecord::json() const {
  std::string json = "{";
  for (const auto& field : fields_) {
    if (json.size() > 1) json += ',';
    append_name(json, field.name);
    if (field.token.find_first_of("\r\n") == std::string_view::npos) {
      json += field.token;
    } else {
      // In JSON line ends can only stand between tokens.
      std::copy_if(field.token.begin(), field.token.end(), std::back_inserter(json),
                   [](char c) { return c != '\r' && c != '\n'; });
    }
  }
  return json += '}';
}

}  // namespace weir::json
