#pragma once
// Divides the records of a FlowFile among relationships, for processors that judge record by record.
//
//   RecordSplit split(session, batch, [&](FlowFile file) { session.drop(file, "no records"); });
//   sql_.run(session, batch, [&](const Row& row) {
//     split.begin(row);
//     if (row.error.size > 0) split.reject(view(row.error)); else split.route(matches(row) ? matched : unmatched);
//   });
//   split.end();

#include <cstdint>
#include <functional>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/session.h"
#include "weir/sql.h"

namespace weir {

/// Takes the records of one input after another; those that a statement leaves out (WHERE) end here. An input whose
/// records all go one way, unchanged, goes there itself;
/// otherwise each relationship gets a FlowFile with its records, in their order and in the form of the input. Records
/// are rejected with their own bytes; those of one input with the same message share a FlowFile.
class RecordSplit {
 public:
  /// Beyond so many different messages an input, rejected records share one FlowFile, which says so.
  static constexpr std::size_t kMostMessages = 50;

  /// `rest` is called for each input of which nothing was routed or rejected, also if it has no records: it still has
  /// to go somewhere.
  RecordSplit(Session& session, Batch batch, std::function<void(FlowFile)> rest)
      : session_(session), batch_(batch), rest_(std::move(rest)) {}

  /// The record that the next call speaks of. Ends the inputs before its own.
  void begin(const Row& row) {
    if (row.input != input_ || !begun_) begin_input(row);
    left_out_ |= row.record > next_;
    next_ = std::uint64_t{row.record} + 1;
    json_ = view(row.json);
    ++records_;
  }

  /// The record goes to a relationship as it is.
  void route(std::uint32_t relationship) { parts_of(relationship).push_back(stable(json_)); }
  /// The record goes to a relationship in another shape.
  void route(std::uint32_t relationship, std::string_view json) {
    changed_ = true;
    parts_of(relationship).push_back(copy(json));
  }
  /// The record goes to `failure`.
  void reject(std::string_view message) {
    ++rejected_;
    for (auto& [text, records] : rejects_) {
      if (text == message) return records.push_back(stable(json_));
    }
    if (rejects_.size() < kMostMessages) {
      rejects_.emplace_back(std::string(message), Records());
    } else {
      ++unnamed_;
    }
    rejects_.back().second.push_back(stable(json_));
  }
  /// The record ends here: it was counted, written or ignored.
  void consume() {}

  /// After the last record.
  void end() { end_inputs(batch_.size()); }

 private:
  using Records = std::vector<std::string_view>;

  void begin_input(const Row& row) {
    end_inputs(row.input);
    begun_ = true;
    content_ = batch_[row.input].content();
    form_ = row.form;
    next_ = 0;
    left_out_ = false;
  }

  /// Ends those before `next`.
  void end_inputs(std::uint32_t next) {
    for (; input_ < next; ++input_) {
      if (parts_.empty() && rejects_.empty()) {
        rest_(batch_[input_]);
      } else {
        send(batch_[input_]);
        parts_.clear();
        rejects_.clear();
        texts_.release();
        rejected_ = unnamed_ = 0;
        changed_ = false;
      }
      records_ = 0;
    }
  }

  Records& parts_of(std::uint32_t relationship) {
    for (auto& [number, records] : parts_) {
      if (number == relationship) return records;
    }
    return parts_.emplace_back(relationship, Records()).second;
  }

  bool in_content(std::string_view json) const {
    const std::less_equal<> at;
    return at(content_.data(), json.data()) && at(json.data() + json.size(), content_.data() + content_.size());
  }

  /// Rows are valid only in their call, but usually lie in the content, which stays.
  std::string_view stable(std::string_view json) { return in_content(json) ? json : copy(json); }

  /// Whether every record of the input was one of ours. Behind the last no other may follow.
  bool complete() const {
    if (left_out_ || !in_content(json_)) return false;
    const auto end = static_cast<std::size_t>(json_.data() + json_.size() - content_.data());
    return content_.find_first_not_of(" \t\r\n]", end) == std::string_view::npos;
  }

  std::string_view copy(std::string_view text) {
    auto* to = static_cast<char*>(texts_.allocate(text.size() + 1, 1));
    text.copy(to, text.size());
    return {to, text.size()};
  }

  FlowFile write(FlowFile input, const Records& records) {
    RecordWriter writer(session_, session_.create(input), form_);
    writer.write(records);
    writer.finish();
    return writer.file();
  }

  /// What ends here needs no content, only its size.
  FlowFile count(FlowFile input, const Records& records) {
    const auto file = session_.create(input);
    session_.omit(file, RecordWriter::size(records, form_));
    session_.records(file, static_cast<std::uint32_t>(records.size()));
    return file;
  }

  void send(FlowFile input) {
    if (!changed_ && parts_.size() == 1 && parts_[0].second.size() == records_ && complete())
      return session_.transfer(input, parts_[0].first);
    if (rejected_ == records_ && rejects_.size() == 1 && complete()) return session_.reject(input, rejects_[0].first);
    for (const auto& [relationship, records] : parts_)
      session_.transfer(session_.routed(relationship) ? write(input, records) : count(input, records), relationship);
    for (auto& [message, records] : rejects_) {
      if (&message == &rejects_.back().first && unnamed_ > 0)
        message += " (and " + std::to_string(unnamed_) + " more records, for other reasons)";
      session_.reject(write(input, records), message);
    }
  }

  Session& session_;
  Batch batch_;
  std::function<void(FlowFile)> rest_;
  std::uint32_t input_ = 0;
  bool begun_ = false;
  std::string_view content_;
  std::string_view json_;
  Form form_ = Form::object;
  std::vector<std::pair<std::uint32_t, Records>> parts_;  ///< by relationship
  std::vector<std::pair<std::string, Records>> rejects_;  ///< by message
  std::pmr::monotonic_buffer_resource texts_{64 * 1024};  ///< what is not in the content
  std::uint64_t next_ = 0;                                ///< the record that should come, if none is left out
  bool left_out_ = false;
  std::size_t records_ = 0;
  std::size_t rejected_ = 0;
  std::size_t unnamed_ = 0;
  bool changed_ = false;
};

}  // namespace weir
