#include "window_writer.h"

#include <utility>

#include "number_text.h"
#include "rfc3339.h"

namespace weir::window {

std::string& WindowWriter::begin(const Window& window, std::string_view key) {
  if (window.start != window_.start || window.end != window_.end || bounds_.empty()) {
    window_ = window;
    bounds_ = "\"window_start\":\"";
    append_rfc3339(bounds_, window_.start);
    bounds_ += "\",\"window_end\":\"";
    append_rfc3339(bounds_, window_.end);
    bounds_ += "\",";
  }
  record_ = '{';
  if (!key_name_.empty()) {
    record_ += key_name_;
    record_ += key;
    record_ += ',';
  }
  return record_ += bounds_;
}

void WindowWriter::end(Session& session, std::uint64_t group, std::uint64_t revision) {
  record_ += "\"revision\":";
  append_number(record_, revision);
  record_ += '}';
  ++written_;
  if (each_) {
    const auto file = session.create();
    session.append(file, record_);
    session.created_from_group(file, group);
    session.transfer(file, relationship_);
    return;
  }
  if (file_ && group_ != group) close(session);
  if (!file_) {
    file_ = session.create();
    group_ = group;
    session.created_from_group(*file_, group_);
  }
  record_ += '\n';
  session.append(*file_, record_);
  ++records_;
}

void WindowWriter::close(Session& session) {
  session.records(*file_, records_);
  session.transfer(*file_, relationship_);
  file_.reset();
  records_ = 0;
}

std::uint64_t WindowWriter::finish(Session& session) {
  if (file_) close(session);
  return std::exchange(written_, 0);
}

}  // namespace weir::window
