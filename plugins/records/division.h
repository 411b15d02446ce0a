#pragma once
// Sends each record where it belongs, as it is. FlowFiles whose records all go one way go there themselves, without a
// copy and all in one call; only those whose records part are written anew (RecordSplit).

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/split.h"

namespace weir::records {

class Division {
 public:
  /// FlowFiles without a record (an empty array) go to `rest`.
  Division(Session& session, Batch batch, std::uint32_t rest)
      : session_(session), batch_(batch), ways_(batch.size(), Destination{{rest, 0}, State::whole}) {}

  void route(const Row& row, std::uint32_t relationship) { add(row, {relationship, 0}); }
  void fail(const Row& row, std::string_view message) {
    messages_.emplace_back(message);
    add(row, {kFailed, static_cast<std::uint32_t>(messages_.size() - 1)});
  }
  /// Ends the FlowFiles that have not come by now, too.
  void finish() {
    end_input();
    if (parted_.empty() && !any_failed_) {
      std::vector<std::uint32_t> all(ways_.size());
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = ways_[i].first.relationship;
      session_.transfer_each(all);
      return;
    }
    // Whole FlowFiles take their turn among those that are written anew: order is kept.
    RecordSplit split(session_, batch_, [this](FlowFile file) {
      const auto& to = ways_[file.handle()].first;
      if (to.relationship != kFailed) {
        session_.transfer(file, to.relationship);
      } else {
        session_.reject(file, messages_[to.message]);
      }
    });
    std::size_t next = 0;
    for (std::uint32_t i = 0; i < batch_.size(); ++i) {
      for (; next < parted_.size() && parted_[next].input == i; ++next) {
        const auto& record = parted_[next];
        Row row{};
        row.input = i;
        row.form = record.form;
        row.json = to_text(record.json);
        split.begin(row);
        if (record.to.relationship != kFailed) {
          split.route(record.to.relationship);
        } else {
          split.reject(messages_[record.to.message]);
        }
      }
    }
    split.end();
  }

 private:
  static constexpr std::uint32_t kFailed = abi::kNone;
  struct Way {
    std::uint32_t relationship;
    std::uint32_t message;  ///< of a failure
    bool operator==(const Way&) const = default;
  };
  enum class State : std::uint8_t { whole, parted };
  struct Destination {
    Way first;
    State state;
  };
  struct Record {
    std::uint32_t input;
    Form form;
    std::string_view json;  ///< in the content
    Way to;
  };

  void add(const Row& row, Way to) {
    if (row.input != input_ || current_.empty()) {
      end_input();
      input_ = row.input;
    }
    current_.push_back({row.input, row.form, view(row.json), to});
  }

  void end_input() {
    if (current_.empty()) return;
    auto& destination = ways_[input_];
    const auto& first = current_.front().to;
    const auto same = [&](const Record& record) {
      if (record.to == first) return true;
      return first.relationship == kFailed && record.to.relationship == kFailed &&
             messages_[first.message] == messages_[record.to.message];
    };
    bool whole = true;
    for (const auto& record : current_) whole = whole && same(record);
    if (whole) {
      destination.first = first;
      any_failed_ = any_failed_ || first.relationship == kFailed;
    } else {
      destination.state = State::parted;
      parted_.insert(parted_.end(), current_.begin(), current_.end());
    }
    current_.clear();
  }

  Session& session_;
  Batch batch_;
  std::vector<Destination> ways_;
  std::vector<Record> current_;  ///< of the input under way
  std::vector<Record> parted_;
  std::vector<std::string> messages_;
  std::uint32_t input_ = 0;
  bool any_failed_ = false;
};

}  // namespace weir::records
