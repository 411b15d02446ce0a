#include "mean_writer.h"

#include <charconv>

#include "rfc3339.h"

namespace weir::window {

namespace {

template <class Number>
void append_number(std::string& to, Number number) {
  char text[40];
  to.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

/// The shortest decimal that reads back the same; a whole one keeps a fraction, so that readers see a real number.
void append_real(std::string& to, double value) {
  const auto from = to.size();
  append_number(to, value);
  if (to.find_first_of(".e", from) == std::string::npos) to += ".0";
}

}  // namespace

void MeanWriter::write(Session& session, const WindowStore<MeanAccumulator>::Pane& pane) {
  const bool same_window = pane.window.start == window_.start && pane.window.end == window_.end;
  if (!same_window || bounds_.empty()) {
    window_ = pane.window;
    bounds_ = "\"window_start\":\"";
    append_rfc3339(bounds_, window_.start);
    bounds_ += "\",\"window_end\":\"";
    append_rfc3339(bounds_, window_.end);
    bounds_ += "\",\"mean\":";
  }
  record_ = '{';
  if (!key_name_.empty()) {
    record_ += key_name_;
    record_ += pane.key;
    record_ += ',';
  }
  record_ += bounds_;
  append_real(record_, pane.accumulator.mean());
  record_ += ",\"count\":";
  append_number(record_, pane.accumulator.count());
  record_ += ",\"revision\":";
  append_number(record_, pane.revisions);
  record_ += '}';
  ++written_;
  if (each_) {
    const auto file = session.create();
    session.append(file, record_);
    session.created_from_group(file, pane.group);
    session.transfer(file, relationship_);
    return;
  }
  if (file_ && group_ != pane.group) close(session);
  if (!file_) {
    file_ = session.create();
    group_ = pane.group;
    session.created_from_group(*file_, group_);
  }
  record_ += '\n';
  session.append(*file_, record_);
  ++records_;
}

void MeanWriter::close(Session& session) {
  session.records(*file_, records_);
  session.transfer(*file_, relationship_);
  file_.reset();
  records_ = 0;
}

std::uint64_t MeanWriter::finish(Session& session) {
  if (file_) close(session);
  return std::exchange(written_, 0);
}

}  // namespace weir::window
