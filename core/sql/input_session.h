#pragma once
// A session of one input and nothing else, for running a statement outside of a flow.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weir/abi.h"

namespace weir::sql {

/// Everything that would change something does nothing: a Statement only reads.
class InputSession final : public abi::Session {
 public:
  InputSession(std::string content, const std::map<std::string, std::string>& attributes, std::int64_t now)
      : content_(std::move(content)), size_(content_.size()), now_(now) {
    content_.resize(size_ + 64);  // what a reader may look at behind the end
    for (const auto& [name, value] : attributes) {
      attributes_.push_back({{name.data(), name.size()}, {value.data(), value.size()}});
    }
    item_ = {content_.data(), size_, attributes_.data(), 0, 1, static_cast<std::uint16_t>(attributes_.size()), 0};
  }
  std::string_view text() const { return {content_.data(), size_}; }

  const abi::Item* inputs() const override { return &item_; }
  std::uint32_t input_count() const override { return 1; }
  std::uint64_t sequence(std::uint32_t handle) const override { return handle; }
  abi::Text connection() const override { return {"", 0}; }
  std::uint64_t durable_cursor() const override { return 0; }
  const abi::Item* item(std::uint32_t) const override { return &item_; }
  abi::Text content(std::uint32_t) override { return {item_.data, item_.size}; }
  std::uint64_t read(std::uint32_t, std::uint64_t, char*, std::uint64_t) override { return 0; }
  std::uint64_t offset(std::uint32_t) const override { return 0; }
  std::uint32_t create(const std::uint32_t*, std::uint32_t) override { return 0; }
  char* append(std::uint32_t, std::uint64_t) override { return nullptr; }
  void shrink(std::uint32_t, std::uint64_t) override {}
  void share(std::uint32_t, std::uint32_t, std::uint64_t, std::uint64_t) override {}
  void set(std::uint32_t, abi::Text, abi::Text) override {}
  void erase(std::uint32_t, abi::Text) override {}
  void records(std::uint32_t, std::uint32_t) override {}
  bool routed(std::uint32_t) const override { return false; }
  void omit(std::uint32_t, std::uint64_t) override {}
  void transfer(std::uint32_t, std::uint32_t) override {}
  void transfer_each(const std::uint32_t*) override {}
  void drop(std::uint32_t, abi::Text) override {}
  void hold(std::uint32_t) override {}
  void penalize(std::uint32_t, std::int64_t) override {}
  void reject(std::uint32_t, abi::Text) override {}
  void consume_until(std::uint32_t, std::uint64_t) override {}
  bool over_budget() const override { return false; }
  std::uint32_t held_count() const override { return 0; }
  std::uint32_t take_held(std::uint32_t) override { return 0; }
  std::uint64_t mark() override { return 0; }
  void undo(std::uint64_t) override {}
  bool state_get(abi::Text, abi::Text*) override { return false; }
  void state_set(abi::Text, abi::Text) override {}
  void state_erase(abi::Text) override {}
  void state_scan(abi::Text, abi::Text, abi::StateVisitor*) override {}
  void event(abi::Text, abi::Text, abi::Text) override {}
  void contribute(std::uint32_t, std::uint64_t) override {}
  void created_from_group(std::uint32_t, std::uint64_t) override {}
  std::int64_t now() const override { return now_; }
  void tick_at(std::int64_t) override {}
  void again() override {}
  void finished() override {}
  void when_durable(std::uint64_t) override {}

 private:
  std::string content_;
  std::size_t size_;
  std::int64_t now_;
  std::vector<abi::Attribute> attributes_;  ///< pointing into the map given
  abi::Item item_{};
};

}  // namespace weir::sql
