#pragma once
// A session that only holds inputs: what a Statement needs of one. Contents are padded as the runtime pads them.

#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weir/abi.h"

namespace weir::sql {

class FakeSession final : public abi::Session {
 public:
  std::int64_t time = 1'700'000'000'123'000'000;

  void add(std::string_view content, const std::map<std::string, std::string>& attributes = {}) {
    auto& kept = contents_.emplace_back(content.size(), std::unique_ptr<char[]>(new char[content.size() + 64]));
    std::memcpy(kept.second.get(), content.data(), content.size());
    std::memset(kept.second.get() + content.size(), '"', 64);  // never to be taken for content
    auto& list = attributes_.emplace_back();
    for (const auto& [name, value] : attributes) {
      const auto& n = texts_.emplace_back(name);
      const auto& v = texts_.emplace_back(value);
      list.push_back({{n.data(), n.size()}, {v.data(), v.size()}});
    }
    items_.push_back(
        {kept.second.get(), content.size(), list.data(), 0, 1, static_cast<std::uint16_t>(list.size()), 0});
  }

  const abi::Item* inputs() const override { return items_.data(); }
  std::uint32_t input_count() const override { return static_cast<std::uint32_t>(items_.size()); }
  std::uint64_t sequence(std::uint32_t handle) const override { return handle; }
  abi::Text connection() const override { return {"", 0}; }
  std::uint64_t durable_cursor() const override { return 0; }
  const abi::Item* item(std::uint32_t handle) const override { return &items_[handle]; }
  abi::Text content(std::uint32_t handle) override { return {items_[handle].data, items_[handle].size}; }
  std::uint64_t read(std::uint32_t, std::uint64_t, char*, std::uint64_t) override { return 0; }
  std::uint64_t offset(std::uint32_t) const override { return 0; }
  std::uint32_t create(const std::uint32_t*, std::uint32_t) override { return 0; }
  char* append(std::uint32_t, std::uint64_t) override { return nullptr; }
  void shrink(std::uint32_t, std::uint64_t) override {}
  void share(std::uint32_t, std::uint32_t, std::uint64_t, std::uint64_t) override {}
  void set(std::uint32_t, abi::Text, abi::Text) override {}
  void erase(std::uint32_t, abi::Text) override {}
  void records(std::uint32_t, std::uint32_t) override {}
  bool routed(std::uint32_t) const override { return true; }
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
  std::int64_t now() const override { return time; }
  void tick_at(std::int64_t) override {}
  void again() override {}
  void finished() override {}
  void when_durable(std::uint64_t) override {}

 private:
  std::deque<std::pair<std::size_t, std::unique_ptr<char[]>>> contents_;
  std::deque<std::string> texts_;
  std::deque<std::vector<abi::Attribute>> attributes_;
  std::vector<abi::Item> items_;
};

}  // namespace weir::sql
