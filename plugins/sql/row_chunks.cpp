#include "row_chunks.h"

#include <cstring>

#include "server_values.h"

namespace weir::db {

namespace {

constexpr std::uint32_t kSuccess = 0;

}  // namespace

void append_row(const Cursor& cursor, std::string& to) {
  char before = '{';
  for (std::size_t i = 0; i < cursor.names().size(); ++i) {
    to += before;
    append_json_string(cursor.names()[i], to);
    to += ':';
    cursor.append_json(i, to);
    before = ',';
  }
  to += '}';
}

FlowFile RowChunks::create(std::string_view change) {
  const auto file = session_.create();
  if (!settings_.table.empty()) session_.set(file, "sql.table", settings_.table);
  if (!settings_.pass.empty()) session_.set(file, "sql.pass", settings_.pass);
  if (!change.empty()) session_.set(file, "sql.change", change);
  return file;
}

void RowChunks::add(std::string_view json, std::string_view change) {
  ++rows_;
  if (settings_.each) {
    const auto file = create(change);
    session_.append(file, json);
    return session_.transfer(file, kSuccess);
  }
  auto at = open_.find(change);
  if (at == open_.end()) at = open_.emplace(std::string(change), Open{create(change)}).first;
  char* to = session_.append(at->second.file, json.size() + 1);
  std::memcpy(to, json.data(), json.size());
  to[json.size()] = '\n';
  ++at->second.records;
  if (at->second.file.size() < settings_.size) return;
  send(at->second);
  open_.erase(at);
}

void RowChunks::send(const Open& open) {
  session_.records(open.file, open.records);
  session_.transfer(open.file, kSuccess);
}

void RowChunks::finish() {
  for (const auto& [change, open] : open_) send(open);
  open_.clear();
}

}  // namespace weir::db
